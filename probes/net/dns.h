/* dns.h - questions to the resolver, with a cache by TTL. One per loop.
 *
 * The only folder that knows c-ares. Answers are read by our own bounded parser
 * (dns_message.h), so every c-ares from 1.18 on behaves the same: RCODE, AD and
 * TTL are seen, SERVFAIL is not NXDOMAIN, and a null MX stays visible.
 *
 * Contract
 *  - The callback comes exactly once per dns_ask(), never from inside it, unless
 *    dns_cancel() comes first. The answer is borrowed until the callback returns.
 *  - Equal questions in flight are one question on the wire. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/base/evidence.h"
#include "probes/base/loop.h"

enum dns_type {
    DNS_A = 1,
    DNS_CNAME = 5,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_SRV = 33
};

enum dns_status {
    DNS_FOUND,   /* at least one record of the type asked (after following CNAMEs) */
    DNS_NO_DATA, /* the name exists, this type does not (RFC 2308 section 2.2) */
    DNS_NO_NAME, /* NXDOMAIN (of the last name of a CNAME chain, RFC 6604) */
    DNS_FAILED,  /* SERVFAIL, REFUSED, malformed answer, filtered by the resolver */
    DNS_BOGUS,   /* SERVFAIL, but an answer comes with checking disabled: DNSSEC */
    DNS_LOOP,    /* CNAME loop, or more than 16 hops */
    DNS_TIMED_OUT
};
const char *dns_status_name(enum dns_status status);

enum { DNS_RECORDS_MAX = 64, DNS_TEXT_MAX = 8192 };

struct dns_record {
    uint16_t preference;       /* MX; SRV priority */
    uint16_t weight, port;     /* SRV */
    struct ip_address address; /* A, AAAA */
    const char *name; /* MX exchange, SRV target, PTR: lower-case, no final dot, "" = root; RFC 4343
                         escapes */
    const char *text; /* TXT: strings joined */
    size_t text_length;
};

struct dns_answer {
    enum dns_status status;
    bool authentic; /* AD from a validating resolver of our own (see distant_ad) */
    bool alias;     /* a CNAME was followed */
    bool from_cache;
    const char *final_name; /* the last name of the CNAME chain */
    uint32_t ttl_s;         /* already clamped: 60 s to 24 h, negative at most 15 min */
    size_t count;
    const struct dns_record *records;
};

struct dns;
struct dns_query;
typedef void dns_done_fn(void *context, const struct dns_answer *answer);

struct dns_params {
    struct loop *loop;
    const char *servers; /* "127.0.0.1:5353,[::1]:53"; NULL or "" = the system's; validated here */
    uint32_t timeout_ms; /* first try; doubles: 1500 */
    uint32_t tries;      /* 2 */
    uint32_t cache_entries; /* bound: 50000 */
    /* Report AD also from servers beyond our own networks: anybody on the way may have set it
     * (RFC 4035 section 4.9.3), so only for looking at what they claim. */
    bool distant_ad;
};

/* NULL with *error (static text) when `servers` is not a list of addresses. */
struct dns *dns_new(const struct dns_params *params, const char **error);
void dns_free(struct dns **dns); /* outstanding questions are cancelled: no callbacks */

/* `name`: A-labels without final dot, at most 253 octets. */
struct dns_query *dns_ask(struct dns *dns, const char *name, enum dns_type type, dns_done_fn *done,
                          void *context);
/* The same for names that nobody else will ask for: who asks remembers what follows from the
 * answer, the cache does not. */
struct dns_query *dns_ask_once(struct dns *dns, const char *name, enum dns_type type,
                               dns_done_fn *done, void *context);
void dns_cancel(struct dns_query **query); /* sets NULL; NULL is fine */

struct dns_counters {
    uint64_t asked, sent, from_cache, timeouts, failures;
};
struct dns_counters dns_counters(const struct dns *dns);
