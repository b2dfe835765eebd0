/* imap_server.h - a server that plays one scenario per connection, on a thread of its own. */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/imap_scenario.h"

struct imap_server;

struct imap_server_params {
    const char *address;                  /* 127.x.y.z */
    uint16_t port;                        /* 0 = any free one */
    SSL_CTX *tls;                         /* borrowed; NULL when the scenario has no TLS */
    const struct imap_scenario *scenario; /* borrowed for life */
};

struct imap_server *imap_server_start(const struct imap_server_params *params);
uint16_t imap_server_port(const struct imap_server *server);
/* Ends the thread; afterwards the three below may be read. */
void imap_server_stop(struct imap_server *server);
unsigned imap_server_connections(const struct imap_server *server);
/* How often a client came while another one was being served. */
unsigned imap_server_overlaps(const struct imap_server *server);
/* "" or how a client left the script. */
const char *imap_server_complaint(const struct imap_server *server);
void imap_server_free(struct imap_server **server); /* stops it too */
