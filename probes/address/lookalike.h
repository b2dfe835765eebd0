/* lookalike.h - the plain letters that a name beyond ASCII is read as: "gmaíl.com" and a Cyrillic
 * "а" in it both look like "gmail.com". */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* `text` (UTF-8, lower case) without accents, and with Latin letters for those that look like them.
 * False when some character looks like none, or `out` is too small. */
bool lookalike_plain(const char *text, char *out, size_t size);
