/* verdict.h - from evidence to status, reason and confidence: one table, pure.
 *
 * Rows are names (R26), not positions: stored evidence can be decided again, and
 * the JSON carries the row as `rule`. First match wins. See the table in verdict.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "probes/address/address.h"
#include "probes/address/insight.h"
#include "probes/base/evidence.h"
#include "probes/discover/provider.h"

#define VERDICT_RULESET "1"

enum verdict_status {
    STATUS_DELIVERABLE,
    STATUS_UNDELIVERABLE,
    STATUS_RISKY,
    STATUS_UNKNOWN,
    STATUS_COUNT
};
enum verdict_layer {
    LAYER_SYNTAX,
    LAYER_DNS,
    LAYER_CONNECT,
    LAYER_SMTP,
    LAYER_MAILBOX,
    LAYER_ENGINE,
    LAYER_POLICY
};

/* symbol, wire name, layer, status, retryable */
#define REASON_LIST(X)                                                                             \
    X(REASON_INVALID_SYNTAX, "invalid_syntax", LAYER_SYNTAX, STATUS_UNDELIVERABLE, false)          \
    X(REASON_PROVIDER_SYNTAX, "provider_syntax", LAYER_SYNTAX, STATUS_UNDELIVERABLE, false)        \
    X(REASON_RESERVED_DOMAIN, "reserved_domain", LAYER_SYNTAX, STATUS_UNDELIVERABLE, false)        \
    X(REASON_DOMAIN_LITERAL, "domain_literal", LAYER_SYNTAX, STATUS_UNKNOWN, false)                \
    X(REASON_DOMAIN_NOT_FOUND, "domain_not_found", LAYER_DNS, STATUS_UNDELIVERABLE, false)         \
    X(REASON_NO_MAIL_HOST, "no_mail_host", LAYER_DNS, STATUS_UNDELIVERABLE, false)                 \
    X(REASON_NULL_MX, "null_mx", LAYER_DNS, STATUS_UNDELIVERABLE, false)                           \
    X(REASON_MX_PRIVATE_ADDRESS, "mx_private_address", LAYER_DNS, STATUS_UNDELIVERABLE, false)     \
    X(REASON_MX_UNUSABLE, "mx_unusable", LAYER_DNS, STATUS_UNDELIVERABLE, false)                   \
    X(REASON_DNS_TIMEOUT, "dns_timeout", LAYER_DNS, STATUS_UNKNOWN, true)                          \
    X(REASON_DNS_FAILURE, "dns_failure", LAYER_DNS, STATUS_UNKNOWN, true)                          \
    X(REASON_DNSSEC_BOGUS, "dnssec_bogus", LAYER_DNS, STATUS_UNKNOWN, true)                        \
    X(REASON_PARKED, "parked", LAYER_DNS, STATUS_RISKY, false)                                     \
    X(REASON_CONNECT_REFUSED, "connect_refused", LAYER_CONNECT, STATUS_UNKNOWN, true)              \
    X(REASON_CONNECT_TIMEOUT, "connect_timeout", LAYER_CONNECT, STATUS_UNKNOWN, true)              \
    X(REASON_NO_SMTP_SERVICE, "no_smtp_service", LAYER_CONNECT, STATUS_UNDELIVERABLE, false)       \
    X(REASON_HOST_NO_MAIL, "host_no_mail", LAYER_SMTP, STATUS_UNDELIVERABLE, false)                \
    X(REASON_SMTP_TIMEOUT, "smtp_timeout", LAYER_SMTP, STATUS_UNKNOWN, true)                       \
    X(REASON_CONNECTION_LOST, "connection_lost", LAYER_SMTP, STATUS_UNKNOWN, true)                 \
    X(REASON_PROTOCOL_ERROR, "protocol_error", LAYER_SMTP, STATUS_UNKNOWN, true)                   \
    X(REASON_TLS_REQUIRED, "tls_required", LAYER_SMTP, STATUS_UNKNOWN, false)                      \
    X(REASON_SENDER_REJECTED, "sender_rejected", LAYER_SMTP, STATUS_UNKNOWN, false)                \
    X(REASON_PROBE_BLOCKED, "probe_blocked", LAYER_SMTP, STATUS_UNKNOWN, true)                     \
    X(REASON_GREYLISTED, "greylisted", LAYER_SMTP, STATUS_UNKNOWN, true)                           \
    X(REASON_TEMPORARY_FAILURE, "temporary_failure", LAYER_SMTP, STATUS_UNKNOWN, true)             \
    X(REASON_MAILBOX_ACCEPTED, "mailbox_accepted", LAYER_MAILBOX, STATUS_DELIVERABLE, false)       \
    X(REASON_MAILBOX_RATE_LIMITED, "mailbox_rate_limited", LAYER_MAILBOX, STATUS_DELIVERABLE,      \
      false)                                                                                       \
    X(REASON_MAILBOX_RESTRICTED, "mailbox_restricted", LAYER_MAILBOX, STATUS_RISKY, false)         \
    X(REASON_MAILBOX_NOT_FOUND, "mailbox_not_found", LAYER_MAILBOX, STATUS_UNDELIVERABLE, false)   \
    X(REASON_MAILBOX_DISABLED, "mailbox_disabled", LAYER_MAILBOX, STATUS_UNDELIVERABLE, false)     \
    X(REASON_MAILBOX_MOVED, "mailbox_moved", LAYER_MAILBOX, STATUS_UNDELIVERABLE, false)           \
    X(REASON_MAILBOX_ABANDONED, "mailbox_abandoned", LAYER_MAILBOX, STATUS_UNDELIVERABLE, false)   \
    X(REASON_RELAY_DENIED, "relay_denied", LAYER_MAILBOX, STATUS_UNDELIVERABLE, false)             \
    X(REASON_EAI_NOT_SUPPORTED, "eai_not_supported", LAYER_MAILBOX, STATUS_UNDELIVERABLE, false)   \
    X(REASON_REJECTED_UNCLEAR, "rejected_unclear", LAYER_MAILBOX, STATUS_UNKNOWN, true)            \
    X(REASON_MAILBOX_FULL, "mailbox_full", LAYER_MAILBOX, STATUS_RISKY, true)                      \
    X(REASON_CATCH_ALL, "catch_all", LAYER_MAILBOX, STATUS_RISKY, false)                           \
    X(REASON_PROVIDER_OPAQUE, "provider_opaque", LAYER_MAILBOX, STATUS_RISKY, false)               \
    X(REASON_ACCEPTED_UNCONFIRMED, "accepted_unconfirmed", LAYER_MAILBOX, STATUS_RISKY, true)      \
    X(REASON_DEADLINE_EXCEEDED, "deadline_exceeded", LAYER_ENGINE, STATUS_UNKNOWN, true)           \
    X(REASON_DEFERRED, "deferred", LAYER_ENGINE, STATUS_UNKNOWN, true)                             \
    X(REASON_SMTP_SKIPPED, "smtp_skipped", LAYER_ENGINE, STATUS_UNKNOWN, false)                    \
    X(REASON_EGRESS_BLOCKED, "egress_blocked", LAYER_ENGINE, STATUS_UNKNOWN, true)                 \
    X(REASON_INTERNAL_ERROR, "internal_error", LAYER_ENGINE, STATUS_UNKNOWN, true)                 \
    X(REASON_SUPPRESSED, "suppressed", LAYER_POLICY, STATUS_UNKNOWN, false)

enum verdict_reason {
#define X(symbol, name, layer, status, retryable) symbol,
    REASON_LIST(X)
#undef X
        REASON_COUNT
};

const char *status_name(enum verdict_status status);
const char *reason_name(enum verdict_reason reason);
enum verdict_layer reason_layer(enum verdict_reason reason);
enum verdict_status reason_status(enum verdict_reason reason);
bool reason_retryable(enum verdict_reason reason);

/* --- what the table reads --------------------------------------------------- */

enum { SMTP_ATTEMPTS_MAX = 4 }; /* at most two hosts and four addresses are tried */

/* One address tried for this check. */
struct smtp_attempt {
    char *host; /* owned */
    struct ip_address address;
    char *source; /* whence: our address, or a proxy's name; owned; NULL = not known */
    enum smtp_end end;
    enum smtp_stage stage;  /* how far it came; the stage of `class` when a reply decided */
    enum reply_class class; /* of the deciding reply; REPLY_NONE when none came */
    uint16_t code;
    bool cached; /* it was not asked this time: what it said before holds for everybody */
};

/* Did the domain accept somebody who cannot exist? */
enum decoy_outcome {
    DECOY_NOT_RUN,
    DECOY_ACCEPTED,  /* accepts just anyone */
    DECOY_REJECTED,  /* discriminates */
    DECOY_UNDECIDED, /* 4xx, dropped, refused for another reason */
    DECOY_THROTTLED  /* accepted, by a host that had refused too many of ours: it tells no more */
};

/* postmaster@domain, asked when a plain 550 says nothing (RFC 5321 section 4.5.1) */
enum control_outcome { CONTROL_NOT_RUN, CONTROL_CLEAR, CONTROL_REFUSED_ALIKE, CONTROL_UNDECIDED };

/* Filled by the lane, then handed to the home loop, which shares it between cache and checks. */
struct smtp_evidence {
    unsigned references; /* the home loop's; not atomic */
    struct smtp_attempt attempts[SMTP_ATTEMPTS_MAX];
    uint8_t attempt_count;
    bool cut; /* nobody waited any more: addresses were left unasked, and may know better */
    struct smtp_server *server; /* of the deciding attempt; a reference; may be NULL */
    struct smtp_reply_facts recipient, decoy; /* the first: of the deciding attempt, at any stage */
    enum decoy_outcome decoy_outcome;
    bool decoy_cached;
    bool opaque; /* no decoy was asked: its provider has let in every one of late, whatever the
                    domain */
    uint32_t decoy_age_ms; /* how long before this evidence the decoy had been asked */
    enum control_outcome control;
    bool refused_before; /* this implicit MX refused port 25 before, at least 15 minutes ago, and
                            others greet us meanwhile */
    uint32_t queue_ms, recipient_ms, decoy_ms;
    char *transcript; /* JSON array items, when asked for; owned */
};
struct smtp_evidence *smtp_evidence_new(void); /* one reference */
struct smtp_evidence *smtp_evidence_keep(struct smtp_evidence *evidence);
void smtp_evidence_drop(struct smtp_evidence **evidence); /* NULL is fine */

/* What stopped the check before evidence could decide. */
enum check_stop {
    STOP_NONE,
    STOP_SUPPRESSED,
    STOP_SMTP_SKIPPED,
    STOP_EGRESS_BLOCKED,
    STOP_DEFERRED,
    STOP_INTERNAL
};
/* The layer that is still at work when an answer is due. */
enum check_progress {
    PROGRESS_ENDED,
    PROGRESS_DNS,
    PROGRESS_QUEUE,
    PROGRESS_CONNECT,
    PROGRESS_SMTP
};

struct verdict_input {
    const struct address *address;
    enum provider_syntax provider_syntax;
    const struct mx_evidence *mx;     /* NULL: not there yet */
    const struct smtp_evidence *smtp; /* NULL: not there yet, or not asked */
    const struct provider *provider;  /* NULL: none known */
    bool parked_mx;
    enum check_stop stop;
    enum check_progress progress;
    bool deadline; /* the answer is due now */
};

enum { VERDICT_REASONS_MAX = 8 };

struct verdict {
    enum verdict_status status;
    enum verdict_reason reason;
    const char *rule;     /* "R26", static */
    double confidence;    /* meaningless for unknown */
    uint8_t reason_count; /* others that applied */
    enum verdict_reason reasons[VERDICT_REASONS_MAX];
};

/* Pure: same input, same verdict. */
struct verdict verdict_decide(const struct verdict_input *input);
/* What a reply to the decoy tells about the domain. */
enum decoy_outcome verdict_decoy_outcome(enum reply_class class, enum smtp_stage stage);
/* Could this refusal of a recipient as well be about us? Then it counts only when postmaster, the
 * one mailbox that must exist (RFC 5321 section 4.5.1), is told apart. */
bool verdict_needs_control(const struct smtp_reply_facts *reply);
/* Which attempt decides: the one that got furthest, ties by order. */
uint8_t verdict_deciding_attempt(const struct smtp_evidence *evidence);
