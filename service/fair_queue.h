/* fair_queue.h - jobs in the order of fair shares: a caller with a thousand addresses and one
 * with two get turns alike (start-time fair queueing, each job of equal size). */
#pragma once

#include <stdint.h>

struct job;

enum { FAIR_CALLERS = 4 }; /* remembered at once; with more, the oldest begins anew */

struct fair_queue {
    struct job *head; /* a utlist, by share */
    uint32_t now;     /* share of the job taken last */
    struct {
        uint32_t caller, share; /* of the caller's last job */
    } last[FAIR_CALLERS];
    uint32_t next_slot;
};

void fair_queue_add(struct fair_queue *queue, struct job *job);
void fair_queue_add_first(struct fair_queue *queue, struct job *job); /* it was under way already */
void fair_queue_remove(struct fair_queue *queue, struct job *job);
