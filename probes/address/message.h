/* message.h - one sentence a visitor of a form can read, for every address code and every
 * verdict reason, in the languages we have. Keyed by wire name, so that nothing here knows
 * the verdict. All texts are static. */
#pragma once

#include <stdbool.h>

/* symbol, language tag (RFC 5646) */
#define MESSAGE_LANGUAGE_LIST(X)                                                                   \
    X(MESSAGE_ENGLISH, "en")                                                                       \
    X(MESSAGE_GERMAN, "de")                                                                        \
    X(MESSAGE_FRENCH, "fr")                                                                        \
    X(MESSAGE_SPANISH, "es")                                                                       \
    X(MESSAGE_CHINESE, "zh-Hans")

enum message_language {
#define X(symbol, tag) symbol,
    MESSAGE_LANGUAGE_LIST(X)
#undef X
        MESSAGE_LANGUAGE_COUNT
};
const char *message_language_tag(enum message_language language);

/* The best of our languages for an Accept-Language value (RFC 9110 section 12.5.4); NULL, nothing
 * acceptable or nonsense gives English. */
enum message_language message_language_from(const char *accept_language);

/* The sentence for a code; never NULL: a code nobody knows gets a neutral one. */
const char *message_for(const char *code, enum message_language language);
bool message_known(const char *code);

/* --- the table (message_table.c) ---------------------------------------------------- */

struct message_row {
    const char *code;
    const char *text[MESSAGE_LANGUAGE_COUNT];
};
extern const struct message_row message_rows[];
extern const unsigned message_row_count;
