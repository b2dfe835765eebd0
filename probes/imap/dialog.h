/* dialog.h - the IMAP conversation of one probe, without sockets.
 *
 *   implicit TLS:  TLS -> greeting -> [CAPABILITY] -> ID + LOGOUT
 *   clear:         greeting -> [CAPABILITY] -> STARTTLS -> TLS -> CAPABILITY -> ID + LOGOUT
 *
 * CAPABILITY is asked unless the greeting carried the list; after STARTTLS all that was
 * known is forgotten and it is asked again (RFC 9051 section 6.2.1). ID is sent only
 * where advertised (RFC 2971), in one write with LOGOUT. Nobody signs in here: there
 * is no LOGIN and no AUTHENTICATE in this folder.
 *
 * The driver owns connection and clock: it feeds lines and events in and does what
 * the returned action says. State, capabilities and findings are read off the struct
 * once the action was IMAP_ACTION_CLOSE. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/base/evidence.h"
#include "probes/imap/capability.h"
#include "probes/imap/response.h"

enum {
    IMAP_GREETING_MAX = 512,
    IMAP_ID_MAX = 1024,
    IMAP_COMMANDS_MAX = 256,          /* octets of one write of ours */
    IMAP_RESPONSES_MAX = 200,         /* of one session */
    IMAP_SESSION_OCTETS_MAX = 262144, /* of their lines in one session */
    IMAP_GOODBYE_MS = 2000
};

enum imap_step {
    IMAP_STEP_HANDSHAKE, /* TLS, no lines either way */
    IMAP_STEP_GREETING,
    IMAP_STEP_CAPABILITY,
    IMAP_STEP_STARTTLS, /* alone in its write: nothing may follow it in clear */
    IMAP_STEP_ID_LOGOUT,
    IMAP_STEP_LOGOUT,
    IMAP_STEP_DONE,
    IMAP_STEP_COUNT
};

enum imap_action {
    IMAP_ACTION_WAIT, /* for more lines */
    IMAP_ACTION_SEND, /* what imap_dialog_compose() writes, in one piece */
    IMAP_ACTION_START_TLS,
    IMAP_ACTION_CLOSE
};

/* How the connection ended without us. */
enum imap_ending { IMAP_ENDING_CLOSED, IMAP_ENDING_TIMED_OUT, IMAP_ENDING_LINE_TOO_LONG };

struct imap_dialog {
    enum imap_step step;         /* assigned only by enter() in dialog.c */
    enum imap_state state;       /* the result so far */
    enum mail_security security; /* CLEAR becomes STARTTLS when STARTTLS is said */
    bool plaintext_login;        /* a password can be sent before TLS */
    bool said_goodbye;           /* LOGOUT was answered, or they said BYE: an orderly close */
    unsigned findings;           /* TLS findings of the conversation: bits */
    unsigned tags, answered;     /* commands sent and ended; the tags count from 1 */
    unsigned responses;
    size_t octets;
    char *greeting; /* first line, raw, cut at IMAP_GREETING_MAX; owned; NULL before it */
    char *id;       /* what ID said, raw, cut at IMAP_ID_MAX; owned; may be NULL */
    struct imap_capabilities capabilities;
};

/* `implicit_tls`: TLS before the first line (port 993). Returns START_TLS or WAIT. */
enum imap_action imap_dialog_begin(struct imap_dialog *dialog, bool implicit_tls);
void imap_dialog_free(struct imap_dialog *dialog); /* what it owns; not the struct */

/* One line without its CRLF. */
enum imap_action imap_dialog_on_line(struct imap_dialog *dialog, const char *line, size_t length);
/* After START_TLS. */
enum imap_action imap_dialog_on_tls(struct imap_dialog *dialog, bool up);
/* They closed, fell silent or flooded: the state is settled, the action is CLOSE. */
enum imap_action imap_dialog_on_ending(struct imap_dialog *dialog, enum imap_ending ending);

/* Writes the commands of the current step, CRLF included; to be called once per SEND.
 * Returns their length, 0 when `size` is below IMAP_COMMANDS_MAX. */
size_t imap_dialog_compose(struct imap_dialog *dialog, char *out, size_t size);

/* Moves what was learned into the endpoint: greeting, capabilities, state, security; findings are
 * added. */
void imap_dialog_report(struct imap_dialog *dialog, struct imap_endpoint *endpoint);

const char *imap_step_name(enum imap_step step);
/* How long to wait in the current step, all its lines together. */
uint32_t imap_dialog_wait_ms(const struct imap_dialog *dialog, uint32_t step_ms);
