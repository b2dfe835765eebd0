/* dns_server.h - the resolver of a lab: UDP and TCP on one address and port. */
#pragma once

#include "probes/base/loop.h"
#include "tests/lab/counters.h"
#include "tests/lab/zone.h"

struct dns_server;

struct dns_server_params {
    struct loop *loop;
    struct zone *zone;
    const struct lab_board *board; /* for pauses */
    struct lab_counters *counters;
    int udp_fd, tcp_fd; /* bound, not blocking; the server owns them from now on */
    uint32_t delay_ms;
};

struct dns_server *dns_server_start(const struct dns_server_params *params);
void dns_server_stop(struct dns_server **server);
