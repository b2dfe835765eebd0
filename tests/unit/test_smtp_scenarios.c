/* Every conversation of tests/scenarios/smtp twice: against the pure dialog, and by a scripted
 * server against the real session. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/net/tls.h"
#include "probes/smtp/classify.h"
#include "probes/smtp/dialog.h"
#include "probes/smtp/smtp_session.h"
#include "tests/support/line_server.h"
#include "tests/support/script_server.h"
#include "tests/support/smtp_scenario.h"
#include "tests/support/test_certs.h"

enum { UNLIMITED_MS = 8000 };

static struct smtp_scenario scenarios[SMTP_SCENARIOS_MAX];
static size_t scenario_count;
static struct test_certs *certs;
static SSL_CTX *server_tls;

/* --- the pure dialog ----------------------------------------------------------------- */

struct player {
    const struct smtp_scenario *scenario;
    struct smtp_dialog dialog;
    struct smtp_reply reply;
    enum smtp_action due;
    size_t at, asked;
    const struct smtp_scenario_ask *task;
    struct text inbox;
    struct smtp_outcome outcome;
    char complaint[512];
};

static void complain(struct player *player, const char *what, const char *detail)
{
    if (player->complaint[0] == '\0')
        snprintf(player->complaint, sizeof(player->complaint), "%s: %.400s", what, detail);
}

static enum reply_class class_of_reply(struct player *player, enum smtp_stage stage)
{
    const struct reply_context context = {
        .stage = stage,
        .recipient = player->task != NULL ? player->task->recipient : NULL,
        .mail_from = player->task != NULL ? player->task->from : NULL,
        .our_address = "127.0.0.1",
        .our_name = player->dialog.hello,
        .server_host = "mx.test",
        .first_contact = player->task == NULL || !player->task->seen_before,
    };

    return reply_classify(player->reply.code, player->reply.enhanced,
                          smtp_reply_text(&player->reply, SMTP_REPLY_TEXT_MAX), &context)
        .class;
}

static void keep_answer(struct player *player, enum reply_class class, enum smtp_stage stage)
{
    size_t i = player->outcome.answer_count++;

    player->outcome.answers[i].class = class;
    player->outcome.answers[i].stage = stage;
}

static void on_reply(struct player *player)
{
    enum smtp_stage stage = smtp_step_stage(player->dialog.step);
    enum smtp_end before = player->dialog.end;

    player->due = smtp_dialog_on_reply(&player->dialog, &player->reply);
    if (player->dialog.answers)
        keep_answer(player, class_of_reply(player, stage), stage);
    if (before == SMTP_END_NONE && player->dialog.end == SMTP_END_REPLY)
        player->outcome.reply = class_of_reply(player, stage);
    smtp_reply_clear(&player->reply);
}

/* As the session does it: lines in one burst are read before anything is done about them. */
static void on_line(struct player *player, const char *line, size_t length)
{
    if (player->dialog.step == SMTP_STEP_OVER)
        return;
    if (player->due == SMTP_DO_START_TLS) { /* conn would not even show it */
        player->due = smtp_dialog_on_break(&player->dialog, SMTP_END_TLS);
        return;
    }
    switch (smtp_reply_add_line(&player->reply, line, length)) {
    case SMTP_PARSE_MORE:
        break;
    case SMTP_PARSE_BAD:
        player->due = smtp_dialog_on_break(&player->dialog, SMTP_END_PROTOCOL);
        break;
    case SMTP_PARSE_DONE:
        if (player->due != SMTP_DO_WAIT && player->reply.code != 421)
            player->due = smtp_dialog_on_break(&player->dialog, SMTP_END_PROTOCOL);
        else
            on_reply(player);
        break;
    }
}

static void hear_burst(struct player *player)
{
    const struct smtp_scenario *scenario = player->scenario;
    bool piece = scenario->lines[player->at].kind == 'P';

    do {
        text_add(&player->inbox, scenario->lines[player->at].bytes,
                 scenario->lines[player->at].length);
        player->at++;
    } while (!piece && player->at < scenario->line_count &&
             strchr("SI", scenario->lines[player->at].kind) != NULL);

    const char *rest = player->inbox.bytes, *end;
    size_t left = player->inbox.length;
    while ((end = memchr(rest, '\n', left)) != NULL) {
        size_t length = (size_t)(end - rest);
        on_line(player, rest, length > 0 && end[-1] == '\r' ? length - 1 : length);
        left -= length + 1;
        rest = end + 1;
    }
    char *kept = mem_copy_bytes(rest, left);
    text_free(&player->inbox);
    text_add(&player->inbox, kept, left);
    free(kept);
}

static void say_group(struct player *player)
{
    const struct smtp_scenario *scenario = player->scenario;
    struct text said, wanted;

    text_init(&said, SMTP_GROUP_MAX);
    text_init(&wanted, SMTP_GROUP_MAX);
    smtp_dialog_compose(&player->dialog, &said);
    while (player->at < scenario->line_count && scenario->lines[player->at].kind == 'C')
        text_put(&wanted, scenario->lines[player->at++].bytes);
    if (wanted.length == 0 || strcmp(said.bytes, wanted.bytes) != 0)
        complain(player, "the client said", said.bytes);
    text_free(&said);
    text_free(&wanted);
    player->due = SMTP_DO_WAIT;
}

static void ask_next(struct player *player)
{
    const struct smtp_scenario *scenario = player->scenario;

    if (player->asked == scenario->ask_count) {
        player->due = smtp_dialog_quit(&player->dialog);
        return;
    }
    player->task = &scenario->asks[player->asked++];
    struct smtp_envelope envelope = {.mail_from = player->task->from,
                                     .recipient = player->task->recipient,
                                     .smtputf8 = player->task->smtputf8};
    player->due = smtp_dialog_ask(&player->dialog, &envelope, player->task->last);
    if (player->dialog.answers)
        keep_answer(player, REPLY_EAI_NOT_SUPPORTED, SMTP_STAGE_EHLO);
}

static void end_script(struct player *player, const char *how)
{
    enum smtp_end end = strcmp(how, "silence") == 0 || strcmp(how, "drip") == 0 ? SMTP_END_TIMEOUT
                        : strcmp(how, "flood") == 0                             ? SMTP_END_PROTOCOL
                                                                                : SMTP_END_LOST;

    if (player->dialog.step != SMTP_STEP_OVER)
        player->due = smtp_dialog_on_break(&player->dialog, end);
    player->at = player->scenario->line_count;
}

static void shake_hands(struct player *player, const char *how)
{
    if (player->due != SMTP_DO_START_TLS)
        complain(player, "TLS not asked for", "");
    if (strcmp(how, "ok") == 0)
        player->due = smtp_dialog_on_tls(&player->dialog);
    else
        player->due = smtp_dialog_on_break(
            &player->dialog, strcmp(how, "fail") == 0 ? SMTP_END_TLS : SMTP_END_TIMEOUT);
    player->at++;
}

static void play_line(struct player *player)
{
    const struct smtp_scenario_line *line = &player->scenario->lines[player->at];

    switch (line->kind) {
    case 'S':
    case 'I':
    case 'P':
        hear_burst(player);
        break;
    case 'C':
        complain(player, "the client did not say", line->bytes);
        player->at++;
        break;
    case 'T':
        shake_hands(player, line->bytes);
        break;
    default:
        end_script(player, line->bytes);
        break;
    }
}

static void act(struct player *player)
{
    while (player->due == SMTP_DO_ASK)
        ask_next(player);
    if (player->due == SMTP_DO_SEND)
        say_group(player);
}

static void play(struct player *player, const struct smtp_scenario *scenario)
{
    player->scenario = scenario;
    smtp_reply_init(&player->reply);
    text_init(&player->inbox, 1 << 20);
    smtp_dialog_init(&player->dialog, scenario->hello[0] != '\0' ? scenario->hello : "[127.0.0.1]",
                     !scenario->in_clear);
    player->due = smtp_dialog_on_connect(&player->dialog);
    while (player->at < scenario->line_count && player->complaint[0] == '\0') {
        play_line(player);
        act(player);
    }
    if (player->dialog.step != SMTP_STEP_OVER)
        complain(player, "the script ends, the dialog does not", "");
    player->outcome.end = player->dialog.end;
    player->outcome.stage = player->dialog.stage;
    player->outcome.task_open = player->dialog.task == SMTP_TASK_OPEN;
    player->outcome.turns = player->dialog.turns;
    smtp_reply_clear(&player->reply);
    text_free(&player->inbox);
}

static void test_dialog(void **state)
{
    unsigned failed = 0;

    (void)state;
    for (size_t i = 0; i < scenario_count; i++) {
        struct player player = {.due = SMTP_DO_WAIT};

        play(&player, &scenarios[i]);
        const char *difference = smtp_scenario_difference(&scenarios[i], &player.outcome);
        if (player.complaint[0] == '\0' && difference[0] == '\0')
            continue;
        print_error("dialog, %s: %s %s\n", scenarios[i].name, player.complaint, difference);
        failed++;
    }
    print_message("%zu scenarios against the dialog\n", scenario_count);
    assert_int_equal(failed, 0);
}

/* --- the real session ------------------------------------------------------------------ */

struct owner {
    const struct smtp_scenario *scenario;
    struct loop *loop;
    struct smtp_session *session;
    struct loop_mail resume;
    size_t asked;
    bool paused;
    unsigned ends;
    struct smtp_outcome outcome;
};

static void on_resume(struct loop_mail *mail)
{
    struct owner *owner = CONTAINER_OF(mail, struct owner, resume);

    smtp_session_resume(owner->session);
}

static enum smtp_next on_next(void *context, struct smtp_task *task)
{
    struct owner *owner = context;

    if (owner->asked == owner->scenario->ask_count)
        return SMTP_NEXT_QUIT;
    const struct smtp_scenario_ask *ask = &owner->scenario->asks[owner->asked];
    if (ask->pause && !owner->paused) {
        owner->paused = true;
        loop_defer(owner->loop, &owner->resume, on_resume);
        return SMTP_NEXT_WAIT;
    }
    owner->asked++;
    *task = (struct smtp_task){.mail_from = ask->from,
                               .recipient = ask->recipient,
                               .smtputf8 = ask->smtputf8,
                               .seen_before = ask->seen_before};
    return ask->last ? SMTP_NEXT_ASK_LAST : SMTP_NEXT_ASK;
}

static void on_answer(void *context, const struct smtp_answer *answer)
{
    struct owner *owner = context;
    size_t i = owner->outcome.answer_count++;

    owner->outcome.answers[i].class = answer->reply.class;
    owner->outcome.answers[i].stage = answer->stage;
    owner->outcome.answers[i].code = answer->reply.code;
}

static void on_end(void *context, const struct smtp_session_end *end)
{
    struct owner *owner = context;

    owner->ends++;
    owner->outcome.end = end->end;
    owner->outcome.stage = end->stage;
    owner->outcome.reply = end->reply.class;
    owner->outcome.task_open = end->task_open;
    if (end->server != NULL)
        owner->outcome.server = smtp_server_keep(end->server);
    loop_stop(owner->loop);
}

static uint32_t patience(uint32_t ms) { return ms > 0 ? ms : UNLIMITED_MS; }

static void run_session(struct owner *owner, struct tls_client *tls, uint16_t port)
{
    static const struct smtp_session_handler handler = {on_next, on_answer, on_end};
    const struct smtp_scenario *scenario = owner->scenario;

    owner->session = smtp_session_start(&(struct smtp_session_params){
        .loop = owner->loop,
        .tls = tls,
        .host = "mx.test",
        .address = {.family = 4, .octets = {127, 0, 0, 1}},
        .port = port,
        .allowed = loopback_networks(),
        .hello_name = scenario->hello,
        .waits = {UNLIMITED_MS, patience(scenario->greeting_ms), patience(scenario->command_ms),
                  patience(scenario->recipient_ms), patience(scenario->quit_ms)},
        .in_clear = scenario->in_clear,
        .handler = &handler,
        .context = owner,
    });
    loop_run(owner->loop);
}

/* "" or what went wrong. */
static void run_live(const struct smtp_scenario *scenario, char *problem, size_t size)
{
    struct owner owner = {.scenario = scenario, .loop = loop_new(), .outcome = {.live = true}};
    struct script_server *server = script_server_start(scenario, server_tls);
    const char *error = NULL;
    struct tls_client *tls =
        tls_client_new(&(struct tls_client_params){.ca_file = test_certs_ca_file(certs)}, &error);

    assert_non_null(tls);
    run_session(&owner, tls, script_server_port(server));
    script_server_join(server);
    owner.outcome.turns = script_server_turns(server);
    owner.outcome.left = script_server_left(server);
    snprintf(problem, size, "%s%s%s", script_server_complaint(server),
             smtp_scenario_difference(scenario, &owner.outcome),
             owner.ends != 1 ? " more than one end" : "");
    script_server_free(&server);
    smtp_server_drop(&owner.outcome.server);
    tls_client_free(&tls);
    loop_free(&owner.loop);
}

static void test_session(void **state)
{
    unsigned failed = 0;
    char problem[2048];

    (void)state;
    for (size_t i = 0; i < scenario_count; i++) {
        run_live(&scenarios[i], problem, sizeof(problem));
        if (problem[0] == '\0')
            continue;
        print_error("session, %s: %s\n", scenarios[i].name, problem);
        failed++;
    }
    print_message("%zu scenarios against the session\n", scenario_count);
    assert_int_equal(failed, 0);
}

static int setup(void **state)
{
    (void)state;
    scenario_count =
        smtp_scenarios_load("tests/scenarios/smtp", scenarios, ARRAY_LENGTH(scenarios));
    certs = test_certs_new();
    server_tls = test_certs_server(certs, CERT_GOOD, "mx.test");
    return scenario_count > 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    while (scenario_count > 0)
        smtp_scenario_free(&scenarios[--scenario_count]);
    SSL_CTX_free(server_tls);
    test_certs_free(&certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialog),
        cmocka_unit_test(test_session),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
