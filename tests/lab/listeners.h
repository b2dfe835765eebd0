/* listeners.h - the doors of a lab: which hosts listen where, and who plays them. */
#pragma once

#include "tests/lab/settings.h"
#include "tests/lab/worker.h"

/* The descriptor limit leaves room for as many connections again. */
enum { LISTENERS_PER_WORKER = 9000 };

struct listeners;

/* Which worker plays each host, in lanes that stay together; returns how many workers that takes.
 */
size_t listeners_assign(const struct world *world, uint16_t *worker_of_host);
/* Opens the doors of the hosts that are `number`'s. NULL with a sentence. */
struct listeners *listeners_open(struct worker *worker, const struct lab_ports *ports,
                                 const uint16_t *worker_of_host, size_t number, char *error,
                                 size_t error_size);
void listeners_close(struct listeners **listeners);

/* Four ports that are free in the whole lab network for this lab alone; held on the anchor address.
 */
struct lab_anchor {
    int dns_udp, dns_tcp, smtp, imap, imaps;
};
bool anchor_hold(struct lab_anchor *anchor, struct lab_ports *ports, char *error,
                 size_t error_size);
/* DNS descriptors go to the DNS server; the rest is let go here. */
void anchor_release(struct lab_anchor *anchor);
