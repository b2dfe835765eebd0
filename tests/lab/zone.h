/* zone.h - what the lab's DNS knows: names, how they answer, and their records. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/base/ip.h"
#include "tests/lab/world.h"

enum {
    ZONE_A = 1,
    ZONE_CNAME = 5,
    ZONE_SOA = 6,
    ZONE_MX = 15,
    ZONE_TXT = 16,
    ZONE_AAAA = 28,
    ZONE_SRV = 33,
    ZONE_OPT = 41
};

/* Kinds of question counted apart. */
#define ZONE_COUNTED_LIST(X)                                                                       \
    X(ZONE_A, "A")                                                                                 \
    X(ZONE_AAAA, "AAAA") X(ZONE_MX, "MX") X(ZONE_TXT, "TXT") X(ZONE_SRV, "SRV") X(0, "other")
enum { ZONE_COUNTED = 6 };
const char *zone_counted_name(unsigned slot);
unsigned zone_counted_slot(uint16_t type);

enum zone_mood { ZONE_ANSWERS, ZONE_SERVFAIL, ZONE_BOGUS, ZONE_REFUSES, ZONE_SILENT };

#define ZONE_END UINT32_MAX

struct zone_record {
    uint16_t type;
    uint16_t preference, weight, port; /* MX preference, SRV priority */
    const char *target;                /* MX, SRV, CNAME: "" = the root; TXT: the text */
    struct ip_address address;         /* A, AAAA */
    uint32_t next;                     /* of the same name; ZONE_END = last */
};

struct zone_name {
    const char *name; /* lower-case, no final dot */
    enum zone_mood mood;
    bool truncated; /* over UDP: TC and nothing else */
    uint32_t first; /* record; ZONE_END = the name exists, without records */
    uint32_t asked[ZONE_COUNTED];
};

struct zone {
    struct zone_name *names; /* in order */
    size_t name_count, name_room;
    struct zone_record *records;
    size_t record_count, record_room;
    struct world *world; /* holds the strings */
};

struct zone *zone_build(struct world *world);
void zone_free(struct zone **zone);
/* NULL = no such name. `mood` = how it, or the closest name above it, answers. */
struct zone_name *zone_find(struct zone *zone, const char *name, enum zone_mood *mood);
