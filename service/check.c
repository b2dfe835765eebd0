/* The life of one check, on its home loop:
 *
 *   syntax and lists -> MX -> (IMAP survey of the domain, beside) a job to the lane -> verdict
 *
 * Waiters come and go meanwhile; each has its own deadline and is answered with what
 * is there. A check ends by itself; then it is remembered for GET /v1/verify/{id}. */
#include "service/check.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "probes/base/clock.h"
#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "service/operator.h"
#include "service/retry.h"

enum { REMEMBERED_MAX = 10000, SHED_LOOK = 32, BULK_LEAD_MS = 300, SINGLE_LEAD_MS = 20 };

static uint64_t now_ms(const struct checks *checks) { return loop_now_ms(checks->shard->loop); }

static void advance(struct check *check);

/* --- waiters ------------------------------------------------------------------------- */

/* Is this a further try, our own wish, whoever still waits? */
static bool asks_again(const struct check *check)
{
    return check->try_count > 0 || check->deferrals > 0;
}

static void detach(struct engine_ticket *ticket)
{
    struct check *check = ticket->check;

    loop_timer_stop(&ticket->deadline);
    if (check == NULL)
        return;
    DL_DELETE(check->waiters, ticket);
    ticket->check = NULL;
    if (check->waiters == NULL && check->job != NULL && !asks_again(check))
        atomic_store(&check->job->abandoned, true);
}

static void answer_one(struct engine_ticket *ticket, bool deadline)
{
    struct verify_answer *answer = check_answer(ticket->check, ticket, deadline);

    detach(ticket);
    ticket_answer(ticket, answer);
}

static void answer_all(struct check *check, bool deadline)
{
    struct engine_ticket *ticket, *next;

    DL_FOREACH_SAFE(check->waiters, ticket, next) answer_one(ticket, deadline);
}

static void on_deadline(void *context)
{
    struct engine_ticket *ticket = context;

    answer_one(ticket, true);
}

/* A thousand answers of a batch may fall due in one moment, and each takes its time to write and
 * to send: they begin a little before it. */
static uint64_t answer_at_ms(const struct engine_ticket *ticket)
{
    uint64_t wait_ms = ticket->due_ms - ticket->received_ms;
    uint64_t lead_ms = ticket->bulk ? wait_ms / 10 : wait_ms / 50;
    uint64_t most_ms = ticket->bulk ? BULK_LEAD_MS : SINGLE_LEAD_MS;

    return ticket->due_ms - (lead_ms < most_ms ? lead_ms : most_ms);
}

static void attach(struct check *check, struct engine_ticket *ticket)
{
    uint64_t now = clock_now_ms(), at_ms = answer_at_ms(ticket);

    ticket->check = check;
    DL_APPEND(check->waiters, ticket);
    if (check->job != NULL)
        atomic_store(&check->job->abandoned, false);
    loop_timer_init(&ticket->deadline, check->checks->shard->loop, on_deadline, ticket);
    loop_timer_start(&ticket->deadline, at_ms > now ? at_ms - now : 0);
}

void checks_forget(struct checks *checks, struct engine_ticket *ticket)
{
    (void)checks;
    if (ticket->state == TICKET_WAITING)
        detach(ticket);
    ticket->state = TICKET_ANSWERED;
}

/* --- the end of a check ----------------------------------------------------------------- */

static void check_free(struct check *check)
{
    struct checks *checks = check->checks;

    assert(check->waiters == NULL && check->job == NULL);
    imap_memory_leave(check);
    mx_lookup_cancel(&check->lookup);
    if (check->joinable)
        HASH_DELETE(by_key, checks->by_key, check);
    HASH_DELETE(by_id, checks->by_id, check);
    loop_timer_stop(&check->retry);
    loop_timer_stop(&check->grace);
    loop_timer_stop(&check->budget);
    mx_evidence_drop(&check->mx);
    smtp_evidence_drop(&check->evidence);
    smtp_evidence_drop(&check->interim);
    imap_evidence_drop(&check->imap_evidence);
    free(check->tries);
    free(check->key);
    free(check->email);
    free(check->domain);
    free(check);
}

static void forget_oldest(struct checks *checks)
{
    struct check *oldest = checks->remembered;

    DL_DELETE(checks->remembered, oldest);
    checks->remembered_count--;
    check_free(oldest);
}

static void remember(struct check *check)
{
    struct checks *checks = check->checks;
    uint64_t retention_ms = (uint64_t)checks->shard->config->retention_h * 3600 * 1000;

    DL_DELETE(checks->at_work, check);
    DL_APPEND(checks->remembered, check);
    if (++checks->remembered_count > REMEMBERED_MAX)
        forget_oldest(checks);
    while (checks->remembered != NULL &&
           checks->remembered->ended_ms + retention_ms < now_ms(checks))
        forget_oldest(checks);
}

static void unjoin(struct check *check)
{
    if (!check->joinable)
        return;
    check->joinable = false;
    HASH_DELETE(by_key, check->checks->by_key, check);
}

/* --- done ----------------------------------------------------------------------------------- */

static void done(struct check *check)
{
    struct checks *checks = check->checks;

    if (check->state == CHECK_DONE || check->state == CHECK_RETRY)
        return;
    check->ended_ms = now_ms(checks);
    check->state = check_plan_retry(check) ? CHECK_RETRY : CHECK_DONE;
    loop_timer_stop(&check->grace);
    loop_timer_stop(&check->budget);
    smtp_evidence_drop(&check->interim);
    imap_memory_leave(check);
    unjoin(check);
    atomic_fetch_sub(&checks->shard->engine->in_flight, 1);
    answer_all(check, false);
    if (check->state == CHECK_DONE) {
        remember(check);
        return;
    }
    DL_DELETE(checks->at_work, check);
    DL_APPEND(checks->retrying, check);
    checks->retrying_count++;
    loop_timer_start(&check->retry, check->retry_at_ms - now_ms(checks));
}

/* Ends a check that has no job out, wherever it stands. */
static void cut(struct check *check)
{
    if (check->state == CHECK_DNS)
        check->stop = STOP_DEFERRED;
    mx_lookup_cancel(&check->lookup);
    done(check);
}

static void on_grace(void *context)
{
    struct check *check = context;

    answer_all(check, true); /* IMAP goes on, for whoever asks by id */
}

static void on_budget(void *context)
{
    struct check *check = context;

    if (check->job != NULL) { /* it comes back after its session; nothing else is begun */
        atomic_store(&check->job->abandoned, true);
        return;
    }
    cut(check);
}

/* --- IMAP --------------------------------------------------------------------------------- */

void check_imap_ready(struct check *check, struct imap_evidence *evidence, bool cached)
{
    imap_evidence_drop(&check->imap_evidence);
    check->imap_evidence = evidence;
    if (cached)
        check->from_cache |= CACHED_IMAP;
    if (check->state == CHECK_IMAP)
        done(check);
}

/* --- SMTP --------------------------------------------------------------------------------- */

/* SMTP has said what it can; only IMAP may still be missing. */
static void smtp_ended(struct check *check)
{
    smtp_evidence_drop(&check->interim);
    check->state = CHECK_IMAP;
    if (check->survey == NULL) {
        done(check);
        return;
    }
    unjoin(check); /* whoever asks now gets the evidence from memory and waits for IMAP himself */
    if (check->smtp)
        loop_timer_start(&check->grace, check->checks->shard->config->imap_grace_ms);
}

static void stop_with(struct check *check, enum check_stop stop)
{
    check->stop = stop;
    smtp_ended(check);
}

static void use_memory(struct check *check, const struct recipient_memory *memory)
{
    recipient_recall(check, memory);
    smtp_ended(check);
}

/* Of the names alone: equal preferences come in another order each time. */
static uint64_t hash_of_hosts(const struct mx_evidence *mx)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < mx->host_count; i++)
        hash += text_hash_nocase(mx->hosts[i].name, strlen(mx->hosts[i].name));
    return hash;
}

static struct job *make_job(struct check *check, const struct address *address, const char *wire)
{
    struct job *job = mem_new(struct job);

    job->home = check->checks->shard;
    job->check = check;
    job->recipient = mem_copy_text(wire);
    job->domain = mem_copy_text(check->domain);
    job->smtputf8 = address->non_ascii_local;
    job->bulk = check->bulk;
    job->transcript = check->transcript;
    job->tries = check->try_count;
    job->caller = check->caller;
    job->mx = mx_evidence_keep(check->mx);
    job->mx_set = hash_of_hosts(check->mx);
    job->provider = check->provider;
    job->asked_ms = check->received_ms;
    job->fresh_after_ms = check->fresh_after_ms;
    job->evidence = smtp_evidence_new();
    atomic_init(&job->abandoned, check->waiters == NULL && !asks_again(check));
    return job;
}

static void start_smtp(struct check *check)
{
    struct address address;
    char wire[ADDRESS_TEXT_SIZE];
    struct egress *egress = &check->checks->shard->engine->egress;

    check_parse(check, &address);
    address_wire(&address, wire);
    struct recipient_memory *memory = recipient_find(check->checks, wire, check->fresh_after_ms);
    if (memory != NULL && check->try_count > 0 && memory->at_ms <= check->ended_ms)
        memory = NULL; /* that is what is to be asked again */
    bool will_do = memory != NULL &&
                   (memory->held || !check->transcript || memory->evidence->transcript != NULL);
    if (will_do) {
        use_memory(check, memory);
        return;
    }
    if (egress_blocked(egress, now_ms(check->checks)) &&
        !egress_try(egress, now_ms(check->checks))) {
        stop_with(check, STOP_EGRESS_BLOCKED);
        return;
    }
    check->state = CHECK_SMTP;
    check->job = make_job(check, &address, wire);
    job_send_to_lane(check->job);
}

/* The recipient's own answer, while the decoy is asked: lane -> home. */
struct acceptance {
    struct loop_mail mail;
    struct job *job;
    struct smtp_reply_facts reply;
    struct smtp_attempt attempt;
};

static void on_acceptance(struct loop_mail *mail)
{
    struct acceptance *news = CONTAINER_OF(mail, struct acceptance, mail);
    struct check *check = news->job->check;

    smtp_evidence_drop(&check->interim);
    check->interim = smtp_evidence_new();
    check->interim->attempts[0] = news->attempt; /* takes its texts */
    check->interim->attempt_count = 1;
    check->interim->recipient = news->reply; /* takes the text */
    free(news);
}

void checks_job_accepted(struct checks *checks, struct job *job,
                         const struct smtp_reply_facts *reply)
{
    struct acceptance *news = mem_new(struct acceptance);
    const struct smtp_evidence *evidence = job->evidence;

    news->job = job; /* mail keeps its order: the job itself comes home after this */
    smtp_reply_facts_copy(&news->reply, reply);
    news->attempt = evidence->attempts[evidence->attempt_count - 1];
    news->attempt.host = mem_copy_text(news->attempt.host);
    news->attempt.source = mem_copy_text(news->attempt.source);
    loop_post(checks->shard->loop, &news->mail, on_acceptance);
}

static void remember_recipient(struct check *check, const char *wire)
{
    struct address address;

    check_parse(check, &address);
    struct verdict verdict = check_verdict(check, &address);
    enum verdict_layer layer = reason_layer(verdict.reason);
    bool unknown = verdict.status == STATUS_UNKNOWN;
    uint32_t lifetime_s = retry_lifetime_s(verdict.reason, check->evidence);

    check->settled = !reason_retryable(verdict.reason);
    check->expires_at_s = check->checked_at_s + lifetime_s;
    if (check->stop == STOP_NONE && !check->evidence->cut &&
        (layer == LAYER_CONNECT || layer == LAYER_SMTP || layer == LAYER_MAILBOX))
        recipient_remember(check->checks, wire, check->evidence, lifetime_s, unknown);
}

void checks_job_returned(struct checks *checks, struct job *job)
{
    struct check *check = job->check;

    check->job = NULL;
    smtp_evidence_drop(&check->evidence);
    check->evidence = job->evidence;
    job->evidence = NULL;
    if (check->evidence->transcript != NULL)
        transcript_remember(checks, check->evidence);
    check->stop = job->stop;
    check->stop_retry_ms = job->stop_retry_ms;
    check->turn_missed = job->turn_missed;
    check->checked_at_s = clock_wall_s();
    if (check->evidence->decoy_cached)
        check->from_cache |= CACHED_CATCH_ALL;
    remember_recipient(check, job->recipient);
    job_free(&job);
    smtp_ended(check);
}

/* --- DNS ----------------------------------------------------------------------------------- */

static void on_mx(void *context, struct mx_evidence *evidence)
{
    struct check *check = context;

    check->lookup = NULL;
    check->mx = evidence;
    check->dns_ms = now_ms(check->checks) - check->started_ms;
    check->checked_at_s = clock_wall_s();
    if ((check->from_cache & CACHED_DNS) == 0)
        resolver_heard(&check->checks->shard->engine->resolver, evidence->outcome == MX_TIMEOUT);
    if (evidence->host_count > 0)
        check->provider = provider_by_mx(evidence->hosts[0].name);
    advance(check);
}

static bool parked_mx(const struct check *check)
{
    return check->mx->host_count > 0 && insight_mx_parking(check->mx->hosts[0].name);
}

/* MX is known: what next? */
static void advance(struct check *check)
{
    if (check->mx->outcome != MX_FOUND) {
        smtp_ended(check);
        return;
    }
    if (check->imap && check->imap_evidence == NULL)
        imap_memory_ask(check);
    if (!check->smtp)
        stop_with(check, STOP_SMTP_SKIPPED);
    else if (parked_mx(check))
        smtp_ended(check);
    else
        start_smtp(check);
}

void check_start_dns(struct check *check)
{
    struct mx_evidence *known = mx_cached(check->checks->shard->mx, check->domain);

    check->state = CHECK_DNS;
    if (known != NULL) {
        check->from_cache |= CACHED_DNS;
        on_mx(check, known);
    } else {
        check->lookup = mx_lookup_start(check->checks->shard->mx, check->domain, on_mx, check);
    }
}

/* --- a new check ------------------------------------------------------------------------------ */

static uint64_t fresh_after_ms(uint64_t received_ms, uint32_t max_age_s)
{
    uint64_t age_ms = (uint64_t)max_age_s * 1000;

    return received_ms > age_ms ? received_ms - age_ms : 0;
}

uint64_t check_fresh_after_ms(const struct engine_ticket *ticket)
{
    return fresh_after_ms(ticket->received_ms, ticket->max_age_s);
}

static struct check *check_new(struct checks *checks, const struct engine_ticket *ticket,
                               const struct address *address)
{
    struct check *check = mem_new(struct check);

    check->checks = checks;
    check->smtp = ticket->smtp;
    check->imap = ticket->imap;
    check->bulk = ticket->bulk;
    check->policy = ticket->policy;
    check->caller =
        ticket->request_id == NULL
            ? 0
            : (uint32_t)text_hash_nocase(ticket->request_id, strlen(ticket->request_id));
    check->transcript = ticket->explain == EXPLAIN_TRANSCRIPT;
    check->domain_only = ticket->kind == TICKET_DOMAIN;
    check->email = mem_copy_bytes(ticket->email, ticket->email_length);
    check->email_length = ticket->email_length;
    check->domain = mem_copy_text(address->domain_ascii);
    check->started_ms = now_ms(checks);
    check->received_ms = ticket->received_ms;
    check->fresh_after_ms = check_fresh_after_ms(ticket);
    check->checked_at_s = clock_wall_s();
    check_make_id(checks, check->id);
    loop_timer_init(&check->retry, checks->shard->loop, check_on_retry, check);
    loop_timer_init(&check->grace, checks->shard->loop, on_grace, check);
    loop_timer_init(&check->budget, checks->shard->loop, on_budget, check);
    HASH_ADD_KEYPTR(by_id, checks->by_id, check->id, strlen(check->id), check);
    DL_APPEND(checks->at_work, check);
    atomic_fetch_add(&checks->shard->engine->in_flight, 1);
    return check;
}

/* Decided before any packet? Then neither DNS nor SMTP is asked. */
static bool decided_by_syntax(const struct check *check, const struct address *address)
{
    struct verdict verdict = check_verdict(check, address);
    enum verdict_layer layer = reason_layer(verdict.reason);

    return layer == LAYER_SYNTAX || layer == LAYER_POLICY;
}

static void check_start(struct check *check, const struct address *address)
{
    loop_timer_start(&check->budget, check->checks->shard->config->check_budget_ms);
    if (decided_by_syntax(check, address)) {
        check->state = CHECK_IMAP;
        done(check);
    } else {
        check_start_dns(check);
    }
}

/* --- intake ---------------------------------------------------------------------------------- */

/* May the ticket join? The check takes from memory what is as young as its own request wants it. A
 * ticket that wants it younger can have that until something was taken, or the question has left.
 */
static bool is_fresh_enough(struct check *check, const struct engine_ticket *ticket)
{
    uint64_t after_ms = fresh_after_ms(check->received_ms, ticket->max_age_s);

    if (check->fresh_after_ms >= after_ms)
        return true;
    if ((check->from_cache & ~(unsigned)CACHED_DNS) != 0 || check->job != NULL)
        return false;
    check->fresh_after_ms = after_ms;
    return true;
}

static struct check *find_joinable(struct checks *checks, const struct engine_ticket *ticket,
                                   const char *key)
{
    struct check *check;

    HASH_FIND(by_key, checks->by_key, key, strlen(key), check);
    return check != NULL && is_fresh_enough(check, ticket) ? check : NULL;
}

/* Full: a check that nobody waits for gives its place up, if it has not begun a session. */
static void shed_one(struct checks *checks)
{
    struct check *check;
    unsigned looked = 0;

    DL_FOREACH(checks->at_work, check)
    {
        if (check->waiters == NULL && check->job == NULL) {
            cut(check);
            return;
        }
        if (++looked == SHED_LOOK)
            return;
    }
}

static bool admitted(struct checks *checks)
{
    struct engine *engine = checks->shard->engine;

    if (atomic_load(&engine->in_flight) >= engine->checks_max)
        shed_one(checks);
    return atomic_load(&engine->in_flight) < engine->checks_max;
}

static void look_up(struct checks *checks, struct engine_ticket *ticket)
{
    struct check *check;

    HASH_FIND(by_id, checks->by_id, ticket->email, ticket->email_length, check);
    if (check == NULL || check->domain_only) {
        ticket_answer(ticket, mem_new(struct verify_answer)); /* found is false */
        return;
    }
    ticket->policy = check->policy;
    attach(check, ticket);
    if (check->state == CHECK_DONE || ticket->due_ms <= clock_now_ms())
        answer_one(ticket, true);
}

static void take_address(struct checks *checks, struct engine_ticket *ticket)
{
    struct address address;
    struct address_options options = operator_address_options(checks->shard->config);

    address_parse(ticket->email, ticket->email_length, &options, &address);
    if (ticket->kind == TICKET_DOMAIN && !address.valid) {
        ticket_answer(ticket, mem_new(struct verify_answer));
        return;
    }
    char *key = check_make_key(ticket, &address);
    struct check *check = address.valid ? find_joinable(checks, ticket, key) : NULL;
    if (check != NULL) {
        free(key);
        attach(check, ticket);
        return;
    }
    if (!admitted(checks)) {
        free(key);
        ticket_answer(ticket, check_refused(checks, ticket, &address));
        return;
    }
    check = check_new(checks, ticket, &address);
    check->key = key;
    attach(check, ticket);
    struct check *other;
    HASH_FIND(by_key, checks->by_key, key, strlen(key), other);
    if (other == NULL && address.valid) {
        check->joinable = true;
        HASH_ADD_KEYPTR(by_key, checks->by_key, check->key, strlen(check->key), check);
    }
    check_start(check, &address);
}

void checks_take(struct checks *checks, struct engine_ticket *ticket)
{
    ticket->state = TICKET_WAITING;
    if (ticket->kind == TICKET_LOOKUP)
        look_up(checks, ticket);
    else
        take_address(checks, ticket);
}

/* --- life ------------------------------------------------------------------------------------ */

struct checks *checks_new(struct shard *shard)
{
    struct checks *checks = mem_new(struct checks);

    checks->shard = shard;
    return checks;
}

void checks_stop(struct checks *checks)
{
    struct check *check;

    DL_FOREACH(checks->at_work, check) answer_all(check, true);
    DL_FOREACH(checks->retrying, check) answer_all(check, true);
}

void checks_free(struct checks **checks)
{
    struct check *check, *next;

    if (*checks == NULL)
        return;
    DL_FOREACH_SAFE((*checks)->at_work, check, next)
    {
        check->job = NULL; /* the lanes free theirs */
        check_free(check);
    }
    DL_FOREACH_SAFE((*checks)->retrying, check, next) check_free(check);
    DL_FOREACH_SAFE((*checks)->remembered, check, next) check_free(check);
    imap_memory_free(*checks);
    recipients_free(*checks);
    free(*checks);
    *checks = NULL;
}
