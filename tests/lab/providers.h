/* providers.h - the big mail systems that the lab plays, under their real MX names
 * (which only the lab's own DNS serves), with the caps that they are known for. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tests/lab/replies.h"

enum { LAB_PROVIDERS_MAX = 16, LAB_PROVIDER_HOSTS = 2 };

struct lab_provider {
    const char *key;
    const char *lane_key; /* as in vrfyd's own provider table, for overrides in its settings */
    const char *mx[LAB_PROVIDER_HOSTS];
    enum reply_style style;
    uint16_t connections, recipients; /* at once; per session */
};

size_t lab_provider_count(void);
const struct lab_provider *lab_provider_at(size_t index);
/* Every provider that a behaviour names is there. */
const struct lab_provider *lab_provider_find(const char *key, size_t *index);
