#include "service/operator.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/lists/list_text.h"
#include "probes/lists/lists.h"
#include "probes/lists/operator_list.h"
#include "probes/smtp/reply_rules.h"

enum { REPLY_RULES_OCTETS_MAX = 1 << 20, WHY_SIZE = 256 };
enum { RETIRED_MAX = 256 }; /* reloads in a process's life whose old lists readers may still hold */

static _Atomic(struct operator_list *) allowed, suppressed;
static struct operator_list *retired[RETIRED_MAX];
static size_t retired_count;

/* Readers hold no lock, so an old list is kept until the end. */
static void replace(_Atomic(struct operator_list *) *slot, struct operator_list *list)
{
    struct operator_list *old = atomic_exchange(slot, list);

    if (old != NULL && retired_count < RETIRED_MAX)
        retired[retired_count++] = old;
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

/* The rules in force are kept for good, so the same text is not installed again. */
static bool load_reply_rules(const char *path, char *error, size_t error_size)
{
    static char *in_force;
    static size_t in_force_length;
    char why[WHY_SIZE];
    size_t length;

    if (path[0] == '\0')
        return true;
    char *text = list_read_file(path, REPLY_RULES_OCTETS_MAX, &length, why, sizeof(why));
    if (text == NULL)
        return refuse("reply_rules", why, error, error_size);
    if (in_force != NULL && length == in_force_length && memcmp(text, in_force, length) == 0) {
        free(text);
        return true;
    }
    if (!reply_rules_add(text, length, why, sizeof(why))) {
        free(text);
        snprintf(error, error_size, "reply_rules: %.200s: %s", path, why);
        return false;
    }
    free(in_force);
    in_force = text;
    in_force_length = length;
    return true;
}

bool operator_load(const struct config *config, char *error, size_t error_size)
{
    struct operator_list *allow = NULL, *suppress = NULL;

    if (!load_lists(config->lists_dir, error, error_size) ||
        !load_reply_rules(config->reply_rules, error, error_size))
        return false;
    if (!load_file("allow_list", config->allow_list, &allow, error, error_size) ||
        !load_file("suppress_list", config->suppress_list, &suppress, error, error_size)) {
        operator_list_free(&allow);
        return false;
    }
    replace(&allowed, allow);
    replace(&suppressed, suppress);
    return true;
}

void operator_unload(void)
{
    replace(&allowed, NULL);
    replace(&suppressed, NULL);
    while (retired_count > 0)
        operator_list_free(&retired[--retired_count]);
}

bool operator_allows(const struct address *address)
{
    return operator_list_has(atomic_load(&allowed), address->local, address->domain_ascii);
}

bool operator_suppresses(const struct address *address)
{
    return operator_list_has(atomic_load(&suppressed), address->local, address->domain_ascii);
}

struct address_options operator_address_options(const struct config *config)
{
    return (struct address_options){.allow_special_names = config->allow_special_names,
                                    .check_tld = true};
}
