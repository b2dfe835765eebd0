/* The two data files, read once. A mistake in them is a mistake in the build: the process says
 * which line and ends, and the unit tests see it first. */
#include "probes/discover/provider.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

#include "probes/base/embed.h"
#include "probes/base/mem.h"
#include "probes/discover/name_map.h"

EMBED_FILE(providers_tsv, "probes/discover/data/providers.tsv");
EMBED_FILE(imap_endpoints_tsv, "probes/discover/data/imap_endpoints.tsv");
EMBEDDED_FILE(providers_tsv);
EMBEDDED_FILE(imap_endpoints_tsv);

enum { PROVIDERS_MAX = 512, IMAP_ROWS_MAX = 1024 };

static struct {
    char *provider_text, *imap_text; /* names point into these */
    struct provider providers[PROVIDERS_MAX];
    size_t provider_count;
    struct provider_imap imap[IMAP_ROWS_MAX];
    size_t imap_count;
    struct name_map by_mx, by_key, owner;        /* -> providers */
    struct name_map imap_of_domain, imap_of_key; /* -> imap */
} data;
static once_flag loaded = ONCE_FLAG_INIT;

/* --- reading -------------------------------------------------------------------- */

static void require(bool good, const char *file, size_t line)
{
    if (good)
        return;
    fprintf(stderr, "built-in %s, line %zu: cannot be read\n", file, line);
    abort();
}

/* Cuts off what stands before `separator` (or the end); NULL when nothing is left. */
static char *cut(char **rest, char separator)
{
    char *first = *rest;

    if (first == NULL)
        return NULL;
    *rest = strchr(first, separator);
    if (*rest != NULL)
        *(*rest)++ = '\0';
    return first;
}

static bool read_number(const char *text, unsigned long bound, unsigned long *number)
{
    char *end;

    *number = 0;
    if (strcmp(text, "-") == 0)
        return true;
    *number = strtoul(text, &end, 10);
    return end != text && *end == '\0' && *number <= bound;
}

/* "connections/recipients/rejects/gap", or "-". */
static bool read_limits(char *text, struct provider *provider)
{
    unsigned long value[4] = {0};

    if (strcmp(text, "-") == 0)
        return true;
    for (size_t i = 0; i < ARRAY_LENGTH(value); i++) {
        const char *field = cut(&text, '/');
        if (field == NULL || !read_number(field, i == 3 ? 3600000 : UINT16_MAX, &value[i]))
            return false;
    }
    provider->lane_connections = (uint16_t)value[0];
    provider->recipients_per_session = (uint16_t)value[1];
    provider->rejects_per_session = (uint16_t)value[2];
    provider->transaction_gap_ms = (uint32_t)value[3];
    return true;
}

static bool read_truth(const char *word, struct provider *provider)
{
    static const char *const words[] = {[PROVIDER_UNKNOWN] = "unknown",
                                        [PROVIDER_TRUTHFUL] = "truthful",
                                        [PROVIDER_DISCRIMINATES] = "discriminates",
                                        [PROVIDER_OPAQUE] = "opaque"};

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (strcmp(word, words[i]) == 0) {
            provider->truth = (enum provider_truth)i;
            return true;
        }
    }
    return false;
}

static bool read_role(const char *word, struct provider *provider)
{
    provider->gateway = strcmp(word, "gateway") == 0;
    provider->parking = strcmp(word, "parking") == 0;
    return provider->gateway || provider->parking || strcmp(word, "-") == 0;
}

static bool add_names(struct name_map *table, char *names, int value)
{
    if (strcmp(names, "-") == 0)
        return true;
    for (char *name = cut(&names, ' '); name != NULL; name = cut(&names, ' ')) {
        if (*name == '\0' || !name_map_add(table, name, value))
            return false;
    }
    return true;
}

static bool read_provider(char *line)
{
    char *key = cut(&line, '\t'), *name = cut(&line, '\t'), *truth = cut(&line, '\t'),
         *role = cut(&line, '\t'), *limits = cut(&line, '\t'), *suffixes = cut(&line, '\t'),
         *owned = cut(&line, '\t');
    int number = (int)data.provider_count;

    if (owned == NULL || data.provider_count == PROVIDERS_MAX)
        return false;
    struct provider *provider = &data.providers[data.provider_count++];
    provider->key = key;
    provider->name = name;
    return read_truth(truth, provider) && read_role(role, provider) &&
           read_limits(limits, provider) && name_map_add(&data.by_key, key, number) &&
           add_names(&data.by_mx, suffixes, number) && add_names(&data.owner, owned, number);
}

/* "host:993", "host:143s". */
static bool read_endpoint(char *text, struct provider_endpoint *endpoint)
{
    unsigned long port = 0;
    char *host = cut(&text, ':');
    size_t length = text == NULL ? 0 : strlen(text);

    if (length > 1 && text[length - 1] == 's') {
        endpoint->starttls = 1;
        text[length - 1] = '\0';
    }
    if (length == 0 || *host == '\0' || !read_number(text, UINT16_MAX, &port) || port == 0)
        return false;
    endpoint->host = host;
    endpoint->port = (uint16_t)port;
    return true;
}

static bool read_endpoints(char *text, struct provider_imap *imap)
{
    imap->known = true;
    imap->offered = strcmp(text, "none") != 0;
    if (!imap->offered)
        return true;
    for (char *one = cut(&text, ' '); one != NULL; one = cut(&text, ' ')) {
        if (imap->count == PROVIDER_ENDPOINTS_MAX ||
            !read_endpoint(one, &imap->endpoints[imap->count++]))
            return false;
    }
    return imap->count != 0;
}

static bool read_imap(char *line)
{
    char *endpoints = cut(&line, '\t'), *users = cut(&line, '\t');
    int number = (int)data.imap_count;

    if (users == NULL || data.imap_count == IMAP_ROWS_MAX ||
        !read_endpoints(endpoints, &data.imap[data.imap_count++]))
        return false;
    for (char *user = cut(&users, ' '); user != NULL; user = cut(&users, ' ')) {
        bool good = *user == '@' ? name_map_find(&data.by_key, user + 1) != NAME_MAP_NONE &&
                                       name_map_add(&data.imap_of_key, user + 1, number)
                                 : name_map_add(&data.imap_of_domain, user, number);
        if (!good)
            return false;
    }
    return true;
}

static void read_file(const char *name, char *rest, bool (*read_line)(char *line))
{
    size_t number = 1;

    for (char *line = cut(&rest, '\n'); line != NULL; line = cut(&rest, '\n'), number++) {
        if (*line != '\0' && *line != '#')
            require(read_line(line), name, number);
    }
}

static void load(void)
{
    struct name_map *tables[] = {&data.by_mx, &data.by_key, &data.owner, &data.imap_of_domain,
                                 &data.imap_of_key};

    for (size_t i = 0; i < ARRAY_LENGTH(tables); i++)
        name_map_init(tables[i]);
    data.provider_text = mem_copy_text(providers_tsv);
    data.imap_text = mem_copy_text(imap_endpoints_tsv);
    read_file("providers.tsv", data.provider_text, read_provider);
    read_file("imap_endpoints.tsv", data.imap_text, read_imap);
}

/* --- asking --------------------------------------------------------------------- */

const struct provider *provider_by_mx(const char *mx_host)
{
    call_once(&loaded, load);
    int number = mx_host == NULL ? NAME_MAP_NONE : name_map_find_suffix(&data.by_mx, mx_host);

    return number == NAME_MAP_NONE ? NULL : &data.providers[number];
}

bool provider_owns_domain(const struct provider *provider, const char *domain)
{
    call_once(&loaded, load);
    int number =
        provider == NULL || domain == NULL ? NAME_MAP_NONE : name_map_find(&data.owner, domain);

    return number != NAME_MAP_NONE && &data.providers[number] == provider;
}

struct provider_imap provider_imap(const char *domain, const struct provider *provider)
{
    call_once(&loaded, load);
    int number = domain == NULL ? NAME_MAP_NONE : name_map_find(&data.imap_of_domain, domain);
    int owner = domain == NULL ? NAME_MAP_NONE : name_map_find(&data.owner, domain);

    if (number == NAME_MAP_NONE && owner != NAME_MAP_NONE)
        number = name_map_find(&data.imap_of_key, data.providers[owner].key);
    if (number == NAME_MAP_NONE && provider != NULL)
        number = name_map_find(&data.imap_of_key, provider->key);
    static const struct provider_imap unknown;
    return number == NAME_MAP_NONE ? unknown : data.imap[number];
}
