/* imap_candidates.h - where a domain's IMAP may be, from each source, best first. Pure.
 *
 * Ports: only 993 and 143 are ever asked (and what stands for them in a lab), and those that the
 * operator adds; a DNS record or a table that names another port makes no candidate. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/base/evidence.h"
#include "probes/discover/provider.h"
#include "probes/net/dns.h"

enum {
    IMAP_CANDIDATES_MAX = 8,
    IMAP_PORT_TLS = 993,
    IMAP_PORT_STARTTLS = 143,
    IMAP_PORTS_EXTRA_MAX = 8
};

/* What 993 and 143 mean here, and which others may be asked; 0 = none. */
struct imap_ports {
    uint16_t tls, starttls, extra[IMAP_PORTS_EXTRA_MAX];
};

struct imap_candidate {
    char host[DNS_NAME_SIZE];
    uint16_t port;
    bool implicit_tls;
    enum endpoint_source source;
    uint16_t priority, weight; /* SRV */
    /* The name alone is reason to believe that this host serves the domain: our table, the same
     * registrable domain, a known provider, or a signed record. Else its certificate has to be
     * good. */
    bool vouched;
    struct ip_address address; /* known already; family 0 = to be asked */
};

struct imap_candidates {
    size_t count;
    struct imap_candidate items[IMAP_CANDIDATES_MAX];
    bool denied_tls, denied_starttls; /* SRV target ".": decidedly not offered (RFC 2782) */
};

/* What the sources need to know of the domain; all borrowed. */
struct imap_domain {
    const char *name;
    const struct provider *provider; /* may be NULL */
    const char *mx_host;             /* "" = none */
    struct ip_address mx_address;    /* family 0 = not known */
    struct imap_ports ports;
};

void imap_candidates_from_table(struct imap_candidates *candidates,
                                const struct provider_imap *table,
                                const struct imap_domain *domain);

/* One SRV answer (RFC 6186 section 3.2), _imaps or _imap; both may go into one list. */
void imap_candidates_add_srv(struct imap_candidates *candidates, const struct dns_answer *answer,
                             bool implicit_tls, const struct imap_domain *domain);
/* Lowest priority first across both (RFC 6186 section 3.4), on a tie TLS first (RFC 8314
 * section 5.1), then the heavier: a survey looks at all of them, so weight is an order, not a lot.
 */
void imap_candidates_sort(struct imap_candidates *candidates);

/* imap.<d>, mail.<d>, <d>, the MX host: 993 of each, then 143. Services denied by SRV are left out.
 */
void imap_candidates_guess(struct imap_candidates *candidates, const struct imap_domain *domain);

/* A name below the domain that nobody has; the same each time, so that the cache knows it. */
void imap_unlikely_name(const char *domain, char out[DNS_NAME_SIZE]);
