/* imap_probe.h - one look at one IMAP endpoint: the dialog over a connection.
 *
 * When the normal handshake breaks, one new connection tries the legacy context; what gets through
 * only so carries the finding legacy_only. Octets behind the STARTTLS reply and a broken handshake
 * take the same road, so nothing depends on when they came in.
 *
 * Contract
 *  - The callback comes exactly once, on the loop's thread, never from inside imap_probe_start(),
 *    unless imap_probe_cancel() comes first.
 *  - The callback may take pointers out of the result by setting them to NULL; the rest is freed
 *    when it returns. The probe is gone by then. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "probes/base/evidence.h"
#include "probes/base/ip.h"
#include "probes/base/loop.h"
#include "probes/net/tls.h"

enum { IMAP_TRANSCRIPT_MAX = 32768, IMAP_TRANSCRIPT_LINE_MAX = 1000 };

struct imap_probe;

enum imap_probe_end {
    IMAP_PROBE_ASKED,     /* the endpoint's state says how it went */
    IMAP_PROBE_FORBIDDEN, /* special-purpose address: no socket was opened */
    IMAP_PROBE_LOCAL      /* our fault: no descriptor, no port */
};

struct imap_probe_result {
    enum imap_probe_end end;
    struct imap_endpoint endpoint; /* all but `source` */
    char *transcript;              /* JSON array items; NULL unless asked for */
};
typedef void imap_probe_done_fn(void *context, struct imap_probe_result *result);

struct imap_probe_params {
    struct loop *loop;
    struct tls_client *tls;
    const char *host; /* SNI and the name to match; copied */
    struct ip_address address;
    uint16_t port;
    bool implicit_tls; /* TLS first; else STARTTLS where offered */
    struct ip_address source;
    const struct ip_networks *allowed; /* borrowed for life */
    uint32_t connect_ms, step_ms;
    bool transcript;
    uint64_t epoch_ms; /* transcript times count from here */
};

struct imap_probe *imap_probe_start(const struct imap_probe_params *params,
                                    imap_probe_done_fn *done, void *context);
void imap_probe_cancel(struct imap_probe **probe); /* sets NULL; NULL is fine */
