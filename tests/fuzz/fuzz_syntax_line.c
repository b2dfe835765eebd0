/* fuzz_syntax_line.c - any line of NDJSON: refused with a code, or an address inside the line that
 * the whole floor can look at. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probes/address/insight.h"
#include "probes/base/mem.h"
#include "service/syntax_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void look_at(const char *email, size_t length)
{
    static const struct address_options options = {.check_tld = true};
    struct address address;
    struct address_insight insight;

    address_parse(email, length, &options, &address);
    address_look_up(email, length, &address, length % 2 == 0, &insight);
    require(address.valid == (insight.dedupe_key[0] != '\0'));
    require(memchr(insight.suggestion, '\0', sizeof(insight.suggestion)) != NULL);
    require(address.valid || insight.tag[0] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = mem_copy_bytes((const char *)data, size);
    const char *email = NULL;
    size_t length = 0;
    enum syntax_line outcome = syntax_line_read(line, size, &email, &length);

    if (outcome == SYNTAX_LINE_OK) {
        require(email >= line && length <= size && email + length <= line + size);
        look_at(email, length);
    } else {
        require(syntax_line_name(outcome) != NULL);
    }
    look_at((const char *)data, size);
    free(line);
    return 0;
}
