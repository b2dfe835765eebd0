/* ideal_tries.h - tries and waits that nothing shortens, whatever the client is like. */
#pragma once

#include "tests/lab/world.h"

static inline void at_least(uint64_t *value, uint64_t floor)
{
    if (*value < floor)
        *value = floor;
}

/* How long one ask at this host is waited for in vain; 0 = it says what is wrong. */
uint64_t host_wait_ms(const struct host_play *play);
/* Does its host rest after trouble? Then one address is asked, and others of the domain may be
 * deferred in the same moment, which is a try as well, with its pause. */
bool host_rests(const struct behaviour *row);
/* How often its addresses are asked about, all to no avail but perhaps the last; 1 without
 * `settle`. */
uint64_t tries_of(const struct world *world, const struct behaviour *row);
/* Between so many tries of one address. */
uint64_t pauses_ms(uint64_t tries);
/* All tries of several addresses of a host that rests, when each ask is waited for. */
uint64_t shared_tries_ms(uint64_t tries, uint64_t wait_ms);
/* All tries of the addresses of a domain whose name does not lead to any host. */
uint64_t nameless_ms(const struct world *world, const struct behaviour *row);
