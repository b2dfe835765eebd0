/* Raw DNS answers, octet by octet: what is read, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probes/base/mem.h"
#include "probes/net/dns_message.h"

/* Flags, then the four counts: one question always, unless written out. */
#define HEADER(flags, answers, authorities, additionals)                                           \
    "\x12\x34" flags "\0\1" answers authorities additionals
#define OK       "\x81\x80"
#define NXDOMAIN "\x81\x83"
#define NONE     "\0\0"
#define ONE      "\0\1"
#define TWO      "\0\2"

/* The question stands at offset 12, "test" within it at 14. */
#define NAME                    "\1a\4test\0"
#define QUESTION(t)             NAME "\0" t "\0\1"
#define A                       "\1"
#define CNAME                   "\5"
#define SOA                     "\6"
#define PTR                     "\x0c"
#define MX                      "\x0f"
#define TXT                     "\x10"
#define AAAA                    "\x1c"
#define SRV                     "\x21"
#define SAME                    "\xc0\x0c" /* a.test */
#define IN                      "\0\1"
#define TTL_300                 "\0\0\1\x2c"
#define TTL_60                  "\0\0\0\x3c"
#define TTL_HUGE                "\x80\0\0\0"
#define RR(owner, t, ttl, data) owner "\0" t IN ttl data
#define LENGTH(n)               "\0" n
#define OPT(data)               "\0\0\x29\x04\xd0\0\0\0\0" data
#define EDE(code)               "\0\6\0\x0f\0\2\0" code

#define BYTES(literal) (literal), sizeof(literal) - 1

/* --- what is read --------------------------------------------------------------------------- */

static const struct good_case {
    const char *label;
    const char *bytes;
    size_t length;
    enum dns_type type;
    unsigned rcode;
    size_t count;
    uint32_t ttl_s;
    unsigned hops;
    const char *first; /* name, text or address of the first record */
} good_cases[] = {
    {"A",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(A) RR(SAME, A, TTL_300, LENGTH("\4") "\x08\1\1\1")),
     DNS_A, 0, 1, 300, 0, "8.1.1.1"},
    {"AAAA",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(AAAA)
               RR(SAME, AAAA, TTL_300, LENGTH("\x10") "\x26\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1")),
     DNS_AAAA, 0, 1, 300, 0, "2600::1"},
    {"least TTL of two",
     BYTES(HEADER(OK, TWO, NONE, NONE) QUESTION(A) RR(SAME, A, TTL_300, LENGTH("\4") "\x08\1\1\1")
               RR(SAME, A, TTL_60, LENGTH("\4") "\x08\1\1\2")),
     DNS_A, 0, 2, 60, 0, "8.1.1.1"},
    {"TTL with the top bit is 0",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(A)
               RR(SAME, A, TTL_HUGE, LENGTH("\4") "\x08\1\1\1")),
     DNS_A, 0, 1, 0, 0, "8.1.1.1"},
    {"another type is passed over",
     BYTES(HEADER(OK, TWO, NONE, NONE) QUESTION(A) RR(SAME, TXT, TTL_60, LENGTH("\2") "\1x")
               RR(SAME, A, TTL_300, LENGTH("\4") "\x08\1\1\1")),
     DNS_A, 0, 1, 300, 0, "8.1.1.1"},
    {"another owner is passed over",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(A)
               RR("\1b\xc0\x0e", A, TTL_60, LENGTH("\4") "\x08\1\1\1")),
     DNS_A, 0, 0, UINT32_MAX, 0, ""},
    {"another class is passed over",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(A) SAME
           "\0\1\0\3" TTL_60 LENGTH("\4") "\x08\1\1\1"),
     DNS_A, 0, 0, UINT32_MAX, 0, ""},
    {"MX, compressed and lowered",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(MX)
               RR(SAME, MX, TTL_300, LENGTH("\x07") "\0\x0a\2MX" SAME)),
     DNS_MX, 0, 1, 300, 0, "mx.a.test"},
    {"null MX",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(MX) RR(SAME, MX, TTL_300, LENGTH("\3") "\0\0\0")),
     DNS_MX, 0, 1, 300, 0, ""},
    {"odd octets in a name are escaped",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(MX)
               RR(SAME, MX, TTL_300, LENGTH("\x0a") "\0\x0a\5. \\\0\xff" SAME)),
     DNS_MX, 0, 1, 300, 0, "\\.\\032\\\\\\000\\255.a.test"},
    {"TXT of two strings",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(TXT)
               RR(SAME, TXT, TTL_300, LENGTH("\6") "\2ab\2cd")),
     DNS_TXT, 0, 1, 300, 0, "abcd"},
    {"TXT of nothing",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(TXT) RR(SAME, TXT, TTL_300, LENGTH("\1") "\0")),
     DNS_TXT, 0, 1, 300, 0, ""},
    {"SRV",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(SRV)
               RR(SAME, SRV, TTL_300, LENGTH("\x0a") "\0\1\0\2\3\xe1\1m" SAME)),
     DNS_SRV, 0, 1, 300, 0, "m.a.test"},
    {"PTR behind a classless delegation (RFC 2317)",
     BYTES(HEADER(OK, TWO, NONE, NONE) QUESTION(PTR)
               RR(SAME, CNAME, TTL_60, LENGTH("\4") "\1b\xc0\x0e")
                   RR("\1b\xc0\x0e", PTR, TTL_300, LENGTH("\5") "\2MX" SAME)),
     DNS_PTR, 0, 1, 60, 1, "mx.a.test"},
    {"CNAME followed",
     BYTES(HEADER(OK, TWO, NONE, NONE) QUESTION(A)
               RR(SAME, CNAME, TTL_60, LENGTH("\4") "\1b\xc0\x0e")
                   RR("\1b\xc0\x0e", A, TTL_300, LENGTH("\4") "\x08\1\1\1")),
     DNS_A, 0, 1, 60, 1, "8.1.1.1"},
    {"CNAME behind its target",
     BYTES(HEADER(OK, TWO, NONE, NONE) QUESTION(A)
               RR("\1b\xc0\x0e", A, TTL_300, LENGTH("\4") "\x08\1\1\1")
                   RR(SAME, CNAME, TTL_60, LENGTH("\4") "\1B\xc0\x0e")),
     DNS_A, 0, 1, 60, 1, "8.1.1.1"},
    {"NODATA with SOA: the lesser of TTL and minimum",
     BYTES(HEADER(OK, NONE, ONE, NONE) QUESTION(A) RR(
         "\xc0\x0e", SOA, TTL_300, LENGTH("\x16") "\0\0" TTL_300 TTL_300 TTL_300 TTL_300 TTL_60)),
     DNS_A, 0, 0, 60, 0, ""},
    {"NXDOMAIN with SOA: the lesser of minimum and TTL",
     BYTES(HEADER(NXDOMAIN, NONE, ONE, NONE) QUESTION(A) RR(
         "\xc0\x0e", SOA, TTL_60, LENGTH("\x16") "\0\0" TTL_300 TTL_300 TTL_300 TTL_300 TTL_300)),
     DNS_A, 3, 0, 60, 0, ""},
    {"extended RCODE",
     BYTES(HEADER(OK, NONE, NONE, ONE) QUESTION(A) "\0\0\x29\x04\xd0\1\0\0\0\0\0"), DNS_A, 16, 0,
     UINT32_MAX, 0, ""},
    {"truncated: only the header counts",
     BYTES(HEADER("\x83\x80", ONE, NONE, NONE) QUESTION(A) "\xc0"), DNS_A, 0, 0, UINT32_MAX, 0, ""},
    {"refusal without question", BYTES("\x12\x34\x81\x85\0\0\0\0\0\0\0\0"), DNS_A, 5, 0, UINT32_MAX,
     0, ""},
    {"question in another case",
     BYTES(HEADER(OK, ONE, NONE, NONE) "\1A\4tEsT\0\0\1\0\1" RR(SAME, A, TTL_300,
                                                                LENGTH("\4") "\x08\1\1\1")),
     DNS_A, 0, 1, 300, 0, "8.1.1.1"},
};

static const char *first_of(const struct dns_message *message, char *out, size_t size)
{
    const struct dns_record *record = &message->records[0];
    char address[IP_TEXT_SIZE];

    if (message->count == 0)
        return "";
    snprintf(out, size, "%s",
             record->address.family != 0 ? ip_format(&record->address, address)
             : record->text != NULL      ? record->text
                                         : record->name);
    return out;
}

static struct dns_message message;

static void test_good(void **state)
{
    char first[1200];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(good_cases); i++) {
        const struct good_case *row = &good_cases[i];

        if (!dns_message_parse((const uint8_t *)row->bytes, row->length, "a.test", row->type,
                               &message))
            fail_msg("%s: refused", row->label);
        if (message.rcode != row->rcode || message.count != row->count ||
            message.ttl_s != row->ttl_s || message.hops != row->hops)
            fail_msg("%s: rcode %u, count %zu, ttl %u, hops %u", row->label, message.rcode,
                     message.count, message.ttl_s, message.hops);
        if (strcmp(first_of(&message, first, sizeof first), row->first) != 0)
            fail_msg("%s: '%s'", row->label, first);
    }
}

static void test_fields(void **state)
{
    static const char srv[] = HEADER("\x81\xa0", ONE, NONE, ONE) QUESTION(SRV)
        RR(SAME, SRV, TTL_300, LENGTH("\x0a") "\0\1\0\2\3\xe1\1m" SAME) OPT(EDE("\6"));
    static const char filtered[] = HEADER(NXDOMAIN, NONE, NONE, ONE) QUESTION(A) OPT(EDE("\x11"));

    (void)state;
    assert_true(
        dns_message_parse((const uint8_t *)srv, sizeof srv - 1, "a.test", DNS_SRV, &message));
    assert_true(message.authentic && message.has_opt && !message.filtered && !message.has_soa);
    assert_int_equal(message.records[0].preference, 1);
    assert_int_equal(message.records[0].weight, 2);
    assert_int_equal(message.records[0].port, 993);
    assert_true(dns_message_parse((const uint8_t *)filtered, sizeof filtered - 1, "a.test", DNS_A,
                                  &message));
    assert_true(message.filtered && !message.authentic);
    assert_string_equal(message.final_name, "a.test");
}

/* --- what is refused ------------------------------------------------------------------------- */

static const struct bad_case {
    const char *label;
    const char *bytes;
    size_t length;
    enum dns_type type;
} bad_cases[] = {
    {"empty", BYTES(""), DNS_A},
    {"half a header", BYTES("\x12\x34\x81\x80\0\1"), DNS_A},
    {"a question, not an answer", BYTES("\x12\x34\1\0\0\1\0\0\0\0\0\0" QUESTION(A)), DNS_A},
    {"no question", BYTES("\x12\x34\x81\x80\0\0\0\0\0\0\0\0"), DNS_A},
    {"two questions", BYTES("\x12\x34\x81\x80\0\2\0\0\0\0\0\0" QUESTION(A) QUESTION(A)), DNS_A},
    {"another name", BYTES(HEADER(OK, NONE, NONE, NONE) "\1b\4test\0\0\1\0\1"), DNS_A},
    {"another type", BYTES(HEADER(OK, NONE, NONE, NONE) QUESTION(AAAA)), DNS_A},
    {"another class", BYTES(HEADER(OK, NONE, NONE, NONE) NAME "\0\1\0\3"), DNS_A},
    {"fewer records than said", BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(A)), DNS_A},
    {"record cut off", BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(A) SAME "\0\1\0\1\0\0"), DNS_A},
    {"data cut off",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(A) RR(SAME, A, TTL_60, LENGTH("\4") "\x08\1\1")),
     DNS_A},
    {"A of five octets",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(A)
               RR(SAME, A, TTL_60, LENGTH("\5") "\x08\1\1\1\1")),
     DNS_A},
    {"A of sixteen octets",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(A)
               RR(SAME, A, TTL_60, LENGTH("\x10") "0123456789abcdef")),
     DNS_A},
    {"pointer to itself",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(A)
               RR("\xc0\x18", A, TTL_60, LENGTH("\4") "\x08\1\1\1")),
     DNS_A},
    {"pointer forwards",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(A)
               RR("\xc0\x20", A, TTL_60, LENGTH("\4") "\x08\1\1\1")),
     DNS_A},
    {"pointer out of the message",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(A)
               RR("\xff\xff", A, TTL_60, LENGTH("\4") "\x08\1\1\1")),
     DNS_A},
    {"half a pointer", BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(A) "\xc0"), DNS_A},
    {"label of an unknown kind",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(A) RR("\x41"
                                                      "b",
                                                      A, TTL_60, LENGTH("\4") "\x08\1\1\1")),
     DNS_A},
    {"MX without a name",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(MX) RR(SAME, MX, TTL_60, LENGTH("\2") "\0\x0a")),
     DNS_MX},
    {"MX with octets behind",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(MX) RR(SAME, MX, TTL_60, LENGTH("\4") "\0\x0a\0x")),
     DNS_MX},
    {"MX whose name leaves its data",
     BYTES(HEADER(OK, TWO, NONE, NONE) QUESTION(MX)
               RR(SAME, MX, TTL_60, LENGTH("\4") "\0\x0a\5b") "cdef\0"),
     DNS_MX},
    {"PTR with octets behind",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(PTR) RR(SAME, PTR, TTL_60, LENGTH("\3") SAME "x")),
     DNS_PTR},
    {"TXT without a string",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(TXT) RR(SAME, TXT, TTL_60, LENGTH("\0"))), DNS_TXT},
    {"TXT string too long",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(TXT) RR(SAME, TXT, TTL_60, LENGTH("\2") "\2x")),
     DNS_TXT},
    {"SRV cut off",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(SRV)
               RR(SAME, SRV, TTL_60, LENGTH("\4") "\0\1\0\2")),
     DNS_SRV},
    {"SOA cut off",
     BYTES(HEADER(OK, NONE, ONE, NONE) QUESTION(A) RR(SAME, SOA, TTL_60, LENGTH("\2") "\0\0")),
     DNS_A},
    {"OPT option too long",
     BYTES(HEADER(OK, NONE, NONE, ONE) QUESTION(A) OPT("\0\6\0\x0f\0\x09\0\1")), DNS_A},
    {"CNAME with octets behind",
     BYTES(HEADER(OK, ONE, NONE, NONE) QUESTION(A) RR(SAME, CNAME, TTL_60,
                                                      LENGTH("\5") "\1b\xc0\x0e"
                                                                   "x")),
     DNS_A},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad_cases); i++) {
        /* A copy of the exact size, so that ASan sees a read beyond it. */
        uint8_t *copy = mem_zeroed(1, bad_cases[i].length);

        memcpy(copy, bad_cases[i].bytes, bad_cases[i].length);
        if (dns_message_parse(copy, bad_cases[i].length, "a.test", bad_cases[i].type, &message))
            fail_msg("%s: taken", bad_cases[i].label);
        free(copy);
    }
}

/* Every prefix of a good message is refused or harmless; none reads beyond its end. */
static void test_prefixes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(good_cases); i++)
        for (size_t length = 0; length < good_cases[i].length; length++) {
            uint8_t *copy = mem_zeroed(1, length);

            memcpy(copy, good_cases[i].bytes, length);
            if (dns_message_parse(copy, length, "a.test", good_cases[i].type, &message) &&
                !message.truncated)
                fail_msg("%s: a prefix of %zu octets was taken", good_cases[i].label, length);
            free(copy);
        }
}

/* --- bounds ---------------------------------------------------------------------------------- */

struct builder {
    uint8_t bytes[65535];
    size_t length;
};

static struct builder built;

static void begin(const char *literal, size_t length)
{
    memcpy(built.bytes, literal, length);
    built.length = length;
}

static void append(const char *literal, size_t length)
{
    memcpy(built.bytes + built.length, literal, length);
    built.length += length;
}

static void set_answers(size_t count)
{
    built.bytes[6] = (uint8_t)(count >> 8);
    built.bytes[7] = (uint8_t)count;
}

static void test_many_records(void **state)
{
    (void)state;
    begin(BYTES(HEADER(OK, NONE, NONE, NONE) QUESTION(A)));
    for (int i = 0; i < 500; i++)
        append(BYTES(RR(SAME, A, TTL_60, LENGTH("\4") "\x08\1\1\1")));
    set_answers(500);
    assert_true(dns_message_parse(built.bytes, built.length, "a.test", DNS_A, &message));
    assert_int_equal(message.count, DNS_RECORDS_MAX);
    set_answers(513);
    assert_false(dns_message_parse(built.bytes, built.length, "a.test", DNS_A, &message));
}

static void test_long_alias_chain(void **state)
{
    (void)state;
    for (int hops = 15; hops <= 18; hops++) {
        begin(BYTES(HEADER(OK, NONE, NONE, NONE) QUESTION(A)));
        for (int i = 0; i < hops; i++) {
            const char names[] = {1, (char)('a' + i), 1, (char)('b' + i)};

            append(names, 2);
            append(BYTES("\xc0\x0e\0" CNAME IN TTL_60 "\0\4"));
            append(names + 2, 2);
            append(BYTES("\xc0\x0e"));
        }
        set_answers((size_t)hops);
        assert_true(dns_message_parse(built.bytes, built.length, "a.test", DNS_A, &message));
        assert_int_equal(message.loop, hops > DNS_HOPS_MAX);
        if (!message.loop)
            assert_int_equal(message.hops, hops);
    }
}

static void test_name_lengths(void **state)
{
    char label[64], text[DNS_NAME_TEXT_SIZE];
    size_t offset = 0;

    (void)state;
    memset(label, '\xff', sizeof label);
    label[0] = 62;
    begin("", 0);
    for (int i = 0; i < 4; i++)
        append(label, 63); /* 252 octets, and the root makes 253 */
    append("\0", 1);
    assert_true(dns_name_read(built.bytes, built.length, &offset, text));
    assert_int_equal(strlen(text), 4 * 62 * 4 + 3);
    assert_int_equal(offset, 253);
    built.length--;
    append("\3abc\0", 5); /* 257 */
    offset = 0;
    assert_false(dns_name_read(built.bytes, built.length, &offset, text));
}

static void test_text_bounds(void **state)
{
    static const size_t strings[] = {32, 33, 200};
    char string[256];

    (void)state;
    memset(string, 'x', sizeof string);
    string[0] = '\xff';
    for (size_t i = 0; i < ARRAY_LENGTH(strings); i++) {
        size_t length = strings[i] * 256;
        const char size[2] = {(char)(length >> 8), (char)length};

        begin(BYTES(HEADER(OK, TWO, NONE, NONE) QUESTION(TXT) SAME "\0" TXT IN TTL_60));
        append(size, 2);
        for (size_t k = 0; k < strings[i]; k++)
            append(string, sizeof string);
        append(BYTES(RR(SAME, TXT, TTL_60, LENGTH("\2") "\1y")));
        assert_true(dns_message_parse(built.bytes, built.length, "a.test", DNS_TXT, &message));
        if (strings[i] * 255 <= DNS_TEXT_MAX) {
            assert_int_equal(message.records[0].text_length, strings[i] * 255);
        } else { /* too long to be anything: left out, the other stays */
            assert_int_equal(message.count, 1);
            assert_string_equal(message.records[0].text, "y");
        }
    }
}

static void test_arena_is_bounded(void **state)
{
    char string[256];

    (void)state;
    memset(string, 'x', sizeof string);
    string[0] = '\xff';
    begin(BYTES(HEADER(OK, NONE, NONE, NONE) QUESTION(TXT)));
    for (int i = 0; i < 8; i++) {
        append(BYTES(SAME "\0" TXT IN TTL_60 "\x1e\0")); /* 30 strings of 256 octets */
        for (int k = 0; k < 30; k++)
            append(string, sizeof string);
    }
    set_answers(8);
    assert_true(dns_message_parse(built.bytes, built.length, "a.test", DNS_TXT, &message));
    assert_int_equal(message.count, DNS_ARENA_SIZE / (30 * 255 + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_many_records),
        cmocka_unit_test(test_long_alias_chain),
        cmocka_unit_test(test_name_lengths),
        cmocka_unit_test(test_text_bounds),
        cmocka_unit_test(test_arena_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
