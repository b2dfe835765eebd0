/* vrfyd domain: the mail posture of domains, one after the other. */
#include <stdlib.h>
#include <string.h>

#include "api/cli.h"
#include "api/cli_render.h"
#include "probes/base/mem.h"
#include "service/engine.h"

enum { DEADLINE_MS = 30000, DEADLINE_LOW_MS = 100, DEADLINE_HIGH_MS = 600000, DOMAIN_MAX = 512 };

struct domain_run {
    struct config config;
    struct policies policies;
    struct cli_words words;
    size_t next;
    bool json, failed;
    uint32_t deadline_ms;
    struct loop *loop;
    struct engine *engine;
    struct cli_interrupt interrupt;
};

static void ask_next(struct domain_run *run);

static void on_posture(void *context, struct verify_answer *answer)
{
    struct domain_run *run = context;
    const char *name = run->words.items[run->next++];

    if (run->interrupt.number != 0) {
        engine_answer_free(&answer);
        return;
    }
    if (answer->document == NULL)
        run->failed = cli_error(true, "\"%.120s\" is no domain that could have mail", name);
    else if (run->json)
        printf("%s\n", answer->document);
    else
        render_domain(stdout, name, answer->document, cli_has_colours(stdout));
    engine_answer_free(&answer);
    if (cli_flush())
        ask_next(run);
    else
        loop_stop(run->loop);
}

static void ask_next(struct domain_run *run)
{
    if (run->next == run->words.count)
        loop_stop(run->loop);
    else
        engine_domain(run->engine, run->loop, run->words.items[run->next], run->deadline_ms,
                      on_posture, run);
}

static int show_all(struct domain_run *run)
{
    char error[768];

    if (run->words.count == 0)
        return cli_error(CLI_USAGE, "which domain? vrfyd domain --help says more");
    for (size_t i = 0; i < run->words.count; i++)
        if (*run->words.items[i] == '\0' || strlen(run->words.items[i]) > DOMAIN_MAX ||
            strchr(run->words.items[i], '@') != NULL)
            return cli_error(CLI_USAGE, "\"%.120s\" is not a domain", run->words.items[i]);
    if (!policies_load(&run->policies, "", error, sizeof(error)))
        return cli_error(CLI_CANNOT_RUN, "%s", error);
    cli_raise_descriptors();
    if (run->config.loops == 0)
        run->config.loops = 1;
    run->loop = loop_new();
    run->engine = engine_start(&run->config, &run->policies, error, sizeof(error));
    if (run->engine == NULL) {
        loop_free(&run->loop);
        return cli_error(CLI_CANNOT_RUN, "%s", error);
    }
    cli_interrupt_start(&run->interrupt, run->loop);
    ask_next(run);
    loop_run(run->loop);
    engine_stop(&run->engine);
    loop_run_once(run->loop); /* the answer to what was cut */
    cli_interrupt_stop(&run->interrupt);
    loop_free(&run->loop);
    cli_interrupt_end(&run->interrupt);
    return run->failed ? CLI_USAGE : CLI_OK;
}

int cli_domain(int argc, char **argv)
{
    struct domain_run run = {.deadline_ms = DEADLINE_MS};
    const struct cli_option options[] = {
        {"--json", CLI_SWITCH, &run.json, 0, 0, "one JSON object per line instead of a block"},
        {"--deadline-ms", CLI_NUMBER, &run.deadline_ms, DEADLINE_LOW_MS, DEADLINE_HIGH_MS,
         "longest wait for each domain; default 30000"},
        {NULL, CLI_SWITCH, NULL, 0, 0, NULL},
    };
    const struct cli_command command = {
        "domain", "[OPTIONS] [SETTINGS] DOMAIN...",
        "Shows where a domain's mail goes and how it can be read.\n"
        "Exit status: 0 all shown, 2 usage or no domain, 3 could not run.",
        options};
    int status;

    if (!cli_parse(&command, argc, argv, &run.config, &run.words, &status))
        return status;
    cli_quiet_log(&run.config);
    status = show_all(&run);
    policies_free(&run.policies);
    free(run.words.items);
    config_free(&run.config);
    return status;
}
