#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/smtp/reply.h"

/* Feeds "line\nline": returns what the last line came to. */
static enum smtp_parse feed(struct smtp_reply *reply, const char *lines, size_t length)
{
    enum smtp_parse parse = SMTP_PARSE_BAD;

    do {
        const char *end = memchr(lines, '\n', length);
        size_t line = end != NULL ? (size_t)(end - lines) : length;

        parse = smtp_reply_add_line(reply, lines, line);
        lines += line + (end != NULL);
        length -= line + (end != NULL);
    } while (parse == SMTP_PARSE_MORE && length > 0);
    return parse;
}

#define BYTES(literal) literal, sizeof(literal) - 1

static const struct good_reply {
    const char *label, *lines;
    size_t length;
    enum smtp_parse parse;
    uint16_t code;
    uint8_t enhanced[3];
    const char *text;
    bool codes_differ;
} good_replies[] = {
    {"code alone", BYTES("250"), SMTP_PARSE_DONE, 250, {0}, "", false},
    {"code and space", BYTES("250 "), SMTP_PARSE_DONE, 250, {0}, "", false},
    {"text", BYTES("220 mx ESMTP"), SMTP_PARSE_DONE, 220, {0}, "mx ESMTP", false},
    {"tab for a space", BYTES("250\tok"), SMTP_PARSE_DONE, 250, {0}, "ok", false},
    {"no space", BYTES("250ok"), SMTP_PARSE_DONE, 250, {0}, "ok", false},
    {"bare LF is conn's; a CR too many",
     BYTES("250 ok\r\r"),
     SMTP_PARSE_DONE,
     250,
     {0},
     "ok",
     false},
    {"CR inside stays", BYTES("250 a\rb"), SMTP_PARSE_DONE, 250, {0}, "a\rb", false},
    {"unknown code of a known class", BYTES("585 x"), SMTP_PARSE_DONE, 585, {0}, "x", false},
    {"NUL", BYTES("250 a\0b"), SMTP_PARSE_DONE, 250, {0}, "a b", false},
    {"NUL behind the code", BYTES("250\0"), SMTP_PARSE_DONE, 250, {0}, " ", false},
    {"not UTF-8", BYTES("250 \xff\xfe"), SMTP_PARSE_DONE, 250, {0}, "\xff\xfe", false},
    {"unfinished", BYTES("250-mx"), SMTP_PARSE_MORE, 250, {0}, "mx", false},
    {"several lines",
     BYTES("250-mx\n250-SIZE 1\n250 HELP"),
     SMTP_PARSE_DONE,
     250,
     {0},
     "mx\nSIZE 1\nHELP",
     false},
    {"empty lines in it", BYTES("250-\n250-\n250"), SMTP_PARSE_DONE, 250, {0}, "\n\n", false},
    {"the last code counts", BYTES("250-a\n550 b"), SMTP_PARSE_DONE, 550, {0}, "a\nb", true},
    {"its enhanced code goes with it",
     BYTES("250-2.1.5 a\n550 5.1.1 b"),
     SMTP_PARSE_DONE,
     550,
     {5, 1, 1},
     "a\nb",
     true},
    {"or none", BYTES("250-2.1.5 a\n550 b"), SMTP_PARSE_DONE, 550, {0}, "a\nb", true},
    /* enhanced codes */
    {"enhanced",
     BYTES("550 5.1.1 User unknown"),
     SMTP_PARSE_DONE,
     550,
     {5, 1, 1},
     "User unknown",
     false},
    {"enhanced alone", BYTES("550 5.1.1"), SMTP_PARSE_DONE, 550, {5, 1, 1}, "", false},
    {"three digits", BYTES("550 5.7.134 no"), SMTP_PARSE_DONE, 550, {5, 7, 134}, "no", false},
    {"a class of its own", BYTES("450 5.1.1 no"), SMTP_PARSE_DONE, 450, {5, 1, 1}, "no", false},
    {"on each line",
     BYTES("550-5.1.1 a\n550 5.1.1 b"),
     SMTP_PARSE_DONE,
     550,
     {5, 1, 1},
     "a\nb",
     false},
    {"only on the second",
     BYTES("550-a\n550 5.1.1 b"),
     SMTP_PARSE_DONE,
     550,
     {5, 1, 1},
     "a\nb",
     false},
    {"the first one speaks",
     BYTES("550-5.1.1 a\n550 5.7.1 b"),
     SMTP_PARSE_DONE,
     550,
     {5, 1, 1},
     "a\nb",
     false},
    {"hash",
     BYTES("550 #5.1.0 Address rejected."),
     SMTP_PARSE_DONE,
     550,
     {5, 1, 0},
     "Address rejected.",
     false},
    {"hash in brackets, at the end",
     BYTES("550 no mailbox. (#5.1.1)"),
     SMTP_PARSE_DONE,
     550,
     {5, 1, 1},
     "no mailbox. (#5.1.1)",
     false},
    {"square brackets", BYTES("550 [5.1.1] no"), SMTP_PARSE_DONE, 550, {5, 1, 1}, "no", false},
    {"round brackets later",
     BYTES("550 no (5.7.1)"),
     SMTP_PARSE_DONE,
     550,
     {5, 7, 1},
     "no (5.7.1)",
     false},
    {"glued", BYTES("550.5.4.1 no"), SMTP_PARSE_DONE, 550, {5, 4, 1}, "no", false},
    {"no space behind it", BYTES("550 5.1.1: no"), SMTP_PARSE_DONE, 550, {5, 1, 1}, ": no", false},
    {"two spaces before it", BYTES("550  5.1.1 no"), SMTP_PARSE_DONE, 550, {5, 1, 1}, "no", false},
    {"code said twice",
     BYTES("550-sorry\n550 550 5.1.1 no"),
     SMTP_PARSE_DONE,
     550,
     {5, 1, 1},
     "sorry\nno",
     false},
    {"an address is none",
     BYTES("550 5.1.1.1 blocked"),
     SMTP_PARSE_DONE,
     550,
     {0},
     "5.1.1.1 blocked",
     false},
    {"an address in brackets is none",
     BYTES("550 host [5.1.1.1] no"),
     SMTP_PARSE_DONE,
     550,
     {0},
     "host [5.1.1.1] no",
     false},
    {"class 3 is none", BYTES("550 3.1.1 no"), SMTP_PARSE_DONE, 550, {0}, "3.1.1 no", false},
    {"two numbers are none", BYTES("550 5.1 no"), SMTP_PARSE_DONE, 550, {0}, "5.1 no", false},
    {"four digits are none",
     BYTES("550 5.1.1000 no"),
     SMTP_PARSE_DONE,
     550,
     {0},
     "5.1.1000 no",
     false},
    {"in the middle unmarked is none",
     BYTES("550 see 5.1.1 there"),
     SMTP_PARSE_DONE,
     550,
     {0},
     "see 5.1.1 there",
     false},
    {"a detail beyond the octet",
     BYTES("550 5.7.606 banned"),
     SMTP_PARSE_DONE,
     550,
     {5, 7, 0},
     "5.7.606 banned",
     false},
    {"an open bracket", BYTES("550 (5.1.1 no"), SMTP_PARSE_DONE, 550, {0}, "(5.1.1 no", false},
};

static const struct bad_reply {
    const char *label, *lines;
    size_t length;
} bad_replies[] = {
    {"nothing", BYTES("")},
    {"two digits", BYTES("25")},
    {"letters", BYTES("2x0 ok")},
    {"four digits", BYTES("2500 ok")},
    {"glued without its dot", BYTES("5505.4.1")},
    {"class 1", BYTES("150 ok")},
    {"class 6", BYTES("650 ok")},
    {"leading space", BYTES(" 250 ok")},
    {"another protocol", BYTES("* OK IMAP4rev1")},
    {"a later line without a code", BYTES("250-mx\nPIPELINING")},
    {"an empty line in it", BYTES("250-mx\n\n250 ok")},
    {"NUL in the code", BYTES("2\0"
                              "50 ok")},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(good_replies); i++) {
        const struct good_reply *row = &good_replies[i];
        struct smtp_reply reply;

        smtp_reply_init(&reply);
        enum smtp_parse parse = feed(&reply, row->lines, row->length);
        const char *text = smtp_reply_text(&reply, SMTP_REPLY_KEPT_MAX);
        if (parse != row->parse || reply.code != row->code || strcmp(text, row->text) != 0 ||
            memcmp(reply.enhanced, row->enhanced, 3) != 0 ||
            reply.codes_differ != row->codes_differ)
            fail_msg("%s: %d, code %u, enhanced %u.%u.%u, text '%s'", row->label, (int)parse,
                     reply.code, reply.enhanced[0], reply.enhanced[1], reply.enhanced[2], text);
        smtp_reply_clear(&reply);
    }
}

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad_replies); i++) {
        struct smtp_reply reply;

        smtp_reply_init(&reply);
        if (feed(&reply, bad_replies[i].lines, bad_replies[i].length) != SMTP_PARSE_BAD)
            fail_msg("%s: taken as a reply", bad_replies[i].label);
        smtp_reply_clear(&reply);
    }
}

/* Feeds `count` lines of `length` octets, all "250-xxx": returns how many were taken. */
static size_t taken(size_t count, size_t length)
{
    struct smtp_reply reply;
    char line[SMTP_REPLY_LINE_MAX + 2];
    size_t good = 0;

    memset(line, 'x', sizeof(line));
    memcpy(line, "250-", 4);
    smtp_reply_init(&reply);
    while (good < count && smtp_reply_add_line(&reply, line, length) == SMTP_PARSE_MORE)
        good++;
    assert_true(reply.text.length <= SMTP_REPLY_KEPT_MAX);
    smtp_reply_clear(&reply);
    return good;
}

static void test_bounds(void **state)
{
    (void)state;
    assert_int_equal(taken(1, SMTP_REPLY_LINE_MAX), 1);
    assert_int_equal(taken(1, SMTP_REPLY_LINE_MAX + 1), 0);
    assert_int_equal(taken(1000, 10), SMTP_REPLY_LINES_MAX);
    assert_int_equal(taken(1000, SMTP_REPLY_LINE_MAX), SMTP_REPLY_OCTETS_MAX / SMTP_REPLY_LINE_MAX);
}

/* A reply that is not yet there costs nothing; one that is goes again. */
static void test_memory(void **state)
{
    struct smtp_reply reply;

    (void)state;
    smtp_reply_init(&reply);
    assert_null(reply.text.bytes);
    assert_int_equal(smtp_reply_add_line(&reply, "250 ok", 6), SMTP_PARSE_DONE);
    assert_true(reply.text.capacity <= 64);
    smtp_reply_clear(&reply);
    assert_null(reply.text.bytes);
    assert_int_equal(reply.code, 0);
}

static void test_cut(void **state)
{
    struct smtp_reply reply;

    (void)state;
    smtp_reply_init(&reply);
    smtp_reply_add_line(&reply, "250 abcdef", 10);
    assert_string_equal(smtp_reply_text(&reply, 3), "abc");
    smtp_reply_clear(&reply);
    assert_string_equal(smtp_reply_text(&reply, 3), "");
    smtp_reply_clear(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),   cmocka_unit_test(test_bad), cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_memory), cmocka_unit_test(test_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
