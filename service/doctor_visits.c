#include "service/doctor_visits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"

enum {
    PATIENCE_MS = 15000,   /* somebody watches */
    SOURCES_PER_DOMAIN = 2 /* of many sources each visits two domains, not all */
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
        .source = visit->source,
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

static void visit_from(struct doctor_domain *domain, const char *host,
                       const struct ip_address *address, const struct ip_address *source)
{
    struct doctor_visits *all = domain->doctor->visits;

    if (all->count == DOCTOR_VISITS_MAX)
        return;
    struct doctor_visit *visit = &all->visits[all->count++];
    visit->doctor = domain->doctor;
    visit->domain = domain->name;
    visit->address = *address;
    visit->source = *source;
    snprintf(visit->host, sizeof(visit->host), "%s", host);
    begin(visit);
}

/* With one source every domain is visited; many share the domains among them. */
static bool is_its_turn(const struct doctor_domain *domain, size_t source, size_t sources)
{
    size_t domains = domain->doctor->visits->domain_count;

    for (size_t i = 0; i < SOURCES_PER_DOMAIN; i++)
        if ((source + i) % domains == domain->index)
            return true;
    return sources <= 1;
}

static void visit_address(struct doctor_domain *domain, const char *host,
                          const struct ip_address *address)
{
    static const struct ip_address any = {.family = 0};
    const struct config *config = domain->doctor->config;
    size_t sources = 0, number = 0;

    for (size_t i = 0; i < config->source_count; i++)
        sources += config->sources[i].family == address->family;
    if (sources == 0)
        visit_from(domain, host, address, &any);
    for (size_t i = 0; i < config->source_count; i++)
        if (config->sources[i].family == address->family && is_its_turn(domain, number++, sources))
            visit_from(domain, host, address, &config->sources[i]);
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
    for (size_t i = 0; i < all->domain_count && doctor->dns_works; i++) {
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
