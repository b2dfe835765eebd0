#include "tests/lab/ideal.h"

#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"

/* Replies that a session waits for besides its transactions. */
enum { TURNS_GREETING_EHLO = 2, TURNS_STARTTLS = 3, DNS_TURNS = 2 };

struct lane_work {
    uint64_t transactions, rejects, connections, extra_ms;
};

static uint64_t divide_up(uint64_t a, uint64_t b) { return b > 0 ? (a + b - 1) / b : a; }

static bool host_answers(const struct host_play *play)
{
    return play->door == DOOR_OPEN && play->drop == DROP_NEVER && play->hello != HELLO_BLOCKED &&
           (play->greeting <= GREETING_NULS);
}

/* What one domain adds to the lane of its first host that answers. */
static void add_domain(const struct world *world, const struct lab_domain *domain,
                       struct lane_work *lanes)
{
    const struct lab_host *host = NULL;
    bool accepted = false;

    for (size_t i = 0; i < domain->host_count && host == NULL; i++)
        if (host_answers(world->hosts[domain->first_host + i].play))
            host = &world->hosts[domain->first_host + i];
    const struct truth *first = &behaviour_at(domain->behaviour)->first;
    bool asked = first->status != LAB_RISKY || strcmp(first->reasons[0], "parked") != 0;
    if (host == NULL || domain->mailbox_count == 0 || !asked)
        return;
    struct lane_work *work = &lanes[host->lane];
    for (size_t i = 0; i < domain->mailbox_count; i++) {
        const struct lab_mailbox *mailbox = &world->mailboxes[domain->first_mailbox + i];
        bool anybody = host->play->recipient == RECIPIENT_ANYBODY ||
                       host->play->recipient == RECIPIENT_CANNOT_TELL;

        work->transactions++;
        accepted = accepted || anybody || mailbox->class == MAILBOX_KNOWN;
        work->rejects += !anybody && mailbox->class != MAILBOX_KNOWN &&
                         mailbox->class != MAILBOX_FULL_452 &&
                         mailbox->class != MAILBOX_RATE_LIMITED;
    }
    /* One decoy a domain, where somebody was accepted and acceptance is not known to mean nothing.
     */
    if (accepted && behaviour_at(domain->behaviour)->first.status != LAB_RISKY) {
        work->transactions++;
        work->rejects++;
    } else if (accepted && behaviour_at(domain->behaviour)->dns != DNS_PROVIDER) {
        work->transactions++;
    }
}

static uint64_t lane_time(const struct world *world, const struct lab_lane *lane,
                          const struct lab_host *host, struct lane_work *work)
{
    const struct lab_caps *caps = &lane->caps;
    uint64_t delay_ms = world->settings.delay_ms;
    uint32_t limit = host->play->recipients_per_connection;
    uint64_t by_recipients = divide_up(work->transactions, caps->recipients);
    uint64_t by_rejects = divide_up(work->rejects, caps->rejects);
    uint64_t by_limit = limit > 0 ? divide_up(work->transactions, limit) : 0;

    work->connections = by_recipients > by_rejects ? by_recipients : by_rejects;
    if (by_limit > work->connections)
        work->connections = by_limit;
    uint64_t turns = TURNS_GREETING_EHLO + (host->play->tls != TLS_PLAY_NONE ? TURNS_STARTTLS : 0);
    uint64_t per_session_ms =
        turns * delay_ms + (host->play->greeting == GREETING_SLOW ? SLOW_GREETING_MS : 0);
    uint64_t turns_each = host->play->no_pipelining ? 2 : 1;
    return divide_up(work->connections * per_session_ms +
                         work->transactions * turns_each * delay_ms,
                     caps->connections);
}

struct ideal ideal_of(const struct world *world)
{
    struct lane_work *lanes = mem_array(struct lane_work, world->lane_count);
    struct ideal ideal = {.dns_ms = (uint64_t)DNS_TURNS * world->settings.delay_ms, .lane = ""};
    uint64_t longest_ms = 0;

    for (size_t i = 0; i < world->domain_count; i++)
        add_domain(world, &world->domains[i], lanes);
    bool *done = mem_array(bool, world->lane_count);
    for (size_t i = 0; i < world->host_count; i++) {
        const struct lab_host *host = &world->hosts[i];

        if (host->play == NULL || done[host->lane] || lanes[host->lane].transactions == 0)
            continue;
        done[host->lane] = true;
        uint64_t time_ms = lane_time(world, &world->lanes[host->lane], host, &lanes[host->lane]);
        ideal.connections += lanes[host->lane].connections;
        ideal.transactions += lanes[host->lane].transactions;
        if (time_ms > longest_ms) {
            longest_ms = time_ms;
            ideal.lane = world->lanes[host->lane].name;
        }
    }
    ideal.time_ms = ideal.dns_ms + longest_ms;
    free(done);
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
