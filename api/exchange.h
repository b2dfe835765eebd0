/* exchange.h - one HTTP request and its answer, as handlers see it.
 *
 * Contract
 *  - Everything happens on the API loop's thread.
 *  - A handler runs once, when the whole body is there. It answers before it returns, or it sets
 *    `work` and `work_end`, returns, and answers later from a callback of the loop.
 *  - work_end is called exactly once for work that was set: when the exchange is over, answered or
 *    not (the client went away, the service stops). It cancels what is under way and frees. */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/problem.h"
#include "probes/base/ip.h"
#include "service/engine.h"

struct server;
struct client;
struct route;

enum { REQUEST_ID_MAX = 64 };

enum exchange_state {
    EXCHANGE_NEW,       /* the request line was seen */
    EXCHANGE_READING,   /* head accepted, the body is coming */
    EXCHANGE_REFUSED,   /* an answer is ready; the rest of the body is thrown away first */
    EXCHANGE_WORKING,   /* the handler has not answered yet */
    EXCHANGE_READY,     /* the answer waits to be queued */
    EXCHANGE_ANSWERING, /* the library sends it */
    EXCHANGE_GONE       /* nobody is there any more */
};

struct exchange {
    struct server *server;
    struct client *client;
    struct MHD_Connection *mhd;
    enum exchange_state state;
    bool admitted;  /* it is work: a stopping service waits for it */
    bool suspended; /* the library does not look at the connection for now */

    /* the request */
    const struct route *route;
    char *target;          /* raw, as received; never logged: it may hold an address */
    const char *query;     /* behind the first '?', or "" */
    const char *parameter; /* the last path segment of a route with {...}; not decoded */
    size_t parameter_length;
    char request_id[REQUEST_ID_MAX + 1];
    struct ip_address caller; /* the client, behind proxies of ours */
    uint64_t begun_ms;        /* the request line was seen */
    uint64_t received_ms;     /* all of it was there: deadlines count from here */
    char *body;
    size_t body_length, body_size, body_announced;

    /* the answer */
    struct MHD_Response *response;
    unsigned status;
    const char *problem; /* the code, for the log; NULL = none */
    uint32_t answer_ms;  /* how long sending may take */

    void *work;
    void (*work_end)(void *work);
};

/* The value of a request header field; NULL = not there. Borrowed. */
const char *exchange_header(const struct exchange *exchange, const char *name);
struct engine *exchange_engine(const struct exchange *exchange);
struct loop *exchange_loop(const struct exchange *exchange);
const struct policies *exchange_policies(const struct exchange *exchange);

/* The answer; the first one counts. `json` is taken; a newline is added for people who read it. */
void exchange_answer_json(struct exchange *exchange, unsigned status, char *json);
void exchange_answer_problem(struct exchange *exchange, const struct problem *problem);
/* The same with a code and a sentence only. */
void exchange_answer_code(struct exchange *exchange, enum problem_code code, const char *detail);
/* No body: OPTIONS. */
void exchange_answer_empty(struct exchange *exchange, unsigned status);
/* For a header field of its own, after one of the above. */
void exchange_answer_header(struct exchange *exchange, const char *name, const char *value);

/* An answer of unknown length. `read` fills up to `size` octets and returns how many; 0 = nothing
 * yet: exchange_stream_wake() when there is. STREAM_END ends it. Lasts at most `last_ms`. */
enum { STREAM_END = -1 };
typedef ptrdiff_t stream_read_fn(void *work, char *out, size_t size);
void exchange_answer_stream(struct exchange *exchange, const char *media_type, uint32_t last_ms,
                            stream_read_fn *read);
void exchange_stream_wake(struct exchange *exchange);
