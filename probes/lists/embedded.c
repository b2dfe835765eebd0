#include "probes/lists/embedded.h"

#include <string.h>

#include "probes/base/embed.h"
#include "probes/base/mem.h"
#include "probes/lists/lists.h"

#define DATA "probes/lists/data/"
EMBED_FILE(data_disposable, DATA "disposable.txt");
EMBED_FILE(data_free, DATA "free.txt");
EMBED_FILE(data_free_own, DATA "free_own.txt");
EMBED_FILE(data_provider_own, DATA "provider_own.txt");
EMBED_FILE(data_alias_relay, DATA "alias_relay.txt");
EMBED_FILE(data_popular, DATA "popular.txt");
EMBED_FILE(data_role, DATA "role.txt");
EMBED_FILE(data_role_own, DATA "role_own.txt");
EMBED_FILE(data_no_reply, DATA "no_reply.txt");
EMBED_FILE(data_disposable_mx, DATA "disposable_mx.txt");
EMBED_FILE(data_parking_mx, DATA "parking_mx.txt");
EMBED_FILE(data_tld, DATA "tld.txt");
EMBED_FILE(data_triples, DATA "triples.txt");

EMBEDDED_FILE(data_disposable);
EMBEDDED_FILE(data_free);
EMBEDDED_FILE(data_free_own);
EMBEDDED_FILE(data_provider_own);
EMBEDDED_FILE(data_alias_relay);
EMBEDDED_FILE(data_popular);
EMBEDDED_FILE(data_role);
EMBEDDED_FILE(data_role_own);
EMBEDDED_FILE(data_no_reply);
EMBEDDED_FILE(data_disposable_mx);
EMBEDDED_FILE(data_parking_mx);
EMBEDDED_FILE(data_tld);
EMBEDDED_FILE(data_triples);

#define BYTES(symbol) symbol, symbol##_end
/* Files written by hand come after the generated ones, so that their "-" lines win. */
static const struct list_file files[] = {
    {"disposable",    TABLE_DOMAINS, LIST_DISPOSABLE,    BYTES(data_disposable)   },
    {"free",          TABLE_DOMAINS, LIST_FREE,          BYTES(data_free)         },
    {"free",          TABLE_DOMAINS, LIST_FREE,          BYTES(data_free_own)     },
    {"provider",      TABLE_DOMAINS, LIST_PROVIDER,      BYTES(data_provider_own) },
    {"alias_relay",   TABLE_DOMAINS, LIST_ALIAS_RELAY,   BYTES(data_alias_relay)  },
    {"popular",       TABLE_DOMAINS, LIST_POPULAR,       BYTES(data_popular)      },
    {"role",          TABLE_LOCALS,  LOCAL_ROLE,         BYTES(data_role)         },
    {"role",          TABLE_LOCALS,  LOCAL_ROLE,         BYTES(data_role_own)     },
    {"no_reply",      TABLE_LOCALS,  LOCAL_NO_REPLY,     BYTES(data_no_reply)     },
    {"disposable_mx", TABLE_MX,      MX_LIST_DISPOSABLE, BYTES(data_disposable_mx)},
    {"parking_mx",    TABLE_MX,      MX_LIST_PARKING,    BYTES(data_parking_mx)   },
    {"tld",           TABLE_TLDS,    1,                  BYTES(data_tld)          },
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
    *length = (size_t)(data_triples_end - data_triples);
    return data_triples;
}
