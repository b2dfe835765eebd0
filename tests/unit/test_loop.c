/* Mail between loops: all of it, in order, and woken no more often than needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "probes/base/loop.h"
#include "probes/base/mem.h"

enum { LOOPS = 20, LETTERS = 3 }; /* more loops than one turn keeps in mind */

static struct loop *here, *loops[LOOPS];
static char heard[200];

struct letter {
    struct loop_mail mail;
    char name;
};

static struct letter letters[LOOPS][LETTERS];

static void on_letter(struct loop_mail *mail)
{
    const struct letter *letter = CONTAINER_OF(mail, struct letter, mail);
    size_t used = strlen(heard);

    snprintf(heard + used, sizeof(heard) - used, "%c", letter->name);
}

static struct loop_mail *letter(unsigned loop, unsigned number)
{
    letters[loop][number].name = (char)('a' + loop * LETTERS + number);
    return &letters[loop][number].mail;
}

static void hear(unsigned loop)
{
    heard[0] = '\0';
    loop_run_once(loops[loop]);
}

static int set_up(void **state)
{
    (void)state;
    here = loop_new();
    for (unsigned i = 0; i < LOOPS; i++)
        loops[i] = loop_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(&here);
    for (unsigned i = 0; i < LOOPS; i++)
        loop_free(&loops[i]);
    return 0;
}

/* Runs `fn` as a callback of the loop. */
static void in_a_turn(loop_mail_fn *fn)
{
    struct loop_mail mail;

    loop_post(here, &mail, fn);
    loop_run_once(here);
}

static void post_to_one(struct loop_mail *mail)
{
    (void)mail;
    for (unsigned i = 0; i < LETTERS; i++)
        loop_post_from(here, loops[0], letter(0, i), on_letter);
    hear(0);
    assert_string_equal(heard, ""); /* not woken yet */
}

static void test_one_wake_a_turn(void **state)
{
    (void)state;
    in_a_turn(post_to_one);
    hear(0);
    assert_string_equal(heard, "abc");
}

static void post_to_all(struct loop_mail *mail)
{
    (void)mail;
    for (unsigned k = 0; k < LETTERS; k++)
        for (unsigned i = 0; i < LOOPS; i++)
            loop_post_from(here, loops[i], letter(i, k), on_letter);
}

static void test_many_loops(void **state)
{
    (void)state;
    in_a_turn(post_to_all);
    for (unsigned i = 0; i < LOOPS; i++) {
        const char expected[] = {(char)('a' + i * LETTERS), (char)('b' + i * LETTERS),
                                 (char)('c' + i * LETTERS), '\0'};

        hear(i);
        assert_string_equal(heard, expected);
    }
}

static void post_both_ways(struct loop_mail *mail)
{
    (void)mail;
    loop_post_from(here, loops[0], letter(0, 0), on_letter);
    loop_post(loops[0], letter(0, 1), on_letter);
    loop_post(loops[1], letter(1, 0), on_letter);
    loop_post_from(here, loops[1], letter(1, 1), on_letter);
    hear(1);
    assert_string_equal(heard, "de"); /* woken by the first */
}

static void test_both_ways_keep_order(void **state)
{
    (void)state;
    in_a_turn(post_both_ways);
    hear(0);
    assert_string_equal(heard, "ab");
}

static void post_home(struct loop_mail *mail)
{
    (void)mail;
    loop_post_from(here, here, letter(0, 0), on_letter);
}

static void test_to_itself(void **state)
{
    (void)state;
    heard[0] = '\0';
    in_a_turn(post_home);
    loop_run_once(here);
    assert_string_equal(heard, "a");
}

/* Nothing runs any more, and yet the others hear of it. */
static void post_and_stop(struct loop_mail *mail)
{
    (void)mail;
    loop_post_from(here, loops[0], letter(0, 0), on_letter);
    loop_stop(here);
}

static void test_last_turn(void **state)
{
    struct loop_mail mail;

    (void)state;
    loop_post(here, &mail, post_and_stop);
    loop_run(here);
    hear(0);
    assert_string_equal(heard, "a");
}

/* The loop was held up until both were due: what has arrived counts before the time that is up. */
static void note_io(void *context, bool readable, bool writable)
{
    (void)readable;
    (void)writable;
    loop_io_stop(context);
    strcat(heard, "io ");
}

static void note_timer(void *context)
{
    (void)context;
    strcat(heard, "timer ");
}

static void test_arrived_before_overdue(void **state)
{
    struct loop_timer timers[2];
    struct loop_io io;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    heard[0] = '\0';
    loop_io_init(&io, here, ends[0], note_io, &io);
    loop_io_want(&io, true, false);
    for (size_t i = 0; i < ARRAY_LENGTH(timers); i++) {
        loop_timer_init(&timers[i], here, note_timer, NULL);
        loop_timer_start(&timers[i], 1);
    }
    assert_int_equal(write(ends[1], "x", 1), 1);
    usleep(20000);
    loop_run_once(here);
    assert_string_equal(heard, "io timer timer ");
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_wake_a_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_loops, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_both_ways_keep_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_to_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_last_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_arrived_before_overdue, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
