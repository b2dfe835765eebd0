/* reply_rules.h - the rule file, parsed into a form that is matched in one pass.
 *
 * A line of the file is
 *
 *     id  stages  provider  codes  enhanced  class : phrases : never
 *
 * and further lines that begin with a space belong to it; '#' begins a comment line.
 *   id        C and a number: built in; U and anything: the operator's
 *   stages    any, or some of greeting,ehlo,tls,mail,rcpt,quit (rcpt includes quit: later, or
 *             not known when); "first" = rcpt, on a first contact (greylisting)
 *   provider  a key of the provider table, or -
 *   codes     any, or some of 5xx 550 500-504
 *   enhanced  - (whatever), or some of none 5.1.1 x.7.1 x.7.500-699 x.6.*
 *   phrases   alternatives by '|', each one to three phrases joined by '&' (all must occur);
 *             whole words, but `word*` is a beginning and `*word` an end. The words of host names
 *             and of pages' addresses are found by `*word` and by names (`spamhaus.org`: that, and
 *             what is below it). (a|b) and [maybe] inside a phrase; the markers <us> <sender> <ip>
 *             <domain> <host> <edge>; small words do not count (reply_words.h). No phrases = any
 *             text. A bracket that stands alone, or beside an "&", is kept as one set; any other
 *             costs a phrase for each way through it
 *   never     phrases that keep the rule from fitting
 *
 * A line `{name} phrases` names a list for the rules below, where {name} stands for it in brackets.
 *
 * The first rule that fits decides. */
#pragma once

#include "probes/base/evidence.h"
#include "probes/smtp/phrases.h"
#include "probes/smtp/reply_words.h"

enum { REPLY_RULES_MAX = 512 };

struct reply_rules;

struct reply_query {
    enum smtp_stage stage;
    bool first_contact;
    uint16_t code;
    uint16_t enhanced[3];
    const char *provider; /* may be NULL */
    const struct reply_words *words;
};

/* NULL, with one line in `error` ("line 12: ..."), if the text is not a rule file. */
struct reply_rules *reply_rules_parse(const char *text, size_t length, char *error,
                                      size_t error_size);
void reply_rules_free(struct reply_rules **rules);
struct reply_meaning reply_rules_match(const struct reply_rules *rules,
                                       const struct reply_query *query);

size_t reply_rules_count(const struct reply_rules *rules);
const char *reply_rules_id(const struct reply_rules *rules, size_t number);

/* Rules of the operator before the built-in ones, to be installed. NULL, with one line in `error`,
 * if the text is not a rule file. */
struct reply_rules *reply_rules_with_own(const char *text, size_t length, char *error,
                                         size_t error_size);

/* The set in force: the built-in one, until another is installed. */
const struct reply_rules *reply_rules_current(void);
/* Takes ownership. Sets that were in force stay in memory, for their ids are in evidence. */
void reply_rules_install(struct reply_rules *rules);
