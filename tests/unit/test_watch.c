/* What readiness is told: a silent resolver, and lanes that rest, read while they are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "service/watch.h"

enum { ROUNDS = 5000 };

static void one_silent_domain_is_no_silent_resolver(void **state)
{
    struct resolver_watch watch = {.silences = 0};

    (void)state;
    assert_int_equal(resolver_state(&watch), RESOLVER_UNKNOWN);
    resolver_heard(&watch, true);
    assert_int_equal(resolver_state(&watch), RESOLVER_UNKNOWN);
    resolver_heard(&watch, false);
    assert_int_equal(resolver_state(&watch), RESOLVER_ANSWERS);
    for (int i = 1; i < RESOLVER_SILENCES_MAX; i++)
        resolver_heard(&watch, true);
    assert_int_equal(resolver_state(&watch), RESOLVER_ANSWERS);
    resolver_heard(&watch, true);
    assert_int_equal(resolver_state(&watch), RESOLVER_SILENT);
    resolver_heard(&watch, false);
    assert_int_equal(resolver_state(&watch), RESOLVER_ANSWERS);
}

static void a_rest_is_shown_until_it_ends(void **state)
{
    static struct resting resting;
    char names[4][RESTING_NAME_SIZE];

    (void)state;
    assert_int_equal(resting_list(&resting, 0, names, 4), 0);
    resting_add(&resting, "google", 100);
    resting_add(&resting, "yahoo", 200);
    resting_add(&resting, "google", 300); /* again: its own place */
    assert_int_equal(resting_list(&resting, 99, names, 4), 2);
    assert_int_equal(resting_list(&resting, 200, names, 4), 1);
    assert_string_equal(names[0], "google");
    assert_int_equal(resting_list(&resting, 300, names, 4), 0);
}

static void bounds_hold(void **state)
{
    static struct resting resting;
    char names[2 * RESTING_MAX][RESTING_NAME_SIZE], name[2 * RESTING_NAME_SIZE];

    (void)state;
    for (unsigned i = 0; i < 2 * RESTING_MAX; i++) {
        snprintf(name, sizeof(name), "lane%u", i);
        resting_add(&resting, name, 1000 + i);
    }
    assert_int_equal(resting_list(&resting, 0, names, 2 * RESTING_MAX), RESTING_MAX);
    for (unsigned i = 0; i < RESTING_MAX; i++) /* those that rest longest are left */
        assert_true(strtoul(names[i] + 4, NULL, 10) >= RESTING_MAX);
    assert_int_equal(resting_list(&resting, 0, names, 3), 3);
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    resting_add(&resting, name, 9000);
    assert_int_equal(resting_list(&resting, 8999, names, 2), 1);
    assert_int_equal(strlen(names[0]), RESTING_NAME_SIZE - 1);
}

/* Whole names only: "aaaa..." or "bbbb...", never a mixture. */
static atomic_bool written;

static void *write_names(void *context)
{
    char name[RESTING_NAME_SIZE];

    for (unsigned i = 0; i < ROUNDS; i++) {
        memset(name, i % 2 == 0 ? 'a' : 'b', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        for (unsigned k = 0; k < RESTING_MAX; k++) {
            name[0] = (char)('A' + k % 26);
            name[1] = (char)('A' + k / 26 + (i % 2) * 2);
            resting_add(context, name, i + 1);
        }
    }
    atomic_store(&written, true);
    return NULL;
}

static void readers_see_whole_names(void **state)
{
    static struct resting resting;
    char names[RESTING_MAX][RESTING_NAME_SIZE];
    pthread_t writer;
    bool last;

    (void)state;
    assert_int_equal(pthread_create(&writer, NULL, write_names, &resting), 0);
    do { /* once more after the last word */
        last = atomic_load(&written);
        size_t count = resting_list(&resting, 0, names, RESTING_MAX);

        assert_true(!last || count == RESTING_MAX);
        for (size_t k = 0; k < count; k++)
            if (strspn(names[k] + 2, "a") != RESTING_NAME_SIZE - 3 &&
                strspn(names[k] + 2, "b") != RESTING_NAME_SIZE - 3)
                fail_msg("a torn name: %s", names[k]);
    } while (!last);
    pthread_join(writer, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_silent_domain_is_no_silent_resolver),
        cmocka_unit_test(a_rest_is_shown_until_it_ends),
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(readers_see_whole_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
