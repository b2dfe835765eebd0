/* Text -> rules. The file is ours, but an operator may load his own: everything is bounded and
 * the first mistake is named with its line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/smtp/reply_rules_parser.h"

enum { RULE_TEXT_MAX = 16384, FIELD_MAX = 128, ENHANCED_MAX = 999 };

/* --- fields ------------------------------------------------------------------- */

/* The next item of a comma list; false at its end. */
static bool next_item(char **list, char **item)
{
    if (*list == NULL)
        return false;
    *item = *list;
    *list = strchr(*list, ',');
    if (*list != NULL)
        *(*list)++ = '\0';
    return true;
}

static bool parse_stages(struct rule_parser *parser, char *list, struct reply_rule *rule)
{
    char *item;

    while (next_item(&list, &item)) {
        unsigned bits = 0;
        if (strcmp(item, "any") == 0)
            bits = (1u << SMTP_STAGE_COUNT) - 1;
        if (strcmp(item, "first") == 0) {
            bits = 1u << SMTP_STAGE_RCPT;
            rule->first_contact = true;
        }
        for (unsigned s = 0; s < SMTP_STAGE_COUNT; s++) {
            if (strcmp(item, smtp_stage_name((enum smtp_stage)s)) == 0)
                bits = 1u << s;
        }
        if (bits == 0)
            return rule_parser_fail(parser, "unknown stage");
        if ((bits & 1u << SMTP_STAGE_RCPT) != 0) /* later words are about the recipient still */
            bits |= 1u << SMTP_STAGE_QUIT;
        rule->stages |= bits;
    }
    return true;
}

/* Digits up to `bound`; false if there are none or more of it. */
static bool parse_number(const char **at, unsigned bound, unsigned *number)
{
    const char *first = *at;

    *number = 0;
    for (; **at >= '0' && **at <= '9' && *number <= bound; (*at)++)
        *number = *number * 10 + (unsigned)(**at - '0');
    return *at > first && *number <= bound;
}

static bool parse_codes(struct rule_parser *parser, char *list, struct reply_rule *rule)
{
    char *item;

    if (strcmp(list, "any") == 0)
        return true;
    while (next_item(&list, &item)) {
        const char *at = item;
        unsigned low = 0, high = 0;
        if (item[0] >= '1' && item[0] <= '9' && strcmp(item + 1, "xx") == 0) {
            low = (unsigned)(item[0] - '0') * 100;
            high = low + 99;
        } else if (!parse_number(&at, 999, &low) ||
                   (*at == '-' && (at++, !parse_number(&at, 999, &high))) || *at != '\0') {
            return rule_parser_fail(parser, "bad reply code");
        }
        if (rule->code_count == RULE_CODES_MAX)
            return rule_parser_fail(parser, "too many reply codes");
        rule->codes[rule->code_count++] =
            (struct code_range){.low = (uint16_t)low, .high = (uint16_t)(high == 0 ? low : high)};
    }
    return true;
}

static bool parse_enhanced_item(const char *at, struct enhanced_pattern *pattern)
{
    unsigned class = 0, subject, low = 0, high = ENHANCED_MAX;

    if (strcmp(at, "none") == 0) {
        pattern->none = true;
        return true;
    }
    if (*at == 'x')
        at++;
    else if (!parse_number(&at, 5, &class))
        return false;
    if (*at++ != '.' || !parse_number(&at, ENHANCED_MAX, &subject) || *at++ != '.')
        return false;
    if (strcmp(at, "*") != 0) {
        if (!parse_number(&at, ENHANCED_MAX, &low))
            return false;
        high = low;
        if (*at == '-' && (at++, !parse_number(&at, ENHANCED_MAX, &high)))
            return false;
        if (*at != '\0')
            return false;
    }
    *pattern = (struct enhanced_pattern){.class = (uint8_t) class,
                                         .subject = (uint16_t)subject,
                                         .low = (uint16_t)low,
                                         .high = (uint16_t)high};
    return true;
}

static bool parse_enhanced(struct rule_parser *parser, char *list, struct reply_rule *rule)
{
    char *item;

    if (strcmp(list, "-") == 0)
        return true;
    while (next_item(&list, &item)) {
        if (rule->enhanced_count == RULE_ENHANCED_MAX ||
            !parse_enhanced_item(item, &rule->enhanced[rule->enhanced_count++]))
            return rule_parser_fail(parser, "bad enhanced code");
    }
    return true;
}

static bool parse_class(struct rule_parser *parser, const char *field, struct reply_rule *rule)
{
    for (unsigned c = 0; c < REPLY_CLASS_COUNT; c++) {
        if (strcmp(field, reply_class_name((enum reply_class)c)) == 0) {
            rule->class = (enum reply_class)c;
            return true;
        }
    }
    return rule_parser_fail(parser, "unknown class");
}

/* --- rules -------------------------------------------------------------------- */

enum field { FIELD_ID, FIELD_STAGES, FIELD_PROVIDER, FIELD_CODES, FIELD_ENHANCED, FIELD_CLASS };
enum { FIELD_COUNT = FIELD_CLASS + 1 };

static bool split_fields(struct rule_parser *parser, const char *at, const char *end,
                         char fields[FIELD_COUNT][FIELD_MAX])
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        while (at < end && (*at == ' ' || *at == '\t'))
            at++;
        const char *first = at;
        while (at < end && *at != ' ' && *at != '\t')
            at++;
        size_t length = (size_t)(at - first);
        if (length == 0 || length >= FIELD_MAX)
            return rule_parser_fail(parser, "a rule has six fields");
        memcpy(fields[i], first, length);
        fields[i][length] = '\0';
    }
    rule_parser_trim(&at, &end);
    return at == end || rule_parser_fail(parser, "a rule has six fields, then a colon");
}

static bool parse_name(struct rule_parser *parser, char fields[FIELD_COUNT][FIELD_MAX],
                       struct reply_rule *rule)
{
    const char *id = fields[FIELD_ID], *provider = fields[FIELD_PROVIDER];

    if ((id[0] != 'C' && id[0] != 'U') || strlen(id) >= sizeof(rule->id) ||
        strlen(provider) >= sizeof(rule->provider))
        return rule_parser_fail(parser, "bad rule id or provider");
    for (size_t i = 0; i < parser->rules->count; i++) {
        if (strcmp(parser->rules->list[i].id, id) == 0)
            return rule_parser_fail(parser, "rule id used twice");
    }
    memcpy(rule->id, id, strlen(id) + 1);
    if (strcmp(provider, "-") != 0)
        memcpy(rule->provider, provider, strlen(provider) + 1);
    return true;
}

/* `text` is one rule with its continuation lines joined. */
static bool parse_rule(struct rule_parser *parser, const char *text, size_t length)
{
    struct reply_rules *rules = parser->rules;
    char fields[FIELD_COUNT][FIELD_MAX] = {{0}};
    const char *end = text + length, *colon = memchr(text, ':', length), *second = NULL;

    if (rules->count == REPLY_RULES_MAX)
        return rule_parser_fail(parser, "too many rules");
    if (colon != NULL)
        second = memchr(colon + 1, ':', (size_t)(end - colon - 1));
    struct reply_rule *rule = &rules->list[rules->count];
    if (!split_fields(parser, text, colon == NULL ? end : colon, fields) ||
        !parse_name(parser, fields, rule) || !parse_stages(parser, fields[FIELD_STAGES], rule) ||
        !parse_codes(parser, fields[FIELD_CODES], rule) ||
        !parse_enhanced(parser, fields[FIELD_ENHANCED], rule) ||
        !parse_class(parser, fields[FIELD_CLASS], rule))
        return false;
    if (colon != NULL &&
        !rule_parser_alternatives(parser, colon + 1, second == NULL ? end : second, &rule->words))
        return false;
    if (second != NULL && !rule_parser_alternatives(parser, second + 1, end, &rule->never))
        return false;
    rules->count++;
    return true;
}

/* Joins a rule's lines into `joined`; returns where the next rule begins. */
static const char *read_rule(struct rule_parser *parser, const char *at, const char *end,
                             char *joined, size_t *length, size_t *lines)
{
    *length = 0;
    *lines = 0;
    while (at < end && (*lines == 0 || *at == ' ' || *at == '\t')) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t more = (size_t)((stop == NULL ? end : stop) - at);
        if (*length + more > RULE_TEXT_MAX) {
            rule_parser_fail(parser, "rule too long");
            return end;
        }
        memcpy(joined + *length, at, more);
        *length += more;
        (*lines)++;
        at = stop == NULL ? end : stop + 1;
    }
    return at;
}

/* A rule, or a list, as it stands in the file; `filled` is scratch of RULE_TEXT_MAX octets. */
static bool parse_entry(struct rule_parser *parser, const char *text, size_t length, char *filled)
{
    const char *names = text[0] == '{' ? memchr(text, '}', length) : text;

    if (names == NULL)
        return rule_parser_fail(parser, "bad list");
    size_t front = (size_t)(names - text); /* a list's own name stays */
    memcpy(filled, text, front);
    size_t behind = rule_lists_fill_in(&parser->lists, names, length - front, filled + front,
                                       RULE_TEXT_MAX - front);
    if (behind == RULE_TEXT_MAX - front)
        return rule_parser_fail(parser, "unknown list, or rule too long");
    if (front == 0)
        return parse_rule(parser, filled, behind);
    return rule_lists_define(&parser->lists, filled, front + behind) ||
           rule_parser_fail(parser, "bad list");
}

static void parse_file(struct rule_parser *parser, const char *text, size_t length)
{
    char *joined = mem_zeroed(RULE_TEXT_MAX, 1), *filled = mem_zeroed(RULE_TEXT_MAX, 1);
    const char *at = text, *end = text + length;
    size_t lines;

    for (parser->line = 1; at < end && parser->error == NULL;) {
        at = read_rule(parser, at, end, joined, &length, &lines);
        if (parser->error == NULL && length != 0 && joined[0] != '#')
            parse_entry(parser, joined, length, filled);
        if (parser->error == NULL)
            parser->line += lines;
    }
    rule_lists_clear(&parser->lists);
    free(joined);
    free(filled);
}

/* `part` of a term speaks for the rule: the phrase itself, or each of the set. */
static void suggest(struct reply_rules *rules, size_t part, size_t rule)
{
    size_t set = part - PHRASES_MAX;
    uint64_t bit = UINT64_C(1) << (rule % 64);

    if (part < PHRASES_MAX) {
        rules->suggests[part].rules[rule / 64] |= bit;
        return;
    }
    for (size_t p = 0; p < phrases_count(rules->phrases); p++) {
        if ((rules->member_of[p].sets[set / 64] >> (set % 64) & 1) != 0)
            rules->suggests[p].rules[rule / 64] |= bit;
    }
}

/* From each phrase to the rules that look for it. */
static void index_rules(struct reply_rules *rules)
{
    rules->suggests = mem_array(struct rule_set, phrases_count(rules->phrases) + 1);
    for (size_t r = 0; r < rules->count; r++) {
        const struct term_range *words = &rules->list[r].words;
        if (words->count == 0)
            rules->wordless[r / 64] |= UINT64_C(1) << (r % 64);
        for (size_t t = words->first; t < words->first + words->count; t++)
            suggest(rules, rules->terms[t].phrases[0], r);
    }
}

struct reply_rules *reply_rules_parse(const char *text, size_t length, char *error,
                                      size_t error_size)
{
    struct rule_parser parser = {.rules = mem_new(struct reply_rules)};

    parser.rules->phrases = phrases_new();
    parser.rules->terms = mem_array(struct term, RULE_TERMS_MAX);
    parser.rules->member_of = mem_array(struct set_bits, PHRASES_MAX);
    parse_file(&parser, text, length);
    for (size_t i = 0; i < parser.rules->set_count; i++)
        free(parser.sets[i]);
    if (parser.error == NULL && parser.rules->count == 0)
        rule_parser_fail(&parser, "no rule at all");
    if (parser.error != NULL) {
        snprintf(error, error_size, "line %zu: %s", parser.line, parser.error);
        reply_rules_free(&parser.rules);
        return NULL;
    }
    phrases_seal(parser.rules->phrases);
    index_rules(parser.rules);
    return parser.rules;
}
