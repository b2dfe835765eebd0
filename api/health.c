/* GET /healthz: the process lives. GET /readyz: it can do its work. GET /v1/policies. */
#include "api/exchange.h"
#include "api/routes.h"
#include "probes/base/mem.h"
#include "probes/base/text.h"

enum { HEALTH_JSON_MAX = 512 };

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

/* Blocked egress is no reason to take the service out: it still answers from syntax, lists, DNS. */
void ready_get(struct exchange *exchange)
{
    struct engine *engine = exchange_engine(exchange);
    struct engine_health health = {.draining = true};
    bool degraded;
    struct text out;

    if (engine != NULL)
        health = engine_health(engine);
    degraded = health.egress == EGRESS_BLOCKED || health.anchors == 0;
    text_init(&out, HEALTH_JSON_MAX);
    json_open(&out, NULL, '{');
    json_string(&out, "status", health.draining ? "draining" : degraded ? "degraded" : "ok");
    json_string(&out, "egress", egress_name(health.egress));
    json_integer(&out, "checks", (int64_t)health.in_flight);
    json_integer(&out, "checks_max", (int64_t)health.checks_max);
    json_integer(&out, "ca_certificates", health.anchors);
    json_close(&out, '}');
    exchange_answer_json(exchange, health.draining ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK,
                         text_take(&out));
}

void policies_get(struct exchange *exchange)
{
    exchange_answer_json(exchange, MHD_HTTP_OK, policies_json(exchange_policies(exchange)));
}
