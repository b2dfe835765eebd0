/* Any octets, as lines, through one parser after the other: the bounds hold, and what comes out
 * is what replies are made of. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "probes/smtp/extensions.h"
#include "probes/smtp/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct smtp_reply *reply)
{
    const char *text;

    assert(reply->code >= 200 && reply->code <= 599);
    assert(reply->enhanced[0] == 0 || reply->enhanced[0] == 2 || reply->enhanced[0] == 4 ||
           reply->enhanced[0] == 5);
    assert(reply->enhanced[0] != 0 || (reply->enhanced[1] == 0 && reply->enhanced[2] == 0));
    assert(reply->lines >= 1 && reply->lines <= SMTP_REPLY_LINES_MAX);
    assert(reply->octets <= SMTP_REPLY_OCTETS_MAX);
    assert(reply->text.length <= SMTP_REPLY_KEPT_MAX && !reply->text.overflow);
    text = smtp_reply_text(reply, SMTP_REPLY_KEPT_MAX);
    assert(strlen(text) == reply->text.length); /* no NUL inside */
    (void)smtp_extensions_read(smtp_ehlo_keywords(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data, *end = at + size;
    struct smtp_reply reply;

    smtp_reply_init(&reply);
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((line_end != NULL ? line_end : end) - at);
        enum smtp_parse parse = smtp_reply_add_line(&reply, at, length);

        if (parse != SMTP_PARSE_BAD)
            check(&reply);
        if (parse != SMTP_PARSE_MORE)
            smtp_reply_clear(&reply);
        at += length + (line_end != NULL);
    }
    smtp_reply_clear(&reply);
    return 0;
}
