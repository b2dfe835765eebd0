/* syntax_line.h - one line of NDJSON with an address in it: {"email": "..."}. */
#pragma once

#include <stddef.h>

#define SYNTAX_LINE_LIST(X)                                                                        \
    X(SYNTAX_LINE_OK, "ok")                                                                        \
    X(SYNTAX_LINE_BAD_JSON, "bad_json")           /* not one JSON object */                        \
    X(SYNTAX_LINE_EMAIL_MISSING, "email_missing") /* an object without "email" */                  \
    X(SYNTAX_LINE_BAD_VALUE, "bad_value")         /* "email" is no string */                       \
    X(SYNTAX_LINE_TOO_LONG, "line_too_long")

enum syntax_line {
#define X(symbol, name) symbol,
    SYNTAX_LINE_LIST(X)
#undef X
        SYNTAX_LINE_COUNT
};
const char *syntax_line_name(enum syntax_line outcome);

/* Finds the value of "email" and decodes it inside `line`. Other members are ignored. On
 * SYNTAX_LINE_OK *email points into `line`; it may hold NUL. A lone surrogate escape becomes three
 * octets that are not UTF-8, so that the address is refused and not the line. */
enum syntax_line syntax_line_read(char *line, size_t length, const char **email,
                                  size_t *email_length);
