/* What the scenarios do not reach: extensions, hostile arguments, a break at each step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/smtp/dialog.h"

/* --- extensions ------------------------------------------------------------------ */

static const struct extension_case {
    const char *label, *keywords;
    struct smtp_extensions expected;
} extension_cases[] = {
    {"none", "", {.pipelining = false}},
    {"pipelining", "PIPELINING", {.pipelining = true}},
    {"small letters, a space behind", "pipelining ", {.pipelining = true}},
    {"all",
     "8BITMIME\nSTARTTLS\nSMTPUTF8\nPIPELINING",
     {.pipelining = true, .starttls = true, .smtputf8 = true}},
    {"only whole words", "XPIPELINING\nPIPELINING2\nSTARTTLSX", {.pipelining = false}},
    {"a parameter", "STARTTLS REQUIRED", {.starttls = true}},
    {"not as a parameter", "X PIPELINING STARTTLS", {.pipelining = false}},
    {"limits",
     "LIMITS MAILMAX=20 RCPTMAX=100 RCPTDOMAINMAX=1",
     {.limits = {.mail_max = 20, .recipient_max = 100, .recipient_domain_max = 1}}},
    {"limits in small letters", "limits mailmax=5", {.limits = {.mail_max = 5}}},
    {"limits that are none",
     "LIMITS MAILMAX=x RCPTMAX= RCPTDOMAINMAX=1234567 OTHER=1",
     {.pipelining = false}},
    {"limits with nothing", "LIMITS", {.pipelining = false}},
};

static void test_extensions(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(extension_cases); i++) {
        const struct extension_case *row = &extension_cases[i];
        struct smtp_extensions got = smtp_extensions_read(row->keywords);

        if (got.pipelining != row->expected.pipelining || got.starttls != row->expected.starttls ||
            got.smtputf8 != row->expected.smtputf8 ||
            memcmp(&got.limits, &row->expected.limits, sizeof(got.limits)) != 0)
            fail_msg("%s", row->label);
    }
    assert_false(smtp_extensions_read(NULL).pipelining);
    assert_string_equal(smtp_ehlo_keywords("mx\nSIZE\nHELP"), "SIZE\nHELP");
    assert_string_equal(smtp_ehlo_keywords("PIPELINING"), "");
}

/* --- driving ---------------------------------------------------------------------- */

static enum smtp_action reply(struct smtp_dialog *dialog, const char *line)
{
    struct smtp_reply heard;

    smtp_reply_init(&heard);
    assert_int_equal(smtp_reply_add_line(&heard, line, strlen(line)), SMTP_PARSE_DONE);
    enum smtp_action action = smtp_dialog_on_reply(dialog, &heard);
    smtp_reply_clear(&heard);
    return action;
}

static enum smtp_action ehlo_reply(struct smtp_dialog *dialog, const char *keyword)
{
    char line[64];
    struct smtp_reply heard;

    smtp_reply_init(&heard);
    smtp_reply_add_line(&heard, "250-mx", 6);
    snprintf(line, sizeof(line), "250 %s", keyword);
    smtp_reply_add_line(&heard, line, strlen(line));
    enum smtp_action action = smtp_dialog_on_reply(dialog, &heard);
    smtp_reply_clear(&heard);
    return action;
}

static void to_boundary(struct smtp_dialog *dialog, const char *keyword)
{
    smtp_dialog_init(dialog, "probe.example", false);
    assert_int_equal(smtp_dialog_on_connect(dialog), SMTP_DO_WAIT);
    assert_int_equal(reply(dialog, "220 mx"), SMTP_DO_SEND);
    assert_int_equal(ehlo_reply(dialog, keyword), SMTP_DO_ASK);
}

static enum smtp_action ask(struct smtp_dialog *dialog, const char *from, const char *recipient)
{
    return smtp_dialog_ask(
        dialog, &(struct smtp_envelope){.mail_from = from, .recipient = recipient}, false);
}

/* --- arguments --------------------------------------------------------------------- */

static const char *const harmless_words[] = {
    "bob@example.com",
    "\"a b\"@example.com",
    "\"a\\\"b\"@example.com",
    "\"a>b<c\"@example.com",
    "a!b%c@example.com",
    "j\xc3\xb6rg@ex\xc3\xa4mple.test",
    "postmaster",
};

static const char *const hostile_words[] = {
    "bob@example.com\r\nDATA", "bob@example.com\nQUIT", "bob\r@example.com",
    "bob@example.com>",        "<bob@example.com",      "bob @example.com",
    "\"bob@example.com",       "\"a\\\"@example.com",   "bob\x7f@example.com",
    "\"a\r\nb\"@x.test",       "\"a\\\r\nb\"@x.test",   "b\x01@x.test",
};

static void test_harmless_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(harmless_words); i++) {
        struct smtp_dialog dialog;

        to_boundary(&dialog, "PIPELINING");
        if (ask(&dialog, "", harmless_words[i]) != SMTP_DO_SEND || dialog.step != SMTP_STEP_MAIL)
            fail_msg("refused: %s", harmless_words[i]);
    }
}

static void test_hostile_words(void **state)
{
    char much[SMTP_PATH_MAX + 2];

    (void)state;
    memset(much, 'a', sizeof(much) - 1);
    much[sizeof(much) - 1] = '\0';
    for (size_t i = 0; i <= ARRAY_LENGTH(hostile_words); i++) {
        const char *word = i < ARRAY_LENGTH(hostile_words) ? hostile_words[i] : much;
        struct smtp_dialog to, from, hello;

        to_boundary(&to, "PIPELINING");
        ask(&to, "", word);
        to_boundary(&from, "PIPELINING");
        ask(&from, word, "bob@example.com");
        smtp_dialog_init(&hello, word, false);
        smtp_dialog_on_connect(&hello);
        reply(&hello, "220 mx");
        if (to.step != SMTP_STEP_QUIT || from.step != SMTP_STEP_QUIT ||
            hello.step != SMTP_STEP_QUIT || to.end != SMTP_END_LOCAL)
            fail_msg("taken: %s", word);
    }
}

static void test_longest_group_fits(void **state)
{
    char much[SMTP_PATH_MAX + 1];
    struct smtp_dialog dialog;
    struct text group;

    (void)state;
    memset(much, 'a', sizeof(much) - 1);
    much[sizeof(much) - 1] = '\0';
    to_boundary(&dialog, "PIPELINING");
    ask(&dialog, "", "first@example.com");
    reply(&dialog, "250 ok");
    reply(&dialog, "250 ok");
    dialog.offered.smtputf8 = true;
    smtp_dialog_ask(&dialog, &(struct smtp_envelope){much, much, true}, true);
    text_init(&group, SMTP_GROUP_MAX);
    smtp_dialog_compose(&dialog, &group);
    assert_false(group.overflow);
    assert_non_null(strstr(group.bytes, "QUIT\r\n"));
    text_free(&group);
}

/* --- breaks --------------------------------------------------------------------------- */

/* The connection is lost, or nothing comes, while this step's reply is awaited. */
static const struct break_case {
    const char *label;
    enum smtp_step step;
    uint32_t answered;
    enum smtp_end how, end;
} break_cases[] = {
    {"lost at the greeting", SMTP_STEP_GREETING, 0, SMTP_END_LOST, SMTP_END_LOST},
    {"refused", SMTP_STEP_CONNECT, 0, SMTP_END_CONNECT_REFUSED, SMTP_END_CONNECT_REFUSED},
    {"lost before the first task", SMTP_STEP_BOUNDARY, 0, SMTP_END_LOST, SMTP_END_LOST},
    {"lost after the last reply", SMTP_STEP_BOUNDARY, 1, SMTP_END_LOST, SMTP_END_QUIT},
    {"garbage after the last reply", SMTP_STEP_BOUNDARY, 1, SMTP_END_PROTOCOL, SMTP_END_PROTOCOL},
    {"silence in the handshake", SMTP_STEP_HANDSHAKE, 0, SMTP_END_TIMEOUT, SMTP_END_TLS},
    {"lost in the handshake", SMTP_STEP_HANDSHAKE, 0, SMTP_END_LOST, SMTP_END_TLS},
    {"dropped in the handshake", SMTP_STEP_HANDSHAKE, 0, SMTP_END_CANCELLED, SMTP_END_CANCELLED},
    {"silence at RCPT", SMTP_STEP_RCPT, 0, SMTP_END_TIMEOUT, SMTP_END_TIMEOUT},
    {"lost at RCPT", SMTP_STEP_RCPT, 3, SMTP_END_LOST, SMTP_END_LOST},
    {"silence after QUIT", SMTP_STEP_QUIT, 1, SMTP_END_TIMEOUT, SMTP_END_QUIT},
    {"garbage after QUIT", SMTP_STEP_QUIT, 0, SMTP_END_PROTOCOL, SMTP_END_QUIT},
};

static void test_breaks(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(break_cases); i++) {
        const struct break_case *row = &break_cases[i];
        struct smtp_dialog dialog;

        smtp_dialog_init(&dialog, "probe.example", true);
        dialog.step = row->step;
        dialog.answered = row->answered;
        enum smtp_action action = smtp_dialog_on_break(&dialog, row->how);
        if (action != SMTP_DO_CLOSE || dialog.step != SMTP_STEP_OVER || dialog.end != row->end)
            fail_msg("%s: %s", row->label, smtp_end_name(dialog.end));
    }
}

/* What was decided stays decided, whatever happens to the goodbye. */
static void test_first_reason_stays(void **state)
{
    struct smtp_dialog dialog;

    (void)state;
    smtp_dialog_init(&dialog, "probe.example", false);
    smtp_dialog_on_connect(&dialog);
    assert_int_equal(reply(&dialog, "554 go away"), SMTP_DO_SEND);
    assert_int_equal(dialog.step, SMTP_STEP_QUIT);
    smtp_dialog_on_break(&dialog, SMTP_END_TIMEOUT);
    assert_int_equal(dialog.end, SMTP_END_REPLY);
    assert_int_equal(dialog.stage, SMTP_STAGE_GREETING);
}

/* --- 421 and lines nobody asked for ---------------------------------------------------- */

static void test_421_anywhere(void **state)
{
    (void)state;
    for (enum smtp_step step = SMTP_STEP_GREETING; step < SMTP_STEP_OVER; step++) {
        struct smtp_dialog dialog;

        smtp_dialog_init(&dialog, "probe.example", true);
        dialog.step = dialog.group_end = step;
        if (reply(&dialog, "421 4.3.2 closing") != SMTP_DO_CLOSE ||
            dialog.end != (step == SMTP_STEP_QUIT ? SMTP_END_QUIT : SMTP_END_REPLY))
            fail_msg("%s", smtp_step_name(step));
    }
}

static void test_unasked_reply(void **state)
{
    struct smtp_dialog dialog;

    (void)state;
    to_boundary(&dialog, "PIPELINING");
    assert_int_equal(reply(&dialog, "250 hello?"), SMTP_DO_CLOSE);
    assert_int_equal(dialog.end, SMTP_END_PROTOCOL);
}

static void test_patience(void **state)
{
    struct smtp_dialog dialog;

    (void)state;
    smtp_dialog_init(&dialog, "probe.example", false);
    assert_int_equal(smtp_dialog_patience(&dialog), SMTP_PATIENCE_CONNECT);
    smtp_dialog_on_connect(&dialog);
    assert_int_equal(smtp_dialog_patience(&dialog), SMTP_PATIENCE_GREETING);
    reply(&dialog, "220 mx");
    assert_int_equal(smtp_dialog_patience(&dialog), SMTP_PATIENCE_COMMAND);
    ehlo_reply(&dialog, "PIPELINING");
    assert_int_equal(smtp_dialog_patience(&dialog), SMTP_PATIENCE_OWNER);
    ask(&dialog, "", "bob@example.com");
    reply(&dialog, "250 ok");
    assert_int_equal(smtp_dialog_patience(&dialog), SMTP_PATIENCE_RECIPIENT);
    reply(&dialog, "250 ok");
    smtp_dialog_quit(&dialog);
    assert_int_equal(smtp_dialog_patience(&dialog), SMTP_PATIENCE_QUIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_extensions),    cmocka_unit_test(test_harmless_words),
        cmocka_unit_test(test_hostile_words), cmocka_unit_test(test_longest_group_fits),
        cmocka_unit_test(test_breaks),        cmocka_unit_test(test_first_reason_stays),
        cmocka_unit_test(test_421_anywhere),  cmocka_unit_test(test_unasked_reply),
        cmocka_unit_test(test_patience),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
