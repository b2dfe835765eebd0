/* dns_message.c - the bounded reader behind dns_message.h. */
#include "probes/net/dns_message.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "probes/base/text.h"

enum {
    HEADER_SIZE = 12,
    RECORDS_LOOKED_AT_MAX = 512, /* a 64 KiB answer could hold 5,900 */
    NAME_OCTETS_MAX = 255,
    LABEL_OCTETS_MAX = 63,
    CLASS_IN = 1,
    TYPE_SOA = 6,
    TYPE_OPT = 41,
    OPTION_EXTENDED_ERROR = 15
};

enum { FLAG_RESPONSE = 0x8000, FLAG_TRUNCATED = 0x0200, FLAG_AUTHENTIC = 0x0020 };

/* --- bounded reading ------------------------------------------------------------------- */

struct reader {
    const uint8_t *bytes;
    size_t length, at;
};

static bool read_u16(struct reader *reader, uint16_t *out)
{
    if (reader->length - reader->at < 2)
        return false;
    *out = (uint16_t)(reader->bytes[reader->at] << 8 | reader->bytes[reader->at + 1]);
    reader->at += 2;
    return true;
}

static bool read_u32(struct reader *reader, uint32_t *out)
{
    uint16_t high, low;

    if (!read_u16(reader, &high) || !read_u16(reader, &low))
        return false;
    *out = (uint32_t)high << 16 | low;
    return true;
}

/* One label as text: lower-case, and what could be mistaken is escaped (RFC 4343 section 2.1). */
static size_t label_text(const uint8_t *label, size_t length, char *out)
{
    size_t written = 0;

    for (size_t i = 0; i < length; i++) {
        uint8_t c = label[i];

        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c + ('a' - 'A'));
        if (c <= 0x20 || c >= 0x7f) {
            out[written++] = '\\';
            out[written++] = (char)('0' + c / 100);
            out[written++] = (char)('0' + c / 10 % 10);
            out[written++] = (char)('0' + c % 10);
        } else {
            if (c == '.' || c == '\\')
                out[written++] = '\\';
            out[written++] = (char)c;
        }
    }
    return written;
}

/* A compression pointer must point before the part of the name it ends, so the walk goes
 * down for ever and cannot loop. */
bool dns_name_read(const uint8_t *bytes, size_t length, size_t *offset,
                   char out[DNS_NAME_TEXT_SIZE])
{
    size_t at = *offset, lowest = at, octets = 1, written = 0;
    bool jumped = false;

    while (at < length && bytes[at] != 0) {
        uint8_t size = bytes[at];

        if (size >= 0xc0) {
            size_t target;

            if (length - at < 2)
                return false;
            target = (size_t)(size & 0x3f) << 8 | bytes[at + 1];
            if (target >= lowest)
                return false;
            if (!jumped)
                *offset = at + 2;
            jumped = true;
            at = lowest = target;
            continue;
        }
        octets += size + 1u;
        if (size > LABEL_OCTETS_MAX || octets > NAME_OCTETS_MAX || length - at <= size)
            return false;
        if (written > 0)
            out[written++] = '.';
        written += label_text(bytes + at + 1, size, out + written);
        at += size + 1u;
    }
    if (at >= length)
        return false;
    if (!jumped)
        *offset = at + 1;
    out[written] = '\0';
    return true;
}

static bool read_name(struct reader *reader, char out[DNS_NAME_TEXT_SIZE])
{
    return dns_name_read(reader->bytes, reader->length, &reader->at, out);
}

/* --- resource records -------------------------------------------------------------------- */

struct resource {
    char owner[DNS_NAME_TEXT_SIZE];
    uint16_t type, class;
    uint32_t ttl;
    size_t data, data_length; /* within the message */
};

static bool read_resource(struct reader *reader, struct resource *out)
{
    uint16_t data_length;

    if (!read_name(reader, out->owner) || !read_u16(reader, &out->type) ||
        !read_u16(reader, &out->class) || !read_u32(reader, &out->ttl) ||
        !read_u16(reader, &data_length) || reader->length - reader->at < data_length)
        return false;
    if (out->type != TYPE_OPT && out->ttl > INT32_MAX)
        out->ttl = 0; /* RFC 2181 section 8 */
    out->data = reader->at;
    out->data_length = data_length;
    reader->at += data_length;
    return true;
}

/* A reader over the data of a record. Names in it may point back into the message, so the
 * message is what bounds it; data_is_used_up() then holds it to its length. */
static struct reader data_reader(const struct reader *message, const struct resource *resource)
{
    return (struct reader){message->bytes, resource->data + resource->data_length, resource->data};
}

static const char *store(struct dns_message *out, const char *bytes, size_t length)
{
    char *place = out->arena + out->arena_used;

    if (length >= sizeof out->arena - out->arena_used)
        return NULL;
    memcpy(place, bytes, length);
    place[length] = '\0';
    out->arena_used += length + 1;
    return place;
}

/* Each reader of record data returns false when the data is malformed. */

static bool read_address(struct reader *data, struct dns_message *out, struct dns_record *record)
{
    size_t size = data->length - data->at;

    (void)out;
    if (size != 4 && size != 16)
        return false;
    record->address.family = size == 4 ? 4 : 6;
    memcpy(record->address.octets, data->bytes + data->at, size);
    data->at += size;
    return true;
}

static bool read_target(struct reader *data, struct dns_message *out, struct dns_record *record)
{
    char name[DNS_NAME_TEXT_SIZE];

    if (!read_name(data, name))
        return false;
    record->name = store(out, name, strlen(name));
    return true;
}

static bool read_mx(struct reader *data, struct dns_message *out, struct dns_record *record)
{
    return read_u16(data, &record->preference) && read_target(data, out, record);
}

static bool read_srv(struct reader *data, struct dns_message *out, struct dns_record *record)
{
    return read_u16(data, &record->preference) && read_u16(data, &record->weight) &&
           read_u16(data, &record->port) && read_target(data, out, record);
}

static bool read_txt(struct reader *data, struct dns_message *out, struct dns_record *record)
{
    char text[DNS_TEXT_MAX];
    size_t length = 0;
    bool fits = true;

    if (data->at == data->length)
        return false; /* at least one string, RFC 1035 section 3.3.14 */
    while (data->at < data->length) {
        size_t part = data->bytes[data->at++];

        if (part > data->length - data->at)
            return false;
        fits = fits && part <= sizeof text - length;
        if (fits) {
            memcpy(text + length, data->bytes + data->at, part);
            length += part;
        }
        data->at += part;
    }
    record->text = fits ? store(out, text, length) : NULL;
    record->text_length = length;
    return true;
}

typedef bool read_data_fn(struct reader *data, struct dns_message *out, struct dns_record *record);

static read_data_fn *reader_of(enum dns_type type)
{
    switch (type) {
    case DNS_A:
    case DNS_AAAA:
        return read_address;
    case DNS_CNAME:
    case DNS_PTR:
        return read_target;
    case DNS_MX:
        return read_mx;
    case DNS_TXT:
        return read_txt;
    case DNS_SRV:
        return read_srv;
    }
    return NULL;
}

static bool fits_type(const struct dns_record *record, enum dns_type type)
{
    if (type == DNS_A || type == DNS_AAAA)
        return record->address.family == (type == DNS_A ? 4 : 6);
    return type == DNS_TXT ? record->text != NULL : record->name != NULL;
}

/* Records beyond our bounds are left out; malformed ones spoil the message. */
static bool take_record(const struct reader *message, const struct resource *resource,
                        enum dns_type type, struct dns_message *out)
{
    struct reader data = data_reader(message, resource);
    struct dns_record record = {.preference = 0};

    if (!reader_of(type)(&data, out, &record) || data.at != data.length)
        return false;
    if (type == DNS_A || type == DNS_AAAA) {
        if (!fits_type(&record, type))
            return false;
    } else if (!fits_type(&record, type)) {
        return true; /* too long, or the arena is full */
    }
    out->records[out->count++] = record;
    return true;
}

/* --- sections ------------------------------------------------------------------------------ */

struct sections {
    uint16_t questions, answers, authorities, additionals;
};

static bool read_header(struct reader *reader, struct dns_message *out, struct sections *sections)
{
    uint16_t id, flags;

    if (!read_u16(reader, &id) || !read_u16(reader, &flags) ||
        !read_u16(reader, &sections->questions) || !read_u16(reader, &sections->answers) ||
        !read_u16(reader, &sections->authorities) || !read_u16(reader, &sections->additionals))
        return false;
    out->rcode = flags & 0x0f;
    out->authentic = (flags & FLAG_AUTHENTIC) != 0;
    out->truncated = (flags & FLAG_TRUNCATED) != 0;
    return (flags & FLAG_RESPONSE) != 0;
}

static bool question_matches(struct reader *reader, const struct sections *sections,
                             const char *name, enum dns_type type)
{
    char asked[DNS_NAME_TEXT_SIZE];
    uint16_t asked_type, asked_class;

    return sections->questions == 1 && read_name(reader, asked) && read_u16(reader, &asked_type) &&
           read_u16(reader, &asked_class) && asked_type == (uint16_t)type &&
           asked_class == CLASS_IN && strcasecmp(asked, name) == 0;
}

static void lower_ttl(struct dns_message *out, uint32_t ttl_s)
{
    if (ttl_s < out->ttl_s)
        out->ttl_s = ttl_s;
}

/* Follows one CNAME of the current name. False when malformed; *found tells the rest. */
static bool follow_alias(struct reader reader, unsigned answers, struct dns_message *out,
                         bool *found)
{
    struct resource resource;
    struct reader data;

    *found = false;
    for (unsigned i = 0; i < answers && !*found; i++) {
        if (!read_resource(&reader, &resource))
            return false;
        if (resource.type != DNS_CNAME || resource.class != CLASS_IN ||
            strcmp(resource.owner, out->final_name) != 0)
            continue;
        data = data_reader(&reader, &resource);
        if (!read_name(&data, out->final_name) || data.at != data.length)
            return false;
        lower_ttl(out, resource.ttl);
        *found = true;
    }
    return true;
}

/* To the last name of the chain. More hops than allowed are a loop, whatever they are. */
static bool follow_aliases(const struct reader *reader, unsigned answers, enum dns_type type,
                           struct dns_message *out)
{
    bool found = type != DNS_CNAME;

    while (found && !out->loop) {
        if (!follow_alias(*reader, answers, out, &found))
            return false;
        if (found && ++out->hops > DNS_HOPS_MAX)
            out->loop = true;
    }
    return true;
}

/* Leaves the reader behind the section. */
static bool take_answers(struct reader *reader, unsigned answers, enum dns_type type,
                         struct dns_message *out)
{
    struct resource resource;

    for (unsigned i = 0; i < answers; i++) {
        if (!read_resource(reader, &resource))
            return false;
        if (resource.type != (uint16_t)type || resource.class != CLASS_IN ||
            strcmp(resource.owner, out->final_name) != 0 || out->count == DNS_RECORDS_MAX ||
            out->loop)
            continue;
        lower_ttl(out, resource.ttl);
        if (!take_record(reader, &resource, type, out))
            return false;
    }
    return true;
}

/* RFC 2308 section 5: the lesser of the SOA's own TTL and its last field. */
static bool take_soa(const struct reader *message, const struct resource *resource,
                     struct dns_message *out)
{
    struct reader data = data_reader(message, resource);
    char name[DNS_NAME_TEXT_SIZE];
    uint32_t field = 0;

    for (int i = 0; i < 2; i++)
        if (!read_name(&data, name))
            return false;
    for (int i = 0; i < 5; i++)
        if (!read_u32(&data, &field))
            return false;
    out->has_soa = true;
    if (out->count == 0) {
        lower_ttl(out, resource->ttl);
        lower_ttl(out, field);
    }
    return true;
}

static bool take_opt(const struct reader *message, const struct resource *resource,
                     struct dns_message *out)
{
    struct reader data = data_reader(message, resource);
    uint16_t code, size, error;

    out->has_opt = true;
    out->rcode |= (resource->ttl >> 24) << 4;
    while (data.at < data.length) {
        size_t end;

        if (!read_u16(&data, &code) || !read_u16(&data, &size) || data.length - data.at < size)
            return false;
        end = data.at + size;
        if (code == OPTION_EXTENDED_ERROR && size >= 2 && read_u16(&data, &error) &&
            error >= DNS_EDE_BLOCKED && error <= DNS_EDE_PROHIBITED)
            out->filtered = true;
        data.at = end;
    }
    return true;
}

static bool take_rest(struct reader *reader, unsigned records, struct dns_message *out)
{
    struct resource resource;

    for (unsigned i = 0; i < records; i++) {
        if (!read_resource(reader, &resource))
            return false;
        if (resource.type == TYPE_SOA && !take_soa(reader, &resource, out))
            return false;
        if (resource.type == TYPE_OPT && !take_opt(reader, &resource, out))
            return false;
    }
    return true;
}

/* A truncated answer may end anywhere; c-ares asks again over TCP, so it is only seen when
 * that failed, and nothing but the header is believed then. */
bool dns_message_parse(const uint8_t *bytes, size_t length, const char *name, enum dns_type type,
                       struct dns_message *out)
{
    struct reader reader = {bytes, length, 0};
    struct sections sections;
    unsigned rest;

    memset(out, 0, offsetof(struct dns_message, records));
    out->arena_used = 0;
    out->ttl_s = UINT32_MAX;
    if (length < HEADER_SIZE || reader_of(type) == NULL || strlen(name) >= DNS_NAME_SIZE ||
        !read_header(&reader, out, &sections))
        return false;
    if (sections.questions == 0 && out->rcode != DNS_RCODE_NOERROR &&
        out->rcode != DNS_RCODE_NXDOMAIN)
        return true; /* a refusal need not repeat the question */
    if (!question_matches(&reader, &sections, name, type))
        return false;
    memcpy(out->final_name, name, strlen(name) + 1);
    text_lower(out->final_name);
    if (out->truncated)
        return true;
    rest = (unsigned)sections.authorities + sections.additionals;
    if (sections.answers > RECORDS_LOOKED_AT_MAX || rest > RECORDS_LOOKED_AT_MAX)
        return false;
    return follow_aliases(&reader, sections.answers, type, out) &&
           take_answers(&reader, sections.answers, type, out) && take_rest(&reader, rest, out);
}
