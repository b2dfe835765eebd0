/* unforeseen.h - what a lane costs whoever cannot know beforehand who is refused and whom a fault
 * strikes. */
#pragma once

#include <stdint.h>

/* What a lane is asked, in an order that tells nothing. */
struct questions {
    uint64_t accepted, refused;            /* in the end */
    uint64_t drops, busies, stalls;        /* faults: one each for as many of them, before that */
    uint32_t recipients_max, refusals_max; /* of a session; the last of either ends it */
    uint64_t open_ms;                      /* until a session may ask */
    uint64_t first_ms, turn_ms;            /* its first question, and each further one */
    uint64_t stall_ms;                     /* how long silence is waited for */
};

struct unforeseen {
    uint64_t sessions, time_ms;
};

/* The ideal client on so many connections: it uses each session as far as the limits allow, asks
 * again at once after a fault, and gives each question to the connection that is free or ready
 * first, whichever ends sooner. In one order or another that may go well or badly; this is the mean
 * over many orders. */
struct unforeseen unforeseen_of(const struct questions *questions, uint32_t connections);
