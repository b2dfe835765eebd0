/* cli.h - subcommands and what they share: their own options beside all settings, --help, exit
 * statuses, terminals. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "probes/base/loop.h"
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

/* INT and TERM for a command that runs an engine: the first one ends the loop, so that sessions can
 * still say QUIT; the second one kills. */
struct cli_interrupt {
    struct loop_signal interrupt, terminate;
    struct loop *loop;
    int number; /* 0: none came */
};
void cli_interrupt_start(struct cli_interrupt *interrupt, struct loop *loop);
void cli_interrupt_stop(struct cli_interrupt *interrupt);
/* Dies of the signal that came, if one did, so that a shell sees it. */
void cli_interrupt_end(const struct cli_interrupt *interrupt);

/* Colours: a terminal, and NO_COLOR not set. */
bool cli_has_colours(FILE *out);
/* Logging for a command that people watch: warnings only, unless they asked for more. */
void cli_quiet_log(const struct config *config);
/* As many descriptors as we may have. */
void cli_raise_descriptors(void);
/* Writes stdout through; false: it cannot be written any more. */
bool cli_flush(void);
/* The end of every command: what could not be written is CLI_CANNOT_RUN, and said, unless the
 * reader just had enough (`| head -1`). */
int cli_close(int status);
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
