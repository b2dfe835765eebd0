#include "service/operator.h"

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/lists/list_text.h"
#include "probes/lists/lists.h"
#include "probes/lists/operator_list.h"
#include "probes/smtp/reply_rules.h"

enum { REPLY_RULES_OCTETS_MAX = 1 << 20, WHY_SIZE = 256 };

/* Held for one look-up, or for the exchange of two pointers: an old list is freed at once. */
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct operator_list *allowed, *suppressed;

static bool has(struct operator_list *const *list, const struct address *address)
{
    pthread_rwlock_rdlock(&lock);
    bool found = operator_list_has(*list, address->local, address->domain_ascii);
    pthread_rwlock_unlock(&lock);
    return found;
}

/* Takes both over. */
static void replace(struct operator_list *allow, struct operator_list *suppress)
{
    pthread_rwlock_wrlock(&lock);
    struct operator_list *old_allowed = allowed, *old_suppressed = suppressed;
    allowed = allow;
    suppressed = suppress;
    pthread_rwlock_unlock(&lock);
    operator_list_free(&old_allowed);
    operator_list_free(&old_suppressed);
}

/* Who reads the mistake must know which setting to look at. */
static bool refuse(const char *setting, const char *why, char *error, size_t error_size)
{
    snprintf(error, error_size, "%s: %.250s", setting, why);
    return false;
}

static bool load_lists(const char *folder, char *error, size_t error_size)
{
    char why[WHY_SIZE];

    return folder[0] == '\0' || lists_reload(folder, why, sizeof(why)) ||
           refuse("lists_dir", why, error, error_size);
}

static bool load_file(const char *setting, const char *path, struct operator_list **list,
                      char *error, size_t error_size)
{
    char why[WHY_SIZE];

    *list = NULL;
    if (path == NULL || path[0] == '\0')
        return true;
    *list = operator_list_load(path, why, sizeof(why));
    return *list != NULL || refuse(setting, why, error, error_size);
}

/* Read, and not in force yet. What is empty is not set, or as it was. */
struct news {
    struct operator_list *allow, *suppress;
    struct reply_rules *rules;
    char *rules_text;
    size_t rules_length;
};

/* Rules that were in force are kept for good, so the same text is not installed again. */
static char *text_in_force;
static size_t length_in_force;

static bool load_reply_rules(const char *path, struct news *news, char *error, size_t error_size)
{
    char why[WHY_SIZE];
    size_t length;

    if (path[0] == '\0')
        return true;
    char *text = list_read_file(path, REPLY_RULES_OCTETS_MAX, &length, why, sizeof(why));
    if (text == NULL)
        return refuse("reply_rules", why, error, error_size);
    if (text_in_force != NULL && length == length_in_force &&
        memcmp(text, text_in_force, length) == 0) {
        free(text);
        return true;
    }
    news->rules_text = text;
    news->rules_length = length;
    news->rules = reply_rules_with_own(text, length, why, sizeof(why));
    if (news->rules == NULL)
        snprintf(error, error_size, "reply_rules: %.200s: %s", path, why);
    return news->rules != NULL;
}

static void drop(struct news *news)
{
    operator_list_free(&news->allow);
    operator_list_free(&news->suppress);
    reply_rules_free(&news->rules);
    free(news->rules_text);
}

static void put_in_force(const struct news *news)
{
    replace(news->allow, news->suppress);
    if (news->rules == NULL)
        return;
    reply_rules_install(news->rules);
    free(text_in_force);
    text_in_force = news->rules_text;
    length_in_force = news->rules_length;
}

bool operator_load(const struct config *config, char *error, size_t error_size)
{
    struct news news = {.allow = NULL};

    /* the lists come last, for they are in force at once */
    if (load_reply_rules(config->reply_rules, &news, error, error_size) &&
        load_file("allow_list", config->allow_list, &news.allow, error, error_size) &&
        load_file("suppress_list", config->suppress_list, &news.suppress, error, error_size) &&
        load_lists(config->lists_dir, error, error_size)) {
        put_in_force(&news);
        return true;
    }
    drop(&news);
    return false;
}

void operator_unload(void) { replace(NULL, NULL); }

bool operator_allows(const struct address *address) { return has(&allowed, address); }

bool operator_suppresses(const struct address *address) { return has(&suppressed, address); }

struct address_options operator_address_options(const struct config *config)
{
    return (struct address_options){.allow_special_names = config->allow_special_names,
                                    .check_tld = true};
}
