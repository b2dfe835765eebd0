/* POST /v1/verify/batch: up to 1,000 addresses. As JSON in input order when all are there, or as
 * NDJSON, each line when it is ready. An item waiting costs its struct and its ref, no more; its
 * document is freed as soon as it is on its way. */
#include <stdlib.h>
#include <string.h>

#include "api/exchange.h"
#include "api/json_in.h"
#include "api/json_out.h"
#include "api/routes.h"
#include "probes/base/mem.h"

enum { LINE_MAX_OCTETS = 1 << 20, STREAM_SPARE_MS = 60000, NO_ITEM = UINT16_MAX };

enum item_state { ITEM_WAITING, ITEM_VERDICT, ITEM_PROBLEM, ITEM_SENT };

struct batch_item {
    struct batch *batch;
    char *ref;                    /* owned; may be NULL */
    struct engine_ticket *ticket; /* while waiting */
    char *document;               /* verdict or problem, owned, until sent */
    uint16_t next_ready;
    enum item_state state;
};

struct batch {
    struct exchange *exchange;
    bool lines; /* NDJSON */
    size_t count, waiting;
    uint16_t first_ready, last_ready; /* NDJSON: in the order they got ready */
    size_t next;                      /* JSON: in input order */
    size_t sent;
    enum { BATCH_HEAD, BATCH_ITEMS, BATCH_TAIL, BATCH_END } part;
    struct text line; /* what is being sent */
    size_t line_sent;
    struct batch_item items[];
};

/* --- what is ready ------------------------------------------------------------------ */

static void item_ready(struct batch_item *item, enum item_state state, char *document)
{
    struct batch *batch = item->batch;
    uint16_t index = (uint16_t)(item - batch->items);

    item->state = state;
    item->document = document;
    item->next_ready = NO_ITEM;
    if (batch->last_ready == NO_ITEM)
        batch->first_ready = index;
    else
        batch->items[batch->last_ready].next_ready = index;
    batch->last_ready = index;
}

static struct batch_item *next_item(struct batch *batch)
{
    struct batch_item *item;

    if (!batch->lines)
        return batch->next < batch->count ? &batch->items[batch->next++] : NULL;
    if (batch->first_ready == NO_ITEM)
        return NULL;
    item = &batch->items[batch->first_ready];
    batch->first_ready = item->next_ready;
    if (batch->first_ready == NO_ITEM)
        batch->last_ready = NO_ITEM;
    return item;
}

/* --- writing ------------------------------------------------------------------------- */

static void write_item(struct batch *batch, struct batch_item *item)
{
    struct text body;
    size_t index = (size_t)(item - batch->items);

    text_init(&body, LINE_MAX_OCTETS);
    if (item->state == ITEM_PROBLEM)
        json_out_bad_item(&body, index, item->ref, item->document);
    else
        json_out_item(&body, index, item->ref, item->document);
    if (!batch->lines && batch->sent > 0)
        text_char(&batch->line, ',');
    text_add(&batch->line, body.bytes, body.length);
    text_char(&batch->line, '\n');
    text_free(&body);
    free(item->document);
    item->document = NULL;
    item->state = ITEM_SENT;
    batch->sent++;
}

/* Puts the next piece into `line`; false = nothing to send now. */
static bool next_piece(struct batch *batch)
{
    struct batch_item *item;

    text_free(&batch->line);
    text_init(&batch->line, LINE_MAX_OCTETS + 2);
    batch->line_sent = 0;
    switch (batch->part) {
    case BATCH_HEAD:
        batch->part = BATCH_ITEMS;
        if (!batch->lines)
            text_put(&batch->line, "{\"results\":[\n");
        return true;
    case BATCH_ITEMS:
        item = next_item(batch);
        if (item != NULL)
            write_item(batch, item);
        else if (batch->sent == batch->count)
            batch->part = BATCH_TAIL;
        return item != NULL || batch->part == BATCH_TAIL;
    case BATCH_TAIL:
        batch->part = BATCH_END;
        if (!batch->lines)
            text_put(&batch->line, "]}\n");
        return true;
    case BATCH_END:
        break;
    }
    return false;
}

static ptrdiff_t read_batch(void *work, char *out, size_t size)
{
    struct batch *batch = work;
    size_t written = 0;

    while (written < size) {
        size_t left = batch->line.length - batch->line_sent;

        if (left == 0) {
            if (!next_piece(batch))
                break;
            continue;
        }
        if (left > size - written)
            left = size - written;
        memcpy(out + written, batch->line.bytes + batch->line_sent, left);
        batch->line_sent += left;
        written += left;
    }
    if (written == 0 && batch->part == BATCH_END)
        return STREAM_END;
    return (ptrdiff_t)written;
}

/* --- the engine answers --------------------------------------------------------------- */

static void on_verdict(void *context, struct verify_answer *answer)
{
    struct batch_item *item = context;
    struct batch *batch = item->batch;

    item->ticket = NULL;
    item_ready(item, ITEM_VERDICT, json_out_verdict(answer));
    engine_answer_free(&answer);
    batch->waiting--;
    if (batch->lines)
        exchange_stream_wake(batch->exchange);
    else if (batch->waiting == 0)
        exchange_answer_stream(batch->exchange, "application/json", 0, read_batch);
}

static void batch_end(void *work)
{
    struct batch *batch = work;
    bool engine = exchange_engine(batch->exchange) != NULL;

    for (size_t i = 0; i < batch->count; i++) {
        if (engine)
            engine_cancel(&batch->items[i].ticket);
        free(batch->items[i].ref);
        free(batch->items[i].document);
    }
    text_free(&batch->line);
    free(batch);
}

/* --- the request ------------------------------------------------------------------------ */

static bool wants_lines(const struct exchange *exchange)
{
    const char *accept = exchange_header(exchange, "Accept");

    return accept != NULL && strcasestr(accept, "application/x-ndjson") != NULL;
}

static struct batch *batch_new(struct exchange *exchange, size_t count)
{
    struct batch *batch = mem_zeroed(1, sizeof(struct batch) + count * sizeof(struct batch_item));

    batch->exchange = exchange;
    batch->count = count;
    batch->lines = wants_lines(exchange);
    batch->first_ready = batch->last_ready = NO_ITEM;
    for (size_t i = 0; i < count; i++)
        batch->items[i].batch = batch;
    exchange->work = batch;
    exchange->work_end = batch_end;
    return batch;
}

/* A bad item is an answer of its own, not a 400 for all. */
static bool read_item(struct batch_item *item, json_t *json, struct verify_request *request)
{
    struct problem problem;
    const char *ref = NULL;
    bool fine = json_in_item(json, &request->email, &request->email_length, &ref, &problem);

    item->ref = mem_copy_text(ref);
    if (!fine)
        item_ready(item, ITEM_PROBLEM, problem_json(&problem));
    return fine;
}

static void submit_all(struct batch *batch, const struct batch_input *input)
{
    const struct verify_options *options = &input->options;
    struct exchange *exchange = batch->exchange;
    struct verify_request request = {
        .smtp = options->smtp,
        .imap = options->imap,
        .explain = options->explain,
        .received_ms = exchange->received_ms,
        .deadline_ms = options->deadline_ms,
        .max_age_s = options->max_age_s,
        .policy = options->policy,
        .bulk = true,
        .language = message_language_from(exchange_header(exchange, "Accept-Language")),
        .request_id = exchange->request_id,
    };

    for (size_t i = 0; i < batch->count; i++) {
        struct batch_item *item = &batch->items[i];

        if (!read_item(item, json_array_get(input->emails, i), &request))
            continue;
        batch->waiting++;
        item->ticket = engine_submit(exchange_engine(exchange), exchange_loop(exchange), &request,
                                     on_verdict, item);
    }
}

void batch_post(struct exchange *exchange)
{
    struct batch_input input;
    struct problem problem;
    struct batch *batch;

    if (!json_in_batch(exchange->body, exchange->body_length, exchange_policies(exchange), &input,
                       &problem)) {
        exchange_answer_problem(exchange, &problem);
        return;
    }
    if (!engine_has_room(exchange_engine(exchange), json_array_size(input.emails))) {
        exchange_answer_code(exchange, PROBLEM_OVERLOADED, "no room for so many checks now");
        json_decref(input.root);
        return;
    }
    batch = batch_new(exchange, json_array_size(input.emails));
    submit_all(batch, &input);
    json_decref(input.root);
    if (batch->lines)
        exchange_answer_stream(exchange, "application/x-ndjson",
                               input.options.deadline_ms + STREAM_SPARE_MS, read_batch);
    else if (batch->waiting == 0)
        exchange_answer_stream(exchange, "application/json", 0, read_batch);
}
