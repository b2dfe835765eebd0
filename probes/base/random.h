/* random.h - octets nobody can guess: for keys, ids, decoys and DNS questions. */
#pragma once

#include <stddef.h>

/* From the kernel, by way of a stock per thread; ends the process if there is none. Any thread. */
void random_bytes(void *out, size_t length);
/* `length` characters of a-z and 2-7 (five random bits each), terminated: `out` holds length + 1.
 */
void random_text(char *out, size_t length);
