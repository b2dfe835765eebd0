/* ideal.h - how fast this world could be asked at best, by its own delays and caps. */
#pragma once

#include "probes/base/text.h"
#include "tests/lab/world.h"

struct ideal {
    uint64_t time_ms;      /* no client that keeps the caps can be faster */
    uint64_t connections;  /* sessions that it needs at least */
    uint64_t transactions; /* recipients and decoys */
    uint64_t dns_ms;       /* the part of time_ms before the first connection */
    const char *lane;      /* the one that takes longest */
};
struct ideal ideal_of(const struct world *world);
void ideal_json(struct text *out, const struct world *world);
