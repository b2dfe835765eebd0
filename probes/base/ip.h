/* ip.h - addresses, networks, and which of them nobody may make us connect to. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { IP_TEXT_SIZE = 46, IP_NETWORKS_MAX = 64 };

/* family 0 = none; IPv4 uses the first four octets. Network byte order. */
struct ip_address {
    uint8_t family; /* 0, 4 or 6 */
    uint8_t octets[16];
};

struct ip_network {
    struct ip_address address;
    uint8_t prefix;
};

/* A bounded list of networks, e.g. allow_networks. */
struct ip_networks {
    struct ip_network items[IP_NETWORKS_MAX];
    size_t count;
};

bool ip_parse(const char *text,
              struct ip_address *ip); /* untouched on failure; no port, no zone id */
/* Writes the shortest text form (RFC 5952) and returns `out`. */
const char *ip_format(const struct ip_address *ip, char out[IP_TEXT_SIZE]);
bool ip_equal(const struct ip_address *a, const struct ip_address *b);
uint64_t ip_hash(const struct ip_address *ip);
bool ip_is_loopback(const struct ip_address *ip); /* this host itself */

/* Returns the length to hand to connect(2) or bind(2). */
socklen_t ip_to_socket(const struct ip_address *ip, uint16_t port, struct sockaddr_storage *out);
bool ip_from_socket(const struct sockaddr *in, struct ip_address *ip, uint16_t *port);

/* "127.64.0.0/10, 2001:db8::/32": commas or spaces between; false leaves the list untouched. */
bool ip_networks_parse(const char *text, struct ip_networks *networks);
bool ip_networks_contain(const struct ip_networks *networks, const struct ip_address *ip);

/* Special-purpose per RFC 6890 and the IANA registries: loopback, private, link-local,
 * documentation, multicast, ... An IPv6 address that carries an IPv4 one (mapped, NAT64,
 * 6to4) is judged by the inner address too. */
bool ip_is_special(const struct ip_address *ip);
/* Has this host a global IPv6 address, so that it can be expected to get through? */
bool ip_host_has_ipv6(void);
/* May we open a connection to it? Not special, or inside the operator's `allowed` networks. */
bool ip_may_connect(const struct ip_address *ip, const struct ip_networks *allowed);
