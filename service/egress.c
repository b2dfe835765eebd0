#include "service/egress.h"

/* Every loop has its own idea of "now": what another one noted may be a moment ahead of it. */
static uint64_t since_ms(uint64_t then_ms, uint64_t now_ms)
{
    return now_ms > then_ms ? now_ms - then_ms : 0;
}

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

bool egress_open(struct egress *egress, uint64_t now_ms)
{
    uint64_t greeted_ms = atomic_load_explicit(&egress->last_greeting_ms, memory_order_relaxed);

    return greeted_ms != 0 && since_ms(greeted_ms, now_ms) < EGRESS_SILENCE_MS;
}

bool egress_blocked(struct egress *egress, uint64_t now_ms)
{
    if (egress_open(egress, now_ms))
        return false;
    for (unsigned i = 0; i < EGRESS_ADDRESSES; i++) {
        uint64_t at_ms = atomic_load_explicit(&egress->times_ms[i], memory_order_relaxed);

        if (at_ms == 0 || since_ms(at_ms, now_ms) > EGRESS_WINDOW_MS)
            return false;
    }
    return true;
}

bool egress_try(struct egress *egress, uint64_t now_ms)
{
    uint64_t last_ms = atomic_load(&egress->last_try_ms);

    return (last_ms == 0 || since_ms(last_ms, now_ms) >= EGRESS_TRY_MS) &&
           atomic_compare_exchange_strong(&egress->last_try_ms, &last_ms, now_ms);
}
