/* Values of settings: from text into the field, and back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "service/config_table.h"

static char *field_of(const struct setting *setting, const struct config *config)
{
    return (char *)(uintptr_t)config + setting->offset;
}

static bool parse_number(const char *text, size_t length, uint32_t low, uint32_t high,
                         uint32_t *number)
{
    uint64_t value = 0;

    if (length == 0 || length > 10)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    if (value < low || value > high)
        return false;
    *number = (uint32_t)value;
    return true;
}

static bool apply_number(const struct setting *setting, char *field, const char *value, char *error,
                         size_t error_size)
{
    uint32_t number;

    if (!parse_number(value, strlen(value), setting->low, setting->high, &number)) {
        snprintf(error, error_size, "%s: \"%.80s\" is not a whole number from %u to %u",
                 setting->name, value, setting->low, setting->high);
        return false;
    }
    memcpy(field, &number, sizeof(number));
    return true;
}

static bool apply_switch(const struct setting *setting, char *field, const char *value, char *error,
                         size_t error_size)
{
    static const char *const words[] = {"false", "true", "off", "on", "no", "yes", "0", "1"};

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (text_equal_nocase(value, words[i])) {
            bool on = i % 2 == 1;

            memcpy(field, &on, sizeof(on));
            return true;
        }
    }
    snprintf(error, error_size, "%s: \"%.80s\" is neither true nor false", setting->name, value);
    return false;
}

static bool apply_choice(const struct setting *setting, char *field, const char *value, char *error,
                         size_t error_size)
{
    const char *choice = setting->choices;
    size_t length = strlen(value);

    for (unsigned index = 0; length > 0; index++) {
        size_t width = strcspn(choice, "|");

        if (width == length && memcmp(choice, value, length) == 0) {
            memcpy(field, &index, sizeof(index));
            return true;
        }
        if (choice[width] == '\0')
            break;
        choice += width + 1;
    }
    snprintf(error, error_size, "%s: \"%.80s\" is not one of %s", setting->name, value,
             setting->choices);
    return false;
}

static void limit_clear(struct config_limit *limit)
{
    for (size_t i = 0; i < limit->count; i++)
        free(limit->overrides[i].key);
    *limit = (struct config_limit){0};
}

/* One word of a limit: "5", or "google=5". */
static bool limit_word(const struct setting *setting, struct config_limit *limit, const char *word,
                       size_t length, bool first)
{
    const char *equals = memchr(word, '=', length);
    uint32_t number;

    if (equals == NULL)
        return first && parse_number(word, length, setting->low, setting->high, &limit->fallback);
    size_t key = (size_t)(equals - word);
    if (key == 0 || limit->count == CONFIG_OVERRIDES_MAX ||
        !parse_number(equals + 1, length - key - 1, setting->low, setting->high, &number))
        return false;
    limit->overrides[limit->count].key = mem_copy_bytes(word, key);
    text_lower(limit->overrides[limit->count].key);
    limit->overrides[limit->count++].value = number;
    return true;
}

static bool apply_limit(const struct setting *setting, char *field, const char *value, char *error,
                        size_t error_size)
{
    static const char separators[] = ", \t";
    struct config_limit parsed = {0}, *limit = (struct config_limit *)(void *)field;
    const char *word = value + strspn(value, separators);
    bool first = true;

    parse_number(setting->fallback, strlen(setting->fallback), 0, UINT32_MAX, &parsed.fallback);
    for (; *word != '\0'; word += strspn(word, separators), first = false) {
        size_t length = strcspn(word, separators);

        if (!limit_word(setting, &parsed, word, length, first)) {
            snprintf(error, error_size,
                     "%s: \"%.*s\" does not fit: a number from %u to %u first, then at most %d "
                     "exceptions like google=5",
                     setting->name, (int)(length > 80 ? 80 : length), word, setting->low,
                     setting->high, CONFIG_OVERRIDES_MAX);
            limit_clear(&parsed);
            return false;
        }
        word += length;
    }
    limit_clear(limit);
    *limit = parsed;
    return true;
}

static bool apply_text(const struct setting *setting, char *field, const char *value, char *error,
                       size_t error_size)
{
    char *copy, *old;

    for (const char *c = value; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            snprintf(error, error_size, "%s: the value holds a control character", setting->name);
            return false;
        }
    }
    copy = mem_copy_text(value);
    memcpy(&old, field, sizeof(old));
    free(old);
    memcpy(field, &copy, sizeof(copy));
    return true;
}

bool setting_apply(const struct setting *setting, struct config *config, const char *value,
                   char *error, size_t error_size)
{
    char *field = field_of(setting, config);

    if (strlen(value) > SETTING_VALUE_MAX) {
        snprintf(error, error_size, "%s: the value is longer than %d octets", setting->name,
                 SETTING_VALUE_MAX);
        return false;
    }
    switch (setting->kind) {
    case SETTING_TEXT:
    case SETTING_SECRET:
        return apply_text(setting, field, value, error, error_size);
    case SETTING_NUMBER:
        return apply_number(setting, field, value, error, error_size);
    case SETTING_SWITCH:
        return apply_switch(setting, field, value, error, error_size);
    case SETTING_CHOICE:
        return apply_choice(setting, field, value, error, error_size);
    case SETTING_LIMIT:
        return apply_limit(setting, field, value, error, error_size);
    }
    return false;
}

static void choice_text(struct text *out, const struct setting *setting, const char *field)
{
    const char *choice = setting->choices;
    unsigned index;

    memcpy(&index, field, sizeof(index));
    for (; index > 0; index--)
        choice += strcspn(choice, "|") + 1;
    text_add(out, choice, strcspn(choice, "|"));
}

static void limit_text(struct text *out, const struct config_limit *limit)
{
    text_format(out, "%u", limit->fallback);
    for (size_t i = 0; i < limit->count; i++)
        text_format(out, " %s=%u", limit->overrides[i].key, limit->overrides[i].value);
}

char *setting_text(const struct setting *setting, const struct config *config)
{
    const char *field = field_of(setting, config);
    struct text out;
    uint32_t number;
    char *words;
    bool on;

    text_init(&out, SETTING_VALUE_MAX + 1);
    switch (setting->kind) {
    case SETTING_SECRET:
        return NULL;
    case SETTING_TEXT:
        memcpy(&words, field, sizeof(words));
        text_put(&out, words == NULL ? "" : words);
        break;
    case SETTING_NUMBER:
        memcpy(&number, field, sizeof(number));
        text_format(&out, "%u", number);
        break;
    case SETTING_SWITCH:
        memcpy(&on, field, sizeof(on));
        text_put(&out, on ? "true" : "false");
        break;
    case SETTING_CHOICE:
        choice_text(&out, setting, field);
        break;
    case SETTING_LIMIT:
        limit_text(&out, (const struct config_limit *)(const void *)field);
        break;
    }
    return text_take(&out);
}

uint32_t config_limit_for(const struct config_limit *limit, const char *provider, const char *host,
                          bool *found)
{
    const char *const names[] = {host, provider}; /* the narrower one first */

    for (size_t n = 0; n < ARRAY_LENGTH(names); n++) {
        for (size_t i = 0; names[n] != NULL && i < limit->count; i++) {
            if (text_equal_nocase(limit->overrides[i].key, names[n])) {
                if (found != NULL)
                    *found = true;
                return limit->overrides[i].value;
            }
        }
    }
    if (found != NULL)
        *found = false;
    return limit->fallback;
}

static void field_free(const struct setting *setting, struct config *config)
{
    char *field = field_of(setting, config), *words;

    if (setting->kind == SETTING_LIMIT) {
        limit_clear((struct config_limit *)(void *)field);
    } else if (setting->kind == SETTING_TEXT || setting->kind == SETTING_SECRET) {
        memcpy(&words, field, sizeof(words));
        free(words);
    }
}

void config_free(struct config *config)
{
    for (size_t i = 0; i < setting_count; i++)
        field_free(&settings[i], config);
    *config = (struct config){0};
}
