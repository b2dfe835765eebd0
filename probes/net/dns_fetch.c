/* dns_fetch.c - see dns_fetch.h.
 *
 * A fetch is QUEUED or WAITING. What is queued is sent by a timer of 0 ms, so c-ares is not
 * entered again from its own callbacks; what waits stands in the list of its round, where
 * all waits are equally long and the oldest deadline is therefore first.
 *
 * Questions go out in bursts that a resolver's socket buffer holds: each costs a credit, each
 * answer gives one back, and the tick gives back what slow and lost ones took. */
#include "probes/net/dns_fetch.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "probes/base/mem.h"
#include "probes/net/dns_message.h"
#include "probes/net/dns_transport.h"

enum {
    TICK_MS = 50,
    BURST_MAX = 100, /* a default socket buffer holds 256 small datagrams, of all our loops */
    TIMEOUT_DEFAULT_MS = 1500,
    TRIES_DEFAULT = 2,
    TRIES_MAX = 4,
    RESENDS_MAX = 8, /* when c-ares gives up before we do */
    SERVER_PLAIN_MS = 300000,
    SERVER_REST_MS = 30000, /* a server that timed out is not asked first for this long */
    TTL_MIN_S = 60,
    TTL_MAX_S = 86400,
    TTL_NEGATIVE_MAX_S = 900,
    TTL_FAILURE_S = 5
};

enum fetch_state { FETCH_IDLE, FETCH_QUEUED, FETCH_WAITING };

struct sent_attempt {
    struct dns_attempt *attempt;
    unsigned server;
    bool unchecked; /* asked with checking disabled */
    struct sent_attempt *next;
};

struct dns_fetch {
    struct dns_fetcher *fetcher;
    enum dns_type type;
    char name[DNS_NAME_SIZE]; /* asked now: moves on when a server does not follow CNAMEs */
    enum fetch_state state;
    bool checking_disabled;      /* the last attempt of all */
    unsigned first_server, turn; /* attempt `turn` goes to server first + turn, modulo */
    unsigned failed;             /* bits: servers that answered with a failure */
    unsigned servfail;           /* bits: of these, with SERVFAIL */
    unsigned plain;              /* bits: servers asked without EDNS */
    unsigned resends;
    unsigned hops;  /* CNAMEs followed before this name */
    uint32_t ttl_s; /* of those CNAMEs */
    uint64_t deadline_ms;
    struct sent_attempt *sent;
    dns_fetched_fn *done;
    void *context;
    struct dns_fetch *prev, *next; /* in the list of its state */
};

struct upstream {
    struct dns_transport *transport;
    bool ad_counts; /* nobody else can have set its AD bit, or it is only looked at */
    uint64_t rests_until_ms;
    uint64_t plain_until_ms; /* it did not understand EDNS */
};

struct dns_fetcher {
    struct loop *loop;
    struct loop_timer work_timer, tick_timer;
    uint32_t timeout_ms;
    unsigned tries, server_count, credit;
    struct upstream servers[DNS_SERVERS_MAX];
    struct dns_fetch *queued, *waiting[TRIES_MAX];
    struct dns_counters counters;
};

/* --- answers ------------------------------------------------------------------------------- */

static uint32_t clamp_ttl(uint32_t ttl_s, bool positive)
{
    uint32_t most = positive ? TTL_MAX_S : TTL_NEGATIVE_MAX_S;

    return ttl_s < TTL_MIN_S ? TTL_MIN_S : ttl_s > most ? most : ttl_s;
}

/* Records and strings move from the parser's arena into one block with the answer. */
static struct dns_answer *pack_answer(const struct dns_message *message, enum dns_status status)
{
    size_t name_size = strlen(message->final_name) + 1;
    size_t records_size = message->count * sizeof(struct dns_record);
    struct dns_answer *answer =
        mem_zeroed(1, sizeof *answer + records_size + message->arena_used + name_size);
    struct dns_record *records = (struct dns_record *)(void *)(answer + 1);
    char *arena = (char *)(records + message->count);

    if (message->count > 0)
        memcpy(records, message->records, records_size);
    memcpy(arena, message->arena, message->arena_used);
    memcpy(arena + message->arena_used, message->final_name, name_size);
    for (size_t i = 0; i < message->count; i++) {
        if (records[i].name != NULL)
            records[i].name = arena + (records[i].name - message->arena);
        if (records[i].text != NULL)
            records[i].text = arena + (records[i].text - message->arena);
    }
    answer->status = status;
    answer->authentic = message->authentic;
    answer->final_name = arena + message->arena_used;
    answer->count = message->count;
    answer->records = records;
    return answer;
}

static struct dns_answer *new_failure(const struct dns_fetch *fetch, enum dns_status status)
{
    size_t size = strlen(fetch->name) + 1;
    struct dns_answer *answer = mem_zeroed(1, sizeof *answer + size);
    char *name = (char *)(answer + 1);

    memcpy(name, fetch->name, size);
    answer->status = status;
    answer->final_name = name;
    answer->alias = fetch->hops > 0;
    answer->ttl_s = status == DNS_BOGUS || status == DNS_LOOP ? TTL_MIN_S : TTL_FAILURE_S;
    return answer;
}

/* --- lists ------------------------------------------------------------------------------------ */

static unsigned round_of(const struct dns_fetch *fetch)
{
    return fetch->checking_disabled ? 0 : fetch->turn / fetch->fetcher->server_count;
}

static struct dns_fetch **list_of(struct dns_fetch *fetch)
{
    switch (fetch->state) {
    case FETCH_QUEUED:
        return &fetch->fetcher->queued;
    case FETCH_WAITING:
        return &fetch->fetcher->waiting[round_of(fetch)];
    case FETCH_IDLE:
        break;
    }
    return NULL;
}

/* The turn names the list, so it changes only while the fetch is idle. */
static void set_state(struct dns_fetch *fetch, enum fetch_state state)
{
    struct dns_fetch **list = list_of(fetch);

    if (list != NULL)
        DL_DELETE(*list, fetch);
    fetch->state = state;
    list = list_of(fetch);
    if (list != NULL)
        DL_APPEND(*list, fetch);
    if (state == FETCH_QUEUED && !loop_timer_running(&fetch->fetcher->work_timer))
        loop_timer_start(&fetch->fetcher->work_timer, 0);
}

static void abandon_attempts(struct dns_fetch *fetch)
{
    struct sent_attempt *sent;

    while ((sent = fetch->sent) != NULL) {
        fetch->sent = sent->next;
        dns_attempt_abandon(sent->attempt);
        free(sent);
    }
}

void dns_fetch_cancel(struct dns_fetch **fetch)
{
    if (*fetch == NULL)
        return;
    set_state(*fetch, FETCH_IDLE);
    abandon_attempts(*fetch);
    free(*fetch);
    *fetch = NULL;
}

/* --- ends ------------------------------------------------------------------------------------ */

static void finish(struct dns_fetch *fetch, struct dns_answer *answer)
{
    dns_fetched_fn *done = fetch->done;
    void *context = fetch->context;

    if (answer->status == DNS_FAILED)
        fetch->fetcher->counters.failures++;
    dns_fetch_cancel(&fetch);
    done(context, answer);
}

static void fail(struct dns_fetch *fetch, enum dns_status status)
{
    finish(fetch, new_failure(fetch, status));
}

/* --- which server next ----------------------------------------------------------------------- */

static unsigned server_of_turn(const struct dns_fetch *fetch)
{
    return (fetch->first_server + fetch->turn) % fetch->fetcher->server_count;
}

/* A server that timed out lately is not asked first, unless all did. */
static unsigned choose_first_server(const struct dns_fetcher *fetcher)
{
    uint64_t now_ms = loop_now_ms(fetcher->loop);

    for (unsigned i = 0; i < fetcher->server_count; i++)
        if (fetcher->servers[i].rests_until_ms <= now_ms)
            return i;
    return 0;
}

static void ask_without_checking(struct dns_fetch *fetch)
{
    fetch->checking_disabled = true;
    fetch->first_server = (unsigned)__builtin_ctz(fetch->servfail);
    fetch->turn = 0;
    set_state(fetch, FETCH_QUEUED);
}

/* The next server worth asking, or the end. */
static void go_on(struct dns_fetch *fetch)
{
    unsigned turns = fetch->fetcher->tries * fetch->fetcher->server_count;

    set_state(fetch, FETCH_IDLE);
    fetch->resends = 0;
    while (fetch->turn < turns && (fetch->failed & 1u << server_of_turn(fetch)) != 0)
        fetch->turn++;
    if (fetch->checking_disabled || (fetch->turn >= turns && fetch->servfail == 0))
        fail(fetch, fetch->failed != 0 ? DNS_FAILED : DNS_TIMED_OUT);
    else if (fetch->turn >= turns)
        ask_without_checking(fetch);
    else
        set_state(fetch, FETCH_QUEUED);
}

/* Else it is a late word on a question that was given up: a good answer is welcome still. */
static bool is_of_turn(const struct dns_fetch *fetch, const struct sent_attempt *sent)
{
    return sent->server == server_of_turn(fetch) && sent->unchecked == fetch->checking_disabled;
}

static void server_failed(struct dns_fetch *fetch, const struct sent_attempt *sent, bool servfail)
{
    fetch->failed |= 1u << sent->server;
    if (servfail)
        fetch->servfail |= 1u << sent->server;
    if (is_of_turn(fetch, sent))
        go_on(fetch);
}

static void timed_out(struct dns_fetch *fetch)
{
    struct dns_fetcher *fetcher = fetch->fetcher;

    fetcher->counters.timeouts++;
    fetcher->servers[server_of_turn(fetch)].rests_until_ms =
        loop_now_ms(fetcher->loop) + SERVER_REST_MS;
    set_state(fetch, FETCH_IDLE);
    fetch->turn++;
    go_on(fetch);
}

/* --- reading answers ------------------------------------------------------------------------- */

/* The server left the last CNAME for us to follow (one that is not recursive does). */
static void follow(struct dns_fetch *fetch, const struct dns_message *message)
{
    fetch->hops += message->hops;
    if (message->ttl_s < fetch->ttl_s)
        fetch->ttl_s = message->ttl_s;
    if (fetch->hops > DNS_HOPS_MAX) {
        fail(fetch, DNS_LOOP);
    } else if (strlen(message->final_name) >= sizeof fetch->name) {
        fail(fetch, DNS_FAILED); /* escapes make it longer than any name that can be asked for */
    } else {
        set_state(fetch, FETCH_IDLE);
        abandon_attempts(fetch);
        memcpy(fetch->name, message->final_name, strlen(message->final_name) + 1);
        fetch->turn = fetch->failed = fetch->servfail = fetch->resends = 0;
        set_state(fetch, FETCH_QUEUED);
    }
}

static void take_message(struct dns_fetch *fetch, const struct sent_attempt *sent,
                         const struct dns_message *message)
{
    bool exists = message->rcode == DNS_RCODE_NOERROR;
    enum dns_status status = !exists ? DNS_NO_NAME : message->count > 0 ? DNS_FOUND : DNS_NO_DATA;
    uint32_t ttl_s = message->ttl_s < fetch->ttl_s ? message->ttl_s : fetch->ttl_s;
    struct dns_answer *answer = pack_answer(message, status);

    answer->alias = fetch->hops + message->hops > 0;
    answer->authentic = answer->authentic && fetch->fetcher->servers[sent->server].ad_counts;
    if (status != DNS_FOUND && !message->has_soa)
        ttl_s = TTL_MIN_S; /* not to be kept, RFC 2308 section 5: the least we allow */
    answer->ttl_s = clamp_ttl(ttl_s, status == DNS_FOUND);
    finish(fetch, answer);
}

/* c-ares leaves EDNS away by itself only once in the life of a channel. */
static bool stumbled_over_edns(const struct dns_fetch *fetch, const struct sent_attempt *sent,
                               const struct dns_message *message)
{
    return message->rcode == DNS_RCODE_FORMERR && !message->has_opt &&
           (fetch->plain & 1u << sent->server) == 0 && is_of_turn(fetch, sent);
}

static void ask_plainly(struct dns_fetch *fetch, unsigned server)
{
    struct dns_fetcher *fetcher = fetch->fetcher;

    fetcher->servers[server].plain_until_ms = loop_now_ms(fetcher->loop) + SERVER_PLAIN_MS;
    set_state(fetch, FETCH_IDLE);
    fetch->resends = 0;
    set_state(fetch, FETCH_QUEUED);
}

/* Anything but a plain yes or no is the server's failure, not the name's. */
static void read_answer(struct dns_fetch *fetch, const struct sent_attempt *sent,
                        const uint8_t *bytes, size_t length)
{
    static _Thread_local struct dns_message message;

    if (!dns_message_parse(bytes, length, fetch->name, fetch->type, &message) ||
        message.truncated) {
        server_failed(fetch, sent, false);
        return;
    }
    if (!message.has_opt)
        dns_transport_suspect(fetch->fetcher->servers[sent->server].transport);
    if (message.filtered)
        fail(fetch, DNS_FAILED);
    else if (stumbled_over_edns(fetch, sent, &message))
        ask_plainly(fetch, sent->server);
    else if (message.rcode != DNS_RCODE_NOERROR && message.rcode != DNS_RCODE_NXDOMAIN)
        server_failed(fetch, sent, message.rcode == DNS_RCODE_SERVFAIL);
    else if (sent->unchecked)
        fail(fetch, DNS_BOGUS); /* there is an answer, only not a valid one */
    else if (message.loop)
        fail(fetch, DNS_LOOP);
    else if (message.rcode == DNS_RCODE_NOERROR && message.count == 0 && message.hops > 0 &&
             !message.has_soa)
        follow(fetch, &message);
    else
        take_message(fetch, sent, &message);
}

static void send_now(struct dns_fetch *fetch);

/* c-ares may give up before our own deadline (from 1.32 on it shortens its waits by what it
 * has measured): then the question goes out again, and only our clock counts a timeout. */
static void gave_up_early(struct dns_fetch *fetch)
{
    if (fetch->state != FETCH_WAITING || fetch->sent != NULL || fetch->resends >= RESENDS_MAX ||
        loop_now_ms(fetch->fetcher->loop) + TICK_MS >= fetch->deadline_ms)
        return;
    fetch->resends++;
    send_now(fetch);
}

static void start_work(struct dns_fetcher *fetcher)
{
    if (fetcher->queued != NULL && !loop_timer_running(&fetcher->work_timer))
        loop_timer_start(&fetcher->work_timer, 0);
}

static void give_credit_back(struct dns_fetcher *fetcher)
{
    if (fetcher->credit < BURST_MAX)
        fetcher->credit++;
    start_work(fetcher);
}

static void on_delivered(void *context, struct dns_attempt *attempt, enum dns_delivery delivery,
                         const uint8_t *bytes, size_t length)
{
    struct dns_fetch *fetch = context;
    struct dns_fetcher *fetcher = fetch->fetcher;
    /* from inside dns_transport_send(): the one that is being sent */
    struct sent_attempt about = {.server = server_of_turn(fetch),
                                 .unchecked = fetch->checking_disabled};
    struct sent_attempt *sent;

    LL_SEARCH_SCALAR(fetch->sent, sent, attempt, attempt);
    if (sent != NULL) {
        about = *sent;
        LL_DELETE(fetch->sent, sent);
        free(sent);
    }
    switch (delivery) {
    case DNS_DELIVERED:
        read_answer(fetch, &about, bytes, length);
        break;
    case DNS_NO_ANSWER:
        gave_up_early(fetch);
        break;
    case DNS_UNREACHABLE:
        server_failed(fetch, &about, false);
        break;
    case DNS_UNASKABLE:
        fail(fetch, DNS_FAILED);
        break;
    }
    if (delivery != DNS_NO_ANSWER)
        give_credit_back(fetcher); /* the fetch may be gone */
}

/* --- sending --------------------------------------------------------------------------------- */

static void send_now(struct dns_fetch *fetch)
{
    struct dns_fetcher *fetcher = fetch->fetcher;
    unsigned server = server_of_turn(fetch);
    bool plain = fetcher->servers[server].plain_until_ms > loop_now_ms(fetcher->loop);
    struct dns_question question = {fetch->name, fetch->type, fetch->checking_disabled, plain};
    struct dns_attempt *attempt;
    struct sent_attempt *sent;

    if (plain)
        fetch->plain |= 1u << server;
    fetcher->counters.sent++;
    if (fetcher->credit > 0)
        fetcher->credit--; /* a resend does not wait for one */
    attempt =
        dns_transport_send(fetcher->servers[server].transport, &question, on_delivered, fetch);
    if (attempt == NULL)
        return; /* told already: the fetch may be gone */
    sent = mem_new(struct sent_attempt);
    *sent = (struct sent_attempt){attempt, server, fetch->checking_disabled, NULL};
    LL_PREPEND(fetch->sent, sent);
}

static void send_first(struct dns_fetch *fetch)
{
    struct dns_fetcher *fetcher = fetch->fetcher;

    if (fetch->name[0] == '\0') {
        fail(fetch, DNS_FAILED);
        return;
    }
    fetch->deadline_ms =
        loop_now_ms(fetcher->loop) + ((uint64_t)fetcher->timeout_ms << round_of(fetch));
    set_state(fetch, FETCH_WAITING);
    if (!loop_timer_running(&fetcher->tick_timer))
        loop_timer_start(&fetcher->tick_timer, TICK_MS);
    send_now(fetch);
}

static bool has_room(const struct dns_fetch *fetch)
{
    const struct dns_fetcher *fetcher = fetch->fetcher;

    return fetcher->credit > 0 &&
           dns_transport_outstanding(fetcher->servers[server_of_turn(fetch)].transport) <
               DNS_OUTSTANDING_MAX;
}

/* Where there is no room, the tick tries again. */
static void on_work(void *context)
{
    struct dns_fetcher *fetcher = context;

    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the list's invariants are beyond it */
    while (fetcher->queued != NULL && has_room(fetcher->queued))
        send_first(fetcher->queued);
}

static bool busy(const struct dns_fetcher *fetcher)
{
    for (unsigned i = 0; i < fetcher->server_count; i++)
        if (dns_transport_outstanding(fetcher->servers[i].transport) > 0)
            return true;
    for (unsigned i = 0; i < TRIES_MAX; i++)
        if (fetcher->waiting[i] != NULL)
            return true;
    return fetcher->queued != NULL;
}

static void on_tick(void *context)
{
    struct dns_fetcher *fetcher = context;
    uint64_t now_ms = loop_now_ms(fetcher->loop);

    for (unsigned i = 0; i < fetcher->server_count; i++)
        dns_transport_tick(fetcher->servers[i].transport);
    for (unsigned i = 0; i < TRIES_MAX; i++)
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the list's invariants are beyond it */
        while (fetcher->waiting[i] != NULL && fetcher->waiting[i]->deadline_ms <= now_ms)
            timed_out(fetcher->waiting[i]);
    fetcher->credit = BURST_MAX;
    start_work(fetcher);
    if (busy(fetcher))
        loop_timer_start(&fetcher->tick_timer, TICK_MS);
}

struct dns_fetch *dns_fetch_start(struct dns_fetcher *fetcher, const char *name, enum dns_type type,
                                  dns_fetched_fn *done, void *context)
{
    struct dns_fetch *fetch = mem_new(struct dns_fetch);

    fetch->fetcher = fetcher;
    fetch->type = type;
    if (strlen(name) < sizeof fetch->name) /* else it stays empty and fails when it is sent */
        memcpy(fetch->name, name, strlen(name));
    fetch->first_server = choose_first_server(fetcher);
    fetch->ttl_s = UINT32_MAX;
    fetch->done = done;
    fetch->context = context;
    set_state(fetch, FETCH_QUEUED);
    return fetch;
}

/* --- the fetcher ----------------------------------------------------------------------------- */

static size_t find_servers(const char *text, struct dns_server servers[DNS_SERVERS_MAX])
{
    if (text == NULL || text[0] == '\0')
        return dns_servers_of_system(servers);
    return dns_servers_parse(text, servers);
}

struct dns_fetcher *dns_fetcher_new(const struct dns_params *params, const char **error)
{
    struct dns_fetcher *fetcher = mem_new(struct dns_fetcher);
    struct dns_server servers[DNS_SERVERS_MAX];
    size_t count = find_servers(params->servers, servers);

    *error = count == 0 ? "not a list of resolver addresses" : NULL;
    fetcher->loop = params->loop;
    fetcher->credit = BURST_MAX;
    fetcher->timeout_ms = params->timeout_ms;
    fetcher->tries = params->tries == 0 ? 1 : params->tries > TRIES_MAX ? TRIES_MAX : params->tries;
    loop_timer_init(&fetcher->work_timer, params->loop, on_work, fetcher);
    loop_timer_init(&fetcher->tick_timer, params->loop, on_tick, fetcher);
    /* c-ares waits longer than the longest of our rounds: late answers still come in. */
    for (size_t i = 0; i < count && *error == NULL; i++) {
        fetcher->servers[i].ad_counts = params->distant_ad || dns_server_is_near(&servers[i]);
        fetcher->servers[i].transport = dns_transport_new(
            params->loop, &servers[i], (fetcher->timeout_ms << (fetcher->tries - 1)) + 4 * TICK_MS);
        if (fetcher->servers[i].transport == NULL)
            *error = "c-ares cannot be set up";
        else
            fetcher->server_count++;
    }
    if (*error != NULL)
        dns_fetcher_free(&fetcher);
    return fetcher;
}

void dns_fetcher_free(struct dns_fetcher **fetcher)
{
    struct dns_fetcher *gone = *fetcher;

    *fetcher = NULL;
    if (gone == NULL)
        return;
    loop_timer_stop(&gone->work_timer);
    loop_timer_stop(&gone->tick_timer);
    for (unsigned i = 0; i < gone->server_count; i++)
        dns_transport_free(&gone->servers[i].transport);
    free(gone);
}

struct dns_counters dns_fetcher_counters(const struct dns_fetcher *fetcher)
{
    return fetcher->counters;
}
