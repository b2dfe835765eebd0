/* The door: tickets go to the shard that is home to the domain, answers come back to
 * the loop that asked. Threads begin and end here. */
#include "service/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "probes/base/clock.h"
#include "probes/base/log.h"
#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "probes/smtp/classify.h"
#include "service/operator.h"
#include "service/routes.h"
#include "service/shard.h"

enum {
    DESCRIPTORS_KEPT = 512, /* logs, epoll, DNS, API listeners and the like */
    TLS_SESSIONS = 4096,
    DNS_TRIES = 2,
    FAREWELL_MS = 500, /* for replies that are owed, QUIT and 221 when we stop */
    FAREWELL_LOOK_MS = 10,
    LAST_ROUNDS = 8 /* hops a piece of mail can make: home, lane, next lane, home ... */
};

/* --- tickets ---------------------------------------------------------------------------- */

static void ticket_free(struct engine_ticket *ticket)
{
    free(ticket->email);
    free(ticket->request_id);
    free(ticket);
}

void engine_answer_free(struct verify_answer **answer)
{
    if (*answer == NULL)
        return;
    free((*answer)->document);
    free(*answer);
    *answer = NULL;
}

static void on_submitted(struct loop_mail *mail)
{
    struct engine_ticket *ticket = CONTAINER_OF(mail, struct engine_ticket, mail);

    checks_take(ticket->shard->checks, ticket);
}

/* Back on the submitter's loop. A cancelled ticket is freed when its cancel mail returns. */
static void on_answered(struct loop_mail *mail)
{
    struct engine_ticket *ticket = CONTAINER_OF(mail, struct engine_ticket, mail);
    struct verify_answer *answer = ticket->answer;

    if (ticket->cancelled) {
        engine_answer_free(&answer);
        return;
    }
    engine_answer_fn *done = ticket->done;
    void *context = ticket->context;
    ticket_free(ticket);
    done(context, answer);
}

void ticket_answer(struct engine_ticket *ticket, struct verify_answer *answer)
{
    ticket->state = TICKET_ANSWERED;
    ticket->answer = answer;
    loop_post_from(ticket->shard->loop, ticket->reply_to, &ticket->mail, on_answered);
}

static void on_cancel_returned(struct loop_mail *mail)
{
    ticket_free(CONTAINER_OF(mail, struct engine_ticket, cancel));
}

static void on_cancelled(struct loop_mail *mail)
{
    struct engine_ticket *ticket = CONTAINER_OF(mail, struct engine_ticket, cancel);

    checks_forget(ticket->shard->checks, ticket);
    loop_post(ticket->reply_to, &ticket->cancel, on_cancel_returned);
}

void engine_cancel(struct engine_ticket **ticket)
{
    if (*ticket == NULL)
        return;
    (*ticket)->cancelled = true;
    loop_post((*ticket)->shard->loop, &(*ticket)->cancel, on_cancelled);
    *ticket = NULL;
}

static struct engine_ticket *ticket_new(struct engine *engine, struct loop *reply_to,
                                        engine_answer_fn *done, void *context)
{
    struct engine_ticket *ticket = mem_new(struct engine_ticket);

    ticket->engine = engine;
    ticket->reply_to = reply_to;
    ticket->done = done;
    ticket->context = context;
    return ticket;
}

static struct engine_ticket *dispatch(struct engine_ticket *ticket, struct shard *shard)
{
    ticket->shard = shard;
    loop_post(shard->loop, &ticket->mail, on_submitted);
    return ticket;
}

/* The part behind the last "@" is enough to find the home: equal domains written differently
 * may get two homes and so two checks; nothing else follows from that. */
static struct shard *home_of(struct engine *engine, const char *email, size_t length)
{
    size_t at = length;

    while (at > 0 && email[at - 1] != '@')
        at--;
    return &engine->shards[text_hash_nocase(email + at, length - at) % engine->shard_count];
}

struct shard *engine_lane_owner(struct engine *engine, const char *lane_key)
{
    return &engine->shards[text_hash_nocase(lane_key, strlen(lane_key)) % engine->shard_count];
}

struct engine_ticket *engine_submit(struct engine *engine, struct loop *home,
                                    const struct verify_request *request, engine_answer_fn *done,
                                    void *context)
{
    struct engine_ticket *ticket = ticket_new(engine, home, done, context);

    ticket->kind = TICKET_VERIFY;
    ticket->smtp = request->smtp;
    ticket->imap = request->imap;
    ticket->bulk = request->bulk;
    ticket->explain = request->explain;
    ticket->language = request->language;
    ticket->policy = request->policy;
    ticket->received_ms = request->received_ms;
    ticket->due_ms = request->received_ms + request->deadline_ms;
    ticket->max_age_s = request->max_age_s;
    ticket->email = mem_copy_bytes(request->email, request->email_length);
    ticket->email_length = request->email_length;
    ticket->request_id = mem_copy_text(request->request_id);
    return dispatch(ticket, home_of(engine, ticket->email, ticket->email_length));
}

struct engine_ticket *engine_lookup(struct engine *engine, struct loop *home,
                                    const struct lookup_request *request, engine_answer_fn *done,
                                    void *context)
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    struct engine_ticket *ticket = ticket_new(engine, home, done, context);
    const char *id = request->id, *high = NULL, *low = NULL;

    ticket->kind = TICKET_LOOKUP;
    ticket->explain = request->explain;
    ticket->language = request->language;
    ticket->received_ms = clock_now_ms();
    ticket->due_ms = ticket->received_ms + request->wait_ms;
    ticket->email = mem_copy_text(id);
    ticket->email_length = strlen(id);
    ticket->request_id = mem_copy_text(request->request_id);
    if (ticket->email_length == 16) { /* the digits after "v_" name the home */
        high = strchr(digits, id[2]);
        low = strchr(digits, id[3]);
    }
    size_t index =
        high != NULL && low != NULL ? (size_t)(high - digits) * 32 + (size_t)(low - digits) : 0;
    return dispatch(ticket, &engine->shards[index % engine->shard_count]);
}

struct engine_ticket *engine_domain(struct engine *engine, struct loop *home, const char *domain,
                                    uint32_t deadline_ms, engine_answer_fn *done, void *context)
{
    struct engine_ticket *ticket = ticket_new(engine, home, done, context);
    struct text email;

    ticket->kind = TICKET_DOMAIN;
    ticket->imap = true;
    ticket->explain = EXPLAIN_EVIDENCE;
    ticket->received_ms = clock_now_ms();
    ticket->due_ms = ticket->received_ms + deadline_ms;
    ticket->max_age_s = 86400;
    text_init(&email, ENGINE_EMAIL_MAX);
    text_put(&email, "postmaster@");
    text_put(&email, domain);
    ticket->email_length = email.length;
    ticket->email = text_take(&email);
    return dispatch(ticket, home_of(engine, ticket->email, ticket->email_length));
}

/* --- shards ------------------------------------------------------------------------------- */

static void *run_shard(void *context)
{
    struct shard *shard = context;

    loop_run(shard->loop);
    return NULL;
}

static bool shard_open(struct shard *shard, char *error, size_t error_size)
{
    const struct config *config = shard->config;
    const char *why = NULL;

    shard->loop = loop_new();
    shard->dns = dns_new(&(struct dns_params){.loop = shard->loop,
                                              .servers = config->resolver,
                                              .timeout_ms = config->dns_timeout_ms,
                                              .tries = DNS_TRIES,
                                              .cache_entries = config->cache_entries},
                         &why);
    if (shard->dns == NULL) {
        snprintf(error, error_size, "resolver: \"%.120s\": %s", config->resolver, why);
        return false;
    }
    shard->tls = tls_client_new(
        &(struct tls_client_params){.ca_file = config->ca_file[0] != '\0' ? config->ca_file : NULL,
                                    .sessions_max = TLS_SESSIONS},
        &why);
    if (shard->tls == NULL) {
        snprintf(error, error_size, "ca_file: \"%.200s\": %s", config->ca_file, why);
        return false;
    }
    shard->mx = mx_resolver_new(&(struct mx_params){
        .loop = shard->loop,
        .dns = shard->dns,
        .allowed = &config->allowed,
        .have_ipv6 = routes_reach_ipv6(shard->engine->routes, ip_host_has_ipv6()),
        .budget_ms = config->dns_budget_ms,
        .cache_entries = config->cache_entries});
    shard->checks = checks_new(shard);
    shard->lanes = lanes_new(shard);
    return true;
}

static void shard_close(struct shard *shard)
{
    checks_free(&shard->checks);
    lanes_free(&shard->lanes);
    mx_resolver_free(&shard->mx);
    dns_free(&shard->dns);
    tls_client_free(&shard->tls);
    loop_free(&shard->loop);
}

/* On the shard's own thread: what waits is answered, then the loop ends. */
static void on_farewell(void *context)
{
    struct shard *shard = context;

    if (lanes_quiet(shard->lanes) || loop_now_ms(shard->loop) >= shard->farewell_until_ms)
        loop_stop(shard->loop);
    else
        loop_timer_start(&shard->farewell, FAREWELL_LOOK_MS);
}

static void on_stop(struct loop_mail *mail)
{
    struct shard *shard = CONTAINER_OF(mail, struct shard, stop_mail);

    checks_stop(shard->checks);
    lanes_stop(shard->lanes);
    shard->farewell_until_ms = loop_now_ms(shard->loop) + FAREWELL_MS;
    loop_timer_init(&shard->farewell, shard->loop, on_farewell, shard);
    on_farewell(shard);
}

static size_t descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return 1024;
    return (size_t)limit.rlim_cur;
}

size_t engine_checks_room(const struct config *config)
{
    size_t descriptors = descriptor_limit();
    size_t kept = DESCRIPTORS_KEPT + config->connections_max;
    size_t room = descriptors > 2 * kept ? descriptors - kept : descriptors / 2;

    return room * 4 / 5;
}

static size_t checks_allowed(const struct config *config)
{
    size_t fit = engine_checks_room(config);

    return config->checks_max > 0 && config->checks_max < fit ? config->checks_max : fit;
}

static unsigned shards_wanted(const struct config *config)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned wanted = config->loops > 0 ? config->loops : (unsigned)(cores > 0 ? cores : 1);

    return wanted < SHARDS_MAX ? wanted : SHARDS_MAX;
}

static void close_shards(struct engine *engine)
{
    for (unsigned i = 0; i < engine->shard_count; i++)
        shard_close(&engine->shards[i]);
}

/* Tables that are made at first use are made now: the first caller is not to wait for them. */
static void warm_up(void)
{
    struct address address;
    struct address_insight insight;
    static const char example[] = "jane@gmial.com";

    address_parse(example, sizeof(example) - 1, NULL, &address);
    address_look_up(example, sizeof(example) - 1, &address, false, &insight);
    provider_by_mx("mx.example");
    reply_classify(250, (const uint8_t[3]){0}, "Ok", NULL);
}

struct engine *engine_start(const struct config *config, const struct policies *policies,
                            char *error, size_t error_size)
{
    struct routes *routes = routes_new(config, error, error_size);
    if (routes == NULL || !operator_load(config, error, error_size)) {
        routes_free(&routes);
        return NULL;
    }
    warm_up();
    struct engine *engine = mem_new(struct engine);
    engine->routes = routes;
    engine->config = config;
    engine->policies = policies;
    engine->shard_count = shards_wanted(config);
    engine->checks_max = checks_allowed(config);
    engine->started_ms = clock_now_ms();
    for (unsigned i = 0; i < engine->shard_count; i++) {
        struct shard *shard = &engine->shards[i];

        shard->engine = engine;
        shard->config = config;
        shard->index = i;
        if (!shard_open(shard, error, error_size)) {
            close_shards(engine);
            routes_free(&engine->routes);
            free(engine);
            return NULL;
        }
    }
    for (unsigned i = 0; i < engine->shard_count; i++)
        if (pthread_create(&engine->shards[i].thread, NULL, run_shard, &engine->shards[i]) != 0)
            abort(); /* no thread at start: nothing works without */
    return engine;
}

void engine_drain(struct engine *engine) { atomic_store(&engine->draining, true); }

size_t engine_in_flight(const struct engine *engine) { return atomic_load(&engine->in_flight); }

bool engine_has_room(const struct engine *engine, size_t count)
{
    return atomic_load(&engine->in_flight) + count <= engine->checks_max;
}

/* What was on its way between shards when they ended arrives, so that somebody owns it. The
 * threads are gone: their loops are ours. */
static void deliver_last_mail(struct engine *engine)
{
    for (unsigned round = 0; round < LAST_ROUNDS; round++)
        for (unsigned i = 0; i < engine->shard_count; i++)
            loop_run_once(engine->shards[i].loop);
}

void engine_stop(struct engine **engine)
{
    if (*engine == NULL)
        return;
    engine_drain(*engine);
    for (unsigned i = 0; i < (*engine)->shard_count; i++)
        loop_post((*engine)->shards[i].loop, &(*engine)->shards[i].stop_mail, on_stop);
    for (unsigned i = 0; i < (*engine)->shard_count; i++)
        pthread_join((*engine)->shards[i].thread, NULL);
    deliver_last_mail(*engine);
    close_shards(*engine);
    operator_unload();
    routes_free(&(*engine)->routes);
    free(*engine);
    *engine = NULL;
}

/* Providers by name; who else is refusing us is nobody's business but the operator's. */
static void show_resting(const struct resting *resting, struct engine_health *health)
{
    char names[RESTING_MAX][RESTING_NAME_SIZE];
    struct ip_address address;
    size_t count = resting_list(resting, clock_now_ms(), names, RESTING_MAX);

    for (size_t i = 0; i < count; i++) {
        if (ip_parse(names[i], &address))
            health->resting_hosts++;
        else if (health->resting_count < ENGINE_RESTING_MAX)
            memcpy(health->resting[health->resting_count++], names[i], RESTING_NAME_SIZE);
    }
}

struct engine_health engine_health(const struct engine *engine)
{
    struct egress *egress =
        (struct egress *)&engine->egress; /* atomics inside: reading writes nothing */
    bool greeted = atomic_load(&egress->last_greeting_ms) != 0;

    struct engine_health health = {
        .draining = atomic_load(&engine->draining),
        .egress = egress_blocked(egress, clock_now_ms()) ? EGRESS_BLOCKED
                  : greeted                              ? EGRESS_OPEN
                                                         : EGRESS_UNKNOWN,
        .in_flight = engine_in_flight(engine),
        .checks_max = engine->checks_max,
        .anchors = tls_client_anchors(engine->shards[0].tls),
        .resolver = resolver_state(&engine->resolver),
    };

    for (unsigned i = 0; i < engine->shard_count; i++) {
        uint32_t late_ms = loop_late_ms(engine->shards[i].loop);

        show_resting(&engine->shards[i].resting, &health);
        health.timers_late_ms = late_ms > health.timers_late_ms ? late_ms : health.timers_late_ms;
    }
    return health;
}

void engine_reload(struct engine *engine)
{
    char error[256];

    if (operator_load(engine->config, error, sizeof(error)))
        log_event(LOG_INFO, "lists_reloaded", (struct log_field[]){LOG_END});
    else
        log_event(LOG_ERROR, "lists_not_reloaded",
                  (struct log_field[]){LOG_TEXT("why", error), LOG_END});
}
