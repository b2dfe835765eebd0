/* Mail between loops: nothing lost, nothing overtaken, however much there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "probes/base/loop.h"
#include "probes/base/mem.h"

enum { LETTERS = 20000, SENDERS = 4 };

struct office {
    struct loop *loop;
    unsigned next[SENDERS]; /* number of the letter that is due from each */
    unsigned delivered, answers;
};

struct letter {
    struct loop_mail mail;
    struct office *office;
    unsigned sender, number;
};

static void on_letter(struct loop_mail *mail)
{
    struct letter *letter = CONTAINER_OF(mail, struct letter, mail);
    struct office *office = letter->office;

    assert_int_equal(letter->number, office->next[letter->sender]++);
    if (++office->delivered == LETTERS * SENDERS)
        loop_stop(office->loop);
}

struct sender {
    struct office *office;
    struct letter *letters;
    unsigned number;
};

static void *send_all(void *context)
{
    struct sender *sender = context;

    for (unsigned i = 0; i < LETTERS; i++) {
        sender->letters[i] =
            (struct letter){.office = sender->office, .sender = sender->number, .number = i};
        loop_post(sender->office->loop, &sender->letters[i].mail, on_letter);
    }
    return NULL;
}

static void test_floods_keep_their_order(void **state)
{
    struct office office = {.loop = loop_new()};
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];

    (void)state;
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){&office, mem_array(struct letter, LETTERS), i};
        assert_int_equal(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
    }
    loop_run(office.loop);
    for (unsigned i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(office.next[i], LETTERS);
        free(senders[i].letters);
    }
    loop_free(&office.loop);
}

static void on_echo(struct loop_mail *mail)
{
    struct letter *letter = CONTAINER_OF(mail, struct letter, mail);

    if (letter->number-- > 0)
        loop_post(letter->office->loop, &letter->mail, on_echo);
    else
        loop_stop(letter->office->loop);
    letter->office->answers++;
}

/* A letter that is posted again by its own delivery, and one that ends the loop. */
static void test_a_letter_may_be_posted_again(void **state)
{
    struct office office = {.loop = loop_new()};
    struct letter letter = {.office = &office, .number = 100};

    (void)state;
    loop_post(office.loop, &letter.mail, on_echo);
    loop_run(office.loop);
    assert_int_equal(office.answers, 101);
    loop_free(&office.loop);
}

static void on_due(void *context)
{
    struct office *office = context;

    office->answers++;
    loop_stop(office->loop);
}

static void test_lateness_is_counted(void **state)
{
    struct office office = {.loop = loop_new()};
    struct loop_timer timer;

    (void)state;
    assert_int_equal(loop_late_ms(office.loop), 0);
    loop_timer_init(&timer, office.loop, on_due, &office);
    loop_timer_start(&timer, 0);
    loop_run(office.loop);
    assert_int_equal(office.answers, 1);
    assert_in_range(loop_late_ms(office.loop), 0, 63);
    loop_free(&office.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floods_keep_their_order),
        cmocka_unit_test(test_a_letter_may_be_posted_again),
        cmocka_unit_test(test_lateness_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
