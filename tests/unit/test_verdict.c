/* The decision table: a row of this test for every row of the table, and the mixtures
 * of several MX where order matters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "probes/base/mem.h"
#include "tests/support/verdict_cases.h"

static struct verdict decide(const struct verdict_case *row)
{
    struct verdict_parts parts;
    struct verdict_input input = verdict_case_input(row, &parts);

    return verdict_decide(&input);
}

static bool has_reason(const struct verdict *verdict, enum verdict_reason reason)
{
    for (size_t i = 0; i < verdict->reason_count; i++)
        if (verdict->reasons[i] == reason)
            return true;
    return false;
}

static void each_row_decides(void **state)
{
    (void)state;
    for (size_t i = 0; i < verdict_case_count; i++) {
        const struct verdict_case *row = &verdict_cases[i];
        struct verdict verdict = decide(row);

        if (strcmp(verdict.rule, row->rule) != 0 || verdict.reason != row->reason ||
            verdict.status != reason_status(row->reason) ||
            (row->also != 0 && !has_reason(&verdict, row->also)))
            fail_msg("%s: %s/%s, expected %s/%s", row->label, verdict.rule,
                     reason_name(verdict.reason), row->rule, reason_name(row->reason));
    }
}

/* What the market gets wrong: trouble of ours or of the moment is never held against an address. */
static void nothing_temporary_is_undeliverable(void **state)
{
    static const enum reply_class classes[] = {
        REPLY_GREYLISTED,   REPLY_TEMPORARY_FAILURE, REPLY_PROBE_BLOCKED,   REPLY_SENDER_REJECTED,
        REPLY_TLS_REQUIRED, REPLY_PROTOCOL_ERROR,    REPLY_REJECTED_UNCLEAR};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(classes); i++)
        for (enum smtp_stage stage = SMTP_STAGE_GREETING; stage <= SMTP_STAGE_RCPT; stage++) {
            struct verdict_case row = {.mx = MX_FOUND, .attempts = 1};
            row.attempt[0] =
                (struct smtp_attempt){.stage = stage, .class = classes[i], .code = 450};
            struct verdict verdict = decide(&row);
            if (verdict.status != STATUS_UNKNOWN)
                fail_msg("%s at %s is %s", reply_class_name(classes[i]), smtp_stage_name(stage),
                         status_name(verdict.status));
        }
}

static void confidence_follows_the_words(void **state)
{
    struct verdict_case row = {.mx = MX_FOUND, .attempts = 1};

    (void)state;
    row.attempt[0] = (struct smtp_attempt)ANSWERED(RCPT, MAILBOX_NOT_FOUND, 550);
    assert_true(decide(&row).confidence == 0.90);
    memcpy(row.enhanced, (uint8_t[]){5, 1, 1}, 3);
    assert_true(decide(&row).confidence == 0.99);
    memcpy(row.enhanced, (uint8_t[]){5, 4, 1}, 3);
    assert_true(decide(&row).confidence == 0.97);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_decides),
        cmocka_unit_test(nothing_temporary_is_undeliverable),
        cmocka_unit_test(confidence_follows_the_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
