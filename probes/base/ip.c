#include "probes/base/ip.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"

static size_t octet_count(const struct ip_address *ip) { return ip->family == 4 ? 4 : 16; }

bool ip_parse(const char *text, struct ip_address *ip)
{
    struct ip_address parsed = {.family = 4};

    if (inet_pton(AF_INET, text, parsed.octets) != 1) {
        parsed.family = 6;
        if (inet_pton(AF_INET6, text, parsed.octets) != 1)
            return false;
    }
    *ip = parsed;
    return true;
}

/* By hand: inet_ntop() goes through sprintf(), and lanes are found by this text. */
static void format_ipv4(const uint8_t octets[4], char *out)
{
    for (size_t i = 0; i < 4; i++) {
        out = text_put_octet(out, octets[i]);
        *out++ = i < 3 ? '.' : '\0';
    }
}

const char *ip_format(const struct ip_address *ip, char out[IP_TEXT_SIZE])
{
    out[0] = '\0';
    if (ip->family == 4)
        format_ipv4(ip->octets, out);
    else if (ip->family == 6)
        inet_ntop(AF_INET6, ip->octets, out, IP_TEXT_SIZE);
    return out;
}

bool ip_equal(const struct ip_address *a, const struct ip_address *b)
{
    return a->family == b->family && memcmp(a->octets, b->octets, octet_count(a)) == 0;
}

uint64_t ip_hash(const struct ip_address *ip)
{
    uint64_t hash = 14695981039346656037u ^ ip->family;

    for (size_t i = 0; i < octet_count(ip); i++)
        hash = (hash ^ ip->octets[i]) * 1099511628211u;
    return hash ^ (hash >> 32);
}

bool ip_is_loopback(const struct ip_address *ip)
{
    static const uint8_t one[16] = {[15] = 1};

    return ip->family == 4 ? ip->octets[0] == 127
                           : ip->family == 6 && memcmp(ip->octets, one, sizeof(one)) == 0;
}

socklen_t ip_to_socket(const struct ip_address *ip, uint16_t port, struct sockaddr_storage *out)
{
    *out = (struct sockaddr_storage){0};
    if (ip->family == 4) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)out;

        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        memcpy(&v4->sin_addr, ip->octets, 4);
        return sizeof(*v4);
    }
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    memcpy(&v6->sin6_addr, ip->octets, 16);
    return sizeof(*v6);
}

bool ip_from_socket(const struct sockaddr *in, struct ip_address *ip, uint16_t *port)
{
    *ip = (struct ip_address){0};
    if (in->sa_family == AF_INET) {
        struct sockaddr_in v4;

        memcpy(&v4, in, sizeof(v4));
        ip->family = 4;
        memcpy(ip->octets, &v4.sin_addr, 4);
        *port = ntohs(v4.sin_port);
        return true;
    }
    if (in->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;

        memcpy(&v6, in, sizeof(v6));
        ip->family = 6;
        memcpy(ip->octets, &v6.sin6_addr, 16);
        *port = ntohs(v6.sin6_port);
        return true;
    }
    return false;
}

static bool network_parse(const char *text, size_t length, struct ip_network *network)
{
    char copy[IP_TEXT_SIZE + 5];

    if (length == 0 || length >= sizeof(copy))
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';

    char *slash = strchr(copy, '/');
    if (slash != NULL)
        *slash = '\0';
    if (!ip_parse(copy, &network->address))
        return false;
    unsigned long widest = 8 * octet_count(&network->address), prefix = widest;
    if (slash != NULL) {
        char *end;

        if (slash[1] < '0' || slash[1] > '9')
            return false;
        prefix = strtoul(slash + 1, &end, 10);
        if (*end != '\0' || prefix > widest)
            return false;
    }
    network->prefix = (uint8_t)prefix;
    return true;
}

bool ip_networks_parse(const char *text, struct ip_networks *networks)
{
    static const char separators[] = ", \t";
    struct ip_networks parsed = {.count = 0};

    for (text += strspn(text, separators); *text != '\0'; text += strspn(text, separators)) {
        size_t length = strcspn(text, separators);

        if (parsed.count == IP_NETWORKS_MAX ||
            !network_parse(text, length, &parsed.items[parsed.count]))
            return false;
        parsed.count++;
        text += length;
    }
    *networks = parsed;
    return true;
}

static bool network_contains(const struct ip_network *network, const struct ip_address *ip)
{
    size_t whole = network->prefix / 8u, rest = network->prefix % 8u;

    if (ip->family != network->address.family ||
        memcmp(ip->octets, network->address.octets, whole) != 0)
        return false;
    if (rest == 0)
        return true;
    uint8_t mask = (uint8_t)(0xffu << (8u - rest));
    return (ip->octets[whole] & mask) == (network->address.octets[whole] & mask);
}

bool ip_networks_contain(const struct ip_networks *networks, const struct ip_address *ip)
{
    for (size_t i = 0; i < networks->count; i++)
        if (network_contains(&networks->items[i], ip))
            return true;
    return false;
}

/* IANA special-purpose address registries (RFC 6890) and the AS112 and AMT ranges, where no
 * mail server lives. */
static const struct ip_network special_v4[] = {
    {{4, {0}}, 8},             /* this network */
    {{4, {10}}, 8},            /* private */
    {{4, {100, 64}}, 10},      /* carrier NAT */
    {{4, {127}}, 8},           /* loopback */
    {{4, {169, 254}}, 16},     /* link-local, cloud metadata */
    {{4, {172, 16}}, 12},      /* private */
    {{4, {192, 0, 0}}, 24},    /* IETF assignments */
    {{4, {192, 0, 2}}, 24},    /* documentation */
    {{4, {192, 31, 196}}, 24}, /* AS112 */
    {{4, {192, 52, 193}}, 24}, /* AMT */
    {{4, {192, 88, 99}}, 24},  /* 6to4 relays */
    {{4, {192, 168}}, 16},     /* private */
    {{4, {192, 175, 48}}, 24}, /* AS112 */
    {{4, {198, 18}}, 15},      /* benchmarks */
    {{4, {198, 51, 100}}, 24}, /* documentation */
    {{4, {203, 0, 113}}, 24},  /* documentation */
    {{4, {224}}, 4},           /* multicast */
    {{4, {240}}, 4},           /* reserved, broadcast */
};

static const struct ip_network special_v6[] = {
    {{6, {0}}, 96},                                  /* ::, ::1, IPv4-compatible */
    {{6, {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}}, 48}, /* local NAT64 */
    {{6, {0x01}}, 64},                               /* discard */
    {{6, {0x01, 0, 0, 0, 0, 0, 0, 0x01}}, 64},       /* dummy prefix */
    {{6, {0x20, 0x01}}, 23},                         /* IETF assignments, Teredo, ORCHID */
    {{6, {0x20, 0x01, 0x0d, 0xb8}}, 32},             /* documentation */
    {{6, {0x3f, 0xff}}, 20},                         /* documentation */
    {{6, {0x5f}}, 16},                               /* segment routing */
    {{6, {0xfc}}, 7},                                /* unique local */
    {{6, {0xfe, 0x80}}, 10},                         /* link-local */
    {{6, {0xfe, 0xc0}}, 10},                         /* site-local */
    {{6, {0xff}}, 8},                                /* multicast */
};

/* Prefixes whose addresses carry an IPv4 address, and where in them it stands. */
static const struct {
    struct ip_network network;
    size_t offset;
} carriers[] = {
    {{{6, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}}, 96}, 12}, /* IPv4-mapped */
    {{{6, {0x00, 0x64, 0xff, 0x9b}}, 96}, 12},                   /* NAT64 */
    {{{6, {0x20, 0x02}}, 16}, 2},                                /* 6to4 */
};

static bool in_table(const struct ip_network *table, size_t count, const struct ip_address *ip)
{
    for (size_t i = 0; i < count; i++)
        if (network_contains(&table[i], ip))
            return true;
    return false;
}

static bool carried_v4(const struct ip_address *ip, struct ip_address *inner)
{
    for (size_t i = 0; i < ARRAY_LENGTH(carriers); i++)
        if (network_contains(&carriers[i].network, ip)) {
            *inner = (struct ip_address){.family = 4};
            memcpy(inner->octets, ip->octets + carriers[i].offset, 4);
            return true;
        }
    return false;
}

bool ip_is_special(const struct ip_address *ip)
{
    struct ip_address inner;

    if (ip->family == 4)
        return in_table(special_v4, ARRAY_LENGTH(special_v4), ip);
    if (ip->family != 6)
        return true;
    if (carried_v4(ip, &inner))
        return ip_is_special(&inner);
    return in_table(special_v6, ARRAY_LENGTH(special_v6), ip);
}

bool ip_host_has_ipv6(void)
{
    struct ifaddrs *all = NULL;
    struct ip_address address;
    uint16_t port;
    bool found = false;

    if (getifaddrs(&all) != 0)
        return false;
    for (const struct ifaddrs *one = all; one != NULL && !found; one = one->ifa_next)
        found = one->ifa_addr != NULL && one->ifa_addr->sa_family == AF_INET6 &&
                (one->ifa_flags & IFF_UP) != 0 && ip_from_socket(one->ifa_addr, &address, &port) &&
                !ip_is_special(&address);
    freeifaddrs(all);
    return found;
}

bool ip_may_connect(const struct ip_address *ip, const struct ip_networks *allowed)
{
    struct ip_address inner;

    if (!ip_is_special(ip))
        return true;
    if (allowed == NULL || ip->family == 0)
        return false;
    if (ip_networks_contain(allowed, ip))
        return true;
    return ip->family == 6 && carried_v4(ip, &inner) && ip_networks_contain(allowed, &inner);
}
