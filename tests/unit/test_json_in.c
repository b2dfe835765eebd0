/* Bodies and queries into requests; HTTP around them is tested from outside (tests/api). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_in.h"
#include "probes/base/mem.h"

static struct policies policies;

static int open_policies(void **state)
{
    char error[256];

    (void)state;
    return policies_load(&policies, "", error, sizeof(error)) ? 0 : 1;
}

static int close_policies(void **state)
{
    (void)state;
    policies_free(&policies);
    return 0;
}

static const struct good_body {
    const char *label, *body, *email;
    size_t length;
    bool smtp, imap;
    enum explain explain;
    uint32_t deadline_ms, max_age_s;
    const char *policy;
} good_bodies[] = {
    {"defaults", "{\"email\":\"a@b.c\"}", "a@b.c", 5, true, true, EXPLAIN_EVIDENCE, 5000, 86400,
     "default"},
    {"all",
     "{\"policy\":\"strict\",\"max_age_s\":0,\"deadline_ms\":60000,\"explain\":\"none\",\"imap\":"
     "false,\"smtp\":false,\"email\":\"\"}",
     "", 0, false, false, EXPLAIN_NONE, 60000, 0, "strict"},
    {"blanks around", " \r\n\t{ \"email\" : \"a@b.c\" } \n", "a@b.c", 5, true, true,
     EXPLAIN_EVIDENCE, 5000, 86400, "default"},
    {"escapes", "{\"email\":\"\\u0061\\u00e4\\ud83e\\udd89@b.c\"}", "a\xc3\xa4\xf0\x9f\xa6\x89@b.c",
     11, true, true, EXPLAIN_EVIDENCE, 5000, 86400, "default"},
    {"NUL inside", "{\"email\":\"a\\u0000b@c.d\"}", "a\0b@c.d", 7, true, true, EXPLAIN_EVIDENCE,
     5000, 86400, "default"},
    {"brackets in a string", "{\"email\":\"[[[[[[[[[[[[[[[[[[[[{{{,,,\"}",
     "[[[[[[[[[[[[[[[[[[[[{{{,,,", 26, true, true, EXPLAIN_EVIDENCE, 5000, 86400, "default"},
    {"escaped quote", "{\"email\":\"\\\"[[[\\\\\"}", "\"[[[\\", 5, true, true, EXPLAIN_EVIDENCE,
     5000, 86400, "default"},
};

static void test_good_bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(good_bodies); i++) {
        const struct good_body *c = &good_bodies[i];
        struct verify_input input;
        struct problem problem;

        if (!json_in_verify(c->body, strlen(c->body), &policies, &input, &problem))
            fail_msg("%s: %s %s", c->label, problem_name(problem.code), problem.detail);
        if (input.email_length != c->length || memcmp(input.email, c->email, c->length) != 0 ||
            input.options.smtp != c->smtp || input.options.imap != c->imap ||
            input.options.explain != c->explain || input.options.deadline_ms != c->deadline_ms ||
            input.options.max_age_s != c->max_age_s ||
            strcmp(input.options.policy->name, c->policy) != 0)
            fail_msg("%s: something else was read", c->label);
        json_decref(input.root);
    }
}

static const struct bad_body {
    const char *label, *body;
    enum problem_code code;
    const char *field;
} bad_bodies[] = {
    {"empty", "", PROBLEM_BAD_JSON, ""},
    {"a list", "[]", PROBLEM_BAD_JSON, ""},
    {"a number", "7", PROBLEM_BAD_JSON, ""},
    {"open", "{", PROBLEM_BAD_JSON, ""},
    {"duplicate", "{\"email\":\"a\",\"email\":\"b\"}", PROBLEM_BAD_JSON, "email"},
    {"duplicate, escaped", "{\"email\":\"a\",\"\\u0065mail\":\"b\"}", PROBLEM_BAD_JSON,
     "\\u0065mail"},
    {"not UTF-8", "{\"email\":\"\xff\"}", PROBLEM_BAD_JSON, ""},
    {"overlong", "{\"email\":\"\xc1\x81\"}", PROBLEM_BAD_JSON, ""},
    {"surrogate", "{\"email\":\"\\udc00\"}", PROBLEM_BAD_JSON, ""},
    {"two values", "{\"email\":\"a\"}{}", PROBLEM_BAD_JSON, ""},
    {"deep", "{\"email\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}", PROBLEM_BAD_JSON, ""},
    {"missing", "{}", PROBLEM_EMAIL_MISSING, "email"},
    {"null", "{\"email\":null}", PROBLEM_EMAIL_MISSING, "email"},
    {"number", "{\"email\":1}", PROBLEM_BAD_VALUE, "email"},
    {"unknown", "{\"email\":\"a\",\"mail\":1}", PROBLEM_UNKNOWN_FIELD, "mail"},
    {"unknown before missing", "{\"mail\":1}", PROBLEM_UNKNOWN_FIELD, "mail"},
    {"batch field", "{\"email\":\"a\",\"emails\":[]}", PROBLEM_UNKNOWN_FIELD, "emails"},
    {"deadline as text", "{\"email\":\"a\",\"deadline_ms\":\"500\"}", PROBLEM_BAD_VALUE,
     "deadline_ms"},
    {"deadline real", "{\"email\":\"a\",\"deadline_ms\":500.0}", PROBLEM_BAD_VALUE, "deadline_ms"},
    {"deadline 64 bits", "{\"email\":\"a\",\"deadline_ms\":4294967796}", PROBLEM_BAD_VALUE,
     "deadline_ms"},
    {"age negative", "{\"email\":\"a\",\"max_age_s\":-1}", PROBLEM_BAD_VALUE, "max_age_s"},
    {"smtp null", "{\"email\":\"a\",\"smtp\":null}", PROBLEM_BAD_VALUE, "smtp"},
    {"explain list", "{\"email\":\"a\",\"explain\":[\"none\"]}", PROBLEM_BAD_VALUE, "explain"},
    {"policy", "{\"email\":\"a\",\"policy\":\"Default\"}", PROBLEM_BAD_VALUE, "policy"},
};

static void expect(const char *label, bool fine, const struct problem *problem,
                   enum problem_code code, const char *field)
{
    if (fine)
        fail_msg("%s: was taken", label);
    if (problem->code != code || strcmp(problem->field, field) != 0)
        fail_msg("%s: %s at \"%s\": %s", label, problem_name(problem->code), problem->field,
                 problem->detail);
}

static void test_bad_bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad_bodies); i++) {
        const struct bad_body *c = &bad_bodies[i];
        struct verify_input input;
        struct problem problem = {0};
        bool fine = json_in_verify(c->body, strlen(c->body), &policies, &input, &problem);

        expect(c->label, fine, &problem, c->code, c->field);
    }
}

/* The body of an attacker is cut off anywhere: never more than the octets given are looked at. */
static void test_every_prefix(void **state)
{
    static const char body[] = "{\"email\":\"a\\u0000\\\"@b.c\",\"deadline_ms\":500,\"smtp\":true}";

    (void)state;
    for (size_t length = 0; length < sizeof(body) - 1; length++) {
        char *exact = mem_resize(NULL, length + 1); /* valgrind and ASan see one octet too many */
        struct verify_input input;
        struct problem problem;
        bool fine;

        exact = mem_resize(exact, length > 0 ? length : 1);
        memcpy(exact, body, length);
        fine = json_in_verify(exact, length, &policies, &input, &problem);
        if (fine)
            fail_msg("%zu octets were enough", length);
        free(exact);
    }
}

static void test_lengths(void **state)
{
    const struct {
        size_t length;
        bool fine;
    } cases[] = {{1023, true}, {1024, true}, {1025, false}, {60000, false}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char *body = mem_zeroed(cases[i].length + 32, 1);
        struct verify_input input;
        struct problem problem;
        bool fine;

        memcpy(body, "{\"email\":\"", 10);
        memset(body + 10, 'a', cases[i].length);
        memcpy(body + 10 + cases[i].length, "\"}", 2);
        fine = json_in_verify(body, cases[i].length + 12, &policies, &input, &problem);
        if (cases[i].fine)
            json_decref(input.root);
        else
            expect("long", fine, &problem, PROBLEM_EMAIL_TOO_LONG, "email");
        assert_int_equal(fine, cases[i].fine);
        free(body);
    }
}

static const struct good_query {
    const char *label, *query, *email;
    size_t length;
    uint32_t deadline_ms;
    bool smtp;
} good_queries[] = {
    {"plain", "email=a@b.c", "a@b.c", 5, 5000, true},
    {"plus stays", "email=a+b@c.d", "a+b@c.d", 7, 5000, true},
    {"percent", "email=%61%2B%40", "a+@", 3, 5000, true},
    {"empty", "email=", "", 0, 5000, true},
    {"no equals", "email", "", 0, 5000, true},
    {"equals inside", "email=a=b", "a=b", 3, 5000, true},
    {"NUL", "email=a%00b", "a\0b", 3, 5000, true},
    {"UTF-8", "email=%C3%A4", "\xc3\xa4", 2, 5000, true},
    {"others", "deadline_ms=700&email=x&smtp=false", "x", 1, 700, false},
    {"empty pairs", "&&email=x&", "x", 1, 5000, true},
    {"name encoded", "%65mail=x", "x", 1, 5000, true},
    {"number as address", "email=12", "12", 2, 5000, true},
    {"true as address", "email=true", "true", 4, 5000, true},
};

static void test_good_queries(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(good_queries); i++) {
        const struct good_query *c = &good_queries[i];
        struct verify_input input;
        struct problem problem;

        if (!query_in_verify(c->query, &policies, &input, &problem))
            fail_msg("%s: %s %s", c->label, problem_name(problem.code), problem.detail);
        if (input.email_length != c->length || memcmp(input.email, c->email, c->length) != 0 ||
            input.options.deadline_ms != c->deadline_ms || input.options.smtp != c->smtp)
            fail_msg("%s: something else was read", c->label);
        json_decref(input.root);
    }
}

static const struct bad_query {
    const char *label, *query;
    enum problem_code code;
    const char *field;
} bad_queries[] = {
    {"none", "", PROBLEM_EMAIL_MISSING, "email"},
    {"cut", "email=%", PROBLEM_BAD_VALUE, "email"},
    {"cut", "email=%4", PROBLEM_BAD_VALUE, "email"},
    {"not hex", "email=%g0", PROBLEM_BAD_VALUE, "email"},
    {"not UTF-8", "email=%80", PROBLEM_BAD_VALUE, "email"},
    {"NUL in a name", "em%00ail=x", PROBLEM_BAD_VALUE, ""},
    {"twice", "email=a&email=b", PROBLEM_BAD_VALUE, "email"},
    {"twice, encoded", "email=a&%65mail=b", PROBLEM_BAD_VALUE, "email"},
    {"unknown", "email=a&x=1", PROBLEM_UNKNOWN_FIELD, "x"},
    {"switch", "email=a&smtp=TRUE", PROBLEM_BAD_VALUE, "smtp"},
    {"number", "email=a&deadline_ms=+500", PROBLEM_BAD_VALUE, "deadline_ms"},
    {"long number", "email=a&deadline_ms=0000000000500", PROBLEM_BAD_VALUE, "deadline_ms"},
};

static void test_bad_queries(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad_queries); i++) {
        const struct bad_query *c = &bad_queries[i];
        struct verify_input input;
        struct problem problem = {0};
        bool fine = query_in_verify(c->query, &policies, &input, &problem);

        expect(c->label, fine, &problem, c->code, c->field);
    }
}

static void test_lookup_query(void **state)
{
    enum explain explain;
    struct problem problem;
    uint32_t wait_ms;

    (void)state;
    assert_true(query_in_lookup("", &wait_ms, &explain, &problem));
    assert_int_equal(wait_ms, 0);
    assert_int_equal(explain, EXPLAIN_EVIDENCE);
    assert_true(query_in_lookup("wait=50&explain=transcript", &wait_ms, &explain, &problem));
    assert_int_equal(wait_ms, 50000);
    assert_int_equal(explain, EXPLAIN_TRANSCRIPT);
    assert_false(query_in_lookup("wait=51", &wait_ms, &explain, &problem));
    assert_false(query_in_lookup("wait=1&wait=2", &wait_ms, &explain, &problem));
    assert_false(query_in_lookup("deadline_ms=500", &wait_ms, &explain, &problem));
}

static void test_batch(void **state)
{
    static const char body[] =
        "{\"emails\":[\"a\",{\"ref\":\"1\",\"email\":\"b\"},{\"ref\":\"2\"}],"
        "\"deadline_ms\":700}";
    struct batch_input input;
    struct problem problem;
    const char *email, *ref;
    size_t length;

    (void)state;
    assert_true(json_in_batch(body, sizeof(body) - 1, &policies, &input, &problem));
    assert_int_equal(json_array_size(input.emails), 3);
    assert_int_equal(input.options.deadline_ms, 700);
    assert_true(json_in_item(json_array_get(input.emails, 0), &email, &length, &ref, &problem));
    assert_string_equal(email, "a");
    assert_null(ref);
    assert_true(json_in_item(json_array_get(input.emails, 1), &email, &length, &ref, &problem));
    assert_string_equal(email, "b");
    assert_string_equal(ref, "1");
    assert_false(json_in_item(json_array_get(input.emails, 2), &email, &length, &ref, &problem));
    assert_int_equal(problem.code, PROBLEM_EMAIL_MISSING);
    assert_string_equal(ref, "2");
    json_decref(input.root);
    assert_true(json_in_batch("{\"emails\":[]}", 13, &policies, &input, &problem));
    assert_int_equal(input.options.deadline_ms, DEADLINE_BATCH_MS);
    json_decref(input.root);
}

static void test_shape(void **state)
{
    enum { WIDE = JSON_VALUES_MAX + 2 };
    struct problem problem;
    char wide[WIDE];

    (void)state;
    memset(wide, ',', sizeof(wide));
    assert_true(json_shape_fits(wide, JSON_VALUES_MAX - 1, &problem));
    assert_false(json_shape_fits(wide, WIDE, &problem));
    wide[0] = '"'; /* all of it inside a string that never ends: no value at all */
    assert_true(json_shape_fits(wide, WIDE, &problem));
    memset(wide, '[', sizeof(wide));
    assert_true(json_shape_fits(wide, JSON_DEPTH_MAX, &problem));
    assert_false(json_shape_fits(wide, JSON_DEPTH_MAX + 1, &problem));
    assert_true(json_shape_fits("]]]]\"\\", 6, &problem));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_bodies),  cmocka_unit_test(test_bad_bodies),
        cmocka_unit_test(test_every_prefix), cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_good_queries), cmocka_unit_test(test_bad_queries),
        cmocka_unit_test(test_lookup_query), cmocka_unit_test(test_batch),
        cmocka_unit_test(test_shape),
    };

    return cmocka_run_group_tests(tests, open_policies, close_policies);
}
