/* Fair shares: who comes later with little is not behind everything of who came first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "service/fair_queue.h"
#include "service/shard.h"

enum { JOBS_MAX = 32 };

/* Letters name callers, in the order they queue; "." takes one job. Expected: the order taken. */
static const struct queue_case {
    const char *label, *arrivals, *taken;
} cases[] = {
    {"one caller: first come, first served", "aaa", "aaa"},
    {"two callers alternate", "aaaabb", "ababaa"},
    {"a late one waits a turn, no more", "aaaa..bb", "aaabab"},
    {"three callers", "aaabbbccc", "abcabcabc"},
    {"an idle caller saves nothing up", "ab..aaab", "ababaa"},
};

static void push(struct fair_queue *queue, struct job *job, char caller)
{
    *job = (struct job){.caller = (uint32_t)caller};
    fair_queue_add(queue, job);
}

static char pop(struct fair_queue *queue)
{
    struct job *job = queue->head;

    fair_queue_remove(queue, job);
    return (char)job->caller;
}

static void callers_take_turns(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fair_queue queue = {0};
        struct job jobs[JOBS_MAX];
        char taken[JOBS_MAX + 1] = "";
        size_t count = 0, out = 0;

        for (const char *at = cases[i].arrivals; *at != '\0'; at++) {
            if (*at == '.')
                taken[out++] = pop(&queue);
            else
                push(&queue, &jobs[count++], *at);
        }
        while (queue.head != NULL)
            taken[out++] = pop(&queue);
        taken[out] = '\0';
        if (strcmp(taken, cases[i].taken) != 0)
            fail_msg("%s: %s, expected %s", cases[i].label, taken, cases[i].taken);
    }
}

static void what_was_under_way_comes_first(void **state)
{
    struct fair_queue queue = {0};
    struct job jobs[3];

    (void)state;
    push(&queue, &jobs[0], 'a');
    push(&queue, &jobs[1], 'b');
    jobs[2] = (struct job){.caller = 'c'};
    fair_queue_add_first(&queue, &jobs[2]);
    assert_int_equal(pop(&queue), 'c');
    assert_int_equal(pop(&queue), 'a');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(callers_take_turns),
        cmocka_unit_test(what_was_under_way_comes_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
