#include "api/forwarded.h"

#include <string.h>

#include "probes/base/text.h"

enum { FORWARDED_MAX = 16384 };

static enum MHD_Result on_field(void *context, enum MHD_ValueKind kind, const char *key,
                                const char *value)
{
    struct text *joined = context;

    (void)kind;
    if (!text_equal_nocase(key, "X-Forwarded-For") || value == NULL)
        return MHD_YES;
    text_char(joined, ','); /* proxies add a line of their own as well as to the last one */
    text_put(joined, value);
    return MHD_YES;
}

/* "192.0.2.1", "2001:db8::1", "[2001:db8::1]:443" */
static bool parse_hop(const char *text, size_t length, struct ip_address *ip)
{
    char copy[IP_TEXT_SIZE + 2];

    while (length > 0 && strchr(" \t", text[length - 1]) != NULL)
        length--;
    while (length > 0 && strchr(" \t", *text) != NULL)
        text++, length--;
    if (length == 0 || length >= sizeof(copy))
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (*copy != '[')
        return ip_parse(copy, ip);
    copy[strcspn(copy, "]")] = '\0';
    return ip_parse(copy + 1, ip);
}

struct ip_address forwarded_from(const char *value, const struct ip_address *peer,
                                 const struct ip_networks *trusted)
{
    struct ip_address client = *peer;
    size_t end = strlen(value);

    while (end > 0 && ip_networks_contain(trusted, &client)) {
        size_t start = end;

        while (start > 0 && value[start - 1] != ',')
            start--;
        if (!parse_hop(value + start, end - start, &client))
            break;
        end = start > 0 ? start - 1 : 0;
    }
    return client;
}

struct ip_address forwarded_client(struct MHD_Connection *mhd, const struct ip_address *peer,
                                   const struct ip_networks *trusted)
{
    struct ip_address client = *peer;
    struct text joined;

    if (trusted->count == 0 || !ip_networks_contain(trusted, peer))
        return client;
    text_init(&joined, FORWARDED_MAX);
    MHD_get_connection_values(mhd, MHD_HEADER_KIND, on_field, &joined);
    if (joined.bytes != NULL && !joined.overflow)
        client = forwarded_from(joined.bytes, peer, trusted);
    text_free(&joined);
    return client;
}
