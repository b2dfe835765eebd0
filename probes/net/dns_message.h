/* dns_message.h - reads one raw DNS answer (RFC 1035, 2181, 2308, 6604, 6891, 8914). No I/O.
 *
 * Bounded in every direction: names by 255 octets and by compression pointers that must
 * point backwards, records by DNS_RECORDS_MAX, text by an arena. What does not fit the
 * rules makes the whole message malformed; nothing is repaired. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/net/dns.h"

enum {
    DNS_NAME_TEXT_SIZE = 1024, /* 255 octets, each at worst "\DDD", and NUL */
    DNS_HOPS_MAX = 16,         /* CNAMEs followed */
    DNS_ARENA_SIZE = 32768     /* all names and texts of one answer */
};

enum dns_rcode {
    DNS_RCODE_NOERROR = 0,
    DNS_RCODE_FORMERR = 1,
    DNS_RCODE_SERVFAIL = 2,
    DNS_RCODE_NXDOMAIN = 3,
    DNS_RCODE_NOTIMP = 4,
    DNS_RCODE_REFUSED = 5
};

/* Extended DNS errors (RFC 8914): the resolver refuses to tell. */
enum { DNS_EDE_BLOCKED = 15, DNS_EDE_CENSORED, DNS_EDE_FILTERED, DNS_EDE_PROHIBITED };

struct dns_message {
    unsigned rcode; /* with the upper bits of OPT */
    bool authentic, truncated;
    bool has_opt;   /* the server speaks EDNS */
    bool filtered;  /* an extended error 15 to 18 */
    bool has_soa;   /* a proper negative answer (RFC 2308) */
    bool loop;      /* CNAMEs in a circle, or more than DNS_HOPS_MAX */
    unsigned hops;  /* CNAMEs followed */
    uint32_t ttl_s; /* smallest of what was used; of SOA for negative answers */
    char final_name[DNS_NAME_TEXT_SIZE];
    size_t count;
    struct dns_record records[DNS_RECORDS_MAX]; /* strings live in `arena` */
    size_t arena_used;
    char arena[DNS_ARENA_SIZE];
};

/* `name` (lower-case, no final dot) and `type` are what was asked. False when the message is
 * malformed or answers something else; `out` is then not to be looked at. */
bool dns_message_parse(const uint8_t *bytes, size_t length, const char *name, enum dns_type type,
                       struct dns_message *out);

/* The name at *offset in lower-case text; *offset moves behind it. For tests and the parser. */
bool dns_name_read(const uint8_t *bytes, size_t length, size_t *offset,
                   char out[DNS_NAME_TEXT_SIZE]);
