/* vrfyd doctor: a table of what was found, each line with what to do about it. */
#include <stdlib.h>
#include <string.h>

#include "api/cli.h"
#include "api/cli_render.h"
#include "probes/base/text.h"
#include "service/doctor.h"
#include "service/operator.h"

enum { LINE_MAX_OCTETS = 4096 };

struct doctor_page {
    bool json, colours;
    unsigned by_result[DOCTOR_RESULT_COUNT];
};

static void print_json(const struct doctor_finding *finding)
{
    struct text line;

    text_init(&line, LINE_MAX_OCTETS);
    json_open(&line, NULL, '{');
    json_string(&line, "check", finding->check);
    json_string(&line, "result", doctor_result_name(finding->result));
    json_string(&line, "subject", finding->subject);
    json_string(&line, "found", finding->found);
    json_string(&line, "advice", finding->advice);
    json_close(&line, '}');
    puts(line.bytes);
    text_free(&line);
}

static void on_finding(void *context, const struct doctor_finding *finding)
{
    struct doctor_page *page = context;

    page->by_result[finding->result]++;
    if (page->json)
        print_json(finding);
    else
        render_finding(stdout, finding, page->colours);
    fflush(stdout);
}

static void print_sum(const struct doctor_page *page)
{
    putchar('\n');
    for (unsigned i = 0; i < DOCTOR_RESULT_COUNT; i++)
        printf("%s%u %s", i > 0 ? ", " : "", page->by_result[i],
               doctor_result_name((enum doctor_result)i));
    putchar('\n');
}

static int examine(const struct config *config, struct doctor_page *page)
{
    char error[768];

    cli_raise_descriptors();
    cli_quiet_log(config);
    if (!operator_load(config, error, sizeof(error)))
        return cli_error(CLI_CANNOT_RUN, "%s", error);
    doctor_run(config, on_finding, page);
    operator_unload();
    if (!page->json)
        print_sum(page);
    return page->by_result[DOCTOR_FAIL] > 0 ? CLI_FAILED : CLI_OK;
}

int cli_doctor(int argc, char **argv)
{
    struct doctor_page page = {.colours = cli_has_colours(stdout)};
    const struct cli_option options[] = {
        {"--json", CLI_SWITCH, &page.json, 0, 0, "one JSON object per line instead of a table"},
        {NULL, CLI_SWITCH, NULL, 0, 0, NULL},
    };
    const struct cli_command command = {
        "doctor", "[OPTIONS] [SETTINGS]",
        "Checks whether this host can ask mail servers: resolver and DNSSEC, port 25, our names\n"
        "and addresses, blocklists, IPv6, certificates, clock, limits. Greets a few well-known\n"
        "mail hosts and asks nobody about a mailbox. Use the same settings as the service.\n"
        "Exit status: 0 no failure, 1 some failure, 2 usage, 3 could not run.",
        options};
    struct config config;
    struct cli_words words;
    int status;

    if (!cli_parse(&command, argc, argv, &config, &words, &status))
        return status;
    if (words.count > 0)
        status = cli_error(CLI_USAGE, "doctor takes no arguments, only settings: \"%.80s\"",
                           words.items[0]);
    else
        status = examine(&config, &page);
    free(words.items);
    config_free(&config);
    return status;
}
