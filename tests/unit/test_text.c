/* The text builder at its bound, JSON as it comes out, addresses as text, random octets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/ip.h"
#include "probes/base/mem.h"
#include "probes/base/random.h"
#include "probes/base/text.h"

/* Every bound from nothing to more than enough, with pieces that end before, at and behind it. */
static void never_beyond_the_bound(void **state)
{
    static const char whole[] = "abcdefghijklmnopqrstuvwxyz";

    (void)state;
    for (size_t bound = 0; bound <= 200; bound++)
        for (size_t piece = 0; piece <= 26; piece++) {
            struct text text;
            size_t fit = piece > 0 ? bound / piece : 0;

            text_init(&text, bound);
            for (size_t i = 0; i < fit; i++)
                text_add(&text, whole, piece);
            assert_false(text.overflow);
            assert_int_equal(text.length, fit * piece);
            assert_true(text.capacity <= bound + 1);
            text_add(&text, whole, piece);
            assert_int_equal(text.overflow, piece > 0);
            text_add(&text, whole, 1); /* what comes later is dropped, even if it would fit */
            assert_int_equal(text.length, fit * piece + (text.overflow ? 0 : bound > 0));
            if (text.bytes != NULL)
                assert_int_equal(strlen(text.bytes), text.length);
            text_free(&text);
        }
}

static void room_is_no_content(void **state)
{
    struct text text;

    (void)state;
    text_init(&text, 100);
    text_reserve(&text, 101); /* more than may ever be: as if nothing was said */
    assert_false(text.overflow);
    text_reserve(&text, 80);
    char *bytes = text.bytes;
    assert_string_equal(bytes, "");
    for (int i = 0; i < 80; i++)
        text_char(&text, 'x');
    assert_ptr_equal(text.bytes, bytes);
    text_put(&text, "the rest of it, 20 o");
    assert_false(text.overflow);
    assert_int_equal(strlen(text.bytes), 100);
    text_free(&text);
}

static void strings_are_escaped(void **state)
{
    static const struct {
        const char *label, *value, *json;
        size_t length;
    } rows[] = {
        {"empty", "", "\"\"", 0},
        {"plain", "Ok, ready", "\"Ok, ready\"", 9},
        {"quote first", "\"x", "\"\\\"x\"", 2},
        {"quote last", "x\"", "\"x\\\"\"", 2},
        {"only escapes", "\\\"\n\r\t", "\"\\\\\\\"\\n\\r\\t\"", 5},
        {"NUL inside", "a\0b", "\"a\\u0000b\"", 3},
        {"ESC and DEL", "\x1b[\x7f", "\"\\u001b[\\u007f\"", 3},
        {"UTF-8", "gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\"", 6},
        {"line ends beyond ASCII", "a\xc2\x85\xe2\x80\xa8\xe2\x80\xa9z",
         "\"a\\u0085\\u2028\\u2029z\"", 10},
        {"what looks like them", "\xc2\x84\xe2\x80\xa7", "\"\xc2\x84\xe2\x80\xa7\"", 5},
        {"cut UTF-8", "\xc3", "\"\xef\xbf\xbd\"", 1},
        {"Latin-1", "gr\xfc\xdf!", "\"gr\xef\xbf\xbd\xef\xbf\xbd!\"", 5},
        {"surrogate", "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"", 3},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct text text;

        text_init(&text, 1000);
        json_string_n(&text, NULL, rows[i].value, rows[i].length);
        if (strcmp(text.bytes, rows[i].json) != 0)
            fail_msg("%s: %s", rows[i].label, text.bytes);
        text_free(&text);
    }
}

/* Each octet, at each place of a run that is looked at eight octets at once. */
static void every_octet_everywhere(void **state)
{
    static const char run[] = "abcdefghijklmnopqrst";

    (void)state;
    for (unsigned octet = 0; octet < 256; octet++)
        for (size_t at = 0; at < sizeof(run) - 1; at++) {
            bool as_it_is = octet >= 0x20 && octet < 0x7f && octet != '"' && octet != '\\';
            char value[sizeof(run)], *found;
            struct text text;

            memcpy(value, run, sizeof(run));
            value[at] = (char)octet;
            text_init(&text, 1000);
            json_string_n(&text, NULL, value, sizeof(run) - 1);
            found = memchr(text.bytes, (int)octet, text.length - 1);
            if (as_it_is ? text.length != sizeof(run) + 1 || found == NULL
                         : text.length < sizeof(run) + 2)
                fail_msg("octet %u at %zu: %s", octet, at, text.bytes);
            json_t *read = json_loads(text.bytes, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
            assert_non_null(read);
            if (octet < 0x80)
                assert_memory_equal(json_string_value(read), value, sizeof(run));
            json_decref(read);
            text_free(&text);
        }
}

static void values_separate_themselves(void **state)
{
    struct text text;

    (void)state;
    text_init(&text, 1000);
    json_open(&text, NULL, '{');
    json_string(&text, "a", "x");
    json_string(&text, "b", NULL);
    json_open(&text, "c", '[');
    json_integer(&text, NULL, INT64_MIN);
    json_integer(&text, NULL, 0);
    json_open(&text, NULL, '{');
    json_close(&text, '}');
    json_string(&text, NULL, ",");
    json_close(&text, ']');
    json_bool(&text, "d", true);
    json_number(&text, "e", 0.97);
    json_raw(&text, "f", "[1]");
    json_close(&text, '}');
    assert_string_equal(text.bytes,
                        "{\"a\":\"x\",\"b\":null,\"c\":[-9223372036854775808,0,{},\",\"],"
                        "\"d\":true,\"e\":0.97,\"f\":[1]}");
    text_free(&text);
}

/* The bound may fall anywhere in an object: then it says so, and nothing is written behind it. */
static void json_stops_at_the_bound(void **state)
{
    (void)state;
    for (size_t bound = 0; bound < 40; bound++) {
        struct text text;

        text_init(&text, bound);
        json_open(&text, NULL, '{');
        json_string(&text, "key", "a \"value\"");
        json_integer(&text, "number", 123456);
        json_close(&text, '}');
        assert_int_equal(text.overflow,
                         bound < strlen("{\"key\":\"a \\\"value\\\"\",\"number\":123456}"));
        assert_true(text.length <= bound);
        text_free(&text);
    }
}

static void addresses_as_the_system_writes_them(void **state)
{
    static const uint8_t some[] = {0, 1, 9, 10, 99, 100, 101, 199, 200, 249, 250, 255};
    char ours[IP_TEXT_SIZE], theirs[INET6_ADDRSTRLEN];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(some); i++)
        for (size_t k = 0; k < ARRAY_LENGTH(some); k++) {
            struct ip_address ip = {.family = 4, .octets = {some[i], some[k], some[k], some[i]}};

            assert_string_equal(ip_format(&ip, ours),
                                inet_ntop(AF_INET, ip.octets, theirs, sizeof(theirs)));
            ip.family = 6;
            assert_string_equal(ip_format(&ip, ours),
                                inet_ntop(AF_INET6, ip.octets, theirs, sizeof(theirs)));
        }
    assert_string_equal(ip_format(&(struct ip_address){.family = 0}, ours), "");
}

/* Whatever is left of a stock: nothing is given twice, and nothing is left out. */
static void random_octets_are_new(void **state)
{
    enum { COUNT = 4000, SIZE = 12 };
    static unsigned char given[COUNT][SIZE], long_one[1000];
    size_t zeroes = 0;

    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        random_bytes(given[i], SIZE);
    for (size_t i = 1; i < COUNT; i++)
        for (size_t k = 0; k < i && k < 50; k++) /* two stocks back */
            assert_memory_not_equal(given[i], given[i - k - 1], SIZE);
    random_bytes(long_one, sizeof(long_one));
    for (size_t i = 0; i < sizeof(long_one); i++)
        zeroes += long_one[i] == 0;
    assert_true(zeroes < 50); /* 4 are likely */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_beyond_the_bound),
        cmocka_unit_test(room_is_no_content),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(every_octet_everywhere),
        cmocka_unit_test(values_separate_themselves),
        cmocka_unit_test(json_stops_at_the_bound),
        cmocka_unit_test(random_octets_are_new),
        cmocka_unit_test(addresses_as_the_system_writes_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
