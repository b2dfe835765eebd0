/* wire_check.h - is this request head what RFC 9112 allows, octet for octet?
 *
 * libmicrohttpd before 1.0 reads generously: two different lengths, a length beside chunks, bare LF
 * or CR as line end, folded lines, NUL, blanks before the colon. Behind a proxy that reads
 * otherwise each of them hides a second request in the first, so we refuse them all and close. */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>

#include "api/problem.h"

struct wire_head {
    const char *method, *target, *version; /* `target` as received, before anything was decoded */
};
/* False with the problem set: answer it and close, for nobody knows where the next request starts.
 */
bool wire_check(struct MHD_Connection *mhd, const struct wire_head *head, struct problem *problem);
