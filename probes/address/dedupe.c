/* dedupe.c - from a mailbox to the key that all its spellings share. */
#include "probes/address/dedupe.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>

#include "probes/base/text.h"

enum { YAHOO_PART_MAX = 32 };

/* Where "base-keyword" of Yahoo has its hyphen: exactly one, both parts there and short. */
static const char *keyword_hyphen(const char *local, size_t length)
{
    const char *hyphen = memchr(local, '-', length);
    size_t base = hyphen == NULL ? 0 : (size_t)(hyphen - local);

    if (hyphen == NULL || base == 0 || base > YAHOO_PART_MAX || base + 1 == length ||
        length - base - 1 > YAHOO_PART_MAX || memchr(hyphen + 1, '-', length - base - 1) != NULL)
        return NULL;
    return hyphen;
}

struct local_parts local_split(const struct address *address, const struct provider_rule *rule)
{
    struct local_parts parts = {address->local, strlen(address->local), "", 0};
    const char *cut = NULL;

    if (address->quoted_local)
        return parts;
    if (rule->key & KEY_CUT_PLUS)
        cut = memchr(parts.base, '+', parts.base_length);
    else if (rule->key & KEY_CUT_HYPHEN)
        cut = keyword_hyphen(parts.base, parts.base_length);
    if (cut == NULL || cut == parts.base) /* "+tag" alone names no mailbox but itself */
        return parts;
    parts.tag = cut + 1;
    parts.tag_length = parts.base_length - (size_t)(cut - parts.base) - 1;
    parts.base_length = (size_t)(cut - parts.base);
    return parts;
}

/* Copies `base` in lower case as the rule spells it; returns the length. */
static size_t spell(const char *base, size_t length, unsigned key, char *out)
{
    size_t used = 0;

    for (size_t i = 0; i < length; i++) {
        char c = base[i];
        if ((c == '.' && key & (KEY_DROP_DOTS | KEY_DROP_SPECIALS)) ||
            ((c == '_' || c == '-') && key & KEY_DROP_SPECIALS))
            continue;
        if (c == '.' && key & KEY_DOT_IS_HYPHEN)
            c = '-';
        out[used++] = c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
    }
    return used;
}

/* Lower case beyond ASCII, in place; what does not fit stays as it is. */
static size_t lower_unicode(char *text, size_t length, size_t size)
{
    uint8_t lowered[2 * ADDRESS_LOCAL_MAX];
    size_t used = sizeof(lowered);
    uint8_t *result = u8_tolower((const uint8_t *)text, length, "", UNINORM_NFC, lowered, &used);

    if (result != NULL && used <= size) {
        memcpy(text, result, used);
        length = used;
    }
    if (result != lowered)
        free(result);
    return length;
}

void dedupe_key(const struct address *address, const struct provider_rule *rule,
                const struct local_parts *parts, char out[ADDRESS_TEXT_SIZE])
{
    enum { LOCAL_KEY_MAX = 2 * ADDRESS_LOCAL_MAX };
    const char *domain = rule->key_domain != NULL ? rule->key_domain : address->domain_ascii;
    const char *base = parts->base;
    size_t length = parts->base_length, user = provider_user_label(address->domain_ascii);
    size_t used;

    if (user > 0) { /* anything@user.fastmail.com is user@fastmail.com */
        base = address->domain_ascii;
        length = user;
        domain = address->domain_ascii + user + 1;
    }
    used = spell(base, length, address->quoted_local ? 0 : rule->key, out);
    if (used == 0) /* nothing but dots was left: then they do count */
        used = spell(base, length, 0, out);
    if (address->non_ascii_local && user == 0)
        used = lower_unicode(out, used, LOCAL_KEY_MAX);
    out[used++] = '@';
    memcpy(out + used, domain, strlen(domain) + 1);
    if (address->literal)
        text_lower(out + used);
}
