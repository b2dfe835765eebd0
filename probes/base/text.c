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

static bool grow(struct text *text, size_t more)
{
    if (text->overflow || more > text->bound || text->length > text->bound - more) {
        text->overflow = true;
        return false;
    }
    size_t needed = text->length + more + 1;
    size_t capacity = text->capacity > 0 ? text->capacity : 64;
    while (capacity < needed)
        capacity *= 2;
    text->capacity = capacity < text->bound ? capacity : text->bound + 1;
    text->bytes = mem_resize(text->bytes, text->capacity);
    return true;
}

/* Where the next `more` octets go; the length counts them already. NULL: beyond the bound. */
static char *claim(struct text *text, size_t more)
{
    /* the capacity never goes beyond the bound and its NUL */
    bool fits = more < text->capacity - text->length && !text->overflow;

    if (!fits && !grow(text, more))
        return NULL;
    char *at = text->bytes + text->length;
    text->length += more;
    at[more] = '\0';
    return at;
}

void text_reserve(struct text *text, size_t octets)
{
    if (octets >= text->capacity - text->length && octets <= text->bound - text->length &&
        grow(text, octets))
        text->bytes[text->length] = '\0';
}

void text_add(struct text *text, const char *bytes, size_t length)
{
    char *at = claim(text, length);

    if (at != NULL && length > 0)
        memcpy(at, bytes, length);
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

static bool comma_is_due(const struct text *text)
{
    char last = text->length > 0 ? text->bytes[text->length - 1] : '{';

    return last != '{' && last != '[' && last != '\n';
}

/* Comma, key and `more` octets: where those go. NULL: beyond the bound. */
static char *json_begin(struct text *text, const char *key, size_t more)
{
    size_t comma = comma_is_due(text) ? 1 : 0, length = key != NULL ? strlen(key) : 0;
    char *at = claim(text, comma + (key != NULL ? length + 3 : 0) + more);

    if (at == NULL)
        return NULL;
    if (comma > 0)
        *at++ = ',';
    if (key == NULL)
        return at;
    *at++ = '"';
    memcpy(at, key, length);
    memcpy(at + length, "\":", 2);
    return at + length + 2;
}

static void json_value(struct text *text, const char *key, const char *json, size_t length)
{
    char *at = json_begin(text, key, length);

    if (at != NULL)
        memcpy(at, json, length);
}

void json_open(struct text *text, const char *key, char bracket)
{
    json_value(text, key, &bracket, 1);
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

/* Eight octets at once: none of them a control, a quote, a backslash or beyond ASCII? */
static bool all_plain(const char *bytes)
{
    const uint64_t ones = 0x0101010101010101u, high = ones << 7;
    uint64_t octets, odd;

    memcpy(&octets, bytes, sizeof(octets));
    odd = octets | (octets - ones * 0x20);
    odd |= (octets ^ ones * '"') - ones; /* borrows where it is the octet looked for */
    odd |= (octets ^ ones * '\\') - ones;
    odd |= (octets ^ ones * 0x7f) - ones;
    return (odd & high) == 0;
}

static bool is_plain(unsigned char c) { return c >= 0x20 && c != '"' && c != '\\' && c != 0x7f; }

/* Line ends beyond ASCII (NEL, LS, PS): an answer of one line must stay one for readers that know
 * them. */
static const struct {
    const char *octets;
    size_t length;
    const char *escape;
} line_ends[] = {
    {"\xC2\x85", 2, "\\u0085"}, {"\xE2\x80\xA8", 3, "\\u2028"}, {"\xE2\x80\xA9", 3, "\\u2029"}};

/* Which one stands here, -1 = none. `sequence`: octets of the character. */
static int line_end_at(const char *at, size_t sequence)
{
    if (sequence < 2 || ((unsigned char)at[0] != 0xC2 && (unsigned char)at[0] != 0xE2))
        return -1;
    for (int i = 0; i < 3; i++)
        if (line_ends[i].length == sequence && memcmp(at, line_ends[i].octets, sequence) == 0)
            return i;
    return -1;
}

/* How many octets at the start stand for themselves. */
static size_t plain_length(const char *value, size_t length)
{
    size_t i = 0;

    while (length - i >= sizeof(uint64_t) && all_plain(value + i))
        i += sizeof(uint64_t);
    while (i < length && is_plain((unsigned char)value[i])) {
        size_t sequence = utf8_sequence(value + i, length - i);

        if (sequence == 0 || line_end_at(value + i, sequence) >= 0)
            break;
        i += sequence;
    }
    return i;
}

/* What cannot stand for itself, as an escape; how many octets of `value` that was. */
static size_t json_escape(struct text *text, const char *value, size_t length)
{
    const char *escape = short_escape(value[0]);
    int line_end = line_end_at(value, utf8_sequence(value, length));

    if (line_end >= 0) {
        text_put(text, line_ends[line_end].escape);
        return line_ends[line_end].length;
    }
    if (escape != NULL)
        text_put(text, escape);
    else if ((unsigned char)value[0] < 0x80)
        text_format(text, "\\u%04x", (unsigned)value[0]);
    else
        text_put(text, "\xef\xbf\xbd"); /* U+FFFD */
    return 1;
}

void json_string_n(struct text *text, const char *key, const char *value, size_t length)
{
    if (value == NULL) {
        json_null(text, key);
        return;
    }
    size_t plain = plain_length(value, length);
    char *at = json_begin(text, key, 1 + plain);
    if (at != NULL) {
        at[0] = '"';
        memcpy(at + 1, value, plain);
    }
    while (plain < length) {
        plain += json_escape(text, value + plain, length - plain);
        value += plain;
        length -= plain;
        plain = plain_length(value, length);
        text_add(text, value, plain);
    }
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
    json_value(text, key, digits + at, sizeof(digits) - at);
}

void json_number(struct text *text, const char *key, double value)
{
    json_value(text, key, "", 0);
    text_format(text, "%.2f", value);
}

void json_bool(struct text *text, const char *key, bool value)
{
    json_value(text, key, value ? "true" : "false", value ? 4 : 5);
}

void json_null(struct text *text, const char *key) { json_value(text, key, "null", 4); }

void json_raw(struct text *text, const char *key, const char *json)
{
    json_value(text, key, json, strlen(json));
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

char *text_put_octet(char *out, uint8_t octet)
{
    if (octet >= 100)
        *out++ = (char)('0' + octet / 100);
    if (octet >= 10)
        *out++ = (char)('0' + octet / 10 % 10);
    *out++ = (char)('0' + octet % 10);
    return out;
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
