/* mx.c - who asks about which domain, and the answers kept by TTL.
 *
 * As in dns.c, a domain is one entry, whoever asks: RESTING, QUEUED, WORKING, READY. What is ready
 * is told by a timer of 0 ms, so nobody is called back from inside mx_lookup_start(). A burst of
 * domains waits in the queue, before its budget begins. */
#include "probes/mx/mx.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <uthash.h>
#include <utlist.h>

#include "probes/base/clock.h"
#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "probes/mx/mx_job.h"

enum {
    BUDGET_DEFAULT_MS = 4500,
    CACHE_ENTRIES_DEFAULT = 100000,
    BUSY_SKIPPED_MAX = 16,
    JOBS_MAX = 1000 /* domains looked up at once */
};

enum entry_state { ENTRY_RESTING, ENTRY_QUEUED, ENTRY_WORKING, ENTRY_READY };

struct mx_lookup {
    struct mx_lookup **list; /* waiters, or those being told */
    mx_done_fn *done;
    void *context;
    struct mx_lookup *prev, *next;
};

struct entry {
    struct mx_resolver *resolver;
    enum entry_state state;
    struct mx_lookup *waiters, *told;
    struct mx_evidence *evidence; /* NULL: none yet */
    struct mx_job *job;
    struct entry *prev, *next; /* in resolver->queue or ->ready */
    UT_hash_handle hh;         /* least recently asked first */
    char domain[];
};

struct mx_resolver {
    struct mx_params params;
    struct loop_timer ready_timer;
    uint64_t random;
    struct entry *entries, *queue, *ready;
    unsigned jobs;
};

/* --- entries ---------------------------------------------------------------------------- */

static void set_ready(struct entry *entry)
{
    struct mx_resolver *resolver = entry->resolver;

    entry->state = ENTRY_READY;
    DL_APPEND(resolver->ready, entry);
    if (!loop_timer_running(&resolver->ready_timer))
        loop_timer_start(&resolver->ready_timer, 0);
}

static void free_lookups(struct mx_lookup **list)
{
    struct mx_lookup *lookup;

    while ((lookup = *list) != NULL) {
        DL_DELETE(*list, lookup);
        free(lookup);
    }
}

static void free_entry(struct entry *entry)
{
    if (entry->state == ENTRY_READY)
        DL_DELETE(entry->resolver->ready, entry);
    if (entry->state == ENTRY_QUEUED)
        DL_DELETE(entry->resolver->queue, entry);
    mx_job_cancel(&entry->job);
    free_lookups(&entry->waiters);
    free_lookups(&entry->told);
    mx_evidence_drop(&entry->evidence);
    HASH_DEL(entry->resolver->entries, entry);
    free(entry);
}

static bool is_idle(const struct entry *entry)
{
    return entry->state == ENTRY_RESTING && entry->waiters == NULL && entry->told == NULL;
}

/* The bound is for what rests; what is being looked up is bounded by those who ask. */
static void make_room(struct mx_resolver *resolver)
{
    struct entry *entry, *next;
    unsigned skipped = 0;

    for (entry = resolver->entries; entry != NULL; entry = next) {
        next = entry->hh.next;
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the list's invariants are beyond it */
        if (HASH_COUNT(resolver->entries) < resolver->params.cache_entries ||
            skipped == BUSY_SKIPPED_MAX)
            return;
        if (is_idle(entry))
            free_entry(entry);
        else
            skipped++;
    }
}

static struct entry *find_entry(struct mx_resolver *resolver, const char *domain)
{
    struct entry *entry;

    HASH_FIND_STR(resolver->entries, domain, entry);
    if (entry == NULL)
        return NULL;
    HASH_DEL(resolver->entries, entry); /* to the end: most recently asked */
    HASH_ADD_KEYPTR(hh, resolver->entries, entry->domain, strlen(entry->domain), entry);
    return entry;
}

static struct entry *add_entry(struct mx_resolver *resolver, const char *domain)
{
    size_t length = strlen(domain);
    struct entry *entry;

    make_room(resolver);
    entry = mem_zeroed(1, sizeof *entry + length + 1);
    entry->resolver = resolver;
    memcpy(entry->domain, domain, length + 1);
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the list's invariants are beyond it */
    HASH_ADD_KEYPTR(hh, resolver->entries, entry->domain, length, entry);
    return entry;
}

static bool is_alive(const struct entry *entry)
{
    return entry->evidence != NULL &&
           entry->evidence->expires_ms > loop_now_ms(entry->resolver->params.loop);
}

/* --- telling ------------------------------------------------------------------------------- */

static void start_queued(struct mx_resolver *resolver);

static void on_job_done(void *context, struct mx_evidence *evidence)
{
    struct entry *entry = context;

    mx_evidence_drop(&entry->evidence);
    entry->evidence = evidence;
    entry->job = NULL;
    entry->resolver->jobs--;
    set_ready(entry);
    start_queued(entry->resolver);
}

/* Whom nobody waits for any more is not looked up. */
static void start_queued(struct mx_resolver *resolver)
{
    while (resolver->queue != NULL && resolver->jobs < JOBS_MAX) {
        struct entry *entry = resolver->queue;

        DL_DELETE(resolver->queue, entry);
        entry->state = ENTRY_RESTING;
        if (entry->waiters == NULL)
            continue;
        entry->state = ENTRY_WORKING;
        resolver->jobs++;
        entry->job =
            mx_job_start(&resolver->params, &resolver->random, entry->domain, on_job_done, entry);
    }
}

/* Callbacks may look up and cancel as they like: whoever asks now waits in the other list. */
static void tell(struct entry *entry)
{
    struct mx_evidence *evidence = mx_evidence_keep(entry->evidence);
    struct mx_lookup *lookup;

    DL_DELETE(entry->resolver->ready, entry);
    entry->state = ENTRY_RESTING;
    entry->told = entry->waiters;
    entry->waiters = NULL;
    for (lookup = entry->told; lookup != NULL; lookup = lookup->next)
        lookup->list = &entry->told;
    while ((lookup = entry->told) != NULL) {
        mx_done_fn *done = lookup->done;

        lookup->done = NULL;
        done(lookup->context, mx_evidence_keep(evidence));
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): invariants of the list */
        DL_DELETE(entry->told, lookup);
        free(lookup);
    }
    mx_evidence_drop(&evidence);
}

static void on_ready(void *context)
{
    struct mx_resolver *resolver = context;
    struct entry *entry;
    size_t count = 0;

    DL_COUNT(resolver->ready, entry, count);
    while (count-- > 0 && resolver->ready != NULL)
        tell(resolver->ready);
}

/* --- the contract ---------------------------------------------------------------------------- */

struct mx_resolver *mx_resolver_new(const struct mx_params *params)
{
    struct mx_resolver *resolver = mem_new(struct mx_resolver);

    resolver->params = *params;
    if (params->budget_ms == 0)
        resolver->params.budget_ms = BUDGET_DEFAULT_MS;
    if (params->cache_entries == 0)
        resolver->params.cache_entries = CACHE_ENTRIES_DEFAULT;
    if (getrandom(&resolver->random, sizeof resolver->random, GRND_NONBLOCK) < 0)
        resolver->random = clock_now_ns(); /* shuffling is all it is for */
    loop_timer_init(&resolver->ready_timer, params->loop, on_ready, resolver);
    return resolver;
}

void mx_resolver_free(struct mx_resolver **resolver)
{
    struct mx_resolver *gone = *resolver;
    struct entry *entry;

    *resolver = NULL;
    if (gone == NULL)
        return;
    loop_timer_stop(&gone->ready_timer);
    while ((entry = gone->entries) != NULL)
        free_entry(entry);
    free(gone);
}

struct mx_lookup *mx_lookup_start(struct mx_resolver *resolver, const char *domain,
                                  mx_done_fn *done, void *context)
{
    struct mx_lookup *lookup = mem_new(struct mx_lookup);
    struct entry *entry = find_entry(resolver, domain);

    if (entry == NULL)
        entry = add_entry(resolver, domain);
    lookup->list = &entry->waiters;
    lookup->done = done;
    lookup->context = context;
    DL_APPEND(entry->waiters, lookup);
    if (entry->state == ENTRY_RESTING && is_alive(entry)) {
        set_ready(entry);
    } else if (entry->state == ENTRY_RESTING) {
        entry->state = ENTRY_QUEUED;
        DL_APPEND(resolver->queue, entry);
        start_queued(resolver);
    }
    return lookup;
}

/* Work that has begun goes on: its result is for the cache. */
void mx_lookup_cancel(struct mx_lookup **lookup)
{
    struct mx_lookup *gone = *lookup;

    *lookup = NULL;
    if (gone == NULL || gone->done == NULL) /* NULL: cancelled inside its own callback */
        return;
    DL_DELETE(*gone->list, gone);
    free(gone);
}

struct mx_evidence *mx_cached(struct mx_resolver *resolver, const char *domain)
{
    struct entry *entry = find_entry(resolver, domain);

    return entry != NULL && entry->state != ENTRY_WORKING && is_alive(entry)
               ? mx_evidence_keep(entry->evidence)
               : NULL;
}
