/* What the visits to well-known mail hosts showed: is port 25 open, in which family, from which
 * source; who are we to others; is our clock right; do we know their certificates? */
#include <jansson.h>

#include "service/doctor_visits.h"

#include <stdio.h>
#include <string.h>

#include "probes/base/clock.h"
#include "probes/base/text.h"

/* --- port 25 ----------------------------------------------------------------------------- */

struct tally {
    unsigned visits, greeted, local_errors, proxy_failures, refused, timed_out;
    uint32_t fastest_ms;
    const char *silent; /* a domain whose host did not greet us */
};

static bool same_way(const struct doctor_visit *a, const struct doctor_visit *b)
{
    return a->address.family == b->address.family && a->way == b->way;
}

static void count(struct tally *tally, const struct doctor_visit *visit)
{
    tally->visits++;
    if (visit->greeted) {
        if (tally->greeted++ == 0 || visit->greeting_ms < tally->fastest_ms)
            tally->fastest_ms = visit->greeting_ms;
        return;
    }
    tally->silent = visit->domain;
    tally->local_errors += visit->end == SMTP_END_LOCAL;
    tally->proxy_failures += visit->end == SMTP_END_PROXY;
    tally->refused += visit->end == SMTP_END_CONNECT_REFUSED;
    tally->timed_out += visit->end == SMTP_END_CONNECT_TIMEOUT;
}

static void note_closed(struct doctor *doctor, const char *check, const char *subject,
                        const struct tally *tally)
{
    static const char open_it[] = "port 25 is closed for this host: ask its provider to open "
                                  "outgoing TCP port 25, or run vrfyd elsewhere";
    const bool optional = strcmp(check, "ipv6") == 0;
    enum doctor_result result = optional ? DOCTOR_WARN : DOCTOR_FAIL;

    if (tally->local_errors > 0)
        doctor_note(doctor, check, DOCTOR_FAIL, subject,
                    "source_addresses must be addresses of this host", "cannot be connected from");
    else if (tally->proxy_failures == tally->visits)
        doctor_note(doctor, check, DOCTOR_FAIL, subject,
                    "check its address, user and password in `proxies`, and that it is up",
                    "the proxy is down or refuses us");
    else if (optional)
        doctor_note(doctor, check, result, subject,
                    "the few domains with only IPv6 hosts come out as connect_timeout. Give this "
                    "host IPv6 with a PTR record, or live with that",
                    "mail hosts cannot be reached over IPv6");
    else if (tally->refused == tally->visits)
        doctor_note(doctor, check, result, subject, open_it,
                    "connections to port %u are rejected on the way", doctor->config->port_smtp);
    else if (tally->timed_out == tally->visits)
        doctor_note(doctor, check, result, subject, open_it, "connections to port %u time out",
                    doctor->config->port_smtp);
    else
        doctor_note(doctor, check, result, subject, open_it, "no mail host greeted us");
}

/* All visits of one family by one way. */
static void judge_way(struct doctor *doctor, const struct doctor_visit *first)
{
    const struct doctor_visits *all = doctor->visits;
    const char *check = first->address.family == 6 ? "ipv6" : "egress";
    const char *subject = first->way->name[0] != '\0' ? first->way->name : NULL;
    struct tally tally = {.visits = 0};

    for (const struct doctor_visit *visit = first; visit < all->visits + all->count; visit++)
        if (same_way(visit, first))
            count(&tally, visit);
    if (tally.greeted == 0)
        note_closed(doctor, check, subject, &tally);
    else if (tally.greeted < tally.visits)
        doctor_note(doctor, check, DOCTOR_WARN, subject,
                    "it may block this address: its replies will be timeouts",
                    "port %u is open, but %s did not greet us", doctor->config->port_smtp,
                    tally.silent);
    else
        doctor_note(doctor, check, DOCTOR_OK, subject, NULL,
                    "port %u is open: %u of %u mail hosts greeted us, the first in %u ms",
                    doctor->config->port_smtp, tally.greeted, tally.visits, tally.fastest_ms);
}

static void judge_ways(struct doctor *doctor)
{
    const struct doctor_visits *all = doctor->visits;
    bool families[2] = {false, false};

    for (size_t i = 0; i < all->count; i++) {
        bool seen = false;

        for (size_t before = 0; before < i && !seen; before++)
            seen = same_way(&all->visits[before], &all->visits[i]);
        if (!seen)
            judge_way(doctor, &all->visits[i]);
        families[all->visits[i].address.family == 6] = true;
    }
    if (!families[0])
        doctor_note(doctor, "egress", DOCTOR_SKIPPED, NULL, NULL,
                    "none of the mail hosts has an IPv4 address we may connect to");
    if (!families[1])
        doctor_note(doctor, "ipv6", DOCTOR_SKIPPED, NULL, NULL,
                    "none of the mail hosts has an IPv6 address");
}

/* Greeted, and shown the door. */
static void judge_refusals(struct doctor *doctor)
{
    const struct doctor_visits *all = doctor->visits;

    for (size_t i = 0; i < all->count; i++) {
        const struct doctor_visit *visit = &all->visits[i];

        if (visit->end == SMTP_END_REPLY && visit->refusal.code != 0)
            doctor_note(doctor, "welcome", DOCTOR_WARN, visit->domain,
                        "its words say why: reputation, blocklist, PTR or EHLO name",
                        "its host %s refuses us: %u %.200s", visit->host, visit->refusal.code,
                        visit->refusal.text);
    }
}

static void note_unknown_domains(struct doctor *doctor)
{
    const struct doctor_visits *all = doctor->visits;

    for (size_t i = 0; i < all->domain_count; i++)
        if (all->domains[i].outcome != MX_FOUND)
            doctor_note(doctor, "egress", DOCTOR_SKIPPED, all->domains[i].name, NULL,
                        "its mail host was not found: %s",
                        mx_outcome_name(all->domains[i].outcome));
}

/* --- who we are to others ------------------------------------------------------------------- */

/* The first address in a line that could be ours: "at your service, [203.0.113.9]". */
static bool address_in(const char *line, const struct doctor_visit *visit, struct ip_address *found)
{
    static const char characters[] = "0123456789abcdefABCDEF:.";
    char word[IP_TEXT_SIZE];

    while (*(line += strcspn(line, characters)) != '\0') {
        size_t length = strspn(line, characters);
        struct ip_address address;

        if (length < sizeof(word)) {
            memcpy(word, line, length);
            word[length] = '\0';
            if (ip_parse(word, &address) && address.family == visit->address.family &&
                !ip_equal(&address, &visit->address) &&
                ip_may_connect(&address, &visit->doctor->config->allowed)) {
                *found = address;
                return true;
            }
        }
        line += length;
    }
    return false;
}

/* Behind a translator only the other side knows, and some servers say it. */
static bool told_address(const struct doctor_visit *visit, struct ip_address *found)
{
    const json_t *item;
    bool told = false;
    struct text list;
    size_t index;

    if (visit->transcript.bytes == NULL)
        return false;
    text_init(&list, DOCTOR_TRANSCRIPT_MAX + 2);
    text_char(&list, '[');
    text_add(&list, visit->transcript.bytes, visit->transcript.length);
    text_char(&list, ']');
    json_t *lines = json_loadb(list.bytes, list.length, JSON_ALLOW_NUL, NULL);
    json_array_foreach(lines, index, item)
    {
        const char *from = json_string_value(json_object_get(item, "dir"));
        const char *line = json_string_value(json_object_get(item, "line"));

        if (!told && from != NULL && strcmp(from, "S") == 0 && line != NULL && strlen(line) > 4)
            told = address_in(line + 4, visit, found);
    }
    json_decref(lines);
    text_free(&list);
    return told;
}

static void learn_address(struct doctor *doctor, const struct doctor_visit *visit)
{
    char ours[IP_TEXT_SIZE], told[IP_TEXT_SIZE];
    struct ip_address found;
    size_t before = doctor->address_count;

    if (visit->ours.family != 0 && ip_may_connect(&visit->ours, &doctor->config->allowed)) {
        doctor_add_address(doctor, &visit->ours);
        if (doctor->address_count > before)
            doctor_note(doctor, "address", DOCTOR_OK, ip_format(&visit->ours, ours), NULL,
                        "is our own address towards mail hosts");
    } else if (visit->greeted && told_address(visit, &found)) {
        doctor_add_address(doctor, &found);
        if (doctor->address_count > before)
            doctor_note(doctor, "address", DOCTOR_OK, ip_format(&found, told), NULL,
                        "is how %s sees us%s%s", visit->domain,
                        visit->ours.family != 0 ? "; on this host it is " : "",
                        visit->ours.family != 0 ? ip_format(&visit->ours, ours) : "");
    }
}

static void learn_addresses(struct doctor *doctor)
{
    const struct doctor_visits *all = doctor->visits;
    const struct config *config = doctor->config;

    for (size_t i = 0; i < all->count; i++)
        learn_address(doctor, &all->visits[i]);
    for (size_t i = 0; i < config->source_count; i++) /* those that reached nobody, too */
        if (ip_may_connect(&config->sources[i], &config->allowed))
            doctor_add_address(doctor, &config->sources[i]);
    if (doctor->address_count == 0)
        doctor_note(doctor, "address", DOCTOR_SKIPPED, NULL,
                    "set source_addresses if this host has a public address of its own",
                    "nobody told us our public address");
}

/* --- certificates ---------------------------------------------------------------------------- */

static void learn_certificates(struct doctor *doctor)
{
    const struct doctor_visits *all = doctor->visits;
    struct doctor_certificates *tally = &doctor->certificates;
    int64_t now_s = clock_wall_s();

    for (size_t i = 0; i < all->count; i++) {
        const struct tls_facts *tls = &all->visits[i].tls;

        if (tls->state != TLS_OK || !tls->known || tls->not_after_s == 0)
            continue;
        tally->seen++;
        tally->trusted += tls->chain == TLS_CHAIN_TRUSTED;
        tally->too_early += now_s < tls->not_before_s;
        tally->too_late += now_s > tls->not_after_s;
    }
}

/* --- the step -------------------------------------------------------------------------------- */

void doctor_egress_start(struct doctor *doctor) { doctor_visits_start(doctor); }

void doctor_egress_finish(struct doctor *doctor)
{
    struct doctor_visits *all = doctor->visits;

    if (all->domain_count == 0) {
        doctor_note(doctor, "egress", DOCTOR_SKIPPED, NULL, "set doctor_hosts",
                    "no mail hosts to visit");
    } else if (doctor->routes == NULL) {
        doctor_note(doctor, "egress", DOCTOR_FAIL, NULL, "correct the setting",
                    "there is no way out: %s", doctor->routes_error);
    } else if (!doctor->dns_works) {
        doctor_note(doctor, "egress", DOCTOR_SKIPPED, NULL, NULL,
                    "without a resolver no mail host can be found");
    } else {
        note_unknown_domains(doctor);
        judge_ways(doctor);
        judge_refusals(doctor);
    }
    learn_addresses(doctor);
    learn_certificates(doctor);
    doctor_visits_free(&doctor->visits);
}
