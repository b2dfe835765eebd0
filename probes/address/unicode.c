/* unicode.c - which characters a local part may hold (RFC 6532 section 3.1 and what mail
 * programs must not be tricked with), its normal form, and whether scripts are mixed. */
#include <stdlib.h>
#include <string.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "probes/address/scan.h"
#include "probes/base/mem.h"

/* Invisible, or turning the line around: what is seen is not what is sent. */
static bool is_deceptive(ucs4_t character)
{
    static const struct {
        ucs4_t first, last;
    } ranges[] = {
        {0x00AD, 0x00AD},   /* soft hyphen */
        {0x034F, 0x034F},   /* combining grapheme joiner */
        {0x061C, 0x061C},   /* Arabic letter mark */
        {0x115F, 0x1160},   /* Hangul fillers */
        {0x17B4, 0x17B5},   /* Khmer inherent vowels */
        {0x180B, 0x180F},   /* Mongolian selectors and vowel separator */
        {0x200B, 0x200B},   /* zero width space; its neighbours, the joiners, change what is seen */
        {0x200E, 0x200F},   /* left-to-right mark, right-to-left mark */
        {0x202A, 0x202E},   /* embeddings and overrides */
        {0x2060, 0x206F},   /* word joiner, invisible operators, isolates, deprecated formats */
        {0x3164, 0x3164},   /* Hangul filler */
        {0xFEFF, 0xFEFF},   /* byte order mark */
        {0xFFA0, 0xFFA0},   /* half-width Hangul filler */
        {0xFFF9, 0xFFFB},   /* interlinear annotation */
        {0xE0000, 0xE0FFF}, /* tags and supplementary selectors */
    };
    for (size_t i = 0; i < ARRAY_LENGTH(ranges); i++)
        if (character >= ranges[i].first && character <= ranges[i].last)
            return true;
    return false;
}

size_t unicode_check(const char *bytes, size_t length, bool first, enum address_code *code)
{
    ucs4_t character;
    int size = u8_mbtoucr(&character, (const uint8_t *)bytes, length);

    if (size <= 0) {
        *code = ADDRESS_BAD_UTF8;
        return 0;
    }
    *code = ADDRESS_UNSAFE_UNICODE;
    if (is_deceptive(character))
        return 0;
    if (uc_is_general_category_withtable(character, UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Z |
                                                        UC_CATEGORY_MASK_Co | UC_CATEGORY_MASK_Cn))
        return 0;
    if (first && uc_is_general_category_withtable(character, UC_CATEGORY_MASK_M))
        return 0; /* it would combine with what stands before the address */
    return (size_t)size;
}

size_t unicode_nfc(const char *bytes, size_t length, char *out, size_t size)
{
    size_t used = size;
    uint8_t *result =
        u8_normalize(UNINORM_NFC, (const uint8_t *)bytes, length, (uint8_t *)out, &used);

    if (result == (uint8_t *)out)
        return used;
    free(result); /* it did not fit and was put on the heap */
    return 0;
}

enum {
    BIDI_LEFT = 1,
    BIDI_RIGHT = 2, /* R, AL */
    BIDI_EUROPEAN = 4,
    BIDI_ARABIC = 8,
    BIDI_MARK = 16, /* NSM: as what it stands on */
    BIDI_OTHER = 32
};

static unsigned bidi_class(ucs4_t character)
{
    static const uint8_t classes[] = {
        [UC_BIDI_L] = BIDI_LEFT,      [UC_BIDI_R] = BIDI_RIGHT,   [UC_BIDI_AL] = BIDI_RIGHT,
        [UC_BIDI_EN] = BIDI_EUROPEAN, [UC_BIDI_AN] = BIDI_ARABIC, [UC_BIDI_NSM] = BIDI_MARK,
    };
    size_t category = (size_t)uc_bidi_category(character);

    return category < ARRAY_LENGTH(classes) && classes[category] != 0 ? classes[category]
                                                                      : BIDI_OTHER;
}

/* The character at *i, which moves behind it. False: no UTF-8. */
static bool take_character(const char *bytes, size_t length, size_t *i, ucs4_t *character)
{
    int size = u8_mbtoucr(character, (const uint8_t *)bytes + *i, length - *i);

    if (size <= 0)
        return false;
    *i += (size_t)size;
    return true;
}

bool unicode_bidi_valid(const char *bytes, size_t length)
{
    unsigned seen = 0, first = 0, last = 0;

    for (size_t i = 0; i < length;) {
        ucs4_t character;
        if (!take_character(bytes, length, &i, &character))
            return false;
        unsigned class = bidi_class(character);
        first = first == 0 ? class : first;
        last = class == BIDI_MARK ? last : class;
        seen |= class;
    }
    if ((seen & (BIDI_RIGHT | BIDI_ARABIC)) == 0)
        return true;
    return first == BIDI_RIGHT && (seen & BIDI_LEFT) == 0 &&
           (last & (BIDI_RIGHT | BIDI_EUROPEAN | BIDI_ARABIC)) != 0 &&
           (seen & (BIDI_EUROPEAN | BIDI_ARABIC)) != (BIDI_EUROPEAN | BIDI_ARABIC);
}

enum {
    SCRIPT_LATIN = 1,
    SCRIPT_HAN = 2,
    SCRIPT_HIRAGANA = 4,
    SCRIPT_KATAKANA = 8,
    SCRIPT_HANGUL = 16,
    SCRIPT_BOPOMOFO = 32,
    SCRIPT_OTHER = 64
};

static unsigned script_bit(const uc_script_t *script)
{
    static const struct {
        const char *name;
        unsigned bit;
    } rows[] = {
        {"Common", 0},
        {"Inherited", 0},
        {"Latin", SCRIPT_LATIN},
        {"Han", SCRIPT_HAN},
        {"Hiragana", SCRIPT_HIRAGANA},
        {"Katakana", SCRIPT_KATAKANA},
        {"Hangul", SCRIPT_HANGUL},
        {"Bopomofo", SCRIPT_BOPOMOFO},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (strcmp(script->name, rows[i].name) == 0)
            return rows[i].bit;
    return SCRIPT_OTHER;
}

/* What people write together: Japanese, Korean, Chinese with Bopomofo; each with Latin. */
static bool is_known_mixture(unsigned scripts)
{
    static const unsigned mixtures[] = {
        SCRIPT_LATIN | SCRIPT_HAN | SCRIPT_HIRAGANA | SCRIPT_KATAKANA,
        SCRIPT_LATIN | SCRIPT_HAN | SCRIPT_HANGUL,
        SCRIPT_LATIN | SCRIPT_HAN | SCRIPT_BOPOMOFO,
    };
    for (size_t i = 0; i < ARRAY_LENGTH(mixtures); i++)
        if ((scripts & ~mixtures[i]) == 0)
            return true;
    return scripts == SCRIPT_OTHER;
}

bool unicode_mixed_script(const char *bytes, size_t length)
{
    const uc_script_t *other = NULL;
    unsigned scripts = 0;

    for (size_t i = 0; i < length;) {
        ucs4_t character;
        if (!take_character(bytes, length, &i, &character))
            return false;
        const uc_script_t *script = uc_script(character);
        if (script == NULL)
            continue;
        unsigned bit = script_bit(script);
        if (bit == SCRIPT_OTHER && other != NULL && other != script)
            return true;
        if (bit == SCRIPT_OTHER)
            other = script;
        scripts |= bit;
    }
    return !is_known_mixture(scripts);
}
