/* Signatures and dates of certificate chains, and that only what was found good is remembered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/net/tls_internal.h"

enum { DAY_S = 86400, MANY = TLS_SIGNATURES_MAX + 3 };

/* --- certificates ------------------------------------------------------------------------------
 */

static EVP_PKEY *root_key, *authority_key, *leaf_key, *strange_key;
static X509 *root, *authority;

struct request {
    const char *name, *key_usage; /* the latter NULL: none said */
    X509 *issuer;                 /* NULL: itself */
    EVP_PKEY *key, *signer;
    long from_s, to_s; /* 0 and 0: valid now */
};

static X509 *make(const struct request *request)
{
    static long serial;
    X509 *made = X509_new();
    X509 *issuer = request->issuer != NULL ? request->issuer : made;
    bool valid = request->from_s == 0 && request->to_s == 0;

    X509_set_version(made, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(made), valid ? -DAY_S : request->from_s);
    X509_gmtime_adj(X509_getm_notAfter(made), valid ? DAY_S : request->to_s);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC,
                               (const unsigned char *)request->name, -1, -1, 0);
    X509_set_issuer_name(made, X509_get_subject_name(issuer));
    X509_set_pubkey(made, request->key);
    if (request->key_usage != NULL) {
        X509_EXTENSION *usage = X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage, request->key_usage);
        X509_add_ext(made, usage, -1);
        X509_EXTENSION_free(usage);
    }
    X509_sign(made, request->signer, EVP_sha256());
    return made;
}

/* As from the wire. */
static X509 *read_again(X509 *certificate, bool spoil_signature)
{
    unsigned char *octets = NULL;
    int length = i2d_X509(certificate, &octets);
    const unsigned char *at = octets;

    assert_true(length > 0);
    if (spoil_signature)
        octets[length - 1] ^= 1;
    X509 *again = d2i_X509(NULL, &at, length);
    OPENSSL_free(octets);
    assert_non_null(again);
    return again;
}

/* The references are the caller's. */
static unsigned check(struct tls_signatures *known, X509 *first, X509 *second, X509 *third)
{
    STACK_OF(X509) *chain = sk_X509_new_null();

    sk_X509_push(chain, first);
    if (second != NULL)
        sk_X509_push(chain, second);
    if (third != NULL)
        sk_X509_push(chain, third);
    unsigned complaints = tls_check_signatures(known, chain);
    sk_X509_free(chain);
    return complaints;
}

/* --- tests ---------------------------------------------------------------------------------------
 */

static const struct leaf_case {
    const char *label;
    bool strange_signer;
    long from_s, to_s;
    unsigned complaints;
} leaf_cases[] = {
    {"good", false, 0, 0, 0},
    {"signed with another key", true, 0, 0, TLS_COMPLAINT_UNTRUSTED},
    {"expired", false, -2L * DAY_S, -DAY_S, TLS_COMPLAINT_EXPIRED},
    {"not yet valid", false, DAY_S, 2L * DAY_S, TLS_COMPLAINT_NOT_YET_VALID},
    {"forged and expired", true, -2L * DAY_S, -DAY_S,
     TLS_COMPLAINT_UNTRUSTED | TLS_COMPLAINT_EXPIRED},
};

static void test_leaves(void **state)
{
    struct tls_signatures known = {.count = 0};

    (void)state;
    for (int round = 0; round < 2; round++) /* the second time the authority is known */
        for (size_t i = 0; i < ARRAY_LENGTH(leaf_cases); i++) {
            const struct leaf_case *row = &leaf_cases[i];
            X509 *leaf =
                make(&(struct request){.name = "mx",
                                       .issuer = authority,
                                       .key = leaf_key,
                                       .signer = row->strange_signer ? strange_key : authority_key,
                                       .from_s = row->from_s,
                                       .to_s = row->to_s});
            unsigned complaints = check(&known, leaf, authority, root);

            if (complaints != row->complaints)
                fail_msg("%s: %u", row->label, complaints);
            X509_free(leaf);
        }
    assert_int_equal(known.count, 1); /* of leaves nothing is kept */
    tls_signatures_free(&known);
}

static void test_known_is_only_what_was_signed(void **state)
{
    struct tls_signatures known = {.count = 0};
    X509 *same = read_again(authority, false), *spoilt = read_again(authority, true);
    X509 *forged = make(&(struct request){
        .name = "authority", .issuer = root, .key = authority_key, .signer = strange_key});
    X509 *other_root =
        make(&(struct request){.name = "root", .key = strange_key, .signer = strange_key});
    X509 *leaf = make(&(struct request){
        .name = "mx", .issuer = authority, .key = leaf_key, .signer = authority_key});

    (void)state;
    assert_int_equal(check(&known, leaf, spoilt, root), TLS_COMPLAINT_UNTRUSTED);
    assert_int_equal(check(&known, leaf, forged, root), TLS_COMPLAINT_UNTRUSTED);
    assert_int_equal(known.count, 0); /* a bad one is computed each time */
    assert_int_equal(check(&known, leaf, authority, root), 0);
    assert_int_equal(check(&known, leaf, same, root), 0);
    assert_int_equal(known.count, 1);
    assert_int_equal(check(&known, leaf, spoilt, root), TLS_COMPLAINT_UNTRUSTED);
    assert_int_equal(check(&known, leaf, forged, root), TLS_COMPLAINT_UNTRUSTED);
    assert_int_equal(check(&known, leaf, authority, other_root), TLS_COMPLAINT_UNTRUSTED);
    assert_int_equal(known.count, 1);
    X509_free(same);
    X509_free(spoilt);
    X509_free(forged);
    X509_free(other_root);
    X509_free(leaf);
    tls_signatures_free(&known);
}

static void test_an_authority_that_has_run_out_is_told_each_time(void **state)
{
    struct tls_signatures known = {.count = 0};
    X509 *old = make(&(struct request){.name = "authority",
                                       .issuer = root,
                                       .key = authority_key,
                                       .signer = root_key,
                                       .from_s = -2L * DAY_S,
                                       .to_s = -DAY_S});
    X509 *leaf = make(
        &(struct request){.name = "mx", .issuer = old, .key = leaf_key, .signer = authority_key});

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(check(&known, leaf, old, root), TLS_COMPLAINT_EXPIRED);
    assert_int_equal(known.count, 1);
    X509_free(old);
    X509_free(leaf);
    tls_signatures_free(&known);
}

static void test_who_may_sign(void **state)
{
    struct tls_signatures known = {.count = 0};
    X509 *host = make(&(struct request){.name = "host",
                                        .key_usage = "digitalSignature",
                                        .issuer = root,
                                        .key = authority_key,
                                        .signer = root_key});
    X509 *leaf = make(
        &(struct request){.name = "mx", .issuer = host, .key = leaf_key, .signer = authority_key});
    X509 *alone = make(&(struct request){.name = "self", .key = leaf_key, .signer = leaf_key});
    X509 *host_alone = make(&(struct request){
        .name = "self", .key_usage = "digitalSignature", .key = leaf_key, .signer = leaf_key});

    (void)state;
    assert_int_equal(check(&known, leaf, host, root), TLS_COMPLAINT_UNTRUSTED);
    assert_int_equal(check(&known, leaf, NULL, NULL), TLS_COMPLAINT_NO_ISSUER);
    assert_int_equal(check(&known, alone, NULL, NULL), 0); /* who trusts it is asked elsewhere */
    assert_int_equal(check(&known, host_alone, NULL, NULL), 0); /* it signs nobody else */
    X509_free(host);
    X509_free(leaf);
    X509_free(alone);
    X509_free(host_alone);
    tls_signatures_free(&known);
}

static void test_they_are_bounded(void **state)
{
    struct tls_signatures known = {.count = 0};

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        X509 *one = make(&(struct request){
            .name = "authority", .issuer = root, .key = authority_key, .signer = root_key});
        X509 *leaf = make(&(struct request){
            .name = "mx", .issuer = one, .key = leaf_key, .signer = authority_key});

        for (int k = 0; k < 2; k++)
            assert_int_equal(check(&known, leaf, one, root), 0);
        assert_int_equal(known.count, i + 1);
        X509_free(one);
        X509_free(leaf);
    }
    tls_signatures_free(&known);
}

/* Each link costs time, and a server may send a hundred. */
static void test_long_chains_are_cut(void **state)
{
    STACK_OF(X509) *sent = sk_X509_new_null();
    struct tls_signatures known = {.count = 0};
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *verification = X509_STORE_CTX_new();
    X509 *leaf = NULL;
    char name[16];

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "authority %zu", i);
        leaf = make(&(struct request){
            .name = name, .issuer = leaf, .key = authority_key, .signer = authority_key});
        sk_X509_push(sent, leaf);
    }
    assert_int_equal(X509_STORE_CTX_init(verification, store, leaf, sent), 1);
    assert_true(tls_verify(verification, &known) & TLS_COMPLAINT_UNTRUSTED);
    assert_in_range(known.count, 1, TLS_CHAIN_MAX);
    X509_STORE_CTX_free(verification);
    X509_STORE_free(store);
    sk_X509_pop_free(sent, X509_free);
    tls_signatures_free(&known);
}

static int set_up(void **state)
{
    EVP_PKEY **keys[] = {&root_key, &authority_key, &leaf_key, &strange_key};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
        *keys[i] = EVP_EC_gen("P-256");
    root = make(&(struct request){
        .name = "root", .key_usage = "keyCertSign", .key = root_key, .signer = root_key});
    authority = make(&(struct request){
        .name = "authority", .issuer = root, .key = authority_key, .signer = root_key});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    X509_free(root);
    X509_free(authority);
    EVP_PKEY_free(root_key);
    EVP_PKEY_free(authority_key);
    EVP_PKEY_free(leaf_key);
    EVP_PKEY_free(strange_key);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaves),
        cmocka_unit_test(test_known_is_only_what_was_signed),
        cmocka_unit_test(test_an_authority_that_has_run_out_is_told_each_time),
        cmocka_unit_test(test_who_may_sign),
        cmocka_unit_test(test_they_are_bounded),
        cmocka_unit_test(test_long_chains_are_cut),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
