#include "service/retry.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "probes/base/mem.h"

enum { MINUTE = 60, HOUR = 3600, DAY = 24 * 3600, ADVERTISED_SPARE_S = 5 };

enum schedule {
    SCHEDULE_NONE,
    SCHEDULE_GREYLIST,
    SCHEDULE_DECOY, /* as greylisting, but it is the decoy that was put off, later than its
                       recipient */
    SCHEDULE_TEMPORARY
};

static const struct retry_row {
    enum verdict_reason reason;
    uint32_t after_s; /* for callers */
    enum schedule schedule;
} rows[] = {
    {REASON_DNS_TIMEOUT, MINUTE, SCHEDULE_TEMPORARY},
    {REASON_DNS_FAILURE, 5 * MINUTE, SCHEDULE_TEMPORARY},
    {REASON_DNSSEC_BOGUS, 15 * MINUTE, SCHEDULE_NONE},
    {REASON_CONNECT_REFUSED, 15 * MINUTE, SCHEDULE_TEMPORARY},
    {REASON_CONNECT_TIMEOUT, 15 * MINUTE, SCHEDULE_TEMPORARY},
    {REASON_SMTP_TIMEOUT, 15 * MINUTE, SCHEDULE_TEMPORARY},
    {REASON_CONNECTION_LOST, 5 * MINUTE, SCHEDULE_TEMPORARY},
    {REASON_PROTOCOL_ERROR, HOUR, SCHEDULE_NONE},
    {REASON_PROBE_BLOCKED, 15 * MINUTE, SCHEDULE_NONE},
    {REASON_GREYLISTED, 6 * MINUTE, SCHEDULE_GREYLIST},
    {REASON_TEMPORARY_FAILURE, 15 * MINUTE, SCHEDULE_TEMPORARY},
    {REASON_REJECTED_UNCLEAR, 2 * HOUR, SCHEDULE_NONE},
    {REASON_MAILBOX_FULL, 2 * HOUR, SCHEDULE_NONE},
    {REASON_ACCEPTED_UNCONFIRMED, 3 * HOUR, SCHEDULE_DECOY},
    {REASON_DEADLINE_EXCEEDED, 5, SCHEDULE_NONE}, /* the check goes on: ask for its id */
    {REASON_DEFERRED, 15 * MINUTE, SCHEDULE_TEMPORARY},
    {REASON_EGRESS_BLOCKED, 10 * MINUTE, SCHEDULE_NONE},
    {REASON_INTERNAL_ERROR, MINUTE, SCHEDULE_NONE},
};

static const struct retry_row *row_of(enum verdict_reason reason)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (rows[i].reason == reason)
            return &rows[i];
    return NULL;
}

uint32_t retry_after_s(enum verdict_reason reason)
{
    const struct retry_row *row = row_of(reason);

    return row != NULL ? row->after_s : HOUR; /* not retryable, yet unknown: held that long */
}

uint32_t retry_lifetime_s(enum verdict_reason reason, const struct smtp_evidence *evidence)
{
    static const struct smtp_reply_facts nothing;
    const struct smtp_reply_facts *reply = evidence != NULL ? &evidence->recipient : &nothing;
    bool no_such_mailbox =
        reason == REASON_MAILBOX_NOT_FOUND && reply->enhanced[1] == 1 && reply->enhanced[2] == 1;

    if (reason_retryable(reason) || reason_status(reason) == STATUS_UNKNOWN)
        return retry_after_s(reason);
    return reply->class == REPLY_ACCEPTED || no_such_mailbox ? DAY : 2 * HOUR;
}

/* "60 seconds", "5 minutes", "00:04:56": what stands behind a number. */
static uint32_t unit_s(const char *unit)
{
    static const struct {
        const char *word;
        uint32_t seconds;
    } units[] = {{"sec", 1}, {"min", MINUTE}, {"hour", HOUR}, {"hr", HOUR}};

    while (*unit == ' ' || *unit == '-' || *unit == '_')
        unit++;
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++)
        if (strncasecmp(unit, units[i].word, strlen(units[i].word)) == 0)
            return units[i].seconds;
    return 0;
}

/* hh:mm:ss or mm:ss at `text`, of which `first` was the first number. */
static uint32_t clock_s(unsigned long first, const char *rest)
{
    char *end;

    if (*rest != ':' || !isdigit((unsigned char)rest[1]))
        return 0;
    unsigned long second = strtoul(rest + 1, &end, 10);
    if (*end != ':' || !isdigit((unsigned char)end[1]))
        return (uint32_t)(first * MINUTE + second);
    return (uint32_t)(first * HOUR + second * MINUTE + strtoul(end + 1, &end, 10));
}

uint32_t retry_advertised_s(const char *text)
{
    if (text == NULL)
        return 0;
    for (const char *at = text; *at != '\0'; at++) {
        char *end;

        if (!isdigit((unsigned char)*at) || (at > text && isalnum((unsigned char)at[-1])))
            continue;
        unsigned long number = strtoul(at, &end, 10);
        uint32_t seconds = number <= DAY ? clock_s(number, end) : 0;
        if (seconds == 0 && number <= DAY)
            seconds = (uint32_t)number * unit_s(end);
        if (seconds > 0 && seconds <= DAY)
            return seconds;
        at = end - 1;
    }
    return 0;
}

static uint32_t scheduled_s(const struct config_schedule *schedule, unsigned tries)
{
    return tries == 0 || tries > schedule->count ? 0 : schedule->after_s[tries - 1];
}

uint32_t retry_greylisted_s(const struct config *config, const char *text, unsigned tries)
{
    uint32_t after_s = scheduled_s(&config->greylist_schedule, tries);
    uint32_t advertised_s = retry_advertised_s(text);

    return after_s > 0 && advertised_s > 0 ? advertised_s + ADVERTISED_SPARE_S : after_s;
}

static enum schedule schedule_of(enum verdict_reason reason)
{
    const struct retry_row *row = row_of(reason);

    return row != NULL ? row->schedule : SCHEDULE_NONE;
}

bool retry_same_schedule(enum verdict_reason one, enum verdict_reason other)
{
    return schedule_of(one) == schedule_of(other);
}

uint64_t retry_delay_ms(const struct config *config, enum verdict_reason reason,
                        const struct smtp_evidence *evidence, unsigned tries)
{
    uint32_t after_s = 0, passed_ms = 0;

    switch (schedule_of(reason)) {
    case SCHEDULE_NONE:
        break;
    case SCHEDULE_GREYLIST:
        after_s =
            retry_greylisted_s(config, evidence != NULL ? evidence->recipient.text : NULL, tries);
        break;
    case SCHEDULE_DECOY:
        after_s = retry_greylisted_s(config, evidence != NULL ? evidence->decoy.text : NULL, tries);
        passed_ms = evidence != NULL ? evidence->decoy_age_ms : 0;
        break;
    case SCHEDULE_TEMPORARY:
        after_s = scheduled_s(&config->temporary_schedule, tries);
        break;
    }
    uint64_t delay_ms = (uint64_t)after_s * 1000;
    return delay_ms > passed_ms ? delay_ms - passed_ms : after_s > 0;
}
