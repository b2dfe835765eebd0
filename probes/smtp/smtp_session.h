/* smtp_session.h - one SMTP session: a dialogue over a connection, serving recipients
 * one after the other.
 *
 * The session asks its owner what to do next and reports what was answered; it
 * knows nothing of verdicts, lanes or caches. One recipient is one transaction
 * (RSET between). Nothing is ever delivered: no DATA, no BDAT, no AUTH, no VRFY.
 *
 * Contract
 *  - Callbacks come on the loop's thread, never from inside smtp_session_start().
 *  - on_next is called when the session stands at a transaction boundary: after
 *    EHLO (and TLS), and after each on_answer. It fills the task and returns
 *    SMTP_NEXT_ASK or SMTP_NEXT_ASK_LAST, or it returns SMTP_NEXT_QUIT or
 *    SMTP_NEXT_WAIT. A waiting session stays open; smtp_session_resume() makes
 *    it call on_next again.
 *  - on_end is called exactly once, last; after it the session is gone. A task
 *    that was begun and not answered is reported in the end (task_open). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "probes/base/evidence.h"
#include "probes/base/loop.h"
#include "probes/base/text.h"
#include "probes/net/tls.h"

struct smtp_session;
struct socks_proxy;

enum smtp_next {
    SMTP_NEXT_ASK,      /* ask about task->recipient; more may follow */
    SMTP_NEXT_ASK_LAST, /* nothing follows: QUIT may ride in the same group */
    SMTP_NEXT_QUIT,
    SMTP_NEXT_WAIT /* keep the connection; smtp_session_resume() continues */
};

/* Strings are borrowed until on_answer or on_end. They went through address/ and hold no CR, LF, <,
 * >. */
struct smtp_task {
    const char *mail_from; /* "" = the null sender */
    const char
        *recipient; /* the wire form: local part as typed, A-label domain (U-label with smtputf8) */
    bool smtputf8;  /* RFC 6531: send the SMTPUTF8 parameter */
    bool seen_before; /* this server was asked this before: a 4xx is not for strangers (RFC 6647) */
};

struct smtp_answer {
    enum smtp_stage
        stage; /* RCPT; MAIL when the sender was refused; EHLO when SMTPUTF8 is missing */
    struct smtp_reply_facts reply; /* classified; owned by the session, borrowed until return */
    uint32_t took_ms;
};

struct smtp_session_end {
    enum smtp_end end;
    enum smtp_stage stage;         /* how far it came */
    bool task_open;                /* a task was given and not answered */
    uint32_t answered;             /* recipients answered in this session */
    struct smtp_reply_facts reply; /* for SMTP_END_REPLY; borrowed until return */
    struct smtp_server
        *server; /* what was learned; NULL before the greeting; borrowed until return */
};

struct smtp_session_handler {
    enum smtp_next (*on_next)(void *context, struct smtp_task *task);
    void (*on_answer)(void *context, const struct smtp_answer *answer);
    void (*on_end)(void *context, const struct smtp_session_end *end);
};

struct smtp_waits { /* standards: RFC 5321 section 4.5.3.2, shortened */
    uint32_t connect_ms, greeting_ms, command_ms, recipient_ms, quit_ms;
};

/* All sessions of one owner, dropped ones that still say goodbye included. Zeroed is empty. */
struct smtp_sessions {
    struct smtp_session *first;
};
/* Closes and frees what is left, without a word; only when the loop will not turn again. */
void smtp_sessions_close(struct smtp_sessions *sessions);

struct smtp_session_params {
    struct smtp_sessions *sessions; /* the owner's; outlives the session */
    struct loop *loop;
    struct tls_client *tls; /* NULL: never STARTTLS */
    const char *host;       /* MX name: SNI, name match; copied */
    struct ip_address address;
    uint16_t port;
    struct ip_address source;
    const struct socks_proxy *proxy;   /* NULL: directly; borrowed for the session */
    const struct ip_networks *allowed; /* borrowed for the session */
    const char *hello_name; /* FQDN or "" = the socket's address literal, which a proxy hides: there
                               a name is needed; borrowed for the session */
    struct smtp_waits waits;
    bool in_clear;           /* do not use STARTTLS: it failed here before */
    struct text *transcript; /* NULL, or JSON array items {"t":ms,"dir":"C|S","line":...} are added;
                                borrowed */
    const struct smtp_session_handler *handler; /* borrowed, static */
    void *context;
};

struct smtp_session *smtp_session_start(const struct smtp_session_params *params);
/* After SMTP_NEXT_WAIT: ask on_next again. */
void smtp_session_resume(struct smtp_session *session);
/* Facts so far (grows until the first on_next, then fixed); borrowed; NULL before the greeting. */
struct smtp_server *smtp_session_server(struct smtp_session *session);
/* Where it stands, for progress. */
enum smtp_stage smtp_session_stage(const struct smtp_session *session);
/* End it: QUIT, after the reply or greeting that is owed (at most quit_ms for each); while it
 * connects and in a handshake it is closed. No callback comes after this call, nothing else is
 * sent; the session ends by itself. Sets NULL; NULL is fine. */
void smtp_session_drop(struct smtp_session **session);
