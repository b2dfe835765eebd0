#include "service/policy.h"

#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "service/policy_file.h"

enum { POLICIES_JSON_MAX = 1 << 20 };

#define STATUS(name) (1u << STATUS_##name)
#define LAYER(name)  (1u << LAYER_##name)

enum {
    ANY = 0,
    EITHER = -1, /* does not matter */
    NO = 0,
    YES = 1,
    DISPOSABLE = POLICY_FLAG_DISPOSABLE,
    DISPOSABLE_OR_ROLE = POLICY_FLAG_DISPOSABLE | POLICY_FLAG_ROLE
};

/* Rows are read top to bottom, the first that fits decides. What no row fits is accepted: a
 * good user must never be turned away by a gap in a table. Columns: action, status, layer,
 * flag, without flag, suggestion, suppressed, lowest confidence. */
// clang-format off
static const struct builtin {
    const char *name, *description;
    size_t row_count;
    struct policy_row rows[POLICY_ROWS_MAX];
} builtins[] = {
    {"default", "Accept what is deliverable, reject what is proven not to be, look at the rest again.", 5, {
        {ACTION_REJECT,  ANY,                   ANY, ANY, ANY, EITHER, YES,    0},
        {ACTION_REJECT,  STATUS(UNDELIVERABLE), ANY, ANY, ANY, EITHER, EITHER, 0},
        {ACTION_CONFIRM, ANY,                   ANY, ANY, ANY, YES,    EITHER, 0},
        {ACTION_ACCEPT,  STATUS(DELIVERABLE),   ANY, ANY, ANY, EITHER, EITHER, 0},
        {ACTION_REVIEW,  ANY,                   ANY, ANY, ANY, EITHER, EITHER, 0}}},
    {"signup", "For forms: never lose a good user. Reject only what is certain, ask when in doubt.", 7, {
        {ACTION_REJECT,  ANY,                   ANY,                        ANY,        ANY, EITHER, YES,    0},
        {ACTION_REJECT,  ANY,                   ANY,                        DISPOSABLE, ANY, EITHER, EITHER, 0},
        {ACTION_REJECT,  STATUS(UNDELIVERABLE), LAYER(SYNTAX) | LAYER(DNS), ANY,        ANY, NO,     EITHER, 0},
        {ACTION_REJECT,  STATUS(UNDELIVERABLE), LAYER(MAILBOX),             ANY,        ANY, EITHER, EITHER, 0.95},
        {ACTION_CONFIRM, ANY,                   ANY,                        ANY,        ANY, YES,    EITHER, 0},
        {ACTION_CONFIRM, STATUS(UNDELIVERABLE), ANY,                        ANY,        ANY, EITHER, EITHER, 0},
        {ACTION_ACCEPT,  ANY,                   ANY,                        ANY,        ANY, EITHER, EITHER, 0}}},
    {"strict", "Only proven mailboxes of people: neither disposable nor role addresses.", 4, {
        {ACTION_REJECT, ANY,                   ANY, ANY, ANY,                EITHER, YES,    0},
        {ACTION_REJECT, STATUS(UNDELIVERABLE), ANY, ANY, ANY,                EITHER, EITHER, 0},
        {ACTION_ACCEPT, STATUS(DELIVERABLE),   ANY, ANY, DISPOSABLE_OR_ROLE, EITHER, EITHER, 0},
        {ACTION_REVIEW, ANY,                   ANY, ANY, ANY,                EITHER, EITHER, 0}}},
};
// clang-format on

const struct policy_word policy_actions[] = {{"accept", ACTION_ACCEPT},
                                             {"confirm", ACTION_CONFIRM},
                                             {"review", ACTION_REVIEW},
                                             {"reject", ACTION_REJECT},
                                             {NULL, 0}};
const struct policy_word policy_statuses[] = {{"deliverable", STATUS(DELIVERABLE)},
                                              {"undeliverable", STATUS(UNDELIVERABLE)},
                                              {"risky", STATUS(RISKY)},
                                              {"unknown", STATUS(UNKNOWN)},
                                              {NULL, 0}};
const struct policy_word policy_layers[] = {{"syntax", LAYER(SYNTAX)},   {"dns", LAYER(DNS)},
                                            {"connect", LAYER(CONNECT)}, {"smtp", LAYER(SMTP)},
                                            {"mailbox", LAYER(MAILBOX)}, {"engine", LAYER(ENGINE)},
                                            {"policy", LAYER(POLICY)},   {NULL, 0}};
const struct policy_word policy_flags[] = {
    {"disposable", POLICY_FLAG_DISPOSABLE}, {"role", POLICY_FLAG_ROLE}, {NULL, 0}};

const char *action_name(enum policy_action action)
{
    for (const struct policy_word *word = policy_actions; word->name != NULL; word++)
        if (word->value == (unsigned)action)
            return word->name;
    return "accept";
}

/* --- deciding ------------------------------------------------------------------ */

static bool asked_and_other(int wanted, bool is) { return wanted >= 0 && (wanted == 1) != is; }

static bool row_fits(const struct policy_row *row, const struct policy_input *input)
{
    const struct verdict *verdict = input->verdict;

    if (row->statuses != 0 && (row->statuses & (1u << verdict->status)) == 0)
        return false;
    if (row->layers != 0 && (row->layers & (1u << reason_layer(verdict->reason))) == 0)
        return false;
    if (row->flags_any != 0 && (row->flags_any & input->flags) == 0)
        return false;
    if ((row->flags_none & input->flags) != 0)
        return false;
    if (asked_and_other(row->suggestion, input->has_suggestion) ||
        asked_and_other(row->suppressed, verdict->reason == REASON_SUPPRESSED))
        return false;
    return row->confidence_min <= 0 ||
           (verdict->status != STATUS_UNKNOWN && verdict->confidence >= row->confidence_min);
}

enum policy_action policy_decide(const struct policy *policy, const struct policy_input *input)
{
    /* Suppression stands above the allow list: somebody asked to be left alone. */
    if (input->allowlisted && input->verdict->reason != REASON_SUPPRESSED)
        return ACTION_ACCEPT;
    for (size_t i = 0; i < policy->row_count; i++)
        if (row_fits(&policy->rows[i], input))
            return policy->rows[i].action;
    return ACTION_ACCEPT;
}

bool policy_rejects_unknown(const struct policy *policy)
{
    for (int reason = 0; reason < REASON_COUNT; reason++) {
        struct verdict verdict = {.status = STATUS_UNKNOWN, .reason = (enum verdict_reason)reason};
        struct policy_input input = {.verdict = &verdict};

        if (reason_status(verdict.reason) != STATUS_UNKNOWN || reason == REASON_SUPPRESSED)
            continue;
        for (int suggestion = 0; suggestion < 2; suggestion++) {
            input.has_suggestion = suggestion == 1;
            if (policy_decide(policy, &input) == ACTION_REJECT)
                return true;
        }
    }
    return false;
}

/* --- the set ------------------------------------------------------------------- */

bool policies_load(struct policies *policies, const char *file, char *error, size_t error_size)
{
    *policies = (struct policies){0};
    for (size_t i = 0; i < ARRAY_LENGTH(builtins); i++) {
        struct policy *policy = &policies->items[policies->count++];

        policy->name = mem_copy_text(builtins[i].name);
        policy->description = mem_copy_text(builtins[i].description);
        policy->row_count = builtins[i].row_count;
        memcpy(policy->rows, builtins[i].rows, sizeof(policy->rows));
    }
    if (*file == '\0' || policy_file_read(policies, file, error, error_size))
        return true;
    policies_free(policies);
    return false;
}

void policies_free(struct policies *policies)
{
    for (size_t i = 0; i < policies->count; i++) {
        free(policies->items[i].name);
        free(policies->items[i].description);
    }
    *policies = (struct policies){0};
}

const struct policy *policy_find(const struct policies *policies, const char *name)
{
    for (size_t i = 0; i < policies->count; i++)
        if (strcmp(policies->items[i].name, name) == 0)
            return &policies->items[i];
    return NULL;
}

/* --- as JSON: the same shape as the operator's file ------------------------------ */

static void write_set(struct text *out, const char *key, const struct policy_word *words,
                      unsigned bits)
{
    if (bits == 0)
        return;
    json_open(out, key, '[');
    for (; words->name != NULL; words++)
        if ((bits & words->value) != 0)
            json_string(out, NULL, words->name);
    json_close(out, ']');
}

static void write_row(struct text *out, const struct policy_row *row)
{
    json_open(out, NULL, '{');
    json_string(out, "action", action_name(row->action));
    write_set(out, "status", policy_statuses, row->statuses);
    write_set(out, "layer", policy_layers, row->layers);
    write_set(out, "flag", policy_flags, row->flags_any);
    write_set(out, "without_flag", policy_flags, row->flags_none);
    if (row->suggestion >= 0)
        json_bool(out, "suggestion", row->suggestion == 1);
    if (row->suppressed >= 0)
        json_bool(out, "suppressed", row->suppressed == 1);
    if (row->confidence_min > 0)
        json_number(out, "confidence_min", row->confidence_min);
    json_close(out, '}');
}

char *policies_json(const struct policies *policies)
{
    struct text out;

    text_init(&out, POLICIES_JSON_MAX);
    json_open(&out, NULL, '{');
    json_open(&out, "policies", '[');
    for (size_t i = 0; i < policies->count; i++) {
        const struct policy *policy = &policies->items[i];

        json_open(&out, NULL, '{');
        json_string(&out, "name", policy->name);
        json_string(&out, "description", policy->description);
        json_open(&out, "rules", '[');
        for (size_t row = 0; row < policy->row_count; row++)
            write_row(&out, &policy->rows[row]);
        json_close(&out, ']');
        json_close(&out, '}');
    }
    json_close(&out, ']');
    json_close(&out, '}');
    return text_take(&out);
}
