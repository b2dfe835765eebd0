#include "probes/lists/suffix.h"

#include <stdio.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/lists/lists.h"
#include "probes/lists/slip.h"

enum {
    SUFFIX_SLIP = 10,
    SUFFIX_SLIPS = 16,
    SUFFIX_RELAXED = 8,
    SUFFIX_DOUBLED = 8,
    OTHER_FIRST = 2 /* the first letter is rather right than wrong */
};

/* What people write most behind a name. Where two are as near, the earlier one is meant; `rarer` is
 * added to the cost. */
static const struct {
    const char *text;
    unsigned rarer;
} common[] = {
    {"com", 0},    {"net", 0},    {"org", 0},    {"edu", 0},    {"gov", 0},    {"fr", 0},
    {"de", 0},     {"co.uk", 0},  {"it", 0},     {"ru", 0},     {"es", 1},     {"nl", 1},
    {"be", 1},     {"ch", 2},     {"at", 2},     {"ca", 2},     {"us", 2},     {"eu", 2},
    {"pl", 2},     {"se", 2},     {"dk", 2},     {"no", 2},     {"fi", 2},     {"pt", 2},
    {"cz", 2},     {"gr", 2},     {"ie", 2},     {"jp", 2},     {"in", 2},     {"cn", 2},
    {"info", 1},   {"biz", 1},    {"com.br", 1}, {"com.ar", 1}, {"com.au", 1}, {"com.mx", 1},
    {"com.tr", 2}, {"com.co", 2}, {"com.pe", 2}, {"co.in", 2},  {"co.jp", 2},  {"co.za", 2},
    {"co.nz", 2},  {"ac.uk", 2},  {"org.uk", 2}, {"gov.uk", 2},
};

/* Countries whose names stand under "com.": there "co." is a slip; and the other way round. */
static const char *const under_com[] = {"ar", "au", "br", "mx", "tr", "pe", "sg", "my",
                                        "ph", "vn", "hk", "tw", "cn", "ua", "uy", "ec"};
static const char *const under_co[] = {"uk", "jp", "in", "nz", "za", "id", "kr", "il", "th"};
static const char *const under_both[] = {"in"};

/* Top-level domains that exist, but that more people type for another one than register under. */
static const struct {
    const char *typed, *meant;
} mistaken[] = {{"cm", "com"}, {"om", "com"}, {"ne", "net"}};

static bool is(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && memcmp(text, word, length) == 0;
}

static bool is_one_of(const char *text, size_t length, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is(text, length, words[i]))
            return true;
    return false;
}

static const char *last_dot(const char *text, size_t length)
{
    while (length > 0)
        if (text[--length] == '.')
            return text + length;
    return NULL;
}

bool suffix_known(const char *suffix, size_t length)
{
    const char *dot = last_dot(suffix, length);
    size_t first;

    if (dot == NULL)
        return list_tld_known(suffix, length);
    first = (size_t)(dot - suffix);
    if (is(suffix, first, "com"))
        return list_tld_known(dot + 1, length - first - 1) && length - first == 3 &&
               (!is_one_of(dot + 1, 2, under_co, ARRAY_LENGTH(under_co)) ||
                is_one_of(dot + 1, 2, under_both, ARRAY_LENGTH(under_both)));
    if (is(suffix, first, "co"))
        return is_one_of(dot + 1, length - first - 1, under_co, ARRAY_LENGTH(under_co));
    for (size_t i = 0; i < ARRAY_LENGTH(common); i++)
        if (is(suffix, length, common[i].text))
            return true;
    return false;
}

static unsigned put(char meant[SUFFIX_MAX], const char *first, const char *rest, size_t length,
                    unsigned cost)
{
    snprintf(meant, SUFFIX_MAX, "%s%.*s", first, (int)length, rest);
    return cost;
}

/* "com.com", "con.com" for "com"; "co.ar" for "com.ar". The last label is a real one. */
static unsigned second_level(const char *typed, size_t length, const char *dot,
                             char meant[SUFFIX_MAX])
{
    const char *last = dot + 1;
    size_t first = (size_t)(dot - typed), rest = length - first - 1;
    unsigned cost;

    if ((is(last, rest, "com") || is(last, rest, "net") || is(last, rest, "org")) &&
        ((first == rest && memcmp(typed, last, rest) == 0) || !list_tld_known(typed, first)) &&
        slip_cost(SLIP_SUFFIX, typed, first, last, rest, SUFFIX_SLIP) <= SUFFIX_SLIP)
        return put(meant, "", last, rest, SUFFIX_DOUBLED);
    if (is_one_of(last, rest, under_com, ARRAY_LENGTH(under_com))) {
        cost = slip_cost(SLIP_SUFFIX, typed, first, "com", 3, SUFFIX_SLIP);
        if (cost > 0 && cost <= SUFFIX_SLIP)
            return put(meant, "com.", last, rest, cost);
    }
    if (is_one_of(last, rest, under_co, ARRAY_LENGTH(under_co))) {
        cost = slip_cost(SLIP_SUFFIX, typed, first, "co", 2, SUFFIX_SLIP);
        if (cost > 0 && cost <= SUFFIX_SLIP)
            return put(meant, "co.", last, rest, cost);
    }
    return SLIP_TOO_MUCH;
}

static unsigned nearest(const char *typed, size_t length, unsigned limit, char meant[SUFFIX_MAX])
{
    unsigned best = limit + 1;

    for (size_t i = 0; i < ARRAY_LENGTH(common); i++) {
        unsigned cost =
            slip_cost(SLIP_SUFFIX, typed, length, common[i].text, strlen(common[i].text), limit);

        cost += common[i].rarer + (typed[0] != common[i].text[0] ? OTHER_FIRST : 0);
        if (cost < best) {
            best = cost;
            put(meant, "", common[i].text, strlen(common[i].text), 0);
        }
    }
    return best <= limit ? best : SLIP_TOO_MUCH;
}

unsigned suffix_meant(const char *typed, size_t length, bool relaxed, char meant[SUFFIX_MAX])
{
    const char *dot = last_dot(typed, length);
    const char *last = dot == NULL ? typed : dot + 1;
    size_t rest = length - (size_t)(last - typed);

    if (!list_tld_known(last, rest))
        return nearest(typed, length, SUFFIX_SLIPS, meant);
    if (dot != NULL)
        return suffix_known(typed, length) ? SLIP_TOO_MUCH
                                           : second_level(typed, length, dot, meant);
    for (size_t i = 0; i < ARRAY_LENGTH(mistaken); i++)
        if (is(typed, length, mistaken[i].typed))
            return put(meant, mistaken[i].meant, "", 0, SUFFIX_SLIP);
    for (size_t i = 0; relaxed && i < ARRAY_LENGTH(common); i++)
        relaxed = !is(typed, length, common[i].text);
    return relaxed ? nearest(typed, length, SUFFIX_RELAXED, meant) : SLIP_TOO_MUCH;
}
