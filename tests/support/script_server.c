#include "tests/support/script_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"

enum {
    GIVE_UP_S = 20,
    PAUSE_NS = 4 * 1000 * 1000, /* between pieces, and between the drops of a drip */
    FLOOD_OCTETS = 1 << 20,
    BURST_MAX = 1 << 20
};

struct script_server {
    const struct smtp_scenario *scenario;
    SSL_CTX *tls;
    int listener, fd;
    SSL *ssl;
    uint16_t port;
    pthread_t thread;
    unsigned turns;
    const char *left;
    char complaint[512];
};

/* --- octets -------------------------------------------------------------------- */

static ssize_t read_some(struct script_server *server, char *out, size_t size)
{
    return server->ssl != NULL ? SSL_read(server->ssl, out, (int)size)
                               : recv(server->fd, out, size, 0);
}

static bool write_all(struct script_server *server, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = server->ssl != NULL ? SSL_write(server->ssl, bytes, (int)length)
                                           : send(server->fd, bytes, length, MSG_NOSIGNAL);

        if (sent <= 0) {
            if (errno == ECONNRESET)
                server->left = "reset";
            return false;
        }
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

static void pause_a_moment(void) { nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL); }

static void complain(struct script_server *server, const char *what, const char *got)
{
    if (server->complaint[0] == '\0')
        snprintf(server->complaint, sizeof(server->complaint), "%s: %.400s", what, got);
}

/* The client has to leave, without another word. */
static void await_leave(struct script_server *server)
{
    char octets[128] = "";
    ssize_t got;

    errno = 0;
    while ((got = read_some(server, octets, sizeof(octets) - 1)) > 0) {
        octets[got] = '\0';
        complain(server, "the client said more than the script has", octets);
    }
    if (errno == EAGAIN)
        complain(server, "the client does not leave", "");
    if (server->left[0] == '-')
        server->left = errno == ECONNRESET ? "reset" : "orderly";
}

/* --- the script ------------------------------------------------------------------ */

static bool is_line(const struct smtp_scenario *scenario, size_t at, const char *kinds)
{
    return at < scenario->line_count && strchr(kinds, scenario->lines[at].kind) != NULL;
}

/* Runs of S and I lines are one write. Returns the index after them. */
static size_t say(struct script_server *server, size_t at)
{
    const struct smtp_scenario *scenario = server->scenario;
    struct text burst;

    text_init(&burst, BURST_MAX);
    for (; is_line(scenario, at, "SI"); at++)
        text_add(&burst, scenario->lines[at].bytes, scenario->lines[at].length);
    write_all(server, burst.bytes, burst.length);
    text_free(&burst);
    return at;
}

static bool is_lone_quit(const struct text *group) { return strcmp(group->bytes, "QUIT\r\n") == 0; }

/* Reads exactly the group; what is more was sent too early. */
static bool hear(struct script_server *server, const struct text *wanted)
{
    char got[4096];
    size_t length = 0;

    while (length < wanted->length) {
        ssize_t more = read_some(server, got + length, sizeof(got) - 1 - length);

        if (more <= 0) {
            complain(server, "the client left instead of saying", wanted->bytes);
            return false;
        }
        length += (size_t)more;
    }
    got[length] = '\0';
    if (length == wanted->length && memcmp(got, wanted->bytes, length) == 0)
        return true;
    complain(server, "the client said", got);
    return false;
}

/* Runs of C lines are one group: it has to come without a reply in between. */
static bool expect(struct script_server *server, size_t *at)
{
    const struct smtp_scenario *scenario = server->scenario;
    struct text group;
    bool heard;

    text_init(&group, BURST_MAX);
    for (; is_line(scenario, *at, "C"); ++*at)
        text_add(&group, scenario->lines[*at].bytes, scenario->lines[*at].length);
    server->turns += !is_lone_quit(&group);
    heard = hear(server, &group);
    text_free(&group);
    return heard;
}

static bool shake_hands(struct script_server *server, const char *how)
{
    server->turns++;
    if (strcmp(how, "ok") != 0) {
        char hello[512];

        if (read_some(server, hello, sizeof(hello)) > 0 && strcmp(how, "fail") == 0)
            write_all(server, "this is not TLS\r\n", 17);
        while (read_some(server, hello, sizeof(hello)) > 0)
            ;
        return false;
    }
    server->ssl = SSL_new(server->tls);
    SSL_set_fd(server->ssl, server->fd);
    if (SSL_accept(server->ssl) == 1)
        return true;
    complain(server, "no handshake", "");
    return false;
}

static void reset_on_close(struct script_server *server)
{
    static const struct linger at_once = {1, 0};

    setsockopt(server->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

static void end(struct script_server *server, const char *how)
{
    char flood[4096];

    memset(flood, '2', sizeof(flood));
    if (strcmp(how, "reset") == 0)
        reset_on_close(server);
    if (strcmp(how, "close") == 0 || strcmp(how, "reset") == 0)
        return;
    if (strcmp(how, "flood") == 0)
        for (size_t sent = 0; sent < FLOOD_OCTETS; sent += sizeof(flood))
            if (!write_all(server, flood, sizeof(flood)))
                break;
    if (strcmp(how, "drip") == 0)
        while (write_all(server, "2", 1))
            pause_a_moment();
    await_leave(server);
}

static void play(struct script_server *server)
{
    const struct smtp_scenario *scenario = server->scenario;
    size_t at = 0;

    server->turns++; /* the greeting */
    while (at < scenario->line_count) {
        const struct smtp_scenario_line *line = &scenario->lines[at];

        switch (line->kind) {
        case 'S':
        case 'I':
            at = say(server, at);
            continue;
        case 'C':
            if (!expect(server, &at))
                return;
            continue;
        case 'P':
            write_all(server, line->bytes, line->length);
            pause_a_moment();
            break;
        case 'T':
            if (!shake_hands(server, line->bytes))
                return;
            break;
        default: /* X */
            end(server, line->bytes);
            return;
        }
        at++;
    }
    await_leave(server);
}

static void *serve(void *context)
{
    struct script_server *server = context;
    struct timeval limit = {.tv_sec = GIVE_UP_S};
    int one = 1;

    setsockopt(server->listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    server->fd = accept(server->listener, NULL, NULL);
    if (server->fd < 0)
        return NULL;
    setsockopt(server->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(server->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    setsockopt(server->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    play(server);
    SSL_free(server->ssl);
    close(server->fd);
    return NULL;
}

struct script_server *script_server_start(const struct smtp_scenario *scenario, SSL_CTX *tls)
{
    struct script_server *server = mem_new(struct script_server);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(here);

    signal(SIGPIPE, SIG_IGN);
    server->scenario = scenario;
    server->tls = tls;
    server->left = "-";
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server->listener, (struct sockaddr *)&here, sizeof(here)) != 0 ||
        listen(server->listener, 4) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&here, &size) != 0 ||
        pthread_create(&server->thread, NULL, serve, server) != 0) {
        perror("script server");
        abort();
    }
    server->port = ntohs(here.sin_port);
    return server;
}

uint16_t script_server_port(const struct script_server *server) { return server->port; }

void script_server_join(struct script_server *server) { pthread_join(server->thread, NULL); }

const char *script_server_complaint(const struct script_server *server)
{
    return server->complaint;
}

unsigned script_server_turns(const struct script_server *server) { return server->turns; }

const char *script_server_left(const struct script_server *server) { return server->left; }

void script_server_free(struct script_server **server)
{
    close((*server)->listener);
    free(*server);
    *server = NULL;
}
