/* doctor_checks.h - the inside of the doctor: shared by doctor.c (who goes when) and the checks.
 *
 * A step asks its questions all at once, counts them with doctor_wait() and doctor_arrived(), and
 * is finished when the last answer is in; then the next step begins. What a step learned for the
 * later ones stands in struct doctor. */
#pragma once

#include "probes/base/ip.h"
#include "probes/base/loop.h"
#include "probes/mx/mx.h"
#include "probes/net/dns.h"
#include "probes/net/tls.h"
#include "service/doctor.h"
#include "service/routes.h"

enum {
    DOCTOR_ADDRESSES_MAX = 16,
    DOCTOR_WORDS_MAX = 16, /* of a setting that is a list */
    DOCTOR_REVERSE_SIZE = 64 + DNS_NAME_SIZE + 2,
    DOCTOR_TEXT_MAX = 512 /* of a finding's sentences */
};

/* What servers showed of themselves in TLS. */
struct doctor_certificates {
    unsigned seen, trusted, too_early, too_late; /* the latter by our clock */
};

struct doctor {
    const struct config *config;
    doctor_report_fn *report;
    void *context;

    struct loop *loop;
    struct dns *dns; /* NULL: the setting is no list of resolvers */
    struct mx_resolver *mx;
    struct routes *routes;  /* NULL: they do not fit together */
    struct tls_client *tls; /* NULL: the CA file cannot be read */
    const char *tls_error;
    char routes_error[DOCTOR_TEXT_MAX];
    size_t step;
    unsigned pending; /* answers the running step waits for */
    struct loop_timer turn;

    bool dns_works;
    struct ip_address addresses[DOCTOR_ADDRESSES_MAX]; /* ours, as others see them */
    size_t address_count;
    struct doctor_certificates certificates;
    char sender_domain[DNS_NAME_SIZE];

    struct doctor_resolvers *resolvers; /* each step's own */
    struct doctor_visits *visits;
    struct doctor_names *names;
    struct doctor_zones *zones;
};

/* What was found; `subject` and `advice` may be NULL. */
void doctor_note(struct doctor *doctor, const char *check, enum doctor_result result,
                 const char *subject, const char *advice, const char *found, ...)
    __attribute__((format(printf, 6, 7)));
void doctor_wait(struct doctor *doctor);
void doctor_arrived(struct doctor *doctor);
void doctor_add_address(struct doctor *doctor, const struct ip_address *address);

/* "4.3.2.1.ZONE", or 32 nibbles for IPv6 (RFC 3596 section 2.5, RFC 5782 section 2). */
void doctor_reverse_name(const struct ip_address *address, const char *zone,
                         char out[DOCTOR_REVERSE_SIZE]);
/* The words of a setting, at most DOCTOR_WORDS_MAX; the caller frees *copy, which they point into.
 */
size_t doctor_words(const char *setting, const char *words[DOCTOR_WORDS_MAX], char **copy);

/* The steps. A finish may be NULL. */
void doctor_resolvers_start(struct doctor *doctor); /* doctor_resolver.c */
void doctor_resolvers_finish(struct doctor *doctor);
void doctor_egress_start(struct doctor *doctor); /* doctor_egress.c */
void doctor_egress_finish(struct doctor *doctor);
void doctor_names_start(struct doctor *doctor); /* doctor_names.c */
void doctor_names_finish(struct doctor *doctor);
void doctor_sender_start(struct doctor *doctor);
void doctor_zones_start(struct doctor *doctor); /* doctor_blocklists.c */
void doctor_zones_finish(struct doctor *doctor);
void doctor_host_start(struct doctor *doctor); /* doctor_host.c: asks nobody */
