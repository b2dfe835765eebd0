/* imap_survey.h - find a domain's IMAP endpoints and look at them: domain evidence,
 * once per domain and lifetime.
 *
 * Order: provider table, SRV (RFC 6186, RFC 8314 section 5.1), then guesses; the first source that
 * yields a working endpoint ends the search. SRV target "." = not offered. A guess counts only with
 * an IMAP greeting and a matching certificate. */
#pragma once

#include "probes/base/evidence.h"
#include "probes/discover/imap_candidates.h"
#include "probes/discover/provider.h"
#include "probes/net/conn.h"
#include "probes/net/dns.h"

struct imap_survey;
typedef void imap_survey_done_fn(void *context,
                                 struct imap_evidence *evidence); /* takes the reference */

struct imap_survey_params {
    struct loop *loop;
    struct dns *dns;
    struct tls_client *tls;
    const struct ip_networks *allowed;
    struct ip_address source;
    struct imap_ports ports;
    uint32_t connect_ms, step_ms;    /* 10000 each */
    uint32_t budget_ms;              /* whole survey */
    const char *domain;              /* A-labels; copied */
    const struct mx_evidence *mx;    /* may be NULL; borrowed for the call */
    const struct provider *provider; /* may be NULL */
    bool transcript;
};

/* Never calls back from inside. Always ends with evidence; nothing found = count 0 or states that
 * say why. */
struct imap_survey *imap_survey_start(const struct imap_survey_params *params,
                                      imap_survey_done_fn *done, void *context);
void imap_survey_cancel(struct imap_survey **survey);
