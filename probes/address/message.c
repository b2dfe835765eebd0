/* message.c - which language a visitor reads, and the sentence in it. */
#include "probes/address/message.h"

#include <string.h>
#include <strings.h>

#include "probes/base/mem.h"

enum { QUALITY_ONE = 1000, LANGUAGE_RANGES_MAX = 64 };

static const char *const neutral[MESSAGE_LANGUAGE_COUNT] = {
    [MESSAGE_ENGLISH] = "Please check this address.",
    [MESSAGE_GERMAN] = "Bitte überprüfen Sie diese Adresse.",
    [MESSAGE_FRENCH] = "Veuillez vérifier cette adresse.",
    [MESSAGE_SPANISH] = "Compruebe esta dirección, por favor.",
    [MESSAGE_CHINESE] = "请检查此地址。",
};

const char *message_language_tag(enum message_language language)
{
    static const char *const tags[] = {
#define X(symbol, tag) [symbol] = tag,
        MESSAGE_LANGUAGE_LIST(X)
#undef X
    };
    return tags[language];
}

static const struct message_row *find_row(const char *code)
{
    for (unsigned i = 0; code != NULL && i < message_row_count; i++)
        if (strcmp(message_rows[i].code, code) == 0)
            return &message_rows[i];
    return NULL;
}

bool message_known(const char *code) { return find_row(code) != NULL; }

const char *message_for(const char *code, enum message_language language)
{
    const struct message_row *row = find_row(code);

    return row == NULL ? neutral[language] : row->text[language];
}

/* --- Accept-Language ------------------------------------------------------------------ */

/* One range of the header: "de-CH" and its quality in thousandths. */
struct range {
    const char *tag;
    size_t length;
    int quality;
};

/* qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ); -1 = not one. */
static int parse_quality(const char *text, size_t length)
{
    int value, weight = QUALITY_ONE / 10;

    if (length == 0 || length > 5 || (text[0] != '0' && text[0] != '1'))
        return -1;
    value = (text[0] - '0') * QUALITY_ONE;
    if (length > 1 && text[1] != '.')
        return -1;
    for (size_t i = 2; i < length; i++, weight /= 10) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value += (text[i] - '0') * weight;
    }
    return value <= QUALITY_ONE ? value : -1;
}

static size_t trim(const char **text, size_t length)
{
    while (length > 0 && (**text == ' ' || **text == '\t')) {
        ++*text;
        length--;
    }
    while (length > 0 && ((*text)[length - 1] == ' ' || (*text)[length - 1] == '\t'))
        length--;
    return length;
}

/* language-range [ OWS ";" OWS "q=" qvalue ]; quality -1 when it makes no sense. */
static struct range parse_range(const char *item, size_t length)
{
    const char *semicolon = memchr(item, ';', length);
    struct range range = {item, semicolon == NULL ? length : (size_t)(semicolon - item),
                          QUALITY_ONE};

    if (semicolon != NULL) {
        const char *parameter = semicolon + 1;
        size_t size = trim(&parameter, length - range.length - 1);
        range.quality = size >= 2 && strncasecmp(parameter, "q=", 2) == 0
                            ? parse_quality(parameter + 2, size - 2)
                            : -1;
    }
    range.length = trim(&range.tag, range.length);
    return range;
}

static bool has_subtag(const struct range *range, const char *subtag)
{
    size_t size = strlen(subtag);

    for (size_t i = 0; i + size < range->length; i++)
        if (range->tag[i] == '-' && strncasecmp(range->tag + i + 1, subtag, size) == 0 &&
            (i + 1 + size == range->length || range->tag[i + 1 + size] == '-'))
            return true;
    return false;
}

/* Chinese that is read in traditional characters is none of our languages. */
static bool is_traditional(const struct range *range)
{
    static const char *const regions[] = {"TW", "HK", "MO"};

    if (has_subtag(range, "Hant"))
        return true;
    for (size_t i = 0; i < ARRAY_LENGTH(regions); i++)
        if (has_subtag(range, regions[i]))
            return !has_subtag(range, "Hans");
    return false;
}

/* Which language a range means (RFC 4647 section 3.4: by its first subtag); COUNT = none of ours.
 */
static enum message_language range_language(const struct range *range)
{
    static const struct {
        char subtag[3];
        enum message_language language;
    } rows[] = {
        {"en", MESSAGE_ENGLISH}, {"de", MESSAGE_GERMAN},  {"fr", MESSAGE_FRENCH},
        {"es", MESSAGE_SPANISH}, {"zh", MESSAGE_CHINESE},
    };
    if (range->length < 2 || (range->length > 2 && range->tag[2] != '-'))
        return MESSAGE_LANGUAGE_COUNT;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (strncasecmp(range->tag, rows[i].subtag, 2) == 0)
            return rows[i].language == MESSAGE_CHINESE && is_traditional(range)
                       ? MESSAGE_LANGUAGE_COUNT
                       : rows[i].language;
    return MESSAGE_LANGUAGE_COUNT;
}

enum message_language message_language_from(const char *accept_language)
{
    enum message_language best = MESSAGE_ENGLISH;
    int best_quality = 0;

    if (accept_language == NULL)
        return best;
    for (int i = 0; i < LANGUAGE_RANGES_MAX && *accept_language != '\0'; i++) {
        size_t length = strcspn(accept_language, ",");
        struct range range = parse_range(accept_language, length);
        enum message_language language = range_language(&range);
        if (range.length == 1 && range.tag[0] == '*')
            language = MESSAGE_ENGLISH;
        if (language != MESSAGE_LANGUAGE_COUNT && range.quality > best_quality) {
            best = language; /* equals: the one named first */
            best_quality = range.quality;
        }
        accept_language += length + (accept_language[length] == ',');
    }
    return best;
}
