/* Whole conversations are kept of the latest checks only, whoever else still holds the evidence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "probes/base/mem.h"
#include "service/check.h"

enum { ASKED = TRANSCRIPTS_KEPT + 3, SURVEYED = IMAP_TRANSCRIPTS_KEPT + 3 };

static void test_only_the_latest(void **state)
{
    static struct checks checks;
    static struct smtp_evidence *held[ASKED]; /* as a check or the memory of recipients would */

    (void)state;
    for (size_t i = 0; i < ASKED; i++) {
        held[i] = smtp_evidence_new();
        held[i]->transcript = mem_copy_text("{}");
        transcript_remember(&checks, held[i]);
    }
    for (size_t i = 0; i < ASKED; i++) {
        assert_int_equal(held[i]->transcript != NULL, i >= ASKED - TRANSCRIPTS_KEPT);
        smtp_evidence_drop(&held[i]);
    }
    recipients_free(&checks);
}

static void test_only_the_latest_of_imap(void **state)
{
    static struct checks checks;
    static struct imap_evidence *held[SURVEYED];

    (void)state;
    for (size_t i = 0; i < SURVEYED; i++) {
        held[i] = imap_evidence_new();
        held[i]->transcript = mem_copy_text("{}");
        imap_transcript_remember(&checks, held[i]);
    }
    for (size_t i = 0; i < SURVEYED; i++) {
        assert_int_equal(held[i]->transcript != NULL, i >= SURVEYED - IMAP_TRANSCRIPTS_KEPT);
        imap_evidence_drop(&held[i]);
    }
    imap_memory_free(&checks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_only_the_latest),
                                       cmocka_unit_test(test_only_the_latest_of_imap)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
