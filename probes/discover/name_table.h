/* name_table.h - domain names to numbers, also by suffix. Filled once, then only read. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NAME_TABLE_NONE = -1 };

struct name_table {
    struct name_slot {
        const char *name; /* borrowed */
        int value;
    } * slots;
    size_t capacity, count; /* capacity: a power of two */
};

void name_table_init(struct name_table *table);
/* False if the name is there already. `name` must outlive the table. */
bool name_table_add(struct name_table *table, const char *name, int value);
/* NAME_TABLE_NONE if it is not there. ASCII case does not count. */
int name_table_find(const struct name_table *table, const char *name);
/* The value of the longest suffix, by whole labels: "a.b.c", "b.c", "c". */
int name_table_find_suffix(const struct name_table *table, const char *name);
