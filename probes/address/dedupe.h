/* dedupe.h - which mailbox a spelling leads to: the key to compare by, and the tag. */
#pragma once

#include "probes/address/insight.h"
#include "probes/address/provider_rules.h"

/* The parts of a local part as its provider reads it. Borrowed from `address`. */
struct local_parts {
    const char *base;
    size_t base_length;
    const char *tag; /* not terminated; length 0 = none */
    size_t tag_length;
};
struct local_parts local_split(const struct address *address, const struct provider_rule *rule);

/* Lower-case, without tag, by the provider's rule. For comparing; nobody may send to it. */
void dedupe_key(const struct address *address, const struct provider_rule *rule,
                const struct local_parts *parts, char out[ADDRESS_TEXT_SIZE]);
