/* behaviours.h - everything a mail system of the lab can be like, as data, with its truth.
 *
 * A domain has one behaviour. Its row says how the domain resolves (dns), how its mail
 * hosts act (play, and backup for a second, less preferred MX), what kinds of mailboxes it
 * holds, and what a correct verifier must say (first, settled; own = the mailbox's own truth). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- verdicts ---------------------------------------------------------------- */

enum lab_status { LAB_OWN, LAB_DELIVERABLE, LAB_UNDELIVERABLE, LAB_RISKY, LAB_UNKNOWN };
const char *lab_status_name(enum lab_status status);

enum { TRUTH_REASONS_MAX = 3 };
/* status LAB_OWN (all zero) = what the mailbox's class says. The reasons allowed, NULL-ended. */
struct truth {
    enum lab_status status;
    const char *reasons[TRUTH_REASONS_MAX];
};

/* --- mailboxes ----------------------------------------------------------------- */

#define MAILBOX_CLASS_LIST(X)                                                                      \
    X(MAILBOX_KNOWN, "known")                                                                      \
    X(MAILBOX_UNKNOWN, "unknown")                                                                  \
    X(MAILBOX_FULL_452, "full_452")                                                                \
    X(MAILBOX_FULL_552, "full_552")                                                                \
    X(MAILBOX_DISABLED, "disabled")                                                                \
    X(MAILBOX_RESTRICTED, "restricted")                                                            \
    X(MAILBOX_RATE_LIMITED, "rate_limited")                                                        \
    X(MAILBOX_MOVED, "moved")                                                                      \
    X(MAILBOX_ABANDONED, "abandoned")
#define LAB_ENUM(symbol, name) symbol,
enum mailbox_class { MAILBOX_CLASS_LIST(LAB_ENUM) MAILBOX_CLASS_COUNT };
const char *mailbox_class_name(enum mailbox_class mailbox);
/* False when there is no such class. */
bool mailbox_class_parse(const char *name, enum mailbox_class *mailbox);

/* --- how a host acts ------------------------------------------------------------ */

enum door {
    DOOR_OPEN,
    DOOR_CLOSED, /* nobody listens: RST */
    DOOR_STUCK   /* a full accept queue: SYN is never answered */
};

enum greeting {
    GREETING_PLAIN,
    GREETING_LINES,   /* 220- ... 220 */
    GREETING_SLOW,    /* comes after SLOW_GREETING_MS */
    GREETING_PIECES,  /* a few octets at a time */
    GREETING_NULS,    /* NUL octets in the text */
    GREETING_REFUSED, /* 554, our address is listed */
    GREETING_NO_MAIL, /* 521 (RFC 7504) */
    GREETING_BUSY,    /* 421 */
    GREETING_SILENT,  /* never a word */
    GREETING_DRIP,    /* one octet a second, no end */
    GREETING_HTTP,    /* another protocol */
    GREETING_BINARY,
    GREETING_ENDLESS_LINE, /* no LF ever */
    GREETING_ENDLESS_LINES /* 220- for ever */
};

enum hello {
    HELLO_PLAIN,
    HELLO_HELO_ONLY, /* 502 to EHLO */
    HELLO_BLOCKED    /* 550 5.7.1 about us */
};

enum tls_play {
    TLS_PLAY_NONE,
    TLS_PLAY_GOOD,
    TLS_PLAY_EXPIRED,
    TLS_PLAY_SELF_SIGNED,
    TLS_PLAY_WRONG_NAME,
    TLS_PLAY_ALERT,    /* 220, then a fatal alert */
    TLS_PLAY_DROP,     /* 220, then the connection is closed */
    TLS_PLAY_INJECTED, /* octets of clear text behind the 220 */
    TLS_PLAY_REFUSED   /* 454 */
};

enum sender_play { SENDER_ANY, SENDER_NULL_ONLY, SENDER_NAMED_ONLY, SENDER_NOBODY };

enum recipient_play {
    RECIPIENT_TRUTHFUL,
    RECIPIENT_ANYBODY,     /* 250 to all */
    RECIPIENT_CANNOT_TELL, /* 252 to all */
    RECIPIENT_FORWARDS,    /* 251 to known ones */
    RECIPIENT_GREY_KNOWN,  /* greylists whom it knows, refuses the rest at once (postgrey) */
    RECIPIENT_GREY_ALL,    /* greylists everybody, then tells */
    RECIPIENT_VERIFYING,   /* 450 4.1.1 until its own question has been answered */
    RECIPIENT_TEMPORARY,   /* 451 to all */
    RECIPIENT_BLOCKED,     /* 5.7.1 about us, to all */
    RECIPIENT_RELAY_DENIED,
    RECIPIENT_BARE,     /* unknown ones get a 550 that says nothing; postmaster is accepted */
    RECIPIENT_BARE_ALL, /* everybody gets it, postmaster too */
    RECIPIENT_SCREENED, /* 450 4.3.2 to all in the first session (postscreen's deep tests) */
    RECIPIENT_HARVEST,  /* accepts everybody once it has refused HARVEST_MAX */
    RECIPIENT_SILENT    /* no answer at all */
};

/* Where the host closes without a word. */
enum drop_play {
    DROP_NEVER,
    DROP_CONNECT,  /* accepted, closed */
    DROP_GREETING, /* in the middle of the greeting */
    DROP_HELLO,
    DROP_MAIL,
    DROP_RECIPIENT,
    DROP_QUIT
};

/* How it writes its replies. */
enum reply_play {
    REPLY_PLAIN,
    REPLY_LINES, /* every 250 and 550 has several lines */
    REPLY_NULS,
    REPLY_CODES_DIFFER, /* an earlier line has another code: the last one counts */
    REPLY_BARE_LF,
    REPLY_LONG /* a line of nearly 4 KB */
};

struct host_play {
    enum door door;
    enum greeting greeting;
    enum hello hello;
    enum tls_play tls;
    enum sender_play sender;
    enum recipient_play recipient;
    enum drop_play drop;
    enum reply_play reply;
    bool drop_once;     /* only the first connection that comes so far */
    bool tls_required;  /* 530 until STARTTLS */
    bool no_pipelining; /* not offered, and punished: 554 and close */
    bool smtputf8;
    bool busy_at_mail;                 /* 421 to MAIL */
    bool one_recipient;                /* 452 4.5.3 to a second recipient of a transaction */
    uint8_t recipients_per_connection; /* then 421 to MAIL; 0 = no limit */
    const char *refusal;               /* RECIPIENT_BARE and _ALL: instead of a bare 550 */
};

enum { SLOW_GREETING_MS = 1200, HARVEST_MAX = 25 };

/* --- how a domain resolves --------------------------------------------------------- */

enum dns_play {
    DNS_MX,       /* MX to its own host(s) */
    DNS_MX_EQUAL, /* two hosts of one preference */
    DNS_MX_MANY,  /* twenty MX names, all the same host */
    DNS_PROVIDER, /* MX of a provider, see lab_provider */
    DNS_NULL_MX,
    DNS_NULL_MX_AND_OTHERS,
    DNS_IMPLICIT_A,
    DNS_IMPLICIT_AAAA,
    DNS_NO_NAME,
    DNS_NO_DATA,
    DNS_SERVFAIL,
    DNS_BOGUS, /* SERVFAIL, but an answer with checking disabled: DNSSEC */
    DNS_REFUSED,
    DNS_SILENT,
    DNS_MX_PRIVATE,
    DNS_MX_DANGLING,
    DNS_MX_DANGLING_FIRST,
    DNS_MX_BAD_NAME,
    DNS_MX_SERVFAIL, /* the target's address lookup fails */
    DNS_CNAME,       /* the domain is an alias */
    DNS_CNAME_CHAIN, /* of four hops */
    DNS_CNAME_LONG,  /* of twenty hops: more than anyone follows */
    DNS_CNAME_LOOP,
    DNS_CNAME_NO_NAME, /* alias of a name that does not exist (RFC 6604) */
    DNS_MX_ALIAS,      /* the MX target is an alias (RFC 2181 section 10.3) */
    DNS_MX_ALIAS_LOOP,
    DNS_TRUNCATED, /* as DNS_MX, but UDP answers have TC: ask again by TCP */
    DNS_NOT_ASKED  /* syntax rows: nothing is ever looked up */
};

/* --- the table ---------------------------------------------------------------------- */

enum truth_for { FOR_ALL, FOR_ACCEPTED /* only mailboxes that the host would accept */ };

struct behaviour {
    const char *name;
    const char *sentence;
    struct truth first;       /* asked once, cold */
    struct truth also;        /* what may be said instead, now and in the end; LAB_OWN = nothing */
    enum truth_for first_for; /* whom `first` is about; the rest have their own truth */
    bool settles;             /* after retries: own truth; else as first */
    enum dns_play dns;
    const char *provider; /* DNS_PROVIDER: key of lab_provider */
    uint8_t addresses;    /* of the first host; 0 = 1 */
    struct host_play play;
    const struct host_play *backup;         /* NULL = one MX */
    uint8_t mailboxes[MAILBOX_CLASS_COUNT]; /* weights; all 0 = 6 known, 4 unknown */
    uint8_t non_ascii_percent;              /* local parts beyond ASCII */
    uint8_t weight;                         /* in the default mix */
    bool ipv6;                              /* only where ::1 can be bound */
};

size_t behaviour_count(void);
const struct behaviour *behaviour_at(size_t index);
/* NULL = no such; *index is set otherwise. */
const struct behaviour *behaviour_find(const char *name, size_t *index);
/* The behaviour of rows that never reach DNS. */
extern const char behaviour_syntax_name[];
/* `maillab behaviours`: names, truths and sentences for people. */
void behaviours_print(void);

/* --- IMAP, independent of the rest --------------------------------------------------- */

enum imap_where {
    IMAP_NOWHERE,
    IMAP_SRV,       /* SRV records name the host */
    IMAP_BY_GUESS,  /* only the usual name, imap.<domain> */
    IMAP_SRV_DENIED /* SRV target ".": not offered (RFC 6186 section 3.4) */
};
enum imap_greeting {
    IMAP_GREET_OK,
    IMAP_GREET_PREAUTH,
    IMAP_GREET_BYE,
    IMAP_GREET_GARBAGE,
    IMAP_GREET_SILENT
};

struct imap_variant {
    const char *name;
    const char *sentence;
    const char
        *state; /* what a survey must find; contract.md's imap.state; NULL = no endpoint at all */
    enum imap_where where;
    bool implicit_tls, clear; /* which ports listen: 993, 143 */
    enum imap_greeting greeting;
    bool greeting_capability, starttls, login_disabled, huge_capability;
    enum tls_play tls;
    uint8_t weight;
};
size_t imap_variant_count(void);
const struct imap_variant *imap_variant_at(size_t index);
const struct imap_variant *imap_variant_find(const char *name, size_t *index);

/* --- the parts of the table (behaviours.c joins them) ------------------------------- */

struct behaviour_part {
    const struct behaviour *rows;
    size_t count;
};
extern const struct behaviour_part behaviours_of_mailboxes, behaviours_of_servers,
    behaviours_of_names;
