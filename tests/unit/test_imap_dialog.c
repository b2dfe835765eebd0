/* The conversations of tests/scenarios/imap against the pure dialog: no sockets, no clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probes/base/mem.h"
#include "probes/imap/dialog.h"
#include "tests/support/imap_scenario.h"

static struct imap_scenario scenarios[IMAP_SCENARIOS_MAX];

/* All C lines from `at` on are one write; returns where it ends. */
static size_t check_write(const struct imap_scenario *scenario, size_t at,
                          struct imap_dialog *dialog)
{
    char sent[IMAP_COMMANDS_MAX], wanted[IMAP_COMMANDS_MAX] = "";
    size_t length = imap_dialog_compose(dialog, sent, sizeof(sent)), wanted_length = 0;

    for (; at < scenario->count && scenario->lines[at].kind == 'C'; at++)
        wanted_length += (size_t)snprintf(wanted + wanted_length, sizeof(wanted) - wanted_length,
                                          "%s\r\n", scenario->lines[at].text);
    assert_string_equal(sent, wanted);
    assert_int_equal(length, wanted_length);
    return at;
}

static enum imap_action play_ending(struct imap_dialog *dialog, const char *how)
{
    return imap_dialog_on_ending(dialog, strcmp(how, "closed") == 0    ? IMAP_ENDING_CLOSED
                                         : strcmp(how, "timeout") == 0 ? IMAP_ENDING_TIMED_OUT
                                                                       : IMAP_ENDING_LINE_TOO_LONG);
}

static void play(const struct imap_scenario *scenario, struct imap_dialog *dialog)
{
    enum imap_action action = imap_dialog_begin(dialog, scenario->implicit_tls);
    size_t at = 0;

    while (at < scenario->count) {
        const char *text = scenario->lines[at].text;

        switch (scenario->lines[at].kind) {
        case 'C':
            assert_int_equal(action, IMAP_ACTION_SEND);
            at = check_write(scenario, at, dialog);
            action = IMAP_ACTION_WAIT;
            continue;
        case 'S':
            assert_int_equal(action, IMAP_ACTION_WAIT);
            action = imap_dialog_on_line(dialog, text, strlen(text));
            break;
        case 'T':
            assert_int_equal(action, IMAP_ACTION_START_TLS);
            action = imap_dialog_on_tls(dialog, strcmp(text, "ok") == 0);
            break;
        case 'X':
            assert_int_equal(action, IMAP_ACTION_WAIT);
            action = play_ending(dialog, text);
            break;
        default: /* I: never reaches the dialog */
            break;
        }
        at++;
    }
    assert_int_equal(action, IMAP_ACTION_CLOSE);
    assert_int_equal(dialog->step, IMAP_STEP_DONE);
}

static void plays_every_scenario(void **state)
{
    size_t count = imap_scenarios_load("tests/scenarios/imap", scenarios, IMAP_SCENARIOS_MAX);

    (void)state;
    assert_in_range(count, 40, IMAP_SCENARIOS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct imap_endpoint endpoint = {.port = 143};
        struct imap_dialog dialog;

        printf("%s\n", scenarios[i].name);
        play(&scenarios[i], &dialog);
        imap_dialog_report(&dialog, &endpoint);
        assert_string_equal(imap_scenario_difference(scenarios[i].expected, &endpoint), "");
        imap_dialog_free(&dialog);
        free(endpoint.greeting);
        free(endpoint.capabilities);
        imap_scenario_free(&scenarios[i]);
    }
}

static void bounds_chatter(void **state)
{
    struct imap_dialog dialog;
    char out[IMAP_COMMANDS_MAX];
    size_t lines = 0;

    (void)state;
    imap_dialog_begin(&dialog, false);
    assert_int_equal(imap_dialog_on_line(&dialog, "* OK hi", 7), IMAP_ACTION_SEND);
    imap_dialog_compose(&dialog, out, sizeof(out));
    while (imap_dialog_on_line(&dialog, "* 1 EXISTS", 10) == IMAP_ACTION_WAIT && lines < 100000)
        lines++;
    assert_int_equal(lines, IMAP_RESPONSES_MAX - 1);
    assert_int_equal(dialog.state, IMAP_NOT_IMAP);
    imap_dialog_free(&dialog);
}

static void bounds_octets(void **state)
{
    char *line = mem_zeroed(IMAP_LINE_MAX + 1, 1);
    struct imap_dialog dialog;
    char out[IMAP_COMMANDS_MAX];
    size_t lines = 0;

    (void)state;
    memset(line, 'x', IMAP_LINE_MAX);
    memcpy(line, "* OK ", 5);
    imap_dialog_begin(&dialog, false);
    assert_int_equal(imap_dialog_on_line(&dialog, "* OK hi", 7), IMAP_ACTION_SEND);
    imap_dialog_compose(&dialog, out, sizeof(out));
    while (imap_dialog_on_line(&dialog, line, IMAP_LINE_MAX) == IMAP_ACTION_WAIT)
        lines++;
    assert_in_range(lines, 1, IMAP_SESSION_OCTETS_MAX / IMAP_LINE_MAX);
    assert_int_equal(dialog.state, IMAP_NOT_IMAP);
    imap_dialog_free(&dialog);
    free(line);
}

/* Lines fed to a dialog that has ended change nothing. */
static void stays_ended(void **state)
{
    struct imap_dialog dialog;

    (void)state;
    imap_dialog_begin(&dialog, false);
    assert_int_equal(imap_dialog_on_line(&dialog, "* BYE no", 8), IMAP_ACTION_CLOSE);
    assert_int_equal(imap_dialog_on_line(&dialog, "* OK yes", 8), IMAP_ACTION_CLOSE);
    assert_int_equal(imap_dialog_on_ending(&dialog, IMAP_ENDING_TIMED_OUT), IMAP_ACTION_CLOSE);
    assert_int_equal(dialog.state, IMAP_BYE);
    assert_string_equal(dialog.greeting, "* BYE no");
    imap_dialog_free(&dialog);
}

static void waits_less_for_a_goodbye(void **state)
{
    struct imap_dialog dialog;

    (void)state;
    imap_dialog_begin(&dialog, false);
    assert_int_equal(imap_dialog_wait_ms(&dialog, 10000), 10000);
    imap_dialog_on_line(&dialog, "* PREAUTH x", 11);
    assert_string_equal(imap_step_name(dialog.step), "logout");
    assert_int_equal(imap_dialog_wait_ms(&dialog, 10000), IMAP_GOODBYE_MS);
    assert_int_equal(imap_dialog_wait_ms(&dialog, 50), 50);
    imap_dialog_free(&dialog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plays_every_scenario),
        cmocka_unit_test(bounds_chatter),
        cmocka_unit_test(bounds_octets),
        cmocka_unit_test(stays_ended),
        cmocka_unit_test(waits_less_for_a_goodbye),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
