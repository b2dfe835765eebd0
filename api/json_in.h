/* json_in.h - request bodies and query strings into requests: one table of options for all of
 * them, bounds named, unknown fields refused by name. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/problem.h"
#include "service/engine.h"
#include "service/policy.h"

enum {
    JSON_DEPTH_MAX = 16,
    JSON_VALUES_MAX = 8 * ENGINE_BATCH_MAX, /* members and items of a whole body */
    REF_MAX = 256,
    DEADLINE_MIN_MS = 100,
    DEADLINE_MAX_MS = 60000,
    DEADLINE_VERIFY_MS = 5000,
    DEADLINE_BATCH_MS = 30000,
    MAX_AGE_DEFAULT_S = 86400,
    MAX_AGE_MAX_S = 30 * 86400,
    WAIT_MAX_S = 50
};

/* What a caller may ask for beside the address. */
struct verify_options {
    bool smtp, imap;
    enum explain explain;
    uint32_t deadline_ms, max_age_s;
    const struct policy *policy;
};

/* One call; `root` owns the strings: json_decref() it after use. */
struct verify_input {
    json_t *root;
    const char *email;
    size_t email_length;
    struct verify_options options;
};
bool json_in_verify(const char *body, size_t length, const struct policies *policies,
                    struct verify_input *input, struct problem *problem);
/* The same from "email=...&smtp=false"; a plus is a plus (RFC 3986), not a space. */
bool query_in_verify(const char *query, const struct policies *policies, struct verify_input *input,
                     struct problem *problem);

/* A batch: `emails` holds strings and objects; see json_in_item(). */
struct batch_input {
    json_t *root;
    json_t *emails;
    struct verify_options options;
};
bool json_in_batch(const char *body, size_t length, const struct policies *policies,
                   struct batch_input *input, struct problem *problem);
/* One item; strings are borrowed from it. `ref` is NULL when there is none; it is filled, where it
 * can be, for a bad item too. */
bool json_in_item(json_t *item, const char **email, size_t *email_length, const char **ref,
                  struct problem *problem);

/* ?wait=s&explain=... */
bool query_in_lookup(const char *query, uint32_t *wait_ms, enum explain *explain,
                     struct problem *problem);
/* ?deadline_ms=... */
bool query_in_deadline(const char *query, uint32_t *deadline_ms, struct problem *problem);

/* Octets behind %XX; false when one is malformed. `out` holds at least `length` + 1. */
bool percent_decode(const char *text, size_t length, char *out, size_t *out_length);

/* Is this the shape of a request: not deep, not crowded? Says nothing about correctness. */
bool json_shape_fits(const char *body, size_t length, struct problem *problem);
