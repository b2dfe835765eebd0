#include "tests/lab/listeners.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "probes/base/mem.h"
#include "tests/lab/random.h"

enum {
    BACKLOG = 1024,
    DATAGRAM_ROOM = 16 * 1024 * 1024,
    PORT_FIRST = 10240, /* below the ports that the system gives to clients */
    PORT_SPAN = 20000,
    PORT_TRIES = 200,
    NO_WORKER = 0xffff
};

enum service {
    SERVICE_SMTP,
    SERVICE_IMAP,
    SERVICE_IMAPS,
    SERVICE_TRAP /* outside the lab network: nobody may come here */
};

struct listener {
    struct loop_io io;
    struct worker *worker;
    uint32_t host;
    enum service service;
    int fd, filler; /* filler: our own connection that keeps a stuck door's queue full; else -1 */
};

struct listeners {
    struct listener *items;
    size_t count, room;
    struct worker *worker;
};

/* --- who plays whom ---------------------------------------------------------------- */

static size_t listeners_of(const struct lab_host *host)
{
    if (host->play != NULL)
        return host->play->door == DOOR_CLOSED
                   ? 0
                   : host->address_count * (host->play->door == DOOR_STUCK ? 2u : 1u);
    return (size_t)host->variant->implicit_tls + (size_t)host->variant->clear;
}

size_t listeners_assign(const struct world *world, uint16_t *worker_of_host)
{
    uint16_t *of_lane = mem_array(uint16_t, world->lane_count), current = 0;
    size_t used = 0;

    memset(of_lane, 0xff, world->lane_count * sizeof(*of_lane));
    for (size_t i = 0; i < world->host_count; i++) {
        const struct lab_host *host = &world->hosts[i];
        bool in_lane = host->play != NULL;

        if (in_lane && of_lane[host->lane] != NO_WORKER) {
            worker_of_host[i] = of_lane[host->lane]; /* a lane is counted in one place */
            continue;
        }
        if (used + listeners_of(host) > LISTENERS_PER_WORKER) {
            current++;
            used = 0;
        }
        used += listeners_of(host);
        worker_of_host[i] = current;
        if (in_lane)
            of_lane[host->lane] = current;
    }
    free(of_lane);
    return (size_t)current + 1;
}

/* --- doors ----------------------------------------------------------------------------- */

static void on_accept(void *context, bool readable, bool writable)
{
    struct listener *listener = context;

    (void)readable;
    (void)writable;
    /* One each time: a world has many doors and few guests at each; a second accept would mostly be
     * in vain. */
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return;
    if (listener->service == SERVICE_TRAP) {
        listener->worker->counters->breaks[BREAK_ADDRESS]++;
        close(fd);
    } else if (listener->service == SERVICE_SMTP)
        smtp_peer_start(listener->worker, listener->host, fd);
    else
        imap_peer_start(listener->worker, listener->host, fd, listener->service == SERVICE_IMAPS);
}

/* A resolver must hold what comes while it is not running: thousands of questions. */
static void widen_datagrams(int fd)
{
    int octets = DATAGRAM_ROOM;

    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &octets, sizeof(octets)) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &octets,
                   sizeof(octets)); /* up to the system's limit */
}

static int open_socket(const struct ip_address *address, uint16_t port, int type, int backlog)
{
    struct sockaddr_storage name;
    socklen_t length = ip_to_socket(address, port, &name);
    int on = 1, fd = socket(name.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (type == SOCK_DGRAM)
        widen_datagrams(fd);
    if (type == SOCK_STREAM) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* accepted ones inherit it */
    }
    if (bind(fd, (struct sockaddr *)&name, length) == 0 &&
        (type == SOCK_DGRAM || listen(fd, backlog) == 0))
        return fd;
    close(fd);
    return -1;
}

/* With a backlog of 0 one connection that nobody accepts fills the queue: further SYNs are dropped.
 */
static int fill_queue(const struct ip_address *address, uint16_t port)
{
    struct sockaddr_storage name;
    socklen_t length = ip_to_socket(address, port, &name);
    int fd = socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC,
                    0); /* blocks, for as long as loopback takes */

    if (fd >= 0 && connect(fd, (struct sockaddr *)&name, length) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool open_door(struct listeners *listeners, size_t host, const struct ip_address *address,
                      uint16_t port, enum service service, bool stuck)
{
    struct listener *listener = &listeners->items[listeners->count];

    *listener = (struct listener){
        .worker = listeners->worker, .host = (uint32_t)host, .service = service, .filler = -1};
    listener->fd = open_socket(address, port, SOCK_STREAM, stuck ? 0 : BACKLOG);
    if (listener->fd < 0)
        return false;
    listeners->count++;
    if (stuck) {
        listener->filler = fill_queue(address, port);
        return listener->filler >= 0;
    }
    loop_io_init(&listener->io, listeners->worker->loop, listener->fd, on_accept, listener);
    loop_io_want(&listener->io, true, false);
    return true;
}

static bool open_host(struct listeners *listeners, size_t index, const struct lab_ports *ports)
{
    const struct lab_host *host = &listeners->worker->world->hosts[index];
    bool good = true;

    if (host->play == NULL) {
        if (host->variant->implicit_tls)
            good = open_door(listeners, index, &host->addresses[0], ports->imaps, SERVICE_IMAPS,
                             false);
        if (good && host->variant->clear)
            good =
                open_door(listeners, index, &host->addresses[0], ports->imap, SERVICE_IMAP, false);
        return good;
    }
    for (size_t i = 0; good && i < host->address_count && host->play->door != DOOR_CLOSED; i++)
        good = open_door(listeners, index, &host->addresses[i], ports->smtp, SERVICE_SMTP,
                         host->play->door == DOOR_STUCK);
    return good;
}

/* 127.0.0.1 is where private MX point: a connection there breaks the first promise of all. */
static bool open_trap(struct listeners *listeners, const struct lab_ports *ports)
{
    struct ip_address address = {.family = 4, .octets = {127, 0, 0, 1}};

    return open_door(listeners, 0, &address, ports->smtp, SERVICE_TRAP, false);
}

struct listeners *listeners_open(struct worker *worker, const struct lab_ports *ports,
                                 const uint16_t *worker_of_host, size_t number, char *error,
                                 size_t error_size)
{
    struct listeners *listeners = mem_new(struct listeners);
    size_t room = 1; /* the trap */

    listeners->worker = worker;
    for (size_t i = 0; i < worker->world->host_count; i++)
        room += worker_of_host[i] == number ? listeners_of(&worker->world->hosts[i]) : 0;
    listeners->items = mem_array(struct listener, room); /* never moves: watchers live in it */
    for (size_t i = 0; i < worker->world->host_count; i++)
        if (worker_of_host[i] == number && !open_host(listeners, i, ports)) {
            snprintf(error, error_size, "cannot listen for %s: %s", worker->world->hosts[i].name,
                     strerror(errno));
            listeners_close(&listeners);
            return NULL;
        }
    if (number == 0 && !open_trap(listeners, ports)) {
        snprintf(error, error_size, "cannot listen on 127.0.0.1:%u: %s", ports->smtp,
                 strerror(errno));
        listeners_close(&listeners);
    }
    return listeners;
}

void listeners_close(struct listeners **listeners)
{
    struct listeners *gone = *listeners;

    *listeners = NULL;
    if (gone == NULL)
        return;
    for (size_t i = 0; i < gone->count; i++) {
        loop_io_stop(&gone->items[i].io);
        close(gone->items[i].fd);
        if (gone->items[i].filler >= 0)
            close(gone->items[i].filler);
    }
    free(gone->items);
    free(gone);
}

/* --- the anchor -------------------------------------------------------------------------- */

void anchor_release(struct lab_anchor *anchor)
{
    const int fds[] = {anchor->dns_udp, anchor->dns_tcp, anchor->smtp, anchor->imap, anchor->imaps};

    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    *anchor = (struct lab_anchor){-1, -1, -1, -1, -1};
}

static bool try_ports(struct lab_anchor *anchor, const struct lab_ports *ports)
{
    struct ip_address address = {.family = 0};

    ip_parse(LAB_ANCHOR, &address);
    *anchor =
        (struct lab_anchor){.dns_udp = open_socket(&address, ports->dns, SOCK_DGRAM, 0),
                            .dns_tcp = open_socket(&address, ports->dns, SOCK_STREAM, BACKLOG),
                            .smtp = open_socket(&address, ports->smtp, SOCK_STREAM, 1),
                            .imap = open_socket(&address, ports->imap, SOCK_STREAM, 1),
                            .imaps = open_socket(&address, ports->imaps, SOCK_STREAM, 1)};
    if (anchor->dns_udp >= 0 && anchor->dns_tcp >= 0 && anchor->smtp >= 0 && anchor->imap >= 0 &&
        anchor->imaps >= 0)
        return true;
    anchor_release(anchor);
    return false;
}

bool anchor_hold(struct lab_anchor *anchor, struct lab_ports *ports, char *error, size_t error_size)
{
    struct dice dice = {(uint64_t)getpid() << 32 ^ (uint64_t)time(NULL)};

    for (unsigned i = 0; i < PORT_TRIES; i++) {
        uint16_t first = (uint16_t)(PORT_FIRST + 4 * dice_below(&dice, PORT_SPAN / 4));

        *ports = (struct lab_ports){first, (uint16_t)(first + 1), (uint16_t)(first + 2),
                                    (uint16_t)(first + 3)};
        if (try_ports(anchor, ports))
            return true;
    }
    snprintf(error, error_size, "no four free ports on " LAB_ANCHOR ": %s", strerror(errno));
    return false;
}
