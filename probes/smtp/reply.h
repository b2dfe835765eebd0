/* reply.h - one SMTP reply, read line by line (RFC 5321 section 4.2, RFC 2034 section 4).
 *
 * A pull parser: MORE until the last line, then DONE; BAD when it is not SMTP or
 * crosses a bound. It forgives what servers do (a missing space, an empty text,
 * octets that are not UTF-8, a code that changes from line to line) and refuses
 * what could be anything (no code, no end). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/base/text.h"

enum {
    SMTP_REPLY_LINE_MAX = 4096,    /* octets of a line; RFC 5321 section 4.5.3.1.5 says 512 */
    SMTP_REPLY_LINES_MAX = 128,    /* lines of a reply */
    SMTP_REPLY_OCTETS_MAX = 65536, /* a whole reply */
    SMTP_REPLY_KEPT_MAX = 4096 /* text kept, so that no EHLO keyword is lost; evidence keeps less */
};

enum smtp_parse { SMTP_PARSE_MORE, SMTP_PARSE_DONE, SMTP_PARSE_BAD };

struct smtp_reply {
    uint16_t code;       /* 200 to 599; of the last line read; 0 before the first */
    uint8_t enhanced[3]; /* class.subject.detail, 0.0.0 = none. A detail above 255 is 0 here and
                            stays in the text */
    uint8_t lines;
    bool codes_differ; /* the lines did not agree on a code: the last one counts */
    uint32_t octets;
    struct text text; /* lines without their codes, joined with '\n'; NUL became a space */
};

void smtp_reply_init(struct smtp_reply *reply);
void smtp_reply_clear(struct smtp_reply *reply); /* frees the text; ready for the next reply */

/* One line without its LF or CRLF. After DONE or BAD: clear first. */
enum smtp_parse smtp_reply_add_line(struct smtp_reply *reply, const char *line, size_t length);

/* The text so far, cut at `most` octets; "" when there is none. Borrowed until the next call. */
char *smtp_reply_text(struct smtp_reply *reply, size_t most);
