/* test_address.c - what is a mailbox, what is not and where, and what comes out of the cleaning. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "probes/address/address.h"
#include "probes/base/mem.h"

#define TEN        "0123456789"
#define LOCAL_64   TEN TEN TEN TEN TEN TEN "abcd"
#define LABEL_63   TEN TEN TEN TEN TEN TEN "abc"
#define DOMAIN_189 LABEL_63 "." LABEL_63 "." TEN TEN TEN TEN TEN TEN "a" /* 189 octets */

static const struct address_options options = {.allow_special_names = NULL, .check_tld = true};

/* --- accepted ------------------------------------------------------------------------------ */

enum { QUOTED = 1, EAI = 2, IDN = 4, MIXED = 8, CLEANED = 16, LITERAL = 32 };

static const struct accepted {
    const char *label, *input, *normalized;
    const char *domain_ascii; /* NULL = as in normalized */
    unsigned flags;
} accepted[] = {
    {"plain", "jane.doe@gmail.com", "jane.doe@gmail.com", NULL, 0},
    {"case: local kept, domain lowered", "Jane.Doe@GMail.COM", "Jane.Doe@gmail.com", NULL, 0},
    {"all of atext", "!#$%&'*+-/=?^_`{|}~@iana.org", "!#$%&'*+-/=?^_`{|}~@iana.org", NULL, 0},
    {"percent hack and bang path are atext", "a%b!c@iana.org", "a%b!c@iana.org", NULL, 0},
    {"digits everywhere", "1@2.com", "1@2.com", NULL, 0},
    {"deep domain", "a@b.c.d.e.f.com", "a@b.c.d.e.f.com", NULL, 0},
    {"hyphens inside labels", "a@b-c.d--e.com", "a@b-c.d--e.com", NULL, 0},
    {"local of 64", LOCAL_64 "@iana.org", LOCAL_64 "@iana.org", NULL, 0},
    {"label of 63", "a@" LABEL_63 ".com", "a@" LABEL_63 ".com", NULL, 0},
    {"254 in all",
     "a@" DOMAIN_189 ".0123456789012345678901234567890123456789012345678901234567.com",
     "a@" DOMAIN_189 ".0123456789012345678901234567890123456789012345678901234567.com", NULL, 0},

    {"quotes not needed", "\"jane.doe\"@iana.org", "jane.doe@iana.org", NULL, 0},
    {"escapes not needed", "\"j\\a\\ne\"@iana.org", "jane@iana.org", NULL, 0},
    {"space needs quotes", "\"jane doe\"@iana.org", "\"jane doe\"@iana.org", NULL, QUOTED},
    {"escaped space loses its escape", "\"jane\\ doe\"@iana.org", "\"jane doe\"@iana.org", NULL,
     QUOTED},
    {"quoted at sign", "\"jane@home\"@iana.org", "\"jane@home\"@iana.org", NULL, QUOTED},
    {"escaped quote", "\"a\\\"b\"@iana.org", "\"a\\\"b\"@iana.org", NULL, QUOTED},
    {"escaped backslash", "\"a\\\\b\"@iana.org", "\"a\\\\b\"@iana.org", NULL, QUOTED},
    {"two dots in quotes", "\"a..b\"@iana.org", "\"a..b\"@iana.org", NULL, QUOTED},
    {"dot at the edge in quotes", "\".a\"@iana.org", "\".a\"@iana.org", NULL, QUOTED},
    {"only a space", "\" \"@iana.org", "\" \"@iana.org", NULL, QUOTED},
    {"parenthesis in quotes", "\"(a)\"@iana.org", "\"(a)\"@iana.org", NULL, QUOTED},
    {"quotes around UTF-8 dropped", "\"ñandú\"@iana.org", "ñandú@iana.org", NULL, EAI},

    {"UTF-8 local part", "grüße@iana.org", "grüße@iana.org", NULL, EAI},
    {"NFC of a combining mark", "jose\xCC\x81@iana.org", "josé@iana.org", NULL, EAI},
    {"NFC down to ASCII", "\xE2\x84\xAA@iana.org", "K@iana.org", NULL, 0}, /* Kelvin sign */
    {"Chinese", "我買@iana.org", "我買@iana.org", NULL, EAI},
    {"Devanagari with marks", "उदाहरण@iana.org", "उदाहरण@iana.org", NULL, EAI},
    {"full-width at in the local part", "a＠b@iana.org", "a＠b@iana.org", NULL, EAI},
    {"zero width joiner stays", "क्\xE2\x80\x8Dष@iana.org", "क्\xE2\x80\x8Dष@iana.org", NULL, EAI},
    {"Latin with Cyrillic", "p\xD0\xB0ypal@iana.org", "p\xD0\xB0ypal@iana.org", NULL, EAI | MIXED},
    {"Japanese in four scripts", "tokyo東京とトウ@iana.org", "tokyo東京とトウ@iana.org", NULL, EAI},
    {"Greek alone is no mixture", "ιωάννης@iana.org", "ιωάννης@iana.org", NULL, EAI},

    {"IDN", "a@bücher.de", "a@bücher.de", "xn--bcher-kva.de", IDN},
    {"IDN upper case", "a@BÜCHER.DE", "a@bücher.de", "xn--bcher-kva.de", IDN},
    {"IDN decomposed",
     "a@bu\xCC\x88"
     "cher.de",
     "a@bücher.de", "xn--bcher-kva.de", IDN},
    {"sharp s is kept, not transitional", "a@faß.de", "a@faß.de", "xn--fa-hia.de", IDN},
    {"A-label shown as U-label", "a@xn--bcher-kva.de", "a@bücher.de", "xn--bcher-kva.de", IDN},
    {"A-label in upper case", "a@XN--BCHER-KVA.de", "a@bücher.de", "xn--bcher-kva.de", IDN},
    {"ideographic full stop",
     "a@b\xE3\x80\x82"
     "com",
     "a@b.com", NULL, 0},
    {"full-width letters", "a@ｇｍａｉｌ.com", "a@gmail.com", NULL, 0},
    {"right to left", "a@אבג.com", "a@אבג.com", "xn--4dbcd.com", IDN},
    {"IDN with Cyrillic in Latin", "a@p\xD0\xB0ypal.com", "a@p\xD0\xB0ypal.com",
     "xn--pypal-4ve.com", IDN | MIXED},

    {"outer spaces", "  jane@iana.org \t", "jane@iana.org", NULL, CLEANED},
    {"line end", "jane@iana.org\r\n", "jane@iana.org", NULL, CLEANED},
    {"angle brackets", "<jane@iana.org>", "jane@iana.org", NULL, CLEANED},
    {"spaces and angle brackets", " <jane@iana.org> ", "jane@iana.org", NULL, CLEANED},
    {"mailto", "mailto:jane@iana.org", "jane@iana.org", NULL, CLEANED},
    {"mailto in capitals", "MAILTO:jane@iana.org", "jane@iana.org", NULL, CLEANED},
    {"mailto with encoded plus", "mailto:jane%2bnews@iana.org", "jane+news@iana.org", NULL,
     CLEANED},
    {"mailto with UTF-8", "mailto:gr%C3%BC%C3%9Fe@iana.org", "grüße@iana.org", NULL, CLEANED | EAI},
    {"mailto with a subject", "mailto:jane@iana.org?subject=hi", "jane@iana.org", NULL, CLEANED},
    {"percent without mailto stays", "jane%2bnews@iana.org", "jane%2bnews@iana.org", NULL, 0},
    {"final dot", "jane@iana.org.", "jane@iana.org", NULL, CLEANED},
    {"final full-width dot", "jane@iana.org\xEF\xBC\x8E", "jane@iana.org", NULL, CLEANED},
};

static void check_accepted(const struct accepted *row)
{
    struct address address;
    char normalized[ADDRESS_TEXT_SIZE], wire[ADDRESS_TEXT_SIZE];

    print_message("  %s\n", row->label);
    assert_true(address_parse(row->input, strlen(row->input), &options, &address));
    assert_string_equal(address_code_name(address.code), "ok");
    assert_int_equal(address.position, 0);
    address_normalized(&address, normalized);
    assert_string_equal(normalized, row->normalized);
    address_wire(&address, wire);
    assert_string_equal(strrchr(wire, '@') + 1,
                        row->domain_ascii ? row->domain_ascii : strrchr(normalized, '@') + 1);
    unsigned flags = (address.quoted_local ? QUOTED : 0u) | (address.non_ascii_local ? EAI : 0u) |
                     (address.idn_domain ? IDN : 0u) | (address.mixed_script ? MIXED : 0u) |
                     (address.cleaned ? CLEANED : 0u) | (address.literal ? LITERAL : 0u);
    assert_int_equal(flags, row->flags);
}

static void test_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(accepted); i++)
        check_accepted(&accepted[i]);
}

/* --- refused, and where ---------------------------------------------------------------------- */

static const struct refused {
    const char *label, *input;
    const char *code;
    unsigned position;
} refused[] = {
    {"nothing", "", "empty", 0},
    {"white space only", " \t\r\n", "empty", 4},
    {"brackets only", "<>", "empty", 1},
    {"mailto only", "mailto:", "empty", 7},
    {"no at", "jane.iana.org", "no_at", 13},
    {"no at wins over other faults", "jane  doe", "no_at", 9},
    {"full-width at is no at", "jane＠iana.org", "no_at", 15},
    {"at in quotes is no at", "\"jane@iana.org\"", "no_at", 15},
    {"local missing", "@iana.org", "local_missing", 0},
    {"empty quotes", "\"\"@iana.org", "local_missing", 0},
    {"source route", "<@a.org,@b.org:jane@iana.org>", "local_missing", 1},
    {"domain missing", "jane@", "domain_missing", 5},
    {"domain missing, cleaned", "  jane@  ", "domain_missing", 7},

    {"space", "jane doe@iana.org", "bad_char", 4},
    {"position counts what was trimmed", "  jane doe@iana.org", "bad_char", 6},
    {"position inside brackets", "<jane doe@iana.org>", "bad_char", 5},
    {"position in decoded mailto", "mailto:%6Aane%20doe@iana.org", "bad_char", 13},
    {"broken percent", "mailto:ja%zzne@iana.org", "bad_char", 9},
    {"percent cut off", "mailto:jane@iana.org%4", "bad_char", 20},
    {"encoded at", "mailto:jane%40home@iana.org", "bad_char", 11},
    {"encoded line end", "mailto:jane@iana.org%0D%0A", "bad_char", 20},
    {"comma", "jane@gmail,com", "bad_char", 10},
    {"two addresses", "a@b.com, c@d.com", "bad_char", 7},
    {"two at signs", "jane@doe@iana.org", "bad_char", 4},
    {"two at signs, IDN", "jane@dö@iana.org", "bad_char", 4},
    {"display name", "Jane <jane@iana.org>", "bad_char", 4},
    {"open bracket", "<jane@iana.org", "bad_char", 0},
    {"quote inside", "ja\"ne@iana.org", "bad_char", 2},
    {"obsolete local part", "a.\"b\"@iana.org", "bad_char", 2},
    {"backslash", "ja\\@ne@iana.org", "bad_char", 2},
    {"delete", "ja\x7Fne@iana.org", "bad_char", 2},
    {"line feed inside", "ja\nne@iana.org", "bad_char", 2},
    {"line feed in quotes", "\"ja\nne\"@iana.org", "bad_char", 3},
    {"escaped control", "\"ja\\\tne\"@iana.org", "bad_char", 4},
    {"escaped UTF-8", "\"ja\\é\"@iana.org", "bad_char", 4},
    {"line feed in the domain", "jane@ia\nna.org", "bad_char", 7},
    {"underscore in the domain", "jane@ia_na.org", "bad_char", 7},
    {"underscore in an IDN", "jane@bü_cher.de", "bad_char", 8},
    {"port", "jane@127.0.0.1:25", "bad_char", 14},
    {"NFC makes a semicolon", "ja\xCD\xBEne@iana.org", "bad_char", 0},
    {"tab in the local part", "jane\t@iana.org", "bad_char", 4},

    {"dot first", ".jane@iana.org", "dot_start", 0},
    {"dot last", "jane.@iana.org", "dot_end", 4},
    {"dots in a row", "jane..doe@iana.org", "dot_double", 5},
    {"domain dot first", "jane@.iana.org", "dot_start", 5},
    {"domain only a dot", "jane@.", "dot_start", 5},
    {"domain dots in a row", "jane@iana..org", "dot_double", 10},
    {"two final dots", "jane@iana.org..", "dot_double", 14},
    {"IDN dot first", "jane@．bücher.de", "dot_start", 5},
    {"IDN dots in a row", "jane@bücher．．de", "dot_double", 15},
    {"unclosed quote", "\"jane@iana.org", "unclosed_quote", 0},
    {"quote closed by escape only", "\"jane\\\"@iana.org", "unclosed_quote", 0},
    {"backslash at the end", "\"jane@\\", "unclosed_quote", 0},
    {"text after quote", "\"jane\"doe@iana.org", "text_after_quote", 6},
    {"obsolete quoted words", "\"jane\".doe@iana.org", "text_after_quote", 6},
    {"at after quoted at", "\"jane\"@doe@iana.org", "text_after_quote", 6},
    {"display name in quotes", "\"Jane\" <jane@iana.org>", "text_after_quote", 6},
    {"comment first", "(jane)jane@iana.org", "comment", 0},
    {"comment in the local part", "jane(doe)@iana.org", "comment", 4},
    {"comment after the quote", "\"jane\"(doe)@iana.org", "comment", 6},
    {"comment in the domain", "jane@iana.org(home)", "comment", 13},
    {"comment in an IDN", "jane@bücher.de(home)", "comment", 15},

    {"local of 65", LOCAL_64 "e@iana.org", "local_too_long", 64},
    {"quoted local of 66", "\"" LOCAL_64 "\"@iana.org", "local_too_long", 64},
    {"UTF-8 counts octets", "üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü@iana.org", "local_too_long", 64},
    {"label of 64", "a@" LABEL_63 "d.com", "label_too_long", 65},
    {"A-label of 64", "a@ü" LABEL_63 ".com", "label_too_long", 2},
    {"domain of 254", "a@" DOMAIN_189 "." LABEL_63 ".x", "domain_too_long", 255},
    {"255 in all",
     "ab@" DOMAIN_189 ".0123456789012345678901234567890123456789012345678901234567.com",
     "address_too_long", 254},
    {"hyphen first", "jane@-iana.org", "hyphen_edge", 5},
    {"hyphen last", "jane@iana-.org", "hyphen_edge", 9},
    {"hyphen at the end", "jane@iana.org-", "hyphen_edge", 13},
    {"hyphen alone", "jane@iana.-.org", "hyphen_edge", 10},
    {"IDN hyphen first", "jane@mail.-ü.org", "hyphen_edge", 10},
    {"IDN hyphen last", "jane@mail.ü-.org", "hyphen_edge", 12},
    {"IDN hyphen at the end", "jane@ü.org-", "hyphen_edge", 11},

    {"two hyphens that are no A-label", "jane@yy--0.org", "bad_idna", 7},
    {"A-label that decodes to nothing", "jane@mail.xn--0.org", "bad_idna", 10},
    {"A-label of plain ASCII", "jane@xn--abc-.org", "hyphen_edge", 12},
    {"symbol that IDNA 2008 refuses", "jane@mail.\xE2\x98\x95.org", "bad_idna", 10},
    {"bidi rule broken", "jane@1אב.org", "bad_idna", 5},
    {"bidi: both kinds of digits", "jane@mail.א1\xD9\xA1.org", "bad_idna", 10},
    {"bidi: both kinds of digits, A-label", "jane@xn--1-zhc05b.org", "bad_idna", 5},
    {"bidi: a mark behind a hyphen at the end", "jane@ש-\xD6\xB7.org", "bad_idna", 5},
    {"mapping leaves a grave accent", "jane@a\xE1\xBF\xAF.org", "bad_char", 5},
    {"continuation octet alone", "ja\x80ne@iana.org", "bad_utf8", 2},
    {"overlong slash", "ja\xC0\xAFne@iana.org", "bad_utf8", 2},
    {"surrogate", "\xED\xA0\x80@iana.org", "bad_utf8", 0},
    {"cut off character", "jane\xE2\x82@iana.org", "bad_utf8", 4},
    {"bad UTF-8 in the domain",
     "jane@b\xFC"
     "cher.de",
     "bad_utf8", 6},
    {"C1 control", "ja\xC2\x85ne@iana.org", "unsafe_unicode", 2},
    {"bidi override", "ja\xE2\x80\xAEne@iana.org", "unsafe_unicode", 2},
    {"bidi isolate", "ja\xE2\x81\xA6ne@iana.org", "unsafe_unicode", 2},
    {"zero width space", "ja\xE2\x80\x8Bne@iana.org", "unsafe_unicode", 2},
    {"word joiner", "ja\xE2\x81\xA0ne@iana.org", "unsafe_unicode", 2},
    {"byte order mark", "\xEF\xBB\xBFjane@iana.org", "unsafe_unicode", 0},
    {"no-break space",
     "jane\xC2\xA0"
     "doe@iana.org",
     "unsafe_unicode", 4},
    {"line separator in quotes", "\"ja\xE2\x80\xA8ne\"@iana.org", "unsafe_unicode", 3},
    {"private use", "ja\xEE\x80\x80@iana.org", "unsafe_unicode", 2},
    {"noncharacter", "ja\xEF\xB7\x90@iana.org", "unsafe_unicode", 2},
    {"joiner behind ASCII", "jane\xE2\x80\x8D@iana.org", "unsafe_unicode", 4},
    {"joiner before ASCII", "é\xE2\x80\x8Cne@iana.org", "unsafe_unicode", 2},
    {"joiner behind what NFC makes ASCII", "\xE2\x84\xAA\xE2\x80\x8Dé@iana.org", "unsafe_unicode",
     0},
    {"joiner first", "\xE2\x80\x8Dé@iana.org", "unsafe_unicode", 0},
    {"joiner in quotes", "\"a \xE2\x80\x8D\"@iana.org", "unsafe_unicode", 3},
    {"soft hyphen", "ja\xC2\xADne@iana.org", "unsafe_unicode", 2},
    {"Hangul filler", "ja\xE3\x85\xA4ne@iana.org", "unsafe_unicode", 2},
    {"invisible operator", "ja\xE2\x81\xA2ne@iana.org", "unsafe_unicode", 2},
    {"tag", "ja\xF3\xA0\x81\x81ne@iana.org", "unsafe_unicode", 2},
    {"zero width space in the domain", "jane@ia\xE2\x80\x8Bna.org", "unsafe_unicode", 7},
    {"soft hyphen in the domain", "jane@ia\xC2\xADna.org", "unsafe_unicode", 7},
    {"no-break space behind", "jane@iana.org\xC2\xA0", "unsafe_unicode", 13},
    {"bidi override in an IDN", "jane@bü\xE2\x80\xAE.de", "unsafe_unicode", 8},
    {"leading combining mark", "\xCC\x81jane@iana.org", "unsafe_unicode", 0},
    {"leading combining mark in quotes", "\"\xCC\x81jane\"@iana.org", "unsafe_unicode", 1},
};

static void check_refused(const struct refused *row)
{
    struct address address;

    print_message("  %s\n", row->label);
    assert_false(address_parse(row->input, strlen(row->input), &options, &address));
    assert_string_equal(address_code_name(address.code), row->code);
    assert_int_equal(address.position, row->position);
    assert_int_equal(address.received_code, address.code);
    assert_string_equal(address.local, "");
    assert_string_equal(address.domain, "");
    assert_string_equal(address.domain_ascii, "");
}

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++)
        check_refused(&refused[i]);
}

/* --- literals -------------------------------------------------------------------------------- */

static const char *const good_literals[] = {
    "[192.0.2.1]",
    "[255.255.255.255]",
    "[001.002.003.004]",
    "[IPv6:2001:db8::1]",
    "[ipv6:::1]",
    "[IPv6:::]",
    "[IPv6:1:2:3:4:5:6:7:8]",
    "[IPv6:1:2:3:4:5:6:192.0.2.1]",
    "[IPv6:::ffff:192.0.2.1]",
    "[IPv6:1:2:3:4::192.0.2.1]",
    "[IPv6:1:2:3:4:5::8]",
    "[IPv6:ABCD::]",
    "[x-tag:some!content]",
};

static const struct {
    const char *literal;
    unsigned position; /* behind "a@" */
} bad_literals[] = {
    {"[]", 1},
    {"[192.0.2.1", 10},
    {"[192.0.2.1]x", 11},
    {"[192.0.2.1].", 11},
    {"[192.0.2]", 8},
    {"[192.0.2.256]", 9},
    {"[192.0.2.1.5]", 10},
    {"[1920.0.2.1]", 4},
    {"[IPv6:]", 6},
    {"[IPv6:1]", 6},
    {"[IPv6:1:2:3:4:5:6:7]", 6},
    {"[IPv6:1:2:3:4:5:6:7:8:9]", 6},
    {"[IPv6:12345::]", 10},
    {"[IPv6:1::2::3]", 10},
    {"[IPv6:1:::2]", 9},
    {"[IPv6::1]", 6},
    {"[IPv6:1::2:]", 10},
    {"[IPv6:g::1]", 6},
    {"[IPv6:1:2:3:4:5:6::8]", 6},       /* "::" stands for two groups at least */
    {"[IPv6:1:2:3:4:5::192.0.2.1]", 6}, /* four groups at most beside "::" and IPv4 */
    {"[IPv6:1:2:3:4:5:192.0.2.1]", 6},
    {"[IPv6:::ffff:192.0.2]", 20},
    {"[2001:db8::1]", 1}, /* its tag is missing */
    {"[tag:]", 4},
    {"[tag-:x]", 5},
    {"[tag:a b]", 6},
    {"[tag:a[b]", 6},
    {"[tag]", 1},
};

static void test_literals(void **state)
{
    struct address address;
    char input[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(good_literals); i++) {
        int length = snprintf(input, sizeof(input), "a@%s", good_literals[i]);
        print_message("  %s\n", input);
        assert_true(address_parse(input, (size_t)length, &options, &address));
        assert_int_equal(address.code, ADDRESS_DOMAIN_LITERAL);
        assert_int_equal(address.position, 2);
        assert_true(address.literal);
        assert_string_equal(address.domain, good_literals[i]);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(bad_literals); i++) {
        int length = snprintf(input, sizeof(input), "a@%s", bad_literals[i].literal);
        print_message("  %s\n", input);
        assert_false(address_parse(input, (size_t)length, &options, &address));
        assert_int_equal(address.code, ADDRESS_BAD_LITERAL);
        assert_int_equal(address.position, bad_literals[i].position + 2);
    }
}

/* --- valid, yet decided ---------------------------------------------------------------------- */

static const struct judged {
    const char *input, *code;
    unsigned position;
} judged[] = {
    {"a@localhost", "reserved_domain", 2},
    {"a@mail.localhost", "reserved_domain", 2},
    {"a@example.com", "reserved_domain", 2},
    {"a@mail.EXAMPLE.net", "reserved_domain", 2},
    {"a@sub.example", "reserved_domain", 2},
    {"a@host.invalid", "reserved_domain", 2},
    {"a@lab.test", "reserved_domain", 2},
    {"a@printer.local", "reserved_domain", 2},
    {"a@abc.onion", "reserved_domain", 2},
    {"a@x.alt", "reserved_domain", 2},
    {"a@corp.internal", "reserved_domain", 2},
    {"a@x.home.arpa", "reserved_domain", 2},
    {"a@1.in-addr.arpa", "reserved_domain", 2},
    {"a@mailserver", "no_tld", 2},
    {"a@com", "no_tld", 2},
    {"a@192.0.2.1", "numeric_tld", 10},
    {"a@iana.123", "numeric_tld", 7},
    {"a@iana.notatld", "unknown_tld", 7},
    {"<a@iana.notatld>", "unknown_tld", 8},
    {"a@bücher.notatld", "unknown_tld", 10},
    {"a@notexample.com", "ok", 0},
    {"a@myexample.org", "ok", 0},
    {"a@test.com", "ok", 0},
    {"a@local.de", "ok", 0},
};

static void test_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(judged); i++) {
        struct address address;
        print_message("  %s\n", judged[i].input);
        assert_true(address_parse(judged[i].input, strlen(judged[i].input), &options, &address));
        assert_string_equal(address_code_name(address.code), judged[i].code);
        assert_int_equal(address.position, judged[i].position);
        assert_string_equal(address.local, "a");
    }
}

static enum address_code code_with(const char *input, const char *allowed, bool check_tld)
{
    struct address_options own = {.allow_special_names = allowed, .check_tld = check_tld};
    struct address address;

    address_parse(input, strlen(input), &own, &address);
    return address.code;
}

static void test_options(void **state)
{
    (void)state;
    assert_int_equal(code_with("a@mx.test", "test", true), ADDRESS_OK);
    assert_int_equal(code_with("a@test", "test", true), ADDRESS_OK);
    assert_int_equal(code_with("a@mx.test", "lab.internal, test", true), ADDRESS_OK);
    assert_int_equal(code_with("a@x.lab.internal", "lab.internal test", true), ADDRESS_OK);
    assert_int_equal(code_with("a@x.internal", "lab.internal", true), ADDRESS_RESERVED_DOMAIN);
    assert_int_equal(code_with("a@x.mytest", "test", true), ADDRESS_UNKNOWN_TLD);
    assert_int_equal(code_with("a@x.invalid", "", true), ADDRESS_RESERVED_DOMAIN);
    assert_int_equal(code_with("a@x.invalid", " , ", true), ADDRESS_RESERVED_DOMAIN);
    assert_int_equal(code_with("a@x.notatld", NULL, false), ADDRESS_OK);
    struct address address;
    assert_true(address_parse("a@x.notatld", 11, NULL, &address));
}

/* --- cleaning is reported -------------------------------------------------------------------- */

static const struct {
    const char *input, *code;
    unsigned position;
} received[] = {
    {"jane@iana.org", "ok", 0},
    {" jane@iana.org", "bad_char", 0},
    {"jane@iana.org ", "bad_char", 13},
    {"<jane@iana.org>", "bad_char", 0},
    {" <jane@iana.org>", "bad_char", 0},
    {"mailto:jane@iana.org", "bad_char", 6},
    {"jane@iana.org.", "dot_end", 13},
    {"jane@iana.org. ", "dot_end", 13},
    {"jane@mailserver ", "bad_char", 15},
    {"jane@mailserver", "no_tld", 5},
    {"jane doe@iana.org ", "bad_char", 4},
};

static void test_received(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(received); i++) {
        struct address address;
        print_message("  %s\n", received[i].input);
        address_parse(received[i].input, strlen(received[i].input), &options, &address);
        assert_string_equal(address_code_name(address.received_code), received[i].code);
        assert_int_equal(address.received_position, received[i].position);
    }
}

static void test_bounds(void **state)
{
    static char input[ADDRESS_INPUT_MAX + 1];
    struct address address;

    (void)state;
    assert_false(address_parse("ja\0ne@iana.org", 14, &options, &address));
    assert_int_equal(address.code, ADDRESS_BAD_CHAR);
    assert_int_equal(address.position, 2);
    assert_false(address_parse("jane@iana.org\0", 14, &options, &address));
    assert_int_equal(address.position, 13);
    memset(input, ' ', sizeof(input));
    memcpy(input, "jane@iana.org", 13);
    assert_true(address_parse(input, ADDRESS_INPUT_MAX, &options, &address));
    assert_false(address_parse(input, sizeof(input), &options, &address));
    assert_int_equal(address.code, ADDRESS_TOO_LONG);
    memset(input, 'a', sizeof(input));
    assert_false(address_parse(input, ADDRESS_INPUT_MAX, &options, &address));
    assert_int_equal(address.code, ADDRESS_NO_AT);
}

/* --- every octet string: refused inside the input, or the same when read again --------------- */

static void check_property(const char *input, size_t length)
{
    struct address first, again;
    char once[ADDRESS_TEXT_SIZE], twice[ADDRESS_TEXT_SIZE];

    if (!address_parse(input, length, &options, &first)) {
        assert_in_range(first.position, 0, length);
        assert_int_not_equal(first.code, ADDRESS_OK);
        return;
    }
    address_normalized(&first, once);
    assert_true(strlen(once) <= ADDRESS_MAX);
    assert_true(address_parse(once, strlen(once), &options, &again));
    address_normalized(&again, twice);
    assert_string_equal(once, twice);
    assert_int_equal(first.code, again.code);
    assert_false(again.cleaned);
    assert_string_equal(first.domain_ascii, again.domain_ascii);
    assert_int_equal(first.quoted_local, again.quoted_local);
    assert_int_equal(first.non_ascii_local, again.non_ascii_local);
    address_wire(&first, once);
    assert_true(address_parse(once, strlen(once), &options, &again));
    assert_string_equal(first.domain, again.domain);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Strings made of pieces that matter to the grammar. */
static void test_property(void **state)
{
    static const char *const pieces[] = {
        "a",
        "b",
        "@",
        ".",
        "-",
        "\"",
        "\\",
        " ",
        "<",
        ">",
        "(",
        "[",
        "]",
        ":",
        "1",
        "+",
        "%",
        "mailto:",
        "ü",
        "u\xCC\x88",
        "xn--",
        "。",
        "．",
        "א",
        "𐍈",
        "\t",
        "\x80",
        "\xE2\x80\x8B",
        "IPv6:",
        "com",
        "\0",
        "\xCD\xBE",
        "ß",
        "K",
        "_",
        "%41",
        "test",
        "中",
        "ﬁ",
        "\xEF\xBC\xA0",
        "\xE2\x84\xAA",
        "\xE2\x80\x8D",
        "क्",
    };
    uint32_t seed = 20261122;

    (void)state;
    for (int round = 0; round < 200000; round++) {
        char input[256];
        size_t length = 0, count = next_random(&seed) % 14;
        for (size_t i = 0; i < count; i++) {
            const char *piece = pieces[next_random(&seed) % ARRAY_LENGTH(pieces)];
            size_t size = piece[0] == '\0' ? 1 : strlen(piece);
            memcpy(input + length, piece, size);
            length += size;
        }
        check_property(input, length);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(accepted); i++)
        check_property(accepted[i].input, strlen(accepted[i].input));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_literals), cmocka_unit_test(test_judged),
        cmocka_unit_test(test_options),  cmocka_unit_test(test_received),
        cmocka_unit_test(test_bounds),   cmocka_unit_test(test_property),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
