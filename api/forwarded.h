/* forwarded.h - whose request it is when proxies of ours stand between (X-Forwarded-For). */
#pragma once

#include <microhttpd.h>

#include "probes/base/ip.h"

/* The nearest address that is no trusted proxy: read from the right, since everything left of it is
 * only what that address claimed. Without trust, or without the header, the peer itself. */
struct ip_address forwarded_client(struct MHD_Connection *mhd, const struct ip_address *peer,
                                   const struct ip_networks *trusted);
/* The same over the header's value, all lines joined by commas. */
struct ip_address forwarded_from(const char *value, const struct ip_address *peer,
                                 const struct ip_networks *trusted);
