#include "service/routes.h"

#include <string.h>

#include "probes/base/log.h"
#include "probes/base/text.h"

/* --- who may use which ----------------------------------------------------------- */

static bool serves(const struct mail_route *route, uint8_t family)
{
    return route->source.family == 0 || route->source.family == family;
}

static route_set serving(const struct routes *routes, route_set set, uint8_t family)
{
    for (unsigned i = 0; i < routes->count; i++)
        if (!serves(&routes->items[i], family))
            set &= ~(1u << i);
    return set;
}

/* The narrowest rule about this host, else about its provider, else none. */
static route_set named(const struct routes *routes, const char *provider, const char *host)
{
    const struct route_rule *best = NULL;
    size_t longest = 0;

    for (size_t i = 0; i < routes->rule_count; i++) {
        const struct route_rule *rule = &routes->rules[i];
        size_t length = strlen(rule->key);

        if (length > longest && text_domain_within(host, rule->key)) {
            best = rule;
            longest = length;
        }
    }
    for (size_t i = 0; best == NULL && provider != NULL && i < routes->rule_count; i++)
        if (strcmp(routes->rules[i].key, provider) == 0)
            best = &routes->rules[i];
    return best != NULL ? best->set : 0;
}

route_set routes_for(const struct routes *routes, const char *provider, const char *host,
                     uint8_t family)
{
    route_set set = serving(routes, named(routes, provider, host), family);

    if (set == 0)
        set = serving(routes, routes->defaults, family);
    return set != 0 ? set : 1u << ROUTE_SYSTEM;
}

bool routes_reach_ipv6(const struct routes *routes, bool host_has_ipv6)
{
    for (unsigned i = 0; i < routes->count; i++)
        if ((routes->used & (1u << i)) != 0 &&
            (routes->items[i].is_proxy || routes->items[i].source.family == 6))
            return true;
    return host_has_ipv6;
}

unsigned route_count(route_set set) { return (unsigned)__builtin_popcount(set); }

/* --- choosing ---------------------------------------------------------------------- */

static uint32_t next_rest_ms(uint32_t latest_ms, uint32_t first_ms)
{
    if (latest_ms == 0)
        return first_ms;
    return latest_ms < ROUTE_REST_MAX_MS / 2 ? 2 * latest_ms : ROUTE_REST_MAX_MS;
}

void route_rest(struct route_rests *rests, unsigned route, uint32_t first_ms, uint64_t now_ms)
{
    rests->of[route].rest_ms = next_rest_ms(rests->of[route].rest_ms, first_ms);
    rests->of[route].until_ms = now_ms + rests->of[route].rest_ms;
}

void route_well(struct route_rests *rests, unsigned route) { rests->of[route].rest_ms = 0; }

static uint64_t wakes_ms(const struct routes *routes, unsigned route,
                         const struct route_rests *rests)
{
    uint64_t all_ms =
        atomic_load_explicit(&routes->health[route].rest_until_ms, memory_order_relaxed);
    uint64_t lane_ms = rests != NULL ? rests->of[route].until_ms : 0;

    return all_ms > lane_ms ? all_ms : lane_ms;
}

bool route_resting(const struct routes *routes, unsigned route, const struct route_rests *rests,
                   uint64_t now_ms)
{
    return wakes_ms(routes, route, rests) > now_ms;
}

/* Every key draws a number for every way, and takes the highest that is awake. */
static uint64_t draw(uint64_t key, const struct mail_route *route)
{
    uint64_t mix = key ^ text_hash_nocase(route->name, strlen(route->name));

    mix = (mix ^ (mix >> 30)) * 0xbf58476d1ce4e5b9u;
    mix = (mix ^ (mix >> 27)) * 0x94d049bb133111ebu;
    return mix ^ (mix >> 31);
}

struct route_choice routes_choose(const struct routes *routes, route_set set,
                                  const struct route_rests *rests, uint64_t key, uint64_t now_ms)
{
    struct route_choice choice = {ROUTE_SYSTEM, UINT64_MAX};
    uint64_t highest = 0;

    for (unsigned i = 0; i < routes->count; i++) {
        if ((set & (1u << i)) == 0)
            continue;
        uint64_t at_ms = wakes_ms(routes, i, rests);
        uint64_t number = draw(key, &routes->items[i]);
        if (at_ms <= now_ms)
            at_ms = 0;
        if (at_ms < choice.wakes_ms || (at_ms == choice.wakes_ms && number > highest)) {
            choice = (struct route_choice){i, at_ms};
            highest = number;
        }
    }
    return choice;
}

/* --- how they fare with everybody ---------------------------------------------------- */

static bool can_be_spared(const struct routes *routes, unsigned route)
{
    static const uint8_t families[] = {4, 6};

    for (size_t i = 0; i < sizeof(families); i++)
        if (serves(&routes->items[route], families[i]) &&
            route_count(serving(routes, routes->used, families[i])) < 2)
            return false;
    return true;
}

static void halve_when_many(struct route_health *health)
{
    unsigned refusals = atomic_load(&health->refusals), answers = atomic_load(&health->answers);

    if (refusals + answers < ROUTE_REPLIES_REMEMBERED)
        return;
    atomic_store(&health->refusals, refusals / 2);
    atomic_store(&health->answers, answers / 2);
}

void routes_answered(struct routes *routes, unsigned route)
{
    if (route_count(routes->used) < 2)
        return; /* nothing would follow from it */
    atomic_fetch_add(&routes->health[route].answers, 1);
    halve_when_many(&routes->health[route]);
}

static void remember_lane(struct route_health *health, uint64_t lane, uint64_t now_ms)
{
    for (unsigned i = 0; i < ROUTE_REFUSING_LANES; i++)
        if (atomic_load(&health->lanes[i]) == lane) {
            atomic_store(&health->times_ms[i], now_ms);
            return;
        }
    unsigned slot = atomic_fetch_add(&health->next, 1) % ROUTE_REFUSING_LANES;
    atomic_store(&health->lanes[slot], lane);
    atomic_store(&health->times_ms[slot], now_ms);
}

static bool widely_refused(struct route_health *health, uint64_t now_ms)
{
    unsigned refusals = atomic_load(&health->refusals), answers = atomic_load(&health->answers);

    for (unsigned i = 0; i < ROUTE_REFUSING_LANES; i++) {
        uint64_t at_ms = atomic_load(&health->times_ms[i]);

        if (at_ms == 0 || (now_ms > at_ms && now_ms - at_ms > ROUTE_REFUSING_MS))
            return false;
    }
    return refusals * 100 >= (refusals + answers) * ROUTE_REFUSING_PERCENT;
}

/* What was counted before a rest is not held against it afterwards. */
static void forget(struct route_health *health)
{
    for (unsigned i = 0; i < ROUTE_REFUSING_LANES; i++) {
        atomic_store(&health->lanes[i], 0);
        atomic_store(&health->times_ms[i], 0);
    }
    atomic_store(&health->refusals, 0);
    atomic_store(&health->answers, 0);
}

bool routes_refused(struct routes *routes, unsigned route, uint64_t lane, uint32_t first_ms,
                    const char *why, uint64_t now_ms)
{
    struct route_health *health = &routes->health[route];
    uint64_t until_ms = atomic_load(&health->rest_until_ms);

    if (!can_be_spared(routes, route) || until_ms > now_ms)
        return false;
    atomic_fetch_add(&health->refusals, 1);
    halve_when_many(health);
    remember_lane(health, lane, now_ms);
    if (!widely_refused(health, now_ms))
        return false;
    bool again = until_ms != 0 && now_ms - until_ms < ROUTE_REFUSING_MS;
    uint32_t rest_ms = next_rest_ms(again ? atomic_load(&health->rest_ms) : 0, first_ms);
    if (!atomic_compare_exchange_strong(&health->rest_until_ms, &until_ms, now_ms + rest_ms))
        return false; /* another thread has seen the same */
    atomic_store(&health->rest_ms, rest_ms);
    forget(health);
    log_event(LOG_WARN, "route_rests",
              (struct log_field[]){LOG_TEXT("route", routes->items[route].name),
                                   LOG_TEXT("why", why), LOG_NUMBER("ms", rest_ms), LOG_END});
    return true;
}

void routes_failed(struct routes *routes, unsigned route, uint64_t lane, uint64_t now_ms)
{
    struct route_health *health = &routes->health[route];
    uint64_t told_ms = atomic_load(&health->told_ms);

    if ((told_ms == 0 || now_ms >= told_ms + ROUTE_FAILED_REST_MS) &&
        atomic_compare_exchange_strong(&health->told_ms, &told_ms, now_ms))
        log_event(LOG_WARN, "route_fails",
                  (struct log_field[]){LOG_TEXT("route", routes->items[route].name),
                                       LOG_TEXT("why", routes->items[route].is_proxy
                                                           ? "the proxy does not connect us"
                                                           : "no socket from this address"),
                                       LOG_END});
    routes_refused(routes, route, lane, ROUTE_FAILED_REST_MS, "it fails", now_ms);
}
