/* address.h - is it a mailbox (RFC 5321 section 4.1.2, RFC 6531 section 3.3), and which?
 *
 * One pass over the octets, no allocation per octet. Every refusal has a code and
 * the 0-based octet position in the input as received. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ADDRESS_INPUT_MAX = 1024, /* octets looked at at all */
    ADDRESS_LOCAL_MAX = 64,
    ADDRESS_DOMAIN_MAX = 253,
    ADDRESS_MAX = 254
};

/* symbol, wire name. `valid` codes pass the grammar but decide a verdict. */
#define ADDRESS_CODE_LIST(X)                                                                       \
    X(ADDRESS_OK, "ok", true)                                                                      \
    X(ADDRESS_EMPTY, "empty", false)                                                               \
    X(ADDRESS_NO_AT, "no_at", false)                                                               \
    X(ADDRESS_LOCAL_MISSING, "local_missing", false)                                               \
    X(ADDRESS_DOMAIN_MISSING, "domain_missing", false)                                             \
    X(ADDRESS_BAD_CHAR, "bad_char", false)                                                         \
    X(ADDRESS_DOT_START, "dot_start", false)                                                       \
    X(ADDRESS_DOT_END, "dot_end", false)                                                           \
    X(ADDRESS_DOT_DOUBLE, "dot_double", false)                                                     \
    X(ADDRESS_UNCLOSED_QUOTE, "unclosed_quote", false)                                             \
    X(ADDRESS_TEXT_AFTER_QUOTE, "text_after_quote", false)                                         \
    X(ADDRESS_COMMENT, "comment", false)                                                           \
    X(ADDRESS_LOCAL_TOO_LONG, "local_too_long", false)                                             \
    X(ADDRESS_LABEL_TOO_LONG, "label_too_long", false)                                             \
    X(ADDRESS_DOMAIN_TOO_LONG, "domain_too_long", false)                                           \
    X(ADDRESS_TOO_LONG, "address_too_long", false)                                                 \
    X(ADDRESS_HYPHEN_EDGE, "hyphen_edge", false)                                                   \
    X(ADDRESS_BAD_IDNA, "bad_idna", false)                                                         \
    X(ADDRESS_BAD_UTF8, "bad_utf8", false)                                                         \
    X(ADDRESS_UNSAFE_UNICODE, "unsafe_unicode", false)                                             \
    X(ADDRESS_BAD_LITERAL, "bad_literal", false)                                                   \
    X(ADDRESS_NO_TLD, "no_tld", true)                                                              \
    X(ADDRESS_NUMERIC_TLD, "numeric_tld", true)                                                    \
    X(ADDRESS_UNKNOWN_TLD, "unknown_tld", true)                                                    \
    X(ADDRESS_RESERVED_DOMAIN, "reserved_domain", true)                                            \
    X(ADDRESS_DOMAIN_LITERAL, "domain_literal", true)

enum address_code {
#define X(symbol, name, valid) symbol,
    ADDRESS_CODE_LIST(X)
#undef X
        ADDRESS_CODE_COUNT
};
const char *address_code_name(enum address_code code);
bool address_code_valid(enum address_code code);

/* All strings are inside the struct: it can be copied and lives as long as its holder.
 * NUL-terminated; an embedded NUL is never accepted. Lengths in octets of UTF-8. */
struct address {
    enum address_code code;
    uint16_t position; /* of the fault; 0 when code is ADDRESS_OK */
    bool valid;        /* usable in RCPT TO by the grammar */
    bool cleaned;      /* trimmed, <> or mailto: taken off, final dot dropped */
    /* What the grammar says of the input exactly as received: the same as code and position unless
     * `cleaned`, then the first octet that had to go. */
    enum address_code received_code;
    uint16_t received_position;
    bool quoted_local; /* still needs its quotes after shortening */
    bool non_ascii_local, idn_domain, mixed_script, literal;
    bool operators_name; /* under one of the special names that he allows */
    char local[ADDRESS_LOCAL_MAX +
               3]; /* NFC, shortest form (quotes only where needed), case as typed */
    char domain[ADDRESS_DOMAIN_MAX * 2 + 3]; /* U-labels, lower-case, for display; or the literal */
    char domain_ascii[ADDRESS_DOMAIN_MAX + 3]; /* A-labels, lower-case: what goes on the wire */
};

struct address_options {
    const char *allow_special_names; /* "test, lab.internal": special-use names treated as ordinary;
                                        may be NULL */
    bool check_tld; /* last label must be delegated (root zone list) or allowed above */
};

/* Always fills *address; returns address->valid. `input` need not be terminated, may hold NUL. */
bool address_parse(const char *input, size_t length, const struct address_options *options,
                   struct address *address);

/* The address to store: local@domain with U-labels. Needs ADDRESS_TEXT_SIZE octets. */
enum { ADDRESS_TEXT_SIZE = ADDRESS_LOCAL_MAX + 2 * ADDRESS_DOMAIN_MAX + 8 };
void address_normalized(const struct address *address, char out[ADDRESS_TEXT_SIZE]);
/* What RCPT TO carries: local@domain_ascii. */
void address_wire(const struct address *address, char out[ADDRESS_TEXT_SIZE]);
