/* Do address, PTR name and EHLO name agree (forward-confirmed reverse DNS)? Most servers ask
 * that of whoever connects. And is the sender of probes somebody? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/address/address.h"
#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "service/doctor_checks.h"
#include "service/operator.h"

enum { PTR_NAMES_MAX = 4, HELLO_ADDRESSES_MAX = 32 };

/* One of our addresses and what DNS calls it. */
struct reverse {
    struct doctor *doctor;
    struct ip_address address;
    enum dns_status status; /* of the PTR question */
    size_t name_count;
    struct forward {
        struct reverse *reverse;
        char name[DNS_NAME_SIZE];
        enum dns_status status;
        bool confirmed;
    } names[PTR_NAMES_MAX];
};

struct doctor_names {
    enum dns_status hello_status[2]; /* A, AAAA */
    size_t hello_count;
    struct ip_address hello[HELLO_ADDRESSES_MAX];
    size_t reverse_count;
    struct reverse reverses[DOCTOR_ADDRESSES_MAX];
};

/* --- asking ------------------------------------------------------------------------------- */

static void on_forward(void *context, const struct dns_answer *answer)
{
    struct forward *forward = context;
    struct reverse *reverse = forward->reverse;

    forward->status = answer->status;
    for (size_t i = 0; answer->status == DNS_FOUND && i < answer->count; i++)
        forward->confirmed |= ip_equal(&answer->records[i].address, &reverse->address);
    doctor_arrived(reverse->doctor);
}

static void ask_forward(struct reverse *reverse, const char *name)
{
    struct forward *forward = &reverse->names[reverse->name_count++];

    forward->reverse = reverse;
    snprintf(forward->name, sizeof(forward->name), "%s", name);
    doctor_wait(reverse->doctor);
    dns_ask(reverse->doctor->dns, forward->name, reverse->address.family == 6 ? DNS_AAAA : DNS_A,
            on_forward, forward);
}

static void on_reverse(void *context, const struct dns_answer *answer)
{
    struct reverse *reverse = context;

    reverse->status = answer->status;
    for (size_t i = 0; answer->status == DNS_FOUND && i < answer->count; i++) {
        const char *name = answer->records[i].name;

        if (reverse->name_count < PTR_NAMES_MAX && name[0] != '\0' && strlen(name) < DNS_NAME_SIZE)
            ask_forward(reverse, name);
    }
    doctor_arrived(reverse->doctor);
}

static void ask_reverse(struct doctor *doctor, struct reverse *reverse,
                        const struct ip_address *address)
{
    char name[DOCTOR_REVERSE_SIZE];

    reverse->doctor = doctor;
    reverse->address = *address;
    doctor_reverse_name(address, address->family == 6 ? "ip6.arpa" : "in-addr.arpa", name);
    doctor_wait(doctor);
    dns_ask(doctor->dns, name, DNS_PTR, on_reverse, reverse);
}

static void take_hello(struct doctor *doctor, const struct dns_answer *answer, size_t which)
{
    struct doctor_names *names = doctor->names;

    names->hello_status[which] = answer->status;
    for (size_t i = 0; answer->status == DNS_FOUND && i < answer->count; i++)
        if (names->hello_count < HELLO_ADDRESSES_MAX)
            names->hello[names->hello_count++] = answer->records[i].address;
    doctor_arrived(doctor);
}

static void on_hello_a(void *context, const struct dns_answer *answer)
{
    take_hello(context, answer, 0);
}

static void on_hello_aaaa(void *context, const struct dns_answer *answer)
{
    take_hello(context, answer, 1);
}

static bool hello_is_full(const struct doctor *doctor)
{
    return strchr(doctor->config->hello_name, '.') != NULL;
}

void doctor_names_start(struct doctor *doctor)
{
    struct doctor_names *names = doctor->names = mem_new(struct doctor_names);

    if (!doctor->dns_works)
        return;
    if (hello_is_full(doctor)) {
        doctor_wait(doctor);
        doctor_wait(doctor);
        dns_ask(doctor->dns, doctor->config->hello_name, DNS_A, on_hello_a, doctor);
        dns_ask(doctor->dns, doctor->config->hello_name, DNS_AAAA, on_hello_aaaa, doctor);
    }
    for (size_t i = 0; i < doctor->address_count; i++)
        ask_reverse(doctor, &names->reverses[names->reverse_count++], &doctor->addresses[i]);
}

/* --- the EHLO name --------------------------------------------------------------------------- */

static bool says_nothing(enum dns_status status)
{
    return status == DNS_NO_DATA || status == DNS_NO_NAME;
}

static bool hello_has(const struct doctor_names *names, const struct ip_address *address)
{
    for (size_t i = 0; i < names->hello_count; i++)
        if (ip_equal(&names->hello[i], address))
            return true;
    return false;
}

static void judge_hello(struct doctor *doctor)
{
    static const char set_it[] =
        "set hello_name to a full name that resolves to this host and that "
        "its address's PTR record names";
    const struct doctor_names *names = doctor->names;
    const char *name = doctor->config->hello_name;
    char first[IP_TEXT_SIZE];

    if (!hello_is_full(doctor))
        doctor_note(doctor, "hello_name", DOCTOR_FAIL, name, set_it,
                    "has no dot, so EHLO carries an address literal, which many servers refuse");
    else if (!doctor->dns_works)
        doctor_note(doctor, "hello_name", DOCTOR_SKIPPED, name, NULL,
                    "cannot be looked up without a resolver");
    else if (names->hello_count > 0)
        doctor_note(doctor, "hello_name", DOCTOR_OK, name, NULL, "resolves to %s%s",
                    ip_format(&names->hello[0], first),
                    names->hello_count > 1 ? " and others" : "");
    else if (says_nothing(names->hello_status[0]) && says_nothing(names->hello_status[1]))
        doctor_note(doctor, "hello_name", DOCTOR_FAIL, name,
                    "add an A record with this host's address, or set another hello_name",
                    "does not resolve");
    else
        doctor_note(doctor, "hello_name", DOCTOR_WARN, name, "try again",
                    "could not be looked up: %s", dns_status_name(names->hello_status[0]));
}

/* --- PTR ------------------------------------------------------------------------------------- */

/* Names made from the address are given to customers nobody knows; "generic-looking" to filters. */
static bool looks_generic(const char *name, const struct ip_address *address)
{
    unsigned seen = 0;

    if (address->family != 4)
        return false;
    for (size_t i = 0; i < 4; i++) {
        for (const char *at = name; *at != '\0'; at += strspn(at, "0123456789")) {
            at += strcspn(at, "0123456789");
            if (*at != '\0' && strtoul(at, NULL, 10) == address->octets[i]) {
                seen++;
                break;
            }
        }
    }
    return seen == 4;
}

static const struct forward *find_name(const struct reverse *reverse, const char *wanted)
{
    for (size_t i = 0; i < reverse->name_count; i++)
        if (wanted != NULL ? text_equal_nocase(reverse->names[i].name, wanted)
                           : reverse->names[i].confirmed)
            return &reverse->names[i];
    return NULL;
}

static void judge_agreement(struct doctor *doctor, const struct reverse *reverse,
                            const char *address)
{
    const char *hello = doctor->config->hello_name;
    const struct forward *confirmed = find_name(reverse, NULL);
    const struct forward *same = find_name(reverse, hello);

    if (confirmed == NULL)
        doctor_note(doctor, "ptr", DOCTOR_FAIL, address,
                    "add an A or AAAA record for that name with this address, or have the PTR "
                    "record changed",
                    "is called %s, which does not resolve back to it", reverse->names[0].name);
    else if (same == NULL)
        doctor_note(doctor, "ptr", DOCTOR_WARN, address,
                    hello_has(doctor->names, &reverse->address)
                        ? "have the PTR record say hello_name, or set hello_name to that name"
                        : "set hello_name to that name",
                    "is called %s, but hello_name is %s", confirmed->name, hello);
    else if (looks_generic(confirmed->name, &reverse->address))
        doctor_note(doctor, "ptr", DOCTOR_WARN, address,
                    "have the PTR record give a name of your own: filters take names made from "
                    "the address for home connections",
                    "is called %s, a name made from the address", confirmed->name);
    else
        doctor_note(doctor, "ptr", DOCTOR_OK, address, NULL,
                    "is called %s, which is hello_name and resolves back", same->name);
}

static void judge_reverse(struct doctor *doctor, const struct reverse *reverse)
{
    char address[IP_TEXT_SIZE];

    ip_format(&reverse->address, address);
    if (reverse->name_count > 0)
        judge_agreement(doctor, reverse, address);
    else if (reverse->status == DNS_FOUND || says_nothing(reverse->status))
        doctor_note(doctor, "ptr", DOCTOR_FAIL, address,
                    "ask whoever gave you the address for a PTR record with hello_name in it",
                    "has no PTR record: many servers refuse it");
    else
        doctor_note(doctor, "ptr", DOCTOR_WARN, address, "try again",
                    "its PTR record could not be looked up: %s", dns_status_name(reverse->status));
}

void doctor_names_finish(struct doctor *doctor)
{
    struct doctor_names *names = doctor->names;

    judge_hello(doctor);
    for (size_t i = 0; i < names->reverse_count; i++)
        judge_reverse(doctor, &names->reverses[i]);
    if (names->reverse_count == 0)
        doctor_note(doctor, "ptr", DOCTOR_SKIPPED, NULL, NULL,
                    doctor->dns_works ? "no public address of ours is known"
                                      : "cannot be looked up without a resolver");
    free(names);
    doctor->names = NULL;
}

/* --- the sender ------------------------------------------------------------------------------ */

static bool is_spf(const struct dns_record *record)
{
    return text_starts_nocase(record->text, "v=spf1") &&
           (record->text[6] == '\0' || record->text[6] == ' ');
}

static void on_spf(void *context, const struct dns_answer *answer)
{
    struct doctor *doctor = context;
    bool found = false;

    for (size_t i = 0; answer->status == DNS_FOUND && i < answer->count; i++)
        found = found || is_spf(&answer->records[i]);
    if (found)
        doctor_note(doctor, "mail_from", DOCTOR_OK, doctor->config->mail_from, NULL,
                    "is in a domain that takes mail and has an SPF record");
    else
        doctor_note(doctor, "mail_from", DOCTOR_WARN, doctor->config->mail_from,
                    "publish one that passes for this host and ends in -all",
                    "is in a domain without an SPF record");
    doctor_arrived(doctor);
}

static void on_sender_mx(void *context, struct mx_evidence *mx)
{
    static const char take_mail[] = "use a mailbox that takes mail: servers check back";
    struct doctor *doctor = context;
    const char *from = doctor->config->mail_from;
    bool unsure = mx->outcome == MX_TIMEOUT || mx->outcome == MX_FAILURE || mx->outcome == MX_BOGUS;

    if (mx->outcome == MX_FOUND && !mx->implicit) {
        doctor_wait(doctor);
        dns_ask(doctor->dns, doctor->sender_domain, DNS_TXT, on_spf, doctor);
    } else if (mx->outcome == MX_FOUND) {
        doctor_note(doctor, "mail_from", DOCTOR_WARN, from, "publish an MX record",
                    "is in a domain without an MX record, only an address");
    } else {
        doctor_note(doctor, "mail_from", unsure ? DOCTOR_WARN : DOCTOR_FAIL, from,
                    unsure ? "try again" : take_mail, "is in a domain that takes no mail: %s",
                    mx_outcome_name(mx->outcome));
    }
    mx_evidence_drop(&mx);
    doctor_arrived(doctor);
}

void doctor_sender_start(struct doctor *doctor)
{
    const char *from = doctor->config->mail_from;
    struct address_options options = operator_address_options(doctor->config);
    struct address address;

    if (from[0] == '\0') {
        doctor_note(doctor, "mail_from", DOCTOR_WARN, NULL,
                    "set mail_from to a real mailbox on a domain with MX and SPF for this host",
                    "is not set: probes use the null sender <>, which some servers refuse");
        return;
    }
    address_parse(from, strlen(from), &options, &address);
    if (address.code != ADDRESS_OK) {
        doctor_note(doctor, "mail_from", DOCTOR_FAIL, from, "set it to a mailbox address",
                    "is not an address that mail can go to: %s", address_code_name(address.code));
        return;
    }
    if (!doctor->dns_works) {
        doctor_note(doctor, "mail_from", DOCTOR_SKIPPED, from, NULL,
                    "is in a domain that cannot be looked up without a resolver");
        return;
    }
    snprintf(doctor->sender_domain, sizeof(doctor->sender_domain), "%s", address.domain_ascii);
    doctor_wait(doctor);
    mx_lookup_start(doctor->mx, doctor->sender_domain, on_sender_mx, doctor);
}
