/* What handshakes with good and bad servers say about them; resumption. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include "probes/base/clock.h"
#include "probes/base/mem.h"
#include "probes/net/conn.h"
#include "probes/net/tls_internal.h"
#include "tests/support/line_server.h"
#include "tests/support/test_certs.h"

enum { WAIT_MAX_MS = 20000, DAY_S = 86400 };

static struct loop *loop;
static struct test_certs *certs;
static struct tls_client *tls;

/* --- one visit: handshake, one line each way, good-bye ----------------------------------- */

struct visit {
    const char *server_name;
    bool legacy;
    struct conn *conn;
    struct tls_facts facts;
    unsigned lines;
    bool finished;
};

static void on_event(void *context, enum conn_event event)
{
    struct visit *visit = context;

    visit->facts = *conn_tls_facts(visit->conn);
    if (event == CONN_CONNECTED)
        conn_start_tls(visit->conn, tls, visit->server_name, visit->legacy);
    else if (event == CONN_TLS_READY)
        conn_send(visit->conn, "hello\r\n", 7);
    else
        visit->finished = true;
}

static void on_line(void *context, const char *line, size_t length)
{
    struct visit *visit = context;

    (void)line;
    (void)length;
    visit->lines++;
}

static void run(struct visit *visit)
{
    uint64_t until_ms = clock_now_ms() + WAIT_MAX_MS;

    while (!visit->finished && clock_now_ms() < until_ms) {
        loop_run_once(loop);
        poll(NULL, 0, 1);
    }
    assert_true(visit->finished);
}

static struct tls_facts visit_port(uint16_t port, const char *server_name, bool legacy)
{
    static const struct conn_handler handler = {on_event, on_line};
    struct visit visit = {.server_name = server_name, .legacy = legacy};
    struct conn_params params = {.loop = loop,
                                 .port = port,
                                 .allowed = loopback_networks(),
                                 .connect_timeout_ms = WAIT_MAX_MS,
                                 .line_max = 100,
                                 .handler = &handler,
                                 .context = &visit};

    assert_true(ip_parse("127.0.0.1", &params.address));
    visit.conn = conn_open(&params);
    run(&visit);
    conn_close(&visit.conn, false);
    assert_int_equal(visit.lines, visit.facts.state == TLS_OK ? 1 : 0);
    return visit.facts;
}

static const struct line_step script[] = {{STEP_TLS, NULL, 0},
                                          {STEP_EXPECT, "hello", 0},
                                          {STEP_SEND, "welcome\r\n", 0},
                                          {STEP_END, NULL, 0}};

static struct tls_facts visit_server(SSL_CTX *context, const char *server_name, bool legacy)
{
    struct line_server *server = line_server_start(script, context, 1);
    struct tls_facts facts = visit_port(line_server_port(server), server_name, legacy);

    line_server_stop(&server);
    return facts;
}

/* --- certificates ----------------------------------------------------------------------------- */

#define BIT(finding) (1u << (finding))

static const struct certificate_case {
    const char *label;
    enum test_cert kind;
    const char *certificate_name, *server_name;
    enum tls_chain chain;
    bool name_match;
    unsigned findings;
} certificate_cases[] = {
    {"good", CERT_GOOD, "mx.example.test", "mx.example.test", TLS_CHAIN_TRUSTED, true, 0},
    {"upper case", CERT_GOOD, "mx.example.test", "MX.Example.TEST", TLS_CHAIN_TRUSTED, true, 0},
    {"with intermediate", CERT_CHAIN, "mx.example.test", "mx.example.test", TLS_CHAIN_TRUSTED, true,
     0},
    {"intermediate not sent", CERT_INCOMPLETE, "mx.example.test", "mx.example.test",
     TLS_CHAIN_INCOMPLETE, true, 0},
    {"self-signed", CERT_SELF_SIGNED, "mx.example.test", "mx.example.test", TLS_CHAIN_SELF_SIGNED,
     true, 0},
    {"private authority", CERT_OTHER_CA, "mx.example.test", "mx.example.test", TLS_CHAIN_UNTRUSTED,
     true, 0},
    {"forged", CERT_FORGED, "mx.example.test", "mx.example.test", TLS_CHAIN_UNTRUSTED, true, 0},
    {"private authority, root sent", CERT_OTHER_ROOT, "mx.example.test", "mx.example.test",
     TLS_CHAIN_UNTRUSTED, true, 0},
    {"expired", CERT_EXPIRED, "mx.example.test", "mx.example.test", TLS_CHAIN_EXPIRED, true, 0},
    {"not yet valid", CERT_NOT_YET_VALID, "mx.example.test", "mx.example.test",
     TLS_CHAIN_NOT_YET_VALID, true, 0},
    {"expires soon", CERT_EXPIRES_SOON, "mx.example.test", "mx.example.test", TLS_CHAIN_TRUSTED,
     true, BIT(TLS_FINDING_EXPIRES_SOON)},
    {"weak key", CERT_WEAK_RSA, "mx.example.test", "mx.example.test", TLS_CHAIN_TRUSTED, true,
     BIT(TLS_FINDING_WEAK_KEY)},
    {"other name", CERT_GOOD, "other.example.test", "mx.example.test", TLS_CHAIN_TRUSTED, false,
     BIT(TLS_FINDING_NAME_MISMATCH)},
    {"common name does not count", CERT_NO_SAN, "mx.example.test", "mx.example.test",
     TLS_CHAIN_TRUSTED, false, BIT(TLS_FINDING_NAME_MISMATCH) | BIT(TLS_FINDING_NO_SAN)},
    {"wildcard", CERT_GOOD, "*.example.test", "mx.example.test", TLS_CHAIN_TRUSTED, true, 0},
    {"wildcard for an A-label", CERT_GOOD, "*.example.test", "xn--mx-yka.example.test",
     TLS_CHAIN_TRUSTED, true, 0},
    {"wildcard is one label", CERT_GOOD, "*.example.test", "a.mx.example.test", TLS_CHAIN_TRUSTED,
     false, BIT(TLS_FINDING_NAME_MISMATCH)},
    {"wildcard is not none", CERT_GOOD, "*.example.test", "example.test", TLS_CHAIN_TRUSTED, false,
     BIT(TLS_FINDING_NAME_MISMATCH)},
    {"wildcard is a whole label", CERT_GOOD, "m*.example.test", "mx.example.test",
     TLS_CHAIN_TRUSTED, false, BIT(TLS_FINDING_NAME_MISMATCH)},
    {"wildcard only at the left", CERT_GOOD, "mx.*.test", "mx.example.test", TLS_CHAIN_TRUSTED,
     false, BIT(TLS_FINDING_NAME_MISMATCH)},
    {"wildcard over a whole TLD", CERT_GOOD, "*.test", "example.test", TLS_CHAIN_TRUSTED, false,
     BIT(TLS_FINDING_NAME_MISMATCH)},
    {"address", CERT_GOOD, "192.0.2.1", "192.0.2.1", TLS_CHAIN_TRUSTED, true, 0},
    {"another address", CERT_GOOD, "192.0.2.1", "192.0.2.2", TLS_CHAIN_TRUSTED, false,
     BIT(TLS_FINDING_NAME_MISMATCH)},
    {"no name to match", CERT_GOOD, "mx.example.test", NULL, TLS_CHAIN_TRUSTED, false,
     BIT(TLS_FINDING_NAME_MISMATCH)},
    {"part of the name", CERT_GOOD, "mx.example.test", ".example.test", TLS_CHAIN_TRUSTED, false,
     BIT(TLS_FINDING_NAME_MISMATCH)},
};

static void test_certificates(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(certificate_cases); i++) {
        const struct certificate_case *row = &certificate_cases[i];
        SSL_CTX *server = test_certs_server(certs, row->kind, row->certificate_name);
        struct tls_facts facts = visit_server(server, row->server_name, false);

        SSL_CTX_free(server);
        if (facts.state != TLS_OK || !facts.known || facts.resumed)
            fail_msg("%s: %s", row->label, tls_state_name(facts.state));
        if (facts.chain != row->chain)
            fail_msg("%s: chain %s", row->label, tls_chain_name(facts.chain));
        if (facts.name_match != row->name_match || facts.findings != row->findings)
            fail_msg("%s: name match %d, findings %x", row->label, facts.name_match,
                     facts.findings);
    }
}

static void test_details(void **state)
{
    SSL_CTX *server = test_certs_server(certs, CERT_GOOD, "mx.example.test");
    SSL_CTX *weak = test_certs_server(certs, CERT_WEAK_RSA, "mx.example.test");
    struct tls_facts facts = visit_server(server, "mx.example.test", false);
    int64_t now_s = clock_wall_s();

    (void)state;
    assert_string_equal(facts.version, "TLSv1.3");
    assert_string_equal(facts.cipher, "TLS_AES_128_GCM_SHA256");
    assert_string_equal(facts.key_type, "EC");
    assert_int_equal(facts.key_bits, 256);
    assert_in_range(facts.not_after_s, now_s + 299 * DAY_S, now_s + 301 * DAY_S);
    assert_in_range(facts.not_before_s, now_s - 31 * DAY_S, now_s - 29 * DAY_S);
    facts = visit_server(weak, "mx.example.test", false);
    assert_string_equal(facts.key_type, "RSA");
    assert_int_equal(facts.key_bits, 1024);
    SSL_CTX_free(server);
    SSL_CTX_free(weak);
}

/* --- versions -------------------------------------------------------------------------------- */

static void test_versions(void **state)
{
    static const struct {
        int version;
        bool legacy, goes_through;
        const char *name;
    } cases[] = {
        {TLS1_3_VERSION, false, true, "TLSv1.3"}, {TLS1_2_VERSION, false, true, "TLSv1.2"},
        {TLS1_1_VERSION, false, false, ""},       {TLS1_VERSION, false, false, ""},
        {TLS1_1_VERSION, true, true, "TLSv1.1"},  {TLS1_VERSION, true, true, "TLSv1"},
        {TLS1_3_VERSION, true, true, "TLSv1.3"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        SSL_CTX *server = test_certs_server(certs, CERT_GOOD, "mx.example.test");
        struct tls_facts facts;

        SSL_CTX_set_min_proto_version(server, cases[i].version);
        SSL_CTX_set_max_proto_version(server, cases[i].version);
        SSL_CTX_set_cipher_list(server, "ALL:@SECLEVEL=0");
        facts = visit_server(server, "mx.example.test", cases[i].legacy);
        SSL_CTX_free(server);
        if (facts.state != (cases[i].goes_through ? TLS_OK : TLS_FAILED) ||
            strcmp(facts.version, cases[i].name) != 0)
            fail_msg("case %zu: %s '%s'", i, tls_state_name(facts.state), facts.version);
        assert_int_equal(facts.findings, !cases[i].goes_through ? BIT(TLS_FINDING_HANDSHAKE_FAILED)
                                         : cases[i].legacy      ? BIT(TLS_FINDING_LEGACY_ONLY)
                                                                : 0);
    }
}

/* --- resumption ------------------------------------------------------------------------------ */

static void check_resumption(int version)
{
    SSL_CTX *context = test_certs_server(certs, CERT_EXPIRED, "mx.example.test");
    struct line_server *server;
    struct tls_facts first, second, third, other;

    SSL_CTX_set_max_proto_version(context, version);
    server = line_server_start(script, context, 4);
    first = visit_port(line_server_port(server), "mx.example.test", false);
    second = visit_port(line_server_port(server), "mx.example.test", false);
    third = visit_port(line_server_port(server), "mx.example.test", false);
    other = visit_port(line_server_port(server), "other.example.test", false);
    line_server_stop(&server);
    SSL_CTX_free(context);
    assert_false(first.resumed);
    assert_true(second.resumed);
    assert_memory_equal(&second, &third, sizeof second);
    assert_false(other.resumed);
    second.resumed = false;
    assert_memory_equal(&first, &second, sizeof first); /* what was known is known again */
    assert_int_equal(second.chain, TLS_CHAIN_EXPIRED);
    assert_false(other.name_match);
}

static void test_resumption(void **state)
{
    (void)state;
    check_resumption(TLS1_3_VERSION);
    tls_client_forget(tls, "mx.example.test", false);
    check_resumption(TLS1_2_VERSION);
}

static void test_server_that_forgot(void **state)
{
    SSL_CTX *first = test_certs_server(certs, CERT_GOOD, "mx.example.test");
    SSL_CTX *second = test_certs_server(certs, CERT_SELF_SIGNED, "mx.example.test");
    struct tls_facts facts;

    (void)state;
    visit_server(first, "mx.example.test", false);
    facts = visit_server(second, "mx.example.test", false); /* cannot read the ticket */
    assert_int_equal(facts.state, TLS_OK);
    assert_false(facts.resumed);
    assert_int_equal(facts.chain, TLS_CHAIN_SELF_SIGNED);
    SSL_CTX_free(first);
    SSL_CTX_free(second);
}

/* A server that breaks off when offered its session gets a full handshake next time. */
static void test_broken_resumption_is_forgotten(void **state)
{
    static const struct line_step breaks_off[] = {{STEP_WAIT, NULL, 0}, {STEP_END, NULL, 0}};
    SSL_CTX *context = test_certs_server(certs, CERT_GOOD, "mx.example.test");
    struct line_server *server;

    (void)state;
    visit_server(context, "mx.example.test", false);
    assert_int_equal(tls_client_remembered(tls), 1);
    server = line_server_start(breaks_off, NULL, 1);
    visit_port(line_server_port(server), "mx.example.test", false);
    line_server_stop(&server);
    assert_int_equal(tls_client_remembered(tls), 0);
    SSL_CTX_free(context);
}

static void test_sessions_are_bounded(void **state)
{
    SSL_CTX *context = test_certs_server(certs, CERT_GOOD, "*.example.test");
    struct line_server *server = line_server_start(script, context, 6);
    char name[32];

    (void)state;
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "mx%d.example.test", i);
        visit_port(line_server_port(server), name, false);
    }
    assert_int_equal(tls_client_remembered(tls), 4);
    line_server_stop(&server);
    SSL_CTX_free(context);
}

/* A ticket carries what the server likes. */
static int make_heavy(SSL *ssl, void *unused)
{
    static const char cargo[20000];

    (void)unused;
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), cargo, sizeof cargo);
}

static SSL_TICKET_RETURN take_heavy(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                    size_t length, SSL_TICKET_STATUS status, void *unused)
{
    (void)ssl;
    (void)session;
    (void)name;
    (void)length;
    (void)status;
    (void)unused;
    return SSL_TICKET_RETURN_IGNORE;
}

static void test_heavy_tickets_are_not_kept(void **state)
{
    SSL_CTX *context = test_certs_server(certs, CERT_GOOD, "mx.example.test");

    (void)state;
    SSL_CTX_set_session_ticket_cb(context, make_heavy, take_heavy, NULL);
    assert_int_equal(visit_server(context, "mx.example.test", false).state, TLS_OK);
    assert_int_equal(tls_client_remembered(tls), 0);
    SSL_CTX_free(context);
}

static void test_sessions_grow_old(void **state)
{
    SSL_CTX *context = test_certs_server(certs, CERT_GOOD, "mx.example.test");
    uint64_t now_ms;
    struct tls_facts facts;
    SSL_SESSION *session;

    (void)state;
    visit_server(context, "mx.example.test", false);
    session = tls_client_recall(tls, "mx.example.test", false, &facts);
    assert_non_null(session);
    assert_null(SSL_SESSION_get0_peer(session)); /* long to read, and its facts are known */
    SSL_SESSION_free(session);
    now_ms = ((uint64_t)clock_wall_s() + DAY_S + 10) * 1000;
    clock_use_virtual(&now_ms);
    session = tls_client_recall(tls, "mx.example.test", false, &facts);
    clock_use_virtual(NULL);
    assert_null(session);
    SSL_CTX_free(context);
}

/* --- the client ------------------------------------------------------------------------------ */

static void test_anchors(void **state)
{
    const char *error = NULL;
    struct tls_client *client;

    (void)state;
    assert_int_equal(tls_client_anchors(tls), 1);
    client = tls_client_new(&(struct tls_client_params){.ca_file = "/nonexistent/ca.pem"}, &error);
    assert_null(client);
    assert_non_null(error);
    client = tls_client_new(&(struct tls_client_params){.ca_file = "/dev/null"}, &error);
    assert_null(client);
    client = tls_client_new(&(struct tls_client_params){.ca_file = NULL}, &error);
    assert_non_null(client); /* with or without a system store */
    tls_client_free(&client);
    tls_client_free(&client); /* NULL is fine */
}

/* --- what a server makes us compute --------------------------------------------------- */

/* A Diffie-Hellman group of the server's own making, or one of RFC 3526. */
static EVP_PKEY *group(BIGNUM *modulus)
{
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
    BIGNUM *two = BN_new();
    EVP_PKEY *made = NULL;

    BN_set_word(two, 2);
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_FFC_P, modulus);
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_FFC_G, two);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_fromdata_init(context);
    assert_int_equal(EVP_PKEY_fromdata(context, &made, EVP_PKEY_KEY_PARAMETERS, params), 1);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(context);
    BN_free(two);
    BN_free(modulus);
    return made;
}

/* Odd, as far as primes go: nobody looks any closer. */
static BIGNUM *number_of_bits(int bits)
{
    BIGNUM *number = BN_new();

    BN_rand(number, bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
    return number;
}

static void test_groups_that_are_too_much_work(void **state)
{
    const struct {
        const char *label;
        BIGNUM *modulus;
        enum tls_state state;
    } rows[] = {
        {"2048 bits", number_of_bits(2048), TLS_OK},
        {"4096 bits", number_of_bits(4096), TLS_OK},
        {"4608 bits", number_of_bits(4608), TLS_FAILED},
        {"a known one of 8192 bits", BN_get_rfc3526_prime_8192(NULL), TLS_OK},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        SSL_CTX *server = test_certs_server(certs, CERT_WEAK_RSA, "mx.example.test");
        struct tls_facts facts;

        SSL_CTX_set_max_proto_version(server, TLS1_2_VERSION);
        SSL_CTX_set_cipher_list(server, "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0");
        SSL_CTX_set0_tmp_dh_pkey(server, group(rows[i].modulus));
        facts = visit_server(server, "mx.example.test", false);
        if (facts.state != rows[i].state)
            fail_msg("%s", rows[i].label);
        SSL_CTX_free(server);
    }
}

static int set_up(void **state)
{
    const char *error;

    (void)state;
    tls = tls_client_new(
        &(struct tls_client_params){.ca_file = test_certs_ca_file(certs), .sessions_max = 4},
        &error);
    return tls != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    tls_client_free(&tls);
    return 0;
}

static int set_up_all(void **state)
{
    (void)state;
    loop = loop_new();
    certs = test_certs_new();
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    test_certs_free(&certs);
    loop_free(&loop);
    return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_certificates),
        TEST(test_details),
        TEST(test_versions),
        TEST(test_groups_that_are_too_much_work),
        TEST(test_resumption),
        TEST(test_server_that_forgot),
        TEST(test_sessions_are_bounded),
        TEST(test_heavy_tickets_are_not_kept),
        TEST(test_sessions_grow_old),
        TEST(test_broken_resumption_is_forgotten),
        TEST(test_anchors),
    };

    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
