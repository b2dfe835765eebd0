/* syntax_stream.c - the loop of `vrfyd syntax`. Lines are cut out of one buffer, decoded in place,
 * and answered through one text builder: nothing is allocated per line. */
#include "service/syntax_stream.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes/address/insight.h"
#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "service/syntax_line.h"

enum {
    READ_SIZE = 2 * SYNTAX_LINE_MAX,
    ANSWER_MAX = 8 * SYNTAX_LINE_MAX, /* an octet may become \uXXXX */
    WRITE_AT = 65536                  /* octets gathered before they are written */
};

struct stream {
    FILE *in, *out;
    const struct address_options *options;
    struct text answers;
    size_t begin, end;             /* what of `buffer` is still to be read */
    bool at_end, failed, skipping; /* skipping: inside a line that is too long */
    uint64_t line;
    char buffer[READ_SIZE];
};

static void write_out(struct stream *stream)
{
    struct text *answers = &stream->answers;

    if (answers->length > 0 &&
        fwrite(answers->bytes, 1, answers->length, stream->out) != answers->length)
        stream->failed = true;
    if (fflush(stream->out) != 0)
        stream->failed = true;
    answers->length = 0;
}

/* More input behind what is there. What was answered goes out first: the other side may be waiting
 * for it before it says more. */
static void fill(struct stream *stream)
{
    int descriptor = fileno(stream->in);
    ssize_t count;

    memmove(stream->buffer, stream->buffer + stream->begin, stream->end - stream->begin);
    stream->end -= stream->begin;
    stream->begin = 0;
    write_out(stream);
    char *room = stream->buffer + stream->end;
    if (descriptor < 0) { /* a stream in memory */
        count = (ssize_t)fread(room, 1, READ_SIZE - stream->end, stream->in);
    } else {
        do
            count = read(descriptor, room, READ_SIZE - stream->end);
        while (count < 0 && errno == EINTR);
    }
    if (count < 0)
        stream->failed = true;
    if (count <= 0)
        stream->at_end = true;
    else
        stream->end += (size_t)count;
}

/* --- answers --------------------------------------------------------------------------- */

static void text_or_null(struct text *text, const char *key, const char *value)
{
    if (value[0] == '\0')
        json_null(text, key);
    else
        json_string(text, key, value);
}

static void write_error(struct text *text, const struct address *address)
{
    if (address->received_code == ADDRESS_OK) {
        json_null(text, "error");
        return;
    }
    json_open(text, "error", '{');
    json_string(text, "code", address_code_name(address->received_code));
    json_integer(text, "position", address->received_position);
    json_close(text, '}');
}

enum flag_value { FLAG_FALSE, FLAG_TRUE, FLAG_NULL };

/* "key":value as it stands in the answer, ready for each value: the flags are most of a line. */
struct flag_text {
    const char *text[3];
    size_t length[3];
};
#define FLAG_PART(part) ",\"" part
#define FLAG(name)                                                                                 \
    {                                                                                              \
        {FLAG_PART(name) "\":false", FLAG_PART(name) "\":true", FLAG_PART(name) "\":null"},        \
        {                                                                                          \
            sizeof(FLAG_PART(name) "\":false") - 1, sizeof(FLAG_PART(name) "\":true") - 1,         \
                sizeof(FLAG_PART(name) "\":null") - 1                                              \
        }                                                                                          \
    }

/* The flags of a verdict. null is what only DNS and SMTP can tell, and all of them when there is no
 * address. */
static void write_flags(struct text *text, const struct address *address,
                        const struct address_insight *insight)
{
    static const struct flag_text texts[] = {
        FLAG("disposable"),      FLAG("alias_relay"),     FLAG("role"),
        FLAG("no_reply"),        FLAG("free_provider"),   FLAG("subaddress"),
        FLAG("gibberish"),       FLAG("typo_domain"),     FLAG("idn_domain"),
        FLAG("quoted_local"),    FLAG("non_ascii_local"), FLAG("mixed_script"),
        FLAG("provider_syntax"),
    };
    const bool values[] = {
        insight->disposable,
        insight->alias_relay,
        insight->role,
        insight->no_reply,
        insight->free_provider,
        insight->subaddress,
        insight->gibberish,
        insight->typo_domain,
        address->idn_domain,
        address->quoted_local,
        address->non_ascii_local,
        address->mixed_script,
        insight->provider_syntax != PROVIDER_SYNTAX_OK,
    };
    static const char head[] = ",\"flags\":{\"disposable_mx\":null,\"catch_all\":null,"
                               "\"implicit_mx\":null,\"parked\":null,\"slow_server\":null";
    char line[sizeof(head) + ARRAY_LENGTH(texts) * 32];
    size_t used = sizeof(head) - 1;

    static_assert(ARRAY_LENGTH(texts) == ARRAY_LENGTH(values), "one text per value");
    memcpy(line, head, used);
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        enum flag_value value = !address->valid ? FLAG_NULL : values[i] ? FLAG_TRUE : FLAG_FALSE;
        memcpy(line + used, texts[i].text[value], texts[i].length[value]);
        used += texts[i].length[value];
    }
    line[used++] = '}';
    text_add(text, line, used);
}

static void answer_address(struct stream *stream, const char *email, size_t length)
{
    struct text *text = &stream->answers;
    struct address address;
    struct address_insight insight;
    char normalized[ADDRESS_TEXT_SIZE] = "";

    if (address_parse(email, length, stream->options, &address))
        address_normalized(&address, normalized);
    address_look_up(email, length, &address, false, &insight);
    text_char(text, '{');
    json_string_n(text, "email", email, length);
    json_bool(text, "valid", address.valid && address_code_valid(address.received_code));
    write_error(text, &address);
    text_or_null(text, "normalized", normalized);
    text_or_null(text, "dedupe_key", insight.dedupe_key);
    text_or_null(text, "suggestion", insight.suggestion);
    write_flags(text, &address, &insight);
    text_add(text, "}\n", 2);
}

static void answer_bad_line(struct stream *stream, enum syntax_line outcome)
{
    static const char *const messages[] = {
        [SYNTAX_LINE_OK] = "",
        [SYNTAX_LINE_BAD_JSON] = "the line is not a JSON object",
        [SYNTAX_LINE_EMAIL_MISSING] = "the object has no member email",
        [SYNTAX_LINE_BAD_VALUE] = "email is not a string",
        [SYNTAX_LINE_TOO_LONG] = "the line has more than 65,536 octets",
    };
    struct text *text = &stream->answers;

    text_char(text, '{');
    json_null(text, "email");
    json_bool(text, "valid", false);
    json_integer(text, "line", (int64_t)stream->line);
    json_open(text, "error", '{');
    json_string(text, "code", syntax_line_name(outcome));
    json_string(text, "message", messages[outcome]);
    text_add(text, "}}\n", 3);
}

static void answer_line(struct stream *stream, char *line, size_t length)
{
    const char *email = NULL;
    size_t email_length = 0;
    enum syntax_line outcome = SYNTAX_LINE_TOO_LONG;

    stream->line++;
    if (stream->line == 1 && length >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0) {
        line += 3; /* a byte order mark, as some shells put it before what they pipe */
        length -= 3;
    }
    if (length <= SYNTAX_LINE_MAX && !stream->skipping)
        outcome = syntax_line_read(line, length, &email, &email_length);
    stream->skipping = false;
    if (outcome == SYNTAX_LINE_OK)
        answer_address(stream, email, email_length);
    else
        answer_bad_line(stream, outcome);
    if (stream->answers.length >= WRITE_AT)
        write_out(stream);
}

/* --- lines ----------------------------------------------------------------------------------- */

/* No line end is in the buffer: the last line, a line that is too long, or more is needed. */
static void handle_rest(struct stream *stream)
{
    size_t rest = stream->end - stream->begin;

    if (stream->at_end && (rest > 0 || stream->skipping)) {
        answer_line(stream, stream->buffer + stream->begin, rest);
        stream->begin = stream->end;
    } else if (rest > SYNTAX_LINE_MAX) {
        stream->skipping = true;
        stream->begin = stream->end;
    }
    if (!stream->at_end)
        fill(stream);
}

int syntax_stream(FILE *in, FILE *out, const struct address_options *options)
{
    struct stream *stream = mem_new(struct stream);

    stream->in = in;
    stream->out = out;
    stream->options = options;
    text_init(&stream->answers, ANSWER_MAX);
    while (!stream->failed && (!stream->at_end || stream->begin < stream->end)) {
        char *line = stream->buffer + stream->begin;
        char *end = memchr(line, '\n', stream->end - stream->begin);
        if (end == NULL) {
            handle_rest(stream);
            continue;
        }
        stream->begin += (size_t)(end - line) + 1;
        answer_line(stream, line, (size_t)(end - line));
    }
    if (stream->skipping)
        handle_rest(stream);
    write_out(stream);
    bool failed = stream->failed;
    text_free(&stream->answers);
    free(stream);
    return failed ? 1 : 0;
}
