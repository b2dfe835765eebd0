/* classify_stream.h - `vrfyd classify`: SMTP replies as NDJSON in, what they mean as NDJSON out.
 *
 * One line out per line in, in order: {"class": ..., "rule": ...}, or {"error": ...}. */
#pragma once

#include <stdio.h>

/* 0 at the end of the input; -1 if the output cannot be written or the input not read. */
int classify_stream(FILE *in, FILE *out);
