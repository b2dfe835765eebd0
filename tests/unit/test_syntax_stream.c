/* test_syntax_stream.c - lines in, lines out: order, odd JSON, bad lines, bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "probes/base/mem.h"
#include "service/syntax_stream.h"

static const struct address_options options = {.allow_special_names = NULL, .check_tld = true};

enum { ANSWERS_MAX = 64 };

/* Runs the stream over `input`, parses what comes out line by line. */
static size_t run(const char *input, size_t length, json_t *answers[ANSWERS_MAX])
{
    FILE *in = tmpfile();
    char *output = NULL;
    size_t size = 0, count = 0;
    FILE *out = open_memstream(&output, &size);

    assert_int_equal(fwrite(input, 1, length, in), length);
    rewind(in);
    fflush(in);
    lseek(fileno(in), 0, SEEK_SET);
    assert_int_equal(syntax_stream(in, out, &options), 0);
    fclose(in);
    fclose(out);
    for (char *line = output; *line != '\0'; count++) {
        char *end = strchr(line, '\n');
        assert_non_null(end);
        assert_true(count < ANSWERS_MAX);
        answers[count] = json_loadb(line, (size_t)(end - line), JSON_ALLOW_NUL, NULL);
        assert_non_null(answers[count]);
        line = end + 1;
    }
    free(output);
    return count;
}

static const char *text_of(const json_t *answer, const char *key)
{
    return json_string_value(json_object_get(answer, key));
}

static const char *error_code(const json_t *answer)
{
    return text_of(json_object_get(answer, "error"), "code");
}

static void drop(json_t *answers[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        json_decref(answers[i]);
}

static void test_whole_answer(void **state)
{
    static const char input[] = "{\"email\":\"Jane.Doe+news@Ex\xC3\xA4mple.com\"}\n";
    json_t *answers[ANSWERS_MAX];

    (void)state;
    assert_int_equal(run(input, strlen(input), answers), 1);
    const json_t *flags = json_object_get(answers[0], "flags");
    assert_string_equal(text_of(answers[0], "email"), "Jane.Doe+news@Exämple.com");
    assert_true(json_is_true(json_object_get(answers[0], "valid")));
    assert_true(json_is_null(json_object_get(answers[0], "error")));
    assert_string_equal(text_of(answers[0], "normalized"), "Jane.Doe+news@exämple.com");
    assert_string_equal(text_of(answers[0], "dedupe_key"), "jane.doe@xn--exmple-cua.com");
    assert_true(json_is_null(json_object_get(answers[0], "suggestion")));
    assert_true(json_is_true(json_object_get(flags, "subaddress")));
    assert_true(json_is_true(json_object_get(flags, "idn_domain")));
    assert_true(json_is_false(json_object_get(flags, "disposable")));
    assert_true(json_is_null(json_object_get(flags, "catch_all")));
    drop(answers, 1);
}

/* All flags of the verdict, always. */
static void test_flag_names(void **state)
{
    static const char *const names[] = {
        "disposable", "disposable_mx", "alias_relay", "role",        "no_reply",
        "gibberish",  "free_provider", "subaddress",  "catch_all",   "typo_domain",
        "idn_domain", "implicit_mx",   "parked",      "slow_server", "non_ascii_local",
    };
    static const char input[] = "{\"email\":\"a@iana.org\"}\n{\"email\":\"none\"}\n";
    json_t *answers[ANSWERS_MAX];

    (void)state;
    assert_int_equal(run(input, strlen(input), answers), 2);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        print_message("  %s\n", names[i]);
        assert_non_null(json_object_get(json_object_get(answers[0], "flags"), names[i]));
        assert_true(json_is_null(json_object_get(json_object_get(answers[1], "flags"), names[i])));
    }
    drop(answers, 2);
}

/* `email` NULL = the line is refused with `code`; else `code` is that of the address. */
static const struct line_case {
    const char *label, *line, *email, *code;
} line_cases[] = {
    {"byte order mark", "\xEF\xBB\xBF{\"email\":\"a@iana.org\"}", "a@iana.org", NULL},
    {"spaces", " { \"email\" : \"a@iana.org\" } \r", "a@iana.org", NULL},
    {"escapes", "{\"email\":\"\\u0061\\u0040iana.org\"}", "a@iana.org", NULL},
    {"every escape", "{\"email\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "\"\\/\b\f\n\r\t", "no_at"},
    {"surrogate pair", "{\"email\":\"\\ud83d\\ude00@iana.org\"}", "😀@iana.org", NULL},
    {"lone surrogate", "{\"email\":\"\\ud83d@iana.org\"}",
     "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD@iana.org", "bad_utf8"},
    {"surrogates in the wrong order", "{\"email\":\"\\ude00\\ud83d\"}", NULL, "no_at"},
    {"other members", "{\"ref\":{\"x\":[1]},\"email\":\"a@iana.org\"}", "a@iana.org", NULL},
    {"member behind", "{\"email\":\"\\u0061@iana.org\",\"x\":\"\\u00e9\"}", "a@iana.org", NULL},
    {"cleaned", "{\"email\":\" a@iana.org\"}", " a@iana.org", "bad_char"},
    {"valid with an error", "{\"email\":\"a@mailserver\"}", "a@mailserver", "no_tld"},
    {"empty address", "{\"email\":\"\"}", "", "empty"},
    {"bad UTF-8", "{\"email\":\"a\xFF@iana.org\"}", "a\xEF\xBF\xBD@iana.org", "bad_utf8"},

    {"empty line", "", NULL, "bad_json"},
    {"no JSON", "a@iana.org", NULL, "bad_json"},
    {"array", "[\"a@iana.org\"]", NULL, "bad_json"},
    {"cut off", "{\"email\":\"a@iana.org", NULL, "bad_json"},
    {"cut off escape", "{\"email\":\"a\\", NULL, "bad_json"},
    {"bad escape", "{\"email\":\"\\x\"}", NULL, "bad_json"},
    {"bad hex", "{\"email\":\"\\u00g0\"}", NULL, "bad_json"},
    {"control inside", "{\"email\":\"a\tb\"}", NULL, "bad_json"},
    {"something behind", "{\"email\":\"a@iana.org\"}x", NULL, "bad_json"},
    {"no email", "{\"mail\":\"a@iana.org\"}", NULL, "email_missing"},
    {"number", "{\"email\":5}", NULL, "bad_value"},
    {"null", "{\"email\":null}", NULL, "bad_value"},
    {"twice", "{\"email\":\"a@b.de\",\"email\":\"c@d.de\"}", NULL, "bad_json"},
};

static void check_line(const struct line_case *row)
{
    json_t *answers[ANSWERS_MAX];

    print_message("  %s\n", row->label);
    assert_int_equal(run(row->line, strlen(row->line) + (row->line[0] == '\0'), answers), 1);
    if (row->code == NULL)
        assert_null(error_code(answers[0]));
    else
        assert_string_equal(error_code(answers[0]), row->code);
    if (row->email != NULL)
        assert_string_equal(text_of(answers[0], "email"), row->email);
    drop(answers, 1);
}

static void test_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(line_cases); i++)
        check_line(&line_cases[i]);
}

static void test_cleaned_address(void **state)
{
    static const char input[] = "{\"email\":\" <a@iana.org>\\n\"}";
    json_t *answers[ANSWERS_MAX];

    (void)state;
    assert_int_equal(run(input, strlen(input), answers), 1);
    assert_true(json_is_false(json_object_get(answers[0], "valid")));
    assert_string_equal(text_of(answers[0], "normalized"), "a@iana.org");
    drop(answers, 1);
}

static void test_bad_lines_do_not_stop(void **state)
{
    static const char input[] =
        "{\"email\":\"a@iana.org\"}\nnonsense\n\n{\"email\":\"b@iana.org\"}";
    json_t *answers[ANSWERS_MAX];

    (void)state;
    assert_int_equal(run(input, strlen(input), answers), 4);
    assert_string_equal(text_of(answers[0], "email"), "a@iana.org");
    assert_int_equal(json_integer_value(json_object_get(answers[1], "line")), 2);
    assert_int_equal(json_integer_value(json_object_get(answers[2], "line")), 3);
    assert_true(json_is_null(json_object_get(answers[2], "email")));
    assert_true(json_is_false(json_object_get(answers[2], "valid")));
    assert_string_equal(text_of(answers[3], "email"), "b@iana.org");
    drop(answers, 4);
}

static void test_long_lines(void **state)
{
    enum { HUGE = 1000000 };
    char *input = mem_zeroed(HUGE + 100, 1);
    json_t *answers[ANSWERS_MAX];
    int length = snprintf(input, 100, "{\"email\":\"a@iana.org\"}\n");

    (void)state;
    memset(input + length, 'x', HUGE);
    memcpy(input + length + HUGE, "\n{\"email\":\"b@iana.org\"}\n", 25);
    assert_int_equal(run(input, (size_t)length + HUGE + 24, answers), 3);
    assert_string_equal(error_code(answers[1]), "line_too_long");
    assert_string_equal(text_of(answers[2], "email"), "b@iana.org");
    drop(answers, 3);
    assert_int_equal(run(input, (size_t)length + HUGE, answers), 2); /* without its line end */
    assert_string_equal(error_code(answers[1]), "line_too_long");
    drop(answers, 2);
    free(input);
}

static void test_long_address(void **state)
{
    enum { LONG = 30000 };
    char *input = mem_zeroed(LONG + 100, 1);
    json_t *answers[ANSWERS_MAX];

    (void)state;
    memcpy(input, "{\"email\":\"", 10);
    memset(input + 10, 'a', LONG);
    memcpy(input + 10 + LONG, "\"}", 2);
    assert_int_equal(run(input, LONG + 12, answers), 1);
    assert_string_equal(error_code(answers[0]), "address_too_long");
    assert_int_equal(strlen(text_of(answers[0], "email")), LONG);
    drop(answers, 1);
    free(input);
}

/* Lines that cross every border of the read buffer. */
static void test_many_lines(void **state)
{
    enum { LINES = 20000 };
    FILE *in = tmpfile();
    char *output = NULL, expected[64];
    size_t size = 0;
    FILE *out = open_memstream(&output, &size);

    (void)state;
    for (int i = 0; i < LINES; i++)
        fprintf(in, "{\"email\":\"%0*d@iana.org\"}\n", 1 + i % 40, i);
    rewind(in);
    fflush(in);
    lseek(fileno(in), 0, SEEK_SET);
    assert_int_equal(syntax_stream(in, out, &options), 0);
    fclose(in);
    fclose(out);
    char *line = output;
    for (int i = 0; i < LINES; i++) {
        snprintf(expected, sizeof(expected), "{\"email\":\"%0*d@iana.org\",", 1 + i % 40, i);
        assert_memory_equal(line, expected, strlen(expected));
        line = strchr(line, '\n') + 1;
    }
    assert_int_equal(*line, '\0');
    free(output);
}

/* Somebody who waits for each answer before he asks again gets it. */
static void test_answers_before_the_end(void **state)
{
    static const char question[] = "{\"email\":\"a@iana.org\"}\n";
    int questions[2], answers[2];
    char answer[2048];

    (void)state;
    assert_int_equal(pipe(questions), 0);
    assert_int_equal(pipe(answers), 0);
    pid_t child = fork();
    if (child == 0) {
        close(questions[1]);
        close(answers[0]);
        _exit(syntax_stream(fdopen(questions[0], "r"), fdopen(answers[1], "w"), &options));
    }
    close(questions[0]);
    close(answers[1]);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(write(questions[1], question, strlen(question)), strlen(question));
        ssize_t count = read(answers[0], answer, sizeof(answer));
        assert_true(count > 0 && answer[count - 1] == '\n');
    }
    close(questions[1]);
    assert_int_equal(read(answers[0], answer, sizeof(answer)), 0);
    close(answers[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_answer),
        cmocka_unit_test(test_flag_names),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_cleaned_address),
        cmocka_unit_test(test_bad_lines_do_not_stop),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_long_address),
        cmocka_unit_test(test_many_lines),
        cmocka_unit_test(test_answers_before_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
