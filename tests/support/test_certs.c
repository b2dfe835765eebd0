#include "tests/support/test_certs.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes/base/ip.h"
#include "probes/base/mem.h"

enum { DAY_S = 86400 };

struct authority {
    EVP_PKEY *key;
    X509 *certificate;
};

struct test_certs {
    struct authority root, other, intermediate;
    char ca_file[64];
    long serial;
};

struct request {
    const char *common_name, *alternative_name; /* the latter "DNS:x" or NULL */
    bool authority, names_issuer;
    EVP_PKEY *forger;  /* NULL: the issuer signs */
    long from_s, to_s; /* relative to now */
};

static EVP_PKEY *new_key(bool weak)
{
    EVP_PKEY *key = weak ? EVP_RSA_gen(1024) : EVP_EC_gen("P-256");

    assert(key != NULL);
    return key;
}

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert(extension != NULL);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

/* `issuer` NULL: signs itself. */
static X509 *new_certificate(struct test_certs *certs, EVP_PKEY *key,
                             const struct authority *issuer, const struct request *request)
{
    X509 *made = X509_new();
    X509_NAME *name = X509_get_subject_name(made);
    X509 *signer = issuer != NULL ? issuer->certificate : made;

    X509_set_version(made, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made), ++certs->serial);
    X509_gmtime_adj(X509_getm_notBefore(made), request->from_s);
    X509_gmtime_adj(X509_getm_notAfter(made), request->to_s);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               (const unsigned char *)request->common_name, -1, -1, 0);
    X509_set_issuer_name(made, X509_get_subject_name(signer));
    X509_set_pubkey(made, key);
    add_extension(made, signer, NID_basic_constraints,
                  request->authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (request->alternative_name != NULL)
        add_extension(made, signer, NID_subject_alt_name, request->alternative_name);
    if (request->names_issuer)
        add_extension(made, signer, NID_info_access, "caIssuers;URI:http://ca.invalid/issuer.der");
    EVP_PKEY *signer_key = issuer != NULL ? issuer->key : key;
    X509_sign(made, request->forger != NULL ? request->forger : signer_key, EVP_sha256());
    return made;
}

static void new_authority(struct test_certs *certs, struct authority *made, const char *name,
                          const struct authority *issuer)
{
    made->key = new_key(false);
    made->certificate = new_certificate(
        certs, made->key, issuer,
        &(struct request){
            .common_name = name, .authority = true, .from_s = -DAY_S, .to_s = 3650L * DAY_S});
}

static void write_ca_file(struct test_certs *certs)
{
    int fd;
    FILE *file;

    snprintf(certs->ca_file, sizeof certs->ca_file, "/tmp/vrfyd-test-ca-XXXXXX");
    fd = mkstemp(certs->ca_file);
    assert(fd >= 0);
    file = fdopen(fd, "w");
    PEM_write_X509(file, certs->root.certificate);
    fclose(file);
}

struct test_certs *test_certs_new(void)
{
    struct test_certs *certs = mem_new(struct test_certs);

    new_authority(certs, &certs->root, "Test root", NULL);
    new_authority(certs, &certs->other, "Somebody else", NULL);
    new_authority(certs, &certs->intermediate, "Test intermediate", &certs->root);
    write_ca_file(certs);
    return certs;
}

static void free_authority(struct authority *authority)
{
    EVP_PKEY_free(authority->key);
    X509_free(authority->certificate);
}

void test_certs_free(struct test_certs **certs)
{
    if (*certs == NULL)
        return;
    unlink((*certs)->ca_file);
    free_authority(&(*certs)->root);
    free_authority(&(*certs)->other);
    free_authority(&(*certs)->intermediate);
    free(*certs);
    *certs = NULL;
}

const char *test_certs_ca_file(const struct test_certs *certs) { return certs->ca_file; }

static const struct authority *issuer_of(const struct test_certs *certs, enum test_cert kind)
{
    if (kind == CERT_SELF_SIGNED)
        return NULL;
    if (kind == CERT_OTHER_CA || kind == CERT_OTHER_ROOT)
        return &certs->other;
    return kind == CERT_CHAIN || kind == CERT_INCOMPLETE ? &certs->intermediate : &certs->root;
}

SSL_CTX *test_certs_server(struct test_certs *certs, enum test_cert kind, const char *name)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = new_key(kind == CERT_WEAK_RSA);
    struct ip_address address;
    char alternative[300];
    X509 *leaf;

    snprintf(alternative, sizeof alternative, "%s:%s", ip_parse(name, &address) ? "IP" : "DNS",
             name);
    leaf = new_certificate(certs, key, issuer_of(certs, kind),
                           &(struct request){
                               .common_name = name,
                               .alternative_name = kind == CERT_NO_SAN ? NULL : alternative,
                               .names_issuer = kind == CERT_INCOMPLETE,
                               .forger = kind == CERT_FORGED ? certs->other.key : NULL,
                               .from_s = kind == CERT_NOT_YET_VALID ? DAY_S : -30L * DAY_S,
                               .to_s = kind == CERT_EXPIRED        ? -DAY_S
                                       : kind == CERT_EXPIRES_SOON ? 2L * DAY_S
                                                                   : 300L * DAY_S,
                           });
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_use_certificate(context, leaf);
    SSL_CTX_use_PrivateKey(context, key);
    if (kind == CERT_CHAIN)
        SSL_CTX_add1_chain_cert(context, certs->intermediate.certificate);
    if (kind == CERT_OTHER_ROOT)
        SSL_CTX_add1_chain_cert(context, certs->other.certificate);
    SSL_CTX_set_mode(context, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"test", 4);
    X509_free(leaf);
    EVP_PKEY_free(key);
    return context;
}
