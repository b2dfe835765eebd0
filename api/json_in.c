#include "api/json_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"

enum option_kind { OPTION_SWITCH, OPTION_NUMBER, OPTION_EXPLAIN, OPTION_POLICY };

/* Every option of every call: one row, whether it came in a body or in a query. */
static const struct option {
    const char *name;
    enum option_kind kind;
    size_t offset;
    uint32_t low, high;
} options[] = {
    {"smtp", OPTION_SWITCH, offsetof(struct verify_options, smtp), 0, 0},
    {"imap", OPTION_SWITCH, offsetof(struct verify_options, imap), 0, 0},
    {"explain", OPTION_EXPLAIN, offsetof(struct verify_options, explain), 0, 0},
    {"deadline_ms", OPTION_NUMBER, offsetof(struct verify_options, deadline_ms), DEADLINE_MIN_MS,
     DEADLINE_MAX_MS},
    {"max_age_s", OPTION_NUMBER, offsetof(struct verify_options, max_age_s), 0, MAX_AGE_MAX_S},
    {"policy", OPTION_POLICY, offsetof(struct verify_options, policy), 0, 0},
};

static const char *const explain_words[] = {"none", "evidence", "transcript"};

static const struct option *option_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

static struct verify_options option_defaults(const struct policies *policies, uint32_t deadline_ms)
{
    return (struct verify_options){
        .smtp = true,
        .imap = true,
        .explain = EXPLAIN_EVIDENCE,
        .deadline_ms = deadline_ms,
        .max_age_s = MAX_AGE_DEFAULT_S,
        .policy = policy_find(policies, "default"),
    };
}

/* --- setting one option ---------------------------------------------------------- */

/* The string without a NUL in it, which would hide what follows; else NULL. */
static const char *plain_word(json_t *value)
{
    const char *word = json_string_value(value);

    return word != NULL && strlen(word) == json_string_length(value) ? word : NULL;
}

static bool set_number(const struct option *option, char *field, json_t *value,
                       struct problem *problem)
{
    json_int_t number = json_integer_value(value);

    if (!json_is_integer(value) || number < option->low || number > option->high)
        return problem_set(problem, PROBLEM_BAD_VALUE, option->name,
                           "%s must be a whole number from %u to %u", option->name, option->low,
                           option->high);
    memcpy(field, &(uint32_t){(uint32_t)number}, sizeof(uint32_t));
    return true;
}

static bool set_switch(const struct option *option, char *field, json_t *value,
                       struct problem *problem)
{
    if (!json_is_boolean(value))
        return problem_set(problem, PROBLEM_BAD_VALUE, option->name, "%s must be true or false",
                           option->name);
    memcpy(field, &(bool){json_is_true(value)}, sizeof(bool));
    return true;
}

static bool set_explain(const struct option *option, char *field, json_t *value,
                        struct problem *problem)
{
    const char *word = plain_word(value);

    for (unsigned i = 0; word != NULL && i < ARRAY_LENGTH(explain_words); i++) {
        if (strcmp(word, explain_words[i]) == 0) {
            memcpy(field, &(enum explain){(enum explain)i}, sizeof(enum explain));
            return true;
        }
    }
    return problem_set(problem, PROBLEM_BAD_VALUE, option->name,
                       "explain must be none, evidence or transcript");
}

static bool set_policy(const struct option *option, char *field, json_t *value,
                       const struct policies *policies, struct problem *problem)
{
    const char *name = plain_word(value);
    const struct policy *policy = name == NULL ? NULL : policy_find(policies, name);

    if (policy == NULL)
        return problem_set(problem, PROBLEM_BAD_VALUE, option->name,
                           "there is no such policy; GET /v1/policies lists them");
    *(const struct policy **)(void *)field = policy;
    return true;
}

static bool option_set(const struct option *option, struct verify_options *into, json_t *value,
                       const struct policies *policies, struct problem *problem)
{
    char *field = (char *)into + option->offset;

    switch (option->kind) {
    case OPTION_SWITCH:
        return set_switch(option, field, value, problem);
    case OPTION_NUMBER:
        return set_number(option, field, value, problem);
    case OPTION_EXPLAIN:
        return set_explain(option, field, value, problem);
    case OPTION_POLICY:
        return set_policy(option, field, value, policies, problem);
    }
    return false;
}

/* --- bodies ------------------------------------------------------------------------ */

/* jansson would build a tree of any width: look first, in one pass and without memory. */
bool json_shape_fits(const char *body, size_t length, struct problem *problem)
{
    size_t depth = 0, values = 1;
    bool in_string = false;

    for (size_t i = 0; i < length; i++) {
        char c = body[i];

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
            continue;
        }
        if (c == '"')
            in_string = true;
        else if (c == '[' || c == '{')
            depth++;
        else if ((c == ']' || c == '}') && depth > 0)
            depth--;
        values += c == ',' || c == '[' || c == '{';
        if (depth > JSON_DEPTH_MAX)
            return problem_set(problem, PROBLEM_BAD_JSON, "", "nested deeper than %d",
                               JSON_DEPTH_MAX);
        if (values > JSON_VALUES_MAX)
            return problem_set(problem, PROBLEM_BAD_JSON, "", "more than %d values",
                               JSON_VALUES_MAX);
    }
    return true;
}

/* What the parser says, and of a member that came twice the name, which it quotes. */
static void bad_json(json_error_t *error, struct problem *problem)
{
    const char *name = strchr(error->text, '"');
    size_t length = name != NULL ? strcspn(name + 1, "\"") : 0;
    char field[PROBLEM_FIELD_SIZE] = "";

    if (json_error_code(error) == json_error_duplicate_key && name != NULL &&
        length < sizeof(field))
        memcpy(field, name + 1, length);
    problem_set(problem, PROBLEM_BAD_JSON, field, "line %d, column %d: %s", error->line,
                error->column, error->text);
}

/* The object in the body, NULL with the problem set. */
static json_t *parse_object(const char *body, size_t length, struct problem *problem)
{
    json_error_t error;
    json_t *root;

    if (length == 0) {
        problem_set(problem, PROBLEM_BAD_JSON, "", "the body is empty");
        return NULL;
    }
    if (!json_shape_fits(body, length, problem))
        return NULL;
    root =
        json_loadb(body, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
    if (root == NULL) {
        bad_json(&error, problem);
    } else if (!json_is_object(root)) {
        problem_set(problem, PROBLEM_BAD_JSON, "", "the body must be a JSON object");
        json_decref(root);
        root = NULL;
    }
    return root;
}

static bool unknown_option(const char *key, const char *subject, struct problem *problem)
{
    char known[PROBLEM_DETAIL_SIZE / 2] = "";

    for (size_t i = 0, end = 0; i < ARRAY_LENGTH(options) && end < sizeof(known); i++)
        end += (size_t)snprintf(known + end, sizeof(known) - end, ", %s", options[i].name);
    return problem_set(problem, PROBLEM_UNKNOWN_FIELD, key, "this call has %s%s", subject, known);
}

/* All members but `subject` are options. */
static bool read_options(json_t *object, const char *subject, struct verify_options *into,
                         const struct policies *policies, struct problem *problem)
{
    for (void *member = json_object_iter(object); member != NULL;
         member = json_object_iter_next(object, member)) {
        const char *key = json_object_iter_key(member);
        json_t *value = json_object_iter_value(member);
        const struct option *option = option_find(key);

        if (strcmp(key, subject) == 0)
            continue;
        if (option == NULL)
            return unknown_option(key, subject, problem);
        if (!option_set(option, into, value, policies, problem))
            return false;
    }
    return true;
}

static bool read_email(json_t *value, const char **email, size_t *length, struct problem *problem)
{
    if (value == NULL || json_is_null(value))
        return problem_set(problem, PROBLEM_EMAIL_MISSING, "email", "email is missing");
    if (!json_is_string(value))
        return problem_set(problem, PROBLEM_BAD_VALUE, "email", "email must be a string");
    if (json_string_length(value) > ENGINE_EMAIL_MAX)
        return problem_set(problem, PROBLEM_EMAIL_TOO_LONG, "email",
                           "email is longer than %d octets", ENGINE_EMAIL_MAX);
    *email = json_string_value(value);
    *length = json_string_length(value);
    return true;
}

/* What bodies and queries have in common; takes `root`. */
static bool read_verify(json_t *root, const struct policies *policies, struct verify_input *input,
                        struct problem *problem)
{
    *input = (struct verify_input){.options = option_defaults(policies, DEADLINE_VERIFY_MS)};
    if (root == NULL)
        return false;
    if (!read_options(root, "email", &input->options, policies, problem) ||
        !read_email(json_object_get(root, "email"), &input->email, &input->email_length, problem)) {
        json_decref(root);
        return false;
    }
    input->root = root;
    return true;
}

bool json_in_verify(const char *body, size_t length, const struct policies *policies,
                    struct verify_input *input, struct problem *problem)
{
    return read_verify(parse_object(body, length, problem), policies, input, problem);
}

bool json_in_batch(const char *body, size_t length, const struct policies *policies,
                   struct batch_input *input, struct problem *problem)
{
    json_t *root = parse_object(body, length, problem);
    json_t *emails = json_object_get(root, "emails");
    bool fine = root != NULL;

    *input = (struct batch_input){.options = option_defaults(policies, DEADLINE_BATCH_MS)};
    fine = fine && read_options(root, "emails", &input->options, policies, problem);
    if (fine && (emails == NULL || json_is_null(emails)))
        fine = problem_set(problem, PROBLEM_EMAIL_MISSING, "emails", "emails is missing");
    else if (fine && (!json_is_array(emails) || json_array_size(emails) > ENGINE_BATCH_MAX))
        fine = problem_set(problem, PROBLEM_BAD_VALUE, "emails",
                           "emails must be a list of at most %d", ENGINE_BATCH_MAX);
    if (!fine) {
        json_decref(root);
        return false;
    }
    input->root = root;
    input->emails = emails;
    return true;
}

bool json_in_item(json_t *item, const char **email, size_t *email_length, const char **ref,
                  struct problem *problem)
{
    json_t *given = json_object_get(item, "ref");

    *ref = NULL;
    if (json_is_string(item))
        return read_email(item, email, email_length, problem);
    if (!json_is_object(item))
        return problem_set(problem, PROBLEM_BAD_VALUE, "emails",
                           "an item is a string or an object {email, ref}");
    if (given != NULL && !json_is_null(given)) {
        if (plain_word(given) == NULL || json_string_length(given) > REF_MAX)
            return problem_set(problem, PROBLEM_BAD_VALUE, "ref",
                               "ref must be a string of at most %d octets", REF_MAX);
        *ref = json_string_value(given);
    }
    for (void *at = json_object_iter(item); at != NULL; at = json_object_iter_next(item, at)) {
        const char *key = json_object_iter_key(at);

        if (strcmp(key, "email") != 0 && strcmp(key, "ref") != 0)
            return problem_set(problem, PROBLEM_UNKNOWN_FIELD, key, "an item has email, ref");
    }
    return read_email(json_object_get(item, "email"), email, email_length, problem);
}

/* --- queries ----------------------------------------------------------------------- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool percent_decode(const char *text, size_t length, char *out, size_t *out_length)
{
    size_t written = 0;

    for (size_t i = 0; i < length; i++) {
        int high, low;

        if (text[i] != '%') {
            out[written++] = text[i];
            continue;
        }
        if (length - i < 3)
            return false;
        high = hex_value(text[i + 1]);
        low = hex_value(text[i + 2]);
        if (high < 0 || low < 0)
            return false;
        out[written++] = (char)(high * 16 + low);
        i += 2;
    }
    out[written] = '\0';
    *out_length = written;
    return true;
}

/* The value as the JSON that a body would have held. NULL = octets that are not UTF-8. */
static json_t *query_value(const char *name, const char *text, size_t length)
{
    const struct option *option = option_find(name);

    if (option != NULL && option->kind == OPTION_SWITCH) {
        if (strcmp(text, "true") == 0 || strcmp(text, "1") == 0)
            return json_true();
        if (strcmp(text, "false") == 0 || strcmp(text, "0") == 0)
            return json_false();
    }
    if (((option != NULL && option->kind == OPTION_NUMBER) || strcmp(name, "wait") == 0) &&
        length > 0 && length < 10 && strspn(text, "0123456789") == length) {
        json_int_t number = 0;

        for (size_t i = 0; i < length; i++)
            number = number * 10 + (text[i] - '0');
        return json_integer(number);
    }
    return json_stringn(text, length);
}

/* One "name=value" into the object. */
static bool query_pair(json_t *object, const char *pair, size_t length, struct problem *problem)
{
    const char *equals = memchr(pair, '=', length);
    size_t width = equals == NULL ? length : (size_t)(equals - pair), size = 0;
    char *name = mem_zeroed(length + 1, 1), *value = mem_zeroed(length + 1, 1);
    json_t *json = NULL;
    bool named = percent_decode(pair, width, name, &size) && strlen(name) == size;
    bool fine = named;

    size = 0;
    if (fine && equals != NULL)
        fine = percent_decode(equals + 1, length - width - 1, value, &size);
    if (!fine) {
        problem_set(problem, PROBLEM_BAD_VALUE, named ? name : "", "malformed %%XX in the query");
    } else if (json_object_get(object, name) != NULL) {
        fine = problem_set(problem, PROBLEM_BAD_VALUE, name, "given twice");
    } else if ((json = query_value(name, value, size)) == NULL ||
               json_object_set_new(object, name, json) != 0) {
        fine = problem_set(problem, PROBLEM_BAD_VALUE, name, "not UTF-8");
    }
    free(name);
    free(value);
    return fine;
}

/* A query as an object; NULL with the problem set. */
static json_t *parse_query(const char *query, struct problem *problem)
{
    json_t *object = json_object();

    while (*query != '\0') {
        size_t length = strcspn(query, "&");

        if (length > 0 && !query_pair(object, query, length, problem)) {
            json_decref(object);
            return NULL;
        }
        query += length + (query[length] == '&');
    }
    return object;
}

bool query_in_verify(const char *query, const struct policies *policies, struct verify_input *input,
                     struct problem *problem)
{
    return read_verify(parse_query(query, problem), policies, input, problem);
}

bool query_in_lookup(const char *query, uint32_t *wait_ms, enum explain *explain,
                     struct problem *problem)
{
    static const struct option wait = {"wait", OPTION_NUMBER, 0, 0, WAIT_MAX_S};
    struct verify_options given = {.explain = EXPLAIN_EVIDENCE};
    json_t *object = parse_query(query, problem);
    uint32_t wait_s = 0;
    bool fine = object != NULL;

    for (void *member = json_object_iter(object); member != NULL;
         member = json_object_iter_next(object, member)) {
        const char *key = json_object_iter_key(member);
        json_t *value = json_object_iter_value(member);
        if (strcmp(key, "wait") == 0)
            fine = set_number(&wait, (char *)&wait_s, value, problem);
        else if (strcmp(key, "explain") == 0)
            fine = option_set(option_find(key), &given, value, NULL, problem);
        else
            fine = problem_set(problem, PROBLEM_UNKNOWN_FIELD, key, "this call has wait, explain");
        if (!fine)
            break;
    }
    json_decref(object);
    *wait_ms = wait_s * 1000;
    *explain = given.explain;
    return fine;
}

bool query_in_deadline(const char *query, uint32_t *deadline_ms, struct problem *problem)
{
    struct verify_options given = {.deadline_ms = *deadline_ms};
    json_t *object = parse_query(query, problem);
    bool fine = object != NULL;

    for (void *member = json_object_iter(object); member != NULL;
         member = json_object_iter_next(object, member)) {
        const char *key = json_object_iter_key(member);
        json_t *value = json_object_iter_value(member);
        if (strcmp(key, "deadline_ms") == 0)
            fine = option_set(option_find(key), &given, value, NULL, problem);
        else
            fine = problem_set(problem, PROBLEM_UNKNOWN_FIELD, key, "this call has deadline_ms");
        if (!fine)
            break;
    }
    json_decref(object);
    *deadline_ms = given.deadline_ms;
    return fine;
}
