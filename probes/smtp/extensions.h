/* extensions.h - what an EHLO reply offers (RFC 5321 section 4.1.1.1). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* RFC 9422: the server's own limits for one session; 0 = not announced. */
struct smtp_limits {
    uint32_t mail_max;             /* MAILMAX: MAIL commands */
    uint32_t recipient_max;        /* RCPTMAX: RCPT commands of one transaction */
    uint32_t recipient_domain_max; /* RCPTDOMAINMAX: different recipient domains */
};

struct smtp_extensions {
    bool pipelining; /* RFC 2920 */
    bool starttls;   /* RFC 3207 */
    bool smtputf8;   /* RFC 6531 */
    struct smtp_limits limits;
};

/* What follows the first line of an EHLO reply, where the server names itself. */
const char *smtp_ehlo_keywords(const char *reply_text);
/* `keywords`: one per line with its parameters, as smtp_server.extensions has them; NULL = none. */
struct smtp_extensions smtp_extensions_read(const char *keywords);
