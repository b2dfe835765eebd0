/* imap_scenario.h - conversations as text: used against the pure dialog, and by a scripted
 * server against the real probe.
 *
 *   tls                  TLS before the first line (else the conversation begins in clear)
 *   S * OK ready         the server says this; <WORD*9> stands for nine times "WORD "
 *   I * OK early         octets behind the line before it, in the same write
 *   C a1 CAPABILITY      the client says this; C lines in a row are one write
 *   T ok | T fail        a handshake that works, or does not
 *   X closed | timeout | flood    the server hangs up, falls silent, sends a line without end
 *   = key=value ...      what must come out; _ stands for a space, - for nothing
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "probes/base/evidence.h"

enum { IMAP_SCENARIO_LINES_MAX = 64, IMAP_SCENARIOS_MAX = 64 };

struct imap_scenario {
    char *name; /* file name without folder */
    bool implicit_tls;
    size_t count;
    struct {
        char kind;  /* S I C T X */
        char *text; /* owned */
    } lines[IMAP_SCENARIO_LINES_MAX];
    char *expected; /* owned */
};

/* Every *.txt of the folder in order of names; returns how many, or 0 when one cannot be read
 * (the reason is printed). */
size_t imap_scenarios_load(const char *folder, struct imap_scenario *scenarios, size_t size);
void imap_scenario_free(struct imap_scenario *scenario);

/* "" when `got` is as `expected` says, else the first difference; static text. */
const char *imap_scenario_difference(const char *expected, const struct imap_endpoint *got);
