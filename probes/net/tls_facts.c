/* tls_facts.c - what a certificate chain says about the server (RFC 5280, RFC 9525). */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "probes/base/clock.h"
#include "probes/base/ip.h"
#include "probes/base/mem.h"
#include "probes/net/tls_internal.h"

enum {
    RSA_BITS_MIN = 2048, /* also DSA; 112 bits of strength */
    EC_BITS_MIN = 224,
    EXPIRES_SOON_S = 7 * 86400,
    EXPIRES_SOON_SHARE = 10 /* or less than a tenth of the lifetime left */
};

/* --- the chain -------------------------------------------------------------- */

static const struct complaint_row {
    int error;
    unsigned complaint;
} complaint_rows[] = {
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, TLS_COMPLAINT_SELF_SIGNED},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, TLS_COMPLAINT_UNTRUSTED},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, TLS_COMPLAINT_NO_ISSUER},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, TLS_COMPLAINT_NO_ISSUER},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, TLS_COMPLAINT_NO_ISSUER},
    {X509_V_ERR_CERT_HAS_EXPIRED, TLS_COMPLAINT_EXPIRED},
    {X509_V_ERR_CERT_NOT_YET_VALID, TLS_COMPLAINT_NOT_YET_VALID},
    {X509_V_ERR_EE_KEY_TOO_SMALL, TLS_COMPLAINT_WEAK_KEY},
    {X509_V_ERR_CA_KEY_TOO_SMALL, TLS_COMPLAINT_WEAK_KEY},
};

static unsigned complaint_of(int error)
{
    for (size_t i = 0; i < ARRAY_LENGTH(complaint_rows); i++)
        if (complaint_rows[i].error == error)
            return complaint_rows[i].complaint;
    return TLS_COMPLAINT_UNTRUSTED;
}

struct verification {
    unsigned complaints;
    struct tls_signatures *known;
};

/* OpenSSL asks at every fault whether to go on; we note it and always do. */
static int note_complaint(int ok, X509_STORE_CTX *store)
{
    struct verification *verification = X509_STORE_CTX_get_app_data(store);

    if (!ok)
        verification->complaints |= complaint_of(X509_STORE_CTX_get_error(store));
    return 1;
}

static int check_signatures(X509_STORE_CTX *store)
{
    struct verification *verification = X509_STORE_CTX_get_app_data(store);

    verification->complaints |=
        tls_check_signatures(verification->known, X509_STORE_CTX_get0_chain(store));
    return 1;
}

unsigned tls_verify(X509_STORE_CTX *store, struct tls_signatures *known)
{
    struct verification verification = {.known = known};
    void *before = X509_STORE_CTX_get_app_data(store); /* index 0 is ours or the SSL's: restored */

    X509_STORE_CTX_set_app_data(store, &verification);
    X509_STORE_CTX_set_depth(store, TLS_CHAIN_MAX); /* OpenSSL's 100 could take 0.2 s */
    X509_STORE_CTX_set_time(store, 0, (time_t)clock_wall_s());
    X509_STORE_CTX_set_verify_cb(store, note_complaint);
    X509_STORE_CTX_set_verify(store, check_signatures);
    if (X509_verify_cert(store) != 1 && verification.complaints == 0)
        verification.complaints = TLS_COMPLAINT_UNTRUSTED;
    X509_STORE_CTX_set_app_data(store, before);
    ERR_clear_error();
    return verification.complaints;
}

/* Does the certificate say where its issuer's can be had? Public authorities always do. */
static bool names_its_issuer(X509 *certificate)
{
    AUTHORITY_INFO_ACCESS *access = X509_get_ext_d2i(certificate, NID_info_access, NULL, NULL);
    bool found = false;

    for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(access); i++)
        if (OBJ_obj2nid(sk_ACCESS_DESCRIPTION_value(access, i)->method) == NID_ad_ca_issuers)
            found = true;
    AUTHORITY_INFO_ACCESS_free(access);
    return found;
}

/* The issuer of the last certificate sent is not here. If it can be fetched by the address in
 * that certificate, the server forgot to send it; else a private authority has signed. */
static enum tls_chain without_issuer(STACK_OF(X509) * sent)
{
    int count = sk_X509_num(sent);

    for (int i = count - 1; i >= 0; i--)
        if (names_its_issuer(sk_X509_value(sent, i)))
            return TLS_CHAIN_INCOMPLETE;
    return TLS_CHAIN_UNTRUSTED;
}

/* Trust first: the dates are told anyway, in not_before and not_after. */
enum tls_chain tls_chain_verdict(unsigned complaints, STACK_OF(X509) * sent)
{
    if (complaints & TLS_COMPLAINT_SELF_SIGNED)
        return TLS_CHAIN_SELF_SIGNED;
    if (complaints & TLS_COMPLAINT_UNTRUSTED)
        return TLS_CHAIN_UNTRUSTED;
    if (complaints & TLS_COMPLAINT_NO_ISSUER)
        return without_issuer(sent);
    if (complaints & TLS_COMPLAINT_EXPIRED)
        return TLS_CHAIN_EXPIRED;
    if (complaints & TLS_COMPLAINT_NOT_YET_VALID)
        return TLS_CHAIN_NOT_YET_VALID;
    return TLS_CHAIN_TRUSTED;
}

/* --- the leaf ----------------------------------------------------------------- */

/* RFC 9525: DNS-ID and IP-ID only, the common name is not looked at; "*" stands for one
 * complete left-most label. */
static bool name_matches(X509 *leaf, const char *server_name)
{
    struct ip_address address;

    if (server_name == NULL || server_name[0] == '\0' || server_name[0] == '.')
        return false;
    if (ip_parse(server_name, &address))
        return X509_check_ip_asc(leaf, server_name, 0) == 1;
    return X509_check_host(leaf, server_name, strlen(server_name),
                           X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                               X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
                           NULL) == 1;
}

static bool has_usable_alternative_name(X509 *leaf)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    bool found = false;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type = sk_GENERAL_NAME_value(names, i)->type;

        if (type == GEN_DNS || type == GEN_IPADD)
            found = true;
    }
    GENERAL_NAMES_free(names);
    return found;
}

static int64_t seconds_of(const ASN1_TIME *time)
{
    struct tm utc;

    return time != NULL && ASN1_TIME_to_tm(time, &utc) == 1 ? (int64_t)timegm(&utc) : 0;
}

/* Writes type and bits; true when the key is too short for today. */
static bool read_key(struct tls_facts *facts, X509 *leaf)
{
    EVP_PKEY *key = X509_get0_pubkey(leaf);
    const char *type = key != NULL ? EVP_PKEY_get0_type_name(key) : NULL;
    int bits = key != NULL ? EVP_PKEY_get_bits(key) : 0;
    size_t length = type != NULL ? strnlen(type, sizeof facts->key_type - 1) : 0;

    if (length > 0)
        memcpy(facts->key_type, type, length);
    facts->key_type[length] = '\0';
    facts->key_bits = bits > 0 && bits <= UINT16_MAX ? (uint16_t)bits : 0;
    if (strncmp(facts->key_type, "RSA", 3) == 0 || strcmp(facts->key_type, "DSA") == 0)
        return bits < RSA_BITS_MIN;
    return strcmp(facts->key_type, "EC") == 0 && bits < EC_BITS_MIN;
}

static bool expires_soon(const struct tls_facts *facts, int64_t now_s)
{
    int64_t left_s = facts->not_after_s - now_s;
    int64_t lifetime_s = facts->not_after_s - facts->not_before_s;

    return left_s >= 0 && (left_s < EXPIRES_SOON_S || left_s < lifetime_s / EXPIRES_SOON_SHARE);
}

void tls_read_certificate(struct tls_facts *facts, X509 *leaf, const char *server_name,
                          int64_t now_s)
{
    facts->name_match = name_matches(leaf, server_name);
    facts->not_before_s = seconds_of(X509_get0_notBefore(leaf));
    facts->not_after_s = seconds_of(X509_get0_notAfter(leaf));
    if (!facts->name_match)
        facts->findings |= 1u << TLS_FINDING_NAME_MISMATCH;
    if (!has_usable_alternative_name(leaf))
        facts->findings |= 1u << TLS_FINDING_NO_SAN;
    if (read_key(facts, leaf))
        facts->findings |= 1u << TLS_FINDING_WEAK_KEY;
    if (expires_soon(facts, now_s))
        facts->findings |= 1u << TLS_FINDING_EXPIRES_SOON;
    ERR_clear_error();
}
