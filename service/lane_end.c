/* What the early end of a session means. It speaks for everybody who waits at this host:
 * they asked before it was known. */
#include "service/lanes.h"

#include <utlist.h>

#include "probes/base/mem.h"

enum {
    REFUSED_TWICE_MS = 15 * 60 * 1000,
    ROUTES_TRIED_MAX = 3, /* for one job, when our own end of one after the other fails */
    DECOY_TRIES_MAX = 2,  /* a decoy lost with its connection is asked once more */
    SESSIONS_CUT_MAX = 8  /* 421 between recipients: so many new sessions for one job */
};

/* --- the end of a session ------------------------------------------------------------------ */

/* Refused now and a while ago, by the host and not by a wall before our own door. */
static bool refused_twice(const struct lane_session *session, const struct smtp_session_end *end)
{
    struct egress *egress = &session_lanes(session)->shard->engine->egress;
    uint64_t first_ms = session->host->refused_ms, now_ms = session_now_ms(session);

    return end->end == SMTP_END_CONNECT_REFUSED && first_ms != 0 &&
           now_ms - first_ms >= REFUSED_TWICE_MS && egress_open(egress, now_ms);
}

static void record_end(struct lane_session *session, struct job *job,
                       const struct smtp_session_end *end)
{
    struct smtp_attempt *attempt = lane_attempt(job, session, end->server);

    attempt->end = end->end == SMTP_END_QUIT ? SMTP_END_LOST : end->end;
    attempt->stage = end->stage;
    attempt->class = end->reply.class;
    attempt->code = end->reply.code;
    if (lane_refused(end))
        lane_job_refused(session, job);
    lane_keep_words(job, &end->reply, end->server);
    bool all_before = job->evidence->attempt_count == 1 || job->evidence->refused_before;
    job->evidence->refused_before = all_before && refused_twice(session, end);
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
    bool lost = end->end == SMTP_END_LOST || end->end == SMTP_END_QUIT;

    if (end->end == SMTP_END_TLS)
        return true; /* again, in clear */
    if (lane_route_lost(end))
        return ++job->routes_failed < ROUTES_TRIED_MAX && another_way(session);
    if (end->answered > 0 && !end->task_open)
        return true; /* its next question was not even asked */
    if (!lost && session->trouble != TROUBLE_SESSION)
        return false;
    if (job->phase != JOB_ASK_RECIPIENT && ++job->decoy_tries >= DECOY_TRIES_MAX)
        return false;
    if (end->answered > 0 && closed_on_us(end) && job->sessions_cut < SESSIONS_CUT_MAX) {
        job->sessions_cut++;
        return true;
    }
    if (job->retried || session->host->lost_row >= LOST_ROW_MAX)
        return false;
    job->retried = true;
    return true;
}

static void job_cut_short(struct lane_session *session, struct job *job,
                          const struct smtp_session_end *end)
{
    switch (job->phase) {
    case JOB_ASK_RECIPIENT:
        record_end(session, job, end);
        if (end->end == SMTP_END_LOCAL || end->end == SMTP_END_PROXY)
            lane_finish(job, STOP_NONE, 0);
        else
            lane_walk_on(job);
        break;
    case JOB_ASK_DECOY:
        lane_settle_decoy(session, job, DECOY_UNDECIDED, NULL);
        break;
    case JOB_ASK_CONTROL:
        lane_settle_control(session, job, CONTROL_UNDECIDED);
        break;
    }
}

/* The end speaks for each that waits here: its request is older. Only a refusal that another way
 * may spare the others speaks for the first alone. */
static void tell_queue(struct lane_session *session, const struct smtp_session_end *end)
{
    struct job *staying = NULL, *job, *next;
    bool first_only = session->only != NULL || (lane_refused(end) && another_way(session));

    while ((job = lane_take_job(session)) != NULL) {
        lane_keep_transcript(session, job);
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

/* Did it end for all who wait: before it was open, by talking into the pause before the first
 * question, or as often before? */
static bool ended_for_all(const struct lane_session *session, const struct smtp_session_end *end)
{
    bool talked = end->end == SMTP_END_PROTOCOL && session->recipients == 0;

    if (end->end == SMTP_END_QUIT || session->trouble == TROUBLE_SESSION)
        return false;
    return session->opening || talked || session->host->lost_row >= LOST_ROW_MAX;
}

/* This host rests: who waits there goes on to the next address, or is deferred. */
static void send_queue_on(struct lane_session *session, struct lane_host *host,
                          const struct smtp_session_end *end)
{
    struct job *job;

    while ((job = lane_take_any(host)) != NULL) {
        if (job->phase == JOB_ASK_RECIPIENT)
            lanes_take(session_lanes(session), job);
        else
            job_cut_short(session, job, end);
    }
}

static void send_lane_on(struct lane_session *session, const struct smtp_session_end *end)
{
    struct lane *lane = session->host->lane;

    for (unsigned wait = 0; wait < WAIT_COUNT; wait++)
        while (lane->waiting[wait] != NULL)
            send_queue_on(session, lane->waiting[wait], end);
}

void lane_on_end(void *context, const struct smtp_session_end *end)
{
    struct lane_session *session = context;
    struct lane *lane = session->host->lane;
    struct job *job = session->job;

    session->smtp = NULL;
    lane_session_unlink(session);
    lane_learn(session, end);
    if (job != NULL) {
        session->job = NULL;
        lane_keep_transcript(session, job);
        if (job_stays(session, job, end))
            lane_queue(session->host, job, true);
        else
            job_cut_short(session, job, end);
    }
    if (ended_for_all(session, end))
        tell_queue(session, end);
    if (lane_rests(lane))
        send_lane_on(session, end);
    else if (lane_host_rests(session->host))
        send_queue_on(session, session->host, end);
    if (session->held != NULL) {
        lane_keep_transcript(session, session->held);
        lane_finish(session->held, STOP_NONE, 0);
    }
    lane_session_free(session);
    lane_pump(lane);
}
