/* Alternatives of phrases -> terms. `{who} & (full|stuffed)` is one term of two sets, `{who}` alone
 * one of one; a bracket within a phrase is written out, a term for each way through it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/smtp/reply_rules_parser.h"

enum { PHRASE_TEXT_MAX = 2048 };

bool rule_parser_fail(struct rule_parser *parser, const char *error)
{
    if (parser->error == NULL)
        parser->error = error;
    return false;
}

void rule_parser_trim(const char **at, const char **end)
{
    while (*at < *end && (**at == ' ' || **at == '\t'))
        (*at)++;
    while (*end > *at && ((*end)[-1] == ' ' || (*end)[-1] == '\t'))
        (*end)--;
}

/* --- phrases ------------------------------------------------------------------ */

static enum reply_marker marker_of(const char *piece, size_t length)
{
    static const struct {
        const char *name;
        enum reply_marker marker;
    } markers[] = {{"<us>", MARKER_US},     {"<sender>", MARKER_SENDER},
                   {"<edge>", MARKER_EDGE}, {"<domain>", MARKER_DOMAIN},
                   {"<host>", MARKER_HOST}, {"<ip>", MARKER_IP}};

    for (size_t i = 0; i < ARRAY_LENGTH(markers); i++) {
        if (strlen(markers[i].name) == length && memcmp(piece, markers[i].name, length) == 0)
            return markers[i].marker;
    }
    return MARKER_NONE;
}

/* One phrase without brackets: its words folded as replies are, a space at each closed end. */
static int add_phrase(struct rule_parser *parser, const char *at, const char *end)
{
    struct reply_words words = {.length = 0};

    rule_parser_trim(&at, &end);
    if (at == end)
        return -1;
    bool open_start = *at == '*', open_end = end[-1] == '*';
    at += open_start;
    end -= open_end;
    if (at < end && memchr(at, '*', (size_t)(end - at)) != NULL)
        return -1;
    while (at < end) {
        const char *piece = at;
        while (at < end && *at != ' ')
            at++;
        size_t length = (size_t)(at - piece);
        enum reply_marker marker = marker_of(piece, length);
        if (words.length == 0 && !open_start)
            reply_words_end(&words); /* the space in front */
        if (marker != MARKER_NONE)
            reply_words_add_marker(&words, marker);
        else if (reply_words_is_name(piece, length))
            reply_words_add_name(&words, piece, length);
        else
            reply_words_add(&words, piece, length);
        for (; at < end && *at == ' '; at++)
            reply_words_end(&words);
    }
    if (!open_end)
        reply_words_end(&words);
    return words.length < 2 ? -1 : phrases_add(parser->rules->phrases, words.bytes, words.length);
}

static int depth_change(char c) { return c == '(' || c == '[' ? 1 : c == ')' || c == ']' ? -1 : 0; }

/* The first `wanted` outside of brackets, or where the bracket that is open already closes. */
static const char *find_outside(const char *at, const char *end, char wanted)
{
    int depth = 0;

    for (; at < end && (depth > 0 || *at != wanted); at++) {
        depth += depth_change(*at);
        if (depth < 0)
            break;
    }
    return at;
}

static bool expand(struct rule_parser *parser, const char *text, size_t done,
                   struct term_range *range);

/* The number of the set of these alternatives, known already or new; -1 = failed. */
static int add_set(struct rule_parser *parser, const char *at, const char *end)
{
    struct reply_rules *rules = parser->rules;
    struct term_range members;
    size_t length = (size_t)(end - at), set = 0;

    while (set < rules->set_count &&
           (strlen(parser->sets[set]) != length || memcmp(parser->sets[set], at, length) != 0))
        set++;
    if (set == RULE_SETS_MAX) {
        rule_parser_fail(parser, "too many sets");
        return -1;
    }
    if (set == rules->set_count) {
        parser->in_set = true;
        bool good = rule_parser_alternatives(parser, at, end, &members) && members.count != 0;
        parser->in_set = false;
        if (!good)
            return -1;
        for (size_t i = members.first; i < members.first + members.count; i++)
            rules->member_of[rules->terms[i].phrases[0]].sets[set / 64] |= UINT64_C(1)
                                                                           << (set % 64);
        rules->term_count = members.first; /* they were terms for the moment only */
        parser->sets[rules->set_count++] = mem_copy_bytes(at, length);
    }
    return PHRASES_MAX + (int)set;
}

/* Between two &: a phrase, or a set in its brackets. */
static int add_part(struct rule_parser *parser, const char *at, const char *end)
{
    rule_parser_trim(&at, &end);
    return at < end && *at == '(' ? add_set(parser, at + 1, end - 1) : add_phrase(parser, at, end);
}

/* An alternative in which every bracket is a set. */
static bool add_term(struct rule_parser *parser, const char *text, struct term_range *range)
{
    struct reply_rules *rules = parser->rules;
    struct term term = {.count = 0};

    if (rules->term_count == RULE_TERMS_MAX)
        return rule_parser_fail(parser, "too many phrases in all");
    for (const char *part = text; part != NULL;) {
        const char *end = strchr(part, '&');
        int number = add_part(parser, part, end == NULL ? part + strlen(part) : end);
        if (number < 0 || term.count == TERM_PHRASES_MAX)
            return rule_parser_fail(parser,
                                    "empty phrase, a star within one, or too many joined by &");
        term.phrases[term.count++] = (uint16_t)number;
        part = end == NULL ? NULL : end + 1;
    }
    rules->terms[rules->term_count++] = term;
    range->count++;
    return true;
}

/* Writes `text` with the bracket from `open` to `close` replaced by a choice, and goes on there. */
static bool expand_choice(struct rule_parser *parser, const char *text, const char *open,
                          const char *close, const char *choice, const char *choice_end,
                          struct term_range *range)
{
    char chosen[PHRASE_TEXT_MAX];
    size_t done = (size_t)(open - text);
    int length = snprintf(chosen, sizeof(chosen), "%.*s%.*s%s", (int)done, text,
                          (int)(choice_end - choice), choice, close + 1);

    if (length < 0 || (size_t)length >= sizeof(chosen))
        return rule_parser_fail(parser, "phrase too long");
    return expand(parser, chosen, done, range);
}

/* Does the bracket fill the room between two & or ends? Within a set there are no further ones. */
static bool is_set(const struct rule_parser *parser, const char *text, const char *open,
                   const char *close)
{
    const char *before = open, *behind = close + 1 + strspn(close + 1, " \t");

    while (before > text && (before[-1] == ' ' || before[-1] == '\t'))
        before--;
    return !parser->in_set && *open == '(' && memchr(open, '&', (size_t)(close - open)) == NULL &&
           (before == text || before[-1] == '&') && (*behind == '&' || *behind == '\0');
}

/* One term for each way through the brackets that are no sets; none of these begins in the first
 * `done` octets. */
static bool expand(struct rule_parser *parser, const char *text, size_t done,
                   struct term_range *range)
{
    const char *open = text + done + strcspn(text + done, "(["), *end = text + strlen(text);

    if (open == end)
        return add_term(parser, text, range);
    const char *close = find_outside(open + 1, end, '\0');
    if (close == end || depth_change(*close) != -1)
        return rule_parser_fail(parser, "bracket without end");
    if (is_set(parser, text, open, close))
        return expand(parser, text, (size_t)(close + 1 - text), range);
    if (*open == '[' && !expand_choice(parser, text, open, close, close, close, range))
        return false;
    for (const char *choice = open + 1; choice <= close;) {
        const char *stop = find_outside(choice, close, '|');
        if (!expand_choice(parser, text, open, close, choice, stop, range))
            return false;
        choice = stop + 1;
    }
    return true;
}

bool rule_parser_alternatives(struct rule_parser *parser, const char *at, const char *end,
                              struct term_range *range)
{
    *range = (struct term_range){.first = parser->rules->term_count};
    rule_parser_trim(&at, &end);
    while (at < end) {
        char text[PHRASE_TEXT_MAX];
        const char *stop = find_outside(at, end, '|');
        if ((size_t)(stop - at) >= sizeof(text))
            return rule_parser_fail(parser, "phrase too long");
        memcpy(text, at, (size_t)(stop - at));
        text[stop - at] = '\0';
        if (!expand(parser, text, 0, range))
            return false;
        at = stop + 1;
    }
    return true;
}
