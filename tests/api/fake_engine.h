/* fake_engine.h - engine.h without probes, for tests of what stands above it.
 *
 * The local part of an address says what happens: "wait-300" is answered after 300 ms, "hang" at
 * its deadline (incomplete), "full" is not admitted, "bad" is undeliverable; everything else is
 * answered at once. Ids "v_known" and "v_slow" can be looked up. Domains are commands: "counters"
 * tells what was asked and cancelled, "room-N" makes room for N checks only, "egress-blocked" and
 * "egress-open" set health, "nothing" has no posture. */
#pragma once

#include "service/engine.h"
