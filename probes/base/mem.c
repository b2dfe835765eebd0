#include "probes/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL_BLOCK = 1024 };

static void *checked(void *block)
{
    if (block == NULL) {
        fputs("vrfyd: out of memory; lower checks_max\n", stderr);
        abort();
    }
    return block;
}

/* glibc's calloc() takes its lock each time; its malloc() has small blocks in stock per thread. */
void *mem_zeroed(size_t count, size_t size)
{
    size_t octets;

    if (__builtin_mul_overflow(count, size, &octets) || octets > SMALL_BLOCK)
        return checked(calloc(count, size));
    return memset(checked(malloc(octets > 0 ? octets : 1)), 0, octets);
}

void *mem_resize(void *block, size_t size) { return checked(realloc(block, size > 0 ? size : 1)); }

char *mem_copy_bytes(const char *bytes, size_t length)
{
    char *copy = checked(malloc(length + 1));

    if (length > 0)
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}

char *mem_copy_text(const char *text)
{
    return text == NULL ? NULL : mem_copy_bytes(text, strlen(text));
}
