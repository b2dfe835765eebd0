#include "probes/base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes/base/clock.h"
#include "probes/base/digest.h"
#include "probes/base/mem.h"
#include "probes/base/text.h"

enum { LINE_MAX_OCTETS = 8192, VALUE_MAX = 3072, HASH_HEX = 12 };

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static struct {
    enum log_level level;
    bool json, hash_addresses;
    char *secret;
    size_t secret_length;
} settings = {.level = LOG_INFO, .hash_addresses = true};

void log_setup(const struct log_options *options)
{
    char *secret = mem_copy_text(options->hash_secret); /* it may be the one we hold */

    free(settings.secret);
    settings.level = options->level;
    settings.json = options->json;
    settings.hash_addresses = options->hash_addresses;
    settings.secret = secret;
    settings.secret_length = secret == NULL ? 0 : strlen(secret);
}

bool log_parse_level(const char *name, enum log_level *level)
{
    for (size_t i = 0; i < ARRAY_LENGTH(level_names); i++) {
        if (text_equal_nocase(name, level_names[i])) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_enabled(enum log_level level) { return level <= settings.level; }

/* The same mailbox gives the same mark on one installation, and says nothing elsewhere. */
static void address_mark(const char *address, char out[VALUE_MAX])
{
    unsigned char digest[DIGEST_SIZE];
    char *lower = mem_copy_text(address);

    text_lower(lower);
    digest_hmac(settings.secret == NULL ? "" : settings.secret, settings.secret_length, lower,
                strlen(lower), digest);
    free(lower);
    out[0] = 'a';
    out[1] = ':';
    digest_hex(digest, HASH_HEX / 2, out + 2);
}

/* What a text or address field shows; false = there is nothing to show. */
static bool field_value(const struct log_field *field, char out[VALUE_MAX])
{
    if (field->text == NULL)
        return false;
    if (field->kind == LOG_KIND_ADDRESS && settings.hash_addresses)
        address_mark(field->text, out);
    else
        text_clean(out, VALUE_MAX, field->text, strlen(field->text));
    return true;
}

static bool plain(const char *value)
{
    return *value != '\0' && strcspn(value, " \"\\=") == strlen(value);
}

static void add_value(struct text *line, const char *value)
{
    if (plain(value)) {
        text_put(line, value);
        return;
    }
    text_char(line, '"');
    for (; *value != '\0'; value++) {
        if (*value == '"')
            text_char(line, '\\');
        text_char(line, *value);
    }
    text_char(line, '"');
}

static void write_text(struct text *line, const char *time, enum log_level level, const char *event,
                       const struct log_field *fields)
{
    char value[VALUE_MAX];

    text_format(line, "%s %s %s", time, level_names[level], event);
    for (; fields != NULL && fields->kind != LOG_KIND_END; fields++) {
        if (fields->kind == LOG_KIND_NUMBER) {
            text_format(line, " %s=%lld", fields->name, (long long)fields->number);
        } else if (field_value(fields, value)) {
            text_format(line, " %s=", fields->name);
            add_value(line, value);
        }
    }
}

static void write_json(struct text *line, const char *time, enum log_level level, const char *event,
                       const struct log_field *fields)
{
    char value[VALUE_MAX];

    json_open(line, NULL, '{');
    json_string(line, "time", time);
    json_string(line, "level", level_names[level]);
    json_string(line, "event", event);
    for (; fields != NULL && fields->kind != LOG_KIND_END; fields++) {
        if (fields->kind == LOG_KIND_NUMBER)
            json_integer(line, fields->name, fields->number);
        else if (field_value(fields, value))
            json_string(line, fields->name, value);
    }
    json_close(line, '}');
}

/* One write(2) a line keeps lines of several threads apart. A full pipe or a closed
 * stderr must not stop the service: what cannot be written is dropped. */
static void emit(const char *bytes, size_t length)
{
    ssize_t written;

    do
        written = write(STDERR_FILENO, bytes, length);
    while (written < 0 && errno == EINTR);
}

void log_event(enum log_level level, const char *event, const struct log_field *fields)
{
    struct text line;
    char time[CLOCK_TEXT_SIZE];

    if (!log_enabled(level))
        return;
    text_init(&line, LINE_MAX_OCTETS);
    clock_format(clock_wall_s(), time);
    (settings.json ? write_json : write_text)(&line, time, level, event, fields);
    if (line.overflow ||
        line.length ==
            line.bound) { /* too many long fields: a short true line rather than a broken one */
        const struct log_field note[] = {LOG_TEXT("note", "fields left out: too long"), LOG_END};

        text_free(&line);
        text_init(&line, LINE_MAX_OCTETS);
        (settings.json ? write_json : write_text)(&line, time, level, event, note);
    }
    text_char(&line, '\n');
    emit(line.bytes, line.length);
    text_free(&line);
}
