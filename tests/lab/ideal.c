/* The least work that a world can be asked with, lane by lane. What is counted is certain: a client
 * that keeps the caps and waits as vrfyd.conf says can need more, but not less. */
#include "tests/lab/ideal.h"

#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "tests/lab/ideal_tries.h"
#include "tests/lab/unforeseen.h"

/* Replies that a session waits for besides its transactions; a handshake is not delayed. */
enum { TURNS_GREETING_EHLO = 2, TURNS_STARTTLS = 2, DNS_TURNS = 2 };
enum { SPARE_S = 5 }; /* behind the time that a greylisting server names */

struct lane_work {
    const struct lab_host *host; /* the first of the lane that takes recipients */
    uint64_t asked;              /* recipients */
    uint64_t transactions, refusals;
    uint64_t cuts;        /* faults: each ends a session */
    uint64_t drops;       /* faults that cost no turn: the connection is closed at once */
    uint64_t stalls;      /* faults that keep a connection for the whole wait */
    uint64_t lost;        /* sessions that come to nothing, whatever the client does */
    uint64_t connections; /* the sum of it all */
    uint64_t foreseen;    /* ... for who knows beforehand whom a fault strikes and who is refused */
    uint64_t time_ms, foreseen_ms; /* the longest of it all */
    uint64_t put_off;              /* recipients that are greylisted */
    uint64_t put_off_ms,
        decoy_put_off_ms; /* how long before they may come again; 0 = they need not */
    bool decoy;           /* one has to follow an accepted recipient */
    uint64_t floor_ms;    /* waits that nothing shortens: tries and their pauses */
};

static uint64_t divide_up(uint64_t a, uint64_t b) { return b > 0 ? (a + b - 1) / b : a; }

/* --- hosts that tell nothing ------------------------------------------------------------- */

static bool host_tells(const struct host_play *play)
{
    return play->door == DOOR_OPEN &&
           (play->drop == DROP_NEVER || play->drop == DROP_QUIT || play->drop_once) &&
           play->hello != HELLO_BLOCKED && play->greeting <= GREETING_NULS &&
           play->sender != SENDER_NOBODY && play->recipient != RECIPIENT_SILENT &&
           play->recipient != RECIPIENT_BLOCKED && !play->busy_at_mail;
}

/* Sessions that come to nothing before one that tells. */
static uint64_t lost_sessions(const struct host_play *play)
{
    bool tls_breaks =
        play->tls == TLS_PLAY_ALERT || play->tls == TLS_PLAY_DROP || play->tls == TLS_PLAY_INJECTED;

    return (play->drop_once ? 1u : 0u) + (tls_breaks ? 1u : 0u) +
           (play->recipient == RECIPIENT_SCREENED ? 1u : 0u);
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
    work->asked++;
    work->transactions += tries + (grey ? 1 : 0) + (fault ? 1 : 0);
    work->refusals += (accepted ? 0 : tries) + (grey ? 1 : 0);
    work->cuts += fault ? 1 : 0;
    work->drops += mailbox->fault == FAULT_DROP ? 1 : 0;
    work->stalls += mailbox->fault == FAULT_STALL ? 1 : 0;
    if (!host_rests(row))
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
        bool shared = host_rests(row) && domain->mailbox_count > 1;
        waits_ms += host_wait_ms(host->play);
        work->lost += host->play->door == DOOR_OPEN ? tries : 0;
        at_least(&work->floor_ms,
                 shared ? shared_tries_ms(tries, waits_ms) : tries * waits_ms + pauses_ms(tries));
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

/* Who is put off last of all those asked, were they asked in any order. */
static uint64_t last_put_off(const struct lane_work *work)
{
    return work->put_off * (work->asked + 1) / (work->put_off + 1);
}

/* One after the other: a recipient, then the decoy, and each again when it may come again. Whoever
 * is put off last, as the `last` who is asked, waits from then on; nobody before him is accepted.
 */
static uint64_t chain_ms(const struct world *world, const struct lab_caps *caps,
                         const struct lane_work *work, uint64_t last)
{
    const struct host_play *play = work->host->play;
    uint64_t turn_ms = world->settings.delay_ms, open_ms = opening_ms(world, play);
    uint64_t sessions = divide_up(last, caps->rejects), asks = 1;

    if (work->put_off > 0)
        asks++;
    if (work->decoy)
        asks += work->decoy_put_off_ms > 0 ? 2 : 1;
    uint64_t longest_ms = open_ms + asks * turn_ms + work->put_off_ms + work->decoy_put_off_ms;
    uint64_t last_ms = divide_up(sessions * open_ms + transactions_ms(world, play, last, sessions),
                                 caps->connections);
    at_least(&longest_ms, work->put_off > 0 ? last_ms + work->put_off_ms + turn_ms : 0);
    return longest_ms;
}

static struct questions questions_of(const struct world *world, const struct lab_caps *caps,
                                     const struct lane_work *work)
{
    const struct host_play *play = work->host->play;
    uint32_t limit = play->recipients_per_connection;

    return (struct questions){
        .accepted = work->transactions - work->refusals - work->cuts,
        .refused = work->refusals,
        .drops = work->drops,
        .busies = work->cuts - work->drops - work->stalls,
        .stalls = work->stalls,
        .recipients_max = limit > 0 && limit < caps->recipients ? limit : caps->recipients,
        .refusals_max = caps->rejects,
        .open_ms = opening_ms(world, play),
        .first_ms = transactions_ms(world, play, 1, 1),
        .turn_ms = transactions_ms(world, play, 1, 0),
        .stall_ms = WAIT_RECIPIENT_MS,
    };
}

/* The fewest sessions: no fault strikes but at the end of one, and none is refused but four times.
 */
static uint64_t foreseen_sessions(const struct questions *questions)
{
    uint64_t cuts = questions->drops + questions->busies + questions->stalls,
             sessions = divide_up(questions->accepted + questions->refused + cuts,
                                  questions->recipients_max);

    at_least(&sessions, divide_up(questions->refused, questions->refusals_max));
    at_least(&sessions, cuts);
    return sessions;
}

static uint64_t lane_time(const struct world *world, const struct lab_caps *caps,
                          const struct lane_work *work, uint64_t connections)
{
    const struct host_play *play = work->host->play;
    uint64_t replies = work->transactions - work->drops, open_ms = opening_ms(world, play);
    uint64_t time_ms =
        divide_up(connections * open_ms + transactions_ms(world, play, replies, connections) +
                      work->stalls * WAIT_RECIPIENT_MS,
                  caps->connections);
    /* However the work is shared, one connection after the other has the largest share. */
    uint64_t share = divide_up(replies, caps->connections);
    uint64_t sessions = divide_up(share, caps->recipients);

    at_least(&time_ms, sessions * open_ms + transactions_ms(world, play, share, sessions));
    at_least(&time_ms, chain_ms(world, caps, work, work->put_off));
    return time_ms;
}

/* With foresight, and without: nobody knows who is refused and whom a fault strikes until he has
 * asked. */
static void measure_lane(const struct world *world, const struct lab_caps *caps,
                         struct lane_work *work)
{
    struct questions questions = questions_of(world, caps, work);

    work->foreseen = foreseen_sessions(&questions);
    work->foreseen_ms = lane_time(world, caps, work, work->foreseen);
    work->connections = unforeseen_of(&questions, 1).sessions;
    at_least(&work->connections, work->foreseen);
    work->time_ms = unforeseen_of(&questions, caps->connections).time_ms;
    at_least(&work->time_ms, chain_ms(world, caps, work, last_put_off(work)));
    at_least(&work->time_ms, work->foreseen_ms);
}

/* Before and beside all lanes. */
static uint64_t dns_of(const struct world *world)
{
    uint64_t longest_ms = 0;

    for (size_t i = 0; i < world->domain_count; i++)
        if (world->domains[i].host_count == 0 && world->domains[i].mailbox_count > 0)
            at_least(&longest_ms, nameless_ms(world, behaviour_at(world->domains[i].behaviour)));
    return longest_ms;
}

static struct lane_work *work_of(const struct world *world)
{
    struct lane_work *lanes = mem_array(struct lane_work, world->lane_count);

    for (size_t i = 0; i < world->domain_count; i++)
        add_domain(world, &world->domains[i], lanes);
    for (size_t i = 0; i < world->lane_count; i++) {
        struct lane_work *work = &lanes[i];

        if (work->transactions > 0)
            measure_lane(world, &world->lanes[i].caps, work);
        at_least(&work->time_ms, work->floor_ms);
        at_least(&work->foreseen_ms, work->floor_ms);
        work->connections += work->lost;
        work->foreseen += work->lost;
    }
    return lanes;
}

static struct ideal sum_of(const struct world *world, const struct lane_work *lanes)
{
    struct ideal ideal = {.dns_ms = (uint64_t)DNS_TURNS * world->settings.delay_ms,
                          .foreseen_ms = dns_of(world),
                          .lane = ""};
    uint64_t longest_ms = ideal.foreseen_ms;

    for (size_t i = 0; i < world->lane_count; i++) {
        ideal.connections += lanes[i].connections;
        ideal.foreseen += lanes[i].foreseen;
        at_least(&ideal.foreseen_ms, lanes[i].foreseen_ms);
        ideal.transactions += lanes[i].transactions;
        if (lanes[i].time_ms > longest_ms) {
            longest_ms = lanes[i].time_ms;
            ideal.lane = world->lanes[i].name;
        }
    }
    if (world->mailbox_count == 0)
        ideal.dns_ms = ideal.foreseen_ms = 0; /* nobody asks */
    ideal.time_ms = ideal.dns_ms + longest_ms;
    ideal.foreseen_ms += ideal.dns_ms;
    return ideal;
}

static void put_lanes(struct text *out, const struct world *world, const struct lane_work *lanes)
{
    json_open(out, "lanes", '{');
    for (size_t i = 0; i < world->lane_count; i++) {
        const struct lane_work *work = &lanes[i];

        if (work->connections == 0 && work->time_ms == 0)
            continue;
        json_open(out, world->lanes[i].name, '{');
        json_integer(out, "time_ms", (int64_t)work->time_ms);
        json_integer(out, "connections", (int64_t)work->connections);
        json_integer(out, "transactions", (int64_t)work->transactions);
        json_integer(out, "refusals", (int64_t)work->refusals);
        json_integer(out, "cuts", (int64_t)work->cuts);
        json_integer(out, "lost", (int64_t)work->lost);
        json_close(out, '}');
    }
    json_close(out, '}');
    json_open(out, "lane_of_host", '{');
    for (size_t i = 0; i < world->host_count; i++)
        if (world->hosts[i].play != NULL)
            json_string(out, world->hosts[i].name, world->lanes[world->hosts[i].lane].name);
    json_close(out, '}');
}

void ideal_json(struct text *out, const struct world *world)
{
    struct lane_work *lanes = work_of(world);
    struct ideal ideal = sum_of(world, lanes);

    json_open(out, NULL, '{');
    json_integer(out, "time_ms", (int64_t)ideal.time_ms);
    json_integer(out, "dns_ms", (int64_t)ideal.dns_ms);
    json_integer(out, "connections", (int64_t)ideal.connections);
    json_integer(out, "foreseen_ms", (int64_t)ideal.foreseen_ms);
    json_integer(out, "foreseen_connections", (int64_t)ideal.foreseen);
    json_integer(out, "transactions", (int64_t)ideal.transactions);
    json_string(out, "longest_lane", ideal.lane);
    put_lanes(out, world, lanes);
    json_close(out, '}');
    free(lanes);
}
