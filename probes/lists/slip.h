/* slip.h - what it takes to type one word for another, in tenths of a plain slip: keys that lie
 * side by side, two letters swapped, one doubled or left out cost little; anything else costs more
 * than a suggestion is worth. */
#pragma once

#include <stddef.h>

enum {
    SLIP_WORD_MAX = 40,
    SLIP_TOO_MUCH = 1000 /* no plausible slip, or longer than SLIP_WORD_MAX */
};

enum slip_part {
    SLIP_NAME,  /* people get a first letter right more often than the others */
    SLIP_SUFFIX /* "com", "co.uk": often broken off, and without dots in it */
};

/* SLIP_TOO_MUCH for anything above `limit`. */
unsigned slip_cost(enum slip_part part, const char *typed, size_t typed_length, const char *meant,
                   size_t meant_length, unsigned limit);
