/* One pass over the text. At the start of each word, in this order: is it one of our names,
 * an address, a number that is a code or an IP, the server's own name? If none: keep it. */
#include "probes/smtp/reply_words.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "probes/base/text.h"

enum { NAMES_MAX = 7 };

/* A string that is replaced by its marker, or dropped. */
struct name {
    const char *bytes;
    size_t length;
    enum reply_marker marker;
};

struct reader {
    struct reply_words *words;
    const char *at, *end;
    const char *checked; /* no address begins before this */
    const char *page;    /* where the address of a page (a URL) ends that began before `at` */
    char previous;       /* the octet before `at` */
    uint16_t code;
    struct name names[NAMES_MAX];
    size_t name_count;
    uint32_t starts[8]; /* bit set of the first octets of the names, both cases */
    const char *server_domain;
    size_t server_domain_length;
};

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0;
}

static bool is_host(char c) { return is_word(c) || c == '.' || c == '-'; }

/* What may stand in a mail address without quotes (RFC 5321 section 4.1.2): everything printable
 * but the specials `"(),:;<>[\]`. */
static bool is_address(char c)
{
    static const uint32_t octets[4] = {0, 0xa3ffecfa, 0xc7ffffff, 0x7fffffff};
    uint8_t octet = (uint8_t)c;

    return octet >= 128 || (octets[octet / 32] >> (octet % 32) & 1) != 0;
}

/* --- output ----------------------------------------------------------------- */

static void put(struct reply_words *words, char c)
{
    if (words->length < REPLY_WORDS_MAX)
        words->bytes[words->length++] = c;
}

/* Words that say nothing by themselves; with `denial`, they say "not". By length. */
static const struct small_word {
    char word[9];
    bool denial;
} small_words[] = {
    {"a", false},      {"an", false},     {"be", false},    {"do", false},    {"is", false},
    {"are", false},    {"can", false},    {"did", false},   {"had", false},   {"has", false},
    {"the", false},    {"was", false},    {"been", false},  {"cant", true},   {"does", false},
    {"dont", true},    {"have", false},   {"isnt", true},   {"that", false},  {"this", false},
    {"were", false},   {"will", false},   {"wont", true},   {"arent", true},  {"being", false},
    {"could", false},  {"didnt", true},   {"dosnt", true},  {"hasnt", true},  {"wasnt", true},
    {"would", false},  {"cannot", true},  {"doesnt", true}, {"havent", true}, {"werent", true},
    {"couldnt", true}, {"wouldnt", true},
};
enum { SMALL_WORD_MAX = 7 };

static void end_word(struct reply_words *words)
{
    /* first row of each length, and one behind the last */
    static const uint8_t from[SMALL_WORD_MAX + 2] = {0, 0, 1, 5, 12, 23, 31, 35, 37};
    char *word = words->bytes + words->word;
    size_t length = words->length - words->word;

    if (length == 4 && memcmp(word, "mail", 4) == 0 && words->word >= 3 &&
        memcmp(word - 3, " e ", 3) == 0) { /* e-mail */
        memmove(word - 1, word, 4);
        words->length--;
        return;
    }
    for (size_t i = from[length <= SMALL_WORD_MAX ? length : 0];
         length <= SMALL_WORD_MAX && i < from[length + 1]; i++) {
        const char *small = small_words[i].word;
        if (small[0] == word[0] && memcmp(small, word, length) == 0) {
            words->length = words->word;
            if (small_words[i].denial) {
                memcpy(word, "not", 3);
                words->length += 3;
            }
            return;
        }
    }
}

static void put_space(struct reply_words *words)
{
    if (words->length != 0 && words->bytes[words->length - 1] != ' ')
        end_word(words);
    if (words->length == 0 || words->bytes[words->length - 1] != ' ')
        put(words, ' ');
    words->word = words->length;
}

void reply_words_add_marker(struct reply_words *words, enum reply_marker marker)
{
    put_space(words);
    put(words, (char)marker);
    put_space(words);
}

void reply_words_end(struct reply_words *words) { put_space(words); }

/* Latin letters with marks, U+00C0 to U+017F, as their base letter; 0 = not a letter. */
static const char latin_base[] =
    "aaaaaaaceeeeiiiidnooooo\0ouuuuyts" /* C0: upper */
    "aaaaaaaceeeeiiiidnooooo\0ouuuuyty" /* E0: lower */
    "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkk"
    "llllllllllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";
static_assert(sizeof(latin_base) - 1 == 0x180 - 0xc0, "one base letter per code point");

/* One character beyond ASCII; returns the octets it took. */
static size_t put_foreign(struct reply_words *words, const char *at, const char *end)
{
    const uint8_t *octet = (const uint8_t *)at;
    size_t length = utf8_sequence(at, (size_t)(end - at));
    unsigned point = length == 2 ? (octet[0] & 0x1fu) << 6 | (octet[1] & 0x3fu) : 0;

    if (length == 0) /* ISO 8859-1, as old servers write it */
        point = octet[0];
    if (point >= 0xc0 && point - 0xc0 < sizeof(latin_base) - 1) {
        char base = latin_base[point - 0xc0];
        put(words, base != '\0' ? base : ' ');
    } else if (length == 3 && octet[0] == 0xe2 && octet[1] == 0x80) {
        if (octet[2] != 0x98 && octet[2] != 0x99) /* curly quotes are apostrophes: nothing */
            put_space(words);
    } else if (point >= 0x410 && point <= 0x42f) { /* Cyrillic capitals */
        point += 0x20;
        put(words, (char)(0xc0 | point >> 6));
        put(words, (char)(0x80 | (point & 0x3f)));
    } else if (length == 0 || (length == 2 && point < 0x100)) {
        put_space(words);
    } else {
        for (size_t i = 0; i < length; i++)
            put(words, at[i]);
    }
    return length == 0 ? 1 : length;
}

void reply_words_add(struct reply_words *words, const char *text, size_t length)
{
    const char *at = text, *end = text + length;

    while (at < end) {
        char c = *at;
        if ((c & 0x80) != 0) {
            at += put_foreign(words, at, end);
            continue;
        }
        if (c >= 'A' && c <= 'Z')
            put(words, (char)(c + ('a' - 'A')));
        else if (is_word(c))
            put(words, c);
        else if (c != '\'' && c != '`')
            put_space(words);
        at++;
    }
}

void reply_words_add_name(struct reply_words *words, const char *text, size_t length)
{
    const char *at = text, *end = text + length;

    while (at < end) {
        const char *word = at;
        while (at < end && *at != '.' && *at != '-')
            at++;
        if (at > word) {
            put_space(words);
            put(words, MARKER_NAME);
            reply_words_add(words, word, (size_t)(at - word));
        }
        at += at < end;
    }
}

/* --- names ------------------------------------------------------------------ */

static void add_name(struct reader *reader, const char *bytes, enum reply_marker marker)
{
    if (bytes == NULL || bytes[0] == '\0' || reader->name_count == NAMES_MAX)
        return;
    unsigned first = (uint8_t)bytes[0];
    reader->names[reader->name_count++] =
        (struct name){.bytes = bytes, .length = strlen(bytes), .marker = marker};
    reader->starts[first / 32] |= 1u << (first % 32);
    if (is_word(bytes[0]) && !is_digit(bytes[0])) {
        first ^= 0x20;
        reader->starts[first / 32] |= 1u << (first % 32);
    }
}

static const char *domain_of(const char *address)
{
    const char *at = address == NULL ? NULL : strrchr(address, '@');
    return at == NULL ? NULL : at + 1;
}

static void learn_names(struct reader *reader, const struct reply_context *context)
{
    if (context == NULL)
        return;
    add_name(reader, context->recipient, MARKER_NONE);
    add_name(reader, context->mail_from, MARKER_SENDER);
    add_name(reader, context->our_address, MARKER_US);
    add_name(reader, context->our_name, MARKER_US);
    /* The recipient's domain first: where both are the same, it is not named as the sender's. */
    add_name(reader, domain_of(context->recipient), MARKER_DOMAIN);
    add_name(reader, domain_of(context->mail_from), MARKER_SENDER);
    add_name(reader, context->server_host, MARKER_NONE);
    if (context->server_host != NULL) {
        const char *dot = strchr(context->server_host, '.');
        /* The parent, unless that is a top-level domain. */
        if (dot != NULL && strchr(dot + 1, '.') != NULL) {
            reader->server_domain = dot + 1;
            reader->server_domain_length = strlen(dot + 1);
        }
    }
}

/* Does the name end here, or is it the beginning of a longer one? */
static bool name_ends(const char *at, const char *end)
{
    if (at == end || (!is_host(*at) && *at != '@'))
        return true;
    return (*at == '.' || *at == '-') && (at + 1 == end || !is_word(at[1]));
}

static bool take_name(struct reader *reader)
{
    unsigned first = (uint8_t)*reader->at;

    if ((reader->starts[first / 32] >> (first % 32) & 1) == 0 || is_host(reader->previous) ||
        reader->previous == '@')
        return false;
    for (size_t i = 0; i < reader->name_count; i++) {
        const struct name *name = &reader->names[i];
        if ((size_t)(reader->end - reader->at) >= name->length &&
            strncasecmp(reader->at, name->bytes, name->length) == 0 &&
            name_ends(reader->at + name->length, reader->end)) {
            if (name->marker == MARKER_NONE)
                put_space(reader->words);
            else
                reply_words_add_marker(reader->words, name->marker);
            reader->at += name->length;
            reader->previous = ' ';
            return true;
        }
    }
    return false;
}

static bool take_address(struct reader *reader)
{
    const char *run = reader->at;
    bool found = false;

    if (run < reader->checked)
        return false;
    /* Two dots in a row are no part of an address: "User unknown...joe@a.example". */
    for (char last = ' '; run < reader->end && is_address(*run); last = *run++) {
        if (*run == '.' && last == '.')
            break;
        found |= *run == '@';
    }
    reader->checked = run;
    if (!found)
        return false;
    put_space(reader->words);
    reader->at = run;
    reader->previous = ' ';
    return true;
}

/* --- numbers and host names --------------------------------------------------- */

/* Digits and dots: how many numbers, and the first four of them. 0 = something else. */
static size_t dotted_numbers(const char *at, const char *end, unsigned value[4])
{
    size_t count = 0;

    while (at < end) {
        unsigned number = 0;
        const char *first = at;
        for (; at < end && is_digit(*at) && at - first < 4; at++)
            number = number * 10 + (unsigned)(*at - '0');
        if (at == first || (at < end && *at != '.') || (at < end && at + 1 == end))
            return 0;
        if (count < 4)
            value[count] = number;
        count++;
        at += at < end;
    }
    return count;
}

static void take_enhanced(struct reader *reader, const unsigned value[3])
{
    uint16_t *enhanced = reader->words->enhanced;

    if (enhanced[0] != 0)
        return;
    for (size_t i = 0; i < 3; i++)
        enhanced[i] = (uint16_t)value[i];
}

static bool is_reply_class(unsigned value) { return value == 2 || value == 4 || value == 5; }

/* An address, an enhanced code ("5.1.1", also glued: "550.5.1.1"), or the code again. */
static bool take_number(struct reader *reader, const char *end)
{
    unsigned value[4] = {0};
    size_t count = dotted_numbers(reader->at, end, value);

    if (reader->at < reader->page && count != 4) /* codes of a page are its own */
        return false;
    if (count == 4 && value[0] == reader->code && is_reply_class(value[1]))
        take_enhanced(reader, value + 1);
    else if (count == 4)
        reply_words_add_marker(reader->words, MARKER_IP);
    else if (count == 3 && is_reply_class(value[0]))
        take_enhanced(reader, value);
    else
        return count == 1 && value[0] == reader->code;
    return true;
}

static bool is_their_name(const struct reader *reader, const char *end)
{
    size_t length = (size_t)(end - reader->at), domain = reader->server_domain_length;

    return domain != 0 && length >= domain &&
           strncasecmp(end - domain, reader->server_domain, domain) == 0 &&
           (length == domain || end[-(ptrdiff_t)domain - 1] == '.');
}

/* "550-" before more: the code of a further line. */
static bool is_code(const char *at)
{
    return is_digit(at[0]) && is_digit(at[1]) && is_digit(at[2]) && at[3] == '-';
}

/* "a.example", not "7.5" or "v1.2": the last label begins with two letters. */
static bool is_host_name(const char *at, const char *end)
{
    const char *label = end;

    while (label > at && label[-1] != '.')
        label--;
    return label > at && end - label > 1 && !is_digit(label[0]) && !is_digit(label[1]);
}

bool reply_words_is_name(const char *text, size_t length)
{
    const char *label = text + length;

    while (label > text && label[-1] != '.') {
        label--;
        if ((*label < 'a' || *label > 'z') && *label != '-' && !is_digit(*label))
            return false;
    }
    return is_host_name(text, text + length) && memmem(text, length, "..", 2) == NULL;
}

/* What may stand in the address of a page (RFC 3986), but for the brackets people put around it. */
static bool is_page(char c) { return c > ' ' && c < 0x7f && strchr("\"<>()[]{}", c) == NULL; }

/* Behind a scheme or a host name the address of a page goes on with "://", "/", "?" or a port. */
static void find_page(struct reader *reader, const char *at, bool host)
{
    const char *end = reader->end;

    if (end - at < 4 || at < reader->page)
        return;
    if (host ? *at == '/' || *at == '?' || (*at == ':' && is_digit(at[1]))
             : memcmp(at, "://", 3) == 0) {
        while (at < end && is_page(*at))
            at++;
        reader->page = at;
    }
}

/* A word, or a name of several with dots and hyphens. */
static void take_word(struct reader *reader)
{
    const char *end = reader->at;
    bool dotted = false;

    while (end < reader->end && is_host(*end) && !(end - reader->at == 3 && is_code(reader->at)))
        dotted |= *end++ == '.';
    while (end > reader->at + 1 && (end[-1] == '.' || end[-1] == '-'))
        end--;
    size_t length = (size_t)(end - reader->at);
    bool name = dotted && reply_words_is_name(reader->at, length);
    if ((is_digit(*reader->at) && take_number(reader, end)) || is_their_name(reader, end)) {
        put_space(reader->words);
    } else {
        if (name || reader->at < reader->page)
            reply_words_add_name(reader->words, reader->at, length);
        else
            reply_words_add(reader->words, reader->at, length);
        if (name || (dotted && is_host_name(reader->at, end)))
            reply_words_add_marker(reader->words, MARKER_HOST);
    }
    find_page(reader, end, name);
    reader->at = end;
    reader->previous = end[-1];
}

void reply_words_make(struct reply_words *words, uint16_t code, const char *text,
                      const struct reply_context *context)
{
    struct reader reader = {.words = words,
                            .at = text,
                            .end = text + strnlen(text, REPLY_WORDS_MAX),
                            .checked = text,
                            .page = text,
                            .previous = ' ',
                            .code = code};

    words->length = words->word = 0;
    memset(words->enhanced, 0, sizeof(words->enhanced));
    learn_names(&reader, context);
    reply_words_add_marker(words, MARKER_EDGE);
    while (reader.at < reader.end) {
        char c = *reader.at;
        if (c == ' ') {
            put_space(words);
        } else if (take_name(&reader) ||
                   (reader.at >= reader.page && is_address(c) && take_address(&reader))) {
            continue;
        } else if (is_word(c)) {
            take_word(&reader);
            continue;
        } else {
            reply_words_add(words, reader.at, 1);
        }
        reader.previous = c;
        reader.at++;
    }
    words->length = words->length > REPLY_WORDS_MAX - 8 ? REPLY_WORDS_MAX - 8 : words->length;
    reply_words_add_marker(words, MARKER_EDGE);
}
