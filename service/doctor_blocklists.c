/* Are our addresses on DNS blocklists (RFC 5782)?
 *
 * A list is believed only after its own test entries: 127.0.0.2 must be listed and 127.0.0.1 must
 * not; for IPv6 both as ::FFFF:7F00:2 and ::FFFF:7F00:1 (sections 5 and 2.4). So a list that died,
 * was sold, lists the world or refuses our resolver is set aside. 127.255.255.x is a list's word
 * for "I do not answer you", never a listing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "service/doctor_checks.h"

enum { REASON_SHOWN = 160 };

/* Where to ask for removal; for other lists the zone's own name has to do. */
static const struct known_list {
    const char *zone, *advice;
} known_lists[] = {
    {"zen.spamhaus.org", "see https://check.spamhaus.org/ for why, and how to be removed"},
    {"bl.spamcop.net", "see https://www.spamcop.net/bl.shtml; listings end by themselves"},
    {"b.barracudacentral.org", "see https://www.barracudacentral.org/lookups"},
    {"psbl.surriel.com", "see https://psbl.org/ for removal"},
    {"dnsbl.dronebl.org", "see https://dronebl.org/lookup; look for an open proxy on this host"},
    {"bl.mailspike.net", "see https://www.mailspike.org/iplookup.html"},
};

/* What one A question to a list came to. */
enum word { NOT_ASKED, NOT_LISTED, LISTED, REFUSES, NO_WORD };

struct list_question {
    struct list_check *check;
    struct ip_address address;
    enum word word;
    struct ip_address code; /* 127.0.0.x */
    char reason[REASON_SHOWN + 1];
};

/* One zone and address family. */
struct list_check {
    struct doctor *doctor;
    const char *zone;
    uint8_t family;
    unsigned tests_out;
    struct list_question listed, unlisted; /* the test entries */
    size_t count;
    struct list_question ours[DOCTOR_ADDRESSES_MAX];
};

struct doctor_zones {
    char *words;
    size_t count;
    struct list_check checks[2 * DOCTOR_WORDS_MAX];
};

/* --- asking ------------------------------------------------------------------------------- */

static enum word word_of(const struct dns_answer *answer, struct ip_address *code)
{
    if (answer->status == DNS_NO_DATA || answer->status == DNS_NO_NAME)
        return NOT_LISTED;
    if (answer->status != DNS_FOUND)
        return NO_WORD;
    *code = answer->records[0].address;
    for (size_t i = 0; i < answer->count; i++) {
        const uint8_t *octets = answer->records[i].address.octets;

        if (octets[0] != 127)
            return NO_WORD; /* a page for lost visitors, not a list */
        if (octets[1] == 255 && octets[2] == 255)
            return REFUSES;
    }
    return LISTED;
}

static void ask(struct list_question *question, enum dns_type type, dns_done_fn *done)
{
    struct list_check *check = question->check;
    char name[DOCTOR_REVERSE_SIZE];

    doctor_reverse_name(&question->address, check->zone, name);
    doctor_wait(check->doctor);
    dns_ask(check->doctor->dns, name, type, done, question);
}

static void on_reason(void *context, const struct dns_answer *answer)
{
    struct list_question *question = context;

    if (answer->status == DNS_FOUND)
        snprintf(question->reason, sizeof(question->reason), "%s", answer->records[0].text);
    doctor_arrived(question->check->doctor);
}

static void on_word(void *context, const struct dns_answer *answer)
{
    struct list_question *question = context;

    question->word = word_of(answer, &question->code);
    if (question->word == LISTED)
        ask(question, DNS_TXT, on_reason);
    doctor_arrived(question->check->doctor);
}

static bool is_sound(const struct list_check *check)
{
    return check->listed.word == LISTED && check->unlisted.word == NOT_LISTED;
}

static void on_test(void *context, const struct dns_answer *answer)
{
    struct list_question *question = context;
    struct list_check *check = question->check;

    question->word = word_of(answer, &question->code);
    if (--check->tests_out == 0 && is_sound(check))
        for (size_t i = 0; i < check->count; i++)
            ask(&check->ours[i], DNS_A, on_word);
    doctor_arrived(check->doctor);
}

static struct ip_address test_entry(uint8_t family, uint8_t last)
{
    struct ip_address address = {.family = family};
    uint8_t *octets = family == 4 ? address.octets : address.octets + 12;

    if (family == 6)
        address.octets[10] = address.octets[11] = 0xff;
    octets[0] = 127;
    octets[3] = last;
    return address;
}

static void begin(struct doctor *doctor, const char *zone, uint8_t family)
{
    struct list_check *check = &doctor->zones->checks[doctor->zones->count++];

    check->doctor = doctor;
    check->zone = zone;
    check->family = family;
    check->listed = (struct list_question){.check = check, .address = test_entry(family, 2)};
    check->unlisted = (struct list_question){.check = check, .address = test_entry(family, 1)};
    for (size_t i = 0; i < doctor->address_count; i++)
        if (doctor->addresses[i].family == family)
            check->ours[check->count++] =
                (struct list_question){.check = check, .address = doctor->addresses[i]};
    check->tests_out = 2;
    ask(&check->listed, DNS_A, on_test);
    ask(&check->unlisted, DNS_A, on_test);
}

static bool have_family(const struct doctor *doctor, uint8_t family)
{
    for (size_t i = 0; i < doctor->address_count; i++)
        if (doctor->addresses[i].family == family)
            return true;
    return false;
}

void doctor_zones_start(struct doctor *doctor)
{
    const char *zones[DOCTOR_WORDS_MAX];
    struct doctor_zones *all = doctor->zones = mem_new(struct doctor_zones);
    size_t count = doctor_words(doctor->config->doctor_blocklists, zones, &all->words);

    for (size_t i = 0; i < count && doctor->dns_works; i++) {
        if (have_family(doctor, 4))
            begin(doctor, zones[i], 4);
        if (have_family(doctor, 6))
            begin(doctor, zones[i], 6);
    }
}

/* --- judging -------------------------------------------------------------------------------- */

static const char *advice_for(const char *zone)
{
    for (size_t i = 0; i < ARRAY_LENGTH(known_lists); i++)
        if (strcmp(known_lists[i].zone, zone) == 0)
            return known_lists[i].advice;
    return "stop what the list names, then ask it for removal";
}

static void judge_ours(const struct list_check *check, const struct list_question *question)
{
    struct doctor *doctor = check->doctor;
    char address[IP_TEXT_SIZE], code[IP_TEXT_SIZE];

    ip_format(&question->address, address);
    switch (question->word) {
    case LISTED:
        doctor_note(doctor, "blocklist", DOCTOR_FAIL, check->zone, advice_for(check->zone),
                    "lists %s (%s)%s%s", address, ip_format(&question->code, code),
                    question->reason[0] != '\0' ? ": " : "", question->reason);
        break;
    case NOT_LISTED:
        doctor_note(doctor, "blocklist", DOCTOR_OK, check->zone, NULL, "does not list %s", address);
        break;
    case REFUSES:
    case NO_WORD:
    case NOT_ASKED:
        doctor_note(doctor, "blocklist", DOCTOR_SKIPPED, check->zone, NULL, "gave no answer for %s",
                    address);
        break;
    }
}

static void judge_unsound(const struct list_check *check)
{
    struct doctor *doctor = check->doctor;
    char code[IP_TEXT_SIZE];

    if (check->family == 6 && check->listed.word == NOT_LISTED)
        return; /* many lists know IPv4 only */
    if (check->listed.word == REFUSES || check->unlisted.word == REFUSES)
        doctor_note(
            doctor, "blocklist", DOCTOR_SKIPPED, check->zone,
            "run a resolver of your own: lists refuse public ones",
            "does not answer our resolver (%s)",
            ip_format(check->listed.word == REFUSES ? &check->listed.code : &check->unlisted.code,
                      code));
    else if (check->listed.word == NO_WORD || check->unlisted.word == NO_WORD)
        doctor_note(doctor, "blocklist", DOCTOR_SKIPPED, check->zone, NULL,
                    "gives no usable answer to its own test entries");
    else
        doctor_note(doctor, "blocklist", DOCTOR_SKIPPED, check->zone,
                    "take it out of doctor_blocklists if this persists",
                    check->unlisted.word == LISTED
                        ? "lists what must never be listed (127.0.0.1): not believed"
                        : "does not list its own test entry (127.0.0.2): not believed");
}

void doctor_zones_finish(struct doctor *doctor)
{
    struct doctor_zones *all = doctor->zones;

    for (size_t i = 0; i < all->count; i++) {
        const struct list_check *check = &all->checks[i];

        if (!is_sound(check))
            judge_unsound(check);
        for (size_t k = 0; is_sound(check) && k < check->count; k++)
            judge_ours(check, &check->ours[k]);
    }
    if (all->count == 0)
        doctor_note(doctor, "blocklist", DOCTOR_SKIPPED, NULL, NULL,
                    !doctor->dns_works           ? "cannot be looked up without a resolver"
                    : doctor->address_count == 0 ? "no public address of ours is known"
                                                 : "doctor_blocklists is empty");
    free(all->words);
    free(all);
    doctor->zones = NULL;
}
