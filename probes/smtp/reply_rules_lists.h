/* reply_rules_lists.h - named lists of a rule file, for the parser only.
 *
 * A line `{who} user | mailbox | account` names a list, and {who} in a later rule stands for
 * (user | mailbox | account). A list may hold others that stand above it; the same name again
 * holds from there on. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { RULE_LISTS_MAX = 32, RULE_LIST_NAME_MAX = 24 };

struct rule_list {
    char name[RULE_LIST_NAME_MAX]; /* with its braces */
    char *words;                   /* already in brackets */
};

struct rule_lists {
    size_t count;
    struct rule_list list[RULE_LISTS_MAX];
};

/* Copies `text`, the names of lists replaced by the lists; returns the length, or `capacity` if it
 * does not fit or names a list that is not there. */
size_t rule_lists_fill_in(const struct rule_lists *lists, const char *text, size_t length, char *to,
                          size_t capacity);
/* `text` is a line with its names filled in, but for the first. */
bool rule_lists_define(struct rule_lists *lists, const char *text, size_t length);
void rule_lists_clear(struct rule_lists *lists);
