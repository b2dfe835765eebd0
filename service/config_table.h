/* config_table.h - one row a setting; private to config*.c. Flags, variables, the file,
 * --help and the README's table all come from these rows. */
#pragma once

#include "service/config.h"

enum setting_kind {
    SETTING_TEXT,
    SETTING_SECRET, /* text that is never shown; NAME_file names a file that holds it */
    SETTING_NUMBER, /* uint32_t, low..high */
    SETTING_SWITCH, /* bool */
    SETTING_CHOICE, /* an enum, in the order of `choices` */
    SETTING_LIMIT   /* struct config_limit, each number low..high */
};

struct setting {
    const char *name;
    enum setting_kind kind;
    size_t offset;        /* of the field in struct config */
    const char *fallback; /* as text, like every other value */
    uint32_t low, high;
    const char *choices; /* "required|off" */
    const char *help;
};

enum { SETTING_VALUE_MAX = 16384, SETTING_NAME_MAX = 64 };

extern const struct setting settings[];
extern const size_t setting_count;

/* `name` with dashes or underscores, any case; NULL = no such setting. */
const struct setting *setting_find(const char *name, size_t length);
/* Puts `value` in place of the old one. False with a sentence in `error`; the old value stays. */
bool setting_apply(const struct setting *setting, struct config *config, const char *value,
                   char *error, size_t error_size);
/* The value as text; NULL for a secret. The caller frees. */
char *setting_text(const struct setting *setting, const struct config *config);
/* Cuts the next word of a list off `*rest`, at commas and blanks; NULL at the end. */
char *setting_next_word(char **rest);
/* What follows from the settings: networks, ports, sources, our own name. */
bool config_derive(struct config *config, char *error, size_t error_size);
