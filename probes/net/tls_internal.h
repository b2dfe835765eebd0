/* tls_internal.h - what conn.c and the tls_*.c files share. Nobody else includes it. */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/net/tls.h"

/* --- one connection's TLS (tls_session.c) --------------------------------- */

struct tls_session;

enum tls_result {
    TLS_DONE,      /* the step is complete */
    TLS_WANT_READ, /* again when the socket is readable */
    TLS_ENDED,     /* the peer closed in order */
    TLS_BROKEN     /* no further use */
};

/* Where the records go that are to be sent: they add up until the caller sends them, so that what
 * belongs together goes out in one. False: no room. */
struct tls_put {
    bool (*fn)(void *context, const char *octets, size_t length);
    void *context;
};

/* Reads from a connected, non-blocking socket that stays the caller's; writes to `put`.
 * `server_name` may be NULL: then no SNI is sent and no name matches. */
struct tls_session *tls_session_new(struct tls_client *client, int fd, struct tls_put put,
                                    const char *server_name, bool legacy);
/* Sends close_notify, once; what the peer still says can be read. */
void tls_session_end_sending(struct tls_session *session);
/* `notify`: say good-bye (close_notify) if the session is in a state for it. NULL is fine. */
void tls_session_free(struct tls_session **session, bool notify);
/* DONE: the facts are filled. */
enum tls_result tls_session_handshake(struct tls_session *session);
/* Like the handshake, takes from the socket at most once a turn: go on until WANT_READ, which is to
 * say that nothing is on hand, and then wait for the socket. */
enum tls_result tls_session_read(struct tls_session *session, char *out, size_t size, size_t *got);
enum tls_result tls_session_write(struct tls_session *session, const char *bytes, size_t length);
struct tls_facts *tls_session_facts(struct tls_session *session);

/* Lenient verification and the keeping of tickets, for every session of the context. */
void tls_session_hooks(SSL_CTX *context, bool keep_tickets);

/* --- between OpenSSL and the socket (tls_wire.c) ----------------------------- */

struct tls_wire {
    int fd;
    struct tls_put put;
    bool may_receive;
    bool ended;     /* nothing more will come */
    char *received; /* not yet taken by OpenSSL: [from, to); NULL: nothing */
    size_t from, to;
};

BIO_METHOD *tls_wire_method(void); /* the caller frees it after its BIOs; NULL: out of memory */
/* `wire` outlives it. NULL: out of memory. */
BIO *tls_wire_bio(const BIO_METHOD *method, struct tls_wire *wire);

/* --- the contexts of one loop (tls.c) -------------------------------------- */

SSL_CTX *tls_client_context(struct tls_client *client, bool legacy);
const BIO_METHOD *tls_client_wire_method(const struct tls_client *client);
struct tls_signatures *tls_client_signatures(struct tls_client *client);

/* Resumption: a session with the facts its certificate gave. */
void tls_client_remember(struct tls_client *client, const char *server_name, bool legacy,
                         SSL_SESSION *session, const struct tls_facts *facts);
/* A reference for the caller and the facts, or NULL. */
SSL_SESSION *tls_client_recall(struct tls_client *client, const char *server_name, bool legacy,
                               struct tls_facts *facts);
void tls_client_forget(struct tls_client *client, const char *server_name, bool legacy);
size_t tls_client_remembered(const struct tls_client *client);

/* --- sessions as octets (tls_octets.c) ------------------------------------- */

/* Without the certificate. The caller frees; NULL: cannot be kept. */
unsigned char *tls_session_pack(SSL_SESSION *session, size_t *length);
SSL_SESSION *tls_session_unpack(const unsigned char *octets, size_t length);

/* --- signatures of a chain (tls_signatures.c) --------------------------------- */

enum { TLS_SIGNATURES_MAX = 32 };

/* Signatures of authorities over authorities that were found good: a ring. Zeroed is empty. */
struct tls_signatures {
    struct tls_signature {
        X509 *certificate, *issuer; /* owned references */
    } rows[TLS_SIGNATURES_MAX];
    size_t count; /* ever: the next one's place */
};

void tls_signatures_free(struct tls_signatures *known);
/* The leaf first, as OpenSSL has built it. Returns complaints; `known` grows. */
unsigned tls_check_signatures(struct tls_signatures *known, STACK_OF(X509) * chain);

/* --- reading certificates (tls_facts.c) ------------------------------------ */

/* What X509_verify_cert() complained about: bits. */
enum tls_complaint {
    TLS_COMPLAINT_SELF_SIGNED = 1,
    TLS_COMPLAINT_NO_ISSUER = 2, /* the chain ends without a root */
    TLS_COMPLAINT_UNTRUSTED = 4,
    TLS_COMPLAINT_EXPIRED = 8,
    TLS_COMPLAINT_NOT_YET_VALID = 16,
    TLS_COMPLAINT_WEAK_KEY = 32
};

enum { TLS_CHAIN_MAX = 10 }; /* authorities below the root; in the world there are one to three */

/* Verifies the chain in `store`, at our own wall clock; returns the complaints. */
unsigned tls_verify(X509_STORE_CTX *store, struct tls_signatures *known);
enum tls_chain tls_chain_verdict(unsigned complaints, STACK_OF(X509) * sent);
/* Everything the leaf says: name match, key, validity, findings. `now_s` since 1970. */
void tls_read_certificate(struct tls_facts *facts, X509 *leaf, const char *server_name,
                          int64_t now_s);
