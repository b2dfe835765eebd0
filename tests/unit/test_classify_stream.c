/* test_classify_stream.c - `vrfyd classify`: a line in, a line out, whatever the line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probes/base/mem.h"
#include "service/classify_stream.h"

#define NOT_FOUND(rule) "{\"class\":\"mailbox_not_found\",\"rule\":\"" rule "\"}\n"
#define UNCLEAR         "{\"class\":\"rejected_unclear\",\"rule\":\"C148\"}\n"
#define ERROR(text)     "{\"error\":\"" text "\"}\n"

static const struct stream_case {
    const char *label, *in, *out;
} good[] = {
    {"all fields", "{\"code\":550,\"enhanced\":\"5.1.1\",\"text\":\"no\",\"stage\":\"rcpt\"}\n",
     NOT_FOUND("C100")},
    {"code as text", "{\"code\":\"550\",\"text\":\"User unknown\"}\n", NOT_FOUND("C82")},
    {"no line feed at the end", "{\"code\":\"550\",\"text\":\"User unknown\"}", NOT_FOUND("C82")},
    {"code in the text", "{\"text\":\"550 5.1.1 hm\"}\n", NOT_FOUND("C100")},
    {"code in both", "{\"code\":550,\"text\":\"550-5.1.1 the user\\n550 5.1.1 unknown\"}\n",
     NOT_FOUND("C82")},
    {"empty code", "{\"code\":\"\",\"enhanced\":\"5.1.1\",\"text\":\"hm\"}\n", NOT_FOUND("C100")},
    {"nulls", "{\"code\":550,\"enhanced\":null,\"text\":null,\"stage\":null}\n", UNCLEAR},
    {"code alone", "{\"code\":550}\n", UNCLEAR},
    {"other fields do not matter", "{\"code\":550,\"id\":7}\n", UNCLEAR},
    {"stage", "{\"code\":550,\"text\":\"User unknown\",\"stage\":\"MAIL\"}\n",
     "{\"class\":\"sender_rejected\",\"rule\":\"C138\"}\n"},
    {"stage of others", "{\"code\":521,\"stage\":\"CONN\"}\n",
     "{\"class\":\"host_no_mail\",\"rule\":\"C131\"}\n"},
    {"large detail", "{\"code\":550,\"enhanced\":\"5.7.606\",\"text\":\"no\"}\n",
     "{\"class\":\"probe_blocked\",\"rule\":\"C126\"}\n"},
    {"enhanced code alone, 4", "{\"enhanced\":\"4.1.1\",\"text\":\"hm\"}\n",
     "{\"class\":\"temporary_failure\",\"rule\":\"C141\"}\n"},
    {"in order", "{\"code\":550}\n{\"code\":250}\n",
     UNCLEAR "{\"class\":\"accepted\",\"rule\":\"C1\"}\n"},
    {"nothing", "", ""},
};

static const struct stream_case bad[] = {
    {"no JSON", "550 no\n", ERROR("not JSON")},
    {"empty line", "\n", ERROR("not JSON")},
    {"array", "[550]\n", ERROR("not a JSON object")},
    {"two objects", "{\"code\":550} {}\n", ERROR("not JSON")},
    {"twice a key", "{\"code\":550,\"code\":250}\n", ERROR("not JSON")},
    {"no code anywhere", "{\"text\":\"no\"}\n", ERROR("no reply code")},
    {"code is no code", "{\"code\":5500}\n", ERROR("code is not a reply code")},
    {"code of letters", "{\"code\":\"5xx\"}\n", ERROR("code is not a reply code")},
    {"code is an object", "{\"code\":{}}\n", ERROR("code is not a reply code")},
    {"text is a number", "{\"code\":550,\"text\":1}\n", ERROR("text is not a text")},
    {"enhanced", "{\"code\":550,\"enhanced\":\"5.1\"}\n", ERROR("enhanced is not a status code")},
    {"enhanced is a number", "{\"code\":550,\"enhanced\":5.1}\n",
     ERROR("enhanced is not a status code")},
    {"stage", "{\"code\":550,\"stage\":\"lunch\"}\n", ERROR("unknown stage")},
    {"stage is a number", "{\"code\":550,\"stage\":1}\n", ERROR("stage is not a text")},
    {"a bad line stops nothing", "x\n{\"code\":550}\n", ERROR("not JSON") UNCLEAR},
};

static char *run(const char *in, size_t length)
{
    char *answer = NULL;
    size_t size = 0;
    FILE *from =
        length == 0 ? fopen("/dev/null", "r") : fmemopen((void *)(uintptr_t)in, length, "r");
    FILE *to = open_memstream(&answer, &size);

    assert_non_null(from);
    assert_non_null(to);
    assert_int_equal(classify_stream(from, to), 0);
    fclose(from);
    fclose(to);
    return answer;
}

static void expect_all(const struct stream_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *have = run(cases[i].in, strlen(cases[i].in));
        if (strcmp(have, cases[i].out) != 0)
            fail_msg("%s: %s, wanted %s", cases[i].label, have, cases[i].out);
        free(have);
    }
}

static void replies_are_classified(void **state)
{
    (void)state;
    expect_all(good, ARRAY_LENGTH(good));
}

static void bad_lines_are_named(void **state)
{
    (void)state;
    expect_all(bad, ARRAY_LENGTH(bad));
}

static void long_lines_are_refused(void **state)
{
    enum { LONG = 200000 };
    static const char next[] = "\n{\"code\":550}\n";
    char *in = mem_zeroed(LONG + sizeof(next), 1);

    (void)state;
    memset(in, '[', LONG);
    memcpy(in + LONG, next, sizeof(next));
    char *have = run(in, LONG + sizeof(next) - 1);
    assert_string_equal(have, ERROR("line too long") UNCLEAR);
    free(have);
    /* within the bound, and deep */
    in[60000] = '\0';
    have = run(in, 60000);
    assert_string_equal(have, ERROR("not JSON"));
    free(have);
    free(in);
}

static void a_full_disk_is_an_error(void **state)
{
    char line[] = "{\"code\":550}\n";
    FILE *from = fmemopen(line, sizeof(line) - 1, "r"), *to = fopen("/dev/full", "w");

    (void)state;
    assert_non_null(from);
    assert_non_null(to);
    assert_int_equal(classify_stream(from, to), -1);
    fclose(from);
    fclose(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_are_classified),
        cmocka_unit_test(bad_lines_are_named),
        cmocka_unit_test(long_lines_are_refused),
        cmocka_unit_test(a_full_disk_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
