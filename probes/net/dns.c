/* dns.c - who asks what, and the answers kept by TTL.
 *
 * A question lives as one entry, whoever asks: RESTING (answered before), FETCHING, READY
 * (to be told) and RESTING again. Ready entries are told by a timer of 0 ms, so nobody is
 * called back from inside dns_ask() or from under c-ares. */
#include "probes/net/dns.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "probes/net/dns_fetch.h"

enum {
    KEY_SIZE = 2 + DNS_NAME_SIZE,
    BUSY_SKIPPED_MAX = 16, /* looked past, in the search for an entry to drop */
    CACHE_ENTRIES_DEFAULT = 50000
};

enum entry_state { ENTRY_RESTING, ENTRY_FETCHING, ENTRY_READY };

struct dns_query {
    struct dns_entry *entry;
    struct dns_query **list; /* waiters, or those being told */
    dns_done_fn *done;
    void *context;
    bool from_cache; /* it cost no question */
    struct dns_query *prev, *next;
};

struct dns_entry {
    struct dns *dns;
    enum entry_state state;
    bool wanted; /* somebody asked for an answer that is kept */
    struct dns_query *waiters, *told;
    struct dns_answer *answer; /* one block with its records and strings; NULL: none yet */
    uint64_t expires_ms;
    struct dns_fetch *fetch;
    struct dns_entry *prev, *next; /* in dns->ready */
    UT_hash_handle hh;             /* least recently asked first */
    char key[];                    /* the type as one octet, the name in lower case */
};

struct dns {
    struct loop *loop;
    struct loop_timer ready_timer;
    uint32_t cache_entries;
    struct dns_fetcher *fetcher;
    struct dns_entry *entries;
    struct dns_entry *ready;
    struct dns_counters counters;
};

static const char *const status_names[] = {
    [DNS_FOUND] = "found",         [DNS_NO_DATA] = "no_data", [DNS_NO_NAME] = "no_name",
    [DNS_FAILED] = "failed",       [DNS_BOGUS] = "bogus",     [DNS_LOOP] = "loop",
    [DNS_TIMED_OUT] = "timed_out",
};

const char *dns_status_name(enum dns_status status)
{
    assert((unsigned)status < ARRAY_LENGTH(status_names));
    return status_names[status];
}

/* --- entries ------------------------------------------------------------------------------- */

static void set_ready(struct dns_entry *entry)
{
    struct dns *dns = entry->dns;

    entry->state = ENTRY_READY;
    DL_APPEND(dns->ready, entry);
    if (!loop_timer_running(&dns->ready_timer))
        loop_timer_start(&dns->ready_timer, 0);
}

static void free_queries(struct dns_query **list)
{
    struct dns_query *query;

    while ((query = *list) != NULL) {
        DL_DELETE(*list, query);
        free(query);
    }
}

static void free_entry(struct dns_entry *entry)
{
    if (entry->state == ENTRY_READY)
        DL_DELETE(entry->dns->ready, entry);
    dns_fetch_cancel(&entry->fetch);
    free_queries(&entry->waiters);
    free_queries(&entry->told);
    HASH_DEL(entry->dns->entries, entry);
    free(entry->answer);
    free(entry);
}

static bool is_idle(const struct dns_entry *entry)
{
    return entry->state == ENTRY_RESTING && entry->waiters == NULL && entry->told == NULL;
}

/* The bound is for what rests; what is being asked is bounded by those who ask. */
static void make_room(struct dns *dns)
{
    struct dns_entry *entry, *next;
    unsigned skipped = 0;

    for (entry = dns->entries; entry != NULL; entry = next) {
        next = entry->hh.next;
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the list's invariants are beyond it */
        if (HASH_COUNT(dns->entries) < dns->cache_entries || skipped == BUSY_SKIPPED_MAX)
            return;
        if (is_idle(entry))
            free_entry(entry);
        else
            skipped++;
    }
}

static struct dns_entry *find_entry(struct dns *dns, const char *key)
{
    struct dns_entry *entry;

    HASH_FIND_STR(dns->entries, key, entry);
    if (entry == NULL)
        return NULL;
    HASH_DEL(dns->entries, entry); /* to the end: most recently asked */
    HASH_ADD_KEYPTR(hh, dns->entries, entry->key, strlen(entry->key), entry);
    return entry;
}

static struct dns_entry *add_entry(struct dns *dns, const char *key)
{
    size_t length = strlen(key);
    struct dns_entry *entry;

    make_room(dns);
    entry = mem_zeroed(1, sizeof *entry + length + 1);
    entry->dns = dns;
    memcpy(entry->key, key, length + 1);
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the list's invariants are beyond it */
    HASH_ADD_KEYPTR(hh, dns->entries, entry->key, length, entry);
    return entry;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* Failures are told to those who wait and forgotten: they say nothing about the name. */
static bool is_worth_keeping(const struct dns_entry *entry)
{
    return entry->wanted && entry->answer->status != DNS_FAILED &&
           entry->answer->status != DNS_TIMED_OUT;
}

static void on_fetched(void *context, struct dns_answer *answer)
{
    struct dns_entry *entry = context;

    free(entry->answer);
    entry->answer = answer;
    entry->fetch = NULL;
    entry->expires_ms = loop_now_ms(entry->dns->loop);
    if (is_worth_keeping(entry))
        entry->expires_ms += (uint64_t)answer->ttl_s * 1000u;
    set_ready(entry);
}

static uint32_t ttl_left(const struct dns_entry *entry)
{
    uint64_t now_ms = loop_now_ms(entry->dns->loop);
    uint64_t left_s = entry->expires_ms > now_ms ? (entry->expires_ms - now_ms + 999u) / 1000u : 0;

    return is_worth_keeping(entry) ? (uint32_t)left_s : entry->answer->ttl_s;
}

/* Callbacks may ask and cancel as they like: whoever asks now waits in the other list. */
static void tell(struct dns_entry *entry)
{
    struct dns_query *query;

    DL_DELETE(entry->dns->ready, entry);
    entry->state = ENTRY_RESTING;
    entry->told = entry->waiters;
    entry->waiters = NULL;
    for (query = entry->told; query != NULL; query = query->next)
        query->list = &entry->told;
    while ((query = entry->told) != NULL) {
        struct dns_answer answer = *entry->answer;
        dns_done_fn *done = query->done;

        answer.from_cache = query->from_cache;
        answer.ttl_s = ttl_left(entry);
        query->done = NULL;
        done(query->context, &answer);
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): invariants of the list */
        DL_DELETE(entry->told, query);
        free(query);
    }
}

static void on_ready(void *context)
{
    struct dns *dns = context;
    struct dns_entry *entry;
    size_t count = 0;

    DL_COUNT(dns->ready, entry, count);
    while (count-- > 0 && (entry = dns->ready) != NULL) {
        tell(entry);
        if (is_idle(entry) && entry->expires_ms <= loop_now_ms(dns->loop))
            free_entry(entry);
    }
}

/* --- the contract ---------------------------------------------------------------------------- */

struct dns *dns_new(const struct dns_params *params, const char **error)
{
    struct dns *dns = mem_new(struct dns);

    dns->loop = params->loop;
    dns->cache_entries = params->cache_entries > 0 ? params->cache_entries : CACHE_ENTRIES_DEFAULT;
    loop_timer_init(&dns->ready_timer, params->loop, on_ready, dns);
    dns->fetcher = dns_fetcher_new(params, error);
    if (dns->fetcher == NULL) {
        free(dns);
        return NULL;
    }
    return dns;
}

void dns_free(struct dns **dns)
{
    struct dns *gone = *dns;
    struct dns_entry *entry;

    *dns = NULL;
    if (gone == NULL)
        return;
    loop_timer_stop(&gone->ready_timer);
    while ((entry = gone->entries) != NULL)
        free_entry(entry);
    dns_fetcher_free(&gone->fetcher);
    free(gone);
}

static bool is_fresh(const struct dns_entry *entry)
{
    return entry->answer != NULL && entry->expires_ms > loop_now_ms(entry->dns->loop);
}

/* Of a name that is too long, as much as shows that it is. */
static void make_key(enum dns_type type, const char *name, char key[KEY_SIZE])
{
    size_t length = strnlen(name, KEY_SIZE - 2);

    key[0] = (char)type;
    memcpy(key + 1, name, length);
    key[length + 1] = '\0';
    text_lower(key + 1);
}

static struct dns_query *ask(struct dns *dns, const char *name, enum dns_type type, bool keep,
                             dns_done_fn *done, void *context)
{
    char key[KEY_SIZE];
    struct dns_query *query = mem_new(struct dns_query);
    struct dns_entry *entry;

    make_key(type, name, key);
    entry = find_entry(dns, key);
    if (entry == NULL)
        entry = add_entry(dns, key);
    entry->wanted = entry->wanted || keep;
    *query = (struct dns_query){.entry = entry,
                                .list = &entry->waiters,
                                .done = done,
                                .context = context,
                                .from_cache = true};
    DL_APPEND(entry->waiters, query);
    dns->counters.asked++;
    if (entry->state == ENTRY_RESTING && is_fresh(entry)) {
        dns->counters.from_cache++;
        set_ready(entry);
    } else if (entry->state == ENTRY_RESTING) {
        query->from_cache = false;
        entry->state = ENTRY_FETCHING;
        entry->fetch = dns_fetch_start(dns->fetcher, entry->key + 1, type, on_fetched, entry);
    }
    return query;
}

struct dns_query *dns_ask(struct dns *dns, const char *name, enum dns_type type, dns_done_fn *done,
                          void *context)
{
    return ask(dns, name, type, true, done, context);
}

struct dns_query *dns_ask_once(struct dns *dns, const char *name, enum dns_type type,
                               dns_done_fn *done, void *context)
{
    return ask(dns, name, type, false, done, context);
}

/* The question itself goes on: its answer is for the cache. */
void dns_cancel(struct dns_query **query)
{
    struct dns_query *gone = *query;

    *query = NULL;
    if (gone == NULL || gone->done == NULL) /* NULL: cancelled inside its own callback */
        return;
    DL_DELETE(*gone->list, gone);
    free(gone);
}

struct dns_counters dns_counters(const struct dns *dns)
{
    struct dns_counters counters = dns_fetcher_counters(dns->fetcher);

    counters.asked = dns->counters.asked;
    counters.from_cache = dns->counters.from_cache;
    return counters;
}
