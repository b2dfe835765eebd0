/* fuzz_address.c - any octets: refused at a position inside the input, or accepted, and then what
 * is written out reads back as the same mailbox. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probes/address/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_again(const struct address *first, const char *text)
{
    static const struct address_options options = {.check_tld = true};
    struct address again;

    require(strlen(text) <= ADDRESS_MAX);
    require(address_parse(text, strlen(text), &options, &again));
    require(again.code == first->code && !again.cleaned);
    require(strcmp(again.local, first->local) == 0);
    require(strcmp(again.domain, first->domain) == 0);
    require(strcmp(again.domain_ascii, first->domain_ascii) == 0);
    require(again.quoted_local == first->quoted_local);
    require(again.non_ascii_local == first->non_ascii_local);
    require(again.idn_domain == first->idn_domain && again.literal == first->literal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct address_options options = {.check_tld = true};
    struct address address;
    char text[ADDRESS_TEXT_SIZE];

    bool valid = address_parse((const char *)data, size, &options, &address);
    require(valid == address.valid && valid == address_code_valid(address.code));
    require(address.position <= size && address.received_position <= size);
    if (!valid) {
        require(address.local[0] == '\0' && address.domain_ascii[0] == '\0');
        return 0;
    }
    address_normalized(&address, text);
    check_again(&address, text);
    address_wire(&address, text);
    check_again(&address, text);
    return 0;
}
