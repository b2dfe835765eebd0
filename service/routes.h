/* routes.h - the ways by which sessions go out: source addresses of this host and SOCKS5 proxies,
 * who may use which, and how they fare.
 *
 * Ways and rules are fixed at the start (route_settings.c) and then only read. A way that a lane
 * refused rests for that lane, in the lane's own memory; one that many lanes refused rests
 * altogether, in atomic variables: any thread may ask and tell. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/base/ip.h"
#include "probes/net/socks.h"

struct config;

enum {
    ROUTES_MAX = 32,      /* the system's choice among them */
    ROUTE_SYSTEM = 0,     /* always there: no source is bound */
    ROUTE_NAME_MAX = 32,  /* octets of a proxy's name */
    ROUTE_RULES_MAX = 64, /* keys of `routes` */
    ROUTE_REST_MAX_MS = 4 * 3600 * 1000,
    ROUTE_FAILED_REST_MS = 60 * 1000, /* first rest of a way that did not even reach out */

    /* altogether: so many lanes within the time, and this share of the replies of late */
    ROUTE_REFUSING_LANES = 8,
    ROUTE_REFUSING_MS = 3600 * 1000,
    ROUTE_REFUSING_PERCENT = 25,
    ROUTE_REPLIES_REMEMBERED = 200 /* then both counts are halved */
};

/* One bit a way. */
typedef uint32_t route_set;

struct mail_route {
    char *name;               /* the address, or the proxy's name; "" = the system's choice */
    struct ip_address source; /* family 0: not bound */
    bool is_proxy;
    struct socks_proxy proxy;
};

/* How a way fares with everybody. Torn pairs of lane and time only misjudge one entry. */
struct route_health {
    _Atomic uint64_t lanes[ROUTE_REFUSING_LANES], times_ms[ROUTE_REFUSING_LANES];
    atomic_uint next, refusals, answers;
    _Atomic uint64_t rest_until_ms;
    atomic_uint rest_ms;      /* the latest rest; the next one doubles */
    _Atomic uint64_t told_ms; /* when its failing was last logged */
};

/* MX host names, or the provider's key, that have ways of their own. */
struct route_rule {
    char *key;
    route_set set;
};

struct routes {
    unsigned count;
    struct mail_route items[ROUTES_MAX];
    route_set used;     /* by anybody */
    route_set defaults; /* for whom no rule is about */
    size_t rule_count;
    struct route_rule rules[ROUTE_RULES_MAX];
    struct route_health health[ROUTES_MAX];
};

/* NULL with a sentence in `error` that names the setting, and never shows a password. */
struct routes *routes_new(const struct config *config, char *error, size_t error_size);
void routes_free(struct routes **routes);

/* The ways to an address of `family` under the name `host`: never empty. A family that a set has
 * no way for takes the default ones, then the system's choice. */
route_set routes_for(const struct routes *routes, const char *provider, const char *host,
                     uint8_t family);
unsigned route_count(route_set set);
/* Is there a way to addresses of IPv6, when the host itself has it or not? */
bool routes_reach_ipv6(const struct routes *routes, bool host_has_ipv6);

/* --- choosing ------------------------------------------------------------------ */

/* Of one lane; zeroed is ready. */
struct route_rests {
    struct {
        uint64_t until_ms;
        uint32_t rest_ms; /* the latest; the next one doubles */
    } of[ROUTES_MAX];
};
void route_rest(struct route_rests *rests, unsigned route, uint32_t first_ms, uint64_t now_ms);
/* The lane heard us out by this way: its next rest begins small again. */
void route_well(struct route_rests *rests, unsigned route);

struct route_choice {
    unsigned route;
    uint64_t wakes_ms; /* 0 = it is awake; else all of the set rest, and the first wakes then */
};
/* The same for the same key as long as the same ways are awake; when one of them goes to rest only
 * its own keys move. `rests` may be NULL. */
struct route_choice routes_choose(const struct routes *routes, route_set set,
                                  const struct route_rests *rests, uint64_t key, uint64_t now_ms);
/* Does it rest, for this lane or altogether? */
bool route_resting(const struct routes *routes, unsigned route, const struct route_rests *rests,
                   uint64_t now_ms);

/* --- how they fare with everybody ------------------------------------------------ */

void routes_answered(struct routes *routes, unsigned route);
/* A lane refused this way (`why`, for the log). True = it goes to rest, at first for `first_ms`.
 * The only way for a family never does: there is none to spare it. */
bool routes_refused(struct routes *routes, unsigned route, uint64_t lane, uint32_t first_ms,
                    const char *why, uint64_t now_ms);
/* Our own end of it failed: the proxy is down or unwilling, or the source is no address of this
 * host. Logged once in a while; then as a refusal. */
void routes_failed(struct routes *routes, unsigned route, uint64_t lane, uint64_t now_ms);
