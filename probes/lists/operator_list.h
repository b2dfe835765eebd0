/* operator_list.h - the operator's allow and suppress lists: one entry a line,
 *
 *     jane@example.com     an address; the local part as written, case ignored
 *     example.com          every address at exactly this domain
 *     *.example.com        every address at any domain below it
 *     # a comment
 *
 * A list is immutable once read, so any number of threads may ask it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
    OPERATOR_LIST_LINE_MAX = 512, /* octets of a line */
    OPERATOR_LIST_ENTRIES_MAX = 1000000,
    OPERATOR_LIST_BYTES_MAX = 64 * 1024 * 1024
};

struct operator_list;

/* NULL with a sentence in `error` that names the line, when anything in it is no entry. */
struct operator_list *operator_list_parse(const char *text, size_t length, char *error,
                                          size_t error_size);
struct operator_list *operator_list_load(const char *path, char *error, size_t error_size);
void operator_list_free(struct operator_list **list); /* also of NULL */

size_t operator_list_count(const struct operator_list *list);
/* `domain` as A-labels; a NULL list has nothing. */
bool operator_list_has(const struct operator_list *list, const char *local, const char *domain);
