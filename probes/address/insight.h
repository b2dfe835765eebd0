/* insight.h - what is known about an address before a packet is sent: provider rules,
 * the key to compare by, list membership, what was probably meant. Flags only; the
 * one thing that decides is a hard provider rule. */
#pragma once

#include "probes/address/address.h"

enum provider_syntax { PROVIDER_SYNTAX_OK, PROVIDER_SYNTAX_SOFT, PROVIDER_SYNTAX_HARD };

struct address_insight {
    enum provider_syntax provider_syntax;
    bool disposable, alias_relay, role, no_reply, free_provider, subaddress, gibberish, typo_domain;
    char tag[ADDRESS_LOCAL_MAX + 1];    /* "" = none */
    char dedupe_key[ADDRESS_TEXT_SIZE]; /* for comparing only; "" when not valid */
    char suggestion[ADDRESS_TEXT_SIZE]; /* a whole address; "" = none */
};

/* Works on what was parsed; for an input that did not parse, `input` may still give a suggestion
 * ("jane@gmail,com"). `domain_missing`: DNS said the domain does not exist, so suggest more
 * readily. */
void address_look_up(const char *input, size_t length, const struct address *address,
                     bool domain_missing, struct address_insight *insight);

/* The one of these that may decide, for whoever needs no more. */
enum provider_syntax address_provider_syntax(const struct address *address);

/* By MX host name. */
bool insight_mx_disposable(const char *mx_host);
bool insight_mx_parking(const char *mx_host);
/* Date of the data, "2026-11-22", with number and digest of the operator's lists: "+2.5f3a91c0".
 * Valid until this thread's next question to the lists. */
const char *insight_lists_version(void);
