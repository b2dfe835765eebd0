/* test_suggest.c - what was probably meant, and what must be left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "probes/base/mem.h"
#include "probes/lists/embedded.h"
#include "probes/lists/list_text.h"
#include "probes/lists/lists.h"
#include "probes/lists/slip.h"
#include "probes/lists/suffix.h"
#include "probes/lists/suggest.h"

static const struct meant {
    const char *label, *typed, *meant;
} meant[] = {
    {"swapped", "gmial.com", "gmail.com"},
    {"swapped at the start", "ohtmail.com", "hotmail.com"},
    {"left out", "hotmal.com", "hotmail.com"},
    {"left out at the start", "utlook.com", "outlook.com"},
    {"doubled letter left out", "outlok.com", "outlook.com"},
    {"doubled", "gmaiil.com", "gmail.com"},
    {"added", "gmajil.com", "gmail.com"},
    {"neighbouring key", "ourlook.com", "outlook.com"},
    {"neighbouring first key", "fmail.com", "gmail.com"},
    {"digit for letter", "h0tmail.com", "hotmail.com"},
    {"two slips in a long name", "prtonmial.com", "protonmail.com"},
    {"one slip in a provider at home", "t-onlne.de", "t-online.de"},
    {"one letter in another place", "icould.com", "icloud.com"},
    {"one letter in another place, to the left", "gimal.com", "gmail.com"},
    {"sounds alike", "gmayl.com", "gmail.com"},
    {"beside it on a German keyboard", "gmy.net", "gmx.net"},
    {"listed as disposable, beside a long name", "btintenet.com", "btinternet.com"},
    {"its country is kept", "yaho.com.br", "yahoo.com.br"},
    {"second level kept", "homtail.co.uk", "hotmail.co.uk"},
    {"three letters, household", "alo.com", "aol.com"},
    {"suffix: con", "hotmail.con", "hotmail.com"},
    {"suffix: cm", "gmail.cm", "gmail.com"},
    {"suffix: vom", "yahoo.vom", "yahoo.com"},
    {"suffix: comm", "icloud.comm", "icloud.com"},
    {"suffix: co", "outlook.cmo", "outlook.com"},
    {"suffix broken off", "gmail.c", "gmail.com"},
    {"suffix: co.ik", "btinternet.cok", "btinternet.com"},
    {"suffix broken off: com before a country", "live.c", "live.com"},
    {"suffix: second level left out", "hotmail.uk", "hotmail.co.uk"},
    {"suffix: second level left out, a country beside it", "hotmail.tr", "hotmail.com.tr"},
    {"suffix: second level left out of a rarer name", "uol.br", "uol.com.br"},
    {"suffix: a real one beside it", "comcast.bet", "comcast.net"},
    {"suffix of another country by a slip", "wanadoo.ft", "wanadoo.fr"},
    {"suffix nobody has for this name", "gmail.es", "gmail.com"},
    {"home suffix for .com", "wanadoo.com", "wanadoo.fr"},
    {"both halves", "hotmial.cmo", "hotmail.com"},
    {"no dot", "gmailcom", "gmail.com"},
    {"no dot and a slip", "hotmialcom", "hotmail.com"},
    {"no dot and a broken suffix", "gmailcon", "gmail.com"},
    {"no dot, two letters", "qqcom", "qq.com"},
    {"dot for a hyphen", "t.online.de", "t-online.de"},
    {"no suffix", "gmail", "gmail.com"},
    {"dot too many", "hot.mail.com", "hotmail.com"},
    {"dot in the wrong place", "yahooc.om", "yahoo.com"},
    {"suffix twice", "gmail.com.com", "gmail.com"},
    {"www", "www.yahoo.com", "yahoo.com"},
    {"www before a name nobody knows", "www.vdr-widgets.de", "vdr-widgets.de"},
    {"capitals", "GMIAL.COM", "gmail.com"},
    {"listed as disposable, but lives on slips", "hotmial.com", "hotmail.com"},
    {"unknown name: con", "vdr-widgets.con", "vdr-widgets.com"},
    {"unknown name: ner", "vdr-widgets.ner", "vdr-widgets.net"},
    {"unknown name: orf", "vdr-widgets.orf", "vdr-widgets.org"},
    {"unknown name: co.yk", "vdr-widgets.co.yk", "vdr-widgets.co.uk"},
    {"unknown name: co.br", "vdr-widgets.co.br", "vdr-widgets.com.br"},
    {"unknown name: com.uk", "vdr-widgets.comuk", "vdr-widgets.co.uk"},
    {"unknown name: c", "vdr-widgets.c", "vdr-widgets.com"},
    {"unknown name: comcom", "vdr-widgets.comcom", "vdr-widgets.com"},
    {"unknown name: edd", "vdr-widgets.edd", "vdr-widgets.edu"},
    {"unknown name: com.uk, with its dots", "vdr-widgets.com.uk", "vdr-widgets.co.uk"},
    {"unknown name: no dot", "vdrwidgetscom", "vdrwidgets.com"},
    {"unknown name: final dots", "vdr-widgets.con..", "vdr-widgets.com"},
};

static const struct left_alone {
    const char *label, *typed;
} left_alone[] = {
    {"popular", "gmail.com"},
    {"popular, capitals", "GMail.Com"},
    {"one letter from another popular one", "ymail.com"},
    {"free, one letter off", "email.com"},
    {"provider of a country", "hotmail.gr"},
    {"provider, other suffix", "gmx.biz"},
    {"own short domain", "gm.com"},
    {"one slip from msn.com, a bank", "ms.com"},
    {"below a provider", "corp.mail.ru"},
    {"below a provider, broken", "mail.gmx.net"},
    {"disposable", "mailinator.com"},
    {"alias relay", "duck.com"},
    {"nobody's", "vdr-widgets.de"},
    {"nobody's, short", "xq.io"},
    {"nobody's, Colombia", "vdr-widgets.co"},
    {"nobody's below com.tr", "vdr-widgets.com.tr"},
    {"nobody's, deep and broken", "mail.vdr-widgets.cmo"},
    {"government", "gao.gov"},
    {"word one consonant off", "grail.com"},
    {"word that lacks the first letter, at home elsewhere", "cloud.de"},
    {"word with i for y, short", "lyve.com"},
    {"first letter doubled and another", "ttmail.com"},
    {"household name in its own country", "icloud.com.cn"},
    {"second level that both kinds have", "vdr-widgets.com.in"},
    {"top-level domain beside net", "vdr-widgets.bet"},
    {"four letters that are no household name", "sial.net"},
    {"nothing near", "qwpxv.zz9"},
    {"empty", ""},
    {"only dots", "..."},
    {"a dot first", ".gmial.com"},
    {"no host name", "gm ial.com"},
    {"a control", "gmial\n.com"},
};

/* Only when DNS has said that the domain does not exist. */
static const struct meant when_missing[] = {
    {"Colombia for com", "vdr-widgets.co", "vdr-widgets.com"},
    {"three slips of the hand", "gnaul.com", "gmail.com"},
    {"short and no household name", "sial.net", "siol.net"},
};

static int check_meant(const struct meant *rows, size_t count, bool missing)
{
    int bad = 0;

    for (size_t i = 0; i < count; i++) {
        char out[256] = "-";

        suggest_domain(rows[i].typed, missing, out, sizeof(out));
        if (strcmp(out, rows[i].meant) != 0) {
            print_error("%s: %s gave %s, wanted %s\n", rows[i].label, rows[i].typed, out,
                        rows[i].meant);
            bad++;
        }
    }
    return bad;
}

static void domains_meant(void **state)
{
    (void)state;
    assert_int_equal(check_meant(meant, ARRAY_LENGTH(meant), false), 0);
}

static void domains_left_alone(void **state)
{
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(left_alone); i++) {
        char out[256] = "untouched";

        if (suggest_domain(left_alone[i].typed, false, out, sizeof(out)) ||
            strcmp(out, "untouched") != 0) {
            print_error("%s: %s gave %s\n", left_alone[i].label, left_alone[i].typed, out);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

static void domains_missing(void **state)
{
    char out[64];

    (void)state;
    assert_int_equal(check_meant(when_missing, ARRAY_LENGTH(when_missing), true), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(when_missing); i++)
        if (strcmp(when_missing[i].typed, "gnaul.com") != 0)
            assert_false(suggest_domain(when_missing[i].typed, false, out, sizeof(out)));
    assert_false(suggest_domain("vdr-widgets.de", true, out, sizeof(out)));
    assert_false(suggest_domain("hotmail.gr", true, out, sizeof(out)));
}

/* No provider of any list is ever corrected, and whatever is suggested is a provider itself. */
static void listed_left_alone(void **state)
{
    const unsigned real = LIST_FREE | LIST_PROVIDER | LIST_POPULAR | LIST_ALIAS_RELAY;
    size_t count, asked = 0;
    const struct list_file *files = list_files(&count);
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct list_reader reader =
            list_reader_of(files[i].bytes, (size_t)(files[i].end - files[i].bytes));
        struct list_entry entry;

        if (files[i].table != TABLE_DOMAINS || (files[i].kinds & real) == 0)
            continue;
        for (; list_read(&reader, &entry); asked++) {
            char domain[256], out[256];

            snprintf(domain, sizeof(domain), "%.*s", (int)entry.length, entry.name);
            if (!entry.off && (suggest_domain(domain, false, out, sizeof(out)) ||
                               suggest_domain(domain, true, out, sizeof(out)))) {
                print_error("%s gave %s\n", domain, out);
                bad++;
            }
        }
    }
    assert_true(asked > 5000);
    assert_int_equal(bad, 0);
}

/* --- whole addresses ------------------------------------------------------ */

static const struct meant addresses[] = {
    {"comma for dot", "jane@gmail,com", "jane@gmail.com"},
    {"comma for dot, unknown name", "jane@vdr-widgets,de", "jane@vdr-widgets.de"},
    {"semicolon for dot", "jane@yahoo;fr", "jane@yahoo.fr"},
    {"slip", "Jane.Doe@gmial.com", "Jane.Doe@gmail.com"},
    {"tag kept", "jane+news@gmial.com", "jane+news@gmail.com"},
    {"slash for dot", "jane@gmail/com", "jane@gmail.com"},
    {"apostrophe for dot", "jane@gmail'com", "jane@gmail.com"},
    {"underscore for hyphen", "jane@t_online.de", "jane@t-online.de"},
    {"comma before the sign", "jane,@gmail.com", "jane@gmail.com"},
    {"doubled dot", "jane@gmail..com", "jane@gmail.com"},
    {"dot behind the sign", "jane@.gmail.com", "jane@gmail.com"},
    {"dot before the sign", "jane.@gmail.com", "jane@gmail.com"},
    {"doubled dot in the local part", "jane..doe@gmail.com", "jane.doe@gmail.com"},
    {"doubled sign", "jane@@gmail.com", "jane@gmail.com"},
    {"spaces", "jane @ gmail . com", "jane@gmail.com"},
    {"space for the sign", "jane gmail.com", "jane@gmail.com"},
    {"dot for the sign", "jane.doe.gmail.com", "jane.doe@gmail.com"},
    {"number sign for the sign", "jane#web.de", "jane@web.de"},
    {"sign left out", "janehotmail.com", "jane@hotmail.com"},
    {"full-width sign", "jane\xef\xbc\xa0gmail.com", "jane@gmail.com"},
    {"full-width letters", "\xef\xbd\x8a\xef\xbd\x81ne@\xef\xbd\x87mail.com", "jane@gmail.com"},
    {"ideographic full stop",
     "jane@gmail\xe3\x80\x82"
     "com",
     "jane@gmail.com"},
    {"no-break space", "jane\xc2\xa0@gmail.com", "jane@gmail.com"},
    {"soft hyphen", "jane@vdr-\xc2\xadwidgets.de", "jane@vdr-widgets.de"},
    {"zero width space behind", "jane@vdr-widgets.de\xe2\x80\x8b", "jane@vdr-widgets.de"},
    {"bracket left on", "jane@gmail.com>", "jane@gmail.com"},
    {"full stop and quote", "\"jane@vdr-widgets.de.\"", "jane@vdr-widgets.de"},
    {"name and brackets", "Jane Doe <jane@gmial.com>", "jane@gmail.com"},
    {"suffix left out", "jane@gmail", "jane@gmail.com"},
    {"mailto and a slip", "mailto:jane@gmial.com", "jane@gmail.com"},
};

static const struct left_alone addresses_left_alone[] = {
    {"in order", "jane@gmail.com"},
    {"blanks around", "  jane@gmail.com\r\n"},
    {"in brackets", "<jane@gmail.com>"},
    {"capitals", "Jane@GMail.COM"},
    {"mailto", "mailto:jane@gmail.com"},
    {"final dot", "jane@gmail.com."},
    {"space in the local part", "jane doe@gmail.com"},
    {"two addresses", "jane@gmail.com,joe@gmail.com"},
    {"two signs", "jane@home@gmail.com"},
    {"digit that may be the sign", "jane2gmail.com"},
    {"a host", "www.gmail.com"},
    {"a host", "smtp.gmail.com"},
    {"only a domain", "gmail.com"},
    {"no local part", "@gmail.com"},
    {"no domain", "jane@"},
    {"one label nobody knows", "jane@vdrwidgets"},
    {"comma, unknown suffix", "jane@vdr,widgets"},
    {"literal", "jane@[192.0.2.1]"},
    {"quoted", "\"jane\"@gmial.com"},
    {"control", "jane\001@gmial.com"},
    {"sign only", "@"},
    {"nothing", ""},
    {"signs only", "@@@"},
};

static void whole_addresses(void **state)
{
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
        char out[400] = "-";

        suggest_address(addresses[i].typed, strlen(addresses[i].typed), false, out, sizeof(out));
        if (strcmp(out, addresses[i].meant) != 0) {
            print_error("%s: gave %s, wanted %s\n", addresses[i].label, out, addresses[i].meant);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

static void addresses_alone(void **state)
{
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(addresses_left_alone); i++) {
        const char *typed = addresses_left_alone[i].typed;
        char out[400];

        if (suggest_address(typed, strlen(typed), false, out, sizeof(out))) {
            print_error("%s: %s gave %s\n", addresses_left_alone[i].label, typed, out);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

static void bounds(void **state)
{
    char long_local[400], out[32] = "as before";

    (void)state;
    memset(long_local, 'a', sizeof(long_local));
    memcpy(long_local + 300, "@gmial.com", 10);
    assert_false(suggest_address(long_local, 310, false, out, sizeof(out)));
    assert_false(suggest_address(long_local, sizeof(long_local), false, out, sizeof(out)));
    assert_false(suggest_address("jane@gmial.com\0x", 16, false, out, sizeof(out)));
    assert_false(suggest_domain("gmial.com", false, out, 9)); /* "gmail.com" needs 10 */
    assert_string_equal(out, "as before");
    assert_true(suggest_domain("gmial.com", false, out, 10));
}

/* --- slips and suffixes --------------------------------------------------- */

static const struct slip {
    const char *label, *typed, *meant;
    unsigned least, most;
} slips[] = {
    {"same", "gmail", "gmail", 0, 0},
    {"doubled letter", "gmaill", "gmail", 1, 5},
    {"neighbour", "gmaik", "gmail", 1, 7},
    {"swap", "gmial", "gmail", 1, 7},
    {"neighbour in first place costs more", "fmail", "gmail", 8, 9},
    {"far key", "gmaxil", "gmail", 8, 10},
    {"another letter", "gmaxl", "gmail", 11, 20},
    {"one letter moved", "gimal", "gmail", 11, 13},
    {"one letter moved from the end", "lgmai", "gmail", 11, 13},
    {"two letters moved", "ilgma", "gmail", 20, SLIP_TOO_MUCH},
    {"another word", "beach", "gmail", 30, SLIP_TOO_MUCH},
};

static void slip_costs(void **state)
{
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(slips); i++) {
        unsigned cost = slip_cost(SLIP_NAME, slips[i].typed, strlen(slips[i].typed), slips[i].meant,
                                  strlen(slips[i].meant), 100);

        if (cost < slips[i].least || cost > slips[i].most) {
            print_error("%s: %u\n", slips[i].label, cost);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
    assert_int_equal(slip_cost(SLIP_NAME, "beach", 5, "gmail", 5, 10), SLIP_TOO_MUCH);
}

static void suffixes(void **state)
{
    static const char *const known[] = {"com", "co.uk",  "com.br",  "com.in",
                                        "de",  "gov.uk", "xn--p1ai"};
    static const char *const unknown[] = {"con",     "co.br", "com.uk", "foo.de",
                                          "com.com", "",      "uk.co"};
    char meant_suffix[SUFFIX_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(known); i++)
        assert_true(suffix_known(known[i], strlen(known[i])));
    for (size_t i = 0; i < ARRAY_LENGTH(unknown); i++)
        assert_false(suffix_known(unknown[i], strlen(unknown[i])));
    assert_true(suffix_meant("ocm", 3, false, meant_suffix) < SLIP_TOO_MUCH);
    assert_string_equal(meant_suffix, "com");
    assert_int_equal(suffix_meant("de", 2, true, meant_suffix), SLIP_TOO_MUCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(domains_meant),     cmocka_unit_test(domains_left_alone),
        cmocka_unit_test(domains_missing),   cmocka_unit_test(whole_addresses),
        cmocka_unit_test(addresses_alone),   cmocka_unit_test(bounds),
        cmocka_unit_test(slip_costs),        cmocka_unit_test(suffixes),
        cmocka_unit_test(listed_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
