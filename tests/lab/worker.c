#include "tests/lab/worker.h"

#include "probes/base/clock.h"

void worker_break(struct worker *worker, size_t host, enum rule_break rule)
{
    worker->counters->breaks[rule]++;
    worker->board->host_counters[host].breaks++;
}

/* What counts for the peak is what is still open when the closes under way have arrived. */
static void look_at(struct worker *worker, size_t host, bool again)
{
    const struct lab_lane *lane = &worker->world->lanes[worker->world->hosts[host].lane];
    struct lane_counters *open = &worker->board->lane_counters[worker->world->hosts[host].lane];
    struct host_counters *counters = &worker->board->host_counters[host];

    /* While the lab is pulled out, it does not see who has hung up. */
    if (worker->board->paused_until_ms > clock_now_ms())
        return;
    if (open->open > lane->caps.connections && !again && worker->suspect_count < SUSPECTS_MAX) {
        worker->suspects[worker->suspect_count++] = (uint32_t)host;
        if (!loop_timer_running(&worker->suspect_timer))
            loop_timer_start(&worker->suspect_timer, SUSPECT_AFTER_MS);
        return;
    }
    if (open->open > lane->caps.connections)
        worker_break(worker, host, BREAK_CONNECTIONS);
    open->peak = open->open > open->peak ? open->open : open->peak;
    counters->peak = counters->open > counters->peak ? counters->open : counters->peak;
}

static void on_suspects(void *context)
{
    struct worker *worker = context;

    for (size_t i = 0; i < worker->suspect_count; i++)
        look_at(worker, worker->suspects[i], true);
    worker->suspect_count = 0;
}

void worker_opened(struct worker *worker, size_t host)
{
    struct host_counters *counters = &worker->board->host_counters[host];

    worker->counters->smtp_connections++;
    counters->connections++;
    counters->open++;
    worker->board->lane_counters[worker->world->hosts[host].lane].open++;
    look_at(worker, host, false);
}

void worker_closed(struct worker *worker, size_t host)
{
    worker->board->host_counters[host].open--;
    worker->board->lane_counters[worker->world->hosts[host].lane].open--;
}

void worker_init(struct worker *worker)
{
    worker->stream = (struct stream_params){.loop = worker->loop,
                                            .paused_until_ms = &worker->board->paused_until_ms,
                                            .delay_ms = worker->world->settings.delay_ms};
    loop_timer_init(&worker->suspect_timer, worker->loop, on_suspects, worker);
}

void worker_clear(struct worker *worker)
{
    loop_timer_stop(&worker->suspect_timer);
    memory_free(&worker->memory);
}
