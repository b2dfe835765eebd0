/* control.h - questions to a lab that is playing: a Unix socket in the world's directory. */
#pragma once

#include "probes/base/loop.h"
#include "tests/lab/counters.h"

struct control;

struct control_params {
    struct loop *loop;
    const char *directory;
    struct lab_board *board;
    const struct world *world;
    const struct zone *zone;
};

/* Commands, one line each: counters | details | reset | pause MS | stop. NULL with a sentence. */
struct control *control_start(const struct control_params *params, char *error, size_t error_size);
void control_stop(struct control **control);

/* The other side: prints what the lab answers. Exit status. */
int control_ask(const char *directory, const char *command);
