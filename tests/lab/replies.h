/* replies.h - what mail servers say, in the words of the software that says it. */
#pragma once

#include "probes/base/text.h"

enum reply_style {
    STYLE_POSTFIX,
    STYLE_EXIM,
    STYLE_SENDMAIL,
    STYLE_EXCHANGE,
    STYLE_OPENSMTPD,
    STYLE_PLAIN,     /* codes and words, no enhanced codes */
    STYLE_OWN_COUNT, /* styles that a host of one domain may have; the rest are providers */
    STYLE_GOOGLE = STYLE_OWN_COUNT,
    STYLE_M365,
    STYLE_YAHOO,
    STYLE_YANDEX,
    STYLE_GMX,
    STYLE_COUNT
};
const char *reply_style_name(enum reply_style style);
bool reply_style_parse(const char *name, enum reply_style *style);

/* Things that servers of every kind say; the words differ by style. */
enum reply_topic {
    SAY_GREETING,
    SAY_ACCEPTED,
    SAY_UNKNOWN,
    SAY_FULL_452,
    SAY_FULL_552,
    SAY_DISABLED,
    SAY_RESTRICTED,
    SAY_RATE_LIMITED,
    SAY_MOVED,
    SAY_ABANDONED,
    SAY_GREYLISTED,
    SAY_TEMPORARY,
    SAY_RELAY_DENIED,
    SAY_TOPIC_COUNT
};

struct reply_words {
    const char *host, *recipient, *client; /* for $h, $r and $c */
    uint32_t greylist_s;                   /* for $g */
};

/* The reply, one or more lines joined by '\n', each with its code. Falls back on the plain style.
 */
void reply_say(struct text *out, enum reply_style style, enum reply_topic topic,
               const struct reply_words *words);
/* Do its greylisting replies say when to come back? */
bool reply_names_wait(enum reply_style style);
/* The same expansion for a text that all share. */
void reply_expand(struct text *out, const char *pattern, const struct reply_words *words);
