/* The least work that a world can be asked with, lane by lane. What is counted is certain: a client
 * that keeps the caps and waits as vrfyd.conf says can need more, but not less. */
#include "tests/lab/ideal.h"

#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"

/* Replies that a session waits for besides its transactions; a handshake is not delayed. */
enum { TURNS_GREETING_EHLO = 2, TURNS_STARTTLS = 2, DNS_TURNS = 2 };
enum { SPARE_S = 5 }; /* behind the time that a greylisting server names */

struct lane_work {
    const struct lab_host *host; /* the first of the lane that takes recipients */
    uint64_t transactions, refusals;
    uint64_t cuts;        /* faults: each ends a session */
    uint64_t stalls;      /* faults that keep a connection for the whole wait */
    uint64_t lost;        /* sessions that come to nothing, whatever the client does */
    uint64_t connections; /* the sum of it all */
    uint64_t put_off;     /* recipients that are greylisted */
    uint64_t put_off_ms,
        decoy_put_off_ms; /* how long before they may come again; 0 = they need not */
    bool decoy;           /* one has to follow an accepted recipient */
    uint64_t floor_ms;    /* waits that nothing shortens: tries and their pauses */
};

static uint64_t divide_up(uint64_t a, uint64_t b) { return b > 0 ? (a + b - 1) / b : a; }

static void at_least(uint64_t *value, uint64_t floor)
{
    if (*value < floor)
        *value = floor;
}

/* --- hosts that tell nothing ------------------------------------------------------------- */

static bool host_tells(const struct host_play *play)
{
    return play->door == DOOR_OPEN &&
           (play->drop == DROP_NEVER || play->drop == DROP_QUIT || play->drop_once) &&
           play->hello != HELLO_BLOCKED && play->greeting <= GREETING_NULS &&
           play->recipient != RECIPIENT_SILENT && play->recipient != RECIPIENT_BLOCKED &&
           !play->busy_at_mail;
}

/* Sessions that come to nothing before one that tells. */
static uint64_t lost_sessions(const struct host_play *play)
{
    bool tls_breaks =
        play->tls == TLS_PLAY_ALERT || play->tls == TLS_PLAY_DROP || play->tls == TLS_PLAY_INJECTED;

    return (play->drop_once ? 1u : 0u) + (tls_breaks ? 1u : 0u) +
           (play->recipient == RECIPIENT_SCREENED ? 1u : 0u);
}

static uint64_t wait_of(const struct host_play *play)
{
    if (play->door == DOOR_STUCK)
        return WAIT_CONNECT_MS;
    if (play->greeting == GREETING_SILENT || play->greeting == GREETING_DRIP)
        return WAIT_GREETING_MS;
    return play->recipient == RECIPIENT_SILENT ? WAIT_RECIPIENT_MS : 0;
}

/* Is what comes of this behaviour asked again, and to no avail? */
static bool asked_again(const struct behaviour *row)
{
    static const char *const passing[] = {"smtp_timeout",     "connection_lost", "connect_refused",
                                          "connect_timeout",  "dns_timeout",     "dns_failure",
                                          "temporary_failure"};

    for (size_t i = 0; i < TRUTH_REASONS_MAX && row->first.reasons[i] != NULL; i++)
        for (size_t k = 0; k < ARRAY_LENGTH(passing); k++)
            if (strcmp(row->first.reasons[i], passing[k]) == 0)
                return !row->settles;
    return false;
}

/* Does its host rest after trouble? Then one address is asked, and others of the domain may be
 * deferred in the same moment, which is a try as well. */
static bool rests(const struct behaviour *row)
{
    for (size_t i = 0; i < TRUTH_REASONS_MAX && row->first.reasons[i] != NULL; i++)
        if (strcmp(row->first.reasons[i], "deferred") == 0)
            return true;
    return false;
}

static uint64_t tries_of(const struct world *world, const struct behaviour *row)
{
    return world->settings.settle && asked_again(row) ? 1 + SETTLE_TRIES : 1;
}

static uint64_t pauses_ms(uint64_t tries)
{
    uint64_t sum_ms = 0;

    for (uint64_t i = 0; i + 1 < tries; i++)
        sum_ms += (uint64_t)settle_after_s[i] * 1000;
    return sum_ms;
}

/* --- what one domain adds ------------------------------------------------------------------ */

static bool greylisted(const struct host_play *play, const struct lab_mailbox *mailbox)
{
    return play->recipient == RECIPIENT_GREY_ALL || play->recipient == RECIPIENT_VERIFYING ||
           (play->recipient == RECIPIENT_GREY_KNOWN && mailbox->class == MAILBOX_KNOWN);
}

/* When may one come again who was put off? When the server says, and 5 s to spare, else by the
 * schedule of vrfyd.conf: `verifying` says nothing of greylisting, it is trouble that passes. */
static uint64_t put_off_ms(const struct world *world, const struct lab_host *host, bool decoy)
{
    uint64_t window_s = world->settings.greylist_s, after_s = 0;

    if (host->play->recipient != RECIPIENT_VERIFYING)
        after_s = reply_names_wait((enum reply_style)host->style) ? window_s + SPARE_S
                                                                  : SETTLE_GREYLIST_S(window_s);
    else if (decoy)
        after_s = SETTLE_GREYLIST_S(window_s);
    else
        for (size_t i = 0; i < SETTLE_TRIES && after_s < window_s; i++)
            after_s += settle_after_s[i];
    return after_s * 1000;
}

/* Without SMTPUTF8 such a mailbox is not asked about at all. */
static bool speakable(const struct host_play *play, const struct lab_mailbox *mailbox)
{
    bool ascii = true;

    for (const char *at = mailbox->local; *at != '\0'; at++)
        ascii = ascii && (unsigned char)*at < 0x80;
    return ascii || play->smtputf8;
}

static bool accepted_in_the_end(const struct behaviour *row, const struct lab_mailbox *mailbox)
{
    if (row->first.status == LAB_RISKY)
        return true;
    return mailbox->class == MAILBOX_KNOWN && (row->first.status == LAB_OWN || row->settles);
}

/* True when it is accepted in the end. */
static bool add_mailbox(const struct world *world, const struct behaviour *row,
                        const struct lab_mailbox *mailbox, struct lane_work *work)
{
    const struct host_play *play = work->host->play;
    uint64_t tries = tries_of(world, row);
    bool accepted = accepted_in_the_end(row, mailbox);
    bool grey = world->settings.settle && greylisted(play, mailbox);
    bool fault = mailbox->fault != FAULT_NONE;

    if (!speakable(play, mailbox))
        return false;
    work->transactions += tries + (grey ? 1 : 0) + (fault ? 1 : 0);
    work->refusals += (accepted ? 0 : tries) + (grey ? 1 : 0);
    work->cuts += fault ? 1 : 0;
    work->stalls += mailbox->fault == FAULT_STALL ? 1 : 0;
    if (!rests(row))
        at_least(&work->floor_ms, pauses_ms(tries));
    if (grey) {
        work->put_off++;
        work->put_off_ms = put_off_ms(world, work->host, false);
    }
    return accepted;
}

/* One decoy a domain, where somebody was accepted and acceptance is not known to mean nothing. */
static void add_decoy(const struct world *world, const struct behaviour *row,
                      struct lane_work *work)
{
    static const struct lab_mailbox stranger = {.class = MAILBOX_UNKNOWN};
    bool risky = row->first.status == LAB_RISKY;
    bool grey = world->settings.settle && greylisted(work->host->play, &stranger);

    if (risky && row->dns == DNS_PROVIDER)
        return;
    work->transactions += grey ? 2 : 1;
    work->refusals += (risky ? 0u : 1u) + (grey ? 1u : 0u);
    work->decoy = true;
    if (grey)
        work->decoy_put_off_ms = put_off_ms(world, work->host, true);
}

static void add_domain(const struct world *world, const struct lab_domain *domain,
                       struct lane_work *lanes)
{
    const struct behaviour *row = behaviour_at(domain->behaviour);
    uint64_t tries = tries_of(world, row), waits_ms = 0;
    struct lane_work *work = NULL;
    bool accepted = false;

    if (domain->mailbox_count == 0 ||
        (row->first.reasons[0] != NULL && strcmp(row->first.reasons[0], "parked") == 0))
        return;
    for (size_t i = 0; i < domain->host_count; i++) {
        const struct lab_host *host = &world->hosts[domain->first_host + i];

        work = &lanes[host->lane];
        work->lost += lost_sessions(host->play);
        if (host_tells(host->play)) {
            work->host = work->host != NULL ? work->host : host;
            break;
        }
        bool shared = rests(row) && domain->mailbox_count > 1;
        waits_ms += wait_of(host->play);
        work->lost += host->play->door == DOOR_OPEN ? (shared ? 1 : tries) : 0;
        at_least(&work->floor_ms, shared ? waits_ms + (tries - 1) * SETTLE_REST_MS
                                         : tries * waits_ms + pauses_ms(tries));
        work = NULL;
    }
    for (size_t i = 0; work != NULL && i < domain->mailbox_count; i++)
        accepted |= add_mailbox(world, row, &world->mailboxes[domain->first_mailbox + i], work);
    if (accepted)
        add_decoy(world, row, work);
}

/* --- what a lane needs ---------------------------------------------------------------------- */

/* The turns of `transactions` in `sessions`. Without PIPELINING RSET, MAIL and RCPT take one each,
 * and the first of a session needs no RSET. */
static uint64_t transactions_ms(const struct world *world, const struct host_play *play,
                                uint64_t transactions, uint64_t sessions)
{
    uint64_t turns = play->no_pipelining ? 3 * transactions - sessions : transactions;

    return turns * world->settings.delay_ms;
}

static uint64_t opening_ms(const struct world *world, const struct host_play *play)
{
    uint64_t turns = TURNS_GREETING_EHLO + (play->tls != TLS_PLAY_NONE ? TURNS_STARTTLS : 0);

    return turns * world->settings.delay_ms +
           (play->greeting == GREETING_SLOW ? SLOW_GREETING_MS : 0);
}

/* One after the other: a recipient, then the decoy, and each again when it may come again. Whoever
 * is put off last waits from then on. */
static uint64_t chain_ms(const struct world *world, const struct lab_caps *caps,
                         const struct lane_work *work)
{
    const struct host_play *play = work->host->play;
    uint64_t turn_ms = world->settings.delay_ms, open_ms = opening_ms(world, play);
    uint64_t sessions = divide_up(work->put_off, caps->rejects), asks = 1;

    if (work->put_off > 0)
        asks++;
    if (work->decoy)
        asks += work->decoy_put_off_ms > 0 ? 2 : 1;
    uint64_t longest_ms = open_ms + asks * turn_ms + work->put_off_ms + work->decoy_put_off_ms;
    uint64_t last_ms =
        divide_up(sessions * open_ms + transactions_ms(world, play, work->put_off, sessions),
                  caps->connections);
    at_least(&longest_ms, work->put_off > 0 ? last_ms + work->put_off_ms + turn_ms : 0);
    return longest_ms;
}

static uint64_t lane_time(const struct world *world, const struct lab_lane *lane,
                          struct lane_work *work)
{
    const struct host_play *play = work->host->play;
    const struct lab_caps *caps = &lane->caps;
    uint32_t limit = play->recipients_per_connection;

    if (work->transactions == 0)
        return 0;
    work->connections = divide_up(work->transactions, caps->recipients);
    at_least(&work->connections, divide_up(work->refusals, caps->rejects));
    at_least(&work->connections, limit > 0 ? divide_up(work->transactions, limit) : 0);
    at_least(&work->connections, work->cuts);
    uint64_t time_ms =
        divide_up(work->connections * opening_ms(world, play) +
                      transactions_ms(world, play, work->transactions, work->connections) +
                      work->stalls * WAIT_RECIPIENT_MS,
                  caps->connections);
    /* However the work is shared, one connection after the other has the largest share. */
    uint64_t share = divide_up(work->transactions, caps->connections);
    uint64_t sessions = divide_up(share, caps->recipients);
    at_least(&time_ms,
             sessions * opening_ms(world, play) + transactions_ms(world, play, share, sessions));
    at_least(&time_ms, chain_ms(world, caps, work));
    return time_ms;
}

struct ideal ideal_of(const struct world *world)
{
    struct lane_work *lanes = mem_array(struct lane_work, world->lane_count);
    struct ideal ideal = {.dns_ms = (uint64_t)DNS_TURNS * world->settings.delay_ms, .lane = ""};
    uint64_t longest_ms = 0;

    for (size_t i = 0; i < world->domain_count; i++)
        add_domain(world, &world->domains[i], lanes);
    for (size_t i = 0; i < world->lane_count; i++) {
        struct lane_work *work = &lanes[i];
        uint64_t time_ms = work->host != NULL ? lane_time(world, &world->lanes[i], work) : 0;

        at_least(&time_ms, work->floor_ms);
        ideal.connections += work->connections + work->lost;
        ideal.transactions += work->transactions;
        if (time_ms > longest_ms) {
            longest_ms = time_ms;
            ideal.lane = world->lanes[i].name;
        }
    }
    if (world->mailbox_count == 0)
        ideal.dns_ms = 0; /* nobody asks */
    ideal.time_ms = ideal.dns_ms + longest_ms;
    free(lanes);
    return ideal;
}

void ideal_json(struct text *out, const struct world *world)
{
    struct ideal ideal = ideal_of(world);

    json_open(out, NULL, '{');
    json_integer(out, "time_ms", (int64_t)ideal.time_ms);
    json_integer(out, "dns_ms", (int64_t)ideal.dns_ms);
    json_integer(out, "connections", (int64_t)ideal.connections);
    json_integer(out, "transactions", (int64_t)ideal.transactions);
    json_string(out, "longest_lane", ideal.lane);
    json_close(out, '}');
}
