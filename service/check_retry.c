/* Asking again, by a check itself: when, and how it begins. */
#include <utlist.h>

#include "probes/base/mem.h"
#include "service/check.h"
#include "service/retry.h"

enum {
    DEFERRALS_MAX = 40,    /* a host that rests for hours rests a week in the end */
    RETRYING_MAX = 50000,  /* checks that wait to ask again, per loop */
    RETRY_FULL_MS = 10000, /* no room when the time came: look again */
    RETRY_STEPS = 8        /* a retry comes up to an eighth of its delay later */
};

void check_on_retry(void *context)
{
    struct check *check = context;
    struct checks *checks = check->checks;
    struct engine *engine = checks->shard->engine;

    if (atomic_load(&engine->in_flight) >= engine->checks_max || atomic_load(&engine->draining)) {
        loop_timer_start(&check->retry, RETRY_FULL_MS);
        return;
    }
    DL_DELETE(checks->retrying, check);
    checks->retrying_count--;
    DL_APPEND(checks->at_work, check);
    atomic_fetch_add(&engine->in_flight, 1);
    check->from_cache = 0;
    check->stop = STOP_NONE;
    check->turn_missed = false;
    check->expires_at_s = 0;
    mx_evidence_drop(&check->mx);
    loop_timer_start(&check->budget, checks->shard->config->check_budget_ms);
    check_start_dns(check);
}

/* The addresses of one host were asked one after the other; asked again at one time they share
 * sessions. */
static uint64_t together(uint64_t at_ms, uint64_t delay_ms)
{
    uint64_t step_ms = delay_ms / RETRY_STEPS + 1;

    return (at_ms + step_ms - 1) / step_ms * step_ms;
}

/* How often trouble of this kind has been met, this time included. */
static unsigned tries_alike(const struct check *check, enum verdict_reason reason)
{
    unsigned alike = 1;

    for (size_t i = 0; i < check->try_count; i++)
        alike += retry_same_schedule(check->tries[i].reason, reason);
    return alike;
}

static void count_try(struct check *check, enum verdict_reason reason)
{
    check->tries = mem_resize(check->tries, (check->try_count + 1u) * sizeof(*check->tries));
    check->tries[check->try_count++] = (struct document_try){
        .at_s = check->checked_at_s,
        .reason = reason,
        .code = check->evidence != NULL ? check->evidence->recipient.code : 0,
    };
}

/* The first time when the host has rested; later the schedule's pause holds as well, or the rests
 * of a dead host would use up within an hour what is meant for many. */
static void after_the_rest(struct check *check, uint64_t rested_ms, bool first)
{
    if (first || rested_ms > check->retry_at_ms)
        check->retry_at_ms = rested_ms;
}

bool check_plan_retry(struct check *check)
{
    struct checks *checks = check->checks;
    struct address address;

    if (!check->smtp || check->domain_only || check->settled ||
        check->try_count == CONFIG_TRIES_MAX || checks->retrying_count >= RETRYING_MAX)
        return false;
    check_parse(check, &address);
    struct verdict verdict = check_verdict(check, &address);
    bool deferred = verdict.reason == REASON_DEFERRED;
    /* Its turn has not come at a host that is alive: no try, and the schedule is not used up. */
    bool missed = deferred && check->turn_missed;
    unsigned tries = missed ? 1 : tries_alike(check, verdict.reason);
    uint64_t now_ms = loop_now_ms(checks->shard->loop),
             delay_ms =
                 retry_delay_ms(checks->shard->config, verdict.reason, check->evidence, tries);
    if (delay_ms == 0 || (missed && check->deferrals == DEFERRALS_MAX))
        return false;
    check->retry_at_ms = together(now_ms + delay_ms, delay_ms);
    if (deferred && check->stop_retry_ms > 0)
        after_the_rest(check, now_ms + check->stop_retry_ms + 1u, tries == 1);
    if (missed)
        check->deferrals++;
    else
        count_try(check, verdict.reason);
    return true;
}
