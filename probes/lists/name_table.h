/* name_table.h - names and the kinds each one has, by open addressing over bytes that
 * stay where they are (embedded text, or an operator's file). Case does not count. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct name_slot {
    const char *name; /* borrowed, not terminated; NULL = free */
    uint32_t hash;
    uint16_t length;
    uint16_t kinds; /* 0 after everything was taken off again */
};

struct name_table {
    struct name_slot *slots; /* owned */
    size_t mask, used;
};

void name_table_init(struct name_table *table, size_t expected);
void name_table_free(struct name_table *table);
/* `name` must outlive the table. */
void name_table_add(struct name_table *table, const char *name, size_t length, unsigned kinds);
void name_table_remove(struct name_table *table, const char *name, size_t length, unsigned kinds);
/* 0 = not in it. */
unsigned name_table_find(const struct name_table *table, const char *name, size_t length);
