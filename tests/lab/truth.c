#include "tests/lab/truth.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "tests/lab/random.h"

/* A mailbox by itself: what its host would say of it, were there nothing else. */
static const struct truth own_truths[MAILBOX_CLASS_COUNT] = {
    [MAILBOX_KNOWN] = {LAB_DELIVERABLE, {"mailbox_accepted"}},
    [MAILBOX_UNKNOWN] = {LAB_UNDELIVERABLE, {"mailbox_not_found"}},
    [MAILBOX_FULL_452] = {LAB_RISKY, {"mailbox_full"}},
    [MAILBOX_FULL_552] = {LAB_RISKY, {"mailbox_full"}},
    [MAILBOX_DISABLED] = {LAB_UNDELIVERABLE, {"mailbox_disabled"}},
    [MAILBOX_RESTRICTED] = {LAB_RISKY, {"mailbox_restricted"}},
    [MAILBOX_RATE_LIMITED] = {LAB_DELIVERABLE, {"mailbox_rate_limited"}},
    [MAILBOX_MOVED] = {LAB_UNDELIVERABLE, {"mailbox_moved"}},
    [MAILBOX_ABANDONED] = {LAB_UNDELIVERABLE, {"mailbox_abandoned"}},
};

static const struct truth eai_truth = {LAB_UNDELIVERABLE, {"eai_not_supported"}};
static const struct truth sender_truth = {LAB_UNKNOWN, {"sender_rejected"}};

static const struct truth fault_truths[FAULT_COUNT] = {
    [FAULT_DROP] = {LAB_UNKNOWN, {"connection_lost", "deferred"}},
    [FAULT_BUSY] = {LAB_UNKNOWN, {"temporary_failure", "deferred"}},
    [FAULT_STALL] = {LAB_UNKNOWN, {"smtp_timeout", "deferred"}},
};

static bool is_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

struct truths truth_of(const struct world *world, const struct lab_domain *domain,
                       const struct lab_mailbox *mailbox)
{
    const struct behaviour *row = behaviour_at(domain->behaviour);
    struct truth own = own_truths[mailbox->class];

    if (!is_ascii(mailbox->local) && !row->play.smtputf8)
        own = eai_truth;
    /* Without a sender of its own to fall back on, a refused null sender is the end. */
    if (row->play.sender == SENDER_NAMED_ONLY && world->settings.null_sender)
        own = sender_truth;
    struct truths truths = {.first = own, .settled = own, .also = row->also};
    bool applies = row->first.status != LAB_OWN &&
                   (row->first_for == FOR_ALL || mailbox->class == MAILBOX_KNOWN);
    if (applies)
        truths.first = row->first;
    if (applies && !row->settles)
        truths.settled = row->first;
    if (mailbox->fault != FAULT_NONE) {
        truths.also = truths.first;
        truths.first = fault_truths[mailbox->fault];
    }
    return truths;
}

/* --- files ---------------------------------------------------------------------- */

static void put_truth(struct text *out, const char *key, const struct truth *truth)
{
    if (truth->status == LAB_OWN)
        return;
    json_open(out, key, '{');
    json_string(out, "status", lab_status_name(truth->status));
    json_open(out, "reasons", '[');
    for (size_t i = 0; i < TRUTH_REASONS_MAX && truth->reasons[i] != NULL; i++)
        json_string(out, NULL, truth->reasons[i]);
    json_close(out, ']');
    json_close(out, '}');
}

/* What comes of a row that is no question for DNS: literals are unknown, the rest undeliverable. */
static struct truth raw_truth(const struct lab_raw *raw)
{
    struct truth truth = {LAB_UNDELIVERABLE, {raw->reason}};

    if (strcmp(raw->reason, "domain_literal") == 0)
        truth.status = LAB_UNKNOWN;
    return truth;
}

static void put_raw(struct text *line, const struct lab_raw *raw)
{
    struct truth truth = raw_truth(raw);

    json_string(line, "email", raw->email);
    json_string(line, "behaviour", behaviour_syntax_name);
    put_truth(line, "first", &truth);
    put_truth(line, "settled", &truth);
}

static void put_mailbox(struct text *line, const struct world *world,
                        const struct lab_domain *domain, const struct lab_mailbox *mailbox,
                        const char *email)
{
    const struct imap_variant *variant = imap_variant_at(domain->imap);
    struct truths truths = truth_of(world, domain, mailbox);

    json_string(line, "email", email);
    json_string(line, "behaviour", behaviour_at(domain->behaviour)->name);
    json_string(line, "mailbox", mailbox_class_name((enum mailbox_class)mailbox->class));
    if (mailbox->fault != FAULT_NONE)
        json_string(line, "fault", fault_name((enum fault)mailbox->fault));
    put_truth(line, "first", &truths.first);
    put_truth(line, "also", &truths.also);
    put_truth(line, "settled", &truths.settled);
    json_string(line, "imap", variant->name);
    json_string(line, "imap_state", variant->state);
}

/* One row: mailbox number `row`, or beyond the mailboxes a raw one. */
static void write_row(const struct world *world, const uint32_t *owners, size_t row, FILE *truth,
                      FILE *emails)
{
    char email[512];
    struct text line;

    text_init(&line, 4096);
    json_open(&line, NULL, '{');
    if (row < world->mailbox_count) {
        const struct lab_domain *domain = &world->domains[owners[row]];

        snprintf(email, sizeof(email), "%s@%s", world->mailboxes[row].local, domain->display);
        put_mailbox(&line, world, domain, &world->mailboxes[row], email);
    } else {
        const struct lab_raw *raw = &world->raws[row - world->mailbox_count];

        snprintf(email, sizeof(email), "%s", raw->email);
        put_raw(&line, raw);
    }
    json_close(&line, '}');
    fprintf(truth, "%s\n", line.bytes);
    fprintf(emails, "%s\n", email);
    text_free(&line);
}

static void shuffle(uint32_t *items, size_t count, uint64_t seed)
{
    struct dice dice = {seed ^ 0x7472757468u};

    for (size_t i = count; i > 1; i--) {
        size_t other = dice_below(&dice, (uint32_t)i);
        uint32_t kept = items[i - 1];

        items[i - 1] = items[other];
        items[other] = kept;
    }
}

static void write_rows(const struct world *world, FILE *truth, FILE *emails)
{
    size_t count = world->mailbox_count + world->raw_count;
    uint32_t *order = mem_array(uint32_t, count);
    uint32_t *owners = mem_array(uint32_t, world->mailbox_count);

    for (size_t i = 0; i < count; i++)
        order[i] = (uint32_t)i;
    for (size_t d = 0; d < world->domain_count; d++)
        for (size_t i = 0; i < world->domains[d].mailbox_count; i++)
            owners[world->domains[d].first_mailbox + i] = (uint32_t)d;
    shuffle(order, count, world->settings.seed);
    for (size_t i = 0; i < count; i++)
        write_row(world, owners, order[i], truth, emails);
    free(owners);
    free(order);
}

static FILE *open_in(const char *directory, const char *name)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return fopen(path, "w");
}

bool truth_write(const struct world *world, const char *directory, char *error, size_t error_size)
{
    FILE *truth = open_in(directory, "truth.ndjson");
    FILE *emails = open_in(directory, "emails.txt");
    bool good = truth != NULL && emails != NULL;

    if (good) {
        write_rows(world, truth, emails);
        good = !ferror(truth) && !ferror(emails);
    }
    if (truth != NULL && fclose(truth) != 0)
        good = false;
    if (emails != NULL && fclose(emails) != 0)
        good = false;
    if (!good)
        snprintf(error, error_size, "cannot write the truth to %s: %s", directory, strerror(errno));
    return good;
}
