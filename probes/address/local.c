/* local.c - the local part: Dot-string or Quoted-string (RFC 5321 section 4.1.2), with
 * UTF-8 where ASCII stood (RFC 6531 section 3.3), re-emitted in its shortest form. */
#include <string.h>

#include "probes/address/scan.h"

enum { NFC_SIZE = 4 * ADDRESS_LOCAL_MAX }; /* NFC grows UTF-8 to three times at the most */

/* The code that refuses an octet where only atext, "." or "@" may stand. */
static enum address_code refusal(uint8_t octet)
{
    return octet == '(' ? ADDRESS_COMMENT : ADDRESS_BAD_CHAR;
}

/* U+200C and U+200D shape the letters of some scripts. Beside ASCII, or at an edge, they are only
 * invisible. */
static bool is_lone_joiner(const char *bytes, size_t length, size_t at)
{
    return length - at >= 3 &&
           (memcmp(bytes + at, "\xE2\x80\x8C", 3) == 0 ||
            memcmp(bytes + at, "\xE2\x80\x8D", 3) == 0) &&
           (at == 0 || (uint8_t)bytes[at - 1] < 0x80 || at + 3 == length ||
            (uint8_t)bytes[at + 3] < 0x80);
}

static bool has_lone_joiner(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (is_lone_joiner(bytes, length, i))
            return true;
    return false;
}

/* The octets of a character beyond ASCII at `at`, 0 = fault noted. */
static size_t wide_step(struct address_scan *scan, size_t at, bool first)
{
    enum address_code code = ADDRESS_UNSAFE_UNICODE;
    size_t size = 0;

    if (!is_lone_joiner(scan->bytes, scan->length, at))
        size = unicode_check(scan->bytes + at, scan->length - at, first, &code);
    if (size == 0)
        scan_fault(scan, code, at);
    return size;
}

static bool dot_string_scan(struct address_scan *scan, size_t *end, bool *non_ascii)
{
    const char *bytes = scan->bytes;
    bool atom_start = true;
    size_t i = 0;

    while (i < scan->length) {
        uint8_t octet = (uint8_t)bytes[i];
        size_t step = 1;
        if (address_octets[octet] & OCTET_ATEXT) {
            atom_start = false;
        } else if (octet == '.') {
            if (atom_start)
                return scan_fault(scan, i == 0 ? ADDRESS_DOT_START : ADDRESS_DOT_DOUBLE, i);
            atom_start = true;
        } else if (octet == '@') {
            break;
        } else if (octet < 0x80) {
            return scan_fault(scan, refusal(octet), i);
        } else {
            step = wide_step(scan, i, i == 0);
            if (step == 0)
                return false;
            *non_ascii = true;
            atom_start = false;
        }
        i += step;
    }
    if (i == 0)
        return scan_fault(scan, ADDRESS_LOCAL_MISSING, 0);
    if (atom_start && i < scan->length)
        return scan_fault(scan, ADDRESS_DOT_END, i - 1);
    *end = i;
    return true;
}

/* One step inside quotes at `i`: the octets that go to the content, 0 = fault noted. `skip` is 1
 * for a backslash before them. */
static size_t quoted_step(struct address_scan *scan, size_t i, size_t *skip, bool *non_ascii)
{
    const char *bytes = scan->bytes;
    uint8_t octet = (uint8_t)bytes[i];

    *skip = 0;
    if (octet == '\\') { /* quoted-pairSMTP: ASCII only, also under RFC 6531 */
        uint8_t next = i + 1 < scan->length ? (uint8_t)bytes[i + 1] : ' ';
        *skip = 1;
        if (next >= 32 && next <= 126)
            return 1;
        scan_fault(scan, ADDRESS_BAD_CHAR, i + 1);
        return 0;
    }
    if (octet >= 32 && octet <= 126)
        return 1;
    if (octet < 0x80) {
        scan_fault(scan, ADDRESS_BAD_CHAR, i);
        return 0;
    }
    *non_ascii = true;
    return wide_step(scan, i, i == 1);
}

/* Takes the quotes off: what they hold goes to `content`, of which at most ADDRESS_LOCAL_MAX octets
 * are kept (a longer one is refused by its length anyway). */
static bool quoted_scan(struct address_scan *scan, size_t *end, bool *non_ascii, char *content,
                        size_t *content_length)
{
    size_t i = 1, kept = 0, skip = 0;

    while (i < scan->length && scan->bytes[i] != '"') {
        size_t size = quoted_step(scan, i, &skip, non_ascii);
        if (size == 0)
            return false;
        if (i + skip + size > scan->length)
            break; /* a backslash with nothing behind it */
        if (kept + size <= ADDRESS_LOCAL_MAX) {
            memcpy(content + kept, scan->bytes + i + skip, size);
            kept += size;
        }
        i += skip + size;
    }
    if (i >= scan->length || scan->bytes[i] != '"')
        return scan_fault(scan, ADDRESS_UNCLOSED_QUOTE, 0);
    i++;
    if (i < scan->length && scan->bytes[i] != '@')
        return scan_fault(scan, scan->bytes[i] == '(' ? ADDRESS_COMMENT : ADDRESS_TEXT_AFTER_QUOTE,
                          i);
    if (kept == 0) /* "" names nobody */
        return scan_fault(scan, ADDRESS_LOCAL_MISSING, 0);
    *content_length = kept;
    *end = i;
    return true;
}

static bool is_dot_string(const char *bytes, size_t length)
{
    bool atom_start = true;

    for (size_t i = 0; i < length; i++) {
        uint8_t octet = (uint8_t)bytes[i];
        if (octet == '.' ? atom_start : !(octet >= 0x80 || address_octets[octet] & OCTET_ATEXT))
            return false;
        atom_start = octet == '.';
    }
    return !atom_start;
}

static bool has_non_ascii(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((uint8_t)bytes[i] >= 0x80)
            return true;
    return false;
}

/* Writes `content` in quotes; false when it does not fit. */
static bool emit_quoted(struct address *address, const char *content, size_t length)
{
    size_t used = 0;

    address->local[used++] = '"';
    for (size_t i = 0; i < length; i++) {
        if (used + 3 > ADDRESS_LOCAL_MAX)
            return false;
        if (content[i] == '"' || content[i] == '\\')
            address->local[used++] = '\\';
        address->local[used++] = content[i];
    }
    if (used + 1 > ADDRESS_LOCAL_MAX)
        return false;
    address->local[used++] = '"';
    address->local[used] = '\0';
    address->quoted_local = true;
    return true;
}

/* Normal form, then the shortest form that carries it. */
static bool emit(struct address_scan *scan, const char *content, size_t length, bool quoted)
{
    struct address *address = scan->address;
    char nfc[NFC_SIZE];

    if (address->non_ascii_local) {
        length = unicode_nfc(content, length, nfc, sizeof(nfc));
        content = nfc;
        address->non_ascii_local = has_non_ascii(content, length); /* U+212A is a plain K */
        address->mixed_script |= unicode_mixed_script(content, length);
    }
    if (length == 0 || has_lone_joiner(content, length)) /* its neighbour may be ASCII by now */
        return scan_fault(scan, ADDRESS_UNSAFE_UNICODE, 0);
    if (is_dot_string(content, length)) {
        if (length > ADDRESS_LOCAL_MAX)
            return scan_fault(scan, ADDRESS_LOCAL_TOO_LONG, 0);
        memcpy(address->local, content, length);
        return true;
    }
    if (!quoted) /* NFC made an ASCII special of it: U+037E is a semicolon */
        return scan_fault(scan, ADDRESS_BAD_CHAR, 0);
    return emit_quoted(address, content, length) || scan_fault(scan, ADDRESS_LOCAL_TOO_LONG, 0);
}

bool local_scan(struct address_scan *scan, size_t *end)
{
    bool quoted = scan->bytes[0] == '"', non_ascii = false;
    char unquoted[ADDRESS_LOCAL_MAX];
    const char *content = quoted ? unquoted : scan->bytes;
    size_t length = 0;

    if (quoted ? !quoted_scan(scan, end, &non_ascii, unquoted, &length)
               : !dot_string_scan(scan, end, &non_ascii))
        return false;
    if (*end == scan->length)
        return scan_fault(scan, ADDRESS_NO_AT, scan->length);
    if (*end > ADDRESS_LOCAL_MAX)
        return scan_fault(scan, ADDRESS_LOCAL_TOO_LONG, ADDRESS_LOCAL_MAX);
    if (!quoted)
        length = *end;
    scan->address->non_ascii_local = non_ascii;
    if (!quoted && !non_ascii) {
        memcpy(scan->address->local, content, length);
        return true;
    }
    return emit(scan, content, length, quoted);
}
