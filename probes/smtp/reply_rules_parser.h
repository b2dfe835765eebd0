/* reply_rules_parser.h - what the two halves of the parser share: lines and fields
 * (reply_rules_parse.c), and what stands behind the colons (reply_rules_alternatives.c). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "probes/smtp/reply_rules_lists.h"
#include "probes/smtp/reply_rules_set.h"

struct rule_parser {
    struct reply_rules *rules;
    struct rule_lists lists;
    char *sets[RULE_SETS_MAX]; /* the text of each set, by which it is known again */
    bool in_set;               /* what is read are the phrases of a set */
    size_t line;               /* where the rule begins */
    const char *error;
};

/* Keeps the first error; false, for the caller to return. */
bool rule_parser_fail(struct rule_parser *parser, const char *error);
/* Takes the blanks off both ends. */
void rule_parser_trim(const char **at, const char **end);
/* The alternatives from `at` to `end`, as terms; false = failed. */
bool rule_parser_alternatives(struct rule_parser *parser, const char *at, const char *end,
                              struct term_range *range);
