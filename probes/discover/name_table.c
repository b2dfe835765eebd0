#include "probes/discover/name_table.h"

#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"

enum { CAPACITY_FIRST = 256 };

void name_table_init(struct name_table *table)
{
    *table = (struct name_table){.slots = mem_array(struct name_slot, CAPACITY_FIRST),
                                 .capacity = CAPACITY_FIRST};
}

/* Its slot, or the free one where it belongs. */
static struct name_slot *slot_of(const struct name_table *table, const char *name)
{
    size_t at = (size_t)text_hash_nocase(name, strlen(name)) & (table->capacity - 1);

    while (table->slots[at].name != NULL && !text_equal_nocase(table->slots[at].name, name))
        at = (at + 1) & (table->capacity - 1);
    return &table->slots[at];
}

static void grow(struct name_table *table)
{
    struct name_table larger = {.slots = mem_array(struct name_slot, table->capacity * 2),
                                .capacity = table->capacity * 2,
                                .count = table->count};

    for (size_t i = 0; i < table->capacity; i++) {
        if (table->slots[i].name != NULL)
            *slot_of(&larger, table->slots[i].name) = table->slots[i];
    }
    free(table->slots);
    *table = larger;
}

bool name_table_add(struct name_table *table, const char *name, int value)
{
    if (table->count * 2 >= table->capacity)
        grow(table);
    struct name_slot *slot = slot_of(table, name);
    if (slot->name != NULL)
        return false;
    *slot = (struct name_slot){.name = name, .value = value};
    table->count++;
    return true;
}

int name_table_find(const struct name_table *table, const char *name)
{
    const struct name_slot *slot = slot_of(table, name);

    return slot->name == NULL ? NAME_TABLE_NONE : slot->value;
}

int name_table_find_suffix(const struct name_table *table, const char *name)
{
    for (const char *at = name; at != NULL && *at != '\0';) {
        int value = name_table_find(table, at);
        if (value != NAME_TABLE_NONE)
            return value;
        at = strchr(at, '.');
        at = at == NULL ? NULL : at + 1;
    }
    return NAME_TABLE_NONE;
}
