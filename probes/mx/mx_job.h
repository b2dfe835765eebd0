/* mx_job.h - the questions for one domain and what they come to. No cache: that is mx.c. */
#pragma once

#include "probes/mx/mx.h"

struct mx_job;
/* Once, never from inside mx_job_start(). The evidence comes with one reference, the receiver's;
 * its expires_ms is set. */
typedef void mx_job_done_fn(void *context, struct mx_evidence *evidence);

/* `random` is the state of a generator for shuffling, kept by the caller. */
struct mx_job *mx_job_start(const struct mx_params *params, uint64_t *random, const char *domain,
                            mx_job_done_fn *done, void *context);
void mx_job_cancel(struct mx_job **job); /* no callback; sets NULL; NULL is fine */
