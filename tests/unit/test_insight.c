/* test_insight.c - provider rules, keys to compare by, tags and flags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "probes/address/insight.h"
#include "probes/base/mem.h"

static const struct address_options options = {.allow_special_names = NULL, .check_tld = true};

static struct address_insight look_up(const char *input)
{
    struct address address;
    struct address_insight insight;

    address_parse(input, strlen(input), &options, &address);
    address_look_up(input, strlen(input), &address, false, &insight);
    return insight;
}

/* --- dedupe key and tag --------------------------------------------------------------------- */

static const struct key_case {
    const char *label, *input, *key, *tag;
} key_cases[] = {
    {"unknown provider: lower case", "Jane.Doe@firma.de", "jane.doe@firma.de", ""},
    {"unknown provider: plus is a tag", "Jane.Doe+news@Exämple.com", "jane.doe@xn--exmple-cua.com",
     "news"},
    {"second plus belongs to the tag", "jane+a+b@firma.de", "jane@firma.de", "a+b"},
    {"plus first is no tag", "+jane@firma.de", "+jane@firma.de", ""},
    {"plus last: empty tag", "jane+@firma.de", "jane@firma.de", ""},
    {"quoted stays whole", "\"Jane+x Doe\"@firma.de", "\"jane+x doe\"@firma.de", ""},
    {"UTF-8 is lowered too", "GRÜSSE@firma.de", "grüsse@firma.de", ""},

    {"gmail: dots and tag", "Jane.D.oe+x@gmail.com", "janedoe@gmail.com", "x"},
    {"googlemail is gmail", "jane.doe@googlemail.com", "janedoe@gmail.com", ""},
    {"other domains keep dots", "j.d@mygmail.com", "j.d@mygmail.com", ""},
    {"yahoo: throw-away name", "base-shop@yahoo.com", "base@yahoo.com", "shop"},
    {"yahoo: two hyphens are no throw-away name", "a-b-c@yahoo.fr", "a-b-c@yahoo.fr", ""},
    {"yahoo: plus is no tag", "jane+x@yahoo.co.uk", "jane+x@yahoo.co.uk", ""},
    {"outlook: dots count", "Jane.Doe+x@outlook.com", "jane.doe@outlook.com", "x"},
    {"hotmail in a country", "jane+x@hotmail.co.uk", "jane@hotmail.co.uk", "x"},
    {"aol: nothing to cut", "jane+x@aol.com", "jane+x@aol.com", ""},
    {"me and mac are icloud", "Jane+x@me.com", "jane@icloud.com", "x"},
    {"mac", "jane@mac.com", "jane@icloud.com", ""},
    {"proton: specials are transparent", "J.a_n-e+x@proton.me", "jane@proton.me", "x"},
    {"proton keeps its domain", "ja.ne@pm.me", "jane@pm.me", ""},
    {"mail.ru: lower case only", "Jane.Doe@mail.ru", "jane.doe@mail.ru", ""},
    {"yandex: dot is hyphen, one namespace", "jane.doe+x@ya.ru", "jane-doe@yandex.ru", "x"},
    {"yandex in a country", "jane-doe@yandex.com.tr", "jane-doe@yandex.ru", ""},
    {"fastmail", "jane+x@fastmail.com", "jane@fastmail.com", "x"},
    {"fastmail subdomain names the mailbox", "shop@jane.fastmail.com", "jane@fastmail.com", "shop"},
    {"gmx: plus is no tag", "jane+x@gmx.de", "jane+x@gmx.de", ""},
    {"zoho", "jane+x@zoho.com", "jane@zoho.com", "x"},
    {"country ending must look like one", "jane.doe+x@yandex.company.com",
     "jane.doe@yandex.company.com", "x"},
    {"invalid has no key", "jane doe@gmail.com", "", ""},
};

static void test_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(key_cases); i++) {
        const struct key_case *row = &key_cases[i];
        struct address_insight insight = look_up(row->input);
        print_message("  %s\n", row->label);
        assert_string_equal(insight.dedupe_key, row->key);
        assert_string_equal(insight.tag, row->tag);
        assert_int_equal(insight.subaddress, row->tag[0] != '\0');
    }
}

/* --- provider rules --------------------------------------------------------------------------- */

#define OK   PROVIDER_SYNTAX_OK
#define SOFT PROVIDER_SYNTAX_SOFT
#define HARD PROVIDER_SYNTAX_HARD

#define THIRTY "abcdefghijklmnopqrstuvwxyz0123"

static const struct rule_case {
    const char *input;
    enum provider_syntax expected;
} rule_cases[] = {
    {"janedoe@gmail.com", OK},
    {"j.a.n.e.d@gmail.com", SOFT}, /* five without dots */
    {"jane.do@gmail.com", OK},
    {"janedoe+any_thing=goes-here@gmail.com", OK},
    {"jane_doe@gmail.com", HARD},
    {"jane-doe@gmail.com", HARD},
    {"o'brien@gmail.com", HARD},
    {"a=bcdef@googlemail.com", HARD},
    {"jane!doe@gmail.com", SOFT},
    {"ab@gmail.com", SOFT},
    {THIRTY "@gmail.com", OK},
    {"a.b.c." THIRTY "@gmail.com", HARD},
    {THIRTY "4@gmail.com", HARD},
    {"\"jane doe\"@gmail.com", SOFT},

    {"jane_doe@yahoo.com", OK},
    {"jane.doe@ymail.com", OK},
    {"jane-shop@yahoo.de", OK},
    {"jane.a.doe@yahoo.com", SOFT},
    {"jane__doe@yahoo.com", SOFT},
    {"1jane@yahoo.com", SOFT},
    {"jane_@yahoo.com", SOFT},
    {"ja@yahoo.com", SOFT},
    {"jane.doe@aol.com", OK},
    {"jane-doe@aol.com", SOFT},
    {"jane_@outlook.com", OK},
    {"jane-doe+x@hotmail.fr", OK},
    {"_jane@live.com", SOFT},
    {"jane!@msn.com", SOFT},
    {"jane@icloud.com", OK},
    {"ja@icloud.com", SOFT},
    {"abcdefghijklmnopqrstu@me.com", SOFT},
    {"anything-goes.here_@proton.me", OK},

    {"jane.doe@mail.ru", OK},
    {"jane@inbox.ru", OK},
    {"jan@mail.ru", HARD},
    {"jane+x@mail.ru", HARD},
    {"jane._doe@bk.ru", HARD},
    {"_jane@list.ru", HARD},
    {"jane-@mail.ru", HARD},
    {"abcdefghijklmnopqrstuvwxyz012345@mail.ru", HARD},
    {"jane-doe@yandex.ru", OK},
    {"jane_doe@yandex.ru", SOFT},

    {"!@firma.de", OK},
    {"x@gmx.de", OK},
    {"_@notmail.ru", OK},
};

static void test_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rule_cases); i++) {
        print_message("  %s\n", rule_cases[i].input);
        assert_int_equal(look_up(rule_cases[i].input).provider_syntax, rule_cases[i].expected);
    }
}

/* --- flags ----------------------------------------------------------------------------------- */

enum {
    DISPOSABLE = 1,
    RELAY = 2,
    ROLE = 4,
    NO_REPLY = 8,
    FREE = 16,
    SUBADDRESS = 32,
    GIBBERISH = 64,
    TYPO = 128
};

static const struct flag_case {
    const char *input;
    unsigned flags;
} flag_cases[] = {
    {"janedoe@gmail.com", FREE},
    {"janedoe+x@gmail.com", FREE | SUBADDRESS},
    {"info@firma.de", ROLE},
    {"jane.doe@firma.de", 0},
    {"noreply@firma.de", ROLE | NO_REPLY},
    {"jane@mailinator.com", DISPOSABLE},
    {"jane@any.mailinator.com", DISPOSABLE},
    {"jane@duck.com", RELAY},
    {"janedoe@outlok.com", TYPO},
    {"info@outlok.com", TYPO | ROLE},
    {"jane@[192.0.2.1]", 0},
    {"jane doe@mailinator.com", 0},
};

static unsigned flags_of(const struct address_insight *insight)
{
    return (insight->disposable ? DISPOSABLE : 0u) | (insight->alias_relay ? RELAY : 0u) |
           (insight->role ? ROLE : 0u) | (insight->no_reply ? NO_REPLY : 0u) |
           (insight->free_provider ? FREE : 0u) | (insight->subaddress ? SUBADDRESS : 0u) |
           (insight->gibberish ? GIBBERISH : 0u) | (insight->typo_domain ? TYPO : 0u);
}

static void test_flags(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(flag_cases); i++) {
        struct address_insight insight = look_up(flag_cases[i].input);
        print_message("  %s\n", flag_cases[i].input);
        assert_int_equal(flags_of(&insight), flag_cases[i].flags);
    }
}

/* --- suggestions ----------------------------------------------------------------------------- */

static const struct {
    const char *input, *suggestion;
} suggestion_cases[] = {
    {"Jane.Doe@gmial.com", "Jane.Doe@gmail.com"},
    {"jane+x@hotmail.con", "jane+x@hotmail.com"},
    {"jane@gmail,com", "jane@gmail.com"},
    {"jane@gmaíl.com", "jane@gmail.com"},        /* an accent */
    {"jane@xn--gmal-xpa.com", "jane@gmail.com"}, /* the same as an A-label */
    {"jane@gma\xD1\x96l.com", "jane@gmail.com"}, /* a Cyrillic letter */
    {"jane@bücher.de", ""},                      /* reads as nothing popular */
    {"jane@почта.ru", ""},
    {"jane@gmail.com", ""},
    {"jane@firma.de", ""},
    {"jane@example.com", ""},
    {"jane@[192.0.2.1]", ""},
};

static void test_suggestions(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(suggestion_cases); i++) {
        print_message("  %s\n", suggestion_cases[i].input);
        assert_string_equal(look_up(suggestion_cases[i].input).suggestion,
                            suggestion_cases[i].suggestion);
    }
}

/* What the operator vouches for is no slip of anything, however near it is. */
static void test_operators_names(void **state)
{
    static const char slip[] = "jane@gmail.con", own[] = "jane@mail.gmail.con";
    const struct address_options allowing = {.allow_special_names = "gmail.con"};
    struct address address;
    struct address_insight insight;

    (void)state;
    address_parse(slip, strlen(slip), NULL, &address);
    address_look_up(slip, strlen(slip), &address, false, &insight);
    assert_string_equal(insight.suggestion, "jane@gmail.com");
    address_parse(slip, strlen(slip), &allowing, &address);
    address_look_up(slip, strlen(slip), &address, false, &insight);
    assert_string_equal(insight.suggestion, "");
    assert_false(insight.typo_domain);
    address_parse(own, strlen(own), &allowing, &address);
    address_look_up(own, strlen(own), &address, true, &insight);
    assert_string_equal(insight.suggestion, "");
}

static void test_too_long_input(void **state)
{
    static char input[4 * ADDRESS_INPUT_MAX];
    struct address address;
    struct address_insight insight;

    (void)state;
    memset(input, 'a', sizeof(input));
    assert_false(address_parse(input, sizeof(input), &options, &address));
    address_look_up(input, sizeof(input), &address, true, &insight);
    assert_string_equal(insight.suggestion, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_suggestions),
        cmocka_unit_test(test_operators_names),
        cmocka_unit_test(test_too_long_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
