/* Policies: the contract's table cell by cell, and files that must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes/base/mem.h"
#include "service/policy.h"

enum { D = POLICY_FLAG_DISPOSABLE, R = POLICY_FLAG_ROLE };

static const struct decision {
    const char *label;
    enum verdict_reason reason;
    double confidence;
    unsigned flags;
    bool suggestion, allowlisted;
    enum policy_action by_default, by_signup, by_strict;
} decisions[] = {
    {"accepted", REASON_MAILBOX_ACCEPTED, 0.97, 0, false, false, ACTION_ACCEPT, ACTION_ACCEPT,
     ACTION_ACCEPT},
    {"accepted, with suggestion", REASON_MAILBOX_ACCEPTED, 0.97, 0, true, false, ACTION_CONFIRM,
     ACTION_CONFIRM, ACTION_ACCEPT},
    {"accepted, disposable", REASON_MAILBOX_ACCEPTED, 0.97, D, false, false, ACTION_ACCEPT,
     ACTION_REJECT, ACTION_REVIEW},
    {"accepted, role", REASON_MAILBOX_ACCEPTED, 0.97, R, false, false, ACTION_ACCEPT, ACTION_ACCEPT,
     ACTION_REVIEW},
    {"bad syntax", REASON_INVALID_SYNTAX, 1, 0, false, false, ACTION_REJECT, ACTION_REJECT,
     ACTION_REJECT},
    {"bad syntax, with suggestion", REASON_INVALID_SYNTAX, 1, 0, true, false, ACTION_REJECT,
     ACTION_CONFIRM, ACTION_REJECT},
    {"no domain", REASON_DOMAIN_NOT_FOUND, 0.99, 0, false, false, ACTION_REJECT, ACTION_REJECT,
     ACTION_REJECT},
    {"no domain, with suggestion", REASON_DOMAIN_NOT_FOUND, 0.99, 0, true, false, ACTION_REJECT,
     ACTION_CONFIRM, ACTION_REJECT},
    {"null MX", REASON_NULL_MX, 1, 0, false, false, ACTION_REJECT, ACTION_REJECT, ACTION_REJECT},
    {"no SMTP service", REASON_NO_SMTP_SERVICE, 0.9, 0, false, false, ACTION_REJECT, ACTION_CONFIRM,
     ACTION_REJECT},
    {"host takes no mail", REASON_HOST_NO_MAIL, 0.95, 0, false, false, ACTION_REJECT,
     ACTION_CONFIRM, ACTION_REJECT},
    {"no mailbox, sure", REASON_MAILBOX_NOT_FOUND, 0.99, 0, false, false, ACTION_REJECT,
     ACTION_REJECT, ACTION_REJECT},
    {"no mailbox, at the bound", REASON_MAILBOX_NOT_FOUND, 0.95, 0, true, false, ACTION_REJECT,
     ACTION_REJECT, ACTION_REJECT},
    {"no mailbox, less sure", REASON_MAILBOX_NOT_FOUND, 0.90, 0, false, false, ACTION_REJECT,
     ACTION_CONFIRM, ACTION_REJECT},
    {"relay denied", REASON_RELAY_DENIED, 0.93, 0, false, false, ACTION_REJECT, ACTION_CONFIRM,
     ACTION_REJECT},
    {"catch-all", REASON_CATCH_ALL, 0.5, 0, false, false, ACTION_REVIEW, ACTION_ACCEPT,
     ACTION_REVIEW},
    {"catch-all, with suggestion", REASON_CATCH_ALL, 0.5, 0, true, false, ACTION_CONFIRM,
     ACTION_CONFIRM, ACTION_REVIEW},
    {"parked", REASON_PARKED, 0.8, 0, false, false, ACTION_REVIEW, ACTION_ACCEPT, ACTION_REVIEW},
    {"greylisted", REASON_GREYLISTED, 0, 0, false, false, ACTION_REVIEW, ACTION_ACCEPT,
     ACTION_REVIEW},
    {"DNS silent", REASON_DNS_TIMEOUT, 0, 0, false, false, ACTION_REVIEW, ACTION_ACCEPT,
     ACTION_REVIEW},
    {"blocked", REASON_PROBE_BLOCKED, 0, R, false, false, ACTION_REVIEW, ACTION_ACCEPT,
     ACTION_REVIEW},
    {"unknown, disposable", REASON_CONNECT_TIMEOUT, 0, D, false, false, ACTION_REVIEW,
     ACTION_REJECT, ACTION_REVIEW},
    {"our fault", REASON_INTERNAL_ERROR, 0, 0, false, false, ACTION_REVIEW, ACTION_ACCEPT,
     ACTION_REVIEW},
    {"suppressed", REASON_SUPPRESSED, 0, 0, false, false, ACTION_REJECT, ACTION_REJECT,
     ACTION_REJECT},
    {"suppressed and allowed", REASON_SUPPRESSED, 0, 0, false, true, ACTION_REJECT, ACTION_REJECT,
     ACTION_REJECT},
    {"allowed, though refused", REASON_MAILBOX_NOT_FOUND, 0.99, 0, false, true, ACTION_ACCEPT,
     ACTION_ACCEPT, ACTION_ACCEPT},
    {"allowed, though disposable", REASON_CATCH_ALL, 0.5, D, true, true, ACTION_ACCEPT,
     ACTION_ACCEPT, ACTION_ACCEPT},
};

static void check(const struct policies *policies, const char *name, const struct decision *c,
                  enum policy_action wanted)
{
    const struct verdict verdict = {
        .status = reason_status(c->reason), .reason = c->reason, .confidence = c->confidence};
    const struct policy_input input = {.verdict = &verdict,
                                       .flags = c->flags,
                                       .has_suggestion = c->suggestion,
                                       .allowlisted = c->allowlisted};
    enum policy_action action = policy_decide(policy_find(policies, name), &input);

    if (action != wanted)
        fail_msg("%s, policy %s: %s instead of %s", c->label, name, action_name(action),
                 action_name(wanted));
}

static void test_contract(void **state)
{
    struct policies policies;
    char error[256];

    (void)state;
    assert_true(policies_load(&policies, "", error, sizeof(error)));
    for (size_t i = 0; i < ARRAY_LENGTH(decisions); i++) {
        check(&policies, "default", &decisions[i], decisions[i].by_default);
        check(&policies, "signup", &decisions[i], decisions[i].by_signup);
        check(&policies, "strict", &decisions[i], decisions[i].by_strict);
    }
    policies_free(&policies);
}

/* No policy of ours turns away an address of which nothing is known but that it is unknown. */
static void test_unknown_is_never_rejected(void **state)
{
    struct policies policies;
    char error[256];

    (void)state;
    assert_true(policies_load(&policies, "", error, sizeof(error)));
    for (size_t i = 0; i < policies.count; i++) {
        for (int reason = 0; reason < REASON_COUNT; reason++) {
            const struct verdict verdict = {.status = reason_status((enum verdict_reason)reason),
                                            .reason = (enum verdict_reason)reason};
            const struct policy_input input = {.verdict = &verdict};

            if (verdict.status == STATUS_UNKNOWN && reason != REASON_SUPPRESSED &&
                policy_decide(&policies.items[i], &input) == ACTION_REJECT)
                fail_msg("%s rejects %s", policies.items[i].name, reason_name(verdict.reason));
        }
    }
    policies_free(&policies);
}

/* --- the operator's file -------------------------------------------------------------- */

static char *file_of(const char *text)
{
    char *path = mem_copy_text("/tmp/vrfyd-policy-XXXXXX");
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return path;
}

#define POLICY(rules) "{\"policies\":[{\"name\":\"mine\",\"rules\":[" rules "]}]}"

static const struct good_file {
    const char *label, *text;
} good_files[] = {
    {"one rule", POLICY("{\"action\":\"accept\"}")},
    {"all keys",
     POLICY("{\"action\":\"reject\",\"status\":[\"undeliverable\",\"risky\"],\"layer\":\"mailbox\","
            "\"flag\":[\"disposable\"],\"without_flag\":\"role\",\"suggestion\":false,"
            "\"suppressed\":false,\"confidence_min\":0.5}")},
    {"unknown shielded",
     POLICY("{\"action\":\"review\",\"status\":\"unknown\"},{\"action\":\"reject\"}")},
    {"only suppressed", POLICY("{\"action\":\"reject\",\"suppressed\":true}")},
    {"disposable", POLICY("{\"action\":\"reject\",\"flag\":\"disposable\"}")},
    {"no policies", "{\"policies\":[]}"},
};

static void test_good_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(good_files); i++) {
        char *path = file_of(good_files[i].text), error[512] = "";
        struct policies policies;

        if (!policies_load(&policies, path, error, sizeof(error)))
            fail_msg("%s: %s", good_files[i].label, error);
        assert_non_null(policy_find(&policies, "default"));
        policies_free(&policies);
        unlink(path);
        free(path);
    }
}

static const struct bad_file {
    const char *label, *text, *says;
} bad_files[] = {
    {"rejects all", POLICY("{\"action\":\"reject\"}"), "rejects unknown"},
    {"rejects unknown", POLICY("{\"action\":\"reject\",\"status\":\"unknown\"}"),
     "rejects unknown"},
    {"rejects a layer", POLICY("{\"action\":\"reject\",\"layer\":\"dns\"}"), "rejects unknown"},
    {"rejects the rest",
     POLICY(
         "{\"action\":\"accept\",\"status\":[\"deliverable\",\"risky\"]},{\"action\":\"reject\"}"),
     "rejects unknown"},
    {"rejects what has a suggestion", POLICY("{\"action\":\"reject\",\"suggestion\":true}"),
     "rejects unknown"},
    {"rejects what has no role", POLICY("{\"action\":\"reject\",\"without_flag\":\"role\"}"),
     "rejects unknown"},
    {"not JSON", "{", "line 1"},
    {"a list", "[]", "must be"},
    {"no name", "{\"policies\":[{\"rules\":[]}]}", "name"},
    {"name in capitals", "{\"policies\":[{\"name\":\"Mine\",\"rules\":[]}]}", "name"},
    {"name of ours", "{\"policies\":[{\"name\":\"signup\",\"rules\":[{\"action\":\"accept\"}]}]}",
     "exists already"},
    {"no rules", "{\"policies\":[{\"name\":\"mine\"}]}", "rules"},
    {"empty rules", POLICY(""), "rules"},
    {"no action", POLICY("{\"status\":\"risky\"}"), "action"},
    {"bad action", POLICY("{\"action\":\"refuse\"}"), "rule 1 action must be"},
    {"bad status", POLICY("{\"action\":\"accept\"},{\"action\":\"review\",\"status\":\"good\"}"),
     "rule 2 status"},
    {"empty status", POLICY("{\"action\":\"review\",\"status\":[]}"), "status"},
    {"unknown key", POLICY("{\"action\":\"review\",\"when\":\"now\"}"), "when is no key"},
    {"confidence", POLICY("{\"action\":\"review\",\"confidence_min\":1.5}"), "confidence_min"},
    {"suggestion", POLICY("{\"action\":\"review\",\"suggestion\":\"yes\"}"), "suggestion"},
    {"same key twice", POLICY("{\"action\":\"review\",\"action\":\"accept\"}"), "line 1"},
};

static void test_bad_files(void **state)
{
    struct policies policies;
    char error[512];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad_files); i++) {
        char *path = file_of(bad_files[i].text);

        if (policies_load(&policies, path, error, sizeof(error)) ||
            strstr(error, bad_files[i].says) == NULL)
            fail_msg("%s: said \"%s\"", bad_files[i].label, error);
        unlink(path);
        free(path);
    }
    assert_false(policies_load(&policies, "/nowhere/at/all", error, sizeof(error)));
}

/* What we print is what we read: GET /v1/policies shows how the file is written. */
static void test_round_trip(void **state)
{
    static const char *const names[] = {"\"default\"", "\"signup\"", "\"strict\""};
    struct policies policies, again;
    char error[512], *json, *path;

    (void)state;
    assert_true(policies_load(&policies, "", error, sizeof(error)));
    json = policies_json(&policies);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        strstr(json, names[i])[1] = 'x'; /* ours exist already */
    path = file_of(json);
    if (!policies_load(&again, path, error, sizeof(error)))
        fail_msg("%s in %s", error, json);
    assert_int_equal(again.count, 2 * policies.count);
    for (size_t i = 0; i < policies.count; i++) {
        const struct policy *a = &policies.items[i], *b = &again.items[i + policies.count];

        assert_int_equal(a->row_count, b->row_count);
        assert_memory_equal(a->rows, b->rows, a->row_count * sizeof(a->rows[0]));
    }
    free(json);
    unlink(path);
    free(path);
    policies_free(&policies);
    policies_free(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contract),   cmocka_unit_test(test_unknown_is_never_rejected),
        cmocka_unit_test(test_good_files), cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
