/* evidence.h - what probes found, as plain data. Nothing here decides anything.
 *
 * Shared pieces (mx_evidence, smtp_server, imap_evidence) are counted references:
 * filled by one thread, then published and never changed again, so any thread may
 * read them. The lists are the single source of enum, wire name and JSON value. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/base/ip.h"

#define EVIDENCE_ENUM(symbol, name) symbol,

/* --- TLS ------------------------------------------------------------------ */

#define TLS_STATE_LIST(X)                                                                          \
    X(TLS_NOT_TRIED, "not_tried")     /* no session got that far */                                \
    X(TLS_NOT_OFFERED, "not_offered") /* the server has no STARTTLS */                             \
    X(TLS_OK, "ok")                                                                                \
    X(TLS_FAILED, "failed") /* broken handshake, or octets behind the STARTTLS reply */
enum tls_state { TLS_STATE_LIST(EVIDENCE_ENUM) TLS_STATE_COUNT };

#define TLS_CHAIN_LIST(X)                                                                          \
    X(TLS_CHAIN_TRUSTED, "trusted")                                                                \
    X(TLS_CHAIN_INCOMPLETE, "incomplete")                                                          \
    X(TLS_CHAIN_SELF_SIGNED, "self_signed")                                                        \
    X(TLS_CHAIN_UNTRUSTED, "untrusted")                                                            \
    X(TLS_CHAIN_EXPIRED, "expired")                                                                \
    X(TLS_CHAIN_NOT_YET_VALID, "not_yet_valid")
enum tls_chain { TLS_CHAIN_LIST(EVIDENCE_ENUM) TLS_CHAIN_COUNT };

/* Findings are bits: 1u << TLS_FINDING_... */
#define TLS_FINDING_LIST(X)                                                                        \
    X(TLS_FINDING_HANDSHAKE_FAILED, "handshake_failed")                                            \
    X(TLS_FINDING_STARTTLS_INJECTION, "starttls_injection")                                        \
    X(TLS_FINDING_STARTTLS_REFUSED, "starttls_refused") /* offered, then not 220 */                \
    X(TLS_FINDING_LEGACY_ONLY, "legacy_only")           /* only the legacy context got through */  \
    X(TLS_FINDING_NAME_MISMATCH, "name_mismatch")                                                  \
    X(TLS_FINDING_NO_SAN, "no_subject_alternative_name")                                           \
    X(TLS_FINDING_WEAK_KEY, "weak_key")                                                            \
    X(TLS_FINDING_EXPIRES_SOON, "expires_soon")
enum tls_finding { TLS_FINDING_LIST(EVIDENCE_ENUM) TLS_FINDING_COUNT };

struct tls_facts {
    enum tls_state state;
    enum tls_chain chain; /* meaningful when state is TLS_OK and known is true */
    bool known;           /* a certificate was seen, now or in the session resumed */
    bool name_match;      /* RFC 9525: subjectAltName only */
    bool resumed;
    unsigned findings; /* bits */
    char version[12];  /* "TLSv1.3" */
    char cipher[40];   /* IANA name */
    char key_type[12]; /* "RSA", "EC", "ED25519" */
    uint16_t key_bits;
    int64_t not_before_s, not_after_s; /* since 1970; 0 = not known */
};

const char *tls_state_name(enum tls_state state);
const char *tls_chain_name(enum tls_chain chain);
const char *tls_finding_name(enum tls_finding finding);

/* --- DNS: where does the domain's mail go (RFC 5321 section 5) ------------- */

enum { MX_HOSTS_MAX = 16, MX_ADDRESSES_MAX = 32, DNS_NAME_SIZE = 256 };

#define MX_OUTCOME_LIST(X)                                                                         \
    X(MX_PENDING, "pending")                                                                       \
    X(MX_FOUND, "found")                /* at least one host with a usable address */              \
    X(MX_NO_DOMAIN, "domain_not_found") /* NXDOMAIN, confirmed by the A query */                   \
    X(MX_NO_HOST, "no_mail_host")       /* no MX, no A, no AAAA */                                 \
    X(MX_NULL, "null_mx")               /* RFC 7505 */                                             \
    X(MX_PRIVATE, "mx_private_address") /* targets resolve, only to special-purpose addresses */   \
    X(MX_UNUSABLE, "mx_unusable")       /* MX exist, every target definitively bad otherwise */    \
    X(MX_TIMEOUT, "dns_timeout")                                                                   \
    X(MX_FAILURE, "dns_failure") /* SERVFAIL, REFUSED, lame, filtered, CNAME loop */               \
    X(MX_BOGUS, "dnssec_bogus")
enum mx_outcome { MX_OUTCOME_LIST(EVIDENCE_ENUM) MX_OUTCOME_COUNT };
const char *mx_outcome_name(enum mx_outcome outcome);

enum mx_host_state {
    MX_HOST_OK,
    MX_HOST_BAD_NAME,
    MX_HOST_NO_ADDRESS,
    MX_HOST_PRIVATE,
    MX_HOST_UNKNOWN
};

struct mx_host {
    char *name; /* lower-case A-labels, no final dot; owned */
    uint16_t preference;
    enum mx_host_state state;             /* UNKNOWN: its address lookup timed out or failed */
    bool alias;                           /* the target is a CNAME (RFC 2181 section 10.3) */
    bool authentic;                       /* AD on its address answer */
    uint8_t first_address, address_count; /* a run in mx_evidence.addresses, IPv4 first */
};

struct mx_evidence {
    atomic_uint references;
    enum mx_outcome outcome;
    bool implicit;          /* no MX: the domain itself, RFC 5321 section 5.1 */
    bool null_with_others;  /* "." beside other MX: dropped */
    bool alias;             /* the domain itself is a CNAME */
    bool authentic;         /* AD on the MX answer */
    bool have_unknown_host; /* a target could not be resolved for now */
    uint8_t host_count, address_count;
    struct mx_host *hosts;        /* ready to try, best first, equals shuffled; owned */
    struct ip_address *addresses; /* special-purpose ones are left out; owned */
    uint64_t expires_ms;          /* loop clock */
    uint32_t queries;             /* DNS questions this cost (0 = all from cache) */
};

/* One reference, and room for MX_HOSTS_MAX hosts and MX_ADDRESSES_MAX addresses. */
struct mx_evidence *mx_evidence_new(void);
void mx_evidence_fit(struct mx_evidence *evidence); /* nothing is added any more */
struct mx_evidence *mx_evidence_keep(struct mx_evidence *evidence);
void mx_evidence_drop(struct mx_evidence **evidence); /* NULL is fine; sets NULL */

/* --- SMTP ----------------------------------------------------------------- */

/* What a reply says about the recipient, or about us. Wire names are contract. */
#define REPLY_CLASS_LIST(X)                                                                        \
    X(REPLY_NONE, "none")                                                                          \
    X(REPLY_ACCEPTED, "accepted")                                                                  \
    X(REPLY_MAILBOX_NOT_FOUND, "mailbox_not_found")                                                \
    X(REPLY_MAILBOX_DISABLED, "mailbox_disabled")                                                  \
    X(REPLY_MAILBOX_MOVED, "mailbox_moved")                                                        \
    X(REPLY_MAILBOX_ABANDONED, "mailbox_abandoned")                                                \
    X(REPLY_MAILBOX_FULL, "mailbox_full")                                                          \
    X(REPLY_MAILBOX_RESTRICTED, "mailbox_restricted")                                              \
    X(REPLY_MAILBOX_RATE_LIMITED, "mailbox_rate_limited")                                          \
    X(REPLY_RELAY_DENIED, "relay_denied")                                                          \
    X(REPLY_GREYLISTED, "greylisted")                                                              \
    X(REPLY_TEMPORARY_FAILURE, "temporary_failure")                                                \
    X(REPLY_PROBE_BLOCKED, "probe_blocked")                                                        \
    X(REPLY_SENDER_REJECTED, "sender_rejected")                                                    \
    X(REPLY_TLS_REQUIRED, "tls_required")                                                          \
    X(REPLY_HOST_NO_MAIL, "host_no_mail")                                                          \
    X(REPLY_EAI_NOT_SUPPORTED, "eai_not_supported")                                                \
    X(REPLY_REJECTED_UNCLEAR, "rejected_unclear")                                                  \
    X(REPLY_PROTOCOL_ERROR, "protocol_error")
enum reply_class { REPLY_CLASS_LIST(EVIDENCE_ENUM) REPLY_CLASS_COUNT };
const char *reply_class_name(enum reply_class class);

/* How far a session came; also the stage a reply belongs to. In order. */
#define SMTP_STAGE_LIST(X)                                                                         \
    X(SMTP_STAGE_CONNECT, "connect")                                                               \
    X(SMTP_STAGE_GREETING, "greeting")                                                             \
    X(SMTP_STAGE_EHLO, "ehlo")                                                                     \
    X(SMTP_STAGE_TLS, "tls")                                                                       \
    X(SMTP_STAGE_MAIL, "mail")                                                                     \
    X(SMTP_STAGE_RCPT, "rcpt")                                                                     \
    X(SMTP_STAGE_QUIT, "quit")
enum smtp_stage { SMTP_STAGE_LIST(EVIDENCE_ENUM) SMTP_STAGE_COUNT };
const char *smtp_stage_name(enum smtp_stage stage);

/* How a session with one address ended. */
#define SMTP_END_LIST(X)                                                                           \
    X(SMTP_END_NONE, "none") /* not ended, or never begun */                                       \
    X(SMTP_END_QUIT, "quit") /* orderly: our QUIT, or their close after our last reply */          \
    X(SMTP_END_REFUSED_ADDRESS, "refused_address") /* special-purpose: no connect(2) was made */   \
    X(SMTP_END_CONNECT_REFUSED, "connect_refused")                                                 \
    X(SMTP_END_CONNECT_TIMEOUT, "connect_timeout") /* also unreachable */                          \
    X(SMTP_END_TIMEOUT, "smtp_timeout")            /* silence inside a stage */                    \
    X(SMTP_END_LOST, "connection_lost")            /* closed or reset without 421 */               \
    X(SMTP_END_PROTOCOL, "protocol_error")         /* not SMTP, or out of bounds */                \
    X(SMTP_END_REPLY, "reply")       /* a refusal before RCPT, or 421 anywhere: see `reply` */     \
    X(SMTP_END_TLS, "tls_failed")    /* try again in clear where policy allows */                  \
    X(SMTP_END_LOCAL, "local_error") /* our fault: no descriptor, no port */                       \
    X(SMTP_END_CANCELLED, "cancelled")                                                             \
    X(SMTP_END_PROXY, "proxy_failed") /* ours too: the server was never asked */
enum smtp_end { SMTP_END_LIST(EVIDENCE_ENUM) SMTP_END_COUNT };
const char *smtp_end_name(enum smtp_end end);

enum { SMTP_REPLY_TEXT_MAX = 1024, SMTP_EXTENSIONS_MAX = 32 };

/* One reply, kept. `text` is the lines joined with '\n' without codes, cut at SMTP_REPLY_TEXT_MAX.
 */
struct smtp_reply_facts {
    uint16_t code;       /* 0 = no reply */
    uint8_t enhanced[3]; /* 0.0.0 = none (RFC 3463) */
    enum reply_class class;
    char rule[8]; /* id of the classifying rule, "C61" */
    char *text;   /* raw octets; owned; NULL when code is 0 */
};
void smtp_reply_facts_clear(struct smtp_reply_facts *facts);
void smtp_reply_facts_copy(struct smtp_reply_facts *to, const struct smtp_reply_facts *from);

/* What one session learned about the server: the same for each address asked in it. */
struct smtp_server {
    atomic_uint references;
    char *host; /* MX name; owned */
    struct ip_address address;
    struct ip_address ours; /* our end of the connection; family 0 = not known */
    char *banner;           /* first greeting line without its code; owned; may be NULL */
    const char *software;   /* "postfix", static; NULL = not recognised */
    char *extensions; /* EHLO keywords with parameters, one per line; owned; NULL = HELO only */
    bool pipelining, starttls, smtputf8, esmtp;
    struct tls_facts tls;
    uint32_t connect_ms, greeting_ms, ehlo_ms, tls_ms; /* how long each took */
};
struct smtp_server *smtp_server_new(void);
struct smtp_server *smtp_server_keep(struct smtp_server *server);
void smtp_server_drop(struct smtp_server **server);

/* --- IMAP ----------------------------------------------------------------- */

#define IMAP_STATE_LIST(X)                                                                         \
    X(IMAP_OK, "ok")                                                                               \
    X(IMAP_PREAUTH, "preauth")                                                                     \
    X(IMAP_BYE, "bye")                                                                             \
    X(IMAP_REFUSED, "refused")                                                                     \
    X(IMAP_TIMEOUT, "timeout")                                                                     \
    X(IMAP_TLS_FAILED, "tls_failed")                                                               \
    X(IMAP_NOT_IMAP, "not_imap")                                                                   \
    X(IMAP_NOT_OFFERED, "not_offered")
enum imap_state { IMAP_STATE_LIST(EVIDENCE_ENUM) IMAP_STATE_COUNT };
const char *imap_state_name(enum imap_state state);

#define MAIL_SECURITY_LIST(X)                                                                      \
    X(SECURITY_TLS, "tls")                                                                         \
    X(SECURITY_STARTTLS, "starttls")                                                               \
    X(SECURITY_CLEAR, "clear")
enum mail_security { MAIL_SECURITY_LIST(EVIDENCE_ENUM) MAIL_SECURITY_COUNT };
const char *mail_security_name(enum mail_security security);

#define ENDPOINT_SOURCE_LIST(X)                                                                    \
    X(SOURCE_TABLE, "table")                                                                       \
    X(SOURCE_SRV, "srv")                                                                           \
    X(SOURCE_AUTOCONFIG, "autoconfig")                                                             \
    X(SOURCE_GUESS, "guess")
enum endpoint_source { ENDPOINT_SOURCE_LIST(EVIDENCE_ENUM) ENDPOINT_SOURCE_COUNT };
const char *endpoint_source_name(enum endpoint_source source);

/* The gains of standards: pre-login capability is a lower bound, so "not seen" is unknown. */
#define IMAP_FEATURE_LIST(X)                                                                       \
    X(IMAP_FEATURE_PUSH, "push")                                                                   \
    X(IMAP_FEATURE_RESYNC, "resync")                                                               \
    X(IMAP_FEATURE_FOLDERS, "folders")                                                             \
    X(IMAP_FEATURE_SHARING, "sharing")                                                             \
    X(IMAP_FEATURE_QUOTA, "quota")                                                                 \
    X(IMAP_FEATURE_SEARCH, "search")                                                               \
    X(IMAP_FEATURE_PARTIAL_FETCH, "partial_fetch")                                                 \
    X(IMAP_FEATURE_MIGRATION, "migration")                                                         \
    X(IMAP_FEATURE_COMPRESSION, "compression")                                                     \
    X(IMAP_FEATURE_UTF8, "utf8")                                                                   \
    X(IMAP_FEATURE_OAUTH, "oauth")
enum imap_feature { IMAP_FEATURE_LIST(EVIDENCE_ENUM) IMAP_FEATURE_COUNT };
const char *imap_feature_name(enum imap_feature feature);

enum { IMAP_ENDPOINTS_MAX = 8 };

struct imap_endpoint {
    char *host; /* owned */
    uint16_t port;
    struct ip_address address; /* the one asked; family 0 = none */
    enum mail_security security;
    enum endpoint_source source;
    enum imap_state state;
    char *greeting;       /* first line, raw, bounded; owned; may be NULL */
    const char *software; /* static; NULL = not recognised */
    char *capabilities;   /* space-separated, after TLS where there is any; owned; may be NULL */
    unsigned features;    /* bits of IMAP_FEATURE_...: seen */
    bool plaintext_login; /* a password can be sent before TLS */
    struct tls_facts tls;
};

struct imap_evidence {
    atomic_uint references;
    uint8_t count;
    struct imap_endpoint *endpoints; /* at most IMAP_ENDPOINTS_MAX; owned; NULL when count is 0 */
    char *transcript;                /* JSON array items, only when asked for; owned; may be NULL */
    uint64_t expires_ms;
};
struct imap_evidence *imap_evidence_new(void);
struct imap_evidence *imap_evidence_keep(struct imap_evidence *evidence);
void imap_evidence_drop(struct imap_evidence **evidence);
