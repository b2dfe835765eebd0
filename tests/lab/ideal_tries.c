/* Tries and waits that nothing shortens, whatever the client is like. */
#include "tests/lab/ideal_tries.h"

#include <string.h>

#include "probes/base/mem.h"

uint64_t host_wait_ms(const struct host_play *play)
{
    if (play->door == DOOR_STUCK)
        return WAIT_CONNECT_MS;
    if (play->greeting == GREETING_SILENT || play->greeting == GREETING_DRIP)
        return WAIT_GREETING_MS;
    return play->recipient == RECIPIENT_SILENT ? WAIT_RECIPIENT_MS : 0;
}

/* Is what comes of this behaviour asked again, and to no avail? */
static bool asked_again(const struct behaviour *row)
{
    static const char *const passing[] = {"smtp_timeout",     "connection_lost", "connect_refused",
                                          "connect_timeout",  "dns_timeout",     "dns_failure",
                                          "temporary_failure"};

    for (size_t i = 0; i < TRUTH_REASONS_MAX && row->first.reasons[i] != NULL; i++)
        for (size_t k = 0; k < ARRAY_LENGTH(passing); k++)
            if (strcmp(row->first.reasons[i], passing[k]) == 0)
                return !row->settles;
    return false;
}

bool host_rests(const struct behaviour *row)
{
    for (size_t i = 0; i < TRUTH_REASONS_MAX && row->first.reasons[i] != NULL; i++)
        if (strcmp(row->first.reasons[i], "deferred") == 0)
            return true;
    return false;
}

uint64_t tries_of(const struct world *world, const struct behaviour *row)
{
    return world->settings.settle && asked_again(row) ? 1 + SETTLE_TRIES : 1;
}

uint64_t pauses_ms(uint64_t tries)
{
    uint64_t sum_ms = 0;

    for (uint64_t i = 0; i + 1 < tries; i++)
        sum_ms += (uint64_t)settle_after_s[i] * 1000;
    return sum_ms;
}

/* Whoever is put off at first comes back when the host has rested, later after a pause. While one
 * pauses another may ask, and may be the reason that the first is put off without a wait of its
 * own. But a rest is over before a pause is, so each try of an address stands by another ask: the
 * k-th is over when k asks are, and the pause before it. And there are as many asks as tries: the
 * last is somebody's last try, or has a pause behind it. */
uint64_t shared_tries_ms(uint64_t tries, uint64_t wait_ms)
{
    uint64_t over_ms = wait_ms, asked_ms = wait_ms, pause_ms = 0, own_ms = 0;

    if (tries == 1)
        return wait_ms;
    for (uint64_t i = 0; i + 1 < tries; i++) {
        pause_ms = i == 0 ? SETTLE_REST_MS : (uint64_t)settle_after_s[i] * 1000;
        own_ms = over_ms + pause_ms + wait_ms;
        over_ms += pause_ms;
        asked_ms += SETTLE_REST_MS + wait_ms;
        at_least(&over_ms, asked_ms);
    }
    asked_ms += pause_ms;
    at_least(&over_ms, own_ms < asked_ms ? own_ms : asked_ms);
    return over_ms;
}

/* Nothing limits questions to DNS, so all addresses are asked about at once, each time; who gets no
 * answer asks twice, and the second time waits twice as long. That is remembered for some seconds:
 * the tries that follow may cost no wait. */
uint64_t nameless_ms(const struct world *world, const struct behaviour *row)
{
    uint64_t tries = tries_of(world, row);
    uint64_t wait_ms = row->dns == DNS_SILENT ? 3 * WAIT_DNS_MS : 0;

    return wait_ms + pauses_ms(tries);
}
