/* lab_tls.h - the lab's own CA, and a certificate for every host, good or bad. */
#pragma once

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "tests/lab/world.h"

struct lab_tls;

/* Writes ca.pem and ca.key. */
bool lab_tls_make_ca(const char *directory, char *error, size_t error_size);
struct lab_tls *lab_tls_new(const char *directory, const struct world *world, char *error,
                            size_t error_size);
void lab_tls_free(struct lab_tls **tls);
/* A server side for one connection to `host`, with the certificate that its play calls for. */
SSL *lab_tls_accept(struct lab_tls *tls, size_t host);
