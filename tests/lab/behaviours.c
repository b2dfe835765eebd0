#include "tests/lab/behaviours.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"

static const struct behaviour_part *const parts[] = {&behaviours_of_mailboxes,
                                                     &behaviours_of_servers, &behaviours_of_names};

size_t behaviour_count(void)
{
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
        count += parts[i]->count;
    return count;
}

const struct behaviour *behaviour_at(size_t index)
{
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        if (index < parts[i]->count)
            return &parts[i]->rows[index];
        index -= parts[i]->count;
    }
    abort(); /* indexes come from behaviour_count and behaviour_find */
}

const struct behaviour *behaviour_find(const char *name, size_t *index)
{
    size_t count = behaviour_count();

    for (size_t i = 0; i < count; i++)
        if (strcmp(behaviour_at(i)->name, name) == 0) {
            *index = i;
            return behaviour_at(i);
        }
    return NULL;
}

const char *lab_status_name(enum lab_status status)
{
    switch (status) {
    case LAB_OWN:
        return "own";
    case LAB_DELIVERABLE:
        return "deliverable";
    case LAB_UNDELIVERABLE:
        return "undeliverable";
    case LAB_RISKY:
        return "risky";
    case LAB_UNKNOWN:
        return "unknown";
    }
    return "";
}

#define NAME_ROW(symbol, name) [symbol] = name,
static const char *const class_names[] = {MAILBOX_CLASS_LIST(NAME_ROW)};

const char *mailbox_class_name(enum mailbox_class mailbox) { return class_names[mailbox]; }

bool mailbox_class_parse(const char *name, enum mailbox_class *mailbox)
{
    for (unsigned i = 0; i < MAILBOX_CLASS_COUNT; i++)
        if (strcmp(class_names[i], name) == 0) {
            *mailbox = (enum mailbox_class)i;
            return true;
        }
    return false;
}

/* --- IMAP ------------------------------------------------------------------- */

static const struct imap_variant variants[] = {
    {.name = "none", .sentence = "no IMAP host anywhere", .weight = 40},
    {.name = "ok",
     .sentence = "993, and 143 with STARTTLS and LOGINDISABLED; SRV names both",
     .state = "ok",
     .where = IMAP_SRV,
     .implicit_tls = true,
     .clear = true,
     .starttls = true,
     .login_disabled = true,
     .tls = TLS_PLAY_GOOD,
     .weight = 16},
    {.name = "only-993",
     .sentence = "993 only, named by SRV",
     .state = "ok",
     .where = IMAP_SRV,
     .implicit_tls = true,
     .tls = TLS_PLAY_GOOD,
     .weight = 6},
    {.name = "guessed",
     .sentence = "no SRV, but imap.<domain> answers on 993 with a good certificate",
     .state = "ok",
     .where = IMAP_BY_GUESS,
     .implicit_tls = true,
     .tls = TLS_PLAY_GOOD,
     .weight = 6},
    {.name = "starttls",
     .sentence = "143 only: STARTTLS and LOGINDISABLED",
     .state = "ok",
     .where = IMAP_SRV,
     .clear = true,
     .starttls = true,
     .login_disabled = true,
     .tls = TLS_PLAY_GOOD,
     .weight = 4},
    {.name = "login-allowed",
     .sentence = "143 only, no STARTTLS: passwords in clear",
     .state = "ok",
     .where = IMAP_SRV,
     .clear = true,
     .weight = 2},
    {.name = "logindisabled",
     .sentence = "143 only, LOGINDISABLED and no STARTTLS: nobody can sign in",
     .state = "ok",
     .where = IMAP_SRV,
     .clear = true,
     .login_disabled = true,
     .weight = 2},
    {.name = "greeting-capability",
     .sentence = "capabilities in the greeting",
     .state = "ok",
     .where = IMAP_SRV,
     .implicit_tls = true,
     .greeting_capability = true,
     .tls = TLS_PLAY_GOOD,
     .weight = 4},
    {.name = "huge-capability",
     .sentence = "a CAPABILITY line of 8 KB",
     .state = "ok",
     .where = IMAP_SRV,
     .implicit_tls = true,
     .huge_capability = true,
     .tls = TLS_PLAY_GOOD,
     .weight = 1},
    {.name = "preauth",
     .sentence = "PREAUTH: an open store",
     .state = "preauth",
     .where = IMAP_SRV,
     .implicit_tls = true,
     .greeting = IMAP_GREET_PREAUTH,
     .tls = TLS_PLAY_GOOD,
     .weight = 2},
    {.name = "bye",
     .sentence = "BYE: too many connections",
     .state = "bye",
     .where = IMAP_SRV,
     .implicit_tls = true,
     .greeting = IMAP_GREET_BYE,
     .tls = TLS_PLAY_GOOD,
     .weight = 2},
    {.name = "garbage",
     .sentence = "not IMAP",
     .state = "not_imap",
     .where = IMAP_SRV,
     .implicit_tls = true,
     .greeting = IMAP_GREET_GARBAGE,
     .tls = TLS_PLAY_GOOD,
     .weight = 1},
    {.name = "silent",
     .sentence = "accepts the connection and says nothing",
     .state = "timeout",
     .where = IMAP_SRV,
     .clear = true,
     .greeting = IMAP_GREET_SILENT,
     .weight = 1},
    {.name = "refused",
     .sentence = "SRV names a host where nobody listens",
     .state = "refused",
     .where = IMAP_SRV,
     .weight = 1},
    {.name = "expired",
     .sentence = "993 with an expired certificate",
     .state = "ok",
     .where = IMAP_SRV,
     .implicit_tls = true,
     .tls = TLS_PLAY_EXPIRED,
     .weight = 2},
    {.name = "self-signed",
     .sentence = "993 with a self-signed certificate",
     .state = "ok",
     .where = IMAP_SRV,
     .implicit_tls = true,
     .tls = TLS_PLAY_SELF_SIGNED,
     .weight = 2},
    {.name = "wrong-name",
     .sentence = "993 with a certificate for another name",
     .state = "ok",
     .where = IMAP_SRV,
     .implicit_tls = true,
     .tls = TLS_PLAY_WRONG_NAME,
     .weight = 2},
    {.name = "starttls-broken",
     .sentence = "143 only: every handshake ends in a fatal alert",
     .state = "tls_failed",
     .where = IMAP_SRV,
     .clear = true,
     .starttls = true,
     .login_disabled = true,
     .tls = TLS_PLAY_ALERT,
     .weight = 1},
    {.name = "starttls-injected",
     .sentence = "143 only: clear text behind the STARTTLS response",
     .state = "tls_failed",
     .where = IMAP_SRV,
     .clear = true,
     .starttls = true,
     .login_disabled = true,
     .tls = TLS_PLAY_INJECTED,
     .weight = 1},
    {.name = "not-offered",
     .sentence = "SRV target \".\": not offered (RFC 6186 section 3.4)",
     .state = "not_offered",
     .where = IMAP_SRV_DENIED,
     .weight = 2},
};

size_t imap_variant_count(void) { return ARRAY_LENGTH(variants); }
const struct imap_variant *imap_variant_at(size_t index) { return &variants[index]; }

const struct imap_variant *imap_variant_find(const char *name, size_t *index)
{
    for (size_t i = 0; i < ARRAY_LENGTH(variants); i++)
        if (strcmp(variants[i].name, name) == 0) {
            *index = i;
            return &variants[i];
        }
    return NULL;
}

/* --- for people ----------------------------------------------------------------- */

static void print_reasons(const char *before, const struct truth *truth)
{
    if (truth->status == LAB_OWN)
        return;
    printf("%s%s /", before, lab_status_name(truth->status));
    for (size_t i = 0; i < TRUTH_REASONS_MAX && truth->reasons[i] != NULL; i++)
        printf("%s %s", i > 0 ? " |" : "", truth->reasons[i]);
}

static void print_truth(const struct behaviour *row)
{
    if (row->first.status == LAB_OWN) {
        printf("%-24s own truth of the mailbox", row->name);
        print_reasons(", or ", &row->also);
        putchar('\n');
        return;
    }
    printf("%-24s ", row->name);
    print_reasons("", &row->first);
    printf("%s%s\n", row->first_for == FOR_ACCEPTED ? "; others: own truth" : "",
           row->settles ? "; settles to own truth" : "");
}

void behaviours_print(void)
{
    size_t count = behaviour_count();

    puts("Mailboxes, own truth: known deliverable/mailbox_accepted; unknown "
         "undeliverable/mailbox_not_found;\n"
         "full risky/mailbox_full; disabled undeliverable/mailbox_disabled; restricted "
         "risky/mailbox_restricted;\n"
         "rate_limited deliverable/mailbox_rate_limited; moved undeliverable/mailbox_moved;\n"
         "abandoned undeliverable/mailbox_abandoned; beyond ASCII without SMTPUTF8\n"
         "undeliverable/eai_not_supported. \"deferred\" is allowed where a host rests after "
         "refusing us.\n");
    for (size_t i = 0; i < count; i++) {
        print_truth(behaviour_at(i));
        printf("    %s\n", behaviour_at(i)->sentence);
    }
    puts("\nIMAP, independent of the rest (mix lines: imap:NAME WEIGHT):");
    for (size_t i = 0; i < ARRAY_LENGTH(variants); i++)
        printf("imap:%-19s %-11s %s\n", variants[i].name,
               variants[i].state != NULL ? variants[i].state : "-", variants[i].sentence);
}
