/* server.h - the HTTP service on our loop: libmicrohttpd with its epoll descriptor watched by us.
 *
 * Contract
 *  - One thread, the loop's, does everything; the library is only run from there.
 *  - server_stop() is for after loop_run() has returned, or for a loop that will not run again
 *    with mail of this server in it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/base/loop.h"
#include "service/auth.h"
#include "service/config.h"
#include "service/engine.h"
#include "service/policy.h"

struct server;

struct server_params { /* all borrowed for the life of the server */
    struct loop *loop;
    const struct config *config;
    struct engine *engine;
    const struct policies *policies;
    const struct auth *auth;
};

/* NULL with a sentence in `error`. */
struct server *server_start(const struct server_params *params, char *error, size_t error_size);
/* The port it listens on (for listen=...:0). */
uint16_t server_port(const struct server *server);
/* From now on these policies (a reload); borrowed like the first. */
void server_use_policies(struct server *server, const struct policies *policies);
/* No new work: it is answered 503, and connections close behind their answers. What is under way
 * goes on. We keep listening so that callers and load balancers are told instead of refused. */
void server_drain(struct server *server);
/* Requests for work that are not yet answered. */
size_t server_busy(const struct server *server);
/* The engine is stopped: nothing is asked or cancelled there any more. */
void server_engine_gone(struct server *server);
/* Cuts what is left and frees; sets NULL; NULL is fine. */
void server_stop(struct server **server);
