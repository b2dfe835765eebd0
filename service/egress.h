/* egress.h - can this host reach port 25 at all? Learned from real sessions.
 *
 * Blocked: no greeting in the last hour, and at least 20 different addresses timed
 * out within ten minutes. Then checks are answered egress_blocked instead of a flood
 * of timeouts, and one in a while still goes out to see whether that has changed. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "probes/base/ip.h"

enum {
    EGRESS_ADDRESSES = 20,
    EGRESS_WINDOW_MS = 600000,
    EGRESS_SILENCE_MS = 3600000,
    EGRESS_TRY_MS = 30000
};

/* Zeroed is ready. Any thread. */
struct egress {
    _Atomic uint64_t last_greeting_ms;
    /* A ring of the latest distinct addresses: hash, and when. Torn pairs only misjudge one entry.
     */
    _Atomic uint64_t hashes[EGRESS_ADDRESSES], times_ms[EGRESS_ADDRESSES];
    atomic_uint next;
    _Atomic uint64_t last_try_ms;
};

void egress_greeted(struct egress *egress, uint64_t now_ms);
void egress_timed_out(struct egress *egress, const struct ip_address *address, uint64_t now_ms);
bool egress_blocked(struct egress *egress, uint64_t now_ms);
/* Has a mail host greeted us within the last hour? Then a refusal is the host's own. */
bool egress_open(struct egress *egress, uint64_t now_ms);
/* While blocked: may this one check go out to see? True once in EGRESS_TRY_MS. */
bool egress_try(struct egress *egress, uint64_t now_ms);
