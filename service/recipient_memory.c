#include "service/check.h"

#include <stdlib.h>
#include <string.h>

#include "probes/base/clock.h"
#include "probes/base/mem.h"

static void forget(struct checks *checks, struct recipient_memory *memory)
{
    HASH_DEL(checks->recipients, memory);
    smtp_evidence_drop(&memory->evidence);
    free(memory);
}

struct recipient_memory *recipient_find(struct checks *checks, const char *wire,
                                        uint64_t fresh_after_ms)
{
    struct recipient_memory *memory;
    uint64_t now_ms = loop_now_ms(checks->shard->loop);

    HASH_FIND_STR(checks->recipients, wire, memory);
    if (memory == NULL)
        return NULL;
    if (memory->until_ms <= now_ms) {
        forget(checks, memory);
        return NULL;
    }
    return memory->held || memory->at_ms >= fresh_after_ms ? memory : NULL;
}

void recipient_recall(struct check *check, const struct recipient_memory *memory)
{
    smtp_evidence_drop(&check->evidence);
    check->evidence = smtp_evidence_keep(memory->evidence);
    check->checked_at_s = memory->at_wall_s;
    check->expires_at_s = check->checked_at_s + (int64_t)(memory->until_ms - memory->at_ms) / 1000;
    check->from_cache |= CACHED_SMTP;
}

void recipient_remember(struct checks *checks, const char *wire, struct smtp_evidence *evidence,
                        uint32_t lifetime_s, bool held)
{
    struct recipient_memory *memory;
    size_t length = strlen(wire);

    HASH_FIND_STR(checks->recipients, wire, memory);
    if (memory != NULL)
        forget(checks, memory);
    if (lifetime_s == 0)
        return;
    if (checks->recipients != NULL &&
        HASH_COUNT(checks->recipients) >= checks->shard->config->cache_entries)
        forget(checks, checks->recipients); /* uthash keeps insertion order: the oldest */
    memory = mem_zeroed(1, sizeof(*memory) + length + 1);
    memcpy(memory->wire, wire, length + 1);
    memory->evidence = smtp_evidence_keep(evidence);
    memory->held = held;
    memory->at_ms = loop_now_ms(checks->shard->loop);
    memory->until_ms = memory->at_ms + (uint64_t)lifetime_s * 1000;
    memory->at_wall_s = clock_wall_s();
    HASH_ADD_STR(checks->recipients, wire, memory);
}

void transcript_remember(struct checks *checks, struct smtp_evidence *evidence)
{
    struct smtp_evidence **place =
        &checks->transcripts[checks->transcript_count++ % TRANSCRIPTS_KEPT];

    if (*place != NULL) {
        free((*place)->transcript);
        (*place)->transcript = NULL;
        smtp_evidence_drop(place);
    }
    *place = smtp_evidence_keep(evidence);
}

void recipients_free(struct checks *checks)
{
    while (checks->recipients != NULL)
        forget(checks, checks->recipients);
    for (size_t i = 0; i < TRANSCRIPTS_KEPT; i++)
        smtp_evidence_drop(&checks->transcripts[i]);
}
