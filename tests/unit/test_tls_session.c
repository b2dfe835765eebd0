/* What TLS wants to send waits for whoever sends it: what adds up, and what is refused. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "probes/base/ip.h"
#include "probes/net/tls_internal.h"
#include "tests/support/line_server.h"
#include "tests/support/tls_fixture.h"

enum {
    WAIT_MAX_MS = 20000,
    GATHERED_MAX = 16384,
    SEGMENT_MIN = 1220, /* on any path of IPv6: RFC 8200 section 5, without the two headers */
    RECORD_MIN = 22,    /* around the text of one */
    MANY_KEYS = 2000,
    KEYS_OCTETS = 27, /* of a record with new keys */
    READ_MAX = 20000  /* octets that one read may take up */
};

/* --- a session whose octets are held back -------------------------------------------------------
 */

struct gathering {
    struct line_server *server;
    int fd, beyond; /* and the end of ours where it was received beforehand, else -1 */
    struct tls_session *session;
    char octets[GATHERED_MAX];
    size_t length, room;
};

static bool put(void *where, const char *octets, size_t length)
{
    struct gathering *gathering = where;

    if (length > gathering->room - gathering->length)
        return false;
    memcpy(gathering->octets + gathering->length, octets, length);
    gathering->length += length;
    return true;
}

static void begin(struct gathering *gathering, const struct line_step *script)
{
    struct sockaddr_storage to;
    struct ip_address address;

    *gathering = (struct gathering){.beyond = -1, .room = GATHERED_MAX};
    gathering->server = line_server_start(script, fixture_server, 1);
    assert_true(ip_parse("127.0.0.1", &address));
    socklen_t length = ip_to_socket(&address, line_server_port(gathering->server), &to);
    gathering->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(gathering->fd, (struct sockaddr *)&to, length), 0);
    assert_int_equal(fcntl(gathering->fd, F_SETFL, O_NONBLOCK), 0);
    gathering->session = tls_session_new(fixture_client, gathering->fd,
                                         (struct tls_put){.fn = put, .context = gathering},
                                         "mx.example.test", false);
}

static void end(struct gathering *gathering)
{
    tls_session_free(&gathering->session, false);
    close(gathering->fd);
    if (gathering->beyond >= 0)
        close(gathering->beyond);
    assert_int_equal(line_server_stop(&gathering->server), 0);
}

static void send_gathered(struct gathering *gathering)
{
    assert_int_equal(send(gathering->fd, gathering->octets, gathering->length, 0),
                     (ssize_t)gathering->length);
    gathering->length = 0;
}

static void await_octets(const struct gathering *gathering)
{
    struct pollfd readable = {.fd = gathering->fd, .events = POLLIN};

    assert_int_equal(poll(&readable, 1, WAIT_MAX_MS), 1);
}

static void shake_hands(struct gathering *gathering)
{
    enum tls_result result;

    while ((result = tls_session_handshake(gathering->session)) == TLS_WANT_READ) {
        send_gathered(gathering);
        await_octets(gathering);
    }
    assert_int_equal(result, TLS_DONE);
}

static void read_line(struct gathering *gathering, const char *expected)
{
    char line[64];
    size_t length = 0, got;
    enum tls_result result;

    while (length < strlen(expected)) {
        result = tls_session_read(gathering->session, line + length, sizeof(line) - length, &got);
        assert_true(result == TLS_DONE || result == TLS_WANT_READ);
        if (result == TLS_WANT_READ)
            await_octets(gathering);
        length += got;
    }
    assert_memory_equal(line, expected, strlen(expected));
}

/* --- tests --------------------------------------------------------------------------------------
 */

static void test_a_hello_fits_into_one_segment(void **state)
{
    static const struct line_step script[] = {{STEP_TLS, NULL, 0}, {STEP_END, NULL, 0}};
    struct gathering gathering;

    (void)state;
    begin(&gathering, script);
    assert_int_equal(tls_session_handshake(gathering.session), TLS_WANT_READ);
    assert_in_range(gathering.length, RECORD_MIN, SEGMENT_MIN);
    end(&gathering);
}

static void test_the_end_of_a_handshake_waits_for_the_first_command(void **state)
{
    static const struct line_step script[] = {{STEP_TLS, NULL, 0},
                                              {STEP_EXPECT, "EHLO us", 0},
                                              {STEP_SEND, "250 you\r\n", 0},
                                              {STEP_END, NULL, 0}};
    struct gathering gathering;

    (void)state;
    begin(&gathering, script);
    shake_hands(&gathering);
    size_t finished = gathering.length;
    assert_true(finished > RECORD_MIN); /* ours, not sent yet */
    assert_int_equal(tls_session_write(gathering.session, "EHLO us\r\n", 9), TLS_DONE);
    assert_int_equal(gathering.length, finished + 9 + RECORD_MIN);
    send_gathered(&gathering);
    read_line(&gathering, "250 you\r\n");
    assert_int_equal(gathering.length, 0);
    tls_session_free(&gathering.session, true); /* says goodbye */
    assert_true(gathering.length > 0);
    end(&gathering);
}

static void test_the_last_command_takes_the_goodbye_along(void **state)
{
    static const struct line_step script[] = {{STEP_TLS, NULL, 0},       {STEP_EXPECT, "QUIT", 0},
                                              {STEP_PARTED, NULL, 0},    {STEP_SEND, "221 ", 0},
                                              {STEP_SEND, "bye\r\n", 0}, {STEP_END, NULL, 0}};
    struct gathering gathering;

    (void)state;
    begin(&gathering, script);
    tls_session_end_sending(gathering.session); /* nothing stands yet */
    shake_hands(&gathering);
    send_gathered(&gathering);
    assert_int_equal(tls_session_write(gathering.session, "QUIT\r\n", 6), TLS_DONE);
    size_t command = gathering.length;
    tls_session_end_sending(gathering.session);
    assert_true(gathering.length > command);
    send_gathered(&gathering);
    read_line(&gathering, "221 bye\r\n");
    tls_session_end_sending(gathering.session);
    tls_session_free(&gathering.session, true);
    assert_int_equal(gathering.length, 0); /* said once */
    end(&gathering);
}

static void begin_with_noop(struct gathering *gathering, const struct line_step *script)
{
    begin(gathering, script);
    shake_hands(gathering);
    assert_int_equal(tls_session_write(gathering->session, "NOOP\r\n", 6), TLS_DONE);
    send_gathered(gathering);
}

static void test_new_keys_are_answered(void **state)
{
    static const struct line_step script[] = {
        {STEP_TLS, NULL, 0},      {STEP_EXPECT, "NOOP", 0},
        {STEP_REKEY, NULL, 0},    {STEP_SEND, "250 new\r\n", 0},
        {STEP_EXPECT, "QUIT", 0}, {STEP_SEND, "221 bye\r\n", 0},
        {STEP_END, NULL, 0}};
    struct gathering gathering;

    (void)state;
    begin_with_noop(&gathering, script);
    read_line(&gathering, "250 new\r\n");
    assert_int_equal(tls_session_write(gathering.session, "QUIT\r\n", 6), TLS_DONE);
    assert_true(gathering.length > 6 + 2 * RECORD_MIN); /* the answer goes first */
    send_gathered(&gathering);
    read_line(&gathering, "221 bye\r\n"); /* they could read it */
    end(&gathering);
}

/* All that the server sends until it leaves, at once: it waits in a socket with room for it, and
 * nothing follows. */
static void receive_beforehand(struct gathering *gathering, size_t at_least)
{
    static char octets[MANY_KEYS * KEYS_OCTETS + GATHERED_MAX];
    int ends[2], flags = fcntl(gathering->fd, F_GETFL);
    size_t length = 0;
    ssize_t got;

    fcntl(gathering->fd, F_SETFL, flags & ~O_NONBLOCK);
    while ((got = recv(gathering->fd, octets + length, sizeof(octets) - length, 0)) > 0)
        length += (size_t)got;
    assert_true(length >= at_least);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    assert_int_equal(send(ends[1], octets, length, 0), (ssize_t)length);
    assert_true(dup2(ends[0], gathering->fd) >= 0);
    close(ends[0]);
    gathering->beyond = ends[1];
}

/* Told to wait, we would wait for good: nothing follows. */
static void test_a_line_that_comes_with_new_keys_is_read(void **state)
{
    static const struct line_step script[] = {{STEP_TLS, NULL, 0},
                                              {STEP_EXPECT, "NOOP", 0},
                                              {STEP_REKEYS, NULL, 1},
                                              {STEP_SEND, "250 new\r\n", 0},
                                              {STEP_END, NULL, 0}};
    struct gathering gathering;

    (void)state;
    begin_with_noop(&gathering, script);
    receive_beforehand(&gathering, KEYS_OCTETS);
    read_line(&gathering, "250 new\r\n");
    end(&gathering);
}

/* A reader who goes on while there is something to read belongs to whoever sends fast enough. */
static void test_a_flood_of_new_keys_is_read_in_pieces(void **state)
{
    static const struct line_step script[] = {{STEP_TLS, NULL, 0},
                                              {STEP_EXPECT, "NOOP", 0},
                                              {STEP_REKEYS, NULL, MANY_KEYS},
                                              {STEP_SEND, "250 new\r\n", 0},
                                              {STEP_END, NULL, 0}};
    struct gathering gathering;
    unsigned pieces = 0;
    char line[64];
    size_t got;

    (void)state;
    begin_with_noop(&gathering, script);
    receive_beforehand(&gathering, MANY_KEYS * KEYS_OCTETS);
    while (tls_session_read(gathering.session, line, sizeof(line), &got) == TLS_WANT_READ)
        pieces++;
    assert_int_equal(got, 9);
    assert_memory_equal(line, "250 new\r\n", 9);
    assert_true(pieces >= MANY_KEYS * KEYS_OCTETS / READ_MAX);
    end(&gathering);
}

static void test_no_room_is_the_end(void **state)
{
    static const struct line_step script[] = {{STEP_TLS, NULL, 0}, {STEP_END, NULL, 0}};
    struct gathering gathering;

    (void)state;
    begin(&gathering, script);
    gathering.room = 100; /* less than a hello */
    assert_int_equal(tls_session_handshake(gathering.session), TLS_BROKEN);
    assert_int_equal(gathering.length, 0);
    end(&gathering);

    begin(&gathering, script);
    shake_hands(&gathering);
    gathering.room = gathering.length;
    assert_int_equal(tls_session_write(gathering.session, "NOOP\r\n", 6), TLS_BROKEN);
    end(&gathering);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_hello_fits_into_one_segment),
        cmocka_unit_test(test_the_end_of_a_handshake_waits_for_the_first_command),
        cmocka_unit_test(test_the_last_command_takes_the_goodbye_along),
        cmocka_unit_test(test_new_keys_are_answered),
        cmocka_unit_test(test_a_line_that_comes_with_new_keys_is_read),
        cmocka_unit_test(test_a_flood_of_new_keys_is_read_in_pieces),
        cmocka_unit_test(test_no_room_is_the_end),
    };

    return cmocka_run_group_tests(tests, tls_fixture_set_up, tls_fixture_tear_down);
}
