#include "service/watch.h"

#include <string.h>

/* --- the resolver ------------------------------------------------------------------ */

/* Answers come by the thousand: they write only when something changes. */
void resolver_heard(struct resolver_watch *watch, bool silence)
{
    if (silence) {
        atomic_fetch_add_explicit(&watch->silences, 1, memory_order_relaxed);
        return;
    }
    if (atomic_load_explicit(&watch->silences, memory_order_relaxed) != 0)
        atomic_store_explicit(&watch->silences, 0, memory_order_relaxed);
    if (!atomic_load_explicit(&watch->answered, memory_order_relaxed))
        atomic_store_explicit(&watch->answered, true, memory_order_relaxed);
}

enum resolver_state resolver_state(const struct resolver_watch *watch)
{
    if (atomic_load_explicit(&watch->silences, memory_order_relaxed) >= RESOLVER_SILENCES_MAX)
        return RESOLVER_SILENT;
    return atomic_load_explicit(&watch->answered, memory_order_relaxed) ? RESOLVER_ANSWERS
                                                                        : RESOLVER_UNKNOWN;
}

/* --- lanes that rest ---------------------------------------------------------------- */

static void pack(const char *name, uint64_t words[RESTING_NAME_WORDS])
{
    char bytes[RESTING_NAME_SIZE] = "";
    size_t length = strnlen(name, sizeof(bytes) - 1);

    memcpy(bytes, name, length);
    memcpy(words, bytes, sizeof(bytes));
}

static void read_name(const struct resting_slot *slot, uint64_t words[RESTING_NAME_WORDS])
{
    for (size_t i = 0; i < RESTING_NAME_WORDS; i++)
        words[i] = atomic_load_explicit(&slot->name[i], memory_order_relaxed);
}

/* Its own, else the one that ends first. */
static struct resting_slot *slot_for(struct resting *resting,
                                     const uint64_t name[RESTING_NAME_WORDS])
{
    struct resting_slot *best = &resting->slots[0];
    uint64_t words[RESTING_NAME_WORDS];

    for (size_t i = 0; i < RESTING_MAX; i++) {
        struct resting_slot *slot = &resting->slots[i];

        read_name(slot, words);
        if (memcmp(words, name, sizeof(words)) == 0)
            return slot;
        if (atomic_load_explicit(&slot->until_ms, memory_order_relaxed) <
            atomic_load_explicit(&best->until_ms, memory_order_relaxed))
            best = slot;
    }
    return best;
}

void resting_add(struct resting *resting, const char *name, uint64_t until_ms)
{
    uint64_t words[RESTING_NAME_WORDS];

    pack(name, words);
    struct resting_slot *slot = slot_for(resting, words);
    unsigned version = atomic_load_explicit(&slot->version, memory_order_relaxed);
    atomic_store(&slot->version, version + 1);
    for (size_t i = 0; i < RESTING_NAME_WORDS; i++)
        atomic_store(&slot->name[i], words[i]);
    atomic_store(&slot->until_ms, until_ms);
    atomic_store(&slot->version, version + 2);
}

/* False: it was written meanwhile; the next reading will have it. */
static bool read_slot(const struct resting_slot *slot, uint64_t *until_ms,
                      char name[RESTING_NAME_SIZE])
{
    uint64_t words[RESTING_NAME_WORDS];
    unsigned before = atomic_load(&slot->version);

    *until_ms = atomic_load(&slot->until_ms);
    for (size_t i = 0; i < RESTING_NAME_WORDS; i++)
        words[i] = atomic_load(&slot->name[i]);
    memcpy(name, words, RESTING_NAME_SIZE);
    return before % 2 == 0 && atomic_load(&slot->version) == before;
}

size_t resting_list(const struct resting *resting, uint64_t now_ms, char names[][RESTING_NAME_SIZE],
                    size_t most)
{
    size_t count = 0;

    for (size_t i = 0; i < RESTING_MAX && count < most; i++) {
        uint64_t until_ms;

        if (read_slot(&resting->slots[i], &until_ms, names[count]) && until_ms > now_ms)
            count++;
    }
    return count;
}
