/* What the end of a session teaches a lane: whose the trouble was, and what is a limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "probes/base/clock.h"
#include "probes/base/log.h"
#include "probes/base/mem.h"
#include "tests/support/lane_home.h"

enum { MINUTE_MS = 60 * 1000, START_MS = 100 * MINUTE_MS };

struct ending {
    enum smtp_end end;
    uint16_t code;
    uint32_t answered;
};

/* A session that began then and ends so now. */
static enum trouble end_session(struct lane_host *host, const struct ending *ending,
                                uint64_t began_ms)
{
    struct lane_session session = {.host = host, .began_ms = began_ms};
    const struct smtp_session_end end = {.end = ending->end,
                                         .stage = SMTP_STAGE_RCPT,
                                         .task_open = true,
                                         .answered = ending->answered,
                                         .reply = {.code = ending->code}};

    lane_learn(&session, &end);
    return session.trouble;
}

static struct lane_host *lone_host(struct lane *lane)
{
    struct lane_host *host = mem_zeroed(1, sizeof(*host) + 8);

    *lane = (struct lane){.lanes = engine.shards[0].lanes, .connections_max = 8, .window = 8};
    host->lane = lane;
    host->recipients_per_session = 20;
    return host;
}

static void a_limit_is_where_no_session_was_longer(void **state)
{
    static const struct {
        struct ending endings[5];
        uint32_t recipients;
    } rows[] = {
        /* three in a row at one place */
        {{{SMTP_END_REPLY, 421, 5}, {SMTP_END_REPLY, 421, 5}, {SMTP_END_REPLY, 421, 5}}, 5},
        {{{SMTP_END_REPLY, 421, 5}, {SMTP_END_REPLY, 421, 4}, {SMTP_END_REPLY, 421, 5}}, 20},
        /* what ends sooner by itself proves nothing */
        {{{SMTP_END_REPLY, 421, 5},
          {SMTP_END_QUIT, 0, 2},
          {SMTP_END_REPLY, 421, 5},
          {SMTP_END_REPLY, 421, 5}},
         5},
        /* one was longer, in between or long ago */
        {{{SMTP_END_REPLY, 421, 5},
          {SMTP_END_QUIT, 0, 6},
          {SMTP_END_REPLY, 421, 5},
          {SMTP_END_REPLY, 421, 5}},
         20},
        {{{SMTP_END_LOST, 0, 3},
          {SMTP_END_REPLY, 421, 1},
          {SMTP_END_REPLY, 421, 1},
          {SMTP_END_REPLY, 421, 1}},
         20},
    };
    struct lane lane;

    (void)state;
    open_lanes(25, NULL);
    for (size_t row = 0; row < ARRAY_LENGTH(rows); row++) {
        struct lane_host *host = lone_host(&lane);

        for (size_t i = 0; rows[row].endings[i].end != SMTP_END_NONE; i++)
            end_session(host, &rows[row].endings[i], 1);
        assert_int_equal(host->recipients_per_session, rows[row].recipients);
        free(host);
    }
    close_lanes();
}

static void so_many_cuts_are_a_limit_all_the_same(void **state)
{
    static const struct ending longer = {SMTP_END_QUIT, 0, 6}, cut = {SMTP_END_REPLY, 421, 5};
    struct lane lane;

    (void)state;
    open_lanes(25, NULL);
    struct lane_host *host = lone_host(&lane);
    end_session(host, &longer, 1);
    for (unsigned i = 1; i < 8; i++)
        end_session(host, &cut, 1);
    assert_int_equal(host->recipients_per_session, 20);
    end_session(host, &cut, 1);
    assert_int_equal(host->recipients_per_session, 5);
    free(host);
    close_lanes();
}

/* By hundredths, from four. */
static void a_session_that_served_widens_its_lane(void **state)
{
    static const struct {
        struct ending ending;
        int window;
    } rows[] = {
        {{SMTP_END_QUIT, 0, 3}, 425},    {{SMTP_END_LOST, 0, 3}, 425},
        {{SMTP_END_TIMEOUT, 0, 3}, 425}, {{SMTP_END_REPLY, 421, 3}, 375},
        {{SMTP_END_QUIT, 0, 0}, 400},    {{SMTP_END_LOST, 0, 0}, 400},
        {{SMTP_END_REPLY, 421, 0}, 200}, /* the host's trouble */
    };
    struct lane lane;

    (void)state;
    open_lanes(25, NULL);
    for (size_t row = 0; row < ARRAY_LENGTH(rows); row++) {
        struct lane_host *host = lone_host(&lane);

        lane.window = 4;
        end_session(host, &rows[row].ending, 1);
        assert_int_equal((int)(lane.window * 100), rows[row].window);
        free(host);
    }
    close_lanes();
}

static void one_trouble_narrows_once(void **state)
{
    static const struct ending busy_at_first = {SMTP_END_REPLY, 421, 0};
    uint64_t now_ms = START_MS;
    struct lane lane;

    (void)state;
    clock_use_virtual(&now_ms);
    open_lanes(25, NULL);
    struct lane_host *host = lone_host(&lane);
    for (unsigned i = 0; i < 3; i++)
        end_session(host, &busy_at_first, START_MS - 1);
    assert_int_equal((int)lane.window, 4);
    end_session(host, &busy_at_first, START_MS + 1); /* began when it was known */
    assert_int_equal((int)lane.window, 2);
    free(host);
    close_lanes();
    clock_use_virtual(NULL);
}

static void who_answers_others_meanwhile_is_well(void **state)
{
    static const struct {
        struct ending ending;
        uint64_t answered_ms; /* others, the last time; the session began at START_MS */
        enum trouble trouble;
    } rows[] = {{{SMTP_END_TIMEOUT, 0, 0}, 0, TROUBLE_HOST},
                {{SMTP_END_TIMEOUT, 0, 0}, START_MS - 1, TROUBLE_HOST},
                {{SMTP_END_TIMEOUT, 0, 0}, START_MS + 1, TROUBLE_SESSION},
                {{SMTP_END_REPLY, 421, 0}, START_MS + 1, TROUBLE_SESSION}};
    struct lane lane;

    (void)state;
    open_lanes(25, NULL);
    for (size_t row = 0; row < ARRAY_LENGTH(rows); row++) {
        struct lane_host *host = lone_host(&lane);

        host->answered_ms = rows[row].answered_ms;
        host->troubled_ms = START_MS + 2; /* another one since */
        assert_int_equal(end_session(host, &rows[row].ending, START_MS), rows[row].trouble);
        free(host);
    }
    close_lanes();
}

/* One connection is all that it allows. While that one pauses, nobody can be answered. */
static void who_pauses_in_another_session_is_well(void **state)
{
    static const struct {
        uint32_t sessions, opening; /* besides the one that ends */
        uint64_t asked_ms, answered_ms;
        enum smtp_end end;
        enum trouble trouble;
    } rows[] = {
        {1, 0, START_MS - 500, START_MS - 400, SMTP_END_REPLY, TROUBLE_SESSION},
        {2, 1, START_MS - 500, START_MS - 400, SMTP_END_REPLY, TROUBLE_SESSION},
        {1, 0, START_MS - 500, START_MS - 400, SMTP_END_LOST, TROUBLE_SESSION},
        /* the other one was not yet spoken to; is owed an answer, too; pauses for long */
        {1, 1, START_MS - 500, START_MS - 400, SMTP_END_REPLY, TROUBLE_HOST},
        {1, 0, START_MS - 300, START_MS - 400, SMTP_END_REPLY, TROUBLE_HOST},
        {1, 0, START_MS - 2 * MINUTE_MS, START_MS - 2 * MINUTE_MS, SMTP_END_REPLY, TROUBLE_HOST},
        {0, 0, START_MS - 500, START_MS - 400, SMTP_END_REPLY, TROUBLE_HOST},
    };
    uint64_t now_ms = START_MS;
    struct lane lane;

    (void)state;
    clock_use_virtual(&now_ms);
    open_lanes(25, NULL);
    for (size_t row = 0; row < ARRAY_LENGTH(rows); row++) {
        const struct ending ending = {.end = rows[row].end, .code = 421};
        struct lane_host *host = lone_host(&lane);

        host->sessions = rows[row].sessions;
        host->opening = rows[row].opening;
        host->asked_ms = rows[row].asked_ms;
        host->answered_ms = rows[row].answered_ms;
        host->troubled_ms = START_MS - 200; /* the session before this one ended likewise */
        assert_int_equal(end_session(host, &ending, START_MS - 100), rows[row].trouble);
        assert_int_equal((int)lane.window, 4); /* it does not run at a closed door */
        free(host);
    }
    close_lanes();
    clock_use_virtual(NULL);
}

/* Refused while it restarts, busy afterwards, and refused at its next restart: it is there. */
static void a_refusal_is_forgotten_when_the_host_is_heard(void **state)
{
    static const struct {
        struct smtp_session_end end;
        uint64_t refused_ms;
    } rows[] = {
        {{.end = SMTP_END_CONNECT_REFUSED, .stage = SMTP_STAGE_CONNECT}, START_MS},
        {{.end = SMTP_END_CONNECT_TIMEOUT, .stage = SMTP_STAGE_CONNECT}, START_MS},
        {{.end = SMTP_END_REPLY, .stage = SMTP_STAGE_GREETING, .reply = {.code = 421}}, 0},
        {{.end = SMTP_END_LOST, .stage = SMTP_STAGE_GREETING}, 0},
        {{.end = SMTP_END_TLS, .stage = SMTP_STAGE_TLS}, 0},
    };
    struct lane lane;

    (void)state;
    open_lanes(25, NULL);
    for (size_t row = 0; row < ARRAY_LENGTH(rows); row++) {
        struct lane_host *host = lone_host(&lane);
        struct lane_session session = {.host = host};

        host->refused_ms = START_MS;
        lane_learn(&session, &rows[row].end);
        assert_int_equal(host->refused_ms, rows[row].refused_ms);
        free(host);
    }
    close_lanes();
}

/* What tears two connections in their handshakes says no more than what tears one. */
static void handshakes_that_break_together_break_once(void **state)
{
    static const struct {
        uint64_t began_ms;
        uint8_t breaks;
        unsigned clear_minutes;
    } sessions[] = {{START_MS - 200, 1, 10}, {START_MS - 100, 1, 10}, {START_MS + 1, 2, 24 * 60}};
    uint64_t now_ms = START_MS;
    struct smtp_server *server = smtp_server_new();
    const struct smtp_session_end end = {
        .end = SMTP_END_TLS, .stage = SMTP_STAGE_TLS, .server = server};
    struct lane lane;

    (void)state;
    clock_use_virtual(&now_ms);
    open_lanes(25, NULL);
    struct lane_host *host = lone_host(&lane);
    for (size_t i = 0; i < ARRAY_LENGTH(sessions); i++) {
        struct lane_session session = {.host = host, .began_ms = sessions[i].began_ms};

        lane_learn(&session, &end);
        assert_int_equal(host->tls_breaks, sessions[i].breaks);
        assert_int_equal(host->clear_until_ms, now_ms + sessions[i].clear_minutes * MINUTE_MS);
    }
    free(host->broken_tls);
    free(host);
    smtp_server_drop(&server);
    close_lanes();
    clock_use_virtual(NULL);
}

/* The first trouble is the session's where others are asking; the second in a row is the host's. */
static void others_who_ask_will_tell(void **state)
{
    static const struct {
        struct ending ending;
        uint32_t others, opening, slow;
        enum trouble first, second;
    } rows[] = {{{SMTP_END_REPLY, 421, 0}, 0, 0, 0, TROUBLE_HOST, TROUBLE_HOST},
                {{SMTP_END_REPLY, 421, 0}, 2, 1, 0, TROUBLE_SESSION, TROUBLE_HOST},
                {{SMTP_END_REPLY, 421, 0}, 2, 2, 0, TROUBLE_HOST, TROUBLE_HOST},
                {{SMTP_END_TIMEOUT, 0, 0}, 2, 0, 1, TROUBLE_SESSION, TROUBLE_HOST},
                {{SMTP_END_TIMEOUT, 0, 0}, 2, 0, 2, TROUBLE_HOST, TROUBLE_HOST},
                {{SMTP_END_LOST, 0, 0}, 2, 0, 0, TROUBLE_NONE, TROUBLE_NONE}};
    uint64_t now_ms = START_MS;
    struct lane lane;

    (void)state;
    clock_use_virtual(&now_ms);
    open_lanes(25, NULL);
    for (size_t row = 0; row < ARRAY_LENGTH(rows); row++) {
        struct lane_host *host = lone_host(&lane);

        host->sessions = rows[row].others;
        host->opening = rows[row].opening;
        host->slow = rows[row].slow;
        assert_int_equal(end_session(host, &rows[row].ending, START_MS), rows[row].first);
        assert_int_equal(host->rest_until_ms > 0, rows[row].first == TROUBLE_HOST);
        assert_int_equal(end_session(host, &rows[row].ending, START_MS), rows[row].second);
        free(host);
    }
    close_lanes();
    clock_use_virtual(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_is_where_no_session_was_longer),
        cmocka_unit_test(so_many_cuts_are_a_limit_all_the_same),
        cmocka_unit_test(a_session_that_served_widens_its_lane),
        cmocka_unit_test(one_trouble_narrows_once),
        cmocka_unit_test(who_answers_others_meanwhile_is_well),
        cmocka_unit_test(who_pauses_in_another_session_is_well),
        cmocka_unit_test(a_refusal_is_forgotten_when_the_host_is_heard),
        cmocka_unit_test(handshakes_that_break_together_break_once),
        cmocka_unit_test(others_who_ask_will_tell),
    };

    log_setup(&(struct log_options){.level = LOG_ERROR});
    return cmocka_run_group_tests(tests, NULL, NULL);
}
