/* The conversations of tests/scenarios/imap once more, through the real probe and a scripted
 * server; then what only a connection can show: certificates, legacy TLS, refusals, cancelling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "probes/base/mem.h"
#include "probes/imap/imap_probe.h"
#include "tests/support/imap_server.h"
#include "tests/support/test_certs.h"

#define HOST "imap.example.test"
enum { PATIENT_MS = 20000, SHORT_MS = 1500 };

static struct test_certs *certs;
static struct loop *loop;
static struct tls_client *tls;
static struct ip_networks loopback;

/* One look and what came of it. */
struct look {
    const struct imap_scenario *scenario;
    struct imap_server *server;
    struct imap_probe *probe;
    struct imap_probe_result result;
    unsigned calls;
};
static unsigned looks_open;

static void on_done(void *context, struct imap_probe_result *result)
{
    struct look *look = context;

    look->result = *result;
    *result = (struct imap_probe_result){.end = IMAP_PROBE_ASKED};
    look->calls++;
    if (--looks_open == 0)
        loop_stop(loop);
}

static struct imap_probe_params params_for(uint16_t port, bool implicit_tls)
{
    struct imap_probe_params params = {
        .loop = loop,
        .tls = tls,
        .host = HOST,
        .port = port,
        .implicit_tls = implicit_tls,
        .allowed = &loopback,
        .connect_ms = PATIENT_MS,
        .step_ms = PATIENT_MS,
        .transcript = true,
        .epoch_ms = loop_now_ms(loop),
    };

    ip_parse("127.0.0.1", &params.address);
    return params;
}

static void start_look(struct look *look, const struct imap_probe_params *params)
{
    looks_open++;
    look->probe = imap_probe_start(params, on_done, look);
    assert_int_equal(look->calls, 0); /* never from inside */
}

static void run(void)
{
    loop_run(loop);
    loop_free(&loop);
    loop = loop_new(); /* a loop runs once: the next test gets a fresh one */
}

static void end_look(struct look *look)
{
    imap_server_free(&look->server);
    free(look->result.endpoint.host);
    free(look->result.endpoint.greeting);
    free(look->result.endpoint.capabilities);
    free(look->result.transcript);
}

static void serve(struct look *look, const struct imap_scenario *scenario, SSL_CTX *context)
{
    look->scenario = scenario;
    look->server = imap_server_start(
        &(struct imap_server_params){.address = "127.0.0.1", .tls = context, .scenario = scenario});
}

static bool has_line(const struct imap_scenario *scenario, char kind, const char *text)
{
    for (size_t i = 0; i < scenario->count; i++)
        if (scenario->lines[i].kind == kind && strcmp(scenario->lines[i].text, text) == 0)
            return true;
    return false;
}

static bool handshake_fails(const struct imap_scenario *scenario)
{
    return has_line(scenario, 'T', "fail");
}

/* All scenarios share one thread: under valgrind the handshakes alone take longer than SHORT_MS. */
static uint32_t slowness(void)
{
    const char *factor = getenv("TEST_SLOWNESS");

    return factor != NULL && *factor >= '1' && *factor <= '9' ? (uint32_t)(*factor - '0') : 1;
}

/* Findings of a handshake are the transport's; the scenario speaks for the dialog. */
static void check_scenario(struct look *look)
{
    const struct imap_scenario *scenario = look->scenario;
    unsigned seen = look->result.endpoint.tls.findings;

    printf("%s\n", scenario->name);
    look->result.endpoint.tls.findings &= 1u << TLS_FINDING_STARTTLS_REFUSED;
    if (strcmp(scenario->name, "silence.txt") != 0 && look->result.endpoint.greeting != NULL)
        assert_non_null(strstr(look->result.transcript, "\"dir\":\"S\""));
    assert_int_equal(look->calls, 1);
    assert_int_equal(look->result.end, IMAP_PROBE_ASKED);
    assert_string_equal(imap_scenario_difference(scenario->expected, &look->result.endpoint), "");
    imap_server_stop(look->server);
    assert_string_equal(imap_server_complaint(look->server), "");
    assert_int_equal(imap_server_connections(look->server), handshake_fails(scenario) ? 2 : 1);
    if (handshake_fails(scenario))
        assert_int_not_equal(
            seen & (1u << TLS_FINDING_HANDSHAKE_FAILED | 1u << TLS_FINDING_STARTTLS_INJECTION), 0);
}

static void plays_every_scenario(void **state)
{
    static struct imap_scenario scenarios[IMAP_SCENARIOS_MAX];
    static struct look looks[IMAP_SCENARIOS_MAX];
    SSL_CTX *context = test_certs_server(certs, CERT_GOOD, HOST);
    size_t count = imap_scenarios_load("tests/scenarios/imap", scenarios, IMAP_SCENARIOS_MAX);

    (void)state;
    assert_in_range(count, 40, IMAP_SCENARIOS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct imap_probe_params params;

        serve(&looks[i], &scenarios[i], context);
        params = params_for(imap_server_port(looks[i].server), scenarios[i].implicit_tls);
        if (has_line(&scenarios[i], 'X', "timeout"))
            params.step_ms = SHORT_MS * slowness();
        start_look(&looks[i], &params);
    }
    run();
    for (size_t i = 0; i < count; i++) {
        check_scenario(&looks[i]);
        end_look(&looks[i]);
        imap_scenario_free(&scenarios[i]);
    }
    SSL_CTX_free(context);
}

/* --- certificates and legacy TLS ------------------------------------------------- */

static struct imap_scenario tls_script = {
    .name = (char *)"tls",
    .implicit_tls = true,
    .count = 5,
    .lines = {{'T', (char *)"ok"},
              {'S', (char *)"* OK [CAPABILITY IMAP4rev1] ready"},
              {'C', (char *)"a1 LOGOUT"},
              {'S', (char *)"* BYE"},
              {'S', (char *)"a1 OK"}},
};
static struct imap_scenario starttls_script = {
    .name = (char *)"starttls",
    .count = 10,
    .lines = {{'S', (char *)"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready"},
              {'C', (char *)"a1 STARTTLS"},
              {'S', (char *)"a1 OK"},
              {'T', (char *)"ok"},
              {'C', (char *)"a2 CAPABILITY"},
              {'S', (char *)"* CAPABILITY IMAP4rev1 IDLE"},
              {'S', (char *)"a2 OK"},
              {'C', (char *)"a3 LOGOUT"},
              {'S', (char *)"* BYE"},
              {'S', (char *)"a3 OK"}},
};

static const struct {
    const char *label;
    enum test_cert cert;
    const char *name;
    enum tls_chain chain;
    bool name_match;
} certificates[] = {
    {"good", CERT_GOOD, HOST, TLS_CHAIN_TRUSTED, true},
    {"wrong name", CERT_GOOD, "other.example.test", TLS_CHAIN_TRUSTED, false},
    {"expired", CERT_EXPIRED, HOST, TLS_CHAIN_EXPIRED, true},
    {"self-signed", CERT_SELF_SIGNED, HOST, TLS_CHAIN_SELF_SIGNED, true},
    {"unknown authority", CERT_OTHER_CA, HOST, TLS_CHAIN_UNTRUSTED, true},
};

/* A bad certificate is a fact about the endpoint; it works all the same. */
static void reports_certificates(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(certificates); i++) {
        SSL_CTX *context = test_certs_server(certs, certificates[i].cert, certificates[i].name);
        struct look look = {.calls = 0};
        struct imap_probe_params params;

        printf("%s\n", certificates[i].label);
        serve(&look, &tls_script, context);
        params = params_for(imap_server_port(look.server), true);
        start_look(&look, &params);
        run();
        assert_int_equal(look.result.endpoint.state, IMAP_OK);
        assert_int_equal(look.result.endpoint.tls.state, TLS_OK);
        assert_int_equal(look.result.endpoint.tls.chain, certificates[i].chain);
        assert_int_equal(look.result.endpoint.tls.name_match, certificates[i].name_match);
        assert_string_equal(look.result.endpoint.host, HOST);
        assert_int_equal(look.result.endpoint.port, imap_server_port(look.server));
        end_look(&look);
        SSL_CTX_free(context);
    }
}

static SSL_CTX *old_server(void)
{
    SSL_CTX *context = test_certs_server(certs, CERT_GOOD, HOST);

    SSL_CTX_set_cipher_list(context, "DEFAULT:@SECLEVEL=0");
    SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context, TLS1_VERSION);
    return context;
}

static void finds_legacy_only_servers(void **state)
{
    struct imap_scenario *scripts[] = {&tls_script, &starttls_script};
    SSL_CTX *context = old_server();

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(scripts); i++) {
        struct look look = {.calls = 0};
        struct imap_probe_params params;

        printf("%s\n", scripts[i]->name);
        serve(&look, scripts[i], context);
        params = params_for(imap_server_port(look.server), scripts[i]->implicit_tls);
        start_look(&look, &params);
        run();
        assert_int_equal(look.result.endpoint.state, IMAP_OK);
        assert_string_equal(look.result.endpoint.tls.version, "TLSv1");
        assert_int_equal(look.result.endpoint.tls.findings &
                             (1u << TLS_FINDING_LEGACY_ONLY | 1u << TLS_FINDING_HANDSHAKE_FAILED),
                         1u << TLS_FINDING_LEGACY_ONLY);
        imap_server_stop(look.server);
        assert_int_equal(imap_server_connections(look.server), 2);
        end_look(&look);
    }
    SSL_CTX_free(context);
}

static void says_when_there_is_no_tls(void **state)
{
    struct imap_scenario clear = {
        .count = 3,
        .lines = {{'S', (char *)"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] ready"},
                  {'C', (char *)"a1 LOGOUT"},
                  {'S', (char *)"a1 OK"}},
    };
    struct look look = {.calls = 0};
    struct imap_probe_params params;

    (void)state;
    serve(&look, &clear, NULL);
    params = params_for(imap_server_port(look.server), false);
    start_look(&look, &params);
    run();
    assert_int_equal(look.result.endpoint.state, IMAP_OK);
    assert_int_equal(look.result.endpoint.security, SECURITY_CLEAR);
    assert_int_equal(look.result.endpoint.tls.state, TLS_NOT_OFFERED);
    end_look(&look);
}

/* --- no session ------------------------------------------------------------------- */

static void tells_a_refusal(void **state)
{
    struct imap_scenario nothing = {.count = 0};
    struct look look = {.calls = 0};
    struct imap_probe_params params;

    (void)state;
    serve(&look, &nothing, NULL); /* a port that was free a moment ago */
    params = params_for(imap_server_port(look.server), false);
    imap_server_free(&look.server);
    start_look(&look, &params);
    run();
    assert_int_equal(look.result.end, IMAP_PROBE_ASKED);
    assert_int_equal(look.result.endpoint.state, IMAP_REFUSED);
    assert_int_equal(look.result.endpoint.security, SECURITY_STARTTLS);
    assert_int_equal(look.result.endpoint.tls.state, TLS_NOT_TRIED);
    end_look(&look);
}

static void opens_no_socket_to_special_addresses(void **state)
{
    struct imap_scenario nothing = {.count = 0};
    struct look look = {.calls = 0};
    struct imap_probe_params params;

    (void)state;
    serve(&look, &nothing, NULL);
    params = params_for(imap_server_port(look.server), true);
    params.allowed = NULL;
    start_look(&look, &params);
    run();
    assert_int_equal(look.result.end, IMAP_PROBE_FORBIDDEN);
    imap_server_stop(look.server);
    assert_int_equal(imap_server_connections(look.server), 0);
    end_look(&look);
}

static void on_alarm(void *context)
{
    (void)context;
    loop_stop(loop);
}

static void cancels_in_silence(void **state)
{
    struct imap_scenario silent = {.count = 1, .lines = {{'X', (char *)"timeout"}}};
    struct look look = {.calls = 0};
    struct imap_probe_params params;
    struct loop_timer alarm;

    (void)state;
    serve(&look, &silent, NULL);
    params = params_for(imap_server_port(look.server), false);
    start_look(&look, &params);
    loop_run_once(loop);
    imap_probe_cancel(&look.probe);
    assert_null(look.probe);
    imap_probe_cancel(&look.probe);
    loop_timer_init(&alarm, loop, on_alarm, NULL);
    loop_timer_start(&alarm, 20);
    looks_open = 0;
    run();
    assert_int_equal(look.calls, 0);
    end_look(&look);
}

/* What a server says is JSON in the transcript whatever it says, and the transcript is bounded. */
static void keeps_a_transcript_that_is_json(void **state)
{
    struct imap_scenario nasty = {
        .count = 4,
        .lines = {{'S', (char *)"* OK \"quote\\ \x1b[31m caf\xe9 \x01 <script>"},
                  {'C', (char *)"a1 CAPABILITY"},
                  {'S', mem_zeroed(60000, 1)},
                  {'X', (char *)"closed"}},
    };
    struct look look = {.calls = 0};
    struct imap_probe_params params;
    char *array;
    json_t *items;

    (void)state;
    memset(nasty.lines[2].text, 1, 59999);
    memcpy(nasty.lines[2].text, "* X ", 4);
    serve(&look, &nasty, NULL);
    params = params_for(imap_server_port(look.server), false);
    start_look(&look, &params);
    run();
    assert_in_range(strlen(look.result.transcript), 1, IMAP_TRANSCRIPT_MAX);
    array = mem_zeroed(IMAP_TRANSCRIPT_MAX + 3, 1);
    snprintf(array, IMAP_TRANSCRIPT_MAX + 3, "[%s]", look.result.transcript);
    items = json_loads(array, 0, NULL);
    assert_non_null(items);
    assert_int_equal(json_array_size(items), 3);
    assert_string_equal(json_string_value(json_object_get(json_array_get(items, 1), "line")),
                        "a1 CAPABILITY");
    assert_string_equal(json_string_value(json_object_get(json_array_get(items, 1), "dir")), "C");
    json_decref(items);
    free(array);
    free(nasty.lines[2].text);
    end_look(&look);
}

static int set_up(void **state)
{
    const char *error = "";

    (void)state;
    certs = test_certs_new();
    loop = loop_new();
    tls = tls_client_new(&(struct tls_client_params){.ca_file = test_certs_ca_file(certs)}, &error);
    if (tls == NULL)
        printf("TLS: %s\n", error);
    return tls != NULL && ip_networks_parse("127.0.0.0/8", &loopback) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    tls_client_free(&tls);
    loop_free(&loop);
    test_certs_free(&certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plays_every_scenario),
        cmocka_unit_test(reports_certificates),
        cmocka_unit_test(finds_legacy_only_servers),
        cmocka_unit_test(says_when_there_is_no_tls),
        cmocka_unit_test(tells_a_refusal),
        cmocka_unit_test(opens_no_socket_to_special_addresses),
        cmocka_unit_test(cancels_in_silence),
        cmocka_unit_test(keeps_a_transcript_that_is_json),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
