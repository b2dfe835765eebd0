/* mem.h - allocation that does not fail quietly.
 *
 * vrfyd bounds what it admits (checks, connections, bodies, caches), so running
 * out of memory means the bounds are set wrong for the host. The process says so
 * and ends; the supervisor restarts it. Nothing here returns NULL. */
#pragma once

#include <stddef.h>

/* Zeroed memory for `count` things of `size` bytes; the caller frees with free(). */
void *mem_zeroed(size_t count, size_t size);
/* As realloc(3), never NULL for a size above 0. */
void *mem_resize(void *block, size_t size);
/* A copy with a closing NUL; the caller frees. NULL gives NULL. */
char *mem_copy_text(const char *text);
char *mem_copy_bytes(const char *bytes, size_t length);

#define mem_new(type)          ((type *)mem_zeroed(1, sizeof(type)))
#define mem_array(type, count) ((type *)mem_zeroed((count), sizeof(type)))
#define ARRAY_LENGTH(array)    (sizeof(array) / sizeof((array)[0]))
/* The struct that holds `member` at `pointer`. */
#define CONTAINER_OF(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
