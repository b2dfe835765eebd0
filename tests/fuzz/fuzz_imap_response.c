/* Any octets: the reader takes lines, stays inside them, and never takes the same octet twice. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/imap/capability.h"
#include "probes/imap/response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct imap_span span, const char *from, size_t length)
{
    assert(span.length == 0 || (span.at >= from && span.at + span.length <= from + length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    struct imap_capabilities capabilities;
    struct imap_response response;
    size_t used;

    imap_capabilities_init(&capabilities);
    for (;;) {
        enum imap_parse parse = imap_response_next(bytes, size, &used, &response);

        if (parse == IMAP_PARSE_MORE)
            break;
        assert(used > 0 && used <= size);
        if (parse == IMAP_PARSE_DONE) {
            check_inside(response.tag, bytes, used);
            check_inside(response.text, bytes, used);
            check_inside(response.code_text, bytes, used);
            imap_capabilities_take(&capabilities, response.kind == IMAP_KIND_CAPABILITY
                                                      ? response.text
                                                      : response.code_text);
            assert(capabilities.words.length <= IMAP_CAPABILITIES_TEXT_MAX);
            assert(!capabilities.words.overflow);
        }
        bytes += used;
        size -= used;
    }
    imap_capabilities_free(&capabilities);
    return 0;
}
