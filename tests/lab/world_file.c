/* The world as a text file. */
#include "tests/lab/world.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"

enum { FIELDS_MAX = 6 };

static bool parse_number(const char *text, uint64_t *number)
{
    char *end = NULL;

    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0')
        return false;
    *number = value;
    return true;
}

struct setting_row {
    const char *name;
    size_t offset;
    bool wide; /* uint64_t, else uint32_t */
};

#define SETTING(name, member)                                                                      \
    {                                                                                              \
        name, offsetof(struct world_settings, member), false                                       \
    }
static const struct setting_row setting_rows[] = {
    {"seed", offsetof(struct world_settings, seed), true},
    SETTING("delay_ms", delay_ms),
    SETTING("greylist_s", greylist_s),
    SETTING("lane_connections", caps.connections),
    SETTING("lane_recipients", caps.recipients),
    SETTING("lane_rejects", caps.rejects),
};

static const struct {
    const char *name;
    size_t offset;
} switch_rows[] = {{"null_sender", offsetof(struct world_settings, null_sender)},
                   {"settle", offsetof(struct world_settings, settle)}};

static bool read_set(struct world *world, char **fields)
{
    uint64_t number = 0;

    if (!parse_number(fields[2], &number))
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(switch_rows); i++)
        if (strcmp(fields[1], switch_rows[i].name) == 0) {
            *(bool *)((char *)&world->settings + switch_rows[i].offset) = number != 0;
            return true;
        }
    for (size_t i = 0; i < ARRAY_LENGTH(setting_rows); i++) {
        char *member = (char *)&world->settings + setting_rows[i].offset;
        uint32_t narrow = (uint32_t)number;

        if (strcmp(fields[1], setting_rows[i].name) != 0)
            continue;
        memcpy(member, setting_rows[i].wide ? (void *)&number : (void *)&narrow,
               setting_rows[i].wide ? 8 : 4);
        return true;
    }
    return false;
}

static bool read_domain(struct world *world, char **fields)
{
    size_t behaviour = 0, imap = 0;
    enum reply_style style = STYLE_POSTFIX;

    if (behaviour_find(fields[3], &behaviour) == NULL || !reply_style_parse(fields[4], &style) ||
        imap_variant_find(fields[5], &imap) == NULL)
        return false;
    world_add_domain(world, fields[1], strcmp(fields[2], "-") == 0 ? fields[1] : fields[2],
                     behaviour, style, imap);
    return true;
}

static bool read_mailbox(struct world *world, char **fields)
{
    enum mailbox_class class = MAILBOX_KNOWN;

    if (world->domain_count == 0 || !mailbox_class_parse(fields[2], &class))
        return false;
    for (unsigned fault = 0; fault < FAULT_COUNT; fault++)
        if (strcmp(fields[3], fault_name((enum fault)fault)) == 0) {
            world_add_mailbox(world, fields[1], class, (enum fault)fault);
            return true;
        }
    return false;
}

static bool read_raw(struct world *world, char **fields)
{
    world_add_raw(world, fields[1], fields[2]);
    return true;
}

static const struct {
    const char *word;
    size_t fields;
    bool (*read)(struct world *world, char **fields);
} line_kinds[] = {{"set", 3, read_set},
                  {"domain", 6, read_domain},
                  {"mailbox", 4, read_mailbox},
                  {"raw", 3, read_raw}};

static bool read_line(struct world *world, char *line)
{
    char *fields[FIELDS_MAX] = {NULL};
    size_t count = 0;

    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '\0' || line[0] == '#')
        return true;
    while (line != NULL && count < FIELDS_MAX)
        fields[count++] = strsep(&line, "\t");
    for (size_t i = 0; i < ARRAY_LENGTH(line_kinds); i++)
        if (strcmp(fields[0], line_kinds[i].word) == 0)
            return count == line_kinds[i].fields && line_kinds[i].read(world, fields);
    return false;
}

struct world *world_load(const char *directory, char *error, size_t error_size)
{
    struct world_settings settings = {.seed = 0};
    char path[4096], *line = NULL;
    size_t room = 0, number = 0;
    bool good = true;

    snprintf(path, sizeof(path), "%s/world.tsv", directory);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        snprintf(error, error_size, "cannot read %s: %s", path, strerror(errno));
        return NULL;
    }
    struct world *world = world_new(&settings);
    while (good && getline(&line, &room, file) > 0) {
        number++;
        good = read_line(world, line);
    }
    free(line);
    fclose(file);
    if (!good) {
        snprintf(error, error_size, "%s: line %zu is not part of a world", path, number);
        world_free(&world);
        return NULL;
    }
    world_build(world);
    return world;
}

static void write_settings(FILE *file, const struct world_settings *settings)
{
    fprintf(file, "set\tseed\t%" PRIu64 "\n", settings->seed);
    fprintf(file, "set\tdelay_ms\t%" PRIu32 "\n", settings->delay_ms);
    fprintf(file, "set\tgreylist_s\t%" PRIu32 "\n", settings->greylist_s);
    fprintf(file, "set\tnull_sender\t%d\n", settings->null_sender);
    fprintf(file, "set\tsettle\t%d\n", settings->settle);
    fprintf(file, "set\tlane_connections\t%" PRIu32 "\n", settings->caps.connections);
    fprintf(file, "set\tlane_recipients\t%" PRIu32 "\n", settings->caps.recipients);
    fprintf(file, "set\tlane_rejects\t%" PRIu32 "\n", settings->caps.rejects);
}

static void write_domain(FILE *file, const struct world *world, const struct lab_domain *domain)
{
    fprintf(file, "domain\t%s\t%s\t%s\t%s\t%s\n", domain->name,
            domain->display == domain->name ? "-" : domain->display,
            behaviour_at(domain->behaviour)->name,
            reply_style_name((enum reply_style)domain->style), imap_variant_at(domain->imap)->name);
    for (size_t i = 0; i < domain->mailbox_count; i++) {
        const struct lab_mailbox *mailbox = &world->mailboxes[domain->first_mailbox + i];

        fprintf(file, "mailbox\t%s\t%s\t%s\n", mailbox->local,
                mailbox_class_name((enum mailbox_class)mailbox->class),
                fault_name((enum fault)mailbox->fault));
    }
}

bool world_save(const struct world *world, const char *directory, char *error, size_t error_size)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/world.tsv", directory);
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        snprintf(error, error_size, "cannot write %s: %s", path, strerror(errno));
        return false;
    }
    write_settings(file, &world->settings);
    for (size_t i = 0; i < world->domain_count; i++)
        write_domain(file, world, &world->domains[i]);
    for (size_t i = 0; i < world->raw_count; i++)
        fprintf(file, "raw\t%s\t%s\n", world->raws[i].email, world->raws[i].reason);
    bool good = !ferror(file);
    if (fclose(file) != 0 || !good) {
        snprintf(error, error_size, "cannot write %s: %s", path, strerror(errno));
        return false;
    }
    return true;
}
