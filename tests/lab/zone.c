#include "tests/lab/zone.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"

#define COUNTED_TYPE(type, name) type,
#define COUNTED_NAME(type, name) name,
static const uint16_t counted_types[] = {ZONE_COUNTED_LIST(COUNTED_TYPE)};
static const char *const counted_names[] = {ZONE_COUNTED_LIST(COUNTED_NAME)};

const char *zone_counted_name(unsigned slot) { return counted_names[slot]; }

unsigned zone_counted_slot(uint16_t type)
{
    unsigned slot = 0;

    while (slot < ZONE_COUNTED - 1 && counted_types[slot] != type)
        slot++;
    return slot;
}

/* --- adding ----------------------------------------------------------------------- */

/* Names are found again by index: the array moves while it grows. */
static size_t add_name(struct zone *zone, const char *name)
{
    if (zone->name_count == zone->name_room) {
        zone->name_room = zone->name_room > 0 ? zone->name_room * 2 : 256;
        zone->names = mem_resize(zone->names, zone->name_room * sizeof(*zone->names));
    }
    zone->names[zone->name_count] = (struct zone_name){.name = name, .first = ZONE_END};
    return zone->name_count++;
}

/* A name made of parts, kept by the world. */
__attribute__((format(printf, 2, 3))) static const char *make_name(struct zone *zone,
                                                                   const char *format, ...)
{
    char name[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(name, sizeof(name), format, arguments);
    va_end(arguments);
    return world_text(zone->world, name);
}

static void add_record(struct zone *zone, size_t name, const struct zone_record *record)
{
    if (zone->record_count == zone->record_room) {
        zone->record_room = zone->record_room > 0 ? zone->record_room * 2 : 256;
        zone->records = mem_resize(zone->records, zone->record_room * sizeof(*zone->records));
    }
    zone->records[zone->record_count] = *record;
    zone->records[zone->record_count].next = zone->names[name].first;
    zone->names[name].first = (uint32_t)zone->record_count++;
}

static void add_address(struct zone *zone, size_t name, const struct ip_address *address)
{
    add_record(zone, name,
               &(struct zone_record){.type = address->family == 4 ? ZONE_A : ZONE_AAAA,
                                     .address = *address});
}

static void add_address_text(struct zone *zone, size_t name, const char *text)
{
    struct ip_address address = {.family = 0};

    if (ip_parse(text, &address))
        add_address(zone, name, &address);
}

static void add_mx(struct zone *zone, size_t name, uint16_t preference, const char *target)
{
    add_record(zone, name,
               &(struct zone_record){.type = ZONE_MX, .preference = preference, .target = target});
}

static void add_cname(struct zone *zone, const char *name, const char *target)
{
    add_record(zone, add_name(zone, name),
               &(struct zone_record){.type = ZONE_CNAME, .target = target});
}

static void add_host_name(struct zone *zone, const struct lab_host *host)
{
    size_t name = add_name(zone, host->name);

    for (size_t i = 0; i < host->address_count; i++)
        add_address(zone, name, &host->addresses[i]);
}

/* --- one domain ----------------------------------------------------------------------- */

static const struct lab_host *domain_host(const struct zone *zone, const struct lab_domain *domain,
                                          size_t index)
{
    return &zone->world->hosts[domain->first_host + index];
}

/* MX records for its hosts, 10, 20, ...; their names are added apart. */
static void add_mx_of_hosts(struct zone *zone, size_t name, const struct lab_domain *domain,
                            bool equal)
{
    for (size_t i = 0; i < domain->host_count; i++)
        add_mx(zone, name, equal ? 10 : (uint16_t)(10 * (i + 1)),
               domain_host(zone, domain, i)->name);
}

static size_t add_plain(struct zone *zone, const struct lab_domain *domain, bool equal)
{
    size_t name = add_name(zone, domain->name);

    add_mx_of_hosts(zone, name, domain, equal);
    for (size_t i = 0; i < domain->host_count; i++)
        add_host_name(zone, domain_host(zone, domain, i));
    return name;
}

static void add_many(struct zone *zone, const struct lab_domain *domain)
{
    size_t name = add_name(zone, domain->name);

    for (unsigned i = 0; i < 20; i++) {
        const char *target = make_name(zone, "mx%u.%s", i + 1, domain->name);

        add_mx(zone, name, (uint16_t)(10 + i), target);
        add_address(zone, add_name(zone, target), &domain_host(zone, domain, 0)->addresses[0]);
    }
}

static void add_implicit(struct zone *zone, const struct lab_domain *domain)
{
    size_t name = add_name(zone, domain->name);
    const struct lab_host *host = domain_host(zone, domain, 0);

    for (size_t i = 0; i < host->address_count; i++)
        add_address(zone, name, &host->addresses[i]);
}

static void add_private(struct zone *zone, const struct lab_domain *domain)
{
    static const char *const special[] = {"127.0.0.1",       "10.1.2.3",        "192.168.7.8",
                                          "169.254.169.254", "::ffff:10.0.0.1", "fd00::25",
                                          "64:ff9b::a00:1"};
    size_t pick = (size_t)(domain - zone->world->domains) % ARRAY_LENGTH(special);
    const char *target = make_name(zone, "mx1.%s", domain->name);

    add_mx(zone, add_name(zone, domain->name), 10, target);
    add_address_text(zone, add_name(zone, target), special[pick]);
}

/* The domain is an alias, `hops` long; at the end stands a name with the MX, or nothing. */
static void add_chain(struct zone *zone, const struct lab_domain *domain, unsigned hops,
                      bool real_end)
{
    const char *name = domain->name;

    for (unsigned i = 0; i < hops; i++) {
        const char *target = make_name(zone, "hop%u.%s.alias.test", i + 1, domain->name);

        add_cname(zone, name, target);
        name = target;
    }
    if (!real_end)
        return;
    size_t last = add_name(zone, name);
    if (domain->host_count == 0)
        return;
    add_mx_of_hosts(zone, last, domain, false);
    add_host_name(zone, domain_host(zone, domain, 0));
}

static void add_loop(struct zone *zone, const char *name, const char *other)
{
    add_cname(zone, name, other);
    add_cname(zone, other, name);
}

static void add_mx_alias(struct zone *zone, const struct lab_domain *domain, bool loop)
{
    const char *alias = make_name(zone, "mail.%s", domain->name);

    add_mx(zone, add_name(zone, domain->name), 10, alias);
    if (loop) {
        add_loop(zone, alias, make_name(zone, "post.%s", domain->name));
        return;
    }
    const struct lab_host *host = domain_host(zone, domain, 0);
    add_cname(zone, alias, host->name);
    add_host_name(zone, host);
}

static void add_dangling(struct zone *zone, const struct lab_domain *domain, bool others)
{
    size_t name = others ? add_plain(zone, domain, false) : add_name(zone, domain->name);

    add_mx(zone, name, 5, make_name(zone, "gone.%s", domain->name));
}

static void add_mail_names(struct zone *zone, const struct lab_domain *domain)
{
    const struct behaviour *row = behaviour_at(domain->behaviour);
    const char *target = NULL;
    size_t name = 0;

    switch (row->dns) {
    case DNS_MX:
        add_plain(zone, domain, false);
        break;
    case DNS_MX_EQUAL:
        add_plain(zone, domain, true);
        break;
    case DNS_MX_MANY:
        add_many(zone, domain);
        break;
    case DNS_PROVIDER:
    case DNS_IMPLICIT_AAAA: /* hosts of many domains: their names are added once, elsewhere */
        name = add_name(zone, domain->name);
        if (row->dns == DNS_PROVIDER)
            add_mx_of_hosts(zone, name, domain, false);
        else
            add_address(zone, name, &domain_host(zone, domain, 0)->addresses[0]);
        break;
    case DNS_NULL_MX:
        add_mx(zone, add_name(zone, domain->name), 0, "");
        break;
    case DNS_NULL_MX_AND_OTHERS:
        add_mx(zone, add_plain(zone, domain, false), 0, "");
        break;
    case DNS_IMPLICIT_A:
        add_implicit(zone, domain);
        break;
    case DNS_NO_NAME:
        break;
    case DNS_NO_DATA:
        add_name(zone, domain->name);
        break;
    case DNS_BOGUS:
        name = add_plain(zone, domain, false); /* first: it may move the names */
        zone->names[name].mood = ZONE_BOGUS;
        break;
    case DNS_SERVFAIL:
        name = add_name(zone, domain->name);
        zone->names[name].mood = ZONE_SERVFAIL;
        break;
    case DNS_REFUSED:
        name = add_name(zone, domain->name);
        zone->names[name].mood = ZONE_REFUSES;
        break;
    case DNS_SILENT:
        name = add_name(zone, domain->name);
        zone->names[name].mood = ZONE_SILENT;
        break;
    case DNS_MX_PRIVATE:
        add_private(zone, domain);
        break;
    case DNS_MX_DANGLING:
        add_dangling(zone, domain, false);
        break;
    case DNS_MX_DANGLING_FIRST:
        add_dangling(zone, domain, true);
        break;
    case DNS_MX_BAD_NAME:
        add_mx(zone, add_name(zone, domain->name), 10, "192.0.2.1");
        break;
    case DNS_MX_SERVFAIL:
        target = make_name(zone, "mx1.%s", domain->name);
        add_mx(zone, add_name(zone, domain->name), 10, target);
        name = add_name(zone, target);
        zone->names[name].mood = ZONE_SERVFAIL;
        break;
    case DNS_CNAME:
        add_chain(zone, domain, 1, true);
        break;
    case DNS_CNAME_CHAIN:
        add_chain(zone, domain, 4, true);
        break;
    case DNS_CNAME_LONG:
        add_chain(zone, domain, 20, true);
        break;
    case DNS_CNAME_LOOP:
        add_loop(zone, domain->name, make_name(zone, "again.%s", domain->name));
        break;
    case DNS_CNAME_NO_NAME:
        add_chain(zone, domain, 1, false);
        break;
    case DNS_MX_ALIAS:
        add_mx_alias(zone, domain, false);
        break;
    case DNS_MX_ALIAS_LOOP:
        add_mx_alias(zone, domain, true);
        break;
    case DNS_TRUNCATED:
        name = add_plain(zone, domain, false);
        zone->names[name].truncated = true;
        break;
    case DNS_NOT_ASKED:
        break;
    }
}

/* SRV says 993 and 143: the client knows which ports stand for them here. */
static void add_imap_names(struct zone *zone, const struct lab_domain *domain)
{
    const struct imap_variant *variant = imap_variant_at(domain->imap);
    struct zone_record record = {.type = ZONE_SRV, .target = "", .weight = 1};

    if (domain->imap_host != NO_HOST) {
        add_host_name(zone, &zone->world->hosts[domain->imap_host]);
        record.target = zone->world->hosts[domain->imap_host].name;
    }
    if (variant->where != IMAP_SRV && variant->where != IMAP_SRV_DENIED)
        return;
    bool denied = variant->where == IMAP_SRV_DENIED,
         nothing = !variant->implicit_tls && !variant->clear;
    if (variant->implicit_tls || denied || nothing) {
        record.port = denied ? 0 : 993;
        add_record(zone, add_name(zone, make_name(zone, "_imaps._tcp.%s", domain->name)), &record);
    }
    if (variant->clear || denied) {
        record.port = denied ? 0 : 143;
        record.preference = 10;
        add_record(zone, add_name(zone, make_name(zone, "_imap._tcp.%s", domain->name)), &record);
    }
}

static void add_shared_hosts(struct zone *zone)
{
    for (size_t i = 0; i < LAB_PROVIDERS_MAX; i++)
        for (size_t host = 0; host < LAB_PROVIDER_HOSTS; host++)
            if (zone->world->provider_hosts[i] != NO_HOST)
                add_host_name(zone, &zone->world->hosts[zone->world->provider_hosts[i] + host]);
    if (zone->world->loopback6_host != NO_HOST)
        add_host_name(zone, &zone->world->hosts[zone->world->loopback6_host]);
}

static int compare_names(const void *a, const void *b)
{
    const struct zone_name *left = a, *right = b;

    return strcmp(left->name, right->name);
}

struct zone *zone_build(struct world *world)
{
    struct zone *zone = mem_new(struct zone);

    zone->world = world;
    add_name(zone, "test");
    for (size_t i = 0; i < world->domain_count; i++) {
        add_mail_names(zone, &world->domains[i]);
        add_imap_names(zone, &world->domains[i]);
    }
    add_shared_hosts(zone);
    qsort(zone->names, zone->name_count, sizeof(*zone->names), compare_names);
    return zone;
}

void zone_free(struct zone **zone)
{
    if (*zone == NULL)
        return;
    free((*zone)->names);
    free((*zone)->records);
    free(*zone);
    *zone = NULL;
}

static struct zone_name *find_exactly(struct zone *zone, const char *name)
{
    const struct zone_name key = {.name = name};

    return bsearch(&key, zone->names, zone->name_count, sizeof(*zone->names), compare_names);
}

struct zone_name *zone_find(struct zone *zone, const char *name, enum zone_mood *mood)
{
    struct zone_name *exact = find_exactly(zone, name);

    *mood = exact != NULL ? exact->mood : ZONE_ANSWERS;
    for (const char *dot = strchr(name, '.'); exact == NULL && dot != NULL;
         dot = strchr(dot + 1, '.')) {
        const struct zone_name *above = find_exactly(zone, dot + 1);

        if (above != NULL) {
            *mood = above->mood;
            break;
        }
    }
    return exact;
}
