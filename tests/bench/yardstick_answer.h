/* yardstick_answer.h - the line of JSON that yardstick_smtp writes for each recipient. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* As long as what the service writes for the same: its members, in its order. Returns its octets.
 */
size_t yardstick_answer(uint32_t index, const char *email, int code, const char *reply);
