/* mx.h - which hosts take mail for a domain (RFC 5321 section 5.1, RFC 7505).
 *
 * MX, then A and AAAA of each target; none: the domain itself (implicit MX);
 * "." alone: null MX. Where we have no IPv6, AAAA is asked only of targets without A.
 * Equal preferences are shuffled; at most MX_HOSTS_MAX hosts and MX_ADDRESSES_MAX
 * addresses. Only what the resolver proved is called bad: a timeout or SERVFAIL is
 * never "no such domain". Results live in a cache per loop, by the smallest TTL
 * involved; equal lookups in flight are one. */
#pragma once

#include "probes/base/evidence.h"
#include "probes/base/ip.h"
#include "probes/net/dns.h"

struct mx_resolver;
struct mx_lookup;
/* `evidence` is the callback's to keep: it holds its own reference and must drop it. */
typedef void mx_done_fn(void *context, struct mx_evidence *evidence);

struct mx_params {
    struct loop *loop;
    struct dns *dns;
    const struct ip_networks
        *allowed;           /* special-purpose ranges the operator opened; borrowed for life */
    bool have_ipv6;         /* there is a way out for it */
    uint32_t budget_ms;     /* for one domain, all questions: 4500; then dns_timeout */
    uint32_t cache_entries; /* domains remembered: 100000 */
};

struct mx_resolver *mx_resolver_new(const struct mx_params *params);
void mx_resolver_free(struct mx_resolver **resolver);

/* `domain`: A-labels, lower-case. Never calls back from inside. At most 3 questions for a domain
 * with one MX. */
struct mx_lookup *mx_lookup_start(struct mx_resolver *resolver, const char *domain,
                                  mx_done_fn *done, void *context);
void mx_lookup_cancel(struct mx_lookup **lookup);
/* The remembered answer if it is still alive, with a reference for the caller; else NULL. */
struct mx_evidence *mx_cached(struct mx_resolver *resolver, const char *domain);
