/* vrfyd replay: stored verdicts, decided again by the rules of this release. No network. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli.h"
#include "probes/base/text.h"
#include "service/operator.h"
#include "service/replay.h"

enum { NAME_SHOWN = 240 };

static bool replay_file(const char *name, const struct replay_options *options,
                        struct replay_counts *counts)
{
    char shown[NAME_SHOWN];
    bool from_stdin = strcmp(name, "-") == 0, fine;
    FILE *in = from_stdin ? stdin : fopen(name, "re");

    text_clean(shown, sizeof(shown), name, strlen(name));
    if (in == NULL)
        return cli_error(false, "%s: %s", shown, strerror(errno));
    fine = replay_stream(in, from_stdin ? "stdin" : name, stdout, options, counts);
    if (!fine)
        cli_error(0, "%s: %s", shown, strerror(errno));
    if (!from_stdin)
        fclose(in);
    return fine;
}

static void print_counts(const struct replay_counts *counts, bool json)
{
    if (json) {
        printf("{\"decided\":%zu,\"changed\":%zu,\"unreadable\":%zu}\n", counts->decided,
               counts->changed, counts->unreadable);
        return;
    }
    printf("%zu decided again, %zu changed", counts->decided, counts->changed);
    if (counts->unreadable > 0)
        printf(", %zu could not be read", counts->unreadable);
    putchar('\n');
}

static int replay_all(const struct cli_words *words, const struct replay_options *options)
{
    struct replay_counts counts = {0};
    char error[768];
    bool fine = true;

    if (!operator_load(options->config, error, sizeof(error)))
        return cli_error(CLI_CANNOT_RUN, "%s", error);
    if (words->count == 0)
        fine = replay_file("-", options, &counts);
    for (size_t i = 0; i < words->count; i++)
        fine &= replay_file(words->items[i], options, &counts);
    print_counts(&counts, options->json);
    operator_unload();
    if (!fine || counts.unreadable > 0)
        return CLI_CANNOT_RUN;
    return counts.changed > 0 ? CLI_FAILED : CLI_OK;
}

int cli_replay(int argc, char **argv)
{
    struct config config;
    struct replay_options options = {.config = &config};
    const struct cli_option own[] = {
        {"--json", CLI_SWITCH, &options.json, 0, 0, "one JSON object per line"},
        {"--all", CLI_SWITCH, &options.all, 0, 0, "rows that did not change, too"},
        {NULL, CLI_SWITCH, NULL, 0, 0, NULL},
    };
    const struct cli_command command = {
        "replay", "[OPTIONS] [SETTINGS] [FILE...]",
        "Decides stored verdicts again by the rules of this release and shows what changed.\n"
        "Each FILE (or stdin, also as -) holds answers of the API or of check --json: one per\n"
        "line, a JSON array, or a batch's answer, with explain=evidence or transcript.\n"
        "Exit status: 0 nothing changed, 1 something did, 2 usage, 3 not everything could be read.",
        own};
    struct cli_words words;
    int status;

    if (!cli_parse(&command, argc, argv, &config, &words, &status))
        return status;
    status = replay_all(&words, &options);
    free(words.items);
    config_free(&config);
    return status;
}
