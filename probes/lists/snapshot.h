/* snapshot.h - all lists at one moment, immutable once published.
 *
 * A reload builds a new snapshot and publishes it; each thread keeps a reference to the
 * one it read last and changes over at its next question, so nobody waits and the last
 * thread to leave a snapshot frees it. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/lists/name_table.h"

enum list_table { TABLE_DOMAINS, TABLE_LOCALS, TABLE_MX, TABLE_TLDS, TABLE_COUNT };

/* Kinds in TABLE_LOCALS and TABLE_MX; TABLE_DOMAINS has enum list_kind. */
enum { LOCAL_ROLE = 1, LOCAL_NO_REPLY = 2 };
enum { MX_LIST_DISPOSABLE = 1, MX_LIST_PARKING = 2 };

/* A domain somebody may have meant. */
struct popular {
    const char *domain;              /* borrowed, not terminated */
    uint8_t length, name_length;     /* of the whole; of its first label */
    bool household, only, gtld, com; /* marks: see data/popular.txt */
    uint16_t next;                   /* the next one with the same name; 0 = none */
};

/* The first labels of the popular domains, each once: what a typed name is compared with. */
struct popular_name {
    uint32_t letters; /* bit set of its letters */
    uint8_t length;
    bool household;
    uint16_t first, last; /* of the popular domains that have it */
};

enum {
    POPULAR_MAX = 1024,
    POPULAR_LENGTH_MAX = 64, /* octets of one */
    OPERATOR_FILES_MAX = 32,
    OPERATOR_FILE_MAX = 16 * 1024 * 1024, /* octets of one operator file */
    LIST_LINE_MAX = 512,
    LISTS_VERSION_SIZE = 32
};

struct lists {
    atomic_uint references;
    struct name_table tables[TABLE_COUNT];
    struct popular *popular;    /* in order of popularity; owned */
    struct popular_name *names; /* owned */
    uint16_t *dotless;          /* dotless_key of each popular domain; owned */
    size_t popular_count, name_count;
    char *operator_bytes[OPERATOR_FILES_MAX]; /* owned; names point into them */
    unsigned operator_files;
    uint64_t operator_digest; /* of their names and octets */
    char version[LISTS_VERSION_SIZE];
};

/* The current lists: valid until this thread's next call. */
const struct lists *lists_current(void);

/* Bit set of the letters in a name; digits and '-' share the bits behind 'z'. */
uint32_t letters_of(const char *name, size_t length);
/* Length without dots, and first letter: equal for two names that differ only in their dots. */
uint16_t dotless_key(const char *domain, size_t length);
