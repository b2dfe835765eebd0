/* main.c - the program: finds the subcommand. The only file that may include api/ from here. */
#include <stdio.h>
#include <string.h>

#include "api/cli.h"
#include "probes/base/mem.h"

enum { TYPING_ERRORS_MAX = 2, NAME_MAX_OCTETS = 32 };

static int run_command(const char *name, int argc, char **argv);
static int show_help(int argc, char **argv);
static int show_settings(int argc, char **argv);

static const struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary; /* NULL = not listed */
} subcommands[] = {
    {"serve", cli_serve, "the HTTP service"},
    {"check", cli_check, "verdicts for addresses, given here or on stdin"},
    {"domain", cli_domain, "a domain's mail posture"},
    {"classify", cli_classify, "what SMTP replies mean (NDJSON on stdin)"},
    {"syntax", cli_syntax, "what is known about addresses without asking (NDJSON on stdin)"},
    {"doctor", cli_doctor, "can this host ask mail servers, and if not, what to do about it"},
    {"replay", cli_replay, "decide stored verdicts again by today's rules"},
    {"health", cli_health, "is the service well? exit status 0 or 1"},
    {"version", cli_version, "versions of the program, its rules and its lists"},
    {"help", show_help, "this"},
    {"settings", show_settings, NULL}, /* the table of README.md */
};

static int show_help(int argc, char **argv)
{
    char flag[] = "--help", *words[] = {flag, NULL};

    if (argc > 0 && argv[0][0] != '-')
        return run_command(argv[0], 1, words);
    puts("vrfyd answers: will mail to this address be delivered, and what is behind it?\n\n"
         "Usage: vrfyd COMMAND [OPTIONS] [SETTINGS]\n");
    for (size_t i = 0; i < ARRAY_LENGTH(subcommands); i++)
        if (subcommands[i].summary != NULL)
            printf("  %-10s %s\n", subcommands[i].name, subcommands[i].summary);
    puts("\nvrfyd COMMAND --help says more, and lists all settings.");
    return CLI_OK;
}

static int show_settings(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    config_print_markdown(stdout);
    return CLI_OK;
}

/* How many letters are wrong, missing or too many (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_OCTETS + 1], length = strlen(b);

    for (size_t i = 0; i <= length; i++)
        row[i] = i;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t corner = row[0];

        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            size_t changed = corner + (a[i - 1] != b[j - 1]);

            corner = row[j];
            row[j] = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            if (changed < row[j])
                row[j] = changed;
        }
    }
    return row[length];
}

static int unknown_command(const char *name)
{
    const char *nearest = NULL;
    size_t best = TYPING_ERRORS_MAX + 1;

    for (size_t i = 0; strlen(name) < NAME_MAX_OCTETS && i < ARRAY_LENGTH(subcommands); i++) {
        size_t errors = distance(name, subcommands[i].name);

        if (errors < best && errors < strlen(subcommands[i].name) - 1) {
            best = errors;
            nearest = subcommands[i].name;
        }
    }
    if (nearest != NULL)
        return cli_error(CLI_USAGE, "there is no command \"%.40s\"; did you mean \"%s\"?", name,
                         nearest);
    return cli_error(CLI_USAGE, "there is no command \"%.40s\"; vrfyd help lists them", name);
}

static int run_command(const char *name, int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_LENGTH(subcommands); i++)
        if (strcmp(subcommands[i].name, name) == 0)
            return subcommands[i].run(argc, argv);
    return unknown_command(name);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;

    if (name == NULL) {
        show_help(0, NULL);
        return CLI_USAGE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    return cli_close(run_command(name, argc - 2, argv + 2));
}
