#include "probes/base/random.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { STOCK_SIZE = 256 }; /* what one call gives whole, whatever signals come */

static _Thread_local unsigned char stock[STOCK_SIZE];
static _Thread_local size_t left;

static void refill(void)
{
    if (getrandom(stock, sizeof(stock), 0) != (ssize_t)sizeof(stock))
        abort(); /* no entropy: the kernel is broken */
    left = sizeof(stock);
}

void random_bytes(void *out, size_t length)
{
    unsigned char *at = out;

    while (length > 0) {
        if (left == 0)
            refill();
        size_t part = length < left ? length : left;
        left -= part;
        memcpy(at, stock + left, part);
        memset(stock + left, 0, part); /* given once, kept nowhere */
        at += part;
        length -= part;
    }
}

void random_text(char *out, size_t length)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

    random_bytes(out, length);
    for (size_t i = 0; i < length; i++)
        out[i] = alphabet[(unsigned char)out[i] & 31];
    out[length] = '\0';
}
