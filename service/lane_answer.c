/* What an answer leads to.
 *
 *   recipient  2xx  -> the domain's decoy, unless its answer is known or being asked, or would say
 *                      nothing
 *              550 without a word -> postmaster as control
 *              our sender refused -> once more with the null sender
 *              relay denied, refused before RCPT -> the next address of the MX walk
 *              anything else -> home
 *   decoy      -> remembered for the domain; home, with all who waited for it
 *   control    -> remembered for the domain; home (lane_control.c) */
#include "service/lanes.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "service/retry.h"

enum {
    DECOY_ACCEPTED_MS = 24 * 3600 * 1000,
    DECOY_REJECTED_MS = 7 * 24 * 3600 * 1000,
    DECOY_UNDECIDED_MS = 3 * 3600 * 1000,
    DECOY_THROTTLED_MS = 3600 * 1000,

    OPAQUE_DOMAINS_MIN =
        20,                 /* domains of one provider that let a decoy in, and none that did not */
    OPAQUE_LOOK = 8,        /* every eighth domain is asked about all the same */
    DECOYS_REMEMBERED = 128 /* then both counts are halved */
};

/* --- leaving the session --------------------------------------------------------------- */

void lane_keep_transcript(struct lane_session *session, struct job *job)
{
    if (session->only != job || session->transcript == NULL)
        return;
    free(job->evidence->transcript);
    job->evidence->transcript =
        mem_copy_bytes(session->transcript->bytes != NULL ? session->transcript->bytes : "",
                       session->transcript->length);
}

void lane_go_home(struct lane_session *session, struct job *job)
{
    if (session->only == job)
        session->held = job; /* until the goodbye is in the transcript */
    else
        lane_finish(job, STOP_NONE, 0);
}

void lane_finish_current(struct lane_session *session)
{
    struct job *job = session->job;

    session->job = NULL;
    lane_go_home(session, job);
}

/* --- answers --------------------------------------------------------------------------- */

/* Hosts of one preference are taken for alike. */
static bool asked_there(const struct domain_memory *domain, const struct job *job)
{
    return domain->decoy_preference == job_host(job)->preference;
}

static void use_decoy(const struct lane_session *session, struct job *job,
                      const struct domain_memory *domain, bool cached)
{
    uint64_t age_ms = session_now_ms(session) - domain->decoy_at_ms;

    if (!asked_there(domain, job)) { /* by one that accepted it elsewhere in the same moment */
        job->evidence->decoy_outcome = DECOY_UNDECIDED;
        return;
    }
    job->evidence->decoy_age_ms = age_ms < UINT32_MAX ? (uint32_t)age_ms : UINT32_MAX;
    job->evidence->decoy_outcome = domain->decoy == DECOY_ACCEPTED && lane_better_may_tell(job)
                                       ? DECOY_UNDECIDED
                                       : domain->decoy;
    job->evidence->decoy_cached = cached;
    smtp_reply_facts_copy(&job->evidence->decoy, &domain->decoy_reply);
}

/* Is the domain's decoy answer young enough for this job? What was asked since the request came is.
 */
static bool decoy_known(const struct lane_session *session, const struct domain_memory *domain,
                        const struct job *job)
{
    return domain->decoy != DECOY_NOT_RUN && asked_there(domain, job) &&
           domain->decoy_until_ms > session_now_ms(session) &&
           !(domain->decoy == DECOY_REJECTED && lane_may_lie(session)) &&
           (domain->decoy_at_ms >= job->fresh_after_ms || domain->decoy_at_ms >= job->asked_ms);
}

static bool decoy_useless(const struct job *job)
{
    const struct provider *provider = job->provider;

    return provider != NULL &&
           (provider->truth == PROVIDER_OPAQUE || (provider->truth == PROVIDER_DISCRIMINATES &&
                                                   provider_owns_domain(provider, job->domain)));
}

bool lane_is_opaque(const struct lane *lane)
{
    return lane->provider != NULL && lane->decoys_rejected == 0 &&
           lane->decoys_accepted >= OPAQUE_DOMAINS_MIN;
}

/* A few domains go on being asked about, so that a change is noticed. */
static bool is_taken_for_opaque(const struct lane_session *session, const struct job *job)
{
    return lane_is_opaque(session->host->lane) &&
           text_hash_nocase(job->domain, strlen(job->domain)) % OPAQUE_LOOK != 0;
}

static void learn_truth(struct lane *lane, enum decoy_outcome before, enum decoy_outcome now)
{
    if (now == before)
        return; /* the same domain again */
    lane->decoys_accepted += now == DECOY_ACCEPTED;
    lane->decoys_rejected += now == DECOY_REJECTED;
    if (lane->decoys_accepted + lane->decoys_rejected >= DECOYS_REMEMBERED) {
        lane->decoys_accepted /= 2;
        lane->decoys_rejected /= 2;
    }
}

static void ask_decoy(struct lane_session *session)
{
    struct job *job = session->job;

    session_domain(session, job)->decoy_running = true;
    job->phase = JOB_ASK_DECOY;
    checks_job_accepted(job->home->checks, job, &job->evidence->recipient);
}

static void recipient_accepted(struct lane_session *session)
{
    struct job *job = session->job;
    struct domain_memory *domain = session_domain(session, job);

    lane_confirm_control(domain, job);
    if (decoy_useless(job)) {
        lane_finish_current(session);
    } else if (decoy_known(session, domain, job)) {
        use_decoy(session, job, domain, true);
        lane_finish_current(session);
    } else if (is_taken_for_opaque(session, job)) {
        job->evidence->opaque = true;
        lane_finish_current(session);
    } else if (domain->decoy_running) {
        session->job = NULL;
        job->phase = JOB_ASK_DECOY;
        lane_keep_transcript(session, job);
        DL_APPEND(domain->waiting, job); /* holds no connection */
    } else {
        ask_decoy(session);
    }
}

static bool needs_control(const struct smtp_answer *answer)
{
    return answer->stage == SMTP_STAGE_RCPT && verdict_needs_control(&answer->reply);
}

/* Does this refusal speak of the host or the way to it, so that the next MX may know better? */
static bool next_mx_may_know(const struct smtp_answer *answer)
{
    return answer->stage < SMTP_STAGE_RCPT || answer->reply.class == REPLY_RELAY_DENIED ||
           answer->reply.class == REPLY_HOST_NO_MAIL;
}

/* postscreen has finished its tests of us and hangs up; the same address may come back at once. */
static bool come_back_at_once(const struct smtp_answer *answer)
{
    const struct smtp_reply_facts *reply = &answer->reply;

    return reply->code == 450 && reply->enhanced[0] == 4 && reply->enhanced[1] == 3 &&
           reply->enhanced[2] == 2 && answer->stage == SMTP_STAGE_RCPT;
}

/* Without a sender of our own the null sender is all we have. */
static bool refuses_all_senders(const struct lane_session *session,
                                const struct smtp_answer *answer)
{
    return lane_refused_for_good(answer) &&
           (session->job->sender_refused || session_config(session)->mail_from[0] == '\0');
}

/* True: the recipient is asked about once more, with the null sender or in another session. */
static bool ask_again(struct lane_session *session, const struct smtp_answer *answer)
{
    struct job *job = session->job;
    enum reply_class class = answer->reply.class;

    if (class == REPLY_SENDER_REJECTED && !job->null_sender &&
        session_config(session)->mail_from[0] != '\0') {
        job->null_sender = true; /* a second opinion, in this session */
        job->sender_refused = lane_refused_for_good(answer);
        return true;
    }
    if (!job->came_back && (come_back_at_once(answer) ||
                            (class == REPLY_TLS_REQUIRED && lane_try_tls_again(session)))) {
        job->came_back = true;
        session->closing = true;
        return true;
    }
    return false;
}

/* Into the job's evidence. */
static void record_answer(struct lane_session *session, const struct smtp_answer *answer)
{
    struct job *job = session->job;
    struct smtp_server *server = smtp_session_server(session->smtp);
    struct smtp_attempt *attempt = lane_attempt(job, session, server);

    attempt->stage = answer->stage;
    attempt->class = answer->reply.class;
    attempt->code = answer->reply.code;
    lane_keep_words(job, &answer->reply, server);
    job->evidence->recipient_ms = answer->took_ms;
}

/* What it teaches about the host, the way to it and the domain. */
static void learn_answer(struct lane_session *session, const struct smtp_answer *answer)
{
    struct job *job = session->job;
    enum reply_class class = answer->reply.class;
    bool refused_us = class == REPLY_PROBE_BLOCKED;

    lane_heard(session, refused_us);
    if (refused_us)
        lane_job_refused(session, job);
    if (refused_us && !lane_has_ways(session->host))
        lane_host_rest(session->host);
    if (answer->reply.enhanced[0] == 4 && answer->reply.enhanced[1] == 7)
        lane_narrow(session->host->lane, session->began_ms);
    if (class == REPLY_MAILBOX_NOT_FOUND)
        hourly_count(&session_domain(session, job)->unknown, session_now_ms(session));
    if (refuses_all_senders(session, answer))
        lane_learn_refusal(session, answer);
}

static void recipient_answered(struct lane_session *session, const struct smtp_answer *answer)
{
    struct job *job = session->job;

    if (ask_again(session, answer))
        return;
    record_answer(session, answer);
    learn_answer(session, answer);
    if (next_mx_may_know(answer)) {
        session->job = NULL;
        lane_keep_transcript(session, job);
        lane_walk_on(job);
    } else if (answer->reply.class == REPLY_ACCEPTED) {
        recipient_accepted(session);
    } else if (needs_control(answer)) {
        lane_refused_barely(session);
    } else {
        lane_finish_current(session);
    }
}

/* Put off or lost, it is due again a little before the recipients that were put off with it. */
static uint64_t decoy_lifetime_ms(const struct config *config, enum decoy_outcome outcome,
                                  const struct smtp_reply_facts *reply)
{
    static const uint32_t lifetimes_ms[] = {
        [DECOY_ACCEPTED] = DECOY_ACCEPTED_MS,
        [DECOY_REJECTED] = DECOY_REJECTED_MS,
        [DECOY_UNDECIDED] = DECOY_UNDECIDED_MS,
        [DECOY_THROTTLED] = DECOY_THROTTLED_MS,
    };

    if (outcome != DECOY_UNDECIDED || (reply != NULL && reply->code >= 500))
        return lifetimes_ms[outcome];
    uint64_t again_s = retry_greylisted_s(config, reply != NULL ? reply->text : NULL, 1);
    return again_s > 0 ? again_s * 1000 * 7 / 8 : DECOY_UNDECIDED_MS;
}

static void remember_decoy(struct domain_memory *domain, enum decoy_outcome outcome,
                           const struct smtp_reply_facts *reply, uint16_t preference,
                           uint64_t at_ms, uint64_t lifetime_ms)
{
    domain->decoy_running = false;
    domain->decoy = outcome;
    domain->decoy_at_ms = at_ms;
    domain->decoy_preference = preference;
    domain->decoy_until_ms = at_ms + lifetime_ms;
    if (reply != NULL)
        smtp_reply_facts_copy(&domain->decoy_reply, reply);
    else
        smtp_reply_facts_clear(&domain->decoy_reply);
    if (reply == NULL || reply->code / 100 != 4)
        domain->decoy_local[0] = '\0'; /* never the same one twice */
}

/* The decoy has spoken, or cannot: all accepted recipients of the domain go home. */
void lane_settle_decoy(struct lane_session *session, struct job *job, enum decoy_outcome outcome,
                       const struct smtp_reply_facts *reply)
{
    struct domain_memory *domain = session_domain(session, job);
    struct job *waiting;

    outcome = lane_weigh_decoy(session, domain, outcome);
    learn_truth(session->host->lane, domain->decoy, outcome);
    remember_decoy(domain, outcome, reply, job_host(job)->preference, session_now_ms(session),
                   decoy_lifetime_ms(session_config(session), outcome, reply));
    use_decoy(session, job, domain, false);
    lane_go_home(session, job);
    while ((waiting = domain->waiting) != NULL) {
        DL_DELETE(domain->waiting, waiting);
        use_decoy(session, waiting, domain, false);
        lane_finish(waiting, STOP_NONE, 0);
    }
}

static void decoy_answered(struct lane_session *session, const struct smtp_answer *answer)
{
    struct job *job = session->job;

    session->job = NULL;
    job->evidence->decoy_ms = answer->took_ms;
    lane_settle_decoy(session, job, verdict_decoy_outcome(answer->reply.class, answer->stage),
                      &answer->reply);
}

void lane_on_answer(void *context, const struct smtp_answer *answer)
{
    struct lane_session *session = context;
    struct lane_host *host = session->host;

    lane_session_moved(session);
    host->answered_ms = host->lane->answered_ms = session_now_ms(session);
    host->lost_row = 0;
    if (answer->reply.class != REPLY_PROBE_BLOCKED) {
        host->served_ms = host->answered_ms;
        host->rest_ms = session_config(session)->lane_rest_ms;
    }
    if (answer->reply.code >= 400)
        session->rejects++; /* whoever was asked about: servers count them all */
    if (answer->stage == SMTP_STAGE_RCPT)
        lane_forget_refusal(host);
    if (answer->reply.code >= 500 && answer->stage == SMTP_STAGE_RCPT)
        lane_count_refused(session);
    if (session->job->phase != JOB_ASK_RECIPIENT && answer->reply.class == REPLY_PROBE_BLOCKED &&
        lane_has_ways(host))
        lane_heard(session, true);
    switch (session->job->phase) {
    case JOB_ASK_RECIPIENT:
        recipient_answered(session, answer);
        break;
    case JOB_ASK_DECOY:
        decoy_answered(session, answer);
        break;
    case JOB_ASK_CONTROL:
        lane_control_answered(session, &answer->reply);
        break;
    }
}
