/* The settings table for people: --help, README.md, the line in the log. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/text.h"
#include "service/config_table.h"

enum { DESCRIPTION_MAX = 4096 };

static void print_dashed(FILE *out, const char *name)
{
    for (; *name != '\0'; name++)
        fputc(*name == '_' ? '-' : *name, out);
}

static void print_upper(FILE *out, const char *name)
{
    fputs("VRFYD_", out);
    for (; *name != '\0'; name++)
        fputc(toupper((unsigned char)*name), out);
}

static const char *value_word(const struct setting *setting)
{
    switch (setting->kind) {
    case SETTING_TEXT:
    case SETTING_SECRET:
        return " TEXT";
    case SETTING_NUMBER:
        return " N";
    case SETTING_SWITCH:
        return "";
    case SETTING_CHOICE:
        return " WORD";
    case SETTING_LIMIT:
        return " \"N KEY=N...\"";
    }
    return "";
}

static void print_bounds(FILE *out, const struct setting *setting)
{
    if (setting->kind == SETTING_CHOICE)
        fprintf(out, "; %s", setting->choices);
    else if (setting->kind == SETTING_NUMBER || setting->kind == SETTING_LIMIT)
        fprintf(out, "; %u to %u", setting->low, setting->high);
    if (setting->kind == SETTING_SECRET) {
        fputs("; or ", out);
        print_upper(out, setting->name);
        fputs("_FILE", out);
    }
}

void config_print_help(FILE *out)
{
    fputs("Settings: a flag wins over a variable, a variable over the file.\n\n"
          "  --config FILE  (VRFYD_CONFIG)\n"
          "      a file of `name = value` lines; # begins a comment\n",
          out);
    for (size_t i = 0; i < setting_count; i++) {
        const struct setting *setting = &settings[i];

        fputs("  --", out);
        print_dashed(out, setting->name);
        fprintf(out, "%s  (", value_word(setting));
        print_upper(out, setting->name);
        if (*setting->fallback != '\0')
            fprintf(out, "; default %s", setting->fallback);
        print_bounds(out, setting);
        fprintf(out, ")\n      %s\n", setting->help);
    }
}

/* A bar would end the table cell. */
static void print_cell(FILE *out, const char *words)
{
    for (; *words != '\0'; words++) {
        if (*words == '|')
            fputc('\\', out);
        fputc(*words, out);
    }
}

void config_print_markdown(FILE *out)
{
    fputs("| setting | default | meaning |\n|---|---|---|\n", out);
    for (size_t i = 0; i < setting_count; i++) {
        const struct setting *setting = &settings[i];

        fprintf(out, "| `%s` | ", setting->name);
        if (*setting->fallback != '\0')
            fprintf(out, "`%s`", setting->fallback);
        fputs(" | ", out);
        print_cell(out, setting->help);
        if (setting->kind == SETTING_NUMBER || setting->kind == SETTING_LIMIT)
            fprintf(out, " (%u to %u)", setting->low, setting->high);
        fputs(" |\n", out);
    }
}

char *config_describe(const struct config *config)
{
    struct text out;

    text_init(&out, DESCRIPTION_MAX);
    for (size_t i = 0; i < setting_count; i++) {
        char *value = setting_text(&settings[i], config);

        if (value != NULL && strcmp(value, settings[i].fallback) != 0) {
            if (out.length > 0)
                text_char(&out, ' ');
            text_put(&out, settings[i].name);
            text_char(&out, '=');
            text_put(&out, value);
        }
        free(value);
    }
    return text_take(&out);
}
