#include "probes/lists/lists.h"

#include <string.h>

#include "probes/lists/snapshot.h"

enum { LOCAL_FOLDED_MAX = 64, SHORT_WORD = 5, NO_REPLY_SHORTEST = 7, NO_REPLY_LONGEST = 20 };

/* The kinds a domain hands down to the names below it. */
static const unsigned inherited = LIST_DISPOSABLE | LIST_ALIAS_RELAY;

/* Kinds of the nearest domain above `name` that has any of `wanted`; top-level domains are not
 * asked. */
static unsigned kinds_above(const struct name_table *table, const char *name, size_t length,
                            unsigned wanted)
{
    const char *end = name + length, *at = name, *dot;

    while ((dot = memchr(at, '.', (size_t)(end - at))) != NULL) {
        unsigned kinds;

        at = dot + 1;
        if (memchr(at, '.', (size_t)(end - at)) == NULL)
            return 0;
        kinds = name_table_find(table, at, (size_t)(end - at)) & wanted;
        if (kinds != 0)
            return kinds;
    }
    return 0;
}

unsigned list_domain_kinds(const char *domain)
{
    const struct name_table *table = &lists_current()->tables[TABLE_DOMAINS];
    size_t length = strlen(domain);
    unsigned kinds = name_table_find(table, domain, length);

    if ((kinds & LIST_PROVIDER) != 0)
        return kinds & ~(unsigned)LIST_DISPOSABLE; /* the operator's word against a public list */
    return kinds != 0 ? kinds : kinds_above(table, domain, length, inherited);
}

bool list_disposable(const char *domain)
{
    return (list_domain_kinds(domain) & LIST_DISPOSABLE) != 0;
}

bool list_free_provider(const char *domain)
{
    return (list_domain_kinds(domain) & (LIST_FREE | LIST_POPULAR)) != 0;
}

bool list_alias_relay(const char *domain)
{
    return (list_domain_kinds(domain) & LIST_ALIAS_RELAY) != 0;
}

static bool mx_on(const char *host, unsigned kind)
{
    const struct name_table *table = &lists_current()->tables[TABLE_MX];
    size_t length = strlen(host);

    while (length > 0 && host[length - 1] == '.')
        length--;
    return ((name_table_find(table, host, length) | kinds_above(table, host, length, kind)) &
            kind) != 0;
}

bool list_disposable_mx(const char *mx_host)
{
    char host[256];
    size_t length = strlen(mx_host);

    if (mx_on(mx_host, MX_LIST_DISPOSABLE))
        return true;
    /* Whoever serves a throw-away domain from a host inside it serves others from there too. */
    while (length > 0 && mx_host[length - 1] == '.')
        length--;
    if (length >= sizeof(host))
        return false;
    memcpy(host, mx_host, length);
    host[length] = '\0';
    return list_disposable(host);
}

bool list_parking_mx(const char *mx_host) { return mx_on(mx_host, MX_LIST_PARKING); }

bool list_tld_known(const char *label, size_t length)
{
    return name_table_find(&lists_current()->tables[TABLE_TLDS], label, length) != 0;
}

/* --- local parts ---------------------------------------------------------- */

struct folded {
    char word[LOCAL_FOLDED_MAX];
    size_t length;
    bool punctuated;
};

/* Without "+tag", punctuation and a number at the end. */
static void fold(const char *local, struct folded *folded)
{
    *folded = (struct folded){.length = 0};
    for (; *local != '\0' && *local != '+' && folded->length < LOCAL_FOLDED_MAX; local++) {
        if (*local == '.' || *local == '-' || *local == '_')
            folded->punctuated = true;
        else
            folded->word[folded->length++] = *local;
    }
}

static size_t without_number(const struct folded *folded)
{
    size_t length = folded->length;

    while (length > 0 && folded->word[length - 1] >= '0' && folded->word[length - 1] <= '9')
        length--;
    return folded->length - length <= 2 ? length : folded->length;
}

static bool is_no_reply(const struct name_table *table, const struct folded *folded)
{
    size_t length = without_number(folded);
    size_t longest = length < NO_REPLY_LONGEST ? length : NO_REPLY_LONGEST;

    for (size_t n = NO_REPLY_SHORTEST; n <= longest; n++)
        if (((name_table_find(table, folded->word, n) |
              name_table_find(table, folded->word + length - n, n)) &
             LOCAL_NO_REPLY) != 0)
            return true;
    return false;
}

bool list_no_reply(const char *local)
{
    struct folded folded;

    fold(local, &folded);
    return is_no_reply(&lists_current()->tables[TABLE_LOCALS], &folded);
}

bool list_role(const char *local)
{
    const struct name_table *table = &lists_current()->tables[TABLE_LOCALS];
    struct folded folded;
    size_t length;

    fold(local, &folded);
    if ((name_table_find(table, folded.word, folded.length) & LOCAL_ROLE) == 0) {
        length = without_number(&folded);
        if (length < 2 || (name_table_find(table, folded.word, length) & LOCAL_ROLE) == 0)
            return is_no_reply(table, &folded);
    }
    /* "h.r" is rather somebody's initials than a department. */
    return !(folded.punctuated && folded.length < SHORT_WORD);
}

const char *lists_version(void) { return lists_current()->version; }
