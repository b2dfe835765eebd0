/* mx_target.h - may the name in an MX record be looked up at all? Pure. */
#pragma once

#include <stdbool.h>

/* A host name (RFC 1123 section 2.1, underscores tolerated: they are seen in the wild), not an
 * address in disguise, and not a name that never resolves. Lower-case, no final dot. */
bool mx_target_is_usable(const char *name);
