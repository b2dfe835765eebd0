#include "probes/lists/list_text.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"

enum { HOST_MAX = 253, LABEL_MAX = 63, LOCAL_MAX = 64 };

struct list_reader list_reader_of(const char *bytes, size_t length)
{
    return (struct list_reader){.at = bytes, .end = bytes + length};
}

static bool blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

static void trim(const char **from, const char **to)
{
    while (*from < *to && blank(**from))
        (*from)++;
    while (*to > *from && blank((*to)[-1]))
        (*to)--;
}

static void split(const char *from, const char *to, struct list_entry *entry)
{
    const char *word = from;

    *entry = (struct list_entry){.off = *from == '-'};
    if (entry->off)
        word = ++from;
    while (word < to && !blank(*word))
        word++;
    entry->name = from;
    entry->length = (size_t)(word - from);
    trim(&word, &to);
    entry->marks = word;
    entry->marks_length = (size_t)(to - word);
}

bool list_read(struct list_reader *reader, struct list_entry *entry)
{
    while (reader->at < reader->end) {
        const char *from = reader->at;
        const char *to = memchr(from, '\n', (size_t)(reader->end - from));

        if (to == NULL)
            to = reader->end;
        reader->at = to < reader->end ? to + 1 : to;
        reader->line++;
        trim(&from, &to);
        if (from == to || *from == '#')
            continue;
        split(from, to, entry);
        return true;
    }
    return false;
}

bool list_entry_marked(const struct list_entry *entry, const char *mark)
{
    size_t wanted = strlen(mark);
    const char *at = entry->marks, *end = entry->marks + entry->marks_length;

    while (at < end) {
        const char *word = at;

        while (at < end && !blank(*at))
            at++;
        if ((size_t)(at - word) == wanted && memcmp(word, mark, wanted) == 0)
            return true;
        while (at < end && blank(*at))
            at++;
    }
    return false;
}

static bool letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool list_is_host(const char *name, size_t length, bool single)
{
    size_t label = 0, labels = 1;

    if (length == 0 || length > HOST_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (name[i] == '.') {
            if (label == 0 || name[i - 1] == '-')
                return false;
            labels++;
            label = 0;
        } else if (!(letter_or_digit(name[i]) || (name[i] == '-' && label > 0) || name[i] == '_') ||
                   ++label > LABEL_MAX) {
            return false;
        }
    }
    return label > 0 && name[length - 1] != '-' && (single || labels > 1);
}

bool list_is_local(const char *name, size_t length)
{
    if (length == 0 || length > LOCAL_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!letter_or_digit(name[i]) && strchr("!#$%&'*+-/=?^_`{|}~.", name[i]) == NULL &&
            (unsigned char)name[i] < 0x80)
            return false;
    return memchr(name, 0, length) == NULL;
}

static char *read_all(FILE *file, size_t bound, size_t *length)
{
    size_t capacity = 4096, got = 0;
    char *bytes = mem_resize(NULL, capacity);

    for (;;) {
        got += fread(bytes + got, 1, capacity - got, file);
        if (got < capacity || got > bound) /* short is the end, or an error */
            break;
        bytes = mem_resize(bytes, capacity *= 2);
    }
    *length = got;
    return bytes;
}

char *list_read_file(const char *path, size_t bound, size_t *length, char *error, size_t size)
{
    FILE *file = fopen(path, "re");
    char *bytes = NULL;

    if (file == NULL) {
        snprintf(error, size, "%s: %s", path, strerror(errno));
        return NULL;
    }
    bytes = read_all(file, bound, length);
    if (ferror(file)) {
        snprintf(error, size, "%s: could not be read", path);
        free(bytes);
        bytes = NULL;
    } else if (*length > bound) {
        snprintf(error, size, "%s: longer than %zu octets", path, bound);
        free(bytes);
        bytes = NULL;
    }
    fclose(file);
    return bytes;
}
