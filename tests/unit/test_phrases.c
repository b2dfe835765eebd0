/* test_phrases.c - which of many phrases occur in a text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "probes/base/mem.h"
#include "probes/smtp/phrases.h"

static int add(struct phrases *phrases, const char *text)
{
    return phrases_add(phrases, text, strlen(text));
}

static void phrases_are_found_wherever_they_stand(void **state)
{
    static const char *const list[] = {"he", "she", "his", "hers", "a b", "b"};
    static const struct {
        const char *text;
        unsigned found; /* a bit for each of the list */
    } cases[] = {{"ushers", 1 | 2 | 8},       {"a b", 16 | 32}, {"hi", 0}, {"", 0}, {"this", 4},
                 {"shea b", 1 | 2 | 16 | 32}, {"\xff he", 1}};
    struct phrases *phrases = phrases_new();
    uint64_t found[PHRASE_SET_WORDS];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(list); i++)
        assert_int_equal(add(phrases, list[i]), i);
    assert_int_equal(add(phrases, "his"), 2); /* known already */
    assert_int_equal(add(phrases, ""), -1);
    phrases_seal(phrases);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        phrases_find(phrases, cases[i].text, strlen(cases[i].text), found);
        if (found[0] != cases[i].found)
            fail_msg("%s: %x, wanted %x", cases[i].text, (unsigned)found[0], cases[i].found);
    }
    phrases_free(&phrases);
    assert_null(phrases);
}

/* Room is counted in states: what two phrases begin with takes it once. */
static void shared_beginnings_take_room_once(void **state)
{
    enum { LONG = 2000, MANY = 100 };
    char text[LONG + 1];
    struct phrases *phrases = phrases_new();
    uint64_t found[PHRASE_SET_WORDS];

    (void)state;
    memset(text, 'x', LONG);
    text[LONG] = '\0';
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(text + LONG - 2, 3, "%02u", i);
        assert_int_equal(add(phrases, text), i);
    }
    unsigned more = 0;
    for (int number = 0; number >= 0; more++) { /* each alike in its first octets at most */
        snprintf(text, sizeof(text), "%03u", more);
        text[3] = 'y';
        number = add(phrases, text);
    }
    assert_in_range(more, PHRASE_STATES_MAX / LONG - 1, PHRASE_STATES_MAX / LONG);
    phrases_seal(phrases);
    memset(text, 'x', LONG);
    snprintf(text + LONG - 2, 3, "%02u", 42u);
    phrases_find(phrases, text, LONG, found);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(phrase_found(found, i), i == 42);
    phrases_free(&phrases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phrases_are_found_wherever_they_stand),
        cmocka_unit_test(shared_beginnings_take_room_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
