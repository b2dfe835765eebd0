/* How a suggestion is found: a domain that any list knows is left alone. Else the name (its first
 * label) and the suffix (the rest) are each compared with those of the popular domains; what costs
 * least and no more than a plausible slip is the suggestion. A name nobody knows may still have a
 * broken suffix. */
#include "probes/lists/suggest.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "probes/base/text.h"
#include "probes/lists/list_text.h"
#include "probes/lists/lists.h"
#include "probes/lists/slip.h"
#include "probes/lists/snapshot.h"
#include "probes/lists/suffix.h"

enum {
    DOMAIN_MAX = 253,
    LONG_NAME = 9,               /* from here on two slips may be made in any name */
    NAME_LIMIT_MOST = 21,        /* of name_limit */
    SUFFIX_LIMIT = 10,           /* for a suffix that exists */
    SUFFIX_BROKEN_LIMIT = 16,    /* for one that does not */
    COST_OTHER_SUFFIX = 11,      /* gmail.fr: the name is only Gmail's */
    COST_COM = 10,               /* orange.com: at home under .fr */
    OTHER_SUFFIX_NAME_LIMIT = 8, /* how far the name may be off besides */
    BOTH_LIMIT = 24,             /* name and suffix together */
    BOTH_LIMIT_SHORT = 16,
    COST_SECOND_LEVEL = 2, /* hotmail.uk: the country is right, and "co." goes with it */
    SQUAT_LIMIT = 10,      /* a listed throw-away domain that only lives on slips: gmial.com */
    SQUAT_LIMIT_RARER = 9, /* the same beside a long name that is no household one */
    SQUAT_NAME_LEAST = 6,
    RARER = 4, /* added for a domain that is no household name */
    BARE_NAME_LEAST = 5,
    RUN_TOGETHER_MOST = 5,
    RELAXED = 4
};

struct typed {
    const char *domain;
    size_t length, name_length, suffix_length;
    const char *suffix;
    uint32_t letters;
    bool suffix_known;
    unsigned fixed_cost; /* of the suffix that `fixed` says was meant */
    char fixed[SUFFIX_MAX];
};

static struct typed typed_of(const char *domain, size_t length, bool relaxed)
{
    const char *dot = memchr(domain, '.', length);
    size_t name = dot == NULL ? length : (size_t)(dot - domain);
    struct typed typed = {.domain = domain,
                          .length = length,
                          .name_length = name,
                          .suffix = dot == NULL ? domain + length : dot + 1,
                          .letters = letters_of(domain, name)};

    typed.suffix_length = (size_t)(domain + length - typed.suffix);
    typed.suffix_known = suffix_known(typed.suffix, typed.suffix_length);
    typed.fixed_cost = SLIP_TOO_MUCH;
    if (typed.suffix_length > 0)
        typed.fixed_cost = suffix_meant(typed.suffix, typed.suffix_length, relaxed, typed.fixed);
    return typed;
}

/* How far a name may be off. Short names are dense with real domains; a household name is worth a
 * guess. */
static unsigned name_limit(const struct popular *meant, bool relaxed)
{
    static const unsigned household[] = {0, 0, 0, 8, 9, 13, 16, 16};
    static const unsigned other[] = {0, 0, 0, 0, 0, 7, 8, 9, 9, 17};
    size_t length = meant->name_length;
    unsigned limit;

    if (meant->household)
        limit = household[length < 7 ? length : 7];
    else
        limit = other[length < 9 ? length : 9];
    if (relaxed && length >= 3)
        limit += limit > 0 ? RELAXED : 2 * RELAXED;
    return limit;
}

static bool is_generic(const char *suffix, size_t length)
{
    static const char *const generic[] = {"com", "net", "org", "info", "biz"};

    for (size_t i = 0; i < sizeof(generic) / sizeof(generic[0]); i++)
        if (strlen(generic[i]) == length && memcmp(generic[i], suffix, length) == 0)
            return true;
    return false;
}

/* The name stands under another suffix than its own, and not by a slip of the hand. */
static unsigned other_suffix(const struct typed *typed, const struct popular *meant)
{
    bool one_label = memchr(typed->suffix, '.', typed->suffix_length) == NULL;

    if (typed->domain[0] != meant->domain[0]) /* cloud.fr is no icloud.com */
        return SLIP_TOO_MUCH;
    if (meant->only && (typed->suffix_known || one_label || typed->fixed_cost != SLIP_TOO_MUCH))
        return COST_OTHER_SUFFIX;
    if (meant->gtld && is_generic(typed->suffix, typed->suffix_length))
        return COST_OTHER_SUFFIX;
    if (meant->com && typed->suffix_length == 3 && memcmp(typed->suffix, "com", 3) == 0)
        return COST_COM;
    return SLIP_TOO_MUCH;
}

/* "uk" for "co.uk", "br" for "com.br". */
static unsigned second_level_left_out(const struct typed *typed, const char *suffix, size_t length)
{
    size_t head = length - typed->suffix_length;

    if (length < typed->suffix_length + 3 || suffix[head - 1] != '.' ||
        memcmp(suffix + head, typed->suffix, typed->suffix_length) != 0)
        return SLIP_TOO_MUCH;
    return COST_SECOND_LEVEL;
}

static unsigned suffix_cost(const struct typed *typed, const struct popular *meant, unsigned name)
{
    const char *suffix = meant->domain + meant->name_length + 1;
    size_t length = (size_t)(meant->length - meant->name_length) - 1;
    unsigned cost = slip_cost(SLIP_SUFFIX, typed->suffix, typed->suffix_length, suffix, length,
                              typed->suffix_known ? SUFFIX_LIMIT : SUFFIX_BROKEN_LIMIT);
    unsigned other = SLIP_TOO_MUCH;

    if (cost == 0)
        return 0;
    if (meant->household || name == 0)
        other = second_level_left_out(typed, suffix, length);
    if (typed->suffix_known && !meant->household && !meant->only && !meant->gtld)
        cost = SLIP_TOO_MUCH;
    if (typed->fixed_cost < cost && strlen(typed->fixed) == length &&
        memcmp(typed->fixed, suffix, length) == 0)
        cost = typed->fixed_cost;
    if (name <= OTHER_SUFFIX_NAME_LIMIT && other == SLIP_TOO_MUCH)
        other = other_suffix(typed, meant);
    return other < cost ? other : cost;
}

static bool more_than(unsigned bits, uint32_t set)
{
    for (; set != 0 && bits > 0; bits--)
        set &= set - 1;
    return set != 0;
}

/* Too different for any slip that counts? Cheap, and true for nearly all pairs. */
static bool far_apart(const struct typed *typed, const struct popular_name *meant, bool relaxed)
{
    unsigned most = relaxed || meant->household || meant->length >= LONG_NAME ? 2 : 1;

    return typed->name_length > meant->length + most || meant->length > typed->name_length + most ||
           more_than(most, typed->letters & ~meant->letters) ||
           more_than(most, meant->letters & ~typed->letters);
}

static unsigned popular_cost(const struct typed *typed, const struct popular *meant, bool relaxed,
                             unsigned name)
{
    unsigned suffix;

    if (name > name_limit(meant, relaxed))
        return SLIP_TOO_MUCH;
    suffix = suffix_cost(typed, meant, name);
    if (name > 0 && suffix > 0 &&
        name + suffix > (meant->name_length < 5 ? BOTH_LIMIT_SHORT : BOTH_LIMIT))
        return SLIP_TOO_MUCH;
    return name + suffix;
}

struct choice {
    const struct popular *best; /* NULL = none near enough */
    unsigned cost, name_cost;
};

/* Two being as near, the household name was meant. */
static unsigned rarer(const struct popular *meant) { return meant->household ? 0 : RARER; }

static void consider(struct choice *choice, const struct lists *lists, const struct typed *typed,
                     const struct popular_name *name, bool relaxed)
{
    const struct popular *meant = &lists->popular[name->first];
    unsigned name_cost = slip_cost(SLIP_NAME, typed->domain, typed->name_length, meant->domain,
                                   meant->name_length, NAME_LIMIT_MOST);

    /* A name that is right stays as it is: mail.xy is not gmail.com. */
    if (name_cost == 0 && choice->name_cost > 0)
        *choice = (struct choice){.cost = SLIP_TOO_MUCH, .name_cost = 0};
    while (name_cost < choice->cost && name_cost <= choice->name_cost) {
        unsigned cost = popular_cost(typed, meant, relaxed, name_cost);

        if (cost < SLIP_TOO_MUCH && cost + rarer(meant) < choice->cost) {
            choice->best = meant;
            choice->cost = cost + rarer(meant);
        }
        if (meant->next == 0)
            break;
        meant = &lists->popular[meant->next];
    }
}

static struct choice nearest(const struct lists *lists, const struct typed *typed, bool relaxed)
{
    struct choice choice = {.cost = SLIP_TOO_MUCH, .name_cost = SLIP_TOO_MUCH};

    for (size_t i = 0; i < lists->name_count; i++)
        if (!far_apart(typed, &lists->names[i], relaxed))
            consider(&choice, lists, typed, &lists->names[i], relaxed);
    return choice;
}

static bool is_joint(char c) { return c == '.' || c == '-'; }

/* The same letters in the same order, wherever the dots and hyphens are. */
static bool same_without_dots(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t i = 0, j = 0;

    for (;;) {
        while (i < a_length && is_joint(a[i]))
            i++;
        while (j < b_length && is_joint(b[j]))
            j++;
        if (i == a_length || j == b_length)
            return i == a_length && j == b_length;
        if (a[i++] != b[j++])
            return false;
    }
}

static const struct popular *moved_dots(const struct lists *lists, const char *domain,
                                        size_t length)
{
    uint16_t key = dotless_key(domain, length);
    bool dotted = memchr(domain, '.', length) != NULL;

    for (size_t i = 0; i < lists->popular_count; i++) {
        const struct popular *one = &lists->popular[i];

        if (lists->dotless[i] == key && (one->name_length > 2 || !dotted) &&
            same_without_dots(domain, length, one->domain, one->length))
            return one;
    }
    return NULL;
}

static bool put(char *out, size_t size, const char *first, size_t first_length, const char *rest,
                size_t rest_length)
{
    if (first_length + rest_length + 1 > size)
        return false;
    memmove(out, first, first_length);
    memcpy(out + first_length, rest, rest_length);
    out[first_length + rest_length] = '\0';
    return true;
}

/* Any domain above this one that is a provider's: its subdomains are the provider's business. */
static bool below_known(const char *domain)
{
    const char *dot = domain;

    while ((dot = strchr(dot, '.')) != NULL) {
        dot++;
        if (strchr(dot, '.') != NULL && (list_domain_kinds(dot) & ~(unsigned)LIST_DISPOSABLE) != 0)
            return true;
    }
    return false;
}

/* "gmail", "gmial": nothing behind the name. */
static bool bare_name(const struct lists *lists, const char *domain, size_t length, char *out,
                      size_t size)
{
    for (size_t i = 0; i < lists->name_count; i++) {
        const struct popular *meant = &lists->popular[lists->names[i].first];

        if ((meant->only || meant->gtld) && meant->name_length >= BARE_NAME_LEAST &&
            slip_cost(SLIP_NAME, domain, length, meant->domain, meant->name_length,
                      OTHER_SUFFIX_NAME_LIMIT) <= OTHER_SUFFIX_NAME_LIMIT)
            return put(out, size, meant->domain, meant->length, "", 0);
    }
    return false;
}

/* "gmailcon", "hotmailfrr": a household name with what is no more than a broken suffix behind it.
 */
static bool run_together(const struct lists *lists, const char *domain, size_t length, char *out,
                         size_t size)
{
    char dotted[DOMAIN_MAX + 2];

    for (size_t i = 0; i < lists->name_count; i++) {
        const struct popular *one = &lists->popular[lists->names[i].first];
        size_t name = one->name_length;

        if (!one->household || name < BARE_NAME_LEAST || length < name + 2 ||
            length > name + RUN_TOGETHER_MOST || memcmp(domain, one->domain, name) != 0)
            continue;
        snprintf(dotted, sizeof(dotted), "%.*s.%s", (int)name, domain, domain + name);
        return suggest_domain(dotted, false, out, size);
    }
    return false;
}

/* "gmialcom", "gmail-com": the dot is missing, and perhaps something else is wrong too. */
static bool undotted(const char *domain, size_t length, bool relaxed, char *out, size_t size)
{
    static const char *const endings[] = {"com", "net", "org", "fr", "de"};
    char dotted[DOMAIN_MAX + 2];

    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        size_t ending = strlen(endings[i]), name = length - ending;

        if (length < ending + 3 || memcmp(domain + name, endings[i], ending) != 0)
            continue;
        while (name > 0 && domain[name - 1] == '-')
            name--;
        if (name < 2)
            return false;
        snprintf(dotted, sizeof(dotted), "%.*s.%s", (int)name, domain, endings[i]);
        /* Two letters at the end of a word are no suffix, unless what comes of it is known. */
        return suggest_domain(dotted, relaxed, out, size) ||
               ((ending == 3 || list_domain_kinds(dotted) != 0) &&
                put(out, size, dotted, strlen(dotted), "", 0));
    }
    return false;
}

/* The name is nobody's; with its suffix put right it may be near a popular one after all. */
static bool fixed_suffix(const struct typed *typed, bool relaxed, char *out, size_t size)
{
    char fixed[DOMAIN_MAX + SUFFIX_MAX + 2];

    if (typed->fixed_cost == SLIP_TOO_MUCH || typed->name_length < 2)
        return false;
    snprintf(fixed, sizeof(fixed), "%.*s.%s", (int)typed->name_length, typed->domain, typed->fixed);
    return suggest_domain(fixed, relaxed, out, size) || put(out, size, fixed, strlen(fixed), "", 0);
}

/* A listed throw-away domain: is it one because people who meant another end there? */
static bool lives_on_slips(const struct choice *choice)
{
    if (choice->best == NULL)
        return false;
    if (choice->best->household)
        return choice->cost <= SQUAT_LIMIT;
    return choice->best->name_length >= SQUAT_NAME_LEAST &&
           choice->cost <= SQUAT_LIMIT_RARER + RARER;
}

static bool find(const char *domain, size_t length, unsigned kinds, bool relaxed, char *out,
                 size_t size)
{
    const struct lists *lists = lists_current();
    const struct popular *moved = moved_dots(lists, domain, length);
    struct choice choice;
    struct typed typed;

    if (moved != NULL)
        return put(out, size, moved->domain, moved->length, "", 0);
    if (memchr(domain, '.', length) == NULL)
        return bare_name(lists, domain, length, out, size) ||
               run_together(lists, domain, length, out, size) ||
               undotted(domain, length, relaxed, out, size);
    if (below_known(domain))
        return false;
    typed = typed_of(domain, length, relaxed);
    choice = nearest(lists, &typed, relaxed);
    if ((kinds & LIST_DISPOSABLE) != 0 && !lives_on_slips(&choice))
        return false;
    if (choice.best != NULL)
        return put(out, size, choice.best->domain, choice.best->length, "", 0);
    return fixed_suffix(&typed, relaxed, out, size);
}

/* Lower case, no final dots; false for what is no plain host name. */
static bool tidy(const char *domain, char tidied[DOMAIN_MAX + 1], size_t *length)
{
    size_t n = strlen(domain);

    while (n > 0 && domain[n - 1] == '.')
        n--;
    if (n < 3 || !list_is_host(domain, n, true) || memchr(domain, '_', n) != NULL)
        return false;
    memcpy(tidied, domain, n);
    tidied[n] = '\0';
    text_lower(tidied);
    *length = n;
    return true;
}

/* "www.gmail.com": nobody has a mailbox there. */
static bool without_www(const char *domain, bool relaxed, char *out, size_t size)
{
    const char *rest = domain + 4;
    const char *dot = strrchr(rest, '.');

    if (dot == NULL || dot == rest)
        return false;
    if (suggest_domain(rest, relaxed, out, size))
        return true;
    return list_tld_known(dot + 1, strlen(dot + 1)) && put(out, size, rest, strlen(rest), "", 0);
}

bool suggest_domain(const char *domain, bool domain_missing, char *out, size_t size)
{
    char tidied[DOMAIN_MAX + 1];
    unsigned kinds;
    size_t length;

    if (!tidy(domain, tidied, &length))
        return false;
    kinds = list_domain_kinds(tidied);
    if ((kinds & ~(unsigned)LIST_DISPOSABLE) != 0)
        return false;
    if (strncmp(tidied, "www.", 4) == 0)
        return without_www(tidied, domain_missing, out, size);
    return find(tidied, length, kinds, domain_missing, out, size);
}
