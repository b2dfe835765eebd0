/* server_internal.h - what server.c (daemon, connections, time) and exchange.c (requests) share. */
#pragma once

#include "api/exchange.h"
#include "api/server.h"
#include "probes/base/ip.h"
#include "probes/base/loop.h"
#include "service/auth.h"

enum {
    CONNECTION_MEMORY = 32768,     /* of the library, per connection: the head and more fit in */
    CONNECTIONS_SPARE = 32,        /* above connections_max: there to be told 503 */
    SURPLUS_MS = 2000,             /* for those to ask: silent ones must not use up the spare */
    KEEP_ALIVE_MS = 60000,         /* between two requests */
    HUNG_UP_MS = 20,               /* for what has arrived, where no more can come */
    ANSWER_MS = 60000,             /* to take an answer */
    DISCARD_MAX = 4 * 1024 * 1024, /* of a body nobody wants, so that the client reads the answer */
    RUNS_PER_TURN = 8,
    HANGUPS_PER_TURN = 64
};

/* What a connection is doing, and so which wait applies. */
enum client_phase {
    CLIENT_READING, /* a request must arrive whole in request_timeout_ms */
    CLIENT_WORKING, /* ours to finish: the engine keeps the deadline */
    CLIENT_ANSWERING,
    CLIENT_IDLE /* between two requests */
};

struct client {
    struct server *server;
    struct MHD_Connection *mhd;
    int fd;
    enum client_phase phase;
    bool surplus; /* beyond connections_max: every request is answered 503 */
    bool hung_up; /* the client sends no more */
    struct loop_timer timer;
    struct exchange *exchange; /* the one under way */
    struct client *next, **link;
    struct ip_address address;
};

enum server_state { SERVER_OPEN, SERVER_DRAINING, SERVER_STOPPING };

struct server {
    struct loop *loop;
    const struct config *config;
    struct engine *engine; /* NULL once it was stopped */
    const struct policies *policies;
    const struct auth *auth;
    enum server_state state;
    struct MHD_Daemon *daemon;
    struct loop_io io;       /* the library's epoll descriptor */
    struct loop_timer timer; /* the library's own wish */
    struct loop_mail kick;
    bool kicked;
    int hangup_fd; /* epoll: connections, for the end of their input only */
    struct loop_io hangup_io;
    uint16_t port;
    size_t client_count, busy; /* busy: requests for work, from admission to the end */
    struct client *clients;
};

/* Let the library run soon: something was resumed, shut or queued. */
void server_kick(struct server *server);
void client_enter(struct client *client, enum client_phase phase, uint32_t wait_ms);
/* A suspended request waits for us; if its client has gone, for nothing. */
void client_suspended(struct client *client);

/* exchange.c: the library's callbacks */
void *exchange_begin(struct server *server, struct client *client, const char *target);
enum MHD_Result exchange_handle(struct exchange *exchange, const char *method, const char *version,
                                const char *upload, size_t *upload_size);
void exchange_end(struct exchange *exchange);
/* The client went away, or its time is up: drop the work, let the library find the end. */
void exchange_vanish(struct exchange *exchange);
