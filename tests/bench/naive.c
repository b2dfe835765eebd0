/* naive - what a list costs a client that knows no better: one connection for each address, one
 * command at a time, nothing remembered, nothing asked again. It keeps to the same number of
 * connections at once for each provider or host.
 *
 *   naive --config FILE < addresses       a line `status` for each address, in order
 *
 * Each address: MX, A of the best host, connect, EHLO, MAIL, RCPT, RCPT of a made-up neighbour (is
 * everybody accepted?), QUIT. No STARTTLS: that is to its advantage. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "probes/address/address.h"
#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "probes/discover/provider.h"
#include "probes/net/conn.h"
#include "probes/net/dns.h"
#include "service/config.h"

enum { LINE_OCTETS_MAX = 8192, NO_CACHE = 1, DNS_TRIES = 2 };

enum step { STEP_GREETING, STEP_EHLO, STEP_MAIL, STEP_RCPT, STEP_NEIGHBOUR, STEP_QUIT, STEP_OVER };

struct lane {
    UT_hash_handle hh;
    struct query *waiting;
    uint32_t open, most;
    char key[];
};

/* One address. */
struct query {
    struct query *next, *prev; /* in its lane */
    struct client *client;
    char recipient[ADDRESS_TEXT_SIZE], domain[DNS_NAME_SIZE], host[DNS_NAME_SIZE];
    struct ip_address address;
    struct dns_query *dns;
    struct lane *lane;
    struct conn *conn;
    enum step step;
    const char *status;
};

struct client {
    struct config config;
    struct loop *loop;
    struct dns *dns;
    struct lane *lanes;
    struct query *queries;
    size_t count, left;
};

/* --- the end of one address --------------------------------------------------------------- */

static void pump(struct lane *lane);

static void over(struct query *query)
{
    struct lane *lane = query->lane;
    struct client *client = query->client;

    query->step = STEP_OVER;
    conn_close(&query->conn, false);
    if (lane != NULL) {
        lane->open--;
        pump(lane);
    }
    if (--client->left == 0)
        loop_stop(client->loop);
}

/* --- the conversation ------------------------------------------------------------------------ */

static void say(struct query *query, enum step step)
{
    const struct config *config = &query->client->config;
    struct text line;

    text_init(&line, LINE_OCTETS_MAX);
    if (step == STEP_EHLO)
        text_format(&line, "EHLO %s\r\n", config->hello_name);
    else if (step == STEP_MAIL)
        text_format(&line, "MAIL FROM:<%s>\r\n", config->mail_from);
    else if (step == STEP_RCPT)
        text_format(&line, "RCPT TO:<%s>\r\n", query->recipient);
    else if (step == STEP_NEIGHBOUR)
        text_format(&line, "RCPT TO:<nobody-%" PRIuPTR "@%s>\r\n",
                    (uintptr_t)(query - query->client->queries), query->domain);
    else
        text_put(&line, "QUIT\r\n");
    query->step = step;
    conn_set_timeout(query->conn, step == STEP_QUIT ? config->timeout_quit_ms
                                  : step == STEP_RCPT || step == STEP_NEIGHBOUR
                                      ? config->timeout_recipient_ms
                                      : config->timeout_command_ms);
    conn_send(query->conn, line.bytes, line.length);
    text_free(&line);
}

static void on_recipient(struct query *query, char first)
{
    if (first == '2') {
        say(query, STEP_NEIGHBOUR);
        return;
    }
    query->status = first == '5' ? "undeliverable" : "unknown";
    say(query, STEP_QUIT);
}

static void on_reply(struct query *query, char first)
{
    switch (query->step) {
    case STEP_GREETING:
    case STEP_EHLO:
    case STEP_MAIL:
        say(query, first == '2' ? query->step + 1 : STEP_QUIT);
        return;
    case STEP_RCPT:
        on_recipient(query, first);
        return;
    case STEP_NEIGHBOUR:
        query->status = first == '5' ? "deliverable" : "risky";
        say(query, STEP_QUIT);
        return;
    case STEP_QUIT:
        over(query);
        return;
    case STEP_OVER:
        return;
    }
}

static void on_line(void *context, const char *line, size_t length)
{
    if (length >= 3 && (length == 3 || line[3] == ' '))
        on_reply(context, line[0]);
}

static void on_event(void *context, enum conn_event event)
{
    struct query *query = context;

    if (event == CONN_CONNECTED)
        conn_set_timeout(query->conn, query->client->config.timeout_greeting_ms);
    else
        over(query);
}

static void pump(struct lane *lane)
{
    static const struct conn_handler handler = {on_event, on_line};

    while (lane->waiting != NULL && lane->open < lane->most) {
        struct query *query = lane->waiting;
        const struct config *config = &query->client->config;

        DL_DELETE(lane->waiting, query);
        lane->open++;
        query->conn =
            conn_open(&(struct conn_params){.loop = query->client->loop,
                                            .address = query->address,
                                            .port = config->port_smtp,
                                            .allowed = &config->allowed,
                                            .connect_timeout_ms = config->timeout_connect_ms,
                                            .line_max = LINE_OCTETS_MAX,
                                            .handler = &handler,
                                            .context = query});
    }
}

/* --- where to --------------------------------------------------------------------------------- */

static struct lane *find_lane(struct client *client, const char *host)
{
    const struct provider *provider = provider_by_mx(host);
    const char *key = provider != NULL ? provider->key : host;
    struct lane *lane;
    bool found;

    HASH_FIND_STR(client->lanes, key, lane);
    if (lane != NULL)
        return lane;
    lane = mem_zeroed(1, sizeof(*lane) + strlen(key) + 1);
    memcpy(lane->key, key, strlen(key) + 1);
    lane->most = config_limit_for(&client->config.lane_connections,
                                  provider != NULL ? provider->key : NULL, host, &found);
    HASH_ADD_STR(client->lanes, key, lane);
    return lane;
}

static void on_address(void *context, const struct dns_answer *answer)
{
    struct query *query = context;

    query->dns = NULL;
    if (answer->status != DNS_FOUND) {
        over(query);
        return;
    }
    query->address = answer->records[0].address;
    query->lane = find_lane(query->client, query->host);
    DL_APPEND(query->lane->waiting, query);
    pump(query->lane);
}

static void on_mx(void *context, const struct dns_answer *answer)
{
    struct query *query = context;
    const char *best = query->domain;
    unsigned preference = UINT16_MAX + 1;

    query->dns = NULL;
    if (answer->status == DNS_NO_NAME)
        query->status = "undeliverable";
    if (answer->status != DNS_FOUND && answer->status != DNS_NO_DATA) {
        over(query);
        return;
    }
    for (size_t i = 0; answer->status == DNS_FOUND && i < answer->count; i++)
        if (answer->records[i].preference < preference) {
            preference = answer->records[i].preference;
            best = answer->records[i].name;
        }
    if (best[0] == '\0') { /* null MX */
        query->status = "undeliverable";
        over(query);
        return;
    }
    snprintf(query->host, sizeof(query->host), "%s", best);
    query->dns = dns_ask(query->client->dns, query->host, DNS_A, on_address, query);
}

/* --- the list -------------------------------------------------------------------------------- */

static void read_address(struct client *client, const char *line, size_t length)
{
    const struct address_options options = {.allow_special_names =
                                                client->config.allow_special_names};
    struct address address;

    client->queries = mem_resize(client->queries, (client->count + 1) * sizeof(struct query));
    struct query *query = &client->queries[client->count++];
    *query = (struct query){.client = client, .status = "unknown", .step = STEP_OVER};
    if (!address_parse(line, length, &options, &address) || address.code != ADDRESS_OK) {
        query->status = "undeliverable";
        return;
    }
    query->step = STEP_GREETING;
    address_wire(&address, query->recipient);
    snprintf(query->domain, sizeof(query->domain), "%s", address.domain_ascii);
}

static void read_all(struct client *client)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length;

    while ((length = getline(&line, &room, stdin)) > 0)
        read_address(client, line, (size_t)length - (line[length - 1] == '\n' ? 1 : 0));
    free(line);
}

static bool ask_all(struct client *client)
{
    const char *error = NULL;

    client->loop = loop_new();
    client->dns = dns_new(&(struct dns_params){.loop = client->loop,
                                               .servers = client->config.resolver,
                                               .timeout_ms = client->config.dns_timeout_ms,
                                               .tries = DNS_TRIES,
                                               .cache_entries = NO_CACHE},
                          &error);
    if (client->dns == NULL) {
        fprintf(stderr, "naive: resolver: %s\n", error);
        return false;
    }
    for (size_t i = 0; i < client->count; i++) {
        struct query *query = &client->queries[i];

        if (query->step == STEP_OVER)
            continue;
        client->left++;
        query->dns = dns_ask(client->dns, query->domain, DNS_MX, on_mx, query);
    }
    if (client->left > 0)
        loop_run(client->loop);
    return true;
}

static void clear(struct client *client)
{
    struct lane *lane, *following;

    HASH_ITER(hh, client->lanes, lane, following)
    {
        HASH_DEL(client->lanes, lane);
        free(lane);
    }
    dns_free(&client->dns);
    loop_free(&client->loop);
    free(client->queries);
    config_free(&client->config);
}

int main(int argc, char **argv)
{
    struct client client = {.count = 0};
    char error[512];

    config_defaults(&client.config);
    if (config_load(&client.config, argc - 1, argv + 1, error, sizeof(error)) < 0) {
        fprintf(stderr, "naive: %s\n", error);
        return 2;
    }
    read_all(&client);
    bool good = ask_all(&client);
    for (size_t i = 0; good && i < client.count; i++)
        puts(client.queries[i].status);
    clear(&client);
    return good ? 0 : 1;
}
