/* generator.h - makes worlds: random ones from a seed and a mix, and the fixed one of the demo. */
#pragma once

#include "tests/lab/world.h"

struct generator_options {
    struct world_settings settings;
    uint32_t domains, addresses;
    const char *mix_file;       /* lines of `behaviour weight` and `imap:variant weight`; NULL = the
                                   default mix */
    uint32_t faults_percent;    /* mailboxes where something goes wrong once */
    uint32_t providers_percent; /* share of the addresses that live at big providers; 0 = as the mix
                                   has it */
};

/* Built. NULL with a sentence in `error`. */
struct world *generate_world(const struct generator_options *options, char *error,
                             size_t error_size);
/* A few addresses for every behaviour, always the same. */
struct world *generate_demo_world(void);
