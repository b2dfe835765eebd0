/* Ways out: the settings that name them, who may use which, the choice, and rest. */
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
#include "service/config_table.h"
#include "service/routes.h"

enum { KEYS = 1000, FIRST_MS = 900000, START_MS = 1000000 };

/* --- settings ------------------------------------------------------------------------ */

static bool configure(struct config *config, const char *sources, const char *proxies,
                      const char *routes, char *error, size_t error_size)
{
    const char *const values[][2] = {{"source_addresses", sources},
                                     {"proxies", proxies},
                                     {"routes", routes},
                                     {"hello_name", "probe.example.org"}};

    config_defaults(config);
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++)
        if (!setting_apply(setting_find(values[i][0], strlen(values[i][0])), config, values[i][1],
                           error, error_size))
            return false;
    return config_derive(config, error, error_size);
}

/* The caller frees; fails the test when the settings do not fit. */
static struct routes *make(const char *sources, const char *proxies, const char *rules)
{
    struct config config;
    char error[512] = "";
    struct routes *routes = NULL;

    if (configure(&config, sources, proxies, rules, error, sizeof(error)))
        routes = routes_new(&config, error, sizeof(error));
    if (routes == NULL)
        fail_msg("%s | %s | %s: %s", sources, proxies, rules, error);
    config_free(&config);
    return routes;
}

/* The names of a set, in order, joined by blanks. */
static const char *names_of(const struct routes *routes, route_set set)
{
    static char names[512];

    names[0] = '\0';
    for (unsigned i = 0; i < routes->count; i++)
        if ((set & (1u << i)) != 0) {
            const char *name = *routes->items[i].name != '\0' ? routes->items[i].name : "system";
            size_t used = strlen(names);

            snprintf(names + used, sizeof(names) - used, "%s%s", used > 0 ? " " : "", name);
        }
    return names;
}

static void test_ipv6(void **state)
{
    static const struct {
        const char *sources, *proxies, *rules;
        bool host, reached;
    } cases[] = {
        {"", "", "", false, false},
        {"", "", "", true, true},
        {"192.0.2.1", "", "", false, false},
        {"192.0.2.1 2001:db8::1", "", "", false, true},
        {"192.0.2.1", "", "", true, true}, /* the system's choice for a family without a source */
        {"", "far=socks5://127.0.0.1", "*=far", false, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct routes *routes = make(cases[i].sources, cases[i].proxies, cases[i].rules);

        if (routes_reach_ipv6(routes, cases[i].host) != cases[i].reached)
            fail_msg("'%s' '%s' %d", cases[i].sources, cases[i].proxies, cases[i].host);
        routes_free(&routes);
    }
}

#define TWO_PROXIES "socks5://127.0.0.1 south=socks5://u:p@[2001:db8::7]:9050"
static const struct allowed_case {
    const char *label, *sources, *proxies, *rules;
    const char *provider, *host;
    uint8_t family;
    const char *names;
} allowed_cases[] = {
    {"nothing set", "", "", "", NULL, "mx.a.test", 4, "system"},
    {"one source", "192.0.2.1", "", "", NULL, "mx.a.test", 4, "192.0.2.1"},
    {"all sources", "192.0.2.1,192.0.2.2", "", "", NULL, "mx.a.test", 4, "192.0.2.1 192.0.2.2"},
    {"listed twice", "192.0.2.1 192.0.2.1", "", "", NULL, "mx.a.test", 4, "192.0.2.1"},
    {"family 4", "192.0.2.1 2001:db8::1", "", "", NULL, "mx.a.test", 4, "192.0.2.1"},
    {"family 6", "192.0.2.1 2001:db8::1", "", "", NULL, "mx.a.test", 6, "2001:db8::1"},
    {"no source of the family", "192.0.2.1", "", "", NULL, "mx.a.test", 6, "system"},
    {"provider", "192.0.2.1", "", "google=192.0.2.9", "google", "mx.g.test", 4, "192.0.2.9"},
    {"others as before", "192.0.2.1", "", "google=192.0.2.9", "yahoo", "mx", 4, "192.0.2.1"},
    {"others, system", "", "", "google=192.0.2.9", NULL, "mx.a.test", 4, "system"},
    {"a key again", "", "", "google=192.0.2.9 google=192.0.2.8", "google", "mx", 4,
     "192.0.2.9 192.0.2.8"},
    {"case", "", "", "Google=192.0.2.9", "google", "mx.g.test", 4, "192.0.2.9"},
    {"host", "192.0.2.1", "", "mx.a.test=192.0.2.9", NULL, "mx.a.test", 4, "192.0.2.9"},
    {"host suffix", "192.0.2.1", "", "a.test=192.0.2.9", NULL, "mx.a.test", 4, "192.0.2.9"},
    {"whole labels", "192.0.2.1", "", "a.test=192.0.2.9", NULL, "mx.ba.test", 4, "192.0.2.1"},
    {"host before provider", "", "", "google=192.0.2.1 g.test=192.0.2.2", "google", "mx.g.test", 4,
     "192.0.2.2"},
    {"longest host", "", "", "test=192.0.2.1 b.test=192.0.2.2 a.test=192.0.2.3", NULL, "mx.b.test",
     4, "192.0.2.2"},
    {"proxy by number", "192.0.2.1", TWO_PROXIES, "a.test=proxy1 *=south", NULL, "mx.a.test", 4,
     "proxy1"},
    {"proxy by name", "192.0.2.1", TWO_PROXIES, "a.test=South *=proxy1", NULL, "mx.a.test", 4,
     "south"},
    {"a proxy serves both families", "", TWO_PROXIES, "a.test=proxy1 *=south", NULL, "mx.a.test", 6,
     "proxy1"},
    {"everybody", "192.0.2.1", TWO_PROXIES, "*=south *=proxy1", NULL, "mx.a.test", 4,
     "proxy1 south"},
    {"a rule without the family", "2001:db8::1", "", "google=192.0.2.9", "google", "mx", 6,
     "2001:db8::1"},
    {"commas", "", "", "google=192.0.2.9,yahoo=192.0.2.8", "yahoo", "mx", 4, "192.0.2.8"},
};

static void test_allowed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(allowed_cases); i++) {
        const struct allowed_case *c = &allowed_cases[i];
        struct routes *routes = make(c->sources, c->proxies, c->rules);
        route_set set = routes_for(routes, c->provider, c->host, c->family);

        if (strcmp(names_of(routes, set), c->names) != 0)
            fail_msg("%s: %s, expected %s", c->label, names_of(routes, set), c->names);
        routes_free(&routes);
    }
}

static const struct proxy_case {
    const char *label, *setting, *name, *address;
    uint16_t port;
    const char *user, *password;
} proxy_cases[] = {
    {"port left out", "socks5://192.0.2.7", "proxy1", "192.0.2.7", 1080, NULL, NULL},
    {"port", "socks5://192.0.2.7:9050", "proxy1", "192.0.2.7", 9050, NULL, NULL},
    {"IPv6", "socks5://[2001:db8::7]:9050", "proxy1", "2001:db8::7", 9050, NULL, NULL},
    {"IPv6, port left out", "socks5://[2001:db8::7]", "proxy1", "2001:db8::7", 1080, NULL, NULL},
    {"login", "socks5://jane:secret@192.0.2.7:1", "proxy1", "192.0.2.7", 1, "jane", "secret"},
    {"no password", "socks5://jane@192.0.2.7:1", "proxy1", "192.0.2.7", 1, "jane", ""},
    {"escapes", "socks5://j%40ne:a%2cb%2F@192.0.2.7", "proxy1", "192.0.2.7", 1080, "j@ne", "a,b/"},
    {"colons and @ in the password", "socks5://j:a:b@c@192.0.2.7", "proxy1", "192.0.2.7", 1080, "j",
     "a:b@c"},
    {"name", "berlin=socks5://192.0.2.7", "berlin", "192.0.2.7", 1080, NULL, NULL},
    {"name and login", "b-1_=socks5://j:p=q@192.0.2.7", "b-1_", "192.0.2.7", 1080, "j", "p=q"},
};

static void test_proxies(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(proxy_cases); i++) {
        const struct proxy_case *c = &proxy_cases[i];
        char rule[64], address[IP_TEXT_SIZE];

        snprintf(rule, sizeof(rule), "*=%s", c->name);
        struct routes *routes = make("", c->setting, rule);
        const struct mail_route *route = &routes->items[1];
        const struct socks_proxy *proxy = &route->proxy;
        if (!route->is_proxy || strcmp(route->name, c->name) != 0 || proxy->port != c->port ||
            strcmp(ip_format(&proxy->address, address), c->address) != 0 ||
            (proxy->user == NULL) != (c->user == NULL) ||
            (c->user != NULL &&
             (strcmp(proxy->user, c->user) != 0 || strcmp(proxy->password, c->password) != 0)))
            fail_msg("%s: %s, %s:%u", c->label, route->name, address, proxy->port);
        routes_free(&routes);
    }
}

static const struct bad_case {
    const char *label, *sources, *proxies, *rules, *says;
} bad_cases[] = {
    {"another scheme", "", "socks4://192.0.2.7:1", "", "proxies: number 1"},
    {"no scheme", "", "192.0.2.7:1080", "", "proxies: number 1"},
    {"second is wrong", "", "socks5://192.0.2.7 http://192.0.2.8", "*=proxy1", "number 2"},
    {"a name for an address", "", "socks5://proxy.example.org:1080", "*=proxy1", "number 1"},
    {"no address", "", "socks5://", "*=proxy1", "number 1"},
    {"port alone", "", "socks5://:1080", "*=proxy1", "number 1"},
    {"port 0", "", "socks5://192.0.2.7:0", "*=proxy1", "number 1"},
    {"port 65536", "", "socks5://192.0.2.7:65536", "*=proxy1", "number 1"},
    {"bare IPv6", "", "socks5://2001:db8::7", "*=proxy1", "number 1"},
    {"long", "", "socks5://192.0.2.7:10000000000000000000000000000000000000000000000000000000", "",
     "number 1"},
    {"no user", "", "socks5://:secret@192.0.2.7", "*=proxy1", "number 1"},
    {"bad escape", "", "socks5://j:%4@192.0.2.7", "*=proxy1", "number 1"},
    {"escaped NUL", "", "socks5://j:%00@192.0.2.7", "*=proxy1", "number 1"},
    {"name", "", "b.c=socks5://192.0.2.7", "*=b.c", "number 1"},
    {"empty name", "", "=socks5://192.0.2.7", "", "number 1"},
    {"long name", "", "b23456789012345678901234567890123=socks5://192.0.2.7", "", "number 1"},
    {"same name", "", "b=socks5://192.0.2.7 B=socks5://192.0.2.8", "", "number 2"},
    {"name of another", "", "proxy2=socks5://192.0.2.7 socks5://192.0.2.8", "", "number 2"},
    {"used by nobody", "", "socks5://192.0.2.7", "", "\"proxy1\" is used by nobody"},
    {"no way", "", "", "google", "routes: \"google\""},
    {"no key", "", "", "=192.0.2.1", "routes"},
    {"unknown way", "", "", "google=south", "\"south\" is neither"},
    {"number beyond", "", "socks5://192.0.2.7", "*=proxy2", "\"proxy2\" is neither"},
    {"empty way", "", "", "google=", "is neither"},
};

static void test_bad_settings(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad_cases); i++) {
        const struct bad_case *c = &bad_cases[i];
        struct config config;
        char error[512] = "";

        if (configure(&config, c->sources, c->proxies, c->rules, error, sizeof(error)))
            fail_msg("%s: accepted", c->label);
        if (strstr(error, c->says) == NULL)
            fail_msg("%s: said \"%s\"", c->label, error);
        config_free(&config);
    }
}

/* A password shows neither in errors nor among the settings in effect. */
static void test_secrets_stay(void **state)
{
    static const char *const proxies[] = {"socks5://jane:hush@192.0.2.7:bad", "jane:hush@192.0.2.7",
                                          "x y=socks5://jane:hush@192.0.2.7",
                                          "socks5://jane:hush@192.0.2.7"};
    struct config config;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(proxies); i++) {
        char error[512] = "";

        configure(&config, "", proxies[i], "", error, sizeof(error));
        char *words = config_describe(&config);
        if (error[0] == '\0' || strstr(error, "hush") != NULL || strstr(words, "hush") != NULL)
            fail_msg("%s: \"%s\", \"%s\"", proxies[i], error, words);
        free(words);
        config_free(&config);
    }
}

/* Behind a proxy there is no address of ours to say in EHLO. */
static void test_proxy_needs_a_name(void **state)
{
    struct config config;
    char error[512] = "";

    (void)state;
    configure(&config, "", "socks5://192.0.2.7", "*=proxy1", error, sizeof(error));
    setting_apply(setting_find("hello_name", 10), &config, "probe", error, sizeof(error));
    assert_false(config_derive(&config, error, sizeof(error)));
    assert_non_null(strstr(error, "hello_name"));
    config_free(&config);
}

static void test_too_many(void **state)
{
    char rules[4096] = "", error[512] = "";
    struct config config;

    (void)state;
    for (unsigned i = 0; i < ROUTES_MAX; i++) {
        size_t used = strlen(rules);

        snprintf(rules + used, sizeof(rules) - used, "a.test=192.0.2.%u ", i + 1);
    }
    assert_false(configure(&config, "", "", rules, error, sizeof(error)));
    config_free(&config);
    rules[0] = '\0';
    for (unsigned i = 0; i <= ROUTE_RULES_MAX; i++) {
        size_t used = strlen(rules);

        snprintf(rules + used, sizeof(rules) - used, "a%u.test=192.0.2.1 ", i);
    }
    assert_false(configure(&config, "", "", rules, error, sizeof(error)));
    assert_non_null(strstr(error, "one key too many"));
    config_free(&config);
}

/* --- choosing ---------------------------------------------------------------------------- */

#define FOUR "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4"

static unsigned choose(const struct routes *routes, const struct route_rests *rests, uint64_t key)
{
    return routes_choose(routes, routes->defaults, rests, key, START_MS).route;
}

/* Every key always gets the same way, and each way gets its part of the keys. */
static void test_choice_is_even_and_stays(void **state)
{
    struct routes *routes = make(FOUR, "", ""), *again = make("192.0.2.4 " FOUR, "", "");
    unsigned counts[ROUTES_MAX] = {0};

    (void)state;
    for (uint64_t key = 0; key < KEYS; key++) {
        unsigned route = choose(routes, NULL, key);

        counts[route]++;
        assert_int_equal(choose(routes, NULL, key), route);
        /* the order of the list is of no matter */
        assert_string_equal(again->items[choose(again, NULL, key)].name, routes->items[route].name);
    }
    for (unsigned i = 1; i <= 4; i++)
        if (counts[i] < KEYS / 4 - KEYS / 10 || counts[i] > KEYS / 4 + KEYS / 10)
            fail_msg("way %u: %u of %d keys", i, counts[i], KEYS);
    routes_free(&routes);
    routes_free(&again);
}

static void test_rest_moves_only_its_own(void **state)
{
    struct routes *routes = make(FOUR, "", "");
    struct route_rests rests = {0};

    (void)state;
    route_rest(&rests, 2, FIRST_MS, START_MS);
    for (uint64_t key = 0; key < KEYS; key++) {
        unsigned before = choose(routes, NULL, key), after = choose(routes, &rests, key);

        assert_int_not_equal(after, 2);
        if (before != 2)
            assert_int_equal(after, before);
    }
    routes_free(&routes);
}

static void test_all_rest(void **state)
{
    struct routes *routes = make("192.0.2.1 192.0.2.2", "", "");
    struct route_rests rests = {0};
    route_set set = routes->defaults;

    (void)state;
    route_rest(&rests, 1, 5000, START_MS);
    route_rest(&rests, 2, 3000, START_MS);
    for (uint64_t key = 0; key < 20; key++) {
        struct route_choice choice = routes_choose(routes, set, &rests, key, START_MS);

        assert_int_equal(choice.wakes_ms, START_MS + 3000);
        choice = routes_choose(routes, set, &rests, key, START_MS + 2999);
        assert_int_equal(choice.wakes_ms, START_MS + 3000);
        choice = routes_choose(routes, set, &rests, key, START_MS + 3000);
        assert_int_equal(choice.route, 2);
        assert_int_equal(choice.wakes_ms, 0);
        assert_true(route_resting(routes, 1, &rests, START_MS + 3000));
        assert_false(route_resting(routes, 2, &rests, START_MS + 3000));
    }
    routes_free(&routes);
}

static void test_rest_doubles(void **state)
{
    static const uint32_t expected[] = {900000,  1800000,  3600000,
                                        7200000, 14400000, ROUTE_REST_MAX_MS};
    struct route_rests rests = {0};
    uint64_t now_ms = START_MS;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(expected); i++) {
        route_rest(&rests, 3, FIRST_MS, now_ms);
        assert_int_equal(rests.of[3].until_ms - now_ms, expected[i]);
        now_ms = rests.of[3].until_ms;
    }
    route_well(&rests, 3);
    route_rest(&rests, 3, FIRST_MS, now_ms);
    assert_int_equal(rests.of[3].until_ms - now_ms, FIRST_MS);
}

/* --- rest altogether ----------------------------------------------------------------------- */

static bool refuse(struct routes *routes, uint64_t lane, uint64_t now_ms)
{
    return routes_refused(routes, 1, lane, FIRST_MS, "the test refuses it", now_ms);
}

static void test_many_lanes_refuse(void **state)
{
    struct routes *routes = make("192.0.2.1 192.0.2.2", "", "");

    (void)state;
    for (uint64_t lane = 1; lane < ROUTE_REFUSING_LANES; lane++)
        for (int times = 0; times < 3; times++) /* one lane counts once, however often it refuses */
            assert_false(refuse(routes, lane, START_MS + lane));
    assert_false(route_resting(routes, 1, NULL, START_MS + 10));
    assert_true(refuse(routes, ROUTE_REFUSING_LANES, START_MS + 10));
    assert_true(route_resting(routes, 1, NULL, START_MS + 10));
    assert_false(route_resting(routes, 2, NULL, START_MS + 10));
    for (uint64_t key = 0; key < KEYS; key++)
        assert_int_equal(routes_choose(routes, routes->defaults, NULL, key, START_MS + 10).route,
                         2);
    assert_false(refuse(routes, 99, START_MS + 20)); /* of a session that was still open */
    assert_false(route_resting(routes, 1, NULL, START_MS + 10 + FIRST_MS));
    routes_free(&routes);
}

static void rest_altogether(struct routes *routes, uint64_t now_ms)
{
    bool rests = false;

    for (uint64_t lane = 1; lane <= ROUTE_REFUSING_LANES; lane++)
        rests = refuse(routes, lane, now_ms);
    assert_true(rests);
}

static void test_rest_altogether_doubles(void **state)
{
    struct routes *routes = make("192.0.2.1 192.0.2.2", "", "");
    uint64_t now_ms = START_MS;

    (void)state;
    rest_altogether(routes, now_ms);
    now_ms += FIRST_MS;
    assert_false(route_resting(routes, 1, NULL, now_ms));
    rest_altogether(routes, now_ms); /* again, soon */
    assert_true(route_resting(routes, 1, NULL, now_ms + 2 * FIRST_MS - 1));
    assert_false(route_resting(routes, 1, NULL, now_ms + 2 * FIRST_MS));
    now_ms += 2 * FIRST_MS + ROUTE_REFUSING_MS; /* it was well for an hour */
    rest_altogether(routes, now_ms);
    assert_false(route_resting(routes, 1, NULL, now_ms + FIRST_MS));
    routes_free(&routes);
}

static void test_refusals_age(void **state)
{
    struct routes *routes = make("192.0.2.1 192.0.2.2", "", "");
    uint64_t step_ms = ROUTE_REFUSING_MS / (ROUTE_REFUSING_LANES - 1) + 1;

    (void)state;
    for (uint64_t lane = 1; lane < 30; lane++) /* never so many within the hour */
        assert_false(refuse(routes, lane, START_MS + lane * step_ms));
    routes_free(&routes);
}

/* Some servers refuse everybody: where most hear us out, it is not the way's fault. */
static void test_share_of_refusals(void **state)
{
    struct routes *routes = make("192.0.2.1 192.0.2.2", "", "");

    (void)state;
    for (uint64_t lane = 1; lane <= 50; lane++) {
        for (int i = 0; i < 4; i++) /* four answers to a refusal: a fifth, not a quarter */
            routes_answered(routes, 1);
        assert_false(refuse(routes, lane, START_MS));
    }
    bool rests = false; /* then the wind turns */
    for (uint64_t lane = 100; lane < 160 && !rests; lane++)
        rests = refuse(routes, lane, START_MS);
    assert_true(rests);
    routes_free(&routes);
}

/* The only way for a family is never taken from everybody. */
static void test_only_way_goes_on(void **state)
{
    static const struct {
        const char *sources, *rules;
        bool rests;
    } cases[] = {
        {"192.0.2.1", "", false},
        {"192.0.2.1 2001:db8::1", "", false},
        {"192.0.2.1 192.0.2.2", "", true},
        {"192.0.2.1", "google=192.0.2.2", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct routes *routes = make(cases[i].sources, "", cases[i].rules);
        bool rests = false;

        for (uint64_t lane = 1; lane <= 3u * ROUTE_REFUSING_LANES; lane++)
            rests = refuse(routes, lane, START_MS) || rests;
        if (rests != cases[i].rests)
            fail_msg("%s: rests %d", cases[i].sources, rests);
        routes_free(&routes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allowed),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_proxies),
        cmocka_unit_test(test_bad_settings),
        cmocka_unit_test(test_secrets_stay),
        cmocka_unit_test(test_proxy_needs_a_name),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_choice_is_even_and_stays),
        cmocka_unit_test(test_rest_moves_only_its_own),
        cmocka_unit_test(test_all_rest),
        cmocka_unit_test(test_rest_doubles),
        cmocka_unit_test(test_many_lanes_refuse),
        cmocka_unit_test(test_rest_altogether_doubles),
        cmocka_unit_test(test_refusals_age),
        cmocka_unit_test(test_share_of_refusals),
        cmocka_unit_test(test_only_way_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
