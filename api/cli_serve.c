/* vrfyd serve: wires settings, policies, keys, engine and HTTP together, and takes them down in
 * order: stop intake, let what is under way finish (or cut it at grace_ms), close. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli.h"
#include "api/server.h"
#include "probes/base/log.h"
#include "probes/base/mem.h"
#include "probes/base/random.h"
#include "probes/base/text.h"
#include "service/version.h"

enum {
    DRAIN_LOOK_MS = 20, /* how often a stopping service looks whether it is done */
    CUT_MS = 1500,      /* of the grace time: for goodbyes, and the answers of what was cut */
    SECRET_LENGTH = 40,
    RELOADS_MAX = 1000
};

enum serve_state { SERVE_RUNNING, SERVE_DRAINING, SERVE_CUT };

/* Policies stay where they are while a request or the engine may hold one: reloads are kept. */
struct generation {
    struct policies policies;
    struct generation *older;
};

struct service {
    struct config config;
    struct loop *loop;
    struct generation *policies; /* newest first */
    size_t reloads;
    struct auth *auth;
    struct engine *engine;
    struct server *server;
    enum serve_state state;
    struct loop_timer look, grace;
    struct loop_signal terminate, interrupt, hang_up;
};

/* --- stopping ---------------------------------------------------------------------- */

static void cut(struct service *service)
{
    if (service->state == SERVE_CUT)
        return;
    service->state = SERVE_CUT;
    log_event(LOG_INFO, "cutting",
              (struct log_field[]){LOG_NUMBER("requests", server_busy(service->server)), LOG_END});
    engine_stop(&service->engine); /* answers what waits; the answers are in our mailbox now */
    server_engine_gone(service->server);
    loop_timer_start(&service->grace, CUT_MS);
}

/* Whoever sent TERM may send KILL when the grace time is over: all has to be done by then. */
static uint64_t working_ms(uint32_t grace_ms)
{
    return grace_ms > 2 * CUT_MS ? grace_ms - CUT_MS : grace_ms / 2;
}

static void on_grace_over(void *context)
{
    struct service *service = context;

    if (service->state == SERVE_CUT)
        loop_stop(service->loop);
    else
        cut(service);
}

static void on_look(void *context)
{
    struct service *service = context;

    if (server_busy(service->server) > 0)
        loop_timer_start(&service->look, DRAIN_LOOK_MS);
    else
        loop_stop(service->loop);
}

static void on_terminate(void *context, int number)
{
    struct service *service = context;

    if (service->state != SERVE_RUNNING) {
        cut(service);
        return;
    }
    service->state = SERVE_DRAINING;
    log_event(LOG_INFO, "stopping",
              (struct log_field[]){LOG_TEXT("signal", number == SIGTERM ? "TERM" : "INT"),
                                   LOG_NUMBER("requests", server_busy(service->server)),
                                   LOG_NUMBER("grace_ms", service->config.grace_ms), LOG_END});
    engine_drain(service->engine);
    server_drain(service->server);
    loop_timer_start(&service->look, DRAIN_LOOK_MS);
    loop_timer_start(&service->grace, working_ms(service->config.grace_ms));
}

/* --- reloading ----------------------------------------------------------------------- */

static bool load_policies(struct service *service, char *error, size_t error_size)
{
    struct generation *generation = mem_new(struct generation);

    if (!policies_load(&generation->policies, service->config.policies_file, error, error_size)) {
        free(generation);
        return false;
    }
    generation->older = service->policies;
    service->policies = generation;
    return true;
}

static void on_hang_up(void *context, int number)
{
    struct service *service = context;
    char error[512] = "reloaded too often: restart instead";

    (void)number;
    if (service->state != SERVE_RUNNING)
        return;
    engine_reload(service->engine);
    if (service->reloads++ < RELOADS_MAX && load_policies(service, error, sizeof(error))) {
        server_use_policies(service->server, &service->policies->policies);
        log_event(LOG_INFO, "policies_reloaded", (struct log_field[]){LOG_END});
        return;
    }
    log_event(LOG_ERROR, "policies_not_reloaded",
              (struct log_field[]){LOG_TEXT("why", error), LOG_END});
}

/* --- starting ------------------------------------------------------------------------ */

static void open_log(const struct config *config)
{
    struct log_options options = {.json = config->log_format == LOG_FORMAT_JSON,
                                  .hash_addresses = config->log_addresses == LOG_ADDRESSES_HASHED};
    char error[512], random[SECRET_LENGTH + 1];
    char *secret = NULL;
    bool created;

    log_parse_level(config->log_level, &options.level);
    if (options.hash_addresses)
        secret =
            auth_secret_file(config->data_dir, "log.secret", "", &created, error, sizeof(error));
    random_text(random, SECRET_LENGTH);
    options.hash_secret = secret != NULL ? secret : random;
    log_setup(&options);
    if (options.hash_addresses && secret == NULL)
        log_event(LOG_WARN, "log_secret_not_kept",
                  (struct log_field[]){LOG_TEXT("why", error),
                                       LOG_TEXT("so", "address hashes change with each start"),
                                       LOG_END});
    free(secret);
}

static void log_start(const struct service *service)
{
    char *settings = config_describe(&service->config);
    const char *unknown;

    log_event(LOG_INFO, "start",
              (struct log_field[]){LOG_TEXT("version", VRFYD_VERSION),
                                   LOG_NUMBER("port", server_port(service->server)),
                                   LOG_TEXT("settings", settings), LOG_END});
    free(settings);
    for (size_t i = 0; (unknown = config_unknown_variable(i)) != NULL && i < 16; i++) {
        char *name = mem_copy_bytes(unknown, strcspn(unknown, "="));

        log_event(LOG_WARN, "unknown_variable",
                  (struct log_field[]){LOG_TEXT("name", name), LOG_END});
        free(name);
    }
    if (strchr(service->config.hello_name, '.') == NULL)
        log_event(LOG_WARN, "hello_name_not_full",
                  (struct log_field[]){
                      LOG_TEXT("hello_name", service->config.hello_name),
                      LOG_TEXT("so", "EHLO will carry an address literal, which many servers "
                                     "refuse; set hello_name to a name that resolves to this "
                                     "host and back"),
                      LOG_END});
}

static bool open_auth(struct service *service, char *error, size_t error_size)
{
    char *first_key;
    bool created;

    service->auth = auth_open(&service->config, &first_key, &created, error, error_size);
    if (first_key != NULL) /* where it is, never what it is */
        log_event(LOG_INFO, created ? "first_key_written" : "first_key_used",
                  (struct log_field[]){LOG_TEXT("path", first_key), LOG_END});
    free(first_key);
    return service->auth != NULL;
}

static bool open_service(struct service *service, char *error, size_t error_size)
{
    struct server_params params = {.loop = service->loop, .config = &service->config};

    if (!load_policies(service, error, error_size) || !open_auth(service, error, error_size))
        return false;
    params.policies = &service->policies->policies;
    params.auth = service->auth;
    service->engine = engine_start(&service->config, params.policies, error, error_size);
    if (service->engine == NULL)
        return false;
    params.engine = service->engine;
    service->server = server_start(&params, error, error_size);
    return service->server != NULL;
}

static void close_service(struct service *service)
{
    bool cut_before = service->engine == NULL;

    engine_stop(&service->engine);
    if (service->server != NULL && !cut_before)
        server_engine_gone(service->server);
    server_stop(&service->server);
    auth_free(&service->auth);
    while (service->policies != NULL) {
        struct generation *older = service->policies->older;

        policies_free(&service->policies->policies);
        free(service->policies);
        service->policies = older;
    }
    loop_free(&service->loop);
    config_free(&service->config);
}

/* On stdout and at once: scripts wait for this line, and read the port from it. */
static void say_where(const struct service *service)
{
    const char *listen = service->config.listen, *colon = strrchr(listen, ':');
    int width = (int)(colon - listen);

    if (width == 0)
        printf("listening on http://0.0.0.0:%u\n", server_port(service->server));
    else
        printf("listening on http://%.*s:%u\n", width, listen, server_port(service->server));
    fflush(stdout);
}

static void watch_signals(struct service *service)
{
    signal(SIGPIPE, SIG_IGN);
    loop_signal_start(&service->terminate, service->loop, SIGTERM, on_terminate, service);
    loop_signal_start(&service->interrupt, service->loop, SIGINT, on_terminate, service);
    loop_signal_start(&service->hang_up, service->loop, SIGHUP, on_hang_up, service);
    loop_timer_init(&service->look, service->loop, on_look, service);
    loop_timer_init(&service->grace, service->loop, on_grace_over, service);
}

static void unwatch_signals(struct service *service)
{
    loop_signal_stop(&service->terminate);
    loop_signal_stop(&service->interrupt);
    loop_signal_stop(&service->hang_up);
    loop_timer_stop(&service->look);
    loop_timer_stop(&service->grace);
}

int cli_serve(int argc, char **argv)
{
    static const struct cli_command command = {
        "serve", "[SETTINGS]", "Runs the HTTP service until it gets TERM or INT.", NULL};
    struct service service = {0};
    struct cli_words words;
    char error[768];
    int status;

    if (!cli_parse(&command, argc, argv, &service.config, &words, &status))
        return status;
    if (words.count > 0)
        status = cli_error(CLI_USAGE, "serve takes no arguments, only settings: \"%.80s\"",
                           words.items[0]);
    free(words.items);
    if (words.count > 0) {
        config_free(&service.config);
        return status;
    }
    cli_raise_descriptors();
    open_log(&service.config);
    service.loop = loop_new();
    watch_signals(&service);
    status = CLI_OK;
    if (open_service(&service, error, sizeof(error))) {
        log_start(&service);
        say_where(&service);
        loop_run(service.loop);
        log_event(LOG_INFO, "stopped", (struct log_field[]){LOG_END});
    } else {
        status = cli_error(CLI_CANNOT_RUN, "%s", error);
    }
    unwatch_signals(&service);
    close_service(&service);
    return status;
}
