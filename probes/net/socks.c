#include "probes/net/socks.h"

#include <string.h>

#include "probes/base/mem.h"

enum {
    VERSION = 5,
    METHOD_NONE = 0,
    METHOD_PASSWORD = 2,
    LOGIN_VERSION = 1,
    COMMAND_CONNECT = 1,
    ADDRESS_IPV4 = 1,
    ADDRESS_NAME = 3,
    ADDRESS_IPV6 = 4,
    PORT_OCTETS = 2
};

/* RFC 1928 section 6. What speaks of the way to the server is told as such; what speaks of the
 * proxy itself says nothing about the server. Codes beyond these are not assigned. */
static const enum conn_event events[] = {
    CONN_CONNECTED,    CONN_PROXY_FAILED, /* general failure */
    CONN_PROXY_FAILED,                    /* not allowed by its rules */
    CONN_UNREACHABLE,                     /* network */
    CONN_UNREACHABLE,                     /* host */
    CONN_REFUSED,      CONN_UNREACHABLE,  /* TTL expired */
    CONN_PROXY_FAILED,                    /* command not supported */
    CONN_UNREACHABLE                      /* address type: it has no such family */
};

/* --- what we say --------------------------------------------------------------------- */

static size_t put_methods(const struct socks *socks, uint8_t *out)
{
    out[0] = VERSION;
    out[1] = socks->proxy->user != NULL ? 2 : 1;
    out[2] = METHOD_NONE;
    out[3] = METHOD_PASSWORD;
    return 2u + out[1];
}

static size_t put_word(uint8_t *out, const char *word)
{
    size_t length = strnlen(word, SOCKS_WORD_MAX);

    out[0] = (uint8_t)length;
    memcpy(out + 1, word, length);
    return 1 + length;
}

static size_t put_login(const struct socks *socks, uint8_t *out)
{
    const struct socks_proxy *proxy = socks->proxy;
    size_t length = 1;

    out[0] = LOGIN_VERSION;
    length += put_word(out + length, proxy->user);
    length += put_word(out + length, proxy->password != NULL ? proxy->password : "");
    return length;
}

static size_t put_connect(const struct socks *socks, uint8_t *out)
{
    bool wide = socks->target.family == 6;
    size_t octets = wide ? 16 : 4;

    out[0] = VERSION;
    out[1] = COMMAND_CONNECT;
    out[2] = 0;
    out[3] = wide ? ADDRESS_IPV6 : ADDRESS_IPV4;
    memcpy(out + 4, socks->target.octets, octets);
    out[4 + octets] = (uint8_t)(socks->target_port >> 8);
    out[5 + octets] = (uint8_t)socks->target_port;
    return 4 + octets + PORT_OCTETS;
}

size_t socks_request(const struct socks *socks, uint8_t out[SOCKS_REQUEST_MAX])
{
    switch (socks->state) {
    case SOCKS_METHOD:
        return put_methods(socks, out);
    case SOCKS_LOGIN:
        return put_login(socks, out);
    case SOCKS_ANSWER:
        return put_connect(socks, out);
    case SOCKS_NAME_LENGTH:
    case SOCKS_BOUND:
        break;
    }
    return 0;
}

/* --- what we hear ---------------------------------------------------------------------- */

static enum socks_step await(struct socks *socks, enum socks_state state, size_t octets)
{
    socks->state = state;
    socks->missing = (uint16_t)octets;
    socks->head_length = 0;
    return state == SOCKS_LOGIN || state == SOCKS_ANSWER ? SOCKS_SEND : SOCKS_READ;
}

static enum socks_step over(struct socks *socks, enum conn_event event)
{
    socks->event = event;
    socks->missing = 0;
    return SOCKS_OVER;
}

static enum socks_step on_method(struct socks *socks)
{
    if (socks->head[0] != VERSION)
        return over(socks, CONN_PROXY_FAILED);
    if (socks->head[1] == METHOD_NONE)
        return await(socks, SOCKS_ANSWER, SOCKS_HEAD);
    if (socks->head[1] == METHOD_PASSWORD && socks->proxy->user != NULL)
        return await(socks, SOCKS_LOGIN, 2);
    return over(socks, CONN_PROXY_FAILED);
}

/* The version in front is not looked at: some proxies say 5 there. */
static enum socks_step on_login(struct socks *socks)
{
    return socks->head[1] == 0 ? await(socks, SOCKS_ANSWER, SOCKS_HEAD)
                               : over(socks, CONN_PROXY_FAILED);
}

static enum socks_step on_answer(struct socks *socks)
{
    uint8_t code = socks->head[1];

    if (socks->head[0] != VERSION || code >= ARRAY_LENGTH(events))
        return over(socks, CONN_PROXY_FAILED);
    if (events[code] != CONN_CONNECTED)
        return over(socks, events[code]); /* not every proxy sends the rest then */
    switch (socks->head[3]) {
    case ADDRESS_IPV4:
        return await(socks, SOCKS_BOUND, 4 + PORT_OCTETS);
    case ADDRESS_IPV6:
        return await(socks, SOCKS_BOUND, 16 + PORT_OCTETS);
    case ADDRESS_NAME:
        return await(socks, SOCKS_NAME_LENGTH, 1);
    default:
        return over(socks, CONN_PROXY_FAILED);
    }
}

static enum socks_step complete(struct socks *socks)
{
    switch (socks->state) {
    case SOCKS_METHOD:
        return on_method(socks);
    case SOCKS_LOGIN:
        return on_login(socks);
    case SOCKS_ANSWER:
        return on_answer(socks);
    case SOCKS_NAME_LENGTH:
        return await(socks, SOCKS_BOUND, socks->head[0] + (size_t)PORT_OCTETS);
    case SOCKS_BOUND:
        break;
    }
    return over(socks, CONN_CONNECTED);
}

enum socks_step socks_reply(struct socks *socks, const uint8_t *bytes, size_t length)
{
    if (length == 0 || length > socks->missing)
        return over(socks, CONN_PROXY_FAILED); /* nothing, or more than was wanted */
    socks->missing = (uint16_t)(socks->missing - length);
    for (size_t i = 0; i < length && socks->head_length < SOCKS_HEAD; i++)
        socks->head[socks->head_length++] = bytes[i];
    return socks->missing == 0 ? complete(socks) : SOCKS_READ;
}

size_t socks_wanted(const struct socks *socks) { return socks->missing; }

bool socks_asked(const struct socks *socks) { return socks->state >= SOCKS_ANSWER; }

void socks_begin(struct socks *socks, const struct socks_proxy *proxy,
                 const struct ip_address *target, uint16_t port)
{
    *socks = (struct socks){
        .proxy = proxy,
        .target = *target,
        .target_port = port,
        .event = CONN_PROXY_FAILED,
    };
    await(socks, SOCKS_METHOD, 2);
}
