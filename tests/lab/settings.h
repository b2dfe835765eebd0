/* settings.h - the settings file that makes a vrfyd ask this lab and nobody else. */
#pragma once

#include "tests/lab/world.h"

struct lab_ports {
    uint16_t dns, smtp, imap, imaps;
};

/* Writes vrfyd.conf. `directory` becomes absolute in it. */
bool settings_write(const struct world *world, const struct lab_ports *ports, const char *directory,
                    char *error, size_t error_size);
