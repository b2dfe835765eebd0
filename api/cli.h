/* cli.h - subcommands and what they share: their own options beside all settings, --help, exit
 * statuses, terminals. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "service/config.h"

/* contract: 0 all deliverable, 1 some undeliverable, 2 usage, 3 could not run, 4 only risky or
 * unknown left */
enum cli_exit {
    CLI_OK = 0,
    CLI_UNDELIVERABLE = 1,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_CANNOT_RUN = 3,
    CLI_UNDECIDED = 4
};

enum cli_option_kind { CLI_SWITCH, CLI_NUMBER, CLI_TEXT };

/* An option of the subcommand's own. A switch named "--no-x" clears the bool it points to. */
struct cli_option {
    const char *name; /* "--json" */
    enum cli_option_kind kind;
    void *field; /* bool, uint32_t, const char * */
    uint32_t low, high;
    const char *help;
};

struct cli_command {
    const char *name, *arguments, *summary;
    const struct cli_option *options; /* ended by a NULL name; may be NULL */
};

struct cli_words {
    char **items; /* what is neither option nor setting; borrowed from argv */
    size_t count;
};

/* Reads options, settings and words, in any order ("--" ends the former). Fills `config` (the
 * caller frees it) and `words` (the caller frees `items`). Returns true to go on; false = leave
 * with *status:
 * --help was printed, or an error. */
bool cli_parse(const struct cli_command *command, int argc, char **argv, struct config *config,
               struct cli_words *words, int *status);

/* Colours: a terminal, and NO_COLOR not set. */
bool cli_has_colours(FILE *out);
/* Logging for a command that people watch: warnings only, unless they asked for more. */
void cli_quiet_log(const struct config *config);
/* As many descriptors as we may have. */
void cli_raise_descriptors(void);
/* "vrfyd: ..." on stderr; returns `status`. */
int cli_error(int status, const char *words, ...) __attribute__((format(printf, 2, 3)));

/* The subcommands: argv[0] is the first word behind the name. */
int cli_serve(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_domain(int argc, char **argv);
int cli_classify(int argc, char **argv);
int cli_syntax(int argc, char **argv);
int cli_doctor(int argc, char **argv);
int cli_replay(int argc, char **argv);
int cli_health(int argc, char **argv);
int cli_version(int argc, char **argv);
