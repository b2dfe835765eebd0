#include "service/doctor.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "service/doctor_checks.h"

enum { CACHE_ENTRIES = 1000, DNS_TRIES = 2, TLS_SESSIONS = 0 };

static const struct step {
    void (*start)(struct doctor *doctor);
    void (*finish)(struct doctor *doctor);
} steps[] = {
    {doctor_resolvers_start, doctor_resolvers_finish}, {doctor_egress_start, doctor_egress_finish},
    {doctor_names_start, doctor_names_finish},         {doctor_sender_start, NULL},
    {doctor_zones_start, doctor_zones_finish},         {doctor_host_start, NULL},
};

const char *doctor_result_name(enum doctor_result result)
{
    static const char *const names[] = {
#define X(symbol, name) [symbol] = name,
        DOCTOR_RESULT_LIST(X)
#undef X
    };

    assert((unsigned)result < DOCTOR_RESULT_COUNT);
    return names[result];
}

/* --- for the steps -------------------------------------------------------------------- */

void doctor_note(struct doctor *doctor, const char *check, enum doctor_result result,
                 const char *subject, const char *advice, const char *found, ...)
{
    char raw[DOCTOR_TEXT_MAX], clean[DOCTOR_TEXT_MAX], name[DOCTOR_TEXT_MAX];
    va_list arguments;

    va_start(arguments, found);
    vsnprintf(raw, sizeof(raw), found, arguments);
    va_end(arguments);
    text_clean(clean, sizeof(clean), raw, strlen(raw));
    if (subject != NULL)
        text_clean(name, sizeof(name), subject, strlen(subject));
    doctor->report(doctor->context, &(struct doctor_finding){
                                        .check = check,
                                        .result = result,
                                        .subject = subject != NULL ? name : NULL,
                                        .found = clean,
                                        .advice = advice,
                                    });
}

void doctor_wait(struct doctor *doctor) { doctor->pending++; }

void doctor_arrived(struct doctor *doctor)
{
    if (--doctor->pending == 0) /* not from here: whoever reports may be in the middle of it */
        loop_timer_start(&doctor->turn, 0);
}

void doctor_add_address(struct doctor *doctor, const struct ip_address *address)
{
    for (size_t i = 0; i < doctor->address_count; i++)
        if (ip_equal(&doctor->addresses[i], address))
            return;
    if (doctor->address_count < DOCTOR_ADDRESSES_MAX)
        doctor->addresses[doctor->address_count++] = *address;
}

void doctor_reverse_name(const struct ip_address *address, const char *zone,
                         char out[DOCTOR_REVERSE_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *octets = address->octets;
    size_t length = 0;

    for (size_t i = 16; address->family == 6 && i > 0; i--) {
        out[length++] = digits[octets[i - 1] & 15];
        out[length++] = '.';
        out[length++] = digits[octets[i - 1] >> 4];
        out[length++] = '.';
    }
    if (address->family == 4)
        length = (size_t)snprintf(out, DOCTOR_REVERSE_SIZE, "%u.%u.%u.%u.", octets[3], octets[2],
                                  octets[1], octets[0]);
    snprintf(out + length, DOCTOR_REVERSE_SIZE - length, "%.*s", DNS_NAME_SIZE, zone);
}

size_t doctor_words(const char *setting, const char *words[DOCTOR_WORDS_MAX], char **copy)
{
    static const char separators[] = ", \t";
    size_t count = 0;
    char *word = *copy = mem_copy_text(setting);

    text_lower(word);
    while (count < DOCTOR_WORDS_MAX && *(word += strspn(word, separators)) != '\0') {
        words[count++] = word;
        word += strcspn(word, separators);
        if (*word != '\0')
            *word++ = '\0';
    }
    return count;
}

/* --- one after the other ----------------------------------------------------------------- */

static void begin(struct doctor *doctor)
{
    doctor->pending = 1; /* the start itself: nothing is over before all was asked */
    steps[doctor->step].start(doctor);
    doctor_arrived(doctor);
}

static void on_turn(void *context)
{
    struct doctor *doctor = context;

    if (steps[doctor->step].finish != NULL)
        steps[doctor->step].finish(doctor);
    if (++doctor->step == ARRAY_LENGTH(steps))
        loop_stop(doctor->loop);
    else
        begin(doctor);
}

static void open_probes(struct doctor *doctor)
{
    const struct config *config = doctor->config;
    const struct dns_params dns = {.loop = doctor->loop,
                                   .servers = config->resolver,
                                   .timeout_ms = config->dns_timeout_ms,
                                   .tries = DNS_TRIES,
                                   .cache_entries = CACHE_ENTRIES};
    const struct tls_client_params tls = {.ca_file =
                                              config->ca_file[0] != '\0' ? config->ca_file : NULL,
                                          .sessions_max = TLS_SESSIONS};
    const char *error;

    doctor->routes = routes_new(config, doctor->routes_error, sizeof(doctor->routes_error));
    doctor->tls = tls_client_new(&tls, &doctor->tls_error);
    doctor->dns = dns_new(&dns, &error);
    if (doctor->dns != NULL)
        doctor->mx = mx_resolver_new(&(struct mx_params){.loop = doctor->loop,
                                                         .dns = doctor->dns,
                                                         .allowed = &config->allowed,
                                                         .have_ipv6 = true, /* to be seen */
                                                         .budget_ms = config->dns_budget_ms,
                                                         .cache_entries = CACHE_ENTRIES});
}

static void close_probes(struct doctor *doctor)
{
    loop_timer_stop(&doctor->turn);
    if (doctor->mx != NULL)
        mx_resolver_free(&doctor->mx);
    dns_free(&doctor->dns);
    if (doctor->tls != NULL)
        tls_client_free(&doctor->tls);
    routes_free(&doctor->routes);
    loop_free(&doctor->loop);
}

void doctor_run(const struct config *config, doctor_report_fn *report, void *context)
{
    struct doctor doctor = {.config = config, .report = report, .context = context};

    doctor.loop = loop_new();
    loop_timer_init(&doctor.turn, doctor.loop, on_turn, &doctor);
    open_probes(&doctor);
    begin(&doctor);
    loop_run(doctor.loop);
    close_probes(&doctor);
}
