#include "probes/lists/embedded.h"

#include <string.h>

#include "probes/base/embed.h"
#include "probes/base/mem.h"
#include "probes/lists/lists.h"

#define DATA "probes/lists/data/"

/* list, file, table, kinds. Files written by hand come after the generated ones of the same list,
 * so that their "-" lines win. */
#define LIST_FILES(X)                                                                              \
    X(disposable, disposable, TABLE_DOMAINS, LIST_DISPOSABLE)                                      \
    X(disposable, disposable_own, TABLE_DOMAINS, LIST_DISPOSABLE)                                  \
    X(free, free, TABLE_DOMAINS, LIST_FREE)                                                        \
    X(free, free_own, TABLE_DOMAINS, LIST_FREE)                                                    \
    X(provider, provider_own, TABLE_DOMAINS, LIST_PROVIDER)                                        \
    X(alias_relay, alias_relay, TABLE_DOMAINS, LIST_ALIAS_RELAY)                                   \
    X(popular, popular, TABLE_DOMAINS, LIST_POPULAR)                                               \
    X(role, role, TABLE_LOCALS, LOCAL_ROLE)                                                        \
    X(role, role_own, TABLE_LOCALS, LOCAL_ROLE)                                                    \
    X(no_reply, no_reply, TABLE_LOCALS, LOCAL_NO_REPLY)                                            \
    X(disposable_mx, disposable_mx, TABLE_MX, MX_LIST_DISPOSABLE)                                  \
    X(parking_mx, parking_mx, TABLE_MX, MX_LIST_PARKING)                                           \
    X(tld, tld, TABLE_TLDS, 1)

#define X(list, file, table, kinds)                                                                \
    EMBED_FILE(data_##file, DATA #file ".txt");                                                    \
    EMBEDDED_FILE(data_##file);
LIST_FILES(X)
#undef X
EMBED_FILE(data_triples, DATA "triples.txt");
EMBEDDED_FILE(data_triples);

static const struct list_file files[] = {
#define X(list, file, table, kinds) {#list, table, kinds, data_##file, data_##file##_end},
    LIST_FILES(X)
#undef X
};

const struct list_file *list_files(size_t *count)
{
    *count = ARRAY_LENGTH(files);
    return files;
}

const struct list_file *list_file_of(const char *list, size_t length)
{
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++)
        if (strlen(files[i].list) == length && memcmp(files[i].list, list, length) == 0)
            return &files[i];
    return NULL;
}

const char *list_triples(size_t *length)
{
    *length = strlen(data_triples);
    return data_triples;
}
