/* What is known of a domain: does it accept just anyone, does it refuse everyone? */
#include "service/lanes.h"

#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"

enum { EVICTION_LOOK = 16 };

static bool is_busy(const struct domain_memory *memory)
{
    return memory->decoy_running || memory->control_running;
}

static void make_room_for_domain(struct lanes *lanes)
{
    struct domain_memory *oldest, *following;
    unsigned looked = 0;

    if (HASH_COUNT(lanes->domains) < lanes->shard->config->cache_entries)
        return;
    HASH_ITER(hh, lanes->domains, oldest, following)
    {
        if (!is_busy(oldest)) {
            HASH_DEL(lanes->domains, oldest);
            smtp_reply_facts_clear(&oldest->decoy_reply);
            free(oldest);
            return;
        }
        if (++looked == EVICTION_LOOK)
            return;
    }
}

/* Other hosts take the domain's mail now: what the former ones said is no answer of theirs. */
static void follow_domain(struct domain_memory *memory, uint64_t mx_set)
{
    if (memory->mx_set == mx_set || is_busy(memory))
        return;
    memory->mx_set = mx_set;
    memory->decoy = DECOY_NOT_RUN;
    memory->control = CONTROL_NOT_RUN;
    memory->decoy_local[0] = '\0';
    smtp_reply_facts_clear(&memory->decoy_reply);
}

struct domain_memory *lanes_domain(struct lanes *lanes, const struct job *job)
{
    struct domain_memory *memory;

    HASH_FIND_STR(lanes->domains, job->domain, memory);
    if (memory != NULL) {
        follow_domain(memory, job->mx_set);
        return memory;
    }
    make_room_for_domain(lanes);
    size_t length = strlen(job->domain);
    memory = mem_zeroed(1, sizeof(*memory) + length + 1);
    memcpy(memory->domain, job->domain, length + 1);
    memory->mx_set = job->mx_set;
    HASH_ADD_STR(lanes->domains, domain, memory);
    return memory;
}

/* --- its share of an hour ------------------------------------------------------------ */

static uint32_t limit_for(const struct lane_host *host, const struct config_limit *limit)
{
    const struct provider *provider = host->lane->provider;
    bool set;

    return config_limit_for(limit, provider != NULL ? provider->key : NULL, host->name, &set);
}

uint32_t lane_must_wait_ms(const struct lane_host *host, const struct job *job)
{
    struct lanes *lanes = host->lane->lanes;
    const struct config *config = lanes->shard->config;
    uint64_t now_ms = loop_now_ms(lanes->shard->loop);
    uint32_t domain_ms = hourly_left_ms(&lanes_domain(lanes, job)->unknown,
                                        limit_for(host, &config->lane_unknown_per_hour), now_ms);
    uint32_t host_ms =
        hourly_left_ms(&host->refused, limit_for(host, &config->lane_refused_per_hour), now_ms);

    return domain_ms > host_ms ? domain_ms : host_ms;
}
