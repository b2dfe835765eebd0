/* provider_rules.h - what big providers allow left of the "@" at their own consumer domains, and
 * which spellings they deliver to one mailbox. Data, in provider_rules.c.
 *
 * Old accounts break sign-up rules, so only what a provider never allowed is hard. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "probes/address/insight.h"

/* How to get from a local part to the part that names the mailbox. */
enum {
    KEY_CUT_PLUS = 1,      /* "+tag" */
    KEY_CUT_HYPHEN = 2,    /* Yahoo: base-keyword is a throw-away name of base's owner */
    KEY_DROP_DOTS = 4,     /* Gmail */
    KEY_DROP_SPECIALS = 8, /* Proton: ". _ -" are transparent */
    KEY_DOT_IS_HYPHEN = 16 /* Yandex */
};

enum { FIRST_ANY, FIRST_LETTER, FIRST_ALNUM };

struct provider_rule {
    const char *name;
    const char *key_domain; /* all domains of the provider lead to one namespace; NULL = not so */
    const char *characters; /* beside letters and digits; NULL = no rule is known */
    const char *last;       /* characters that may end it beside letters and digits */
    const char *hard_characters; /* none of these was ever possible */
    unsigned key;                /* KEY_ bits */
    uint8_t shortest, longest;   /* without tag; without dots when those do not count */
    uint8_t first;               /* FIRST_ */
    uint8_t dots_max;            /* 0 = any number */
    bool no_double_special;      /* never two of `characters` in a row */
    bool hard_longest, hard;     /* too long is hard; every violation is */
};

/* By the A-label domain, lower-case; never NULL: the last row is for everybody else. */
const struct provider_rule *provider_rule_for(const char *domain);
/* "user.fastmail.com": the length of "user", which names the mailbox; 0 = not such a domain. */
size_t provider_user_label(const char *domain);

/* `base` is the local part without its tag. */
enum provider_syntax provider_rule_check(const struct provider_rule *rule, const char *base,
                                         size_t length);
