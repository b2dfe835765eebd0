/* Log lines: one event one line, whatever is in the values; addresses hashed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes/base/clock.h"
#include "probes/base/digest.h"
#include "probes/base/log.h"
#include "probes/base/mem.h"
#include "probes/base/random.h"

enum { CAPTURE_MAX = 32768 };

static char captured[CAPTURE_MAX + 1];

/* What log_event() wrote to stderr. */
static const char *capture(enum log_level level, const char *event, const struct log_field *fields)
{
    int kept = dup(STDERR_FILENO);
    FILE *file = tmpfile();
    size_t length;

    assert_non_null(file);
    dup2(fileno(file), STDERR_FILENO);
    log_event(level, event, fields);
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(file);
    length = fread(captured, 1, CAPTURE_MAX, file);
    captured[length] = '\0';
    fclose(file);
    return captured;
}

static void set_up(bool json, bool hash, const char *secret)
{
    log_setup(&(struct log_options){
        .level = LOG_INFO, .json = json, .hash_addresses = hash, .hash_secret = secret});
}

static const struct text_case {
    const char *label;
    struct log_field fields[4];
    const char *line; /* behind time and level */
} text_cases[] = {
    {"nothing", {{0}}, " info event\n"},
    {"plain",
     {{"a", LOG_KIND_TEXT, "b", 0}, {"n", LOG_KIND_NUMBER, NULL, -7}},
     " info event a=b n=-7\n"},
    {"blank", {{"a", LOG_KIND_TEXT, "b c", 0}}, " info event a=\"b c\"\n"},
    {"empty", {{"a", LOG_KIND_TEXT, "", 0}}, " info event a=\"\"\n"},
    {"nothing to show",
     {{"a", LOG_KIND_TEXT, NULL, 0}, {"b", LOG_KIND_TEXT, "c", 0}},
     " info event b=c\n"},
    {"quotes", {{"a", LOG_KIND_TEXT, "say \"x\"", 0}}, " info event a=\"say \\\"x\\\"\"\n"},
    {"a line of its own",
     {{"a", LOG_KIND_TEXT, "x\r\n2026-11-22T10:00:00Z error forged", 0}},
     " info event a=\"x\\x0d\\x0a2026-11-22T10:00:00Z error forged\"\n"},
    {"terminal", {{"a", LOG_KIND_TEXT, "\033[31m", 0}}, " info event a=\"\\x1b[31m\"\n"},
    {"looks like a field", {{"a", LOG_KIND_TEXT, "b c=d", 0}}, " info event a=\"b c=d\"\n"},
    {"not UTF-8", {{"a", LOG_KIND_TEXT, "\xff", 0}}, " info event a=\"\\xff\"\n"},
    {"format", {{"a", LOG_KIND_TEXT, "%s%n%x", 0}}, " info event a=%s%n%x\n"},
};

static void test_text(void **state)
{
    const uint64_t no_time = 0;

    (void)state;
    clock_use_virtual(&no_time);
    set_up(false, false, NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(text_cases); i++) {
        const char *line = capture(LOG_INFO, "event", text_cases[i].fields),
                   *rest = strchr(line, ' ');

        if (rest == NULL || strcmp(rest, text_cases[i].line) != 0)
            fail_msg("%s: %s", text_cases[i].label, line);
    }
    clock_use_virtual(NULL);
}

static void test_json(void **state)
{
    (void)state;
    set_up(true, false, NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(text_cases); i++) {
        const char *line = capture(LOG_WARN, "event", text_cases[i].fields);
        json_t *root = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

        if (root == NULL || strchr(line, '\n') != line + strlen(line) - 1 ||
            strcmp(json_string_value(json_object_get(root, "level")), "warn") != 0 ||
            strcmp(json_string_value(json_object_get(root, "event")), "event") != 0)
            fail_msg("%s: %s", text_cases[i].label, line);
        json_decref(root);
    }
}

static const char *address_in(const char *address)
{
    const struct log_field fields[] = {LOG_ADDRESS("email", address), LOG_END};
    char *mark = strstr(capture(LOG_INFO, "verdict", fields), "email=");

    assert_non_null(mark);
    return mark;
}

static void test_addresses(void **state)
{
    char first[64];

    (void)state;
    set_up(false, true, "secret-1");
    snprintf(first, sizeof(first), "%s", address_in("Jane.Doe@example.com"));
    assert_int_equal(strlen(first), strlen("email=a:") + 12 + 1);
    assert_null(strstr(captured, "Jane"));
    assert_string_equal(first, address_in("jane.doe@EXAMPLE.com")); /* the same person */
    assert_string_not_equal(first, address_in("jane.do@example.com"));
    set_up(false, true, "secret-2"); /* another installation */
    assert_string_not_equal(first, address_in("jane.doe@example.com"));
    set_up(false, false, "secret-2");
    assert_string_equal(address_in("jane@example.com"), "email=jane@example.com\n");
}

static void test_levels(void **state)
{
    enum log_level level;

    (void)state;
    log_setup(&(struct log_options){.level = LOG_WARN});
    assert_true(log_enabled(LOG_ERROR));
    assert_false(log_enabled(LOG_INFO));
    assert_string_equal(capture(LOG_INFO, "event", NULL), "");
    assert_string_not_equal(capture(LOG_WARN, "event", NULL), "");
    assert_true(log_parse_level("Debug", &level));
    assert_int_equal(level, LOG_DEBUG);
    assert_false(log_parse_level("", &level));
    assert_false(log_parse_level("debugging", &level));
}

/* However much there is to say, a line is bounded and whole. */
static void test_bounds(void **state)
{
    enum { LONG = 5000 };
    char *words = mem_zeroed(LONG + 1, 1);
    struct log_field fields[33] = {{0}};

    (void)state;
    memset(words, 'x', LONG);
    for (size_t i = 0; i < 32; i++)
        fields[i] = LOG_TEXT("field", words);
    for (int json = 0; json < 2; json++) {
        const char *line;

        set_up(json == 1, false, NULL);
        line = capture(LOG_INFO, "event", fields);
        assert_true(strlen(line) > 20 && strlen(line) <= 8192 + 1);
        assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
        fields[2] = LOG_END;
        line = capture(LOG_INFO, "event", fields);
        assert_true(strlen(line) > 6100 && strlen(line) < 6300); /* each value cut */
        fields[2] = LOG_TEXT("field", words);
    }
    free(words);
}

/* RFC 4231, case 2; FIPS 180-4 of "abc" */
static void test_digests(void **state)
{
    unsigned char digest[DIGEST_SIZE], other[DIGEST_SIZE];
    char hex[2 * DIGEST_SIZE + 1], a[33], b[33];

    (void)state;
    digest_hmac("Jefe", 4, "what do ya want for nothing?", 28, digest);
    digest_hex(digest, DIGEST_SIZE, hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    digest_sha256("abc", 3, other);
    digest_hex(other, DIGEST_SIZE, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_false(digest_equal(digest, other));
    digest_sha256("abc", 3, digest);
    assert_true(digest_equal(digest, other));
    random_text(a, 32);
    random_text(b, 32);
    assert_int_equal(strspn(a, "abcdefghijklmnopqrstuvwxyz234567"), 32);
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),      cmocka_unit_test(test_json),
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_levels),
        cmocka_unit_test(test_bounds),    cmocka_unit_test(test_digests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
