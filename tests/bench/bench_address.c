/* bench_address.c - addresses a second on one core: the parser alone, the whole floor, and beside
 * them a regular expression and python3-email-validator on the same input. CPU time, so that other
 * work on the machine does not count. */
#include <pcre2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "probes/address/address.h"
#include "probes/address/insight.h"
#include "probes/base/mem.h"
#include "probes/lists/lists.h"

enum { ADDRESSES = 100000, ROUNDS_PARSE = 20, ROUNDS_FLOOR = 5, ROUNDS_REGEX = 10 };

struct sample {
    char text[120];
    size_t length;
};

static const struct address_options options = {.allow_special_names = NULL, .check_tld = true};

static double cpu_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- the mix ------------------------------------------------------------------------------- */

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

#define PICK(list, seed) (list)[next_random(seed) % ARRAY_LENGTH(list)]

/* What a sign-up list looks like: two thirds at big providers, the rest at companies, a few slips,
 * throw-away domains, roles, foreign letters and rubbish. */
static void make_sample(struct sample *sample, uint32_t *seed)
{
    static const char *const given[] = {"jane", "john", "maria", "ahmed", "sophie", "lukas",
                                        "anna", "wei",  "olga",  "pedro", "info",   "sales"};
    static const char *const family[] = {"doe",    "smith",   "garcia",  "wang",  "khan",
                                         "martin", "mueller", "ivanova", "silva", "novak"};
    static const char *const big[] = {"gmail.com", "gmail.com",   "gmail.com",   "yahoo.com",
                                      "gmail.com", "hotmail.com", "outlook.com", "icloud.com",
                                      "web.de",    "orange.fr",   "yahoo.co.uk", "mail.ru"};
    static const char *const odd[] = {"gmial.com", "hotmail.con", "yaho.com",  "mailinator.com",
                                      "bücher.de", "example.com", "gmail,com", "outlok.com",
                                      "duck.com",  "[192.0.2.1]", "localhost", "xn--fa-hia.de"};
    static const char *const between[] = {".", "_", "", "."};
    uint32_t kind = next_random(seed) % 100, number = next_random(seed) % 1000;
    char domain[64], tail[16] = "";

    if (number < 300)
        snprintf(tail, sizeof(tail), "%u", number % 100);
    else if (number < 350)
        snprintf(tail, sizeof(tail), "+news");
    if (kind < 65)
        snprintf(domain, sizeof(domain), "%s", PICK(big, seed));
    else if (kind < 93)
        snprintf(domain, sizeof(domain), "%s-%s%u.%s", PICK(family, seed), PICK(given, seed),
                 number, number % 3 ? "com" : "de");
    else
        snprintf(domain, sizeof(domain), "%s", PICK(odd, seed));
    int length = snprintf(sample->text, sizeof(sample->text), "%s%s%s%s@%s", PICK(given, seed),
                          PICK(between, seed), PICK(family, seed), tail, domain);
    sample->length = (size_t)length;
}

/* --- what is measured ------------------------------------------------------------------------ */

static double bench_parse(const struct sample *samples, size_t *valid)
{
    struct address address;
    double begin = cpu_seconds();

    for (int round = 0; round < ROUNDS_PARSE; round++)
        for (size_t i = 0; i < ADDRESSES; i++)
            *valid += address_parse(samples[i].text, samples[i].length, &options, &address);
    return (double)ADDRESSES * ROUNDS_PARSE / (cpu_seconds() - begin);
}

static double bench_floor(const struct sample *samples, size_t *suggestions)
{
    struct address address;
    struct address_insight insight;
    double begin = cpu_seconds();

    for (int round = 0; round < ROUNDS_FLOOR; round++)
        for (size_t i = 0; i < ADDRESSES; i++) {
            address_parse(samples[i].text, samples[i].length, &options, &address);
            address_look_up(samples[i].text, samples[i].length, &address, false, &insight);
            *suggestions += insight.suggestion[0] != '\0';
        }
    return (double)ADDRESSES * ROUNDS_FLOOR / (cpu_seconds() - begin);
}

/* The pattern that browsers use for <input type=email> (HTML, 4.10.5.1.5). */
static double bench_regex(const struct sample *samples, size_t *matches)
{
    static const char pattern[] =
        "^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
        "(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$";
    int error;
    PCRE2_SIZE offset;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, 0, &error, &offset, NULL);

    if (code == NULL || pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) != 0) {
        pcre2_code_free(code);
        return 0;
    }
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);
    double begin = cpu_seconds();
    for (int round = 0; round < ROUNDS_REGEX; round++)
        for (size_t i = 0; i < ADDRESSES; i++)
            *matches += pcre2_jit_match(code, (PCRE2_SPTR)samples[i].text, samples[i].length, 0, 0,
                                        data, NULL) > 0;
    double seconds = cpu_seconds() - begin;
    pcre2_match_data_free(data);
    pcre2_code_free(code);
    return (double)ADDRESSES * ROUNDS_REGEX / seconds;
}

/* The Python beside it, on the first addresses of the same mix; 0 when it is not installed. */
static double bench_python(const struct sample *samples, const char *script)
{
    enum { COUNT = 20000 };
    char path[] = "/tmp/bench_address_XXXXXX", command[512];
    int descriptor = mkstemp(path);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    double rate = 0;

    if (file == NULL)
        return 0;
    for (size_t i = 0; i < COUNT; i++)
        fprintf(file, "%s\n", samples[i].text);
    fclose(file);
    snprintf(command, sizeof(command), "/usr/bin/python3 '%s' '%s'", script, path);
    FILE *answer = popen(command, "r");
    char line[64] = "";
    if (answer != NULL && fgets(line, sizeof(line), answer) != NULL)
        rate = strtod(line, NULL);
    if (answer != NULL)
        pclose(answer);
    unlink(path);
    return rate;
}

static long resident_kib(void)
{
    char line[256];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    if (file != NULL)
        fclose(file);
    return kib;
}

static int report(const char *what, double rate, double floor_rate, double wanted)
{
    if (rate <= 0) {
        printf("%-34s not available\n", what);
        return 0;
    }
    printf("%-34s %12.0f /s  %8.2f us  whole floor is %.2fx", what, rate, 1e6 / rate,
           floor_rate / rate);
    if (wanted > 0)
        printf("  (wanted %.0f: %s)", wanted, rate >= wanted ? "ok" : "MISSED");
    printf("\n");
    return wanted > 0 && rate < wanted;
}

int main(int count, char **arguments)
{
    struct sample *samples = mem_array(struct sample, ADDRESSES);
    const char *script = count > 1 ? arguments[1] : "tests/bench/bench_email_validator.py";
    size_t valid = 0, suggestions = 0, matches = 0;
    uint32_t seed = 2463534242;
    int missed = 0;

    for (size_t i = 0; i < ADDRESSES; i++)
        make_sample(&samples[i], &seed);
    long before = resident_kib();
    double begin = cpu_seconds();
    lists_start();
    printf("lists: %.1f ms to start, %.1f MiB resident\n", (cpu_seconds() - begin) * 1e3,
           (double)(resident_kib() - before) / 1024);
    double parse_rate = bench_parse(samples, &valid);
    double floor_rate = bench_floor(samples, &suggestions);
    double regex_rate = bench_regex(samples, &matches);
    double python_rate = bench_python(samples, script);
    printf("%d addresses: %zu valid, %zu with a suggestion, %zu match the expression\n", ADDRESSES,
           valid / ROUNDS_PARSE, suggestions / ROUNDS_FLOOR, matches / ROUNDS_REGEX);
    missed += report("vrfyd parse alone", parse_rate, floor_rate, 3e6);
    missed += report("vrfyd whole floor", floor_rate, floor_rate, 250e3);
    report("PCRE2-JIT, HTML pattern", regex_rate, floor_rate, 0);
    report("python3-email-validator, syntax", python_rate, floor_rate, 0);
    if (regex_rate > 0)
        printf("parse alone against PCRE2-JIT: %.2fx\n", parse_rate / regex_rate);
    if (python_rate > 0)
        printf("parse alone against python3-email-validator: %.0fx\n", parse_rate / python_rate);
    free(samples);
    return missed > 0;
}
