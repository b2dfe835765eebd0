#include "probes/lists/name_table.h"

#include <stdbool.h>
#include <stdlib.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c; }

static bool same(const char *a, const char *b, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

static uint32_t hash_of(const char *name, size_t length)
{
    uint64_t wide = text_hash_nocase(name, length);

    return (uint32_t)(wide ^ (wide >> 32));
}

/* The slot of `name`, or the free one where it would go. There always is a free one. */
static size_t place(const struct name_table *table, const char *name, size_t length, uint32_t hash)
{
    size_t at = hash & table->mask;

    for (;; at = (at + 1) & table->mask) {
        const struct name_slot *slot = &table->slots[at];

        if (slot->name == NULL ||
            (slot->hash == hash && slot->length == length && same(slot->name, name, length)))
            return at;
    }
}

void name_table_init(struct name_table *table, size_t expected)
{
    size_t size = 64;

    while (size < expected + expected / 2)
        size *= 2;
    *table = (struct name_table){.slots = mem_array(struct name_slot, size), .mask = size - 1};
}

void name_table_free(struct name_table *table)
{
    free(table->slots);
    *table = (struct name_table){0};
}

static void grow(struct name_table *table)
{
    struct name_table larger;

    name_table_init(&larger, (table->mask + 1) * 2);
    for (size_t i = 0; i <= table->mask; i++) {
        const struct name_slot *slot = &table->slots[i];

        if (slot->name != NULL)
            larger.slots[place(&larger, slot->name, slot->length, slot->hash)] = *slot;
    }
    larger.used = table->used;
    free(table->slots);
    *table = larger;
}

void name_table_add(struct name_table *table, const char *name, size_t length, unsigned kinds)
{
    uint32_t hash = hash_of(name, length);
    struct name_slot *slot;

    if (length == 0 || length > UINT16_MAX)
        return;
    if (table->used * 4 >= (table->mask + 1) * 3)
        grow(table);
    slot = &table->slots[place(table, name, length, hash)];
    if (slot->name == NULL) {
        *slot = (struct name_slot){.name = name, .hash = hash, .length = (uint16_t)length};
        table->used++;
    }
    slot->kinds = (uint16_t)(slot->kinds | kinds);
}

void name_table_remove(struct name_table *table, const char *name, size_t length, unsigned kinds)
{
    struct name_slot *slot = &table->slots[place(table, name, length, hash_of(name, length))];

    if (slot->name != NULL)
        slot->kinds = (uint16_t)(slot->kinds & ~kinds);
}

unsigned name_table_find(const struct name_table *table, const char *name, size_t length)
{
    const struct name_slot *slot = &table->slots[place(table, name, length, hash_of(name, length))];

    return slot->name == NULL ? 0 : slot->kinds;
}
