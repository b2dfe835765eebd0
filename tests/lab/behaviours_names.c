/* Behaviours of the domain name: what DNS says decides, or leads elsewhere. */
#include "tests/lab/behaviours.h"

#include "probes/base/mem.h"

#define DNS_TIMEOUT                                                                                \
    {                                                                                              \
        LAB_UNKNOWN, { "dns_timeout" }                                                             \
    }
#define DNS_FAILURE                                                                                \
    {                                                                                              \
        LAB_UNKNOWN, { "dns_failure" }                                                             \
    }
#define NO_SUCH_NAME                                                                               \
    {                                                                                              \
        LAB_UNDELIVERABLE, { "domain_not_found" }                                                  \
    }
#define UNUSABLE                                                                                   \
    {                                                                                              \
        LAB_UNDELIVERABLE, { "mx_unusable" }                                                       \
    }

const char behaviour_syntax_name[] = "syntax";

static const struct behaviour rows[] = {
    {.name = "null-mx",
     .sentence = "one MX, the root: takes no mail (RFC 7505)",
     .first = {LAB_UNDELIVERABLE, {"null_mx"}},
     .dns = DNS_NULL_MX,
     .weight = 2},
    {.name = "null-mx-and-others",
     .sentence = "the root beside a real MX: a mistake, the real one counts",
     .dns = DNS_NULL_MX_AND_OTHERS,
     .weight = 1},
    {.name = "implicit-mx",
     .sentence = "no MX, but an A record: the domain itself is the mail host",
     .dns = DNS_IMPLICIT_A,
     .weight = 3},
    {.name = "implicit-mx-aaaa",
     .sentence = "no MX and no A, only AAAA (::1)",
     .dns = DNS_IMPLICIT_AAAA,
     .ipv6 = true,
     .weight = 1},
    {.name = "nxdomain",
     .sentence = "the domain does not exist",
     .first = NO_SUCH_NAME,
     .dns = DNS_NO_NAME,
     .weight = 4},
    {.name = "no-mail-host",
     .sentence = "the domain exists, without MX, A and AAAA",
     .first = {LAB_UNDELIVERABLE, {"no_mail_host"}},
     .dns = DNS_NO_DATA,
     .weight = 2},
    {.name = "servfail",
     .sentence = "SERVFAIL to every question",
     .first = DNS_FAILURE,
     .dns = DNS_SERVFAIL,
     .weight = 2},
    {.name = "lame",
     .sentence = "REFUSED to every question",
     .first = DNS_FAILURE,
     .dns = DNS_REFUSED,
     .weight = 1},
    {.name = "dns-timeout",
     .sentence = "no answer to any question",
     .first = DNS_TIMEOUT,
     .dns = DNS_SILENT,
     .weight = 1},
    {.name = "mx-private",
     .sentence = "the MX has only special-purpose addresses: nobody may connect there",
     .first = {LAB_UNDELIVERABLE, {"mx_private_address"}},
     .dns = DNS_MX_PRIVATE,
     .weight = 2},
    {.name = "mx-dangling",
     .sentence = "the MX target does not exist",
     .first = UNUSABLE,
     .dns = DNS_MX_DANGLING,
     .weight = 2},
    {.name = "mx-first-dangling",
     .sentence = "two MX, the first target does not exist",
     .dns = DNS_MX_DANGLING_FIRST,
     .weight = 2},
    {.name = "mx-bad-name",
     .sentence = "the MX target is an address written as a name",
     .first = UNUSABLE,
     .dns = DNS_MX_BAD_NAME,
     .weight = 1},
    {.name = "mx-servfail",
     .sentence = "SERVFAIL for the address of the only MX target",
     .first = DNS_FAILURE,
     .dns = DNS_MX_SERVFAIL,
     .weight = 1},
    {.name = "cname",
     .sentence = "the domain is an alias of one with an MX",
     .dns = DNS_CNAME,
     .weight = 2},
    {.name = "cname-chain",
     .sentence = "the domain is an alias, four hops long",
     .dns = DNS_CNAME_CHAIN,
     .weight = 1},
    {.name = "cname-long",
     .sentence = "the domain is an alias, twenty hops long: more than is followed",
     .first = DNS_FAILURE,
     .dns = DNS_CNAME_LONG,
     .weight = 1},
    {.name = "cname-loop",
     .sentence = "the domain is an alias of an alias of itself",
     .first = DNS_FAILURE,
     .dns = DNS_CNAME_LOOP,
     .weight = 2},
    {.name = "cname-nxdomain",
     .sentence = "the domain is an alias of a name that does not exist (RFC 6604)",
     .first = NO_SUCH_NAME,
     .dns = DNS_CNAME_NO_NAME,
     .weight = 1},
    {.name = "mx-alias",
     .sentence = "the MX target is an alias: out of standard, followed by everyone",
     .dns = DNS_MX_ALIAS,
     .weight = 2},
    {.name = "mx-alias-loop",
     .sentence = "the only MX target is an alias of itself: unusable",
     .first = UNUSABLE,
     .dns = DNS_MX_ALIAS_LOOP,
     .weight = 1},
    {.name = "mx-many",
     .sentence = "twenty MX, more than anybody tries",
     .dns = DNS_MX_MANY,
     .weight = 1},
    {.name = "truncated",
     .sentence = "UDP answers are truncated (TC): the answer comes by TCP",
     .dns = DNS_TRUNCATED,
     .weight = 2},
    {.name = "parked",
     .sentence = "the MX belongs to a parking firm: SMTP is not asked",
     .first = {LAB_RISKY, {"parked"}},
     .dns = DNS_PROVIDER,
     .provider = "parking",
     .play = {.recipient = RECIPIENT_ANYBODY},
     .weight = 1},
    {.name = behaviour_syntax_name,
     .sentence =
         "not mailboxes: bad syntax, reserved names, address literals; nothing is asked of anybody",
     .first = {LAB_UNDELIVERABLE, {"invalid_syntax", "reserved_domain", "domain_literal"}},
     .dns = DNS_NOT_ASKED,
     .weight = 2},
};

const struct behaviour_part behaviours_of_names = {rows, ARRAY_LENGTH(rows)};
