#include "service/policy_file.h"

#include <jansson.h>
#include <string.h>

#include "probes/base/mem.h"

enum { POLICY_NAME_MAX = 64 };

/* Where we are, for error messages. */
struct reading {
    struct policies *policies;
    const char *file, *policy;
    size_t rule;
    char *error;
    size_t error_size;
};

static bool refuse(const struct reading *reading, const char *key, const char *why)
{
    char place[POLICY_NAME_MAX * 2 + 64] = "";

    if (reading->policy != NULL)
        snprintf(place, sizeof(place), " policy \"%.64s\"", reading->policy);
    if (reading->rule > 0)
        snprintf(place + strlen(place), sizeof(place) - strlen(place), " rule %zu", reading->rule);
    snprintf(reading->error, reading->error_size, "policies_file: %.200s:%s%s%.64s %s",
             reading->file, place, *key == '\0' ? "" : " ", key, why);
    return false;
}

/* --- the keys of a rule ----------------------------------------------------------- */

static bool word_value(const struct policy_word *words, json_t *value, unsigned *out)
{
    const char *given = json_string_value(value);

    for (; given != NULL && words->name != NULL; words++) {
        if (strcmp(words->name, given) == 0) {
            *out = words->value;
            return true;
        }
    }
    return false;
}

static bool read_set(const struct policy_word *words, json_t *value, unsigned *bits)
{
    unsigned bit;

    if (!json_is_array(value))
        return word_value(words, value, bits);
    for (size_t index = 0; index < json_array_size(value); index++) {
        json_t *item = json_array_get(value, index);

        if (!word_value(words, item, &bit))
            return false;
        *bits |= bit;
    }
    return *bits != 0;
}

static bool read_yes_no(json_t *value, int *out)
{
    *out = json_is_true(value) ? 1 : 0;
    return json_is_boolean(value);
}

static bool read_action(json_t *value, struct policy_row *row)
{
    unsigned action;

    if (!word_value(policy_actions, value, &action))
        return false;
    row->action = (enum policy_action)action;
    return true;
}

static bool read_status(json_t *value, struct policy_row *row)
{
    return read_set(policy_statuses, value, &row->statuses);
}

static bool read_layer(json_t *value, struct policy_row *row)
{
    return read_set(policy_layers, value, &row->layers);
}

static bool read_flag(json_t *value, struct policy_row *row)
{
    return read_set(policy_flags, value, &row->flags_any);
}

static bool read_without_flag(json_t *value, struct policy_row *row)
{
    return read_set(policy_flags, value, &row->flags_none);
}

static bool read_suggestion(json_t *value, struct policy_row *row)
{
    return read_yes_no(value, &row->suggestion);
}

static bool read_suppressed(json_t *value, struct policy_row *row)
{
    return read_yes_no(value, &row->suppressed);
}

static bool read_confidence(json_t *value, struct policy_row *row)
{
    row->confidence_min = json_number_value(value);
    return json_is_number(value) && row->confidence_min >= 0 && row->confidence_min <= 1;
}

static const struct rule_key {
    const char *name;
    bool (*read)(json_t *value, struct policy_row *row);
    const char *wants;
} rule_keys[] = {
    {"action", read_action, "must be accept, confirm, review or reject"},
    {"status", read_status, "must be deliverable, undeliverable, risky, unknown or a list of them"},
    {"layer", read_layer,
     "must be syntax, dns, connect, smtp, mailbox, engine, policy or a list of them"},
    {"flag", read_flag, "must be disposable, role or a list of them"},
    {"without_flag", read_without_flag, "must be disposable, role or a list of them"},
    {"suggestion", read_suggestion, "must be true or false"},
    {"suppressed", read_suppressed, "must be true or false"},
    {"confidence_min", read_confidence, "must be a number from 0 to 1"},
};

static bool read_rule(const struct reading *reading, json_t *rule, struct policy_row *row)
{

    *row = (struct policy_row){.suggestion = -1, .suppressed = -1};
    if (!json_is_object(rule) || json_object_get(rule, "action") == NULL)
        return refuse(reading, "", "must be an object with an action");
    for (void *member = json_object_iter(rule); member != NULL;
         member = json_object_iter_next(rule, member)) {
        const char *key = json_object_iter_key(member);
        json_t *value = json_object_iter_value(member);
        size_t i = 0;

        while (i < ARRAY_LENGTH(rule_keys) && strcmp(rule_keys[i].name, key) != 0)
            i++;
        if (i == ARRAY_LENGTH(rule_keys))
            return refuse(reading, key, "is no key of a rule");
        if (!rule_keys[i].read(value, row))
            return refuse(reading, key, rule_keys[i].wants);
    }
    return true;
}

/* --- policies --------------------------------------------------------------------- */

static bool name_fits(const char *name)
{
    size_t length = name == NULL ? 0 : strlen(name);

    return length > 0 && length <= POLICY_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == length;
}

static bool read_policy(struct reading *reading, json_t *item)
{
    const char *name = json_string_value(json_object_get(item, "name"));
    const char *description = json_string_value(json_object_get(item, "description"));
    json_t *rules = json_object_get(item, "rules");
    struct policies *policies = reading->policies;
    struct policy *policy = &policies->items[policies->count];

    reading->policy = NULL;
    reading->rule = 0;
    if (!name_fits(name))
        return refuse(reading, "", "each policy needs a name of a-z, 0-9, - and _");
    reading->policy = name;
    if (policy_find(policies, name) != NULL)
        return refuse(reading, "", "exists already");
    if (json_array_size(rules) == 0 || json_array_size(rules) > POLICY_ROWS_MAX)
        return refuse(reading, "rules", "must be a list of 1 to 16 rules");
    *policy = (struct policy){.row_count = json_array_size(rules)};
    for (size_t index = 0; index < json_array_size(rules); index++) {
        json_t *rule = json_array_get(rules, index);

        reading->rule = index + 1;
        if (!read_rule(reading, rule, &policy->rows[index]))
            return false;
    }
    reading->rule = 0;
    if (policy_rejects_unknown(policy))
        return refuse(reading, "",
                      "rejects unknown: no evidence is no reason to turn somebody away");
    policy->name = mem_copy_text(name);
    policy->description = mem_copy_text(description == NULL ? "" : description);
    policies->count++;
    return true;
}

bool policy_file_read(struct policies *policies, const char *file, char *error, size_t error_size)
{
    struct reading reading = {
        .policies = policies, .file = file, .error = error, .error_size = error_size};
    json_error_t problem;
    json_t *root = json_load_file(file, JSON_REJECT_DUPLICATES, &problem), *items;
    bool fine = true;

    if (root == NULL) {
        if (problem.line < 0) /* it could not be opened, and the text has its name */
            snprintf(error, error_size, "policies_file: %s", problem.text);
        else
            snprintf(error, error_size, "policies_file: %.200s: line %d: %s", file, problem.line,
                     problem.text);
        return false;
    }
    items = json_object_get(root, "policies");
    if (!json_is_array(items) || json_array_size(items) > POLICIES_MAX - policies->count)
        fine = refuse(&reading, "", "must be {\"policies\": [...]} with at most 29 policies");
    for (size_t index = 0; fine && index < json_array_size(items); index++)
        fine = read_policy(&reading, json_array_get(items, index));
    json_decref(root);
    return fine;
}
