#include "api/json_out.h"

#include <string.h>

char *json_out_verdict(struct verify_answer *answer)
{
    char *document = answer->document;

    answer->document = NULL;
    return document;
}

static void item_head(struct text *out, size_t index, const char *ref)
{
    json_open(out, NULL, '{');
    json_integer(out, "index", (int64_t)index);
    if (ref != NULL)
        json_string(out, "ref", ref);
}

void json_out_item(struct text *out, size_t index, const char *ref, const char *document)
{
    item_head(out, index, ref);
    text_char(out, ',');
    text_put(out, document + 1); /* its '{' is ours */
}

void json_out_bad_item(struct text *out, size_t index, const char *ref, const char *problem)
{
    item_head(out, index, ref);
    json_raw(out, "problem", problem);
    json_close(out, '}');
}
