/* The demo's world: every behaviour by its own name, with hand-picked mailboxes. */
#include <stdio.h>
#include <string.h>

#include "probes/base/mem.h"
#include "tests/lab/generator.h"
#include "tests/lab/names.h"

static const char *const demo_locals[MAILBOX_CLASS_COUNT] = {
    [MAILBOX_KNOWN] = "jane.doe",          [MAILBOX_UNKNOWN] = "no.such.person",
    [MAILBOX_FULL_452] = "full.for.now",   [MAILBOX_FULL_552] = "full.up",
    [MAILBOX_DISABLED] = "left.the.firm",  [MAILBOX_RESTRICTED] = "board.members",
    [MAILBOX_RATE_LIMITED] = "popular",    [MAILBOX_MOVED] = "moved.away",
    [MAILBOX_ABANDONED] = "long.forgotten"};

/* Rows where the unknown mailbox teaches something too. */
static bool shows_unknown(const struct behaviour *row)
{
    static const char *const names[] = {
        "accept-known",    "catch-all",    "greylist",      "opaque",
        "bare-550-all",    "helo-only",    "mx-backup-lax", "no-pipelining",
        "421-after-n",     "codes-differ", "starttls-good", "provider-m365",
        "provider-yandex", "implicit-mx",  "cname",         "multi-line-replies"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (strcmp(names[i], row->name) == 0)
            return true;
    return false;
}

static void add_demo_mailboxes(struct world *world, const struct behaviour *row)
{
    bool given = false;

    for (unsigned i = 0; i < MAILBOX_CLASS_COUNT; i++)
        if (row->mailboxes[i] > 0) {
            world_add_mailbox(world, demo_locals[i], (enum mailbox_class)i, FAULT_NONE);
            given = true;
        }
    if (!given)
        world_add_mailbox(world, demo_locals[MAILBOX_KNOWN], MAILBOX_KNOWN, FAULT_NONE);
    if (!given && shows_unknown(row))
        world_add_mailbox(world, demo_locals[MAILBOX_UNKNOWN], MAILBOX_UNKNOWN, FAULT_NONE);
    if (row->non_ascii_percent > 0)
        world_add_mailbox(world, "jürgen", MAILBOX_KNOWN, FAULT_NONE);
}

static void add_demo_raws(struct world *world)
{
    static const uint32_t kinds[] = {0, 4, 13, 19, 24, 31};
    char email[512];

    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        const char *reason = name_raw(kinds[i], (uint32_t)i + 1, email, sizeof(email));

        world_add_raw(world, email, reason);
    }
}

struct world *generate_demo_world(void)
{
    struct world_settings settings = {
        .seed = 1, .greylist_s = 600, .caps = {.connections = 1, .recipients = 20, .rejects = 4}};
    struct world *world = world_new(&settings);
    bool ipv6 = world_has_ipv6();

    for (size_t i = 0; i < behaviour_count(); i++) {
        const struct behaviour *row = behaviour_at(i);
        char name[128];

        if (row->dns == DNS_NOT_ASKED || (row->ipv6 && !ipv6))
            continue;
        snprintf(name, sizeof(name), "%s.test", row->name);
        world_add_domain(world, name, name, i, (enum reply_style)(i % STYLE_OWN_COUNT),
                         i % imap_variant_count());
        add_demo_mailboxes(world, row);
    }
    add_demo_raws(world);
    world_build(world);
    return world;
}
