/* text.h - a bounded text builder, JSON output, and the cleaning of foreign text.
 *
 * Everything written is counted against the bound given at the start; crossing it
 * sets `overflow` and drops the rest, so callers check once, at the end. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *bytes; /* always NUL-terminated once anything was added; owned */
    size_t length, capacity, bound;
    bool overflow;
};

void text_init(struct text *text, size_t bound);
void text_free(struct text *text); /* also of a zeroed one */
/* The bytes ("" if none); the caller frees; the builder is empty after. */
char *text_take(struct text *text);
/* Room at once, where the size can be guessed; never an overflow. */
void text_reserve(struct text *text, size_t octets);
void text_add(struct text *text, const char *bytes, size_t length);
void text_put(struct text *text, const char *words);
void text_char(struct text *text, char c);
void text_format(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- JSON (RFC 8259) ------------------------------------------------------
 * Values separate themselves: a comma is put where one is due. Keys are ours and
 * are written as they are; string values are escaped, and octets that are not
 * UTF-8 come out as U+FFFD. A NULL string is null. */
/* jansson exports these names: ours must not stand in for them. A file that needs both includes
 * jansson.h first. */
#define json_string  text_json_string
#define json_integer text_json_integer
#define json_null    text_json_null
void json_open(struct text *text, const char *key,
               char bracket);                     /* '{' or '['; key NULL inside arrays */
void json_close(struct text *text, char bracket); /* '}' or ']' */
void json_string(struct text *text, const char *key, const char *value);
void json_string_n(struct text *text, const char *key, const char *value, size_t length);
void json_integer(struct text *text, const char *key, int64_t value);
void json_number(struct text *text, const char *key, double value); /* two decimals at the most */
void json_bool(struct text *text, const char *key, bool value);
void json_null(struct text *text, const char *key);
void json_raw(struct text *text, const char *key, const char *json); /* already JSON */

/* --- foreign text ---------------------------------------------------------
 * One line that is safe to log or print: controls (CR, LF, ESC, DEL, C1), bidi overrides and
 * octets that are not UTF-8 become \xNN. Always terminated; returns the length written. */
size_t text_clean(char *out, size_t size, const char *foreign, size_t length);
/* Length of the valid UTF-8 sequence at `bytes`, 0 if there is none (RFC 3629). */
size_t utf8_sequence(const char *bytes, size_t length);
bool utf8_valid(const char *bytes, size_t length);

/* In decimal, not terminated; returns where it ends. */
char *text_put_octet(char *out, uint8_t octet);

/* ASCII-only, whatever the locale. */
bool text_equal_nocase(const char *a, const char *b);
bool text_starts_nocase(const char *text, const char *prefix);
void text_lower(char *text);
/* Does host name `name` equal `suffix` or end in "."+suffix? Case-insensitive. */
bool text_domain_within(const char *name, const char *suffix);
/* FNV-1a over ASCII-lower-cased octets. */
uint64_t text_hash_nocase(const char *text, size_t length);
