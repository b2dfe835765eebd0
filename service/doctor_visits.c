#include "service/doctor_visits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"

enum {
    PATIENCE_MS = 15000, /* somebody watches */
    DOMAINS_PER_WAY = 2  /* of many ways each visits two domains, not all */
};

/* --- one visit ---------------------------------------------------------------------------- */

static enum smtp_next on_next(void *context, struct smtp_task *task)
{
    (void)context;
    (void)task;
    return SMTP_NEXT_QUIT;
}

static void on_answer(void *context, const struct smtp_answer *answer)
{
    (void)context; /* nothing is asked, so nothing is answered */
    (void)answer;
}

static void on_end(void *context, const struct smtp_session_end *end)
{
    struct doctor_visit *visit = context;

    visit->session = NULL;
    visit->end = end->end;
    visit->stage = end->stage;
    if (end->reply.code != 0)
        smtp_reply_facts_copy(&visit->refusal, &end->reply);
    if (end->server != NULL) {
        visit->greeted = true;
        visit->greeting_ms = end->server->connect_ms + end->server->greeting_ms;
        visit->ours = end->server->ours;
        visit->tls = end->server->tls;
    }
    doctor_arrived(visit->doctor);
}

static uint32_t at_most(uint32_t setting_ms)
{
    return setting_ms < PATIENCE_MS ? setting_ms : PATIENCE_MS;
}

static void begin(struct doctor_visit *visit)
{
    static const struct smtp_session_handler handler = {on_next, on_answer, on_end};
    struct doctor *doctor = visit->doctor;
    const struct config *config = doctor->config;

    text_init(&visit->transcript, DOCTOR_TRANSCRIPT_MAX);
    doctor_wait(doctor);
    visit->session = smtp_session_start(&(struct smtp_session_params){
        .loop = doctor->loop,
        .tls = doctor->tls,
        .host = visit->host,
        .address = visit->address,
        .port = config->port_smtp,
        .source = visit->way->source,
        .proxy = visit->way->is_proxy ? &visit->way->proxy : NULL,
        .allowed = &config->allowed,
        .hello_name = strchr(config->hello_name, '.') != NULL ? config->hello_name : "",
        .waits = {at_most(config->timeout_connect_ms), at_most(config->timeout_greeting_ms),
                  at_most(config->timeout_command_ms), at_most(config->timeout_recipient_ms),
                  at_most(config->timeout_quit_ms)},
        .transcript = &visit->transcript,
        .handler = &handler,
        .context = visit,
    });
}

/* --- who visits whom ------------------------------------------------------------------------ */

static void visit_by(struct doctor_domain *domain, const char *host,
                     const struct ip_address *address, const struct mail_route *way)
{
    struct doctor_visits *all = domain->doctor->visits;

    if (all->count == DOCTOR_VISITS_MAX)
        return;
    struct doctor_visit *visit = &all->visits[all->count++];
    visit->doctor = domain->doctor;
    visit->domain = domain->name;
    visit->address = *address;
    visit->way = way;
    snprintf(visit->host, sizeof(visit->host), "%s", host);
    begin(visit);
}

/* The only way visits every domain; many share the domains among them. */
static bool is_its_turn(const struct doctor_domain *domain, size_t way, size_t ways)
{
    size_t domains = domain->doctor->visits->domain_count;

    for (size_t i = 0; i < DOMAINS_PER_WAY; i++)
        if ((way + i) % domains == domain->index)
            return true;
    return ways <= 1;
}

/* The ways in use that can reach the family; there is always the system's choice. */
static size_t ways_to(const struct routes *routes, uint8_t family,
                      const struct mail_route *ways[ROUTES_MAX])
{
    size_t count = 0;

    for (unsigned i = 0; i < routes->count; i++) {
        const struct mail_route *way = &routes->items[i];

        if ((routes->used & (route_set)1 << i) != 0 &&
            (way->source.family == 0 || way->source.family == family))
            ways[count++] = way;
    }
    if (count == 0)
        ways[count++] = &routes->items[ROUTE_SYSTEM];
    return count;
}

static void visit_address(struct doctor_domain *domain, const char *host,
                          const struct ip_address *address)
{
    const struct mail_route *ways[ROUTES_MAX];
    size_t count = ways_to(domain->doctor->routes, address->family, ways);

    for (size_t i = 0; i < count; i++)
        if (is_its_turn(domain, i, count))
            visit_by(domain, host, address, ways[i]);
}

static const struct mx_host *best_host(const struct mx_evidence *mx)
{
    for (size_t i = 0; i < mx->host_count; i++)
        if (mx->hosts[i].state == MX_HOST_OK && mx->hosts[i].address_count > 0)
            return &mx->hosts[i];
    return NULL;
}

/* The first address of each family of the best host. */
static void on_mx(void *context, struct mx_evidence *mx)
{
    struct doctor_domain *domain = context;
    const struct mx_host *host = best_host(mx);
    bool taken[2] = {false, false};

    domain->outcome = mx->outcome;
    for (size_t i = 0; host != NULL && i < host->address_count; i++) {
        const struct ip_address *address = &mx->addresses[host->first_address + i];
        bool *family = &taken[address->family == 6];

        if (!*family)
            visit_address(domain, host->name, address);
        *family = true;
    }
    mx_evidence_drop(&mx);
    doctor_arrived(domain->doctor);
}

void doctor_visits_start(struct doctor *doctor)
{
    struct doctor_visits *all = doctor->visits = mem_new(struct doctor_visits);
    const char *names[DOCTOR_WORDS_MAX];

    all->domain_count = doctor_words(doctor->config->doctor_hosts, names, &all->words);
    for (size_t i = 0; i < all->domain_count && doctor->dns_works && doctor->routes != NULL; i++) {
        struct doctor_domain *domain = &all->domains[i];

        *domain = (struct doctor_domain){.doctor = doctor, .name = names[i], .index = i};
        doctor_wait(doctor);
        mx_lookup_start(doctor->mx, names[i], on_mx, domain);
    }
}

void doctor_visits_free(struct doctor_visits **visits)
{
    struct doctor_visits *gone = *visits;

    *visits = NULL;
    if (gone == NULL)
        return;
    for (size_t i = 0; i < gone->count; i++) {
        text_free(&gone->visits[i].transcript);
        smtp_reply_facts_clear(&gone->visits[i].refusal);
    }
    free(gone->words);
    free(gone);
}
