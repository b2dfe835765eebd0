#include "tests/lab/lab_tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"

enum { DAY_S = 24 * 3600, CA_DAYS = 3650, LEAF_DAYS = 90 };

struct lab_tls {
    const struct world *world;
    X509 *ca, *intermediate; /* as public authorities do, the root signs no host itself */
    EVP_PKEY *ca_key, *intermediate_key;
    EVP_PKEY *leaf_key; /* all hosts share one: it makes no difference to a client */
    SSL_CTX *context;
    X509 **certificates; /* by host, made when first needed */
};

struct certificate_plan {
    const char *common_name, *san; /* san "DNS:..." or NULL */
    X509 *issuer;                  /* NULL = self-signed */
    EVP_PKEY *key, *sign_key;
    long from_days, to_days;
    bool authority;
};

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (extension != NULL)
        X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

static X509 *make_certificate(const struct certificate_plan *plan)
{
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    uint64_t serial = 0;

    RAND_bytes((unsigned char *)&serial, sizeof(serial));
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), plan->from_days * DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(certificate), plan->to_days * DAY_S);
    X509_set_pubkey(certificate, plan->key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)plan->common_name,
                               -1, -1, 0);
    X509 *issuer = plan->issuer != NULL ? plan->issuer : certificate;
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    add_extension(certificate, issuer, NID_basic_constraints,
                  plan->authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (plan->authority)
        add_extension(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
    if (plan->san != NULL)
        add_extension(certificate, issuer, NID_subject_alt_name, plan->san);
    add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
    /* RFC 5280 section 4.2.1.1; without it strict clients refuse the chain */
    add_extension(certificate, issuer, NID_authority_key_identifier, "keyid");
    X509_sign(certificate, plan->sign_key, EVP_sha256());
    return certificate;
}

static FILE *open_in(const char *directory, const char *name, const char *how)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return fopen(path, how);
}

bool lab_tls_make_ca(const char *directory, char *error, size_t error_size)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct certificate_plan plan = {.common_name = "maillab CA",
                                    .key = key,
                                    .sign_key = key,
                                    .from_days = -1,
                                    .to_days = CA_DAYS,
                                    .authority = true};
    X509 *ca = make_certificate(&plan);
    FILE *pem = open_in(directory, "ca.pem", "w"), *secret = open_in(directory, "ca.key", "w");
    bool good = pem != NULL && secret != NULL && PEM_write_X509(pem, ca) == 1 &&
                PEM_write_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) == 1;

    if (pem != NULL)
        fclose(pem);
    if (secret != NULL)
        fclose(secret);
    X509_free(ca);
    EVP_PKEY_free(key);
    if (!good)
        snprintf(error, error_size, "cannot write the CA to %s", directory);
    return good;
}

static bool read_ca(struct lab_tls *tls, const char *directory)
{
    FILE *pem = open_in(directory, "ca.pem", "r"), *secret = open_in(directory, "ca.key", "r");

    if (pem != NULL)
        tls->ca = PEM_read_X509(pem, NULL, NULL, NULL);
    if (secret != NULL)
        tls->ca_key = PEM_read_PrivateKey(secret, NULL, NULL, NULL);
    if (pem != NULL)
        fclose(pem);
    if (secret != NULL)
        fclose(secret);
    return tls->ca != NULL && tls->ca_key != NULL;
}

static void make_intermediate(struct lab_tls *tls)
{
    tls->intermediate_key = EVP_EC_gen("P-256");
    struct certificate_plan plan = {.common_name = "maillab intermediate CA",
                                    .issuer = tls->ca,
                                    .key = tls->intermediate_key,
                                    .sign_key = tls->ca_key,
                                    .from_days = -1,
                                    .to_days = CA_DAYS,
                                    .authority = true};
    tls->intermediate = make_certificate(&plan);
}

struct lab_tls *lab_tls_new(const char *directory, const struct world *world, char *error,
                            size_t error_size)
{
    struct lab_tls *tls = mem_new(struct lab_tls);

    tls->world = world;
    tls->certificates = mem_array(X509 *, world->host_count);
    if (!read_ca(tls, directory)) {
        snprintf(error, error_size, "no CA in %s: was the world made by `maillab generate`?",
                 directory);
        lab_tls_free(&tls);
        return NULL;
    }
    make_intermediate(tls);
    tls->leaf_key = EVP_EC_gen("P-256");
    tls->context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
    SSL_CTX_set_mode(tls->context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_OFF); /* tickets only */
    SSL_CTX_set_session_id_context(tls->context, (const unsigned char *)"lab", 3);
    SSL_CTX_set_num_tickets(tls->context, 1);
    return tls;
}

void lab_tls_free(struct lab_tls **tls)
{
    struct lab_tls *gone = *tls;

    *tls = NULL;
    if (gone == NULL)
        return;
    for (size_t i = 0; i < gone->world->host_count; i++)
        X509_free(gone->certificates[i]);
    free(gone->certificates);
    SSL_CTX_free(gone->context);
    EVP_PKEY_free(gone->leaf_key);
    EVP_PKEY_free(gone->intermediate_key);
    EVP_PKEY_free(gone->ca_key);
    X509_free(gone->intermediate);
    X509_free(gone->ca);
    free(gone);
}

static enum tls_play host_play(const struct lab_tls *tls, size_t index)
{
    const struct lab_host *host = &tls->world->hosts[index];

    return host->play != NULL ? host->play->tls : host->variant->tls;
}

static X509 *host_certificate(struct lab_tls *tls, size_t index)
{
    const struct lab_host *host = &tls->world->hosts[index];
    enum tls_play play = host_play(tls, index);
    bool self_signed = play == TLS_PLAY_SELF_SIGNED;
    char san[300];

    if (tls->certificates[index] != NULL)
        return tls->certificates[index];
    snprintf(san, sizeof(san), "DNS:%s",
             play == TLS_PLAY_WRONG_NAME ? "another-name.lab.test" : host->name);
    struct certificate_plan plan = {.common_name = "maillab host",
                                    .san = san,
                                    .issuer = self_signed ? NULL : tls->intermediate,
                                    .key = tls->leaf_key,
                                    .sign_key = self_signed ? tls->leaf_key : tls->intermediate_key,
                                    .from_days = play == TLS_PLAY_EXPIRED ? -LEAF_DAYS : -1,
                                    .to_days = play == TLS_PLAY_EXPIRED ? -2 : LEAF_DAYS};
    tls->certificates[index] = make_certificate(&plan);
    return tls->certificates[index];
}

SSL *lab_tls_accept(struct lab_tls *tls, size_t host)
{
    SSL *ssl = SSL_new(tls->context);

    if (host_play(tls, host) !=
        TLS_PLAY_ALERT) { /* without a certificate every handshake ends in an alert */
        SSL_use_certificate(ssl, host_certificate(tls, host));
        SSL_use_PrivateKey(ssl, tls->leaf_key);
        if (host_play(tls, host) != TLS_PLAY_SELF_SIGNED)
            SSL_add1_chain_cert(ssl, tls->intermediate);
    }
    SSL_set_accept_state(ssl);
    return ssl;
}
