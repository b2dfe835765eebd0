#include "tests/lab/mix.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lab/behaviours.h"
#include "tests/lab/world.h"

enum { WEIGHT_MAX = 1000000 };

void mix_default(struct mix *mix)
{
    bool ipv6 = world_has_ipv6();

    *mix = (struct mix){.behaviours = {0}};
    assert(behaviour_count() <= MIX_BEHAVIOURS_MAX && imap_variant_count() <= MIX_IMAP_MAX);
    for (size_t i = 0; i < behaviour_count(); i++)
        if (ipv6 || !behaviour_at(i)->ipv6)
            mix->behaviours[i] = behaviour_at(i)->weight;
    for (size_t i = 0; i < imap_variant_count(); i++)
        mix->imap[i] = imap_variant_at(i)->weight;
}

struct mix_reader {
    struct mix *mix;
    bool own_behaviours, own_imap; /* the first line of a kind clears the default of that kind */
};

static bool read_name(struct mix_reader *reader, const char *name, uint32_t weight)
{
    size_t index = 0;

    if (strncmp(name, "imap:", 5) == 0) {
        if (!reader->own_imap)
            memset(reader->mix->imap, 0, sizeof(reader->mix->imap));
        reader->own_imap = true;
        if (imap_variant_find(name + 5, &index) == NULL)
            return false;
        reader->mix->imap[index] = weight;
        return true;
    }
    if (!reader->own_behaviours)
        memset(reader->mix->behaviours, 0, sizeof(reader->mix->behaviours));
    reader->own_behaviours = true;
    if (behaviour_find(name, &index) == NULL)
        return false;
    reader->mix->behaviours[index] = weight;
    return true;
}

static bool read_mix_line(struct mix_reader *reader, char *line)
{
    line[strcspn(line, "#\n")] = '\0';
    char *rest = line + strspn(line, " \t");
    if (*rest == '\0')
        return true;
    char *name = strsep(&rest, " \t");
    if (rest == NULL)
        return false;
    rest += strspn(rest, " \t");
    char *end = NULL;
    unsigned long weight = strtoul(rest, &end, 10);
    if (end == rest || end[strspn(end, " \t\r")] != '\0' || weight > WEIGHT_MAX)
        return false;
    return read_name(reader, name, (uint32_t)weight);
}

bool mix_read(struct mix *mix, const char *path, char *error, size_t error_size)
{
    struct mix_reader reader = {.mix = mix};
    char *line = NULL;
    size_t room = 0, number = 0;
    bool good = true;
    FILE *file = fopen(path, "r");

    if (file == NULL) {
        snprintf(error, error_size, "cannot read %s: %s", path, strerror(errno));
        return false;
    }
    while (good && getline(&line, &room, file) > 0) {
        number++;
        good = read_mix_line(&reader, line);
    }
    if (!good)
        snprintf(error, error_size,
                 "%s: line %zu, \"%.60s\", is not `behaviour weight`; see `maillab behaviours`",
                 path, number, line + strspn(line, " \t"));
    free(line);
    fclose(file);
    return good;
}
