/* classify.h - what a reply means, and whom it blames (RFC 5321 section 4.2, RFC 3463).
 *
 * A table read top to bottom; the first row that fits decides. First who is blamed
 * (us, or time), then what is said of the recipient, then the enhanced code, then
 * the class of the basic code. Unknown wording is never "no such mailbox". */
#pragma once

#include "probes/base/evidence.h"

/* What in a text is us: matched before anything else, then cut out. NULLs are fine. */
struct reply_context {
    enum smtp_stage stage;
    const char *recipient; /* as sent */
    const char *mail_from;
    const char *our_address; /* IP text */
    const char *our_name;    /* EHLO name, PTR */
    const char *server_host; /* their own name: words in it mean nothing */
    const char *provider;    /* provider key from the table, NULL = unknown */
    bool first_contact;      /* a triple they have not seen: 4xx may be greylisting */
};

struct reply_meaning {
    enum reply_class class;
    const char *rule; /* "C61": static, or owned by the rule set */
};

/* `text`: lines joined with '\n', without codes. Thread-safe, no allocation. */
struct reply_meaning reply_classify(uint16_t code, const uint8_t enhanced[3], const char *text,
                                    const struct reply_context *context);
