/* Lanes by themselves: jobs go in, evidence comes out; the home that sends them is played here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/clock.h"
#include "probes/base/log.h"
#include "probes/base/mem.h"
#include "tests/support/lane_home.h"
#include "tests/support/line_server.h"

enum { MINUTE_MS = 60 * 1000, START_MS = 100 * MINUTE_MS };

/* --- queues -------------------------------------------------------------------------- */

static const struct line_step busy[] = {{STEP_SEND, "421 4.3.2 Busy\r\n", 0}, {STEP_END, NULL, 0}};

static void hosts_that_are_done_make_room(void **state)
{
    struct line_server *server = line_server_start(busy, NULL, 12);
    char host[64];

    (void)state;
    open_lanes(line_server_port(server), NULL);
    config.cache_entries = 4;
    config.lane_rest_ms = 0;
    for (size_t i = 1; i <= 12; i++) {
        snprintf(host, sizeof(host), "customer%zu.mail.protection.outlook.com", i);
        send_job("customer.test", true, host, NULL);
        run_until_returned(i);
        assert_true(HASH_COUNT(only_lane()->hosts) <= 4);
    }
    close_lanes();
    line_server_stop(&server);
}

/* Those that may not go are many, and came first: hosts of one lane, and lanes. */
static void who_has_to_stay_keeps_nobody_else_here(void **state)
{
    enum { RESTING = 20, DONE = 40, ROOM = 4 };
    struct line_server *server = line_server_start(busy, NULL, RESTING + DONE);
    char host[64], address[IP_TEXT_SIZE];

    (void)state;
    open_lanes(line_server_port(server), NULL);
    config.cache_entries = ROOM;
    for (size_t i = 1; i <= RESTING + DONE; i++) {
        config.lane_rest_ms = i <= RESTING ? 60 * MINUTE_MS : 0;
        snprintf(host, sizeof(host), "customer%zu.mail.protection.outlook.com", i);
        send_job("customer.test", true, host, NULL);
        run_until_returned(1);
        forget_returned();
    }
    assert_in_range(HASH_COUNT(only_lane()->hosts), RESTING, RESTING + 2 * ROOM);
    for (size_t i = 1; i <= RESTING + DONE; i++) {
        snprintf(address, sizeof(address), "127.1.0.%zu", i);
        struct job *job = send_job("corp.test", true, "mx.corp.test", NULL);
        ip_parse(address, &job->mx->addresses[0]);
        run_until_returned(1);
        forget_returned();
        struct lane *lane;
        HASH_FIND_STR(engine.shards[0].lanes->by_key, address, lane);
        lane->hosts->rest_until_ms = i <= RESTING ? UINT64_MAX : 0;
    }
    assert_in_range(HASH_COUNT(engine.shards[0].lanes->by_key), RESTING, RESTING + 2 * ROOM);
    close_lanes();
    line_server_stop(&server);
}

static void the_pause_holds_from_session_to_session(void **state)
{
    static const struct line_step refuses[] = {{STEP_SEND, "220 mx ESMTP\r\n", 0},
                                               {STEP_EXPECT, "EHLO probe.example", 0},
                                               {STEP_SEND, "250 mx\r\n", 0},
                                               {STEP_EXPECT, "MAIL FROM:<>", 0},
                                               {STEP_SEND, "250 Ok\r\n", 0},
                                               {STEP_EXPECT, "RCPT TO:<jane@corp.test>", 0},
                                               {STEP_SEND, "550 5.1.1 User unknown\r\n", 0},
                                               {STEP_EXPECT, "QUIT", 0},
                                               {STEP_SEND, "221 Bye\r\n", 0},
                                               {STEP_END, NULL, 0}};
    struct line_server *server = line_server_start(refuses, NULL, 2);
    struct lanes *lanes;

    (void)state;
    open_lanes(line_server_port(server), NULL);
    config.lane_transaction_gap_ms.fallback = 60 * MINUTE_MS;
    lanes = engine.shards[0].lanes;
    send_job("corp.test", false, "mx.corp.test", NULL);
    run_until_returned(1);
    send_job("corp.test", false, "mx.corp.test", NULL);
    do
        loop_run_once(engine.shards[0].loop);
    while (returned_count == 1 &&
           (lanes->all_sessions == NULL || !loop_timer_running(&lanes->all_sessions->gap)));
    assert_int_equal(returned_count, 1);
    close_lanes();
    line_server_stop(&server); /* the second time it was left after EHLO */
}

/* It talks while we pause before the first question: coming back at once would be for more of it.
 */
static void who_talks_into_a_pause_is_left(void **state)
{
    static const struct line_step talks[] = {{STEP_SEND, "220 mx ESMTP\r\n", 0},
                                             {STEP_EXPECT, "EHLO probe.example", 0},
                                             {STEP_SEND, "250 mx\r\n", 0},
                                             {STEP_PIECES, "250 Anybody?\r\n", 0},
                                             {STEP_HOLD, NULL, 0}};
    struct line_server *server = line_server_start(talks, NULL, 1);
    struct lanes *lanes;
    struct job *job;

    (void)state;
    open_lanes(line_server_port(server), NULL);
    config.lane_transaction_gap_ms.fallback = 60 * MINUTE_MS;
    lanes = engine.shards[0].lanes;
    job = send_job("corp.test", false, "mx.corp.test", NULL);
    while (lanes->all_sessions == NULL)
        loop_run_once(engine.shards[0].loop);
    struct lane_session *session = lanes->all_sessions;
    session->host->asked_ms = session->began_ms; /* somebody was asked about a moment ago */
    run_until_returned(1);
    assert_int_equal(job->evidence->attempts[0].end, SMTP_END_PROTOCOL); /* of the only session */
    close_lanes();
    assert_int_equal(line_server_stop(&server), 0);
}

/* --- transcripts --------------------------------------------------------------------- */

static unsigned count_of(const char *text, const char *words)
{
    unsigned count = 0;

    while (text != NULL && (text = strstr(text, words)) != NULL) {
        text += strlen(words);
        count++;
    }
    return count;
}

#define GREETS                                                                                     \
    {STEP_SEND, "220 mx ESMTP\r\n", 0}, {STEP_EXPECT, "EHLO probe.example", 0},                    \
        {STEP_SEND, "250 mx\r\n", 0}, {STEP_EXPECT, "MAIL FROM:<>", 0},                            \
        {STEP_SEND, "250 Ok\r\n", 0},                                                              \
    {                                                                                              \
        STEP_EXPECT, "RCPT TO:<jane@corp.test>", 0                                                 \
    }
#define REFUSES                                                                                    \
    GREETS, {STEP_SEND, "550 5.1.1 User unknown\r\n", 0}, {STEP_EXPECT, "QUIT", 0},                \
        {STEP_SEND, "221 Bye\r\n", 0},                                                             \
    {                                                                                              \
        STEP_END, NULL, 0                                                                          \
    }

/* A session that broke off, or asked to come back, is part of what was said. */
static void all_sessions_are_in_the_transcript(void **state)
{
    static const struct line_step breaks_off[] = {GREETS, {STEP_NEXT, NULL, 0}, REFUSES},
                                  closes_at_once[] = {{STEP_NEXT, NULL, 0}, REFUSES},
                                  come_back[] = {GREETS,
                                                 {STEP_SEND, "450 4.3.2 Come back\r\n", 0},
                                                 {STEP_EXPECT, "QUIT", 0},
                                                 {STEP_NEXT, NULL, 0},
                                                 REFUSES};
    static const struct line_step *const scripts[] = {breaks_off, closes_at_once, come_back};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(scripts); i++) {
        struct line_server *server = line_server_start(scripts[i], NULL, 2);

        open_lanes(line_server_port(server), NULL);
        send_job("corp.test", false, "mx.corp.test", NULL)->transcript = true;
        run_until_returned(1);
        assert_int_equal(returned[0]->evidence->attempts[0].class, REPLY_MAILBOX_NOT_FOUND);
        assert_int_equal(count_of(returned[0]->evidence->transcript, "connect 127.0.0.1"), 2);
        assert_int_equal(count_of(returned[0]->evidence->transcript, "221 Bye"), 1);
        close_lanes();
        assert_int_equal(line_server_stop(&server), 0);
    }
}

/* --- the walk ------------------------------------------------------------------------ */

static void a_walk_that_nobody_waits_for_is_cut(void **state)
{
    static const struct line_step relay_denied[] = {
        {STEP_SEND, "220 mx ESMTP\r\n", 0},     {STEP_EXPECT, "EHLO probe.example", 0},
        {STEP_SEND, "250 mx\r\n", 0},           {STEP_EXPECT, "MAIL FROM:<>", 0},
        {STEP_SEND, "250 Ok\r\n", 0},           {STEP_EXPECT, "RCPT TO:<jane@corp.test>", 0},
        {STEP_SEND, "554 Relay denied\r\n", 0}, {STEP_EXPECT, "QUIT", 0},
        {STEP_SEND, "221 Bye\r\n", 0},          {STEP_END, NULL, 0}};
    struct line_server *server = line_server_start(relay_denied, NULL, 1);
    struct job *job;

    (void)state;
    open_lanes(line_server_port(server), NULL);
    job = send_job("corp.test", false, "mx1.corp.test", "mx2.corp.test");
    while (atomic_load(&job->progress) != PROGRESS_SMTP)
        loop_run_once(engine.shards[0].loop);
    atomic_store(&job->abandoned, true);
    run_until_returned(1);
    assert_int_equal(job->evidence->attempt_count, 1);
    assert_int_equal(job->evidence->attempts[0].class, REPLY_RELAY_DENIED);
    assert_true(job->evidence->cut);
    assert_int_equal(line_server_stop(&server), 0);
    close_lanes();
}

/* An attempt as it might come from any host. */
static void attempt(struct job *job, enum smtp_stage stage, enum reply_class class,
                    const char *words)
{
    struct lane lane = {.lanes = engine.shards[0].lanes};
    struct lane_host host = {.lane = &lane, .name = (char[]){"mx.test"}};
    struct lane_session session = {.host = &host};
    struct smtp_reply_facts reply = {
        .code = class != REPLY_NONE ? 554 : 0, .class = class, .text = (char *)words};
    struct smtp_server *server = stage > SMTP_STAGE_CONNECT ? smtp_server_new() : NULL;
    struct smtp_attempt *added = lane_attempt(job, &session, server);

    added->stage = stage;
    added->class = class;
    added->code = reply.code;
    lane_keep_words(job, &reply, server);
    smtp_server_drop(&server);
}

static void the_host_that_decides_leaves_its_words(void **state)
{
    struct job *job;

    (void)state;
    open_lanes(25, NULL);
    job = job_for("corp.test");
    attempt(job, SMTP_STAGE_GREETING, REPLY_PROBE_BLOCKED, "first");
    assert_string_equal(job->evidence->recipient.text, "first");
    attempt(job, SMTP_STAGE_EHLO, REPLY_NONE, NULL); /* came further, and fell silent */
    assert_int_equal(job->evidence->recipient.code, 0);
    assert_non_null(job->evidence->server);
    attempt(job, SMTP_STAGE_RCPT, REPLY_RELAY_DENIED, "third");
    attempt(job, SMTP_STAGE_RCPT, REPLY_RELAY_DENIED, "fourth");
    assert_string_equal(job->evidence->recipient.text, "third");
    job_free(&job);
    close_lanes();
}

/* --- what is remembered ------------------------------------------------------------------ */

static bool refused_before(size_t nth)
{
    send_job("web.test", false, "web.test", NULL);
    run_until_returned(nth);
    return returned[nth - 1]->evidence->refused_before;
}

static void open_lanes_to_a_closed_port(uint64_t *now_ms)
{
    static const struct line_step nothing[] = {{STEP_END, NULL, 0}};
    struct line_server *server = line_server_start(nothing, NULL, 0);

    clock_use_virtual(now_ms);
    open_lanes(line_server_port(server), NULL);
    line_server_stop(&server); /* nobody listens there now */
}

/* An hour may pass between the two, but somebody must greet us, or the wall is ours. */
static void a_refusal_counts_while_others_greet_us(void **state)
{
    uint64_t now_ms = START_MS;

    (void)state;
    open_lanes_to_a_closed_port(&now_ms);
    assert_false(refused_before(1));
    now_ms += 16 * MINUTE_MS;
    assert_false(refused_before(2));
    egress_greeted(&engine.egress, now_ms);
    assert_true(refused_before(3));
    now_ms += 61 * MINUTE_MS;
    assert_false(refused_before(4));
    close_lanes();
    clock_use_virtual(NULL);
}

/* The domain has a new address beside the old one: that was refused but once. */
static void each_address_must_have_refused_twice(void **state)
{
    uint64_t now_ms = START_MS;

    (void)state;
    open_lanes_to_a_closed_port(&now_ms);
    assert_false(refused_before(1));
    now_ms += 16 * MINUTE_MS;
    egress_greeted(&engine.egress, now_ms);
    for (size_t i = 2; i <= 3; i++) {
        struct job *job = send_job("web.test", false, "web.test", NULL);

        ip_parse("127.0.0.2", &job->mx->addresses[0]);
        ip_parse("127.0.0.1", &job->mx->addresses[1]);
        job->mx->hosts[0].address_count = job->mx->address_count = 2;
        run_until_returned(i);
        assert_int_equal(job->evidence->attempt_count, 2);
        assert_int_equal(job->evidence->refused_before, i == 3);
        now_ms += 16 * MINUTE_MS;
    }
    close_lanes();
    clock_use_virtual(NULL);
}

static void what_is_known_of_a_domain_goes_with_its_hosts(void **state)
{
    struct job job = {.domain = (char[]){"corp.test"}, .mx_set = 1};
    struct domain_memory *memory;

    (void)state;
    open_lanes(25, NULL);
    memory = lanes_domain(engine.shards[0].lanes, &job);
    memory->decoy = DECOY_REJECTED;
    memory->control = CONTROL_CLEAR;
    memory->unknown.count = 3;
    assert_int_equal(lanes_domain(engine.shards[0].lanes, &job)->decoy, DECOY_REJECTED);
    job.mx_set = 2;
    memory = lanes_domain(engine.shards[0].lanes, &job);
    assert_int_equal(memory->decoy, DECOY_NOT_RUN);
    assert_int_equal(memory->control, CONTROL_NOT_RUN);
    assert_int_equal(memory->unknown.count, 3);
    close_lanes();
}

/* Whoever asks after that is put off without a connection: what would it be for? */
static void a_domain_that_had_its_share_is_left_alone(void **state)
{
    struct line_server *server = line_server_start(busy, NULL, 0);
    uint64_t now_ms = START_MS;
    struct domain_memory *memory;
    struct lanes *lanes;

    (void)state;
    clock_use_virtual(&now_ms);
    open_lanes(line_server_port(server), NULL);
    lanes = engine.shards[0].lanes;
    struct job *job = send_job("corp.test", false, "mx.corp.test", NULL);
    memory = lanes_domain(lanes, job);
    memory->unknown = (struct hourly){START_MS, config.lane_unknown_per_hour.fallback};
    now_ms += 20 * MINUTE_MS;
    while (returned_count == 0 && lanes->all_sessions == NULL)
        loop_run_once(engine.shards[0].loop);
    assert_int_equal(returned_count, 1);
    assert_int_equal(job->stop, STOP_DEFERRED);
    assert_int_equal(job->stop_retry_ms, 40 * MINUTE_MS);
    assert_true(job->turn_missed);
    close_lanes();
    clock_use_virtual(NULL);
    line_server_stop(&server);
}

/* A backup that lets a decoy in says nothing of the one before it, where that is in trouble. */
static void a_decoy_speaks_for_its_own_preference(void **state)
{
    static const struct {
        uint16_t preference;    /* of the second; the first has 10 */
        enum reply_class first; /* what came of that */
        enum check_stop stop;
        enum mx_host_state state; /* of the first; it was only asked if OK */
        enum decoy_outcome at_second, outcome;
    } rows[] = {
        {20, REPLY_NONE, STOP_NONE, MX_HOST_OK, DECOY_ACCEPTED, DECOY_UNDECIDED},
        {20, REPLY_NONE, STOP_NONE, MX_HOST_OK, DECOY_REJECTED, DECOY_REJECTED},
        {20, REPLY_RELAY_DENIED, STOP_NONE, MX_HOST_OK, DECOY_ACCEPTED, DECOY_ACCEPTED},
        {20, REPLY_RELAY_DENIED, STOP_DEFERRED, MX_HOST_OK, DECOY_ACCEPTED, DECOY_UNDECIDED},
        {10, REPLY_NONE, STOP_NONE, MX_HOST_OK, DECOY_ACCEPTED, DECOY_ACCEPTED},
        {20, REPLY_NONE, STOP_NONE, MX_HOST_UNKNOWN, DECOY_ACCEPTED, DECOY_UNDECIDED},
        {20, REPLY_NONE, STOP_NONE, MX_HOST_NO_ADDRESS, DECOY_ACCEPTED, DECOY_ACCEPTED},
        {10, REPLY_NONE, STOP_NONE, MX_HOST_UNKNOWN, DECOY_ACCEPTED, DECOY_ACCEPTED},
    };
    struct lane lane = {.lanes = NULL};
    struct lane_host host = {.lane = &lane};
    struct lane_session session = {.host = &host};

    (void)state;
    open_lanes(25, NULL);
    lane.lanes = engine.shards[0].lanes;
    for (size_t row = 0; row < ARRAY_LENGTH(rows); row++) {
        struct job *job = job_for("corp.test");

        job->mx->hosts[0].preference = 10;
        job->mx->hosts[1].name = mem_copy_text("backup.test");
        job->mx->hosts[1].preference = rows[row].preference;
        job->mx->host_count = 2;
        job->host = 1;
        job->stop = rows[row].stop;
        job->mx->hosts[0].state = rows[row].state;
        if (rows[row].state == MX_HOST_OK)
            attempt(job, SMTP_STAGE_RCPT, rows[row].first, "first");
        lane_settle_decoy(&session, job, rows[row].at_second, NULL);
        run_until_returned(1);
        assert_int_equal(returned[0]->evidence->decoy_outcome, rows[row].outcome);
        forget_returned();
    }
    close_lanes();
}

static void what_a_backup_said_of_a_decoy_is_asked_again(void **state)
{
    static const struct line_step accepts[] = {
        {STEP_SEND, "220 mx ESMTP\r\n", 0}, {STEP_EXPECT, "EHLO probe.example", 0},
        {STEP_SEND, "250 mx\r\n", 0},       {STEP_EXPECT, "MAIL FROM:<>", 0},
        {STEP_SEND, "250 Ok\r\n", 0},       {STEP_EXPECT, "RCPT TO:<jane@corp.test>", 0},
        {STEP_SEND, "250 Ok\r\n", 0},       {STEP_HOLD, NULL, 0}};

    (void)state;
    for (uint16_t preference = 10; preference <= 20; preference += 10) {
        struct line_server *server = line_server_start(accepts, NULL, 1);
        struct domain_memory *memory;
        struct job *job;

        open_lanes(line_server_port(server), NULL);
        job = send_job("corp.test", false, "mx.corp.test", NULL);
        job->mx->hosts[0].preference = 10;
        memory = lanes_domain(engine.shards[0].lanes, job);
        memory->decoy = DECOY_REJECTED;
        memory->decoy_until_ms = UINT64_MAX;
        memory->decoy_preference = preference;
        while (returned_count == 0 && job->phase == JOB_ASK_RECIPIENT)
            loop_run_once(engine.shards[0].loop);
        assert_int_equal(returned_count, preference == 10);
        close_lanes();
        line_server_stop(&server);
    }
}

/* --- learning who accepts just anyone ------------------------------------------------------ */

/* The decoys of so many domains, from corp0.test on, come to `outcome`. */
static void settle_decoys(struct lane *lane, unsigned count, enum decoy_outcome outcome)
{
    struct lane_host host = {.lane = lane};
    struct lane_session session = {.host = &host};
    const struct smtp_reply_facts reply = {.code = outcome == DECOY_ACCEPTED ? 250 : 550};
    char domain[32];

    for (unsigned i = 0; i < count; i++) {
        snprintf(domain, sizeof(domain), "corp%u.test", i);
        lane_settle_decoy(&session, job_for(domain), outcome, &reply);
        run_until_returned(1);
        forget_returned();
    }
}

static void a_provider_that_accepts_every_decoy_is_opaque(void **state)
{
    struct lane lane = {.lanes = NULL, .provider = provider_by_mx("mx.improvmx.com")};

    (void)state;
    open_lanes(25, NULL);
    lane.lanes = engine.shards[0].lanes;
    settle_decoys(&lane, 19, DECOY_ACCEPTED);
    settle_decoys(&lane, 19, DECOY_ACCEPTED); /* the same domains say no more */
    assert_false(lane_is_opaque(&lane));
    settle_decoys(&lane, 20, DECOY_ACCEPTED);
    assert_true(lane_is_opaque(&lane));
    settle_decoys(&lane, 1, DECOY_REJECTED);
    assert_false(lane_is_opaque(&lane));
    lane = (struct lane){.lanes = lane.lanes}; /* one address is no provider */
    settle_decoys(&lane, 40, DECOY_ACCEPTED);
    assert_false(lane_is_opaque(&lane));
    close_lanes();
}

static void an_opaque_provider_gets_no_decoy(void **state)
{
    static const struct line_step accepts[] = {
        {STEP_SEND, "220 mx ESMTP\r\n", 0}, {STEP_EXPECT, "EHLO probe.example", 0},
        {STEP_SEND, "250 mx\r\n", 0},       {STEP_EXPECT, "MAIL FROM:<>", 0},
        {STEP_SEND, "250 Ok\r\n", 0},       {STEP_EXPECT, "RCPT TO:<jane@corp.test>", 0},
        {STEP_SEND, "250 Ok\r\n", 0},       {STEP_EXPECT, "QUIT", 0},
        {STEP_SEND, "221 Bye\r\n", 0},      {STEP_END, NULL, 0}};
    struct line_server *server = line_server_start(accepts, NULL, 1);

    (void)state;
    open_lanes(line_server_port(server), NULL);
    send_job("corp.test", false, "mx.improvmx.com", NULL);
    loop_run_once(engine.shards[0].loop); /* the job arrives, and its lane begins */
    assert_non_null(only_lane());
    only_lane()->decoys_accepted = 20;
    run_until_returned(1);
    assert_true(returned[0]->evidence->opaque);
    assert_int_equal(returned[0]->evidence->decoy_outcome, DECOY_NOT_RUN);
    assert_int_equal(line_server_stop(&server), 0);
    close_lanes();
}

/* --- sessions that share --------------------------------------------------------------------- */

static const struct line_step silent_at_rcpt[] = {{STEP_SEND, "220 mx ESMTP\r\n", 0},
                                                  {STEP_EXPECT, "EHLO probe.example", 0},
                                                  {STEP_SEND, "250 mx\r\n", 0},
                                                  {STEP_EXPECT, "MAIL FROM:<>", 0},
                                                  {STEP_SEND, "250 Ok\r\n", 0},
                                                  {STEP_EXPECT, "RCPT TO:<jane@corp.test>", 0},
                                                  {STEP_HOLD, NULL, 0}};

/* Two wait, too few for a second session; but the first has fallen silent. */
static void a_silent_session_takes_no_share(void **state)
{
    struct line_server *server = line_server_start(silent_at_rcpt, NULL, 1);

    (void)state;
    open_lanes(line_server_port(server), NULL);
    config.lane_connections.fallback = 2;
    config.interactive_reserve = 0;
    for (unsigned i = 0; i < 3; i++)
        send_job("corp.test", true, "mx.corp.test", NULL);
    do
        loop_run_once(engine.shards[0].loop);
    while (only_lane() == NULL || only_lane()->hosts->slow == 0);
    assert_int_equal(only_lane()->sessions, 2);
    assert_int_equal(only_lane()->queued, 2);
    close_lanes();
    line_server_stop(&server);
}

/* --- who was not asked ----------------------------------------------------------------------- */

#define UP_TO_RCPT                                                                                 \
    {STEP_SEND, "220 mx ESMTP\r\n", 0}, {STEP_EXPECT, "EHLO probe.example", 0},                    \
        {STEP_SEND, "250 mx\r\n", 0}, {STEP_EXPECT, "MAIL FROM:<>", 0},                            \
    {                                                                                              \
        STEP_SEND, "250 Ok\r\n", 0                                                                 \
    }

/* The first is asked, and the host rests; the second is not asked at all. */
static void a_turn_is_missed_where_the_host_is_alive(void **state)
{
    static const struct line_step says_421_at_rcpt[] = {UP_TO_RCPT,
                                                        {STEP_EXPECT, "RCPT TO:<jane@corp.test>",
                                                         0},
                                                        {STEP_SEND, "421 4.3.2 Busy\r\n", 0},
                                                        {STEP_END, NULL, 0}},
                                  falls_silent[] = {UP_TO_RCPT, {STEP_HOLD, NULL, 0}};
    static const struct {
        const struct line_step *script;
        uint32_t wait_ms;
        bool missed;
    } rows[] = {{says_421_at_rcpt, 45000, true}, {busy, 45000, false}, {falls_silent, 10, false}};

    (void)state;
    for (size_t row = 0; row < ARRAY_LENGTH(rows); row++) {
        struct line_server *server = line_server_start(rows[row].script, NULL, 1);

        open_lanes(line_server_port(server), NULL);
        config.timeout_recipient_ms = rows[row].wait_ms;
        send_job("corp.test", true, "mx.corp.test", NULL);
        while (only_lane() == NULL || only_lane()->hosts->rest_until_ms == 0)
            loop_run_once(engine.shards[0].loop);
        send_job("corp.test", true, "mx.corp.test", NULL);
        run_until_returned(2);
        assert_int_equal(returned[1]->stop, STOP_DEFERRED);
        assert_int_equal(returned[1]->turn_missed, rows[row].missed);
        close_lanes();
        line_server_stop(&server);
    }
}

/* --- rest ------------------------------------------------------------------------------------ */

/* Until it rests; then for how long. */
static uint64_t refuse(struct lane *lane, uint64_t now_ms)
{
    loop_run_once(engine.shards[0].loop); /* looks at the clock */
    for (unsigned i = 0; i < 5; i++)
        lane_replied(lane, true);
    return lane->rest_until_ms - now_ms;
}

static void a_lane_that_refuses_again_rests_longer(void **state)
{
    static const struct {
        unsigned after_minutes, rest_minutes; /* after the end of the rest before */
    } rests[] = {{0, 15}, {1, 30}, {1, 60}, {1, 120}, {1, 240}, {1, 240}, {60, 15}};
    uint64_t now_ms = START_MS;
    struct lane *lane = mem_zeroed(1, sizeof(*lane) + 8);

    (void)state;
    clock_use_virtual(&now_ms);
    open_lanes(25, NULL);
    lane->lanes = engine.shards[0].lanes;
    for (size_t i = 0; i < ARRAY_LENGTH(rests); i++) {
        now_ms = (i > 0 ? lane->rest_until_ms : now_ms) + rests[i].after_minutes * MINUTE_MS;
        assert_int_equal(refuse(lane, now_ms), rests[i].rest_minutes * MINUTE_MS);
    }
    free(lane);
    close_lanes();
    clock_use_virtual(NULL);
}

/* A customer's host each, so that none of them has refused us twice. */
static void a_lane_that_rests_asks_none_of_those_who_wait(void **state)
{
    enum { HOSTS = 9, ASKED = 5 };
    static const struct line_step refuses[] = {
        {STEP_SEND, "554 5.7.1 Client host blocked using zen.spamhaus.org\r\n", 0},
        {STEP_EXPECT, "QUIT", 0},
        {STEP_SEND, "221 Bye\r\n", 0},
        {STEP_END, NULL, 0}};
    struct line_server *server = line_server_start(refuses, NULL, ASKED);
    char host[64];

    (void)state;
    open_lanes(line_server_port(server), NULL);
    for (unsigned i = 0; i < HOSTS; i++) {
        snprintf(host, sizeof(host), "customer%u.mail.protection.outlook.com", i);
        send_job("customer.test", i % 2 == 0, host, NULL);
    }
    run_until_returned(HOSTS);
    for (unsigned i = 0; i < HOSTS; i++) {
        assert_int_equal(returned[i]->evidence->attempt_count, i < ASKED);
        assert_int_equal(returned[i]->stop, i < ASKED ? STOP_NONE : STOP_DEFERRED);
    }
    assert_int_equal(only_lane()->queued, 0);
    assert_int_equal(line_server_stop(&server), 0);
    close_lanes();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_that_are_done_make_room),
        cmocka_unit_test(who_has_to_stay_keeps_nobody_else_here),
        cmocka_unit_test(the_pause_holds_from_session_to_session),
        cmocka_unit_test(who_talks_into_a_pause_is_left),
        cmocka_unit_test(all_sessions_are_in_the_transcript),
        cmocka_unit_test(a_walk_that_nobody_waits_for_is_cut),
        cmocka_unit_test(the_host_that_decides_leaves_its_words),
        cmocka_unit_test(a_refusal_counts_while_others_greet_us),
        cmocka_unit_test(each_address_must_have_refused_twice),
        cmocka_unit_test(what_is_known_of_a_domain_goes_with_its_hosts),
        cmocka_unit_test(a_domain_that_had_its_share_is_left_alone),
        cmocka_unit_test(a_decoy_speaks_for_its_own_preference),
        cmocka_unit_test(what_a_backup_said_of_a_decoy_is_asked_again),
        cmocka_unit_test(a_provider_that_accepts_every_decoy_is_opaque),
        cmocka_unit_test(an_opaque_provider_gets_no_decoy),
        cmocka_unit_test(a_silent_session_takes_no_share),
        cmocka_unit_test(a_turn_is_missed_where_the_host_is_alive),
        cmocka_unit_test(a_lane_that_refuses_again_rests_longer),
        cmocka_unit_test(a_lane_that_rests_asks_none_of_those_who_wait),
    };

    log_setup(&(struct log_options){.level = LOG_ERROR});
    return cmocka_run_group_tests(tests, NULL, NULL);
}
