/* suffix.h - what stands behind the name in a domain ("com", "co.uk"), and what it was meant to be.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { SUFFIX_MAX = 16 };

/* Is it one under which people register names: a top-level domain, or one of the usual second
 * levels
 * ("co.uk")? */
bool suffix_known(const char *suffix, size_t length);

/* The suffix probably meant by one that is mistyped, into `meant`; its cost as in slip.h, or
 * SLIP_TOO_MUCH. `relaxed`: the domain is known not to exist, so a suffix that exists may be a slip
 * too. */
unsigned suffix_meant(const char *typed, size_t length, bool relaxed, char meant[SUFFIX_MAX]);
