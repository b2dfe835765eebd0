/* The session's contract: what it reports, how it is dropped, what it costs. The conversations
 * are in test_smtp_scenarios.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <malloc.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probes/base/mem.h"
#include "probes/net/conn.h"
#include "probes/net/socks.h"
#include "probes/smtp/smtp_session.h"
#include "tests/support/line_server.h"
#include "tests/support/script_server.h"

enum { WAIT_MS = 8000, IDLE_SESSIONS = 300, SESSION_OCTETS_MAX = 1536 };

/* When the owner drops the session. */
enum drop_at { DROP_NEVER, DROP_IN_NEXT, DROP_IN_ANSWER, DROP_WHILE_WAITING, DROP_IN_END };

struct owner {
    struct loop *loop;
    struct smtp_sessions sessions;
    struct smtp_session *session;
    enum drop_at drop_at;
    enum smtp_next then; /* after the recipients are asked */
    const char *recipients[4];
    bool last;
    size_t asked;
    unsigned nexts, answers, ends, callbacks_after_drop;
    struct smtp_reply_facts answer;
    uint32_t took_ms;
    struct smtp_session_end end;
    struct smtp_server *server;
    struct loop_mail mail;
};

static void drop(struct owner *owner)
{
    smtp_session_drop(&owner->session);
    assert_null(owner->session);
}

static void on_mail(struct loop_mail *mail) { drop(CONTAINER_OF(mail, struct owner, mail)); }

static enum smtp_next on_next(void *context, struct smtp_task *task)
{
    struct owner *owner = context;

    owner->nexts++;
    owner->callbacks_after_drop += owner->session == NULL;
    if (owner->drop_at == DROP_IN_NEXT)
        drop(owner);
    if (owner->drop_at == DROP_WHILE_WAITING) {
        loop_defer(owner->loop, &owner->mail, on_mail);
        return SMTP_NEXT_WAIT;
    }
    if (owner->recipients[owner->asked] == NULL)
        return owner->then;
    *task = (struct smtp_task){.mail_from = "", .recipient = owner->recipients[owner->asked++]};
    return owner->last ? SMTP_NEXT_ASK_LAST : SMTP_NEXT_ASK;
}

static void on_answer(void *context, const struct smtp_answer *answer)
{
    struct owner *owner = context;

    owner->answers++;
    owner->callbacks_after_drop += owner->session == NULL;
    owner->took_ms = answer->took_ms;
    smtp_reply_facts_copy(&owner->answer, &answer->reply);
    if (owner->drop_at == DROP_IN_ANSWER)
        drop(owner);
}

static void on_end(void *context, const struct smtp_session_end *end)
{
    struct owner *owner = context;

    owner->ends++;
    owner->callbacks_after_drop += owner->session == NULL;
    owner->end = *end;
    owner->end.reply.text = NULL;
    if (end->server != NULL)
        owner->server = smtp_server_keep(end->server);
    if (owner->drop_at == DROP_IN_END)
        drop(owner);
    loop_stop(owner->loop);
}

static const struct smtp_session_handler handler = {on_next, on_answer, on_end};

static struct smtp_session_params params_for(struct owner *owner, uint16_t port)
{
    return (struct smtp_session_params){
        .sessions = &owner->sessions,
        .loop = owner->loop,
        .host = "mx.test",
        .address = {.family = 4, .octets = {127, 0, 0, 1}},
        .port = port,
        .allowed = loopback_networks(),
        .hello_name = "probe.example",
        .waits = {WAIT_MS, WAIT_MS, WAIT_MS, WAIT_MS, WAIT_MS},
        .handler = &handler,
        .context = owner,
    };
}

static void owner_free(struct owner *owner)
{
    smtp_reply_facts_clear(&owner->answer);
    smtp_server_drop(&owner->server);
    smtp_sessions_close(&owner->sessions); /* goodbyes to hosts that say nothing */
    loop_free(&owner->loop);
}

/* --- scripts in the code --------------------------------------------------------- */

static void add_line(struct smtp_scenario *script, char kind, const char *words)
{
    struct smtp_scenario_line *line = &script->lines[script->line_count++];
    struct text text;

    text_init(&text, 1024);
    text_put(&text, words);
    if (kind != 'X')
        text_put(&text, "\r\n");
    line->kind = kind;
    line->length = text.length;
    line->bytes = text_take(&text);
}

/* {"S 220 mx", "C EHLO x", ..., NULL} */
static void make_script(struct smtp_scenario *script, const char *const *lines)
{
    *script = (struct smtp_scenario){.line_count = 0};
    for (; *lines != NULL; lines++)
        add_line(script, (*lines)[0], *lines + 2);
}

/* --- what is reported ---------------------------------------------------------------- */

static const char *const whole_script[] = {
    "S 220 mx.test ESMTP Postfix",
    "C EHLO probe.example",
    "S 250-mx.test",
    "S 250-PIPELINING",
    "S 250 SIZE 1000",
    "C MAIL FROM:<>",
    "C RCPT TO:<bob@example.com>",
    "S 250 2.1.0 Ok",
    "S 550-5.1.1 User unknown",
    "S 550 5.1.1 in any table",
    "C QUIT",
    "S 221 Bye",
    NULL,
};

static void test_facts(void **state)
{
    struct owner owner = {
        .loop = loop_new(), .then = SMTP_NEXT_QUIT, .recipients = {"bob@example.com"}};
    struct smtp_scenario script;
    struct text transcript;

    (void)state;
    make_script(&script, whole_script);
    text_init(&transcript, 1 << 16);
    struct script_server *server = script_server_start(&script, NULL);
    struct smtp_session_params params = params_for(&owner, script_server_port(server));
    params.transcript = &transcript;
    owner.session = smtp_session_start(&params);
    assert_null(smtp_session_server(owner.session));
    assert_int_equal(smtp_session_stage(owner.session), SMTP_STAGE_CONNECT);
    assert_int_equal(owner.nexts + owner.answers + owner.ends, 0); /* never from inside start */
    loop_run(owner.loop);
    script_server_join(server);

    assert_string_equal(script_server_complaint(server), "");
    assert_int_equal(owner.nexts, 2);
    assert_int_equal(owner.answers, 1);
    assert_int_equal(owner.ends, 1);
    assert_int_equal(owner.answer.code, 550);
    assert_memory_equal(owner.answer.enhanced, "\5\1\1", 3);
    assert_string_equal(owner.answer.text, "User unknown\nin any table");
    assert_int_equal(owner.answer.class, REPLY_MAILBOX_NOT_FOUND);
    assert_int_equal(owner.answer.rule[0], 'C');
    assert_int_equal(owner.end.end, SMTP_END_QUIT);
    assert_int_equal(owner.end.answered, 1);
    assert_int_equal(owner.end.reply.code, 0);
    assert_string_equal(owner.server->host, "mx.test");
    assert_string_equal(owner.server->extensions, "PIPELINING\nSIZE 1000");
    assert_true(owner.server->pipelining && owner.server->esmtp && !owner.server->starttls);
    assert_true(owner.server->address.family == 4 && owner.server->address.octets[0] == 127);
    assert_true(owner.server->ours.family == 4 && owner.server->ours.octets[0] == 127);
    assert_true(owner.server->connect_ms <= WAIT_MS && owner.server->ehlo_ms <= WAIT_MS);

    struct text document; /* the transcript is JSON array items */
    text_init(&document, 1 << 16);
    text_format(&document, "[");
    text_put(&document, transcript.bytes);
    text_put(&document, "]");
    json_t *items = json_loads(document.bytes, 0, NULL);
    assert_non_null(items);
    assert_int_equal(json_array_size(items), 12);
    json_t *first = json_array_get(items, 0), *fifth = json_array_get(items, 5);
    assert_string_equal(json_string_value(json_object_get(first, "dir")), "S");
    assert_string_equal(json_string_value(json_object_get(fifth, "line")), "MAIL FROM:<>");
    json_decref(items);
    text_free(&document);
    text_free(&transcript);
    script_server_free(&server);
    smtp_scenario_free(&script);
    owner_free(&owner);
}

/* A transcript that is full holds whole items only. */
static void test_transcript_bound(void **state)
{
    struct owner owner = {
        .loop = loop_new(), .then = SMTP_NEXT_QUIT, .recipients = {"bob@example.com"}};
    struct smtp_scenario script;
    struct text transcript;

    (void)state;
    make_script(&script, whole_script);
    text_init(&transcript, 100);
    struct script_server *server = script_server_start(&script, NULL);
    struct smtp_session_params params = params_for(&owner, script_server_port(server));
    params.transcript = &transcript;
    owner.session = smtp_session_start(&params);
    loop_run(owner.loop);
    script_server_join(server);
    assert_true(transcript.length <= 100);
    assert_int_equal(transcript.bytes[transcript.length - 1], '}');
    text_free(&transcript);
    script_server_free(&server);
    smtp_scenario_free(&script);
    owner_free(&owner);
}

/* --- dropping ------------------------------------------------------------------------- */

static const struct drop_case {
    const char *label;
    enum drop_at at;
    bool last;
    const char *script[16];
    const char *left; /* how the peer saw us leave */
    unsigned answers, ends;
} drop_cases[] = {
    {"in on_next",
     DROP_IN_NEXT,
     false,
     {"S 220 mx", "C EHLO probe.example", "S 250 mx", "C QUIT", "S 221 bye"},
     "orderly",
     0,
     0},
    {"while waiting",
     DROP_WHILE_WAITING,
     false,
     {"S 220 mx", "C EHLO probe.example", "S 250 mx", "C QUIT", "S 221 bye"},
     "orderly",
     0,
     0},
    {"in on_answer, at a boundary",
     DROP_IN_ANSWER,
     false,
     {"S 220 mx", "C EHLO probe.example", "S 250 mx", "C MAIL FROM:<>", "S 250 ok",
      "C RCPT TO:<bob@example.com>", "S 250 ok", "C QUIT", "S 221 bye"},
     "orderly",
     1,
     0},
    {"in on_answer, QUIT on its way",
     DROP_IN_ANSWER,
     true,
     {"S 220 mx", "C EHLO probe.example", "S 250-mx", "S 250 PIPELINING", "C MAIL FROM:<>",
      "C RCPT TO:<bob@example.com>", "C QUIT", "S 250 ok", "S 250 ok", "S 221 bye"},
     "orderly",
     1,
     0},
    {"in on_answer, a reply still owed",
     DROP_IN_ANSWER,
     false,
     {"S 220 mx", "C EHLO probe.example", "S 250-mx", "S 250 PIPELINING", "C MAIL FROM:<>",
      "C RCPT TO:<bob@example.com>", "S 550 5.1.8 sender refused", "X silence"},
     "reset",
     1,
     0},
    {"in on_end",
     DROP_IN_END,
     true,
     {"S 220 mx", "C EHLO probe.example", "S 250 mx", "C MAIL FROM:<>", "S 250 ok",
      "C RCPT TO:<bob@example.com>", "S 250 ok", "C QUIT", "S 221 bye"},
     "orderly",
     1,
     1},
};

/* The loop is turned until the peer has seen us leave. */
struct watch {
    struct loop *loop;
    struct script_server *server;
};

static void *stop_when_left(void *context)
{
    struct watch *watch = context;

    script_server_join(watch->server);
    loop_stop(watch->loop);
    return NULL;
}

static void run_drop_case(const struct drop_case *row)
{
    struct owner owner = {.loop = loop_new(),
                          .then = SMTP_NEXT_WAIT,
                          .drop_at = row->at,
                          .last = row->last,
                          .recipients = {"bob@example.com"}};
    struct smtp_scenario script;
    pthread_t thread;

    make_script(&script, row->script);
    struct script_server *server = script_server_start(&script, NULL);
    struct smtp_session_params params = params_for(&owner, script_server_port(server));
    owner.session = smtp_session_start(&params);
    struct watch watch = {owner.loop, server};
    pthread_create(&thread, NULL, stop_when_left, &watch);
    loop_run(owner.loop);
    pthread_join(thread, NULL);

    if (script_server_complaint(server)[0] != '\0' ||
        strcmp(script_server_left(server), row->left) != 0 || owner.answers != row->answers ||
        owner.ends != row->ends || owner.callbacks_after_drop != 0)
        fail_msg("%s: %s, left %s, %u answers, %u ends, %u callbacks after", row->label,
                 script_server_complaint(server), script_server_left(server), owner.answers,
                 owner.ends, owner.callbacks_after_drop);
    script_server_free(&server);
    smtp_scenario_free(&script);
    owner_free(&owner);
}

static void test_drop(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(drop_cases); i++)
        run_drop_case(&drop_cases[i]);
    struct smtp_session *none = NULL;
    smtp_session_drop(&none);
}

static uint16_t silent_listener(int *fd)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(here);

    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(*fd, (struct sockaddr *)&here, sizeof(here)), 0);
    assert_int_equal(listen(*fd, 1024), 0);
    assert_int_equal(getsockname(*fd, (struct sockaddr *)&here, &size), 0);
    return ntohs(here.sin_port);
}

static void turn(struct loop *loop, unsigned times)
{
    while (times-- > 0)
        loop_run_once(loop);
}

/* Dropped before a word was heard: before the connection stands, and after. */
static void test_drop_early(void **state)
{
    int fd;
    uint16_t port = silent_listener(&fd);

    (void)state;
    for (unsigned turns = 0; turns < 4; turns++) {
        struct owner owner = {.loop = loop_new()};
        struct smtp_session_params params = params_for(&owner, port);

        owner.session = smtp_session_start(&params);
        turn(owner.loop, turns);
        drop(&owner);
        turn(owner.loop, 5);
        assert_int_equal(owner.nexts + owner.answers + owner.ends, 0);
        owner_free(&owner);
    }
    close(fd);
}

/* --- no session at all ----------------------------------------------------------------- */

static void test_no_connection(void **state)
{
    int fd;
    uint16_t port = silent_listener(&fd);
    struct owner refused = {.loop = loop_new()}, forbidden = {.loop = loop_new()};
    struct smtp_session_params params = params_for(&refused, port);

    (void)state;
    close(fd); /* nobody listens there now */
    refused.session = smtp_session_start(&params);
    loop_run(refused.loop);
    assert_int_equal(refused.end.end, SMTP_END_CONNECT_REFUSED);
    assert_int_equal(refused.end.stage, SMTP_STAGE_CONNECT);
    assert_null(refused.server);
    assert_false(refused.end.task_open);

    params = params_for(&forbidden, port);
    params.allowed = NULL;
    forbidden.session = smtp_session_start(&params);
    loop_run(forbidden.loop);
    assert_int_equal(forbidden.end.end, SMTP_END_REFUSED_ADDRESS);
    assert_int_equal(refused.ends + forbidden.ends, 2);
    assert_int_equal(refused.nexts + forbidden.nexts, 0);
    owner_free(&refused);
    owner_free(&forbidden);
}

/* --- through a proxy ----------------------------------------------------------------- */

#define LINE(text)                                                                                 \
    {                                                                                              \
        STEP_SEND, (text), 0                                                                       \
    }
#define OCTETS(kind, text)                                                                         \
    {                                                                                              \
        (kind), (text), sizeof(text) - 1                                                           \
    }

/* The first words of the server come with the proxy's; what our end is called nobody knows. */
static void test_proxy(void **state)
{
    static const struct line_step script[] = {
        OCTETS(STEP_OCTETS, "\5\1\0"),
        OCTETS(STEP_SEND, "\5\0"),
        OCTETS(STEP_OCTETS, "\5\1\0\1\177\0\0\1\0\31"),
        OCTETS(STEP_SEND, "\5\0\0\1\0\0\0\0\0\0"
                          "220 mx.test ESMTP\r\n"),
        {STEP_EXPECT, "EHLO probe.example", 0},
        LINE("250 mx.test\r\n"),
        {STEP_EXPECT, "QUIT", 0},
        LINE("221 Bye\r\n"),
        {STEP_END, NULL, 0},
    };
    struct owner owner = {.loop = loop_new(), .then = SMTP_NEXT_QUIT};
    struct line_server *server = line_server_start(script, NULL, 1);
    struct socks_proxy proxy = {.port = line_server_port(server)};
    struct smtp_session_params params = params_for(&owner, 25);

    (void)state;
    proxy.address = params.address;
    params.proxy = &proxy;
    owner.session = smtp_session_start(&params);
    loop_run(owner.loop);
    assert_int_equal(line_server_stop(&server), 0);
    assert_int_equal(owner.end.end, SMTP_END_QUIT);
    assert_string_equal(owner.server->banner, "mx.test ESMTP");
    assert_int_equal(owner.server->ours.family, 0);
    owner_free(&owner);
}

static void test_proxy_down(void **state)
{
    struct owner owner = {.loop = loop_new()};
    struct smtp_session_params params = params_for(&owner, 25);
    struct socks_proxy proxy = {.port = 1};

    (void)state;
    assert_true(ip_parse("127.99.0.3", &proxy.address));
    params.proxy = &proxy;
    owner.session = smtp_session_start(&params);
    loop_run(owner.loop);
    assert_int_equal(owner.end.end, SMTP_END_PROXY);
    assert_int_equal(owner.end.stage, SMTP_STAGE_CONNECT);
    assert_int_equal(owner.nexts, 0);
    owner_free(&owner);
}

/* --- cost -------------------------------------------------------------------------------- */

static size_t heap_octets(void) { return mallinfo2().uordblks; }

static void ignore_event(void *context, enum conn_event event)
{
    (void)context;
    (void)event;
}

static void ignore_line(void *context, const char *line, size_t length)
{
    (void)context;
    (void)line;
    (void)length;
}

/* A session that sits in a tarpit, beside the connection it needs anyway. Sanitizers have a heap
 * of their own, where nothing is measured. */
static void test_idle_memory(void **state)
{
    static const struct conn_handler ignore = {ignore_event, ignore_line};
    static struct conn *conns[IDLE_SESSIONS];
    struct owner owner = {.loop = loop_new()};
    int fd;
    uint16_t port = silent_listener(&fd);

    (void)state;
    size_t conns_octets = 0, sessions_octets = 0;
    for (int round = 0; round < 2; round++) { /* libev grows its tables in the first */
        size_t before = heap_octets();
        for (size_t i = 0; i < IDLE_SESSIONS; i++)
            conns[i] =
                conn_open(&(struct conn_params){.loop = owner.loop,
                                                .address = {.family = 4, .octets = {127, 0, 0, 1}},
                                                .port = port,
                                                .allowed = loopback_networks(),
                                                .connect_timeout_ms = WAIT_MS,
                                                .line_max = 4096,
                                                .handler = &ignore});
        turn(owner.loop, 20);
        conns_octets = heap_octets() - before;
        for (size_t i = 0; i < IDLE_SESSIONS; i++)
            conn_close(&conns[i], true);
        turn(owner.loop, 5);
        before = heap_octets();
        for (size_t i = 0; i < IDLE_SESSIONS; i++) {
            struct smtp_session_params params = params_for(&owner, port);
            smtp_session_start(&params);
        }
        turn(owner.loop, 20);
        sessions_octets = heap_octets() - before;
        smtp_sessions_close(&owner.sessions);
        turn(owner.loop, 5);
    }
    size_t each =
        sessions_octets > conns_octets ? (sessions_octets - conns_octets) / IDLE_SESSIONS : 0;
    print_message("an idle session: %zu octets of heap beside its connection (%zu)\n", each,
                  conns_octets / IDLE_SESSIONS);
    assert_true(each < SESSION_OCTETS_MAX);
    owner_free(&owner);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts),         cmocka_unit_test(test_transcript_bound),
        cmocka_unit_test(test_drop),          cmocka_unit_test(test_drop_early),
        cmocka_unit_test(test_no_connection), cmocka_unit_test(test_idle_memory),
        cmocka_unit_test(test_proxy),         cmocka_unit_test(test_proxy_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
