/* socks.h - our side of a SOCKS5 handshake (RFC 1928, RFC 1929): pure, octets in, octets out.
 *
 *   socks_begin, then as the steps say:
 *   SOCKS_SEND  send what socks_request() gives, then read
 *   SOCKS_READ  read at most socks_wanted() octets and give them to socks_reply()
 *   SOCKS_OVER  `event` says how it ended: CONN_CONNECTED, or why not
 *
 * It never wants more octets than the proxy's own reply has: what the server behind the proxy says
 * at once stays in the socket, for the one who reads next. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/base/ip.h"
#include "probes/net/conn.h"

enum {
    SOCKS_WORD_MAX = 255, /* octets of a user name or a password (RFC 1929 section 2) */
    SOCKS_REQUEST_MAX = 3 + 2 * SOCKS_WORD_MAX,
    SOCKS_HEAD = 4 /* octets of a reply before its address */
};

struct socks_proxy {
    struct ip_address address;
    uint16_t port;
    char *user, *password; /* NULL: none */
};

enum socks_step { SOCKS_SEND, SOCKS_READ, SOCKS_OVER };

enum socks_state {
    SOCKS_METHOD,      /* which way of logging in does it choose? */
    SOCKS_LOGIN,       /* does it know us? */
    SOCKS_ANSWER,      /* did its connect succeed? */
    SOCKS_NAME_LENGTH, /* the address bound is a name: how long? */
    SOCKS_BOUND        /* the address bound, of no use to us */
};

struct socks {
    const struct socks_proxy *proxy; /* borrowed until it is over */
    struct ip_address target;
    uint16_t target_port;
    uint16_t missing; /* octets of the reply awaited that are still to come */
    enum socks_state state;
    uint8_t head[SOCKS_HEAD], head_length;
    enum conn_event event;
};

/* The first step is SOCKS_SEND. */
void socks_begin(struct socks *socks, const struct socks_proxy *proxy,
                 const struct ip_address *target, uint16_t port);
/* Returns the length of what is to be sent now. */
size_t socks_request(const struct socks *socks, uint8_t out[SOCKS_REQUEST_MAX]);
size_t socks_wanted(const struct socks *socks);
enum socks_step socks_reply(struct socks *socks, const uint8_t *bytes, size_t length);
/* The proxy is on its way to the server: silence from now on may be the server's. */
bool socks_asked(const struct socks *socks);
