/* policy.h - from verdict and flags to an action. Policies are data: lists of rows,
 * first match wins; the loader refuses one that rejects unknown. */
#pragma once

#include "service/verdict.h"

enum policy_action { ACTION_ACCEPT, ACTION_CONFIRM, ACTION_REVIEW, ACTION_REJECT, ACTION_COUNT };
const char *action_name(enum policy_action action);

/* Flags a row can ask about. */
enum policy_flag { POLICY_FLAG_DISPOSABLE = 1, POLICY_FLAG_ROLE = 2 };

struct policy_row {
    enum policy_action action;
    unsigned statuses;     /* bits 1 << STATUS_...; 0 = any */
    unsigned layers;       /* bits 1 << LAYER_...; 0 = any */
    unsigned flags_any;    /* at least one of these set; 0 = no matter */
    unsigned flags_none;   /* none of these set */
    int suggestion;        /* 1 = must have one, 0 = must not, -1 = no matter */
    int suppressed;        /* 1 = only suppressed, -1 = no matter */
    double confidence_min; /* 0 = no matter */
};

enum { POLICY_ROWS_MAX = 16, POLICIES_MAX = 32 };

struct policy {
    char *name;
    char *description;
    size_t row_count;
    struct policy_row rows[POLICY_ROWS_MAX];
};

struct policies {
    size_t count;
    struct policy items[POLICIES_MAX];
};

/* The built-in three: default, signup, strict; then the operator's file ("" = none).
 * False with a sentence in `error`. */
bool policies_load(struct policies *policies, const char *file, char *error, size_t error_size);
void policies_free(struct policies *policies);
const struct policy *policy_find(const struct policies *policies,
                                 const char *name); /* NULL = no such */

struct policy_input {
    const struct verdict *verdict;
    unsigned flags; /* POLICY_FLAG_ bits that are true */
    bool has_suggestion, allowlisted;
};
enum policy_action policy_decide(const struct policy *policy, const struct policy_input *input);
/* GET /v1/policies as JSON; the caller frees. */
char *policies_json(const struct policies *policies);
