/* test_gibberish.c - names of many languages read as names, noise as noise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "probes/base/mem.h"
#include "probes/lists/gibberish.h"

static const char *const names[] = {
    "jane.doe",
    "j.smith1985",
    "mwojciechowski",
    "szczepanski",
    "nguyenvanthanh",
    "zhangxuqiu",
    "jschmidt",
    "bhattacharya",
    "tkrzyzewski",
    "watanabe.kenji",
    "papadopoulos",
    "von-der-leyen",
    "o'connor",
    "wolfeschlegel",
    "mrbigglesworth",
    "skywalker",
    "newsletter",
    "info",
    "helpdesk",
    "kundenservice",
    "vladimirkuznetsov",
    "ji-hoon.kim",
    "abdulrahman",
    "oluwaseun",
    "gudmundsdottir",
    "jb007",
    "lkjh",
    "anna1989",
    "2pac4ever",
    "mary_ann_smith_2",
    "123456789",
    "xu",
    "jean-francois.dupont",
    "m\xc3\xbcllerxkq",
    "juanmanuelperez",
    "rodriguezhernandez",
};

static const char *const noise[] = {
    "xkcdwqzr",   "asdfgh",       "qwertz1x2y3z4",  "a1b2c3d4e5",      "dgrhsfb",
    "sdfsdfsdf",  "qwerty",       "aaaaaaa",        "lkjhgf",          "kjhgfdsa",
    "xvbqzrtplm", "zzkqjwvxb.qk", "5f4dcc3b5aa765", "wqrtpsdfghzxcvb", "k3j5h2g9x1",
};

static int check(const char *const *rows, size_t count, bool wanted)
{
    int bad = 0;

    for (size_t i = 0; i < count; i++)
        if (gibberish(rows[i], strlen(rows[i])) != wanted) {
            print_error("%s: %.2f\n", rows[i], gibberish_score(rows[i], strlen(rows[i])));
            bad++;
        }
    return bad;
}

static void names_are_names(void **state)
{
    (void)state;
    assert_int_equal(check(names, ARRAY_LENGTH(names), false), 0);
}

static void noise_is_noise(void **state)
{
    (void)state;
    assert_int_equal(check(noise, ARRAY_LENGTH(noise), true), 0);
}

static void scores_stay_in_range(void **state)
{
    char local[64];
    uint32_t seed = 1;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t length = (size_t)round % sizeof(local);

        for (size_t i = 0; i < length; i++) {
            seed = seed * 1664525u + 1013904223u;
            local[i] = (char)(seed >> 24);
        }
        assert_true(gibberish_score(local, length) >= 0.0);
        assert_true(gibberish_score(local, length) <= 1.0);
    }
    assert_false(gibberish("", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_names),
        cmocka_unit_test(noise_is_noise),
        cmocka_unit_test(scores_stay_in_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
