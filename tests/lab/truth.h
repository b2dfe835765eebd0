/* truth.h - what a correct verifier must say about every address of a world. */
#pragma once

#include "tests/lab/world.h"

struct truths {
    struct truth first, settled; /* never LAB_OWN */
    struct truth also; /* `first` may be this as well: a mailbox with a fault, or the behaviour
                          says so; else LAB_OWN */
};
struct truths truth_of(const struct world *world, const struct lab_domain *domain,
                       const struct lab_mailbox *mailbox);

/* truth.ndjson and emails.txt, in one order, shuffled by the world's seed. */
bool truth_write(const struct world *world, const char *directory, char *error, size_t error_size);
