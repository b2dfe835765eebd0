/* One response out of octets: what is taken, what is refused, and what capabilities mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probes/base/evidence.h"
#include "probes/base/mem.h"
#include "probes/imap/capability.h"
#include "probes/imap/response.h"

static bool span_equal(struct imap_span span, const char *text)
{
    return span.length == strlen(text) &&
           (span.length == 0 || memcmp(span.at, text, span.length) == 0);
}

static const struct {
    const char *label, *line;
    enum imap_kind kind;
    enum imap_status status;
    enum imap_code code;
    const char *tag, *code_text, *text;
} good_lines[] = {
    {"greeting", "* OK ready", IMAP_KIND_STATUS, IMAP_STATUS_OK, IMAP_CODE_NONE, "", "", "ready"},
    {"greeting without text", "* OK", IMAP_KIND_STATUS, IMAP_STATUS_OK, IMAP_CODE_NONE, "", "", ""},
    {"greeting with capabilities", "* OK [CAPABILITY IMAP4rev1 IDLE] hi", IMAP_KIND_STATUS,
     IMAP_STATUS_OK, IMAP_CODE_CAPABILITY, "", " IMAP4rev1 IDLE", "hi"},
    {"alert", "* OK [ALERT] disk full", IMAP_KIND_STATUS, IMAP_STATUS_OK, IMAP_CODE_ALERT, "", "",
     "disk full"},
    {"bye with a code", "* BYE [UNAVAILABLE] later", IMAP_KIND_STATUS, IMAP_STATUS_BYE,
     IMAP_CODE_UNAVAILABLE, "", "", "later"},
    {"contact the administrator", "* BYE [contactadmin] x", IMAP_KIND_STATUS, IMAP_STATUS_BYE,
     IMAP_CODE_CONTACTADMIN, "", "", "x"},
    {"a code nobody knows", "* OK [X-NEW 7 of 9] y", IMAP_KIND_STATUS, IMAP_STATUS_OK,
     IMAP_CODE_OTHER, "", " 7 of 9", "y"},
    {"bracket left open is text", "* OK [ALERT disk", IMAP_KIND_STATUS, IMAP_STATUS_OK,
     IMAP_CODE_NONE, "", "", "[ALERT disk"},
    {"empty bracket", "* OK [] z", IMAP_KIND_STATUS, IMAP_STATUS_OK, IMAP_CODE_NONE, "", "", "z"},
    {"preauth", "* PREAUTH open", IMAP_KIND_STATUS, IMAP_STATUS_PREAUTH, IMAP_CODE_NONE, "", "",
     "open"},
    {"tagged", "a1 OK done", IMAP_KIND_TAGGED, IMAP_STATUS_OK, IMAP_CODE_NONE, "a1", "", "done"},
    {"tagged no", "a12 NO [PRIVACYREQUIRED] TLS", IMAP_KIND_TAGGED, IMAP_STATUS_NO,
     IMAP_CODE_PRIVACYREQUIRED, "a12", "", "TLS"},
    {"tagged bad, lower case", "A1 bad", IMAP_KIND_TAGGED, IMAP_STATUS_BAD, IMAP_CODE_NONE, "A1",
     "", ""},
    {"capability", "* CAPABILITY IMAP4rev1 STARTTLS", IMAP_KIND_CAPABILITY, IMAP_STATUS_NONE,
     IMAP_CODE_NONE, "", "", "IMAP4rev1 STARTTLS"},
    {"capability, empty", "* CAPABILITY", IMAP_KIND_CAPABILITY, IMAP_STATUS_NONE, IMAP_CODE_NONE,
     "", "", ""},
    {"id", "* ID (\"name\" \"x\")", IMAP_KIND_ID, IMAP_STATUS_NONE, IMAP_CODE_NONE, "", "",
     "(\"name\" \"x\")"},
    {"other data", "* 3 EXISTS", IMAP_KIND_DATA, IMAP_STATUS_NONE, IMAP_CODE_NONE, "", "",
     "EXISTS"},
    {"continuation", "+ go ahead", IMAP_KIND_CONTINUATION, IMAP_STATUS_NONE, IMAP_CODE_NONE, "", "",
     ""},
    {"octets above 127", "* OK caf\xe9", IMAP_KIND_STATUS, IMAP_STATUS_OK, IMAP_CODE_NONE, "", "",
     "caf\xe9"},
    {"braces inside", "* OK {3} is no literal here", IMAP_KIND_STATUS, IMAP_STATUS_OK,
     IMAP_CODE_NONE, "", "", "{3} is no literal here"},
};

static void takes_good_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(good_lines); i++) {
        struct imap_response got = {.kind = IMAP_KIND_DATA};

        printf("%s\n", good_lines[i].label);
        assert_int_equal(imap_response_read(good_lines[i].line, strlen(good_lines[i].line), &got),
                         IMAP_PARSE_DONE);
        assert_int_equal(got.kind, good_lines[i].kind);
        assert_int_equal(got.status, good_lines[i].status);
        assert_int_equal(got.code, good_lines[i].code);
        assert_true(span_equal(got.tag, good_lines[i].tag));
        assert_true(span_equal(got.code_text, good_lines[i].code_text));
        assert_true(span_equal(got.text, good_lines[i].text));
    }
}

#define LINE(text) text, sizeof(text) - 1

static const struct {
    const char *label, *line;
    size_t length;
} bad_lines[] = {
    {"empty", LINE("")},
    {"blank", LINE(" ")},
    {"star alone", LINE("*")},
    {"star and space", LINE("* ")},
    {"star glued", LINE("*OK ready")},
    {"SMTP", LINE("220 mx.example ESMTP")},
    {"POP3", LINE("+OK ready")},
    {"HTTP", LINE("HTTP/1.1 400 Bad Request")},
    {"TLS alert", LINE("\x15\x03\x01\x00\x02\x02\x28")},
    {"NUL", LINE("* OK a\0b")},
    {"stray CR", LINE("* OK a\rb")},
    {"LF inside", LINE("* OK a\nb")},
    {"tag alone", LINE("a1")},
    {"tag with a wildcard", LINE("a% OK")},
    {"tag and no status", LINE("a1 MAYBE x")},
    {"tagged preauth", LINE("a1 PREAUTH x")},
    {"tagged bye", LINE("a1 BYE x")},
    {"tag too long", LINE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa OK x")},
    {"literal", LINE("* ID (\"name\" {12}")},
    {"literal, not synchronising", LINE("* ID (\"name\" {12+}")},
    {"literal8", LINE("* ID ~{12}")},
    {"literal of absurd length", LINE("a1 OK {99999999999999999999999999}")},
};

static void refuses_bad_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad_lines); i++) {
        struct imap_response got = {.kind = IMAP_KIND_CONTINUATION};

        printf("%s\n", bad_lines[i].label);
        assert_int_equal(imap_response_read(bad_lines[i].line, bad_lines[i].length, &got),
                         IMAP_PARSE_BAD);
        assert_int_equal(got.kind, IMAP_KIND_CONTINUATION); /* untouched */
    }
}

static void pulls_one_line_at_a_time(void **state)
{
    static const char bytes[] = "* OK one\r\n* BYE two\na1 O";
    struct imap_response got;
    size_t used = 77, at;

    (void)state;
    for (size_t length = 0; length < 10; length++) {
        assert_int_equal(imap_response_next(bytes, length, &used, &got), IMAP_PARSE_MORE);
        assert_int_equal(used, 77);
    }
    assert_int_equal(imap_response_next(bytes, sizeof(bytes) - 1, &used, &got), IMAP_PARSE_DONE);
    assert_int_equal(used, 10);
    assert_true(span_equal(got.text, "one"));
    at = used;
    assert_int_equal(imap_response_next(bytes + at, sizeof(bytes) - 1 - at, &used, &got),
                     IMAP_PARSE_DONE);
    assert_int_equal(used, 10);
    assert_int_equal(got.status, IMAP_STATUS_BYE);
    at += used;
    assert_int_equal(imap_response_next(bytes + at, sizeof(bytes) - 1 - at, &used, &got),
                     IMAP_PARSE_MORE);
}

static void stops_at_the_longest_line(void **state)
{
    char *line = mem_zeroed(IMAP_LINE_MAX + 2, 1);
    struct imap_response got;
    size_t used = 0;

    (void)state;
    memset(line, 'x', IMAP_LINE_MAX + 1);
    memcpy(line, "* OK ", 5);
    assert_int_equal(imap_response_next(line, IMAP_LINE_MAX, &used, &got), IMAP_PARSE_MORE);
    assert_int_equal(imap_response_next(line, IMAP_LINE_MAX + 1, &used, &got), IMAP_PARSE_BAD);
    assert_int_equal(used, IMAP_LINE_MAX + 1);
    line[IMAP_LINE_MAX] = '\n';
    assert_int_equal(imap_response_next(line, IMAP_LINE_MAX + 1, &used, &got), IMAP_PARSE_DONE);
    assert_int_equal(got.text.length, IMAP_LINE_MAX - 5);
    free(line);
}

#define BIT(name) (1u << IMAP_FEATURE_##name)

static const struct {
    const char *label, *list;
    unsigned traits, features;
    const char *words;
} lists[] = {
    {"nothing", "", 0, 0, ""},
    {"dovecot before sign-in", "IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ STARTTLS LOGINDISABLED",
     IMAP_TRAIT_REV1_OR_REV2 | IMAP_TRAIT_ID | IMAP_TRAIT_STARTTLS | IMAP_TRAIT_LOGINDISABLED,
     BIT(PUSH) | BIT(MIGRATION),
     "IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ STARTTLS LOGINDISABLED"},
    {"rev2 holds what it includes", "IMAP4rev2", IMAP_TRAIT_REV1_OR_REV2,
     BIT(PUSH) | BIT(FOLDERS) | BIT(SHARING) | BIT(SEARCH) | BIT(PARTIAL_FETCH) | BIT(MIGRATION),
     "IMAP4rev2"},
    {"password mechanisms", "AUTH=PLAIN AUTH=LOGIN", IMAP_TRAIT_AUTH_PASSWORD, 0,
     "AUTH=PLAIN AUTH=LOGIN"},
    {"PLAIN-CLIENTTOKEN is not PLAIN", "AUTH=PLAIN-CLIENTTOKEN", 0, 0, "AUTH=PLAIN-CLIENTTOKEN"},
    {"OAuth", "AUTH=XOAUTH2", 0, BIT(OAUTH), "AUTH=XOAUTH2"},
    {"values behind =", "QUOTA=RES-STORAGE THREAD=REFS COMPRESS=DEFLATE UTF8=ONLY", 0,
     BIT(QUOTA) | BIT(SEARCH) | BIT(COMPRESSION) | BIT(UTF8),
     "QUOTA=RES-STORAGE THREAD=REFS COMPRESS=DEFLATE UTF8=ONLY"},
    {"any case", "condstore qResync", 0, BIT(RESYNC), "condstore qResync"},
    {"part of a word does not count", "IDLER XSTARTTLS IMAP4", 0, 0, "IDLER XSTARTTLS IMAP4"},
    {"gaps", "  ACL   MOVE  ", 0, BIT(SHARING) | BIT(MIGRATION), "ACL MOVE"},
    {"what is no atom is left out", "IDLE \x1b[31m caf\xe9 MOVE", 0, BIT(PUSH) | BIT(MIGRATION),
     "IDLE MOVE"},
};

static void knows_what_capabilities_give(void **state)
{
    struct imap_capabilities got;

    (void)state;
    imap_capabilities_init(&got);
    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
        printf("%s\n", lists[i].label);
        imap_capabilities_take(&got, (struct imap_span){lists[i].list, strlen(lists[i].list)});
        assert_true(got.seen);
        assert_int_equal(got.traits, lists[i].traits);
        assert_int_equal(got.features, lists[i].features);
        assert_string_equal(got.words.bytes != NULL ? got.words.bytes : "", lists[i].words);
    }
    imap_capabilities_free(&got);
    assert_false(got.seen);
    assert_int_equal(got.traits | got.features, 0);
}

static void keeps_whole_words_up_to_the_bound(void **state)
{
    struct imap_capabilities got;
    char *list = mem_zeroed(IMAP_LINE_MAX, 1);
    size_t length = 0;

    (void)state;
    while (length + 10 < IMAP_LINE_MAX)
        length += (size_t)snprintf(list + length, IMAP_LINE_MAX - length, "XWORD%zu ", length);
    memcpy(list + length, "IDLE", 4);
    imap_capabilities_init(&got);
    imap_capabilities_take(&got, (struct imap_span){list, length + 4});
    assert_int_equal(got.features, BIT(PUSH)); /* the last word counts */
    assert_in_range(got.words.length, IMAP_CAPABILITIES_TEXT_MAX - 12, IMAP_CAPABILITIES_TEXT_MAX);
    assert_memory_equal(got.words.bytes, list, got.words.length - 16);
    imap_capabilities_free(&got);
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_good_lines),
        cmocka_unit_test(refuses_bad_lines),
        cmocka_unit_test(pulls_one_line_at_a_time),
        cmocka_unit_test(stops_at_the_longest_line),
        cmocka_unit_test(knows_what_capabilities_give),
        cmocka_unit_test(keeps_whole_words_up_to_the_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
