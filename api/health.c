/* GET /healthz: the process lives. GET /readyz: it can do its work. GET /v1/policies. */
#include "api/exchange.h"
#include "api/routes.h"
#include "probes/base/mem.h"
#include "probes/base/text.h"

enum { HEALTH_JSON_MAX = 4096 };

void health_get(struct exchange *exchange)
{
    exchange_answer_json(exchange, MHD_HTTP_OK, mem_copy_text("{\"status\":\"ok\"}"));
}

static const char *egress_name(enum engine_egress egress)
{
    switch (egress) {
    case EGRESS_OPEN:
        return "open";
    case EGRESS_BLOCKED:
        return "blocked";
    case EGRESS_UNKNOWN:
        break;
    }
    return "unknown";
}

static const char *resolver_name(enum resolver_state resolver)
{
    switch (resolver) {
    case RESOLVER_ANSWERS:
        return "answers";
    case RESOLVER_SILENT:
        return "silent";
    case RESOLVER_UNKNOWN:
        break;
    }
    return "unknown";
}

static char *health_json(const struct engine_health *health)
{
    bool degraded = health->egress == EGRESS_BLOCKED || health->anchors == 0 ||
                    health->resolver == RESOLVER_SILENT;
    struct text out;

    text_init(&out, HEALTH_JSON_MAX);
    json_open(&out, NULL, '{');
    json_string(&out, "status", health->draining ? "draining" : degraded ? "degraded" : "ok");
    json_bool(&out, "draining", health->draining);
    json_string(&out, "egress", egress_name(health->egress));
    json_string(&out, "resolver", resolver_name(health->resolver));
    json_integer(&out, "anchors", health->anchors);
    json_integer(&out, "checks", (int64_t)health->in_flight);
    json_integer(&out, "checks_max", (int64_t)health->checks_max);
    json_open(&out, "resting", '[');
    for (size_t i = 0; i < health->resting_count; i++)
        json_string(&out, NULL, health->resting[i]);
    json_close(&out, ']');
    json_integer(&out, "resting_hosts", (int64_t)health->resting_hosts);
    json_integer(&out, "timers_late_ms", health->timers_late_ms);
    json_close(&out, '}');
    return text_take(&out);
}

/* Blocked egress is no reason to take the service out: it still answers from syntax, lists, DNS. */
void ready_get(struct exchange *exchange)
{
    struct engine *engine = exchange_engine(exchange);
    struct engine_health health = {.draining = true};

    if (engine != NULL)
        health = engine_health(engine);
    exchange_answer_json(exchange, health.draining ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK,
                         health_json(&health));
}

void policies_get(struct exchange *exchange)
{
    exchange_answer_json(exchange, MHD_HTTP_OK, policies_json(exchange_policies(exchange)));
}
