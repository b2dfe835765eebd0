/* Stages in the order of trust; a stage ends when all its looks have ended, or, where we guess, at
 * the first look that counts. Looks run side by side, but never two at one address.
 *
 * Guesses go out one after the other: the next one starts when the last has failed, or has kept us
 * waiting for a while. Most domains so cost one connection, and a silent host costs a second. */
#include "probes/discover/imap_survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/discover/imap_candidates.h"
#include "probes/discover/imap_look.h"

enum {
    LOOKS_AT_ONCE = 3,
    GUESS_PATIENCE_MS = 1000,
    LIFETIME_MS = 24 * 3600 * 1000,
    LIFETIME_UNSURE_MS = 15 * 60 * 1000, /* DNS or time failed us: ask again soon */
    TRANSCRIPT_MAX = 4 * IMAP_TRANSCRIPT_MAX
};

enum stage { STAGE_TABLE, STAGE_SRV, STAGE_GUESS };

struct imap_survey {
    struct imap_survey_params params;
    struct imap_domain domain; /* its strings are the two below */
    char *name, *mx_host;      /* owned */
    enum mx_outcome mx_outcome;
    imap_survey_done_fn *done;
    void *context;
    enum stage stage;
    struct loop_timer start, budget, patience;
    struct dns_query *srv_tls, *srv_starttls;
    struct imap_candidates candidates; /* of this stage, a look for each */
    struct imap_look looks[IMAP_CANDIDATES_MAX];
    struct imap_look_shared shared;
    struct imap_evidence *evidence;
};

/* --- the end ---------------------------------------------------------------------- */

static void drop_looks(struct imap_survey *survey)
{
    for (size_t i = 0; i < survey->candidates.count; i++)
        imap_look_drop(&survey->looks[i]);
    survey->candidates.count = 0;
    loop_timer_stop(&survey->patience);
}

static void free_survey(struct imap_survey *survey)
{
    drop_looks(survey);
    dns_cancel(&survey->srv_tls);
    dns_cancel(&survey->srv_starttls);
    loop_timer_stop(&survey->start);
    loop_timer_stop(&survey->budget);
    text_free(&survey->shared.transcript);
    imap_evidence_drop(&survey->evidence);
    free(survey->name);
    free(survey->mx_host);
    free(survey);
}

/* Takes what `endpoint` owns. When the list is full, the last one makes room for one before it. */
static void put(struct imap_evidence *evidence, size_t at, struct imap_endpoint *endpoint)
{
    if (at == IMAP_ENDPOINTS_MAX) {
        imap_endpoint_free(endpoint);
        return;
    }
    if (evidence->count == IMAP_ENDPOINTS_MAX)
        imap_endpoint_free(&evidence->endpoints[--evidence->count]);
    evidence->endpoints =
        mem_resize(evidence->endpoints, (evidence->count + 1u) * sizeof(*endpoint));
    memmove(&evidence->endpoints[at + 1], &evidence->endpoints[at],
            (evidence->count - at) * sizeof(*endpoint));
    evidence->endpoints[at] = *endpoint;
    *endpoint = (struct imap_endpoint){.port = 0};
    evidence->count++;
}

/* Those that count to the front, in their order; the others behind. Returns how many count. */
static size_t report_looks(struct imap_survey *survey)
{
    size_t counting = 0;

    for (size_t i = 0; i < survey->candidates.count; i++) {
        struct imap_look *look = &survey->looks[i];

        if (!look->has_endpoint)
            continue;
        put(survey->evidence, look->counts ? counting : survey->evidence->count, &look->endpoint);
        counting += look->counts ? 1 : 0;
        look->has_endpoint = false;
    }
    drop_looks(survey);
    return counting;
}

static void report_not_offered(struct imap_survey *survey, bool implicit_tls,
                               enum endpoint_source source)
{
    struct imap_endpoint endpoint = {
        .host = mem_copy_text(survey->name),
        .port = implicit_tls ? survey->domain.ports.tls : survey->domain.ports.starttls,
        .security = implicit_tls ? SECURITY_TLS : SECURITY_STARTTLS,
        .source = source,
        .state = IMAP_NOT_OFFERED,
    };

    put(survey->evidence, survey->evidence->count, &endpoint);
}

static void finish(struct imap_survey *survey)
{
    struct imap_evidence *evidence = survey->evidence;

    survey->evidence = NULL;
    evidence->expires_ms = loop_now_ms(survey->params.loop) +
                           (survey->shared.unsure ? LIFETIME_UNSURE_MS : LIFETIME_MS);
    if (survey->params.transcript)
        evidence->transcript = text_take(&survey->shared.transcript);
    survey->done(survey->context, evidence);
    free_survey(survey);
}

/* --- many looks ------------------------------------------------------------------------ */

static size_t looks_in(const struct imap_survey *survey, enum imap_look_state state)
{
    size_t count = 0;

    for (size_t i = 0; i < survey->candidates.count; i++)
        count += survey->looks[i].state == state ? 1 : 0;
    return count;
}

/* The same address and port already showed that no other name will help there. */
static bool is_hopeless(const struct imap_survey *survey, const struct imap_look *look)
{
    for (size_t i = 0; i < survey->candidates.count; i++) {
        const struct imap_look *other = &survey->looks[i];

        if (other->has_endpoint && other->candidate->port == look->candidate->port &&
            ip_equal(&other->address, &look->address) && other->endpoint.state != IMAP_OK &&
            other->endpoint.state != IMAP_TLS_FAILED)
            return true;
    }
    return false;
}

static bool address_is_busy(const struct imap_survey *survey, const struct imap_look *look)
{
    for (size_t i = 0; i < survey->candidates.count; i++)
        if (survey->looks[i].state == IMAP_LOOK_PROBING &&
            ip_equal(&survey->looks[i].address, &look->address))
            return true;
    return false;
}

/* Must the guesses behind `look` wait for it? */
static bool holds_the_others(const struct imap_survey *survey, const struct imap_look *look)
{
    return look->state == IMAP_LOOK_RESOLVING || look->state == IMAP_LOOK_DOUBTED ||
           (look->state == IMAP_LOOK_PROBING && loop_timer_running(&survey->patience));
}

static void launch(struct imap_survey *survey)
{
    bool guessing = survey->stage == STAGE_GUESS;

    for (size_t i = 0; i < survey->candidates.count; i++) {
        struct imap_look *look = &survey->looks[i];

        if (look->state == IMAP_LOOK_READY && guessing && is_hopeless(survey, look))
            look->state = IMAP_LOOK_ENDED;
        if (look->state == IMAP_LOOK_READY && !address_is_busy(survey, look) &&
            looks_in(survey, IMAP_LOOK_PROBING) < LOOKS_AT_ONCE) {
            imap_look_launch(look);
            if (guessing)
                loop_timer_start(&survey->patience, GUESS_PATIENCE_MS);
        }
        if (guessing && holds_the_others(survey, look))
            return;
    }
}

static bool was_asked(const struct imap_survey *survey, const struct imap_candidate *candidate)
{
    for (size_t i = 0; i < survey->evidence->count; i++)
        if (survey->evidence->endpoints[i].port == candidate->port &&
            survey->evidence->endpoints[i].state != IMAP_NOT_OFFERED &&
            strcmp(survey->evidence->endpoints[i].host, candidate->host) == 0)
            return true;
    return false;
}

static void begin_looks(struct imap_survey *survey)
{
    for (size_t i = 0; i < survey->candidates.count; i++) {
        const struct imap_candidate *candidate = &survey->candidates.items[i];

        if (was_asked(survey, candidate))
            survey->looks[i] = (struct imap_look){.state = IMAP_LOOK_ENDED};
        else
            imap_look_begin(&survey->looks[i], &survey->shared, candidate);
    }
}

/* --- stages ------------------------------------------------------------------------------ */

static void advance(struct imap_survey *survey);

/* False: the table says that there is none. */
static bool begin_table(struct imap_survey *survey)
{
    struct provider_imap table = provider_imap(survey->name, survey->params.provider);

    if (table.known && !table.offered) {
        report_not_offered(survey, true, SOURCE_TABLE);
        return false;
    }
    imap_candidates_from_table(&survey->candidates, &table, &survey->domain);
    begin_looks(survey);
    return true;
}

static void take_srv(struct imap_survey *survey, const struct dns_answer *answer, bool implicit_tls)
{
    if (answer->status == DNS_FAILED || answer->status == DNS_TIMED_OUT)
        survey->shared.unsure = true;
    imap_candidates_add_srv(&survey->candidates, answer, implicit_tls, &survey->domain);
    if (survey->srv_tls != NULL || survey->srv_starttls != NULL)
        return; /* priorities count across both */
    imap_candidates_sort(&survey->candidates);
    begin_looks(survey);
    advance(survey);
}

static void on_srv_tls(void *context, const struct dns_answer *answer)
{
    struct imap_survey *survey = context;

    survey->srv_tls = NULL;
    take_srv(survey, answer, true);
}

static void on_srv_starttls(void *context, const struct dns_answer *answer)
{
    struct imap_survey *survey = context;

    survey->srv_starttls = NULL;
    take_srv(survey, answer, false);
}

/* NULL: below so long a domain there can be no such name. */
static struct dns_query *ask_srv(struct imap_survey *survey, const char *service, dns_done_fn *done)
{
    char name[DNS_NAME_SIZE + 16];

    if (snprintf(name, sizeof(name), "%s._tcp.%s", service, survey->name) > DNS_NAME_SIZE - 3)
        return NULL;
    return dns_ask_once(survey->params.dns, name, DNS_SRV, done, survey);
}

/* A domain that does not exist has nothing below it (RFC 8020). */
static void begin_srv(struct imap_survey *survey)
{
    if (survey->mx_outcome == MX_NO_DOMAIN)
        return;
    survey->srv_tls = ask_srv(survey, "_imaps", on_srv_tls);
    survey->srv_starttls = ask_srv(survey, "_imap", on_srv_starttls);
}

/* Where nothing takes mail nobody need be disturbed by guesses. */
static void begin_guess(struct imap_survey *survey)
{
    if (survey->mx_outcome == MX_NO_DOMAIN || survey->mx_outcome == MX_NULL)
        return;
    imap_candidates_guess(&survey->candidates, &survey->domain);
    begin_looks(survey);
}

/* Have the looks of this stage said what they can? */
static bool stage_is_over(const struct imap_survey *survey)
{
    if (survey->srv_tls != NULL || survey->srv_starttls != NULL)
        return false;
    for (size_t i = 0; i < survey->candidates.count; i++)
        if (survey->stage == STAGE_GUESS && survey->looks[i].counts &&
            survey->looks[i].state == IMAP_LOOK_ENDED)
            return true;
    return looks_in(survey, IMAP_LOOK_ENDED) == survey->candidates.count;
}

static void report_srv_denials(struct imap_survey *survey)
{
    if (survey->candidates.denied_tls)
        report_not_offered(survey, true, SOURCE_SRV);
    if (survey->candidates.denied_starttls)
        report_not_offered(survey, false, SOURCE_SRV);
}

/* False: the search is over. */
static bool enter_next_stage(struct imap_survey *survey)
{
    bool found = report_looks(survey) > 0;

    switch (survey->stage) {
    case STAGE_TABLE:
        survey->stage = STAGE_SRV;
        if (!found)
            begin_srv(survey);
        return !found;
    case STAGE_SRV:
        report_srv_denials(survey);
        survey->stage = STAGE_GUESS;
        if (!found)
            begin_guess(survey);
        return !found;
    case STAGE_GUESS:
        break;
    }
    return false;
}

/* The one place that moves the survey: after every event. It may end it. */
static void advance(struct imap_survey *survey)
{
    for (;;) {
        if (!stage_is_over(survey))
            launch(survey);
        if (!stage_is_over(survey))
            return;
        if (!enter_next_stage(survey)) {
            finish(survey);
            return;
        }
    }
}

static void on_change(void *context) { advance(context); }

static void on_start(void *context)
{
    struct imap_survey *survey = context;

    if (begin_table(survey))
        advance(survey);
    else
        finish(survey);
}

/* Time is up: who is still being asked counts as silent. */
static void on_budget(void *context)
{
    struct imap_survey *survey = context;

    survey->shared.unsure = true;
    for (size_t i = 0; i < survey->candidates.count; i++)
        imap_look_cut(&survey->looks[i]);
    report_looks(survey);
    finish(survey);
}

/* --- beginning ------------------------------------------------------------------------------ */

static void take_mx(struct imap_survey *survey, const struct mx_evidence *mx)
{
    const struct mx_host *host = mx != NULL && mx->host_count > 0 ? &mx->hosts[0] : NULL;
    bool usable = host != NULL && host->state == MX_HOST_OK;

    survey->mx_host = mem_copy_text(usable ? host->name : "");
    survey->domain.mx_host = survey->mx_host;
    survey->mx_outcome = mx != NULL ? mx->outcome : MX_PENDING;
    if (!usable)
        return;
    for (size_t i = host->address_count; i > 0; i--) {
        const struct ip_address *address = &mx->addresses[host->first_address + i - 1];

        if (ip_may_connect(address, survey->params.allowed))
            survey->domain.mx_address = *address; /* the first one stays */
    }
}

struct imap_survey *imap_survey_start(const struct imap_survey_params *params,
                                      imap_survey_done_fn *done, void *context)
{
    struct imap_survey *survey = mem_new(struct imap_survey);

    survey->params = *params;
    survey->done = done;
    survey->context = context;
    survey->evidence = imap_evidence_new();
    survey->name = mem_copy_text(params->domain);
    survey->domain = (struct imap_domain){
        .name = survey->name,
        .provider = params->provider,
        .ports = params->ports,
    };
    take_mx(survey, params->mx);
    survey->params.domain = survey->name; /* the caller's are only for this call */
    survey->params.mx = NULL;
    survey->shared = (struct imap_look_shared){
        .params = &survey->params,
        .domain = &survey->domain,
        .epoch_ms = loop_now_ms(params->loop),
        .changed = on_change,
        .context = survey,
    };
    text_init(&survey->shared.transcript, TRANSCRIPT_MAX);
    loop_timer_init(&survey->start, params->loop, on_start, survey);
    loop_timer_init(&survey->budget, params->loop, on_budget, survey);
    loop_timer_init(&survey->patience, params->loop, on_change, survey);
    loop_timer_start(&survey->start, 0);
    loop_timer_start(&survey->budget, params->budget_ms);
    return survey;
}

void imap_survey_cancel(struct imap_survey **survey)
{
    if (*survey == NULL)
        return;
    free_survey(*survey);
    *survey = NULL;
}
