/* Hosts that take mail from none of our senders.
 *
 * MAIL comes before RCPT, so what a host says of the sender there is the same for everybody who is
 * to be asked about. One that refused our sender and the null sender for good is not told both
 * again for each recipient: its words stand for an hour in the evidence of all, as remembered.
 * Whoever wants fresh evidence or a transcript asks it all the same, and whenever it takes a
 * sender, that is forgotten. */
#include "service/lanes.h"

#include <stdlib.h>
#include <utlist.h>

#include "probes/base/mem.h"

enum { REFUSED_MS = 3600 * 1000 };

struct sender_refusal {
    uint64_t at_ms;
    unsigned route; /* another way may be another sender to them (SPF) */
    struct smtp_reply_facts reply;
    struct smtp_server *server; /* a reference */
};

void lane_forget_refusal(struct lane_host *host)
{
    struct sender_refusal *refusal = host->refuses_senders;

    if (refusal == NULL)
        return;
    smtp_reply_facts_clear(&refusal->reply);
    smtp_server_drop(&refusal->server);
    free(refusal);
    host->refuses_senders = NULL;
}

bool lane_refused_for_good(const struct smtp_answer *answer)
{
    return answer->stage == SMTP_STAGE_MAIL && answer->reply.class == REPLY_SENDER_REJECTED &&
           answer->reply.code >= 500;
}

/* As with decoys: what was asked since the request came is young enough. */
static bool refusal_known(const struct lane_host *host, const struct job *job)
{
    const struct sender_refusal *refusal = host->refuses_senders;
    uint64_t now_ms = loop_now_ms(host->lane->lanes->shard->loop);

    return refusal != NULL && job->phase == JOB_ASK_RECIPIENT && !job->transcript &&
           now_ms - refusal->at_ms < REFUSED_MS && lane_route(host).route == refusal->route &&
           (refusal->at_ms >= job->fresh_after_ms || refusal->at_ms >= job->asked_ms);
}

bool lane_answer_refused(struct lane_host *host, struct job *job)
{
    struct sender_refusal *refusal = host->refuses_senders;

    if (!refusal_known(host, job))
        return false;
    struct smtp_attempt *attempt = lane_attempt(
        job, &(struct lane_session){.host = host, .route = refusal->route}, refusal->server);
    attempt->stage = SMTP_STAGE_MAIL;
    attempt->class = refusal->reply.class;
    attempt->code = refusal->reply.code;
    attempt->cached = true;
    lane_keep_words(job, &refusal->reply, refusal->server);
    lane_walk_on(job);
    return true;
}

/* Those who wait for this host need not wait any longer. */
static void tell_queue(struct lane_session *session)
{
    struct job *staying = NULL, *job, *next;

    while ((job = lane_take_job(session)) != NULL)
        if (!lane_answer_refused(session->host, job))
            DL_APPEND(staying, job);
    DL_FOREACH_SAFE(staying, job, next)
    {
        DL_DELETE(staying, job);
        lane_queue(session->host, job, false);
    }
}

void lane_learn_refusal(struct lane_session *session, const struct smtp_answer *answer)
{
    struct lane_host *host = session->host;
    struct sender_refusal *refusal = mem_new(struct sender_refusal);

    lane_forget_refusal(host);
    refusal->at_ms = session_now_ms(session);
    refusal->route = session->route;
    smtp_reply_facts_copy(&refusal->reply, &answer->reply);
    refusal->server = smtp_server_keep(smtp_session_server(session->smtp));
    host->refuses_senders = refusal;
    tell_queue(session);
}
