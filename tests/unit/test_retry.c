/* How long answers are kept, and when greylisted questions are asked again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "probes/base/mem.h"
#include "service/retry.h"

enum { MINUTE = 60, HOUR = 3600, DAY = 24 * 3600 };

static const struct lifetime_case {
    enum verdict_reason reason;
    enum reply_class class;
    uint8_t enhanced[3];
    uint32_t lifetime_s;
} lifetimes[] = {
    {REASON_MAILBOX_ACCEPTED, REPLY_ACCEPTED, {2, 1, 5}, DAY},
    {REASON_CATCH_ALL, REPLY_ACCEPTED, {0}, DAY},
    {REASON_PROVIDER_OPAQUE, REPLY_ACCEPTED, {0}, DAY},
    {REASON_ACCEPTED_UNCONFIRMED, REPLY_ACCEPTED, {0}, 3 * HOUR},
    {REASON_MAILBOX_NOT_FOUND, REPLY_MAILBOX_NOT_FOUND, {5, 1, 1}, DAY},
    {REASON_MAILBOX_NOT_FOUND, REPLY_MAILBOX_NOT_FOUND, {5, 5, 0}, 2 * HOUR},
    {REASON_MAILBOX_NOT_FOUND, REPLY_REJECTED_UNCLEAR, {0}, 2 * HOUR},
    {REASON_MAILBOX_DISABLED, REPLY_MAILBOX_DISABLED, {5, 2, 1}, 2 * HOUR},
    {REASON_MAILBOX_RESTRICTED, REPLY_MAILBOX_RESTRICTED, {5, 7, 1}, 2 * HOUR},
    {REASON_MAILBOX_RATE_LIMITED, REPLY_MAILBOX_RATE_LIMITED, {4, 2, 1}, 2 * HOUR},
    {REASON_MAILBOX_FULL, REPLY_MAILBOX_FULL, {5, 2, 2}, 2 * HOUR},
    {REASON_RELAY_DENIED, REPLY_RELAY_DENIED, {5, 7, 1}, 2 * HOUR},
    {REASON_GREYLISTED, REPLY_GREYLISTED, {4, 7, 1}, 6 * MINUTE},
    {REASON_PROBE_BLOCKED, REPLY_PROBE_BLOCKED, {5, 7, 1}, 15 * MINUTE},
};

static void answers_are_kept_as_long_as_they_hold(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(lifetimes); i++) {
        const struct lifetime_case *row = &lifetimes[i];
        struct smtp_evidence evidence = {.recipient = {.class = row->class}};

        memcpy(evidence.recipient.enhanced, row->enhanced, sizeof(row->enhanced));
        if (retry_lifetime_s(row->reason, &evidence) != row->lifetime_s)
            fail_msg("%s: %u s", reason_name(row->reason),
                     retry_lifetime_s(row->reason, &evidence));
    }
}

static const struct advertised_case {
    const char *text;
    uint32_t seconds;
} advertised[] = {
    {"Greylisted for 60 seconds", 60},
    {"Please try again in 5 minutes", 5 * MINUTE},
    {"greylisted, retry in 00:04:56", 4 * MINUTE + 56},
    {"try again in 1 hour", HOUR},
    {"come back in 48 hours", 0}, /* longer than any schedule of ours */
    {"Greylisted", 0},
    {"mail from 192.0.2.1 is greylisted", 0},
    {"try again in 99999999999999999999 seconds", 0},
};

static void servers_say_when_to_come_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(advertised); i++)
        if (retry_advertised_s(advertised[i].text) != advertised[i].seconds)
            fail_msg("%s: %u", advertised[i].text, retry_advertised_s(advertised[i].text));
}

static void greylisted_questions_are_asked_again(void **state)
{
    struct config config;

    (void)state;
    config_defaults(&config);
    config.greylist_schedule =
        (struct config_schedule){.count = 2, .after_s = {6 * MINUTE, 31 * MINUTE}};
    assert_int_equal(retry_greylisted_s(&config, "Greylisted", 1), 6 * MINUTE);
    assert_int_equal(retry_greylisted_s(&config, "Greylisted", 2), 31 * MINUTE);
    assert_int_equal(retry_greylisted_s(&config, "Greylisted", 3), 0);
    assert_int_equal(retry_greylisted_s(&config, "Greylisted for 60 seconds", 1), 65);
    assert_int_equal(retry_greylisted_s(&config, "Greylisted for 60 seconds", 3), 0);
    config_free(&config);
}

static const struct config config = {
    .greylist_schedule = {.count = 3, .after_s = {360, 1860, 7200}},
    .temporary_schedule = {.count = 2, .after_s = {900, 3600}},
};

/* `tries` counts this one: what the schedule is asked for. */
static const struct {
    const char *label;
    enum verdict_reason reason;
    const char *recipient, *decoy; /* texts of their replies */
    unsigned tries;
    uint64_t after_s;
    uint32_t decoy_age_s;
} rows[] = {
    {"greylisted, no time named", REASON_GREYLISTED, "Greylisted", NULL, 1, 360, 0},
    {"greylisted again", REASON_GREYLISTED, "Greylisted", NULL, 2, 1860, 0},
    {"five seconds behind the time named", REASON_GREYLISTED, "back in 300 seconds", NULL, 1, 305,
     0},
    {"the schedule has an end", REASON_GREYLISTED, "back in 300 seconds", NULL, 4, 0, 0},
    {"the decoy was put off, not its recipient", REASON_ACCEPTED_UNCONFIRMED, "back in 60 seconds",
     "Greylisted", 1, 360, 0},
    {"the decoy has a time of its own", REASON_ACCEPTED_UNCONFIRMED, "Ok", "back in 5 minutes", 1,
     305, 0},
    {"the decoy was put off a minute ago", REASON_ACCEPTED_UNCONFIRMED, "Ok", "Greylisted", 1, 300,
     60},
    {"its age is nothing to a recipient", REASON_GREYLISTED, "Greylisted", NULL, 1, 360, 60},
    {"the decoy was lost", REASON_ACCEPTED_UNCONFIRMED, "Ok", NULL, 1, 360, 0},
    {"trouble that passes", REASON_TEMPORARY_FAILURE, "back in 60 seconds", NULL, 1, 900, 0},
    {"trouble that stays", REASON_SMTP_TIMEOUT, NULL, NULL, 3, 0, 0},
    {"never again by itself", REASON_PROBE_BLOCKED, "blocked for 5 minutes", NULL, 1, 0, 0},
};

static void delays(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct smtp_evidence evidence = {
            .recipient = {.text = (char *)(uintptr_t)rows[i].recipient},
            .decoy = {.text = (char *)(uintptr_t)rows[i].decoy},
            .decoy_age_ms = rows[i].decoy_age_s * 1000};
        uint64_t got_ms = retry_delay_ms(&config, rows[i].reason, &evidence, rows[i].tries);

        if (got_ms != rows[i].after_s * 1000)
            fail_msg("%s: %llu ms", rows[i].label, (unsigned long long)got_ms);
    }
    assert_int_equal(retry_delay_ms(&config, REASON_GREYLISTED, NULL, 1), 360 * 1000);
    struct smtp_evidence old = {.decoy_age_ms = 3600 * 1000};
    assert_int_equal(retry_delay_ms(&config, REASON_ACCEPTED_UNCONFIRMED, &old, 1), 1); /* due */
}

static void schedules(void **state)
{
    (void)state;
    assert_true(retry_same_schedule(REASON_TEMPORARY_FAILURE, REASON_DEFERRED));
    assert_true(retry_same_schedule(REASON_GREYLISTED, REASON_GREYLISTED));
    assert_false(retry_same_schedule(REASON_GREYLISTED, REASON_TEMPORARY_FAILURE));
    assert_false(retry_same_schedule(REASON_GREYLISTED, REASON_ACCEPTED_UNCONFIRMED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_kept_as_long_as_they_hold),
        cmocka_unit_test(servers_say_when_to_come_back),
        cmocka_unit_test(greylisted_questions_are_asked_again),
        cmocka_unit_test(delays),
        cmocka_unit_test(schedules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
