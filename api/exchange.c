#include "api/exchange.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "api/forwarded.h"
#include "api/routes.h"
#include "api/server_internal.h"
#include "api/wire_check.h"
#include "probes/base/clock.h"
#include "probes/base/log.h"
#include "probes/base/mem.h"
#include "probes/base/random.h"
#include "probes/base/text.h"

enum { BODY_FIRST = 4096, REQUEST_ID_RANDOM = 16, RETRY_AFTER_S = 1, STREAM_BLOCK = 8192 };

const char *exchange_header(const struct exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->mhd, MHD_HEADER_KIND, name);
}

struct engine *exchange_engine(const struct exchange *exchange) { return exchange->server->engine; }

struct loop *exchange_loop(const struct exchange *exchange) { return exchange->server->loop; }

const struct policies *exchange_policies(const struct exchange *exchange)
{
    return exchange->server->policies;
}

/* --- suspend and resume -------------------------------------------------------------- */

static void suspend(struct exchange *exchange)
{
    exchange->suspended = true;
    MHD_suspend_connection(exchange->mhd);
    client_suspended(exchange->client);
}

static void resume(struct exchange *exchange)
{
    if (!exchange->suspended)
        return;
    exchange->suspended = false;
    MHD_resume_connection(exchange->mhd);
    server_kick(exchange->server);
}

/* --- the answer ------------------------------------------------------------------------ */

/* Takes `response`. What is answered first counts; a client that has gone gets nothing. */
static void answer(struct exchange *exchange, unsigned status, struct MHD_Response *response)
{
    bool late = exchange->response != NULL || exchange->state == EXCHANGE_GONE ||
                exchange->state == EXCHANGE_ANSWERING;

    if (late) {
        MHD_destroy_response(response);
        return;
    }
    exchange->status = status;
    exchange->response = response;
    exchange->state = EXCHANGE_READY;
    exchange_answer_header(exchange, "Cache-Control", "no-store");
    exchange_answer_header(exchange, "X-Request-Id", exchange->request_id);
    if (exchange->server->state != SERVER_OPEN || exchange->client->surplus)
        exchange_answer_header(exchange, "Connection", "close");
    resume(exchange);
}

void exchange_answer_header(struct exchange *exchange, const char *name, const char *value)
{
    if (exchange->response != NULL)
        MHD_add_response_header(exchange->response, name, value);
}

static void answer_text(struct exchange *exchange, unsigned status, const char *type, char *json)
{
    size_t length = strlen(json);

    json = mem_resize(json, length + 2);
    memcpy(json + length, "\n", 2);
    answer(exchange, status,
           MHD_create_response_from_buffer(length + 1, json, MHD_RESPMEM_MUST_FREE));
    exchange_answer_header(exchange, "Content-Type", type);
}

void exchange_answer_json(struct exchange *exchange, unsigned status, char *json)
{
    answer_text(exchange, status, "application/json", json);
}

void exchange_answer_problem(struct exchange *exchange, const struct problem *problem)
{
    unsigned status = problem_status(problem->code);
    char seconds[16];

    exchange->problem = problem_name(problem->code);
    answer_text(exchange, status, "application/problem+json", problem_json(problem));
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE) {
        snprintf(seconds, sizeof(seconds), "%d", RETRY_AFTER_S);
        exchange_answer_header(exchange, "Retry-After", seconds);
    }
}

void exchange_answer_code(struct exchange *exchange, enum problem_code code, const char *detail)
{
    struct problem problem;

    problem_set(&problem, code, "", "%s", detail);
    exchange_answer_problem(exchange, &problem);
}

void exchange_answer_empty(struct exchange *exchange, unsigned status)
{
    answer(exchange, status,
           MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT));
}

struct stream {
    struct exchange *exchange;
    stream_read_fn *read;
};

static ssize_t on_stream_read(void *context, uint64_t position, char *out, size_t size)
{
    struct stream *stream = context;
    struct exchange *exchange = stream->exchange;
    ptrdiff_t length;

    (void)position;
    if (exchange->state == EXCHANGE_GONE)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    length = stream->read(exchange->work, out, size);
    if (length == STREAM_END)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (length == 0) /* returning 0 alone would spin */
        suspend(exchange);
    return (ssize_t)length;
}

void exchange_answer_stream(struct exchange *exchange, const char *media_type, uint32_t last_ms,
                            stream_read_fn *read)
{
    struct stream *stream = mem_new(struct stream);

    *stream = (struct stream){exchange, read};
    exchange->answer_ms = last_ms;
    answer(exchange, MHD_HTTP_OK,
           MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_stream_read, stream,
                                             free));
    exchange_answer_header(exchange, "Content-Type", media_type);
}

void exchange_stream_wake(struct exchange *exchange)
{
    if (exchange->state == EXCHANGE_ANSWERING)
        resume(exchange);
}

static enum MHD_Result queue_answer(struct exchange *exchange)
{
    struct MHD_Response *response = exchange->response;
    uint32_t wait_ms = exchange->answer_ms > 0 ? exchange->answer_ms : ANSWER_MS;
    enum MHD_Result result;

    exchange->state = EXCHANGE_ANSWERING;
    exchange->response = NULL;
    client_enter(exchange->client, CLIENT_ANSWERING, wait_ms);
    result = MHD_queue_response(exchange->mhd, exchange->status, response);
    MHD_destroy_response(response);
    return result;
}

/* --- the request ------------------------------------------------------------------------ */

static bool request_id_fits(const char *id)
{
    size_t length = strlen(id);

    if (length == 0 || length > REQUEST_ID_MAX)
        return false;
    for (; *id != '\0'; id++)
        if (!isalnum((unsigned char)*id) && strchr("._:-", *id) == NULL)
            return false;
    return true;
}

static void choose_request_id(struct exchange *exchange)
{
    const char *given = exchange_header(exchange, "X-Request-Id");

    if (given != NULL && request_id_fits(given)) {
        snprintf(exchange->request_id, sizeof(exchange->request_id), "%s", given);
        return;
    }
    memcpy(exchange->request_id, "r_", 2);
    random_text(exchange->request_id + 2, REQUEST_ID_RANDOM);
}

void *exchange_begin(struct server *server, struct client *client, const char *target)
{
    struct exchange *exchange = mem_new(struct exchange);

    exchange->server = server;
    exchange->client = client;
    exchange->mhd = client->mhd;
    exchange->target = mem_copy_text(target);
    exchange->query = "";
    exchange->caller = client->address;
    exchange->begun_ms = clock_now_ms();
    client->exchange = exchange;
    if (client->phase != CLIENT_READING)
        client_enter(client, CLIENT_READING, server->config->request_timeout_ms);
    return exchange;
}

/* A refusal: read what still comes, if it is little, so that the client is not reset while it
 * writes; it then reads the answer and may keep the connection. That holds for no body, too: the
 * library closes after an answer to the head alone. Who asked first (Expect) or announces a flood
 * gets the answer now and loses the connection. */
static enum MHD_Result refuse_now_or_later(struct exchange *exchange, bool trusted)
{
    if (trusted && exchange->body_announced <= DISCARD_MAX && !exchange->client->surplus &&
        exchange_header(exchange, "Expect") == NULL) {
        exchange->state = EXCHANGE_REFUSED;
        return MHD_YES;
    }
    exchange_answer_header(exchange, "Connection", "close");
    return queue_answer(exchange);
}

/* The length was found to be digits; one beyond all bounds is as good as the bound. */
static size_t announced_length(const struct exchange *exchange)
{
    const char *text = exchange_header(exchange, "Content-Length");
    size_t length = 0;

    for (; text != NULL && *text != '\0' && length <= SIZE_MAX / 100; text++)
        length = length * 10 + (size_t)(*text - '0');
    return length;
}

static enum MHD_Result accept_head(struct exchange *exchange, const char *method,
                                   const char *version)
{
    const struct wire_head head = {method, exchange->target, version};
    struct problem problem;

    choose_request_id(exchange);
    if (!wire_check(exchange->mhd, &head, &problem)) {
        exchange_answer_problem(exchange, &problem);
        return refuse_now_or_later(exchange, false);
    }
    exchange->caller = forwarded_client(exchange->mhd, &exchange->client->address,
                                        &exchange->server->config->trusted_proxy_networks);
    exchange->body_announced = announced_length(exchange);
    if (exchange->client->surplus) {
        exchange_answer_code(exchange, PROBLEM_OVERLOADED, "too many connections");
        return refuse_now_or_later(exchange, true);
    }
    if (!route_admit(exchange, method))
        return refuse_now_or_later(exchange, true);
    exchange->state = EXCHANGE_READING;
    exchange->admitted = exchange->route->access != ROUTE_OPEN;
    exchange->server->busy += exchange->admitted;
    return MHD_YES;
}

static void body_room(struct exchange *exchange, size_t more)
{
    size_t needed = exchange->body_length + more;

    if (needed <= exchange->body_size)
        return;
    if (exchange->body_size == 0)
        exchange->body_size =
            exchange->body_announced > 0 ? exchange->body_announced : (size_t)BODY_FIRST;
    while (exchange->body_size < needed)
        exchange->body_size *= 2;
    exchange->body = mem_resize(exchange->body, exchange->body_size);
}

static enum MHD_Result take_body(struct exchange *exchange, const char *bytes, size_t *length)
{
    if (*length > exchange->route->body_max - exchange->body_length) {
        free(exchange->body);
        exchange->body = NULL;
        exchange_answer_code(exchange, PROBLEM_BODY_TOO_LARGE,
                             exchange->route->body_max > 0
                                 ? "the body is larger than this call takes"
                                 : "this call takes no body");
        exchange->state = EXCHANGE_REFUSED;
    } else {
        body_room(exchange, *length);
        memcpy(exchange->body + exchange->body_length, bytes, *length);
    }
    exchange->body_length += *length;
    *length = 0;
    return MHD_YES;
}

static enum MHD_Result discard_body(struct exchange *exchange, size_t *length)
{
    exchange->body_length += *length;
    *length = 0;
    return exchange->body_length > DISCARD_MAX ? MHD_NO : MHD_YES;
}

static enum MHD_Result run_handler(struct exchange *exchange)
{
    exchange->received_ms = clock_now_ms();
    exchange->state = EXCHANGE_WORKING;
    client_enter(exchange->client, CLIENT_WORKING, 0);
    exchange->route->handle(exchange);
    free(exchange->body); /* handlers keep what they need */
    exchange->body = NULL;
    if (exchange->state == EXCHANGE_READY)
        return queue_answer(exchange);
    assert(exchange->work != NULL); /* else nobody would ever answer */
    suspend(exchange);
    return MHD_YES;
}

enum MHD_Result exchange_handle(struct exchange *exchange, const char *method, const char *version,
                                const char *upload, size_t *upload_size)
{
    switch (exchange->state) {
    case EXCHANGE_NEW:
        return accept_head(exchange, method, version);
    case EXCHANGE_READING:
        return *upload_size > 0 ? take_body(exchange, upload, upload_size) : run_handler(exchange);
    case EXCHANGE_REFUSED:
        return *upload_size > 0 ? discard_body(exchange, upload_size) : queue_answer(exchange);
    case EXCHANGE_READY:
        return queue_answer(exchange);
    case EXCHANGE_WORKING:
    case EXCHANGE_ANSWERING:
        *upload_size = 0;
        return MHD_YES;
    case EXCHANGE_GONE:
        break;
    }
    return MHD_NO;
}

/* --- the end ------------------------------------------------------------------------------ */

static void end_work(struct exchange *exchange)
{
    void *work = exchange->work;

    exchange->work = NULL;
    if (work != NULL)
        exchange->work_end(work);
}

void exchange_vanish(struct exchange *exchange)
{
    if (exchange->state == EXCHANGE_GONE)
        return;
    exchange->state = EXCHANGE_GONE;
    end_work(exchange);
    resume(exchange);
}

static void log_exchange(const struct exchange *exchange)
{
    bool quiet = exchange->route != NULL && exchange->route->access == ROUTE_OPEN;
    const char *outcome = exchange->state == EXCHANGE_GONE ? "gone" : NULL;
    char address[IP_TEXT_SIZE];
    struct log_field fields[] = {
        LOG_TEXT("request_id", exchange->request_id),
        LOG_TEXT("method", exchange->route == NULL ? NULL : exchange->route->method),
        LOG_TEXT("path", exchange->route == NULL ? NULL : exchange->route->path),
        LOG_NUMBER("status", exchange->status),
        LOG_TEXT("problem", exchange->problem),
        LOG_TEXT("client_state", outcome),
        LOG_ADDRESS("client", ip_format(&exchange->caller, address)),
        LOG_NUMBER("ms", clock_now_ms() - exchange->begun_ms),
        LOG_END,
    };

    log_event(quiet ? LOG_DEBUG : LOG_INFO, "request", fields);
}

void exchange_end(struct exchange *exchange)
{
    struct client *client = exchange->client;

    log_exchange(exchange);
    end_work(exchange);
    if (exchange->response != NULL)
        MHD_destroy_response(exchange->response);
    client->exchange = NULL;
    exchange->server->busy -= exchange->admitted;
    client_enter(client, CLIENT_IDLE, KEEP_ALIVE_MS);
    free(exchange->body);
    free(exchange->target);
    free(exchange);
}
