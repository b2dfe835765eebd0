/* The whole address: first its punctuation (a comma for a dot, a doubled or missing '@', spaces,
 * full-width letters), then its domain. What can be read in two ways is left alone. */
#include "probes/lists/suggest.h"

#include <string.h>

#include "probes/base/text.h"
#include "probes/lists/list_text.h"
#include "probes/lists/lists.h"
#include "probes/lists/snapshot.h"

enum { INPUT_MAX = 320, LOCAL_MAX = 64, DOMAIN_MAX = 253 };

struct line {
    char bytes[INPUT_MAX + 1];
    size_t length;
};

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool one_of(char c, const char *set) { return c != '\0' && strchr(set, c) != NULL; }

/* --- reading -------------------------------------------------------------- */

/* Full-width forms (U+FF01-FF5E), ideographic full stops and spaces as ASCII; how many octets were
 * read. */
static size_t narrow(const unsigned char *at, size_t left, char *ascii)
{
    unsigned code;

    if (left < 3 || (at[0] & 0xF0) != 0xE0)
        return 0;
    code = (at[0] & 0x0Fu) << 12 | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu);
    if (code >= 0xFF01 && code <= 0xFF5E)
        *ascii = (char)(code - 0xFF01 + '!');
    else if (code == 0x3002 || code == 0xFF61)
        *ascii = '.';
    else if (code == 0xFE6B)
        *ascii = '@';
    else if (code == 0x3000 || code == 0x2060 || code == 0xFEFF ||
             (code >= 0x2000 && code <= 0x200F))
        *ascii = ' ';
    else
        return 0;
    return 3;
}

/* False for what is too long, or holds controls. */
static bool read_line(const char *input, size_t length, struct line *line)
{
    line->length = 0;
    for (size_t i = 0; i < length;) {
        unsigned char byte = (unsigned char)input[i];
        char c = input[i];
        size_t wide = narrow((const unsigned char *)input + i, length - i, &c);

        if (byte == '\t' || byte == '\r' || byte == '\n')
            c = ' ';
        else if (byte < 0x20 || byte == 0x7F)
            return false;
        else if (wide == 0 && byte == 0xC2 && i + 1 < length && one_of(input[i + 1], "\xA0\xAD")) {
            c = ' '; /* no-break space, soft hyphen */
            wide = 2;
        }
        if (line->length == INPUT_MAX)
            return false;
        line->bytes[line->length++] = c;
        i += wide > 0 ? wide : 1;
    }
    line->bytes[line->length] = '\0';
    return true;
}

static void cut(struct line *line, size_t from, size_t to)
{
    line->length = to - from;
    memmove(line->bytes, line->bytes + from, line->length);
    line->bytes[line->length] = '\0';
}

/* "Jane Doe <jane@example.com>": what stands in the brackets. */
static void out_of_brackets(struct line *line)
{
    const char *open = strrchr(line->bytes, '<');
    const char *close = open == NULL ? NULL : strchr(open, '>');

    if (close != NULL && memchr(open, '@', (size_t)(close - open)) != NULL)
        cut(line, (size_t)(open + 1 - line->bytes), (size_t)(close - line->bytes));
}

/* What the grammar takes off by itself, and what clings to an address that was copied out of a
 * text. */
static void strip(struct line *line)
{
    static const char before[] = " <\"'([{,;:.";
    static const char after[] = " >\"')]},;:.!?/\\|";
    size_t from = 0, to;

    out_of_brackets(line);
    if (line->length > 7 && text_starts_nocase(line->bytes, "mailto:"))
        from = 7;
    to = line->length;
    while (from < to && one_of(line->bytes[from], before))
        from++;
    while (to > from && one_of(line->bytes[to - 1], after))
        to--;
    cut(line, from, to);
}

/* --- the two halves ------------------------------------------------------- */

/* What lies beside the dot and the hyphen, or shares a key with them. */
static const char instead_of_dot[] = ",;:/>'";
static const char instead_of_hyphen[] = "_";

static char meant_in_domain(char c)
{
    if (one_of(c, instead_of_dot))
        return '.';
    return one_of(c, instead_of_hyphen) ? '-' : c;
}

/* Dots where people put commas and the like; no spaces, no empty labels, no '@' left at an edge. */
static bool clean_domain(const char *from, size_t length, char domain[DOMAIN_MAX + 1])
{
    size_t n = 0;

    for (size_t i = 0; i < length; i++) {
        char c = meant_in_domain(from[i]);

        if (c == ' ' || (c == '.' && (n == 0 || domain[n - 1] == '.')))
            continue;
        if ((!is_alnum(c) && c != '-' && c != '.') || n == DOMAIN_MAX)
            return false;
        domain[n++] = c;
    }
    while (n > 0 && (domain[n - 1] == '.' || domain[n - 1] == '-'))
        n--;
    domain[n] = '\0';
    text_lower(domain);
    return n > 0;
}

/* No spaces, dots and the like at the edges, no doubled dots; false for what is no plain local part
 * then. */
static bool clean_local(const char *from, size_t length, char local[LOCAL_MAX + 1])
{
    size_t n = 0;

    while (length > 0 && one_of(from[length - 1], " .@,;:<"))
        length--;
    while (length > 0 && one_of(from[0], " .,;:")) {
        from++;
        length--;
    }
    for (size_t i = 0; i < length; i++) {
        if (from[i] == '.' && n > 0 && local[n - 1] == '.')
            continue;
        if ((!is_alnum(from[i]) && !one_of(from[i], "!#$%&'*+-/=?^_`{|}~.")) || n == LOCAL_MAX)
            return false;
        local[n++] = from[i];
    }
    local[n] = '\0';
    return n > 0;
}

static bool domain_plausible(const char *domain)
{
    const char *dot = strrchr(domain, '.');

    return dot != NULL && list_is_host(domain, strlen(domain), false) &&
           (list_domain_kinds(domain) != 0 || list_tld_known(dot + 1, strlen(dot + 1)));
}

static bool put(const char *local, const char *domain, char *out, size_t size)
{
    size_t first = strlen(local), second = strlen(domain);

    if (first + second + 2 > size)
        return false;
    memcpy(out, local, first);
    out[first] = '@';
    memcpy(out + first + 1, domain, second);
    out[first + 1 + second] = '\0';
    return true;
}

static void trim(const char **input, size_t *length)
{
    while (*length > 0 && one_of((*input)[0], " \t\r\n")) {
        (*input)++;
        (*length)--;
    }
    while (*length > 0 && one_of((*input)[*length - 1], " \t\r\n"))
        (*length)--;
}

/* Is it what was typed, but for outer blanks, one pair of brackets and the case of the domain? Then
 * there is nothing to suggest: reading the address does that by itself. */
static bool unchanged(const char *input, size_t length, const char *local, const char *domain)
{
    size_t first = strlen(local), second = strlen(domain);

    trim(&input, &length);
    if (length > 2 && input[0] == '<' && input[length - 1] == '>') {
        input++;
        length -= 2;
    }
    if (length > 7 && text_starts_nocase(input, "mailto:")) {
        input += 7;
        length -= 7;
    }
    if (length > 0 && input[length - 1] == '.')
        length--;
    if (length != first + 1 + second || memcmp(input, local, first) != 0 || input[first] != '@')
        return false;
    for (size_t i = 0; i < second; i++)
        if ((input[first + 1 + i] | 0x20) != (domain[i] | 0x20))
            return false;
    return true;
}

/* --- the missing '@' ------------------------------------------------------ */

/* Characters that share a key with '@', or stand where it was left out. */
static const char instead_of_at[] = " #\"&*.,!";

static bool is_host_word(const char *local)
{
    static const char *const words[] = {"www", "mail", "smtp",    "imap",
                                        "pop", "pop3", "webmail", "ftp"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (text_equal_nocase(local, words[i]))
            return true;
    return false;
}

/* "jane.gmail.com", "jane#gmail.com", "janegmail.com": only before a popular domain as it is. */
static bool split_at_popular(const struct line *line, char local[LOCAL_MAX + 1],
                             char domain[DOMAIN_MAX + 1])
{
    const struct lists *lists = lists_current();

    for (size_t i = 0; i < lists->popular_count; i++) {
        const struct popular *one = &lists->popular[i];
        size_t rest = line->length - one->length;

        if (one->length + 2u > line->length || one->name_length < 3 ||
            memcmp(line->bytes + rest, one->domain, one->length) != 0)
            continue;
        if (one_of(line->bytes[rest - 1], instead_of_at))
            rest--;
        else if (!one->household || one->name_length < 5 || line->bytes[rest - 1] == '2')
            continue; /* '2' may be the '@' without its shift key, or part of the name */
        memcpy(domain, one->domain, one->length);
        domain[one->length] = '\0';
        return clean_local(line->bytes, rest, local) && !is_host_word(local);
    }
    return false;
}

/* "jane@@gmail.com", "jane @gmail.com": the halves around the last run of '@' and blanks. */
static bool split_at(const struct line *line, char local[LOCAL_MAX + 1],
                     char domain[DOMAIN_MAX + 1])
{
    const char *at = strrchr(line->bytes, '@');
    size_t before;

    if (at == NULL || at == line->bytes)
        return false;
    before = (size_t)(at - line->bytes);
    return clean_domain(at + 1, line->length - before - 1, domain) &&
           clean_local(line->bytes, before, local);
}

bool suggest_address(const char *input, size_t length, bool domain_missing, char *out, size_t size)
{
    char local[LOCAL_MAX + 1], domain[DOMAIN_MAX + 1], better[DOMAIN_MAX + 1];
    struct line line;

    if (length > INPUT_MAX || !read_line(input, length, &line))
        return false;
    strip(&line);
    if (memchr(line.bytes, '@', line.length) == NULL) {
        text_lower(line.bytes);
        return split_at_popular(&line, local, domain) && put(local, domain, out, size);
    }
    if (!split_at(&line, local, domain))
        return false;
    if (suggest_domain(domain, domain_missing, better, sizeof(better)))
        return put(local, better, out, size);
    return domain_plausible(domain) && !unchanged(input, length, local, domain) &&
           put(local, domain, out, size);
}
