#include "probes/base/clock.h"

#include <stddef.h>
#include <time.h>

static const uint64_t *virtual_clock_ms;

uint64_t clock_now_ns(void)
{
    struct timespec now;

    if (virtual_clock_ms != NULL)
        return *virtual_clock_ms * 1000000u;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clock_now_ms(void) { return clock_now_ns() / 1000000u; }

int64_t clock_wall_s(void)
{
    return virtual_clock_ms != NULL ? (int64_t)(*virtual_clock_ms / 1000u) : (int64_t)time(NULL);
}

void clock_format(int64_t wall_s, char out[CLOCK_TEXT_SIZE])
{
    time_t seconds = (time_t)wall_s;
    struct tm utc;

    if (gmtime_r(&seconds, &utc) == NULL ||
        strftime(out, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        out[0] = '\0';
}

void clock_use_virtual(const uint64_t *virtual_ms) { virtual_clock_ms = virtual_ms; }
