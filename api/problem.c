#include "api/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "probes/base/text.h"

enum { PROBLEM_JSON_MAX = 4096 };

static const struct problem_row {
    const char *name;
    unsigned status;
    const char *title;
} rows[] = {
#define X(symbol, code, status, title) {code, status, title},
    PROBLEM_LIST(X)
#undef X
};

const char *problem_name(enum problem_code code) { return rows[code].name; }

unsigned problem_status(enum problem_code code) { return rows[code].status; }

bool problem_set(struct problem *problem, enum problem_code code, const char *field,
                 const char *detail, ...)
{
    char words[PROBLEM_DETAIL_SIZE];
    va_list arguments;

    va_start(arguments, detail);
    vsnprintf(words, sizeof(words), detail,
              arguments); // NOLINT(clang-analyzer-valist.Uninitialized)
    va_end(arguments);
    problem->code = code;
    text_clean(problem->field, sizeof(problem->field), field, strlen(field));
    text_clean(problem->detail, sizeof(problem->detail), words, strlen(words));
    return false;
}

char *problem_json(const struct problem *problem)
{
    const struct problem_row *row = &rows[problem->code];
    struct text out, type;

    text_init(&out, PROBLEM_JSON_MAX);
    text_init(&type, PROBLEM_JSON_MAX);
    json_open(&out, NULL, '{');
    text_format(&type, "urn:vrfyd:problem:%s", row->name); /* RFC 9457 section 3.1.1 */
    json_string(&out, "type", type.bytes);
    json_string(&out, "title", row->title);
    json_integer(&out, "status", row->status);
    json_string(&out, "code", row->name);
    if (problem->detail[0] != '\0')
        json_string(&out, "detail", problem->detail);
    if (problem->field[0] != '\0')
        json_string(&out, "field", problem->field);
    json_close(&out, '}');
    text_free(&type);
    return text_take(&out);
}
