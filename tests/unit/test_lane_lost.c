/* What a lane does with a host that is in trouble each time: it closes, blocks us or is busy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "probes/base/clock.h"
#include "probes/base/mem.h"
#include "tests/support/lane_home.h"
#include "tests/support/line_server.h"

enum { MINUTE_MS = 60 * 1000, START_MS = 1000 * MINUTE_MS };

static const struct line_step closes[] = {{STEP_END, NULL, 0}},
                              closes_at_mail[] = {{STEP_SEND, "220 mx ESMTP\r\n", 0},
                                                  {STEP_EXPECT, "EHLO probe.example", 0},
                                                  {STEP_SEND, "250 mx\r\n", 0},
                                                  {STEP_EXPECT, "MAIL FROM:<>", 0},
                                                  {STEP_END, NULL, 0}};

/* So many connections, then a rest; whoever comes meanwhile is put off without one. */
static void a_host_that_only_closes_rests(void **state)
{
    static const struct {
        const struct line_step *script;
        struct {
            unsigned after_minutes, connections, rest_minutes;
        } visits[4];
    } rows[] = {{closes, {{0, 3, 15}, {15, 1, 30}, {30, 1, 60}, {60, 1, 120}}},
                {closes_at_mail, {{0, 3, 15}, {15, 1, 30}, {30, 1, 60}, {60, 1, 120}}}};

    (void)state;
    for (size_t row = 0; row < ARRAY_LENGTH(rows); row++) {
        struct line_server *server = line_server_start(rows[row].script, NULL, 6);
        uint64_t now_ms = START_MS;

        clock_use_virtual(&now_ms);
        open_lanes(line_server_port(server), NULL);
        for (size_t visit = 0; visit < ARRAY_LENGTH(rows[row].visits); visit++) {
            unsigned connections = rows[row].visits[visit].connections;

            now_ms += rows[row].visits[visit].after_minutes * MINUTE_MS;
            loop_run_once(engine.shards[0].loop);
            /* the first one is asked about twice */
            for (unsigned i = 1; i <= 12; i++) {
                bool asked = i == 1 || i < connections;

                send_job("corp.test", true, "mx.corp.test", NULL);
                run_until_returned(i);
                assert_int_equal(returned[i - 1]->stop, asked ? STOP_NONE : STOP_DEFERRED);
                assert_int_equal(returned[i - 1]->evidence->attempt_count, asked);
                if (asked)
                    assert_int_equal(returned[i - 1]->evidence->attempts[0].end, SMTP_END_LOST);
                assert_false(returned[i - 1]->turn_missed);
            }
            assert_int_equal(only_lane()->hosts->rest_until_ms,
                             now_ms + rows[row].visits[visit].rest_minutes * MINUTE_MS);
            assert_int_equal((int)only_lane()->window, 1);
            forget_returned();
        }
        close_lanes();
        clock_use_virtual(NULL);
        assert_int_equal(line_server_stop(&server), 0);
    }
}

#define UP_TO_RCPT                                                                                 \
    {STEP_SEND, "220 mx ESMTP\r\n", 0}, {STEP_EXPECT, "EHLO probe.example", 0},                    \
        {STEP_SEND, "250 mx\r\n", 0}, {STEP_EXPECT, "MAIL FROM:<>", 0},                            \
        {STEP_SEND, "250 Ok\r\n", 0},                                                              \
    {                                                                                              \
        STEP_EXPECT, "RCPT TO:<jane@corp.test>", 0                                                 \
    }
#define BYE                                                                                        \
    {STEP_EXPECT, "QUIT", 0}, { STEP_NEXT, NULL, 0 }
#define BLOCKS UP_TO_RCPT, {STEP_SEND, "550 5.7.1 Blocked using zen.spamhaus.org\r\n", 0}, BYE
#define BUSY                                                                                       \
    UP_TO_RCPT, {STEP_SEND, "421 4.3.2 Busy\r\n", 0}, { STEP_NEXT, NULL, 0 }
#define SERVES UP_TO_RCPT, {STEP_SEND, "550 5.1.1 User unknown\r\n", 0}, BYE

/* That it lets us in is no reason to come back sooner: most refuse us only at RCPT. */
static void each_rest_is_longer_until_the_host_serves(void **state)
{
    static const struct line_step script[] = {BUSY, BUSY, BLOCKS, BLOCKS, BUSY, SERVES, BLOCKS};
    static const unsigned rests[] = {15, 15, 15, 30, 60, 0, 15};
    struct line_server *server = line_server_start(script, NULL, ARRAY_LENGTH(rests));
    uint64_t now_ms = START_MS;

    (void)state;
    clock_use_virtual(&now_ms);
    open_lanes(line_server_port(server), NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(rests); i++) {
        send_job("corp.test", true, "mx.corp.test", NULL);
        run_until_returned(i + 1);
        while (engine.shards[0].lanes->all_sessions != NULL)
            loop_run_once(engine.shards[0].loop);
        assert_int_equal(returned[i]->stop, STOP_NONE);
        if (rests[i] > 0)
            assert_int_equal(only_lane()->hosts->rest_until_ms, now_ms + rests[i] * MINUTE_MS);
        now_ms += (rests[i] + 1) * MINUTE_MS;
        loop_run_once(engine.shards[0].loop);
    }
    close_lanes();
    clock_use_virtual(NULL);
    assert_int_equal(line_server_stop(&server), 0);
}

#define SHUT                                                                                       \
    {STEP_SEND, "421 4.3.2 Busy\r\n", 0}, { STEP_NEXT, NULL, 0 }

/* One address is one server, by whatever name. Whoever is not asked about was put off. */
static void a_server_in_trouble_rests_by_all_its_names(void **state)
{
    static const char *const names[] = {"mx.corp.test", "mx.shop.test", "mx.club.test"};
    static const struct line_step shut[] = {SHUT, {STEP_END, NULL, 0}},
                                  cuts_recipient[] = {BUSY, SERVES, SERVES},
                                  shut_once[] = {SERVES, SHUT, SERVES};
    static const struct {
        const struct line_step *script;
        unsigned connections;
    } rows[] = {{shut, 1}, {cuts_recipient, 3}, {shut_once, 3}};

    (void)state;
    for (size_t row = 0; row < ARRAY_LENGTH(rows); row++) {
        struct line_server *server =
            line_server_start(rows[row].script, NULL, rows[row].connections);

        open_lanes(line_server_port(server), NULL);
        config.lane_transaction_gap_ms.fallback = 0;
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
            send_job("corp.test", true, names[i], NULL);
            run_until_returned(i + 1);
            assert_int_equal(returned[i]->evidence->attempt_count, i < rows[row].connections);
            assert_int_equal(returned[i]->stop,
                             i < rows[row].connections ? STOP_NONE : STOP_DEFERRED);
        }
        close_lanes();
        assert_int_equal(line_server_stop(&server), 0);
    }
}

/* Each session is lost at `minute`, that began at `began`. */
static void a_row_of_losses_is_short(void **state)
{
    static const struct {
        struct {
            unsigned began, minute; /* 0: that is all */
        } losses[4];
        bool answered; /* somebody, before the last */
        bool rests;
    } rows[] = {{{{1, 1}, {2, 2}}, false, false},
                {{{1, 1}, {2, 2}, {3, 3}}, false, true},
                {{{1, 1}, {2, 2}, {61, 61}}, false, true},
                {{{1, 1}, {2, 2}, {62, 62}}, false, false},
                {{{1, 1}, {2, 2}, {62, 62}, {63, 63}}, false, false},
                /* together */
                {{{1, 2}, {1, 3}, {1, 4}, {1, 4}}, false, false},
                {{{1, 2}, {1, 2}, {2, 3}, {4, 4}}, false, true},
                {{{1, 1}, {2, 2}, {3, 3}}, true, false}};
    static const struct smtp_session_end lost = {.end = SMTP_END_LOST,
                                                 .stage = SMTP_STAGE_GREETING};

    (void)state;
    for (size_t row = 0; row < ARRAY_LENGTH(rows); row++) {
        uint64_t now_ms = START_MS;

        clock_use_virtual(&now_ms);
        open_lanes(25, NULL);
        struct lane lane = {.lanes = engine.shards[0].lanes, .connections_max = 4, .window = 4};
        struct lane_host *host = mem_zeroed(1, sizeof(*host) + 1);
        host->lane = &lane;
        host->rest_ms = 15 * MINUTE_MS;
        for (size_t i = 0; i < 4 && rows[row].losses[i].minute > 0; i++) {
            struct lane_session session = {
                .host = host, .began_ms = START_MS + rows[row].losses[i].began * MINUTE_MS};

            now_ms = START_MS + rows[row].losses[i].minute * MINUTE_MS;
            loop_run_once(engine.shards[0].loop);
            if (rows[row].answered && i == 2)
                host->lost_row = 0; /* lane_on_answer */
            lane_learn(&session, &lost);
        }
        assert_int_equal(host->rest_until_ms > 0, rows[row].rests);
        assert_int_equal((int)lane.window, 4);
        free(host);
        close_lanes();
        clock_use_virtual(NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_that_only_closes_rests),
        cmocka_unit_test(each_rest_is_longer_until_the_host_serves),
        cmocka_unit_test(a_server_in_trouble_rests_by_all_its_names),
        cmocka_unit_test(a_row_of_losses_is_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
