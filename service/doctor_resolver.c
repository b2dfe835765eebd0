/* The resolvers, each by itself: does it answer, does it validate, does it make answers up? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/clock.h"
#include "probes/base/mem.h"
#include "probes/base/random.h"
#include "probes/net/dns_transport.h"
#include "service/doctor_checks.h"

enum { SLOW_MS = 1000, MISSING_LETTERS = 20, TRIES = 2, SERVER_TEXT_SIZE = IP_TEXT_SIZE + 9 };

enum ask { ASK_SIGNED, ASK_BOGUS, ASK_MISSING, ASK_COUNT };

struct question {
    struct resolver *resolver;
    const char *name;
    struct dns_answer answer; /* status and authentic; the rest is gone */
    bool asked;
    uint64_t started_ms, took_ms;
};

struct resolver {
    struct doctor *doctor;
    struct dns *dns;
    char text[SERVER_TEXT_SIZE];
    bool loopback;
    struct question questions[ASK_COUNT];
};

struct doctor_resolvers {
    size_t count;
    struct resolver servers[DNS_SERVERS_MAX];
    char missing[MISSING_LETTERS + 1 + DNS_NAME_SIZE];
};

/* --- asking ------------------------------------------------------------------------------ */

static void send_question(struct question *question, enum dns_type type, dns_done_fn *then)
{
    question->started_ms = clock_now_ms();
    doctor_wait(question->resolver->doctor);
    dns_ask(question->resolver->dns, question->name, type, then, question);
}

static uint64_t age_ms(const struct question *question)
{
    return clock_now_ms() - question->started_ms;
}

static void on_second_answer(void *context, const struct dns_answer *answer)
{
    struct question *question = context;
    uint64_t took_ms = age_ms(question);

    (void)answer;
    if (took_ms < question->took_ms)
        question->took_ms = took_ms;
    doctor_arrived(question->resolver->doctor);
}

/* A resolver that has just started is slow once, on its way from the root: the same name is asked
 * again, by another type, as the answer to this one is in our cache now. */
static void on_answer(void *context, const struct dns_answer *answer)
{
    struct question *question = context;

    question->answer = *answer;
    question->took_ms = age_ms(question);
    if (question->took_ms > SLOW_MS && answer->status == DNS_FOUND)
        send_question(question, DNS_AAAA, on_second_answer);
    doctor_arrived(question->resolver->doctor);
}

static void ask(struct resolver *resolver, enum ask which, const char *name)
{
    struct question *question = &resolver->questions[which];

    if (name[0] == '\0')
        return;
    question->resolver = resolver;
    question->name = name;
    question->asked = true;
    send_question(question, DNS_A, on_answer);
}

static void open_resolver(struct doctor *doctor, struct resolver *resolver,
                          const struct dns_server *server)
{
    char address[IP_TEXT_SIZE];
    const char *error;

    resolver->doctor = doctor;
    resolver->loopback = ip_is_loopback(&server->address);
    ip_format(&server->address, address);
    snprintf(resolver->text, sizeof(resolver->text),
             server->address.family == 6 ? "[%s]:%u" : "%s:%u", address, server->port);
    resolver->dns = dns_new(&(struct dns_params){.loop = doctor->loop,
                                                 .servers = resolver->text,
                                                 .timeout_ms = doctor->config->dns_timeout_ms,
                                                 .tries = TRIES,
                                                 .distant_ad = true},
                            &error);
}

void doctor_resolvers_start(struct doctor *doctor)
{
    const struct config *config = doctor->config;
    struct doctor_resolvers *all = doctor->resolvers = mem_new(struct doctor_resolvers);
    struct dns_server servers[DNS_SERVERS_MAX];
    char letters[MISSING_LETTERS + 1];

    all->count = config->resolver[0] != '\0' ? dns_servers_parse(config->resolver, servers)
                                             : dns_servers_of_system(servers);
    random_text(letters, MISSING_LETTERS);
    if (config->doctor_signed_name[0] != '\0')
        snprintf(all->missing, sizeof(all->missing), "%s.%.*s", letters, DNS_NAME_SIZE - 1,
                 config->doctor_signed_name);
    for (size_t i = 0; i < all->count; i++) {
        struct resolver *resolver = &all->servers[i];

        open_resolver(doctor, resolver, &servers[i]);
        if (resolver->dns == NULL)
            continue;
        ask(resolver, ASK_SIGNED, config->doctor_signed_name);
        ask(resolver, ASK_BOGUS, config->doctor_bogus_name);
        ask(resolver, ASK_MISSING, all->missing);
    }
}

/* --- does it answer? ------------------------------------------------------------------------ */

static void judge_answer(struct resolver *resolver, const char *name)
{
    static const char silent[] = "check the setting `resolver`, and that UDP and TCP port 53 of it "
                                 "can be reached from here";
    struct doctor *doctor = resolver->doctor;
    const struct question *question = &resolver->questions[ASK_SIGNED];
    unsigned long long ms = question->took_ms;

    switch (question->answer.status) {
    case DNS_FOUND:
        doctor->dns_works = true;
        if (ms > SLOW_MS)
            doctor_note(doctor, "resolver", DOCTOR_WARN, resolver->text,
                        "a resolver on this host answers most questions from its cache",
                        "answers slowly: %llu ms for %s", ms, name);
        else
            doctor_note(doctor, "resolver", DOCTOR_OK, resolver->text, NULL, "answers in %llu ms",
                        ms);
        break;
    case DNS_NO_DATA:
    case DNS_NO_NAME:
        doctor->dns_works = true;
        doctor_note(doctor, "resolver", DOCTOR_WARN, resolver->text,
                    "if it should know only some names, set doctor_signed_name to one of them",
                    "answers, but says that %s has no address", name);
        break;
    case DNS_BOGUS:
        doctor_note(doctor, "resolver", DOCTOR_FAIL, resolver->text,
                    "update its trust anchor, and look at its clock",
                    "finds the signatures of %s bad", name);
        break;
    case DNS_FAILED:
    case DNS_LOOP:
        doctor_note(doctor, "resolver", DOCTOR_FAIL, resolver->text, silent,
                    "gives no usable answer for %s", name);
        break;
    case DNS_TIMED_OUT:
        doctor_note(doctor, "resolver", DOCTOR_FAIL, resolver->text, silent, "does not answer");
        break;
    }
}

/* A resolver that sends the lost to a page of advertisements hides which domains do not exist. */
static void judge_missing(struct resolver *resolver, const char *name)
{
    if (resolver->questions[ASK_MISSING].asked &&
        resolver->questions[ASK_MISSING].answer.status == DNS_FOUND)
        doctor_note(resolver->doctor, "resolver", DOCTOR_FAIL, resolver->text,
                    "use a resolver that tells the truth about names that do not exist",
                    "makes up addresses: %s has one", name);
}

/* --- does it validate? ----------------------------------------------------------------------- */

enum validation { VALIDATES, LETS_THROUGH, NOBODY_KNOWS };

static enum validation validation_of(const struct question *bogus)
{
    if (!bogus->asked)
        return NOBODY_KNOWS;
    switch (bogus->answer.status) {
    case DNS_BOGUS:
    case DNS_FAILED:
        return VALIDATES;
    case DNS_FOUND:
        return LETS_THROUGH;
    case DNS_NO_DATA:
    case DNS_NO_NAME:
    case DNS_LOOP:
    case DNS_TIMED_OUT:
        break;
    }
    return NOBODY_KNOWS;
}

static void judge_claim(struct resolver *resolver, enum validation validation)
{
    struct doctor *doctor = resolver->doctor;

    if (validation == LETS_THROUGH)
        doctor_note(doctor, "dnssec", DOCTOR_WARN, resolver->text,
                    "turn its validation on; if it is on, set doctor_bogus_name to a name whose "
                    "signatures are bad",
                    "claims to validate and yet answers for %s", doctor->config->doctor_bogus_name);
    else if (!resolver->loopback)
        doctor_note(doctor, "dnssec", DOCTOR_WARN, resolver->text,
                    "run a validating resolver (unbound, knot-resolver) on this host",
                    "validates, but the path from it to here is not protected");
    else
        doctor_note(doctor, "dnssec", DOCTOR_OK, resolver->text, NULL, "validates");
}

static void judge_validation(struct resolver *resolver)
{
    struct doctor *doctor = resolver->doctor;
    const struct question *signed_name = &resolver->questions[ASK_SIGNED];
    enum validation validation = validation_of(&resolver->questions[ASK_BOGUS]);

    if (signed_name->answer.status != DNS_FOUND)
        doctor_note(doctor, "dnssec", DOCTOR_SKIPPED, resolver->text, NULL,
                    "no signed answer to judge by");
    else if (signed_name->answer.authentic)
        judge_claim(resolver, validation);
    else if (validation == VALIDATES)
        doctor_note(doctor, "dnssec", DOCTOR_WARN, resolver->text,
                    "use a resolver that sets AD in its answers",
                    "refuses bad signatures, but does not say which answers are good (AD)");
    else
        doctor_note(doctor, "dnssec", DOCTOR_WARN, resolver->text,
                    "run a validating resolver (unbound, knot-resolver) on this host",
                    "does not validate: DNSSEC and DANE of a domain stay unknown");
}

/* --- the step -------------------------------------------------------------------------------- */

void doctor_resolvers_finish(struct doctor *doctor)
{
    struct doctor_resolvers *all = doctor->resolvers;
    const char *name = doctor->config->doctor_signed_name;

    if (all->count == 0)
        doctor_note(doctor, "resolver", DOCTOR_FAIL, doctor->config->resolver,
                    "set `resolver` to addresses like 127.0.0.1:53", "there is no resolver to ask");
    if (name[0] == '\0' && all->count > 0) {
        doctor->dns_works = true; /* as far as anybody knows */
        doctor_note(doctor, "resolver", DOCTOR_SKIPPED, NULL, "set doctor_signed_name",
                    "no name to ask for");
    }
    for (size_t i = 0; i < all->count; i++) {
        struct resolver *resolver = &all->servers[i];

        if (name[0] != '\0' && resolver->dns != NULL) {
            judge_answer(resolver, name);
            judge_missing(resolver, all->missing);
            judge_validation(resolver);
        }
        dns_free(&resolver->dns);
    }
    free(all);
    doctor->resolvers = NULL;
}
