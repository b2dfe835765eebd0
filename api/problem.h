/* problem.h - what went wrong with a request, as application/problem+json (RFC 9457). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* symbol, stable code, HTTP status, title */
#define PROBLEM_LIST(X)                                                                            \
    X(PROBLEM_EMAIL_MISSING, "email_missing", 400, "No address given")                             \
    X(PROBLEM_EMAIL_TOO_LONG, "email_too_long", 400, "The address is too long")                    \
    X(PROBLEM_UNKNOWN_FIELD, "unknown_field", 400, "Unknown field")                                \
    X(PROBLEM_BAD_VALUE, "bad_value", 400, "A value does not fit")                                 \
    X(PROBLEM_BAD_JSON, "bad_json", 400, "The body is no usable JSON")                             \
    X(PROBLEM_KEY_REQUIRED, "key_required", 401, "A key is required")                              \
    X(PROBLEM_KEY_INVALID, "key_invalid", 401, "The key is not valid")                             \
    X(PROBLEM_ORIGIN_REFUSED, "origin_refused", 403, "Refused from there")                         \
    X(PROBLEM_NOT_FOUND, "not_found", 404, "Not found")                                            \
    X(PROBLEM_METHOD_NOT_ALLOWED, "method_not_allowed", 405, "Method not allowed")                 \
    X(PROBLEM_REQUEST_TIMEOUT, "request_timeout", 408, "The request took too long")                \
    X(PROBLEM_IDEMPOTENCY_CONFLICT, "idempotency_conflict", 409, "Another request has this key")   \
    X(PROBLEM_IDEMPOTENCY_IN_PROGRESS, "idempotency_in_progress", 409, "Still being answered")     \
    X(PROBLEM_BODY_TOO_LARGE, "body_too_large", 413, "The body is too large")                      \
    X(PROBLEM_URI_TOO_LONG, "uri_too_long", 414, "The URI is too long")                            \
    X(PROBLEM_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", 415, "Unsupported media type")     \
    X(PROBLEM_RATE_LIMITED, "rate_limited", 429, "Too many requests")                              \
    X(PROBLEM_HEADERS_TOO_LARGE, "headers_too_large", 431, "The header fields are too large")      \
    X(PROBLEM_OVERLOADED, "overloaded", 503, "No room for now")                                    \
    X(PROBLEM_STORE_UNAVAILABLE, "store_unavailable", 503, "The store does not answer")

enum problem_code {
#define X(symbol, code, status, title) symbol,
    PROBLEM_LIST(X)
#undef X
        PROBLEM_COUNT
};

const char *problem_name(enum problem_code code);
unsigned problem_status(enum problem_code code);

enum { PROBLEM_FIELD_SIZE = 72, PROBLEM_DETAIL_SIZE = 256 };

/* Which field, and a sentence that helps; both may be "". */
struct problem {
    enum problem_code code;
    char field[PROBLEM_FIELD_SIZE];
    char detail[PROBLEM_DETAIL_SIZE];
};

/* `field` may be foreign text: it is cleaned and cut. Returns `problem->code`'s falsehood, so that
 * parsers can end with `return problem_set(...)`. */
bool problem_set(struct problem *problem, enum problem_code code, const char *field,
                 const char *detail, ...) __attribute__((format(printf, 4, 5)));
/* One JSON object; the caller frees. */
char *problem_json(const struct problem *problem);
