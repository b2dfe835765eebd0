/* Surveys of domains that live in a table of DNS records and on servers at 127.77.x.y. The resolver
 * is this file's: it answers dns_ask() from the table, a turn later, and counts. */
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
#include "probes/base/text.h"
#include "probes/discover/imap_candidates.h"
#include "probes/discover/imap_survey.h"
#include "tests/support/imap_server.h"
#include "tests/support/test_certs.h"

enum { PATIENT_MS = 20000, SERVERS_MAX = 4, RECORDS_MAX = 8 };

/* --- the resolver -------------------------------------------------------------------- */

struct record {
    const char *name;
    enum dns_type type;
    const char *data; /* an address, or an SRV target; "SERVFAIL" */
    uint16_t priority, port;
};

/* "*.name" stands for every name below it that is not in the table. */
static const struct record *zone;
static unsigned questions;

struct dns_query {
    struct loop_timer timer;
    char name[DNS_NAME_SIZE];
    enum dns_type type;
    dns_done_fn *done;
    void *context;
};

static struct loop *loop;

static bool name_fits(const struct record *record, const char *name)
{
    if (strncmp(record->name, "*.", 2) == 0)
        return text_domain_within(name, record->name + 2) && strcmp(name, record->name + 2) != 0;
    return strcmp(record->name, name) == 0;
}

static size_t collect(const char *name, enum dns_type type, struct dns_record *records,
                      enum dns_status *status)
{
    size_t count = 0;
    bool named = false; /* then no wildcard applies */

    *status = DNS_NO_NAME;
    for (const struct record *row = zone; row->name != NULL; row++) {
        if (!name_fits(row, name) || (row->name[0] == '*' && named))
            continue;
        named = row->name[0] != '*';
        if (*status == DNS_NO_NAME)
            *status = strcmp(row->data, "SERVFAIL") == 0 ? DNS_FAILED : DNS_NO_DATA;
        if (row->type != type || *status == DNS_FAILED)
            continue;
        *status = DNS_FOUND;
        records[count] = (struct dns_record){.preference = row->priority, .port = row->port};
        if (type == DNS_SRV)
            records[count].name = row->data;
        else
            ip_parse(row->data, &records[count].address);
        count++;
    }
    return count;
}

static void answer(void *context)
{
    struct dns_query *query = context;
    struct dns_record records[RECORDS_MAX];
    struct dns_answer answer = {.records = records};

    answer.count = collect(query->name, query->type, records, &answer.status);
    query->done(query->context, &answer);
    free(query);
}

struct dns_query *dns_ask(struct dns *dns, const char *name, enum dns_type type, dns_done_fn *done,
                          void *context)
{
    struct dns_query *query = mem_new(struct dns_query);

    (void)dns;
    questions++;
    snprintf(query->name, sizeof(query->name), "%s", name);
    query->type = type;
    query->done = done;
    query->context = context;
    loop_timer_init(&query->timer, loop, answer, query);
    loop_timer_start(&query->timer, 0);
    return query;
}

struct dns_query *dns_ask_once(struct dns *dns, const char *name, enum dns_type type,
                               dns_done_fn *done, void *context)
{
    return dns_ask(dns, name, type, done, context);
}

void dns_cancel(struct dns_query **query)
{
    if (*query == NULL)
        return;
    loop_timer_stop(&(*query)->timer);
    free(*query);
    *query = NULL;
}

/* --- servers ----------------------------------------------------------------------------- */

/* Filled by write_scripts(). */
static struct imap_scenario good_tls, good_starttls, clear_only, silent;

static void add_line(struct imap_scenario *script, char kind, const char *text)
{
    script->lines[script->count].kind = kind;
    script->lines[script->count++].text = (char *)text;
}

static void write_scripts(void)
{
    good_tls.implicit_tls = true;
    add_line(&good_tls, 'T', "ok");
    add_line(&good_tls, 'S', "* OK [CAPABILITY IMAP4rev1 IDLE] ready");
    add_line(&good_tls, 'C', "a1 LOGOUT");
    add_line(&good_tls, 'S', "a1 OK");
    add_line(&good_starttls, 'S', "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready");
    add_line(&good_starttls, 'C', "a1 STARTTLS");
    add_line(&good_starttls, 'S', "a1 OK");
    add_line(&good_starttls, 'T', "ok");
    add_line(&good_starttls, 'C', "a2 CAPABILITY");
    add_line(&good_starttls, 'S', "* CAPABILITY IMAP4rev1 IDLE");
    add_line(&good_starttls, 'S', "a2 OK");
    add_line(&good_starttls, 'C', "a3 LOGOUT");
    add_line(&good_starttls, 'S', "a3 OK");
    add_line(&clear_only, 'S', "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready");
    add_line(&clear_only, 'C', "a1 LOGOUT");
    add_line(&clear_only, 'S', "a1 OK");
    add_line(&silent, 'X', "timeout");
}

enum script { NO_SERVER, GOOD_TLS, GOOD_STARTTLS, CLEAR_ONLY, SILENT };
static struct imap_scenario *const scripts[] = {
    [GOOD_TLS] = &good_tls,
    [GOOD_STARTTLS] = &good_starttls,
    [CLEAR_ONLY] = &clear_only,
    [SILENT] = &silent,
};

struct server {
    const char *address;
    enum script script;
    const char *name; /* in the certificate */
    enum test_cert cert;
    unsigned connections; /* expected */
};

/* --- one survey ------------------------------------------------------------------------------ */

static struct test_certs *certs;
static struct tls_client *tls;
static struct ip_networks lab;
static struct imap_ports ports; /* free ones, the same at every address */

struct survey_case {
    const char *label, *domain;
    struct record zone[RECORDS_MAX];
    struct server servers[SERVERS_MAX];
    enum mx_outcome mx;
    uint32_t budget_ms; /* 0 = plenty */
    bool unsure;
    /* host:port state source, '!' = name mismatch; ports as 993 and 143 */
    const char *endpoints;
    unsigned questions; /* 0 = not counted */
};

static struct imap_evidence *found;
static unsigned calls;

static void on_found(void *context, struct imap_evidence *evidence)
{
    (void)context;
    found = evidence;
    calls++;
    loop_stop(loop);
}

static struct imap_survey *start(const struct survey_case *one)
{
    struct mx_evidence *mx = mx_evidence_new();
    struct imap_survey *survey;

    mx->outcome = one->mx;
    zone = one->zone;
    questions = calls = 0;
    found = NULL;
    survey = imap_survey_start(&(struct imap_survey_params){.loop = loop,
                                                            .tls = tls,
                                                            .allowed = &lab,
                                                            .ports = ports,
                                                            .connect_ms = PATIENT_MS,
                                                            .step_ms = PATIENT_MS,
                                                            .budget_ms = one->budget_ms > 0
                                                                             ? one->budget_ms
                                                                             : 4 * PATIENT_MS,
                                                            .domain = one->domain,
                                                            .mx = mx,
                                                            .transcript = true},
                               on_found, NULL);
    assert_int_equal(calls, 0);
    mx_evidence_drop(&mx); /* borrowed for the call only */
    return survey;
}

static void open_servers(const struct survey_case *one, struct imap_server *servers[SERVERS_MAX],
                         SSL_CTX *contexts[SERVERS_MAX])
{
    for (size_t i = 0; i < SERVERS_MAX && one->servers[i].address != NULL; i++) {
        const struct server *server = &one->servers[i];
        const char *name = server->name != NULL ? server->name : "nobody.test";

        contexts[i] = test_certs_server(certs, server->cert, name);
        servers[i] = imap_server_start(&(struct imap_server_params){
            .address = server->address,
            .port =
                server->script == GOOD_TLS || server->script == SILENT ? ports.tls : ports.starttls,
            .tls = contexts[i],
            .scenario = scripts[server->script],
        });
    }
}

static void close_servers(const struct survey_case *one, struct imap_server *servers[SERVERS_MAX],
                          SSL_CTX *contexts[SERVERS_MAX])
{
    for (size_t i = 0; i < SERVERS_MAX && one->servers[i].address != NULL; i++) {
        imap_server_stop(servers[i]);
        if (one->servers[i].script != SILENT)
            assert_string_equal(imap_server_complaint(servers[i]), "");
        assert_int_equal(imap_server_overlaps(servers[i]), 0);
        assert_int_equal(imap_server_connections(servers[i]), one->servers[i].connections);
        imap_server_free(&servers[i]);
        SSL_CTX_free(contexts[i]);
    }
}

static char *describe(const struct imap_evidence *evidence)
{
    struct text out;

    text_init(&out, 8192);
    for (size_t i = 0; i < evidence->count; i++) {
        const struct imap_endpoint *endpoint = &evidence->endpoints[i];

        text_format(&out, "%s%s:%d %s %s%s", i > 0 ? ", " : "", endpoint->host,
                    endpoint->port == ports.tls ? 993 : 143, imap_state_name(endpoint->state),
                    endpoint_source_name(endpoint->source),
                    endpoint->tls.state == TLS_OK && !endpoint->tls.name_match ? "!" : "");
    }
    return text_take(&out);
}

static void check_transcript(const char *transcript)
{
    struct text array;
    json_t *items;

    text_init(&array, 1 << 20);
    text_format(&array, "[");
    text_put(&array, transcript);
    text_char(&array, ']');
    items = json_loads(array.bytes, 0, NULL);
    assert_non_null(items);
    json_decref(items);
    text_free(&array);
}

static void run_case(const struct survey_case *one)
{
    struct imap_server *servers[SERVERS_MAX] = {NULL};
    SSL_CTX *contexts[SERVERS_MAX] = {NULL};
    uint64_t lifetime_ms;
    char *text;

    printf("%s\n", one->label);
    open_servers(one, servers, contexts);
    start(one);
    loop_run(loop);
    assert_int_equal(calls, 1);
    text = describe(found);
    assert_string_equal(text, one->endpoints);
    free(text);
    if (one->questions > 0)
        assert_int_equal(questions, one->questions);
    lifetime_ms = found->expires_ms - loop_now_ms(loop);
    assert_true(one->unsure ? lifetime_ms <= 900000 : lifetime_ms > 900000);
    check_transcript(found->transcript);
    imap_evidence_drop(&found);
    close_servers(one, servers, contexts);
    loop_free(&loop);
    loop = loop_new();
}

/* --- the cases -------------------------------------------------------------------------------- */

#define A(host, ip)                                                                                \
    {                                                                                              \
        host, DNS_A, ip, 0, 0                                                                      \
    }

static const struct survey_case cases[] = {
    {.label = "SRV names a server of the domain",
     .domain = "srv.test",
     .zone = {{"_imaps._tcp.srv.test", DNS_SRV, "in.srv.test", 0, 993},
              A("in.srv.test", "127.77.0.1")},
     .servers = {{"127.77.0.1", GOOD_TLS, "in.srv.test", CERT_SELF_SIGNED, 1}},
     .endpoints = "in.srv.test:993 ok srv",
     .questions = 3},
    {.label = "both SRV services at one host: one after the other",
     .domain = "two.test",
     .zone = {{"_imaps._tcp.two.test", DNS_SRV, "in.two.test", 0, 993},
              {"_imap._tcp.two.test", DNS_SRV, "in.two.test", 10, 143},
              A("in.two.test", "127.77.0.1")},
     .servers = {{"127.77.0.1", GOOD_TLS, "in.two.test", CERT_GOOD, 1},
                 {"127.77.0.1", GOOD_STARTTLS, "in.two.test", CERT_GOOD, 1}},
     .endpoints = "in.two.test:993 ok srv, in.two.test:143 ok srv"},
    {.label = "several names at one address and port: one after the other",
     .domain = "three.test",
     .zone = {{"_imaps._tcp.three.test", DNS_SRV, "a.three.test", 0, 993},
              {"_imaps._tcp.three.test", DNS_SRV, "b.three.test", 1, 993},
              {"_imaps._tcp.three.test", DNS_SRV, "c.three.test", 2, 993},
              A("a.three.test", "127.77.0.1"),
              A("b.three.test", "127.77.0.1"),
              A("c.three.test", "127.77.0.1")},
     .servers = {{"127.77.0.1", GOOD_TLS, "b.three.test", CERT_GOOD, 3}},
     .endpoints = "a.three.test:993 ok srv!, b.three.test:993 ok srv, c.three.test:993 ok srv!"},
    {.label = "SRV says not offered: nobody is guessed at",
     .domain = "no.test",
     .zone = {{"_imaps._tcp.no.test", DNS_SRV, "", 0, 0},
              {"_imap._tcp.no.test", DNS_SRV, "", 0, 0},
              A("imap.no.test", "127.77.0.1")},
     .servers = {{"127.77.0.1", GOOD_TLS, "imap.no.test", CERT_GOOD, 0}},
     .endpoints = "no.test:993 not_offered srv, no.test:143 not_offered srv",
     .questions = 2},
    {.label = "a foreign SRV target with a good certificate",
     .domain = "far.test",
     .zone = {{"_imaps._tcp.far.test", DNS_SRV, "imap.hoster.test", 0, 993},
              A("imap.hoster.test", "127.77.0.1"),
              A("imap.far.test", "127.77.0.2")},
     .servers = {{"127.77.0.1", GOOD_TLS, "imap.hoster.test", CERT_GOOD, 1},
                 {"127.77.0.2", GOOD_TLS, "imap.far.test", CERT_GOOD, 0}},
     .endpoints = "imap.hoster.test:993 ok srv"},
    {.label = "a foreign SRV target with a bad one does not end the search",
     .domain = "away.test",
     .zone = {{"_imaps._tcp.away.test", DNS_SRV, "imap.hoster.test", 0, 993},
              A("imap.hoster.test", "127.77.0.1"),
              A("imap.away.test", "127.77.0.2")},
     .servers = {{"127.77.0.1", GOOD_TLS, "imap.hoster.test", CERT_SELF_SIGNED, 1},
                 {"127.77.0.2", GOOD_TLS, "imap.away.test", CERT_GOOD, 1}},
     .endpoints = "imap.away.test:993 ok guess, imap.hoster.test:993 ok srv"},
    {.label = "a guess costs one connection",
     .domain = "guess.test",
     .zone = {A("imap.guess.test", "127.77.0.1"), A("mail.guess.test", "127.77.0.2")},
     .servers = {{"127.77.0.1", GOOD_TLS, "imap.guess.test", CERT_GOOD, 1},
                 {"127.77.0.2", GOOD_TLS, "mail.guess.test", CERT_GOOD, 0}},
     .endpoints = "imap.guess.test:993 ok guess"},
    {.label = "a guess with another name's certificate does not count",
     .domain = "shared.test",
     .zone = {A("imap.shared.test", "127.77.0.1"), A("mail.shared.test", "127.77.0.1")},
     .servers = {{"127.77.0.1", GOOD_TLS, "mail.shared.test", CERT_GOOD, 2}},
     .endpoints = "mail.shared.test:993 ok guess, imap.shared.test:993 ok guess!"},
    {.label = "143 when 993 refuses; the address is asked once a port",
     .domain = "old.test",
     .zone = {A("imap.old.test", "127.77.0.1"), A("mail.old.test", "127.77.0.1")},
     .servers = {{"127.77.0.1", GOOD_STARTTLS, "imap.old.test", CERT_GOOD, 1}},
     .endpoints = "imap.old.test:143 ok guess, imap.old.test:993 refused guess"},
    {.label = "no TLS at all is told, and does not count",
     .domain = "clear.test",
     .zone = {A("imap.clear.test", "127.77.0.1")},
     .servers = {{"127.77.0.1", CLEAR_ONLY, NULL, CERT_GOOD, 1}},
     .endpoints = "imap.clear.test:993 refused guess, imap.clear.test:143 ok guess"},
    {.label = "a self-signed guess counts where names are real",
     .domain = "own.test",
     .zone = {A("imap.own.test", "127.77.0.1"), A("mail.own.test", "127.77.0.2")},
     .servers = {{"127.77.0.1", GOOD_TLS, "imap.own.test", CERT_SELF_SIGNED, 1},
                 {"127.77.0.2", GOOD_TLS, "mail.own.test", CERT_GOOD, 0}},
     .endpoints = "imap.own.test:993 ok guess"},
    {.label = "a self-signed guess does not where every name resolves",
     .domain = "wild.test",
     .zone = {A("mail.wild.test", "127.77.0.2"), A("*.wild.test", "127.77.0.1")},
     .servers = {{"127.77.0.1", GOOD_TLS, "imap.wild.test", CERT_SELF_SIGNED, 1},
                 {"127.77.0.2", GOOD_TLS, "mail.wild.test", CERT_GOOD, 1}},
     .endpoints = "mail.wild.test:993 ok guess, imap.wild.test:993 ok guess"},
    {.label = "a trusted guess counts under a wildcard",
     .domain = "wide.test",
     .zone = {A("*.wide.test", "127.77.0.1")},
     .servers = {{"127.77.0.1", GOOD_TLS, "imap.wide.test", CERT_GOOD, 1}},
     .endpoints = "imap.wide.test:993 ok guess"},
    {.label = "nothing anywhere", .domain = "none.test", .endpoints = ""},
    {.label = "special-purpose addresses are left out",
     .domain = "inner.test",
     .zone = {{"_imaps._tcp.inner.test", DNS_SRV, "in.inner.test", 0, 993},
              A("in.inner.test", "169.254.169.254"),
              A("imap.inner.test", "10.0.0.1"),
              {"mail.inner.test", DNS_AAAA, "::1", 0, 0}},
     .endpoints = ""},
    {.label = "the resolver fails: ask again soon",
     .domain = "lame.test",
     .zone = {{"_imaps._tcp.lame.test", DNS_SRV, "SERVFAIL", 0, 0}},
     .unsure = true,
     .endpoints = ""},
    {.label = "a null MX: SRV may speak, nobody is guessed at",
     .domain = "null.test",
     .mx = MX_NULL,
     .zone = {A("imap.null.test", "127.77.0.1")},
     .servers = {{"127.77.0.1", GOOD_TLS, "imap.null.test", CERT_GOOD, 0}},
     .endpoints = "",
     .questions = 2},
    {.label = "a domain that is not there",
     .domain = "gone.test",
     .mx = MX_NO_DOMAIN,
     .endpoints = ""},
    {.label = "the table knows a provider",
     .domain = "gmail.com",
     .zone = {A("imap.gmail.com", "127.77.0.1")},
     .servers = {{"127.77.0.1", GOOD_TLS, "imap.gmail.com", CERT_GOOD, 1}},
     .endpoints = "imap.gmail.com:993 ok table",
     .questions = 1},
    {.label = "the table knows a provider without IMAP",
     .domain = "proton.me",
     .zone = {A("imap.proton.me", "127.77.0.1")},
     .servers = {{"127.77.0.1", GOOD_TLS, "imap.proton.me", CERT_GOOD, 0}},
     .endpoints = "proton.me:993 not_offered table"},
    {.label = "a silent guess does not keep the next one waiting",
     .domain = "slow.test",
     .zone = {A("imap.slow.test", "127.77.0.1"), A("mail.slow.test", "127.77.0.2")},
     .servers = {{"127.77.0.1", SILENT, NULL, CERT_GOOD, 1},
                 {"127.77.0.2", GOOD_TLS, "mail.slow.test", CERT_GOOD, 1}},
     .endpoints = "mail.slow.test:993 ok guess"},
    {.label = "the budget runs out on a silent server",
     .domain = "late.test",
     .zone = {{"_imaps._tcp.late.test", DNS_SRV, "in.late.test", 0, 993},
              A("in.late.test", "127.77.0.1")},
     .servers = {{"127.77.0.1", SILENT, NULL, CERT_GOOD, 1}},
     .budget_ms = 500,
     .unsure = true,
     .endpoints = "in.late.test:993 timeout srv"},
};

static void surveys_domains(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        run_case(&cases[i]);
}

/* At any point: no callback, and nothing left behind (the sanitizer looks). */
static void cancels_at_any_point(void **state)
{
    struct imap_server *servers[SERVERS_MAX] = {NULL};
    SSL_CTX *contexts[SERVERS_MAX] = {NULL};
    struct survey_case one = cases[0];

    (void)state;
    one.servers[0].script = SILENT;
    open_servers(&one, servers, contexts);
    for (unsigned turns = 0; turns < 12; turns++) {
        struct imap_survey *survey = start(&one);

        for (unsigned i = 0; i < turns; i++)
            loop_run_once(loop);
        imap_survey_cancel(&survey);
        assert_null(survey);
        imap_survey_cancel(&survey);
        assert_int_equal(calls, 0);
    }
    for (size_t i = 0; i < SERVERS_MAX; i++)
        imap_server_free(&servers[i]);
    SSL_CTX_free(contexts[0]);
}

static uint16_t free_port(void)
{
    struct imap_server *server = imap_server_start(
        &(struct imap_server_params){.address = "127.77.0.1", .scenario = &clear_only});
    uint16_t port = imap_server_port(server);

    imap_server_free(&server);
    return port;
}

static int set_up(void **state)
{
    const char *error = "";

    (void)state;
    write_scripts();
    ports = (struct imap_ports){.tls = free_port(), .starttls = free_port()};
    certs = test_certs_new();
    loop = loop_new();
    tls = tls_client_new(&(struct tls_client_params){.ca_file = test_certs_ca_file(certs)}, &error);
    if (tls == NULL)
        printf("TLS: %s\n", error);
    return tls != NULL && ip_networks_parse("127.77.0.0/16", &lab) ? 0 : -1;
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
        cmocka_unit_test(surveys_domains),
        cmocka_unit_test(cancels_at_any_point),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
