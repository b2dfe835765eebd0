#include "tests/lab/serve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probes/base/mem.h"
#include "tests/lab/control.h"
#include "tests/lab/dns_server.h"
#include "tests/lab/listeners.h"

enum { WORKERS_MAX = 64 };

/* One lab, as the process sees it; worker 0 is the first process, which also does DNS and control.
 */
struct lab {
    const char *directory;
    struct world *world;
    struct zone *zone;
    struct lab_board *board;
    struct lab_tls *tls;
    struct lab_ports ports;
    struct lab_anchor anchor;
    uint16_t *worker_of_host;
    size_t workers;
    pid_t children[WORKERS_MAX];
    char error[512];
};

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void on_signal(void *context, int number)
{
    (void)number;
    loop_stop(context);
}

/* --- a worker ---------------------------------------------------------------------------- */

struct stage {
    struct loop *loop;
    struct worker worker;
    struct listeners *listeners;
    struct loop_signal terminate, interrupt;
};

static bool stage_set(struct stage *stage, struct lab *lab, size_t number)
{
    stage->loop = loop_new();
    stage->worker = (struct worker){.loop = stage->loop,
                                    .world = lab->world,
                                    .board = lab->board,
                                    .counters = &lab->board->counters[number],
                                    .tls = lab->tls};
    worker_init(&stage->worker);
    loop_signal_start(&stage->terminate, stage->loop, SIGTERM, on_signal, stage->loop);
    loop_signal_start(&stage->interrupt, stage->loop, SIGINT, on_signal, stage->loop);
    stage->listeners = listeners_open(&stage->worker, &lab->ports, lab->worker_of_host, number,
                                      lab->error, sizeof(lab->error));
    return stage->listeners != NULL;
}

/* Open sessions end with the process. */
static void stage_clear(struct stage *stage)
{
    listeners_close(&stage->listeners);
    worker_clear(&stage->worker);
    loop_signal_stop(&stage->terminate);
    loop_signal_stop(&stage->interrupt);
    loop_free(&stage->loop);
}

/* A further process: says on `ready` that it listens. */
static void run_child(struct lab *lab, size_t number, int ready)
{
    struct stage stage = {.loop = NULL};

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    bool good = stage_set(&stage, lab, number);
    if (!good)
        fprintf(stderr, "maillab: %s\n", lab->error);
    if (good && write(ready, "+", 1) == 1)
        loop_run(stage.loop);
    stage_clear(&stage);
    _exit(good ? 0 : 1);
}

static bool start_children(struct lab *lab)
{
    bool good = true;

    for (size_t i = 1; i < lab->workers && good; i++) {
        int ready[2];
        char word = 0;

        if (pipe(ready) != 0)
            return false;
        lab->children[i] = fork();
        if (lab->children[i] == 0) {
            close(ready[0]);
            run_child(lab, i, ready[1]);
        }
        close(ready[1]);
        good = lab->children[i] > 0 && read(ready[0], &word, 1) == 1;
        close(ready[0]);
    }
    if (!good)
        snprintf(lab->error, sizeof(lab->error), "a worker process could not start");
    return good;
}

static void end_children(struct lab *lab)
{
    for (size_t i = 1; i < lab->workers; i++)
        if (lab->children[i] > 0) {
            kill(lab->children[i], SIGTERM);
            waitpid(lab->children[i], NULL, 0);
        }
}

/* --- the first process ----------------------------------------------------------------------- */

static bool write_file(const struct lab *lab, const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    (void)lab;
    if (file == NULL)
        return false;
    fputs(text, file);
    return fclose(file) == 0;
}

/* One line for people and scripts, and the same in the ready file. */
static void say_ready(const struct lab *lab, const char *ready_file)
{
    struct text line;

    text_init(&line, 8192);
    json_open(&line, NULL, '{');
    json_bool(&line, "ready", true);
    json_integer(&line, "pid", getpid());
    json_string(&line, "dns", LAB_ANCHOR);
    json_integer(&line, "dns_port", lab->ports.dns);
    json_integer(&line, "smtp_port", lab->ports.smtp);
    json_integer(&line, "imap_port", lab->ports.imap);
    json_integer(&line, "imaps_port", lab->ports.imaps);
    json_integer(&line, "domains", (int64_t)lab->world->domain_count);
    json_integer(&line, "addresses", (int64_t)(lab->world->mailbox_count + lab->world->raw_count));
    json_integer(&line, "workers", (int64_t)lab->workers);
    json_close(&line, '}');
    text_char(&line, '\n');
    fputs(line.bytes, stdout);
    fflush(stdout);
    if (ready_file != NULL && !write_file(lab, ready_file, line.bytes))
        fprintf(stderr, "maillab: cannot write %s: %s\n", ready_file, strerror(errno));
    text_free(&line);
}

static void write_counters(const struct lab *lab)
{
    char path[4096];
    struct text out;

    snprintf(path, sizeof(path), "%s/counters.json", lab->directory);
    text_init(&out, (size_t)64 * 1024 * 1024);
    board_json(&out, lab->board, lab->world, lab->zone, true);
    text_char(&out, '\n');
    if (!write_file(lab, path, out.bytes))
        fprintf(stderr, "maillab: cannot write %s: %s\n", path, strerror(errno));
    text_free(&out);
}

static bool play(struct lab *lab, const char *ready_file)
{
    struct stage stage = {.loop = NULL};
    struct control *control = NULL;
    struct dns_server *dns = NULL;
    bool good = start_children(lab) && stage_set(&stage, lab, 0);

    if (good) {
        struct dns_server_params params = {.loop = stage.loop,
                                           .zone = lab->zone,
                                           .board = lab->board,
                                           .counters = &lab->board->counters[0],
                                           .udp_fd = lab->anchor.dns_udp,
                                           .tcp_fd = lab->anchor.dns_tcp,
                                           .delay_ms = lab->world->settings.delay_ms};
        struct control_params controls = {.loop = stage.loop,
                                          .directory = lab->directory,
                                          .board = lab->board,
                                          .world = lab->world,
                                          .zone = lab->zone};

        lab->anchor.dns_udp = lab->anchor.dns_tcp = -1;
        dns = dns_server_start(&params);
        control = control_start(&controls, lab->error, sizeof(lab->error));
        good = control != NULL;
    }
    if (good) {
        say_ready(lab, ready_file);
        loop_run(stage.loop);
        write_counters(lab);
    }
    control_stop(&control);
    dns_server_stop(&dns);
    if (stage.loop != NULL)
        stage_clear(&stage);
    end_children(lab);
    return good;
}

static bool prepare(struct lab *lab)
{
    lab->world = world_load(lab->directory, lab->error, sizeof(lab->error));
    if (lab->world == NULL)
        return false;
    lab->zone = zone_build(lab->world);
    lab->worker_of_host = mem_array(uint16_t, lab->world->host_count);
    lab->workers = listeners_assign(lab->world, lab->worker_of_host);
    if (lab->workers > WORKERS_MAX) {
        snprintf(lab->error, sizeof(lab->error), "a world of %zu hosts is too large",
                 lab->world->host_count);
        return false;
    }
    lab->board = board_new(lab->world, lab->workers);
    lab->tls = lab_tls_new(lab->directory, lab->world, lab->error, sizeof(lab->error));
    return lab->tls != NULL &&
           anchor_hold(&lab->anchor, &lab->ports, lab->error, sizeof(lab->error)) &&
           settings_write(lab->world, &lab->ports, lab->directory, lab->error, sizeof(lab->error));
}

int serve_world(const struct serve_options *options)
{
    struct lab lab = {.directory = options->world, .anchor = {-1, -1, -1, -1, -1}};

    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    bool good = prepare(&lab) && play(&lab, options->ready_file);
    if (!good)
        fprintf(stderr, "maillab: %s\n", lab.error);
    anchor_release(&lab.anchor);
    lab_tls_free(&lab.tls);
    board_free(&lab.board);
    zone_free(&lab.zone);
    free(lab.worker_of_host);
    world_free(&lab.world);
    return good ? 0 : 1;
}
