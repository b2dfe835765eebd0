/* Hosts that no longer tell once they have refused too many strangers.
 *
 * Directory harvest protection comes in two kinds: refuse whoever asks on, or accept everybody from
 * then on without a word (Cisco's default: 25 refused recipients an hour from one address). So
 * when a host has refused that many of ours, what its domains' decoys said before counts no more;
 * one decoy more tells whether it still refuses, and is believed until the count has doubled. */
#include "service/lanes.h"

enum { HARVEST_MIN = 25 };

void lane_count_refused(struct lane_session *session)
{
    struct lane_host *host = session->host;

    hourly_count(&host->refused, session_now_ms(session));
    if (host->refused.count == 1) /* of a new hour */
        host->refused_proven = 0;
}

static bool refused_many(const struct lane_session *session)
{
    return hourly_left_ms(&session->host->refused, HARVEST_MIN, session_now_ms(session)) > 0;
}

bool lane_may_lie(const struct lane_session *session)
{
    const struct lane_host *host = session->host;
    uint32_t proven = host->refused_proven;

    return refused_many(session) && (proven < HARVEST_MIN || host->refused.count >= proven * 2);
}

enum decoy_outcome lane_weigh_decoy(struct lane_session *session,
                                    const struct domain_memory *domain, enum decoy_outcome outcome)
{
    bool refused_before = domain->decoy == DECOY_REJECTED ||
                          hourly_left_ms(&domain->unknown, 1, session_now_ms(session)) > 0;

    if (outcome == DECOY_REJECTED && session->host->refused.count > 0)
        session->host->refused_proven = session->host->refused.count - 1; /* before it came */
    if (outcome != DECOY_ACCEPTED || !refused_many(session) || !refused_before)
        return outcome;
    lane_host_rest(session->host);
    return DECOY_THROTTLED;
}
