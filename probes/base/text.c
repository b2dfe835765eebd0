#include "probes/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"

void text_init(struct text *text, size_t bound) { *text = (struct text){.bound = bound}; }

void text_free(struct text *text)
{
    free(text->bytes);
    *text = (struct text){.bound = text->bound};
}

char *text_take(struct text *text)
{
    char *bytes = text->bytes != NULL ? text->bytes : mem_copy_text("");

    *text = (struct text){.bound = text->bound};
    return bytes;
}

static bool make_room(struct text *text, size_t more)
{
    if (text->overflow || more > text->bound || text->length > text->bound - more) {
        text->overflow = true;
        return false;
    }
    size_t needed = text->length + more + 1;
    if (needed <= text->capacity)
        return true;
    size_t capacity = text->capacity > 0 ? text->capacity : 64;
    while (capacity < needed)
        capacity *= 2;
    text->bytes = mem_resize(text->bytes, capacity);
    text->capacity = capacity;
    return true;
}

void text_add(struct text *text, const char *bytes, size_t length)
{
    if (!make_room(text, length))
        return;
    if (length > 0)
        memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

void text_put(struct text *text, const char *words) { text_add(text, words, strlen(words)); }

void text_char(struct text *text, char c) { text_add(text, &c, 1); }

void text_format(struct text *text, const char *format, ...)
{
    char buffer[512];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(buffer, sizeof(buffer), format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof(buffer))
        text->overflow = true;
    else
        text_add(text, buffer, (size_t)length);
}

/* --- JSON ------------------------------------------------------------------ */

static void json_begin(struct text *text, const char *key)
{
    char last = text->length > 0 ? text->bytes[text->length - 1] : '{';

    if (last != '{' && last != '[' && last != '\n')
        text_char(text, ',');
    if (key == NULL)
        return;
    text_char(text, '"');
    text_put(text, key);
    text_add(text, "\":", 2);
}

void json_open(struct text *text, const char *key, char bracket)
{
    json_begin(text, key);
    text_char(text, bracket);
}

void json_close(struct text *text, char bracket) { text_char(text, bracket); }

static const char *short_escape(char c)
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        return NULL;
    }
}

static void json_escaped(struct text *text, const char *value, size_t length)
{
    size_t plain = 0; /* start of the run not yet written */

    for (size_t i = 0; i < length;) {
        unsigned char c = (unsigned char)value[i];
        size_t sequence = c < 0x80 ? 1 : utf8_sequence(value + i, length - i);

        if (sequence > 0 && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
            i += sequence;
            continue;
        }
        text_add(text, value + plain, i - plain);
        const char *escape = short_escape(value[i]);
        if (escape != NULL)
            text_put(text, escape);
        else if (c < 0x80)
            text_format(text, "\\u%04x", c);
        else
            text_put(text, "\xef\xbf\xbd"); /* U+FFFD */
        plain = ++i;
    }
    text_add(text, value + plain, length - plain);
}

void json_string_n(struct text *text, const char *key, const char *value, size_t length)
{
    if (value == NULL) {
        json_null(text, key);
        return;
    }
    json_begin(text, key);
    text_char(text, '"');
    json_escaped(text, value, length);
    text_char(text, '"');
}

void json_string(struct text *text, const char *key, const char *value)
{
    json_string_n(text, key, value, value != NULL ? strlen(value) : 0);
}

void json_integer(struct text *text, const char *key, int64_t value)
{
    char digits[24];
    size_t at = sizeof(digits);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do
        digits[--at] = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (value < 0)
        digits[--at] = '-';
    json_begin(text, key);
    text_add(text, digits + at, sizeof(digits) - at);
}

void json_number(struct text *text, const char *key, double value)
{
    json_begin(text, key);
    text_format(text, "%.2f", value);
}

void json_bool(struct text *text, const char *key, bool value)
{
    json_begin(text, key);
    text_put(text, value ? "true" : "false");
}

void json_null(struct text *text, const char *key)
{
    json_begin(text, key);
    text_add(text, "null", 4);
}

void json_raw(struct text *text, const char *key, const char *json)
{
    json_begin(text, key);
    text_put(text, json);
}

/* --- foreign text ----------------------------------------------------------- */

static bool continues(unsigned char c) { return (c & 0xc0) == 0x80; }

size_t utf8_sequence(const char *bytes, size_t length)
{
    const unsigned char *b = (const unsigned char *)bytes;

    if (length == 0)
        return 0;
    if (b[0] < 0x80)
        return 1;
    if (b[0] >= 0xc2 && b[0] <= 0xdf)
        return length >= 2 && continues(b[1]) ? 2 : 0;
    if (b[0] >= 0xe0 && b[0] <= 0xef) {
        if (length < 3 || !continues(b[1]) || !continues(b[2]))
            return 0;
        if (b[0] == 0xe0 && b[1] < 0xa0) /* overlong */
            return 0;
        return b[0] == 0xed && b[1] > 0x9f ? 0 : 3; /* surrogates */
    }
    if (b[0] >= 0xf0 && b[0] <= 0xf4) {
        if (length < 4 || !continues(b[1]) || !continues(b[2]) || !continues(b[3]))
            return 0;
        if (b[0] == 0xf0 && b[1] < 0x90)
            return 0;
        return b[0] == 0xf4 && b[1] > 0x8f ? 0 : 4; /* above U+10FFFF */
    }
    return 0;
}

bool utf8_valid(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length;) {
        size_t sequence = utf8_sequence(bytes + i, length - i);
        if (sequence == 0)
            return false;
        i += sequence;
    }
    return true;
}

/* C1 controls, line and paragraph separators, bidi controls, invisible joiners. */
static bool unsafe_to_show(const unsigned char *b, size_t sequence)
{
    if (sequence == 1)
        return b[0] < 0x20 || b[0] == 0x7f;
    if (sequence == 2)
        return (b[0] == 0xc2 && b[1] < 0xa0) || (b[0] == 0xd8 && b[1] == 0x9c);
    if (sequence != 3)
        return false;
    if (b[0] == 0xe2 && b[1] == 0x80)
        return (b[2] >= 0x8b && b[2] <= 0x8f) || (b[2] >= 0xa8 && b[2] <= 0xae);
    if (b[0] == 0xe2 && b[1] == 0x81)
        return b[2] >= 0xa0 && b[2] <= 0xaf;
    return b[0] == 0xef && b[1] == 0xbb && b[2] == 0xbf;
}

size_t text_clean(char *out, size_t size, const char *foreign, size_t length)
{
    static const char hex[] = "0123456789abcdef";
    size_t used = 0;

    if (size == 0)
        return 0;
    for (size_t i = 0; i < length;) {
        const unsigned char *b = (const unsigned char *)foreign + i;
        size_t sequence = utf8_sequence(foreign + i, length - i);
        bool raw = sequence > 0 && !unsafe_to_show(b, sequence);
        size_t octets = sequence > 0 ? sequence : 1;

        if (used + (raw ? octets : 4 * octets) >= size)
            break;
        for (size_t k = 0; k < octets; k++) {
            if (raw) {
                out[used++] = foreign[i + k];
                continue;
            }
            out[used++] = '\\';
            out[used++] = 'x';
            out[used++] = hex[b[k] >> 4];
            out[used++] = hex[b[k] & 15];
        }
        i += octets;
    }
    out[used] = '\0';
    return used;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

bool text_equal_nocase(const char *a, const char *b)
{
    while (*a != '\0' && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return *a == '\0' && *b == '\0';
}

bool text_starts_nocase(const char *text, const char *prefix)
{
    while (*prefix != '\0' && lower(*text) == lower(*prefix)) {
        text++;
        prefix++;
    }
    return *prefix == '\0';
}

void text_lower(char *text)
{
    for (; *text != '\0'; text++)
        *text = lower(*text);
}

bool text_domain_within(const char *name, const char *suffix)
{
    size_t name_length = strlen(name), suffix_length = strlen(suffix);

    if (name_length < suffix_length)
        return false;
    const char *tail = name + (name_length - suffix_length);
    return text_equal_nocase(tail, suffix) && (tail == name || tail[-1] == '.');
}

uint64_t text_hash_nocase(const char *text, size_t length)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)lower(text[i])) * 1099511628211u;
    return hash;
}
