/* Where IMAP may be: from SRV records and by guessing; no network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "probes/discover/imap_candidates.h"

static const struct imap_domain example = {
    .name = "example.co.uk",
    .mx_host = "mx.hoster.test",
    .ports = {.tls = 993, .starttls = 143},
};

/* "host:port[s][!] ..." in order: s = STARTTLS, ! = not vouched for. */
static char *describe(const struct imap_candidates *candidates)
{
    struct text out;

    text_init(&out, 4096);
    for (size_t i = 0; i < candidates->count; i++) {
        const struct imap_candidate *item = &candidates->items[i];

        if (i > 0)
            text_char(&out, ' ');
        text_format(&out, "%s:%u%s%s", item->host, item->port, item->implicit_tls ? "" : "s",
                    item->vouched || item->source == SOURCE_GUESS ? "" : "!");
    }
    return text_take(&out);
}

struct srv {
    uint16_t priority, weight, port;
    const char *target;
};

enum { SRV_MAX = 12 };

static void add_srv(struct imap_candidates *candidates, const struct srv *rows, bool implicit_tls,
                    const struct imap_domain *domain, bool authentic)
{
    struct dns_record records[SRV_MAX] = {{.preference = 0}};
    struct dns_answer answer = {.status = DNS_NO_NAME, .records = records, .authentic = authentic};

    for (; answer.count < SRV_MAX && rows[answer.count].target != NULL; answer.count++) {
        const struct srv *row = &rows[answer.count];

        answer.status = DNS_FOUND;
        records[answer.count] = (struct dns_record){.preference = row->priority,
                                                    .weight = row->weight,
                                                    .port = row->port,
                                                    .name = row->target};
    }
    imap_candidates_add_srv(candidates, &answer, implicit_tls, domain);
}

static const struct {
    const char *label;
    struct srv imaps[SRV_MAX], imap[SRV_MAX];
    const char *candidates;
    bool denied_tls, denied_starttls, authentic;
} srv_cases[] = {
    {"none", {{0}}, {{0}}, "", false, false, false},
    {"one",
     {{0, 1, 993, "imap.example.co.uk"}},
     {{0}},
     "imap.example.co.uk:993",
     false,
     false,
     false},
    {"priority counts across both services",
     {{20, 0, 993, "b.example.co.uk"}},
     {{10, 0, 143, "a.example.co.uk"}},
     "a.example.co.uk:143s b.example.co.uk:993",
     false,
     false,
     false},
    {"on a tie TLS comes first",
     {{10, 0, 993, "b.example.co.uk"}},
     {{10, 99, 143, "a.example.co.uk"}},
     "b.example.co.uk:993 a.example.co.uk:143s",
     false,
     false,
     false},
    {"the heavier first",
     {{0, 1, 993, "a.example.co.uk"}, {0, 9, 993, "b.example.co.uk"}},
     {{0}},
     "b.example.co.uk:993 a.example.co.uk:993",
     false,
     false,
     false},
    {"both denied", {{0, 0, 0, ""}}, {{0, 0, 0, ""}}, "", true, true, false},
    {"clear denied, TLS given",
     {{0, 0, 993, "imap.example.co.uk"}},
     {{0, 0, 0, ""}},
     "imap.example.co.uk:993",
     false,
     true,
     false},
    {"a dot beside a target means nothing",
     {{0, 0, 0, ""}, {0, 0, 993, "imap.example.co.uk"}},
     {{0}},
     "imap.example.co.uk:993",
     false,
     false,
     false},
    {"outside the registrable domain",
     {{0, 0, 993, "imap.other.co.uk"}, {1, 0, 993, "example.co.uk.evil.test"}},
     {{0}},
     "imap.other.co.uk:993! example.co.uk.evil.test:993!",
     false,
     false,
     false},
    {"outside, but signed",
     {{0, 0, 993, "imap.other.co.uk"}},
     {{0}},
     "imap.other.co.uk:993",
     false,
     false,
     true},
    {"ports nobody should be made to ask",
     {{0, 0, 22, "a.example.co.uk"}, {0, 0, 6379, "a.example.co.uk"}, {0, 0, 0, "a.example.co.uk"}},
     {{0}},
     "",
     false,
     false,
     false},
    {"targets that are no host names",
     {{0, 0, 993, "localhost"},
      {0, 0, 993, "a..b"},
      {0, 0, 993, "a\\000b.test"},
      {0, 0, 993, "a b.test"},
      {0, 0, 993, ".test"}},
     {{0}},
     "",
     false,
     false,
     false},
    {"the same target twice",
     {{0, 0, 993, "a.example.co.uk"}, {5, 0, 993, "a.example.co.uk"}},
     {{0}},
     "a.example.co.uk:993",
     false,
     false,
     false},
};

static void reads_srv_records(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(srv_cases); i++) {
        struct imap_candidates got = {.count = 0};
        char *text;

        printf("%s\n", srv_cases[i].label);
        add_srv(&got, srv_cases[i].imap, false, &example, srv_cases[i].authentic);
        add_srv(&got, srv_cases[i].imaps, true, &example, srv_cases[i].authentic);
        imap_candidates_sort(&got);
        text = describe(&got);
        assert_string_equal(text, srv_cases[i].candidates);
        assert_int_equal(got.denied_tls, srv_cases[i].denied_tls);
        assert_int_equal(got.denied_starttls, srv_cases[i].denied_starttls);
        free(text);
    }
}

static void bounds_srv_records(void **state)
{
    char names[SRV_MAX][32];
    struct srv rows[SRV_MAX + 1] = {{0}};
    struct imap_candidates got = {.count = 0};

    (void)state;
    for (size_t i = 0; i < SRV_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "h%zu.example.co.uk", i);
        rows[i] = (struct srv){0, 0, 993, names[i]};
    }
    add_srv(&got, rows, true, &example, false);
    assert_int_equal(got.count, IMAP_CANDIDATES_MAX);
}

/* In a lab 993 and 143 are other ports; records may name either. */
static void maps_ports_for_labs(void **state)
{
    struct imap_domain lab = example;
    struct srv rows[] = {{0, 0, 993, "a.example.co.uk"}, {1, 0, 5993, "b.example.co.uk"}, {0}};
    struct provider_imap table = {.known = true,
                                  .offered = true,
                                  .count = 2,
                                  .endpoints = {{"imap.p.test", 993, 0}, {"imap.p.test", 143, 1}}};
    struct imap_candidates got = {.count = 0};
    char *text;

    (void)state;
    lab.ports = (struct imap_ports){.tls = 5993, .starttls = 5143};
    add_srv(&got, rows, true, &lab, false);
    imap_candidates_sort(&got);
    imap_candidates_from_table(&got, &table, &lab);
    text = describe(&got);
    assert_string_equal(
        text, "a.example.co.uk:5993 b.example.co.uk:5993 imap.p.test:5993 imap.p.test:5143s");
    free(text);
}

static void asks_ports_that_the_operator_adds(void **state)
{
    struct imap_domain opened = example;
    struct srv rows[] = {{0, 0, 1993, "a.example.co.uk"}, {1, 0, 22, "b.example.co.uk"}, {0}};
    struct imap_candidates got = {.count = 0};
    char *text;

    (void)state;
    opened.ports.extra[1] = 1993;
    add_srv(&got, rows, true, &opened, false);
    text = describe(&got);
    assert_string_equal(text, "a.example.co.uk:1993");
    free(text);
}

static const struct {
    const char *label, *domain, *mx;
    bool denied_tls, denied_starttls;
    const char *candidates;
} guess_cases[] = {
    {"all", "d.test", "mx.h.test", false, false,
     "imap.d.test:993 mail.d.test:993 d.test:993 mx.h.test:993 "
     "imap.d.test:143s mail.d.test:143s d.test:143s mx.h.test:143s"},
    {"no MX", "d.test", "", false, true, "imap.d.test:993 mail.d.test:993 d.test:993"},
    {"the MX is a guess already", "d.test", "mail.d.test", true, false,
     "imap.d.test:143s mail.d.test:143s d.test:143s"},
    {"both denied", "d.test", "mx.h.test", true, true, ""},
};

static void guesses_in_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(guess_cases); i++) {
        struct imap_domain domain = {.name = guess_cases[i].domain,
                                     .mx_host = guess_cases[i].mx,
                                     .ports = {.tls = 993, .starttls = 143}};
        struct imap_candidates got = {.denied_tls = guess_cases[i].denied_tls,
                                      .denied_starttls = guess_cases[i].denied_starttls};
        char *text;

        printf("%s\n", guess_cases[i].label);
        imap_candidates_guess(&got, &domain);
        text = describe(&got);
        assert_string_equal(text, guess_cases[i].candidates);
        free(text);
    }
}

static void guesses_nothing_too_long(void **state)
{
    char name[254];
    struct imap_domain domain = {
        .name = name, .mx_host = "", .ports = {.tls = 993, .starttls = 143}};
    struct imap_candidates got = {.denied_starttls = true};
    char unlikely[DNS_NAME_SIZE];

    (void)state;
    memset(name, 'a', 253);
    name[253] = '\0';
    for (size_t i = 50; i < 253; i += 51)
        name[i] = '.';
    imap_candidates_guess(&got, &domain);
    assert_int_equal(got.count, 1); /* the domain itself just fits */
    assert_string_equal(got.items[0].host, name);
    imap_unlikely_name(name, unlikely);
    assert_string_equal(unlikely, "");
    imap_unlikely_name("d.test", unlikely);
    assert_int_equal(strlen(unlikely), 1 + 16 + strlen(".d.test"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_srv_records),   cmocka_unit_test(bounds_srv_records),
        cmocka_unit_test(maps_ports_for_labs), cmocka_unit_test(asks_ports_that_the_operator_adds),
        cmocka_unit_test(guesses_in_order),    cmocka_unit_test(guesses_nothing_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
