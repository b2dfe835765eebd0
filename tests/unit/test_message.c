/* test_message.c - a sentence for every code in every language, and the right language. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "probes/address/address.h"
#include "probes/address/message.h"
#include "probes/base/mem.h"
#include "service/verdict.h"

static const char *const reasons[] = {
#define X(symbol, name, ...) name,
    REASON_LIST(X)
#undef X
};

static void check_code(const char *code)
{
    print_message("  %s\n", code);
    assert_true(message_known(code));
    for (enum message_language i = 0; i < MESSAGE_LANGUAGE_COUNT; i++) {
        const char *sentence = message_for(code, i);
        assert_non_null(sentence);
        assert_true(strlen(sentence) >= 10 && strlen(sentence) <= 160);
        /* a whole sentence, without the words of the trade */
        const char *end = sentence + strlen(sentence);
        assert_true(strchr(".?", end[-1]) != NULL || strcmp(end - 3, "。") == 0 ||
                    strcmp(end - 3, "？") == 0);
        assert_null(strstr(sentence, "SMTP"));
        assert_null(strstr(sentence, "MX"));
        assert_null(strstr(sentence, "RFC"));
        assert_null(strchr(sentence, '_'));
    }
}

static void test_every_code(void **state)
{
    (void)state;
    for (enum address_code code = 0; code < ADDRESS_CODE_COUNT; code++)
        check_code(address_code_name(code));
    for (size_t i = 0; i < ARRAY_LENGTH(reasons); i++)
        check_code(reasons[i]);
}

static void test_rows_are_unique(void **state)
{
    (void)state;
    for (unsigned i = 0; i < message_row_count; i++)
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(message_rows[i].code, message_rows[j].code);
}

static void test_languages_differ(void **state)
{
    (void)state;
    for (unsigned i = 0; i < message_row_count; i++)
        for (enum message_language a = 0; a < MESSAGE_LANGUAGE_COUNT; a++)
            for (enum message_language b = 0; b < a; b++)
                assert_string_not_equal(message_rows[i].text[a], message_rows[i].text[b]);
}

static void test_unknown_code(void **state)
{
    (void)state;
    assert_false(message_known("no_such_code"));
    assert_false(message_known(NULL));
    assert_string_equal(message_for("no_such_code", MESSAGE_ENGLISH), "Please check this address.");
    assert_string_equal(message_for(NULL, MESSAGE_GERMAN), "Bitte überprüfen Sie diese Adresse.");
    assert_string_equal(message_for("mailbox_accepted", MESSAGE_ENGLISH),
                        "This address accepts mail.");
}

static const struct {
    const char *header;
    enum message_language expected;
} headers[] = {
    {NULL, MESSAGE_ENGLISH},
    {"", MESSAGE_ENGLISH},
    {"de", MESSAGE_GERMAN},
    {"DE-ch", MESSAGE_GERMAN},
    {"fr-CA, en;q=0.8", MESSAGE_FRENCH},
    {"en;q=0.8, es-419;q=0.9", MESSAGE_SPANISH},
    {"zh-CN,zh;q=0.9,en;q=0.8", MESSAGE_CHINESE},
    {"zh-Hans-TW", MESSAGE_CHINESE},
    {"zh-TW,zh-Hant;q=0.9,en;q=0.8,de;q=0.7", MESSAGE_ENGLISH},
    {"zh-TW;q=0.9, fr;q=0.1", MESSAGE_FRENCH},
    {"ja, ko;q=0.9", MESSAGE_ENGLISH},
    {"ja, de;q=0.1", MESSAGE_GERMAN},
    {"de;q=0, fr;q=0.001", MESSAGE_FRENCH},
    {"de;q=0", MESSAGE_ENGLISH},
    {"*", MESSAGE_ENGLISH},
    {"fr;q=0.4, *;q=0.5", MESSAGE_ENGLISH},
    {"de;q=1.000, fr", MESSAGE_GERMAN},
    {"de ; q=0.5 ,\tfr\t;\tQ=0.7", MESSAGE_FRENCH},
    {"de;q=2, fr;q=0.1", MESSAGE_FRENCH},
    {"de;q=0.1234, fr;q=0.1", MESSAGE_FRENCH},
    {"de;q=, fr;q=0.1", MESSAGE_FRENCH},
    {"de;level=1, fr;q=0.1", MESSAGE_FRENCH},
    {"den, deu, d", MESSAGE_ENGLISH},
    {",,;,;;q=1,, es ,", MESSAGE_SPANISH},
    {"fr, de", MESSAGE_FRENCH},
};

static void test_accept_language(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(headers); i++) {
        print_message("  %s\n", headers[i].header ? headers[i].header : "(none)");
        assert_int_equal(message_language_from(headers[i].header), headers[i].expected);
    }
}

static void test_tags(void **state)
{
    (void)state;
    assert_string_equal(message_language_tag(MESSAGE_CHINESE), "zh-Hans");
    for (enum message_language i = 0; i < MESSAGE_LANGUAGE_COUNT; i++)
        assert_int_equal(message_language_from(message_language_tag(i)), i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code),       cmocka_unit_test(test_rows_are_unique),
        cmocka_unit_test(test_languages_differ), cmocka_unit_test(test_unknown_code),
        cmocka_unit_test(test_accept_language),  cmocka_unit_test(test_tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
