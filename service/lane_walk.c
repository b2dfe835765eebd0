/* The walk of a job over the addresses of its MX: at most two hosts and four addresses, in order,
 * each at the lane that owns it; then home. */
#include "service/lanes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"

enum { HOSTS_PER_CHECK = 2, ADDRESSES_PER_CHECK = 4 };

/* --- where a job is going -------------------------------------------------------- */

const struct mx_host *job_host(const struct job *job) { return &job->mx->hosts[job->host]; }

const struct ip_address *job_address(const struct job *job)
{
    return &job->mx->addresses[job_host(job)->first_address + job->address];
}

const char *job_lane_key(const struct job *job, const struct provider *provider,
                         char key[IP_TEXT_SIZE])
{
    return provider != NULL ? provider->key : ip_format(job_address(job), key);
}

static bool usable(const struct mx_host *host)
{
    return host->state == MX_HOST_OK && host->address_count > 0;
}

static bool find_usable_host(struct job *job)
{
    while (job->host < job->mx->host_count && !usable(job_host(job)))
        job->host++;
    return job->host < job->mx->host_count;
}

/* The next address in MX order, within two hosts and four addresses. */
static bool next_target(struct job *job)
{
    if (job->addresses_tried >= ADDRESSES_PER_CHECK)
        return false;
    if (job->address + 1 < job_host(job)->address_count) {
        job->address++;
    } else {
        if (++job->hosts_tried >= HOSTS_PER_CHECK)
            return false;
        job->host++;
        job->address = 0;
        if (!find_usable_host(job))
            return false;
    }
    job->addresses_tried++;
    job->retried = job->null_sender = job->sender_refused = false;
    return true;
}

bool lane_better_may_tell(const struct job *job)
{
    const struct smtp_evidence *evidence = job->evidence;
    const struct mx_host *hosts = job->mx->hosts; /* the best first */
    uint16_t preference = job_host(job)->preference;

    if (hosts[0].preference >= preference)
        return false;
    for (size_t i = 0; hosts[i].preference < preference; i++)
        if (hosts[i].state == MX_HOST_UNKNOWN) /* the resolver could not say */
            return true;
    for (size_t i = 0; i < evidence->attempt_count; i++) {
        const struct smtp_attempt *attempt = &evidence->attempts[i];

        if (strcmp(attempt->host, job_host(job)->name) != 0 &&
            (attempt->class == REPLY_NONE || attempt->code / 100 == 4))
            return true;
    }
    return job->stop == STOP_DEFERRED; /* it rests */
}

static void on_job_at_lane(struct loop_mail *mail)
{
    struct job *job = CONTAINER_OF(mail, struct job, mail);

    lanes_take(job->at->lanes, job);
}

void job_send_to_lane(struct job *job)
{
    char key[IP_TEXT_SIZE];

    if (job->addresses_tried == 0) {
        if (!find_usable_host(job)) { /* mx said "found", so this is ours */
            lane_finish(job, STOP_INTERNAL, 0);
            return;
        }
        job->addresses_tried = 1;
    }
    const struct provider *provider = provider_by_mx(job_host(job)->name);
    job->at = engine_lane_owner(job->home->engine, job_lane_key(job, provider, key));
    atomic_store(&job->progress, PROGRESS_QUEUE);
    loop_post(job->at->loop, &job->mail, on_job_at_lane);
}

static void on_job_home(struct loop_mail *mail)
{
    struct job *job = CONTAINER_OF(mail, struct job, mail);

    checks_job_returned(job->home->checks, job);
}

void job_send_home(struct job *job)
{
    atomic_store(&job->progress, PROGRESS_ENDED);
    loop_post(job->home->loop, &job->mail, on_job_home);
}

void job_free(struct job **job)
{
    if (*job == NULL)
        return;
    mx_evidence_drop(&(*job)->mx);
    smtp_evidence_drop(&(*job)->evidence);
    free((*job)->recipient);
    free((*job)->domain);
    free(*job);
    *job = NULL;
}

/* --- what came of it --------------------------------------------------------------- */

/* Where we came from, as far as it is known; the caller frees. */
static char *source_text(const struct lane_session *session, const struct smtp_server *server)
{
    const struct mail_route *route = session_route(session);
    char address[IP_TEXT_SIZE];

    if (route->name[0] != '\0')
        return mem_copy_text(route->name);
    if (server == NULL || server->ours.family == 0)
        return NULL;
    return mem_copy_text(ip_format(&server->ours, address));
}

struct smtp_attempt *lane_attempt(struct job *job, const struct lane_session *session,
                                  const struct smtp_server *server)
{
    const struct lane_host *host = session->host;
    struct smtp_evidence *evidence = job->evidence;

    assert(evidence->attempt_count < SMTP_ATTEMPTS_MAX);
    struct smtp_attempt *attempt = &evidence->attempts[evidence->attempt_count++];
    *attempt = (struct smtp_attempt){.host = mem_copy_text(host->name),
                                     .address = host->address,
                                     .source = source_text(session, server)};
    return attempt;
}

void lane_keep_words(struct job *job, const struct smtp_reply_facts *reply,
                     struct smtp_server *server)
{
    struct smtp_evidence *evidence = job->evidence;

    if (verdict_deciding_attempt(evidence) + 1 != evidence->attempt_count)
        return;
    smtp_reply_facts_copy(&evidence->recipient, reply);
    if (evidence->server == server)
        return;
    smtp_server_drop(&evidence->server);
    if (server != NULL)
        evidence->server = smtp_server_keep(server);
}

static bool decided_at_rcpt(const struct smtp_evidence *evidence)
{
    if (evidence->attempt_count == 0)
        return false;
    const struct smtp_attempt *attempt = &evidence->attempts[verdict_deciding_attempt(evidence)];
    return attempt->stage >= SMTP_STAGE_RCPT && attempt->class != REPLY_NONE &&
           attempt->class != REPLY_RELAY_DENIED && attempt->class != REPLY_HOST_NO_MAIL;
}

void lane_finish(struct job *job, enum check_stop stop, uint32_t retry_ms)
{
    if (stop != STOP_NONE) {
        job->stop = stop;
        job->stop_retry_ms = retry_ms;
    } else if (job->stop == STOP_DEFERRED && decided_at_rcpt(job->evidence)) {
        job->stop = STOP_NONE; /* a resting host was passed over, and another one knew */
    }
    job_send_home(job);
}

void lane_defer(struct job *job, uint32_t retry_ms)
{
    job->turn_missed = true;
    lane_finish(job, STOP_DEFERRED, retry_ms);
}

void lane_walk_on(struct job *job)
{
    bool more = next_target(job);

    if (more && !atomic_load(&job->abandoned)) {
        job_send_to_lane(job);
        return;
    }
    job->evidence->cut = more;
    lane_finish(job, STOP_NONE, 0);
}
