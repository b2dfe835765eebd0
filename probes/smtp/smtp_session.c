/* smtp_session.c - the dialogue over a connection, and its owner's questions.
 *
 * Life:  CONNECTING -> LISTENING <-> DUE ... -> OVER
 *                                    DUE -> ASKING -> WAITING -> DUE
 *
 * Lines go to the dialog at once. What it wants next (send, ask the owner, close) is DUE at the
 * end of the turn, so a server that talks on behind its reply is caught: were the next command
 * sent first, its surplus would pass for the answer, and each answer after it for the wrong
 * question. TLS alone starts at once, before another octet is read (RFC 3207 section 4.2).
 *
 * A session whose state is DUE has its mail in the loop's hands; the memory goes when that
 * is delivered. */
#include "probes/smtp/smtp_session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "probes/base/mem.h"
#include "probes/discover/provider.h"
#include "probes/net/conn.h"
#include "probes/smtp/dialog.h"
#include "probes/smtp/session_notes.h"

enum {
    IDLE_MAX_MS =
        240 * 1000, /* a server may hang up after five minutes (RFC 5321 section 4.5.3.2.7) */
    LITERAL_SIZE = IP_TEXT_SIZE + sizeof("[IPv6:]")
};

enum session_state {
    SESSION_CONNECTING,
    SESSION_LISTENING, /* for what the dialog awaits */
    SESSION_DUE,       /* `due` is done at the end of this turn */
    SESSION_ASKING,    /* inside on_next */
    SESSION_WAITING,   /* the owner has nothing to ask for now */
    SESSION_OVER
};

struct smtp_session {
    struct smtp_sessions *sessions;
    struct smtp_session *next, *prev; /* in it */
    enum session_state state;
    enum smtp_action due;
    struct loop_mail turn_end; /* with the loop while DUE */
    struct loop_timer idle;
    struct loop *loop;
    struct conn *conn;
    struct tls_client *tls;
    struct smtp_waits waits;
    const struct smtp_session_handler *handler; /* NULL: dropped, nobody listens any more */
    void *context;
    struct text *transcript;
    char *host;
    const char *provider;
    struct ip_address address;
    struct ip_address ours;     /* family 0: not known */
    char literal[LITERAL_SIZE]; /* EHLO name of a host that has none */
    struct smtp_dialog dialog;
    struct smtp_reply reply;
    struct smtp_task task; /* strings borrowed from the owner */
    struct smtp_reply_facts refusal;
    struct smtp_server *server;
    uint64_t started_ms, mark_ms; /* mark: when the reply awaited began to be awaited */
    uint32_t connect_ms;
};

/* --- the end ------------------------------------------------------------------- */

static void release(struct smtp_session *session)
{
    if (session->sessions != NULL)
        DL_DELETE(session->sessions->first, session);
    smtp_reply_clear(&session->reply);
    smtp_reply_facts_clear(&session->refusal);
    smtp_server_drop(&session->server);
    free(session->host);
    free(session);
}

static void report_end(struct smtp_session *session)
{
    const struct smtp_dialog *dialog = &session->dialog;
    struct smtp_session_end end = {
        .end = dialog->end,
        .stage = dialog->stage,
        .task_open = dialog->task == SMTP_TASK_OPEN,
        .answered = dialog->answered,
        .reply = session->refusal,
        .server = session->server,
    };
    const struct smtp_session_handler *handler = session->handler;

    if (handler != NULL)
        handler->on_end(session->context, &end);
}

/* The dialog is over. `reset`: leave no TIME_WAIT behind; for all but orderly goodbyes. */
static void finish(struct smtp_session *session, bool reset)
{
    bool mail_is_out = session->state == SESSION_DUE;

    session->state = SESSION_OVER;
    conn_close(&session->conn, reset);
    loop_timer_stop(&session->idle);
    report_end(session);
    if (!mail_is_out)
        release(session);
}

static void break_off(struct smtp_session *session, enum smtp_end how)
{
    smtp_dialog_on_break(&session->dialog, how);
    finish(session, true);
}

/* --- doing what the dialog wants -------------------------------------------------- */

static loop_mail_fn on_turn_end;

static uint64_t since_start_ms(const struct smtp_session *session)
{
    return loop_now_ms(session->loop) - session->started_ms;
}

static uint32_t since_mark_ms(const struct smtp_session *session)
{
    return (uint32_t)(loop_now_ms(session->loop) - session->mark_ms);
}

static uint32_t patience_ms(const struct smtp_session *session)
{
    switch (smtp_dialog_patience(&session->dialog)) {
    case SMTP_PATIENCE_CONNECT:
        return session->waits.connect_ms;
    case SMTP_PATIENCE_GREETING:
        return session->waits.greeting_ms;
    case SMTP_PATIENCE_COMMAND:
        return session->waits.command_ms;
    case SMTP_PATIENCE_RECIPIENT:
        return session->waits.recipient_ms;
    case SMTP_PATIENCE_QUIT:
        return session->waits.quit_ms;
    case SMTP_PATIENCE_OWNER:
        break;
    }
    return 0;
}

/* One limit per reply, however slowly its octets come. */
static void listen_for_reply(struct smtp_session *session)
{
    session->state = SESSION_LISTENING;
    conn_set_timeout(session->conn, patience_ms(session));
}

static void be_due(struct smtp_session *session, enum smtp_action action)
{
    session->due = action;
    if (session->state == SESSION_DUE)
        return;
    session->state = SESSION_DUE;
    conn_set_timeout(session->conn, 0);
    loop_defer(session->loop, &session->turn_end, on_turn_end);
}

static void start_tls(struct smtp_session *session)
{
    listen_for_reply(session);
    conn_start_tls(session->conn, session->tls, session->host, false);
}

static void follow(struct smtp_session *session, enum smtp_action action)
{
    switch (action) {
    case SMTP_DO_WAIT:
        listen_for_reply(session);
        break;
    case SMTP_DO_START_TLS:
        start_tls(session);
        break;
    case SMTP_DO_SEND:
    case SMTP_DO_ASK:
    case SMTP_DO_CLOSE:
        be_due(session, action);
        break;
    }
}

static void send_group(struct smtp_session *session)
{
    struct text group;

    text_init(&group, SMTP_GROUP_MAX);
    smtp_dialog_compose(&session->dialog, &group);
    assert(!group.overflow); /* the dialog bounds its arguments */
    smtp_note_group(session->transcript, since_start_ms(session), &group);
    session->mark_ms = loop_now_ms(session->loop);
    listen_for_reply(session);
    if (session->dialog.step == SMTP_STEP_QUIT)
        conn_send_last(session->conn, group.bytes, group.length);
    else
        conn_send(session->conn, group.bytes, group.length);
    text_free(&group);
}

static void report_answer(struct smtp_session *session, enum smtp_stage stage,
                          const struct smtp_reply_facts *reply)
{
    struct smtp_answer answer = {.stage = stage, .reply = *reply};

    if (stage >= SMTP_STAGE_MAIL)
        answer.took_ms = since_mark_ms(session);
    session->task = (struct smtp_task){.mail_from = NULL}; /* its strings go with the answer */
    if (session->handler != NULL)
        session->handler->on_answer(session->context, &answer);
}

static void ask(struct smtp_session *session, bool last)
{
    const struct smtp_reply_facts no_smtputf8 = {.class = REPLY_EAI_NOT_SUPPORTED};
    const struct smtp_envelope envelope = {
        .mail_from = session->task.mail_from,
        .recipient = session->task.recipient,
        .smtputf8 = session->task.smtputf8,
    };

    follow(session, smtp_dialog_ask(&session->dialog, &envelope, last));
    if (session->dialog.answers)
        report_answer(session, SMTP_STAGE_EHLO, &no_smtputf8);
}

static void wait_for_owner(struct smtp_session *session)
{
    session->state = SESSION_WAITING;
    loop_timer_start(&session->idle, IDLE_MAX_MS);
}

static void ask_owner(struct smtp_session *session)
{
    session->state = SESSION_ASKING;
    session->task = (struct smtp_task){.mail_from = ""};
    enum smtp_next next = session->handler->on_next(session->context, &session->task);
    if (session->state != SESSION_ASKING)
        return; /* dropped meanwhile */
    switch (next) {
    case SMTP_NEXT_ASK:
    case SMTP_NEXT_ASK_LAST:
        ask(session, next == SMTP_NEXT_ASK_LAST);
        break;
    case SMTP_NEXT_QUIT:
        follow(session, smtp_dialog_quit(&session->dialog));
        break;
    case SMTP_NEXT_WAIT:
        wait_for_owner(session);
        break;
    }
}

static void on_turn_end(struct loop_mail *mail)
{
    struct smtp_session *session = CONTAINER_OF(mail, struct smtp_session, turn_end);

    if (session->state == SESSION_OVER) {
        release(session);
        return;
    }
    assert(session->state == SESSION_DUE);
    session->state = SESSION_LISTENING;
    if (session->due == SMTP_DO_SEND)
        send_group(session);
    else if (session->due == SMTP_DO_ASK)
        ask_owner(session);
    else
        finish(session, session->dialog.end == SMTP_END_CANCELLED);
}

/* --- what the connection says ------------------------------------------------------ */

static struct smtp_reply_facts understand(struct smtp_session *session, enum smtp_stage stage)
{
    char ours[IP_TEXT_SIZE];
    const struct reply_context context = {
        .stage = stage,
        .recipient = session->task.recipient,
        .mail_from = session->task.mail_from,
        .our_address = ip_format(&session->ours, ours),
        .our_name = session->dialog.hello,
        .server_host = session->host,
        .provider = session->provider,
        .first_contact = !session->task.seen_before,
    };

    return smtp_note_reply(&session->reply, &context);
}

static void note_facts(struct smtp_session *session, enum smtp_step step)
{
    struct smtp_server *server = session->server;

    if (step == SMTP_STEP_GREETING) {
        session->server = smtp_note_greeting(session->host, &session->address, &session->reply);
        session->server->ours = session->ours;
        session->server->connect_ms = session->connect_ms;
        session->server->greeting_ms = since_mark_ms(session);
    } else if (step == SMTP_STEP_EHLO || step == SMTP_STEP_HELO) {
        smtp_note_hello(server, &session->dialog, &session->reply);
        server->ehlo_ms += since_mark_ms(session);
    } else if (step == SMTP_STEP_STARTTLS && session->dialog.tls == SMTP_TLS_DECLINED) {
        smtp_note_tls(server, TLS_FAILED, NULL, TLS_FINDING_STARTTLS_REFUSED);
    }
}

/* Nobody listens any more: where the server owes nothing, QUIT. */
static void leave(struct smtp_session *session)
{
    struct smtp_dialog *dialog = &session->dialog;
    bool leaving = dialog->step < SMTP_STEP_QUIT;
    enum smtp_action action = smtp_dialog_on_reply(dialog, &session->reply);

    smtp_reply_clear(&session->reply);
    if (leaving && (action == SMTP_DO_SEND || action == SMTP_DO_ASK))
        action = smtp_dialog_quit(dialog);
    else if (action == SMTP_DO_START_TLS)
        action = smtp_dialog_on_break(dialog, SMTP_END_CANCELLED);
    follow(session, action);
}

static void on_reply(struct smtp_session *session)
{
    struct smtp_dialog *dialog = &session->dialog;
    enum smtp_step step = dialog->step;
    enum smtp_action action = smtp_dialog_on_reply(dialog, &session->reply);
    enum smtp_stage stage = smtp_step_stage(step);

    note_facts(session, step);
    if (dialog->end == SMTP_END_REPLY && session->refusal.code == 0) {
        struct smtp_reply_facts refusal = understand(session, stage);
        smtp_reply_facts_copy(&session->refusal, &refusal);
    }
    bool answers = dialog->answers;
    struct smtp_reply_facts answer = {.code = 0};
    if (answers)
        answer = understand(session, stage);
    follow(session, action);
    if (answers)
        report_answer(session, stage, &answer);
    smtp_reply_clear(&session->reply);
}

/* Nothing was asked. 421 may come at any time; for the rest there is no place. */
static bool out_of_turn(const struct smtp_session *session)
{
    return session->state != SESSION_LISTENING && session->reply.code != 421;
}

static void on_line(void *context, const char *line, size_t length)
{
    struct smtp_session *session = context;

    smtp_note_line(session->transcript, since_start_ms(session), 'S', line, length);
    if (session->dialog.step == SMTP_STEP_OVER)
        return;
    enum smtp_parse parse = smtp_reply_add_line(&session->reply, line, length);
    if (parse == SMTP_PARSE_MORE)
        return;
    if (parse == SMTP_PARSE_BAD || out_of_turn(session))
        break_off(session, SMTP_END_PROTOCOL);
    else if (session->handler == NULL)
        leave(session);
    else
        on_reply(session);
}

/* RFC 5321 section 4.1.3: a client without a name says its address. */
static void name_ourselves(struct smtp_session *session)
{
    char ours[IP_TEXT_SIZE];

    if (!conn_local_address(session->conn, &session->ours) || session->dialog.hello[0] != '\0')
        return;
    snprintf(session->literal, sizeof(session->literal),
             session->ours.family == 6 ? "[IPv6:%s]" : "[%s]", ip_format(&session->ours, ours));
    session->dialog.hello = session->literal;
}

static void on_connected(struct smtp_session *session)
{
    session->connect_ms = (uint32_t)since_start_ms(session);
    session->mark_ms = loop_now_ms(session->loop);
    name_ourselves(session);
    follow(session, smtp_dialog_on_connect(&session->dialog));
}

static void on_tls_ready(struct smtp_session *session)
{
    session->server->tls_ms = since_mark_ms(session);
    smtp_note_tls(session->server, TLS_OK, conn_tls_facts(session->conn), TLS_FINDING_COUNT);
    follow(session, smtp_dialog_on_tls(&session->dialog));
}

static void on_broken(struct smtp_session *session, enum smtp_end how)
{
    if (session->dialog.step == SMTP_STEP_HANDSHAKE)
        smtp_note_tls(session->server, TLS_FAILED, conn_tls_facts(session->conn),
                      TLS_FINDING_HANDSHAKE_FAILED);
    break_off(session, how);
}

/* What it means for the session when the connection ends so. */
static const enum smtp_end ends[] = {
    [CONN_TLS_FAILED] = SMTP_END_TLS,
    [CONN_CLOSED] = SMTP_END_LOST,
    [CONN_LOST] = SMTP_END_LOST,
    [CONN_REFUSED] = SMTP_END_CONNECT_REFUSED,
    [CONN_UNREACHABLE] = SMTP_END_CONNECT_TIMEOUT,
    [CONN_TIMED_OUT] = SMTP_END_TIMEOUT,
    [CONN_LINE_TOO_LONG] = SMTP_END_PROTOCOL,
    [CONN_ADDRESS_FORBIDDEN] = SMTP_END_REFUSED_ADDRESS,
    [CONN_LOCAL_ERROR] = SMTP_END_LOCAL,
    [CONN_PROXY_FAILED] = SMTP_END_PROXY,
};

static void on_event(void *context, enum conn_event event)
{
    struct smtp_session *session = context;

    if (event == CONN_CONNECTED)
        on_connected(session);
    else if (event == CONN_TLS_READY)
        on_tls_ready(session);
    else if (event == CONN_TIMED_OUT && session->dialog.step == SMTP_STEP_CONNECT)
        on_broken(session, SMTP_END_CONNECT_TIMEOUT);
    else
        on_broken(session, ends[event]);
}

/* --- what the owner wants ----------------------------------------------------------- */

static void on_idle(void *context)
{
    struct smtp_session *session = context;

    follow(session, smtp_dialog_quit(&session->dialog));
}

static void copy_params(struct smtp_session *session, const struct smtp_session_params *params)
{
    const struct provider *provider = provider_by_mx(params->host);
    bool use_tls = params->tls != NULL && !params->in_clear;

    session->loop = params->loop;
    session->tls = params->tls;
    session->host = mem_copy_text(params->host);
    session->provider = provider != NULL ? provider->key : NULL;
    session->address = params->address;
    session->waits = params->waits;
    session->handler = params->handler;
    session->context = params->context;
    session->transcript = params->transcript;
    smtp_dialog_init(&session->dialog, params->hello_name, use_tls);
}

struct smtp_session *smtp_session_start(const struct smtp_session_params *params)
{
    static const struct conn_handler handler = {on_event, on_line};
    struct smtp_session *session = mem_new(struct smtp_session);

    copy_params(session, params);
    session->sessions = params->sessions;
    if (session->sessions != NULL)
        DL_APPEND(session->sessions->first, session);
    session->started_ms = loop_now_ms(params->loop);
    smtp_reply_init(&session->reply);
    loop_timer_init(&session->idle, params->loop, on_idle, session);
    session->conn = conn_open(&(struct conn_params){
        .loop = params->loop,
        .address = params->address,
        .port = params->port,
        .source = params->source,
        .proxy = params->proxy,
        .allowed = params->allowed,
        .connect_timeout_ms = params->waits.connect_ms,
        .line_max = SMTP_REPLY_LINE_MAX,
        .handler = &handler,
        .context = session,
    });
    return session;
}

void smtp_session_resume(struct smtp_session *session)
{
    if (session->state != SESSION_WAITING)
        return;
    loop_timer_stop(&session->idle);
    be_due(session, SMTP_DO_ASK);
}

struct smtp_server *smtp_session_server(struct smtp_session *session) { return session->server; }

enum smtp_stage smtp_session_stage(const struct smtp_session *session)
{
    return session->dialog.stage;
}

/* Is a reply on its way, the greeting included, after which QUIT can be said? */
static bool reply_is_owed(const struct smtp_session *session)
{
    enum smtp_step step = session->dialog.step;

    return session->state == SESSION_LISTENING && step != SMTP_STEP_CONNECT &&
           step != SMTP_STEP_HANDSHAKE;
}

/* Nobody listens from here on. The rest happens at the end of the turn, so that this may be
 * called from any callback of the session. */
void smtp_session_drop(struct smtp_session **session)
{
    struct smtp_session *gone = *session;

    *session = NULL;
    if (gone == NULL || gone->state == SESSION_OVER)
        return;
    gone->handler = NULL;
    gone->transcript = NULL;
    loop_timer_stop(&gone->idle);
    if (gone->dialog.step >= SMTP_STEP_QUIT)
        return; /* the goodbye is under way */
    if (reply_is_owed(gone))
        conn_set_timeout(gone->conn, gone->waits.quit_ms);
    else if (gone->state == SESSION_CONNECTING || gone->state == SESSION_LISTENING)
        be_due(gone, smtp_dialog_on_break(&gone->dialog, SMTP_END_CANCELLED));
    else
        be_due(gone, smtp_dialog_quit(&gone->dialog));
}

void smtp_sessions_close(struct smtp_sessions *sessions)
{
    while (sessions->first != NULL) {
        struct smtp_session *session = sessions->first;

        conn_close(&session->conn, true);
        loop_timer_stop(&session->idle);
        release(session);
    }
}
