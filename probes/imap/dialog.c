#include "probes/imap/dialog.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"

enum { COMMANDS_PER_STEP = 2 };

/* A handler gets the tagged response of its step's last command and returns the next step. */
typedef enum imap_step on_reply_fn(struct imap_dialog *dialog,
                                   const struct imap_response *response);
static on_reply_fn on_capability, on_starttls, on_logout;

/* The conversation at a glance. Nothing but the commands of this table is ever sent. */
static const struct step_row {
    const char *name;
    const char *commands[COMMANDS_PER_STEP];
    on_reply_fn *on_reply;
    bool goodbye; /* all that matters is known: how it ends changes nothing */
} steps[] = {
    [IMAP_STEP_HANDSHAKE] = {"handshake", {NULL}, NULL, false},
    [IMAP_STEP_GREETING] = {"greeting", {NULL}, NULL, false},
    [IMAP_STEP_CAPABILITY] = {"capability", {"CAPABILITY"}, on_capability, false},
    [IMAP_STEP_STARTTLS] = {"starttls", {"STARTTLS"}, on_starttls, false},
    [IMAP_STEP_ID_LOGOUT] = {"id", {"ID (\"name\" \"vrfyd\")", "LOGOUT"}, on_logout, true},
    [IMAP_STEP_LOGOUT] = {"logout", {"LOGOUT"}, on_logout, true},
    [IMAP_STEP_DONE] = {"done", {NULL}, NULL, true},
};
static_assert(ARRAY_LENGTH(steps) == IMAP_STEP_COUNT, "one row per step");

static bool has(const struct imap_dialog *dialog, enum imap_trait trait)
{
    return (dialog->capabilities.traits & trait) != 0;
}

/* The only place that moves the dialog. */
static enum imap_action enter(struct imap_dialog *dialog, enum imap_step next)
{
    bool stays = dialog->step == next;

    dialog->step = next;
    if (next == IMAP_STEP_DONE)
        return IMAP_ACTION_CLOSE;
    if (stays)
        return IMAP_ACTION_WAIT;
    if (next == IMAP_STEP_HANDSHAKE)
        return IMAP_ACTION_START_TLS;
    return steps[next].commands[0] != NULL ? IMAP_ACTION_SEND : IMAP_ACTION_WAIT;
}

static enum imap_step end_as(struct imap_dialog *dialog, enum imap_state state, enum imap_step next)
{
    dialog->state = state;
    return next;
}

static enum imap_step say_goodbye(struct imap_dialog *dialog, enum imap_state state)
{
    return end_as(dialog, state,
                  has(dialog, IMAP_TRAIT_ID) ? IMAP_STEP_ID_LOGOUT : IMAP_STEP_LOGOUT);
}

/* The list is whole: in clear it tells whether a password may travel so, and whether TLS is to be
 * had. */
static enum imap_step after_capabilities(struct imap_dialog *dialog)
{
    if (!has(dialog, IMAP_TRAIT_REV1_OR_REV2))
        return end_as(dialog, IMAP_NOT_IMAP, IMAP_STEP_LOGOUT);
    if (dialog->security != SECURITY_CLEAR)
        return say_goodbye(dialog, IMAP_OK);
    dialog->plaintext_login =
        !has(dialog, IMAP_TRAIT_LOGINDISABLED) || has(dialog, IMAP_TRAIT_AUTH_PASSWORD);
    if (!has(dialog, IMAP_TRAIT_STARTTLS))
        return say_goodbye(dialog, IMAP_OK);
    dialog->security = SECURITY_STARTTLS;
    return IMAP_STEP_STARTTLS;
}

static enum imap_step on_greeting(struct imap_dialog *dialog, const struct imap_response *response)
{
    if (response->kind != IMAP_KIND_STATUS)
        return end_as(dialog, IMAP_NOT_IMAP, IMAP_STEP_DONE);
    if (response->code == IMAP_CODE_CAPABILITY)
        imap_capabilities_take(&dialog->capabilities, response->code_text);
    switch (response->status) {
    case IMAP_STATUS_OK:
        return dialog->capabilities.seen ? after_capabilities(dialog) : IMAP_STEP_CAPABILITY;
    case IMAP_STATUS_PREAUTH: /* signed in already: no STARTTLS any more, and nothing to look at */
        return end_as(dialog, IMAP_PREAUTH, IMAP_STEP_LOGOUT);
    case IMAP_STATUS_BYE:
        dialog->said_goodbye = true;
        return end_as(dialog, IMAP_BYE, IMAP_STEP_DONE);
    case IMAP_STATUS_NONE:
    case IMAP_STATUS_NO:
    case IMAP_STATUS_BAD:
        break;
    }
    return end_as(dialog, IMAP_NOT_IMAP, IMAP_STEP_DONE);
}

static enum imap_step on_capability(struct imap_dialog *dialog,
                                    const struct imap_response *response)
{
    if (!dialog->capabilities.seen && response->code == IMAP_CODE_CAPABILITY)
        imap_capabilities_take(&dialog->capabilities, response->code_text);
    if (response->status != IMAP_STATUS_OK || !dialog->capabilities.seen)
        return end_as(dialog, IMAP_NOT_IMAP, IMAP_STEP_LOGOUT);
    return after_capabilities(dialog);
}

static enum imap_step on_starttls(struct imap_dialog *dialog, const struct imap_response *response)
{
    if (response->status == IMAP_STATUS_OK)
        return IMAP_STEP_HANDSHAKE;
    dialog->findings |= 1u << TLS_FINDING_STARTTLS_REFUSED;
    return end_as(dialog, IMAP_TLS_FAILED, IMAP_STEP_LOGOUT);
}

static enum imap_step on_logout(struct imap_dialog *dialog, const struct imap_response *response)
{
    (void)response;
    dialog->said_goodbye = true;
    return IMAP_STEP_DONE;
}

/* They broke the protocol: no word more, just close. */
static enum imap_step broken(struct imap_dialog *dialog)
{
    if (!steps[dialog->step].goodbye)
        dialog->state = IMAP_NOT_IMAP;
    return IMAP_STEP_DONE;
}

static enum imap_step on_untagged(struct imap_dialog *dialog, const struct imap_response *response)
{
    if (response->kind == IMAP_KIND_STATUS && response->status == IMAP_STATUS_BYE) {
        dialog->said_goodbye = true;
        if (!steps[dialog->step].goodbye)
            return end_as(dialog, IMAP_BYE, IMAP_STEP_DONE);
    }
    /* Only while it is asked for: what comes beside STARTTLS is not to be believed. */
    if (response->kind == IMAP_KIND_CAPABILITY && dialog->step == IMAP_STEP_CAPABILITY)
        imap_capabilities_take(&dialog->capabilities, response->text);
    if (response->kind == IMAP_KIND_ID && dialog->step == IMAP_STEP_ID_LOGOUT &&
        dialog->id == NULL) {
        size_t length = response->text.length;

        dialog->id = mem_copy_bytes(response->text.at, length < IMAP_ID_MAX ? length : IMAP_ID_MAX);
    }
    return dialog->step;
}

/* Commands end in the order they were sent. */
static enum imap_step on_tagged(struct imap_dialog *dialog, const struct imap_response *response)
{
    char expected[16];

    snprintf(expected, sizeof(expected), "a%u", dialog->answered + 1);
    if (dialog->answered == dialog->tags || !imap_span_is(response->tag, expected))
        return broken(dialog);
    dialog->answered++;
    if (dialog->answered < dialog->tags)
        return dialog->step;
    return steps[dialog->step].on_reply(dialog, response);
}

static enum imap_step on_response(struct imap_dialog *dialog, const struct imap_response *response)
{
    if (dialog->step == IMAP_STEP_GREETING)
        return on_greeting(dialog, response);
    switch (response->kind) {
    case IMAP_KIND_TAGGED:
        return on_tagged(dialog, response);
    case IMAP_KIND_CONTINUATION: /* nothing asked here has a second part */
        return broken(dialog);
    case IMAP_KIND_STATUS:
    case IMAP_KIND_CAPABILITY:
    case IMAP_KIND_ID:
    case IMAP_KIND_DATA:
        break;
    }
    return on_untagged(dialog, response);
}

static void keep_greeting(struct imap_dialog *dialog, const char *line, size_t length)
{
    if (dialog->step == IMAP_STEP_GREETING && memchr(line, '\0', length) == NULL)
        dialog->greeting =
            mem_copy_bytes(line, length < IMAP_GREETING_MAX ? length : IMAP_GREETING_MAX);
}

enum imap_action imap_dialog_begin(struct imap_dialog *dialog, bool implicit_tls)
{
    *dialog = (struct imap_dialog){
        .step = implicit_tls ? IMAP_STEP_HANDSHAKE : IMAP_STEP_GREETING,
        .security = implicit_tls ? SECURITY_TLS : SECURITY_CLEAR,
        .state = IMAP_REFUSED,
    };
    imap_capabilities_init(&dialog->capabilities);
    return implicit_tls ? IMAP_ACTION_START_TLS : IMAP_ACTION_WAIT;
}

void imap_dialog_free(struct imap_dialog *dialog)
{
    free(dialog->greeting);
    free(dialog->id);
    dialog->greeting = dialog->id = NULL;
    imap_capabilities_free(&dialog->capabilities);
}

enum imap_action imap_dialog_on_line(struct imap_dialog *dialog, const char *line, size_t length)
{
    struct imap_response response;

    if (dialog->step == IMAP_STEP_DONE)
        return IMAP_ACTION_CLOSE;
    dialog->responses++;
    dialog->octets += length;
    if (length > 0)
        keep_greeting(dialog, line, length);
    if (dialog->step == IMAP_STEP_HANDSHAKE || dialog->responses > IMAP_RESPONSES_MAX ||
        dialog->octets > IMAP_SESSION_OCTETS_MAX ||
        imap_response_read(line, length, &response) != IMAP_PARSE_DONE)
        return enter(dialog, broken(dialog));
    return enter(dialog, on_response(dialog, &response));
}

enum imap_action imap_dialog_on_tls(struct imap_dialog *dialog, bool up)
{
    assert(dialog->step == IMAP_STEP_HANDSHAKE);
    if (!up)
        return enter(dialog, end_as(dialog, IMAP_TLS_FAILED, IMAP_STEP_DONE));
    if (dialog->security == SECURITY_TLS)
        return enter(dialog, IMAP_STEP_GREETING);
    imap_capabilities_free(&dialog->capabilities); /* said by anybody on the way: forget it */
    return enter(dialog, IMAP_STEP_CAPABILITY);
}

enum imap_action imap_dialog_on_ending(struct imap_dialog *dialog, enum imap_ending ending)
{
    bool about_tls = dialog->step == IMAP_STEP_HANDSHAKE || dialog->step == IMAP_STEP_STARTTLS;

    if (steps[dialog->step].goodbye)
        return enter(dialog, IMAP_STEP_DONE);
    switch (ending) {
    case IMAP_ENDING_CLOSED:
        dialog->state = about_tls ? IMAP_TLS_FAILED : IMAP_REFUSED;
        break;
    case IMAP_ENDING_TIMED_OUT:
        dialog->state = IMAP_TIMEOUT;
        break;
    case IMAP_ENDING_LINE_TOO_LONG:
        dialog->state = IMAP_NOT_IMAP;
        break;
    }
    return enter(dialog, IMAP_STEP_DONE);
}

size_t imap_dialog_compose(struct imap_dialog *dialog, char *out, size_t size)
{
    const struct step_row *row = &steps[dialog->step];
    size_t length = 0;

    if (size < IMAP_COMMANDS_MAX)
        return 0;
    for (size_t i = 0; i < COMMANDS_PER_STEP && row->commands[i] != NULL; i++)
        length += (size_t)snprintf(out + length, size - length, "a%u %s\r\n", ++dialog->tags,
                                   row->commands[i]);
    return length;
}

void imap_dialog_report(struct imap_dialog *dialog, struct imap_endpoint *endpoint)
{
    free(endpoint->greeting);
    free(endpoint->capabilities);
    endpoint->greeting = dialog->greeting;
    dialog->greeting = NULL;
    endpoint->capabilities =
        dialog->capabilities.seen ? text_take(&dialog->capabilities.words) : NULL;
    endpoint->features = dialog->capabilities.features;
    endpoint->state = dialog->state;
    endpoint->security = dialog->security;
    endpoint->plaintext_login = dialog->plaintext_login;
    endpoint->tls.findings |= dialog->findings;
}

const char *imap_step_name(enum imap_step step)
{
    assert((unsigned)step < IMAP_STEP_COUNT);
    return steps[step].name;
}

uint32_t imap_dialog_wait_ms(const struct imap_dialog *dialog, uint32_t step_ms)
{
    if (steps[dialog->step].goodbye && step_ms > IMAP_GOODBYE_MS)
        return IMAP_GOODBYE_MS;
    return step_ms;
}
