#include "api/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "probes/base/log.h"
#include "probes/base/mem.h"
#include "probes/base/random.h"
#include "probes/base/text.h"

enum { SECRET_LENGTH = 32, ERROR_MAX = 1024 };

int cli_error(int status, const char *words, ...)
{
    char said[ERROR_MAX], clean[ERROR_MAX];
    va_list arguments;

    va_start(arguments, words);
    vsnprintf(said, sizeof(said), words, arguments); // NOLINT(clang-analyzer-valist.Uninitialized)
    va_end(arguments);
    text_clean(clean, sizeof(clean), said, strlen(said)); /* it may quote anything */
    fprintf(stderr, "vrfyd: %s\n", clean);
    return status;
}

/* --- help ------------------------------------------------------------------------ */

static void print_help(const struct cli_command *command)
{
    printf("Usage: vrfyd %s %s\n\n%s\n", command->name, command->arguments, command->summary);
    if (command->options != NULL)
        puts("\nOptions:");
    for (const struct cli_option *o = command->options; o != NULL && o->name != NULL; o++) {
        const char *value = o->kind == CLI_NUMBER ? " N" : o->kind == CLI_TEXT ? " TEXT" : "";

        printf("  %s%s\n      %s", o->name, value, o->help);
        if (o->kind == CLI_NUMBER)
            printf(" (%u to %u)", o->low, o->high);
        putchar('\n');
    }
    putchar('\n');
    config_print_help(stdout);
}

/* --- options --------------------------------------------------------------------- */

struct parsing {
    const struct cli_command *command;
    int argc, used;
    char **argv;
    char **settings; /* flags that are settings, with their values */
    size_t setting_count;
    struct cli_words *words;
};

static const struct cli_option *option_named(const struct cli_command *command, const char *word,
                                             const char **value)
{
    size_t length = strcspn(word, "=");

    for (const struct cli_option *o = command->options; o != NULL && o->name != NULL; o++) {
        if (strlen(o->name) == length && strncmp(o->name, word, length) == 0) {
            *value = word[length] == '=' ? word + length + 1 : NULL;
            return o;
        }
    }
    return NULL;
}

static bool number_option(const struct cli_option *option, const char *value)
{
    unsigned long number;
    char *end;

    if (*value < '0' || *value > '9' || strlen(value) > 9)
        return false;
    number = strtoul(value, &end, 10);
    if (*end != '\0' || number < option->low || number > option->high)
        return false;
    memcpy(option->field, &(uint32_t){(uint32_t)number}, sizeof(uint32_t));
    return true;
}

static bool take_option(struct parsing *parsing, const struct cli_option *option, const char *value)
{
    if (option->kind == CLI_SWITCH) {
        bool on = strncmp(option->name, "--no-", 5) != 0;

        if (value != NULL)
            return cli_error(false, "%s takes no value", option->name);
        memcpy(option->field, &on, sizeof(on));
        return true;
    }
    if (value == NULL && parsing->used < parsing->argc)
        value = parsing->argv[parsing->used++];
    if (value == NULL)
        return cli_error(false, "%s needs a value", option->name);
    if (option->kind == CLI_NUMBER && !number_option(option, value))
        return cli_error(false, "%s: \"%.80s\" is not a whole number from %u to %u", option->name,
                         value, option->low, option->high);
    if (option->kind == CLI_TEXT)
        memcpy(option->field, &value, sizeof(value));
    return true;
}

static void take_setting(struct parsing *parsing, char *word)
{
    parsing->settings[parsing->setting_count++] = word;
    if (config_flag_takes_value(word) && parsing->used < parsing->argc)
        parsing->settings[parsing->setting_count++] = parsing->argv[parsing->used++];
}

static bool take_word(struct parsing *parsing, char *word, bool *only_words)
{
    const struct cli_option *option;
    const char *value = NULL;

    if (*only_words || strncmp(word, "--", 2) != 0) {
        parsing->words->items[parsing->words->count++] = word;
        return true;
    }
    if (strcmp(word, "--") == 0) {
        *only_words = true;
        return true;
    }
    option = option_named(parsing->command, word, &value);
    if (option != NULL)
        return take_option(parsing, option, value);
    take_setting(parsing, word);
    return true;
}

bool cli_parse(const struct cli_command *command, int argc, char **argv, struct config *config,
               struct cli_words *words, int *status)
{
    struct parsing parsing = {.command = command, .argc = argc, .argv = argv, .words = words};
    bool only_words = false, fine = true;
    char error[768];

    *words = (struct cli_words){.items = mem_array(char *, (size_t)argc + 1)};
    *config = (struct config){0};
    *status = CLI_USAGE;
    parsing.settings = mem_array(char *, (size_t)argc + 1);
    while (fine && parsing.used < argc) {
        char *word = argv[parsing.used++];

        if (!only_words && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
            print_help(command);
            *status = CLI_OK;
            fine = false;
        } else {
            fine = take_word(&parsing, word, &only_words);
        }
    }
    if (fine &&
        config_load(config, (int)parsing.setting_count, parsing.settings, error, sizeof(error)) < 0)
        fine = cli_error(false, "%s (vrfyd %s --help lists all settings)", error, command->name);
    free(parsing.settings);
    if (!fine) {
        free(words->items);
        *words = (struct cli_words){0};
        config_free(config);
    }
    return fine;
}

/* --- output ------------------------------------------------------------------------- */

static int write_error; /* of the first write that failed */

bool cli_flush(void)
{
    if ((fflush(stdout) != 0 || ferror(stdout)) && write_error == 0)
        write_error = errno != 0 ? errno : EIO;
    return write_error == 0;
}

int cli_close(int status)
{
    if (cli_flush())
        return status;
    return write_error == EPIPE
               ? CLI_CANNOT_RUN
               : cli_error(CLI_CANNOT_RUN, "cannot write: %s", strerror(write_error));
}

/* --- signals -------------------------------------------------------------------------- */

static void on_interrupt(void *context, int number)
{
    struct cli_interrupt *interrupt = context;

    interrupt->number = number;
    cli_interrupt_stop(interrupt);
    loop_stop(interrupt->loop);
}

void cli_interrupt_start(struct cli_interrupt *interrupt, struct loop *loop)
{
    *interrupt = (struct cli_interrupt){.loop = loop};
    loop_signal_start(&interrupt->interrupt, loop, SIGINT, on_interrupt, interrupt);
    loop_signal_start(&interrupt->terminate, loop, SIGTERM, on_interrupt, interrupt);
}

void cli_interrupt_stop(struct cli_interrupt *interrupt)
{
    loop_signal_stop(&interrupt->interrupt);
    loop_signal_stop(&interrupt->terminate);
}

void cli_interrupt_end(const struct cli_interrupt *interrupt)
{
    if (interrupt->number != 0)
        raise(interrupt->number); /* libev has put the default back */
}

/* --- surroundings ------------------------------------------------------------------ */

bool cli_has_colours(FILE *out)
{
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");

    return isatty(fileno(out)) && (no_colour == NULL || *no_colour == '\0') &&
           (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

void cli_quiet_log(const struct config *config)
{
    struct log_options options = {.json = config->log_format == LOG_FORMAT_JSON,
                                  .hash_addresses = config->log_addresses == LOG_ADDRESSES_HASHED};
    char secret[SECRET_LENGTH + 1];

    random_text(secret, SECRET_LENGTH);
    options.hash_secret = secret;
    log_parse_level(config->log_level, &options.level);
    if (options.level == LOG_INFO)
        options.level = LOG_WARN;
    log_setup(&options);
}

void cli_raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}
