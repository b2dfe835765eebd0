#include "tests/lab/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"

enum { CHUNK_SIZE = 1 << 16, FIRST_ADDRESS = 0x7f400101 /* 127.64.1.1 */ };

struct string_chunk {
    struct string_chunk *next;
    size_t used, size;
    char bytes[];
};

static const char *const fault_names[] = {
    [FAULT_NONE] = "-", [FAULT_DROP] = "drop", [FAULT_BUSY] = "421", [FAULT_STALL] = "stall"};
const char *fault_name(enum fault fault) { return fault_names[fault]; }

struct world *world_new(const struct world_settings *settings)
{
    struct world *world = mem_new(struct world);

    world->settings = *settings;
    world->next_address = FIRST_ADDRESS;
    world->loopback6_host = NO_HOST;
    for (size_t i = 0; i < LAB_PROVIDERS_MAX; i++)
        world->provider_hosts[i] = NO_HOST;
    return world;
}

void world_free(struct world **world)
{
    struct world *gone = *world;

    *world = NULL;
    if (gone == NULL)
        return;
    while (gone->strings != NULL) {
        struct string_chunk *next = gone->strings->next;

        free(gone->strings);
        gone->strings = next;
    }
    free(gone->domains);
    free(gone->mailboxes);
    free(gone->raws);
    free(gone->hosts);
    free(gone->lanes);
    free(gone->by_name);
    free(gone);
}

const char *world_text(struct world *world, const char *text)
{
    size_t size = strlen(text) + 1;

    if (world->strings == NULL || world->strings->size - world->strings->used < size) {
        size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
        struct string_chunk *chunk = mem_zeroed(1, sizeof(*chunk) + room);

        chunk->size = room;
        chunk->next = world->strings;
        world->strings = chunk;
    }
    char *copy = world->strings->bytes + world->strings->used;
    memcpy(copy, text, size);
    world->strings->used += size;
    return copy;
}

/* Room for one more item, doubling. */
static void *grow(void *items, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return items;
    *room = *room > 0 ? *room * 2 : 64;
    return mem_resize(items, *room * size);
}

/* Has the domain a host of its own? */
static bool has_mail_host(enum dns_play dns)
{
    switch (dns) {
    case DNS_MX:
    case DNS_MX_EQUAL:
    case DNS_MX_MANY:
    case DNS_NULL_MX_AND_OTHERS:
    case DNS_MX_DANGLING_FIRST:
    case DNS_CNAME:
    case DNS_CNAME_CHAIN:
    case DNS_MX_ALIAS:
    case DNS_TRUNCATED:
    case DNS_BOGUS:
    case DNS_IMPLICIT_A:
        return true;
    case DNS_PROVIDER:
    case DNS_IMPLICIT_AAAA:
    case DNS_NULL_MX:
    case DNS_NO_NAME:
    case DNS_NO_DATA:
    case DNS_SERVFAIL:
    case DNS_REFUSED:
    case DNS_SILENT:
    case DNS_MX_PRIVATE:
    case DNS_MX_DANGLING:
    case DNS_MX_BAD_NAME:
    case DNS_MX_SERVFAIL:
    case DNS_CNAME_LONG:
    case DNS_CNAME_LOOP:
    case DNS_CNAME_NO_NAME:
    case DNS_MX_ALIAS_LOOP:
    case DNS_NOT_ASKED:
        return false;
    }
    return false;
}

/* Where there is no mail nobody looks for IMAP. */
static bool has_mail(enum dns_play dns)
{
    return (has_mail_host(dns) && dns != DNS_BOGUS) || dns == DNS_PROVIDER ||
           dns == DNS_IMPLICIT_AAAA;
}

struct lab_domain *world_add_domain(struct world *world, const char *name, const char *display,
                                    size_t behaviour, enum reply_style style, size_t imap)
{
    world->domains =
        grow(world->domains, world->domain_count, &world->domain_room, sizeof(*world->domains));
    struct lab_domain *domain = &world->domains[world->domain_count++];

    *domain =
        (struct lab_domain){.name = world_text(world, name),
                            .behaviour = (uint16_t)behaviour,
                            .imap = has_mail(behaviour_at(behaviour)->dns) ? (uint16_t)imap : 0,
                            .style = (uint8_t)style,
                            .imap_host = NO_HOST,
                            .first_host = NO_HOST,
                            .first_mailbox = (uint32_t)world->mailbox_count};
    domain->display = strcmp(name, display) == 0 ? domain->name : world_text(world, display);
    return domain;
}

void world_add_mailbox(struct world *world, const char *local, enum mailbox_class class,
                       enum fault fault)
{
    world->mailboxes = grow(world->mailboxes, world->mailbox_count, &world->mailbox_room,
                            sizeof(*world->mailboxes));
    world->mailboxes[world->mailbox_count++] = (struct lab_mailbox){
        .local = world_text(world, local), .class = (uint8_t) class, .fault = (uint8_t)fault};
    world->domains[world->domain_count - 1].mailbox_count++;
}

void world_add_raw(struct world *world, const char *email, const char *reason)
{
    world->raws = grow(world->raws, world->raw_count, &world->raw_room, sizeof(*world->raws));
    world->raws[world->raw_count++] =
        (struct lab_raw){.email = world_text(world, email), .reason = world_text(world, reason)};
}

/* --- hosts, addresses and lanes ------------------------------------------------ */

static struct ip_address take_address(struct world *world)
{
    struct ip_address address = {.family = 4};

    while ((world->next_address & 0xff) == 0 || (world->next_address & 0xff) == 0xff)
        world->next_address++; /* .0 and .255 look like networks; real hosts are not called so */
    uint32_t number = world->next_address++;
    for (unsigned i = 0; i < 4; i++)
        address.octets[i] = (uint8_t)(number >> (24 - 8 * i));
    return address;
}

static uint32_t add_lane(struct world *world, const char *name, const struct lab_caps *caps)
{
    world->lanes = grow(world->lanes, world->lane_count, &world->lane_room, sizeof(*world->lanes));
    world->lanes[world->lane_count] = (struct lab_lane){.name = name, .caps = *caps};
    return (uint32_t)world->lane_count++;
}

static struct lab_host *add_host(struct world *world, const char *name, unsigned addresses)
{
    world->hosts = grow(world->hosts, world->host_count, &world->host_room, sizeof(*world->hosts));
    struct lab_host *host = &world->hosts[world->host_count++];

    *host = (struct lab_host){.name = world_text(world, name), .address_count = (uint8_t)addresses};
    for (unsigned i = 0; i < addresses; i++)
        host->addresses[i] = take_address(world);
    return host;
}

static void add_mail_host(struct world *world, struct lab_domain *domain, const char *label,
                          const struct host_play *play, unsigned addresses)
{
    char name[300];

    snprintf(name, sizeof(name), "%s%s", label, domain->name);
    struct lab_host *host = add_host(world, name, addresses);
    host->play = play;
    host->style = domain->style;
    host->behaviour = domain->behaviour;
    struct lab_caps caps = world->settings.caps;
    caps.connections *= addresses; /* the cap is per address where there is no provider */
    host->lane = add_lane(world, host->name, &caps);
    domain->host_count++;
}

/* The hosts of a provider are made when the first domain needs them. */
static void use_provider(struct world *world, struct lab_domain *domain,
                         const struct behaviour *row)
{
    size_t index = 0;
    const struct lab_provider *provider = lab_provider_find(row->provider, &index);

    domain->style = (uint8_t)provider->style;
    domain->host_count = LAB_PROVIDER_HOSTS;
    domain->first_host = world->provider_hosts[index];
    if (domain->first_host != NO_HOST)
        return;
    struct lab_caps caps = {.connections = provider->connections,
                            .recipients = provider->recipients,
                            .rejects = world->settings.caps.rejects};
    uint32_t lane = add_lane(world, provider->lane_key, &caps);
    domain->first_host = world->provider_hosts[index] = (uint32_t)world->host_count;
    for (size_t i = 0; i < LAB_PROVIDER_HOSTS; i++) {
        struct lab_host *host = add_host(world, provider->mx[i], 1);

        host->play = &row->play;
        host->style = (uint8_t)provider->style;
        host->behaviour = domain->behaviour;
        host->lane = lane;
    }
}

/* All IPv6 domains share the one address there is. */
static void use_loopback6(struct world *world, struct lab_domain *domain,
                          const struct behaviour *row)
{
    domain->host_count = 1;
    if (world->loopback6_host == NO_HOST) {
        struct lab_host *host = add_host(world, "six.lab.test", 1);

        host->addresses[0] = (struct ip_address){.family = 6, .octets = {[15] = 1}};
        host->play = &row->play;
        host->behaviour = domain->behaviour;
        host->lane = add_lane(world, host->name, &world->settings.caps);
        world->loopback6_host = (uint32_t)world->host_count - 1;
    }
    domain->first_host = world->loopback6_host;
}

static void build_mail_hosts(struct world *world, struct lab_domain *domain)
{
    const struct behaviour *row = behaviour_at(domain->behaviour);

    if (row->dns == DNS_PROVIDER)
        use_provider(world, domain, row);
    else if (row->dns == DNS_IMPLICIT_AAAA)
        use_loopback6(world, domain, row);
    if (!has_mail_host(row->dns))
        return;
    domain->first_host = (uint32_t)world->host_count;
    /* An implicit MX is the domain itself. */
    add_mail_host(world, domain, row->dns == DNS_IMPLICIT_A ? "" : "mx1.", &row->play,
                  row->addresses > 0 ? row->addresses : 1);
    if (row->backup != NULL)
        add_mail_host(world, domain, "mx2.", row->backup, 1);
}

static void build_imap_host(struct world *world, struct lab_domain *domain)
{
    const struct imap_variant *variant = imap_variant_at(domain->imap);
    char name[300];

    if (variant->where == IMAP_NOWHERE || variant->where == IMAP_SRV_DENIED)
        return;
    snprintf(name, sizeof(name), "imap.%s", domain->name);
    domain->imap_host = (uint32_t)world->host_count;
    add_host(world, name, 1)->variant = variant;
}

static int compare_mailboxes(const void *a, const void *b)
{
    const struct lab_mailbox *left = a, *right = b;

    return strcasecmp(left->local, right->local);
}

static const struct lab_domain *sorting; /* qsort has no context argument in C17 */

static int compare_domains(const void *a, const void *b)
{
    const uint32_t *left = a, *right = b;

    return strcmp(sorting[*left].name, sorting[*right].name);
}

void world_build(struct world *world)
{
    world->by_name = mem_array(uint32_t, world->domain_count);
    for (size_t i = 0; i < world->domain_count; i++) {
        struct lab_domain *domain = &world->domains[i];

        build_mail_hosts(world, domain);
        build_imap_host(world, domain);
        if (domain->mailbox_count > 0)
            qsort(&world->mailboxes[domain->first_mailbox], domain->mailbox_count,
                  sizeof(struct lab_mailbox), compare_mailboxes);
        world->by_name[i] = (uint32_t)i;
    }
    sorting = world->domains;
    if (world->domain_count > 0)
        qsort(world->by_name, world->domain_count, sizeof(uint32_t), compare_domains);
}

/* --- look-ups ------------------------------------------------------------------- */

const struct lab_domain *world_find_domain(const struct world *world, const char *name)
{
    size_t low = 0, high = world->domain_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct lab_domain *domain = &world->domains[world->by_name[middle]];
        int order = strcasecmp(name, domain->name);

        if (order == 0)
            return domain;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct lab_mailbox *world_find_mailbox(const struct world *world,
                                             const struct lab_domain *domain, const char *local)
{
    const struct lab_mailbox key = {.local = local};

    if (domain->mailbox_count == 0)
        return NULL;
    return bsearch(&key, &world->mailboxes[domain->first_mailbox], domain->mailbox_count,
                   sizeof(struct lab_mailbox), compare_mailboxes);
}

bool world_serves(const struct world *world, const struct lab_host *host,
                  const struct lab_domain *domain)
{
    size_t index = (size_t)(host - world->hosts);

    return domain->first_host != NO_HOST && index >= domain->first_host &&
           index < (size_t)domain->first_host + domain->host_count;
}

bool world_has_ipv6(void)
{
    struct ip_address loopback = {.family = 6, .octets = {[15] = 1}};
    struct sockaddr_storage name;
    socklen_t length = ip_to_socket(&loopback, 0, &name);
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool works = fd >= 0 && bind(fd, (struct sockaddr *)&name, length) == 0;

    if (fd >= 0)
        close(fd);
    return works;
}
