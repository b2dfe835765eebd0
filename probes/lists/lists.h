/* lists.h - what is known about domains and local parts by name alone: disposable
 * domains, free providers, alias relays, role names, parking hosts, top-level domains.
 *
 * The data is text in data/, embedded in the program; the index over it is made once,
 * at the first question or by lists_start. Operators add and remove entries with files
 * of their own (lists_reload). Every function here may be called from any thread.
 *
 * Names are A-labels (punycode), ASCII, in any case, without a final dot. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What a domain can be on, as bits; one look-up answers all. */
enum list_kind {
    LIST_DISPOSABLE = 1u << 0, /* throw-away mailboxes, open to anyone; so are its subdomains */
    LIST_FREE = 1u << 1,       /* anyone can sign up, or an access provider's mailboxes */
    LIST_ALIAS_RELAY =
        1u << 2, /* forwards to a real mailbox whose owner stays hidden; not disposable */
    LIST_PROVIDER = 1u << 3, /* a real provider: never disposable, never corrected */
    LIST_POPULAR = 1u << 4   /* common enough to be what somebody meant: targets of suggestions */
};

/* Builds the index (about 10 ms, once). Calling it is optional; it keeps the first answer fast. */
void lists_start(void);

/* All kinds of `domain`, 0 = on no list. */
unsigned list_domain_kinds(const char *domain);
bool list_disposable(const char *domain);
bool list_free_provider(const char *domain);
bool list_alias_relay(const char *domain);

/* By the host name of an MX; the host or any domain above it. */
bool list_disposable_mx(const char *mx_host);
bool list_parking_mx(const char *mx_host);

/* By local part: as it stands, without "+tag", without a trailing number; any case. */
bool list_role(const char *local);
bool list_no_reply(const char *local);

/* Is `label` a delegated top-level domain (A-label)? */
bool list_tld_known(const char *label, size_t length);

/* "2026-11-22", or "2026-11-22+2.5f3a91c0" with two operator files and a digest of them. The text
 * is valid until this thread's next question to the lists. */
const char *lists_version(void);

/* Reads every *.txt file in `dir`: "disposable.txt", "free.txt", ... with the names of data/. A
 * line adds an entry, a line that begins with "-" takes one off. All files or none: on false the
 * lists stay as they were and `error` names the file and line. NULL or "" as dir: only the built-in
 * lists. */
bool lists_reload(const char *dir, char *error, size_t error_size);
