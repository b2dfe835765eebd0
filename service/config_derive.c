/* What follows from the settings, and what does not go together. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probes/base/log.h"
#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "service/config_table.h"
#include "service/routes.h"

enum { HOSTS_LINE_MAX = 1024, HOST_NAME_MAX_OCTETS = 255 };

struct derivation {
    struct config *config;
    char *error;
    size_t error_size;
};

static bool refuse(const struct derivation *derivation, const char *name, const char *value,
                   const char *why)
{
    snprintf(derivation->error, derivation->error_size, "%s: \"%.120s\" %s", name, value, why);
    return false;
}

static bool parse_port(const char *text, uint16_t *port)
{
    unsigned long value;
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    value = strtoul(text, &end, 10);
    if (*end != '\0' || value > 65535)
        return false;
    *port = (uint16_t)value;
    return true;
}

bool config_listen_address(const char *listen, struct ip_address *address, uint16_t *port)
{
    const char *colon = strrchr(listen, ':');
    struct ip_address parsed;
    char host[IP_TEXT_SIZE + 2];
    uint16_t number;
    size_t length;

    if (colon == NULL || !parse_port(colon + 1, &number))
        return false;
    length = (size_t)(colon - listen);
    if (length >= sizeof(host))
        return false;
    memcpy(host, listen, length);
    host[length] = '\0';
    if (length > 1 && host[0] == '[' && host[length - 1] == ']') {
        host[length - 1] = '\0';
        if (!ip_parse(host + 1, &parsed) || parsed.family != 6)
            return false;
    } else if (length == 0 || text_equal_nocase(host, "localhost")) {
        ip_parse(length == 0 ? "0.0.0.0" : "127.0.0.1", &parsed);
    } else if (!ip_parse(host, &parsed) || parsed.family != 4) {
        return false;
    }
    *address = parsed;
    *port = number;
    return true;
}

static bool derive_listen(const struct derivation *derivation)
{
    const struct config *config = derivation->config;
    struct ip_address address;
    uint16_t port;

    if (!config_listen_address(config->listen, &address, &port))
        return refuse(derivation, "listen", config->listen,
                      "is not address:port, like 127.0.0.1:8080 or [::1]:8080");
    if (config->auth == AUTH_OFF && !ip_is_loopback(&address))
        return refuse(derivation, "listen", config->listen,
                      "is not loopback, and auth=off serves loopback only; use auth=required");
    return true;
}

static bool derive_networks(const struct derivation *derivation)
{
    struct config *config = derivation->config;

    if (!ip_networks_parse(config->trusted_proxies, &config->trusted_proxy_networks))
        return refuse(derivation, "trusted_proxies", config->trusted_proxies,
                      "is not a list of at most 64 networks like 10.0.0.0/8");
    if (!ip_networks_parse(config->allow_networks, &config->allowed))
        return refuse(derivation, "allow_networks", config->allow_networks,
                      "is not a list of at most 64 networks like 10.0.0.0/8");
    return true;
}

char *setting_next_word(char **rest)
{
    static const char separators[] = ", \t";
    char *word = *rest + strspn(*rest, separators);
    size_t length = strcspn(word, separators);

    if (length == 0)
        return NULL;
    *rest = word + length;
    if (**rest != '\0')
        *(*rest)++ = '\0';
    return word;
}

static bool derive_sources(const struct derivation *derivation)
{
    struct config *config = derivation->config;
    char *copy = mem_copy_text(config->source_addresses), *rest = copy, *word;
    bool fine = true;

    config->source_count = 0;
    while (fine && (word = setting_next_word(&rest)) != NULL) {
        fine = config->source_count < CONFIG_SOURCES_MAX &&
               ip_parse(word, &config->sources[config->source_count]);
        config->source_count++;
    }
    free(copy);
    return fine || refuse(derivation, "source_addresses", config->source_addresses,
                          "is not a list of at most 16 addresses");
}

static bool derive_ports(const struct derivation *derivation)
{
    struct config *config = derivation->config;
    const struct {
        const char *name;
        uint16_t *port, fallback;
    } known[] = {{"smtp=", &config->port_smtp, 25},
                 {"imap=", &config->port_imap, 143},
                 {"imaps=", &config->port_imaps, 993}};
    char *copy = mem_copy_text(config->ports), *rest = copy, *word;
    bool fine = true;

    for (size_t i = 0; i < ARRAY_LENGTH(known); i++)
        *known[i].port = known[i].fallback;
    while (fine && (word = setting_next_word(&rest)) != NULL) {
        fine = false;
        for (size_t i = 0; !fine && i < ARRAY_LENGTH(known); i++)
            fine = text_starts_nocase(word, known[i].name) &&
                   parse_port(word + strlen(known[i].name), known[i].port) && *known[i].port > 0;
    }
    free(copy);
    return fine ||
           refuse(derivation, "ports", config->ports, "is not like smtp=25 imap=143 imaps=993");
}

static bool derive_extra_ports(const struct derivation *derivation)
{
    struct config *config = derivation->config;
    char *copy = mem_copy_text(config->extra_ports), *rest = copy, *word;
    size_t count = 0;
    bool fine = true;

    memset(config->ports_extra, 0, sizeof(config->ports_extra));
    while (fine && (word = setting_next_word(&rest)) != NULL) {
        fine = count < CONFIG_PORTS_EXTRA_MAX && parse_port(word, &config->ports_extra[count]) &&
               config->ports_extra[count] > 0;
        count++;
    }
    free(copy);
    return fine || refuse(derivation, "extra_ports", config->extra_ports,
                          "is not a list of at most 8 ports");
}

/* --- who we are ---------------------------------------------------------------- */

static bool host_name_fits(const char *name)
{
    size_t length = strlen(name);

    if (length > HOST_NAME_MAX_OCTETS)
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") ==
           length;
}

/* The full name behind `name` on one line of /etc/hosts, NULL when there is none; the caller frees.
 */
static char *full_name_in(char *line, const char *name)
{
    char *rest = line, *word, *full = NULL;

    line[strcspn(line, "#\r\n")] = '\0';
    if (setting_next_word(&rest) == NULL) /* the address */
        return NULL;
    while ((word = setting_next_word(&rest)) != NULL) {
        if (full == NULL && strchr(word, '.') != NULL)
            full = word;
        if (text_equal_nocase(word, name))
            return full == NULL ? NULL : mem_copy_text(full);
    }
    return NULL;
}

/* What `hostname -f` would say, without asking a resolver: that may block. */
static char *host_full_name(void)
{
    char name[HOST_NAME_MAX_OCTETS + 1] = "", line[HOSTS_LINE_MAX], *full = NULL;
    FILE *hosts;

    if (gethostname(name, sizeof(name) - 1) != 0)
        return mem_copy_text("");
    if (strchr(name, '.') == NULL && (hosts = fopen("/etc/hosts", "re")) != NULL) {
        while (full == NULL && fgets(line, sizeof(line), hosts) != NULL)
            full = full_name_in(line, name);
        fclose(hosts);
    }
    return full != NULL ? full : mem_copy_text(name);
}

static bool derive_identity(const struct derivation *derivation)
{
    struct config *config = derivation->config;

    if (*config->hello_name == '\0') {
        free(config->hello_name);
        config->hello_name = host_full_name();
        if (!host_name_fits(config->hello_name) || strcmp(config->hello_name, "localhost") == 0)
            *config->hello_name = '\0';
    }
    if (!host_name_fits(config->hello_name))
        return refuse(derivation, "hello_name", config->hello_name, "is not a host name");
    if (*config->mail_from != '\0' &&
        (strchr(config->mail_from, '@') == NULL || strpbrk(config->mail_from, "<> ") != NULL))
        return refuse(derivation, "mail_from", config->mail_from, "is not a mailbox address");
    return true;
}

/* They are made when the engine starts; here only whether they can be. */
static bool derive_routes(const struct derivation *derivation)
{
    struct routes *routes =
        routes_new(derivation->config, derivation->error, derivation->error_size);
    bool fine = routes != NULL;

    routes_free(&routes);
    return fine;
}

static bool derive_schedule(const struct derivation *derivation, const char *name,
                            const char *value, struct config_schedule *schedule)
{
    char *copy = mem_copy_text(value), *rest = copy, *word, *end;
    bool fine = true;

    schedule->count = 0;
    while (fine && (word = setting_next_word(&rest)) != NULL) {
        unsigned long seconds = strtoul(word, &end, 10);

        fine = *word >= '0' && *word <= '9' && *end == '\0' && seconds > 0 && seconds <= 604800 &&
               schedule->count < CONFIG_TRIES_MAX;
        if (fine)
            schedule->after_s[schedule->count++] = (uint32_t)seconds;
    }
    free(copy);
    return fine || refuse(derivation, name, value,
                          "is not a list of at most 8 numbers of seconds, each up to 604800");
}

static bool derive_retries(const struct derivation *derivation)
{
    struct config *config = derivation->config;

    return derive_schedule(derivation, "retry_greylist_s", config->retry_greylist_s,
                           &config->greylist_schedule) &&
           derive_schedule(derivation, "retry_temporary_s", config->retry_temporary_s,
                           &config->temporary_schedule);
}

static bool derive_data_dir(const struct derivation *derivation)
{
    struct config *config = derivation->config;
    const char *state = getenv("STATE_DIRECTORY"), *home = getenv("HOME");
    struct text path;

    if (*config->data_dir != '\0')
        return true;
    text_init(&path, 4096);
    if (state != NULL && *state != '\0')
        text_put(&path, state);
    else if (geteuid() == 0 || home == NULL || *home == '\0')
        text_put(&path, "/var/lib/vrfyd");
    else
        text_format(&path, "%s/.local/state/vrfyd", home);
    free(config->data_dir);
    config->data_dir = text_take(&path);
    return true;
}

static bool derive_log_level(const struct derivation *derivation)
{
    enum log_level level;

    return log_parse_level(derivation->config->log_level, &level) ||
           refuse(derivation, "log_level", derivation->config->log_level,
                  "is not one of error, warn, info, debug");
}

bool config_derive(struct config *config, char *error, size_t error_size)
{
    static bool (*const steps[])(const struct derivation *) = {
        derive_listen,   derive_networks, derive_sources, derive_ports,    derive_extra_ports,
        derive_identity, derive_routes,   derive_retries, derive_data_dir, derive_log_level,
    };
    struct derivation derivation = {.config = config, .error_size = error_size};

    derivation.error = error;
    for (size_t i = 0; i < ARRAY_LENGTH(steps); i++)
        if (!steps[i](&derivation))
            return false;
    return true;
}
