/* imap_look.h - one candidate: find its address, look at it, judge whether it is the domain's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/base/evidence.h"
#include "probes/base/text.h"
#include "probes/discover/imap_candidates.h"
#include "probes/discover/imap_survey.h"
#include "probes/imap/imap_probe.h"

enum imap_look_state {
    IMAP_LOOK_RESOLVING,
    IMAP_LOOK_READY, /* has an address; imap_look_launch() may come */
    IMAP_LOOK_PROBING,
    IMAP_LOOK_DOUBTED, /* worked; a wildcard in DNS may have made it up */
    IMAP_LOOK_ENDED
};

/* What all looks of a survey share; written by them: `unsure` and `transcript`. */
struct imap_look_shared {
    const struct imap_survey_params *params;
    const struct imap_domain *domain;
    uint64_t epoch_ms;
    bool unsure;            /* DNS or our own host failed: it may go better next time */
    struct text transcript; /* JSON array items of the looks that ended */
    /* After every change of state, as the last thing done: it may drop the look. */
    void (*changed)(void *context);
    void *context;
};

/* One candidate and what came of it. */
struct imap_look {
    struct imap_look_shared *shared;
    const struct imap_candidate *candidate;
    enum imap_look_state state;
    enum dns_type asked;
    struct ip_address address;
    struct dns_query *query;
    struct imap_probe *probe;
    bool has_endpoint; /* `endpoint` is filled */
    bool counts;       /* works, and is the domain's */
    struct imap_endpoint endpoint;
};

/* Asks for the address, unless the candidate has one. Never calls `changed` from inside. */
void imap_look_begin(struct imap_look *look, struct imap_look_shared *shared,
                     const struct imap_candidate *candidate);
/* One connection, now. */
void imap_look_launch(struct imap_look *look);
/* Stops what is under way; one that was being asked gets an endpoint with state timeout. */
void imap_look_cut(struct imap_look *look);
/* Stops it and frees what it still owns. */
void imap_look_drop(struct imap_look *look);

void imap_endpoint_free(struct imap_endpoint *endpoint); /* what it owns; zeroed after */
