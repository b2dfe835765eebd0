#include "tests/support/line_server.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probes/base/mem.h"

enum { LINE_SIZE = 1024, GIVE_UP_S = 20 };

struct line_server {
    const struct line_step *script;
    SSL_CTX *tls;
    unsigned connections, surprises;
    int listener;
    uint16_t port;
    pthread_t thread;
};

struct peer {
    int fd;
    SSL *ssl;
};

static ssize_t peer_read(struct peer *peer, char *out, size_t size)
{
    return peer->ssl != NULL ? SSL_read(peer->ssl, out, (int)size) : recv(peer->fd, out, size, 0);
}

static void peer_write(struct peer *peer, const char *bytes, size_t length)
{
    if (peer->ssl != NULL)
        (void)SSL_write(peer->ssl, bytes, (int)length);
    else
        (void)!send(peer->fd, bytes, length, MSG_NOSIGNAL);
}

static bool line_is(struct peer *peer, const char *expected)
{
    char line[LINE_SIZE];
    size_t length = 0;

    while (length < sizeof line - 1 && peer_read(peer, line + length, 1) == 1)
        if (line[length++] == '\n')
            break;
    line[length] = '\0';
    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
        line[--length] = '\0';
    return strcmp(line, expected) == 0;
}

static bool octets_are(struct peer *peer, const char *expected, size_t length)
{
    char octets[LINE_SIZE];
    size_t got = 0;

    assert(length <= sizeof octets);
    while (got < length && peer_read(peer, octets + got, 1) == 1)
        got++;
    return got == length && memcmp(octets, expected, length) == 0;
}

static bool accept_tls(struct line_server *server, struct peer *peer)
{
    peer->ssl = SSL_new(server->tls);
    SSL_set_fd(peer->ssl, peer->fd);
    return SSL_accept(peer->ssl) == 1;
}

static void hold_back(const struct peer *peer, int on)
{
    setsockopt(peer->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

static bool greet_and_accept_tls(struct line_server *server, struct peer *peer, const char *bytes)
{
    char octet;
    size_t length;

    peer->ssl = SSL_new(server->tls);
    SSL_set_fd(peer->ssl, peer->fd);
    hold_back(peer, 1); /* the end of our flight and the greeting are to arrive together */
    if (SSL_read_early_data(peer->ssl, &octet, 1, &length) != SSL_READ_EARLY_DATA_FINISH ||
        SSL_write_early_data(peer->ssl, bytes, strlen(bytes), &length) != 1)
        return false;
    hold_back(peer, 0);
    return SSL_accept(peer->ssl) == 1;
}

static bool new_keys(struct peer *peer, int update)
{
    return SSL_key_update(peer->ssl, update) == 1 && SSL_do_handshake(peer->ssl) == 1;
}

/* False when the script is over. */
static bool play(struct line_server *server, struct peer *peer, const struct line_step *step)
{
    static const struct linger at_once = {1, 0};
    size_t length = step->length > 0 || step->bytes == NULL ? step->length : strlen(step->bytes);
    char octet;

    switch (step->kind) {
    case STEP_SEND:
        peer_write(peer, step->bytes, length);
        return true;
    case STEP_PIECES:
        for (size_t i = 0; i < length; i++) {
            peer_write(peer, step->bytes + i, 1);
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
        return true;
    case STEP_EXPECT:
        if (!line_is(peer, step->bytes))
            server->surprises++;
        return true;
    case STEP_OCTETS:
        if (!octets_are(peer, step->bytes, length))
            server->surprises++;
        return true;
    case STEP_WAIT:
        return peer_read(peer, &octet, 1) == 1;
    case STEP_PEEK:
        if (recv(peer->fd, &octet, 1, MSG_PEEK) != 1)
            server->surprises++;
        return true;
    case STEP_TLS:
        return accept_tls(server, peer);
    case STEP_TLS_GREETING:
        return greet_and_accept_tls(server, peer, step->bytes);
    case STEP_PARTED:
        if (SSL_get_error(peer->ssl, SSL_read(peer->ssl, &octet, 1)) != SSL_ERROR_ZERO_RETURN)
            server->surprises++;
        return true;
    case STEP_REKEY:
        return new_keys(peer, SSL_KEY_UPDATE_REQUESTED);
    case STEP_REKEYS:
        for (size_t i = 0; i < step->length; i++)
            if (!new_keys(peer, SSL_KEY_UPDATE_NOT_REQUESTED))
                return false;
        return true;
    case STEP_RENEW:
        return SSL_renegotiate(peer->ssl) == 1 && SSL_do_handshake(peer->ssl) == 1;
    case STEP_RESET:
        setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        return false;
    case STEP_HOLD:
        while (peer_read(peer, &octet, 1) == 1)
            ;
        return false;
    case STEP_END:
    case STEP_NEXT:
        if (peer->ssl != NULL)
            SSL_shutdown(peer->ssl);
        return false;
    }
    return false;
}

static void *serve(void *argument)
{
    struct line_server *server = argument;
    const struct line_step *begin = server->script, *step;
    struct timeval limit = {.tv_sec = GIVE_UP_S};
    int one = 1;

    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes to whoever has left, too */
    setsockopt(server->listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    for (unsigned i = 0; i < server->connections; i++) {
        struct peer peer = {.fd = accept(server->listener, NULL, NULL)};

        if (peer.fd < 0)
            break;
        setsockopt(peer.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        setsockopt(peer.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        for (step = begin; play(server, &peer, step); step++)
            ;
        begin = step->kind == STEP_NEXT ? step + 1 : server->script;
        SSL_free(peer.ssl);
        close(peer.fd);
    }
    close(server->listener);
    return NULL;
}

struct line_server *line_server_start(const struct line_step *script, SSL_CTX *tls,
                                      unsigned connections)
{
    struct line_server *server = mem_new(struct line_server);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    int failed;

    server->script = script;
    server->tls = tls;
    server->connections = connections;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    failed = bind(server->listener, (struct sockaddr *)&at, length);
    assert(failed == 0);
    failed = listen(server->listener, 64);
    assert(failed == 0);
    getsockname(server->listener, (struct sockaddr *)&at, &length);
    server->port = ntohs(at.sin_port);
    failed = pthread_create(&server->thread, NULL, serve, server);
    assert(failed == 0);
    (void)failed;
    return server;
}

uint16_t line_server_port(const struct line_server *server) { return server->port; }

unsigned line_server_stop(struct line_server **server)
{
    unsigned surprises;

    pthread_join((*server)->thread, NULL);
    surprises = (*server)->surprises;
    free(*server);
    *server = NULL;
    return surprises;
}

const struct ip_networks *loopback_networks(void)
{
    static struct ip_networks networks;

    if (networks.count == 0) {
        bool parsed = ip_networks_parse("127.0.0.0/8", &networks);

        assert(parsed);
        (void)parsed;
    }
    return &networks;
}
