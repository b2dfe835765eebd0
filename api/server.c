#include "api/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "api/server_internal.h"
#include "probes/base/mem.h"
#include "probes/base/text.h"

enum { TIMEOUT_ANSWER_MAX = 1024 };

/* --- driving the library ---------------------------------------------------------- */

static void drive(struct server *server);

static void on_kick(struct loop_mail *mail)
{
    struct server *server = CONTAINER_OF(mail, struct server, kick);

    server->kicked = false;
    drive(server);
}

/* Not from inside: handlers run inside the library. */
void server_kick(struct server *server)
{
    if (server->kicked)
        return;
    server->kicked = true;
    loop_defer(server->loop, &server->kick, on_kick);
}

static void on_wish(void *context) { drive(context); }

static void on_library_ready(void *context, bool readable, bool writable)
{
    (void)readable;
    (void)writable;
    drive(context);
}

/* Runs the library until it has nothing at hand. A wish for "at once" that does not end goes
 * through the loop's mailbox: a timer of 0 would wait a millisecond per 16 KB of a body, and
 * staying here would starve everybody else. */
static void drive(struct server *server)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;

    loop_timer_stop(&server->timer);
    for (int run = 0; run < RUNS_PER_TURN; run++) {
        MHD_run(server->daemon);
        if (MHD_get_timeout(server->daemon, &wait_ms) != MHD_YES)
            return;
        if (wait_ms > 0) {
            loop_timer_start(&server->timer, wait_ms);
            return;
        }
    }
    if (!server->kicked) {
        server->kicked = true;
        loop_post(server->loop, &server->kick, on_kick);
    }
}

/* --- connections ------------------------------------------------------------------ */

/* The library has no answer for a request that never gets whole, so we say it ourselves: in this
 * phase nothing of ours is on its way to the client. */
static void say_too_slow(int fd)
{
    struct problem problem;
    struct text answer;
    char *body;

    problem_set(&problem, PROBLEM_REQUEST_TIMEOUT, "", "all of it must arrive in time");
    body = problem_json(&problem);
    text_init(&answer, TIMEOUT_ANSWER_MAX);
    text_format(&answer,
                "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nCache-Control: no-store\r\n"
                "Content-Type: application/problem+json\r\nContent-Length: %zu\r\n\r\n",
                strlen(body));
    text_put(&answer, body);
    if (send(fd, answer.bytes, answer.length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        shutdown(fd, SHUT_RDWR); /* it will see the end */
    text_free(&answer);
    free(body);
}

static void client_shut(struct client *client)
{
    shutdown(client->fd, SHUT_RDWR);
    if (client->exchange != NULL)
        exchange_vanish(client->exchange);
    server_kick(client->server);
}

static bool suspended(const struct client *client)
{
    return client->exchange != NULL && client->exchange->suspended;
}

/* What arrived before the end of input may not have been read yet. */
static bool unread(const struct client *client)
{
    int octets = 0;

    return ioctl(client->fd, FIONREAD, &octets) == 0 && octets > 0;
}

static void on_client_time_up(void *context)
{
    struct client *client = context;

    if (client->hung_up && client->phase != CLIENT_ANSWERING && !suspended(client) &&
        unread(client)) {
        loop_timer_start(&client->timer, HUNG_UP_MS);
        return;
    }
    if (client->phase == CLIENT_READING && !client->hung_up)
        say_too_slow(client->fd);
    client_shut(client);
}

void client_enter(struct client *client, enum client_phase phase, uint32_t wait_ms)
{
    bool reads = phase == CLIENT_READING || phase == CLIENT_IDLE;

    client->phase = phase;
    if (client->hung_up && reads)
        wait_ms = HUNG_UP_MS;
    if (wait_ms > 0)
        loop_timer_start(&client->timer, wait_ms);
    else
        loop_timer_stop(&client->timer);
}

/* Half a close counts: who does not even read looks the same. Whoever is being answered may read to
 * the end. */
static void client_hung_up(struct client *client)
{
    client->hung_up = true;
    if (suspended(client))
        client_shut(client);
    else if (client->phase != CLIENT_ANSWERING)
        client_enter(client, client->phase, HUNG_UP_MS);
}

void client_suspended(struct client *client)
{
    if (client->hung_up)
        loop_timer_start(&client->timer, 1); /* not from inside: the library is calling */
}

static void on_hangups(void *context, bool readable, bool writable)
{
    struct server *server = context;
    struct epoll_event events[HANGUPS_PER_TURN];
    int count = epoll_wait(server->hangup_fd, events, HANGUPS_PER_TURN, 0);

    (void)readable;
    (void)writable;
    for (int i = 0; i < count; i++)
        client_hung_up(events[i].data.ptr);
}

/* The library does not look at a suspended connection, and elsewhere takes a short read for the
 * last there is: an end that came with the request is missed. So we look, for the end only. */
static void client_watch(struct client *client)
{
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = client};

    epoll_ctl(client->server->hangup_fd, EPOLL_CTL_ADD, client->fd, &event);
}

static struct client *client_open(struct server *server, struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info;
    struct client *client = mem_new(struct client);

    client->server = server;
    client->mhd = mhd;
    client->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info != NULL && info->client_addr != NULL)
        ip_from_socket(info->client_addr, &client->address, &(uint16_t){0});
    client->surplus = server->client_count >= server->config->connections_max;
    server->client_count++;
    client->link = &server->clients;
    client->next = server->clients;
    if (client->next != NULL)
        client->next->link = &client->next;
    server->clients = client;
    loop_timer_init(&client->timer, server->loop, on_client_time_up, client);
    client_watch(client);
    client_enter(client, CLIENT_READING,
                 client->surplus && server->config->request_timeout_ms > SURPLUS_MS
                     ? SURPLUS_MS
                     : server->config->request_timeout_ms);
    return client;
}

static void client_close(struct client *client)
{
    if (client->exchange != NULL) /* the library says so first; it costs nothing to be sure */
        exchange_end(client->exchange);
    loop_timer_stop(&client->timer);
    epoll_ctl(client->server->hangup_fd, EPOLL_CTL_DEL, client->fd, NULL);
    *client->link = client->next;
    if (client->next != NULL)
        client->next->link = client->link;
    client->server->client_count--;
    free(client);
}

/* --- the library's callbacks -------------------------------------------------------- */

static void on_connection(void *context, struct MHD_Connection *mhd, void **slot,
                          enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        *slot = client_open(context, mhd);
    else if (*slot != NULL)
        client_close(*slot);
}

static struct client *client_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info->socket_context;
}

static void *on_target(void *context, const char *target, struct MHD_Connection *mhd)
{
    return exchange_begin(context, client_of(mhd), target);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **slot)
{
    (void)context;
    (void)mhd;
    (void)url; /* the raw target was kept */
    return exchange_handle(*slot, method, version, upload, upload_size);
}

static void on_completed(void *context, struct MHD_Connection *mhd, void **slot,
                         enum MHD_RequestTerminationCode why)
{
    (void)context;
    (void)mhd;
    (void)why;
    if (*slot != NULL)
        exchange_end(*slot);
    *slot = NULL;
}

/* Paths are matched as they came: a decoded slash or NUL must not make another path. */
static size_t keep_escapes(void *context, struct MHD_Connection *mhd, char *text)
{
    (void)context;
    (void)mhd;
    return strlen(text);
}

/* --- start and stop ----------------------------------------------------------------- */

static int listen_on(const struct config *config, uint16_t *port, char *error, size_t error_size)
{
    struct sockaddr_storage address;
    struct ip_address ip;
    socklen_t length;
    int fd, on = 1;

    if (!config_listen_address(config->listen, &ip, port)) {
        snprintf(error, error_size, "listen: \"%.120s\" is not address:port", config->listen);
        return -1;
    }
    length = ip_to_socket(&ip, *port, &address);
    fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) != 0 ||
        listen(fd, SOMAXCONN) != 0) {
        snprintf(error, error_size, "cannot listen on %.120s: %s", config->listen, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    length = sizeof(address);
    getsockname(fd, (struct sockaddr *)&address, &length);
    ip_from_socket((struct sockaddr *)&address, &ip, port);
    return fd;
}

static struct MHD_Daemon *start_daemon(struct server *server, int fd)
{
    unsigned limit = server->config->connections_max + CONNECTIONS_SPARE;

    return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request,
                            server, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                            limit, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
                            MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK,
                            keep_escapes, NULL, MHD_OPTION_URI_LOG_CALLBACK, on_target, server,
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
                            MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_END);
}

static bool watch_daemon(struct server *server)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);

    server->hangup_fd = epoll_create1(EPOLL_CLOEXEC);
    if (info == NULL || info->epoll_fd < 0 || server->hangup_fd < 0)
        return false;
    loop_io_init(&server->io, server->loop, info->epoll_fd, on_library_ready, server);
    loop_io_want(&server->io, true, false);
    loop_io_init(&server->hangup_io, server->loop, server->hangup_fd, on_hangups, server);
    loop_io_want(&server->hangup_io, true, false);
    return true;
}

struct server *server_start(const struct server_params *params, char *error, size_t error_size)
{
    struct server *server = mem_new(struct server);
    int fd;

    *server = (struct server){.loop = params->loop,
                              .config = params->config,
                              .engine = params->engine,
                              .policies = params->policies,
                              .auth = params->auth,
                              .hangup_fd = -1};
    loop_timer_init(&server->timer, server->loop, on_wish, server);
    fd = listen_on(server->config, &server->port, error, error_size);
    if (fd < 0) {
        server_stop(&server);
        return NULL;
    }
    server->daemon = start_daemon(server, fd);
    if (server->daemon == NULL || !watch_daemon(server)) {
        snprintf(error, error_size, "cannot start the HTTP library: %s", strerror(errno));
        if (server->daemon == NULL)
            close(fd);
        server_stop(&server);
        return NULL;
    }
    return server;
}

uint16_t server_port(const struct server *server) { return server->port; }

void server_use_policies(struct server *server, const struct policies *policies)
{
    server->policies = policies;
}

size_t server_busy(const struct server *server) { return server->busy; }

void server_drain(struct server *server)
{
    if (server->state == SERVER_OPEN)
        server->state = SERVER_DRAINING;
}

void server_engine_gone(struct server *server) { server->engine = NULL; }

void server_stop(struct server **slot)
{
    struct server *server = *slot;

    if (server == NULL)
        return;
    *slot = NULL;
    server->state = SERVER_STOPPING;
    for (struct client *client = server->clients; client != NULL; client = client->next) {
        shutdown(client->fd, SHUT_RDWR);
        if (client->exchange != NULL)
            exchange_vanish(client->exchange); /* also resumes: the library insists on it */
    }
    if (server->daemon != NULL) {
        MHD_run(server->daemon);
        loop_io_stop(&server->io);
        MHD_stop_daemon(server->daemon);
    }
    loop_io_stop(&server->hangup_io);
    loop_timer_stop(&server->timer);
    if (server->hangup_fd >= 0)
        close(server->hangup_fd);
    free(server);
}
