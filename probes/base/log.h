/* log.h - one event, one line: text or JSON, with key=value fields, foreign text escaped.
 *
 * Library code below service/ does not log; the layer that decides logs once.
 * Thread-safe: a line is written with one write(2) to stderr. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct log_options {
    enum log_level level;
    bool json;
    bool hash_addresses;     /* addresses appear as "a:" + 12 hex digits of an HMAC */
    const char *hash_secret; /* installation secret, copied */
};
void log_setup(const struct log_options *options); /* before any thread starts */
bool log_parse_level(const char *name, enum log_level *level);
bool log_enabled(enum log_level level);

/* A field: text, number or mailbox address (hashed when so set). End the list with LOG_END. */
enum log_kind { LOG_KIND_END, LOG_KIND_TEXT, LOG_KIND_NUMBER, LOG_KIND_ADDRESS };
struct log_field {
    const char *name;
    enum log_kind kind;
    const char *text;
    int64_t number;
};
#define LOG_TEXT(key, value)    ((struct log_field){(key), LOG_KIND_TEXT, (value), 0})
#define LOG_NUMBER(key, value)  ((struct log_field){(key), LOG_KIND_NUMBER, NULL, (int64_t)(value)})
#define LOG_ADDRESS(key, value) ((struct log_field){(key), LOG_KIND_ADDRESS, (value), 0})
#define LOG_END                 ((struct log_field){NULL, LOG_KIND_END, NULL, 0})

/* log_event(LOG_INFO, "verdict", (struct log_field[]){LOG_TEXT("id", id), LOG_NUMBER("ms", 12),
 * LOG_END}); */
void log_event(enum log_level level, const char *event, const struct log_field *fields);
