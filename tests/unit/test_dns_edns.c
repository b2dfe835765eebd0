/* A resolver that stumbles over EDNS must not cost us EDNS for good. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "probes/base/clock.h"
#include "probes/net/dns.h"
#include "tests/support/fake_dns.h"

enum { WAIT_MAX_MS = 60000, TIMEOUT_MS = 10000 };

static struct loop *loop;
static struct fake_dns *fake;
static struct dns *dns;
static struct dns_answer last; /* without its records */
static unsigned calls;

static void on_answer(void *context, const struct dns_answer *answer)
{
    (void)context;
    last = *answer;
    last.records = NULL;
    calls++;
}

static const struct dns_answer *look_up(const char *name, enum dns_type type)
{
    uint64_t until_ms = clock_now_ms() + WAIT_MAX_MS;

    calls = 0;
    assert_non_null(dns_ask(dns, name, type, on_answer, NULL));
    while (calls == 0 && clock_now_ms() < until_ms) {
        loop_run_once(loop);
        poll(NULL, 0, calls == 0 ? 1 : 0);
    }
    assert_int_equal(calls, 1);
    return &last;
}

static int set_up(void **state)
{
    const char *error;

    (void)state;
    loop = loop_new();
    fake = fake_dns_new(loop);
    dns = dns_new(&(struct dns_params){.loop = loop,
                                       .servers = fake_dns_address(fake),
                                       .timeout_ms = TIMEOUT_MS,
                                       .tries = 2,
                                       .cache_entries = 10},
                  &error);
    return dns != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    dns_free(&dns);
    fake_dns_free(&fake);
    loop_free(&loop);
    return 0;
}

static void look_up_many(const char *domain, unsigned count)
{
    char name[64];

    for (unsigned i = 0; i < count; i++) {
        snprintf(name, sizeof name, "n%u.%s", i, domain);
        assert_int_equal(look_up(name, DNS_A)->status, DNS_NO_NAME);
    }
}

/* Answers over UDP again, above 512 octets: what c-ares gives up for a whole channel at the
 * first FORMERR comes back with the next channel. */
static void test_edns_comes_back(void **state)
{
    char record[500];
    int start = snprintf(record, sizeof record, "big.test 300 TXT ");

    (void)state;
    memset(record + start, 'x', sizeof record - (size_t)start - 1);
    record[sizeof record - 1] = '\0';
    fake_dns_add(fake, record);
    fake_dns_add(fake, "big.test 300 TXT and a little more, so that 512 octets are not enough");
    fake_dns_behave(fake, "old.test", 0, FAKE_NO_OPT, 0);
    assert_int_equal(look_up("old.test", DNS_A)->status, DNS_NO_NAME);
    look_up_many("test", 520);
    assert_int_equal(look_up("big.test", DNS_TXT)->count, 2);
    assert_int_equal(fake_dns_last_edns_size(fake), 1232);
    assert_int_equal(fake_dns_heard_over_tcp(fake), 0);
}

/* A resolver that knows no EDNS at all is asked twice at first and plainly from then on; later
 * c-ares hides the first answer and asks twice every time. */
static void test_server_that_knows_no_edns(void **state)
{
    static const char *const names[] = {"a.test", "b.test", "c.test", "d.test"};

    (void)state;
    for (size_t i = 0; i < 4; i++)
        fake_dns_behave(fake, names[i], 0, FAKE_NO_OPT, 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(look_up(names[i], DNS_A)->status, DNS_NO_NAME);
    assert_in_range(fake_dns_heard(fake, NULL, 0), 5, 8);
    assert_int_equal(fake_dns_last_edns_size(fake), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_edns_comes_back),
                                       TEST(test_server_that_knows_no_edns)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
