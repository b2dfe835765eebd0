/* policy_file.h - the operator's policies: a JSON file in the shape of GET /v1/policies.
 *
 *   {"policies": [{"name": "newsletter", "description": "...", "rules": [
 *       {"action": "reject", "status": "undeliverable"},
 *       {"action": "review", "flag": ["disposable", "role"]},
 *       {"action": "accept"}]}]}
 *
 * The first rule that fits decides; what none fits is accepted. A rule may ask for status, layer,
 * flag, without_flag (a word or a list of words), suggestion, suppressed (true or false) and
 * confidence_min. Names are new ones: the built-in three stay what their callers know. */
#pragma once

#include "service/policy.h"

/* Words of the file and the values or bits they stand for; ended by a NULL name. */
struct policy_word {
    const char *name;
    unsigned value;
};
extern const struct policy_word policy_actions[], policy_statuses[], policy_layers[],
    policy_flags[];

/* Adds what the file holds. False with a sentence in `error`; `policies` may then hold a part. */
bool policy_file_read(struct policies *policies, const char *file, char *error, size_t error_size);
/* Would it turn away an address of which nothing bad is known? */
bool policy_rejects_unknown(const struct policy *policy);
