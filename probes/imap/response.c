#include "probes/imap/response.h"

#include <string.h>

#include "probes/base/mem.h"

static const struct {
    const char *word;
    enum imap_status status;
    bool tagged; /* may end a command */
} statuses[] = {
    {"OK", IMAP_STATUS_OK, true},    {"NO", IMAP_STATUS_NO, true},
    {"BAD", IMAP_STATUS_BAD, true},  {"PREAUTH", IMAP_STATUS_PREAUTH, false},
    {"BYE", IMAP_STATUS_BYE, false},
};

static const struct {
    const char *word;
    enum imap_code code;
} codes[] = {
    {"CAPABILITY", IMAP_CODE_CAPABILITY},           {"ALERT", IMAP_CODE_ALERT},
    {"UNAVAILABLE", IMAP_CODE_UNAVAILABLE},         {"CONTACTADMIN", IMAP_CODE_CONTACTADMIN},
    {"PRIVACYREQUIRED", IMAP_CODE_PRIVACYREQUIRED}, {"REFERRAL", IMAP_CODE_REFERRAL},
};

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c; }

bool imap_span_is(struct imap_span span, const char *word)
{
    size_t i = 0;

    while (i < span.length && word[i] != '\0' && lower(span.at[i]) == lower(word[i]))
        i++;
    return i == span.length && word[i] == '\0';
}

bool imap_next_word(struct imap_span *rest, struct imap_span *word)
{
    while (rest->length > 0 && *rest->at == ' ') {
        rest->at++;
        rest->length--;
    }
    if (rest->length == 0)
        return false;
    word->at = rest->at;
    word->length = 0;
    while (rest->length > 0 && *rest->at != ' ') {
        word->length++;
        rest->at++;
        rest->length--;
    }
    return true;
}

/* "text {42}", "{42+}" (RFC 7888) or "~{42}" (RFC 3516) at the end: octets would follow. */
static bool announces_literal(const char *line, size_t length)
{
    size_t i = length;

    if (i < 3 || line[--i] != '}')
        return false;
    if (line[i - 1] == '+' || line[i - 1] == '-')
        i--;
    size_t digits = 0;
    while (i > 0 && line[i - 1] >= '0' && line[i - 1] <= '9') {
        i--;
        digits++;
    }
    return digits > 0 && i > 0 && line[i - 1] == '{';
}

static bool tag_is_valid(struct imap_span tag)
{
    if (tag.length == 0 || tag.length > IMAP_TAG_MAX)
        return false;
    for (size_t i = 0; i < tag.length; i++) {
        unsigned char c = (unsigned char)tag.at[i];

        if (c <= ' ' || c >= 0x7f || strchr("(){%*\"\\+", c) != NULL)
            return false;
    }
    return true;
}

static void read_code(struct imap_span *text, struct imap_response *response)
{
    const char *close;
    struct imap_span inside, name;

    if (text->length == 0 || *text->at != '[')
        return;
    close = memchr(text->at, ']', text->length);
    if (close == NULL)
        return; /* then the bracket is plain text */
    inside = (struct imap_span){text->at + 1, (size_t)(close - text->at - 1)};
    text->length -= (size_t)(close + 1 - text->at);
    text->at = close + 1;
    while (text->length > 0 && *text->at == ' ') {
        text->at++;
        text->length--;
    }
    if (!imap_next_word(&inside, &name))
        return;
    response->code = IMAP_CODE_OTHER;
    response->code_text = inside;
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++)
        if (imap_span_is(name, codes[i].word))
            response->code = codes[i].code;
}

/* resp-text: an optional code in brackets, then words for people. */
static bool read_status(struct imap_span word, struct imap_span rest, bool tagged,
                        struct imap_response *response)
{
    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++) {
        if (!imap_span_is(word, statuses[i].word) || (tagged && !statuses[i].tagged))
            continue;
        response->status = statuses[i].status;
        if (rest.length > 0 && *rest.at == ' ') {
            rest.at++;
            rest.length--;
        }
        read_code(&rest, response);
        response->text = rest;
        return true;
    }
    return false;
}

static bool read_untagged(struct imap_span rest, struct imap_response *response)
{
    struct imap_span word;

    if (!imap_next_word(&rest, &word))
        return false;
    response->kind = IMAP_KIND_STATUS;
    if (read_status(word, rest, false, response))
        return true;
    response->kind = imap_span_is(word, "CAPABILITY") ? IMAP_KIND_CAPABILITY
                     : imap_span_is(word, "ID")       ? IMAP_KIND_ID
                                                      : IMAP_KIND_DATA;
    if (rest.length > 0)
        rest = (struct imap_span){rest.at + 1, rest.length - 1};
    response->text = rest;
    return true;
}

static bool read_tagged(struct imap_span line, struct imap_response *response)
{
    struct imap_span word;

    response->kind = IMAP_KIND_TAGGED;
    if (line.length == 0 || *line.at == ' ' || !imap_next_word(&line, &response->tag) ||
        !tag_is_valid(response->tag) || !imap_next_word(&line, &word))
        return false;
    return read_status(word, line, true, response);
}

enum imap_parse imap_response_read(const char *line, size_t length, struct imap_response *response)
{
    struct imap_response read = {.kind = IMAP_KIND_DATA};
    struct imap_span rest = {line, length};
    bool good;

    if (length > IMAP_LINE_MAX || length == 0 || memchr(line, '\0', length) != NULL ||
        memchr(line, '\r', length) != NULL || memchr(line, '\n', length) != NULL ||
        announces_literal(line, length))
        return IMAP_PARSE_BAD;
    if (line[0] == '+' && (length == 1 || line[1] == ' ')) {
        read.kind = IMAP_KIND_CONTINUATION;
        good = true;
    } else if (length > 1 && line[0] == '*' && line[1] == ' ') {
        good = read_untagged((struct imap_span){line + 2, length - 2}, &read);
    } else {
        good = read_tagged(rest, &read);
    }
    if (!good)
        return IMAP_PARSE_BAD;
    *response = read;
    return IMAP_PARSE_DONE;
}

enum imap_parse imap_response_next(const char *bytes, size_t length, size_t *used,
                                   struct imap_response *response)
{
    const char *end = length > 0 ? memchr(bytes, '\n', length) : NULL;
    size_t line;

    if (end == NULL && length <= IMAP_LINE_MAX)
        return IMAP_PARSE_MORE;
    *used = end == NULL ? length : (size_t)(end - bytes) + 1;
    if (end == NULL)
        return IMAP_PARSE_BAD;
    line = (size_t)(end - bytes);
    if (line > 0 && bytes[line - 1] == '\r')
        line--;
    return imap_response_read(bytes, line, response);
}
