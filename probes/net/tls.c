/* tls.c - the TLS contexts of one loop, and the sessions it can resume. */
#include "probes/net/tls.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

#include "probes/base/clock.h"
#include "probes/base/mem.h"
#include "probes/net/tls_internal.h"

enum {
    SESSION_LIFETIME_S = 86400, /* facts older than a day are asked for again */
    SESSION_OCTETS_MAX = 8192,  /* a server may send tickets of 64 KiB: not to be kept by us */
    SESSION_KEY_SIZE = 258,     /* 'n' or 'l', the name, NUL */
    OWN_GROUP_BITS_MAX = 4096   /* 30 ms; 0.7 s at OpenSSL's own bound */
};

/* One resumable session and what was known of the certificate when it was made: a resumed
 * handshake shows none. Both go together. */
struct saved_session {
    struct tls_facts facts;
    int64_t saved_s;
    UT_hash_handle hh;     /* oldest first */
    unsigned char *octets; /* the session; as an object it would take many times as much; owned */
    size_t octet_count;
    char key[];
};

typedef int security_fn(const SSL *ssl, const SSL_CTX *context, int what, int bits, int nid,
                        void *other, void *client);

struct tls_client {
    OSSL_LIB_CTX *library;
    security_fn *strong_enough; /* OpenSSL's own */
    X509_STORE *store;
    SSL_CTX *normal, *legacy;
    BIO_METHOD *wire;
    struct tls_signatures signatures;
    unsigned anchors;
    struct saved_session *sessions;
    unsigned sessions_max;
};

/* Where distributions keep the bundle; the first that can be read is taken. */
static const char *const system_bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Ubuntu, Alpine */
    "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora */
    "/etc/ssl/ca-bundle.pem",             /* openSUSE */
    "/etc/ssl/cert.pem",
};

static const char *system_bundle(void)
{
    const char *named = getenv("SSL_CERT_FILE");

    if (named != NULL && named[0] != '\0')
        return named;
    for (size_t i = 0; i < ARRAY_LENGTH(system_bundles); i++)
        if (access(system_bundles[i], R_OK) == 0)
            return system_bundles[i];
    return NULL;
}

static unsigned count_anchors(X509_STORE *store)
{
    STACK_OF(X509) *certificates = X509_STORE_get1_all_certs(store);
    int count = sk_X509_num(certificates);

    sk_X509_pop_free(certificates, X509_free);
    return count > 0 ? (unsigned)count : 0;
}

/* What OpenSSL offers, in another order: AES-128 goes with SHA-256, for which processors have
 * instructions, and a resumed handshake is little else than digests. */
static const char tls13_suites[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

/* What OpenSSL 3.0 offers. Since 3.5 the first is one with a key of 1,184 octets that no quantum
 * computer breaks: we have no secrets, and servers and boxes before them give up on a hello that
 * comes in two segments. */
static const char groups[] = "X25519:P-256:X448:P-521:P-384:"
                             "ffdhe2048:ffdhe3072:ffdhe4096:ffdhe6144:ffdhe8192";

/* In TLS 1.2 a server may choose any group for Diffie-Hellman. With those that OpenSSL knows by
 * name the exponents are short, and the size does not matter. */
static bool is_too_much_work(const EVP_PKEY *group)
{
    char name[64];

    return EVP_PKEY_get_bits(group) > OWN_GROUP_BITS_MAX &&
           EVP_PKEY_get_group_name(group, name, sizeof name, NULL) != 1;
}

static int is_acceptable(const SSL *ssl, const SSL_CTX *context, int what, int bits, int nid,
                         void *other, void *client)
{
    const struct tls_client *owner = client;

    if (what == SSL_SECOP_TMP_DH && other != NULL && is_too_much_work(other))
        return 0;
    return owner->strong_enough(ssl, context, what, bits, nid, other, NULL);
}

static SSL_CTX *new_context(struct tls_client *client, bool legacy)
{
    SSL_CTX *context = SSL_CTX_new_ex(client->library, NULL, TLS_client_method());

    if (context == NULL)
        return NULL;
    SSL_CTX_set_min_proto_version(context, legacy ? TLS1_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_ciphersuites(context, tls13_suites);
    SSL_CTX_set1_groups_list(context, groups);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_mode(context, SSL_MODE_AUTO_RETRY); /* what ends a read is the wire, see there */
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
    if (legacy) {
        SSL_CTX_set_cipher_list(context, "DEFAULT:@SECLEVEL=0");
        SSL_CTX_set_options(context, SSL_OP_LEGACY_SERVER_CONNECT);
    } else {
        SSL_CTX_set_security_level(context, 2);
    }
    client->strong_enough = SSL_CTX_get_security_callback(context);
    SSL_CTX_set0_security_ex_data(context, client);
    SSL_CTX_set_security_callback(context, is_acceptable);
    SSL_CTX_set1_cert_store(context, client->store);
    tls_session_hooks(context, client->sessions_max > 0);
    return context;
}

/* The operator's file has to be there; without a system bundle nothing is trusted, and
 * tls_client_anchors() shows it. */
static bool load_anchors(struct tls_client *client, const char *ca_file)
{
    const char *file = ca_file != NULL ? ca_file : system_bundle();

    if (file != NULL && X509_STORE_load_file_ex(client->store, file, client->library, NULL) != 1 &&
        ca_file != NULL)
        return false;
    client->anchors = count_anchors(client->store);
    return true;
}

struct tls_client *tls_client_new(const struct tls_client_params *params, const char **error)
{
    struct tls_client *client = mem_new(struct tls_client);

    *error = NULL;
    client->sessions_max = params->sessions_max;
    client->library = OSSL_LIB_CTX_new();
    client->store = X509_STORE_new();
    if (client->library == NULL || client->store == NULL) {
        *error = "OpenSSL cannot be set up";
    } else if (!load_anchors(client, params->ca_file)) {
        *error = "the CA file holds no certificates or cannot be read";
    } else {
        client->normal = new_context(client, false);
        client->legacy = new_context(client, true);
        client->wire = tls_wire_method();
        if (client->normal == NULL || client->legacy == NULL || client->wire == NULL)
            *error = "OpenSSL cannot make a client context";
    }
    ERR_clear_error();
    if (*error != NULL)
        tls_client_free(&client);
    return client;
}

static void drop_session(struct tls_client *client, struct saved_session *saved)
{
    HASH_DEL(client->sessions, saved);
    free(saved->octets);
    free(saved);
}

void tls_client_free(struct tls_client **client)
{
    struct tls_client *gone = *client;
    struct saved_session *saved;

    *client = NULL;
    if (gone == NULL)
        return;
    while ((saved = gone->sessions) != NULL)
        drop_session(gone, saved);
    SSL_CTX_free(gone->normal);
    SSL_CTX_free(gone->legacy);
    BIO_meth_free(gone->wire);
    tls_signatures_free(&gone->signatures);
    X509_STORE_free(gone->store);
    OSSL_LIB_CTX_free(gone->library);
    free(gone);
}

unsigned tls_client_anchors(const struct tls_client *client) { return client->anchors; }

SSL_CTX *tls_client_context(struct tls_client *client, bool legacy)
{
    return legacy ? client->legacy : client->normal;
}

const BIO_METHOD *tls_client_wire_method(const struct tls_client *client) { return client->wire; }

struct tls_signatures *tls_client_signatures(struct tls_client *client)
{
    return &client->signatures;
}

static bool session_key(char key[SESSION_KEY_SIZE], const char *server_name, bool legacy)
{
    int length;

    if (server_name == NULL)
        return false;
    length = snprintf(key, SESSION_KEY_SIZE, "%c%s", legacy ? 'l' : 'n', server_name);
    return length > 0 && length < SESSION_KEY_SIZE;
}

static struct saved_session *find_session(struct tls_client *client, const char *server_name,
                                          bool legacy)
{
    char key[SESSION_KEY_SIZE];
    struct saved_session *saved = NULL;

    if (session_key(key, server_name, legacy))
        HASH_FIND_STR(client->sessions, key, saved);
    return saved;
}

void tls_client_remember(struct tls_client *client, const char *server_name, bool legacy,
                         SSL_SESSION *session, const struct tls_facts *facts)
{
    char key[SESSION_KEY_SIZE];
    size_t count;

    tls_client_forget(client, server_name, legacy);
    if (client->sessions_max == 0 || !session_key(key, server_name, legacy))
        return;
    unsigned char *octets = tls_session_pack(session, &count);
    if (octets == NULL || count > SESSION_OCTETS_MAX) {
        free(octets);
        return;
    }
    if (HASH_COUNT(client->sessions) >= client->sessions_max)
        drop_session(client, client->sessions);
    size_t key_size = strlen(key) + 1;
    struct saved_session *saved = mem_zeroed(1, sizeof(*saved) + key_size);
    memcpy(saved->key, key, key_size);
    saved->octets = octets;
    saved->octet_count = count;
    saved->facts = *facts;
    saved->saved_s = clock_wall_s();
    HASH_ADD_STR(client->sessions, key, saved);
}

/* A certificate that has run out meanwhile must be looked at again. */
static bool outlived(const struct saved_session *saved, int64_t now_s)
{
    return now_s - saved->saved_s > SESSION_LIFETIME_S || now_s < saved->saved_s ||
           (saved->facts.chain != TLS_CHAIN_EXPIRED && saved->facts.not_after_s < now_s);
}

SSL_SESSION *tls_client_recall(struct tls_client *client, const char *server_name, bool legacy,
                               struct tls_facts *facts)
{
    struct saved_session *saved = find_session(client, server_name, legacy);
    SSL_SESSION *session = NULL;

    if (saved == NULL)
        return NULL;
    if (!outlived(saved, clock_wall_s()))
        session = tls_session_unpack(saved->octets, saved->octet_count);
    if (session == NULL || !SSL_SESSION_is_resumable(session)) {
        SSL_SESSION_free(session);
        drop_session(client, saved);
        return NULL;
    }
    *facts = saved->facts;
    return session;
}

void tls_client_forget(struct tls_client *client, const char *server_name, bool legacy)
{
    struct saved_session *saved = find_session(client, server_name, legacy);

    if (saved != NULL)
        drop_session(client, saved);
}

size_t tls_client_remembered(const struct tls_client *client)
{
    return HASH_COUNT(client->sessions);
}
