/* A trie over byte classes, completed to an automaton: `next` has a row per state and a column
 * per class, so the search is one table step per byte and never goes back. Bytes that no phrase
 * uses share class 0, which keeps the rows short. */
#include "probes/smtp/phrases.h"

#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"

enum { ROOT = 0, NO_PHRASE = 0 };

struct phrase {
    char *bytes;
    size_t length;
};

struct phrases {
    struct phrase list[PHRASES_MAX];
    size_t count;
    uint8_t class_of[256];
    size_t classes;
    size_t states;    /* while phrases are added: how many there will be, but for the root */
    uint16_t *next;   /* [state * classes + class] */
    uint16_t *phrase; /* number + 1 of the phrase that ends in this state */
    uint16_t *failure;
    uint16_t *shorter; /* the next state on the failure chain where a phrase ends; ROOT = none */
    uint16_t *hit;     /* this state or `shorter`: where to start reporting; ROOT = nothing */
};

struct phrases *phrases_new(void) { return mem_new(struct phrases); }

void phrases_free(struct phrases **phrases)
{
    struct phrases *gone = *phrases;

    *phrases = NULL;
    if (gone == NULL)
        return;
    for (size_t i = 0; i < gone->count; i++)
        free(gone->list[i].bytes);
    free(gone->next);
    free(gone->phrase);
    free(gone->failure);
    free(gone->shorter);
    free(gone->hit);
    free(gone);
}

/* How many octets both begin with. */
static size_t shared_beginning(const struct phrase *phrase, const char *bytes, size_t length)
{
    size_t same = 0;

    while (same < length && same < phrase->length && phrase->bytes[same] == bytes[same])
        same++;
    return same;
}

int phrases_add(struct phrases *phrases, const char *bytes, size_t length)
{
    size_t shared = 0; /* octets that have their states already */

    if (length == 0)
        return -1;
    for (size_t i = 0; i < phrases->count; i++) {
        size_t same = shared_beginning(&phrases->list[i], bytes, length);
        if (same == length && phrases->list[i].length == length)
            return (int)i;
        shared = same > shared ? same : shared;
    }
    if (phrases->count == PHRASES_MAX || length - shared >= PHRASE_STATES_MAX - phrases->states)
        return -1;
    phrases->list[phrases->count] =
        (struct phrase){.bytes = mem_copy_bytes(bytes, length), .length = length};
    phrases->states += length - shared;
    return (int)phrases->count++;
}

size_t phrases_count(const struct phrases *phrases) { return phrases->count; }

static uint16_t *edge(struct phrases *phrases, size_t state, size_t class)
{
    return &phrases->next[state * phrases->classes + class];
}

static void number_classes(struct phrases *phrases)
{
    phrases->classes = 1;
    for (size_t i = 0; i < phrases->count; i++) {
        for (size_t k = 0; k < phrases->list[i].length; k++) {
            uint8_t *class = &phrases->class_of[(uint8_t)phrases->list[i].bytes[k]];
            if (*class == 0)
                *class = (uint8_t)phrases->classes++;
        }
    }
}

static void plant(struct phrases *phrases, size_t number)
{
    const struct phrase *phrase = &phrases->list[number];
    size_t state = ROOT;

    for (size_t k = 0; k < phrase->length; k++) {
        uint16_t *to = edge(phrases, state, phrases->class_of[(uint8_t)phrase->bytes[k]]);
        if (*to == ROOT)
            *to = (uint16_t)phrases->states++;
        state = *to;
    }
    phrases->phrase[state] = (uint16_t)(number + 1);
}

/* The edges of `state` are final: what it lacks, its failure state (already complete) has. */
static void complete(struct phrases *phrases, size_t state, uint16_t *queue, size_t *queued)
{
    uint16_t failure = phrases->failure[state];

    phrases->shorter[state] = phrases->hit[failure];
    phrases->hit[state] =
        phrases->phrase[state] != NO_PHRASE ? (uint16_t)state : phrases->shorter[state];
    for (size_t class = 0; class < phrases->classes; class ++) {
        uint16_t *to = edge(phrases, state, class);
        uint16_t fallback = state == ROOT ? ROOT : *edge(phrases, failure, class);
        if (*to == ROOT) {
            *to = fallback;
        } else {
            phrases->failure[*to] = fallback;
            queue[(*queued)++] = *to;
        }
    }
}

void phrases_seal(struct phrases *phrases)
{
    size_t bound = phrases->states + 1, queued = 0;
    uint16_t *queue = mem_array(uint16_t, bound);

    number_classes(phrases);
    phrases->next = mem_array(uint16_t, bound * phrases->classes);
    phrases->phrase = mem_array(uint16_t, bound);
    phrases->failure = mem_array(uint16_t, bound);
    phrases->shorter = mem_array(uint16_t, bound);
    phrases->hit = mem_array(uint16_t, bound);
    phrases->states = 1;
    for (size_t i = 0; i < phrases->count; i++)
        plant(phrases, i);
    complete(phrases, ROOT, queue, &queued);
    for (size_t i = 0; i < queued; i++)
        complete(phrases, queue[i], queue, &queued);
    free(queue);
}

void phrases_find(const struct phrases *phrases, const char *text, size_t length,
                  uint64_t found[PHRASE_SET_WORDS])
{
    size_t state = ROOT;

    memset(found, 0, ((phrases->count + 63) / 64) * sizeof(found[0]));
    for (size_t i = 0; i < length; i++) {
        state = phrases->next[state * phrases->classes + phrases->class_of[(uint8_t)text[i]]];
        for (size_t at = phrases->hit[state]; at != ROOT; at = phrases->shorter[at]) {
            size_t phrase = phrases->phrase[at] - 1u;
            found[phrase / 64] |= UINT64_C(1) << (phrase % 64);
        }
    }
}
