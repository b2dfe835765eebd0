/* Heavy work: so many pieces a turn, first come, first served, but who has begun goes first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "probes/base/loop.h"
#include "probes/base/mem.h"

enum { PIECES = 20, A_TURN = 8 };

struct piece {
    struct loop_heavy heavy;
    unsigned name;
};

static struct loop *loop;
static struct piece pieces[PIECES];
static unsigned done[PIECES], done_count;

static void on_turn(void *context)
{
    const struct piece *piece = context;

    done[done_count++] = piece->name;
}

static void wait(unsigned name, enum loop_heavy_place place)
{
    pieces[name] = (struct piece){.name = name};
    loop_heavy_wait(&pieces[name].heavy, loop, place, on_turn, &pieces[name]);
}

static int set_up(void **state)
{
    (void)state;
    loop = loop_new();
    done_count = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(&loop);
    return 0;
}

static void test_so_many_a_turn_in_order(void **state)
{
    static const unsigned after[] = {A_TURN, 2 * A_TURN, PIECES, PIECES};

    (void)state;
    for (unsigned i = 0; i < PIECES; i++)
        wait(i, LOOP_HEAVY_LAST);
    for (size_t turn = 0; turn < ARRAY_LENGTH(after); turn++) {
        loop_run_once(loop);
        assert_int_equal(done_count, after[turn]);
    }
    for (unsigned i = 0; i < PIECES; i++)
        assert_int_equal(done[i], i);
}

static void test_who_has_begun_goes_first(void **state)
{
    (void)state;
    for (unsigned i = 0; i < A_TURN; i++)
        wait(i, LOOP_HEAVY_LAST);
    wait(A_TURN, LOOP_HEAVY_FIRST);
    loop_run_once(loop);
    assert_int_equal(done[0], A_TURN);
    assert_int_equal(done[1], 0);
    assert_int_equal(done_count, A_TURN);
}

static void take_all(struct loop_mail *mail)
{
    (void)mail;
    for (unsigned i = 0; i < A_TURN; i++)
        assert_true(loop_heavy_take(loop));
    assert_false(loop_heavy_take(loop));
    wait(0, LOOP_HEAVY_LAST);
}

static void test_what_is_left_of_a_turn(void **state)
{
    struct loop_mail mail;

    (void)state;
    loop_post(loop, &mail, take_all);
    loop_run_once(loop);
    assert_int_equal(done_count, 0);
    assert_false(loop_heavy_take(loop)); /* somebody has waited longer */
    loop_run_once(loop);
    assert_int_equal(done_count, 1);
}

static void test_who_has_gone_is_not_called(void **state)
{
    struct loop_heavy idle = {.fn = NULL};

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        wait(i, LOOP_HEAVY_LAST);
    loop_heavy_stop(&pieces[1].heavy);
    loop_heavy_stop(&pieces[1].heavy);
    loop_heavy_stop(&idle);
    loop_run_once(loop);
    assert_int_equal(done_count, 2);
    assert_int_equal(done[1], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_so_many_a_turn_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_has_begun_goes_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_left_of_a_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_has_gone_is_not_called, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
