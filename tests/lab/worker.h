/* worker.h - what the servers of one process share. */
#pragma once

#include "probes/base/loop.h"
#include "tests/lab/counters.h"
#include "tests/lab/lab_tls.h"
#include "tests/lab/memory.h"
#include "tests/lab/stream.h"
#include "tests/lab/world.h"

enum { SUSPECTS_MAX = 256, SUSPECT_AFTER_MS = 30 };

struct worker {
    struct loop *loop;
    const struct world *world;
    struct lab_board *board;
    struct lab_counters *counters; /* this process's own */
    struct lab_tls *tls;
    struct memory memory;
    struct stream_params stream;
    /* Hosts whose lane seemed too full: looked at again when closes under way have arrived. */
    struct loop_timer suspect_timer;
    uint32_t suspects[SUSPECTS_MAX];
    size_t suspect_count;
};

void worker_break(struct worker *worker, size_t host, enum rule_break rule);
/* A connection to `host` begins; the cap of its lane is watched. */
void worker_opened(struct worker *worker, size_t host);
void worker_closed(struct worker *worker, size_t host);
void worker_init(struct worker *worker); /* after loop, world, board, counters and tls are set */
void worker_clear(struct worker *worker);

/* The servers. They take the descriptor. */
void smtp_peer_start(struct worker *worker, size_t host, int fd);
void imap_peer_start(struct worker *worker, size_t host, int fd, bool implicit_tls);
