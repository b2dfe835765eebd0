/* What a lane does with a host whose STARTTLS breaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "probes/base/clock.h"
#include "tests/support/lane_home.h"
#include "tests/support/line_script.h"
#include "tests/support/tls_fixture.h"

enum { MINUTE_MS = 60 * 1000, START_MS = 100 * MINUTE_MS };

#define GREETING SAY("220 mx ESMTP"), HEAR("EHLO probe.example"), SAY("250-mx\r\n250 STARTTLS")
#define STARTTLS HEAR("STARTTLS"), SAY("220 Go ahead")
#define BROKEN   GREETING, STARTTLS, NEXT
#define SENDER   HEAR("MAIL FROM:<>"), SAY("250 Ok")
#define UNKNOWN                                                                                    \
    SENDER, HEAR("RCPT TO:<jane@corp.test>"), SAY("550 5.1.1 User unknown"), HEAR("QUIT"),         \
        SAY("221 Bye")
#define MUST_START HEAR("MAIL FROM:<>"), SAY("530 5.7.0 Must issue a STARTTLS command first")
#define LEAVES     HEAR("QUIT"), SAY("221 Bye")
#define IN_TLS     {STEP_TLS, NULL, 0}, HEAR("EHLO probe.example"), SAY("250 mx")

/* One job after the other, each with so much time before it. */
static void play(const struct line_step *script, unsigned connections, uint64_t pause_ms,
                 const enum reply_class answers[], size_t jobs)
{
    struct line_server *server = line_server_start(script, fixture_server, connections);
    uint64_t now_ms = START_MS;

    clock_use_virtual(&now_ms);
    open_lanes(line_server_port(server), fixture_client);
    for (size_t i = 0; i < jobs; i++) {
        send_job("corp.test", false, "mx.corp.test", NULL);
        run_until_returned(i + 1);
        assert_int_equal(returned[i]->evidence->attempts[0].class, answers[i]);
        now_ms += pause_ms;
    }
    close_lanes();
    clock_use_virtual(NULL);
    assert_int_equal(line_server_stop(&server), 0);
}

static void a_broken_handshake_is_followed_by_a_session_in_clear(void **state)
{
    static const struct line_step script[] = {BROKEN, GREETING, UNKNOWN, END};
    static const enum reply_class answers[] = {REPLY_MAILBOX_NOT_FOUND};

    (void)state;
    play(script, 2, 0, answers, 1);
}

/* It may have been the line: TLS is tried again where it is wanted. */
static void a_host_that_insists_gets_a_second_handshake(void **state)
{
    static const struct line_step script[] = {BROKEN,   GREETING, MUST_START, LEAVES,  NEXT,
                                              GREETING, STARTTLS, IN_TLS,     UNKNOWN, END};
    static const enum reply_class answers[] = {REPLY_MAILBOX_NOT_FOUND};

    (void)state;
    play(script, 3, 0, answers, 1);
}

/* ... but no third one: neither this job nor the next. */
static void a_host_that_cannot_is_not_pressed(void **state)
{
    static const struct line_step script[] = {BROKEN,   GREETING,   MUST_START, LEAVES, NEXT,
                                              BROKEN,   GREETING,   MUST_START, LEAVES, NEXT,
                                              GREETING, MUST_START, LEAVES,     END};
    static const enum reply_class answers[] = {REPLY_TLS_REQUIRED, REPLY_TLS_REQUIRED};

    (void)state;
    play(script, 5, 60 * MINUTE_MS, answers, 2);
}

/* One break is held against a host for ten minutes, two in a row for a day. */
static void a_break_is_forgiven(void **state)
{
    static const struct line_step script[] = {BROKEN,   GREETING, UNKNOWN, NEXT, GREETING,
                                              STARTTLS, IN_TLS,   UNKNOWN, NEXT, BROKEN,
                                              GREETING, UNKNOWN,  END};
    static const enum reply_class answers[] = {REPLY_MAILBOX_NOT_FOUND, REPLY_MAILBOX_NOT_FOUND,
                                               REPLY_MAILBOX_NOT_FOUND};

    (void)state;
    play(script, 5, 11 * MINUTE_MS, answers, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_handshake_is_followed_by_a_session_in_clear),
        cmocka_unit_test(a_host_that_insists_gets_a_second_handshake),
        cmocka_unit_test(a_host_that_cannot_is_not_pressed),
        cmocka_unit_test(a_break_is_forgiven),
    };

    return cmocka_run_group_tests(tests, tls_fixture_set_up, tls_fixture_tear_down);
}
