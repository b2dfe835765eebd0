#include "tests/api/fake_engine.h"

#include <stdlib.h>
#include <string.h>

#include "probes/base/clock.h"
#include "probes/base/mem.h"
#include "probes/base/text.h"

enum { DOCUMENT_MAX = 65536, ROOM = 100000 };

struct engine {
    bool draining;
    size_t room, in_flight, submitted, answered, cancelled;
    enum engine_egress egress;
    struct engine_ticket *tickets;
};

struct engine_ticket {
    struct engine *engine;
    engine_answer_fn *done;
    void *context;
    struct verify_answer *answer;
    struct loop_timer timer;
    struct engine_ticket *next, **link;
};

void engine_answer_free(struct verify_answer **answer)
{
    if (*answer == NULL)
        return;
    free((*answer)->document);
    free(*answer);
    *answer = NULL;
}

/* --- tickets ------------------------------------------------------------------------ */

static void unlink_ticket(struct engine_ticket *ticket)
{
    loop_timer_stop(&ticket->timer);
    *ticket->link = ticket->next;
    if (ticket->next != NULL)
        ticket->next->link = ticket->link;
    ticket->engine->in_flight--;
}

static void on_due(void *context)
{
    struct engine_ticket *ticket = context;
    struct verify_answer *answer = ticket->answer;
    engine_answer_fn *done = ticket->done;
    void *to = ticket->context;

    ticket->engine->answered++;
    unlink_ticket(ticket);
    free(ticket);
    done(to, answer);
}

static struct engine_ticket *answer_in(struct engine *engine, struct loop *home, uint64_t wait_ms,
                                       struct verify_answer *answer, engine_answer_fn *done,
                                       void *context)
{
    struct engine_ticket *ticket = mem_new(struct engine_ticket);

    *ticket = (struct engine_ticket){
        .engine = engine, .done = done, .context = context, .answer = answer};
    ticket->link = &engine->tickets;
    ticket->next = engine->tickets;
    if (ticket->next != NULL)
        ticket->next->link = &ticket->next;
    engine->tickets = ticket;
    engine->in_flight++;
    loop_timer_init(&ticket->timer, home, on_due, ticket);
    loop_timer_start(&ticket->timer, wait_ms);
    return ticket;
}

void engine_cancel(struct engine_ticket **ticket)
{
    if (*ticket == NULL)
        return;
    (*ticket)->engine->cancelled++;
    unlink_ticket(*ticket);
    engine_answer_free(&(*ticket)->answer);
    free(*ticket);
    *ticket = NULL;
}

/* --- verdicts ------------------------------------------------------------------------- */

static bool begins(const struct verify_request *request, const char *words)
{
    return request->email_length >= strlen(words) &&
           memcmp(request->email, words, strlen(words)) == 0;
}

static void write_verdict(struct text *out, const struct verify_request *request,
                          const struct verify_answer *answer)
{
    json_open(out, NULL, '{');
    json_string(out, "id", answer->id);
    json_string_n(out, "email", request->email, request->email_length);
    json_string(out, "status", status_name(answer->status));
    json_string(out, "reason",
                answer->overloaded ? "deferred"
                : answer->complete ? "mailbox_accepted"
                                   : "deadline_exceeded");
    json_string(out, "action", "accept");
    json_bool(out, "complete", answer->complete);
    json_string(out, "policy", request->policy->name);
    json_bool(out, "asked_smtp", request->smtp);
    json_bool(out, "asked_imap", request->imap);
    json_bool(out, "asked_bulk", request->bulk);
    json_integer(out, "asked_explain", request->explain);
    json_integer(out, "asked_language", request->language);
    json_integer(out, "asked_deadline_ms", request->deadline_ms);
    json_integer(out, "asked_max_age_s", request->max_age_s);
    json_string(out, "asked_by", request->request_id);
    json_close(out, '}');
}

struct engine_ticket *engine_submit(struct engine *engine, struct loop *home,
                                    const struct verify_request *request, engine_answer_fn *done,
                                    void *context)
{
    struct verify_answer *answer = mem_new(struct verify_answer);
    uint64_t past_ms = clock_now_ms() - request->received_ms, wait_ms = 0;
    struct text out;

    engine->submitted++;
    snprintf(answer->id, sizeof(answer->id), "v_%zu", engine->submitted);
    answer->found = true;
    answer->complete = !begins(request, "hang");
    answer->overloaded = begins(request, "full");
    answer->status = !answer->complete        ? STATUS_UNKNOWN
                     : begins(request, "bad") ? STATUS_UNDELIVERABLE
                                              : STATUS_DELIVERABLE;
    if (begins(request, "wait-"))
        wait_ms = strtoul(request->email + strlen("wait-"), NULL, 10);
    if (!answer->complete)
        wait_ms = request->deadline_ms > past_ms ? request->deadline_ms - past_ms : 0;
    text_init(&out, DOCUMENT_MAX);
    write_verdict(&out, request, answer);
    answer->document_length = out.length;
    answer->document = text_take(&out);
    return answer_in(engine, home, wait_ms, answer, done, context);
}

struct engine_ticket *engine_lookup(struct engine *engine, struct loop *home,
                                    const struct lookup_request *request, engine_answer_fn *done,
                                    void *context)
{
    struct verify_answer *answer = mem_new(struct verify_answer);
    bool slow = strcmp(request->id, "v_slow") == 0;
    struct text out;

    answer->found = slow || strcmp(request->id, "v_known") == 0;
    if (answer->found) {
        text_init(&out, DOCUMENT_MAX);
        json_open(&out, NULL, '{');
        json_string(&out, "id", request->id);
        json_integer(&out, "asked_explain", request->explain);
        json_integer(&out, "asked_language", request->language);
        json_string(&out, "asked_by", request->request_id);
        json_bool(&out, "complete", !slow);
        json_close(&out, '}');
        answer->document = text_take(&out);
    }
    return answer_in(engine, home, slow ? request->wait_ms : 0, answer, done, context);
}

/* --- domains: commands ------------------------------------------------------------------- */

static char *counters(const struct engine *engine)
{
    struct text out;

    text_init(&out, DOCUMENT_MAX);
    json_open(&out, NULL, '{');
    json_integer(&out, "submitted", (int64_t)engine->submitted);
    json_integer(&out, "answered", (int64_t)engine->answered);
    json_integer(&out, "cancelled", (int64_t)engine->cancelled);
    json_integer(&out, "in_flight", (int64_t)engine->in_flight);
    json_close(&out, '}');
    return text_take(&out);
}

static char *posture(const char *domain)
{
    struct text out;

    text_init(&out, DOCUMENT_MAX);
    json_open(&out, NULL, '{');
    json_string(&out, "provider", "other");
    json_string(&out, "asked_domain", domain);
    json_close(&out, '}');
    return text_take(&out);
}

struct engine_ticket *engine_domain(struct engine *engine, struct loop *home, const char *domain,
                                    uint32_t deadline_ms, engine_answer_fn *done, void *context)
{
    struct verify_answer *answer = mem_new(struct verify_answer);

    answer->found = answer->complete = true;
    if (strncmp(domain, "room-", 5) == 0)
        engine->room = strtoul(domain + 5, NULL, 10);
    if (strncmp(domain, "egress-", 7) == 0)
        engine->egress = strcmp(domain, "egress-blocked") == 0 ? EGRESS_BLOCKED : EGRESS_OPEN;
    if (strcmp(domain, "counters") == 0)
        answer->document = counters(engine);
    else if (strcmp(domain, "nothing") != 0)
        answer->document = posture(domain);
    return answer_in(engine, home, strcmp(domain, "hang") == 0 ? deadline_ms : 0, answer, done,
                     context);
}

/* --- the engine ---------------------------------------------------------------------------- */

struct engine *engine_start(const struct config *config, const struct policies *policies,
                            char *error, size_t error_size)
{
    struct engine *engine = mem_new(struct engine);

    (void)config;
    (void)policies;
    (void)error;
    (void)error_size;
    engine->room = ROOM;
    engine->egress = EGRESS_OPEN;
    return engine;
}

void engine_drain(struct engine *engine) { engine->draining = true; }

size_t engine_in_flight(const struct engine *engine) { return engine->in_flight; }

size_t engine_checks_room(const struct config *config)
{
    (void)config;
    return ROOM;
}

bool engine_has_room(const struct engine *engine, size_t count) { return count <= engine->room; }

/* What waits is answered now, through the loop, as the real one does. */
void engine_stop(struct engine **engine)
{
    if (*engine == NULL)
        return;
    while ((*engine)->tickets != NULL)
        on_due((*engine)->tickets);
    free(*engine);
    *engine = NULL;
}

struct engine_health engine_health(const struct engine *engine)
{
    return (struct engine_health){.draining = engine->draining,
                                  .egress = engine->egress,
                                  .in_flight = engine->in_flight,
                                  .checks_max = engine->room,
                                  .anchors = 1,
                                  .resolver = RESOLVER_ANSWERS,
                                  .resting_count = 1,
                                  .resting = {"google"},
                                  .resting_hosts = 2,
                                  .timers_late_ms = 3};
}

void engine_reload(struct engine *engine) { engine->egress = EGRESS_OPEN; }
