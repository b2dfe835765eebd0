/* special.c - special-use names: mail to them goes nowhere, and DNS is not asked. */
#include <string.h>
#include <strings.h>

#include "probes/address/scan.h"
#include "probes/base/mem.h"

static const struct {
    const char *name;
    size_t length;
} special_names[] = {
#define NAME(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
    NAME("invalid"),                                         /* RFC 6761 section 6.4 */
    NAME("test"),                                            /* 6.2 */
    NAME("localhost"),                                       /* 6.3 */
    NAME("example"),                                         /* 6.5, RFC 2606 section 2 */
    NAME("example.com"),                                     /* RFC 2606 section 3 */
    NAME("example.net"), NAME("example.org"), NAME("local"), /* RFC 6762 section 3 */
    NAME("onion"),    /* RFC 7686 section 2: must not be looked up */
    NAME("alt"),      /* RFC 9476 */
    NAME("internal"), /* ICANN, 2024 */
    NAME("arpa"),     /* RFC 3172; home.arpa: RFC 8375 */
#undef NAME
};

/* Offset at which a name of `name_length` octets would begin, if `domain` ends in whole labels of
 * that length; `length` when it cannot. */
static size_t suffix_offset(const char *domain, size_t length, size_t name_length)
{
    if (name_length == 0 || length < name_length)
        return length;
    size_t head = length - name_length;
    return head == 0 || domain[head - 1] == '.' ? head : length;
}

bool special_use_name(const char *domain, size_t length)
{
    for (size_t i = 0; i < ARRAY_LENGTH(special_names); i++) {
        size_t at = suffix_offset(domain, length, special_names[i].length);
        if (at < length && memcmp(domain + at, special_names[i].name, length - at) == 0)
            return true;
    }
    return false;
}

bool name_in_list(const char *domain, size_t length, const char *names)
{
    static const char separators[] = ", \t";

    while (names != NULL && *names != '\0') {
        names += strspn(names, separators);
        size_t name_length = strcspn(names, separators);
        size_t at = suffix_offset(domain, length, name_length);
        if (at < length && strncasecmp(domain + at, names, name_length) == 0)
            return true;
        names += name_length;
    }
    return false;
}
