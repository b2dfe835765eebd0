/* list_text.h - the text of a list, entry by entry: one a line, '#' begins a comment line,
 * '-' in front takes an entry off, words behind an entry are its marks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list_reader {
    const char *at, *end;
    unsigned line; /* of the entry last read, from 1 */
};

struct list_entry {
    const char *name; /* not terminated */
    size_t length;
    const char *marks; /* the rest of the line, trimmed; not terminated */
    size_t marks_length;
    bool off; /* "-name" */
};

struct list_reader list_reader_of(const char *bytes, size_t length);
/* False at the end. */
bool list_read(struct list_reader *reader, struct list_entry *entry);
bool list_entry_marked(const struct list_entry *entry, const char *mark);

/* Could it be a host name (ASCII, two labels at least unless `single`), a local part? */
bool list_is_host(const char *name, size_t length, bool single);
bool list_is_local(const char *name, size_t length);

/* The whole file as bytes the caller frees, or NULL with a sentence in `error`. */
char *list_read_file(const char *path, size_t bound, size_t *length, char *error, size_t size);
