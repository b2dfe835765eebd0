/* tls.h - TLS client contexts of one loop, and the facts of a handshake.
 *
 * A probe looks; it does not depend on the certificate. Handshakes go through with
 * any certificate, and what was wrong with it comes out as tls_facts (RFC 9525 for
 * names: subjectAltName only). Every loop has its own OpenSSL library context, one
 * store and two client contexts, so loops share no lock (the normal one speaks
 * TLS 1.2 and 1.3; the legacy one also what nobody should speak any more). */
#pragma once

#include <stdbool.h>

#include "probes/base/evidence.h"

struct tls_client;

struct tls_client_params {
    const char *ca_file;   /* NULL: the system's store */
    unsigned sessions_max; /* resumable sessions kept; 0 = none */
};

/* NULL when the CA file cannot be read; *error then says why (static text). */
struct tls_client *tls_client_new(const struct tls_client_params *params, const char **error);
void tls_client_free(struct tls_client **client);
/* Certificates in the store: 0 means nothing can be trusted (readiness shows it). */
unsigned tls_client_anchors(const struct tls_client *client);
