/* Lists of resolver addresses: what c-ares would take wrongly is refused by us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "probes/base/mem.h"
#include "probes/net/dns_transport.h"

static void test_server_lists(void **state)
{
    static const struct {
        const char *text;
        size_t count;
        const char *first;
        uint16_t port;
    } good[] = {
        {"127.0.0.1", 1, "127.0.0.1", 53},
        {"127.0.0.1:5353", 1, "127.0.0.1", 5353},
        {"::1", 1, "::1", 53},
        {"[::1]", 1, "::1", 53},
        {"[2001:db8::1]:5353", 1, "2001:db8::1", 5353},
        {" 192.0.2.1:1,[::1]:2 , ::2", 3, "192.0.2.1", 1},
        {"192.0.2.1:65535", 1, "192.0.2.1", 65535},
    };
    static const char *const bad[] = {
        "bogus",
        "127.0.0.1:99999",
        "127.0.0.1:0",
        "127.0.0.1:",
        "127.0.0.1:+5",
        "127.0.0.1:53x",
        "[::1",
        "[::1]x",
        "[::1]:",
        "fe80::1%lo",
        "127.0.0.1,bogus",
        "300.0.0.1",
        "[127.0.0.1",
        "1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1",
    };
    struct dns_server servers[DNS_SERVERS_MAX];
    struct loop *loop = loop_new();
    char text[IP_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        if (dns_servers_parse(good[i].text, servers) != good[i].count)
            fail_msg("%s: count", good[i].text);
        assert_string_equal(ip_format(&servers[0].address, text), good[i].first);
        assert_int_equal(servers[0].port, good[i].port);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        const char *error = NULL;

        if (dns_servers_parse(bad[i], servers) != 0)
            fail_msg("%s: taken", bad[i]);
        assert_null(dns_new(&(struct dns_params){.loop = loop, .servers = bad[i]}, &error));
        assert_non_null(error);
    }
    loop_free(&loop);
}

/* Whose word counts that an answer is authentic? */
static void test_near_servers(void **state)
{
    static const struct {
        const char *text;
        bool near;
    } cases[] = {{"127.0.0.53", true},  {"::1", true},
                 {"10.1.2.3", true},    {"172.17.0.2", true},
                 {"fd00::53", true},    {"1.1.1.1", false},
                 {"172.32.0.1", false}, {"2606:4700:4700::1111", false}};
    struct dns_server servers[DNS_SERVERS_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        assert_int_equal(dns_servers_parse(cases[i].text, servers), 1);
        if (dns_server_is_near(&servers[0]) != cases[i].near)
            fail_msg("%s", cases[i].text);
    }
}

static void test_system_servers(void **state)
{
    const char *error;
    struct loop *loop = loop_new();
    struct dns *system = dns_new(&(struct dns_params){.loop = loop, .servers = NULL}, &error);

    (void)state;
    assert_non_null(system);
    dns_free(&system);
    dns_free(&system); /* NULL is fine */
    loop_free(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_lists),
        cmocka_unit_test(test_near_servers),
        cmocka_unit_test(test_system_servers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
