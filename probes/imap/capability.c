#include "probes/imap/capability.h"

#include <string.h>

#include "probes/base/evidence.h"
#include "probes/base/mem.h"

#define FEATURE(name) (1u << IMAP_FEATURE_##name)

/* A word that ends in '=' stands for every value behind it. RFC numbers: IANA's registry. */
static const struct {
    const char *word;
    unsigned traits, features;
} capabilities_known[] = {
    {"IMAP4rev1", IMAP_TRAIT_REV1_OR_REV2, 0},
    /* RFC 9051 appendix E: these came in with rev2, named or not. */
    {"IMAP4rev2", IMAP_TRAIT_REV1_OR_REV2,
     FEATURE(PUSH) | FEATURE(FOLDERS) | FEATURE(SHARING) | FEATURE(SEARCH) |
         FEATURE(PARTIAL_FETCH) | FEATURE(MIGRATION)},

    {"STARTTLS", IMAP_TRAIT_STARTTLS, 0},
    {"LOGINDISABLED", IMAP_TRAIT_LOGINDISABLED, 0},
    {"ID", IMAP_TRAIT_ID, 0},
    {"AUTH=PLAIN", IMAP_TRAIT_AUTH_PASSWORD, 0},
    {"AUTH=LOGIN", IMAP_TRAIT_AUTH_PASSWORD, 0},
    {"AUTH=OAUTHBEARER", 0, FEATURE(OAUTH)},
    {"AUTH=XOAUTH2", 0, FEATURE(OAUTH)},

    {"IDLE", 0, FEATURE(PUSH)},
    {"NOTIFY", 0, FEATURE(PUSH)},
    {"CONTEXT=", 0, FEATURE(PUSH)},
    {"XAPPLEPUSHSERVICE", 0, FEATURE(PUSH)},

    {"CONDSTORE", 0, FEATURE(RESYNC)},
    {"QRESYNC", 0, FEATURE(RESYNC)},
    {"OBJECTID", 0, FEATURE(RESYNC)},
    {"UIDONLY", 0, FEATURE(RESYNC)},
    {"UIDBATCHES", 0, FEATURE(RESYNC)},
    {"MESSAGELIMIT=", 0, FEATURE(RESYNC)},
    {"SAVELIMIT=", 0, FEATURE(RESYNC)},
    {"SAVEDATE", 0, FEATURE(RESYNC)},

    {"LIST-EXTENDED", 0, FEATURE(FOLDERS)},
    {"LIST-STATUS", 0, FEATURE(FOLDERS)},
    {"LIST-MYRIGHTS", 0, FEATURE(FOLDERS) | FEATURE(SHARING)},
    {"LIST-METADATA", 0, FEATURE(FOLDERS)},
    {"SPECIAL-USE", 0, FEATURE(FOLDERS)},
    {"CREATE-SPECIAL-USE", 0, FEATURE(FOLDERS)},
    {"NAMESPACE", 0, FEATURE(FOLDERS) | FEATURE(SHARING)},
    {"CHILDREN", 0, FEATURE(FOLDERS)},
    {"STATUS=SIZE", 0, FEATURE(FOLDERS)},
    {"METADATA", 0, FEATURE(FOLDERS)},
    {"METADATA-SERVER", 0, FEATURE(FOLDERS)},
    {"MAILBOX-REFERRALS", 0, FEATURE(FOLDERS)},
    {"XLIST", 0, FEATURE(FOLDERS)},
    {"X-GM-EXT-1", 0, FEATURE(FOLDERS)},

    {"ACL", 0, FEATURE(SHARING)},
    {"RIGHTS=", 0, FEATURE(SHARING)},
    {"LOGIN-REFERRALS", 0, FEATURE(SHARING)},

    {"QUOTA", 0, FEATURE(QUOTA)},
    {"QUOTASET", 0, FEATURE(QUOTA)},
    {"QUOTA=", 0, FEATURE(QUOTA)},
    {"APPENDLIMIT", 0, FEATURE(QUOTA) | FEATURE(MIGRATION)},
    {"APPENDLIMIT=", 0, FEATURE(QUOTA) | FEATURE(MIGRATION)},

    {"ESEARCH", 0, FEATURE(SEARCH)},
    {"SEARCHRES", 0, FEATURE(SEARCH)},
    {"SORT", 0, FEATURE(SEARCH)},
    {"SORT=", 0, FEATURE(SEARCH)},
    {"THREAD=", 0, FEATURE(SEARCH)},
    {"ESORT", 0, FEATURE(SEARCH)},
    {"MULTISEARCH", 0, FEATURE(SEARCH)},
    {"SEARCH=", 0, FEATURE(SEARCH)},
    {"WITHIN", 0, FEATURE(SEARCH)},
    {"FILTERS", 0, FEATURE(SEARCH)},
    {"I18NLEVEL=", 0, FEATURE(SEARCH)},
    {"PARTIAL", 0, FEATURE(SEARCH) | FEATURE(PARTIAL_FETCH)},

    {"BINARY", 0, FEATURE(PARTIAL_FETCH)},
    {"PREVIEW", 0, FEATURE(PARTIAL_FETCH)},
    {"PREVIEW=", 0, FEATURE(PARTIAL_FETCH)},
    {"CONVERT", 0, FEATURE(PARTIAL_FETCH)},
    {"URL-PARTIAL", 0, FEATURE(PARTIAL_FETCH)},
    {"URLAUTH", 0, FEATURE(PARTIAL_FETCH)},
    {"URLAUTH=", 0, FEATURE(PARTIAL_FETCH)},
    {"URLFETCH=", 0, FEATURE(PARTIAL_FETCH)},

    {"UIDPLUS", 0, FEATURE(MIGRATION)},
    {"MOVE", 0, FEATURE(MIGRATION)},
    {"MULTIAPPEND", 0, FEATURE(MIGRATION)},
    {"REPLACE", 0, FEATURE(MIGRATION)},
    {"CATENATE", 0, FEATURE(MIGRATION)},
    {"LITERAL+", 0, FEATURE(MIGRATION)},
    {"LITERAL-", 0, FEATURE(MIGRATION)},
    {"ANNOTATE-EXPERIMENT-1", 0, FEATURE(MIGRATION)},

    {"COMPRESS=", 0, FEATURE(COMPRESSION)},
    {"UTF8=", 0, FEATURE(UTF8)},
};

static bool row_fits(const char *row, struct imap_span word)
{
    size_t length = strlen(row);

    if (row[length - 1] == '=' && word.length > length)
        word.length = length;
    return imap_span_is(word, row);
}

/* Capabilities are atoms: a word with anything else in it is not repeated to anybody. */
static bool is_atom(struct imap_span word)
{
    for (size_t i = 0; i < word.length; i++)
        if ((unsigned char)word.at[i] <= ' ' || (unsigned char)word.at[i] >= 0x7f)
            return false;
    return true;
}

static void keep_word(struct text *words, struct imap_span word)
{
    if (words->length + word.length + 1 > IMAP_CAPABILITIES_TEXT_MAX)
        return;
    if (words->length > 0)
        text_char(words, ' ');
    text_add(words, word.at, word.length);
}

void imap_capabilities_init(struct imap_capabilities *capabilities)
{
    *capabilities = (struct imap_capabilities){.seen = false};
    text_init(&capabilities->words, IMAP_CAPABILITIES_TEXT_MAX + 1);
}

void imap_capabilities_free(struct imap_capabilities *capabilities)
{
    text_free(&capabilities->words);
    imap_capabilities_init(capabilities);
}

void imap_capabilities_take(struct imap_capabilities *capabilities, struct imap_span list)
{
    struct imap_span word;

    imap_capabilities_free(capabilities);
    capabilities->seen = true;
    while (imap_next_word(&list, &word)) {
        if (!is_atom(word))
            continue;
        keep_word(&capabilities->words, word);
        for (size_t i = 0; i < ARRAY_LENGTH(capabilities_known); i++) {
            if (!row_fits(capabilities_known[i].word, word))
                continue;
            capabilities->traits |= capabilities_known[i].traits;
            capabilities->features |= capabilities_known[i].features;
        }
    }
}
