#include "probes/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *block)
{
    if (block == NULL) {
        fputs("vrfyd: out of memory; lower checks_max\n", stderr);
        abort();
    }
    return block;
}

void *mem_zeroed(size_t count, size_t size)
{
    return checked(calloc(count > 0 ? count : 1, size > 0 ? size : 1));
}

void *mem_resize(void *block, size_t size) { return checked(realloc(block, size > 0 ? size : 1)); }

char *mem_copy_bytes(const char *bytes, size_t length)
{
    char *copy = mem_zeroed(length + 1, 1);

    if (length > 0)
        memcpy(copy, bytes, length);
    return copy;
}

char *mem_copy_text(const char *text)
{
    return text == NULL ? NULL : mem_copy_bytes(text, strlen(text));
}
