#include "tests/lab/providers.h"

#include <assert.h>
#include <string.h>

#include "probes/base/mem.h"

// clang-format off
static const struct lab_provider providers[] = {
    {"google", "google", {"aspmx.l.google.com", "alt1.aspmx.l.google.com"}, STYLE_GOOGLE, 5, 50},
    {"m365", "microsoft365", {"lab-test.mail.protection.outlook.com", "lab-test2.mail.protection.outlook.com"}, STYLE_M365, 5, 50},
    {"yahoo", "yahoo", {"mta5.am0.yahoodns.net", "mta6.am0.yahoodns.net"}, STYLE_YAHOO, 5, 20},
    {"mailru", "mailru", {"mxs.mail.ru", "emx.mail.ru"}, STYLE_PLAIN, 2, 20},
    {"yandex", "yandex", {"mx.yandex.net", "mx2.yandex.net"}, STYLE_YANDEX, 3, 20},
    {"zoho", "zoho", {"mx.zoho.com", "mx2.zoho.com"}, STYLE_SENDMAIL, 3, 20},
    {"icloud", "apple", {"mx01.mail.icloud.com", "mx02.mail.icloud.com"}, STYLE_POSTFIX, 10, 5},
    {"gmx", "gmx", {"mx00.gmx.net", "mx01.gmx.net"}, STYLE_GMX, 4, 20},
    {"fastmail", "fastmail", {"in1-smtp.messagingengine.com", "in2-smtp.messagingengine.com"}, STYLE_POSTFIX, 3, 20},
    {"proofpoint", "proofpoint", {"mxa-000001.gslb.pphosted.com", "mxb-000001.gslb.pphosted.com"}, STYLE_SENDMAIL, 4, 20},
    {"ionos", "ionos", {"mx00.ionos.de", "mx01.ionos.de"}, STYLE_GMX, 4, 20},
    {"ovh", "ovh", {"mx1.mail.ovh.net", "mx2.mail.ovh.net"}, STYLE_POSTFIX, 3, 20},
    {"parking", "parking", {"park-mx.above.com", "mx.h-email.net"}, STYLE_PLAIN, 1, 20},
};
// clang-format on
static_assert(ARRAY_LENGTH(providers) <= LAB_PROVIDERS_MAX, "world.h has room for all");

size_t lab_provider_count(void) { return ARRAY_LENGTH(providers); }
const struct lab_provider *lab_provider_at(size_t index) { return &providers[index]; }

const struct lab_provider *lab_provider_find(const char *key, size_t *index)
{
    *index = 0;
    while (*index < ARRAY_LENGTH(providers) && strcmp(providers[*index].key, key) != 0)
        ++*index;
    assert(*index < ARRAY_LENGTH(providers)); /* behaviours name providers that are there */
    return &providers[*index];
}
