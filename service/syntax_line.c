/* syntax_line.c - the simple shape {"email":"..."} is read by hand, at the speed of the address
 * parser; any other JSON goes through jansson. */
#include "service/syntax_line.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

const char *syntax_line_name(enum syntax_line outcome)
{
    static const char *const names[] = {
#define X(symbol, name) [symbol] = name,
        SYNTAX_LINE_LIST(X)
#undef X
    };
    return names[outcome];
}

struct cursor {
    char *at, *end;
};

static void skip_space(struct cursor *cursor)
{
    while (cursor->at < cursor->end &&
           (*cursor->at == ' ' || *cursor->at == '\t' || *cursor->at == '\r'))
        cursor->at++;
}

static bool take(struct cursor *cursor, const char *words)
{
    size_t length = strlen(words);

    skip_space(cursor);
    if ((size_t)(cursor->end - cursor->at) < length || memcmp(cursor->at, words, length) != 0)
        return false;
    cursor->at += length;
    return true;
}

/* Four hex digits at `at`; -1 when they are not. */
static int32_t hex4(const char *at, const char *end)
{
    int32_t value = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* UTF-8, surrogates included: the address parser refuses those. */
static char *put_character(char *out, int32_t character)
{
    if (character < 0x80) {
        *out++ = (char)character;
        return out;
    }
    int more = character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
    static const unsigned char first[] = {0, 0xC0, 0xE0, 0xF0};
    *out++ = (char)(first[more] | (character >> (6 * more)));
    while (more-- > 0)
        *out++ = (char)(0x80 | ((character >> (6 * more)) & 0x3F));
    return out;
}

/* \uXXXX, or two of them for one character beyond U+FFFF; NULL = broken. */
static char *take_unicode_escape(struct cursor *cursor, char *out)
{
    int32_t high = hex4(cursor->at, cursor->end), low = -1;

    if (high < 0)
        return NULL;
    cursor->at += 4;
    if (high >= 0xD800 && high < 0xDC00 && cursor->end - cursor->at >= 6 && cursor->at[0] == '\\' &&
        cursor->at[1] == 'u')
        low = hex4(cursor->at + 2, cursor->end);
    if (low >= 0xDC00 && low < 0xE000) {
        cursor->at += 6;
        high = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    }
    return put_character(out, high);
}

static char *take_escape(struct cursor *cursor, char *out)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";

    if (cursor->at == cursor->end)
        return NULL;
    char name = *cursor->at++;
    if (name == 'u')
        return take_unicode_escape(cursor, out);
    const char *found = name == '\0' ? NULL : strchr(names, name);
    if (found == NULL)
        return NULL;
    *out++ = values[found - names];
    return out;
}

/* A string behind its first quote, decoded where it stands: it only gets shorter. */
static bool take_string(struct cursor *cursor, const char **value, size_t *length)
{
    char *begin = cursor->at, *out = begin;

    while (cursor->at < cursor->end) {
        char c = *cursor->at++;
        if (c == '"') {
            *value = begin;
            *length = (size_t)(out - begin);
            return true;
        }
        if ((unsigned char)c < 0x20)
            return false;
        if (c == '\\')
            out = take_escape(cursor, out);
        else
            *out++ = c;
        if (out == NULL)
            return false;
    }
    return false;
}

/* Has the line the simple shape? Nothing is changed in it before that is known. */
static bool find_simple_value(struct cursor *cursor)
{
    if (!take(cursor, "{") || !take(cursor, "\"email\"") || !take(cursor, ":") ||
        !take(cursor, "\""))
        return false;
    struct cursor tail = *cursor;
    while (tail.at < tail.end && *tail.at != '"')
        tail.at += *tail.at == '\\' && tail.end - tail.at > 1 ? 2 : 1;
    if (!take(&tail, "\"") || !take(&tail, "}"))
        return false;
    skip_space(&tail);
    return tail.at == tail.end;
}

static enum syntax_line read_any_object(char *line, size_t length, const char **email,
                                        size_t *email_length)
{
    json_t *root = json_loadb(line, length, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    json_t *value = json_object_get(root, "email");
    enum syntax_line outcome = SYNTAX_LINE_OK;

    if (!json_is_object(root))
        outcome = SYNTAX_LINE_BAD_JSON;
    else if (value == NULL)
        outcome = SYNTAX_LINE_EMAIL_MISSING;
    else if (!json_is_string(value))
        outcome = SYNTAX_LINE_BAD_VALUE;
    else { /* decoded it is never longer than it was in the line */
        *email_length = json_string_length(value);
        memcpy(line, json_string_value(value), *email_length);
        *email = line;
    }
    json_decref(root);
    return outcome;
}

enum syntax_line syntax_line_read(char *line, size_t length, const char **email,
                                  size_t *email_length)
{
    struct cursor cursor = {line, line + length};

    if (!find_simple_value(&cursor))
        return read_any_object(line, length, email, email_length);
    return take_string(&cursor, email, email_length) ? SYNTAX_LINE_OK : SYNTAX_LINE_BAD_JSON;
}
