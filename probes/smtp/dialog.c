#include "probes/smtp/dialog.h"

#include <assert.h>
#include <string.h>

#include "probes/base/mem.h"

typedef enum smtp_step on_reply_fn(struct smtp_dialog *dialog, struct smtp_reply *reply);
static on_reply_fn on_greeting, on_ehlo, on_helo, on_starttls, on_rset, on_mail, on_rcpt, on_quit;

struct step_info {
    const char *name;
    enum smtp_stage stage;
    enum smtp_action action;
    enum smtp_patience patience;
    const char *command; /* up to its argument */
    on_reply_fn *on_reply;
};
#define STEP(step, stage, action, patience, command, on_reply)                                     \
    [SMTP_STEP_##step] = {                                                                         \
        #step, SMTP_STAGE_##stage, SMTP_DO_##action, SMTP_PATIENCE_##patience, command, on_reply}

/* The conversation at a glance. Entering a step takes its action; the reply goes to its handler,
 * which names the next step. Steps without a handler wait for something else than a reply. */
/* clang-format off */
static const struct step_info steps[] = {
    /*   step       stage     action     patience   command        reply goes to */
    STEP(CONNECT,   CONNECT,  WAIT,      CONNECT,   NULL,          NULL),
    STEP(GREETING,  GREETING, WAIT,      GREETING,  NULL,          on_greeting),
    STEP(EHLO,      EHLO,     SEND,      COMMAND,   "EHLO ",       on_ehlo),
    STEP(HELO,      EHLO,     SEND,      COMMAND,   "HELO ",       on_helo),
    STEP(STARTTLS,  TLS,      SEND,      COMMAND,   "STARTTLS",    on_starttls),
    STEP(HANDSHAKE, TLS,      START_TLS, COMMAND,   NULL,          NULL),
    STEP(BOUNDARY,  EHLO,     ASK,       OWNER,     NULL,          NULL),
    STEP(RSET,      MAIL,     SEND,      COMMAND,   "RSET",        on_rset),
    STEP(MAIL,      MAIL,     SEND,      COMMAND,   "MAIL FROM:<", on_mail),
    STEP(RCPT,      RCPT,     SEND,      RECIPIENT, "RCPT TO:<",   on_rcpt),
    STEP(QUIT,      QUIT,     SEND,      QUIT,      "QUIT",        on_quit),
    STEP(OVER,      QUIT,     CLOSE,     OWNER,     NULL,          NULL),
};
/* clang-format on */
static_assert(ARRAY_LENGTH(steps) == SMTP_STEP_COUNT, "one row per step");

/* Any code of a class means what the class means (RFC 5321 section 4.3.2). */
static bool positive(const struct smtp_reply *reply) { return reply->code / 100 == 2; }

/* --- moving ------------------------------------------------------------------ */

/* RFC 2920 section 3.1: RSET, MAIL and RCPT may stand anywhere in a group, QUIT at its end. */
static enum smtp_step end_of_group(const struct smtp_dialog *dialog, enum smtp_step first)
{
    bool transaction = first >= SMTP_STEP_RSET && first <= SMTP_STEP_RCPT;

    if (!dialog->offered.pipelining || !transaction)
        return first;
    return dialog->last_task ? SMTP_STEP_QUIT : SMTP_STEP_RCPT;
}

static void await(struct smtp_dialog *dialog, enum smtp_step step)
{
    dialog->step = step;
    if (step != SMTP_STEP_BOUNDARY && step < SMTP_STEP_QUIT) /* which add nothing to the way */
        dialog->stage = steps[step].stage;
    if (step == SMTP_STEP_OVER && dialog->end == SMTP_END_NONE)
        dialog->end = SMTP_END_QUIT;
}

static enum smtp_action enter(struct smtp_dialog *dialog, enum smtp_step next)
{
    await(dialog, next);
    dialog->group_end = end_of_group(dialog, next);
    if (next == SMTP_STEP_GREETING || next == SMTP_STEP_HANDSHAKE)
        dialog->turns++;
    return steps[next].action;
}

/* They will not have us, or we are done with them: goodbye, and this is why. */
static enum smtp_step give_up(struct smtp_dialog *dialog, enum smtp_end why)
{
    dialog->end = why;
    return SMTP_STEP_QUIT;
}

/* --- arguments ------------------------------------------------------------ */

/* The last line of defence against a command hidden in an argument: no controls, and neither a
 * space nor an angle bracket outside a quoted string. */
static bool word_is_safe(const char *word)
{
    bool quoted = false;

    for (size_t i = 0; word[i] != '\0'; i++) {
        unsigned char c = (unsigned char)word[i];

        if (c < 0x20 || c == 0x7f || i >= SMTP_PATH_MAX)
            return false;
        if (c == '"')
            quoted = !quoted;
        else if (!quoted && strchr(" <>", c) != NULL)
            return false;
        else if (quoted && c == '\\' && word[i + 1] >= 0x20 && word[i + 1] < 0x7f)
            i++;
    }
    return !quoted;
}

/* --- replies, in the order of the conversation --------------------------------- */

static enum smtp_step on_greeting(struct smtp_dialog *dialog, struct smtp_reply *reply)
{
    if (!positive(reply))
        return give_up(dialog, SMTP_END_REPLY);
    return dialog->hello[0] != '\0' && word_is_safe(dialog->hello)
               ? SMTP_STEP_EHLO
               : give_up(dialog, SMTP_END_LOCAL);
}

/* Codes that say "what is EHLO?" and nothing about us (RFC 5321 section 3.2). */
static bool knows_no_ehlo(const struct smtp_reply *reply)
{
    return reply->code == 500 || reply->code == 501 || reply->code == 502 || reply->code == 504;
}

static const char *keywords_of(struct smtp_reply *reply)
{
    return smtp_ehlo_keywords(smtp_reply_text(reply, SMTP_REPLY_KEPT_MAX));
}

static enum smtp_step on_ehlo(struct smtp_dialog *dialog, struct smtp_reply *reply)
{
    if (knows_no_ehlo(reply))
        return SMTP_STEP_HELO;
    if (!positive(reply))
        return give_up(dialog, SMTP_END_REPLY);
    dialog->esmtp = true;
    dialog->offered = smtp_extensions_read(keywords_of(reply));
    if (dialog->tls == SMTP_TLS_WANTED && dialog->offered.starttls)
        return SMTP_STEP_STARTTLS;
    return SMTP_STEP_BOUNDARY;
}

static enum smtp_step on_helo(struct smtp_dialog *dialog, struct smtp_reply *reply)
{
    return positive(reply) ? SMTP_STEP_BOUNDARY : give_up(dialog, SMTP_END_REPLY);
}

/* Refused, TLS is not for us today; whether mail is taken in clear, MAIL will tell. */
static enum smtp_step on_starttls(struct smtp_dialog *dialog, struct smtp_reply *reply)
{
    if (reply->code == 220)
        return SMTP_STEP_HANDSHAKE;
    dialog->tls = SMTP_TLS_DECLINED;
    return SMTP_STEP_BOUNDARY;
}

static enum smtp_step after_task(const struct smtp_dialog *dialog)
{
    return dialog->last_task ? SMTP_STEP_QUIT : SMTP_STEP_BOUNDARY;
}

static void answer(struct smtp_dialog *dialog)
{
    dialog->task = SMTP_TASK_ANSWERED;
    dialog->answers = true;
    dialog->answered++;
}

/* RSET "MUST" be answered 250 (RFC 5321 section 4.1.1.5). A server that refuses it is fed up, and
 * what it says to RCPT might belong to the transaction before. */
static enum smtp_step on_rset(struct smtp_dialog *dialog, struct smtp_reply *reply)
{
    return positive(reply) ? SMTP_STEP_MAIL : give_up(dialog, SMTP_END_REPLY);
}

static enum smtp_step on_mail(struct smtp_dialog *dialog, struct smtp_reply *reply)
{
    if (positive(reply) || dialog->end != SMTP_END_NONE)
        return SMTP_STEP_RCPT;
    answer(dialog);
    return after_task(dialog);
}

/* Behind a refused MAIL or RSET of the same group this reply says nothing (503, mostly). */
static enum smtp_step on_rcpt(struct smtp_dialog *dialog, struct smtp_reply *reply)
{
    (void)reply;
    if (dialog->end != SMTP_END_NONE)
        return SMTP_STEP_QUIT;
    if (dialog->task == SMTP_TASK_OPEN)
        answer(dialog);
    return after_task(dialog);
}

static enum smtp_step on_quit(struct smtp_dialog *dialog, struct smtp_reply *reply)
{
    (void)dialog;
    (void)reply;
    return SMTP_STEP_OVER;
}

/* --- what happens --------------------------------------------------------------- */

void smtp_dialog_init(struct smtp_dialog *dialog, const char *hello, bool want_tls)
{
    *dialog = (struct smtp_dialog){
        .hello = hello,
        .step = SMTP_STEP_CONNECT,
        .tls = want_tls ? SMTP_TLS_WANTED : SMTP_TLS_UNWANTED,
    };
}

enum smtp_action smtp_dialog_on_connect(struct smtp_dialog *dialog)
{
    return enter(dialog, SMTP_STEP_GREETING);
}

enum smtp_action smtp_dialog_on_reply(struct smtp_dialog *dialog, struct smtp_reply *reply)
{
    dialog->answers = false;
    if (reply->code == 421 && dialog->step != SMTP_STEP_QUIT) {
        /* They are closing, whatever was asked (RFC 5321 section 3.8). */
        dialog->end = SMTP_END_REPLY;
        return enter(dialog, SMTP_STEP_OVER);
    }
    if (steps[dialog->step].on_reply == NULL) /* nobody asked */
        return smtp_dialog_on_break(dialog, SMTP_END_PROTOCOL);

    enum smtp_step next = steps[dialog->step].on_reply(dialog, reply);
    if (dialog->step == dialog->group_end)
        return enter(dialog, next);
    await(dialog, dialog->step + 1); /* its command is on its way already */
    return SMTP_DO_WAIT;
}

/* All that was learned in clear is forgotten: it may have been anybody's (RFC 3207 section 4.2). */
enum smtp_action smtp_dialog_on_tls(struct smtp_dialog *dialog)
{
    assert(dialog->step == SMTP_STEP_HANDSHAKE);
    dialog->tls = SMTP_TLS_ACTIVE;
    dialog->esmtp = false;
    dialog->offered = (struct smtp_extensions){.pipelining = false};
    return enter(dialog, SMTP_STEP_EHLO);
}

enum smtp_action smtp_dialog_on_break(struct smtp_dialog *dialog, enum smtp_end how)
{
    bool said_goodbye = dialog->step == SMTP_STEP_QUIT;
    bool owes_nothing = dialog->step == SMTP_STEP_BOUNDARY && dialog->answered > 0;

    dialog->answers = false;
    if (said_goodbye || (owes_nothing && how == SMTP_END_LOST))
        how = SMTP_END_QUIT;
    if (dialog->step == SMTP_STEP_HANDSHAKE && how != SMTP_END_LOCAL && how != SMTP_END_CANCELLED)
        how = SMTP_END_TLS;
    if (dialog->end == SMTP_END_NONE)
        dialog->end = how;
    return enter(dialog, SMTP_STEP_OVER);
}

/* --- what the owner wants --------------------------------------------------------- */

enum smtp_action smtp_dialog_ask(struct smtp_dialog *dialog, const struct smtp_envelope *envelope,
                                 bool last)
{
    const struct smtp_limits *limits = &dialog->offered.limits;

    assert(dialog->step == SMTP_STEP_BOUNDARY);
    dialog->answers = false;
    dialog->envelope = *envelope;
    dialog->task = SMTP_TASK_OPEN;
    dialog->last_task = last;
    if (!word_is_safe(envelope->mail_from) || !word_is_safe(envelope->recipient))
        return enter(dialog, give_up(dialog, SMTP_END_LOCAL));
    if (envelope->smtputf8 && !dialog->offered.smtputf8) {
        answer(dialog);
        return enter(dialog, after_task(dialog));
    }
    dialog->transactions++;
    if (limits->mail_max > 0 && dialog->transactions >= limits->mail_max)
        dialog->last_task = true;
    return enter(dialog, dialog->transactions == 1 ? SMTP_STEP_MAIL : SMTP_STEP_RSET);
}

enum smtp_action smtp_dialog_quit(struct smtp_dialog *dialog)
{
    dialog->answers = false;
    return enter(dialog, SMTP_STEP_QUIT);
}

/* --- for the driver ---------------------------------------------------------------- */

static void compose_command(const struct smtp_dialog *dialog, enum smtp_step step,
                            struct text *group)
{
    text_put(group, steps[step].command);
    if (step == SMTP_STEP_EHLO || step == SMTP_STEP_HELO) {
        text_put(group, dialog->hello);
    } else if (step == SMTP_STEP_MAIL) {
        text_put(group, dialog->envelope.mail_from);
        text_put(group, dialog->envelope.smtputf8 ? "> SMTPUTF8" : ">");
    } else if (step == SMTP_STEP_RCPT) {
        text_put(group, dialog->envelope.recipient);
        text_put(group, ">");
    }
    text_put(group, "\r\n");
}

void smtp_dialog_compose(struct smtp_dialog *dialog, struct text *group)
{
    assert(steps[dialog->step].command != NULL);
    dialog->turns += dialog->step != SMTP_STEP_QUIT; /* a lone farewell costs no turn */
    for (enum smtp_step step = dialog->step; step <= dialog->group_end; step++)
        compose_command(dialog, step, group);
}

enum smtp_patience smtp_dialog_patience(const struct smtp_dialog *dialog)
{
    return steps[dialog->step].patience;
}

enum smtp_stage smtp_step_stage(enum smtp_step step)
{
    assert((unsigned)step < SMTP_STEP_COUNT);
    return steps[step].stage;
}

const char *smtp_step_name(enum smtp_step step)
{
    assert((unsigned)step < SMTP_STEP_COUNT);
    return steps[step].name;
}
