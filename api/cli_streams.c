/* vrfyd classify, syntax, version: no network, no engine. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli.h"
#include "probes/address/insight.h"
#include "service/classify_stream.h"
#include "service/operator.h"
#include "service/syntax_stream.h"
#include "service/verdict.h"
#include "service/version.h"

/* Settings and no words, with the operator's lists and rules in force; or false with *status. */
static bool parse_alone(const struct cli_command *command, int argc, char **argv,
                        struct config *config, int *status)
{
    struct cli_words words;
    char error[512];

    if (!cli_parse(command, argc, argv, config, &words, status))
        return false;
    free(words.items);
    if (words.count > 0)
        *status = cli_error(CLI_USAGE, "%s takes no arguments; it reads stdin", command->name);
    else if (!operator_load(config, error, sizeof(error)))
        *status = cli_error(CLI_CANNOT_RUN, "%s", error);
    else
        return true;
    config_free(config);
    return false;
}

static void close_alone(struct config *config)
{
    operator_unload();
    config_free(config);
}

/* What could not be written is said at the end of the program. */
static int cannot_go_on(void)
{
    int why = errno;

    if (!cli_flush())
        return CLI_CANNOT_RUN;
    return cli_error(CLI_CANNOT_RUN, "cannot read stdin: %s", strerror(why));
}

int cli_classify(int argc, char **argv)
{
    static const struct cli_command command = {
        "classify", "[SETTINGS]",
        "Reads SMTP replies as NDJSON on stdin, {\"code\", \"enhanced\"?, \"text\", \"stage\"?},\n"
        "and writes what each means, {\"class\", \"rule\"}, one line for each line read.",
        NULL};
    struct config config;
    int status;

    if (!parse_alone(&command, argc, argv, &config, &status))
        return status;
    status = classify_stream(stdin, stdout) == 0 ? CLI_OK : cannot_go_on();
    close_alone(&config);
    return status;
}

int cli_syntax(int argc, char **argv)
{
    static const struct cli_command command = {
        "syntax", "[SETTINGS]",
        "Reads addresses as NDJSON on stdin, {\"email\"}, and writes what is known without asking\n"
        "anybody, one line for each line read: {\"email\", \"valid\", \"error\", \"normalized\",\n"
        "\"dedupe_key\", \"suggestion\", \"flags\"}.",
        NULL};
    struct address_options options = {.check_tld = true};
    struct config config;
    int status;

    if (!parse_alone(&command, argc, argv, &config, &status))
        return status;
    options.allow_special_names = config.allow_special_names;
    status = syntax_stream(stdin, stdout, &options) == 0 ? CLI_OK : cannot_go_on();
    close_alone(&config);
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
