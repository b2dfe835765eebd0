/* The MX algorithm against a scripted resolver: every kind of domain, and what it costs. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probes/base/clock.h"
#include "probes/base/mem.h"
#include "probes/mx/mx.h"
#include "probes/mx/mx_target.h"
#include "tests/support/fake_dns.h"

/* Silence is waited for briefly; where an answer is due, a slow machine may take its time. */
enum {
    WAIT_MAX_MS = 60000,
    BRIEF_MS = 120,
    TIMEOUT_MS = 10000,
    BUDGET_MS = 30000,
    RECORDS_PER_CASE = 8
};

static struct loop *loop;
static struct fake_dns *fake;
static struct dns *dns;
static struct mx_resolver *resolver;
static struct ip_networks allowed;
static bool have_ipv6 = true;

struct result {
    struct mx_lookup *lookup;
    unsigned calls;
    struct mx_evidence *evidence;
    const char *ask_again;
    struct result *again, *cancel;
};

static void on_done(void *context, struct mx_evidence *evidence)
{
    struct result *result = context;

    assert_non_null(result->lookup); /* never from inside mx_lookup_start() */
    result->lookup = NULL;
    result->calls++;
    result->evidence = evidence;
    if (result->cancel != NULL)
        mx_lookup_cancel(&result->cancel->lookup);
    if (result->again != NULL)
        result->again->lookup =
            mx_lookup_start(resolver, result->ask_again, on_done, result->again);
}

static void run_until(const struct result *result)
{
    uint64_t until_ms = clock_now_ms() + WAIT_MAX_MS;

    while (result->calls == 0 && clock_now_ms() < until_ms) {
        loop_run_once(loop);
        poll(NULL, 0, 1);
    }
    for (int i = 0; i < 3; i++)
        loop_run_once(loop);
    assert_int_equal(result->calls, 1);
}

static struct mx_evidence *look_up(const char *domain)
{
    struct result result = {.calls = 0};

    result.lookup = mx_lookup_start(resolver, domain, on_done, &result);
    assert_int_equal(result.calls, 0);
    run_until(&result);
    return result.evidence;
}

static void new_resolver(uint32_t cache_entries)
{
    resolver = mx_resolver_new(&(struct mx_params){.loop = loop,
                                                   .dns = dns,
                                                   .allowed = &allowed,
                                                   .have_ipv6 = have_ipv6,
                                                   .budget_ms = BUDGET_MS,
                                                   .cache_entries = cache_entries});
}

static void new_dns(uint32_t timeout_ms)
{
    const char *error;

    dns = dns_new(&(struct dns_params){.loop = loop,
                                       .servers = fake_dns_address(fake),
                                       .timeout_ms = timeout_ms,
                                       .tries = 2,
                                       .cache_entries = 1000},
                  &error);
}

static void use_brief_timeouts(void)
{
    mx_resolver_free(&resolver);
    dns_free(&dns);
    new_dns(BRIEF_MS);
    new_resolver(1000);
}

static int set_up(void **state)
{
    (void)state;
    allowed.count = 0;
    loop = loop_new();
    fake = fake_dns_new(loop);
    new_dns(TIMEOUT_MS);
    new_resolver(1000);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mx_resolver_free(&resolver);
    mx_resolver_free(&resolver); /* NULL is fine */
    dns_free(&dns);
    fake_dns_free(&fake);
    loop_free(&loop);
    return 0;
}

/* --- kinds of domains -------------------------------------------------------------------- */

/* "mx1.d.test 10 ok 8.1.1.1 8.1.1.2; mx2.d.test 20 private" */
static void describe(const struct mx_evidence *evidence, char *out, size_t size)
{
    static const char *const states[] = {"ok", "bad_name", "no_address", "private", "unknown"};
    char address[IP_TEXT_SIZE];
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < evidence->host_count; i++) {
        const struct mx_host *host = &evidence->hosts[i];

        used += (size_t)snprintf(out + used, size - used, "%s%s %u %s", i > 0 ? "; " : "",
                                 host->name, host->preference, states[host->state]);
        for (unsigned k = 0; k < host->address_count; k++)
            used +=
                (size_t)snprintf(out + used, size - used, " %s",
                                 ip_format(&evidence->addresses[host->first_address + k], address));
    }
}

struct habit {
    const char *name;
    unsigned type;
    enum fake_dns_habit habit;
};

/* One case, one paragraph. */
/* clang-format off */
static const struct domain_case {
    const char *label;
    enum mx_outcome outcome;
    const char *hosts;
    uint32_t queries, ttl_s;
    const char *zone[RECORDS_PER_CASE];
    struct habit habits[3];
} domain_cases[] = {
    {"one MX", MX_FOUND, "mx.d.test 10 ok 8.1.1.1 2600::1", 3, 120,
     {"d.test 120 MX 10 mx.d.test", "mx.d.test 300 A 8.1.1.1", "mx.d.test 300 AAAA 2600::1"},
     {{0}}},
    {"IPv4 only", MX_FOUND, "mx.d.test 10 ok 8.1.1.1", 3, 300,
     {"d.test 3600 MX 10 mx.d.test", "mx.d.test 3600 A 8.1.1.1"}, {{0}}},
    {"IPv6 only", MX_FOUND, "mx.d.test 10 ok 2600::1", 3, 300,
     {"d.test 3600 MX 10 mx.d.test", "mx.d.test 3600 AAAA 2600::1"}, {{0}}},
    {"by preference", MX_FOUND, "mx2.d.test 5 ok 8.1.1.2; mx1.d.test 10 ok 8.1.1.1", 5, 300,
     {"d.test 300 MX 10 mx1.d.test", "d.test 300 MX 5 mx2.d.test", "mx1.d.test 300 A 8.1.1.1",
      "mx2.d.test 300 A 8.1.1.2"}, {{0}}},
    {"one host twice", MX_FOUND, "mx.d.test 5 ok 8.1.1.1", 3, 300,
     {"d.test 300 MX 10 mx.d.test", "d.test 300 MX 5 mx.d.test", "mx.d.test 300 A 8.1.1.1"},
     {{0}}},
    {"underscore in the target", MX_FOUND, "mx_1.d.test 10 ok 8.1.1.1", 3, 300,
     {"d.test 300 MX 10 mx_1.d.test", "mx_1.d.test 300 A 8.1.1.1"}, {{0}}},
    {"target is a CNAME", MX_FOUND, "mx.d.test 10 ok 8.1.1.1", 3, 300,
     {"d.test 300 MX 10 mx.d.test", "mx.d.test 300 CNAME real.test", "real.test 300 A 8.1.1.1"},
     {{0}}},
    {"domain is a CNAME", MX_FOUND, "mx.e.test 10 ok 8.1.1.1", 3, 300,
     {"d.test 300 CNAME e.test", "e.test 300 MX 10 mx.e.test", "mx.e.test 300 A 8.1.1.1"}, {{0}}},
    {"null MX", MX_NULL, "", 1, 3600, {"d.test 3600 MX 0 ."}, {{0}}},
    {"null MX with any preference", MX_NULL, "", 1, 300, {"d.test 300 MX 20 ."}, {{0}}},
    {"null MX twice", MX_NULL, "", 1, 300, {"d.test 300 MX 0 .", "d.test 300 MX 10 ."}, {{0}}},
    {"null MX beside another", MX_FOUND, "mx.d.test 10 ok 8.1.1.1", 3, 300,
     {"d.test 300 MX 0 .", "d.test 300 MX 10 mx.d.test", "mx.d.test 300 A 8.1.1.1"}, {{0}}},
    {"implicit by A", MX_FOUND, "d.test 0 ok 8.1.1.1", 3, 300, {"d.test 300 A 8.1.1.1"}, {{0}}},
    {"implicit by AAAA alone", MX_FOUND, "d.test 0 ok 2600::1", 3, 300,
     {"d.test 300 AAAA 2600::1"}, {{0}}},
    {"no host", MX_NO_HOST, "", 3, 300, {"d.test 300 TXT hello"}, {{0}}},
    {"no domain", MX_NO_DOMAIN, "", 2, 300, {0}, {{0}}},
    {"CNAME to nowhere", MX_NO_DOMAIN, "", 2, 300, {"d.test 300 CNAME nowhere.test"}, {{0}}},
    {"denied by MX only, has A", MX_FOUND, "d.test 0 ok 8.1.1.1", 3, 60, {"d.test 300 A 8.1.1.1"},
     {{"d.test", DNS_MX, FAKE_DENIED}}},
    {"denied by MX only, has AAAA", MX_FOUND, "d.test 0 ok 2600::1", 3, 60,
     {"d.test 300 AAAA 2600::1"}, {{"d.test", DNS_MX, FAKE_DENIED}}},
    {"denied by MX only, has nothing", MX_NO_HOST, "", 3, 60, {"d.test 300 TXT x"},
     {{"d.test", DNS_MX, FAKE_DENIED}}},
    {"implicit, private", MX_PRIVATE, "d.test 0 private", 3, 300, {"d.test 300 A 10.0.0.1"},
     {{0}}},
    {"private addresses", MX_PRIVATE, "mx.d.test 10 private", 3, 300,
     {"d.test 300 MX 10 mx.d.test", "mx.d.test 300 A 127.0.0.1", "mx.d.test 300 AAAA ::1"},
     {{0}}},
    {"carried IPv4", MX_PRIVATE, "mx.d.test 10 private", 3, 300,
     {"d.test 300 MX 10 mx.d.test", "mx.d.test 300 AAAA ::ffff:10.0.0.1",
      "mx.d.test 300 AAAA 64:ff9b::a00:1"},
     {{0}}},
    {"private and public", MX_FOUND, "mx.d.test 10 ok 8.1.1.1", 3, 300,
     {"d.test 300 MX 10 mx.d.test", "mx.d.test 300 A 192.168.0.1", "mx.d.test 300 A 8.1.1.1"},
     {{0}}},
    {"private and dangling", MX_PRIVATE, "mx.d.test 10 no_address; p.d.test 20 private", 5, 300,
     {"d.test 300 MX 10 mx.d.test", "d.test 300 MX 20 p.d.test", "p.d.test 300 A 10.0.0.1"},
     {{0}}},
    {"dangling", MX_UNUSABLE, "mx.d.test 10 no_address", 3, 300, {"d.test 300 MX 10 mx.d.test"},
     {{0}}},
    {"no fallback to A", MX_UNUSABLE, "mx.d.test 10 no_address", 3, 300,
     {"d.test 300 MX 10 mx.d.test", "d.test 300 A 8.1.1.1"}, {{0}}},
    {"address as name", MX_UNUSABLE, "192.0.2.1 10 bad_name", 1, 900,
     {"d.test 3600 MX 10 192.0.2.1"}, {{0}}},
    {"localhost", MX_UNUSABLE, "localhost 10 bad_name", 1, 300, {"d.test 300 MX 10 localhost"},
     {{0}}},
    {"bad name beside a good one", MX_FOUND, "-x.test 5 bad_name; mx.d.test 10 ok 8.1.1.1", 3,
     300, {"d.test 300 MX 5 -x.test", "d.test 300 MX 10 mx.d.test", "mx.d.test 300 A 8.1.1.1"},
     {{0}}},
    {"CNAME loop at the target", MX_UNUSABLE, "mx.d.test 10 no_address", 3, 60,
     {"d.test 300 MX 10 mx.d.test", "mx.d.test 300 CNAME mx.d.test"}, {{0}}},
    {"CNAME loop at the domain", MX_FAILURE, "", 1, 10, {"d.test 300 CNAME d.test"}, {{0}}},
    {"SERVFAIL", MX_FAILURE, "", 1, 10, {0}, {{"d.test", 0, FAKE_SERVFAIL}}},
    {"REFUSED", MX_FAILURE, "", 1, 10, {0}, {{"d.test", 0, FAKE_REFUSED}}},
    {"filtered", MX_FAILURE, "", 1, 10, {0}, {{"d.test", 0, FAKE_FILTERED}}},
    {"bogus", MX_BOGUS, "", 1, 60, {"d.test 300 MX 10 mx.d.test"}, {{"d.test", 0, FAKE_BOGUS}}},
    {"silence", MX_TIMEOUT, "", 1, 10, {0}, {{"d.test", 0, FAKE_SILENT}}},
    {"no domain, A silent", MX_TIMEOUT, "", 2, 10, {0}, {{"d.test", DNS_A, FAKE_SILENT}}},
    {"no domain, A broken", MX_FAILURE, "", 2, 10, {0}, {{"d.test", DNS_A, FAKE_SERVFAIL}}},
    {"no MX, A silent", MX_TIMEOUT, "d.test 0 unknown", 3, 10, {"d.test 300 TXT x"},
     {{"d.test", DNS_A, FAKE_SILENT}}},
    {"no MX, AAAA broken, A there", MX_FOUND, "d.test 0 ok 8.1.1.1", 3, 300,
     {"d.test 300 A 8.1.1.1"}, {{"d.test", DNS_AAAA, FAKE_SERVFAIL}}},
    {"target broken", MX_FAILURE, "mx.d.test 10 unknown", 3, 10, {"d.test 300 MX 10 mx.d.test"},
     {{"mx.d.test", 0, FAKE_SERVFAIL}}},
    {"target bogus", MX_BOGUS, "mx.d.test 10 unknown", 3, 60,
     {"d.test 300 MX 10 mx.d.test", "mx.d.test 300 A 8.1.1.1"}, {{"mx.d.test", 0, FAKE_BOGUS}}},
    {"target silent", MX_TIMEOUT, "mx.d.test 10 unknown", 3, 10, {"d.test 300 MX 10 mx.d.test"},
     {{"mx.d.test", 0, FAKE_SILENT}}},
    {"first target silent, second there", MX_FOUND,
     "mx1.d.test 10 unknown; mx2.d.test 20 ok 8.1.1.2", 5, 60,
     {"d.test 300 MX 10 mx1.d.test", "d.test 300 MX 20 mx2.d.test", "mx2.d.test 300 A 8.1.1.2"},
     {{"mx1.d.test", 0, FAKE_SILENT}}},
    {"private, and one unknown", MX_FAILURE, "mx1.d.test 10 private; mx2.d.test 20 unknown", 5,
     10,
     {"d.test 300 MX 10 mx1.d.test", "d.test 300 MX 20 mx2.d.test", "mx1.d.test 300 A 10.0.0.1"},
     {{"mx2.d.test", 0, FAKE_SERVFAIL}}},
    {"private by A, AAAA unknown", MX_FAILURE, "mx.d.test 10 unknown", 3, 10,
     {"d.test 300 MX 10 mx.d.test", "mx.d.test 300 A 10.0.0.1"},
     {{"mx.d.test", DNS_AAAA, FAKE_REFUSED}}},
    {"dangling, and one silent", MX_TIMEOUT, "mx1.d.test 10 no_address; mx2.d.test 20 unknown", 5,
     10, {"d.test 300 MX 10 mx1.d.test", "d.test 300 MX 20 mx2.d.test"},
     {{"mx2.d.test", 0, FAKE_SILENT}}},
}, domain_cases_without_ipv6[] = {
    {"A is enough", MX_FOUND, "mx.d.test 10 ok 8.1.1.1", 2, 300,
     {"d.test 300 MX 10 mx.d.test", "mx.d.test 300 A 8.1.1.1", "mx.d.test 300 AAAA 2600::1"},
     {{0}}},
    {"IPv6 only", MX_FOUND, "mx.d.test 10 ok 2600::1", 3, 300,
     {"d.test 3600 MX 10 mx.d.test", "mx.d.test 3600 AAAA 2600::1"}, {{0}}},
    {"private by A", MX_FOUND, "mx.d.test 10 ok 2600::1", 3, 300,
     {"d.test 300 MX 10 mx.d.test", "mx.d.test 300 A 10.0.0.1", "mx.d.test 300 AAAA 2600::1"},
     {{0}}},
    {"A broken", MX_FOUND, "mx.d.test 10 ok 2600::1", 3, 300,
     {"d.test 300 MX 10 mx.d.test", "mx.d.test 300 AAAA 2600::1"},
     {{"mx.d.test", DNS_A, FAKE_SERVFAIL}}},
    {"one of each", MX_FOUND, "mx1.d.test 10 ok 2600::1; mx2.d.test 20 ok 8.1.1.2", 4, 300,
     {"d.test 300 MX 10 mx1.d.test", "d.test 300 MX 20 mx2.d.test", "mx1.d.test 300 AAAA 2600::1",
      "mx2.d.test 300 A 8.1.1.2"},
     {{0}}},
    {"dangling", MX_UNUSABLE, "mx.d.test 10 no_address", 3, 300, {"d.test 300 MX 10 mx.d.test"},
     {{0}}},
    {"implicit", MX_FOUND, "d.test 0 ok 8.1.1.1", 2, 300, {"d.test 300 A 8.1.1.1"}, {{0}}},
    {"implicit by AAAA alone", MX_FOUND, "d.test 0 ok 2600::1", 3, 300,
     {"d.test 300 AAAA 2600::1"}, {{0}}},
    {"no host", MX_NO_HOST, "", 3, 300, {"d.test 300 TXT hello"}, {{0}}},
    {"denied by MX only, has A", MX_FOUND, "d.test 0 ok 8.1.1.1", 2, 60, {"d.test 300 A 8.1.1.1"},
     {{"d.test", DNS_MX, FAKE_DENIED}}},
    {"denied by MX only, has AAAA", MX_FOUND, "d.test 0 ok 2600::1", 3, 60,
     {"d.test 300 AAAA 2600::1"}, {{"d.test", DNS_MX, FAKE_DENIED}}},
};
/* clang-format on */

static void check_domain(const struct domain_case *row)
{
    struct mx_evidence *evidence;
    char hosts[2000];
    uint64_t lives_ms;

    for (size_t i = 0; i < RECORDS_PER_CASE && row->zone[i] != NULL; i++)
        fake_dns_add(fake, row->zone[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(row->habits) && row->habits[i].name != NULL; i++) {
        fake_dns_behave(fake, row->habits[i].name, row->habits[i].type, row->habits[i].habit, 0);
        if (row->habits[i].habit == FAKE_SILENT)
            use_brief_timeouts();
    }
    evidence = look_up("d.test");
    describe(evidence, hosts, sizeof hosts);
    if (evidence->outcome != row->outcome)
        fail_msg("%s: %s (%s)", row->label, mx_outcome_name(evidence->outcome), hosts);
    if (strcmp(hosts, row->hosts) != 0)
        fail_msg("%s: hosts '%s'", row->label, hosts);
    if (evidence->queries != row->queries)
        fail_msg("%s: %u queries", row->label, evidence->queries);
    lives_ms = evidence->expires_ms - loop_now_ms(loop);
    if (lives_ms > row->ttl_s * 1000u || lives_ms + 3000u < row->ttl_s * 1000u)
        fail_msg("%s: lives %u ms", row->label, (unsigned)lives_ms);
    mx_evidence_drop(&evidence);
}

static void check_domains(void **state, const struct domain_case rows[], size_t count)
{
    tear_down(state);
    for (size_t i = 0; i < count; i++) {
        set_up(state);
        check_domain(&rows[i]);
        tear_down(state);
    }
    set_up(state);
}

static void test_domains(void **state)
{
    check_domains(state, domain_cases, ARRAY_LENGTH(domain_cases));
}

static void test_domains_without_ipv6(void **state)
{
    have_ipv6 = false;
    check_domains(state, domain_cases_without_ipv6, ARRAY_LENGTH(domain_cases_without_ipv6));
    have_ipv6 = true;
}

/* --- flags ---------------------------------------------------------------------------------- */

static void test_flags(void **state)
{
    static const char *const zone[] = {
        "implicit.test 300 A 8.1.1.1",     "mixed.test 300 MX 0 .",
        "mixed.test 300 MX 10 mx.test",    "mx.test 300 A 8.1.1.1",
        "alias.test 300 CNAME mixed.test", "far.test 300 MX 10 mxalias.test",
        "mxalias.test 300 CNAME mx.test",  "signed.test 300 MX 10 mx.signed.test",
        "mx.signed.test 300 A 8.1.1.1",    "half.test 300 MX 10 mx.half.test",
        "mx.half.test 300 A 8.1.1.1",      "mx.half.test 300 AAAA 2600::1",
        "partly.test 300 MX 10 mx.test",   "partly.test 300 MX 20 silent.test",
    };
    static const struct {
        const char *domain;
        bool implicit, null_with_others, alias, authentic, unknown, host_alias, host_authentic;
    } cases[] = {
        {"implicit.test", true, false, false, false, false, false, false},
        {"mixed.test", false, true, false, false, false, false, false},
        {"alias.test", false, true, true, false, false, false, false},
        {"far.test", false, false, false, false, false, true, false},
        {"signed.test", false, false, false, true, false, false, true},
        {"half.test", false, false, false, true, false, false, false},
        {"partly.test", false, false, false, false, true, false, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(zone); i++)
        fake_dns_add(fake, zone[i]);
    fake_dns_behave(fake, "signed.test", 0, FAKE_AUTHENTIC, 0);
    fake_dns_behave(fake, "mx.signed.test", 0, FAKE_AUTHENTIC, 0);
    fake_dns_behave(fake, "half.test", 0, FAKE_AUTHENTIC, 0);
    fake_dns_behave(fake, "mx.half.test", DNS_AAAA, FAKE_AUTHENTIC, 0);
    fake_dns_behave(fake, "silent.test", 0, FAKE_SILENT, 0);
    use_brief_timeouts();
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct mx_evidence *evidence = look_up(cases[i].domain);

        if (evidence->outcome != MX_FOUND || evidence->implicit != cases[i].implicit ||
            evidence->null_with_others != cases[i].null_with_others ||
            evidence->alias != cases[i].alias || evidence->authentic != cases[i].authentic ||
            evidence->have_unknown_host != cases[i].unknown ||
            evidence->hosts[0].alias != cases[i].host_alias ||
            evidence->hosts[0].authentic != cases[i].host_authentic)
            fail_msg("%s", cases[i].domain);
        mx_evidence_drop(&evidence);
    }
}

/* --- order and caps -------------------------------------------------------------------------- */

static void test_equal_preferences_are_shuffled(void **state)
{
    unsigned first[3] = {0};

    (void)state;
    fake_dns_add(fake, "d.test 300 MX 10 mx0.test");
    fake_dns_add(fake, "d.test 300 MX 10 mx1.test");
    fake_dns_add(fake, "d.test 300 MX 10 mx2.test");
    fake_dns_add(fake, "d.test 300 MX 20 last.test");
    fake_dns_add(fake, "mx0.test 300 A 8.1.1.1");
    fake_dns_add(fake, "last.test 300 A 8.1.1.1");
    for (int i = 0; i < 60; i++) {
        struct mx_evidence *evidence;

        mx_resolver_free(&resolver);
        new_resolver(10);
        evidence = look_up("d.test");
        assert_int_equal(evidence->host_count, 4);
        assert_string_equal(evidence->hosts[3].name, "last.test");
        first[evidence->hosts[0].name[2] - '0']++;
        mx_evidence_drop(&evidence);
    }
    for (int i = 0; i < 3; i++) /* each at 1 in 3: none in 60 is 1 in 10^10 */
        assert_true(first[i] > 0);
}

static void test_caps(void **state)
{
    char record[80];
    struct mx_evidence *evidence;
    unsigned placed = 0;

    (void)state;
    for (int i = 0; i < 40; i++) {
        snprintf(record, sizeof record, "d.test 300 MX %d mx%d.d.test", 100 - i, i);
        fake_dns_add(fake, record);
        for (int k = 0; k < 9; k++) {
            snprintf(record, sizeof record, "mx%d.d.test 300 A 8.1.%d.%d", i, i, k);
            fake_dns_add(fake, record);
        }
    }
    evidence = look_up("d.test");
    assert_int_equal(evidence->outcome, MX_FOUND);
    assert_int_equal(evidence->host_count, MX_HOSTS_MAX);
    assert_int_equal(evidence->address_count, MX_ADDRESSES_MAX);
    assert_string_equal(evidence->hosts[0].name, "mx39.d.test"); /* the best are kept */
    for (size_t i = 0; i < evidence->host_count; i++)
        placed += evidence->hosts[i].address_count;
    assert_int_equal(placed, MX_ADDRESSES_MAX);
    assert_int_equal(evidence->hosts[0].address_count, 8);
    mx_evidence_drop(&evidence);
}

static void test_operator_may_open_ranges(void **state)
{
    struct mx_evidence *evidence;

    (void)state;
    assert_true(ip_networks_parse("127.64.0.0/10", &allowed));
    fake_dns_add(fake, "d.test 300 MX 10 mx.test");
    fake_dns_add(fake, "mx.test 300 A 127.64.0.1");
    fake_dns_add(fake, "mx.test 300 A 127.0.0.1");
    evidence = look_up("d.test");
    assert_int_equal(evidence->outcome, MX_FOUND);
    assert_int_equal(evidence->address_count, 1);
    mx_evidence_drop(&evidence);
}

/* --- time ------------------------------------------------------------------------------------ */

/* A silent AAAA must not hold up a host whose A is known for the whole budget (30 s here). */
static void test_rest_is_not_waited_for(void **state)
{
    struct mx_evidence *evidence;

    (void)state;
    fake_dns_add(fake, "d.test 300 MX 10 mx.test");
    fake_dns_add(fake, "mx.test 300 A 8.1.1.1");
    fake_dns_behave(fake, "mx.test", DNS_AAAA, FAKE_SILENT, 0);
    evidence = look_up("d.test");
    assert_int_equal(evidence->outcome, MX_FOUND);
    assert_int_equal(dns_counters(dns).timeouts, 0);
    mx_evidence_drop(&evidence);
}

static void test_budget_ends_the_wait(void **state)
{
    struct mx_evidence *evidence;

    (void)state;
    mx_resolver_free(&resolver);
    resolver = mx_resolver_new(
        &(struct mx_params){.loop = loop, .dns = dns, .budget_ms = 20, .cache_entries = 10});
    fake_dns_behave(fake, "e.test", 0, FAKE_SILENT, 0);
    evidence = look_up("e.test");
    assert_int_equal(evidence->outcome, MX_TIMEOUT);
    assert_int_equal(dns_counters(dns).timeouts, 0); /* it was the budget */
    mx_evidence_drop(&evidence);
}

static void test_cache_and_expiry(void **state)
{
    uint64_t now_ms = clock_now_ms();
    struct mx_evidence *first, *second;

    clock_use_virtual(&now_ms);
    tear_down(state);
    set_up(state);
    fake_dns_add(fake, "d.test 120 MX 10 mx.test");
    fake_dns_add(fake, "mx.test 300 A 8.1.1.1");
    assert_null(mx_cached(resolver, "d.test"));
    first = look_up("d.test");
    now_ms += 119 * 1000;
    loop_run_once(loop);
    second = look_up("d.test");
    assert_ptr_equal(first, second);
    mx_evidence_drop(&second);
    second = mx_cached(resolver, "d.test");
    assert_ptr_equal(first, second);
    mx_evidence_drop(&second);
    assert_int_equal(fake_dns_heard(fake, NULL, 0), 3);
    now_ms += 2 * 1000;
    loop_run_once(loop);
    assert_null(mx_cached(resolver, "d.test"));
    second = look_up("d.test");
    assert_ptr_not_equal(first, second);
    assert_int_equal(second->queries, 1); /* the addresses still live in the DNS cache */
    mx_evidence_drop(&first);
    mx_evidence_drop(&second);
    clock_use_virtual(NULL);
}

static void test_failures_are_asked_again_soon(void **state)
{
    uint64_t now_ms = clock_now_ms();
    struct mx_evidence *evidence;

    clock_use_virtual(&now_ms);
    tear_down(state);
    set_up(state);
    fake_dns_add(fake, "d.test 300 MX 0 .");
    fake_dns_behave(fake, "d.test", 0, FAKE_REFUSED, 1);
    evidence = look_up("d.test");
    assert_int_equal(evidence->outcome, MX_FAILURE);
    mx_evidence_drop(&evidence);
    evidence = look_up("d.test");
    assert_int_equal(evidence->outcome, MX_FAILURE); /* held for a moment */
    mx_evidence_drop(&evidence);
    now_ms += 11 * 1000;
    loop_run_once(loop);
    evidence = look_up("d.test");
    assert_int_equal(evidence->outcome, MX_NULL);
    mx_evidence_drop(&evidence);
    clock_use_virtual(NULL);
}

static void test_cache_is_bounded(void **state)
{
    struct mx_evidence *evidence;
    char domain[32];

    (void)state;
    mx_resolver_free(&resolver);
    new_resolver(2);
    for (int i = 0; i < 4; i++) {
        snprintf(domain, sizeof domain, "d%d.test", i);
        evidence = look_up(domain);
        mx_evidence_drop(&evidence);
    }
    assert_null(mx_cached(resolver, "d1.test"));
    evidence = mx_cached(resolver, "d3.test");
    assert_non_null(evidence);
    mx_evidence_drop(&evidence);
}

/* --- many askers ----------------------------------------------------------------------------- */

static void test_equal_lookups_are_one(void **state)
{
    struct result results[4] = {{.calls = 0}};

    (void)state;
    fake_dns_add(fake, "d.test 300 MX 10 mx.test");
    fake_dns_add(fake, "mx.test 300 A 8.1.1.1");
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++)
        results[i].lookup = mx_lookup_start(resolver, "d.test", on_done, &results[i]);
    mx_lookup_cancel(&results[1].lookup);
    mx_lookup_cancel(&results[1].lookup); /* NULL is fine */
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++) {
        if (i == 1)
            continue;
        run_until(&results[i]);
        assert_ptr_equal(results[i].evidence, results[0].evidence);
    }
    assert_int_equal(results[1].calls, 0);
    assert_int_equal(fake_dns_heard(fake, NULL, 0), 3);
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++)
        mx_evidence_drop(&results[i].evidence);
}

static void test_callbacks_may_start_and_cancel(void **state)
{
    struct result again = {.calls = 0}, second = {.calls = 0};
    struct result first = {.ask_again = "d.test", .again = &again, .cancel = &second};

    (void)state;
    fake_dns_add(fake, "d.test 300 MX 0 .");
    first.lookup = mx_lookup_start(resolver, "d.test", on_done, &first);
    second.lookup = mx_lookup_start(resolver, "d.test", on_done, &second);
    run_until(&first);
    run_until(&again);
    assert_int_equal(second.calls, 0);
    assert_ptr_equal(first.evidence, again.evidence);
    mx_evidence_drop(&first.evidence);
    mx_evidence_drop(&again.evidence);
}

static void test_freed_while_looking_up(void **state)
{
    struct result results[3] = {{.calls = 0}};
    static const char *const domains[] = {"a.test", "b.test", "a.test"};

    (void)state;
    fake_dns_behave(fake, "a.test", 0, FAKE_SILENT, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++)
        results[i].lookup = mx_lookup_start(resolver, domains[i], on_done, &results[i]);
    loop_run_once(loop);
    loop_run_once(loop);
    mx_resolver_free(&resolver);
    for (int i = 0; i < 20; i++) {
        loop_run_once(loop);
        poll(NULL, 0, 1);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++)
        assert_int_equal(results[i].calls, 0);
    new_resolver(10);
}

/* --- names ----------------------------------------------------------------------------------- */

static void test_target_names(void **state)
{
    static const char *const good[] = {"mx.example.org", "mx",     "a.b",    "mx_1.example.org",
                                       "1and1.com",      "_x.com", "x.test", "xn--mx-yka.de"};
    static const char *const bad[] = {"",
                                      "localhost",
                                      "mx.localhost",
                                      "x.invalid",
                                      "192.0.2.1",
                                      "x.123",
                                      "a..b",
                                      ".a",
                                      "a.",
                                      "-a.com",
                                      "a-.com",
                                      "a b.com",
                                      "mx.onion",
                                      "x\\032y.com",
                                      "m\\.x.com",
                                      "[192.0.2.1]",
                                      "a@b.com",
                                      "fe80::1",
                                      "mx.example.org:25"};
    char longest[255];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++)
        if (!mx_target_is_usable(good[i]))
            fail_msg("'%s' was refused", good[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        if (mx_target_is_usable(bad[i]))
            fail_msg("'%s' was taken", bad[i]);
    for (size_t i = 0; i < sizeof longest; i++)
        longest[i] = i % 50 == 49 ? '.' : 'a';
    longest[253] = '\0';
    assert_true(mx_target_is_usable(longest));
    longest[253] = 'a';
    longest[254] = '\0';
    assert_false(mx_target_is_usable(longest));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_domains),
        TEST(test_domains_without_ipv6),
        TEST(test_flags),
        TEST(test_equal_preferences_are_shuffled),
        TEST(test_caps),
        TEST(test_operator_may_open_ranges),
        TEST(test_rest_is_not_waited_for),
        TEST(test_budget_ends_the_wait),
        TEST(test_cache_and_expiry),
        TEST(test_failures_are_asked_again_soon),
        TEST(test_cache_is_bounded),
        TEST(test_equal_lookups_are_one),
        TEST(test_callbacks_may_start_and_cancel),
        TEST(test_freed_while_looking_up),
        TEST(test_target_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
