#include "probes/discover/imap_look.h"

#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"

void imap_endpoint_free(struct imap_endpoint *endpoint)
{
    free(endpoint->host);
    free(endpoint->greeting);
    free(endpoint->capabilities);
    *endpoint = (struct imap_endpoint){.port = 0};
}

static void enter(struct imap_look *look, enum imap_look_state state)
{
    look->state = state;
    look->shared->changed(look->shared->context);
}

/* --- does it count? ------------------------------------------------------------------ */

static bool certificate_is_good(const struct tls_facts *tls)
{
    return tls->state == TLS_OK && tls->known && tls->name_match && tls->chain == TLS_CHAIN_TRUSTED;
}

static bool works_for_domain(const struct imap_look *look)
{
    const struct tls_facts *tls = &look->endpoint.tls;

    if (look->endpoint.state != IMAP_OK)
        return false;
    if (look->candidate->source == SOURCE_GUESS)
        return tls->state == TLS_OK && tls->known && tls->name_match;
    return look->candidate->vouched || certificate_is_good(tls);
}

/* A prefix of ours before their domain: with a wildcard in DNS any such name resolves. */
static bool is_made_up(const struct imap_look *look)
{
    const struct imap_domain *domain = look->shared->domain;

    return look->candidate->source == SOURCE_GUESS &&
           strcmp(look->candidate->host, domain->name) != 0 &&
           strcmp(look->candidate->host, domain->mx_host) != 0;
}

static void on_wildcard_answer(void *context, const struct dns_answer *answer)
{
    struct imap_look *look = context;

    look->query = NULL;
    for (size_t i = 0; i < answer->count; i++)
        if (ip_equal(&answer->records[i].address, &look->address))
            look->counts = false;
    enter(look, IMAP_LOOK_ENDED);
}

/* A good certificate settles it. Else the wildcard is looked for: the answer comes in
 * on_wildcard_answer(). */
static bool is_doubtful(struct imap_look *look)
{
    char name[DNS_NAME_SIZE];

    if (!look->counts || !is_made_up(look) || certificate_is_good(&look->endpoint.tls))
        return false;
    imap_unlikely_name(look->shared->domain->name, name);
    if (name[0] == '\0')
        return false;
    look->query = dns_ask(look->shared->params->dns, name,
                          look->address.family == 4 ? DNS_A : DNS_AAAA, on_wildcard_answer, look);
    return true;
}

/* --- asking --------------------------------------------------------------------------- */

static void keep_transcript(struct imap_look_shared *shared, const char *items)
{
    struct text *text = &shared->transcript;

    if (items == NULL || items[0] == '\0' || text->bound - text->length < strlen(items) + 1)
        return;
    if (text->length > 0)
        text_char(text, ',');
    text_put(text, items);
}

static void on_probe_done(void *context, struct imap_probe_result *result)
{
    struct imap_look *look = context;

    look->probe = NULL;
    keep_transcript(look->shared, result->transcript);
    if (result->end == IMAP_PROBE_LOCAL)
        look->shared->unsure = true;
    if (result->end == IMAP_PROBE_ASKED) {
        look->endpoint = result->endpoint;
        look->endpoint.source = look->candidate->source;
        look->has_endpoint = true;
        result->endpoint = (struct imap_endpoint){.port = 0};
        look->counts = works_for_domain(look);
    }
    enter(look, is_doubtful(look) ? IMAP_LOOK_DOUBTED : IMAP_LOOK_ENDED);
}

void imap_look_launch(struct imap_look *look)
{
    const struct imap_survey_params *params = look->shared->params;

    look->state = IMAP_LOOK_PROBING;
    look->probe = imap_probe_start(
        &(struct imap_probe_params){
            .loop = params->loop,
            .tls = params->tls,
            .host = look->candidate->host,
            .address = look->address,
            .port = look->candidate->port,
            .implicit_tls = look->candidate->implicit_tls,
            .source = params->source,
            .allowed = params->allowed,
            .connect_ms = params->connect_ms,
            .step_ms = params->step_ms,
            .transcript = params->transcript,
            .epoch_ms = look->shared->epoch_ms,
        },
        on_probe_done, look);
}

/* --- the address ------------------------------------------------------------------------ */

static void on_address(void *context, const struct dns_answer *answer);

static void ask_address(struct imap_look *look, enum dns_type type)
{
    const char *host = look->candidate->host;
    bool own = text_domain_within(host, look->shared->domain->name);

    look->state = IMAP_LOOK_RESOLVING;
    look->asked = type;
    /* a host of the domain's own is of little use to others, and the survey is remembered */
    look->query =
        (own ? dns_ask_once : dns_ask)(look->shared->params->dns, host, type, on_address, look);
}

static void on_address(void *context, const struct dns_answer *answer)
{
    struct imap_look *look = context;

    look->query = NULL;
    if (answer->status == DNS_FAILED || answer->status == DNS_TIMED_OUT)
        look->shared->unsure = true;
    if (look->asked == DNS_A && answer->status == DNS_NO_DATA) {
        ask_address(look, DNS_AAAA);
        return;
    }
    for (size_t i = 0; i < answer->count; i++) {
        if (!ip_may_connect(&answer->records[i].address, look->shared->params->allowed))
            continue;
        look->address = answer->records[i].address;
        enter(look, IMAP_LOOK_READY);
        return;
    }
    enter(look, IMAP_LOOK_ENDED);
}

void imap_look_begin(struct imap_look *look, struct imap_look_shared *shared,
                     const struct imap_candidate *candidate)
{
    *look = (struct imap_look){.shared = shared, .candidate = candidate};
    if (candidate->address.family == 0) {
        ask_address(look, DNS_A);
        return;
    }
    look->address = candidate->address;
    look->state = IMAP_LOOK_READY;
}

/* --- the end ----------------------------------------------------------------------------- */

void imap_look_cut(struct imap_look *look)
{
    if (look->state == IMAP_LOOK_PROBING) {
        look->endpoint = (struct imap_endpoint){
            .host = mem_copy_text(look->candidate->host),
            .port = look->candidate->port,
            .address = look->address,
            .security = look->candidate->implicit_tls ? SECURITY_TLS : SECURITY_STARTTLS,
            .source = look->candidate->source,
            .state = IMAP_TIMEOUT,
        };
        look->has_endpoint = true;
    }
    dns_cancel(&look->query);
    imap_probe_cancel(&look->probe);
    look->state = IMAP_LOOK_ENDED;
}

void imap_look_drop(struct imap_look *look)
{
    dns_cancel(&look->query);
    imap_probe_cancel(&look->probe);
    if (look->has_endpoint)
        imap_endpoint_free(&look->endpoint);
    *look = (struct imap_look){.state = IMAP_LOOK_ENDED};
}
