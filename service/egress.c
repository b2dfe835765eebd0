#include "service/egress.h"

void egress_greeted(struct egress *egress, uint64_t now_ms)
{
    atomic_store_explicit(&egress->last_greeting_ms, now_ms, memory_order_relaxed);
}

void egress_timed_out(struct egress *egress, const struct ip_address *address, uint64_t now_ms)
{
    uint64_t hash = ip_hash(address);

    for (unsigned i = 0; i < EGRESS_ADDRESSES; i++)
        if (atomic_load(&egress->hashes[i]) == hash) {
            atomic_store(&egress->times_ms[i], now_ms);
            return;
        }
    unsigned slot = atomic_fetch_add(&egress->next, 1) % EGRESS_ADDRESSES;
    atomic_store(&egress->hashes[slot], hash);
    atomic_store(&egress->times_ms[slot], now_ms);
}

bool egress_blocked(struct egress *egress, uint64_t now_ms)
{
    uint64_t greeted_ms = atomic_load_explicit(&egress->last_greeting_ms, memory_order_relaxed);

    if (greeted_ms != 0 && now_ms - greeted_ms < EGRESS_SILENCE_MS)
        return false;
    for (unsigned i = 0; i < EGRESS_ADDRESSES; i++) {
        uint64_t at_ms = atomic_load_explicit(&egress->times_ms[i], memory_order_relaxed);

        if (at_ms == 0 || now_ms - at_ms > EGRESS_WINDOW_MS)
            return false;
    }
    return true;
}

bool egress_try(struct egress *egress, uint64_t now_ms)
{
    uint64_t last_ms = atomic_load(&egress->last_try_ms);

    return now_ms - last_ms >= EGRESS_TRY_MS &&
           atomic_compare_exchange_strong(&egress->last_try_ms, &last_ms, now_ms);
}
