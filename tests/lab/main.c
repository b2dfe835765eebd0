/* maillab - a mail internet on loopback: makes worlds, plays them, counts what clients did. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "probes/base/mem.h"
#include "tests/lab/control.h"
#include "tests/lab/generator.h"
#include "tests/lab/ideal.h"
#include "tests/lab/lab_tls.h"
#include "tests/lab/serve.h"
#include "tests/lab/settings.h"
#include "tests/lab/truth.h"

enum { EXIT_USAGE = 2, REPORT_MAX = 64 * 1024 * 1024 };

static const char usage[] =
    "maillab generate --seed S --domains D --addresses N --out DIR [--mix FILE] [--delay-ms MS]\n"
    "                 [--faults PERCENT] [--providers PERCENT] [--greylist-s S] [--null-sender 1] "
    "[--settle 1]\n"
    "                 [--connections N] [--recipients N] [--rejects N]\n"
    "maillab demo-world --out DIR\n"
    "maillab serve --world DIR [--ready-file FILE]\n"
    "maillab counters | details | reset | stop --world DIR\n"
    "maillab pause --world DIR --ms MS\n"
    "maillab ideal --world DIR\n"
    "maillab behaviours\n";

struct arguments {
    struct generator_options generator;
    uint32_t null_sender, settle, pause_ms;
    const char *out, *world, *ready_file;
};

/* Every option takes a value: a number up to `most`, or a text (most = 0). */
struct option_row {
    const char *name;
    size_t offset;
    uint64_t most;
    bool wide;
};

#define NUMBER(name, member, most)                                                                 \
    {                                                                                              \
        name, offsetof(struct arguments, member), most, false                                      \
    }
#define TEXT(name, member)                                                                         \
    {                                                                                              \
        name, offsetof(struct arguments, member), 0, false                                         \
    }
static const struct option_row options[] = {
    {"--seed", offsetof(struct arguments, generator.settings.seed), UINT64_MAX, true},
    NUMBER("--domains", generator.domains, 200000),
    NUMBER("--addresses", generator.addresses, 20000000),
    NUMBER("--delay-ms", generator.settings.delay_ms, 60000),
    NUMBER("--greylist-s", generator.settings.greylist_s, 86400),
    NUMBER("--faults", generator.faults_percent, 100),
    NUMBER("--providers", generator.providers_percent, 100),
    NUMBER("--connections", generator.settings.caps.connections, 1000),
    NUMBER("--recipients", generator.settings.caps.recipients, 10000),
    NUMBER("--rejects", generator.settings.caps.rejects, 10000),
    NUMBER("--null-sender", null_sender, 1),
    NUMBER("--settle", settle, 1),
    NUMBER("--ms", pause_ms, 600000),
    TEXT("--mix", generator.mix_file),
    TEXT("--out", out),
    TEXT("--world", world),
    TEXT("--ready-file", ready_file),
};

static bool take_value(struct arguments *arguments, const struct option_row *row, const char *value)
{
    char *member = (char *)arguments + row->offset, *end = NULL;

    if (row->most == 0) {
        memcpy(member, &value, sizeof(value));
        return true;
    }
    errno = 0;
    uint64_t number = strtoull(value, &end, 10);
    if (errno != 0 || end == value || *end != '\0' || value[0] == '-' || number > row->most)
        return false;
    uint32_t narrow = (uint32_t)number;
    memcpy(member, row->wide ? (void *)&number : (void *)&narrow,
           row->wide ? sizeof(number) : sizeof(narrow));
    return true;
}

static bool parse(struct arguments *arguments, int argc, char **argv)
{
    for (int i = 0; i < argc; i += 2) {
        size_t found = 0;

        while (found < ARRAY_LENGTH(options) && strcmp(options[found].name, argv[i]) != 0)
            found++;
        if (found == ARRAY_LENGTH(options) || i + 1 == argc ||
            !take_value(arguments, &options[found], argv[i + 1])) {
            fprintf(stderr, "maillab: bad option or value: %s %s\n", argv[i],
                    i + 1 < argc ? argv[i + 1] : "");
            return false;
        }
    }
    return true;
}

/* The world and all that goes with it. Takes the world. */
static int write_world(struct world *world, const char *directory, const char *problem)
{
    struct lab_ports ports = {
        .dns = 10240, .smtp = 10241, .imap = 10242, .imaps = 10243}; /* `serve` writes real ones */
    char error[512];

    snprintf(error, sizeof(error), "%s", problem);
    bool good = world != NULL;
    if (good && mkdir(directory, 0755) != 0 && errno != EEXIST) {
        snprintf(error, sizeof(error), "cannot make %s: %s", directory, strerror(errno));
        good = false;
    }
    good = good && world_save(world, directory, error, sizeof(error)) &&
           truth_write(world, directory, error, sizeof(error)) &&
           lab_tls_make_ca(directory, error, sizeof(error)) &&
           settings_write(world, &ports, directory, error, sizeof(error));
    if (good)
        printf("%zu domains, %zu addresses, %zu hosts in %s\n", world->domain_count,
               world->mailbox_count + world->raw_count, world->host_count, directory);
    else
        fprintf(stderr, "maillab: %s\n", error);
    world_free(&world);
    return good ? 0 : 1;
}

static int run_generate(struct arguments *arguments)
{
    char error[512] = "";

    if (arguments->out == NULL || arguments->generator.domains == 0)
        return EXIT_USAGE;
    arguments->generator.settings.null_sender = arguments->null_sender != 0;
    arguments->generator.settings.settle = arguments->settle != 0;
    struct world *world = generate_world(&arguments->generator, error, sizeof(error));
    return write_world(world, arguments->out, error);
}

static int run_demo_world(struct arguments *arguments)
{
    return arguments->out == NULL ? EXIT_USAGE
                                  : write_world(generate_demo_world(), arguments->out, "");
}

static int run_serve(struct arguments *arguments)
{
    struct serve_options serve = {.world = arguments->world, .ready_file = arguments->ready_file};

    return arguments->world == NULL ? EXIT_USAGE : serve_world(&serve);
}

static int run_ideal(struct arguments *arguments)
{
    char error[512];
    struct text out;

    if (arguments->world == NULL)
        return EXIT_USAGE;
    struct world *world = world_load(arguments->world, error, sizeof(error));
    if (world == NULL) {
        fprintf(stderr, "maillab: %s\n", error);
        return 1;
    }
    text_init(&out, REPORT_MAX);
    ideal_json(&out, world);
    puts(out.bytes);
    text_free(&out);
    world_free(&world);
    return 0;
}

static int run_behaviours(struct arguments *arguments)
{
    (void)arguments;
    behaviours_print();
    return 0;
}

static int run_pause(struct arguments *arguments)
{
    char command[64];

    snprintf(command, sizeof(command), "pause %u", arguments->pause_ms);
    return arguments->world == NULL ? EXIT_USAGE : control_ask(arguments->world, command);
}

static const struct {
    const char *word;
    int (*run)(struct arguments *arguments);
} commands[] = {{"generate", run_generate}, {"demo-world", run_demo_world}, {"serve", run_serve},
                {"ideal", run_ideal},       {"behaviours", run_behaviours}, {"pause", run_pause}};

static int dispatch(const char *word, struct arguments *arguments)
{
    static const char *const questions[] = {"counters", "details", "reset", "stop"};

    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        if (strcmp(word, commands[i].word) == 0)
            return commands[i].run(arguments);
    for (size_t i = 0; i < ARRAY_LENGTH(questions); i++)
        if (strcmp(word, questions[i]) == 0 && arguments->world != NULL)
            return control_ask(arguments->world, word);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {
        .generator = {.settings = {.seed = 1,
                                   .greylist_s = 600,
                                   .caps = {.connections = 1, .recipients = 20, .rejects = 4}},
                      .domains = 0,
                      .addresses = 0}};
    int status = EXIT_USAGE;

    if (argc >= 2 && parse(&arguments, argc - 2, argv + 2))
        status = dispatch(argv[1], &arguments);
    if (status == EXIT_USAGE)
        fputs(usage, stderr);
    return status;
}
