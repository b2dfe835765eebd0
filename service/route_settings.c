/* The settings `source_addresses`, `proxies` and `routes`, made into ways and rules. */
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "service/config_table.h"
#include "service/routes.h"

enum { PROXY_PORT = 1080, WORD_SHOWN = 80 };

static const char scheme[] = "socks5://";
static const char everybody[] = "*";

struct reading {
    const struct config *config;
    struct routes *routes;
    char *error;
    size_t error_size;
};

/* `word` NULL: it is a secret, and only its number is told. */
static bool refuse(const struct reading *reading, const char *setting, const char *word,
                   size_t number, const char *why)
{
    if (word != NULL)
        snprintf(reading->error, reading->error_size, "%s: \"%.*s\" %s", setting, WORD_SHOWN, word,
                 why);
    else
        snprintf(reading->error, reading->error_size, "%s: number %zu %s", setting, number, why);
    return false;
}

/* Of no way: none. */
static route_set bit(unsigned route) { return route < ROUTES_MAX ? 1u << route : 0; }

/* --- ways ---------------------------------------------------------------------------- */

/* ROUTES_MAX = there is none. */
static unsigned find_route(const struct routes *routes, const char *name)
{
    struct ip_address address;
    bool is_address = ip_parse(name, &address);

    for (unsigned i = 1; i < routes->count; i++)
        if (is_address ? ip_equal(&routes->items[i].source, &address)
                       : text_equal_nocase(routes->items[i].name, name))
            return i;
    return ROUTES_MAX;
}

/* Takes the name. NULL when there is no room. */
static struct mail_route *add_route(struct routes *routes, char *name)
{
    if (routes->count == ROUTES_MAX) {
        free(name);
        return NULL;
    }
    routes->items[routes->count].name = name;
    return &routes->items[routes->count++];
}

/* The way from that address, made when it is new. ROUTES_MAX = no room. */
static unsigned source_route(struct routes *routes, const struct ip_address *address)
{
    char text[IP_TEXT_SIZE];
    unsigned known = find_route(routes, ip_format(address, text));

    if (known < ROUTES_MAX)
        return known;
    struct mail_route *route = add_route(routes, mem_copy_text(text));
    if (route == NULL)
        return ROUTES_MAX;
    route->source = *address;
    return routes->count - 1;
}

static bool add_sources(const struct reading *reading)
{
    const struct config *config = reading->config;

    _Static_assert((int)CONFIG_SOURCES_MAX < (int)ROUTES_MAX, "sources come first: there is room");
    for (size_t i = 0; i < config->source_count; i++)
        reading->routes->defaults |= bit(source_route(reading->routes, &config->sources[i]));
    if (config->source_count == 0)
        reading->routes->defaults = 1u << ROUTE_SYSTEM;
    return true;
}

/* --- proxies: [name=]socks5://[user:password@]address[:port] ------------------------------ */

static bool name_fits(const char *name)
{
    static const char octets[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    size_t length = strlen(name);

    return length > 0 && length <= ROUTE_NAME_MAX && strspn(name, octets) == length;
}

static int hex_value(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *digit = c != '\0' ? strchr(digits, c | 0x20) : NULL;

    return digit != NULL && (c | 0x20) == *digit ? (int)(digit - digits) : -1;
}

/* In place: %40 and its like. False: not well formed, or too long for RFC 1929. */
static bool decode(char *word)
{
    char *out = word;

    for (const char *in = word; *in != '\0';) {
        if (*in != '%') {
            *out++ = *in++;
            continue;
        }
        int high = hex_value(in[1]), low = high >= 0 ? hex_value(in[2]) : -1;
        if (low < 0 || high + low == 0)
            return false;
        *out++ = (char)(high * 16 + low);
        in += 3;
    }
    *out = '\0';
    return out - word <= SOCKS_WORD_MAX;
}

/* Cuts "user:password@" off `*rest`. */
static bool read_login(struct socks_proxy *proxy, char **rest)
{
    char *at = strrchr(*rest, '@'), *user = *rest;

    if (at == NULL)
        return true;
    *at = '\0';
    *rest = at + 1;
    char *password = strchr(user, ':');
    if (password != NULL)
        *password++ = '\0';
    if (*user == '\0' || !decode(user) || (password != NULL && !decode(password)))
        return false;
    proxy->user = mem_copy_text(user);
    proxy->password = mem_copy_text(password != NULL ? password : "");
    return true;
}

static bool read_place(struct socks_proxy *proxy, const char *place)
{
    char with_port[IP_TEXT_SIZE + 16];
    size_t length = strlen(place);

    if (length == 0 || length > IP_TEXT_SIZE + 8 || place[0] == ':')
        return false;
    if (strchr(place, ':') == NULL || place[length - 1] == ']')
        snprintf(with_port, sizeof(with_port), "%s:%d", place, PROXY_PORT);
    else
        snprintf(with_port, sizeof(with_port), "%s", place);
    return config_listen_address(with_port, &proxy->address, &proxy->port) && proxy->port > 0;
}

static bool read_proxy(const struct reading *reading, char *word, size_t number)
{
    char *begin = strstr(word, scheme), fallback[ROUTE_NAME_MAX];
    const char *name = fallback;

    if (begin == NULL || (begin != word && begin[-1] != '='))
        return refuse(reading, "proxies", NULL, number,
                      "is not like socks5://user:password@192.0.2.1:1080");
    snprintf(fallback, sizeof(fallback), "proxy%zu", number);
    if (begin != word) {
        begin[-1] = '\0';
        name = word;
    }
    if (!name_fits(name) || find_route(reading->routes, name) < ROUTES_MAX)
        return refuse(reading, "proxies", NULL, number,
                      "has a name that is taken, or not of at most 32 letters and digits");
    struct mail_route *route = add_route(reading->routes, mem_copy_text(name));
    if (route == NULL)
        return refuse(reading, "proxies", NULL, number,
                      "is one too many: at most 31 addresses and proxies together");
    char *rest = begin + sizeof(scheme) - 1;
    route->is_proxy = true;
    return (read_login(&route->proxy, &rest) && read_place(&route->proxy, rest)) ||
           refuse(reading, "proxies", NULL, number,
                  "is not like socks5://user:password@192.0.2.1:1080 (%40 for @, and so on)");
}

static bool add_proxies(const struct reading *reading)
{
    char *copy = mem_copy_text(reading->config->proxies), *rest = copy, *word;
    size_t number = 0;
    bool fine = true;

    while (fine && (word = setting_next_word(&rest)) != NULL)
        fine = read_proxy(reading, word, ++number);
    free(copy);
    if (fine && number > 0 && strchr(reading->config->hello_name, '.') == NULL)
        return refuse(reading, "proxies", NULL, number,
                      "needs hello_name, a full host name: what the proxy's address is, is not "
                      "known here");
    return fine;
}

/* --- rules: key=way, a key as often as it has ways ------------------------------------------ */

static struct route_rule *rule_of(struct routes *routes, const char *key)
{
    for (size_t i = 0; i < routes->rule_count; i++)
        if (strcmp(routes->rules[i].key, key) == 0)
            return &routes->rules[i];
    if (routes->rule_count == ROUTE_RULES_MAX)
        return NULL;
    routes->rules[routes->rule_count].key = mem_copy_text(key);
    return &routes->rules[routes->rule_count++];
}

/* ROUTES_MAX = no such way, and no room for a new one. */
static unsigned way_called(struct routes *routes, const char *name)
{
    struct ip_address address;

    return ip_parse(name, &address) ? source_route(routes, &address) : find_route(routes, name);
}

static bool read_rule(const struct reading *reading, char *word, route_set *everyone)
{
    struct routes *routes = reading->routes;
    char *equals = strchr(word, '=');

    if (equals == NULL || equals == word)
        return refuse(reading, "routes", word, 0, "is not like google=192.0.2.1");
    *equals = '\0';
    unsigned way = way_called(routes, equals + 1);
    if (way == ROUTES_MAX)
        return refuse(reading, "routes", equals + 1, 0,
                      "is neither an address nor the name of a proxy");
    text_lower(word);
    if (strcmp(word, everybody) == 0) {
        *everyone |= bit(way);
        return true;
    }
    struct route_rule *rule = rule_of(routes, word);
    if (rule == NULL)
        return refuse(reading, "routes", word, 0, "is one key too many: at most 64");
    rule->set |= bit(way);
    return true;
}

static bool add_rules(const struct reading *reading)
{
    char *copy = mem_copy_text(reading->config->routes), *rest = copy, *word;
    route_set everyone = 0;
    bool fine = true;

    while (fine && (word = setting_next_word(&rest)) != NULL)
        fine = read_rule(reading, word, &everyone);
    free(copy);
    if (everyone != 0)
        reading->routes->defaults = everyone;
    return fine;
}

/* A proxy that nobody uses would go unnoticed, and the mail servers would see this host. */
static bool all_in_use(const struct reading *reading)
{
    struct routes *routes = reading->routes;

    routes->used = routes->defaults;
    for (size_t i = 0; i < routes->rule_count; i++)
        routes->used |= routes->rules[i].set;
    for (unsigned i = 1; i < routes->count; i++)
        if (routes->items[i].is_proxy && (routes->used & (1u << i)) == 0)
            return refuse(reading, "proxies", routes->items[i].name, 0,
                          "is used by nobody: say in `routes` who uses it, * for everybody");
    return true;
}

struct routes *routes_new(const struct config *config, char *error, size_t error_size)
{
    static bool (*const steps[])(const struct reading *) = {add_sources, add_proxies, add_rules,
                                                            all_in_use};
    struct routes *routes = mem_new(struct routes);
    struct reading reading = {.config = config, .routes = routes, .error_size = error_size};

    reading.error = error;
    add_route(routes, mem_copy_text(""));
    for (size_t i = 0; routes != NULL && i < ARRAY_LENGTH(steps); i++)
        if (!steps[i](&reading))
            routes_free(&routes);
    return routes;
}

void routes_free(struct routes **routes)
{
    struct routes *gone = *routes;

    *routes = NULL;
    if (gone == NULL)
        return;
    for (unsigned i = 0; i < gone->count; i++) {
        free(gone->items[i].name);
        free(gone->items[i].proxy.user);
        free(gone->items[i].proxy.password);
    }
    for (size_t i = 0; i < gone->rule_count; i++)
        free(gone->rules[i].key);
    free(gone);
}
