/* counters.h - what clients did. One set per worker process, in memory that all share;
 * each is written by its own process only and read by the one that reports. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "probes/base/text.h"
#include "tests/lab/world.h"
#include "tests/lab/zone.h"

#define VERB_LIST(X)                                                                               \
    X(VERB_HELO, "HELO")                                                                           \
    X(VERB_EHLO, "EHLO")                                                                           \
    X(VERB_MAIL, "MAIL")                                                                           \
    X(VERB_RCPT, "RCPT")                                                                           \
    X(VERB_RSET, "RSET")                                                                           \
    X(VERB_NOOP, "NOOP")                                                                           \
    X(VERB_QUIT, "QUIT")                                                                           \
    X(VERB_STARTTLS, "STARTTLS")                                                                   \
    X(VERB_DATA, "DATA")                                                                           \
    X(VERB_BDAT, "BDAT")                                                                           \
    X(VERB_VRFY, "VRFY")                                                                           \
    X(VERB_EXPN, "EXPN")                                                                           \
    X(VERB_HELP, "HELP")                                                                           \
    X(VERB_AUTH, "AUTH")                                                                           \
    X(VERB_IMAP_CAPABILITY, "IMAP CAPABILITY")                                                     \
    X(VERB_IMAP_ID, "IMAP ID")                                                                     \
    X(VERB_IMAP_STARTTLS, "IMAP STARTTLS")                                                         \
    X(VERB_IMAP_LOGOUT, "IMAP LOGOUT")                                                             \
    X(VERB_IMAP_NOOP, "IMAP NOOP")                                                                 \
    X(VERB_IMAP_LOGIN, "IMAP LOGIN")                                                               \
    X(VERB_IMAP_AUTHENTICATE, "IMAP AUTHENTICATE")                                                 \
    X(VERB_OTHER, "other")
enum verb { VERB_LIST(LAB_ENUM) VERB_COUNT };
const char *verb_name(enum verb verb);

/* What a well-behaved client never does. */
#define BREAK_LIST(X)                                                                              \
    X(BREAK_EARLY_TALK, "talk_before_greeting")                                                    \
    X(BREAK_PIPELINING, "illegal_pipelining")                                                      \
    X(BREAK_NO_QUIT, "missing_quit")                                                               \
    X(BREAK_FORBIDDEN, "forbidden_command")                                                        \
    X(BREAK_SEQUENCE, "bad_sequence")                                                              \
    X(BREAK_SYNTAX, "bad_syntax")                                                                  \
    X(BREAK_ADDRESS, "forbidden_address")                                                          \
    X(BREAK_CONNECTIONS, "connection_cap")                                                         \
    X(BREAK_RECIPIENTS, "recipient_cap")                                                           \
    X(BREAK_REJECTS, "reject_cap")
enum rule_break { BREAK_LIST(LAB_ENUM) BREAK_COUNT };
const char *rule_break_name(enum rule_break rule);

struct lab_counters {
    uint64_t smtp_connections, imap_connections;
    uint64_t verbs[VERB_COUNT];
    uint64_t recipients, recipients_accepted, recipients_refused, recipients_deferred;
    uint64_t turns; /* standards f.2: what needed an answer; the greeting counts, a QUIT by itself
                       does not */
    uint64_t quits, aborted; /* sessions ended by QUIT; by the client without it */
    uint64_t tls_handshakes, tls_resumed, tls_failed;
    uint64_t breaks[BREAK_COUNT];
    uint64_t dns_udp, dns_tcp, dns_by_type[ZONE_COUNTED];
};

struct host_counters {
    uint32_t connections, open, peak, recipients, refused, turns, aborted, breaks;
};

struct lane_counters {
    uint32_t open, peak;
};

/* Shared between the processes of one lab. */
struct lab_board {
    size_t workers, hosts, lanes;
    uint64_t epoch;                /* grows with each reset: what hosts remember is forgotten */
    uint64_t paused_until_ms;      /* nobody answers before */
    struct lab_counters *counters; /* one per worker */
    struct host_counters *host_counters; /* one per host */
    struct lane_counters *lane_counters; /* one per lane */
};

struct lab_board *board_new(const struct world *world, size_t workers);
void board_free(struct lab_board **board);
/* Forget all counts and all that hosts remember; open connections stay counted. */
void board_reset(struct lab_board *board);
/* One JSON object; `details` adds every host and every name asked about. */
void board_json(struct text *out, const struct lab_board *board, const struct world *world,
                const struct zone *zone, bool details);
