/* gibberish.h - does a local part read like somebody hit the keys at random? A flag, never more.
 *
 * The score is how surprising the letter pairs are, measured against pairs of real names and words.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* 0 = reads like a name, 1 = like noise. Short or non-ASCII local parts score 0. */
double gibberish_score(const char *local, size_t length);

#define GIBBERISH_THRESHOLD 0.5
/* gibberish_score(...) >= GIBBERISH_THRESHOLD */
bool gibberish(const char *local, size_t length);
