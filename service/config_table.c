#include "service/config_table.h"

#include <ctype.h>
#include <string.h>

#include "probes/base/mem.h"

/* kind, field, default, lowest, highest, choices, meaning */
#define ROW(kind, field, fallback, low, high, choices, help)                                       \
    {                                                                                              \
#field, kind, offsetof(struct config, field), fallback, low, high, choices, help           \
    }
#define TEXT(field, fallback, help) ROW(SETTING_TEXT, field, fallback, 0, 0, NULL, help)
#define NUMBER(field, fallback, low, high, help)                                                   \
    ROW(SETTING_NUMBER, field, fallback, low, high, NULL, help)
#define LIMIT(field, fallback, low, high, help)                                                    \
    ROW(SETTING_LIMIT, field, fallback, low, high, NULL, help)
#define CHOICE(field, fallback, choices, help)                                                     \
    ROW(SETTING_CHOICE, field, fallback, 0, 0, choices, help)

// clang-format off
const struct setting settings[] = {
    TEXT(listen, "127.0.0.1:8080", "address and port of the HTTP service; port 0 takes any free one and prints it"),
    CHOICE(auth, "required", "required|off", "`required`: a key with every call; `off`: loopback only, local Host and same-site callers only"),
    ROW(SETTING_SECRET, api_keys, "", 0, 0, NULL, "accepted keys, comma-separated; empty: the first start makes one, in data_dir/first.key"),
    ROW(SETTING_SWITCH, allow_get, "false", 0, 0, NULL, "GET /v1/verify?email= even where keys are required (addresses in URLs end up in logs)"),
    TEXT(trusted_proxies, "", "networks whose X-Forwarded-For is believed"),

    TEXT(hello_name, "", "the name given in EHLO; must resolve to this host and back; empty: this host's full name"),
    TEXT(mail_from, "", "sender address of probes; empty: the null sender `<>` only"),
    TEXT(source_addresses, "", "local addresses to probe from, at most 16: each mail host sees one of them, and another after it has refused that one; empty: the system chooses"),
    ROW(SETTING_SECRET, proxies, "", 0, 0, NULL, "SOCKS5 proxies for SMTP, for use in `routes`: `socks5://user:password@192.0.2.1:1080`, called `proxy1`, `proxy2`, ... or by the name in front: `berlin=socks5://[2001:db8::1]:1080`"),
    TEXT(routes, "", "ways out, by provider or MX host name: `google=192.0.2.1 mx.example.net=proxy1 *=proxy2`; a key may be repeated with another way; `*`: all that are not named, which otherwise use source_addresses"),

    TEXT(resolver, "", "DNS servers as address:port, comma-separated; a validating one on loopback is recommended; empty: the system's"),
    TEXT(ports, "smtp=25 imap=143 imaps=993", "ports of the mail servers asked (labs use others)"),
    TEXT(extra_ports, "", "further ports that SRV records may send us to, at most 8; else IMAP is looked for at 143 and 993 only"),
    TEXT(allow_networks, "", "special-purpose networks that may be connected to (private deployments, labs)"),
    TEXT(allow_special_names, "", "special-use names treated as ordinary, such as `test`"),
    TEXT(ca_file, "", "CA certificates in PEM; empty: the system's store"),

    LIMIT(lane_connections, "1", 1, 1000, "connections to one mail host at once; exceptions by provider or host: `1 google=2 mx.example.net=3`"),
    LIMIT(lane_transaction_gap_ms, "1000", 0, 3600000, "pause between two transactions at one host"),
    LIMIT(lane_recipients_per_session, "20", 1, 100000, "recipients asked in one session"),
    LIMIT(lane_rejects_per_session, "4", 1, 100000, "refused recipients after which a session is closed"),
    LIMIT(lane_unknown_per_hour, "10", 1, 100000000, "unknown recipients per domain and hour, after which the domain is left alone"),
    LIMIT(lane_refused_per_hour, "100000000 cisco=20", 1, 100000000, "refused recipients per mail host and hour, after which the host is left alone: some accept just anyone after 25"),
    NUMBER(lane_rest_ms, "900000", 0, 86400000, "how long a host rests that blocked us, sent 421 or timed out; doubles up to 4 hours"),
    NUMBER(interactive_reserve, "20", 0, 100, "percent of a lane's connections kept for single calls, to the nearest; one is always left to bulk"),

    TEXT(retry_greylist_s, "360 1860 7200 21600", "seconds before each further try of a greylisted address, unless the server names a time; empty: none"),
    TEXT(retry_temporary_s, "900 3600 14400", "seconds before each further try after temporary trouble; empty: none"),

    NUMBER(timeout_connect_ms, "10000", 10, 300000, "TCP connect, per address"),
    NUMBER(timeout_greeting_ms, "30000", 10, 600000, "the server's greeting"),
    NUMBER(timeout_command_ms, "20000", 10, 600000, "replies to EHLO, STARTTLS, MAIL, RSET"),
    NUMBER(timeout_recipient_ms, "45000", 10, 600000, "the reply to RCPT"),
    NUMBER(timeout_quit_ms, "2000", 10, 60000, "the reply to QUIT"),
    NUMBER(dns_timeout_ms, "1500", 10, 60000, "first try of a DNS question; doubles"),
    NUMBER(dns_budget_ms, "4500", 10, 120000, "all DNS questions about one domain"),
    NUMBER(check_budget_ms, "90000", 100, 3600000, "a whole check, however long its callers wait"),
    NUMBER(imap_grace_ms, "1500", 0, 60000, "how long a finished SMTP verdict waits for IMAP facts"),
    NUMBER(grace_ms, "10000", 0, 600000, "graceful stop: time for what is in flight"),

    TEXT(doctor_hosts, "gmail.com outlook.com yahoo.com icloud.com", "domains whose mail hosts `vrfyd doctor` greets to see whether port 25 is open; empty: none"),
    TEXT(doctor_signed_name, "iana.org", "a name with good DNSSEC signatures, to see whether the resolver validates"),
    TEXT(doctor_bogus_name, "dnssec-failed.org", "a name with bad signatures; empty: none"),
    TEXT(doctor_blocklists, "zen.spamhaus.org bl.spamcop.net b.barracudacentral.org psbl.surriel.com dnsbl.dronebl.org bl.mailspike.net", "DNS blocklists that `vrfyd doctor` looks our addresses up in; empty: none"),

    NUMBER(loops, "0", 0, 256, "probe threads; 0: one per core"),
    NUMBER(checks_max, "0", 0, 1000000, "checks in progress at once; 0: from the descriptor limit"),
    NUMBER(connections_max, "1000", 1, 100000, "HTTP connections at once"),
    NUMBER(request_timeout_ms, "10000", 100, 600000, "time within which a whole HTTP request must have arrived"),
    NUMBER(cache_entries, "100000", 100, 10000000, "entries of each cache, per thread"),

    TEXT(data_dir, "", "where keys and secrets are kept; empty: $STATE_DIRECTORY, else /var/lib/vrfyd for root, else ~/.local/state/vrfyd"),
    TEXT(policies_file, "", "JSON file of your own policies, in the shape of GET /v1/policies"),
    TEXT(lists_dir, "", "folder of your own lists, added to the built-in ones"),
    TEXT(reply_rules, "", "file of your own rules for what servers say, read before the built-in ones; service/README.md says how"),
    TEXT(allow_list, "", "file of addresses, domains and *.wildcards that are always accepted"),
    TEXT(suppress_list, "", "file of addresses, domains and *.wildcards that are never probed"),
    CHOICE(log_format, "text", "text|json", "form of the log lines on stderr: `text` or `json`"),
    TEXT(log_level, "info", "least important events to log: `error`, `warn`, `info` or `debug`"),
    CHOICE(log_addresses, "hashed", "hashed|plain", "mailbox addresses in the log: `hashed` with a key, or `plain`"),
    NUMBER(retention_h, "24", 1, 8760, "hours for which verdicts and evidence are remembered"),
};
// clang-format on

const size_t setting_count = ARRAY_LENGTH(settings);

static bool name_equal(const char *name, const char *given, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = given[i] == '-' ? '_' : (char)tolower((unsigned char)given[i]);

        if (name[i] == '\0' || name[i] != c)
            return false;
    }
    return name[length] == '\0';
}

const struct setting *setting_find(const char *name, size_t length)
{
    for (size_t i = 0; i < setting_count; i++)
        if (name_equal(settings[i].name, name, length))
            return &settings[i];
    return NULL;
}
