/* yardstick_starttls.h - the TLS of yardstick_smtp: OpenSSL over the socket, nothing else. */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct starttls {
    SSL_CTX *context;
    SSL_SESSION **tickets; /* by domain */
    size_t count;
    uint64_t resumed; /* sessions */
};

struct starttls_session {
    struct starttls *starttls;
    size_t number; /* of the domain */
    SSL *ssl;      /* NULL: in clear */
    SSL_SESSION *ticket;
};

enum starttls_step { STARTTLS_DONE, STARTTLS_MORE, STARTTLS_BROKEN };

/* `directory`: the world's, with its ca.pem. */
bool starttls_open(struct starttls *starttls, const char *directory, size_t domains);
void starttls_close(struct starttls *starttls);

/* Chain and name verified; resumed where a ticket is at hand. */
enum starttls_step starttls_begin(struct starttls_session *session, int fd, const char *name);
enum starttls_step starttls_go_on(struct starttls_session *session);
void starttls_end(struct starttls_session *session);
