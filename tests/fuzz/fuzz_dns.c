/* Fuzzes the reader of DNS answers. The first octet chooses the type asked for; the rest is
 * the answer. What comes out has to keep its promises, whatever went in. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/net/dns_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise)
{
    if (!promise)
        abort();
}

static bool in_arena(const struct dns_message *message, const char *text, size_t length)
{
    return text >= message->arena && text + length < message->arena + message->arena_used &&
           text[length] == '\0';
}

static void check_record(const struct dns_message *message, const struct dns_record *record,
                         enum dns_type type)
{
    if (type == DNS_A || type == DNS_AAAA)
        require(record->address.family == (type == DNS_A ? 4 : 6));
    else if (type == DNS_TXT)
        require(in_arena(message, record->text, record->text_length));
    else
        require(in_arena(message, record->name, strlen(record->name)) &&
                strlen(record->name) < DNS_NAME_TEXT_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum dns_type types[] = {DNS_A, DNS_CNAME, DNS_MX, DNS_TXT, DNS_AAAA, DNS_SRV};
    static struct dns_message message;
    enum dns_type type;

    if (size == 0)
        return 0;
    type = types[data[0] % ARRAY_LENGTH(types)];
    if (!dns_message_parse(data + 1, size - 1, "a.test", type, &message))
        return 0;
    require(message.count <= DNS_RECORDS_MAX && message.arena_used <= DNS_ARENA_SIZE);
    require(strlen(message.final_name) < DNS_NAME_TEXT_SIZE);
    require(message.loop || message.hops <= DNS_HOPS_MAX);
    for (size_t i = 0; i < message.count; i++)
        check_record(&message, &message.records[i], type);
    return 0;
}
