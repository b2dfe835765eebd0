/* test_certs.h - a certificate authority for tests, made at run time: nothing to renew. */
#pragma once

#include <openssl/ssl.h>

struct test_certs;

enum test_cert {
    CERT_GOOD,
    CERT_EXPIRED,
    CERT_NOT_YET_VALID,
    CERT_SELF_SIGNED,
    CERT_OTHER_CA,     /* of an authority nobody trusts; its root is not sent */
    CERT_OTHER_ROOT,   /* the same, root sent */
    CERT_FORGED,       /* in the name of the root, but it has not signed */
    CERT_CHAIN,        /* by an intermediate that is sent */
    CERT_INCOMPLETE,   /* by an intermediate that is not sent, but named (caIssuers) */
    CERT_NO_SAN,       /* the name only as common name */
    CERT_WEAK_RSA,     /* 1024 bits */
    CERT_EXPIRES_SOON, /* in two days */
    CERT_COUNT
};

/* Writes the CA to a temporary file that test_certs_free() removes. */
struct test_certs *test_certs_new(void);
void test_certs_free(struct test_certs **certs);
const char *test_certs_ca_file(const struct test_certs *certs);

/* A server context with a certificate for `name` (subjectAltName: a dNSName, "*.x" allowed, or an
 * IPv4 address). The caller frees. */
SSL_CTX *test_certs_server(struct test_certs *certs, enum test_cert kind, const char *name);
