/* reply_rules_set.h - the parsed rules; shared by the parser and the matcher only. */
#pragma once

#include "probes/smtp/reply_rules.h"

enum {
    RULE_SET_WORDS = REPLY_RULES_MAX / 64,
    RULE_CODES_MAX = 6,
    RULE_ENHANCED_MAX = 12,
    RULE_TERMS_MAX = 16384, /* alternatives of all rules together */
    TERM_PHRASES_MAX = 3,
    RULE_SETS_MAX = 256, /* brackets that stand alone, or beside an & */
    RULE_SETS_WORDS = RULE_SETS_MAX / 64,
    FOUND_WORDS = PHRASE_SET_WORDS + RULE_SETS_WORDS /* first the phrases, then the sets */
};

struct code_range {
    uint16_t low, high;
};

struct enhanced_pattern {
    bool none;      /* the reply carries no enhanced code */
    uint16_t class; /* 0 = any */
    uint16_t subject;
    uint16_t low, high; /* detail */
};

/* One alternative: all of its phrases must occur. From PHRASES_MAX on it is the number of a set, of
 * which one phrase must. */
struct term {
    uint16_t phrases[TERM_PHRASES_MAX];
    uint8_t count;
};

struct set_bits {
    uint64_t sets[RULE_SETS_WORDS];
};

struct term_range {
    size_t first, count;
};

struct reply_rule {
    char id[8];
    char provider[24];
    enum reply_class class;
    unsigned stages; /* bits of enum smtp_stage */
    bool first_contact;
    uint8_t code_count, enhanced_count;
    struct code_range codes[RULE_CODES_MAX];
    struct enhanced_pattern enhanced[RULE_ENHANCED_MAX];
    struct term_range words, never;
};

struct rule_set {
    uint64_t rules[RULE_SET_WORDS];
};

struct reply_rules {
    size_t count;
    struct reply_rule list[REPLY_RULES_MAX];
    struct term *terms;
    size_t term_count;
    struct phrases *phrases;
    size_t set_count;
    struct set_bits *member_of; /* by phrase: the sets that hold it */
    struct rule_set *suggests;  /* by phrase */
    uint64_t wordless[RULE_SET_WORDS];
    struct reply_rules *retired; /* the set before this one */
};
