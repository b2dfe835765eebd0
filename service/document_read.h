/* document_read.h - a verdict document read back: what was decided then, and from what.
 *
 * Stored documents are foreign text: each word must be one we know, each list is bounded
 * as it was when written, and what is wrong is named. Fields of earlier releases that
 * are missing are derived from what is there. */
#pragma once

#include "service/document.h"

enum { DOCUMENT_ERROR_SIZE = 160, DOCUMENT_RULE_SIZE = 8 };

/* The part of a verdict that rules decide. */
struct document_decision {
    enum verdict_status status;
    enum verdict_reason reason;
    char rule[DOCUMENT_RULE_SIZE]; /* "R26"; may be of another ruleset */
    enum reply_class reply_class;  /* of the recipient's reply; REPLY_NONE = there was none */
    char reply_rule[DOCUMENT_RULE_SIZE];
};

struct json_t;

struct document_stored {
    char *id, *email; /* owned; id may be NULL */
    size_t email_length;
    struct document_decision decision;

    struct mx_evidence *mx;     /* a reference; NULL: DNS had not answered, or was not asked */
    struct smtp_evidence *smtp; /* a reference; NULL: no host was asked */
    struct ip_address source;   /* our end of the session; family 0 = not known */
    bool asked_before;          /* greylisting is for strangers */
    enum check_stop stop;
    enum check_progress in_progress; /* not PROGRESS_ENDED: the answer was due before the end */
};

/* False with a sentence in `error`; *stored is then empty. Needs explain=evidence or more. */
bool document_read(const struct json_t *root, struct document_stored *stored,
                   char error[DOCUMENT_ERROR_SIZE]);
void document_stored_clear(struct document_stored *stored); /* also of a zeroed one */
