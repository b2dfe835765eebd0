#include "service/fair_queue.h"

#include <utlist.h>

#include "service/shard.h"

/* Shares wrap around; what is "later" is decided by the signed distance. */
static bool later(uint32_t a, uint32_t b) { return (int32_t)(a - b) > 0; }

static uint32_t next_share(struct fair_queue *queue, uint32_t caller)
{
    for (unsigned i = 0; i < FAIR_CALLERS; i++)
        if (queue->last[i].caller == caller) {
            uint32_t share = queue->last[i].share + 1;

            queue->last[i].share = later(share, queue->now) ? share : queue->now + 1;
            return queue->last[i].share;
        }
    unsigned slot = queue->next_slot++ % FAIR_CALLERS;
    queue->last[slot].caller = caller;
    queue->last[slot].share = queue->now + 1;
    return queue->last[slot].share;
}

void fair_queue_add(struct fair_queue *queue, struct job *job)
{
    struct job *after;

    job->share = next_share(queue, job->caller);
    /* mostly the last of all: the same caller goes on */
    if (queue->head == NULL || !later(queue->head->prev->share, job->share)) {
        DL_APPEND(queue->head, job);
        return;
    }
    for (after = queue->head; !later(after->share, job->share);)
        after = after->next;
    DL_PREPEND_ELEM(queue->head, after, job);
}

void fair_queue_add_first(struct fair_queue *queue, struct job *job)
{
    job->share = queue->head != NULL ? queue->head->share : queue->now;
    DL_PREPEND(queue->head, job);
}

void fair_queue_remove(struct fair_queue *queue, struct job *job)
{
    if (later(job->share, queue->now))
        queue->now = job->share;
    DL_DELETE(queue->head, job);
}
