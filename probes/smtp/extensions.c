#include "probes/smtp/extensions.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "probes/base/mem.h"

static const struct keyword {
    const char *name;
    size_t offset; /* of the flag */
} keywords_known[] = {
    {"PIPELINING", offsetof(struct smtp_extensions, pipelining)},
    {"STARTTLS", offsetof(struct smtp_extensions, starttls)},
    {"SMTPUTF8", offsetof(struct smtp_extensions, smtputf8)},
};

static const struct limit {
    const char *name;
    size_t offset; /* of the number */
} limits_known[] = {
    {"MAILMAX=", offsetof(struct smtp_limits, mail_max)},
    {"RCPTMAX=", offsetof(struct smtp_limits, recipient_max)},
    {"RCPTDOMAINMAX=", offsetof(struct smtp_limits, recipient_domain_max)},
};

enum { LIMIT_DIGITS_MAX = 6 }; /* RFC 9422 section 4 */

static const char blanks[] = " \t\r";

/* 0 = not a number of one to six digits. */
static uint32_t read_limit(const char *digits, size_t length)
{
    uint32_t number = 0;

    if (length > LIMIT_DIGITS_MAX)
        return 0;
    for (size_t i = 0; i < length; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return 0;
        number = number * 10 + (uint32_t)(digits[i] - '0');
    }
    return number;
}

static void take_limit(struct smtp_limits *limits, const char *word, size_t length)
{
    for (size_t i = 0; i < ARRAY_LENGTH(limits_known); i++) {
        size_t name = strlen(limits_known[i].name);

        if (length <= name || strncasecmp(word, limits_known[i].name, name) != 0)
            continue;
        char *place = (char *)limits + limits_known[i].offset;
        uint32_t number = read_limit(word + name, length - name);
        memcpy(place, &number, sizeof(number));
    }
}

/* "MAILMAX=20 RCPTMAX=100" */
static void take_limits(struct smtp_limits *limits, const char *words, size_t length)
{
    while (length > 0) {
        size_t word = 0;

        while (word < length && strchr(blanks, words[word]) == NULL)
            word++;
        take_limit(limits, words, word);
        words += word + (word < length);
        length -= word + (word < length);
    }
}

static void take_keyword(struct smtp_extensions *extensions, const char *line, size_t length)
{
    size_t name = 0;

    while (name < length && strchr(blanks, line[name]) == NULL)
        name++;
    for (size_t i = 0; i < ARRAY_LENGTH(keywords_known); i++)
        if (strlen(keywords_known[i].name) == name &&
            strncasecmp(line, keywords_known[i].name, name) == 0)
            *(bool *)((char *)extensions + keywords_known[i].offset) = true;
    if (name == strlen("LIMITS") && strncasecmp(line, "LIMITS", name) == 0)
        take_limits(&extensions->limits, line + name, length - name);
}

const char *smtp_ehlo_keywords(const char *reply_text)
{
    const char *line_end = strchr(reply_text, '\n');

    return line_end != NULL ? line_end + 1 : "";
}

struct smtp_extensions smtp_extensions_read(const char *keywords)
{
    struct smtp_extensions extensions = {.pipelining = false};

    while (keywords != NULL && *keywords != '\0') {
        size_t length = strcspn(keywords, "\n");

        take_keyword(&extensions, keywords, length);
        keywords += length + (keywords[length] == '\n');
    }
    return extensions;
}
