/* lookalike.c - accents are taken off by canonical decomposition; the letters that other scripts
 * share with Latin by their looks stand in one table (after UTS #39, lower case only). */
#include "probes/address/lookalike.h"

#include <stdlib.h>
#include <string.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "probes/address/address.h"
#include "probes/base/mem.h"

enum { DECOMPOSED_MAX = 4 * ADDRESS_DOMAIN_MAX };

/* 0 = looks like no Latin letter. */
static char latin_for(ucs4_t character)
{
    static const struct {
        uint16_t character;
        char latin;
    } rows[] = {
        {0x0131, 'i'}, {0x0142, 'l'}, {0x00F8, 'o'}, {0x0111, 'd'}, {0x0261, 'g'}, /* Latin */
        {0x03B1, 'a'}, {0x03B9, 'i'}, {0x03BD, 'v'}, {0x03BF, 'o'}, {0x03C1, 'p'}, /* Greek */
        {0x03C5, 'u'}, {0x03BA, 'k'},                                              /* Greek */
        {0x0430, 'a'}, {0x0435, 'e'}, {0x043E, 'o'}, {0x0440, 'p'}, {0x0441, 'c'}, /* Cyrillic */
        {0x0443, 'y'}, {0x0445, 'x'}, {0x0455, 's'}, {0x0456, 'i'}, {0x0458, 'j'}, /* Cyrillic */
        {0x04BB, 'h'}, {0x04CF, 'l'}, {0x0501, 'd'}, {0x051B, 'q'}, {0x051D, 'w'}, /* Cyrillic */
        {0x043A, 'k'}, {0x043C, 'm'}, {0x0442, 't'},                               /* Cyrillic */
    };

    if (character < 0x80)
        return (char)character;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (rows[i].character == character)
            return rows[i].latin;
    return '\0';
}

bool lookalike_plain(const char *text, char *out, size_t size)
{
    uint8_t decomposed[DECOMPOSED_MAX];
    size_t length = sizeof(decomposed), used = 0;
    uint8_t *result =
        u8_normalize(UNINORM_NFD, (const uint8_t *)text, strlen(text), decomposed, &length);
    bool plain = result == decomposed;

    for (size_t i = 0; plain && i < length;) {
        ucs4_t character;
        int step = u8_mbtoucr(&character, decomposed + i, length - i);
        char latin = step > 0 ? latin_for(character) : '\0';
        bool mark = step > 0 && uc_is_general_category_withtable(character, UC_CATEGORY_MASK_Mn);
        plain = step > 0 && (mark || latin != '\0') && used + 1 < size;
        if (plain && !mark)
            out[used++] = latin;
        i += step > 0 ? (size_t)step : 1;
    }
    if (result != decomposed)
        free(result);
    if (plain)
        out[used] = '\0';
    return plain;
}
