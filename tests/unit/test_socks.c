/* The SOCKS5 handshake as a table of dialogues: what is sent, what is heard, how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probes/base/mem.h"
#include "probes/net/socks.h"

enum { TURNS_MAX = 4 };

/* Octets with their number. */
#define OCTETS(literal)                                                                            \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }
struct octets {
    const char *bytes;
    size_t length;
};

#define NO_LOGIN     OCTETS("\5\1\0")
#define EITHER_LOGIN OCTETS("\5\2\0\2")
#define LOGIN        OCTETS("\1\4jane\6secret")
#define CONNECT_IPV4 OCTETS("\5\1\0\1\300\0\2\31\0\31") /* 192.0.2.25, port 25 */
#define CONNECT_IPV6 OCTETS("\5\1\0\4\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\31\7\323")
#define BOUND_IPV4   "\5\0\0\1\300\0\2\1\200\1"
#define CHOSE_NONE   OCTETS("\5\0")
#define CHOSE_LOGIN  OCTETS("\5\2")

static const struct dialogue {
    const char *label;
    bool login, wide;
    struct {
        struct octets request, reply;
    } turns[TURNS_MAX];
} good_dialogues[] = {
    {"no login", false, false, {{NO_LOGIN, CHOSE_NONE}, {CONNECT_IPV4, OCTETS(BOUND_IPV4)}}},
    {"IPv6", false, true, {{NO_LOGIN, CHOSE_NONE}, {CONNECT_IPV6, OCTETS(BOUND_IPV4)}}},
    {"login offered, not asked for",
     true,
     false,
     {{EITHER_LOGIN, CHOSE_NONE}, {CONNECT_IPV4, OCTETS(BOUND_IPV4)}}},
    {"login",
     true,
     false,
     {{EITHER_LOGIN, CHOSE_LOGIN}, {LOGIN, OCTETS("\1\0")}, {CONNECT_IPV4, OCTETS(BOUND_IPV4)}}},
    {"login answered with another version",
     true,
     false,
     {{EITHER_LOGIN, CHOSE_LOGIN}, {LOGIN, OCTETS("\5\0")}, {CONNECT_IPV4, OCTETS(BOUND_IPV4)}}},
    {"bound to IPv6",
     false,
     false,
     {{NO_LOGIN, CHOSE_NONE},
      {CONNECT_IPV4, OCTETS("\5\0\0\4\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1\200\1")}}},
    {"bound to a name",
     false,
     false,
     {{NO_LOGIN, CHOSE_NONE}, {CONNECT_IPV4, OCTETS("\5\0\0\3\5proxy\200\1")}}},
    {"bound to a name of no octets",
     false,
     false,
     {{NO_LOGIN, CHOSE_NONE}, {CONNECT_IPV4, OCTETS("\5\0\0\3\0\200\1")}}},
    {"octet kept for later is not looked at",
     false,
     false,
     {{NO_LOGIN, CHOSE_NONE}, {CONNECT_IPV4, OCTETS("\5\0\377\1\0\0\0\0\0\0")}}},
};

/* The last reply, behind a correct beginning, and what it comes to. */
enum place { AT_METHOD, AT_LOGIN, AT_CONNECT };
static const struct {
    const char *label;
    enum place place;
    struct octets reply;
    enum conn_event event;
} bad_replies[] = {
    {"another version", AT_METHOD, OCTETS("\4\0"), CONN_PROXY_FAILED},
    {"an HTTP server", AT_METHOD, OCTETS("HT"), CONN_PROXY_FAILED},
    {"no way is acceptable", AT_METHOD, OCTETS("\5\377"), CONN_PROXY_FAILED},
    {"a way that was not offered", AT_METHOD, OCTETS("\5\1"), CONN_PROXY_FAILED},
    {"login refused", AT_LOGIN, OCTETS("\1\1"), CONN_PROXY_FAILED},
    {"login refused otherwise", AT_LOGIN, OCTETS("\1\377"), CONN_PROXY_FAILED},
    {"another version after connect", AT_CONNECT, OCTETS("\4\0\0\1"), CONN_PROXY_FAILED},
    {"unknown kind of address", AT_CONNECT, OCTETS("\5\0\0\2"), CONN_PROXY_FAILED},
    {"a server's greeting", AT_CONNECT, OCTETS("220 "), CONN_PROXY_FAILED},
    {"1 general failure", AT_CONNECT, OCTETS("\5\1\0\1"), CONN_PROXY_FAILED},
    {"2 not allowed", AT_CONNECT, OCTETS("\5\2\0\1"), CONN_PROXY_FAILED},
    {"3 network unreachable", AT_CONNECT, OCTETS("\5\3\0\1"), CONN_UNREACHABLE},
    {"4 host unreachable", AT_CONNECT, OCTETS("\5\4\0\1"), CONN_UNREACHABLE},
    {"5 refused", AT_CONNECT, OCTETS("\5\5\0\1"), CONN_REFUSED},
    {"6 TTL expired", AT_CONNECT, OCTETS("\5\6\0\1"), CONN_UNREACHABLE},
    {"7 command not supported", AT_CONNECT, OCTETS("\5\7\0\1"), CONN_PROXY_FAILED},
    {"8 address type not supported", AT_CONNECT, OCTETS("\5\10\0\1"), CONN_UNREACHABLE},
    {"9 not assigned", AT_CONNECT, OCTETS("\5\11\0\1"), CONN_PROXY_FAILED},
    {"255 not assigned", AT_CONNECT, OCTETS("\5\377\0\1"), CONN_PROXY_FAILED},
    {"a failure without the rest", AT_CONNECT, OCTETS("\5\5\0\0"), CONN_REFUSED},
};

static struct socks begin(bool login, bool wide)
{
    static struct socks_proxy proxies[2];
    struct ip_address target;
    struct socks socks;

    proxies[1].user = (char *)"jane";
    proxies[1].password = (char *)"secret";
    assert_true(ip_parse(wide ? "2001:db8::19" : "192.0.2.25", &target));
    socks_begin(&socks, &proxies[login], &target, wide ? 2003 : 25);
    return socks;
}

static void expect_request(const char *label, const struct socks *socks, struct octets expected)
{
    uint8_t sent[SOCKS_REQUEST_MAX];
    size_t length = socks_request(socks, sent);

    if (length != expected.length || memcmp(sent, expected.bytes, length) != 0)
        fail_msg("%s: %zu octets sent, not the %zu expected", label, length, expected.length);
}

/* Hears `reply`, `piece` octets at a time but never more than is wanted; returns the last step. */
static enum socks_step hear(const char *label, struct socks *socks, struct octets reply,
                            size_t piece)
{
    enum socks_step step = SOCKS_READ;
    size_t at = 0;

    while (step == SOCKS_READ && at < reply.length) {
        size_t wanted = socks_wanted(socks), left = reply.length - at;
        size_t length = wanted < piece ? wanted : piece;

        if (wanted == 0)
            fail_msg("%s: nothing is wanted, %zu octets are there", label, left);
        length = length < left ? length : left;
        step = socks_reply(socks, (const uint8_t *)reply.bytes + at, length);
        at += length;
    }
    if (at != reply.length)
        fail_msg("%s: %zu octets not read", label, reply.length - at);
    return step;
}

static void test_good_dialogues(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(good_dialogues); i++) {
        const struct dialogue *row = &good_dialogues[i];

        for (size_t piece = 1; piece <= 8; piece++) {
            struct socks socks = begin(row->login, row->wide);
            enum socks_step step = SOCKS_SEND;

            for (size_t t = 0; t < TURNS_MAX && row->turns[t].request.bytes != NULL; t++) {
                assert_int_equal(step, SOCKS_SEND);
                expect_request(row->label, &socks, row->turns[t].request);
                step = hear(row->label, &socks, row->turns[t].reply, piece);
            }
            if (step != SOCKS_OVER || socks.event != CONN_CONNECTED || socks_wanted(&socks) != 0)
                fail_msg("%s, pieces of %zu: step %d, event %d", row->label, piece, (int)step,
                         (int)socks.event);
        }
    }
}

static void test_bad_replies(void **state)
{
    static const struct octets chose_none = CHOSE_NONE, chose_login = CHOSE_LOGIN;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad_replies); i++) {
        const char *label = bad_replies[i].label;

        for (size_t piece = 1; piece <= 4; piece++) {
            struct socks socks = begin(bad_replies[i].place == AT_LOGIN, false);

            if (bad_replies[i].place == AT_LOGIN)
                assert_int_equal(hear(label, &socks, chose_login, piece), SOCKS_SEND);
            if (bad_replies[i].place == AT_CONNECT)
                assert_int_equal(hear(label, &socks, chose_none, piece), SOCKS_SEND);
            assert_int_equal(socks_asked(&socks), bad_replies[i].place == AT_CONNECT);
            enum socks_step step = hear(label, &socks, bad_replies[i].reply, piece);
            if (step != SOCKS_OVER || socks.event != bad_replies[i].event)
                fail_msg("%s, pieces of %zu: step %d, event %d", label, piece, (int)step,
                         (int)socks.event);
        }
    }
}

/* A login that was offered by nobody is not given. */
static void test_login_not_ours(void **state)
{
    struct socks socks = begin(false, false);

    (void)state;
    assert_int_equal(socks_reply(&socks, (const uint8_t *)"\5\2", 2), SOCKS_OVER);
    assert_int_equal(socks.event, CONN_PROXY_FAILED);
}

/* Whoever gives it more than it wants, or nothing, is told that it is over. */
static void test_surplus(void **state)
{
    struct socks socks = begin(false, false);

    (void)state;
    assert_int_equal(socks_reply(&socks, (const uint8_t *)"\5\0\5", 3), SOCKS_OVER);
    assert_int_equal(socks.event, CONN_PROXY_FAILED);
    socks = begin(false, false);
    assert_int_equal(socks_reply(&socks, (const uint8_t *)"", 0), SOCKS_OVER);
    assert_int_equal(socks.event, CONN_PROXY_FAILED);
}

/* The longest words there can be; what is longer is cut, never written beyond. */
static void test_long_words(void **state)
{
    char word[SOCKS_WORD_MAX + 20];
    uint8_t sent[SOCKS_REQUEST_MAX];
    struct socks_proxy proxy = {.user = word, .password = word};
    struct ip_address target;
    struct socks socks;

    (void)state;
    memset(word, 'w', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    assert_true(ip_parse("192.0.2.25", &target));
    socks_begin(&socks, &proxy, &target, 25);
    assert_int_equal(socks_reply(&socks, (const uint8_t *)"\5\2", 2), SOCKS_SEND);
    assert_int_equal(socks_request(&socks, sent), SOCKS_REQUEST_MAX);
    assert_int_equal(sent[1], SOCKS_WORD_MAX);
    assert_int_equal(sent[2 + SOCKS_WORD_MAX], SOCKS_WORD_MAX);
    proxy.password = NULL;
    assert_int_equal(socks_request(&socks, sent), 3 + SOCKS_WORD_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_dialogues), cmocka_unit_test(test_bad_replies),
        cmocka_unit_test(test_login_not_ours), cmocka_unit_test(test_surplus),
        cmocka_unit_test(test_long_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
