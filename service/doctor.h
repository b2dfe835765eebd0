/* doctor.h - can this host ask mail servers, and has it a chance to be answered? A list of checks,
 * each finding with what to do about it. Nothing is verified and nobody's mailbox is asked for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "service/config.h"

#define DOCTOR_RESULT_LIST(X)                                                                      \
    X(DOCTOR_OK, "ok")                                                                             \
    X(DOCTOR_WARN, "warn") /* works, but worse than it could */                                    \
    X(DOCTOR_FAIL, "fail") /* verdicts suffer */                                                   \
    X(DOCTOR_SKIPPED, "skipped")
enum doctor_result {
#define X(symbol, name) symbol,
    DOCTOR_RESULT_LIST(X)
#undef X
        DOCTOR_RESULT_COUNT
};
const char *doctor_result_name(enum doctor_result result);

struct doctor_finding {
    const char *check; /* "egress" */
    enum doctor_result result;
    const char *subject; /* what was looked at; NULL = the host as a whole */
    const char *found;   /* foreign text in both is harmless already */
    const char *advice;  /* NULL = nothing to do */
};
/* In the order of the checks; everything is borrowed until return. */
typedef void doctor_report_fn(void *context, const struct doctor_finding *finding);

/* Returns when the last check is over: at most a minute or so. */
void doctor_run(const struct config *config, doctor_report_fn *report, void *context);
