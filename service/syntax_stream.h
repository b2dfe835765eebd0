/* syntax_stream.h - `vrfyd syntax`: addresses in as NDJSON, what is known without a packet out as
 * NDJSON, one line for each line, in order. */
#pragma once

#include <stdio.h>

#include "probes/address/address.h"

enum { SYNTAX_LINE_MAX = 65536 }; /* octets of a line that are looked at */

/* Reads `in` to its end. Each line {"email": ...} gives {email, valid, error, normalized,
 * dedupe_key, suggestion, flags}; a line that is not like that gives {"email": null, "valid":
 * false, "line": n, "error": {code, message}} and the work goes on. `valid` and `error` are about
 * the octets as received: an address that had to be cleaned is not usable as it stands, and
 * `normalized` is what it was cleaned to. Output is flushed whenever the input has nothing ready.
 * Returns 0, or 1 when reading or writing failed. */
int syntax_stream(FILE *in, FILE *out, const struct address_options *options);
