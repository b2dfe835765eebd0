#include "tests/support/imap_scenario.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"

enum { EXPANDED_MAX = 1 << 20, LINE_SIZE = 1024 };

/* "<WORD*9>" nine times. */
static char *expand(const char *text)
{
    struct text out;
    const char *open, *star, *close;

    text_init(&out, EXPANDED_MAX);
    while ((open = strchr(text, '<')) != NULL && (star = strchr(open, '*')) != NULL &&
           (close = strchr(star, '>')) != NULL) {
        long times = strtol(star + 1, NULL, 10);

        text_add(&out, text, (size_t)(open - text));
        for (long i = 0; i < times; i++) {
            text_add(&out, open + 1, (size_t)(star - open - 1));
            text_char(&out, ' ');
        }
        text = close + 1;
    }
    text_put(&out, text);
    return text_take(&out);
}

static bool take_line(struct imap_scenario *scenario, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '\0' || line[0] == '#')
        return true;
    if (strcmp(line, "tls") == 0) {
        scenario->implicit_tls = true;
        return true;
    }
    if (line[0] == '=' && line[1] == ' ' && scenario->expected == NULL) {
        scenario->expected = mem_copy_text(line + 2);
        return true;
    }
    if (strchr("SICTX", line[0]) == NULL || line[1] != ' ' ||
        scenario->count == IMAP_SCENARIO_LINES_MAX)
        return false;
    scenario->lines[scenario->count].kind = line[0];
    scenario->lines[scenario->count++].text = expand(line + 2);
    return true;
}

static bool load(const char *folder, const char *name, struct imap_scenario *scenario)
{
    char path[512], line[LINE_SIZE];
    bool good = true;
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "r");
    *scenario = (struct imap_scenario){.name = mem_copy_text(name)};
    if (file == NULL) {
        printf("%s: cannot be read\n", path);
        return false;
    }
    while (good && fgets(line, sizeof(line), file) != NULL)
        if (!(good = take_line(scenario, line)))
            printf("%s: what is this: %s\n", path, line);
    fclose(file);
    if (good && scenario->expected == NULL) {
        printf("%s: no line with =\n", path);
        return false;
    }
    return good;
}

static int is_scenario(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return length > 4 && strcmp(entry->d_name + length - 4, ".txt") == 0;
}

size_t imap_scenarios_load(const char *folder, struct imap_scenario *scenarios, size_t size)
{
    struct dirent **names;
    int found = scandir(folder, &names, is_scenario, alphasort);
    size_t count = 0;
    bool good = found > 0 && (size_t)found <= size;

    for (int i = 0; i < found; i++) {
        if (good && !(good = load(folder, names[i]->d_name, &scenarios[count++])))
            printf("%s/%s: not a scenario\n", folder, names[i]->d_name);
        free(names[i]);
    }
    if (found >= 0)
        free(names);
    if (good)
        return count;
    while (count > 0)
        imap_scenario_free(&scenarios[--count]);
    return 0;
}

void imap_scenario_free(struct imap_scenario *scenario)
{
    for (size_t i = 0; i < scenario->count; i++)
        free(scenario->lines[i].text);
    free(scenario->name);
    free(scenario->expected);
    *scenario = (struct imap_scenario){.count = 0};
}

/* --- expectations ---------------------------------------------------------- */

static void list_bits(struct text *out, unsigned bits, unsigned count,
                      const char *(*name)(unsigned))
{
    for (unsigned i = 0; i < count; i++) {
        if ((bits & (1u << i)) == 0)
            continue;
        if (out->length > 0)
            text_char(out, ',');
        text_put(out, name(i));
    }
}

static const char *feature_name(unsigned bit) { return imap_feature_name((enum imap_feature)bit); }
static const char *finding_name(unsigned bit) { return tls_finding_name((enum tls_finding)bit); }

static void describe(struct text *out, const char *key, const struct imap_endpoint *got)
{
    if (strcmp(key, "state") == 0)
        text_put(out, imap_state_name(got->state));
    else if (strcmp(key, "security") == 0)
        text_put(out, mail_security_name(got->security));
    else if (strcmp(key, "plaintext_login") == 0)
        text_put(out, got->plaintext_login ? "yes" : "no");
    else if (strcmp(key, "greeting") == 0)
        text_put(out, got->greeting != NULL ? got->greeting : "");
    else if (strcmp(key, "capabilities") == 0)
        text_put(out, got->capabilities != NULL ? got->capabilities : "");
    else if (strcmp(key, "features") == 0)
        list_bits(out, got->features, IMAP_FEATURE_COUNT, feature_name);
    else if (strcmp(key, "findings") == 0)
        list_bits(out, got->tls.findings, TLS_FINDING_COUNT, finding_name);
    else
        text_format(out, "no such key: %s", key);
}

const char *imap_scenario_difference(const char *expected, const struct imap_endpoint *got)
{
    static char difference[8192];
    char *rest = mem_copy_text(expected), *walk = rest, *pair;

    difference[0] = '\0';
    while (difference[0] == '\0' && (pair = strsep(&walk, " ")) != NULL) {
        char *value = strchr(pair, '=');
        struct text is;

        if (value == NULL)
            continue;
        *value++ = '\0';
        text_init(&is, IMAP_SCENARIO_LINES_MAX * 128);
        describe(&is, pair, got);
        if (is.length == 0)
            text_char(&is, '-');
        for (size_t i = 0; i < is.length; i++)
            if (is.bytes[i] == ' ')
                is.bytes[i] = '_';
        if (strcmp(is.bytes, value) != 0)
            snprintf(difference, sizeof(difference), "%s is %s, not %s", pair, is.bytes, value);
        text_free(&is);
    }
    free(rest);
    return difference;
}
