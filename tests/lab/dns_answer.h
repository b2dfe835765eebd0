/* dns_answer.h - one DNS question in, one answer out. No sockets. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/lab/counters.h"
#include "tests/lab/zone.h"

enum { DNS_ANSWER_MAX = 4096 };

/* Returns the length of the answer in `out`; 0 = say nothing. */
size_t dns_answer(struct zone *zone, struct lab_counters *counters, const uint8_t *query,
                  size_t length, bool tcp, uint8_t out[DNS_ANSWER_MAX]);
