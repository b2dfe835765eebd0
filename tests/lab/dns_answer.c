#include "tests/lab/dns_answer.h"

#include <string.h>

enum {
    HEADER_SIZE = 12,
    CLASSIC_UDP_MAX = 512,
    TTL_S = 300,
    NEGATIVE_TTL_S = 120,
    CNAME_HOPS_MAX = 32,
    RCODE_SERVFAIL = 2,
    RCODE_NXDOMAIN = 3,
    RCODE_NOTIMP = 4,
    RCODE_REFUSED = 5
};

struct question {
    char name[256];
    uint16_t type;
    size_t end;       /* octets of header and question */
    uint16_t udp_max; /* from EDNS, else 512 */
    bool edns;
    bool checking_disabled; /* CD: the client checks signatures itself (RFC 4035 section 3.2.2) */
};

struct writer {
    uint8_t *bytes;
    size_t length;
    bool full;
};

static uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static void put(struct writer *out, const void *bytes, size_t length)
{
    if (out->full || length > DNS_ANSWER_MAX - out->length) {
        out->full = true;
        return;
    }
    memcpy(out->bytes + out->length, bytes, length);
    out->length += length;
}

static void put8(struct writer *out, unsigned value) { put(out, &(uint8_t){(uint8_t)value}, 1); }

static void put16(struct writer *out, unsigned value)
{
    put8(out, value >> 8);
    put8(out, value & 0xff);
}

static void put32(struct writer *out, uint32_t value)
{
    put16(out, value >> 16);
    put16(out, value & 0xffff);
}

/* Dots part labels; "" is the root. A bad name shows as one label: "192.0.2.1" stays four. */
static void put_name(struct writer *out, const char *name)
{
    while (*name != '\0') {
        size_t label = strcspn(name, ".");

        put8(out, (unsigned)label);
        put(out, name, label);
        name += label + (name[label] == '.');
    }
    put8(out, 0);
}

/* --- the question ------------------------------------------------------------------- */

static bool read_name(const uint8_t *query, size_t length, struct question *question)
{
    size_t at = HEADER_SIZE, used = 0;

    while (at < length && query[at] != 0) {
        size_t label = query[at];

        if (label > 63 || at + 1 + label >= length || used + label + 1 >= sizeof(question->name))
            return false;
        if (used > 0)
            question->name[used++] = '.';
        for (size_t i = 0; i < label; i++) {
            uint8_t c = query[at + 1 + i];

            question->name[used++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
        }
        at += 1 + label;
    }
    question->name[used] = '\0';
    question->end = at + 1 + 4;
    if (question->end > length)
        return false;
    question->type = get16(query + at + 1);
    return true;
}

/* EDNS: an OPT record right behind the question (RFC 6891). */
static void read_edns(const uint8_t *query, size_t length, struct question *question)
{
    const uint8_t *opt = query + question->end;

    question->udp_max = CLASSIC_UDP_MAX;
    question->edns = get16(query + 10) > 0 && length >= question->end + 11 && opt[0] == 0 &&
                     get16(opt + 1) == ZONE_OPT;
    if (question->edns && get16(opt + 3) > CLASSIC_UDP_MAX)
        question->udp_max = get16(opt + 3) < DNS_ANSWER_MAX ? get16(opt + 3) : DNS_ANSWER_MAX;
}

/* --- the answer ---------------------------------------------------------------------- */

static void put_record_head(struct writer *out, const char *owner, const struct question *question,
                            uint16_t type, uint32_t ttl)
{
    if (strcmp(owner, question->name) == 0)
        put16(out, 0xc000 | HEADER_SIZE); /* compressed: the question's name */
    else
        put_name(out, owner);
    put16(out, type);
    put16(out, 1); /* IN */
    put32(out, ttl);
}

static void put_record(struct writer *out, const char *owner, const struct question *question,
                       const struct zone_record *record)
{
    put_record_head(out, owner, question, record->type, TTL_S);
    size_t length_at = out->length;
    put16(out, 0);
    if (record->type == ZONE_A)
        put(out, record->address.octets, 4);
    if (record->type == ZONE_AAAA)
        put(out, record->address.octets, 16);
    if (record->type == ZONE_MX || record->type == ZONE_SRV)
        put16(out, record->preference);
    if (record->type == ZONE_SRV) {
        put16(out, record->weight);
        put16(out, record->port);
    }
    if (record->target != NULL)
        put_name(out, record->target);
    size_t data = out->length - length_at - 2;
    if (!out->full) {
        out->bytes[length_at] = (uint8_t)(data >> 8);
        out->bytes[length_at + 1] = (uint8_t)data;
    }
}

static const struct zone_record *find_cname(const struct zone *zone, const struct zone_name *name)
{
    for (uint32_t i = name->first; i != ZONE_END; i = zone->records[i].next)
        if (zone->records[i].type == ZONE_CNAME)
            return &zone->records[i];
    return NULL;
}

static unsigned put_matching(struct writer *out, const struct zone *zone,
                             const struct zone_name *name, const struct question *question)
{
    unsigned count = 0;

    for (uint32_t i = name->first; i != ZONE_END; i = zone->records[i].next)
        if (zone->records[i].type == question->type) {
            put_record(out, name->name, question, &zone->records[i]);
            count++;
        }
    return count;
}

/* The zone that a negative answer speaks for, by its last label but the root's. */
static void put_soa(struct writer *out, const char *name, const struct question *question)
{
    const char *apex = strrchr(name, '.') != NULL ? strrchr(name, '.') + 1 : name;

    put_record_head(out, apex, question, ZONE_SOA, NEGATIVE_TTL_S);
    size_t length_at = out->length;
    put16(out, 0);
    put_name(out, "ns.lab.test");
    put_name(out, "hostmaster.lab.test");
    put32(out, 1);
    put32(out, 3600);
    put32(out, 600);
    put32(out, 86400);
    put32(out, NEGATIVE_TTL_S);
    if (!out->full) {
        size_t data = out->length - length_at - 2;

        out->bytes[length_at] = (uint8_t)(data >> 8);
        out->bytes[length_at + 1] = (uint8_t)data;
    }
}

struct outcome {
    unsigned rcode, answers;
    const char *last; /* name that the rcode speaks of (RFC 6604) */
    enum zone_mood mood;
    bool truncate;
};

/* Follows aliases as a resolver does and puts all of the chain; a loop is cut off after its
 * records. */
static struct outcome put_answers(struct writer *out, struct zone *zone,
                                  const struct question *question)
{
    struct outcome outcome = {.last = question->name};

    for (unsigned hop = 0; hop < CNAME_HOPS_MAX; hop++) {
        enum zone_mood mood = ZONE_ANSWERS;
        const struct zone_name *name = zone_find(zone, outcome.last, &mood);

        if (mood == ZONE_BOGUS && question->checking_disabled)
            mood = ZONE_ANSWERS;
        if (mood != ZONE_ANSWERS) {
            outcome.mood = mood;
            break;
        }
        if (name == NULL) {
            outcome.rcode = RCODE_NXDOMAIN;
            break;
        }
        outcome.truncate = outcome.truncate || name->truncated;
        const struct zone_record *cname = find_cname(zone, name);
        if (cname == NULL || question->type == ZONE_CNAME) {
            outcome.answers += put_matching(out, zone, name, question);
            break;
        }
        put_record(out, name->name, question, cname);
        outcome.answers++;
        outcome.last = cname->target;
        if (strcmp(outcome.last, question->name) == 0)
            break;
    }
    return outcome;
}

static void put_opt(struct writer *out)
{
    put8(out, 0);
    put16(out, ZONE_OPT);
    put16(out, DNS_ANSWER_MAX);
    put32(out, 0);
    put16(out, 0);
}

static void finish_header(struct writer *out, const uint8_t *query, unsigned rcode, bool truncated,
                          unsigned answers, unsigned authority, unsigned additional)
{
    uint8_t *header = out->bytes;

    memcpy(header, query, 2);
    header[2] = (uint8_t)(0x80 | (query[2] & 0x79) |
                          (truncated ? 0x02 : 0)); /* QR, opcode and RD as asked */
    header[3] = (uint8_t)(0x80 | rcode);           /* RA; never AD: nothing is signed */
    const unsigned counts[] = {1, answers, authority, additional};
    for (unsigned i = 0; i < 4; i++) {
        header[4 + 2 * i] = (uint8_t)(counts[i] >> 8);
        header[5 + 2 * i] = (uint8_t)counts[i];
    }
}

static void count(struct zone *zone, struct lab_counters *counters, const struct question *question,
                  bool tcp)
{
    enum zone_mood mood = ZONE_ANSWERS;
    unsigned slot = zone_counted_slot(question->type);
    struct zone_name *name = zone_find(zone, question->name, &mood);

    *(tcp ? &counters->dns_tcp : &counters->dns_udp) += 1;
    counters->dns_by_type[slot]++;
    if (name != NULL)
        name->asked[slot]++;
}

static size_t short_answer(struct writer *out, const uint8_t *query,
                           const struct question *question, unsigned rcode, bool truncated)
{
    out->length = question->end;
    if (question->edns)
        put_opt(out);
    finish_header(out, query, rcode, truncated, 0, 0, question->edns);
    return out->length;
}

size_t dns_answer(struct zone *zone, struct lab_counters *counters, const uint8_t *query,
                  size_t length, bool tcp, uint8_t out[DNS_ANSWER_MAX])
{
    struct writer writer = {.length = 0};
    struct question question = {.type = 0};

    if (length < HEADER_SIZE || (query[2] & 0x80) != 0 || get16(query + 4) != 1 ||
        length > DNS_ANSWER_MAX || !read_name(query, length, &question))
        return 0;
    writer.bytes = out;
    read_edns(query, length, &question);
    question.checking_disabled = (query[3] & 0x10) != 0;
    count(zone, counters, &question, tcp);
    put(&writer, query, question.end);
    if ((query[2] & 0x78) != 0)
        return short_answer(&writer, query, &question, RCODE_NOTIMP, false);
    struct outcome outcome = put_answers(&writer, zone, &question);
    if (outcome.mood == ZONE_SILENT)
        return 0;
    if (outcome.mood == ZONE_SERVFAIL || outcome.mood == ZONE_BOGUS)
        return short_answer(&writer, query, &question, RCODE_SERVFAIL, false);
    if (outcome.mood == ZONE_REFUSES)
        return short_answer(&writer, query, &question, RCODE_REFUSED, false);
    bool negative = outcome.rcode != 0 || outcome.answers == 0;
    if (negative)
        put_soa(&writer, outcome.last, &question);
    if (question.edns)
        put_opt(&writer);
    if (writer.full || (!tcp && (outcome.truncate || writer.length > question.udp_max)))
        return short_answer(&writer, query, &question, 0, true);
    finish_header(&writer, query, outcome.rcode, false, outcome.answers, negative, question.edns);
    return writer.length;
}
