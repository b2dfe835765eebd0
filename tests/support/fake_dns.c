#include "tests/support/fake_dns.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probes/base/ip.h"
#include "probes/base/mem.h"
#include "probes/base/text.h"

enum {
    RECORDS_MAX = 512,
    RULES_MAX = 128,
    HEARD_MAX = 8192,
    PEERS_MAX = 128,
    PORTS_MAX = 64,
    MESSAGE_SIZE = 16384,
    UDP_SIZE_MAX = 1232,
    CHAIN_MAX = 20,
    TYPE_SOA = 6,
    TYPE_OPT = 41
};
enum { FLAG_TC = 0x0200, FLAG_AD = 0x0020, FLAG_CD = 0x0010, FLAGS_ANSWER = 0x8180 };

struct record {
    char name[DNS_NAME_SIZE], data[512];
    uint32_t ttl;
    unsigned type;
};

struct rule {
    char name[DNS_NAME_SIZE];
    unsigned type, left;
    bool limited;
    enum fake_dns_habit habit;
};

struct heard {
    char name[DNS_NAME_SIZE];
    unsigned type;
};

struct peer {
    struct fake_dns *fake;
    struct loop_io io;
    int fd; /* -1: free */
    uint8_t input[1024];
    size_t length;
};

struct fake_dns {
    struct loop *loop;
    char address[32];
    int udp, listener;
    struct loop_io udp_io, listener_io;
    struct peer peers[PEERS_MAX];
    struct record records[RECORDS_MAX];
    size_t record_count;
    struct rule rules[RULES_MAX];
    size_t rule_count;
    struct heard heard[HEARD_MAX];
    size_t heard_count, heard_over_tcp;
    uint16_t ports[PORTS_MAX];
    unsigned port_count;
    unsigned last_flags, last_edns_size;
    uint32_t negative_ttl;
    bool without_edns;
    bool late;
    struct late_question {
        uint8_t bytes[1024];
        size_t length; /* 0: none */
        struct sockaddr_in from;
    } kept;
};

struct question {
    char name[DNS_NAME_SIZE];
    unsigned type, flags, edns_size;
    bool tcp;
    const uint8_t *bytes;
    size_t length; /* header and question */
};

struct writer {
    uint8_t bytes[MESSAGE_SIZE];
    size_t length;
    unsigned answers, authorities, additionals;
};

/* --- writing ------------------------------------------------------------------------- */

static void put(struct writer *out, const void *bytes, size_t length)
{
    assert(length <= sizeof out->bytes - out->length);
    memcpy(out->bytes + out->length, bytes, length);
    out->length += length;
}

static void put_u16(struct writer *out, unsigned value)
{
    put(out, (uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static void put_u32(struct writer *out, uint32_t value)
{
    put_u16(out, value >> 16);
    put_u16(out, value & 0xffff);
}

static void put_name(struct writer *out, const char *name)
{
    while (*name != '\0' && strcmp(name, ".") != 0) {
        size_t length = strcspn(name, ".");

        put(out, (uint8_t[]){(uint8_t)length}, 1);
        put(out, name, length);
        name += length + (name[length] == '.' ? 1 : 0);
    }
    put(out, "", 1);
}

static void put_strings(struct writer *out, const char *text)
{
    size_t left = strlen(text);

    do {
        size_t part = left > 255 ? 255 : left;

        put(out, (uint8_t[]){(uint8_t)part}, 1);
        put(out, text, part);
        text += part;
        left -= part;
    } while (left > 0);
}

static void put_data(struct writer *out, const struct record *record)
{
    struct ip_address address;
    char *end;

    switch (record->type) {
    case DNS_A:
    case DNS_AAAA:
        if (ip_parse(record->data, &address))
            put(out, address.octets, record->type == DNS_A ? 4 : 16);
        break;
    case DNS_MX:
        put_u16(out, (unsigned)strtoul(record->data, &end, 10));
        put_name(out, end + 1);
        break;
    case DNS_SRV:
        put_u16(out, (unsigned)strtoul(record->data, &end, 10));
        put_u16(out, (unsigned)strtoul(end, &end, 10));
        put_u16(out, (unsigned)strtoul(end, &end, 10));
        put_name(out, end + 1);
        break;
    case DNS_TXT:
        put_strings(out, record->data);
        break;
    default:
        put_name(out, record->data);
    }
}

static void put_record(struct writer *out, const struct record *record)
{
    size_t at;

    put_name(out, record->name);
    put_u16(out, record->type);
    put_u16(out, 1);
    put_u32(out, record->ttl);
    at = out->length;
    put_u16(out, 0);
    put_data(out, record);
    out->bytes[at] = (uint8_t)((out->length - at - 2) >> 8);
    out->bytes[at + 1] = (uint8_t)(out->length - at - 2);
    out->answers++;
}

static void put_soa(struct writer *out, uint32_t ttl)
{
    put_name(out, "test");
    put_u16(out, TYPE_SOA);
    put_u16(out, 1);
    put_u32(out, ttl);
    put_u16(out, 2 + 20);
    put(out, "\0\0", 2); /* two root names */
    for (int i = 0; i < 4; i++)
        put_u32(out, 3600);
    put_u32(out, ttl);
    out->authorities++;
}

static void put_opt(struct writer *out, int extended_error)
{
    put(out, "", 1);
    put_u16(out, TYPE_OPT);
    put_u16(out, UDP_SIZE_MAX);
    put_u32(out, 0);
    put_u16(out, extended_error >= 0 ? 6 : 0);
    if (extended_error >= 0) {
        put_u16(out, 15);
        put_u16(out, 2);
        put_u16(out, (unsigned)extended_error);
    }
    out->additionals++;
}

static void finish(struct writer *out, unsigned flags)
{
    const unsigned words[] = {flags, 1, out->answers, out->authorities, out->additionals};

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        out->bytes[2 + 2 * i] = (uint8_t)(words[i] >> 8);
        out->bytes[3 + 2 * i] = (uint8_t)words[i];
    }
}

/* --- answering -------------------------------------------------------------------------- */

static enum fake_dns_habit habit_of(struct fake_dns *fake, const char *name, unsigned type)
{
    for (size_t i = fake->rule_count; i-- > 0;) {
        struct rule *rule = &fake->rules[i];

        if (strcmp(rule->name, name) != 0 || (rule->type != 0 && rule->type != type) ||
            (rule->limited && rule->left == 0))
            continue;
        if (rule->limited)
            rule->left--;
        return rule->habit;
    }
    return FAKE_NORMAL;
}

static const struct record *find(const struct fake_dns *fake, const char *name, unsigned type)
{
    for (size_t i = 0; i < fake->record_count; i++)
        if (fake->records[i].type == type && strcmp(fake->records[i].name, name) == 0)
            return &fake->records[i];
    return NULL;
}

static bool name_exists(const struct fake_dns *fake, const char *name)
{
    for (size_t i = 0; i < fake->record_count; i++)
        if (text_domain_within(fake->records[i].name, name))
            return true;
    return false;
}

/* Writes the answer section; returns the RCODE. */
static unsigned put_answers(struct fake_dns *fake, struct writer *out, const struct question *asked,
                            enum fake_dns_habit habit)
{
    const char *name = asked->name;
    const struct record *alias;
    unsigned hops = 0;

    while (asked->type != DNS_CNAME && (alias = find(fake, name, DNS_CNAME)) != NULL &&
           hops++ < CHAIN_MAX) {
        put_record(out, alias);
        name = alias->data;
        if (habit == FAKE_ONE_CNAME)
            return 0;
    }
    for (size_t i = 0; i < fake->record_count; i++)
        if (fake->records[i].type == asked->type && strcmp(fake->records[i].name, name) == 0)
            put_record(out, &fake->records[i]);
    if (out->answers == hops && habit != FAKE_NO_SOA && hops <= CHAIN_MAX)
        put_soa(out, fake->negative_ttl);
    return name_exists(fake, name) ? 0 : 3;
}

static void put_garbage(struct writer *out)
{
    for (int i = 0; i < 40; i++)
        put(out, (uint8_t[]){(uint8_t)(0xc0 + i * 7)}, 1);
    out->answers = 3;
}

/* False: no answer at all. */
static bool answer(struct fake_dns *fake, const struct question *asked, struct writer *out)
{
    enum fake_dns_habit habit = habit_of(fake, asked->name, asked->type);
    bool checked = (asked->flags & FLAG_CD) == 0;
    unsigned rcode = 0, flags = FLAGS_ANSWER;

    if (habit == FAKE_SILENT)
        return false;
    out->length = 0;
    out->answers = out->authorities = out->additionals = 0;
    put(out, asked->bytes, asked->length);
    if (habit == FAKE_WRONG_ANSWER)
        out->bytes[13] ^= 1;
    if (habit == FAKE_SERVFAIL || (habit == FAKE_BOGUS && checked))
        rcode = 2;
    else if (habit == FAKE_REFUSED)
        rcode = 5;
    else if (habit == FAKE_NO_OPT && asked->edns_size > 0)
        rcode = 1;
    else if (habit == FAKE_FILTERED || habit == FAKE_DENIED)
        rcode = 3;
    else if (habit == FAKE_TRUNCATED && !asked->tcp)
        flags |= FLAG_TC;
    else if (habit == FAKE_GARBAGE)
        put_garbage(out);
    else
        rcode = put_answers(fake, out, asked, habit);
    if (habit == FAKE_AUTHENTIC && (asked->flags & FLAG_AD) != 0)
        flags |= FLAG_AD;
    if (asked->edns_size > 0 && !fake->without_edns && habit != FAKE_GARBAGE &&
        habit != FAKE_NO_OPT)
        put_opt(out, habit == FAKE_FILTERED ? 15 : -1);
    if (!asked->tcp && out->length > UDP_SIZE_MAX) {
        out->length = asked->length;
        out->answers = out->authorities = out->additionals = 0;
        flags |= FLAG_TC;
    }
    finish(out, flags | rcode);
    return true;
}

/* --- hearing ------------------------------------------------------------------------------ */

static bool read_question(const uint8_t *bytes, size_t length, struct question *asked)
{
    size_t at = 12, used = 0;

    if (length < 17)
        return false;
    while (at < length && bytes[at] != 0) {
        size_t label = bytes[at];

        if (label > 63 || at + label + 1 >= length || used + label + 2 > sizeof asked->name)
            return false;
        if (used > 0)
            asked->name[used++] = '.';
        memcpy(asked->name + used, bytes + at + 1, label);
        used += label;
        at += label + 1;
    }
    asked->name[used] = '\0';
    text_lower(asked->name);
    if (at + 5 > length)
        return false;
    asked->type = (unsigned)bytes[at + 1] << 8 | bytes[at + 2];
    asked->flags = (unsigned)bytes[2] << 8 | bytes[3];
    asked->bytes = bytes;
    asked->length = at + 5;
    asked->edns_size = length >= at + 5 + 11 ? (unsigned)bytes[at + 8] << 8 | bytes[at + 9] : 0;
    return true;
}

static void note_port(struct fake_dns *fake, uint16_t port)
{
    for (unsigned i = 0; i < fake->port_count; i++)
        if (fake->ports[i] == port)
            return;
    if (fake->port_count < PORTS_MAX)
        fake->ports[fake->port_count++] = port;
}

static bool hear(struct fake_dns *fake, const uint8_t *bytes, size_t length, bool tcp,
                 struct writer *out)
{
    struct question asked = {.tcp = tcp};
    struct heard *heard;

    if (!read_question(bytes, length, &asked))
        return false;
    assert(fake->heard_count < HEARD_MAX);
    heard = &fake->heard[fake->heard_count++];
    memcpy(heard->name, asked.name, sizeof heard->name);
    heard->type = asked.type;
    fake->heard_over_tcp += tcp ? 1 : 0;
    fake->last_flags = asked.flags;
    fake->last_edns_size = asked.edns_size;
    return answer(fake, &asked, out);
}

static void answer_kept(struct fake_dns *fake, struct writer *out)
{
    const struct late_question *kept = &fake->kept;

    fake->rule_count = 0;
    if (hear(fake, kept->bytes, kept->length, false, out))
        (void)!sendto(fake->udp, out->bytes, out->length, 0, (const struct sockaddr *)&kept->from,
                      sizeof kept->from);
}

static void on_udp(void *context, bool readable, bool writable)
{
    static struct writer out;
    struct fake_dns *fake = context;
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    uint8_t bytes[1024];
    ssize_t got;

    (void)readable;
    (void)writable;
    while ((got = recvfrom(fake->udp, bytes, sizeof bytes, MSG_DONTWAIT, (struct sockaddr *)&from,
                           &size)) > 0) {
        note_port(fake, ntohs(from.sin_port));
        bool answered = hear(fake, bytes, (size_t)got, false, &out);
        if (fake->kept.length > 0 && fake_dns_last_had_cd(fake)) {
            answer_kept(fake, &out);
            continue;
        }
        if (!answered && fake->late && fake->kept.length == 0) {
            memcpy(fake->kept.bytes, bytes, (size_t)got);
            fake->kept.length = (size_t)got;
            fake->kept.from = from;
        }
        if (answered)
            (void)!sendto(fake->udp, out.bytes, out.length, 0, (struct sockaddr *)&from, size);
    }
}

static void close_peer(struct peer *peer)
{
    loop_io_stop(&peer->io);
    close(peer->fd);
    peer->fd = -1;
}

static void on_tcp(void *context, bool readable, bool writable)
{
    static struct writer out;
    struct peer *peer = context;
    ssize_t got =
        recv(peer->fd, peer->input + peer->length, sizeof peer->input - peer->length, MSG_DONTWAIT);
    size_t size;

    (void)readable;
    (void)writable;
    if (got <= 0) {
        close_peer(peer);
        return;
    }
    peer->length += (size_t)got;
    while (peer->length >= 2 &&
           peer->length >= 2 + (size = (size_t)peer->input[0] << 8 | peer->input[1])) {
        if (hear(peer->fake, peer->input + 2, size, true, &out)) {
            uint8_t prefix[2] = {(uint8_t)(out.length >> 8), (uint8_t)out.length};

            (void)!send(peer->fd, prefix, 2, MSG_NOSIGNAL | MSG_MORE);
            (void)!send(peer->fd, out.bytes, out.length, MSG_NOSIGNAL);
        }
        peer->length -= 2 + size;
        memmove(peer->input, peer->input + 2 + size, peer->length);
    }
}

static void on_listener(void *context, bool readable, bool writable)
{
    struct fake_dns *fake = context;
    int fd = accept(fake->listener, NULL, NULL);

    (void)readable;
    (void)writable;
    for (size_t i = 0; fd >= 0 && i < PEERS_MAX; i++) {
        struct peer *peer = &fake->peers[i];

        if (peer->fd >= 0)
            continue;
        peer->fake = fake;
        peer->fd = fd;
        peer->length = 0;
        loop_io_init(&peer->io, fake->loop, fd, on_tcp, peer);
        loop_io_want(&peer->io, true, false);
        return;
    }
    if (fd >= 0)
        close(fd);
}

/* --- set up ---------------------------------------------------------------------------------- */

/* UDP and TCP on one port: the kernel chooses for UDP, TCP follows or another is tried. */
static bool bind_both(struct fake_dns *fake)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;

    fake->udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    fake->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(fake->udp, (struct sockaddr *)&at, size) == 0 &&
        getsockname(fake->udp, (struct sockaddr *)&at, &size) == 0 &&
        bind(fake->listener, (struct sockaddr *)&at, size) == 0 &&
        listen(fake->listener, 128) == 0) {
        snprintf(fake->address, sizeof fake->address, "127.0.0.1:%u", ntohs(at.sin_port));
        return true;
    }
    close(fake->udp);
    close(fake->listener);
    return false;
}

struct fake_dns *fake_dns_new(struct loop *loop)
{
    struct fake_dns *fake = mem_new(struct fake_dns);
    int receive_buffer = 4 << 20;
    bool bound = false;

    fake->loop = loop;
    fake->negative_ttl = 300;
    for (size_t i = 0; i < PEERS_MAX; i++)
        fake->peers[i].fd = -1;
    for (int i = 0; i < 100 && !bound; i++)
        bound = bind_both(fake);
    assert(bound);
    setsockopt(fake->udp, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    loop_io_init(&fake->udp_io, loop, fake->udp, on_udp, fake);
    loop_io_want(&fake->udp_io, true, false);
    loop_io_init(&fake->listener_io, loop, fake->listener, on_listener, fake);
    loop_io_want(&fake->listener_io, true, false);
    return fake;
}

void fake_dns_free(struct fake_dns **fake)
{
    for (size_t i = 0; i < PEERS_MAX; i++)
        if ((*fake)->peers[i].fd >= 0)
            close_peer(&(*fake)->peers[i]);
    loop_io_stop(&(*fake)->udp_io);
    loop_io_stop(&(*fake)->listener_io);
    close((*fake)->udp);
    close((*fake)->listener);
    free(*fake);
    *fake = NULL;
}

const char *fake_dns_address(const struct fake_dns *fake) { return fake->address; }

static unsigned type_named(const char *name)
{
    static const struct {
        const char *name;
        unsigned type;
    } types[] = {{"A", DNS_A},     {"AAAA", DNS_AAAA}, {"CNAME", DNS_CNAME},
                 {"TXT", DNS_TXT}, {"MX", DNS_MX},     {"SRV", DNS_SRV}};

    for (size_t i = 0; i < ARRAY_LENGTH(types); i++)
        if (strcmp(types[i].name, name) == 0)
            return types[i].type;
    abort();
}

/* Copies the word at *text and moves behind it and its space. */
static void next_word(const char **text, char *out, size_t size)
{
    size_t length = strcspn(*text, " ");

    assert(length > 0 && length < size);
    memcpy(out, *text, length);
    out[length] = '\0';
    *text += length + ((*text)[length] == ' ' ? 1 : 0);
}

void fake_dns_add(struct fake_dns *fake, const char *record)
{
    struct record *added = &fake->records[fake->record_count++];
    char word[16];

    assert(fake->record_count <= RECORDS_MAX);
    next_word(&record, added->name, sizeof added->name);
    next_word(&record, word, sizeof word);
    added->ttl = (uint32_t)strtoul(word, NULL, 10);
    next_word(&record, word, sizeof word);
    added->type = type_named(word);
    assert(strlen(record) < sizeof added->data);
    memcpy(added->data, record, strlen(record) + 1);
}

void fake_dns_behave(struct fake_dns *fake, const char *name, unsigned type,
                     enum fake_dns_habit habit, unsigned times)
{
    struct rule *rule = &fake->rules[fake->rule_count++];

    assert(fake->rule_count <= RULES_MAX);
    *rule = (struct rule){.type = type, .habit = habit, .limited = times > 0, .left = times};
    memcpy(rule->name, name, strlen(name) + 1);
}

void fake_dns_negative_ttl(struct fake_dns *fake, uint32_t ttl_s) { fake->negative_ttl = ttl_s; }

void fake_dns_late(struct fake_dns *fake) { fake->late = true; }

void fake_dns_without_edns(struct fake_dns *fake) { fake->without_edns = true; }

unsigned fake_dns_heard(const struct fake_dns *fake, const char *name, unsigned type)
{
    unsigned count = 0;

    for (size_t i = 0; i < fake->heard_count; i++)
        if ((name == NULL || strcmp(fake->heard[i].name, name) == 0) &&
            (type == 0 || fake->heard[i].type == type))
            count++;
    return count;
}

unsigned fake_dns_heard_over_tcp(const struct fake_dns *fake)
{
    return (unsigned)fake->heard_over_tcp;
}

bool fake_dns_last_wanted_ad(const struct fake_dns *fake)
{
    return (fake->last_flags & FLAG_AD) != 0;
}

bool fake_dns_last_had_cd(const struct fake_dns *fake) { return (fake->last_flags & FLAG_CD) != 0; }

unsigned fake_dns_last_edns_size(const struct fake_dns *fake) { return fake->last_edns_size; }

unsigned fake_dns_source_ports(const struct fake_dns *fake) { return fake->port_count; }
