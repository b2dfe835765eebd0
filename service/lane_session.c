/* A session of a lane: opening it, and what it asks next. What an answer leads to stands
 * in lane_answer.c, what an early end means in lane_end.c. */
#include "service/lanes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "probes/base/clock.h"
#include "probes/base/mem.h"
#include "probes/base/random.h"
#include "probes/smtp/session_notes.h"

enum { TRANSCRIPT_MAX = 64 * 1024, CONNECT_LINE_MAX = 200, SLOW_MS = 1000 };

/* --- the next question ------------------------------------------------------------- */

/* Consonants and digits: no word, no dots, begins with a letter and ends with a digit, so every
 * provider's rules allow it. New each time. */
static void make_decoy(char out[DECOY_SIZE])
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz"; /* 20 of them */
    uint8_t random[16];

    random_bytes(random, sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++)
        out[i] = i < 12 ? letters[random[i] % 20] : (char)('0' + random[i] % 10);
    out[sizeof(random)] = '\0';
}

static void compose_question(struct lane_session *session, const char *local)
{
    struct text question;

    text_init(&question, DECOY_SIZE + DNS_NAME_SIZE);
    text_put(&question, local);
    text_char(&question, '@');
    text_put(&question, session->job->domain);
    assert(!question.overflow);
    free(session->question);
    session->question = text_take(&question);
}

/* One timer for many questions: it looks at the latest. Where there is but one connection it would
 * tell nobody. */
static void watch(struct lane_session *session)
{
    session->asked_ms = session->host->asked_ms = session_now_ms(session);
    if (session->host->connections_max > 1 && !loop_timer_running(&session->patience))
        loop_timer_start(&session->patience, SLOW_MS);
}

static void on_patience_over(void *context)
{
    struct lane_session *session = context;
    uint64_t age_ms = session_now_ms(session) - session->asked_ms;

    if (session->job == NULL)
        return; /* it pauses */
    if (age_ms < SLOW_MS) {
        loop_timer_start(&session->patience, SLOW_MS - age_ms);
        return;
    }
    session->slow = true;
    session->host->slow++;
    lane_pump(session->host->lane);
}

void lane_session_moved(struct lane_session *session)
{
    if (session->slow)
        session->host->slow--;
    session->slow = false;
}

static enum smtp_next ask(struct lane_session *session, struct smtp_task *task)
{
    struct job *job = session->job;
    struct domain_memory *domain;
    bool full;

    watch(session);
    task->mail_from = job->null_sender ? "" : session_config(session)->mail_from;
    task->smtputf8 = false;
    task->seen_before = job->tries > 0;
    switch (job->phase) {
    case JOB_ASK_RECIPIENT:
        task->recipient = job->recipient;
        task->smtputf8 = job->smtputf8;
        /* a decoy, if one is due, is the next session's */
        full = ++session->recipients == session->host->recipients_per_session;
        return full && !job->retried ? SMTP_NEXT_ASK_LAST : SMTP_NEXT_ASK;
    case JOB_ASK_DECOY:
        /* a greylisted decoy is asked again as it was: its triple is what they remember */
        domain = session_domain(session, job);
        if (domain->decoy_local[0] == '\0')
            make_decoy(domain->decoy_local);
        compose_question(session, domain->decoy_local);
        break;
    case JOB_ASK_CONTROL:
        lane_note_control(session, session_domain(session, job), CONTROL_UNDECIDED);
        compose_question(session, "postmaster");
        break;
    }
    task->recipient = session->question;
    session->recipients++;
    /* A second try follows a lost connection: some servers drop all they owe when QUIT comes along.
     */
    bool last = session->only != NULL || !lane_has_work(session->host);
    return last && job->decoy_tries == 0 ? SMTP_NEXT_ASK_LAST : SMTP_NEXT_ASK;
}

static bool worn_out(const struct lane_session *session)
{
    const struct lane_host *host = session->host;

    return session->recipients >= host->recipients_per_session ||
           session->rejects >= host->rejects_per_session ||
           host->rest_until_ms > session_now_ms(session) || lane_rests(host->lane) ||
           lane_route_rests(session);
}

/* How long it waited, without the session's opening: connect, greeting, EHLO and TLS tell that. */
static uint32_t queued_ms(const struct lane_session *session, const struct job *job)
{
    uint64_t since_ms = job->queued_ms > session->began_ms ? job->queued_ms : session->began_ms;
    uint64_t opening_ms = session->opened_ms > since_ms ? session->opened_ms - since_ms : 0;

    return (uint32_t)(session_now_ms(session) - job->queued_ms - opening_ms);
}

/* Takes jobs until one is worth asking about. */
static bool pick_job(struct lane_session *session)
{
    while ((session->job = lane_take_job(session)) != NULL) {
        struct job *job = session->job;
        bool fresh = job->phase == JOB_ASK_RECIPIENT;
        uint32_t wait_ms = fresh ? lane_must_wait_ms(session->host, job) : 0;

        if (fresh && (wait_ms > 0 || atomic_load(&job->abandoned))) {
            lane_defer(job, wait_ms);
        } else if (fresh && !lane_route_fits(session->host, session->route, job)) {
            lane_walk_on(job);
        } else {
            atomic_store(&job->progress, PROGRESS_SMTP);
            if (job->evidence->queue_ms == 0)
                job->evidence->queue_ms = queued_ms(session, job);
            return true;
        }
    }
    return false;
}

static void session_opened(struct lane_session *session)
{
    struct smtp_server *server = smtp_session_server(session->smtp);

    if (!session->opening)
        return;
    session->opening = false;
    session->opened_ms = session_now_ms(session);
    session->host->opening--;
    session->host->refused_ms = 0;
    if (session->in_clear && server != NULL && session->host->broken_tls != NULL)
        server->tls = *session->host->broken_tls;
}

/* Also what a session before it asked: closing after four refusals is no way around the pause. */
static uint64_t pause_ms(const struct lane_session *session)
{
    const struct lane_host *host = session->host;
    uint64_t due_ms = host->asked_ms + host->gap_ms, now_ms = session_now_ms(session);

    if (session->recipients > 0)
        return host->gap_ms;
    return host->asked_ms > 0 && due_ms > now_ms ? due_ms - now_ms : 0;
}

static bool must_pause(struct lane_session *session)
{
    uint64_t wait_ms = pause_ms(session);

    if (wait_ms == 0 || session->paused)
        return false;
    session->paused = true;
    loop_timer_start(&session->gap, wait_ms);
    return true;
}

/* A session for bulk gives way to a caller, once it has asked about somebody: each gets on. */
static bool gives_way(const struct lane_session *session)
{
    return session->recipients > 0 && lane_wants_room(session);
}

static enum smtp_next next_of(struct lane_session *session, struct smtp_task *task)
{
    if (session->job != NULL && (worn_out(session) || session->closing)) {
        lane_keep_transcript(session, session->job);
        lane_queue(session->host, session->job, true); /* the next session goes on with it */
        session->job = NULL;
        return SMTP_NEXT_QUIT;
    }
    if (session->job != NULL) /* its next phase */
        return ask(session, task);
    bool more = session->only != NULL ? session->recipients == 0 : lane_has_work(session->host);
    if (worn_out(session) || session->closing || !more || gives_way(session))
        return SMTP_NEXT_QUIT;
    if (must_pause(session))
        return SMTP_NEXT_WAIT;
    session->paused = false;
    return pick_job(session) ? ask(session, task) : SMTP_NEXT_QUIT;
}

static enum smtp_next on_next(void *context, struct smtp_task *task)
{
    struct lane_session *session = context;

    session_opened(session);
    enum smtp_next next = next_of(session, task);
    if (next == SMTP_NEXT_QUIT) {
        session->leaving = true;
        session->host->lane->leaving++;
    }
    return next;
}

static void on_gap_over(void *context)
{
    struct lane_session *session = context;

    smtp_session_resume(session->smtp);
}

void lane_session_unlink(struct lane_session *session)
{
    struct lane_host *host = session->host;

    loop_timer_stop(&session->gap);
    loop_timer_stop(&session->patience);
    lane_session_moved(session);
    if (session->opening)
        host->opening--;
    if (session->leaving)
        host->lane->leaving--;
    if (session->for_bulk)
        host->lane->for_bulk--;
    host->sessions--;
    host->lane->sessions--;
    DL_DELETE(session_lanes(session)->all_sessions, session);
}

void lane_session_free(struct lane_session *session)
{
    if (session->reserved)
        session->only->own = NULL;
    if (session->transcript != NULL)
        text_free(session->transcript);
    free(session->transcript);
    free(session->question);
    free(session);
}

/* --- opening ---------------------------------------------------------------------------------- */

/* The first item: which way is taken. */
static void begin_transcript(struct lane_session *session)
{
    const struct lane_host *host = session->host;
    const struct mail_route *route = session_route(session);
    char address[IP_TEXT_SIZE];
    struct text line;

    session->transcript = mem_new(struct text);
    text_init(session->transcript, TRANSCRIPT_MAX);
    if (session->only->evidence->transcript != NULL) /* of the hosts before */
        text_put(session->transcript, session->only->evidence->transcript);
    text_init(&line, CONNECT_LINE_MAX);
    text_format(&line, "connect %s port %u", ip_format(&host->address, address),
                session_config(session)->port_smtp);
    if (route->name[0] != '\0')
        text_format(&line, route->is_proxy ? " through %s" : " from %s", route->name);
    smtp_note_line(session->transcript, 0, '-', line.bytes, line.length);
    text_free(&line);
}

/* `first`: whom it is opened for, as far as is known. */
static void count_in(struct lane_session *session, const struct job *first)
{
    struct lane_host *host = session->host;

    session->opening = true;
    session->for_bulk = first != NULL && first->bulk;
    host->opening++;
    host->sessions++;
    host->lane->sessions++;
    host->lane->for_bulk += session->for_bulk;
    DL_APPEND(session_lanes(session)->all_sessions, session);
}

void lane_session_open(struct lane_host *host, struct job *only)
{
    static const struct smtp_session_handler handler = {on_next, lane_on_answer, lane_on_end};
    struct lanes *lanes = host->lane->lanes;
    const struct config *config = lanes->shard->config;
    struct lane_session *session = mem_new(struct lane_session);

    session->host = host;
    session->only = only;
    session->began_ms = loop_now_ms(lanes->shard->loop);
    session->route = lane_route(host).route;
    session->in_clear = host->clear_until_ms > loop_now_ms(lanes->shard->loop);
    loop_timer_init(&session->gap, lanes->shard->loop, on_gap_over, session);
    loop_timer_init(&session->patience, lanes->shard->loop, on_patience_over, session);
    if (only != NULL) {
        only->own = session;
        session->reserved = true;
        begin_transcript(session);
    }
    struct job *first = only != NULL                     ? only
                        : host->interactive.head != NULL ? host->interactive.head
                                                         : host->bulk.head;
    if (first != NULL)
        atomic_store(&first->progress, PROGRESS_CONNECT);
    count_in(session, first);
    const struct mail_route *route = session_route(session);
    session->smtp = smtp_session_start(&(struct smtp_session_params){
        .sessions = &lanes->smtp_sessions,
        .loop = lanes->shard->loop,
        .tls = lanes->shard->tls,
        .host = host->name,
        .address = host->address,
        .port = config->port_smtp,
        .source = route->source,
        .proxy = route->is_proxy ? &route->proxy : NULL,
        .allowed = &config->allowed,
        /* a name without a dot is nobody's: then the address literal (RFC 5321 section 4.1.3) */
        .hello_name = strchr(config->hello_name, '.') != NULL ? config->hello_name : "",
        .waits = {config->timeout_connect_ms, config->timeout_greeting_ms,
                  config->timeout_command_ms, config->timeout_recipient_ms,
                  config->timeout_quit_ms},
        .in_clear = session->in_clear,
        .transcript = session->transcript,
        .handler = &handler,
        .context = session,
    });
}

void lane_session_drop(struct lane_session *session)
{
    lane_session_unlink(session);
    smtp_session_drop(&session->smtp);
    job_free(&session->job);
    job_free(&session->held);
    lane_session_free(session);
}
