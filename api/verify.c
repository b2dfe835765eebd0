/* POST and GET /v1/verify, GET /v1/verify/{id}: one address, one verdict. */
#include <stdlib.h>
#include <string.h>

#include "api/exchange.h"
#include "api/json_in.h"
#include "api/json_out.h"
#include "api/routes.h"
#include "probes/base/mem.h"

/* The ticket of the one check this call waits for. */
struct verify_work {
    struct exchange *exchange;
    struct engine_ticket *ticket;
};

static void work_end(void *context)
{
    struct verify_work *work = context;

    if (exchange_engine(work->exchange) != NULL)
        engine_cancel(&work->ticket);
    free(work);
}

static struct verify_work *work_begin(struct exchange *exchange)
{
    struct verify_work *work = mem_new(struct verify_work);

    work->exchange = exchange;
    exchange->work = work;
    exchange->work_end = work_end;
    return work;
}

static void on_verdict(void *context, struct verify_answer *answer)
{
    struct verify_work *work = context;

    work->ticket = NULL;
    exchange_answer_json(work->exchange, MHD_HTTP_OK, json_out_verdict(answer));
    engine_answer_free(&answer);
}

static void submit(struct exchange *exchange, const struct verify_input *input)
{
    const struct verify_options *options = &input->options;
    struct verify_work *work = work_begin(exchange);
    struct verify_request request = {
        .email = input->email,
        .email_length = input->email_length,
        .smtp = options->smtp,
        .imap = options->imap,
        .explain = options->explain,
        .received_ms = exchange->received_ms,
        .deadline_ms = options->deadline_ms,
        .max_age_s = options->max_age_s,
        .policy = options->policy,
        .language = message_language_from(exchange_header(exchange, "Accept-Language")),
        .request_id = exchange->request_id,
    };

    work->ticket = engine_submit(exchange_engine(exchange), exchange_loop(exchange), &request,
                                 on_verdict, work);
}

void verify_post(struct exchange *exchange)
{
    struct verify_input input;
    struct problem problem;

    if (!json_in_verify(exchange->body, exchange->body_length, exchange_policies(exchange), &input,
                        &problem)) {
        exchange_answer_problem(exchange, &problem);
        return;
    }
    submit(exchange, &input);
    json_decref(input.root);
}

void verify_get(struct exchange *exchange)
{
    struct verify_input input;
    struct problem problem;

    if (!query_in_verify(exchange->query, exchange_policies(exchange), &input, &problem)) {
        exchange_answer_problem(exchange, &problem);
        return;
    }
    submit(exchange, &input);
    json_decref(input.root);
}

/* --- by id ------------------------------------------------------------------------ */

static void on_lookup(void *context, struct verify_answer *answer)
{
    struct verify_work *work = context;

    work->ticket = NULL;
    if (answer->found)
        exchange_answer_json(work->exchange, MHD_HTTP_OK, json_out_verdict(answer));
    else
        exchange_answer_code(work->exchange, PROBLEM_NOT_FOUND,
                             "there is no verdict of this id, or not any more");
    engine_answer_free(&answer);
}

enum { ID_ESCAPED_SIZE = 3 * ENGINE_ID_SIZE }; /* all of it may be escaped */

static bool decode_id(const struct exchange *exchange, char id[ID_ESCAPED_SIZE])
{
    size_t length;

    return exchange->parameter_length < ID_ESCAPED_SIZE &&
           percent_decode(exchange->parameter, exchange->parameter_length, id, &length) &&
           length < ENGINE_ID_SIZE &&
           strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == length;
}

void verify_lookup(struct exchange *exchange)
{
    struct problem problem;
    struct verify_work *work;
    char id[ID_ESCAPED_SIZE];
    struct lookup_request request = {
        .id = id,
        .language = message_language_from(exchange_header(exchange, "Accept-Language")),
        .request_id = exchange->request_id,
    };

    if (!query_in_lookup(exchange->query, &request.wait_ms, &request.explain, &problem)) {
        exchange_answer_problem(exchange, &problem);
        return;
    }
    if (!decode_id(exchange, id)) {
        exchange_answer_code(exchange, PROBLEM_NOT_FOUND, "this is no id of a verdict");
        return;
    }
    work = work_begin(exchange);
    work->ticket = engine_lookup(exchange_engine(exchange), exchange_loop(exchange), &request,
                                 on_lookup, work);
}
