/* vrfyd classify, syntax, version: no network, no engine. */
#include <stdlib.h>

#include "api/cli.h"
#include "probes/address/insight.h"
#include "service/classify_stream.h"
#include "service/syntax_stream.h"
#include "service/verdict.h"
#include "service/version.h"

/* Settings and no words, or false with *status. */
static bool parse_alone(const struct cli_command *command, int argc, char **argv,
                        struct config *config, int *status)
{
    struct cli_words words;

    if (!cli_parse(command, argc, argv, config, &words, status))
        return false;
    free(words.items);
    if (words.count == 0)
        return true;
    *status = cli_error(CLI_USAGE, "%s takes no arguments; it reads stdin", command->name);
    config_free(config);
    return false;
}

int cli_classify(int argc, char **argv)
{
    static const struct cli_command command = {
        "classify", "",
        "Reads SMTP replies as NDJSON on stdin, {\"code\", \"enhanced\"?, \"text\", \"stage\"?},\n"
        "and writes what each means, {\"class\", \"rule\"}, a line for a line.",
        NULL};
    struct config config;
    int status;

    if (!parse_alone(&command, argc, argv, &config, &status))
        return status;
    status = classify_stream(stdin, stdout) == 0 ? CLI_OK : CLI_CANNOT_RUN;
    config_free(&config);
    return status;
}

int cli_syntax(int argc, char **argv)
{
    static const struct cli_command command = {
        "syntax", "[SETTINGS]",
        "Reads addresses as NDJSON on stdin, {\"email\"}, and writes what is known without asking\n"
        "anybody: {\"email\", \"valid\", \"error\", \"normalized\", \"dedupe_key\", "
        "\"suggestion\", "
        "\"flags\"},\na line for a line.",
        NULL};
    struct address_options options = {.check_tld = true};
    struct config config;
    int status;

    if (!parse_alone(&command, argc, argv, &config, &status))
        return status;
    options.allow_special_names = config.allow_special_names;
    status = syntax_stream(stdin, stdout, &options) == 0 ? CLI_OK : CLI_CANNOT_RUN;
    config_free(&config);
    return status;
}

int cli_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("vrfyd %s (ruleset %s, lists %s)\n", VRFYD_VERSION, VERDICT_RULESET,
           insight_lists_version());
    return CLI_OK;
}
