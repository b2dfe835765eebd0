#include "tests/lab/memory.h"

#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"

enum { FIRST_ROOM = 1024 };

struct memory_slot {
    uint64_t key; /* 0 = free */
    uint64_t since_ms;
};

void memory_free(struct memory *memory)
{
    free(memory->slots);
    *memory = (struct memory){.slots = NULL};
}

/* Open addressing; the room is a power of two and at most half full. */
static struct memory_slot *find(struct memory *memory, uint64_t key)
{
    size_t at = (size_t)(key * 0x9e3779b97f4a7c15u >> 20) & (memory->room - 1);

    while (memory->slots[at].key != 0 && memory->slots[at].key != key)
        at = (at + 1) & (memory->room - 1);
    return &memory->slots[at];
}

static void grow(struct memory *memory)
{
    struct memory old = *memory;

    memory->room = old.room > 0 ? old.room * 2 : FIRST_ROOM;
    memory->slots = mem_array(struct memory_slot, memory->room);
    for (size_t i = 0; i < old.room; i++)
        if (old.slots[i].key != 0)
            *find(memory, old.slots[i].key) = old.slots[i];
    free(old.slots);
}

uint64_t memory_age_ms(struct memory *memory, uint64_t epoch, uint64_t key, uint64_t now_ms)
{
    if (memory->epoch != epoch) {
        memory_free(memory);
        memory->epoch = epoch;
    }
    if (memory->count * 2 >= memory->room)
        grow(memory);
    key |= 1; /* never 0 */
    struct memory_slot *slot = find(memory, key);
    if (slot->key == key)
        return now_ms > slot->since_ms ? now_ms - slot->since_ms : 1;
    *slot = (struct memory_slot){.key = key, .since_ms = now_ms};
    memory->count++;
    return 0;
}
