/* phrases.h - which of many phrases occur in a text, in one pass (Aho and Corasick, 1975).
 *
 * Filled once, sealed, then only read: any number of threads may search. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PHRASES_MAX = 8192, PHRASE_SET_WORDS = PHRASES_MAX / 64, PHRASE_STATES_MAX = 65535 };

struct phrases;

struct phrases *phrases_new(void);
void phrases_free(struct phrases **phrases);
/* The phrase's number; the same phrase has one number. -1 = empty, too many, or too long in all,
 * where beginnings that phrases share count once. */
int phrases_add(struct phrases *phrases, const char *bytes, size_t length);
size_t phrases_count(const struct phrases *phrases);
/* No phrase can be added after this, and none is found before it. */
void phrases_seal(struct phrases *phrases);
/* Sets bit n of `found` for each phrase n in the text; clears the others. */
void phrases_find(const struct phrases *phrases, const char *text, size_t length,
                  uint64_t found[PHRASE_SET_WORDS]);

static inline bool phrase_found(const uint64_t *found, size_t phrase)
{
    return (found[phrase / 64] >> (phrase % 64)) & 1;
}
