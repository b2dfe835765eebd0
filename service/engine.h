/* engine.h - the door of the service floor: ask about an address, get an answer in time.
 *
 * Contract
 *  - engine_submit() and friends may be called from the thread of the `home` loop given;
 *    the callback comes on that loop, exactly once, never from inside the call,
 *    unless engine_cancel() comes first.
 *  - An answer comes at the latest 100 ms after the deadline, with what is there
 *    (`complete` false when the check goes on).
 *  - Each answer owns its JSON document; the receiver calls engine_answer_free(). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/address/message.h"
#include "probes/base/loop.h"
#include "service/config.h"
#include "service/policy.h"
#include "service/verdict.h"
#include "service/watch.h"

struct engine;
struct engine_ticket; /* one waiter */

enum explain { EXPLAIN_NONE, EXPLAIN_EVIDENCE, EXPLAIN_TRANSCRIPT };

enum { ENGINE_ID_SIZE = 24, ENGINE_BATCH_MAX = 1000, ENGINE_EMAIL_MAX = 1024 };

struct verify_request {
    const char *email; /* as received; copied; at most ENGINE_EMAIL_MAX octets; may hold any octet
                          but NUL */
    size_t email_length;
    bool smtp, imap;
    enum explain explain;
    uint64_t
        received_ms; /* clock_now_ms() when the request arrived: the deadline counts from here */
    uint32_t deadline_ms;
    uint32_t max_age_s;
    const struct policy *policy; /* borrowed for the life of the engine */
    bool bulk;                   /* batch items give way to single calls */
    enum message_language language;
    const char *request_id; /* for the log; copied; may be NULL */
};

struct lookup_request {
    const char *id; /* copied */
    uint32_t wait_ms;
    enum explain explain;
    enum message_language language;
    const char *request_id; /* for the log; copied; may be NULL */
};

struct verify_answer {
    char id[ENGINE_ID_SIZE]; /* "v_..." */
    enum verdict_status status;
    enum verdict_reason reason;
    enum policy_action action;
    bool complete;
    bool overloaded; /* not admitted: a batch answers 503, a single call gets this deferred verdict
                      */
    bool found;      /* engine_lookup: false = no such id; then there is no document */
    char *document;  /* the verdict, one JSON object without a newline; owned by the answer */
    size_t document_length;
};
void engine_answer_free(struct verify_answer **answer);

typedef void engine_answer_fn(void *context, struct verify_answer *answer); /* takes the answer */

/* Starts `config->loops` probe threads. NULL with a sentence in `error`. */
struct engine *engine_start(const struct config *config, const struct policies *policies,
                            char *error, size_t error_size);
/* No new checks from now on (answers say 503 draining upstairs). */
void engine_drain(struct engine *engine);
/* Checks still at work. Any thread. */
size_t engine_in_flight(const struct engine *engine);
/* Cuts what is left (waiters get what is there), joins the threads, frees. */
void engine_stop(struct engine **engine);

struct engine_ticket *engine_submit(struct engine *engine, struct loop *home,
                                    const struct verify_request *request, engine_answer_fn *done,
                                    void *context);
/* The verdict as it stands now, by the policy of the call that began the check; waits up to wait_ms
 * for it to be complete. */
struct engine_ticket *engine_lookup(struct engine *engine, struct loop *home,
                                    const struct lookup_request *request, engine_answer_fn *done,
                                    void *context);
/* GET /v1/domains: the document is the `domain` object of a verdict (MX, provider, IMAP), same
 * rules. */
struct engine_ticket *engine_domain(struct engine *engine, struct loop *home, const char *domain,
                                    uint32_t deadline_ms, engine_answer_fn *done, void *context);
/* A vanished client is a vanished waiter: no callback. Sets NULL; NULL is fine. */
void engine_cancel(struct engine_ticket **ticket);

/* How many checks at once the descriptor limit of this process allows: one SMTP session a check,
 * and a share for IMAP and the callers' own connections. */
size_t engine_checks_room(const struct config *config);
/* Is there room for `count` more checks? For a batch, before it starts. Any thread. */
bool engine_has_room(const struct engine *engine, size_t count);

enum { ENGINE_RESTING_MAX = 16 };
enum engine_egress { EGRESS_UNKNOWN, EGRESS_OPEN, EGRESS_BLOCKED };
struct engine_health {
    bool draining;
    enum engine_egress egress; /* port 25 as seen by real probes */
    size_t in_flight, checks_max;
    unsigned anchors; /* CA certificates loaded */
    enum resolver_state resolver;
    size_t resting_count; /* providers that rest because they mostly refuse us */
    char resting[ENGINE_RESTING_MAX][RESTING_NAME_SIZE];
    size_t resting_hosts;    /* other mail hosts that do */
    uint32_t timers_late_ms; /* of 100 timers 99 were at most so late: how busy the loops are */
};
struct engine_health engine_health(const struct engine *engine);
/* Reload lists and policies (SIGHUP). */
void engine_reload(struct engine *engine);
