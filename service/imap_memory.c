#include "service/check.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "probes/base/mem.h"

enum {
    SURVEYS_MAX =
        64, /* at once, per loop: each takes a few descriptors, and 30 KB while TLS is made */
    SURVEY_STEP_MS = 10000,
    EVICTION_LOOK = 16
};

static void start_queued(struct checks *checks);

void imap_transcript_remember(struct checks *checks, struct imap_evidence *evidence)
{
    size_t place = checks->imap_transcript_count++ % IMAP_TRANSCRIPTS_KEPT;
    struct imap_evidence *older = checks->imap_transcripts[place];

    if (older != NULL) {
        free(older->transcript);
        older->transcript = NULL;
        imap_evidence_drop(&older);
    }
    checks->imap_transcripts[place] = imap_evidence_keep(evidence);
}

/* With the lines of the conversation where they are asked for. */
static bool has_what_is_asked(const struct imap_memory *memory, const struct check *check)
{
    return !check->transcript || memory->evidence->transcript != NULL;
}

static struct check *first_served(const struct imap_memory *memory)
{
    struct check *check = memory->waiting;

    while (check != NULL && !has_what_is_asked(memory, check))
        check = check->next_imap;
    return check;
}

static void queue_up(struct imap_memory *memory)
{
    const struct check *first = memory->waiting;

    memory->mx = first->mx != NULL ? mx_evidence_keep(first->mx) : NULL;
    memory->provider = first->provider;
    memory->queued = true;
    DL_APPEND(memory->checks->imap_queue, memory);
}

static void on_surveyed(void *context, struct imap_evidence *evidence)
{
    struct imap_memory *memory = context;
    struct checks *checks = memory->checks;
    struct check *check;

    memory->running = NULL;
    checks->imap_running--;
    imap_evidence_drop(&memory->evidence);
    memory->evidence = evidence;
    memory->at_ms = loop_now_ms(checks->shard->loop);
    memory->until_ms = evidence->expires_ms;
    if (evidence->transcript != NULL)
        imap_transcript_remember(checks, evidence);
    while ((check = first_served(memory)) != NULL) {
        imap_memory_leave(check);
        check_imap_ready(check, imap_evidence_keep(evidence), false);
    }
    if (memory->waiting != NULL) /* for the lines, which came while others were asked for */
        queue_up(memory);
    start_queued(checks);
}

static struct ip_address first_source(const struct config *config)
{
    for (size_t i = 0; i < config->source_count; i++)
        if (config->sources[i].family == 4)
            return config->sources[i];
    return (struct ip_address){0};
}

static struct imap_ports ports_of(const struct config *config)
{
    struct imap_ports ports = {.tls = config->port_imaps, .starttls = config->port_imap};

    static_assert(sizeof(ports.extra) == sizeof(config->ports_extra), "the same list");
    memcpy(ports.extra, config->ports_extra, sizeof(ports.extra));
    return ports;
}

static bool lines_are_wanted(const struct imap_memory *memory)
{
    const struct check *check = memory->waiting;

    while (check != NULL && !check->transcript)
        check = check->next_imap;
    return check != NULL;
}

static void start(struct imap_memory *memory)
{
    struct checks *checks = memory->checks;
    const struct config *config = checks->shard->config;

    checks->imap_running++;
    memory->running = imap_survey_start(
        &(struct imap_survey_params){
            .loop = checks->shard->loop,
            .dns = checks->shard->dns,
            .tls = checks->shard->tls,
            .allowed = &config->allowed,
            .source = first_source(config),
            .ports = ports_of(config),
            .connect_ms = config->timeout_connect_ms,
            .step_ms = SURVEY_STEP_MS,
            .budget_ms = config->check_budget_ms / 2,
            .domain = memory->domain,
            .mx = memory->mx,
            .provider = memory->provider,
            .transcript = lines_are_wanted(memory),
        },
        on_surveyed, memory);
    mx_evidence_drop(&memory->mx);
}

static void start_queued(struct checks *checks)
{
    while (checks->imap_queue != NULL && checks->imap_running < SURVEYS_MAX) {
        struct imap_memory *memory = checks->imap_queue;

        DL_DELETE(checks->imap_queue, memory);
        memory->queued = false;
        if (memory->waiting != NULL) /* else nobody wants to know any more */
            start(memory);
        else
            mx_evidence_drop(&memory->mx);
    }
}

static void forget(struct checks *checks, struct imap_memory *memory)
{
    HASH_DEL(checks->imap, memory);
    if (memory->queued)
        DL_DELETE(checks->imap_queue, memory);
    imap_survey_cancel(&memory->running);
    imap_evidence_drop(&memory->evidence);
    mx_evidence_drop(&memory->mx);
    free(memory);
}

static void make_room(struct checks *checks)
{
    struct imap_memory *memory, *following;
    unsigned looked = 0;

    if (HASH_COUNT(checks->imap) < checks->shard->config->cache_entries)
        return;
    HASH_ITER(hh, checks->imap, memory, following)
    {
        if (memory->running == NULL && !memory->queued && memory->waiting == NULL) {
            forget(checks, memory);
            return;
        }
        if (++looked == EVICTION_LOOK)
            return;
    }
}

static struct imap_memory *find(struct checks *checks, const char *domain)
{
    struct imap_memory *memory;
    size_t length = strlen(domain);

    HASH_FIND_STR(checks->imap, domain, memory);
    if (memory != NULL)
        return memory;
    make_room(checks);
    memory = mem_zeroed(1, sizeof(*memory) + length + 1);
    memcpy(memory->domain, domain, length + 1);
    memory->checks = checks;
    HASH_ADD_STR(checks->imap, domain, memory);
    return memory;
}

/* Young enough, too. */
static bool serves(const struct imap_memory *memory, const struct check *check)
{
    return memory->evidence != NULL && memory->until_ms > loop_now_ms(check->checks->shard->loop) &&
           memory->at_ms >= check->fresh_after_ms && has_what_is_asked(memory, check);
}

void imap_memory_ask(struct check *check)
{
    struct checks *checks = check->checks;
    struct imap_memory *memory = find(checks, check->domain);

    if (serves(memory, check)) {
        check_imap_ready(check, imap_evidence_keep(memory->evidence), true);
        return;
    }
    check->survey = memory;
    DL_APPEND2(memory->waiting, check, prev_imap, next_imap);
    if (memory->running != NULL || memory->queued)
        return;
    queue_up(memory);
    start_queued(checks);
}

void imap_memory_leave(struct check *check)
{
    if (check->survey == NULL)
        return;
    DL_DELETE2(check->survey->waiting, check, prev_imap, next_imap);
    check->survey = NULL;
}

void imap_memory_free(struct checks *checks)
{
    while (checks->imap != NULL)
        forget(checks, checks->imap);
    for (size_t i = 0; i < IMAP_TRANSCRIPTS_KEPT; i++)
        imap_evidence_drop(&checks->imap_transcripts[i]);
}
