#include "probes/discover/imap_candidates.h"

#include <inttypes.h>
#include <libpsl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"

enum { NAME_MAX_OCTETS = 253, LABEL_MAX_OCTETS = 63 };

/* Letters, digits, hyphens; underscores are seen in host names and do no harm. */
static bool is_host_name(const char *name)
{
    size_t label = 0, length = strlen(name);

    if (length == 0 || length > NAME_MAX_OCTETS || strchr(name, '.') == NULL)
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = name[i];

        if (c == '.' && (label == 0 || i + 1 == length))
            return false;
        label = c == '.' ? 0 : label + 1;
        if (label > LABEL_MAX_OCTETS || (c != '.' && c != '-' && c != '_' &&
                                         !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z')))
            return false;
    }
    return true;
}

/* 0 = a port we do not ask. */
static uint16_t port_here(uint16_t port, const struct imap_ports *ports)
{
    if (port == IMAP_PORT_TLS)
        return ports->tls;
    if (port == IMAP_PORT_STARTTLS)
        return ports->starttls;
    if (port == ports->tls || port == ports->starttls)
        return port;
    for (size_t i = 0; i < IMAP_PORTS_EXTRA_MAX; i++)
        if (port == ports->extra[i])
            return port;
    return 0;
}

static bool same_registrable_domain(const char *a, const char *b)
{
    const psl_ctx_t *list = psl_builtin();
    const char *of_a = list != NULL ? psl_registrable_domain(list, a) : NULL;
    const char *of_b = list != NULL ? psl_registrable_domain(list, b) : NULL;

    if (of_a == NULL || of_b == NULL)
        return text_domain_within(a, b);
    return strcmp(of_a, of_b) == 0;
}

static bool in_table(const char *host, const struct imap_domain *domain)
{
    struct provider_imap table = provider_imap(domain->name, domain->provider);

    for (size_t i = 0; i < table.count; i++)
        if (text_equal_nocase(table.endpoints[i].host, host))
            return true;
    return false;
}

static bool is_vouched(const char *host, const struct dns_answer *answer,
                       const struct imap_domain *domain)
{
    return answer->authentic || same_registrable_domain(host, domain->name) ||
           provider_by_mx(host) != NULL || in_table(host, domain);
}

/* NULL when it is not a candidate, is one already, or the list is full. */
static struct imap_candidate *add(struct imap_candidates *candidates, const char *host,
                                  uint16_t port, bool implicit_tls, enum endpoint_source source)
{
    struct imap_candidate *item = &candidates->items[candidates->count];

    if (port == 0 || !is_host_name(host) || candidates->count == IMAP_CANDIDATES_MAX)
        return NULL;
    for (size_t i = 0; i < candidates->count; i++)
        if (candidates->items[i].port == port && strcmp(candidates->items[i].host, host) == 0)
            return NULL;
    *item = (struct imap_candidate){.port = port, .implicit_tls = implicit_tls, .source = source};
    snprintf(item->host, sizeof(item->host), "%s", host);
    candidates->count++;
    return item;
}

void imap_candidates_from_table(struct imap_candidates *candidates,
                                const struct provider_imap *table, const struct imap_domain *domain)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct provider_endpoint *row = &table->endpoints[i];
        struct imap_candidate *item =
            add(candidates, row->host, port_here(row->port, &domain->ports), row->starttls == 0,
                SOURCE_TABLE);

        if (item != NULL)
            item->vouched = true;
    }
}

void imap_candidates_add_srv(struct imap_candidates *candidates, const struct dns_answer *answer,
                             bool implicit_tls, const struct imap_domain *domain)
{
    bool denied = false, named = false;

    if (answer->status != DNS_FOUND)
        return;
    for (size_t i = 0; i < answer->count; i++) {
        const struct dns_record *record = &answer->records[i];
        struct imap_candidate *item;

        denied = denied || record->name[0] == '\0';
        named = named || record->name[0] != '\0';
        item = add(candidates, record->name, port_here(record->port, &domain->ports), implicit_tls,
                   SOURCE_SRV);
        if (item == NULL)
            continue;
        item->priority = record->preference;
        item->weight = record->weight;
        item->vouched = is_vouched(item->host, answer, domain);
    }
    if (denied && !named) /* beside real targets "." means nothing */
        *(implicit_tls ? &candidates->denied_tls : &candidates->denied_starttls) = true;
}

static int by_preference(const void *left, const void *right)
{
    const struct imap_candidate *a = left, *b = right;

    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    if (a->implicit_tls != b->implicit_tls)
        return a->implicit_tls ? -1 : 1;
    if (a->weight != b->weight)
        return a->weight > b->weight ? -1 : 1;
    return strcmp(a->host, b->host); /* qsort is not stable: keep the order the same each time */
}

void imap_candidates_sort(struct imap_candidates *candidates)
{
    qsort(candidates->items, candidates->count, sizeof(candidates->items[0]), by_preference);
}

static void guess_port(struct imap_candidates *candidates, const struct imap_domain *domain,
                       uint16_t port, bool implicit_tls)
{
    static const char *const prefixes[] = {"imap.", "mail.", ""};
    struct imap_candidate *item;

    for (size_t i = 0; i < ARRAY_LENGTH(prefixes); i++) {
        char host[DNS_NAME_SIZE + 8];

        snprintf(host, sizeof(host), "%s%s", prefixes[i], domain->name);
        add(candidates, host, port, implicit_tls, SOURCE_GUESS);
    }
    item = add(candidates, domain->mx_host, port, implicit_tls, SOURCE_GUESS);
    if (item != NULL)
        item->address = domain->mx_address;
}

void imap_candidates_guess(struct imap_candidates *candidates, const struct imap_domain *domain)
{
    if (!candidates->denied_tls)
        guess_port(candidates, domain, domain->ports.tls, true);
    if (!candidates->denied_starttls)
        guess_port(candidates, domain, domain->ports.starttls, false);
}

void imap_unlikely_name(const char *domain, char out[DNS_NAME_SIZE])
{
    uint64_t hash = text_hash_nocase(domain, strlen(domain));

    if (snprintf(out, DNS_NAME_SIZE, "x%016" PRIx64 ".%s", hash, domain) > NAME_MAX_OCTETS)
        out[0] = '\0';
}
