/* scan.h - shared by the parts of the address parser; nobody else includes it.
 *
 * A scan is the input after cleaning. Offsets inside it become positions in the input
 * as received only once, at the end (address.c). */
#pragma once

#include "probes/address/address.h"

struct address_scan {
    const char *bytes; /* cleaned input, not terminated; may point at `decoded` */
    size_t length;
    const struct address_options *options;
    struct address *address;
    size_t fault;     /* offset of the fault, when address->code says there is one */
    size_t final_dot; /* offset of a final dot that was taken off; 0 = none */
    size_t base;      /* where bytes[0] stands in the input */
    bool is_decoded;  /* %XX was decoded: positions are found by walking the input again */
    char decoded[ADDRESS_INPUT_MAX];
};

/* What an octet may be part of. */
enum { OCTET_ATEXT = 1, OCTET_LETTER_DIGIT = 2, OCTET_DIGIT = 4, OCTET_UPPER = 8 };
extern const uint8_t address_octets[256];

/* Notes the fault; always false, so that callers can return it. */
static inline bool scan_fault(struct address_scan *scan, enum address_code code, size_t offset)
{
    scan->address->code = code;
    scan->fault = offset;
    return false;
}

/* RFC 5321 Local-part: fills address->local, *end is the offset of the "@" behind it. */
bool local_scan(struct address_scan *scan, size_t *end);
/* What stands from `begin` to the end: fills address->domain and ->domain_ascii. */
bool domain_scan(struct address_scan *scan, size_t begin);
/* "[...]", RFC 5321 section 4.1.3; on false *fault is the offset in `bytes`. */
bool literal_valid(const char *bytes, size_t length, size_t *fault);

/* Special-use name (RFC 6761 and friends), or below one. `domain` in lower-case A-labels. */
bool special_use_name(const char *domain, size_t length);
/* Is `domain` one of the comma- or space-separated `names`, or below one? */
bool name_in_list(const char *domain, size_t length, const char *names);

/* Outcome of one character outside ASCII at `bytes`: its size, or 0 with the code that refuses it.
 */
size_t unicode_check(const char *bytes, size_t length, bool first, enum address_code *code);
/* NFC into `out`; the length, or 0 when it does not fit or cannot be. */
size_t unicode_nfc(const char *bytes, size_t length, char *out, size_t size);
/* A label that is written from the right keeps the rules of RFC 5893 section 2; true for others. */
bool unicode_bidi_valid(const char *bytes, size_t length);
/* More than one script in a way that no language does (UTS #39, highly restrictive). */
bool unicode_mixed_script(const char *bytes, size_t length);
