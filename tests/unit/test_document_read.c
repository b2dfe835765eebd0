/* Documents written, read back and decided again: nothing that decides may be lost on the way.
 * Then documents of others: old, short, broken, hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "service/replay.h"
#include "tests/support/verdict_cases.h"

static struct config config;

static int open_config(void **state)
{
    (void)state;
    config_defaults(&config);
    free(config.allow_special_names);
    config.allow_special_names = mem_copy_text("test");
    return 0;
}

static int close_config(void **state)
{
    (void)state;
    config_free(&config);
    return 0;
}

/* --- there and back ------------------------------------------------------------------ */

/* Words that mean the class at the stages where the rows have it. */
static const char *const words[REPLY_CLASS_COUNT] = {
    [REPLY_ACCEPTED] = "Ok",
    [REPLY_MAILBOX_NOT_FOUND] = "No such user here",
    [REPLY_MAILBOX_DISABLED] = "Mailbox disabled",
    [REPLY_MAILBOX_MOVED] = "User has moved to another address",
    [REPLY_MAILBOX_ABANDONED] =
        "The email account that you tried to reach is over quota and inactive",
    [REPLY_MAILBOX_FULL] = "Mailbox full",
    [REPLY_MAILBOX_RESTRICTED] = "Posting to this list is for members only",
    [REPLY_MAILBOX_RATE_LIMITED] =
        "4.2.1 The user you are trying to contact is receiving mail at a rate that prevents more",
    [REPLY_RELAY_DENIED] = "Relay access denied",
    [REPLY_GREYLISTED] = "Greylisted, come back later",
    [REPLY_TEMPORARY_FAILURE] = "4.3.0 Temporary lookup failure",
    [REPLY_PROBE_BLOCKED] = "5.7.1 Client host blocked using zen.spamhaus.org",
    [REPLY_SENDER_REJECTED] = "NULL sender is not allowed",
    [REPLY_TLS_REQUIRED] = "5.7.0 Must issue a STARTTLS command first",
    [REPLY_HOST_NO_MAIL] = "This host does not accept mail",
    [REPLY_REJECTED_UNCLEAR] = "Transaction failed",
};

static const char *email_of(const struct verdict_case *row, char *out, size_t size)
{
    static const char *const by_code[ADDRESS_CODE_COUNT] = {
        [ADDRESS_NO_AT] = "jane.doe",
        [ADDRESS_UNKNOWN_TLD] = "jane.doe@corp.notatld",
        [ADDRESS_RESERVED_DOMAIN] = "jane.doe@corp.invalid",
        [ADDRESS_DOMAIN_LITERAL] = "jane.doe@[192.0.2.1]",
    };

    if (row->hard)
        return "jane_doe@gmail.com";
    if (row->code != ADDRESS_OK)
        return by_code[row->code];
    snprintf(out, size, "jane.doe@%s", row->domain != NULL ? row->domain : "corp.test");
    return out;
}

/* As a lane leaves it: the words of the last host that replied. */
static struct smtp_evidence *evidence_of(const struct verdict_case *row)
{
    struct smtp_evidence *smtp = smtp_evidence_new();
    static const enum reply_class decoys[] = {
        [DECOY_ACCEPTED] = REPLY_ACCEPTED,
        [DECOY_REJECTED] = REPLY_MAILBOX_NOT_FOUND,
        [DECOY_UNDECIDED] = REPLY_TEMPORARY_FAILURE,
        [DECOY_THROTTLED] = REPLY_ACCEPTED,
    };

    smtp->attempt_count = (uint8_t)row->attempts;
    smtp->decoy_outcome = row->decoy;
    smtp->control = row->control;
    smtp->refused_before = row->refused_before;
    smtp->cut = row->cut;
    smtp->opaque = row->learned_opaque;
    for (size_t i = 0; i < row->attempts; i++) {
        struct smtp_attempt *attempt = &smtp->attempts[i];

        *attempt = row->attempt[i];
        attempt->host = mem_copy_text(row->mx_host != NULL ? row->mx_host : "mx.corp.test");
        ip_parse("192.0.2.7", &attempt->address);
        if (attempt->class == REPLY_NONE)
            continue;
        smtp->recipient.code = attempt->code;
        smtp->recipient.class = attempt->class;
        free(smtp->recipient.text);
        smtp->recipient.text = attempt->code != 0 ? mem_copy_text(words[attempt->class]) : NULL;
    }
    memcpy(smtp->recipient.enhanced, row->enhanced, sizeof(row->enhanced));
    if (row->decoy != DECOY_NOT_RUN) {
        smtp->decoy.class = decoys[row->decoy];
        smtp->decoy.code = smtp->decoy.class == REPLY_ACCEPTED ? 250
                           : row->decoy == DECOY_REJECTED      ? 550
                                                               : 451;
        smtp->decoy.text = mem_copy_text(words[smtp->decoy.class]);
    }
    return smtp;
}

static struct mx_evidence *mx_of(const struct verdict_case *row)
{
    struct mx_evidence *mx = mx_evidence_new();
    const char *host = row->mx_host != NULL ? row->mx_host
                       : row->parked        ? "park-mx.above.com"
                                            : "mx.corp.test";

    mx->outcome = row->mx;
    mx->implicit = row->implicit;
    if (row->mx == MX_FOUND) {
        mx->host_count = 1;
        mx->hosts[0].name = mem_copy_text(host);
    }
    if (row->unknown_host) {
        mx->have_unknown_host = true;
        mx->hosts[mx->host_count].name = mem_copy_text("mx2.corp.test");
        mx->hosts[mx->host_count++].state = MX_HOST_UNKNOWN;
    }
    return mx;
}

/* What the service would answer for the row. */
static char *document_of(const struct verdict_case *row, struct verdict *verdict)
{
    char buffer[64];
    const char *email = email_of(row, buffer, sizeof(buffer));
    struct address_options options = {.allow_special_names = "test", .check_tld = true};
    struct verdict_parts parts;
    struct verdict_input input = verdict_case_input(row, &parts);
    struct smtp_evidence *smtp = row->attempts > 0 ? evidence_of(row) : NULL;
    struct mx_evidence *mx = row->mx != MX_PENDING ? mx_of(row) : NULL;
    size_t length;

    address_parse(email, strlen(email), &options, &parts.address);
    address_look_up(email, strlen(email), &parts.address, false, &parts.insight);
    input.mx = mx;
    input.smtp = smtp;
    *verdict = verdict_decide(&input);
    char *json = document_verdict(
        &(struct document){
            .id = "v_test",
            .email = email,
            .email_length = strlen(email),
            .address = &parts.address,
            .insight = &parts.insight,
            .verdict = verdict,
            .policy = "default",
            .complete = !row->deadline,
            .parked_mx = row->parked,
            .stop = row->stop,
            .in_progress = row->deadline ? row->progress : PROGRESS_ENDED,
            .retry_after_s = -1,
            .checked_at_s = 1,
            .mx = mx,
            .smtp = smtp,
            .provider = input.provider,
            .explain = EXPLAIN_EVIDENCE,
        },
        &length);
    smtp_evidence_drop(&smtp);
    mx_evidence_drop(&mx);
    return json;
}

static void read_text(const char *label, const char *json, struct document_stored *stored)
{
    char error[DOCUMENT_ERROR_SIZE] = "not JSON";
    json_t *root = json_loads(json, JSON_ALLOW_NUL, NULL);

    if (root == NULL || !document_read(root, stored, error))
        fail_msg("%s: %s in %s", label, error, json);
    json_decref(root);
}

static void each_row_survives(void **state)
{
    (void)state;
    for (size_t i = 0; i < verdict_case_count; i++) {
        const struct verdict_case *row = &verdict_cases[i];
        struct document_stored stored;
        struct verdict verdict;
        char *json = document_of(row, &verdict);

        if (strcmp(verdict.rule, row->rule) != 0)
            fail_msg("%s: decided by %s before it was written", row->label, verdict.rule);
        read_text(row->label, json, &stored);
        struct document_decision was = stored.decision;
        if (strcmp(was.rule, row->rule) != 0 || was.reason != row->reason ||
            was.status != reason_status(row->reason))
            fail_msg("%s: read back as %s", row->label, was.rule);
        struct document_decision now = replay_decide(&stored, &config);
        if (!replay_same(&was, &now))
            fail_msg("%s: %s/%s/%s becomes %s/%s/%s by %s: %s", row->label, was.rule,
                     reason_name(was.reason), reply_class_name(was.reply_class), now.rule,
                     reason_name(now.reason), reply_class_name(now.reply_class), now.reply_rule,
                     json);
        document_stored_clear(&stored);
        free(json);
    }
}

/* --- words decide again ----------------------------------------------------------------------- */

#define HEAD                                                                                       \
    "{\"id\":\"v_1\",\"email\":\"jane@corp.test\",\"status\":\"undeliverable\","                   \
    "\"reason\":\"mailbox_not_found\",\"rule\":\"R16\","
#define DOMAIN "\"domain\":{\"mx\":[{\"host\":\"MX.corp.test\",\"preference\":10}]}"

static const struct changed_case {
    const char *label, *json;
    enum verdict_reason reason;
    const char *rule;
} changed_cases[] = {
    {"a block that was taken for a missing mailbox",
     HEAD DOMAIN ",\"smtp\":{\"host\":\"mx.corp.test\",\"recipient\":{\"code\":550,\"text\":"
                 "\"Client host blocked using zen.spamhaus.org\",\"reply_class\":"
                 "\"mailbox_not_found\",\"rule\":\"C82\"}}}",
     REASON_PROBE_BLOCKED, "R21"},
    {"our own address in the words",
     HEAD DOMAIN ",\"smtp\":{\"host\":\"mx.corp.test\",\"source\":\"192.0.2.9\",\"recipient\":"
                 "{\"code\":550,\"text\":\"192.0.2.9 rejected\",\"reply_class\":"
                 "\"mailbox_not_found\"}}}",
     REASON_PROBE_BLOCKED, "R21"},
    {"a decoy that was let in after all",
     HEAD DOMAIN ",\"smtp\":{\"recipient\":{\"code\":250,\"text\":\"Ok\",\"reply_class\":"
                 "\"accepted\"},\"decoy\":{\"code\":250,\"text\":\"Ok\",\"reply_class\":"
                 "\"rejected_unclear\"},\"decoy_outcome\":\"rejected\"}}",
     REASON_CATCH_ALL, "R25"},
    {"a parked domain",
     HEAD "\"domain\":{\"mx\":[{\"host\":\"park-mx.above.com\"}],\"dns\":\"found\"}}",
     REASON_PARKED, "P1"},
    {"a word for greylisting, heard for the first time",
     HEAD DOMAIN ",\"smtp\":{\"recipient\":{\"code\":451,\"text\":\"Greylisted, try later\","
                 "\"reply_class\":\"temporary_failure\"}}}",
     REASON_GREYLISTED, "R22"},
};

static void todays_rules_decide(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(changed_cases); i++) {
        const struct changed_case *row = &changed_cases[i];
        struct document_stored stored;

        read_text(row->label, row->json, &stored);
        struct document_decision now = replay_decide(&stored, &config);
        if (now.reason != row->reason || strcmp(now.rule, row->rule) != 0)
            fail_msg("%s: %s/%s by %s", row->label, now.rule, reason_name(now.reason),
                     now.reply_rule);
        document_stored_clear(&stored);
    }
}

/* --- documents that lack what an earlier release did not write ------------------------------- */

#define OLD(reason, rest)                                                                          \
    "{\"email\":\"jane@corp.test\",\"status\":\"unknown\",\"reason\":\"" reason                    \
    "\",\"rule\":\"X9\"" rest "}"

static const struct old_case {
    const char *label, *json, *rule;
} old_cases[] = {
    {"no domain", OLD("domain_not_found", ",\"domain\":{}"), "R4"},
    {"null MX", OLD("deadline_exceeded", ",\"domain\":{\"mx\":[],\"null_mx\":true}"), "R5"},
    {"skipped", OLD("smtp_skipped", "," DOMAIN), "S1"},
    {"suppressed", OLD("suppressed", ""), "L1"},
    {"decoy by its flag",
     OLD("mailbox_accepted", ",\"flags\":{\"catch_all\":true}," DOMAIN
                             ",\"smtp\":{\"recipient\":{\"code\":250,\"reply_class\":"
                             "\"accepted\"}}"),
     "R25"},
};

static void old_documents_tell_by_what_they_have(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(old_cases); i++) {
        struct document_stored stored;

        read_text(old_cases[i].label, old_cases[i].json, &stored);
        struct document_decision now = replay_decide(&stored, &config);
        if (strcmp(now.rule, old_cases[i].rule) != 0)
            fail_msg("%s: %s", old_cases[i].label, now.rule);
        document_stored_clear(&stored);
    }
}

/* --- what is refused ------------------------------------------------------------------------- */

static const struct bad_case {
    const char *label, *json, *says;
} bad_cases[] = {
    {"a list", "[]", "not a JSON object"},
    {"nothing", "{}", "no email"},
    {"an address of a number", "{\"email\":7}", "email is not a text"},
    {"no verdict", "{\"email\":\"a@b.de\"}", "not a verdict"},
    {"a problem", "{\"email\":\"a@b.de\",\"status\":404,\"title\":\"x\"}", "not a verdict"},
    {"no evidence", "{\"email\":\"a@b.de\",\"status\":\"risky\",\"reason\":\"catch_all\"}",
     "explain=none"},
    {"unknown status",
     "{\"email\":\"a@b.de\",\"status\":\"fine\",\"reason\":\"catch_all\",\"rule\":\"R1\"}",
     "status is not a word"},
    {"unknown reason",
     "{\"email\":\"a@b.de\",\"status\":\"risky\",\"reason\":\"x\",\"rule\":\"R1\"}",
     "reason is not a word"},
    {"a rule of a number",
     "{\"email\":\"a@b.de\",\"status\":\"risky\",\"reason\":\"catch_all\",\"rule\":1}", "rule"},
    {"a rule that is long",
     "{\"email\":\"a@b.de\",\"status\":\"risky\",\"reason\":\"catch_all\",\"rule\":\"R1234567\"}",
     "rule"},
    {"domain is a text", HEAD "\"domain\":\"corp.test\"}", "domain is not an object"},
    {"MX is an object", HEAD "\"domain\":{\"mx\":{}}}", "domain.mx is not a list"},
    {"MX of numbers", HEAD "\"domain\":{\"mx\":[1]}}", "an item of domain.mx"},
    {"MX without a host", HEAD "\"domain\":{\"mx\":[{}]}}", "no host"},
    {"too many MX", HEAD "\"domain\":{\"mx\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}}",
     "at most 16"},
    {"preference below zero", HEAD "\"domain\":{\"mx\":[{\"host\":\"a\",\"preference\":-1}]}}",
     "preference"},
    {"unknown outcome", HEAD "\"domain\":{\"dns\":\"maybe\"}}", "dns is not a word"},
    {"smtp is a list", HEAD "\"smtp\":[]}", "smtp is not an object"},
    {"a reply of a text", HEAD "\"smtp\":{\"recipient\":\"250 ok\"}}", "smtp.recipient"},
    {"code too large", HEAD "\"smtp\":{\"recipient\":{\"code\":600}}}", "code"},
    {"code of a fraction", HEAD "\"smtp\":{\"recipient\":{\"code\":250.5}}}", "code"},
    {"enhanced cut off", HEAD "\"smtp\":{\"recipient\":{\"code\":550,\"enhanced\":\"5.1\"}}}",
     "enhanced"},
    {"enhanced too large", HEAD "\"smtp\":{\"recipient\":{\"code\":550,\"enhanced\":\"5.7.606\"}}}",
     "enhanced"},
    {"unknown class", HEAD "\"smtp\":{\"decoy\":{\"code\":550,\"reply_class\":\"bad\"}}}",
     "reply_class is not a word"},
    {"too many attempts", HEAD "\"smtp\":{\"attempts\":[{},{},{},{},{}]}}", "at most 4"},
    {"attempts of texts", HEAD "\"smtp\":{\"attempts\":[\"x\"]}}", "an item of smtp.attempts"},
    {"unknown stage", HEAD "\"smtp\":{\"attempts\":[{\"stage\":\"data\"}]}}",
     "stage is not a word"},
    {"unknown end", HEAD "\"smtp\":{\"attempts\":[{\"host\":\"a\"},{\"end\":\"boom\"}]}}",
     "end is not a word"},
    {"bad address", HEAD "\"smtp\":{\"attempts\":[{\"address\":\"mx\"}]}}", "not an IP address"},
    {"unknown stop", HEAD "\"stop\":\"lunch\"}", "stop is not a word"},
    {"progress of a number", HEAD "\"in_progress\":1}", "in_progress is not a word"},
};

static void bad_documents_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad_cases); i++) {
        struct document_stored stored;
        char error[DOCUMENT_ERROR_SIZE] = "";
        json_t *root = json_loads(bad_cases[i].json, JSON_ALLOW_NUL, NULL);

        if (root == NULL)
            fail_msg("%s: the test itself is not JSON", bad_cases[i].label);
        if (document_read(root, &stored, error))
            fail_msg("%s: taken", bad_cases[i].label);
        if (strstr(error, bad_cases[i].says) == NULL)
            fail_msg("%s: \"%s\"", bad_cases[i].label, error);
        assert_null(stored.email);
        json_decref(root);
    }
}

/* --- files ----------------------------------------------------------------------------------- */

#define GOOD HEAD DOMAIN "}"
#define SAME OLD("suppressed", "")

static const struct file_case {
    const char *label, *text;
    size_t decided, unreadable;
    const char *says; /* NULL = no matter */
} file_cases[] = {
    {"empty", "", 0, 0, NULL},
    {"a line", GOOD "\n", 1, 0, NULL},
    {"a line without its end", GOOD, 1, 0, NULL},
    {"lines, a blank one and CRLF", GOOD "\r\n\r\n" GOOD "\n", 2, 0, NULL},
    {"a list", "[" GOOD "," GOOD "]", 2, 0, NULL},
    {"a list over lines", "[\n" GOOD ",\n" GOOD "\n]\n", 2, 0, NULL},
    {"one over lines behind a blank one", "\n{\n\"email\":\"a@b.de\"}\n", 0, 1, "not a verdict"},
    {"a batch", "{\"results\":[" GOOD ",{\"index\":1,\"problem\":{}}," GOOD "]}\n", 2, 0, NULL},
    {"a stream with a bad item", GOOD "\n{\"index\":1,\"problem\":{}}\n" GOOD "\n", 2, 0, NULL},
    {"a bad item of a list", "[" GOOD ",7]", 1, 1, "f line 1 item 2: not a JSON object"},
    {"a bad line", GOOD "\n{oops\n" GOOD "\n", 2, 1, "f line 2: not JSON"},
    {"a bad first line", "{oops\n" GOOD "\n", 1, 1, "f line 1: not JSON"},
    {"cut off", HEAD "\"smtp\":{\"reci", 0, 1, "f line 1: not JSON"},
    {"octets", "\xff\xfe\x01\x1b[31m\n", 0, 1, "f line 1: not JSON"},
    {"a bare word", "7\n", 0, 1, "f line 1: not JSON"},
};

static char *replay_text(const char *text, size_t length, const struct replay_options *options,
                         struct replay_counts *counts)
{
    char *shown = NULL;
    size_t size = 0;
    FILE *in = fmemopen((void *)(uintptr_t)text, length > 0 ? length : 1, "r");
    FILE *out = open_memstream(&shown, &size);

    if (length == 0)
        getc(in);
    assert_true(replay_stream(in, "f", out, options, counts));
    fclose(in);
    fclose(out);
    return shown;
}

static void files_come_in_every_shape(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(file_cases); i++) {
        const struct file_case *row = &file_cases[i];
        struct replay_options options = {.config = &config};
        struct replay_counts counts = {0};
        char *shown = replay_text(row->text, strlen(row->text), &options, &counts);

        if (counts.decided != row->decided || counts.unreadable != row->unreadable)
            fail_msg("%s: %zu decided, %zu unreadable: %s", row->label, counts.decided,
                     counts.unreadable, shown);
        if (row->says != NULL && strstr(shown, row->says) == NULL)
            fail_msg("%s: %s", row->label, shown);
        free(shown);
    }
}

static void rows_show_what_changed(void **state)
{
    const char *text = "{\"id\":\"v_\\u001b[2J\",\"email\":\"jane\\u0007@corp.test\",\"status\":"
                       "\"risky\",\"reason\":\"catch_all\",\"rule\":\"R25\"}\n" SAME "\n";
    struct replay_options options = {.config = &config};
    struct replay_counts counts = {0};
    char *shown = replay_text(text, strlen(text), &options, &counts);

    (void)state;
    assert_int_equal(counts.decided, 2);
    assert_int_equal(counts.changed, 2); /* the rule of the second had another name */
    assert_non_null(strstr(shown, "jane\\x07@corp.test  v_\\x1b[2J\n"));
    assert_non_null(strstr(shown, "  was  risky         catch_all             R25"));
    assert_non_null(strstr(shown, "  now  undeliverable invalid_syntax        R1"));
    free(shown);
}

static void json_rows_are_json(void **state)
{
    const char *text = GOOD "\n{oops\n" SAME "\n";
    struct replay_options options = {.config = &config, .json = true, .all = true};
    struct replay_counts counts = {0};
    char *shown = replay_text(text, strlen(text), &options, &counts), *line = shown;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char *end = strchr(line, '\n');

        assert_non_null(end);
        json_t *root = json_loadb(line, (size_t)(end - line), JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(root);
        assert_int_equal(json_integer_value(json_object_get(root, "line")), i + 1);
        assert_string_equal(json_string_value(json_object_get(root, "file")), "f");
        assert_int_equal(json_is_string(json_object_get(root, "error")), i == 1);
        assert_int_equal(json_is_object(json_object_get(root, "now")), i != 1);
        json_decref(root);
        line = end + 1;
    }
    assert_string_equal(line, "");
    free(shown);
}

/* A document cut anywhere is an error line, never a crash and never a verdict. */
static void no_prefix_is_a_document(void **state)
{
    const struct verdict_case *row = NULL;
    struct verdict verdict;

    (void)state;
    for (size_t i = 0; i < verdict_case_count; i++)
        if (verdict_cases[i].decoy == DECOY_REJECTED)
            row = &verdict_cases[i];
    assert_non_null(row);
    char *json = document_of(row, &verdict);
    for (size_t length = 1; length < strlen(json); length++) {
        struct replay_options options = {.config = &config};
        struct replay_counts counts = {0};
        char *shown = replay_text(json, length, &options, &counts);

        if (counts.decided != 0 || counts.unreadable != 1)
            fail_msg("a prefix of %zu octets: %s", length, shown);
        free(shown);
    }
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_survives),
        cmocka_unit_test(todays_rules_decide),
        cmocka_unit_test(old_documents_tell_by_what_they_have),
        cmocka_unit_test(bad_documents_are_named),
        cmocka_unit_test(files_come_in_every_shape),
        cmocka_unit_test(rows_show_what_changed),
        cmocka_unit_test(json_rows_are_json),
        cmocka_unit_test(no_prefix_is_a_document),
    };
    return cmocka_run_group_tests(tests, open_config, close_config);
}
