/* dns_transport.h - raw questions to one resolver, over UDP and TCP. The only user of c-ares.
 *
 * c-ares sends, matches, falls back to TCP on truncation, and hands over the raw answer.
 * What an answer means, other servers, waits and repeats are the business of dns.c.
 * Channels are replaced every few thousand questions, so that the source port moves on. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/base/ip.h"
#include "probes/base/loop.h"
#include "probes/net/dns.h"

enum { DNS_SERVERS_MAX = 8, DNS_OUTSTANDING_MAX = 30000 };

struct dns_server {
    struct ip_address address;
    uint16_t port;
};

/* "127.0.0.1:5353, [::1]:53, 192.0.2.1"; port 53 where none is given. Returns how many, 0 when it
 * is not such a list. */
size_t dns_servers_parse(const char *text, struct dns_server servers[DNS_SERVERS_MAX]);
/* Those of /etc/resolv.conf. */
size_t dns_servers_of_system(struct dns_server servers[DNS_SERVERS_MAX]);

/* Is it on this host, or in a private network, where only our own can change its answers? */
bool dns_server_is_near(const struct dns_server *server);

enum dns_delivery {
    DNS_DELIVERED,   /* `bytes` is the answer, whatever it says */
    DNS_NO_ANSWER,   /* nothing in the time given */
    DNS_UNREACHABLE, /* nobody there, or no socket */
    DNS_UNASKABLE    /* not a name that can be asked for */
};

struct dns_transport;
struct dns_attempt;
/* May come from inside dns_transport_send(); the attempt is gone when it returns. */
typedef void dns_delivered_fn(void *context, struct dns_attempt *attempt,
                              enum dns_delivery delivery, const uint8_t *bytes, size_t length);

/* NULL when c-ares cannot be set up. */
struct dns_transport *dns_transport_new(struct loop *loop, const struct dns_server *server,
                                        uint32_t timeout_ms);
void dns_transport_free(struct dns_transport **transport); /* no callbacks */

struct dns_question {
    const char *name;
    enum dns_type type;
    bool checking_disabled;
    bool plain; /* without EDNS, for servers that stumble over it */
};

/* NULL when the callback came already. */
struct dns_attempt *dns_transport_send(struct dns_transport *transport,
                                       const struct dns_question *question,
                                       dns_delivered_fn *delivered, void *context);
/* No callback any more; the answer, if it comes, is dropped. */
void dns_attempt_abandon(struct dns_attempt *attempt);
size_t dns_transport_outstanding(const struct dns_transport *transport);
/* Every 50 to 100 ms while something is outstanding: time passes for c-ares. */
void dns_transport_tick(struct dns_transport *transport);
/* The server answered without EDNS: c-ares may have given it up for good, so begin afresh. */
void dns_transport_suspect(struct dns_transport *transport);
