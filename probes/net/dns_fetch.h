/* dns_fetch.h - the work on one question until there is an answer: servers, rounds, repeats.
 *
 * Each server is asked in turn, `tries` rounds, each wait twice the one before. A server
 * that fails (SERVFAIL, REFUSED, malformed, unreachable) is not asked again in the same
 * fetch; after SERVFAIL from all that answered, one more question with checking disabled
 * tells "bogus" from "broken". Our own clock decides on timeouts; answers to earlier
 * attempts still count. */
#pragma once

#include "probes/net/dns.h"

struct dns_fetcher;
struct dns_fetch;
/* Once per fetch, never from inside dns_fetch_start(). `answer` is the receiver's to free():
 * one block with its records and strings; ttl_s is clamped. */
typedef void dns_fetched_fn(void *context, struct dns_answer *answer);

/* NULL with *error when the servers are not a list or c-ares cannot be set up. */
struct dns_fetcher *dns_fetcher_new(const struct dns_params *params, const char **error);
void dns_fetcher_free(struct dns_fetcher **fetcher); /* after all its fetches */

struct dns_fetch *dns_fetch_start(struct dns_fetcher *fetcher, const char *name, enum dns_type type,
                                  dns_fetched_fn *done, void *context);
void dns_fetch_cancel(struct dns_fetch **fetch); /* no callback; sets NULL; NULL is fine */
/* sent, timeouts and failures. */
struct dns_counters dns_fetcher_counters(const struct dns_fetcher *fetcher);
