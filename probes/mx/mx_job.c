/* mx_job.c - RFC 5321 section 5.1 for one domain.
 *
 *   1. MX of the domain. "." alone: it takes no mail (RFC 7505). Others: their addresses.
 *   2. No MX: the domain itself is the host, if it has an address (implicit MX).
 *   3. No such domain: its A has to say so too, since broken servers deny names whose MX
 *      they do not know.
 *   4. A and AAAA of every target at once; without IPv6 of our own, AAAA only where A brought
 *      nothing. Once the best host is known, the others get REST_WAIT_MS more; what is not
 *      answered then is unknown, not bad. */
#include "probes/mx/mx_job.h"

#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "probes/mx/mx_target.h"

enum {
    HOST_ADDRESSES_MAX = 8, /* of one host and family: no host may fill the list alone */
    REST_WAIT_MS = 1000,
    TTL_NEGATIVE_MAX_S = 900,
    TTL_BOGUS_S = 60,
    TTL_FAILURE_S = 10,
    TTL_UNKNOWN_HOST_S = 60
};

enum stage { STAGE_MX, STAGE_CONFIRM, STAGE_ADDRESSES };
enum { LOOKUP_A, LOOKUP_AAAA, LOOKUP_COUNT };
enum lookup_state { LOOKUP_NOT_ASKED, LOOKUP_ASKED, LOOKUP_ANSWERED };

struct lookup {
    struct mx_job *job;
    struct dns_query *query;
    enum lookup_state state;
    enum dns_status status;
    bool authentic;
    bool special; /* an address nobody may connect to was among them */
    uint8_t host, count;
    struct ip_address addresses[HOST_ADDRESSES_MAX];
};

struct mx_job {
    struct mx_params params;
    uint64_t *random;
    char *domain;
    enum stage stage;
    bool hurried; /* the best host is known */
    uint64_t deadline_ms;
    struct loop_timer timer;
    struct dns_query *mx_query;
    struct mx_evidence *evidence;
    struct lookup (*lookups)[LOOKUP_COUNT]; /* a row for each host, once they are known */
    size_t row_count;
    unsigned pending;
    uint32_t ttl_s;
    mx_job_done_fn *done;
    void *context;
};

/* --- the end ---------------------------------------------------------------------------- */

void mx_job_cancel(struct mx_job **job)
{
    struct mx_job *gone = *job;

    *job = NULL;
    if (gone == NULL)
        return;
    loop_timer_stop(&gone->timer);
    dns_cancel(&gone->mx_query);
    for (size_t i = 0; i < gone->row_count; i++)
        for (size_t k = 0; k < LOOKUP_COUNT; k++)
            dns_cancel(&gone->lookups[i][k].query);
    free(gone->lookups);
    mx_evidence_drop(&gone->evidence);
    free(gone->domain);
    free(gone);
}

static uint32_t lifetime_s(const struct mx_job *job, enum mx_outcome outcome)
{
    uint32_t most = UINT32_MAX;

    switch (outcome) {
    case MX_FOUND:
        most = job->evidence->have_unknown_host ? TTL_UNKNOWN_HOST_S : UINT32_MAX;
        break;
    case MX_NO_DOMAIN:
    case MX_NO_HOST:
    case MX_PRIVATE:
    case MX_UNUSABLE:
        most = TTL_NEGATIVE_MAX_S;
        break;
    case MX_BOGUS:
        return TTL_BOGUS_S;
    case MX_TIMEOUT:
    case MX_FAILURE:
        return TTL_FAILURE_S;
    case MX_NULL:
    case MX_PENDING:
    case MX_OUTCOME_COUNT:
        break;
    }
    return job->ttl_s < most ? job->ttl_s : most;
}

/* The domain was taken for its own host, and turned out to have none. */
static void forget_hosts(struct mx_evidence *evidence)
{
    for (size_t i = 0; i < evidence->host_count; i++)
        free(evidence->hosts[i].name);
    evidence->host_count = evidence->address_count = 0;
    evidence->implicit = false;
}

static void finish(struct mx_job *job, enum mx_outcome outcome)
{
    struct mx_evidence *evidence = job->evidence;
    mx_job_done_fn *done = job->done;
    void *context = job->context;

    if (outcome == MX_NO_DOMAIN || outcome == MX_NO_HOST || job->stage == STAGE_CONFIRM)
        forget_hosts(evidence);
    mx_evidence_fit(evidence);
    evidence->outcome = outcome;
    evidence->expires_ms =
        loop_now_ms(job->params.loop) + (uint64_t)lifetime_s(job, outcome) * 1000u;
    job->evidence = NULL;
    mx_job_cancel(&job);
    done(context, evidence);
}

/* --- judging ------------------------------------------------------------------------------- */

/* What a question that found nothing comes to. */
static enum mx_outcome outcome_of_failure(enum dns_status status)
{
    switch (status) {
    case DNS_TIMED_OUT:
        return MX_TIMEOUT;
    case DNS_BOGUS:
        return MX_BOGUS;
    case DNS_FAILED:
    case DNS_LOOP:
    case DNS_FOUND:
    case DNS_NO_DATA:
    case DNS_NO_NAME:
        break;
    }
    return MX_FAILURE;
}

/* Does the answer leave open whether there is an address? A CNAME loop is a fault of the
 * target and final; at the domain itself it counts as the resolver's failure. */
static bool is_open(const struct mx_job *job, const struct lookup *lookup)
{
    switch (lookup->status) {
    case DNS_FAILED:
    case DNS_BOGUS:
    case DNS_TIMED_OUT:
        return true;
    case DNS_LOOP:
        return job->evidence->implicit;
    case DNS_FOUND:
    case DNS_NO_DATA:
    case DNS_NO_NAME:
        break;
    }
    return false;
}

static enum mx_host_state judge_host(const struct mx_job *job, const struct lookup lookups[])
{
    bool open = false, special = false;

    for (size_t k = 0; k < LOOKUP_COUNT; k++) {
        if (lookups[k].count > 0)
            return MX_HOST_OK;
        open = open || is_open(job, &lookups[k]);
        special = special || lookups[k].special;
    }
    return open ? MX_HOST_UNKNOWN : special ? MX_HOST_PRIVATE : MX_HOST_NO_ADDRESS;
}

/* IPv4 first: mail servers are stricter with senders that come over IPv6. */
static void place_addresses(struct mx_evidence *evidence, struct mx_host *host,
                            const struct lookup lookups[])
{
    host->first_address = evidence->address_count;
    for (size_t k = 0; k < LOOKUP_COUNT; k++)
        for (size_t i = 0; i < lookups[k].count && evidence->address_count < MX_ADDRESSES_MAX &&
                           host->address_count < HOST_ADDRESSES_MAX;
             i++) {
            evidence->addresses[evidence->address_count++] = lookups[k].addresses[i];
            host->address_count++;
        }
}

static bool addresses_are_authentic(const struct lookup lookups[])
{
    bool found = false;

    for (size_t k = 0; k < LOOKUP_COUNT; k++) {
        if (lookups[k].count == 0)
            continue;
        found = true;
        if (!lookups[k].authentic)
            return false;
    }
    return found;
}

/* The strongest of what kept hosts from being known. */
static enum mx_outcome trouble(const struct mx_job *job)
{
    bool timed_out = false, bogus = false;

    for (size_t i = 0; i < job->evidence->host_count; i++)
        for (size_t k = 0; k < LOOKUP_COUNT; k++) {
            timed_out = timed_out || job->lookups[i][k].status == DNS_TIMED_OUT;
            bogus = bogus || job->lookups[i][k].status == DNS_BOGUS;
        }
    return timed_out ? MX_TIMEOUT : bogus ? MX_BOGUS : MX_FAILURE;
}

static void judge(struct mx_job *job)
{
    struct mx_evidence *evidence = job->evidence;
    unsigned seen[MX_HOST_UNKNOWN + 1] = {0};

    for (size_t i = 0; i < evidence->host_count; i++) {
        struct mx_host *host = &evidence->hosts[i];

        if (host->state != MX_HOST_BAD_NAME)
            host->state = judge_host(job, job->lookups[i]);
        host->authentic = addresses_are_authentic(job->lookups[i]);
        place_addresses(evidence, host, job->lookups[i]);
        seen[host->state]++;
    }
    evidence->have_unknown_host = seen[MX_HOST_UNKNOWN] > 0;
    if (seen[MX_HOST_OK] > 0)
        finish(job, MX_FOUND);
    else if (seen[MX_HOST_UNKNOWN] > 0)
        finish(job, trouble(job));
    else if (seen[MX_HOST_PRIVATE] > 0)
        finish(job, MX_PRIVATE);
    else
        finish(job, evidence->implicit ? MX_NO_HOST : MX_UNUSABLE);
}

/* --- addresses ------------------------------------------------------------------------------- */

static void note_answer(struct mx_job *job, const struct dns_answer *answer)
{
    if (!answer->from_cache)
        job->evidence->queries++;
    if (answer->status != DNS_FAILED && answer->status != DNS_TIMED_OUT &&
        answer->ttl_s < job->ttl_s)
        job->ttl_s = answer->ttl_s;
}

static bool is_settled(const struct lookup lookups[])
{
    return lookups[LOOKUP_A].state != LOOKUP_ASKED && lookups[LOOKUP_AAAA].state != LOOKUP_ASKED;
}

/* Has a host an address, and is none that comes before it still to be answered for? */
static bool best_is_known(const struct mx_job *job)
{
    for (size_t i = 0; i < job->evidence->host_count; i++) {
        const struct lookup *lookups = job->lookups[i];

        if (lookups[LOOKUP_A].count > 0 || lookups[LOOKUP_AAAA].count > 0)
            return true;
        if (!is_settled(lookups))
            return false;
    }
    return false;
}

static void hurry(struct mx_job *job)
{
    uint64_t now_ms = loop_now_ms(job->params.loop);

    job->hurried = true;
    if (now_ms + REST_WAIT_MS < job->deadline_ms)
        loop_timer_start(&job->timer, REST_WAIT_MS);
}

static void take_addresses(struct lookup *lookup, const struct dns_answer *answer)
{
    for (size_t i = 0; i < answer->count; i++) {
        const struct ip_address *address = &answer->records[i].address;

        if (!ip_may_connect(address, lookup->job->params.allowed))
            lookup->special = true;
        else if (lookup->count < HOST_ADDRESSES_MAX)
            lookup->addresses[lookup->count++] = *address;
    }
}

static void ask_address(struct mx_job *job, size_t host, size_t which);

/* AAAA comes after A where we have no IPv6 ourselves: for a host whose only hope it is. */
static bool wants_ipv6(const struct mx_job *job, size_t host)
{
    const struct lookup *lookups = job->lookups[host];

    return lookups[LOOKUP_AAAA].state == LOOKUP_NOT_ASKED &&
           (job->params.have_ipv6 || lookups[LOOKUP_A].count == 0);
}

static void go_on(struct mx_job *job, size_t host)
{
    if (wants_ipv6(job, host))
        ask_address(job, host, LOOKUP_AAAA);
    if (job->pending == 0)
        judge(job);
    else if (!job->hurried && best_is_known(job))
        hurry(job);
}

/* The domain was denied by its MX; this was its A. */
static void confirm(struct mx_job *job, const struct dns_answer *answer)
{
    if (answer->status == DNS_NO_NAME) {
        finish(job, MX_NO_DOMAIN);
    } else if (is_open(job, &job->lookups[0][LOOKUP_A])) {
        finish(job, outcome_of_failure(answer->status));
    } else { /* it exists after all: without MX, it is its own host */
        job->stage = STAGE_ADDRESSES;
        go_on(job, 0);
    }
}

static void on_address(void *context, const struct dns_answer *answer)
{
    struct lookup *lookup = context;
    struct mx_job *job = lookup->job;
    struct mx_host *host = &job->evidence->hosts[lookup->host];

    lookup->query = NULL;
    lookup->state = LOOKUP_ANSWERED;
    lookup->status = answer->status;
    job->pending--;
    note_answer(job, answer);
    take_addresses(lookup, answer);
    lookup->authentic = answer->authentic;
    host->alias = host->alias || answer->alias;
    if (job->stage == STAGE_CONFIRM)
        confirm(job, answer);
    else
        go_on(job, lookup->host);
}

static void ask_address(struct mx_job *job, size_t host, size_t which)
{
    struct lookup *lookup = &job->lookups[host][which];
    const char *name = job->evidence->hosts[host].name;

    lookup->job = job;
    lookup->host = (uint8_t)host;
    lookup->state = LOOKUP_ASKED;
    lookup->status = DNS_TIMED_OUT; /* until an answer says otherwise */
    /* a host of the domain's own is of little use to others, and mx.c keeps what we find */
    bool own = text_domain_within(name, job->domain);
    lookup->query = (own ? dns_ask_once : dns_ask)(
        job->params.dns, name, which == LOOKUP_A ? DNS_A : DNS_AAAA, on_address, lookup);
    job->pending++;
}

/* All hosts are known: no row moves any more. */
static void make_rows(struct mx_job *job)
{
    job->row_count = job->evidence->host_count;
    job->lookups = mem_zeroed(job->row_count, sizeof(*job->lookups));
}

static void ask_addresses(struct mx_job *job)
{
    job->stage = STAGE_ADDRESSES;
    make_rows(job);
    for (size_t i = 0; i < job->evidence->host_count; i++)
        if (job->evidence->hosts[i].state != MX_HOST_BAD_NAME) {
            ask_address(job, i, LOOKUP_A);
            if (job->params.have_ipv6)
                ask_address(job, i, LOOKUP_AAAA);
        }
    if (job->pending == 0)
        judge(job);
}

/* --- mail exchangers -------------------------------------------------------------------------- */

/* splitmix64: for shuffling only. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Equal preferences MUST be tried in random order: shuffle, then sort without disturbing equals. */
static void order_exchanges(struct mx_job *job, const struct dns_record *order[], size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = next_random(job->random) % i;
        const struct dns_record *moved = order[i - 1];

        order[i - 1] = order[other];
        order[other] = moved;
    }
    for (size_t i = 1; i < count; i++) {
        const struct dns_record *moved = order[i];
        size_t at = i;

        for (; at > 0 && order[at - 1]->preference > moved->preference; at--)
            order[at] = order[at - 1];
        order[at] = moved;
    }
}

static bool is_listed(const struct mx_evidence *evidence, const char *name)
{
    for (size_t i = 0; i < evidence->host_count; i++)
        if (strcmp(evidence->hosts[i].name, name) == 0)
            return true;
    return false;
}

static void add_host(struct mx_evidence *evidence, const char *name, uint16_t preference)
{
    struct mx_host *host;

    if (evidence->host_count == MX_HOSTS_MAX || is_listed(evidence, name))
        return;
    host = &evidence->hosts[evidence->host_count++];
    host->name = mem_copy_text(name);
    host->preference = preference;
}

static void take_exchanges(struct mx_job *job, const struct dns_answer *answer)
{
    const struct dns_record *order[DNS_RECORDS_MAX];
    struct mx_evidence *evidence = job->evidence;
    size_t count = 0;

    for (size_t i = 0; i < answer->count; i++)
        if (answer->records[i].name[0] != '\0')
            order[count++] = &answer->records[i];
    if (count == 0) { /* nothing but "." */
        finish(job, MX_NULL);
        return;
    }
    evidence->null_with_others = count < answer->count;
    order_exchanges(job, order, count);
    for (size_t i = 0; i < count; i++)
        add_host(evidence, order[i]->name, order[i]->preference);
    for (size_t i = 0; i < evidence->host_count; i++)
        if (!mx_target_is_usable(evidence->hosts[i].name))
            evidence->hosts[i].state = MX_HOST_BAD_NAME;
    ask_addresses(job);
}

static void on_mx(void *context, const struct dns_answer *answer)
{
    struct mx_job *job = context;

    job->mx_query = NULL;
    note_answer(job, answer);
    job->evidence->authentic = answer->authentic;
    job->evidence->alias = answer->alias;
    switch (answer->status) {
    case DNS_FOUND:
        take_exchanges(job, answer);
        break;
    case DNS_NO_DATA:
        job->evidence->implicit = true;
        add_host(job->evidence, job->domain, 0);
        ask_addresses(job);
        break;
    case DNS_NO_NAME:
        job->evidence->implicit = true;
        add_host(job->evidence, job->domain, 0);
        job->stage = STAGE_CONFIRM;
        make_rows(job);
        ask_address(job, 0, LOOKUP_A);
        break;
    case DNS_FAILED:
    case DNS_BOGUS:
    case DNS_LOOP:
    case DNS_TIMED_OUT:
        finish(job, outcome_of_failure(answer->status));
        break;
    }
}

/* Out of time: what was not answered stays DNS_TIMED_OUT. */
static void on_budget(void *context)
{
    struct mx_job *job = context;

    if (job->stage == STAGE_ADDRESSES)
        judge(job);
    else
        finish(job, MX_TIMEOUT);
}

struct mx_job *mx_job_start(const struct mx_params *params, uint64_t *random, const char *domain,
                            mx_job_done_fn *done, void *context)
{
    struct mx_job *job = mem_new(struct mx_job);

    job->params = *params;
    job->random = random;
    job->domain = mem_copy_text(domain);
    job->evidence = mx_evidence_new();
    job->ttl_s = UINT32_MAX;
    job->done = done;
    job->context = context;
    job->deadline_ms = loop_now_ms(params->loop) + params->budget_ms;
    loop_timer_init(&job->timer, params->loop, on_budget, job);
    loop_timer_start(&job->timer, params->budget_ms);
    job->mx_query = dns_ask_once(params->dns, domain, DNS_MX, on_mx, job);
    return job;
}
