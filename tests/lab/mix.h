/* mix.h - how often each behaviour and IMAP variant occurs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MIX_BEHAVIOURS_MAX = 256, MIX_IMAP_MAX = 64 };

struct mix {
    uint32_t behaviours[MIX_BEHAVIOURS_MAX],
        imap[MIX_IMAP_MAX]; /* weights, by index of the tables */
};

/* The tables' own weights, without what this machine cannot play. */
void mix_default(struct mix *mix);
/* A file names all behaviours it wants; IMAP stays as it is unless it names some. False with a
 * sentence. */
bool mix_read(struct mix *mix, const char *path, char *error, size_t error_size);
