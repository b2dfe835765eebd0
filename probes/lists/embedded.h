/* embedded.h - the built-in lists, and which list each file belongs to. */
#pragma once

#include <stddef.h>

#include "probes/lists/snapshot.h"

/* One file of data/. Several files may make one list. */
struct list_file {
    const char *list; /* "disposable": also the name of an operator's file, with ".txt" */
    enum list_table table;
    unsigned kinds; /* what an entry gets in that table */
    const char *bytes, *end;
};

const struct list_file *list_files(size_t *count);
/* The first file of a list; NULL = no such list. */
const struct list_file *list_file_of(const char *list, size_t length);

/* triples.txt, for the gibberish score. */
const char *list_triples(size_t *length);
