#include "tests/support/imap_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"

enum { WAIT_S = 20, FLOOD_OCTETS = 1 << 20, WRITE_MAX = 1 << 18 };

struct imap_server {
    struct imap_server_params params;
    int listener, stop_pipe[2];
    uint16_t port;
    bool running;
    pthread_t thread;
    unsigned connections, overlaps;
    char complaint[512];
};

/* The client at the other end, in clear or in TLS. */
struct peer {
    int fd;
    SSL *tls;
};

static int peer_read(struct peer *peer, void *bytes, int size)
{
    return peer->tls != NULL ? SSL_read(peer->tls, bytes, size)
                             : (int)recv(peer->fd, bytes, (size_t)size, 0);
}

static bool peer_write(struct peer *peer, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = peer->tls != NULL ? SSL_write(peer->tls, bytes, (int)length)
                                         : send(peer->fd, bytes, length, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

static void complain(struct imap_server *server, const char *what, const char *got)
{
    if (server->complaint[0] == '\0')
        snprintf(server->complaint, sizeof(server->complaint), "%.200s (%.200s)", what, got);
}

static bool read_line(struct peer *peer, char *line, size_t size)
{
    size_t length = 0;

    while (length + 1 < size && peer_read(peer, line + length, 1) == 1) {
        if (line[length] == '\n') {
            line[length] = '\0';
            return length > 0 && line[length - 1] == '\r';
        }
        length++;
    }
    line[length] = '\0';
    return false;
}

/* The script is over: the client must leave, and say nothing on its way. */
static void await_leave(struct imap_server *server, struct peer *peer, bool silent)
{
    char octet[2] = "";

    while (peer_read(peer, octet, 1) == 1)
        if (silent)
            complain(server, "said more than the script has", octet);
}

static void flood(struct peer *peer)
{
    char octets[4096];

    memset(octets, 'x', sizeof(octets));
    for (size_t sent = 0; sent < FLOOD_OCTETS && peer_write(peer, octets, sizeof(octets));)
        sent += sizeof(octets);
}

/* S and the I lines behind it leave in one write. Returns the index after them. */
static size_t say(const struct imap_scenario *scenario, size_t at, struct peer *peer)
{
    struct text out;

    text_init(&out, WRITE_MAX);
    do {
        text_put(&out, scenario->lines[at].text);
        text_put(&out, "\r\n");
    } while (++at < scenario->count && scenario->lines[at].kind == 'I');
    peer_write(peer, out.bytes, out.length);
    text_free(&out);
    return at;
}

/* While this client waits for its answer, nobody else may be at the door. */
static void look_for_others(struct imap_server *server)
{
    struct pollfd door = {.fd = server->listener, .events = POLLIN};

    if (poll(&door, 1, 0) > 0)
        server->overlaps++;
}

static bool expect(struct imap_server *server, struct peer *peer, const char *wanted)
{
    char line[1024];

    if (!read_line(peer, line, sizeof(line))) {
        complain(server, wanted, "did not come");
        return false;
    }
    look_for_others(server);
    line[strlen(line) - 1] = '\0';
    if (strcmp(line, wanted) == 0)
        return true;
    complain(server, wanted, line);
    return false;
}

static bool shake_hands(struct imap_server *server, struct peer *peer)
{
    peer->tls = SSL_new(server->params.tls);
    SSL_set_fd(peer->tls, peer->fd);
    return SSL_accept(peer->tls) == 1;
}

static void play(struct imap_server *server, struct peer *peer)
{
    const struct imap_scenario *scenario = server->params.scenario;
    size_t at = 0;

    while (at < scenario->count) {
        const char *text = scenario->lines[at].text;

        switch (scenario->lines[at].kind) {
        case 'S':
            at = say(scenario, at, peer);
            continue;
        case 'C':
            if (!expect(server, peer, text))
                return;
            break;
        case 'T':
            if (strcmp(text, "ok") != 0)
                peer_write(peer, "not TLS\r\n", 9);
            else if (shake_hands(server, peer))
                break;
            await_leave(server, peer, false);
            return;
        default: /* X */
            if (strcmp(text, "flood") == 0)
                flood(peer);
            if (strcmp(text, "closed") != 0)
                await_leave(server, peer, true);
            return;
        }
        at++;
    }
    await_leave(server, peer, true);
}

static void serve(struct imap_server *server, int fd)
{
    struct timeval wait = {.tv_sec = WAIT_S};
    struct peer peer = {.fd = fd};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    server->connections++;
    play(server, &peer);
    SSL_free(peer.tls);
    close(fd);
}

static void *run(void *context)
{
    struct imap_server *server = context;
    struct pollfd watched[2] = {{.fd = server->listener, .events = POLLIN},
                                {.fd = server->stop_pipe[0], .events = POLLIN}};

    while (poll(watched, 2, -1) > 0 || errno == EINTR) {
        int fd;

        if (watched[1].revents != 0)
            break;
        fd = accept(server->listener, NULL, NULL);
        if (fd >= 0)
            serve(server, fd);
    }
    return NULL;
}

struct imap_server *imap_server_start(const struct imap_server_params *params)
{
    struct imap_server *server = mem_new(struct imap_server);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(params->port)};
    socklen_t size = sizeof(here);
    int yes = 1;

    signal(SIGPIPE, SIG_IGN);
    server->params = *params;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (inet_pton(AF_INET, params->address, &here.sin_addr) != 1 ||
        bind(server->listener, (struct sockaddr *)&here, sizeof(here)) != 0 ||
        listen(server->listener, 16) != 0 || pipe(server->stop_pipe) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&here, &size) != 0 ||
        pthread_create(&server->thread, NULL, run, server) != 0) {
        fprintf(stderr, "test server on %s: %s\n", params->address, strerror(errno));
        abort();
    }
    server->running = true;
    server->port = ntohs(here.sin_port);
    return server;
}

uint16_t imap_server_port(const struct imap_server *server) { return server->port; }

void imap_server_stop(struct imap_server *server)
{
    if (!server->running)
        return;
    server->running = false;
    if (write(server->stop_pipe[1], "", 1) == 1)
        pthread_join(server->thread, NULL);
}

unsigned imap_server_connections(const struct imap_server *server) { return server->connections; }

unsigned imap_server_overlaps(const struct imap_server *server) { return server->overlaps; }

const char *imap_server_complaint(const struct imap_server *server) { return server->complaint; }

void imap_server_free(struct imap_server **server)
{
    if (*server == NULL)
        return;
    imap_server_stop(*server);
    close((*server)->listener);
    close((*server)->stop_pipe[0]);
    close((*server)->stop_pipe[1]);
    free(*server);
    *server = NULL;
}
