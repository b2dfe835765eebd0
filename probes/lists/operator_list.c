#include "probes/lists/operator_list.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "probes/lists/list_text.h"
#include "probes/lists/name_table.h"

enum { ENTRY_ADDRESS = 1, ENTRY_DOMAIN = 2, ENTRY_BELOW = 4, ADDRESS_TEXT_MAX = 320 };

/* Addresses, domains and what stands behind "*." share one table; the kind tells them apart. */
struct operator_list {
    char *bytes; /* owned; the table's names point into it */
    struct name_table entries;
    size_t count;
};

/* The kind of one entry, 0 when it is none; *name and *length become what is looked up. */
static unsigned kind_of(const char **name, size_t *length)
{
    const char *at = memrchr(*name, '@', *length);

    if (at != NULL) {
        size_t local = (size_t)(at - *name);

        return list_is_local(*name, local) && list_is_host(at + 1, *length - local - 1, false)
                   ? ENTRY_ADDRESS
                   : 0;
    }
    if (*length > 2 && memcmp(*name, "*.", 2) == 0) {
        *name += 2;
        *length -= 2;
        return list_is_host(*name, *length, true) ? ENTRY_BELOW : 0;
    }
    return list_is_host(*name, *length, false) ? ENTRY_DOMAIN : 0;
}

static bool fill(struct operator_list *list, size_t length, char *error, size_t size)
{
    struct list_reader reader = list_reader_of(list->bytes, length);
    struct list_entry entry;

    while (list_read(&reader, &entry)) {
        const char *name = entry.off ? entry.name - 1 : entry.name;
        size_t name_length = entry.length + entry.off;
        unsigned kind = 0;

        if ((entry.marks_length == 0 || entry.marks[0] == '#') &&
            name_length <= OPERATOR_LIST_LINE_MAX)
            kind = kind_of(&name, &name_length);
        if (kind == 0) {
            snprintf(error, size,
                     "line %u: neither an address nor a domain (beyond ASCII: as xn--...)",
                     reader.line);
            return false;
        }
        if (++list->count > OPERATOR_LIST_ENTRIES_MAX) {
            snprintf(error, size, "more than %d entries", OPERATOR_LIST_ENTRIES_MAX);
            return false;
        }
        name_table_add(&list->entries, name, name_length, kind);
    }
    return true;
}

/* Takes `bytes` over. */
static struct operator_list *list_of(char *bytes, size_t length, char *error, size_t size)
{
    struct operator_list *list = mem_new(struct operator_list);

    list->bytes = bytes;
    name_table_init(&list->entries, 0);
    if (!fill(list, length, error, size))
        operator_list_free(&list);
    return list;
}

struct operator_list *operator_list_parse(const char *text, size_t length, char *error,
                                          size_t error_size)
{
    if (length > OPERATOR_LIST_BYTES_MAX) {
        snprintf(error, error_size, "longer than %d octets", OPERATOR_LIST_BYTES_MAX);
        return NULL;
    }
    return list_of(mem_copy_bytes(text, length), length, error, error_size);
}

struct operator_list *operator_list_load(const char *path, char *error, size_t error_size)
{
    size_t length = 0;
    char reason[128];
    char *bytes = list_read_file(path, OPERATOR_LIST_BYTES_MAX, &length, error, error_size);
    struct operator_list *list;

    if (bytes == NULL)
        return NULL;
    list = list_of(bytes, length, reason, sizeof(reason));
    if (list == NULL)
        snprintf(error, error_size, "%s: %s", path, reason);
    return list;
}

void operator_list_free(struct operator_list **list)
{
    if (*list == NULL)
        return;
    name_table_free(&(*list)->entries);
    free((*list)->bytes);
    free(*list);
    *list = NULL;
}

size_t operator_list_count(const struct operator_list *list)
{
    return list == NULL ? 0 : list->count;
}

static bool below_any(const struct name_table *entries, const char *domain)
{
    const char *dot = domain;

    while ((dot = strchr(dot, '.')) != NULL) {
        dot++;
        if ((name_table_find(entries, dot, strlen(dot)) & ENTRY_BELOW) != 0)
            return true;
    }
    return false;
}

bool operator_list_has(const struct operator_list *list, const char *local, const char *domain)
{
    char address[ADDRESS_TEXT_MAX];
    int length;

    if (list == NULL || list->count == 0)
        return false;
    if ((name_table_find(&list->entries, domain, strlen(domain)) & ENTRY_DOMAIN) != 0)
        return true;
    length = snprintf(address, sizeof(address), "%s@%s", local, domain);
    if (length > 0 && (size_t)length < sizeof(address) &&
        (name_table_find(&list->entries, address, (size_t)length) & ENTRY_ADDRESS) != 0)
        return true;
    return below_any(&list->entries, domain);
}
