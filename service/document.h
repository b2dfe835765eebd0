/* document.h - verdict and evidence as JSON: the one place that knows the shape. */
#pragma once

#include "service/engine.h"

/* Layers that were answered from memory, as bits. */
enum document_cached { CACHED_DNS = 1, CACHED_SMTP = 2, CACHED_CATCH_ALL = 4, CACHED_IMAP = 8 };

/* One asking of the mail system: a check may ask again when it was greylisted or so. */
struct document_try {
    int64_t at_s;
    enum verdict_reason reason;
    uint16_t code;
};

struct document {
    const char *id;
    const char *email; /* as received */
    size_t email_length;
    const struct address *address;
    const struct address_insight *insight;
    const struct verdict *verdict;
    enum policy_action action;
    const char *policy;
    bool allowlisted, suppressed;
    bool complete;
    bool parked_mx, disposable_mx;
    enum check_stop stop;
    enum check_progress in_progress; /* the layer still at work when the answer was due */
    int64_t retry_after_s;           /* -1 = null */
    int64_t checked_at_s, expires_at_s;
    unsigned from_cache;
    const struct mx_evidence *mx; /* these three may be NULL: null in the document */
    const struct smtp_evidence *smtp;
    const struct imap_evidence *imap;
    const struct provider *provider;
    const struct document_try *tries; /* the earlier ones */
    size_t try_count;
    uint32_t dns_ms, total_ms;
    enum explain explain;
    enum message_language language;
};

/* One object without a newline; the caller frees. */
char *document_verdict(const struct document *document, size_t *length);
/* The `domain` object alone, with the name in front: GET /v1/domains. */
char *document_domain(const struct document *document, size_t *length);
