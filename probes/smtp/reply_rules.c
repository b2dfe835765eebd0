/* Matching: the phrases found in the text give the rules that could fit (a bit set per phrase);
 * those are looked at in the order of the file. */
#include "probes/smtp/reply_rules.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

#include "probes/base/embed.h"
#include "probes/base/mem.h"
#include "probes/smtp/reply_rules_set.h"

EMBED_FILE(reply_rules_builtin, "probes/smtp/data/reply_rules.txt");
EMBEDDED_FILE(reply_rules_builtin);

void reply_rules_free(struct reply_rules **rules)
{
    struct reply_rules *gone = *rules;

    *rules = NULL;
    if (gone == NULL)
        return;
    phrases_free(&gone->phrases);
    free(gone->terms);
    free(gone->member_of);
    free(gone->suggests);
    free(gone);
}

size_t reply_rules_count(const struct reply_rules *rules) { return rules->count; }

const char *reply_rules_id(const struct reply_rules *rules, size_t number)
{
    return rules->list[number].id;
}

/* --- does a rule fit ---------------------------------------------------------- */

static bool code_fits(const struct reply_rule *rule, uint16_t code)
{
    for (size_t i = 0; i < rule->code_count; i++) {
        if (code >= rule->codes[i].low && code <= rule->codes[i].high)
            return true;
    }
    return rule->code_count == 0;
}

static bool enhanced_fits(const struct reply_rule *rule, const uint16_t enhanced[3])
{
    for (size_t i = 0; i < rule->enhanced_count; i++) {
        const struct enhanced_pattern *want = &rule->enhanced[i];
        if (want->none ? enhanced[0] == 0
                       : enhanced[0] != 0 && (want->class == 0 || want->class == enhanced[0]) &&
                             want->subject == enhanced[1] && enhanced[2] >= want->low &&
                             enhanced[2] <= want->high)
            return true;
    }
    return rule->enhanced_count == 0;
}

static bool any_term_found(const struct reply_rules *rules, struct term_range range,
                           const uint64_t *found)
{
    for (size_t i = range.first; i < range.first + range.count; i++) {
        const struct term *term = &rules->terms[i];
        size_t k = 0;
        while (k < term->count && phrase_found(found, term->phrases[k]))
            k++;
        if (k == term->count)
            return true;
    }
    return false;
}

static bool rule_fits(const struct reply_rules *rules, const struct reply_rule *rule,
                      const struct reply_query *query, const uint64_t *found)
{
    if ((rule->stages >> query->stage & 1) == 0 || (rule->first_contact && !query->first_contact))
        return false;
    if (!code_fits(rule, query->code) || !enhanced_fits(rule, query->enhanced))
        return false;
    if (rule->provider[0] != '\0' &&
        (query->provider == NULL || strcmp(rule->provider, query->provider) != 0))
        return false;
    if (rule->words.count != 0 && !any_term_found(rules, rule->words, found))
        return false;
    return !any_term_found(rules, rule->never, found);
}

/* The rules that some phrase of the text speaks for, and those that need none; on the way, the sets
 * that have a phrase in it. */
static void candidates(const struct reply_rules *rules, uint64_t found[FOUND_WORDS],
                       uint64_t set[RULE_SET_WORDS])
{
    memset(found + PHRASE_SET_WORDS, 0, RULE_SETS_WORDS * sizeof(found[0]));
    memcpy(set, rules->wordless, RULE_SET_WORDS * sizeof(set[0]));
    for (size_t w = 0; w < (phrases_count(rules->phrases) + 63) / 64; w++) {
        for (uint64_t bits = found[w]; bits != 0; bits &= bits - 1) {
            size_t phrase = w * 64 + (size_t)__builtin_ctzll(bits);
            for (size_t i = 0; i < RULE_SET_WORDS; i++)
                set[i] |= rules->suggests[phrase].rules[i];
            for (size_t i = 0; i < RULE_SETS_WORDS; i++)
                found[PHRASE_SET_WORDS + i] |= rules->member_of[phrase].sets[i];
        }
    }
}

struct reply_meaning reply_rules_match(const struct reply_rules *rules,
                                       const struct reply_query *query)
{
    uint64_t found[FOUND_WORDS], set[RULE_SET_WORDS];

    phrases_find(rules->phrases, query->words->bytes, query->words->length, found);
    candidates(rules, found, set);
    for (size_t w = 0; w < RULE_SET_WORDS; w++) {
        for (uint64_t bits = set[w]; bits != 0; bits &= bits - 1) {
            const struct reply_rule *rule = &rules->list[w * 64 + (size_t)__builtin_ctzll(bits)];
            if (rule_fits(rules, rule, query, found))
                return (struct reply_meaning){.class = rule->class, .rule = rule->id};
        }
    }
    return (struct reply_meaning){.class = REPLY_PROTOCOL_ERROR, .rule = "C0"};
}

/* --- the set in force --------------------------------------------------------- */

static struct reply_rules *_Atomic current;
static once_flag built = ONCE_FLAG_INIT;

static void build_in(void)
{
    char error[160];
    struct reply_rules *rules =
        reply_rules_parse(reply_rules_builtin, strlen(reply_rules_builtin), error, sizeof(error));

    if (rules == NULL) { /* our own file: a build that fails its tests */
        fprintf(stderr, "built-in reply rules: %s\n", error);
        abort();
    }
    struct reply_rules *none = NULL;
    if (!atomic_compare_exchange_strong(&current, &none, rules))
        reply_rules_free(&rules);
}

const struct reply_rules *reply_rules_current(void)
{
    call_once(&built, build_in);
    return atomic_load_explicit(&current, memory_order_acquire);
}

void reply_rules_install(struct reply_rules *rules)
{
    reply_rules_current(); /* the built-in set comes first, in whatever thread */
    rules->retired = atomic_load(&current);
    while (!atomic_compare_exchange_weak(&current, &rules->retired, rules)) {
    }
}

struct reply_rules *reply_rules_with_own(const char *text, size_t length, char *error,
                                         size_t error_size)
{
    size_t own = strlen(reply_rules_builtin);
    char *whole = mem_array(char, length + 1 + own);

    memcpy(whole, text, length);
    whole[length] = '\n';
    memcpy(whole + length + 1, reply_rules_builtin, own);
    struct reply_rules *rules = reply_rules_parse(whole, length + 1 + own, error, error_size);
    free(whole);
    return rules;
}
