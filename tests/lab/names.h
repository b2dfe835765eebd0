/* names.h - domains, local parts and broken addresses, as people have them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/lab/random.h"

/* "amberfield12.test"; now and then in another script. Unique by number. */
void name_domain(struct dice *dice, uint32_t number, char *out, size_t size);
/* "jane.doe7", "j.doe7+news", "\"jane doe7\"", ...; unique by number, case ignored. */
void name_local(struct dice *dice, uint32_t number, bool beyond_ascii, char *out, size_t size);
/* An address that never reaches DNS; returns its reason. `kind` is taken modulo the kinds there
 * are. */
const char *name_raw(uint32_t kind, uint32_t number, char *out, size_t size);
size_t name_raw_kinds(void);
