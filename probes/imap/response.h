/* response.h - IMAP octets in, one response out (RFC 9051 section 7, RFC 3501).
 *
 * Everything a server may say before sign-in is one line, so a response is one
 * line. Literals ("{42}" at the end of a line) would carry free octets past every
 * bound; nothing asked here needs them, and they are refused.
 *
 * The spans of a response point into the caller's octets: nothing is copied. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { IMAP_LINE_MAX = 65536, IMAP_TAG_MAX = 32 };

enum imap_parse {
    IMAP_PARSE_MORE, /* no whole line yet */
    IMAP_PARSE_DONE,
    IMAP_PARSE_BAD /* not IMAP, too long, or a literal: there is no going on */
};

enum imap_kind {
    IMAP_KIND_STATUS,      /* untagged OK, NO, BAD, PREAUTH, BYE */
    IMAP_KIND_TAGGED,      /* the end of a command: OK, NO, BAD */
    IMAP_KIND_CAPABILITY,  /* untagged CAPABILITY: `text` holds the words */
    IMAP_KIND_ID,          /* untagged ID (RFC 2971): `text` holds the list or NIL */
    IMAP_KIND_DATA,        /* any other untagged response */
    IMAP_KIND_CONTINUATION /* "+ ..." */
};

enum imap_status {
    IMAP_STATUS_NONE,
    IMAP_STATUS_OK,
    IMAP_STATUS_NO,
    IMAP_STATUS_BAD,
    IMAP_STATUS_PREAUTH,
    IMAP_STATUS_BYE
};

/* The code in brackets behind a status (RFC 9051 section 7.1, RFC 5530). */
enum imap_code {
    IMAP_CODE_NONE,
    IMAP_CODE_CAPABILITY, /* `code_text` holds the words */
    IMAP_CODE_ALERT,
    IMAP_CODE_UNAVAILABLE,
    IMAP_CODE_CONTACTADMIN,
    IMAP_CODE_PRIVACYREQUIRED,
    IMAP_CODE_REFERRAL,
    IMAP_CODE_OTHER
};

struct imap_span {
    const char *at; /* not terminated; borrowed */
    size_t length;
};

struct imap_response {
    enum imap_kind kind;
    enum imap_status status;
    enum imap_code code;
    struct imap_span tag;       /* IMAP_KIND_TAGGED only */
    struct imap_span code_text; /* what follows the code's name inside the brackets */
    struct imap_span text;
};

/* Takes the first line of `bytes`. DONE and BAD set *used to the octets taken (LF included);
 * MORE leaves both outputs untouched. */
enum imap_parse imap_response_next(const char *bytes, size_t length, size_t *used,
                                   struct imap_response *response);
/* The same for one line without its CRLF or LF: DONE or BAD. BAD leaves *response untouched. */
enum imap_parse imap_response_read(const char *line, size_t length, struct imap_response *response);

/* Walks the words of a span, e.g. capabilities: false at the end. Start with *rest = the span. */
bool imap_next_word(struct imap_span *rest, struct imap_span *word);
/* ASCII, case-insensitive. */
bool imap_span_is(struct imap_span span, const char *word);
