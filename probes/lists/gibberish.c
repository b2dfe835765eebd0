/* Three signs, the strongest counts:
 *   - letter triples that no name or word has (data/triples.txt, made from the names of some sixty
 * languages);
 *   - letters and digits in turns ("x7k2p9qa"), which nobody types as a name;
 *   - neighbouring keys in a row ("asdfgh"), or one key held down ("aaaaa"). */
#include "probes/lists/gibberish.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "probes/lists/embedded.h"

enum {
    EDGE = 26,         /* index of a word's edge beside the 26 letters */
    LETTERS_LEAST = 6, /* fewer say nothing */
    TURNS_LEAST = 4,   /* between letters and digits: "j4n3t" is a name with 4 */
    TURNS_SURE = 8,
    WALK_LEAST = 5 /* keys in a row */
};

static uint32_t natural[27][27]; /* bit i: letter i follows these two somewhere */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int index_of(char c)
{
    return c >= 'a' && c <= 'z' ? c - 'a' : c >= 'A' && c <= 'Z' ? c - 'A' : EDGE;
}

static bool is_letter(char c) { return index_of(c) != EDGE; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* "ab cdz_": after "ab" stand c, d, z or the word's end. */
static void read_line(const char *line, const char *end)
{
    uint32_t *followers;

    if (end - line < 4 || line[0] == '#' || line[2] != ' ')
        return;
    followers = &natural[index_of(line[0])][index_of(line[1])];
    for (const char *at = line + 3; at < end; at++)
        *followers |= 1u << index_of(*at);
}

static void read_triples(void)
{
    size_t length;
    const char *at = list_triples(&length), *end = at + length;

    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));

        if (stop == NULL)
            stop = end;
        read_line(at, stop);
        at = stop + 1;
    }
}

/* Share of the letter triples that are not natural. */
static double unnatural(const char *local, size_t length)
{
    unsigned triples = 0, strange = 0, letters = 0;
    int before = EDGE, last = EDGE;

    for (size_t i = 0; i <= length; i++) {
        int now = i < length ? index_of(local[i]) : EDGE;

        letters += now != EDGE;
        if (last != EDGE) {
            triples++;
            strange += (natural[before][last] >> now & 1) == 0;
        }
        before = now == EDGE ? EDGE : last;
        last = now;
    }
    return letters < LETTERS_LEAST || triples == 0 ? 0.0 : (double)strange / triples;
}

/* Turns from letter to digit and back, beyond the one that "jane1985" has. */
static double turning(const char *local, size_t length)
{
    unsigned turns = 0;

    for (size_t i = 1; i < length; i++)
        turns += (is_letter(local[i - 1]) && is_digit(local[i])) ||
                 (is_digit(local[i - 1]) && is_letter(local[i]));
    if (turns <= TURNS_LEAST)
        return 0.0;
    return turns >= TURNS_SURE ? 1.0 : 0.5 + (turns - TURNS_LEAST - 1) / (double)TURNS_SURE;
}

/* 1 or -1: `b` is the next key to the right or left of `a`; 2: the same key; 0: neither. */
static int step(char a, char b)
{
    static const char rows[] = "qwertyuiop asdfghjkl zxcvbnm";
    const char *at = is_letter(a) && is_letter(b) ? strchr(rows, 'a' + index_of(a)) : NULL;
    char other = (char)('a' + index_of(b));

    if (at == NULL)
        return 0;
    if (*at == other)
        return 2;
    if (at[1] == other)
        return 1;
    return at > rows && at[-1] == other ? -1 : 0;
}

/* Share of the local part that is keys in a row, in one direction. */
static double walking(const char *local, size_t length)
{
    size_t walked = 0, run = 1;
    int last = 0;

    for (size_t i = 1; i <= length; i++) {
        int now = i < length ? step(local[i - 1], local[i]) : 0;

        if (now != 0 && (now == last || run == 1)) {
            run++;
        } else {
            walked += run >= WALK_LEAST ? run : 0;
            run = now != 0 ? 2 : 1;
        }
        last = now;
    }
    return length == 0 ? 0.0 : (double)walked / (double)length;
}

double gibberish_score(const char *local, size_t length)
{
    double score, other;

    pthread_once(&once, read_triples);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)local[i] >= 0x80)
            return 0.0;
    score = unnatural(local, length);
    other = turning(local, length);
    score = other > score ? other : score;
    other = walking(local, length);
    return other > score ? other : score;
}

bool gibberish(const char *local, size_t length)
{
    return gibberish_score(local, length) >= GIBBERISH_THRESHOLD;
}
