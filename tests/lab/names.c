#include "tests/lab/names.h"

#include <stdio.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"

static const char *const firsts[] = {"amber",   "birch",   "cedar", "delta",  "ember",   "fern",
                                     "granite", "harbor",  "iris",  "jasper", "kestrel", "linden",
                                     "maple",   "north",   "opal",  "poplar", "quartz",  "river",
                                     "silver",  "thistle", "umber", "violet", "willow",  "yarrow"};
static const char *const seconds[] = {"field", "works", "bridge", "press", "foods", "tools",
                                      "labs",  "mill",  "yard",   "house", "craft", "print",
                                      "cycle", "glass", "stone",  "trade"};
static const char *const foreign_firsts[] = {"müller", "übung",  "señal",
                                             "façade", "пример", "例え"};

static const char *const given_names[] = {"anna",   "ben",   "carla",  "david", "elena", "farid",
                                          "greta",  "hugo",  "ines",   "jane",  "karim", "lena",
                                          "marco",  "nadia", "oscar",  "paula", "quinn", "rosa",
                                          "stefan", "tara",  "ulrich", "vera",  "wim",   "yusuf"};
static const char *const family_names[] = {"adler",  "brown", "costa", "doe",   "evans", "fischer",
                                           "garcia", "haas",  "ito",   "jones", "klein", "larsen",
                                           "moreau", "novak", "olsen", "peters"};
static const char *const foreign_names[] = {"jürgen", "søren", "zoë", "андрей", "用户", "josé"};

#define PICK(dice, list) ((list)[dice_below((dice), (uint32_t)ARRAY_LENGTH(list))])

void name_domain(struct dice *dice, uint32_t number, char *out, size_t size)
{
    const char *second = PICK(dice, seconds);

    if (dice_below(dice, 40) == 0)
        snprintf(out, size, "%s-%s%u.test", PICK(dice, foreign_firsts), second, number);
    else
        snprintf(out, size, "%s%s%u.test", PICK(dice, firsts), second, number);
}

static void capitalise(char *text)
{
    for (char *at = text; *at != '\0'; at++)
        if (at == text || at[-1] == '.')
            *at = *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at;
}

void name_local(struct dice *dice, uint32_t number, bool beyond_ascii, char *out, size_t size)
{
    const char *given = PICK(dice, given_names), *family = PICK(dice, family_names);
    uint32_t form = dice_below(dice, 40);

    if (beyond_ascii)
        snprintf(out, size, "%s%u", PICK(dice, foreign_names), number);
    else if (form == 0)
        snprintf(out, size, "\"%s %s%u\"", given, family, number);
    else if (form < 3)
        snprintf(out, size, "%s%u+news", given, number);
    else if (form < 5)
        snprintf(out, size, "%s_o'%s%u", given, family, number);
    else if (form < 14)
        snprintf(out, size, "%c.%s%u", given[0], family, number);
    else if (form < 20)
        snprintf(out, size, "%s%u", given, number);
    else
        snprintf(out, size, "%s.%s%u", given, family, number);
    if (form >= 36 && !beyond_ascii)
        capitalise(out);
}

/* --- addresses that are none ---------------------------------------------------------- */

static const char syntax[] = "invalid_syntax", reserved[] = "reserved_domain",
                  literal[] = "domain_literal";

/* # = a number; ~ = sixty x */
static const struct {
    const char *pattern;
    const char *reason;
} raw_kinds[] = {
    {"no-at-sign-#", syntax},
    {"two@signs-#@lab.test", syntax},
    {".dot-first-#@lab.test", syntax},
    {"dot-last-#.@lab.test", syntax},
    {"two..dots-#@lab.test", syntax},
    {"@no-local-#.test", syntax},
    {"no-domain-#@", syntax},
    {"jane-#@-edge.test", syntax},
    {"jane-#@edge-.test", syntax},
    {"jane-#@under_score.test", syntax},
    {"jane-#@empty..label.test", syntax},
    {"jane doe-#@lab.test", syntax},
    {"\"no-closing-quote-#@lab.test", syntax},
    {"\"quoted\"text-#@lab.test", syntax},
    {"jane(comment)-#@lab.test", syntax},
    {"Jane <jane-#@lab.test>", syntax},
    {"jane,doe-#@lab.test", syntax},
    {"local-too-long-~-#@lab.test", syntax},
    {"jane-#@label-too-long-~.test", syntax},
    {"jane-#@one-label", syntax},
    {"jane-#@lab.nosuchtopleveldomain", syntax},
    {"jane-#@192.0.2.1", syntax},
    {"jane-#@[192.0.2.300]", syntax},
    {"jane-#@[192.0.2.1", syntax},
    {"jane-#@example.com", reserved},
    {"jane-#@mail.example.org", reserved},
    {"jane-#@host.invalid", reserved},
    {"jane-#@printer.local", reserved},
    {"jane-#@machine.localhost", reserved},
    {"jane-#@hidden.onion", reserved},
    {"jane-#@router.home.arpa", reserved},
    {"jane-#@[192.0.2.1]", literal},
    {"jane-#@[IPv6:2001:db8::25]", literal},
};

size_t name_raw_kinds(void) { return ARRAY_LENGTH(raw_kinds); }

const char *name_raw(uint32_t kind, uint32_t number, char *out, size_t size)
{
    static const char sixty[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    size_t index = kind % ARRAY_LENGTH(raw_kinds);
    struct text text;

    text_init(&text, size - 1);
    for (const char *at = raw_kinds[index].pattern; *at != '\0'; at++) {
        if (*at == '#')
            text_format(&text, "%u", number);
        else if (*at == '~')
            text_put(&text, sixty);
        else
            text_char(&text, *at);
    }
    snprintf(out, size, "%s", text.bytes);
    text_free(&text);
    return raw_kinds[index].reason;
}
