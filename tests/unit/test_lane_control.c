/* What a lane makes of refusals without a word: for how long postmaster's answer is believed. */
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

enum {
    MINUTE_MS = 60 * 1000,
    START_MS = 10000 * MINUTE_MS,
    SCRIPT_MAX = 2000,
    ROW = 8 /* so many in a row contradict the control */
};

enum play {
    BARELY,            /* refused, and no question after it */
    CONTROL_ACCEPTED,  /* refused, and postmaster is not */
    CONTROL_REFUSED,   /* both are */
    CONTROL_PUT_OFF,   /* postmaster may come back later */
    RECIPIENT_ACCEPTED /* the decoy is known */
};

static const char *const bare = "550 Requested action not taken\r\n";

static struct line_step script[SCRIPT_MAX];
static size_t length;

static void add(enum line_step_kind kind, const char *bytes)
{
    assert_true(length < SCRIPT_MAX);
    script[length++] = (struct line_step){kind, bytes, 0};
}

static void add_question(const char *recipient, const char *reply)
{
    add(STEP_EXPECT, "MAIL FROM:<>");
    add(STEP_SEND, "250 Ok\r\n");
    add(STEP_EXPECT, recipient);
    add(STEP_SEND, reply);
}

/* One session. */
static void add_visit(enum play play)
{
    static const char *const postmaster[] = {
        [CONTROL_ACCEPTED] = "250 Ok\r\n", [CONTROL_PUT_OFF] = "450 Later\r\n"};

    add(STEP_SEND, "220 mx ESMTP\r\n");
    add(STEP_EXPECT, "EHLO probe.example");
    add(STEP_SEND, "250 mx\r\n");
    add_question("RCPT TO:<jane@corp.test>", play == RECIPIENT_ACCEPTED ? "250 Ok\r\n" : bare);
    if (play != BARELY && play != RECIPIENT_ACCEPTED) {
        add(STEP_EXPECT, "RSET");
        add(STEP_SEND, "250 Ok\r\n");
        add_question("RCPT TO:<postmaster@corp.test>",
                     play == CONTROL_REFUSED ? bare : postmaster[play]);
    }
    add(STEP_EXPECT, "QUIT");
    add(STEP_SEND, "221 Bye\r\n");
    add(STEP_NEXT, NULL);
}

struct visits {
    unsigned after_minutes, count;
    enum play play;
    enum control_outcome outcome;
};

static void know_decoy(void)
{
    struct job *job = job_for("corp.test");
    struct domain_memory *domain = lanes_domain(engine.shards[0].lanes, job);

    domain->decoy = DECOY_REJECTED;
    domain->decoy_at_ms = START_MS;
    domain->decoy_until_ms = UINT64_MAX;
    job_free(&job);
}

static void pay(const struct visits visits[])
{
    uint64_t now_ms = START_MS;
    unsigned connections = 0;

    length = 0;
    for (const struct visits *visit = visits; visit->count > 0; visit++)
        for (unsigned i = 0; i < visit->count; i++, connections++)
            add_visit(visit->play);
    add(STEP_END, NULL);
    clock_use_virtual(&now_ms);
    struct line_server *server = line_server_start(script, NULL, connections);
    open_lanes(line_server_port(server), NULL);
    config.lane_transaction_gap_ms.fallback = 0;
    config.lane_unknown_per_hour.fallback = SCRIPT_MAX;
    know_decoy();
    for (const struct visits *visit = visits; visit->count > 0; visit++) {
        now_ms += visit->after_minutes * MINUTE_MS;
        loop_run_once(engine.shards[0].loop);
        for (unsigned i = 0; i < visit->count; i++) {
            send_job("corp.test", true, "mx.corp.test", NULL);
            run_until_returned(1);
            assert_int_equal(returned[0]->evidence->control, visit->outcome);
            assert_int_equal(returned[0]->evidence->recipient.code,
                             visit->play == RECIPIENT_ACCEPTED ? 250 : 550);
            forget_returned();
        }
    }
    close_lanes();
    clock_use_virtual(NULL);
    assert_int_equal(line_server_stop(&server), 0);
}

/* It accepted postmaster, and refuses everybody now: the eighth in a row is no proof any more. */
static void a_host_that_begins_to_block_us_is_found_out(void **state)
{
    static const struct visits visits[] = {{0, 1, CONTROL_ACCEPTED, CONTROL_CLEAR},
                                           {2, 2, RECIPIENT_ACCEPTED, CONTROL_NOT_RUN},
                                           {60, ROW - 1, BARELY, CONTROL_CLEAR},
                                           {0, 1, CONTROL_REFUSED, CONTROL_REFUSED_ALIKE},
                                           {61, 12, BARELY, CONTROL_REFUSED_ALIKE},
                                           {24 * 60, 1, CONTROL_ACCEPTED, CONTROL_CLEAR},
                                           {0}},
                               unheard[] = {{0, 1, CONTROL_ACCEPTED, CONTROL_CLEAR},
                                            {60, ROW - 1, BARELY, CONTROL_CLEAR},
                                            {0, 1, CONTROL_PUT_OFF, CONTROL_UNDECIDED},
                                            {0, 2, BARELY, CONTROL_UNDECIDED},
                                            {0}};

    (void)state;
    pay(visits);
    pay(unheard);
}

/* A long list of mailboxes that do not exist: one control more in an hour. */
static void an_honest_host_is_asked_once_an_hour(void **state)
{
    static const struct visits visits[] = {{0, 1, CONTROL_ACCEPTED, CONTROL_CLEAR},
                                           {1, 20, BARELY, CONTROL_CLEAR},
                                           {58, 20, BARELY, CONTROL_CLEAR},
                                           {1, 1, CONTROL_ACCEPTED, CONTROL_CLEAR},
                                           {0, 30, BARELY, CONTROL_CLEAR},
                                           {60, 1, CONTROL_ACCEPTED, CONTROL_CLEAR},
                                           {0}};

    (void)state;
    pay(visits);
}

/* Whoever is accepted meanwhile shows that it still tells them apart. */
static void who_is_accepted_speaks_for_the_control(void **state)
{
    static const struct visits visits[] = {
        {0, 1, CONTROL_ACCEPTED, CONTROL_CLEAR},     {60, ROW - 1, BARELY, CONTROL_CLEAR},
        {0, 1, RECIPIENT_ACCEPTED, CONTROL_NOT_RUN}, {0, ROW - 1, BARELY, CONTROL_CLEAR},
        {0, 1, CONTROL_ACCEPTED, CONTROL_CLEAR},     {0}};

    (void)state;
    pay(visits);
}

/* What a backup said of postmaster is no answer of the MX before it, which may block us. */
static void a_control_speaks_for_its_own_preference(void **state)
{
    static const struct {
        uint16_t preference;
        enum play play;
        enum control_outcome outcome;
    } rows[] = {{20, CONTROL_ACCEPTED, CONTROL_CLEAR},
                {20, BARELY, CONTROL_CLEAR},
                {10, CONTROL_REFUSED, CONTROL_REFUSED_ALIKE},
                {10, BARELY, CONTROL_REFUSED_ALIKE}};

    (void)state;
    length = 0;
    for (size_t row = 0; row < ARRAY_LENGTH(rows); row++)
        add_visit(rows[row].play);
    struct line_server *server = line_server_start(script, NULL, ARRAY_LENGTH(rows));
    open_lanes(line_server_port(server), NULL);
    config.lane_transaction_gap_ms.fallback = 0;
    for (size_t row = 0; row < ARRAY_LENGTH(rows); row++) {
        struct job *job = send_job("corp.test", true, "mx.corp.test", NULL);

        job->mx->hosts[0].preference = rows[row].preference;
        run_until_returned(row + 1);
        assert_int_equal(returned[row]->evidence->control, rows[row].outcome);
    }
    close_lanes();
    assert_int_equal(line_server_stop(&server), 0);
}

/* Whoever the control shows not to exist is an unknown mailbox like others: so many in an hour. */
static void whom_the_control_clears_counts_as_unknown(void **state)
{
    enum { UNKNOWN_MAX = 3 };
    uint64_t now_ms = START_MS;

    (void)state;
    length = 0;
    add_visit(CONTROL_ACCEPTED);
    for (unsigned i = 1; i < UNKNOWN_MAX; i++)
        add_visit(BARELY);
    clock_use_virtual(&now_ms);
    struct line_server *server = line_server_start(script, NULL, UNKNOWN_MAX);
    open_lanes(line_server_port(server), NULL);
    config.lane_transaction_gap_ms.fallback = 0;
    config.lane_unknown_per_hour.fallback = UNKNOWN_MAX;
    for (size_t i = 0; i <= UNKNOWN_MAX; i++) {
        send_job("corp.test", true, "mx.corp.test", NULL);
        run_until_returned(i + 1);
        assert_int_equal(returned[i]->stop, i < UNKNOWN_MAX ? STOP_NONE : STOP_DEFERRED);
    }
    close_lanes();
    clock_use_virtual(NULL);
    assert_int_equal(line_server_stop(&server), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_control_speaks_for_its_own_preference),
        cmocka_unit_test(whom_the_control_clears_counts_as_unknown),
        cmocka_unit_test(a_host_that_begins_to_block_us_is_found_out),
        cmocka_unit_test(an_honest_host_is_asked_once_an_hour),
        cmocka_unit_test(who_is_accepted_speaks_for_the_control),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
