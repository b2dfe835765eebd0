#include "service/config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "service/config_table.h"

enum { FLAGS_MAX = 256, FILE_MAX = 1 << 20, VARIABLE_MAX = SETTING_NAME_MAX + 16 };

static const char variable_prefix[] = "VRFYD_";
static const char file_suffix[] = "_file";

/* A setting as somebody wrote it: `value` is the value, or the file that holds a secret. */
struct assignment {
    const struct setting *setting;
    const char *value;
    bool in_file;
};

struct loading {
    struct config *config;
    char *error;
    size_t error_size;
    size_t flag_count;
    struct assignment flags[FLAGS_MAX];
    const char *path; /* of the settings file; NULL = none */
};

void config_defaults(struct config *config)
{
    char error[256];

    *config = (struct config){0};
    for (size_t i = 0; i < setting_count; i++)
        setting_apply(&settings[i], config, settings[i].fallback, error, sizeof(error));
    config_derive(config, error, sizeof(error));
}

/* "api_keys", or "api_keys_file" for a secret. */
static bool name_target(const char *name, size_t length, struct assignment *target)
{
    size_t stem = length - (sizeof(file_suffix) - 1);

    target->in_file = false;
    target->setting = setting_find(name, length);
    if (target->setting != NULL)
        return true;
    if (length < sizeof(file_suffix) || strncasecmp(name + stem + 1, "file", 4) != 0)
        return false;
    target->in_file = true;
    target->setting = setting_find(name, stem);
    return target->setting != NULL && target->setting->kind == SETTING_SECRET &&
           strchr("_-", name[stem]) != NULL;
}

/* The whole file with a closing NUL, NULL when it cannot be read; the caller frees. */
static char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "re");
    char *bytes;

    if (file == NULL)
        return NULL;
    bytes = mem_zeroed(FILE_MAX + 1, 1);
    *length = fread(bytes, 1, FILE_MAX + 1, file);
    if (ferror(file) || *length > FILE_MAX) {
        free(bytes);
        bytes = NULL;
    } else {
        bytes[*length] = '\0';
    }
    fclose(file);
    return bytes;
}

static bool assign_from_file(struct loading *loading, const struct assignment *assignment)
{
    size_t length;
    char *bytes = read_file(assignment->value, &length);
    bool fine;

    if (bytes == NULL) {
        snprintf(loading->error, loading->error_size, "%s%s: cannot read \"%.200s\"",
                 assignment->setting->name, file_suffix, assignment->value);
        return false;
    }
    while (length > 0 && isspace((unsigned char)bytes[length - 1]))
        bytes[--length] = '\0';
    fine = setting_apply(assignment->setting, loading->config, bytes, loading->error,
                         loading->error_size);
    free(bytes);
    return fine;
}

static bool assign(struct loading *loading, const struct assignment *assignment)
{
    if (assignment->in_file)
        return assign_from_file(loading, assignment);
    return setting_apply(assignment->setting, loading->config, assignment->value, loading->error,
                         loading->error_size);
}

/* --- flags ------------------------------------------------------------------- */

static bool is_switch_word(const char *word)
{
    static const char *const words[] = {"true", "false", "on", "off", "yes", "no"};

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

bool config_flag_takes_value(const char *flag)
{
    struct assignment target;

    if (strncmp(flag, "--", 2) != 0 || strchr(flag, '=') != NULL)
        return false;
    if (strcmp(flag, "--config") == 0)
        return true;
    return name_target(flag + 2, strlen(flag + 2), &target) &&
           target.setting->kind != SETTING_SWITCH;
}

/* One flag at argv[at]; returns how many words it took, 0 with the error said. */
static int read_flag(struct loading *loading, int argc, char **argv, int at)
{
    const char *name = argv[at] + 2, *equals = strchr(name, '=');
    size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const char *value = equals != NULL ? equals + 1 : NULL;
    const char *next = at + 1 < argc ? argv[at + 1] : NULL;
    bool is_config = length == 6 && memcmp(name, "config", 6) == 0;
    struct assignment target = {0};
    int used = 1;

    if (!is_config && !name_target(name, length, &target)) {
        snprintf(loading->error, loading->error_size, "there is no setting --%.*s",
                 (int)(length > 80 ? 80 : length), name);
        return 0;
    }
    if (value == NULL && !is_config && target.setting->kind == SETTING_SWITCH &&
        (next == NULL || !is_switch_word(next)))
        value = "true";
    if (value == NULL && next != NULL) {
        value = next;
        used = 2;
    }
    if (value == NULL || loading->flag_count == FLAGS_MAX) {
        snprintf(loading->error, loading->error_size,
                 value == NULL ? "--%.*s needs a value" : "--%.*s: too many flags", (int)length,
                 name);
        return 0;
    }
    target.value = value;
    if (is_config)
        loading->path = value;
    else
        loading->flags[loading->flag_count++] = target;
    return used;
}

static int read_flags(struct loading *loading, int argc, char **argv)
{
    int at = 0, used;

    while (at < argc) {
        if (strcmp(argv[at], "--") == 0)
            return at + 1;
        if (strncmp(argv[at], "--", 2) != 0)
            break;
        used = read_flag(loading, argc, argv, at);
        if (used == 0)
            return -1;
        at += used;
    }
    return at;
}

/* --- variables --------------------------------------------------------------- */

static void variable_name(const struct setting *setting, const char *suffix, char out[VARIABLE_MAX])
{
    snprintf(out, VARIABLE_MAX, "%s%s%s", variable_prefix, setting->name, suffix);
    for (char *c = out; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
}

static bool read_variables(struct loading *loading)
{
    char name[VARIABLE_MAX], name_of_file[VARIABLE_MAX];

    for (size_t i = 0; i < setting_count; i++) {
        struct assignment target = {.setting = &settings[i]};
        const char *in_file = NULL;

        variable_name(target.setting, "", name);
        variable_name(target.setting, file_suffix, name_of_file);
        target.value = getenv(name);
        if (target.setting->kind == SETTING_SECRET)
            in_file = getenv(name_of_file);
        if (target.value != NULL && in_file != NULL) {
            snprintf(loading->error, loading->error_size, "both %s and %s are set: use one", name,
                     name_of_file);
            return false;
        }
        if (in_file != NULL) {
            target.value = in_file;
            target.in_file = true;
        }
        if (target.value != NULL && !assign(loading, &target))
            return false;
    }
    return true;
}

/* Container platforms announce a service called vrfyd in variables of this kind. */
static bool platform_variable(const char *name)
{
    return strncmp(name, "PORT", 4) == 0 || strncmp(name, "SERVICE_", 8) == 0;
}

static bool known_variable(const char *name, size_t length)
{
    struct assignment target;
    char lower[VARIABLE_MAX];

    if (length >= sizeof(lower))
        return false;
    memcpy(lower, name, length);
    lower[length] = '\0';
    text_lower(lower);
    return strcmp(lower, "config") == 0 || name_target(lower, length, &target);
}

const char *config_unknown_variable(size_t nth)
{
    size_t prefix = sizeof(variable_prefix) - 1;

    for (char **entry = environ; *entry != NULL; entry++) {
        if (strncmp(*entry, variable_prefix, prefix) != 0)
            continue;
        const char *name = *entry + prefix;
        if (!platform_variable(name) && !known_variable(name, strcspn(name, "=")) && nth-- == 0)
            return *entry;
    }
    return NULL;
}

/* --- file -------------------------------------------------------------------- */

static char *trim(char *text)
{
    size_t length;

    text += strspn(text, " \t\r");
    for (length = strlen(text); length > 0 && strchr(" \t\r", text[length - 1]) != NULL; length--)
        text[length - 1] = '\0';
    return text;
}

/* `name = value`; the error comes without file and line. */
static bool read_line(struct loading *loading, char *line, bool *seen)
{
    char *equals = strchr(line, '='), *name = line;
    struct assignment target;

    if (equals != NULL)
        *equals = '\0';
    name = trim(name);
    if (equals == NULL || !name_target(name, strlen(name), &target)) {
        snprintf(loading->error, loading->error_size,
                 equals == NULL ? "\"%.80s\" is not `name = value`"
                                : "there is no setting \"%.80s\"",
                 name);
        return false;
    }
    size_t index = (size_t)(target.setting - settings);
    if (seen[index]) {
        snprintf(loading->error, loading->error_size, "%s is set twice", target.setting->name);
        return false;
    }
    seen[index] = true;
    target.value = trim(equals + 1);
    return assign(loading, &target);
}

static bool read_lines(struct loading *loading, char *line)
{
    bool *seen = mem_array(bool, setting_count);
    bool fine = true;
    char inner[512];

    for (unsigned number = 1; fine && line != NULL; number++) {
        char *end = strchr(line, '\n'), *words;

        if (end != NULL)
            *end = '\0';
        words = trim(line);
        fine = *words == '\0' || *words == '#' || read_line(loading, words, seen);
        if (!fine) {
            snprintf(inner, sizeof(inner), "%s", loading->error);
            snprintf(loading->error, loading->error_size, "%.200s:%u: %s", loading->path, number,
                     inner);
        }
        line = end == NULL ? NULL : end + 1;
    }
    free(seen);
    return fine;
}

static bool read_settings_file(struct loading *loading)
{
    size_t length;
    char *bytes;
    bool fine;

    if (loading->path == NULL || *loading->path == '\0')
        return true;
    bytes = read_file(loading->path, &length);
    if (bytes == NULL || strlen(bytes) != length) {
        snprintf(loading->error, loading->error_size,
                 "config: \"%.200s\" cannot be read as a text file of at most %d octets",
                 loading->path, FILE_MAX);
        free(bytes);
        return false;
    }
    fine = read_lines(loading, bytes);
    free(bytes);
    return fine;
}

int config_load(struct config *config, int argc, char **argv, char *error, size_t error_size)
{
    struct loading loading = {.config = config, .error = error, .error_size = error_size};
    int used;

    config_defaults(config);
    loading.path = getenv("VRFYD_CONFIG");
    used = read_flags(&loading, argc, argv);
    if (used < 0 || !read_settings_file(&loading) || !read_variables(&loading))
        return -1;
    for (size_t i = 0; i < loading.flag_count; i++)
        if (!assign(&loading, &loading.flags[i]))
            return -1;
    return config_derive(config, error, error_size) ? used : -1;
}
