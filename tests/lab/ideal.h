/* ideal.h - how fast this world could be asked at best, by its own delays and caps. */
#pragma once

#include "probes/base/text.h"
#include "tests/lab/world.h"

struct ideal {
    uint64_t time_ms;     /* no client that keeps the caps can be faster */
    uint64_t connections; /* sessions that it needs at least */
    /* ... and were it known beforehand whom a fault strikes and who is refused */
    uint64_t foreseen_ms, foreseen;
    uint64_t transactions; /* recipients and decoys */
    uint64_t dns_ms;       /* the part of time_ms before the first connection */
    const char *lane;      /* the one that takes longest */
};
/* The sum, and what each lane needs. */
void ideal_json(struct text *out, const struct world *world);
