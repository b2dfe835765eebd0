/* dialog.h - the SMTP conversation of one session, without a socket (RFC 5321).
 *
 *   CONNECT - GREETING - EHLO (or HELO) - [STARTTLS - HANDSHAKE - EHLO] - BOUNDARY
 *   BOUNDARY - [RSET -] MAIL - RCPT - BOUNDARY        for each task
 *   BOUNDARY - QUIT - OVER
 *
 * The driver owns connection and clock. It feeds what happens and does what the
 * returned action says. Nothing is ever delivered: the table has no DATA, no BDAT,
 * no AUTH, no VRFY, so none can be sent. No octet is sent before the greeting is
 * complete, and commands are grouped only where EHLO has shown PIPELINING. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/base/evidence.h"
#include "probes/base/text.h"
#include "probes/smtp/extensions.h"
#include "probes/smtp/reply.h"

/* RSET to QUIT stand in the order in which a pipelined group says them. */
enum smtp_step {
    SMTP_STEP_CONNECT,
    SMTP_STEP_GREETING,
    SMTP_STEP_EHLO,
    SMTP_STEP_HELO,
    SMTP_STEP_STARTTLS,
    SMTP_STEP_HANDSHAKE,
    SMTP_STEP_BOUNDARY,
    SMTP_STEP_RSET,
    SMTP_STEP_MAIL,
    SMTP_STEP_RCPT,
    SMTP_STEP_QUIT,
    SMTP_STEP_OVER,
    SMTP_STEP_COUNT
};

enum smtp_action {
    SMTP_DO_WAIT,      /* for a reply */
    SMTP_DO_SEND,      /* what smtp_dialog_compose() writes */
    SMTP_DO_START_TLS, /* now, before another octet is read; then smtp_dialog_on_tls() */
    SMTP_DO_ASK,       /* a transaction boundary: smtp_dialog_ask() or smtp_dialog_quit() */
    SMTP_DO_CLOSE      /* over: `end` says how */
};

/* Whose time runs while the dialog waits. */
enum smtp_patience {
    SMTP_PATIENCE_CONNECT,
    SMTP_PATIENCE_GREETING,
    SMTP_PATIENCE_COMMAND,
    SMTP_PATIENCE_RECIPIENT,
    SMTP_PATIENCE_QUIT,
    SMTP_PATIENCE_OWNER /* ours: nothing is owed by the server */
};

enum smtp_tls_use {
    SMTP_TLS_UNWANTED, /* stay in clear */
    SMTP_TLS_WANTED,   /* as soon as it is offered */
    SMTP_TLS_DECLINED, /* offered, then not 220: on in clear (RFC 3207 section 4) */
    SMTP_TLS_ACTIVE
};

enum smtp_task_state { SMTP_TASK_NONE, SMTP_TASK_OPEN, SMTP_TASK_ANSWERED };

enum {
    SMTP_PATH_MAX = 512,  /* octets of an address; RFC 5321 section 4.5.3.1.3 says 254 */
    SMTP_GROUP_MAX = 2048 /* octets of a group: far below any TCP window (RFC 2920 section 3.1) */
};

/* Borrowed strings, without controls; "<" and ">" only inside quotes. */
struct smtp_envelope {
    const char *mail_from; /* "" = the null sender */
    const char *recipient;
    bool smtputf8;
};

struct smtp_dialog {
    const char *hello;        /* for EHLO and HELO; borrowed */
    enum smtp_step step;      /* the reply that is awaited; moved by enter() alone */
    enum smtp_step group_end; /* replies to all from `step` to this one are owed */
    enum smtp_stage stage;    /* how far it came; says farewell without moving */
    enum smtp_tls_use tls;
    struct smtp_extensions offered;
    struct smtp_envelope envelope; /* of the task; borrowed until it is answered */
    enum smtp_task_state task;
    bool esmtp;        /* EHLO was accepted */
    bool last_task;    /* QUIT follows by itself */
    bool answers;      /* the reply just read answers the task, from the stage it belongs to */
    uint32_t answered; /* tasks so far */
    uint32_t transactions;
    uint32_t turns;    /* our octets that need an answer, the greeting included, a lone QUIT not */
    enum smtp_end end; /* SMTP_END_NONE until something decided it */
};

/* `hello` may still be set until the greeting is complete. */
void smtp_dialog_init(struct smtp_dialog *dialog, const char *hello, bool want_tls);

/* --- what happens ----------------------------------------------------------- */

enum smtp_action smtp_dialog_on_connect(struct smtp_dialog *dialog);
enum smtp_action smtp_dialog_on_reply(struct smtp_dialog *dialog, struct smtp_reply *reply);
enum smtp_action smtp_dialog_on_tls(struct smtp_dialog *dialog);
/* The connection broke, the time ran out, or what came was no reply: `how`, as the transport sees
 * it. */
enum smtp_action smtp_dialog_on_break(struct smtp_dialog *dialog, enum smtp_end how);

/* --- what the owner wants, at a boundary ------------------------------------ */

/* Without SMTPUTF8 on offer a task that needs it is answered at once (`answers`), without a word.
 * A server's own MAILMAX makes a task the last one. */
enum smtp_action smtp_dialog_ask(struct smtp_dialog *dialog, const struct smtp_envelope *envelope,
                                 bool last);
/* Only where no reply is owed and the greeting is complete. */
enum smtp_action smtp_dialog_quit(struct smtp_dialog *dialog);

/* --- for the driver ---------------------------------------------------------- */

/* The group that is sent now: one line per command, CRLF included. */
void smtp_dialog_compose(struct smtp_dialog *dialog, struct text *group);
enum smtp_patience smtp_dialog_patience(const struct smtp_dialog *dialog);
/* To which stage the reply to a step belongs. */
enum smtp_stage smtp_step_stage(enum smtp_step step);
const char *smtp_step_name(enum smtp_step step);
