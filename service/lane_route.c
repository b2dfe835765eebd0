/* Which way a lane's sessions take out of here, and what a refusal means for that way. */
#include <libpsl.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "service/lanes.h"

static struct routes *routes_of(const struct lane_host *host)
{
    return host->lane->lanes->shard->engine->routes;
}

static uint64_t now_ms_of(const struct lane_host *host)
{
    return loop_now_ms(host->lane->lanes->shard->loop);
}

static uint64_t hash_of(const char *words) { return text_hash_nocase(words, strlen(words)); }

/* Who greylists us must see us come back by the same way, at whichever of his hosts: all of a
 * provider's, and all under one registered name. */
static uint64_t key_of(const char *host, const struct provider *provider)
{
    const psl_ctx_t *list = psl_builtin();
    const char *registered = list != NULL ? psl_registrable_domain(list, host) : NULL;

    if (provider != NULL)
        return hash_of(provider->key);
    return hash_of(registered != NULL ? registered : host);
}

void lane_host_set_routes(struct lane_host *host, const struct provider *provider)
{
    host->routes = routes_for(routes_of(host), provider != NULL ? provider->key : NULL, host->name,
                              host->address.family);
    host->route_key =
        lane_has_ways(host) ? key_of(host->name, provider) : 0; /* nothing to choose */
}

struct route_choice lane_route(const struct lane_host *host)
{
    return routes_choose(routes_of(host), host->routes, host->lane->rests, host->route_key,
                         now_ms_of(host));
}

const struct mail_route *session_route(const struct lane_session *session)
{
    return &routes_of(session->host)->items[session->route];
}

bool lane_has_ways(const struct lane_host *host) { return route_count(host->routes) > 1; }

bool lane_route_rests(const struct lane_session *session)
{
    return route_resting(routes_of(session->host), session->route, session->host->lane->rests,
                         session_now_ms(session));
}

bool lane_route_fits(const struct lane_host *host, unsigned route, const struct job *job)
{
    unsigned refused = job->refused_route;

    return refused == 0 || refused == route + 1 || job->refused_lane != hash_of(host->lane->key) ||
           (host->routes & (1u << (refused - 1))) == 0;
}

void lane_job_refused(const struct lane_session *session, struct job *job)
{
    job->refused_route = (uint8_t)(session->route + 1);
    job->refused_lane = hash_of(session->host->lane->key);
}

static void rest_route(struct lane_session *session, uint32_t first_ms)
{
    struct lane *lane = session->host->lane;

    if (!lane_has_ways(session->host))
        return;
    if (lane->rests == NULL)
        lane->rests = mem_new(struct route_rests);
    route_rest(lane->rests, session->route, first_ms, session_now_ms(session));
}

void lane_heard(struct lane_session *session, bool refused_us)
{
    struct lane *lane = session->host->lane;
    struct routes *routes = routes_of(session->host);
    uint32_t rest_ms = session_config(session)->lane_rest_ms;

    if (refused_us && lane_route_rests(session))
        return; /* known already: this session began before */
    lane_replied(lane, refused_us);
    if (refused_us) {
        rest_route(session, rest_ms);
        routes_refused(routes, session->route, hash_of(lane->key), rest_ms,
                       "many mail hosts refuse it", session_now_ms(session));
        return;
    }
    if (lane->rests != NULL)
        route_well(lane->rests, session->route);
    routes_answered(routes, session->route);
}

void lane_route_failed(struct lane_session *session)
{
    if (lane_route_rests(session))
        return;
    rest_route(session, ROUTE_FAILED_REST_MS);
    routes_failed(routes_of(session->host), session->route, hash_of(session->host->lane->key),
                  session_now_ms(session));
}
