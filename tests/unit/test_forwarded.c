/* Whose request it is behind proxies: only what our own proxies wrote is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "api/forwarded.h"
#include "probes/base/mem.h"

static const struct forwarded_case {
    const char *label, *value, *client;
} cases[] = {
    {"nothing", "", "10.0.0.1"},
    {"one", "192.0.2.7", "192.0.2.7"},
    {"the last one counts", "203.0.113.1, 192.0.2.7", "192.0.2.7"},
    {"through two of ours", "192.0.2.7, 10.0.0.2", "192.0.2.7"},
    {"forged in front", "127.0.0.1, 10.0.0.9, 192.0.2.7,10.0.0.2", "192.0.2.7"},
    {"only ours", "10.0.0.3, 10.0.0.2", "10.0.0.3"},
    {"IPv6", "2001:db8::7", "2001:db8::7"},
    {"IPv6 with port", "[2001:db8::7]:443", "2001:db8::7"},
    {"not an address", "192.0.2.7, unknown", "10.0.0.1"},
    {"not an address behind ours", "unknown, 10.0.0.2", "10.0.0.2"},
    {"empty item", "192.0.2.7,", "10.0.0.1"},
    {"long", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
     "10.0.0.1"},
};

static void test_cases(void **state)
{
    struct ip_networks trusted, none = {.count = 0};
    struct ip_address peer, stranger, client;
    char text[IP_TEXT_SIZE];

    (void)state;
    assert_true(ip_networks_parse("10.0.0.0/8", &trusted));
    assert_true(ip_parse("10.0.0.1", &peer));
    assert_true(ip_parse("198.51.100.1", &stranger));
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        client = forwarded_from(cases[i].value, &peer, &trusted);
        if (strcmp(ip_format(&client, text), cases[i].client) != 0)
            fail_msg("%s: %s", cases[i].label, text);
        client = forwarded_from(cases[i].value, &stranger, &trusted);
        if (!ip_equal(&client, &stranger))
            fail_msg("%s: a stranger was believed", cases[i].label);
        client = forwarded_from(cases[i].value, &peer, &none);
        if (!ip_equal(&client, &peer))
            fail_msg("%s: believed without trust", cases[i].label);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
