/* provider_rules.c - the table of provider rules, and the check against one row.
 *
 * Sources: the providers' own sign-up help (Google 9211434, Mail.ru, Proton, Yahoo, Yandex) and
 * public validators that publish the same rules. Providers without a published rule have a row only
 * for what makes two spellings one mailbox. */
#include "probes/address/provider_rules.h"

#include <string.h>

#include "probes/address/scan.h"
#include "probes/base/mem.h"

enum family {
    GMAIL,
    YAHOO,
    AOL,
    MICROSOFT,
    APPLE,
    PROTON,
    MAIL_RU,
    YANDEX,
    PLUS_ONLY, /* "+tag" is known to work, nothing else is */
    NO_TAGS,   /* "+" is a character like any other, or none at all */
    OTHERS
};

static const struct provider_rule rules[] = {
    [GMAIL] = {.name = "gmail",
               .key_domain = "gmail.com",
               .key = KEY_CUT_PLUS | KEY_DROP_DOTS,
               .characters = ".",
               .hard_characters = "_'&=,-",
               .shortest = 6,
               .longest = 30,
               .hard_longest = true},
    [YAHOO] = {.name = "yahoo",
               .key = KEY_CUT_HYPHEN,
               .characters = "._",
               .shortest = 3,
               .longest = 32,
               .first = FIRST_LETTER,
               .dots_max = 1,
               .no_double_special = true},
    [AOL] = {.name = "aol",
             .characters = "._",
             .shortest = 3,
             .longest = 32,
             .first = FIRST_LETTER,
             .no_double_special = true},
    [MICROSOFT] = {.name = "microsoft",
                   .key = KEY_CUT_PLUS,
                   .characters = "._-",
                   .last = "_-",
                   .shortest = 1,
                   .longest = 64,
                   .first = FIRST_ALNUM},
    [APPLE] = {.name = "apple",
               .key_domain = "icloud.com",
               .key = KEY_CUT_PLUS,
               .characters = "._",
               .shortest = 3,
               .longest = 20,
               .first = FIRST_LETTER,
               .no_double_special = true},
    [PROTON] = {.name = "proton", .key = KEY_CUT_PLUS | KEY_DROP_SPECIALS},
    [MAIL_RU] = {.name = "mail.ru",
                 .characters = "._-",
                 .shortest = 4,
                 .longest = 31,
                 .first = FIRST_ALNUM,
                 .no_double_special = true,
                 .hard = true},
    [YANDEX] = {.name = "yandex",
                .key_domain = "yandex.ru",
                .key = KEY_CUT_PLUS | KEY_DOT_IS_HYPHEN,
                .characters = ".-",
                .shortest = 1,
                .longest = 30,
                .first = FIRST_LETTER},
    [PLUS_ONLY] = {.name = "plus", .key = KEY_CUT_PLUS},
    [NO_TAGS] = {.name = "no tags"},
    [OTHERS] = {.name = "others", .key = KEY_CUT_PLUS},
};

#define NAME(text) text, sizeof(text) - 1
static const struct {
    const char *name;
    size_t length;
    enum family family;
} domains[] = {
    {NAME("gmail.com"), GMAIL},        {NAME("googlemail.com"), GMAIL},
    {NAME("ymail.com"), YAHOO},        {NAME("rocketmail.com"), YAHOO},
    {NAME("myyahoo.com"), YAHOO},      {NAME("aol.com"), AOL},
    {NAME("msn.com"), MICROSOFT},      {NAME("windowslive.com"), MICROSOFT},
    {NAME("passport.com"), MICROSOFT}, {NAME("icloud.com"), APPLE},
    {NAME("me.com"), APPLE},           {NAME("mac.com"), APPLE},
    {NAME("proton.me"), PROTON},       {NAME("protonmail.com"), PROTON},
    {NAME("protonmail.ch"), PROTON},   {NAME("pm.me"), PROTON},
    {NAME("mail.ru"), MAIL_RU},        {NAME("inbox.ru"), MAIL_RU},
    {NAME("list.ru"), MAIL_RU},        {NAME("bk.ru"), MAIL_RU},
    {NAME("internet.ru"), MAIL_RU},    {NAME("ya.ru"), YANDEX},
    {NAME("zoho.com"), PLUS_ONLY},     {NAME("zohomail.com"), PLUS_ONLY},
    {NAME("zoho.eu"), PLUS_ONLY},      {NAME("zoho.in"), PLUS_ONLY},
    {NAME("web.de"), NO_TAGS},         {NAME("qq.com"), NO_TAGS},
    {NAME("163.com"), NO_TAGS},        {NAME("126.com"), NO_TAGS},
    {NAME("naver.com"), NO_TAGS},      {NAME("tuta.com"), NO_TAGS},
    {NAME("tuta.io"), NO_TAGS},        {NAME("tutanota.com"), NO_TAGS},
    {NAME("tutanota.de"), NO_TAGS},    {NAME("tutamail.com"), NO_TAGS},
};

/* Providers with a domain per country: the first label, behind it only "fr", "co.uk", "com.br". */
static const struct {
    const char *name;
    size_t length;
    enum family family;
} country_names[] = {
    {NAME("yahoo."), YAHOO},    {NAME("hotmail."), MICROSOFT},  {NAME("outlook."), MICROSOFT},
    {NAME("live."), MICROSOFT}, {NAME("yandex."), YANDEX},      {NAME("gmx."), NO_TAGS},
    {NAME("aol."), AOL},        {NAME("fastmail."), PLUS_ONLY},
};

static bool is_country_ending(const char *ending)
{
    enum { LABEL_LONGEST = 3, LABELS_MAX = 2 };
    int labels = 0;

    while (*ending != '\0') {
        size_t length = strcspn(ending, ".");
        if (length < 2 || length > LABEL_LONGEST || ++labels > LABELS_MAX)
            return false;
        ending += length + (ending[length] == '.');
    }
    return labels > 0;
}

const struct provider_rule *provider_rule_for(const char *domain)
{
    size_t length = strlen(domain);

    for (size_t i = 0; i < ARRAY_LENGTH(domains); i++)
        if (domains[i].length == length && memcmp(domains[i].name, domain, length) == 0)
            return &rules[domains[i].family];
    for (size_t i = 0; i < ARRAY_LENGTH(country_names); i++)
        if (strncmp(domain, country_names[i].name, country_names[i].length) == 0 &&
            is_country_ending(domain + country_names[i].length))
            return &rules[country_names[i].family];
    if (provider_user_label(domain) > 0)
        return &rules[PLUS_ONLY];
    return &rules[OTHERS];
}

size_t provider_user_label(const char *domain)
{
    size_t label = strcspn(domain, ".");
    const char *rest = domain + label;

    return strcmp(rest, ".fastmail.com") == 0 || strcmp(rest, ".fastmail.fm") == 0 ? label : 0;
}

/* --- the check --------------------------------------------------------------------------- */

static bool is_alnum(char c) { return (address_octets[(uint8_t)c] & OCTET_LETTER_DIGIT) != 0; }

static bool is_letter(char c) { return is_alnum(c) && !(address_octets[(uint8_t)c] & OCTET_DIGIT); }

static bool is_among(char c, const char *characters)
{
    return characters != NULL && c != '\0' && strchr(characters, c) != NULL;
}

/* What the walk over a base counted. */
struct tally {
    size_t dots;
    bool strange, hard; /* a character that the provider does not have, or never had */
    bool doubled;
};

static struct tally tally_characters(const struct provider_rule *rule, const char *base,
                                     size_t length)
{
    struct tally tally = {0};

    for (size_t i = 0; i < length; i++) {
        tally.dots += base[i] == '.';
        if (is_alnum(base[i]))
            continue;
        tally.strange |= !is_among(base[i], rule->characters);
        tally.hard |= is_among(base[i], rule->hard_characters);
        tally.doubled |= i > 0 && !is_alnum(base[i - 1]);
    }
    return tally;
}

static bool edges_fit(const struct provider_rule *rule, const char *base, size_t length)
{
    char first = base[0], last = base[length - 1];

    if ((rule->first == FIRST_LETTER && !is_letter(first)) ||
        (rule->first == FIRST_ALNUM && !is_alnum(first)))
        return false;
    return is_alnum(last) || is_among(last, rule->last);
}

enum provider_syntax provider_rule_check(const struct provider_rule *rule, const char *base,
                                         size_t length)
{
    if (rule->characters == NULL)
        return PROVIDER_SYNTAX_OK;
    if (length == 0)
        return rule->hard ? PROVIDER_SYNTAX_HARD : PROVIDER_SYNTAX_SOFT;
    struct tally tally = tally_characters(rule, base, length);
    size_t counted = length - (rule->key & KEY_DROP_DOTS ? tally.dots : 0);
    bool too_long = counted > rule->longest;
    if (tally.hard || (too_long && rule->hard_longest))
        return PROVIDER_SYNTAX_HARD;
    if (!tally.strange && !too_long && counted >= rule->shortest &&
        (rule->dots_max == 0 || tally.dots <= rule->dots_max) &&
        !(tally.doubled && rule->no_double_special) && edges_fit(rule, base, length))
        return PROVIDER_SYNTAX_OK;
    return rule->hard ? PROVIDER_SYNTAX_HARD : PROVIDER_SYNTAX_SOFT;
}
