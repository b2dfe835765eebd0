/* gibberish.h - does a local part read like somebody hit the keys at random? A flag, never more.
 *
 * The score is the share of letter triples that no real name has; letters and digits in turns, and
 * keys in a row, count as well. See gibberish.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* 0 = reads like a name, 1 = like noise. Short or non-ASCII local parts score 0. */
double gibberish_score(const char *local, size_t length);

#define GIBBERISH_THRESHOLD 0.55
/* gibberish_score(...) >= GIBBERISH_THRESHOLD */
bool gibberish(const char *local, size_t length);
