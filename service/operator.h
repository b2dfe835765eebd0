/* operator.h - what the operator allows, suppresses and calls ordinary: his lists, read
 * at start and at every reload. Readable from any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "probes/address/address.h"
#include "service/config.h"

/* Reads lists_dir, reply_rules, allow_list and suppress_list. False with a sentence in `error`;
 * then all that was in force stays. */
bool operator_load(const struct config *config, char *error, size_t error_size);
void operator_unload(void);

bool operator_allows(const struct address *address);
bool operator_suppresses(const struct address *address);
struct address_options operator_address_options(const struct config *config);
