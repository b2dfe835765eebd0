/* test_check_retry.c - what counts as a try, and what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "service/check.h"

enum { STEPS = 3, DEFERRALS_ENOUGH = 20, DEFERRALS_BOUND = 1000 };

static const struct config config = {
    .temporary_schedule = {.count = STEPS, .after_s = {1, 2, 4}},
    .greylist_schedule = {.count = 1, .after_s = {3}},
};
static struct shard shard = {.config = &config};
static struct checks checks = {.shard = &shard};
static struct mx_evidence *mx;
static struct smtp_evidence *evidence;

static struct check new_check(void)
{
    static char email[] = "jane.doe@corp.de", domain[] = "corp.de";

    return (struct check){.checks = &checks,
                          .email = email,
                          .email_length = sizeof(email) - 1,
                          .domain = domain,
                          .smtp = true,
                          .mx = mx};
}

/* What its host said, the last time it was asked. */
static void hears(struct check *check, enum reply_class class)
{
    evidence->attempts[0].class = class;
    check->evidence = evidence;
    check->stop = STOP_NONE;
}

static void is_deferred(struct check *check, uint32_t rest_ms, bool turn_missed)
{
    check->turn_missed = turn_missed;
    check->evidence = NULL;
    check->stop = STOP_DEFERRED;
    check->stop_retry_ms = rest_ms;
}

static void tries_end_with_their_schedule(void **state)
{
    struct check check = new_check();

    (void)state;
    hears(&check, REPLY_TEMPORARY_FAILURE);
    for (unsigned i = 0; i < STEPS; i++)
        assert_true(check_plan_retry(&check));
    assert_int_equal(check.try_count, STEPS);
    assert_false(check_plan_retry(&check));
    hears(&check, REPLY_GREYLISTED); /* another kind of trouble has a schedule of its own */
    assert_true(check_plan_retry(&check));
    assert_false(check_plan_retry(&check));
    free(check.tries);
}

static void a_missed_turn_is_no_try(void **state)
{
    struct check check = new_check();
    unsigned deferrals = DEFERRALS_ENOUGH;

    (void)state;
    is_deferred(&check, 500, true);
    for (unsigned i = 0; i < DEFERRALS_ENOUGH; i++) {
        assert_true(check_plan_retry(&check));
        assert_int_equal(check.retry_at_ms, loop_now_ms(shard.loop) + 501); /* when it has rested */
    }
    assert_int_equal(check.try_count, 0);
    hears(&check, REPLY_TEMPORARY_FAILURE);
    for (unsigned i = 0; i < STEPS; i++)
        assert_true(check_plan_retry(&check));
    is_deferred(&check, 0, true);
    while (check_plan_retry(&check) && deferrals < DEFERRALS_BOUND)
        deferrals++;
    assert_in_range(deferrals, DEFERRALS_ENOUGH, DEFERRALS_BOUND - 1); /* not for ever */
    assert_int_equal(check.try_count, STEPS);
    free(check.tries);
}

/* At first when the host has rested, then with its pauses, and never while the host rests. */
static void a_dead_host_uses_up_the_schedule(void **state)
{
    static const struct {
        uint32_t rest_ms, least_ms;
    } steps[STEPS] = {{500, 501}, {500, 2000}, {5000, 5001}};
    struct check check = new_check();

    (void)state;
    for (unsigned i = 0; i < STEPS; i++) {
        uint64_t now_ms = loop_now_ms(shard.loop);

        is_deferred(&check, steps[i].rest_ms, false);
        assert_true(check_plan_retry(&check));
        assert_in_range(check.retry_at_ms - now_ms, steps[i].least_ms, steps[i].least_ms * 9 / 8);
    }
    assert_false(check_plan_retry(&check));
    free(check.tries);
}

static int set_up(void **state)
{
    (void)state;
    shard.loop = loop_new();
    mx = mx_evidence_new();
    mx->outcome = MX_FOUND;
    evidence = smtp_evidence_new();
    evidence->attempt_count = 1;
    evidence->attempts[0].stage = SMTP_STAGE_RCPT;
    evidence->attempts[0].code = 451;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    smtp_evidence_drop(&evidence);
    mx_evidence_drop(&mx);
    loop_free(&shard.loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tries_end_with_their_schedule),
                                       cmocka_unit_test(a_missed_turn_is_no_try),
                                       cmocka_unit_test(a_dead_host_uses_up_the_schedule)};

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
