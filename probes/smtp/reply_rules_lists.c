/* Names are few and rules are read seldom: a walk over the lists for each brace. */
#include "probes/smtp/reply_rules_lists.h"

#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"

/* The name that begins here, braces and all: its length; 0 = none, or too long. */
static size_t name_length(const char *text, size_t length)
{
    const char *close = length == 0 || *text != '{' ? NULL : memchr(text, '}', length);
    size_t name = close == NULL ? 0 : (size_t)(close - text) + 1;

    return name < RULE_LIST_NAME_MAX ? name : 0;
}

/* The latest of that name. */
static const struct rule_list *find(const struct rule_lists *lists, const char *name, size_t length)
{
    for (size_t i = lists->count; i-- > 0;) {
        if (strlen(lists->list[i].name) == length && memcmp(lists->list[i].name, name, length) == 0)
            return &lists->list[i];
    }
    return NULL;
}

size_t rule_lists_fill_in(const struct rule_lists *lists, const char *text, size_t length, char *to,
                          size_t capacity)
{
    size_t written = 0;

    for (size_t at = 0; at < length;) {
        size_t taken = 1, more = 1;
        const char *from = text + at;
        if (text[at] == '{') {
            taken = name_length(text + at, length - at);
            const struct rule_list *list = find(lists, text + at, taken);
            if (list == NULL)
                return capacity;
            from = list->words;
            more = strlen(list->words);
        }
        if (more >= capacity - written)
            return capacity;
        memcpy(to + written, from, more);
        written += more;
        at += taken;
    }
    return written;
}

bool rule_lists_define(struct rule_lists *lists, const char *text, size_t length)
{
    size_t name = name_length(text, length);

    if (name < sizeof("{}") || lists->count == RULE_LISTS_MAX)
        return false;
    struct rule_list *list = &lists->list[lists->count];
    size_t words = length - name;
    memcpy(list->name, text, name);
    list->name[name] = '\0';
    list->words = mem_array(char, words + sizeof("()"));
    list->words[0] = '(';
    memcpy(list->words + 1, text + name, words);
    list->words[words + 1] = ')';
    lists->count++;
    return true;
}

void rule_lists_clear(struct rule_lists *lists)
{
    while (lists->count > 0)
        free(lists->list[--lists->count].words);
}
