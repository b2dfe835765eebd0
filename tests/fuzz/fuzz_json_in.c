/* fuzz_json_in.c - any octets as a body or a query: a request within its bounds, or a problem that
 * is itself good JSON. The first octet chooses the reader. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_in.h"
#include "probes/base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_options(const struct verify_options *options)
{
    require(options->deadline_ms >= DEADLINE_MIN_MS && options->deadline_ms <= DEADLINE_MAX_MS);
    require(options->max_age_s <= MAX_AGE_MAX_S && options->policy != NULL);
    require(options->explain <= EXPLAIN_TRANSCRIPT);
}

static void check_problem(const struct problem *problem)
{
    char *json = problem_json(problem);
    json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, NULL);

    require(root != NULL && problem->code < PROBLEM_COUNT);
    require(json_integer_value(json_object_get(root, "status")) == problem_status(problem->code));
    json_decref(root);
    free(json);
}

static void check_verify(bool fine, const struct verify_input *input, const struct problem *problem)
{
    if (!fine) {
        check_problem(problem);
        return;
    }
    require(input->email != NULL && input->email_length <= ENGINE_EMAIL_MAX);
    check_options(&input->options);
    json_decref(input->root);
}

static void check_items(const struct batch_input *input)
{
    require(json_array_size(input->emails) <= ENGINE_BATCH_MAX);
    for (size_t i = 0; i < json_array_size(input->emails); i++) {
        const char *email, *ref;
        struct problem problem;
        size_t length;

        if (json_in_item(json_array_get(input->emails, i), &email, &length, &ref, &problem))
            require(email != NULL && length <= ENGINE_EMAIL_MAX);
        else
            check_problem(&problem);
        require(ref == NULL || strlen(ref) <= REF_MAX);
    }
}

static void read_batch(const char *body, size_t length, const struct policies *policies)
{
    struct batch_input input;
    struct problem problem;

    if (!json_in_batch(body, length, policies, &input, &problem)) {
        check_problem(&problem);
        return;
    }
    check_options(&input.options);
    check_items(&input);
    json_decref(input.root);
}

static void read_queries(const char *query, const struct policies *policies)
{
    struct verify_input input;
    struct problem problem;
    enum explain explain;
    uint32_t wait_ms, deadline_ms = DEADLINE_VERIFY_MS;

    check_verify(query_in_verify(query, policies, &input, &problem), &input, &problem);
    if (query_in_lookup(query, &wait_ms, &explain, &problem))
        require(wait_ms <= WAIT_MAX_S * 1000);
    else
        check_problem(&problem);
    if (query_in_deadline(query, &deadline_ms, &problem))
        require(deadline_ms >= DEADLINE_MIN_MS && deadline_ms <= DEADLINE_MAX_MS);
    else
        check_problem(&problem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct policies policies;
    struct verify_input input;
    struct problem problem;
    char error[256], *body;

    if (policies.count == 0)
        require(policies_load(&policies, "", error, sizeof(error)));
    if (size == 0)
        return 0;
    body = mem_copy_bytes((const char *)data + 1, size - 1);
    if (data[0] % 3 == 0)
        check_verify(json_in_verify(body, size - 1, &policies, &input, &problem), &input, &problem);
    else if (data[0] % 3 == 1)
        read_batch(body, size - 1, &policies);
    else
        read_queries(body, &policies);
    free(body);
    return 0;
}
