/* provider.h - who runs the mail of a domain: the MX names it, data says how it behaves.
 *
 * Data: probes/discover/data/providers.tsv, embedded; suffix match on the MX target,
 * the longest first. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum provider_truth {
    PROVIDER_UNKNOWN,       /* learn by decoy */
    PROVIDER_TRUTHFUL,      /* answers truthfully at RCPT; a tenant may still be a catch-all */
    PROVIDER_DISCRIMINATES, /* its own consumer domains never accept just anyone: no decoy needed
                               there */
    PROVIDER_OPAQUE         /* accepts at RCPT whatever the mailbox */
};

struct provider {
    const char *key;  /* "google": lane key, per-provider settings; static */
    const char *name; /* "Google" */
    enum provider_truth truth;
    bool gateway; /* filters in front of somebody else's mailboxes */
    bool parking;
    /* 0 = the setting's default */
    uint16_t lane_connections, recipients_per_session, rejects_per_session;
    uint32_t transaction_gap_ms;
};

/* By MX host name; NULL = none known ("other"). Lower-case A-label name. */
const struct provider *provider_by_mx(const char *mx_host);
/* Is `domain` one of the provider's own consumer domains (gmail.com, outlook.com, ...), where
 * everybody's mailbox is the provider's and no catch-all can exist? */
bool provider_owns_domain(const struct provider *provider, const char *domain);

/* Seed IMAP endpoints for a consumer domain or an MX provider; count 0 and offered=false with a row
 * that says "none" = the provider has no IMAP. */
struct provider_endpoint {
    const char *host;
    uint16_t port;
    uint8_t starttls; /* 0 = implicit TLS, 1 = STARTTLS */
};
enum { PROVIDER_ENDPOINTS_MAX = 4 };
struct provider_imap {
    bool known, offered;
    size_t count;
    struct provider_endpoint endpoints[PROVIDER_ENDPOINTS_MAX];
};
/* By domain first, then by the provider of its MX (may be NULL). */
struct provider_imap provider_imap(const char *domain, const struct provider *provider);

/* "postfix", "exim", ... from a greeting; NULL = not recognised. Static text. */
const char *software_from_smtp_banner(const char *banner);
const char *software_from_imap_greeting(const char *greeting, const char *id_response);
