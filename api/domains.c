/* GET /v1/domains/{domain}: the domain's mail posture. */
#include <stdlib.h>
#include <string.h>

#include "api/exchange.h"
#include "api/json_in.h"
#include "api/json_out.h"
#include "api/routes.h"
#include "probes/base/mem.h"

enum { DOMAIN_OCTETS_MAX = 512, DEADLINE_DOMAIN_MS = 10000 };

struct domain_work {
    struct exchange *exchange;
    struct engine_ticket *ticket;
};

static void work_end(void *context)
{
    struct domain_work *work = context;

    if (exchange_engine(work->exchange) != NULL)
        engine_cancel(&work->ticket);
    free(work);
}

static void refuse(struct exchange *exchange)
{
    struct problem problem;

    problem_set(&problem, PROBLEM_BAD_VALUE, "domain", "this is no domain that could have mail");
    exchange_answer_problem(exchange, &problem);
}

static void on_posture(void *context, struct verify_answer *answer)
{
    struct domain_work *work = context;

    work->ticket = NULL;
    if (answer->overloaded)
        exchange_answer_code(work->exchange, PROBLEM_OVERLOADED, "no room for another look now");
    else if (answer->document != NULL)
        exchange_answer_json(work->exchange, MHD_HTTP_OK, json_out_verdict(answer));
    else
        refuse(work->exchange);
    engine_answer_free(&answer);
}

/* Only what cannot be a name in any script is refused here; the rest is the engine's to judge. */
static bool decode_domain(const struct exchange *exchange, char out[DOMAIN_OCTETS_MAX + 1])
{
    size_t length;

    if (exchange->parameter_length > DOMAIN_OCTETS_MAX ||
        !percent_decode(exchange->parameter, exchange->parameter_length, out, &length) ||
        length == 0 || strlen(out) != length)
        return false;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)out[i] <= ' ' || out[i] == 0x7f || strchr("/@\\<>\"", out[i]) != NULL)
            return false;
    return true;
}

void domain_get(struct exchange *exchange)
{
    char domain[DOMAIN_OCTETS_MAX + 1];
    uint32_t deadline_ms = DEADLINE_DOMAIN_MS;
    struct domain_work *work;
    struct problem problem;

    if (!query_in_deadline(exchange->query, &deadline_ms, &problem)) {
        exchange_answer_problem(exchange, &problem);
        return;
    }
    if (!decode_domain(exchange, domain)) {
        refuse(exchange);
        return;
    }
    work = mem_new(struct domain_work);
    work->exchange = exchange;
    exchange->work = work;
    exchange->work_end = work_end;
    work->ticket = engine_domain(exchange_engine(exchange), exchange_loop(exchange), domain,
                                 deadline_ms, on_posture, work);
}
