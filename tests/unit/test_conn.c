/* Connections against a scripted server on loopback: every way a peer can behave. */
#include <malloc.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "probes/base/clock.h"
#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "probes/net/conn.h"
#include "probes/net/socks.h"
#include "probes/net/tls_internal.h"
#include "tests/support/line_server.h"
#include "tests/support/test_certs.h"

enum { WAIT_MAX_MS = 20000, LINE_MAX_OCTETS = 40, TRACE_SIZE = 1024 };

static struct loop *loop;
static struct tls_client *tls;
static struct test_certs *certs;

/* --- a client that writes down what it sees ------------------------------------------ */

enum habit {
    LISTEN,             /* only listens */
    TALK,               /* sends "hello" when connected */
    STARTTLS,           /* begins TLS at the line "go", then sends "hello" */
    STARTTLS_SLOWLY,    /* the same, and what follows "go" has time to arrive */
    IMPLICIT_TLS,       /* begins TLS when connected, then sends "hello" */
    LEGACY_TLS,         /* the same in the legacy context */
    PARTING_TLS,        /* the same as IMPLICIT_TLS, and "hello" is all it ever sends */
    HASTY_TLS,          /* begins TLS when connected, and sends "hello" without waiting */
    CLOSE_AT_LINE,      /* conn_close() inside on_line */
    RESET_AT_CONNECTED, /* conn_close(reset) inside on_event */
    CLOSE_AT_END        /* conn_close() inside the last event */
};

struct client {
    struct conn *conn;
    enum habit habit;
    char trace[TRACE_SIZE];
    unsigned endings; /* final events: one, or none when the client closed first */
    bool finished;
    struct tls_facts facts;
};

static void note(struct client *client, const char *word, const char *line, size_t length)
{
    char clean[200] = "";
    size_t used = strlen(client->trace);

    if (line != NULL)
        text_clean(clean, sizeof clean, line, length);
    snprintf(client->trace + used, sizeof client->trace - used, "%s%s%s%s", used > 0 ? " " : "",
             word, line != NULL ? ":" : "", clean);
}

static const char *event_name(enum conn_event event)
{
    switch (event) {
    case CONN_CONNECTED:
        return "connected";
    case CONN_TLS_READY:
        return "tls";
    case CONN_TLS_FAILED:
        return "tls_failed";
    case CONN_CLOSED:
        return "closed";
    case CONN_LOST:
        return "lost";
    case CONN_REFUSED:
        return "refused";
    case CONN_UNREACHABLE:
        return "unreachable";
    case CONN_TIMED_OUT:
        return "timed_out";
    case CONN_LINE_TOO_LONG:
        return "too_long";
    case CONN_ADDRESS_FORBIDDEN:
        return "forbidden";
    case CONN_LOCAL_ERROR:
        return "local_error";
    case CONN_PROXY_FAILED:
        return "proxy_failed";
    }
    return "?";
}

static void close_now(struct client *client, bool reset)
{
    conn_close(&client->conn, reset);
    client->finished = true;
}

static void on_event(void *context, enum conn_event event)
{
    struct client *client = context;

    assert_non_null(client->conn); /* never from inside conn_open(), never after conn_close() */
    note(client, event_name(event), NULL, 0);
    client->facts = *conn_tls_facts(client->conn);
    if (event == CONN_CONNECTED && client->habit == TALK)
        conn_send(client->conn, "hello\r\n", 7);
    else if (event == CONN_CONNECTED && client->habit == RESET_AT_CONNECTED)
        close_now(client, true);
    else if (event == CONN_CONNECTED &&
             (client->habit == IMPLICIT_TLS || client->habit == PARTING_TLS))
        conn_start_tls(client->conn, tls, "mx.example.test", false);
    else if (event == CONN_CONNECTED && client->habit == LEGACY_TLS)
        conn_start_tls(client->conn, tls, "mx.example.test", true);
    else if (event == CONN_CONNECTED && client->habit == HASTY_TLS) {
        conn_start_tls(client->conn, tls, "mx.example.test", false);
        conn_send(client->conn, "hello\r\n", 7);
    } else if (event == CONN_TLS_READY && client->habit == PARTING_TLS)
        conn_send_last(client->conn, "hello\r\n", 7);
    else if (event == CONN_TLS_READY)
        conn_send(client->conn, "hello\r\n", 7);
    else if (event != CONN_CONNECTED) {
        client->endings++;
        client->finished = true;
        if (client->habit == CLOSE_AT_END)
            close_now(client, false);
    }
}

static void on_line(void *context, const char *line, size_t length)
{
    struct client *client = context;

    assert_non_null(client->conn);
    note(client, "line", line, length);
    if (client->habit == CLOSE_AT_LINE || (length == 4 && memcmp(line, "last", 4) == 0))
        close_now(client, false);
    else if ((client->habit == STARTTLS || client->habit == STARTTLS_SLOWLY) && length == 2 &&
             memcmp(line, "go", 2) == 0)
        conn_start_tls(client->conn, tls, "mx.example.test", false);
    if (client->habit == STARTTLS_SLOWLY)
        poll(NULL, 0, 50);
}

static const struct conn_handler handler = {on_event, on_line};

static struct conn_params params_for(struct client *client, uint16_t port)
{
    struct conn_params params = {.loop = loop,
                                 .port = port,
                                 .allowed = loopback_networks(),
                                 .connect_timeout_ms = WAIT_MAX_MS,
                                 .line_max = LINE_MAX_OCTETS,
                                 .handler = &handler,
                                 .context = client};

    assert_true(ip_parse("127.0.0.1", &params.address));
    return params;
}

static void run_to_end(struct client *client)
{
    uint64_t until_ms = clock_now_ms() + WAIT_MAX_MS;

    while (!client->finished && clock_now_ms() < until_ms) {
        loop_run_once(loop);
        poll(NULL, 0, 1);
    }
    for (int i = 0; i < 3; i++)
        loop_run_once(loop); /* nothing may come after the end */
}

static void expect(const char *label, const struct client *client, const char *trace)
{
    if (strcmp(client->trace, trace) != 0)
        fail_msg("%s: expected '%s', saw '%s'", label, trace, client->trace);
    if (client->endings > 1)
        fail_msg("%s: %u endings", label, client->endings);
}

/* --- dialogues ------------------------------------------------------------------------ */

#define SEND(text)                                                                                 \
    {                                                                                              \
        STEP_SEND, (text), 0                                                                       \
    }
#define SEND_N(text)                                                                               \
    {                                                                                              \
        STEP_SEND, (text), sizeof(text) - 1                                                        \
    }
#define PIECES(text)                                                                               \
    {                                                                                              \
        STEP_PIECES, (text), 0                                                                     \
    }
#define EXPECT(text)                                                                               \
    {                                                                                              \
        STEP_EXPECT, (text), 0                                                                     \
    }
#define TLS_ACCEPT                                                                                 \
    {                                                                                              \
        STEP_TLS, NULL, 0                                                                          \
    }
#define TLS_GREETING(text)                                                                         \
    {                                                                                              \
        STEP_TLS_GREETING, (text), 0                                                               \
    }
#define PARTED                                                                                     \
    {                                                                                              \
        STEP_PARTED, NULL, 0                                                                       \
    }
#define PEEK                                                                                       \
    {                                                                                              \
        STEP_PEEK, NULL, 0                                                                         \
    }
#define WAIT                                                                                       \
    {                                                                                              \
        STEP_WAIT, NULL, 0                                                                         \
    }
#define RESET                                                                                      \
    {                                                                                              \
        STEP_RESET, NULL, 0                                                                        \
    }
#define HOLD                                                                                       \
    {                                                                                              \
        STEP_HOLD, NULL, 0                                                                         \
    }
#define END                                                                                        \
    {                                                                                              \
        STEP_END, NULL, 0                                                                          \
    }
#define FORTY "0123456789012345678901234567890123456789"

static const struct dialogue {
    const char *label;
    enum habit habit;
    const char *trace;
    struct line_step script[6];
} dialogues[] = {
    {"one line", LISTEN, "connected line:220 hi closed", {SEND("220 hi\r\n"), END}},
    {"bare LF", LISTEN, "connected line:a line:b closed", {SEND("a\nb\r\n"), END}},
    {"empty lines", LISTEN, "connected line: line: closed", {SEND("\n\r\n"), END}},
    {"only one CR goes", LISTEN, "connected line:a\\x0d closed", {SEND("a\r\r\n"), END}},
    {"NUL is delivered", LISTEN, "connected line:a\\x00b closed", {SEND_N("a\0b\r\n"), END}},
    {"one octet at a time",
     LISTEN,
     "connected line:abc line:de closed",
     {PIECES("abc\r\nde\r\n"), END}},
    {"unfinished line is dropped", LISTEN, "connected line:a closed", {SEND("a\r\nbcd"), END}},
    {"line of line_max", LISTEN, "connected line:" FORTY " closed", {SEND(FORTY "\r\n"), END}},
    {"line_max in pieces", LISTEN, "connected line:" FORTY " closed", {PIECES(FORTY "\r\n"), END}},
    {"one too many", LISTEN, "connected too_long", {SEND(FORTY "x\r\n"), HOLD}},
    {"endless line", LISTEN, "connected line:a too_long", {SEND("a\n" FORTY FORTY), HOLD}},
    {"endless line in pieces", LISTEN, "connected too_long", {PIECES(FORTY FORTY), HOLD}},
    {"closes at once", LISTEN, "connected closed", {END}},
    {"closes at once, both sides", CLOSE_AT_END, "connected closed", {END}},
    {"talks", TALK, "connected line:ok closed", {EXPECT("hello"), SEND("ok\r\n"), END}},
    {"handler closes in on_line",
     CLOSE_AT_LINE,
     "connected line:a",
     {SEND("a\r\nb\r\nc\r\n"), HOLD}},
    {"handler closes in a joined line",
     CLOSE_AT_LINE,
     "connected line:abc",
     {PIECES("abc\r\n"), HOLD}},
    {"handler resets in on_event", RESET_AT_CONNECTED, "connected", {SEND("a\r\n"), HOLD}},
    {"STARTTLS",
     STARTTLS,
     "connected line:go tls line:secret closed",
     {SEND("go\r\n"), TLS_ACCEPT, EXPECT("hello"), SEND("secret\r\n"), END}},
    {"TLS from the start",
     IMPLICIT_TLS,
     "connected tls line:secret closed",
     {TLS_ACCEPT, EXPECT("hello"), SEND("secret\r\n"), END}},
    {"TLS, and nothing more to say",
     PARTING_TLS,
     "connected tls line:bye closed",
     {TLS_ACCEPT, EXPECT("hello"), PARTED, SEND("bye\r\n"), END}},
    {"TLS, and words before it stands", HASTY_TLS, "connected local_error", {WAIT, END}},
    {"TLS in pieces",
     IMPLICIT_TLS,
     "connected tls line:abc closed",
     {TLS_ACCEPT, EXPECT("hello"), PIECES("abc\r\n"), END}},
    {"TLS, many records in one read, and no more after them",
     IMPLICIT_TLS,
     "connected tls line:a line:b line:last",
     {TLS_ACCEPT, EXPECT("hello"), PIECES("a\r\nb\r\nlast\r\n"), HOLD}},
    {"TLS, a greeting that comes with the end of the server's flight, and no more after it",
     IMPLICIT_TLS,
     "connected tls line:a line:last",
     {TLS_GREETING("a\r\nlast\r\n"), HOLD}},
    {"octets behind the STARTTLS reply",
     STARTTLS,
     "connected line:go tls_failed",
     {SEND("go\r\n250 injected\r\n"), HOLD}},
    {"half a line behind the STARTTLS reply",
     STARTTLS,
     "connected line:go tls_failed",
     {SEND("go\r\n250"), HOLD}},
    {"octets soon after the STARTTLS reply",
     STARTTLS_SLOWLY,
     "connected line:go tls_failed",
     {PIECES("go\r\n250 injected\r\n"), HOLD}},
    {"plain text instead of a handshake",
     IMPLICIT_TLS,
     "connected tls_failed",
     {SEND("* OK IMAP4rev1 ready\r\n"), HOLD}},
    {"closes in the handshake",
     STARTTLS,
     "connected line:go tls_failed",
     {SEND("go\r\n"), WAIT, END}},
    {"resets in the handshake",
     STARTTLS,
     "connected line:go tls_failed",
     {SEND("go\r\n"), WAIT, RESET}},
};

static void test_dialogues(void **state)
{
    SSL_CTX *server_tls = test_certs_server(certs, CERT_GOOD, "mx.example.test");

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(dialogues); i++) {
        struct client client = {.habit = dialogues[i].habit};
        struct line_server *server = line_server_start(dialogues[i].script, server_tls, 1);
        struct conn_params params = params_for(&client, line_server_port(server));

        client.conn = conn_open(&params);
        run_to_end(&client);
        conn_close(&client.conn, false);
        if (line_server_stop(&server) != 0)
            fail_msg("%s: the server heard something else", dialogues[i].label);
        expect(dialogues[i].label, &client, dialogues[i].trace);
    }
    SSL_CTX_free(server_tls);
}

static void test_findings(void **state)
{
    static const struct {
        const char *label;
        enum habit habit;
        unsigned finding;
        struct line_step script[4];
    } cases[] = {
        {"injection", STARTTLS, TLS_FINDING_STARTTLS_INJECTION, {SEND("go\r\n250 x\r\n"), HOLD}},
        {"injection, a little late",
         STARTTLS_SLOWLY,
         TLS_FINDING_STARTTLS_INJECTION,
         {PIECES("go\r\n250 x\r\n"), HOLD}},
        {"not TLS at all", IMPLICIT_TLS, TLS_FINDING_HANDSHAKE_FAILED, {SEND("* OK\r\n"), HOLD}},
        {"closed", STARTTLS, TLS_FINDING_HANDSHAKE_FAILED, {SEND("go\r\n"), WAIT, END}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct client client = {.habit = cases[i].habit};
        struct line_server *server = line_server_start(cases[i].script, NULL, 1);
        struct conn_params params = params_for(&client, line_server_port(server));

        client.conn = conn_open(&params);
        run_to_end(&client);
        conn_close(&client.conn, true);
        line_server_stop(&server);
        if (client.facts.state != TLS_FAILED || client.facts.findings != 1u << cases[i].finding)
            fail_msg("%s: findings %x", cases[i].label, client.facts.findings);
    }
}

/* Whoever wants a new handshake waits for our no, and we for the reply. */
static void test_no_renegotiation(void **state)
{
    static const struct line_step script[] = {
        TLS_ACCEPT, EXPECT("hello"), {STEP_RENEW, NULL, 0}, PEEK, RESET};
    SSL_CTX *server_tls = test_certs_server(certs, CERT_GOOD, "mx.example.test");
    struct client client = {.habit = IMPLICIT_TLS};
    struct line_server *server;

    (void)state;
    SSL_CTX_set_max_proto_version(server_tls, TLS1_2_VERSION);
    server = line_server_start(script, server_tls, 1);
    struct conn_params params = params_for(&client, line_server_port(server));
    client.conn = conn_open(&params);
    run_to_end(&client);
    conn_close(&client.conn, true);
    assert_int_equal(line_server_stop(&server), 0);
    SSL_CTX_free(server_tls);
}

/* --- endings without a dialogue --------------------------------------------------------- */

static void test_refused(void **state)
{
    static const struct line_step script[] = {END};
    struct client client = {.habit = LISTEN}, first = {.habit = LISTEN};
    struct line_server *server = line_server_start(script, NULL, 1);
    struct conn_params params = params_for(&first, line_server_port(server));

    (void)state;
    first.conn = conn_open(&params); /* uses the server up: now nobody listens there */
    run_to_end(&first);
    conn_close(&first.conn, false);
    line_server_stop(&server);
    params.context = &client;
    client.conn = conn_open(&params);
    run_to_end(&client);
    expect("refused", &client, "refused");
    conn_close(&client.conn, false);
}

static void test_forbidden(void **state)
{
    static const char *const addresses[] = {"127.0.0.1", "10.0.0.1",         "169.254.169.254",
                                            "::1",       "::ffff:127.0.0.1", "64:ff9b::a00:1"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
        struct client client = {.habit = CLOSE_AT_END};
        struct conn_params params = params_for(&client, 25);

        assert_true(ip_parse(addresses[i], &params.address));
        params.allowed = NULL;
        client.conn = conn_open(&params);
        conn_set_timeout(client.conn, 60000); /* must not postpone the news */
        run_to_end(&client);
        expect(addresses[i], &client, "forbidden");
        conn_close(&client.conn, false);
    }
}

static void test_no_address(void **state)
{
    struct client client = {.habit = LISTEN};
    struct conn_params params = params_for(&client, 25);

    (void)state;
    params.address.family = 0;
    client.conn = conn_open(&params);
    run_to_end(&client);
    expect("no address", &client, "forbidden");
    conn_close(&client.conn, false);
}

static void test_timeout(void **state)
{
    static const struct line_step script[] = {SEND("220-a\r\n"), HOLD};
    struct client client = {.habit = LISTEN};
    struct line_server *server = line_server_start(script, NULL, 1);
    struct conn_params params = params_for(&client, line_server_port(server));

    (void)state;
    client.conn = conn_open(&params);
    conn_set_timeout(client.conn, 50);
    run_to_end(&client);
    expect("silence", &client, "connected line:220-a timed_out");
    conn_close(&client.conn, true);
    line_server_stop(&server);
}

static void test_reset(void **state)
{
    static const struct line_step script[] = {SEND("a\r\n"), EXPECT("hello"), RESET};
    struct client client = {.habit = TALK};
    struct line_server *server = line_server_start(script, NULL, 1);
    struct conn_params params = params_for(&client, line_server_port(server));

    (void)state;
    client.conn = conn_open(&params);
    run_to_end(&client);
    expect("reset", &client, "connected line:a lost");
    conn_close(&client.conn, false);
    line_server_stop(&server);
}

static void test_source_address(void **state)
{
    static const struct line_step script[] = {SEND("a\r\n"), END};
    struct client client = {.habit = LISTEN}, stranger = {.habit = LISTEN};
    struct line_server *server = line_server_start(script, NULL, 1);
    struct conn_params params = params_for(&client, line_server_port(server));

    (void)state;
    assert_true(ip_parse("127.99.0.1", &params.source));
    client.conn = conn_open(&params);
    run_to_end(&client);
    expect("own source", &client, "connected line:a closed");
    conn_close(&client.conn, false);
    line_server_stop(&server);

    assert_true(ip_parse("192.0.2.77", &params.source)); /* not ours */
    params.context = &stranger;
    stranger.conn = conn_open(&params);
    run_to_end(&stranger);
    expect("foreign source", &stranger, "local_error");
    conn_close(&stranger.conn, false);
}

/* Over IPv6, as far as this host has it: a refusal comes from the right address family. */
static void test_ipv6(void **state)
{
    static struct ip_networks allowed;
    struct client client = {.habit = LISTEN};
    struct conn_params params = params_for(&client, 1);

    (void)state;
    assert_true(ip_networks_parse("::1/128", &allowed));
    assert_true(ip_parse("::1", &params.address));
    params.allowed = &allowed;
    client.conn = conn_open(&params);
    run_to_end(&client);
    if (strcmp(client.trace, "unreachable") != 0) /* no IPv6 at all */
        expect("::1, port 1", &client, "refused");
    conn_close(&client.conn, false);
}

static void test_out_of_descriptors(void **state)
{
    struct client client = {.habit = LISTEN};
    struct conn_params params = params_for(&client, 25);
    struct rlimit before, none;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    client.conn = conn_open(&params);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    run_to_end(&client);
    expect("no descriptor", &client, "local_error");
    conn_close(&client.conn, false);
}

static void test_too_much_pending(void **state)
{
    static const char block[8192];
    struct client client = {.habit = LISTEN};
    struct conn_params params = params_for(&client, 1);

    (void)state;
    client.conn = conn_open(&params);
    conn_send(client.conn, block, sizeof block); /* still connecting: kept */
    assert_string_equal(client.trace, "");
    conn_send(client.conn, "x", 1);
    run_to_end(&client);
    expect("pending", &client, "local_error");
    conn_close(&client.conn, false);
}

static void test_close_before_anything(void **state)
{
    struct client client = {.habit = LISTEN};
    struct conn_params params = params_for(&client, 1);

    (void)state;
    client.conn = conn_open(&params);
    conn_close(&client.conn, true);
    conn_close(&client.conn, true); /* NULL is fine */
    params.allowed = NULL;
    client.conn = conn_open(&params); /* its failure is pending */
    conn_close(&client.conn, false);
    for (int i = 0; i < 3; i++)
        loop_run_once(loop);
    assert_string_equal(client.trace, "");
}

/* --- through a proxy ---------------------------------------------------------------------- */

#define OCTETS(text)                                                                               \
    {                                                                                              \
        STEP_OCTETS, (text), sizeof(text) - 1                                                      \
    }
#define PIECES_N(text)                                                                             \
    {                                                                                              \
        STEP_PIECES, (text), sizeof(text) - 1                                                      \
    }
#define TO_PEER "\5\1\0\1\300\0\2\31\0\31" /* 192.0.2.25, port 25 */
#define BOUND   "\5\0\0\1\0\0\0\0\0\0"

static const struct proxy_dialogue {
    const char *label;
    bool login;
    enum habit habit;
    uint32_t timeout_ms;
    const char *trace;
    struct line_step script[9];
} proxy_dialogues[] = {
    {"talks",
     false,
     TALK,
     WAIT_MAX_MS,
     "connected line:ok closed",
     {OCTETS("\5\1\0"), SEND_N("\5\0"), OCTETS(TO_PEER), SEND_N(BOUND), EXPECT("hello"),
      SEND("ok\r\n"), END}},
    {"greeting glued to the reply",
     false,
     LISTEN,
     WAIT_MAX_MS,
     "connected line:220 hi line:2 closed",
     {OCTETS("\5\1\0"), SEND_N("\5\0"), OCTETS(TO_PEER), SEND_N(BOUND "220 hi\r\n2\r\n"), END}},
    {"one octet at a time",
     false,
     LISTEN,
     WAIT_MAX_MS,
     "connected line:220 hi closed",
     {OCTETS("\5\1\0"), PIECES_N("\5\0"), OCTETS(TO_PEER), PIECES_N(BOUND "220 hi\r\n"), END}},
    {"login",
     true,
     LISTEN,
     WAIT_MAX_MS,
     "connected line:220 hi closed",
     {OCTETS("\5\2\0\2"), SEND_N("\5\2"), OCTETS("\1\4jane\6secret"), SEND_N("\1\0"),
      OCTETS(TO_PEER), SEND_N("\5\0\0\3\2px\0\1"), SEND("220 hi\r\n"), END}},
    {"STARTTLS behind it",
     false,
     STARTTLS,
     WAIT_MAX_MS,
     "connected line:go tls line:secret closed",
     {OCTETS("\5\1\0"), SEND_N("\5\0"), OCTETS(TO_PEER), SEND_N(BOUND "go\r\n"), TLS_ACCEPT,
      EXPECT("hello"), SEND("secret\r\n"), END}},
    {"injection behind it",
     false,
     STARTTLS,
     WAIT_MAX_MS,
     "connected line:go tls_failed",
     {OCTETS("\5\1\0"), SEND_N("\5\0"), OCTETS(TO_PEER), SEND_N(BOUND "go\r\n250 x\r\n"), HOLD}},
    {"the peer closes at once",
     false,
     CLOSE_AT_END,
     WAIT_MAX_MS,
     "connected closed",
     {OCTETS("\5\1\0"), SEND_N("\5\0"), OCTETS(TO_PEER), SEND_N(BOUND), END}},
    {"handler resets in on_event",
     false,
     RESET_AT_CONNECTED,
     WAIT_MAX_MS,
     "connected",
     {OCTETS("\5\1\0"), SEND_N("\5\0"), OCTETS(TO_PEER), SEND_N(BOUND "a\r\n"), HOLD}},
    {"the peer refuses",
     false,
     LISTEN,
     WAIT_MAX_MS,
     "refused",
     {OCTETS("\5\1\0"), SEND_N("\5\0"), OCTETS(TO_PEER), SEND_N("\5\5\0\1\0\0\0\0\0\0"), HOLD}},
    {"no way to the peer",
     false,
     CLOSE_AT_END,
     WAIT_MAX_MS,
     "unreachable",
     {OCTETS("\5\1\0"), SEND_N("\5\0"), OCTETS(TO_PEER), SEND_N("\5\4\0\1"), HOLD}},
    {"general failure",
     false,
     LISTEN,
     WAIT_MAX_MS,
     "proxy_failed",
     {OCTETS("\5\1\0"), SEND_N("\5\0"), OCTETS(TO_PEER), SEND_N("\5\1\0\1\0\0\0\0\0\0"), END}},
    {"login refused",
     true,
     CLOSE_AT_END,
     WAIT_MAX_MS,
     "proxy_failed",
     {OCTETS("\5\2\0\2"), SEND_N("\5\2"), OCTETS("\1\4jane\6secret"), SEND_N("\1\1"), END}},
    {"wants a login we have not",
     false,
     LISTEN,
     WAIT_MAX_MS,
     "proxy_failed",
     {OCTETS("\5\1\0"), SEND_N("\5\377"), END}},
    {"garbage",
     false,
     LISTEN,
     WAIT_MAX_MS,
     "proxy_failed",
     {SEND("220 mx.example ESMTP\r\n"), HOLD}},
    {"closes at once", false, LISTEN, WAIT_MAX_MS, "proxy_failed", {WAIT, END}},
    {"resets at once", false, LISTEN, WAIT_MAX_MS, "proxy_failed", {WAIT, RESET}},
    {"closes instead of an answer",
     false,
     LISTEN,
     WAIT_MAX_MS,
     "proxy_failed",
     {OCTETS("\5\1\0"), SEND_N("\5\0"), OCTETS(TO_PEER), SEND_N("\5\0\0\1\0"), END}},
    {"silent", false, LISTEN, 50, "proxy_failed", {HOLD}},
    {"silent about the peer", false, LISTEN, 50, "timed_out", {WAIT, SEND_N("\5\0"), HOLD}},
};

static void test_proxy(void **state)
{
    SSL_CTX *server_tls = test_certs_server(certs, CERT_GOOD, "mx.example.test");
    struct ip_networks peers;

    (void)state;
    assert_true(ip_networks_parse("192.0.2.0/24", &peers)); /* the proxy itself need not be in it */
    for (size_t i = 0; i < ARRAY_LENGTH(proxy_dialogues); i++) {
        const struct proxy_dialogue *row = &proxy_dialogues[i];
        struct client client = {.habit = row->habit};
        struct line_server *server = line_server_start(row->script, server_tls, 1);
        struct socks_proxy proxy = {.port = line_server_port(server)};
        struct conn_params params = params_for(&client, 25);
        struct ip_address ours;

        proxy.address = params.address;
        proxy.user = row->login ? (char *)"jane" : NULL;
        proxy.password = row->login ? (char *)"secret" : NULL;
        assert_true(ip_parse("192.0.2.25", &params.address));
        assert_true(ip_parse("192.0.2.77", &params.source)); /* not ours, and not used */
        params.proxy = &proxy;
        params.allowed = &peers;
        params.connect_timeout_ms = row->timeout_ms;
        client.conn = conn_open(&params);
        run_to_end(&client);
        if (client.conn != NULL)
            assert_false(conn_local_address(client.conn, &ours));
        conn_close(&client.conn, false);
        if (line_server_stop(&server) != 0)
            fail_msg("%s: the proxy heard something else", row->label);
        expect(row->label, &client, row->trace);
    }
    SSL_CTX_free(server_tls);
}

/* Nobody listens at the proxy: nothing is known of the peer. */
static void test_proxy_down(void **state)
{
    struct client client = {.habit = LISTEN};
    struct socks_proxy proxy = {.port = 1};
    struct conn_params params = params_for(&client, 25);

    (void)state;
    assert_true(ip_parse("127.99.0.2", &proxy.address));
    params.proxy = &proxy;
    client.conn = conn_open(&params);
    run_to_end(&client);
    expect("proxy down", &client, "proxy_failed");
    conn_close(&client.conn, false);
}

/* The address asked about is the peer's; a forbidden one is not even told to the proxy. */
static void test_proxy_forbidden_peer(void **state)
{
    struct client client = {.habit = LISTEN};
    struct socks_proxy proxy = {.port = 1};
    struct conn_params params = params_for(&client, 25);

    (void)state;
    proxy.address = params.address;
    assert_true(ip_parse("10.0.0.1", &params.address));
    params.proxy = &proxy;
    client.conn = conn_open(&params);
    run_to_end(&client);
    expect("forbidden peer", &client, "forbidden");
    conn_close(&client.conn, false);
}

/* --- cost -------------------------------------------------------------------------------- */

enum { IDLE_CONNECTIONS = 50, IDLE_HEAP_MAX = 700 };

/* After a dialogue a connection holds its own struct and no buffers. */
static void test_idle_cost(void **state)
{
    static const struct line_step script[] = {PIECES("220 hello\r\n"), EXPECT("hello"), END};
    static struct client clients[IDLE_CONNECTIONS];
    struct line_server *server = line_server_start(script, NULL, IDLE_CONNECTIONS);
    struct conn_params params = params_for(&clients[0], line_server_port(server));
    size_t before = mallinfo2().uordblks, each;

    (void)state;
    for (size_t i = 0; i < IDLE_CONNECTIONS; i++) {
        clients[i].habit = TALK;
        params.context = &clients[i];
        clients[i].conn = conn_open(&params);
        run_to_end(&clients[i]);
        expect("idle", &clients[i], "connected line:220 hello closed");
    }
    each = (mallinfo2().uordblks - before) / IDLE_CONNECTIONS;
    for (size_t i = 0; i < IDLE_CONNECTIONS; i++)
        conn_close(&clients[i].conn, true);
    line_server_stop(&server);
    print_message("heap of an idle connection: %zu octets\n", each); /* 0 under ASan */
    assert_true(each < IDLE_HEAP_MAX);
}

static int set_up(void **state)
{
    const char *error;

    (void)state;
    loop = loop_new();
    certs = test_certs_new();
    tls = tls_client_new(
        &(struct tls_client_params){.ca_file = test_certs_ca_file(certs), .sessions_max = 0},
        &error);
    return tls != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    tls_client_free(&tls);
    test_certs_free(&certs);
    loop_free(&loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialogues),
        cmocka_unit_test(test_findings),
        cmocka_unit_test(test_no_renegotiation),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_forbidden),
        cmocka_unit_test(test_no_address),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_source_address),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_out_of_descriptors),
        cmocka_unit_test(test_too_much_pending),
        cmocka_unit_test(test_close_before_anything),
        cmocka_unit_test(test_proxy),
        cmocka_unit_test(test_proxy_down),
        cmocka_unit_test(test_proxy_forbidden_peer),
        cmocka_unit_test(test_idle_cost),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
