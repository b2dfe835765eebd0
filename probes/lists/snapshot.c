#include "probes/lists/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/lists/embedded.h"
#include "probes/lists/list_text.h"
#include "probes/lists/lists.h"

/* Room for the built-in entries, so that the tables need not grow while they are made. */
static const size_t expected[TABLE_COUNT] = {
    [TABLE_DOMAINS] = 140000, [TABLE_LOCALS] = 2000, [TABLE_MX] = 200, [TABLE_TLDS] = 2000};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t leaving; /* its destructor drops a thread's reference */
static pthread_mutex_t publishing = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t reloading = PTHREAD_MUTEX_INITIALIZER;
static struct lists *current;  /* guarded by `publishing`, with one reference */
static atomic_uint generation; /* counts publications */
static _Thread_local struct lists *mine;
static _Thread_local unsigned mine_generation;
static char date[16] = "unknown";

static void lists_drop(struct lists *lists)
{
    if (lists == NULL || atomic_fetch_sub(&lists->references, 1) != 1)
        return;
    for (size_t i = 0; i < TABLE_COUNT; i++)
        name_table_free(&lists->tables[i]);
    for (size_t i = 0; i < OPERATOR_FILES_MAX; i++)
        free(lists->operator_bytes[i]);
    free(lists->popular);
    free(lists->names);
    free(lists->dotless);
    free(lists);
}

uint32_t letters_of(const char *name, size_t length)
{
    uint32_t letters = 0;

    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)name[i] | 0x20;

        letters |= c >= 'a' && c <= 'z' ? 1u << (c - 'a') : 1u << (26 + c % 6);
    }
    return letters;
}

uint16_t dotless_key(const char *domain, size_t length)
{
    unsigned letters = 0;

    for (size_t i = 0; i < length; i++)
        letters += domain[i] != '.' && domain[i] != '-';
    return (uint16_t)(letters << 8 | (unsigned char)domain[0]);
}

static void add_popular(struct lists *lists, const struct list_entry *entry)
{
    const char *dot = memchr(entry->name, '.', entry->length);

    if (lists->popular_count == POPULAR_MAX || dot == NULL || entry->length >= POPULAR_LENGTH_MAX)
        return;
    lists->popular[lists->popular_count++] = (struct popular){
        .domain = entry->name,
        .length = (uint8_t)entry->length,
        .name_length = (uint8_t)(dot - entry->name),
        .household = list_entry_marked(entry, "household"),
        .only = list_entry_marked(entry, "only"),
        .gtld = list_entry_marked(entry, "gtld"),
        .com = list_entry_marked(entry, "com"),
    };
}

static void apply(struct lists *lists, const struct list_file *file, const struct list_entry *entry)
{
    struct name_table *table = &lists->tables[file->table];

    if (entry->off) {
        name_table_remove(table, entry->name, entry->length, file->kinds);
        return;
    }
    name_table_add(table, entry->name, entry->length, file->kinds);
    if (file->table == TABLE_DOMAINS && file->kinds == LIST_POPULAR)
        add_popular(lists, entry);
}

static bool may_be_entry(const struct list_file *file, const struct list_entry *entry)
{
    if (file->table == TABLE_LOCALS)
        return list_is_local(entry->name, entry->length);
    return list_is_host(entry->name, entry->length, file->table == TABLE_TLDS);
}

static void index_popular(struct lists *lists, size_t at)
{
    struct popular *one = &lists->popular[at];
    size_t i = 0;

    lists->dotless[at] = dotless_key(one->domain, one->length);
    while (i < lists->name_count && (lists->names[i].length != one->name_length ||
                                     memcmp(lists->popular[lists->names[i].first].domain,
                                            one->domain, one->name_length) != 0))
        i++;
    if (i == lists->name_count) {
        lists->names[lists->name_count++] =
            (struct popular_name){.letters = letters_of(one->domain, one->name_length),
                                  .length = one->name_length,
                                  .first = (uint16_t)at};
    } else {
        lists->popular[lists->names[i].last].next = (uint16_t)at;
    }
    lists->names[i].last = (uint16_t)at;
    lists->names[i].household |= one->household;
}

/* Entries that were taken off again are nothing anybody meant; the others are indexed by name. */
static void keep_popular(struct lists *lists)
{
    const struct name_table *domains = &lists->tables[TABLE_DOMAINS];
    size_t kept = 0;

    for (size_t i = 0; i < lists->popular_count; i++) {
        const struct popular *one = &lists->popular[i];

        if (name_table_find(domains, one->domain, one->length) & LIST_POPULAR)
            lists->popular[kept++] = *one;
    }
    lists->popular_count = kept;
    for (size_t i = 0; i < kept; i++)
        index_popular(lists, i);
}

static struct lists *lists_built_in(void)
{
    struct lists *lists = mem_new(struct lists);
    struct list_entry entry;
    size_t count;
    const struct list_file *files = list_files(&count);

    atomic_init(&lists->references, 1);
    lists->operator_digest = 0xcbf29ce484222325;
    lists->popular = mem_array(struct popular, POPULAR_MAX);
    lists->names = mem_array(struct popular_name, POPULAR_MAX);
    lists->dotless = mem_array(uint16_t, POPULAR_MAX);
    for (size_t i = 0; i < TABLE_COUNT; i++)
        name_table_init(&lists->tables[i], expected[i]);
    for (size_t i = 0; i < count; i++) {
        struct list_reader reader =
            list_reader_of(files[i].bytes, (size_t)(files[i].end - files[i].bytes));

        while (list_read(&reader, &entry))
            apply(lists, &files[i], &entry);
    }
    return lists;
}

/* --- the operator's files ------------------------------------------------- */

/* "disposable.txt" -> its list; NULL = no list of that name. */
static const struct list_file *list_of_file_name(const char *name)
{
    size_t length = strlen(name);

    return length > 4 ? list_file_of(name, length - 4) : NULL;
}

/* Local parts are kept without punctuation, as the built-in ones are. */
static void fold_local(char *name, size_t *length)
{
    size_t kept = 0;

    for (size_t i = 0; i < *length; i++)
        if (strchr("._-", name[i]) == NULL)
            name[kept++] = name[i];
    *length = kept;
}

/* FNV-1a, with an end mark: which files with what in them. */
static void digest(struct lists *lists, const char *bytes, size_t length)
{
    const uint64_t prime = 0x100000001b3;

    for (size_t i = 0; i < length; i++)
        lists->operator_digest = (lists->operator_digest ^ (unsigned char)bytes[i]) * prime;
    lists->operator_digest = (lists->operator_digest ^ 0x100) * prime;
}

static bool add_file(struct lists *lists, const char *path, const struct list_file *file,
                     char *error, size_t size)
{
    size_t length = 0;
    char *bytes = list_read_file(path, OPERATOR_FILE_MAX, &length, error, size);
    const char *name = strrchr(path, '/') + 1;
    struct list_reader reader;
    struct list_entry entry;

    if (bytes == NULL)
        return false;
    lists->operator_bytes[lists->operator_files++] = bytes;
    digest(lists, name, strlen(name));
    digest(lists, bytes, length);
    reader = list_reader_of(bytes, length);
    while (list_read(&reader, &entry)) {
        if (!may_be_entry(file, &entry)) {
            snprintf(error, size, "%s: line %u: no entry of this list", path, reader.line);
            return false;
        }
        if (file->table == TABLE_LOCALS)
            fold_local(bytes + (entry.name - bytes), &entry.length);
        apply(lists, file, &entry);
    }
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_list_file(const char *name)
{
    size_t length = strlen(name);

    return name[0] != '.' && length > 4 && strcmp(name + length - 4, ".txt") == 0;
}

/* The *.txt names in `dir`, sorted, so that the order never depends on the file system. */
static bool names_in(const char *dir, char **names, size_t *count, char *error, size_t size)
{
    DIR *folder = opendir(dir);
    const struct dirent *item;

    *count = 0;
    if (folder == NULL) {
        snprintf(error, size, "%s: %s", dir, strerror(errno));
        return false;
    }
    while ((item = readdir(folder)) != NULL && *count <= OPERATOR_FILES_MAX)
        if (is_list_file(item->d_name) && (*count)++ < OPERATOR_FILES_MAX)
            names[*count - 1] = mem_copy_text(item->d_name);
    closedir(folder);
    if (*count > OPERATOR_FILES_MAX) {
        *count = OPERATOR_FILES_MAX;
        snprintf(error, size, "%s: more than %d files", dir, OPERATOR_FILES_MAX);
        return false;
    }
    qsort(names, *count, sizeof(names[0]), compare_names);
    return true;
}

static bool add_folder(struct lists *lists, const char *dir, char *error, size_t size)
{
    char *names[OPERATOR_FILES_MAX] = {NULL};
    size_t count;
    bool good = names_in(dir, names, &count, error, size);

    for (size_t i = 0; i < count; i++) {
        const struct list_file *file = list_of_file_name(names[i]);
        char path[4096];

        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        if (good && file == NULL)
            snprintf(error, size, "%s: there is no list of this name", path);
        good = good && file != NULL && add_file(lists, path, file, error, size);
        free(names[i]);
    }
    return good;
}

/* --- publishing ----------------------------------------------------------- */

static void leave(void *lists) { lists_drop(lists); }

static void read_date(void)
{
    static const char word[] = "# date: ";
    size_t count;
    const struct list_file *files = list_files(&count);

    for (size_t i = 0; i < count; i++) {
        const char *found = strstr(files[i].bytes, word);

        if (found == NULL || strlen(found) < sizeof(word) + 9)
            continue;
        found += sizeof(word) - 1;
        if (date[0] == 'u' || memcmp(found, date, 10) > 0) {
            memcpy(date, found, 10);
            date[10] = '\0';
        }
    }
}

/* Two sets of operator files that differ never share a version. */
static void write_version(struct lists *lists)
{
    if (lists->operator_files == 0)
        snprintf(lists->version, sizeof(lists->version), "%.10s", date);
    else
        snprintf(lists->version, sizeof(lists->version), "%.10s+%u.%08x", date,
                 lists->operator_files, (unsigned)(lists->operator_digest >> 32));
}

static void start(void)
{
    pthread_key_create(&leaving, leave);
    read_date();
    current = lists_built_in();
    keep_popular(current);
    write_version(current);
    atomic_store(&generation, 1);
}

static void publish(struct lists *lists)
{
    struct lists *old;

    pthread_mutex_lock(&publishing);
    old = current;
    current = lists;
    atomic_fetch_add(&generation, 1);
    pthread_mutex_unlock(&publishing);
    lists_drop(old);
}

static void change_over(void)
{
    struct lists *old = mine;

    pthread_once(&once, start);
    pthread_mutex_lock(&publishing);
    mine = current;
    mine_generation = atomic_load(&generation);
    atomic_fetch_add(&mine->references, 1);
    pthread_mutex_unlock(&publishing);
    pthread_setspecific(leaving, mine);
    lists_drop(old);
}

const struct lists *lists_current(void)
{
    if (mine == NULL || mine_generation != atomic_load_explicit(&generation, memory_order_acquire))
        change_over();
    return mine;
}

void lists_start(void) { (void)lists_current(); }

bool lists_reload(const char *dir, char *error, size_t error_size)
{
    struct lists *lists;
    bool good = true;

    pthread_once(&once, start);
    pthread_mutex_lock(&reloading);
    lists = lists_built_in();
    if (dir != NULL && dir[0] != '\0')
        good = add_folder(lists, dir, error, error_size);
    keep_popular(lists);
    write_version(lists);
    if (good)
        publish(lists);
    else
        lists_drop(lists);
    pthread_mutex_unlock(&reloading);
    return good;
}
