/* config.h - every setting, from one table: flags (--name value), VRFYD_NAME variables,
 * VRFYD_NAME_FILE for secrets, a file of `name = value` lines (--config), defaults.
 * A flag wins over a variable, a variable over the file. The same table prints --help
 * and the settings part of README.md. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "probes/base/ip.h"

enum {
    CONFIG_OVERRIDES_MAX = 64,
    CONFIG_SOURCES_MAX = 16,
    CONFIG_TRIES_MAX = 8,
    CONFIG_PORTS_EXTRA_MAX = 8
};

/* Waits before the second try, the third, ... */
struct config_schedule {
    uint32_t count;
    uint32_t after_s[CONFIG_TRIES_MAX];
};

/* A number with exceptions: "1 google=5 mx.example.net=3", by provider key or MX host name. */
struct config_limit {
    uint32_t fallback;
    size_t count;
    struct {
        char *key;
        uint32_t value;
    } overrides[CONFIG_OVERRIDES_MAX];
};
/* The exception for `provider` or `host` (either may be NULL); *found says whether there was one.
 */
uint32_t config_limit_for(const struct config_limit *limit, const char *provider, const char *host,
                          bool *found);

enum config_auth { AUTH_REQUIRED, AUTH_OFF };
enum config_log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };
enum config_log_addresses { LOG_ADDRESSES_HASHED, LOG_ADDRESSES_PLAIN };

struct config {
    /* where and who may */
    char *listen; /* "127.0.0.1:8080"; port 0 = any free one, printed at start */
    enum config_auth auth;
    char *api_keys; /* comma-separated; secret */
    bool allow_get; /* GET /v1/verify also when auth=required */
    char *trusted_proxies;
    struct ip_networks trusted_proxy_networks; /* derived */

    /* who we are to mail servers */
    char *hello_name; /* "" = this host's full name; without a dot the address literal is used */
    char *mail_from;  /* "" = the null sender only */
    char *source_addresses;
    struct ip_address sources[CONFIG_SOURCES_MAX]; /* derived */
    size_t source_count;
    char *proxies, *routes; /* see routes.h; `proxies` is secret */

    /* where we ask */
    char *resolver;                            /* "" = the system's */
    char *ports;                               /* "smtp=25 imap=143 imaps=993" */
    uint16_t port_smtp, port_imap, port_imaps; /* derived */
    char *extra_ports;
    uint16_t ports_extra[CONFIG_PORTS_EXTRA_MAX]; /* derived; 0 = none */
    char *allow_networks;
    struct ip_networks allowed; /* derived */
    char *allow_special_names;
    char *ca_file; /* "" = the system's store */

    /* manners (RFC etiquette, standards of the big servers) */
    struct config_limit lane_connections;            /* 1 per MX host, 2 per provider */
    struct config_limit lane_transaction_gap_ms;     /* 1000 at unknown hosts */
    struct config_limit lane_recipients_per_session; /* 20 */
    struct config_limit lane_rejects_per_session;    /* 4 */
    struct config_limit lane_unknown_per_hour;       /* 10, per domain */
    struct config_limit lane_refused_per_hour;       /* per mail host; those that lie after 25 */
    uint32_t
        lane_rest_ms; /* a host that blocked us, sent 421 or timed out: 900000, doubling to 4 h */
    uint32_t interactive_reserve; /* percent of a lane's connections: 20 */

    /* asking again */
    char *retry_greylist_s, *retry_temporary_s;
    struct config_schedule greylist_schedule, temporary_schedule; /* derived */

    /* waits */
    uint32_t timeout_connect_ms, timeout_greeting_ms, timeout_command_ms, timeout_recipient_ms,
        timeout_quit_ms;
    uint32_t dns_timeout_ms, dns_budget_ms;
    uint32_t check_budget_ms; /* 90000 */
    uint32_t imap_grace_ms;   /* 1500: how long a finished SMTP verdict waits for IMAP */
    uint32_t grace_ms;        /* graceful stop: 10000 */

    /* what `vrfyd doctor` asks */
    char *doctor_hosts;       /* domains whose mail hosts are greeted */
    char *doctor_signed_name; /* a name with DNSSEC signatures, and one whose are bad */
    char *doctor_bogus_name;
    char *doctor_blocklists; /* DNS zones, RFC 5782 */

    /* size */
    uint32_t loops;              /* 0 = one per core */
    uint32_t checks_max;         /* 0 = from the descriptor limit */
    uint32_t connections_max;    /* HTTP */
    uint32_t request_timeout_ms; /* a whole HTTP request must have arrived: 10000 */
    uint32_t cache_entries;      /* per loop and layer */

    /* files and logs */
    char *data_dir;
    char *policies_file, *lists_dir, *reply_rules; /* operator's own; "" = none */
    char *allow_list, *suppress_list; /* files: addresses, domains, *.wildcards; "" = none */
    enum config_log_format log_format;
    char *log_level; /* error, warn, info, debug */
    enum config_log_addresses log_addresses;
    uint32_t retention_h; /* how long GET /v1/verify/{id} and the caches may remember: 24 */
};

void config_defaults(struct config *config);
/* Reads variables, file and flags (argv[0] is the first flag; ends at "--" or the first word that
 * is no flag). Returns how many of argc were used, or -1 with a sentence in `error` that names the
 * setting and its bounds. */
int config_load(struct config *config, int argc, char **argv, char *error, size_t error_size);
void config_free(struct config *config);
/* Does this flag ("--listen") take the next word as its value? For callers with flags of their own.
 */
bool config_flag_takes_value(const char *flag);
/* The nth VRFYD_ variable of the environment that is no setting (a typing error?); NULL = no more.
 */
const char *config_unknown_variable(size_t nth);
/* `listen` taken apart: "127.0.0.1:8080", "[::1]:8080", "localhost:8080", ":8080" (every address).
 */
bool config_listen_address(const char *listen, struct ip_address *address, uint16_t *port);
/* Settings in effect as "name=value name=value", without secrets and what is at its default; caller
 * frees. */
char *config_describe(const struct config *config);
void config_print_help(FILE *out);     /* every setting: flag, variable, default, meaning */
void config_print_markdown(FILE *out); /* the README's table */
