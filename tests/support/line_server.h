/* line_server.h - a scripted server on loopback, in a thread of its own: each connection plays the
 * script from its beginning, or from behind a STEP_NEXT. */
#pragma once

#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/base/ip.h"

enum line_step_kind {
    STEP_END,          /* close in order */
    STEP_NEXT,         /* the same; the next connection goes on behind it */
    STEP_SEND,         /* `bytes`; length 0 = up to its NUL */
    STEP_PIECES,       /* `bytes`, one octet at a time */
    STEP_EXPECT,       /* read one line; it must be `bytes` */
    STEP_OCTETS,       /* read as many octets as `bytes` has; they must be those */
    STEP_WAIT,         /* read one octet, whatever it is */
    STEP_PEEK,         /* wait for an octet, also one of TLS alone, and leave it there */
    STEP_TLS,          /* accept TLS; a failing handshake ends the script */
    STEP_TLS_GREETING, /* the same, and say `bytes` before it is through (RFC 8446 section 2) */
    STEP_PARTED,       /* read the peer's close_notify */
    STEP_REKEY,        /* ask for new keys (RFC 8446 section 4.6.3) */
    STEP_REKEYS,       /* `length` times new keys, and none asked for */
    STEP_RENEW,        /* ask for a new handshake (RFC 5246 section 7.4.1.1) */
    STEP_RESET,        /* close with RST */
    STEP_HOLD          /* read and forget until the peer leaves */
};

struct line_step {
    enum line_step_kind kind;
    const char *bytes;
    size_t length;
};

struct line_server;

/* Serves `connections` connections, one after the other; the script is borrowed. `tls` may be NULL.
 */
struct line_server *line_server_start(const struct line_step *script, SSL_CTX *tls,
                                      unsigned connections);
uint16_t line_server_port(const struct line_server *server); /* on 127.0.0.1 */
/* Waits for the thread; returns how many lines were not as expected. */
unsigned line_server_stop(struct line_server **server);
/* 127.0.0.0/8, for conn_params.allowed. */
const struct ip_networks *loopback_networks(void);
