/* watch.h - what readiness shows of the shards' work: is the resolver silent, which lanes rest.
 * Written by shards on their way, read by anybody, without a lock. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- the resolver ------------------------------------------------------------- */

enum { RESOLVER_SILENCES_MAX = 5 }; /* one silent domain is not a silent resolver */

/* Zeroed is ready. */
struct resolver_watch {
    atomic_bool answered;
    atomic_uint silences; /* lookups in a row that timed out */
};

enum resolver_state { RESOLVER_UNKNOWN, RESOLVER_ANSWERS, RESOLVER_SILENT };

void resolver_heard(struct resolver_watch *watch, bool silence);
enum resolver_state resolver_state(const struct resolver_watch *watch);

/* --- lanes that rest ------------------------------------------------------------ */

enum {
    RESTING_MAX = 32, /* of a shard; the one that ends first gives its place up */
    RESTING_NAME_SIZE = 80,
    RESTING_NAME_WORDS = RESTING_NAME_SIZE / 8
};

/* Zeroed is ready. One thread writes. */
struct resting {
    struct resting_slot {
        atomic_uint version; /* odd: being written */
        _Atomic uint64_t until_ms;
        _Atomic uint64_t name[RESTING_NAME_WORDS];
    } slots[RESTING_MAX];
};

void resting_add(struct resting *resting, const char *name, uint64_t until_ms);
/* The names of those that rest now, at most `most`; returns how many. */
size_t resting_list(const struct resting *resting, uint64_t now_ms, char names[][RESTING_NAME_SIZE],
                    size_t most);
