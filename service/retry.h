/* retry.h - when to ask again, and how long an answer stays true.
 *
 * Greylisting is asked again from the same source with the same sender and recipient,
 * when the server said or by the schedule; other trouble that passes backs off. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "service/config.h"
#include "service/verdict.h"

/* Does trouble of both kinds go through one schedule? Tries for other reasons do not count in it.
 */
bool retry_same_schedule(enum verdict_reason one, enum verdict_reason other);
/* Milliseconds until the next try, `tries` of this schedule having been made; 0 = none is planned.
 */
uint64_t retry_delay_ms(const struct config *config, enum verdict_reason reason,
                        const struct smtp_evidence *evidence, unsigned tries);
/* The same in seconds for a greylisted question, by what the server said; 0 = none is planned. */
uint32_t retry_greylisted_s(const struct config *config, const char *text, unsigned tries);
/* Seconds after which a caller may ask again, when no try of ours is planned. */
uint32_t retry_after_s(enum verdict_reason reason);
/* How long an answer is kept: acceptance and 5.1.1 for a day, any other refusal for two hours, an
 * unknown until it may be asked again. */
uint32_t retry_lifetime_s(enum verdict_reason reason, const struct smtp_evidence *evidence);
/* The wait a greylisting server asks for in its text, in seconds; 0 = it names none. */
uint32_t retry_advertised_s(const char *text);
