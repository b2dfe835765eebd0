/* Behaviours of the server itself: doors, greetings, EHLO, TLS, senders, waits and ends. */
#include "tests/lab/behaviours.h"

#include "probes/base/mem.h"

/* After a refusal of us, 421 or a timeout the host rests: later addresses of the run are deferred.
 */
#define BLOCKED                                                                                    \
    {                                                                                              \
        LAB_UNKNOWN, { "probe_blocked", "deferred" }                                               \
    }
#define BUSY                                                                                       \
    {                                                                                              \
        LAB_UNKNOWN, { "temporary_failure", "deferred" }                                           \
    }
#define SILENCE                                                                                    \
    {                                                                                              \
        LAB_UNKNOWN, { "smtp_timeout", "deferred" }                                                \
    }
#define LOST                                                                                       \
    {                                                                                              \
        LAB_UNKNOWN, { "connection_lost" }                                                         \
    }
#define NOT_SMTP                                                                                   \
    {                                                                                              \
        LAB_UNKNOWN, { "protocol_error" }                                                          \
    }
#define SENDER                                                                                     \
    {                                                                                              \
        LAB_UNKNOWN, { "sender_rejected" }                                                         \
    }
#define NEEDS_TLS                                                                                  \
    {                                                                                              \
        LAB_UNKNOWN, { "tls_required" }                                                            \
    }
#define NO_MAIL                                                                                    \
    {                                                                                              \
        LAB_UNDELIVERABLE, { "host_no_mail" }                                                      \
    }
#define REFUSED                                                                                    \
    {                                                                                              \
        LAB_UNKNOWN, { "connect_refused" }                                                         \
    }
#define UNREACHABLE                                                                                \
    {                                                                                              \
        LAB_UNKNOWN, { "connect_timeout", "deferred" }                                             \
    }

/* Several MX: the second host does what it should, unless said otherwise. */
static const struct host_play good_backup;
static const struct host_play lax_backup = {.recipient = RECIPIENT_ANYBODY};

static const struct behaviour rows[] = {
    /* --- doors and several MX --- */
    {.name = "connect-refused",
     .sentence = "nobody listens: RST to every SYN (one refusal proves nothing)",
     .first = REFUSED,
     .play = {.door = DOOR_CLOSED},
     .weight = 3},
    {.name = "connect-timeout",
     .sentence = "SYN is never answered",
     .first = UNREACHABLE,
     .play = {.door = DOOR_STUCK},
     .weight = 1},
    {.name = "implicit-mx-refused",
     .sentence =
         "no MX, an A record, and nobody listens there: refused once is not yet no_smtp_service",
     .first = REFUSED,
     .dns = DNS_IMPLICIT_A,
     .play = {.door = DOOR_CLOSED},
     .weight = 2},
    {.name = "mx-first-refused",
     .sentence = "two MX, nobody listens at the first",
     .play = {.door = DOOR_CLOSED},
     .backup = &good_backup,
     .weight = 3},
    {.name = "mx-first-timeout",
     .sentence = "two MX, the first never answers a SYN",
     .play = {.door = DOOR_STUCK},
     .backup = &good_backup,
     .weight = 1},
    {.name = "mx-first-busy",
     .sentence = "two MX, the first greets with 421",
     .play = {.greeting = GREETING_BUSY},
     .backup = &good_backup,
     .weight = 2},
    {.name = "mx-first-blocks",
     .sentence = "two MX, the first refuses our address in its greeting, the second does not",
     .play = {.greeting = GREETING_REFUSED},
     .backup = &good_backup,
     .weight = 2},
    {.name = "mx-first-drops",
     .sentence = "two MX, the first closes at once",
     .play = {.drop = DROP_CONNECT},
     .backup = &good_backup,
     .weight = 2},
    {.name = "mx-first-no-mail",
     .sentence = "two MX, only the first greets with 521",
     .play = {.greeting = GREETING_NO_MAIL},
     .backup = &good_backup,
     .weight = 2},
    {.name = "mx-backup-lax",
     .sentence =
         "two MX, the first tells the truth, the second would accept anybody: believe the first",
     .backup = &lax_backup,
     .weight = 3},
    {.name = "mx-equal",
     .sentence = "two MX of one preference, both truthful",
     .dns = DNS_MX_EQUAL,
     .backup = &good_backup,
     .weight = 3},

    {.name = "two-addresses",
     .sentence = "one MX with two addresses, both truthful",
     .addresses = 2,
     .weight = 2},

    /* --- greetings --- */
    {.name = "multi-line-greeting",
     .sentence = "greets with three lines",
     .play = {.greeting = GREETING_LINES},
     .weight = 3},
    {.name = "slow-greeting",
     .sentence = "takes its time before the greeting",
     .play = {.greeting = GREETING_SLOW},
     .weight = 2},
    {.name = "greeting-pieces",
     .sentence = "the greeting comes a few octets at a time",
     .play = {.greeting = GREETING_PIECES},
     .weight = 2},
    {.name = "greeting-nuls",
     .sentence = "NUL octets in the greeting",
     .play = {.greeting = GREETING_NULS},
     .weight = 1},
    {.name = "blocked-greeting",
     .sentence = "greets with 554 5.7.1, our address is on a block list",
     .first = BLOCKED,
     .play = {.greeting = GREETING_REFUSED},
     .weight = 3},
    {.name = "busy-greeting",
     .sentence = "greets with 421, too busy",
     .first = BUSY,
     .play = {.greeting = GREETING_BUSY},
     .weight = 2},
    {.name = "host-no-mail",
     .sentence = "greets with 521: this host takes no mail (RFC 7504)",
     .first = NO_MAIL,
     .play = {.greeting = GREETING_NO_MAIL},
     .weight = 2},
    {.name = "garbage",
     .sentence = "speaks HTTP where SMTP should be",
     .first = NOT_SMTP,
     .play = {.greeting = GREETING_HTTP},
     .weight = 2},
    {.name = "garbage-binary",
     .sentence = "sends binary octets where SMTP should be",
     .first = NOT_SMTP,
     .play = {.greeting = GREETING_BINARY},
     .weight = 1},
    {.name = "endless-line",
     .sentence = "a greeting line that never ends",
     .first = NOT_SMTP,
     .play = {.greeting = GREETING_ENDLESS_LINE},
     .weight = 1},
    {.name = "endless-lines",
     .sentence = "a greeting of lines that never ends",
     .first = NOT_SMTP,
     .play = {.greeting = GREETING_ENDLESS_LINES},
     .weight = 1},
    {.name = "tarpit",
     .sentence = "accepts the connection and never says a word",
     .first = SILENCE,
     .play = {.greeting = GREETING_SILENT},
     .weight = 1},
    {.name = "tarpit-drip",
     .sentence = "one octet of greeting a second, for ever",
     .first = SILENCE,
     .play = {.greeting = GREETING_DRIP},
     .weight = 1},
    {.name = "tarpit-rcpt",
     .sentence = "all is well until RCPT, which is never answered",
     .first = SILENCE,
     .play = {.recipient = RECIPIENT_SILENT},
     .weight = 1},

    /* --- EHLO, senders, extensions --- */
    {.name = "blocked-ehlo",
     .sentence = "550 5.7.1 to EHLO and HELO: our address is blocked",
     .first = BLOCKED,
     .play = {.hello = HELLO_BLOCKED},
     .weight = 2},
    {.name = "helo-only",
     .sentence = "502 to EHLO; HELO works",
     .play = {.hello = HELLO_HELO_ONLY},
     .weight = 3},
    {.name = "no-pipelining",
     .sentence = "does not offer PIPELINING and punishes it: 554 and the connection is closed",
     .play = {.no_pipelining = true},
     .weight = 4},
    {.name = "sender-refused",
     .sentence = "refuses a named sender at MAIL (5.1.8); takes the null sender",
     .play = {.sender = SENDER_NULL_ONLY},
     .weight = 2},
    {.name = "null-sender-refused",
     .sentence = "refuses the null sender at MAIL (553); takes a named one",
     .play = {.sender = SENDER_NAMED_ONLY},
     .weight = 2},
    {.name = "sender-refused-always",
     .sentence = "refuses every sender",
     .first = SENDER,
     .play = {.sender = SENDER_NOBODY},
     .weight = 2},
    {.name = "421-after-n",
     .sentence =
         "421 and close after five transactions in a session: the mailboxes have their own truth",
     .play = {.recipients_per_connection = 5},
     .weight = 2},
    {.name = "421-at-mail",
     .sentence = "421 to every MAIL",
     .first = BUSY,
     .play = {.busy_at_mail = true},
     .weight = 2},

    /* --- STARTTLS: what is wrong with it never decides, unless it is required --- */
    {.name = "starttls-good",
     .sentence = "STARTTLS with a good certificate",
     .play = {.tls = TLS_PLAY_GOOD},
     .weight = 8},
    {.name = "starttls-expired",
     .sentence = "STARTTLS with an expired certificate",
     .play = {.tls = TLS_PLAY_EXPIRED},
     .weight = 2},
    {.name = "starttls-self-signed",
     .sentence = "STARTTLS with a self-signed certificate",
     .play = {.tls = TLS_PLAY_SELF_SIGNED},
     .weight = 2},
    {.name = "starttls-wrong-name",
     .sentence = "STARTTLS with a certificate for another name",
     .play = {.tls = TLS_PLAY_WRONG_NAME},
     .weight = 2},
    {.name = "starttls-broken",
     .sentence = "STARTTLS is offered, every handshake ends in a fatal alert: once more in clear",
     .play = {.tls = TLS_PLAY_ALERT},
     .weight = 2},
    {.name = "starttls-dropped",
     .sentence =
         "STARTTLS is offered, the connection is closed in the handshake: once more in clear",
     .play = {.tls = TLS_PLAY_DROP},
     .weight = 2},
    {.name = "starttls-injected",
     .sentence = "clear text behind the STARTTLS reply: failed, once more in clear",
     .play = {.tls = TLS_PLAY_INJECTED},
     .weight = 2},
    {.name = "starttls-refused",
     .sentence = "STARTTLS is offered and answered with 454: go on in clear",
     .play = {.tls = TLS_PLAY_REFUSED},
     .weight = 2},
    {.name = "starttls-required",
     .sentence = "530 to MAIL until STARTTLS, which works",
     .play = {.tls = TLS_PLAY_GOOD, .tls_required = true},
     .weight = 2},
    {.name = "starttls-required-broken",
     .sentence = "530 to MAIL until STARTTLS, which never works",
     .first = NEEDS_TLS,
     .play = {.tls = TLS_PLAY_ALERT, .tls_required = true},
     .weight = 2},

    /* --- closing without a word --- */
    {.name = "drop-connect-once",
     .sentence = "closes the first connection at once",
     .play = {.drop = DROP_CONNECT, .drop_once = true},
     .weight = 1},
    {.name = "drop-greeting-once",
     .sentence = "closes in the middle of the first greeting",
     .play = {.drop = DROP_GREETING, .drop_once = true},
     .weight = 1},
    {.name = "drop-ehlo-once",
     .sentence = "closes at the first EHLO",
     .play = {.drop = DROP_HELLO, .drop_once = true},
     .weight = 1},
    {.name = "drop-mail-once",
     .sentence = "closes at the first MAIL",
     .play = {.drop = DROP_MAIL, .drop_once = true},
     .weight = 1},
    {.name = "drop-rcpt-once",
     .sentence = "closes at the first RCPT",
     .play = {.drop = DROP_RECIPIENT, .drop_once = true},
     .weight = 1},
    {.name = "drop-connect",
     .sentence = "closes every connection at once",
     .first = LOST,
     .play = {.drop = DROP_CONNECT},
     .weight = 1},
    {.name = "drop-greeting",
     .sentence = "closes in the middle of every greeting",
     .first = LOST,
     .play = {.drop = DROP_GREETING},
     .weight = 1},
    {.name = "drop-ehlo",
     .sentence = "closes at every EHLO",
     .first = LOST,
     .play = {.drop = DROP_HELLO},
     .weight = 1},
    {.name = "drop-mail",
     .sentence = "closes at every MAIL",
     .first = LOST,
     .play = {.drop = DROP_MAIL},
     .weight = 1},
    {.name = "drop-rcpt",
     .sentence = "closes at every RCPT",
     .first = LOST,
     .play = {.drop = DROP_RECIPIENT},
     .weight = 1},
    {.name = "drop-quit",
     .sentence = "closes at QUIT without 221: nothing is lost by that",
     .play = {.drop = DROP_QUIT},
     .weight = 1},

    /* --- how replies are written --- */
    {.name = "multi-line-replies",
     .sentence = "every reply has several lines",
     .play = {.reply = REPLY_LINES},
     .weight = 2},
    {.name = "reply-nuls",
     .sentence = "NUL octets in every reply",
     .play = {.reply = REPLY_NULS},
     .weight = 1},
    {.name = "codes-differ",
     .sentence = "lines of one reply carry different codes: the last one counts",
     .play = {.reply = REPLY_CODES_DIFFER},
     .weight = 2},
    {.name = "bare-lf",
     .sentence = "lines end in LF alone",
     .play = {.reply = REPLY_BARE_LF},
     .weight = 1},
    {.name = "long-replies",
     .sentence = "a reply line of nearly 4 KB",
     .play = {.reply = REPLY_LONG},
     .weight = 1},
};

const struct behaviour_part behaviours_of_servers = {rows, ARRAY_LENGTH(rows)};
