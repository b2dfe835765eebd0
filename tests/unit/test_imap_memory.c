/* How long a domain's IMAP evidence is remembered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "probes/base/clock.h"
#include "probes/base/mem.h"
#include "service/check.h"
#include "tests/support/fake_dns.h"

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS, START_MS = 100 * HOUR_MS };

static unsigned ready, with_lines;
static bool was_cached;

void check_imap_ready(struct check *check, struct imap_evidence *evidence, bool cached)
{
    (void)check;
    with_lines += evidence->transcript != NULL;
    imap_evidence_drop(&evidence);
    ready++;
    was_cached = cached;
}

/* Was it remembered? */
static bool ask_with(struct checks *checks, bool transcript)
{
    struct check check = {
        .checks = checks, .domain = (char[]){"corp.test"}, .transcript = transcript};
    unsigned before = ready;

    loop_run_once(checks->shard->loop); /* looks at the clock */
    imap_memory_ask(&check);
    while (ready == before)
        loop_run_once(checks->shard->loop);
    return was_cached;
}

static bool ask(struct checks *checks) { return ask_with(checks, false); }

/* Who wants the lines comes while somebody else's survey is at work: another one tells him. */
static void ask_together(struct checks *checks)
{
    struct check first = {.checks = checks, .domain = (char[]){"two.test"}}, second = first;
    unsigned before = ready, lines_before = with_lines;

    second.transcript = true;
    imap_memory_ask(&first);
    imap_memory_ask(&second);
    while (ready < before + 2)
        loop_run_once(checks->shard->loop);
    assert_int_equal(with_lines, lines_before + 1);
}

static void check_lifetime(enum fake_dns_habit habit, uint64_t remembered_ms)
{
    static const char *const names[] = {
        "corp.test",      "_imap._tcp.corp.test", "_imaps._tcp.corp.test",
        "imap.corp.test", "mail.corp.test",       "two.test",
        "imap.two.test",  "_imap._tcp.two.test",  "_imaps._tcp.two.test",
        "mail.two.test"};
    uint64_t now_ms = START_MS;
    struct config config;
    struct loop *loop;
    struct fake_dns *fake;
    const char *error;

    clock_use_virtual(&now_ms);
    config_defaults(&config);
    loop = loop_new();
    fake = fake_dns_new(loop);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        fake_dns_behave(fake, names[i], 0, habit, 0);
    struct dns *dns = dns_new(
        &(struct dns_params){
            .loop = loop, .servers = fake_dns_address(fake), .timeout_ms = 1500, .tries = 1},
        &error);
    struct shard shard = {.config = &config, .loop = loop, .dns = dns};
    struct checks checks = {.shard = &shard};

    assert_false(ask(&checks));
    assert_true(ask(&checks));
    assert_false(ask_with(&checks, true)); /* what was said then is not known any more */
    assert_true(ask_with(&checks, true));
    ask_together(&checks);
    now_ms += remembered_ms - 1;
    assert_true(ask(&checks));
    now_ms += 1;
    assert_false(ask(&checks));
    imap_memory_free(&checks);
    dns_free(&dns);
    fake_dns_free(&fake);
    loop_free(&loop);
    config_free(&config);
    clock_use_virtual(NULL);
}

static void what_was_found_holds_for_a_day(void **state)
{
    (void)state;
    check_lifetime(FAKE_DENIED, 24 * HOUR_MS);
}

static void what_dns_could_not_say_is_asked_again_soon(void **state)
{
    (void)state;
    check_lifetime(FAKE_SERVFAIL, 15 * MINUTE_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_found_holds_for_a_day),
        cmocka_unit_test(what_dns_could_not_say_is_asked_again_soon),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
