/* From what a check knows now to the answer one waiter gets. */
#include <stdlib.h>
#include <string.h>

#include "probes/base/clock.h"
#include "probes/base/log.h"
#include "probes/base/mem.h"
#include "service/check.h"
#include "service/operator.h"
#include "service/retry.h"

enum { DAY = 24 * 3600, REFUSED_RETRY_MS = 10000 };

/* --- reading the check ------------------------------------------------------------------ */

void check_parse(const struct check *check, struct address *address)
{
    struct address_options options = operator_address_options(check->checks->shard->config);

    address_parse(check->email, check->email_length, &options, address);
}

static void look_up(const struct check *check, const struct address *address,
                    struct address_insight *insight)
{
    bool missing = check->mx != NULL &&
                   (check->mx->outcome == MX_NO_DOMAIN || check->mx->outcome == MX_NO_HOST);

    address_look_up(check->email, check->email_length, address, missing, insight);
}

static enum check_progress progress_of(const struct check *check)
{
    if (check->state == CHECK_DNS)
        return PROGRESS_DNS;
    if (check->state != CHECK_SMTP || check->job == NULL)
        return PROGRESS_ENDED;
    enum check_progress progress = atomic_load(&check->job->progress);
    return progress == PROGRESS_ENDED ? PROGRESS_SMTP : progress; /* on its way home */
}

static bool parked(const struct check *check)
{
    return check->mx != NULL && check->mx->host_count > 0 &&
           insight_mx_parking(check->mx->hosts[0].name);
}

static bool disposable_mx(const struct check *check)
{
    return check->mx != NULL && check->mx->host_count > 0 &&
           insight_mx_disposable(check->mx->hosts[0].name);
}

static struct verdict_input input_of(const struct check *check, const struct address *address,
                                     enum provider_syntax syntax, bool deadline)
{
    bool suppressed = address->valid && !check->domain_only && operator_suppresses(address);
    return (struct verdict_input){
        .address = address,
        .provider_syntax = syntax,
        .mx = check->mx,
        .smtp = check->evidence != NULL ? check->evidence : check->interim,
        .provider = check->provider,
        .parked_mx = parked(check),
        .stop = suppressed ? STOP_SUPPRESSED : check->stop,
        .progress = progress_of(check),
        .deadline = deadline,
    };
}

struct verdict check_verdict(const struct check *check, const struct address *address)
{
    struct verdict_input input = input_of(check, address, address_provider_syntax(address), false);

    return verdict_decide(&input);
}

static unsigned policy_flags(const struct address_insight *insight)
{
    return (insight->disposable ? POLICY_FLAG_DISPOSABLE : 0u) |
           (insight->role ? POLICY_FLAG_ROLE : 0u);
}

/* How long an answer that may change by itself is worth. */
static uint32_t hold_s(const struct check *check, const struct verdict *verdict)
{
    if (verdict->reason == REASON_DEFERRED && check->stop_retry_ms > 0)
        return (check->stop_retry_ms + 999) / 1000;
    return retry_after_s(verdict->reason);
}

static int64_t retry_after(const struct check *check, const struct verdict *verdict)
{
    if (!reason_retryable(verdict->reason))
        return -1;
    if (check->state == CHECK_RETRY)
        return (int64_t)(check->retry_at_ms - loop_now_ms(check->checks->shard->loop) + 999) / 1000;
    uint32_t after_s = hold_s(check, verdict);
    int64_t elapsed_s =
        (check->from_cache & CACHED_SMTP) != 0 ? clock_wall_s() - check->checked_at_s : 0;
    return elapsed_s < (int64_t)after_s ? (int64_t)after_s - elapsed_s : 1;
}

static int64_t expiry(const struct check *check, const struct verdict *verdict)
{
    if (check->expires_at_s > 0)
        return check->expires_at_s;
    if (reason_retryable(verdict->reason))
        return check->checked_at_s + hold_s(check, verdict);
    uint64_t now_ms = loop_now_ms(check->checks->shard->loop);
    if (check->mx != NULL && check->mx->expires_ms > now_ms)
        return check->checked_at_s + (int64_t)(check->mx->expires_ms - now_ms) / 1000;
    return check->checked_at_s + DAY;
}

static void log_answer(const struct check *check, const struct engine_ticket *ticket,
                       const struct verify_answer *answer, uint32_t total_ms)
{
    enum log_level level = check->bulk ? LOG_DEBUG : LOG_INFO;

    if (!log_enabled(level) || check->domain_only)
        return;
    log_event(level, "verdict",
              (struct log_field[]){LOG_TEXT("request_id", ticket->request_id),
                                   LOG_TEXT("id", check->id), LOG_ADDRESS("email", check->email),
                                   LOG_TEXT("status", status_name(answer->status)),
                                   LOG_TEXT("reason", reason_name(answer->reason)),
                                   LOG_NUMBER("complete", answer->complete),
                                   LOG_NUMBER("ms", total_ms), LOG_END});
}

struct verify_answer *check_answer(struct check *check, const struct engine_ticket *ticket,
                                   bool deadline)
{
    struct address address;
    struct address_insight insight;
    struct verify_answer *answer = mem_new(struct verify_answer);

    check_parse(check, &address);
    look_up(check, &address, &insight);
    struct verdict_input input = input_of(check, &address, insight.provider_syntax, deadline);
    struct verdict verdict = verdict_decide(&input);
    bool allowlisted = address.valid && operator_allows(&address);
    struct policy_input policy = {.verdict = &verdict,
                                  .flags = policy_flags(&insight),
                                  .has_suggestion = insight.suggestion[0] != '\0',
                                  .allowlisted = allowlisted};
    uint64_t now_ms = clock_now_ms();

    memcpy(answer->id, check->id, sizeof(answer->id));
    answer->found = true;
    answer->status = verdict.status;
    answer->reason = verdict.reason;
    answer->action =
        ticket->policy != NULL ? policy_decide(ticket->policy, &policy) : ACTION_ACCEPT;
    answer->complete = check->state == CHECK_DONE;
    struct document document = {
        .id = check->id,
        .email = check->email,
        .email_length = check->email_length,
        .address = &address,
        .insight = &insight,
        .verdict = &verdict,
        .action = answer->action,
        .policy = ticket->policy != NULL ? ticket->policy->name : NULL,
        .allowlisted = allowlisted,
        .complete = answer->complete,
        .parked_mx = input.parked_mx,
        .stop = input.stop,
        .in_progress = deadline ? input.progress : PROGRESS_ENDED,
        .disposable_mx = disposable_mx(check),
        .retry_after_s = retry_after(check, &verdict),
        .checked_at_s = check->checked_at_s,
        .expires_at_s = expiry(check, &verdict),
        .from_cache = check->from_cache,
        .mx = check->mx,
        .smtp = input.smtp,
        .imap = check->imap_evidence,
        .provider = check->provider,
        .tries = check->tries,
        .try_count = check->try_count,
        .dns_ms = (uint32_t)check->dns_ms,
        .total_ms = (uint32_t)(now_ms - ticket->received_ms),
        .explain = ticket->explain,
        .language = ticket->language,
    };
    answer->document = check->domain_only ? document_domain(&document, &answer->document_length)
                                          : document_verdict(&document, &answer->document_length);
    log_answer(check, ticket, answer, document.total_ms);
    return answer;
}

/* What is remembered may decide it: then there is nothing to be put off. */
static void recall(struct check *check, const struct engine_ticket *ticket,
                   const struct address *address)
{
    char wire[ADDRESS_TEXT_SIZE];
    const struct recipient_memory *memory = NULL;

    check->mx = mx_cached(check->checks->shard->mx, address->domain_ascii);
    if (check->mx != NULL) {
        check->from_cache |= CACHED_DNS;
        if (check->mx->host_count > 0)
            check->provider = provider_by_mx(check->mx->hosts[0].name);
        if (!ticket->smtp)
            check->stop = STOP_SMTP_SKIPPED;
    }
    address_wire(address, wire);
    if (ticket->smtp)
        memory = recipient_find(check->checks, wire, check_fresh_after_ms(ticket));
    if (memory != NULL) {
        recipient_recall(check, memory);
        check->stop = STOP_NONE;
    }
}

struct verify_answer *check_refused(struct checks *checks, const struct engine_ticket *ticket,
                                    const struct address *address)
{
    struct check check = {.checks = checks,
                          .state = CHECK_DONE,
                          .stop = STOP_DEFERRED,
                          .domain_only = ticket->kind == TICKET_DOMAIN,
                          .email = ticket->email,
                          .email_length = ticket->email_length,
                          .checked_at_s = clock_wall_s(),
                          .stop_retry_ms = REFUSED_RETRY_MS};
    struct verify_answer *answer;

    check_make_id(checks, check.id);
    if (address->valid && !check.domain_only)
        recall(&check, ticket, address);
    answer = check_answer(&check, ticket, false);
    answer->overloaded = check.domain_only || answer->reason == REASON_DEFERRED;
    mx_evidence_drop(&check.mx);
    smtp_evidence_drop(&check.evidence);
    return answer;
}
