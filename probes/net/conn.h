/* conn.h - one TCP connection that speaks lines, in clear or in TLS.
 *
 * Contract
 *  - Connects to exactly the address given, after asking ip_may_connect() about it. Through a
 *    SOCKS5 proxy that is the address the proxy is told; the proxy's own is the operator's choice.
 *  - Callbacks come on the loop's thread, never from inside conn_open() or conn_send().
 *  - After an event other than CONN_CONNECTED and CONN_TLS_READY the connection is over:
 *    nothing more is delivered; the owner still calls conn_close().
 *  - A handler may call conn_close() at any point; no callback comes after it.
 *  - At rest a connection holds no buffers: a reading one keeps only an unfinished line. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/base/evidence.h"
#include "probes/base/ip.h"
#include "probes/base/loop.h"
#include "probes/net/tls.h"

struct conn;
struct socks_proxy;

enum conn_event {
    CONN_CONNECTED,
    CONN_TLS_READY,         /* conn_tls_facts() is filled */
    CONN_TLS_FAILED,        /* handshake broken, or octets were waiting behind the STARTTLS reply */
    CONN_CLOSED,            /* the peer closed in order */
    CONN_LOST,              /* reset, or an error after connect */
    CONN_REFUSED,           /* RST to our SYN */
    CONN_UNREACHABLE,       /* no route, ICMP, family not there */
    CONN_TIMED_OUT,         /* the time set by conn_set_timeout() ran out (connecting included) */
    CONN_LINE_TOO_LONG,     /* more than line_max octets without LF */
    CONN_ADDRESS_FORBIDDEN, /* special-purpose and not allowed: no socket was opened */
    CONN_LOCAL_ERROR,       /* out of descriptors or ports */
    CONN_PROXY_FAILED /* down, of another protocol, or unwilling: says nothing about the peer */
};

struct conn_handler {
    void (*on_event)(void *context, enum conn_event event);
    /* One line without its LF or CRLF; may hold NUL and any octet; borrowed until return. */
    void (*on_line)(void *context, const char *line, size_t length);
};

struct conn_params {
    struct loop *loop;
    struct ip_address address;
    uint16_t port;
    struct ip_address source;           /* family 0: the system chooses; not used through a proxy */
    const struct socks_proxy *proxy;    /* NULL: directly; borrowed until connected or over */
    const struct ip_networks *allowed;  /* operator's allow_networks; borrowed for the call */
    uint32_t connect_timeout_ms;        /* the proxy's handshake included */
    uint32_t line_max;                  /* octets; longer lines end the connection */
    const struct conn_handler *handler; /* borrowed, static */
    void *context;
};

/* Always returns a connection; failures come as events, even immediate ones. */
struct conn *conn_open(const struct conn_params *params);
/* From now, for all until the next call, and up to a 128th longer; 0 = no limit. Runs out as
 * CONN_TIMED_OUT. */
void conn_set_timeout(struct conn *conn, uint32_t timeout_ms);
/* Queues and sends; one call per turn of a dialogue (Nagle is off). At most 8 KiB pending, and
 * nothing while TLS is being set up: else CONN_LOCAL_ERROR. */
void conn_send(struct conn *conn, const char *bytes, size_t length);
/* The same for the last that is sent: in TLS the notice that we close goes out with it (RFC 8446
 * section 6.1), and reading goes on. */
void conn_send_last(struct conn *conn, const char *bytes, size_t length);
/* Client handshake now. Octets already received and not yet delivered as lines are never shown:
 * they make it CONN_TLS_FAILED with finding starttls_injection. `server_name` is SNI and the name
 * to match. `legacy` = use the legacy context (old versions and ciphers). */
void conn_start_tls(struct conn *conn, struct tls_client *client, const char *server_name,
                    bool legacy);
const struct tls_facts *conn_tls_facts(const struct conn *conn);
/* Our end of an open connection: what the peer sees of us unless something translates. False: not
 * known, as always through a proxy. */
bool conn_local_address(const struct conn *conn, struct ip_address *address);
/* Closes and frees; sets *conn to NULL; NULL is fine. `reset` drops the connection with RST (no
 * TIME_WAIT): for aborts. Orderly closes are for after the peer has closed or answered QUIT. */
void conn_close(struct conn **conn, bool reset);
