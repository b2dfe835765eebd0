/* fake_dns.h - a scriptable resolver on loopback, UDP and TCP, on the test's own loop. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "probes/base/loop.h"
#include "probes/net/dns.h"

enum fake_dns_habit {
    FAKE_NORMAL,
    FAKE_SERVFAIL, /* whatever is asked for */
    FAKE_BOGUS,    /* SERVFAIL, but answers with checking disabled */
    FAKE_REFUSED,
    FAKE_SILENT,
    FAKE_GARBAGE,     /* a header and a question, then random octets */
    FAKE_TRUNCATED,   /* TC over UDP, whole over TCP */
    FAKE_FILTERED,    /* NXDOMAIN with extended error 15 */
    FAKE_AUTHENTIC,   /* AD set, if the question asked for it */
    FAKE_NO_OPT,      /* FORMERR to questions with OPT, no OPT in answers */
    FAKE_ONE_CNAME,   /* gives one CNAME and leaves the rest to the asker */
    FAKE_DENIED,      /* NXDOMAIN, whatever there is */
    FAKE_NO_SOA,      /* negative answers without SOA */
    FAKE_WRONG_ANSWER /* answers another question */
};

struct fake_dns;

struct fake_dns *fake_dns_new(struct loop *loop);
void fake_dns_free(struct fake_dns **fake);
const char *fake_dns_address(const struct fake_dns *fake); /* "127.0.0.1:12345" */

/* "name ttl A|AAAA|CNAME|TXT|MX|SRV data...", e.g. "a.test 300 MX 10 mx.a.test"; MX "." is null. */
void fake_dns_add(struct fake_dns *fake, const char *record);
/* For `name` and type 0 = any; `times` 0 = always. Later ones come first. */
void fake_dns_behave(struct fake_dns *fake, const char *name, unsigned type,
                     enum fake_dns_habit habit, unsigned times);
void fake_dns_negative_ttl(struct fake_dns *fake, uint32_t ttl_s);
void fake_dns_without_edns(struct fake_dns *fake);
/* The first question over UDP that is left unanswered gets its answer, whatever the habits, when
 * one with checking disabled comes in, and that one gets none. */
void fake_dns_late(struct fake_dns *fake);
/* Questions heard so far; NULL and 0 stand for any. */
unsigned fake_dns_heard(const struct fake_dns *fake, const char *name, unsigned type);
unsigned fake_dns_heard_over_tcp(const struct fake_dns *fake);
/* Flags of the last question heard. */
bool fake_dns_last_wanted_ad(const struct fake_dns *fake);
bool fake_dns_last_had_cd(const struct fake_dns *fake);
unsigned fake_dns_last_edns_size(const struct fake_dns *fake);
unsigned fake_dns_source_ports(const struct fake_dns *fake); /* different ones seen, up to 64 */
