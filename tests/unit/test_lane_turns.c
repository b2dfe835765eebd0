/* Who is next in a lane: callers who wait for their one answer, and bulk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "tests/support/lane_home.h"
#include "tests/support/line_server.h"

static const struct line_step silent[] = {{STEP_HOLD, NULL, 0}};
static const struct line_step busy[] = {{STEP_SEND, "421 4.3.2 Busy\r\n", 0}, {STEP_END, NULL, 0}};

static void who_waits_goes_before_bulk_and_hosts_take_turns(void **state)
{
    static const char *const order[] = {"first.test", "caller.test", "second.test", "third.test"};
    struct line_server *server = line_server_start(busy, NULL, 4);

    (void)state;
    open_lanes(line_server_port(server), NULL);
    send_job("first.test", true, "first-test.mail.protection.outlook.com", NULL);
    send_job("second.test", true, "second-test.mail.protection.outlook.com", NULL);
    send_job("third.test", true, "third-test.mail.protection.outlook.com", NULL);
    send_job("caller.test", false, "caller-test.mail.protection.outlook.com", NULL);
    run_until_returned(4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(returned[i]->domain, order[i]);
    close_lanes();
    line_server_stop(&server);
}

/* A transcript has a session of its own, which pauses: another one could do nothing but leave. */
static void nobody_comes_for_whoever_has_a_session(void **state)
{
    struct line_server *server = line_server_start(silent, NULL, 1);
    struct lane_session *own;

    (void)state;
    open_lanes(line_server_port(server), NULL);
    config.lane_connections.fallback = 2;
    send_job("corp.test", false, "mx.corp.test", NULL)->transcript = true;
    while ((own = engine.shards[0].lanes->all_sessions) == NULL)
        loop_run_once(engine.shards[0].loop);
    own->opening = false; /* as at its first on_next */
    own->host->opening--;
    lane_pump(only_lane());
    assert_int_equal(only_lane()->sessions, 1);
    send_job("corp.test", false, "mx.corp.test", NULL); /* any session's */
    while (only_lane()->queued < 2)
        loop_run_once(engine.shards[0].loop);
    assert_int_equal(only_lane()->sessions, 2);
    close_lanes();
    line_server_stop(&server);
}

/* So many customers of one provider at once. */
static void send_customers(unsigned first, unsigned count, bool bulk)
{
    char host[64];

    for (unsigned i = first; i < first + count; i++) {
        snprintf(host, sizeof(host), "customer%u.mail.protection.outlook.com", i);
        send_job("customer.test", bulk, host, NULL);
    }
    loop_run_once(engine.shards[0].loop); /* they arrive */
}

static void bulk_leaves_room_for_callers(void **state)
{
    static const struct {
        uint32_t connections, percent, bulk;
    } rows[] = {{1, 20, 1},  {2, 20, 2},   {2, 30, 1}, {3, 20, 2}, {5, 20, 4}, {9, 20, 7},
                {2, 100, 1}, {10, 100, 1}, {1, 0, 1},  {2, 0, 2},  {10, 0, 10}};

    (void)state;
    for (size_t row = 0; row < ARRAY_LENGTH(rows); row++) {
        struct line_server *server = line_server_start(silent, NULL, rows[row].connections);

        open_lanes(line_server_port(server), NULL);
        assert_int_equal(config.lane_connections.count, 1);
        config.lane_connections.overrides[0].value = rows[row].connections;
        config.interactive_reserve = rows[row].percent;
        send_customers(0, rows[row].connections, true);
        assert_int_equal(only_lane()->sessions, rows[row].bulk);
        only_lane()->callers_row = 100; /* whoever came before: bulk has its share */
        lane_pump(only_lane());
        assert_int_equal(only_lane()->sessions, rows[row].bulk);
        send_customers(rows[row].connections, rows[row].connections, false);
        assert_int_equal(only_lane()->sessions, rows[row].connections);
        close_lanes();
        line_server_stop(&server);
    }
}

/* --- bulk gives way ----------------------------------------------------------------------------
 */

enum { BULK = 8, SCRIPT_MAX = 1000 };

static struct line_step script[SCRIPT_MAX];
static size_t length;

static void add(enum line_step_kind kind, const char *bytes)
{
    assert_true(length < SCRIPT_MAX);
    script[length++] = (struct line_step){kind, bytes, 0};
}

/* A session in which so many are refused. */
static void add_session(unsigned recipients)
{
    add(STEP_SEND, "220 mx ESMTP\r\n");
    add(STEP_EXPECT, "EHLO probe.example");
    add(STEP_SEND, "250 mx\r\n");
    for (unsigned i = 0; i < recipients; i++) {
        if (i > 0) {
            add(STEP_EXPECT, "RSET");
            add(STEP_SEND, "250 Ok\r\n");
        }
        add(STEP_EXPECT, "MAIL FROM:<>");
        add(STEP_SEND, "250 Ok\r\n");
        add(STEP_EXPECT, "RCPT TO:<jane@corp.test>");
        add(STEP_SEND, "550 5.1.1 User unknown\r\n");
    }
    add(STEP_EXPECT, "QUIT");
    add(STEP_SEND, "221 Bye\r\n");
    add(STEP_NEXT, NULL);
}

static void open_with(const struct line_server *server)
{
    open_lanes(line_server_port(server), NULL);
    config.lane_transaction_gap_ms.fallback = 0;
    config.lane_rejects_per_session.fallback = BULK + 1;
    config.lane_unknown_per_hour.fallback = 1000;
}

/* Names of one address are one lane, which has one connection. */
static void call(unsigned number)
{
    char host[32];

    snprintf(host, sizeof(host), "mx%u.caller.test", number);
    send_job("corp.test", false, host, NULL);
}

static void send_bulk(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        send_job("corp.test", true, "mx.corp.test", NULL);
}

static bool is_bulk(size_t nth) { return returned[nth]->bulk; }

/* He comes when the first has been answered and the second is being asked about. */
static void a_caller_waits_for_one_recipient_of_bulk(void **state)
{
    static const struct {
        const char *host;
        bool transcript;
        unsigned sessions[3];
    } rows[] = {{"mx.corp.test", false, {BULK + 1}},
                {"mx.caller.test", false, {2, 1, BULK - 2}},
                {"mx.caller.test", true, {2, 1, BULK - 2}},
                /* it needs a session of its own */
                {"mx.corp.test", true, {2, 1, BULK - 2}}};

    (void)state;
    for (size_t row = 0; row < ARRAY_LENGTH(rows); row++) {
        unsigned connections = 0;

        length = 0;
        for (; connections < 3 && rows[row].sessions[connections] > 0; connections++)
            add_session(rows[row].sessions[connections]);
        struct line_server *server = line_server_start(script, NULL, connections);
        open_with(server);
        send_bulk(BULK);
        run_until_returned(1);
        send_job("corp.test", false, rows[row].host, NULL)->transcript = rows[row].transcript;
        run_until_returned(BULK + 1);
        for (size_t i = 0; i < BULK + 1; i++) {
            assert_int_equal(is_bulk(i), i != 2);
            assert_int_equal(returned[i]->evidence->recipient.class, REPLY_MAILBOX_NOT_FOUND);
            assert_int_equal(returned[i]->evidence->attempt_count, 1);
            assert_int_equal(returned[i]->stop, STOP_NONE);
            assert_false(returned[i]->retried);
        }
        close_lanes();
        assert_int_equal(line_server_stop(&server), 0);
    }
}

/* At the same host he is the next anyway, and two callers elsewhere are two reasons at most. */
static void nobody_leaves_without_a_reason(void **state)
{
    static const struct {
        unsigned connections;
        const char *callers[3];
        unsigned leave;
    } rows[] = {{3, {NULL}, 0},
                {3, {"mx0.corp.test"}, 0},
                {3, {"mx1.caller.test"}, 1},
                {3, {"mx1.caller.test", "mx1.caller.test"}, 1},
                {3, {"mx1.caller.test", "mx2.caller.test"}, 2},
                {4, {"mx1.caller.test"}, 0}};

    (void)state;
    for (size_t row = 0; row < ARRAY_LENGTH(rows); row++) {
        struct line_server *server = line_server_start(silent, NULL, 3);
        struct lane_session *session;
        unsigned left = 0;
        char host[32];

        open_with(server);
        config.lane_connections.fallback = rows[row].connections;
        config.interactive_reserve = 0;
        for (unsigned i = 0; i < 3; i++) {
            snprintf(host, sizeof(host), "mx%u.corp.test", i);
            send_job("corp.test", true, host, NULL);
        }
        loop_run_once(engine.shards[0].loop);
        assert_int_equal(only_lane()->sessions, 3);
        for (unsigned i = 0; i < 3 && rows[row].callers[i] != NULL; i++)
            send_job("corp.test", false, rows[row].callers[i], NULL);
        loop_run_once(engine.shards[0].loop);
        for (session = engine.shards[0].lanes->all_sessions; session != NULL;
             session = session->next)
            if (lane_wants_room(session)) {
                session->leaving = true;
                only_lane()->leaving++;
                left++;
            }
        assert_int_equal(left, rows[row].leave);
        close_lanes();
        line_server_stop(&server);
    }
}

/* A caller always waits: bulk comes after every eighth of them, and gets on by one each time. */
static void bulk_gets_on_among_callers_who_never_cease(void **state)
{
    enum { LISTED = 3, EACH = 8, ALL = 1 + EACH + 1 + EACH + 1 };
    unsigned bulk = 0, called = 0;

    (void)state;
    length = 0;
    for (unsigned i = 0; i < ALL; i++)
        add_session(1);
    struct line_server *server = line_server_start(script, NULL, ALL);
    open_with(server);
    send_bulk(LISTED);
    loop_run_once(engine.shards[0].loop);
    for (size_t seen = 0; bulk < LISTED;) {
        while (called < ALL - LISTED && called - (seen - bulk) < 2)
            call(++called);
        run_until_returned(seen + 1);
        for (; seen < returned_count; seen++) {
            if (is_bulk(seen))
                assert_int_equal(seen, bulk * (EACH + 1));
            bulk += is_bulk(seen);
        }
    }
    assert_int_equal(returned_count, ALL);
    close_lanes();
    assert_int_equal(line_server_stop(&server), 0);
}

/* It refused us, and its goodbye is still to come: who waits there is not sent to it meanwhile,
 * when the lane has room again. */
static void nobody_goes_to_a_host_that_rests(void **state)
{
    static const struct line_step refuses[] = {
        {STEP_SEND, "220 mx ESMTP\r\n", 0},
        {STEP_EXPECT, "EHLO probe.example", 0},
        {STEP_SEND, "250 mx\r\n", 0},
        {STEP_EXPECT, "MAIL FROM:<>", 0},
        {STEP_SEND, "250 Ok\r\n", 0},
        {STEP_EXPECT, "RCPT TO:<jane@corp.test>", 0},
        {STEP_SEND, "550 5.7.1 Client host blocked using zen.spamhaus.org\r\n", 0},
        {STEP_EXPECT, "QUIT", 0},
        {STEP_HOLD, NULL, 0}};
    struct line_server *server = line_server_start(refuses, NULL, 1);
    struct lane_host *host;

    (void)state;
    open_lanes(line_server_port(server), NULL);
    config.timeout_quit_ms = 100;
    send_job("corp.test", false, "mx.corp.test", NULL);
    send_job("corp.test", false, "mx.corp.test", NULL);
    run_until_returned(1);
    host = only_lane()->hosts;
    assert_int_equal(host->queued, 1);
    only_lane()->connections_max = host->connections_max = 2;
    only_lane()->window = 2;
    lane_pump(only_lane());
    assert_int_equal(host->sessions, 1);
    run_until_returned(2);
    assert_int_equal(returned[1]->stop, STOP_DEFERRED);
    close_lanes();
    assert_int_equal(line_server_stop(&server), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_goes_before_bulk_and_hosts_take_turns),
        cmocka_unit_test(nobody_comes_for_whoever_has_a_session),
        cmocka_unit_test(bulk_leaves_room_for_callers),
        cmocka_unit_test(a_caller_waits_for_one_recipient_of_bulk),
        cmocka_unit_test(nobody_leaves_without_a_reason),
        cmocka_unit_test(nobody_goes_to_a_host_that_rests),
        cmocka_unit_test(bulk_gets_on_among_callers_who_never_cease),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
