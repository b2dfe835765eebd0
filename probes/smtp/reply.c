/* Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
 *                                                              (RFC 5321 section 4.2)
 * textstring may begin with an enhanced code, class "." subject "." detail (RFC 2034
 * section 4), which is found in every notation in use: 5.1.1, #5.1.1, (#5.1.1), [5.1.1],
 * glued to the code as in 550.5.1.1, or behind the code said twice. */
#include "probes/smtp/reply.h"

#include <string.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* --- the enhanced code ------------------------------------------------------ */

struct span {
    const char *at;
    size_t length;
};

static struct span skip(struct span span, size_t octets)
{
    return (struct span){span.at + octets, span.length - octets};
}

static struct span skip_blanks(struct span span)
{
    while (span.length > 0 && (span.at[0] == ' ' || span.at[0] == '\t'))
        span = skip(span, 1);
    return span;
}

/* 1*3DIGIT at the start; returns how many, 0 if none. */
static size_t read_number(struct span span, unsigned *number)
{
    size_t digits = 0;

    *number = 0;
    while (digits < span.length && digits < 3 && is_digit(span.at[digits]))
        *number = *number * 10 + (unsigned)(span.at[digits++] - '0');
    return digits;
}

/* A bare "5.1.1" at the start: its length, 0 if there is none. An IPv4 address or a longer
 * number is not one. */
static size_t read_triple(struct span text, unsigned triple[3])
{
    struct span rest = text;

    for (int i = 0; i < 3; i++) {
        size_t digits = read_number(rest, &triple[i]);

        if (digits == 0 || (i == 0 && digits != 1))
            return 0;
        rest = skip(rest, digits);
        if (i == 2)
            break;
        if (rest.length == 0 || rest.at[0] != '.')
            return 0;
        rest = skip(rest, 1);
    }
    if (triple[0] != 2 && triple[0] != 4 && triple[0] != 5)
        return 0;
    if (rest.length > 0 && is_digit(rest.at[0]))
        return 0;
    if (rest.length > 1 && rest.at[0] == '.' && is_digit(rest.at[1]))
        return 0;
    return text.length - rest.length;
}

/* With its wrapping: "#5.1.1", "(#5.1.1)", "[5.1.1]". */
static size_t read_wrapped(struct span text, unsigned triple[3])
{
    struct span rest = text;
    char closing = '\0';

    if (rest.length > 0 && (rest.at[0] == '(' || rest.at[0] == '[')) {
        closing = rest.at[0] == '(' ? ')' : ']';
        rest = skip(rest, 1);
    }
    if (rest.length > 0 && rest.at[0] == '#')
        rest = skip(rest, 1);
    size_t length = read_triple(rest, triple);
    if (length == 0)
        return 0;
    rest = skip(rest, length);
    if (closing != '\0') {
        if (rest.length == 0 || rest.at[0] != closing)
            return 0;
        rest = skip(rest, 1);
    }
    return text.length - rest.length;
}

/* Later in the line a number may mean anything, unless it is marked: "... name. (#5.1.1)". */
static bool find_marked(struct span text, unsigned triple[3])
{
    for (; text.length > 0; text = skip(text, 1)) {
        char c = text.at[0];

        if ((c == '#' || c == '(' || c == '[') && read_wrapped(text, triple) > 0)
            return true;
    }
    return false;
}

static void keep_enhanced(struct smtp_reply *reply, const unsigned triple[3])
{
    if (reply->enhanced[0] != 0) /* the first line that has one speaks for all */
        return;
    reply->enhanced[0] = (uint8_t)triple[0];
    reply->enhanced[1] = triple[1] <= UINT8_MAX ? (uint8_t)triple[1] : 0;
    reply->enhanced[2] = triple[2] <= UINT8_MAX ? (uint8_t)triple[2] : 0;
}

/* Callout replies repeat what another server said, its code included: "550-550 5.1.1 ...". */
static struct span skip_repeated_code(const struct smtp_reply *reply, struct span text)
{
    unsigned code;

    if (text.length > 4 && (text.at[3] == ' ' || text.at[3] == '-') &&
        read_number(text, &code) == 3 && code == reply->code)
        return skip_blanks(skip(text, 4));
    return text;
}

/* Takes the enhanced code of this line; returns the text without it. */
static struct span take_enhanced(struct smtp_reply *reply, struct span text)
{
    unsigned triple[3];
    struct span rest = skip_repeated_code(reply, skip_blanks(text));
    size_t length = read_wrapped(rest, triple);

    if (length > 0) {
        keep_enhanced(reply, triple);
        if (triple[1] > UINT8_MAX || triple[2] > UINT8_MAX)
            return rest;
        return skip_blanks(skip(rest, length));
    }
    if (find_marked(rest, triple))
        keep_enhanced(reply, triple);
    return rest;
}

/* --- the line --------------------------------------------------------------- */

/* 0 when it is no reply code. Any second and third digit will do: unknown codes are read by
 * their first (section 4.3.2). */
static uint16_t read_code(struct span line)
{
    unsigned code;

    if (read_number(line, &code) != 3 || (line.length > 3 && is_digit(line.at[3])))
        return 0;
    return code >= 200 && code <= 599 ? (uint16_t)code : 0;
}

/* What follows the code: "-text", " text", nothing, or text without the space that is due. */
static struct span text_of(struct span line)
{
    struct span rest = skip(line, 3);
    unsigned triple[3];

    if (rest.length == 0)
        return rest;
    if (rest.at[0] == '.' && read_triple(skip(rest, 1), triple) > 0)
        return skip(rest, 1);
    bool separated = rest.at[0] == '-' || rest.at[0] == ' ' || rest.at[0] == '\t';
    return separated ? skip(rest, 1) : rest;
}

static void keep_text(struct smtp_reply *reply, struct span text)
{
    struct text *kept = &reply->text;

    if (reply->lines > 1 && kept->length < kept->bound)
        text_char(kept, '\n');
    size_t room = kept->bound - kept->length;
    size_t from = kept->length;
    text_add(kept, text.at, text.length < room ? text.length : room);
    for (size_t i = from; i < kept->length; i++)
        if (kept->bytes[i] == '\0')
            kept->bytes[i] = ' ';
}

static void keep_code(struct smtp_reply *reply, uint16_t code)
{
    if (reply->lines > 1 && code != reply->code) {
        reply->codes_differ = true;
        memset(reply->enhanced, 0, sizeof(reply->enhanced)); /* it belonged to the other code */
    }
    reply->code = code;
}

void smtp_reply_init(struct smtp_reply *reply)
{
    *reply = (struct smtp_reply){.code = 0};
    text_init(&reply->text, SMTP_REPLY_KEPT_MAX);
}

void smtp_reply_clear(struct smtp_reply *reply)
{
    text_free(&reply->text);
    smtp_reply_init(reply);
}

enum smtp_parse smtp_reply_add_line(struct smtp_reply *reply, const char *line, size_t length)
{
    while (length > 0 && line[length - 1] == '\r') /* CR CR LF happens */
        length--;
    struct span span = {line, length};
    uint16_t code = length <= SMTP_REPLY_LINE_MAX ? read_code(span) : 0;

    if (code == 0 || reply->lines == SMTP_REPLY_LINES_MAX ||
        reply->octets + length > SMTP_REPLY_OCTETS_MAX)
        return SMTP_PARSE_BAD;
    reply->lines++;
    reply->octets += (uint32_t)length;
    keep_code(reply, code);
    keep_text(reply, take_enhanced(reply, text_of(span)));
    return length > 3 && line[3] == '-' ? SMTP_PARSE_MORE : SMTP_PARSE_DONE;
}

char *smtp_reply_text(struct smtp_reply *reply, size_t most)
{
    text_put(&reply->text, ""); /* so that there is a string */
    if (reply->text.length > most)
        reply->text.bytes[most] = '\0';
    return reply->text.bytes;
}
