/* routes.h - which path does what, who may ask, and how large a body may be: one table. */
#pragma once

#include "api/exchange.h"

enum route_access {
    ROUTE_OPEN, /* health: no key */
    ROUTE_KEY,
    ROUTE_KEY_IN_GET /* an address in a URL: only with auth=off or allow_get */
};

struct route {
    const char *method;
    const char *path; /* "/v1/verify/{id}": the last segment may be a parameter */
    enum route_access access;
    size_t body_max; /* 0 = takes none */
    void (*handle)(struct exchange *exchange);
};

/* Finds the route and decides whether the request may go on. False = it has been answered. */
bool route_admit(struct exchange *exchange, const char *method);

/* The handlers, each in the file of its name. */
void verify_post(struct exchange *exchange);
void verify_get(struct exchange *exchange);
void verify_lookup(struct exchange *exchange);
void batch_post(struct exchange *exchange);
void domain_get(struct exchange *exchange);
void policies_get(struct exchange *exchange);
void health_get(struct exchange *exchange);
void ready_get(struct exchange *exchange);
