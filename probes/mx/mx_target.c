#include "probes/mx/mx_target.h"

#include <stddef.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"

enum { LABEL_MAX = 63, HOST_NAME_MAX_OCTETS = 253 };

/* Names that must not be asked for in the DNS, or have no meaning there: RFC 6761 section 6.3
 * and 6.4, RFC 7686, RFC 9476. Other special names get the DNS's own answer. */
static const char *const unusable[] = {"localhost", "invalid", "onion", "alt"};

static bool label_is_valid(const char *label, size_t length)
{
    if (length == 0 || length > LABEL_MAX || label[0] == '-' || label[length - 1] == '-')
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = label[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
            return false;
    }
    return true;
}

bool mx_target_is_usable(const char *name)
{
    const char *label = name;
    size_t length;

    if (strlen(name) > HOST_NAME_MAX_OCTETS)
        return false;
    for (;; label += length + 1) {
        length = strcspn(label, ".");
        if (!label_is_valid(label, length))
            return false;
        if (label[length] == '\0')
            break;
    }
    if (strspn(label, "0123456789") == length)
        return false; /* "192.0.2.1" and the like: no top-level domain is a number */
    for (size_t i = 0; i < ARRAY_LENGTH(unusable); i++)
        if (text_domain_within(name, unusable[i]))
            return false;
    return true;
}
