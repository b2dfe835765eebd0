/* json_out.h - envelopes around documents the engine wrote. */
#pragma once

#include <stddef.h>

#include "api/problem.h"
#include "probes/base/text.h"
#include "service/engine.h"

/* Takes the document out of the answer; the caller frees. */
char *json_out_verdict(struct verify_answer *answer);

/* One batch item: `{"index":..,"ref":..,` and then what the verdict's document holds. */
void json_out_item(struct text *out, size_t index, const char *ref, const char *document);
/* `{"index":..,"ref":..,"problem":{..}}` */
void json_out_bad_item(struct text *out, size_t index, const char *ref, const char *problem);
