/* clock.h - the two clocks, behind one door so that tests own time. */
#pragma once

#include <stdint.h>

/* Monotonic milliseconds and nanoseconds: for waits, lifetimes, measurements. */
uint64_t clock_now_ms(void);
uint64_t clock_now_ns(void);
/* Seconds since 1970, for what leaves the program. */
int64_t clock_wall_s(void);

/* RFC 3339 in UTC, "2026-11-22T10:00:00Z"; `out` holds at least CLOCK_TEXT_SIZE. */
enum { CLOCK_TEXT_SIZE = 24 };
void clock_format(int64_t wall_s, char out[CLOCK_TEXT_SIZE]);

/* Tests only, before any thread starts: from now on both clocks read *virtual_ms. NULL undoes. */
void clock_use_virtual(const uint64_t *virtual_ms);
