/* Hosts, queues, limits and rest. Where a job goes stands in lane_walk.c, what is asked inside a
 * session in lane_session.c. */
#include "service/lanes.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "probes/base/log.h"
#include "probes/base/mem.h"

enum {
    HOUR_MS = 3600 * 1000,
    EVICTION_LOOK = 16,
    REFUSALS_MAX = 5,            /* as many refusals of us, and more than answers: the lane rests */
    REPLIES_REMEMBERED = 40,     /* then both counts are halved */
    REST_AGAIN_MS = 3600 * 1000, /* a rest that begins so soon after the last one is longer */
    SERVING_MS = 60 * 1000, /* a host that served somebody so lately is well, though it rests */
    SHARE_MIN = 8,          /* bulk recipients for each further session */
    CALLERS_ROW_MAX = 8     /* sessions for callers, then one for bulk that waits */
};

/* --- lanes and hosts ----------------------------------------------------------------- */

static void host_free(struct lane_host *host)
{
    free(host->name);
    free(host->broken_tls);
    lane_forget_refusal(host);
    free(host);
}

static void lane_free(struct lane *lane)
{
    struct lane_host *host;

    while ((host = lane->hosts) != NULL) {
        HASH_DEL(lane->hosts, host);
        host_free(host);
    }
    free(lane->rests);
    free(lane);
}

static bool lane_idle(const struct lane *lane, uint64_t now_ms)
{
    if (lane->sessions > 0 || lane->queued > 0)
        return false;
    for (const struct lane_host *host = lane->hosts; host != NULL; host = host->hh.next)
        if (host->rest_until_ms > now_ms)
            return false;
    for (unsigned i = 0; lane->rests != NULL && i < ROUTES_MAX; i++)
        if (lane->rests->of[i].until_ms > now_ms)
            return false;
    return true;
}

/* Bounded memory: the oldest idle lane makes room for a new one. Those that have to stay go to the
 * end, or the big providers, who come early and are never idle, would hide all others for good. */
static void make_room_for_lane(struct lanes *lanes)
{
    uint64_t now_ms = loop_now_ms(lanes->shard->loop);
    size_t most = lanes->shard->config->cache_entries;
    struct lane *oldest;

    for (unsigned i = 0; i < EVICTION_LOOK && (oldest = lanes->by_key) != NULL; i++) {
        if (HASH_COUNT(lanes->by_key) < most)
            return;
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): invariants of the table */
        HASH_DEL(lanes->by_key, oldest);
        if (lane_idle(oldest, now_ms))
            lane_free(oldest);
        else
            HASH_ADD_STR(lanes->by_key, key, oldest);
    }
}

/* Without a word from settings or provider table: one connection per host, two per provider. */
static uint32_t lane_connections(const struct config *config, const struct provider *provider,
                                 const char *host)
{
    bool set;
    uint32_t value = config_limit_for(&config->lane_connections,
                                      provider != NULL ? provider->key : NULL, host, &set);

    if (set || provider == NULL)
        return value;
    return provider->lane_connections > 0 ? provider->lane_connections : 2 * value;
}

static uint32_t limit_of(const struct config_limit *limit, const struct provider *provider,
                         const char *host, uint32_t provider_value)
{
    bool set;
    uint32_t value = config_limit_for(limit, provider != NULL ? provider->key : NULL, host, &set);

    return !set && provider_value > 0 ? provider_value : value;
}

static struct lane *find_lane(struct lanes *lanes, const struct job *job)
{
    const char *host = job_host(job)->name;
    const struct provider *provider = provider_by_mx(host);
    char address[IP_TEXT_SIZE];
    const char *key = job_lane_key(job, provider, address);
    struct lane *lane;

    HASH_FIND_STR(lanes->by_key, key, lane);
    if (lane != NULL)
        return lane;
    make_room_for_lane(lanes);
    size_t length = strlen(key);
    lane = mem_zeroed(1, sizeof(*lane) + length + 1);
    memcpy(lane->key, key, length + 1);
    lane->lanes = lanes;
    lane->provider = provider;
    lane->connections_max = lane_connections(lanes->shard->config, provider, host);
    lane->window = lane->connections_max;
    HASH_ADD_STR(lanes->by_key, key, lane);
    return lane;
}

static bool host_idle(const struct lane_host *host, uint64_t now_ms)
{
    return host->sessions == 0 && host->queued == 0 && host->rest_until_ms <= now_ms;
}

/* A big provider has a host for each of its customers: those that are done make room likewise. */
static void make_room_for_host(struct lane *lane)
{
    uint64_t now_ms = loop_now_ms(lane->lanes->shard->loop);
    size_t most = lane->lanes->shard->config->cache_entries;
    struct lane_host *oldest;

    for (unsigned i = 0; i < EVICTION_LOOK && (oldest = lane->hosts) != NULL; i++) {
        if (HASH_COUNT(lane->hosts) < most)
            return;
        HASH_DEL(lane->hosts, oldest);
        if (host_idle(oldest, now_ms))
            host_free(oldest);
        else
            HASH_ADD_STR(lane->hosts, key, oldest);
    }
}

static struct lane_host *host_new(struct lane *lane, const char *key, const struct job *job)
{
    const struct config *config = lane->lanes->shard->config;
    const struct provider *provider = lane->provider;
    const char *name = job_host(job)->name;
    size_t key_size = strlen(key) + 1;
    struct lane_host *host = mem_zeroed(1, sizeof(*host) + key_size);

    memcpy(host->key, key, key_size);
    host->lane = lane;
    host->name = mem_copy_text(name);
    host->address = *job_address(job);
    host->connections_max = lane->connections_max;
    host->recipients_per_session =
        limit_of(&config->lane_recipients_per_session, provider, name,
                 provider != NULL ? provider->recipients_per_session : 0);
    host->rejects_per_session = limit_of(&config->lane_rejects_per_session, provider, name,
                                         provider != NULL ? provider->rejects_per_session : 0);
    host->gap_ms = limit_of(&config->lane_transaction_gap_ms, provider, name,
                            provider != NULL ? provider->transaction_gap_ms : 0);
    host->rest_ms = config->lane_rest_ms;
    lane_host_set_routes(host, provider);
    return host;
}

static struct lane_host *find_host(struct lane *lane, const struct job *job)
{
    char key[IP_TEXT_SIZE + DNS_NAME_SIZE];
    const char *name = job_host(job)->name;
    size_t address = strlen(ip_format(job_address(job), key));
    struct lane_host *host;

    key[address] = ' ';
    memcpy(key + address + 1, name, strnlen(name, DNS_NAME_SIZE - 1) + 1);
    HASH_FIND_STR(lane->hosts, key, host);
    if (host != NULL)
        return host;
    make_room_for_host(lane);
    host = host_new(lane, key, job);
    HASH_ADD_STR(lane->hosts, key, host);
    return host;
}

static uint32_t doubled(uint32_t rest_ms)
{
    return rest_ms < REST_MAX_MS / 2 ? 2 * rest_ms : REST_MAX_MS;
}

void lane_host_rest(struct lane_host *host)
{
    uint64_t now_ms = loop_now_ms(host->lane->lanes->shard->loop);

    if (host->rest_until_ms > now_ms)
        return; /* one trouble, seen by several sessions */
    host->rest_until_ms = now_ms + host->rest_ms;
    host->cut_at_recipient = false;
    host->rest_ms = doubled(host->rest_ms);
}

bool lane_rests(const struct lane *lane)
{
    return lane->rest_until_ms > loop_now_ms(lane->lanes->shard->loop);
}

bool lane_host_rests(const struct lane_host *host)
{
    uint64_t now_ms = loop_now_ms(host->lane->lanes->shard->loop);

    return host->rest_until_ms > now_ms || lane_route(host).wakes_ms > now_ms;
}

/* Once for all sessions that met one trouble together: those that began before it was known could
 * not have heeded it. */
void lane_narrow(struct lane *lane, uint64_t began_ms)
{
    if (lane->narrowed_ms > 0 && began_ms <= lane->narrowed_ms)
        return;
    lane->narrowed_ms = loop_now_ms(lane->lanes->shard->loop);
    lane->window = lane->window > 2 ? lane->window / 2 : 1;
}

void lane_yield(struct lane *lane)
{
    lane->window -= 1 / lane->window;
    if (lane->window < 1)
        lane->window = 1;
}

/* One connection more for each round of sessions that went well. */
void lane_widen(struct lane *lane)
{
    lane->window += 1 / lane->window;
    if (lane->window > lane->connections_max)
        lane->window = lane->connections_max;
}

/* One rest soon after the other is twice as long. */
static void lane_rest(struct lane *lane)
{
    const struct config *config = lane->lanes->shard->config;
    uint64_t now_ms = loop_now_ms(lane->lanes->shard->loop);

    if (lane->rest_until_ms > now_ms)
        return; /* from sessions that began before */
    bool again = lane->rest_ms > 0 && now_ms - lane->rest_until_ms < REST_AGAIN_MS;
    lane->rest_ms = again ? doubled(lane->rest_ms) : config->lane_rest_ms;
    lane->rest_until_ms = now_ms + lane->rest_ms;
    resting_add(&lane->lanes->shard->resting, lane->key, lane->rest_until_ms);
    log_event(LOG_WARN, "lane_rests",
              (struct log_field[]){LOG_TEXT("lane", lane->key),
                                   LOG_TEXT("why", "it mostly refuses us"),
                                   LOG_NUMBER("ms", lane->rest_ms), LOG_END});
}

void lane_replied(struct lane *lane, bool refused_us)
{
    if (refused_us)
        lane->refusals++;
    else
        lane->answers++;
    if (lane->refusals >= REFUSALS_MAX && lane->refusals > lane->answers) {
        lane->refusals = lane->answers = 0;
        lane_rest(lane);
    } else if (lane->refusals + lane->answers >= REPLIES_REMEMBERED) {
        lane->refusals /= 2;
        lane->answers /= 2;
    }
}

void hourly_count(struct hourly *hourly, uint64_t now_ms)
{
    if (now_ms - hourly->since_ms >= HOUR_MS)
        *hourly = (struct hourly){.since_ms = now_ms};
    hourly->count++;
}

uint32_t hourly_left_ms(const struct hourly *hourly, uint32_t limit, uint64_t now_ms)
{
    uint64_t age_ms = now_ms - hourly->since_ms;

    return hourly->count >= limit && age_ms < HOUR_MS ? (uint32_t)(HOUR_MS - age_ms) : 0;
}

/* --- queues ---------------------------------------------------------------------------- */

static struct fair_queue *queue_of(struct lane_host *host, const struct job *job)
{
    return job->bulk ? &host->bulk : &host->interactive;
}

/* Into the list of the lane where it waits now, behind the others. */
static void wait_with(struct lane_host *host, enum host_wait wait)
{
    struct lane *lane = host->lane;

    if (host->wait != WAIT_NOTHING)
        DL_DELETE(lane->waiting[host->wait], host);
    host->wait = wait;
    if (wait != WAIT_NOTHING)
        DL_APPEND(lane->waiting[wait], host);
}

static void queue_changed(struct lane_host *host)
{
    enum host_wait wait = host->interactive.head != NULL ? WAIT_INTERACTIVE
                          : host->bulk.head != NULL      ? WAIT_BULK
                                                         : WAIT_NOTHING;

    if (wait != host->wait)
        wait_with(host, wait);
}

void lane_queue(struct lane_host *host, struct job *job, bool front)
{
    if (front)
        fair_queue_add_first(queue_of(host, job), job);
    else
        fair_queue_add(queue_of(host, job), job);
    host->queued++;
    host->lane->queued++;
    queue_changed(host);
}

static void unqueue(struct lane_host *host, struct job *job)
{
    if (job->own != NULL)
        job->own->reserved = false;
    job->own = NULL;
    fair_queue_remove(queue_of(host, job), job);
    host->queued--;
    host->lane->queued--;
    queue_changed(host);
}

/* Jobs with a transcript wait for a session of their own, and get one each. */
static struct job *first_shared(const struct fair_queue *queue)
{
    struct job *job = queue->head;

    while (job != NULL && job->transcript)
        job = job->next;
    return job;
}

static struct job *first_alone(const struct fair_queue *queue)
{
    struct job *job = queue->head;

    while (job != NULL && (!job->transcript || job->own != NULL))
        job = job->next;
    return job;
}

struct job *lane_take_job(struct lane_session *session)
{
    struct lane_host *host = session->host;
    struct job *job = NULL;

    if (session->only != NULL) {
        job = session->reserved ? session->only : NULL;
    } else {
        job = first_shared(&host->interactive);
        if (job == NULL)
            job = first_shared(&host->bulk);
    }
    if (job != NULL)
        unqueue(host, job);
    return job;
}

struct job *lane_take_any(struct lane_host *host)
{
    struct job *job = host->interactive.head != NULL ? host->interactive.head : host->bulk.head;

    if (job == NULL)
        return NULL;
    if (job->own != NULL)
        job->own->only = NULL; /* it may serve anybody now */
    unqueue(host, job);
    return job;
}

bool lane_has_work(const struct lane_host *host)
{
    return first_shared(&host->interactive) != NULL || first_shared(&host->bulk) != NULL;
}

/* A further session pays when somebody waits for his one answer, or when its share of the work is
 * worth a greeting. Who waits long for an answer takes no share meanwhile. */
static bool pays(const struct lane_host *host)
{
    uint32_t sharing = host->sessions - host->slow;

    return host->interactive.head != NULL || host->queued > sharing * SHARE_MIN;
}

/* Part of a lane is kept for callers who wait: bulk alone may not fill it, but always has one
 * connection. */
static uint32_t bulk_room(const struct lane *lane)
{
    uint32_t most = lane->connections_max - 1,
             percent = lane->lanes->shard->config->interactive_reserve,
             reserve = (lane->connections_max * percent + 50) / 100; /* to the nearest */

    return lane->connections_max - (reserve < most ? reserve : most);
}

static bool has_room(const struct lane *lane, enum host_wait wait)
{
    return !lane->lanes->closing && !lane_rests(lane) &&
           lane->sessions < (uint32_t)(lane->window + 0.5) &&
           (wait == WAIT_INTERACTIVE || lane->sessions < bulk_room(lane));
}

/* Whom the next session is for: callers first, with a transcript or without. NULL: for whoever
 * waits. */
static struct job *next_alone(const struct lane_host *host)
{
    if (first_shared(&host->interactive) != NULL)
        return NULL;
    struct job *job = first_alone(&host->interactive);
    if (job != NULL || first_shared(&host->bulk) != NULL)
        return job;
    return first_alone(&host->bulk);
}

/* Who waits at a host that rests is sent on when the session ends that met the trouble. */
static bool wants_session(const struct lane_host *host)
{
    return host->queued > host->opening && host->sessions < host->connections_max && pays(host) &&
           host->rest_until_ms <= loop_now_ms(host->lane->lanes->shard->loop) &&
           (lane_has_work(host) || next_alone(host) != NULL);
}

/* Does a caller wait whom no session here will take? Else he is the next in one of them. */
static bool is_passed_over(const struct lane_host *host)
{
    if (host->interactive.head == NULL)
        return false;
    return host->sessions == 0 ||
           (first_shared(&host->interactive) == NULL && first_alone(&host->interactive) != NULL);
}

bool lane_wants_room(const struct lane_session *session)
{
    const struct lane *lane = session->host->lane;
    const struct lane_host *host;
    uint32_t waiting = 0;

    if (first_shared(&session->host->interactive) != NULL || has_room(lane, WAIT_INTERACTIVE))
        return false;
    DL_FOREACH(lane->waiting[WAIT_INTERACTIVE], host)
    {
        if (is_passed_over(host) && ++waiting > lane->leaving)
            return true;
    }
    return false;
}

static void open_session(struct lane_host *host, enum host_wait wait)
{
    struct lane *lane = host->lane;
    bool before_bulk = wait == WAIT_INTERACTIVE && lane->waiting[WAIT_BULK] != NULL;

    lane->callers_row = before_bulk ? lane->callers_row + 1 : 0;
    lane_session_open(host, next_alone(host));
    wait_with(host, wait);
}

/* Callers who never cease do not keep bulk waiting for ever. */
static void open_bulk_in_turn(struct lane *lane)
{
    struct lane_host *host;

    if (lane->callers_row < CALLERS_ROW_MAX || lane->for_bulk >= bulk_room(lane) ||
        !has_room(lane, WAIT_INTERACTIVE))
        return;
    DL_FOREACH(lane->waiting[WAIT_BULK], host)
    {
        if (wants_session(host)) {
            open_session(host, WAIT_BULK);
            return;
        }
    }
}

/* One session to each host that wants one, in turn; true when any was opened. Each stands for a
 * check that was admitted, so descriptors are bounded there. */
static bool open_round(struct lane *lane, enum host_wait wait)
{
    struct lane_host *last = lane->waiting[wait] != NULL ? lane->waiting[wait]->prev : NULL;
    struct lane_host *host, *next = lane->waiting[wait];
    bool opened = false;

    for (host = NULL; host != last && has_room(lane, wait);) {
        host = next;
        next = host->next;
        if (!wants_session(host))
            continue;
        open_session(host, wait);
        opened = true;
    }
    return opened;
}

/* Those first for whom somebody waits. */
void lane_pump(struct lane *lane)
{
    open_bulk_in_turn(lane);
    while (open_round(lane, WAIT_INTERACTIVE))
        ;
    while (open_round(lane, WAIT_BULK))
        ;
}

static uint64_t later(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* Does it answer, though it rests? Then who is not asked has but missed his turn. */
static bool is_alive(const struct lane_host *host, uint64_t now_ms)
{
    bool serving = host->served_ms > 0 && now_ms - host->served_ms < SERVING_MS;

    return serving || (host->cut_at_recipient && host->rest_until_ms > now_ms);
}

/* True: nobody is asked there now, and the job has moved on. */
static bool put_off(struct lane_host *host, struct job *job, uint64_t wakes_ms)
{
    struct lane *lane = host->lane;
    uint64_t now_ms = loop_now_ms(lane->lanes->shard->loop);
    uint64_t until_ms = later(later(host->rest_until_ms, lane->rest_until_ms), wakes_ms);

    if (until_ms > now_ms) {
        job->stop = STOP_DEFERRED; /* unless the next host can decide */
        job->turn_missed = is_alive(host, now_ms);
        job->stop_retry_ms = (uint32_t)(until_ms - now_ms);
        lane_walk_on(job);
        return true;
    }
    uint32_t wait_ms = lane_must_wait_ms(host, job);
    if (wait_ms > 0)
        lane_defer(job, wait_ms);
    return wait_ms > 0;
}

void lanes_take(struct lanes *lanes, struct job *job)
{
    struct lane *lane = find_lane(lanes, job);
    struct lane_host *host = find_host(lane, job);
    struct route_choice route = lane_route(host);

    if (!lane_route_fits(host, route.route, job)) {
        lane_walk_on(job);
        return;
    }
    if (lane_answer_refused(host, job) || put_off(host, job, route.wakes_ms))
        return;
    if (job->queued_ms == 0)
        job->queued_ms = loop_now_ms(lanes->shard->loop);
    lane_queue(host, job, false);
    lane_pump(lane);
}

/* --- life ------------------------------------------------------------------------------------ */

struct lanes *lanes_new(struct shard *shard)
{
    struct lanes *lanes = mem_new(struct lanes);

    lanes->shard = shard;
    return lanes;
}

static void free_jobs(struct job **queue)
{
    while (*queue != NULL) {
        struct job *job = *queue;

        DL_DELETE(*queue, job);
        job_free(&job);
    }
}

void lanes_stop(struct lanes *lanes)
{
    struct lane_session *session;

    lanes->closing = true;
    DL_FOREACH(lanes->all_sessions, session)
    {
        loop_timer_stop(&session->gap);
        loop_timer_stop(&session->patience);
        smtp_session_drop(&session->smtp);
    }
}

bool lanes_quiet(const struct lanes *lanes) { return lanes->smtp_sessions.first == NULL; }

void lanes_free(struct lanes **lanes)
{
    struct lane *lane, *following;
    struct domain_memory *memory, *next_memory;

    if (*lanes == NULL)
        return;
    while ((*lanes)->all_sessions != NULL)
        lane_session_drop((*lanes)->all_sessions);
    smtp_sessions_close(&(*lanes)->smtp_sessions);
    HASH_ITER(hh, (*lanes)->by_key, lane, following)
    {
        HASH_DEL((*lanes)->by_key, lane);
        for (struct lane_host *host = lane->hosts; host != NULL; host = host->hh.next) {
            free_jobs(&host->interactive.head);
            free_jobs(&host->bulk.head);
        }
        lane_free(lane);
    }
    HASH_ITER(hh, (*lanes)->domains, memory, next_memory)
    {
        HASH_DEL((*lanes)->domains, memory);
        free_jobs(&memory->waiting);
        free_jobs(&memory->waiting_control);
        smtp_reply_facts_clear(&memory->decoy_reply);
        free(memory);
    }
    free(*lanes);
    *lanes = NULL;
}
