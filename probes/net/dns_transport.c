/* dns_transport.c - c-ares, its sockets on our loop, and the replacing of channels.
 *
 * Written for c-ares 1.18 to 1.34: only ares_create_query() and ares_send() are used, which
 * every version has. ares_timeout() is never called: it walks all that is outstanding. */
#define CARES_NO_DEPRECATED /* newer versions would rather have their record API used */
#include "probes/net/dns_transport.h"

#include <ares.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "probes/base/mem.h"
#include "probes/base/random.h"

enum {
    CHANNEL_QUESTIONS_MAX = 4000, /* then the source port has been seen often enough */
    SUSPECT_QUESTIONS_MAX = 500,  /* a server without EDNS costs a new channel this often */
    EDNS_SIZE = 1232,
    RECEIVE_BUFFER = 4 << 20, /* the default holds 256 answers: a stalled turn loses the rest */
    CLASS_IN = 1,
    DEFAULT_PORT = 53,
    SERVER_TEXT_SIZE = IP_TEXT_SIZE + 10
};
enum { HEADER_AUTHENTIC_DATA = 0x20, HEADER_CHECKING_DISABLED = 0x10 }; /* fourth octet */

struct channel_socket {
    struct loop_io io;
    ares_socket_t fd;
    struct channel *channel;
    struct channel_socket *next;
};

struct channel {
    ares_channel ares;
    struct dns_transport *transport;
    struct channel_socket *sockets;
    unsigned outstanding, sent;
    bool suspect;         /* c-ares may have given EDNS up */
    struct channel *next; /* retired ones, until their last answer is in */
};

struct dns_transport {
    struct loop *loop;
    char server[SERVER_TEXT_SIZE];
    uint32_t timeout_ms;
    struct channel *current, *retired;
    size_t outstanding;
};

struct dns_attempt {
    struct channel *channel;
    dns_delivered_fn *delivered; /* NULL: abandoned */
    void *context;
    bool sending; /* inside ares_send() */
    bool over;    /* the callback came meanwhile */
};

/* --- sockets ----------------------------------------------------------------------- */

static void on_socket(void *context, bool readable, bool writable)
{
    const struct channel_socket *found = context;
    ares_socket_t fd = found->fd; /* c-ares may close it, which frees `found` */

    ares_process_fd(found->channel->ares, readable ? fd : ARES_SOCKET_BAD,
                    writable ? fd : ARES_SOCKET_BAD);
}

static struct channel_socket *add_socket(struct channel *channel, ares_socket_t fd)
{
    struct channel_socket *added = mem_new(struct channel_socket);

    added->fd = fd;
    added->channel = channel;
    loop_io_init(&added->io, channel->transport->loop, fd, on_socket, added);
    LL_PREPEND(channel->sockets, added);
    return added;
}

static void on_socket_state(void *context, ares_socket_t fd, int readable, int writable)
{
    struct channel *channel = context;
    struct channel_socket *found;

    LL_SEARCH_SCALAR(channel->sockets, found, fd, fd);
    if (readable || writable) {
        if (found == NULL)
            found = add_socket(channel, fd);
        loop_io_want(&found->io, readable != 0, writable != 0);
    } else if (found != NULL) {
        loop_io_stop(&found->io);
        LL_DELETE(channel->sockets, found);
        free(found);
    }
}

/* --- channels ------------------------------------------------------------------------ */

static void init_library(void) { ares_library_init(ARES_LIB_INIT_ALL); }

static bool init_channel(struct channel *channel, uint32_t timeout_ms)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct ares_options options;
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB |
               ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_RCVBUF;

    pthread_once(&once, init_library);
    memset(&options, 0, sizeof options);
    options.flags = ARES_FLAG_EDNS | ARES_FLAG_NOCHECKRESP;
    options.timeout = (int)timeout_ms;
    options.tries = 1; /* repeating is for dns_fetch.c: it alone knows who still waits */
    options.sock_state_cb = on_socket_state;
    options.sock_state_cb_data = channel;
    options.ednspsz = EDNS_SIZE;
    options.socket_receive_buffer_size = RECEIVE_BUFFER;
#ifdef ARES_OPT_QUERY_CACHE
    mask |= ARES_OPT_QUERY_CACHE; /* qcache_max_ttl 0: the cache is ours */
#endif
    return ares_init_options(&channel->ares, &options, mask) == ARES_SUCCESS;
}

static struct channel *channel_new(struct dns_transport *transport)
{
    struct channel *channel = mem_new(struct channel);

    channel->transport = transport;
    if (!init_channel(channel, transport->timeout_ms)) {
        free(channel);
        return NULL;
    }
    if (ares_set_servers_ports_csv(channel->ares, transport->server) != ARES_SUCCESS) {
        ares_destroy(channel->ares);
        free(channel);
        return NULL;
    }
    return channel;
}

static void channel_free(struct channel *channel)
{
    struct channel_socket *left;

    ares_destroy(channel->ares);
    while ((left = channel->sockets) != NULL) {
        channel->sockets = left->next;
        loop_io_stop(&left->io);
        free(left);
    }
    free(channel);
}

static bool is_worn_out(const struct channel *channel)
{
    return channel->sent >= (channel->suspect ? SUSPECT_QUESTIONS_MAX : CHANNEL_QUESTIONS_MAX);
}

/* A channel that cannot be replaced serves on. */
static void replace_channel(struct dns_transport *transport)
{
    struct channel *fresh = channel_new(transport);

    if (fresh == NULL)
        return;
    LL_PREPEND(transport->retired, transport->current);
    transport->current = fresh;
}

static void free_finished_channels(struct dns_transport *transport)
{
    struct channel *channel, *next;

    for (channel = transport->retired; channel != NULL; channel = next) {
        next = channel->next;
        if (channel->outstanding > 0)
            continue;
        LL_DELETE(transport->retired, channel);
        channel_free(channel);
    }
}

/* --- the transport --------------------------------------------------------------------- */

struct dns_transport *dns_transport_new(struct loop *loop, const struct dns_server *server,
                                        uint32_t timeout_ms)
{
    struct dns_transport *transport = mem_new(struct dns_transport);
    char address[IP_TEXT_SIZE];

    transport->loop = loop;
    transport->timeout_ms = timeout_ms;
    snprintf(transport->server, sizeof transport->server,
             server->address.family == 6 ? "[%s]:%u" : "%s:%u",
             ip_format(&server->address, address), (unsigned)server->port);
    transport->current = channel_new(transport);
    if (transport->current == NULL) {
        free(transport);
        return NULL;
    }
    return transport;
}

void dns_transport_free(struct dns_transport **transport)
{
    struct dns_transport *gone = *transport;
    struct channel *channel;

    *transport = NULL;
    if (gone == NULL)
        return;
    LL_PREPEND(gone->retired, gone->current);
    while ((channel = gone->retired) != NULL) {
        gone->retired = channel->next;
        channel_free(channel);
    }
    free(gone);
}

static enum dns_delivery delivery_of(int status, const unsigned char *bytes)
{
    switch (status) {
    case ARES_SUCCESS:
        return bytes != NULL ? DNS_DELIVERED : DNS_UNREACHABLE;
    case ARES_ETIMEOUT:
        return DNS_NO_ANSWER;
    case ARES_EBADNAME:
    case ARES_EBADQUERY:
    case ARES_EFORMERR:
        return DNS_UNASKABLE;
    default:
        return DNS_UNREACHABLE;
    }
}

static void on_answer(void *context, int status, int timeouts, unsigned char *bytes, int length)
{
    struct dns_attempt *attempt = context;
    bool dying = status == ARES_EDESTRUCTION || status == ARES_ECANCELLED;

    (void)timeouts;
    attempt->channel->outstanding--;
    attempt->channel->transport->outstanding--;
    if (attempt->delivered != NULL && !dying)
        attempt->delivered(attempt->context, attempt, delivery_of(status, bytes), bytes,
                           length > 0 ? (size_t)length : 0);
    attempt->over = true;
    if (!attempt->sending)
        free(attempt);
}

/* ares_send() keeps the number it is given, so it has to be hard to guess. */
static uint16_t random_id(void)
{
    uint16_t id;

    random_bytes(&id, sizeof id);
    return id;
}

struct dns_attempt *dns_transport_send(struct dns_transport *transport,
                                       const struct dns_question *question,
                                       dns_delivered_fn *delivered, void *context)
{
    struct dns_attempt *attempt;
    unsigned char *bytes = NULL;
    int length = 0;

    if (is_worn_out(transport->current))
        replace_channel(transport);
    if (ares_create_query(question->name, CLASS_IN, (int)question->type, random_id(), 1, &bytes,
                          &length, question->plain ? 0 : EDNS_SIZE) != ARES_SUCCESS) {
        delivered(context, NULL, DNS_UNASKABLE, NULL, 0);
        return NULL;
    }
    bytes[3] |= HEADER_AUTHENTIC_DATA; /* asks for the AD bit in the answer, RFC 6840 section 5.7 */
    if (question->checking_disabled)
        bytes[3] |= HEADER_CHECKING_DISABLED;
    attempt = mem_new(struct dns_attempt);
    *attempt = (struct dns_attempt){transport->current, delivered, context, true, false};
    transport->current->outstanding++;
    transport->current->sent++;
    transport->outstanding++;
    ares_send(transport->current->ares, bytes, length, on_answer, attempt);
    ares_free_string(bytes);
    attempt->sending = false;
    if (!attempt->over)
        return attempt;
    free(attempt);
    return NULL;
}

void dns_attempt_abandon(struct dns_attempt *attempt) { attempt->delivered = NULL; }

size_t dns_transport_outstanding(const struct dns_transport *transport)
{
    return transport->outstanding;
}

void dns_transport_tick(struct dns_transport *transport)
{
    struct channel *channel;

    ares_process_fd(transport->current->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    for (channel = transport->retired; channel != NULL; channel = channel->next)
        ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    free_finished_channels(transport);
}

void dns_transport_suspect(struct dns_transport *transport) { transport->current->suspect = true; }

/* --- lists of servers --------------------------------------------------------------------- */

static bool parse_port(const char *text, uint16_t *port)
{
    char *end;
    unsigned long value;

    if (text[0] < '0' || text[0] > '9')
        return false;
    value = strtoul(text, &end, 10);
    if (*end != '\0' || value == 0 || value > UINT16_MAX)
        return false;
    *port = (uint16_t)value;
    return true;
}

/* "address", "address:port" (IPv4) or "[address]:port". Takes `item` apart. */
static bool parse_server(char *item, struct dns_server *server)
{
    char *address = item, *end, *colon = strchr(item, ':');

    server->port = DEFAULT_PORT;
    if (item[0] == '[') {
        address = item + 1;
        end = strchr(address, ']');
        if (end == NULL)
            return false;
        *end = '\0';
        if (end[1] != '\0' && (end[1] != ':' || !parse_port(end + 2, &server->port)))
            return false;
    } else if (colon != NULL && strchr(colon + 1, ':') == NULL) {
        *colon = '\0';
        if (!parse_port(colon + 1, &server->port))
            return false;
    }
    return ip_parse(address, &server->address);
}

size_t dns_servers_parse(const char *text, struct dns_server servers[DNS_SERVERS_MAX])
{
    static const char separators[] = ", \t\n";
    char *copy = mem_copy_text(text), *rest = copy;
    size_t count = 0;

    while (*(rest += strspn(rest, separators)) != '\0') {
        char *item = rest;

        rest += strcspn(rest, separators);
        if (*rest != '\0')
            *rest++ = '\0';
        if (count == DNS_SERVERS_MAX || !parse_server(item, &servers[count])) {
            count = 0;
            break;
        }
        count++;
    }
    free(copy);
    return count;
}

bool dns_server_is_near(const struct dns_server *server) { return ip_is_special(&server->address); }

/* c-ares reads resolv.conf; where it says nothing, that is 127.0.0.1. */
size_t dns_servers_of_system(struct dns_server servers[DNS_SERVERS_MAX])
{
    struct ares_addr_port_node *found = NULL, *node;
    ares_channel channel;
    size_t count = 0;

    if (ares_init(&channel) != ARES_SUCCESS)
        return 0;
    ares_get_servers_ports(channel, &found);
    for (node = found; node != NULL && count < DNS_SERVERS_MAX; node = node->next) {
        struct dns_server *server = &servers[count++];

        *server = (struct dns_server){.port = DEFAULT_PORT};
        server->address.family = node->family == AF_INET6 ? 6 : 4;
        memcpy(server->address.octets, &node->addr, node->family == AF_INET6 ? 16 : 4);
        if (node->udp_port > 0 && node->udp_port <= UINT16_MAX)
            server->port = (uint16_t)node->udp_port;
    }
    if (found != NULL)
        ares_free_data(found);
    ares_destroy(channel);
    return count;
}
