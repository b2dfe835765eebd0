/* Refusals without a word, and the control that tells whom they are about.
 *
 * A bare 550 may mean the mailbox or us. Postmaster must exist (RFC 5321 section 4.5.1), so once a
 * day for each domain it is asked about too: a host that accepts it tells its recipients apart. But
 * it may block us later in the day, with the same bare 550 for everybody. So when it has refused
 * many in a row and accepted none since then, what the control said is no proof any more, and the
 * control is asked again before the next refusal counts; once an hour at most, or a long list of
 * addresses that do not exist would ask it again and again.
 *
 * What one MX said is no answer of another: a backup may accept postmaster while the MX before it
 * refuses everything of ours. */
#include "service/lanes.h"

#include <utlist.h>

enum {
    CONTROL_MS = 24 * 3600 * 1000,
    CONTROL_AGAIN_MS = 3600 * 1000,
    CONTROL_DOUBT_ROW = 8 /* refused in a row, this one included */
};

/* Hosts of one preference are taken for alike. */
static bool asked_there(const struct domain_memory *domain, const struct job *job)
{
    return domain->control_preference == job_host(job)->preference;
}

/* Was postmaster accepted, and nobody since? */
static bool is_contradicted(const struct domain_memory *domain, uint64_t age_ms)
{
    return domain->control == CONTROL_CLEAR && domain->bare_row >= CONTROL_DOUBT_ROW &&
           age_ms >= CONTROL_AGAIN_MS;
}

static bool control_known(const struct lane_session *session, const struct domain_memory *domain)
{
    uint64_t age_ms = session_now_ms(session) - domain->control_at_ms;

    return domain->control != CONTROL_NOT_RUN && asked_there(domain, session->job) &&
           age_ms < CONTROL_MS && !is_contradicted(domain, age_ms);
}

/* A refusal that is about the recipient counts among the unknown ones of the hour, as those do that
 * say so themselves. */
static void use_control(const struct lane_session *session, struct job *job,
                        struct domain_memory *domain, enum control_outcome outcome)
{
    job->evidence->control = asked_there(domain, job) ? outcome : CONTROL_UNDECIDED;
    if (job->evidence->control == CONTROL_CLEAR &&
        job->evidence->recipient.class != REPLY_MAILBOX_NOT_FOUND)
        hourly_count(&domain->unknown, session_now_ms(session));
}

void lane_refused_barely(struct lane_session *session)
{
    struct job *job = session->job;
    struct domain_memory *domain = session_domain(session, job);

    domain->bare_row++;
    if (domain->control_running) {
        session->job = NULL;
        job->phase = JOB_ASK_CONTROL;
        lane_keep_transcript(session, job);
        DL_APPEND(domain->waiting_control, job); /* holds no connection */
    } else if (control_known(session, domain)) {
        use_control(session, job, domain, domain->control);
        lane_finish_current(session);
    } else {
        domain->control_running = true;
        job->phase = JOB_ASK_CONTROL;
    }
}

void lane_confirm_control(struct domain_memory *domain, const struct job *job)
{
    if (asked_there(domain, job))
        domain->bare_row = 0;
}

void lane_note_control(struct lane_session *session, struct domain_memory *domain,
                       enum control_outcome outcome)
{
    domain->control = outcome;
    domain->control_at_ms = session_now_ms(session);
    domain->control_preference = job_host(session->job)->preference;
    domain->bare_row = 0;
}

void lane_settle_control(struct lane_session *session, struct job *job,
                         enum control_outcome outcome)
{
    struct domain_memory *domain = session_domain(session, job);
    struct job *waiting;

    domain->control_running = false;
    use_control(session, job, domain, outcome);
    lane_go_home(session, job);
    while ((waiting = domain->waiting_control) != NULL) {
        DL_DELETE(domain->waiting_control, waiting);
        use_control(session, waiting, domain, outcome);
        lane_finish(waiting, STOP_NONE, 0);
    }
}

static enum control_outcome control_outcome(const struct smtp_reply_facts *reply)
{
    if (reply->class == REPLY_ACCEPTED)
        return CONTROL_CLEAR;
    return reply->code >= 500 ? CONTROL_REFUSED_ALIKE : CONTROL_UNDECIDED;
}

void lane_control_answered(struct lane_session *session, const struct smtp_reply_facts *reply)
{
    struct job *job = session->job;
    enum control_outcome outcome = control_outcome(reply);

    lane_note_control(session, session_domain(session, job), outcome);
    session->job = NULL;
    lane_settle_control(session, job, outcome);
}
