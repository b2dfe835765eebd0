/* What the early end of a session means. It speaks for everybody who waits at this host:
 * they asked before it was known. */
#include "service/lanes.h"

#include <utlist.h>

#include "probes/base/mem.h"

enum {
    CLEAR_MS = 24 * 3600 * 1000,
    REFUSED_TWICE_MS = 15 * 60 * 1000,
    ROUTES_TRIED_MAX = 3, /* for one job, when our own end of one after the other fails */
    DECOY_TRIES_MAX = 2,  /* a decoy lost with its connection is asked once more */
    SESSIONS_CUT_MAX = 8  /* 421 between recipients: so many new sessions for one job */
};

/* --- the end of a session ------------------------------------------------------------------ */

static bool refuses_us(const struct smtp_session_end *end)
{
    return end->end == SMTP_END_REPLY && end->reply.class == REPLY_PROBE_BLOCKED;
}

/* Nobody was asked: the proxy failed, or there was no socket from that address. */
static bool route_failed(const struct smtp_session_end *end)
{
    return end->end == SMTP_END_PROXY ||
           (end->end == SMTP_END_LOCAL && end->stage == SMTP_STAGE_CONNECT);
}

/* A host that blocked us, sent 421 or timed out rests. */
static bool earns_rest(const struct smtp_session_end *end)
{
    switch (end->end) {
    case SMTP_END_CONNECT_TIMEOUT:
    case SMTP_END_TIMEOUT:
        return true;
    case SMTP_END_REPLY:
        return end->reply.code == 421 || refuses_us(end);
    case SMTP_END_NONE:
    case SMTP_END_QUIT:
    case SMTP_END_REFUSED_ADDRESS:
    case SMTP_END_CONNECT_REFUSED:
    case SMTP_END_LOST:
    case SMTP_END_PROTOCOL:
    case SMTP_END_TLS:
    case SMTP_END_LOCAL:
    case SMTP_END_CANCELLED:
    case SMTP_END_PROXY:
    case SMTP_END_COUNT:
        break;
    }
    return false;
}

static void record_end(struct lane_session *session, struct job *job,
                       const struct smtp_session_end *end)
{
    struct smtp_attempt *attempt = lane_attempt(job, session, end->server);

    attempt->end = end->end == SMTP_END_QUIT ? SMTP_END_LOST : end->end;
    attempt->stage = end->stage;
    attempt->class = end->reply.class;
    attempt->code = end->reply.code;
    if (refuses_us(end))
        lane_job_refused(session, job);
    if (end->reply.code != 0)
        smtp_reply_facts_copy(&job->evidence->recipient, &end->reply);
    if (end->server != NULL && job->evidence->server == NULL)
        job->evidence->server = smtp_server_keep(end->server);
    job->evidence->refused_before =
        end->end == SMTP_END_CONNECT_REFUSED && session->host->refused_ms != 0 &&
        session_now_ms(session) - session->host->refused_ms >= REFUSED_TWICE_MS;
}

/* Between recipients 421 or a close limits the session, not the recipient (RFC 5321 section 3.8).
 */
static bool closed_on_us(const struct smtp_session_end *end)
{
    /* QUIT: it took one recipient more and closed, or its own limit of transactions was reached */
    return end->end == SMTP_END_LOST || end->end == SMTP_END_QUIT ||
           (end->end == SMTP_END_REPLY && end->reply.code == 421);
}

/* Is there another way to the host, now that this one is known not to do? */
static bool another_way(const struct lane_session *session)
{
    struct route_choice choice = lane_route(session->host);

    return choice.wakes_ms == 0 && choice.route != session->route;
}

/* What an early end means for one job: once more at this host (true), or not. */
static bool job_stays(const struct lane_session *session, struct job *job,
                      const struct smtp_session_end *end)
{
    if (end->end == SMTP_END_TLS)
        return true; /* again, in clear */
    if (route_failed(end))
        return ++job->routes_failed < ROUTES_TRIED_MAX && another_way(session);
    if (!closed_on_us(end))
        return false;
    if (end->answered > 0 && job->sessions_cut < SESSIONS_CUT_MAX) {
        job->sessions_cut++;
        return job->phase == JOB_ASK_RECIPIENT || ++job->decoy_tries < DECOY_TRIES_MAX;
    }
    if (end->end == SMTP_END_REPLY || job->retried_lost)
        return false;
    job->retried_lost = true;
    return true;
}

static void job_cut_short(struct lane_session *session, struct job *job,
                          const struct smtp_session_end *end)
{
    switch (job->phase) {
    case JOB_ASK_RECIPIENT:
        record_end(session, job, end);
        lane_keep_transcript(session, job);
        if (end->end == SMTP_END_LOCAL || end->end == SMTP_END_PROXY)
            lane_finish(job, STOP_NONE, 0);
        else
            lane_walk_on(job);
        break;
    case JOB_ASK_DECOY:
        lane_settle_decoy(session, job, DECOY_UNDECIDED, NULL);
        break;
    case JOB_ASK_CONTROL:
        job->evidence->control = CONTROL_UNDECIDED;
        lane_go_home(session, job);
        break;
    }
}

static void learn_from_end(struct lane_session *session, const struct smtp_session_end *end)
{
    struct lane_host *host = session->host;
    struct egress *egress = &session_lanes(session)->shard->engine->egress;

    if (end->server != NULL)
        egress_greeted(egress, session_now_ms(session));
    if (end->end == SMTP_END_CONNECT_TIMEOUT && !session_route(session)->is_proxy)
        egress_timed_out(egress, &host->address, session_now_ms(session));
    if (end->end == SMTP_END_CONNECT_REFUSED && host->refused_ms == 0)
        host->refused_ms = session_now_ms(session);
    if (end->end == SMTP_END_TLS && end->server != NULL) {
        host->clear_until_ms = session_now_ms(session) + CLEAR_MS;
        if (host->broken_tls == NULL)
            host->broken_tls = mem_new(struct tls_facts);
        *host->broken_tls = end->server->tls;
    }
    if (end->end == SMTP_END_REPLY && end->reply.code == 421 && end->answered > 0 &&
        end->answered < host->recipients_per_session)
        host->recipients_per_session = end->answered; /* they told us how many they like */
    else if (earns_rest(end) && end->answered == 0 && !(refuses_us(end) && lane_has_ways(host)))
        lane_host_rest(host);
    if (earns_rest(end))
        lane_narrow(host->lane);
    else if (end->end == SMTP_END_QUIT && end->answered > 0)
        lane_widen(host->lane);
    if (end->end == SMTP_END_REPLY)
        lane_heard(session, refuses_us(end));
    if (route_failed(end))
        lane_route_failed(session);
}

/* Before any job was taken, the end speaks for each that waits here: its request is older. Only a
 * refusal that another way may spare the others speaks for the first alone. */
static void tell_queue(struct lane_session *session, const struct smtp_session_end *end)
{
    struct job *staying = NULL, *job, *next;
    bool first_only = session->only != NULL || (refuses_us(end) && another_way(session));

    while ((job = lane_take_job(session->host, session->only)) != NULL) {
        if (job_stays(session, job, end))
            DL_APPEND(staying, job);
        else
            job_cut_short(session, job, end);
        if (first_only)
            break;
    }
    DL_FOREACH_SAFE(staying, job, next)
    {
        DL_DELETE(staying, job);
        lane_queue(session->host, job, false);
    }
}

/* The host rests: who waits here goes on to the next address, or is deferred. */
static void send_queue_on(struct lane_session *session, const struct smtp_session_end *end)
{
    struct lane_host *host = session->host;
    struct job *job;

    while ((job = lane_take_any(host)) != NULL) {
        if (job->phase == JOB_ASK_RECIPIENT)
            lanes_take(session_lanes(session), job);
        else
            job_cut_short(session, job, end);
    }
}

void lane_on_end(void *context, const struct smtp_session_end *end)
{
    struct lane_session *session = context;
    struct lane *lane = session->host->lane;
    struct job *job = session->job;

    session->smtp = NULL;
    lane_session_unlink(session);
    learn_from_end(session, end);
    if (job != NULL) {
        session->job = NULL;
        if (job_stays(session, job, end))
            lane_queue(session->host, job, true);
        else
            job_cut_short(session, job, end);
    } else if (session->opening && end->end != SMTP_END_QUIT) {
        tell_queue(session, end);
    }
    if (lane_host_rests(session->host))
        send_queue_on(session, end);
    if (session->held != NULL) {
        lane_keep_transcript(session, session->held);
        lane_finish(session->held, STOP_NONE, 0);
    }
    lane_session_free(session);
    lane_pump(lane);
}
