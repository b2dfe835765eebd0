/* insight.c - puts together what is known about an address before a packet is sent. Each question
 * has its own file; here they are only asked. */
#include "probes/address/insight.h"

#include <string.h>

#include "probes/address/dedupe.h"
#include "probes/address/lookalike.h"
#include "probes/address/provider_rules.h"
#include "probes/lists/gibberish.h"
#include "probes/lists/lists.h"
#include "probes/lists/suggest.h"

static void read_lists(const struct address *address, struct address_insight *insight)
{
    unsigned kinds = address->literal ? 0 : list_domain_kinds(address->domain_ascii);

    insight->disposable = (kinds & LIST_DISPOSABLE) != 0;
    insight->alias_relay = (kinds & LIST_ALIAS_RELAY) != 0;
    insight->free_provider = (kinds & LIST_FREE) != 0;
    insight->role = list_role(address->local);
    insight->no_reply = list_no_reply(address->local);
}

/* How the provider reads the local part; its tag and base are borrowed from the address. */
static struct local_parts read_parts(const struct address *address,
                                     const struct provider_rule *rule, enum provider_syntax *syntax)
{
    struct local_parts parts = local_split(address, rule);

    if (provider_user_label(address->domain_ascii) > 0) { /* anything@user.provider */
        parts.tag = address->local;
        parts.tag_length = strlen(address->local);
        *syntax = PROVIDER_SYNTAX_OK;
    } else {
        *syntax = provider_rule_check(rule, parts.base, parts.base_length);
    }
    return parts;
}

enum provider_syntax address_provider_syntax(const struct address *address)
{
    enum provider_syntax syntax = PROVIDER_SYNTAX_OK;

    if (address->valid)
        read_parts(address, provider_rule_for(address->domain_ascii), &syntax);
    return syntax;
}

static void read_local_part(const struct address *address, struct address_insight *insight)
{
    const struct provider_rule *rule = provider_rule_for(address->domain_ascii);
    struct local_parts parts = read_parts(address, rule, &insight->provider_syntax);

    memcpy(insight->tag, parts.tag, parts.tag_length);
    insight->subaddress = parts.tag_length > 0;
    insight->gibberish = !insight->role && !insight->no_reply && !address->quoted_local &&
                         gibberish(parts.base, parts.base_length);
    dedupe_key(address, rule, &parts, insight->dedupe_key);
}

/* "gmaíl.com", or with a Cyrillic letter in it: a name that is read as one everybody knows. */
static bool reads_as_popular(const struct address *address, char *domain, size_t size)
{
    return address->idn_domain && lookalike_plain(address->domain, domain, size) &&
           (list_domain_kinds(domain) & LIST_POPULAR) != 0;
}

/* Another domain for the same local part, when this one looks like a slip of the hand. */
static void suggest_other_domain(const struct address *address, bool domain_missing,
                                 struct address_insight *insight)
{
    char domain[ADDRESS_DOMAIN_MAX + 3];
    size_t length = strlen(address->local);

    if (address->literal || address->code == ADDRESS_RESERVED_DOMAIN || address->operators_name ||
        !(reads_as_popular(address, domain, sizeof(domain)) ||
          suggest_domain(address->domain_ascii, domain_missing, domain, sizeof(domain))))
        return;
    insight->typo_domain = true;
    /* Some lists hold the names beside big ones; a person at the keyboard has mistyped, and is to
     * be asked. */
    insight->disposable = false;
    memcpy(insight->suggestion, address->local, length);
    insight->suggestion[length] = '@';
    memcpy(insight->suggestion + length + 1, domain, strlen(domain) + 1);
}

void address_look_up(const char *input, size_t length, const struct address *address,
                     bool domain_missing, struct address_insight *insight)
{
    memset(insight, 0, sizeof(*insight));
    if (!address->valid) {
        if (length > ADDRESS_INPUT_MAX)
            return;
        suggest_address(input, length, domain_missing, insight->suggestion,
                        sizeof(insight->suggestion));
        return;
    }
    read_lists(address, insight);
    read_local_part(address, insight);
    suggest_other_domain(address, domain_missing, insight);
}

bool insight_mx_disposable(const char *mx_host) { return list_disposable_mx(mx_host); }

bool insight_mx_parking(const char *mx_host) { return list_parking_mx(mx_host); }

const char *insight_lists_version(void) { return lists_version(); }
