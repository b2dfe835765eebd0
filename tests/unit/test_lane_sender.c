/* What a lane does with a host that takes mail from none of our senders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "probes/base/clock.h"
#include "probes/base/mem.h"
#include "tests/support/lane_home.h"
#include "tests/support/line_script.h"

enum { MINUTE_MS = 60 * 1000, START_MS = 1000 * MINUTE_MS, JOBS_MAX = 4 };

#define GREETING SAY("220 mx ESMTP"), HEAR("EHLO probe.example"), SAY("250 mx")
#define OURS     HEAR("MAIL FROM:<probe@probe.example>")
#define ANEW     HEAR("RSET"), SAY("250 Ok")
#define NULL_ONE HEAR("MAIL FROM:<>")
#define REFUSED  SAY("550 5.1.8 Sender address rejected")
#define PUT_OFF  SAY("450 4.1.8 Sender address rejected")
#define BOTH     OURS, REFUSED, ANEW, NULL_ONE, REFUSED
#define UNKNOWN  OURS, SAY("250 Ok"), HEAR("RCPT TO:<jane@corp.test>"), SAY("550 5.1.1 User unknown")
#define LEAVES   HEAR("QUIT"), SAY("221 Bye")

struct step {
    uint64_t pause_ms; /* before it */
    unsigned jobs;     /* that come together */
    bool transcript, fresh, cached;
    enum reply_class class;
};

static void open_with(const struct line_server *server, const char *mail_from)
{
    open_lanes(line_server_port(server), NULL);
    config.lane_transaction_gap_ms.fallback = 0;
    free(config.mail_from);
    config.mail_from = mem_copy_text(mail_from);
}

/* The first of those that come together is asked, unless `cached`; with `also` the others are
 * answered from memory. */
static void play(const struct line_step *script, unsigned connections, bool null_only,
                 const struct step steps[], bool also)
{
    struct line_server *server = line_server_start(script, NULL, connections);
    uint64_t now_ms = START_MS;

    clock_use_virtual(&now_ms);
    open_with(server, null_only ? "" : "probe@probe.example");
    for (const struct step *step = steps; step->jobs > 0; step++) {
        now_ms += step->pause_ms;
        loop_run_once(engine.shards[0].loop);
        for (unsigned i = 0; i < step->jobs; i++) {
            struct job *job = send_job("corp.test", true, "mx.corp.test", NULL);

            job->transcript = step->transcript;
            job->fresh_after_ms = job->asked_ms = step->fresh ? now_ms : 0;
        }
        run_until_returned(step->jobs);
        for (unsigned i = 0; i < step->jobs; i++) {
            const struct smtp_evidence *evidence = returned[i]->evidence;

            assert_int_equal(evidence->attempt_count, 1);
            assert_int_equal(evidence->attempts[0].class, step->class);
            assert_int_equal(evidence->recipient.class, step->class);
            assert_string_equal(evidence->attempts[0].host, "mx.corp.test");
            assert_non_null(evidence->server);
        }
        unsigned cached = 0;
        for (unsigned i = 0; i < step->jobs; i++)
            cached += returned[i]->evidence->attempts[0].cached;
        assert_int_equal(cached, step->cached ? step->jobs : also ? step->jobs - 1 : 0);
        forget_returned();
    }
    close_lanes();
    clock_use_virtual(NULL);
    assert_int_equal(line_server_stop(&server), 0);
}

/* Who waits is answered with the first, who comes within the hour at once. */
static void both_senders_are_asked_once_an_hour(void **state)
{
    static const struct line_step script[] = {GREETING, BOTH, LEAVES, NEXT,
                                              GREETING, BOTH, LEAVES, END};
    static const struct step steps[] = {
        {0, 4, .class = REPLY_SENDER_REJECTED},
        {59 * MINUTE_MS, 2, .cached = true, .class = REPLY_SENDER_REJECTED},
        {2 * MINUTE_MS, 1, .class = REPLY_SENDER_REJECTED},
        {0, 0, .class = REPLY_NONE}};

    (void)state;
    play(script, 2, false, steps, true);
}

/* ... by whoever wants to hear it himself; and when it takes a sender, that is forgotten. */
static void a_host_that_takes_a_sender_is_asked_again(void **state)
{
    static const struct line_step script[] = {GREETING, BOTH,    LEAVES,   NEXT,    GREETING, BOTH,
                                              LEAVES,   NEXT,    GREETING, UNKNOWN, LEAVES,   NEXT,
                                              GREETING, UNKNOWN, LEAVES,   END};
    static const struct step steps[] = {{0, 1, .class = REPLY_SENDER_REJECTED},
                                        {1, 1, .transcript = true, .class = REPLY_SENDER_REJECTED},
                                        {0, 1, .cached = true, .class = REPLY_SENDER_REJECTED},
                                        {1, 1, .fresh = true, .class = REPLY_MAILBOX_NOT_FOUND},
                                        {0, 1, .class = REPLY_MAILBOX_NOT_FOUND},
                                        {0, 0, .class = REPLY_NONE}};

    (void)state;
    play(script, 4, false, steps, true);
}

static void the_null_sender_may_be_all_we_have(void **state)
{
    static const struct line_step script[] = {GREETING, NULL_ONE, REFUSED, LEAVES, END};
    static const struct step steps[] = {{0, 3, .class = REPLY_SENDER_REJECTED},
                                        {0, 0, .class = REPLY_NONE}};

    (void)state;
    play(script, 1, true, steps, true);
}

/* A host that puts off either of them may take it the next time. */
static void what_passes_is_not_remembered(void **state)
{
    static const struct line_step first_passes[] = {GREETING, OURS,    PUT_OFF, ANEW,    NULL_ONE,
                                                    REFUSED,  ANEW,    OURS,    PUT_OFF, ANEW,
                                                    NULL_ONE, REFUSED, LEAVES,  END},
                                  second_passes[] = {GREETING, OURS,    REFUSED, ANEW,    NULL_ONE,
                                                     PUT_OFF,  ANEW,    OURS,    REFUSED, ANEW,
                                                     NULL_ONE, PUT_OFF, LEAVES,  END};
    static const struct step steps[] = {{0, 2, .class = REPLY_SENDER_REJECTED},
                                        {0, 0, .class = REPLY_NONE}};

    (void)state;
    play(first_passes, 1, false, steps, false);
    play(second_passes, 1, false, steps, false);
}

/* The second opinion was the first one's. */
static void the_next_mx_hears_our_own_sender_first(void **state)
{
    static const struct line_step script[] = {GREETING, BOTH, LEAVES,  NEXT,   GREETING,
                                              UNKNOWN,  ANEW, UNKNOWN, LEAVES, END};
    struct line_server *server = line_server_start(script, NULL, 2);

    (void)state;
    open_with(server, "probe@probe.example");
    for (unsigned i = 0; i < 2; i++)
        send_job("corp.test", true, "mx1.corp.test", "mx2.corp.test");
    run_until_returned(2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(returned[i]->evidence->attempt_count, 2);
        assert_int_equal(returned[i]->evidence->attempts[0].class, REPLY_SENDER_REJECTED);
        assert_int_equal(returned[i]->evidence->attempts[1].class, REPLY_MAILBOX_NOT_FOUND);
        assert_false(returned[i]->evidence->attempts[1].cached);
    }
    close_lanes();
    assert_int_equal(line_server_stop(&server), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_senders_are_asked_once_an_hour),
        cmocka_unit_test(a_host_that_takes_a_sender_is_asked_again),
        cmocka_unit_test(the_null_sender_may_be_all_we_have),
        cmocka_unit_test(the_next_mx_hears_our_own_sender_first),
        cmocka_unit_test(what_passes_is_not_remembered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
