/* fuzz_lists.c - any bytes as an operator's list and as something typed: a list is refused with a
 * line or holds what it says; a suggestion is a plain address that needs no suggestion itself. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/lists/gibberish.h"
#include "probes/lists/list_text.h"
#include "probes/lists/lists.h"
#include "probes/lists/operator_list.h"
#include "probes/lists/suggest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* Every entry that could be a domain is found again. */
static void ask_back(const struct operator_list *list, const char *bytes, size_t size)
{
    struct list_reader reader = list_reader_of(bytes, size);
    struct list_entry entry;
    size_t count = 0;

    while (list_read(&reader, &entry)) {
        char *name = mem_copy_bytes(entry.name, entry.length);

        count++;
        if (!entry.off && list_is_host(entry.name, entry.length, false))
            require(operator_list_has(list, "jane", name));
        free(name);
    }
    require(count == operator_list_count(list));
}

static void as_list(const char *bytes, size_t size)
{
    char error[128] = "";
    struct operator_list *list = operator_list_parse(bytes, size, error, sizeof(error));

    require((list == NULL) == (error[0] != '\0'));
    if (list != NULL)
        ask_back(list, bytes, size);
    operator_list_free(&list);
}

static void as_typed(const char *bytes, size_t size, bool missing)
{
    char out[400], again[400];
    char *text = mem_copy_bytes(bytes, size);

    if (suggest_domain(text, missing, out, sizeof(out))) {
        require(list_is_host(out, strlen(out), false));
        require(strcmp(text, out) != 0);
        require(!suggest_domain(out, false, again, sizeof(again)));
    }
    if (suggest_address(bytes, size, missing, out, sizeof(out))) {
        const char *at = strrchr(out, '@');

        require(at != NULL && at > out && list_is_local(out, (size_t)(at - out)));
        require(list_is_host(at + 1, strlen(at + 1), false));
        require(!suggest_address(out, strlen(out), false, again, sizeof(again)));
    }
    list_domain_kinds(text);
    list_disposable_mx(text);
    list_role(text);
    require(!list_no_reply(text) || list_role(text));
    require(gibberish_score(bytes, size) <= 1.0);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_list((const char *)data, size);
    as_typed((const char *)data, size, size % 2 == 1);
    return 0;
}
