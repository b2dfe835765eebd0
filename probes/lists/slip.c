#include "probes/lists/slip.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "probes/lists/snapshot.h"

/* In tenths of a slip. */
enum {
    COST_DOUBLED = 5, /* one letter too many or too few of two alike */
    COST_LOOKALIKE = 6,
    COST_NEW_LETTER = 6, /* the least it takes to be rid of a letter that the other word has not */
    COST_NEIGHBOUR = 7,
    COST_SWAPPED = 7,
    COST_VOWEL = 8,  /* one vowel for another: "yahou" */
    COST_SOUND = 10, /* "y" for "i" */
    COST_MOVED = 12, /* one letter that stands elsewhere: "icould" */
    COST_LEFT_OUT = 8,
    COST_ADDED = 9,
    COST_ADDED_FIRST = 10,
    COST_OTHER = 14,
    COST_OTHER_FIRST = 18,
    EXTRA_FIRST = 2,     /* a neighbour's key in first place */
    COST_DOT = 6,        /* a dot left out of a suffix */
    COST_BROKEN_OFF = 8, /* the end of a suffix left out, however much */
    COST_TAIL = 16,      /* something behind a suffix of three letters: "comcom" */
    TAIL_MAX = 3,
    MOVED_LEAST = 5 /* shorter words are too often made of another's letters */
};

/* What lies beside each key on QWERTY; of QWERTZ, what is beside its "y" and "z". */
#define KEY(c) (1u << ((c) - 'a'))
static const uint32_t beside[26] = {
    ['a' - 'a'] = KEY('q') | KEY('w') | KEY('s') | KEY('z'),
    ['b' - 'a'] = KEY('v') | KEY('g') | KEY('h') | KEY('n'),
    ['c' - 'a'] = KEY('x') | KEY('d') | KEY('f') | KEY('v'),
    ['d' - 'a'] = KEY('s') | KEY('e') | KEY('r') | KEY('f') | KEY('c') | KEY('x'),
    ['e' - 'a'] = KEY('w') | KEY('s') | KEY('d') | KEY('r'),
    ['f' - 'a'] = KEY('d') | KEY('r') | KEY('t') | KEY('g') | KEY('v') | KEY('c'),
    ['g' - 'a'] = KEY('f') | KEY('t') | KEY('y') | KEY('h') | KEY('b') | KEY('v'),
    ['h' - 'a'] = KEY('g') | KEY('y') | KEY('u') | KEY('j') | KEY('n') | KEY('b'),
    ['i' - 'a'] = KEY('u') | KEY('j') | KEY('k') | KEY('o'),
    ['j' - 'a'] = KEY('h') | KEY('u') | KEY('i') | KEY('k') | KEY('m') | KEY('n'),
    ['k' - 'a'] = KEY('j') | KEY('i') | KEY('o') | KEY('l') | KEY('m'),
    ['l' - 'a'] = KEY('k') | KEY('o') | KEY('p') | KEY('m'),
    ['m' - 'a'] = KEY('n') | KEY('j') | KEY('k') | KEY('l'),
    ['n' - 'a'] = KEY('b') | KEY('h') | KEY('j') | KEY('m'),
    ['o' - 'a'] = KEY('i') | KEY('k') | KEY('l') | KEY('p'),
    ['p' - 'a'] = KEY('o') | KEY('l'),
    ['q' - 'a'] = KEY('w') | KEY('a'),
    ['r' - 'a'] = KEY('e') | KEY('d') | KEY('f') | KEY('t'),
    ['s' - 'a'] = KEY('a') | KEY('w') | KEY('e') | KEY('d') | KEY('x') | KEY('z'),
    ['t' - 'a'] = KEY('r') | KEY('f') | KEY('g') | KEY('y') | KEY('z'),
    ['u' - 'a'] = KEY('y') | KEY('h') | KEY('j') | KEY('i') | KEY('z'),
    ['v' - 'a'] = KEY('c') | KEY('f') | KEY('g') | KEY('b'),
    ['w' - 'a'] = KEY('q') | KEY('a') | KEY('s') | KEY('e'),
    ['x' - 'a'] = KEY('z') | KEY('s') | KEY('d') | KEY('c') | KEY('y'),
    ['y' - 'a'] = KEY('t') | KEY('g') | KEY('h') | KEY('u') | KEY('x'),
    ['z' - 'a'] = KEY('a') | KEY('s') | KEY('x') | KEY('t') | KEY('u'),
};
static const char looks_alike[128][3] = {
    ['0'] = "o", ['o'] = "0", ['1'] = "li", ['l'] = "1i", ['i'] = "1l",
    ['3'] = "e", ['e'] = "3", ['5'] = "s",  ['s'] = "5",
};

static bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

static bool neighbours(char a, char b)
{
    return is_letter(a) && is_letter(b) && (beside[a - 'a'] & KEY(b)) != 0;
}

static bool alike(char a, char b)
{
    const char *others = looks_alike[a & 0x7f];

    return b != '\0' && (others[0] == b || others[1] == b);
}

static bool is_vowel(char c)
{
    return is_letter(c) && ((KEY('a') | KEY('e') | KEY('i') | KEY('o') | KEY('u')) & KEY(c)) != 0;
}

static unsigned replaced(enum slip_part part, char typed, char meant, bool first)
{
    if (typed == meant)
        return 0;
    if (alike(typed, meant))
        return COST_LOOKALIKE;
    if (neighbours(typed, meant))
        return COST_NEIGHBOUR + (first && part == SLIP_NAME ? EXTRA_FIRST : 0);
    if (first)
        return COST_OTHER_FIRST;
    if ((typed == 'y' && meant == 'i') || (typed == 'i' && meant == 'y'))
        return COST_SOUND;
    return is_vowel(typed) && is_vowel(meant) ? COST_VOWEL : COST_OTHER;
}

/* `meant[at]` was not typed. */
static unsigned left_out(const char *meant, size_t at)
{
    if (meant[at] == '.')
        return COST_DOT;
    return at > 0 && meant[at] == meant[at - 1] ? COST_DOUBLED : COST_LEFT_OUT;
}

/* `typed[at]` was not meant. */
static unsigned added(enum slip_part part, const char *typed, size_t at, size_t length)
{
    if (at > 0 && typed[at] == typed[at - 1])
        return COST_DOUBLED;
    if (at == 0 && part == SLIP_NAME)
        return at + 1 < length && typed[at] == typed[at + 1] ? COST_DOUBLED : COST_ADDED_FIRST;
    if ((at > 0 && neighbours(typed[at], typed[at - 1])) ||
        (at + 1 < length && neighbours(typed[at], typed[at + 1])))
        return COST_NEIGHBOUR;
    return COST_ADDED;
}

static unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }

/* "gmail.c" for "gmail.com": the rest of the suffix was never typed; or more was than is there. */
static unsigned wrong_end(const char *typed, size_t n, const char *meant, size_t m)
{
    if (n > 0 && n < m && memcmp(typed, meant, n) == 0)
        return COST_BROKEN_OFF;
    if (m == 3 && n > m && n <= m + TAIL_MAX && memcmp(typed, meant, m) == 0)
        return COST_TAIL;
    return SLIP_TOO_MUCH;
}

/* All the letters are there, one of them further to the left or right than it should be. */
static unsigned moved(const char *typed, const char *meant, size_t length)
{
    size_t from = 0, to = length - 1;

    while (from < length && typed[from] == meant[from])
        from++;
    while (to > from && typed[to] == meant[to])
        to--;
    size_t between = to - from;
    if ((typed[to] == meant[from] && memcmp(typed + from, meant + from + 1, between) == 0) ||
        (typed[from] == meant[to] && memcmp(typed + from + 1, meant + from, between) == 0))
        return COST_MOVED;
    return SLIP_TOO_MUCH;
}

/* Optimal string alignment (Damerau), row by row over `meant`; given up when no cell of two rows
 * is within `limit`. */
static unsigned aligned(enum slip_part part, const char *typed, size_t n, const char *meant,
                        size_t m, unsigned limit)
{
    uint16_t rows[3][SLIP_WORD_MAX + 1], extra[SLIP_WORD_MAX + 1];
    unsigned last_least = 0;

    rows[0][0] = 0;
    for (size_t i = 1; i <= n; i++) {
        extra[i] = (uint16_t)added(part, typed, i - 1, n);
        rows[0][i] = (uint16_t)(rows[0][i - 1] + extra[i]);
    }
    for (size_t j = 1; j <= m; j++) {
        uint16_t *row = rows[j % 3], *last = rows[(j + 2) % 3], *before = rows[(j + 1) % 3];
        unsigned missing = left_out(meant, j - 1), row_least;

        row[0] = (uint16_t)(last[0] + missing);
        row_least = row[0];
        for (size_t i = 1; i <= n; i++) {
            unsigned cost =
                last[i - 1] + replaced(part, typed[i - 1], meant[j - 1], i == 1 || j == 1);

            cost = least(cost, last[i] + missing);
            cost = least(cost, (unsigned)row[i - 1] + extra[i]);
            if (i > 1 && j > 1 && typed[i - 1] == meant[j - 2] && typed[i - 2] == meant[j - 1] &&
                typed[i - 1] != typed[i - 2])
                cost = least(cost, before[i - 2] + (unsigned)COST_SWAPPED);
            row[i] = (uint16_t)cost;
            row_least = least(row_least, cost);
        }
        if (row_least > limit && last_least > limit)
            return SLIP_TOO_MUCH;
        last_least = row_least;
    }
    return rows[m % 3][n];
}

/* Cheap, and true for nearly all pairs: one change accounts for one letter of each word. */
static bool too_different(const char *typed, size_t n, const char *meant, size_t m, unsigned limit)
{
    uint32_t ours = letters_of(typed, n), theirs = letters_of(meant, m);
    unsigned most = limit / COST_NEW_LETTER;

    return (unsigned)__builtin_popcount(ours & ~theirs) > most ||
           (unsigned)__builtin_popcount(theirs & ~ours) > most;
}

unsigned slip_cost(enum slip_part part, const char *typed, size_t typed_length, const char *meant,
                   size_t meant_length, unsigned limit)
{
    unsigned cost = SLIP_TOO_MUCH;

    if (typed_length > SLIP_WORD_MAX || meant_length > SLIP_WORD_MAX)
        return SLIP_TOO_MUCH;
    if (typed_length == meant_length && memcmp(typed, meant, typed_length) == 0)
        return 0;
    if (!too_different(typed, typed_length, meant, meant_length, limit))
        cost = aligned(part, typed, typed_length, meant, meant_length, limit);
    if (part == SLIP_SUFFIX)
        cost = least(cost, wrong_end(typed, typed_length, meant, meant_length));
    else if (typed_length == meant_length && typed_length >= MOVED_LEAST)
        cost = least(cost, moved(typed, meant, typed_length));
    return cost <= limit ? cost : SLIP_TOO_MUCH;
}
