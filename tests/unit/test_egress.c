/* Is port 25 closed to us? Judged from what sessions on several loops have noted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "service/egress.h"

enum { START_MS = 10000000 };

static struct ip_address host(unsigned number)
{
    return (struct ip_address){.family = 4, .octets = {192, 0, 2, (uint8_t)number}};
}

static void time_out(struct egress *egress, unsigned count, uint64_t now_ms)
{
    for (unsigned i = 0; i < count; i++) {
        struct ip_address address = host(i);

        egress_timed_out(egress, &address, now_ms);
    }
}

static void enough_timeouts_and_no_greeting(void **state)
{
    struct egress egress = {0};

    (void)state;
    time_out(&egress, EGRESS_ADDRESSES - 1, START_MS);
    time_out(&egress, EGRESS_ADDRESSES - 1, START_MS); /* the same ones again */
    assert_false(egress_blocked(&egress, START_MS));
    time_out(&egress, EGRESS_ADDRESSES, START_MS);
    assert_true(egress_blocked(&egress, START_MS));
    assert_false(egress_blocked(&egress, START_MS + EGRESS_WINDOW_MS + 1));
}

static void a_greeting_counts_for_an_hour(void **state)
{
    struct egress egress = {0};
    uint64_t later_ms = START_MS + EGRESS_SILENCE_MS;

    (void)state;
    assert_false(egress_open(&egress, START_MS));
    egress_greeted(&egress, START_MS);
    time_out(&egress, EGRESS_ADDRESSES, later_ms);
    assert_true(egress_open(&egress, later_ms - 1));
    assert_false(egress_blocked(&egress, later_ms - 1));
    assert_false(egress_open(&egress, later_ms));
    assert_true(egress_blocked(&egress, later_ms));
}

/* A loop in the middle of a long turn asks with an old "now". */
static void a_loop_that_is_behind_sees_the_same(void **state)
{
    struct egress egress = {0};

    (void)state;
    time_out(&egress, EGRESS_ADDRESSES, START_MS);
    assert_true(egress_blocked(&egress, START_MS - 5));
    egress_greeted(&egress, START_MS);
    assert_false(egress_blocked(&egress, START_MS - 5));
    assert_true(egress_open(&egress, START_MS - 5));
}

static void one_goes_out_to_see(void **state)
{
    struct egress egress = {0};

    (void)state;
    assert_true(egress_try(&egress, START_MS));
    assert_false(egress_try(&egress, START_MS - 5));
    assert_false(egress_try(&egress, START_MS + EGRESS_TRY_MS - 1));
    assert_true(egress_try(&egress, START_MS + EGRESS_TRY_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enough_timeouts_and_no_greeting),
        cmocka_unit_test(a_greeting_counts_for_an_hour),
        cmocka_unit_test(a_loop_that_is_behind_sees_the_same),
        cmocka_unit_test(one_goes_out_to_see),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
