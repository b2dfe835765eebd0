#include "tests/lab/generator.h"

#include <idn2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "tests/lab/mix.h"
#include "tests/lab/names.h"
#include "tests/lab/random.h"

struct generator {
    const struct generator_options *options;
    struct mix mix;
    struct dice dice;
    struct world *world;
    uint16_t *plan;   /* behaviour of each domain */
    uint32_t *shares; /* addresses of each domain */
    uint32_t faults_given;
};

/* Index of the weight that a throw falls on; -1 when all are 0. */
static int pick(struct dice *dice, const uint32_t *weights, size_t count)
{
    uint64_t total = 0;

    for (size_t i = 0; i < count; i++)
        total += weights[i];
    if (total == 0)
        return -1;
    uint64_t at = dice_roll(dice) % total;
    for (size_t i = 0; i < count; i++) {
        if (at < weights[i])
            return (int)i;
        at -= weights[i];
    }
    return -1;
}

/* Each behaviour of the mix once, when there is room for all; the rest by weight. */
static bool plan_behaviours(struct generator *g)
{
    size_t kinds = 0, at = 0, count = behaviour_count();

    for (size_t i = 0; i < count; i++)
        kinds += g->mix.behaviours[i] > 0;
    if (kinds == 0)
        return false;
    if (kinds <= g->options->domains)
        for (size_t i = 0; i < count; i++)
            if (g->mix.behaviours[i] > 0)
                g->plan[at++] = (uint16_t)i;
    for (; at < g->options->domains; at++)
        g->plan[at] = (uint16_t)pick(&g->dice, g->mix.behaviours, count);
    return true;
}

static bool at_provider(const struct generator *g, size_t domain)
{
    return behaviour_at(g->plan[domain])->dns == DNS_PROVIDER;
}

/* `addresses` among the domains that are (or are not) at providers: one each when there are enough,
 * the rest unevenly. */
static void share_among(struct generator *g, bool providers, bool all, uint32_t addresses)
{
    uint32_t count = g->options->domains, kinds = 0, given = 0,
             *weights = mem_array(uint32_t, count);
    uint64_t total = 0, before = 0;

    for (size_t i = 0; i < count; i++)
        if (all || at_provider(g, i) == providers) {
            total += weights[i] = 4 + dice_below(&g->dice, 9);
            kinds++;
        }
    uint32_t each = kinds > 0 && addresses >= kinds ? 1 : 0;
    for (size_t i = 0; i < count && total > 0; i++) {
        if (weights[i] == 0)
            continue;
        before += weights[i];
        uint32_t upto = (uint32_t)((uint64_t)(addresses - each * kinds) * before / total);
        g->shares[i] = each + upto - given;
        given = upto;
    }
    free(weights);
}

/* In a small world all domains may be at providers, or none: then one share is the whole. */
static void share_addresses(struct generator *g)
{
    uint32_t percent = g->options->providers_percent, addresses = g->options->addresses;
    uint32_t at_providers = (uint32_t)((uint64_t)addresses * percent / 100), provided = 0;

    for (size_t i = 0; i < g->options->domains; i++)
        provided += at_provider(g, i);
    if (percent == 0 || provided == 0 || provided == g->options->domains) {
        share_among(g, false, true, addresses);
        return;
    }
    share_among(g, true, false, at_providers);
    share_among(g, false, false, addresses - at_providers);
}

/* --- domains and their mailboxes -------------------------------------------------- */

static struct lab_domain *make_domain(struct generator *g, size_t behaviour, uint32_t number)
{
    char display[128], *ascii = NULL;
    int imap = pick(&g->dice, g->mix.imap, imap_variant_count());
    uint32_t style = dice_below(&g->dice, STYLE_OWN_COUNT);

    name_domain(&g->dice, number, display, sizeof(display));
    if (idn2_to_ascii_8z(display, &ascii, IDN2_NONTRANSITIONAL) != IDN2_OK)
        ascii = NULL;
    struct lab_domain *domain =
        world_add_domain(g->world, ascii != NULL ? ascii : display, display, behaviour,
                         (enum reply_style)style, imap > 0 ? (size_t)imap : 0);
    idn2_free(ascii);
    return domain;
}

static enum mailbox_class pick_class(struct generator *g, const struct behaviour *row)
{
    uint32_t weights[MAILBOX_CLASS_COUNT] = {0};
    bool given = false;

    for (size_t i = 0; i < MAILBOX_CLASS_COUNT; i++) {
        weights[i] = row->mailboxes[i];
        given = given || weights[i] > 0;
    }
    if (!given) {
        weights[MAILBOX_KNOWN] = 6;
        weights[MAILBOX_UNKNOWN] = 4;
    }
    return (enum mailbox_class)pick(&g->dice, weights, MAILBOX_CLASS_COUNT);
}

/* Faults go where the mailbox is reached and has its own truth, one kind after the other. */
static enum fault pick_fault(struct generator *g, const struct behaviour *row)
{
    bool reached =
        row->first.status == LAB_OWN && row->also.status == LAB_OWN && row->play.door == DOOR_OPEN;

    if (!reached || dice_below(&g->dice, 100) >= g->options->faults_percent)
        return FAULT_NONE;
    return (enum fault)(FAULT_DROP + g->faults_given++ % (FAULT_COUNT - FAULT_DROP));
}

static void make_mailboxes(struct generator *g, const struct behaviour *row, uint32_t count)
{
    char local[128];

    for (uint32_t i = 0; i < count; i++) {
        bool foreign = dice_below(&g->dice, 100) < row->non_ascii_percent;

        name_local(&g->dice, i, foreign, local, sizeof(local));
        enum mailbox_class class = pick_class(g, row);
        world_add_mailbox(g->world, local, class, pick_fault(g, row));
    }
}

static void make_raws(struct generator *g, uint32_t count)
{
    char email[512];

    for (uint32_t i = 0; i < count; i++) {
        const char *reason = name_raw(dice_below(&g->dice, 1u << 30), (uint32_t)g->world->raw_count,
                                      email, sizeof(email));

        world_add_raw(g->world, email, reason);
    }
}

static void fill(struct generator *g)
{
    for (uint32_t i = 0; i < g->options->domains; i++) {
        const struct behaviour *row = behaviour_at(g->plan[i]);

        if (row->dns == DNS_NOT_ASKED) {
            make_raws(g, g->shares[i]);
            continue;
        }
        make_domain(g, g->plan[i], i);
        make_mailboxes(g, row, g->shares[i]);
    }
    world_build(g->world);
}

struct world *generate_world(const struct generator_options *options, char *error,
                             size_t error_size)
{
    struct generator g = {.options = options, .dice = {options->settings.seed}};

    mix_default(&g.mix);
    if (options->mix_file != NULL && !mix_read(&g.mix, options->mix_file, error, error_size))
        return NULL;
    g.plan = mem_array(uint16_t, options->domains);
    g.shares = mem_array(uint32_t, options->domains);
    if (plan_behaviours(&g)) {
        share_addresses(&g);
        g.world = world_new(&options->settings);
        fill(&g);
    } else {
        snprintf(error, error_size, "the mix has no behaviour with a weight");
    }
    free(g.plan);
    free(g.shares);
    return g.world;
}
