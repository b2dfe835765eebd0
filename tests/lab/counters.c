#include "tests/lab/counters.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "probes/base/mem.h"

#define NAME_ROW(symbol, name) [symbol] = name,
static const char *const verb_names[] = {VERB_LIST(NAME_ROW)};
static const char *const break_names[] = {BREAK_LIST(NAME_ROW)};

const char *verb_name(enum verb verb) { return verb_names[verb]; }
const char *rule_break_name(enum rule_break rule) { return break_names[rule]; }

static size_t board_size(const struct world *world, size_t workers)
{
    return sizeof(struct lab_board) + workers * sizeof(struct lab_counters) +
           world->host_count * sizeof(struct host_counters) +
           world->lane_count * sizeof(struct lane_counters);
}

struct lab_board *board_new(const struct world *world, size_t workers)
{
    void *memory = mmap(NULL, board_size(world, workers), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        abort();
    struct lab_board *board = memory;
    board->workers = workers;
    board->hosts = world->host_count;
    board->lanes = world->lane_count;
    board->counters = (struct lab_counters *)(board + 1);
    board->host_counters = (struct host_counters *)(board->counters + workers);
    board->lane_counters = (struct lane_counters *)(board->host_counters + board->hosts);
    board->epoch = 1;
    return board;
}

void board_free(struct lab_board **board)
{
    if (*board == NULL)
        return;
    munmap(*board, sizeof(struct lab_board) + (*board)->workers * sizeof(struct lab_counters) +
                       (*board)->hosts * sizeof(struct host_counters) +
                       (*board)->lanes * sizeof(struct lane_counters));
    *board = NULL;
}

void board_reset(struct lab_board *board)
{
    board->epoch++;
    memset(board->counters, 0, board->workers * sizeof(*board->counters));
    for (size_t i = 0; i < board->hosts; i++) {
        uint32_t open = board->host_counters[i].open;

        board->host_counters[i] = (struct host_counters){.open = open, .peak = open};
    }
    for (size_t i = 0; i < board->lanes; i++)
        board->lane_counters[i].peak = board->lane_counters[i].open;
}

/* --- report ------------------------------------------------------------------------ */

static struct lab_counters add_up(const struct lab_board *board)
{
    struct lab_counters sum;

    memset(&sum, 0, sizeof(sum));
    for (size_t worker = 0; worker < board->workers; worker++) {
        const uint64_t *from = (const uint64_t *)&board->counters[worker];
        uint64_t *to = (uint64_t *)&sum; /* the struct holds nothing but uint64_t */

        for (size_t i = 0; i < sizeof(sum) / sizeof(uint64_t); i++)
            to[i] += from[i];
    }
    return sum;
}

static void put_count(struct text *out, const char *key, uint64_t value)
{
    json_integer(out, key, (int64_t)value);
}

static void put_verbs(struct text *out, const struct lab_counters *sum)
{
    json_open(out, "commands", '{');
    for (unsigned i = 0; i < VERB_COUNT; i++)
        if (sum->verbs[i] > 0)
            put_count(out, verb_names[i], sum->verbs[i]);
    json_close(out, '}');
}

static void put_breaks(struct text *out, const struct lab_counters *sum)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < BREAK_COUNT; i++)
        total += sum->breaks[i];
    put_count(out, "rule_breaks", total);
    json_open(out, "rule_breaks_by_kind", '{');
    for (unsigned i = 0; i < BREAK_COUNT; i++)
        put_count(out, break_names[i], sum->breaks[i]);
    json_close(out, '}');
}

static void put_dns(struct text *out, const struct lab_counters *sum, const struct zone *zone,
                    bool details)
{
    json_open(out, "dns", '{');
    put_count(out, "queries", sum->dns_udp + sum->dns_tcp);
    put_count(out, "udp", sum->dns_udp);
    put_count(out, "tcp", sum->dns_tcp);
    json_open(out, "by_type", '{');
    for (unsigned i = 0; i < ZONE_COUNTED; i++)
        put_count(out, zone_counted_name(i), sum->dns_by_type[i]);
    json_close(out, '}');
    if (details) {
        json_open(out, "names", '{');
        for (size_t n = 0; n < zone->name_count; n++) {
            const struct zone_name *name = &zone->names[n];
            uint64_t total = 0;

            for (unsigned i = 0; i < ZONE_COUNTED; i++)
                total += name->asked[i];
            if (total == 0)
                continue;
            json_open(out, name->name, '{');
            for (unsigned i = 0; i < ZONE_COUNTED; i++)
                if (name->asked[i] > 0)
                    put_count(out, zone_counted_name(i), name->asked[i]);
            json_close(out, '}');
        }
        json_close(out, '}');
    }
    json_close(out, '}');
}

static void put_host_counts(struct text *out, const struct host_counters *host)
{
    put_count(out, "connections", host->connections);
    put_count(out, "peak", host->peak);
    put_count(out, "recipients", host->recipients);
    put_count(out, "turns", host->turns);
    put_count(out, "aborted", host->aborted);
    put_count(out, "rule_breaks", host->breaks);
}

static void put_behaviours(struct text *out, const struct lab_board *board,
                           const struct world *world)
{
    struct host_counters *sums = mem_array(struct host_counters, behaviour_count());

    for (size_t i = 0; i < board->hosts; i++) {
        const struct host_counters *host = &board->host_counters[i];
        struct host_counters *sum = &sums[world->hosts[i].behaviour];

        if (world->hosts[i].play == NULL)
            continue;
        sum->connections += host->connections;
        sum->peak = host->peak > sum->peak ? host->peak : sum->peak;
        sum->recipients += host->recipients;
        sum->turns += host->turns;
        sum->aborted += host->aborted;
        sum->breaks += host->breaks;
    }
    json_open(out, "behaviours", '{');
    for (size_t i = 0; i < behaviour_count(); i++)
        if (sums[i].connections > 0) {
            json_open(out, behaviour_at(i)->name, '{');
            put_host_counts(out, &sums[i]);
            json_close(out, '}');
        }
    json_close(out, '}');
    free(sums);
}

static void put_peaks(struct text *out, const struct lab_board *board, const struct world *world)
{
    uint32_t host_peak = 0, open = 0;

    for (size_t i = 0; i < board->hosts; i++) {
        host_peak =
            board->host_counters[i].peak > host_peak ? board->host_counters[i].peak : host_peak;
        open += board->host_counters[i].open;
    }
    put_count(out, "open_now", open);
    put_count(out, "peak_per_host", host_peak);
    json_open(out, "provider_peaks", '{');
    for (size_t i = 0; i < board->lanes; i++)
        if (board->lane_counters[i].peak > 0 && strchr(world->lanes[i].name, '.') == NULL)
            put_count(out, world->lanes[i].name, board->lane_counters[i].peak);
    json_close(out, '}');
}

static void put_hosts(struct text *out, const struct lab_board *board, const struct world *world)
{
    json_open(out, "hosts", '{');
    for (size_t i = 0; i < board->hosts; i++)
        if (board->host_counters[i].connections > 0) {
            json_open(out, world->hosts[i].name, '{');
            put_host_counts(out, &board->host_counters[i]);
            json_close(out, '}');
        }
    json_close(out, '}');
}

void board_json(struct text *out, const struct lab_board *board, const struct world *world,
                const struct zone *zone, bool details)
{
    struct lab_counters sum = add_up(board);

    json_open(out, NULL, '{');
    put_count(out, "connections", sum.smtp_connections);
    put_count(out, "imap_connections", sum.imap_connections);
    put_count(out, "turns", sum.turns);
    put_verbs(out, &sum);
    put_count(out, "recipients", sum.recipients);
    put_count(out, "recipients_accepted", sum.recipients_accepted);
    put_count(out, "recipients_refused", sum.recipients_refused);
    put_count(out, "recipients_deferred", sum.recipients_deferred);
    put_count(out, "quits", sum.quits);
    put_count(out, "aborted", sum.aborted);
    put_count(out, "tls_handshakes", sum.tls_handshakes);
    put_count(out, "tls_resumed", sum.tls_resumed);
    put_count(out, "tls_failed", sum.tls_failed);
    put_peaks(out, board, world);
    put_breaks(out, &sum);
    put_dns(out, &sum, zone, details);
    put_behaviours(out, board, world);
    if (details)
        put_hosts(out, board, world);
    json_close(out, '}');
}
