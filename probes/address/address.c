/* address.c - one address, from the octets received to the parts of a mailbox.
 *
 * 1. Clean: outer white space, one pair of <>, mailto: with its percent-encoding (RFC 6068).
 * 2. Local part up to the first "@" outside quotes (local.c).
 * 3. Domain or literal to the end (domain.c, literal.c).
 * 4. Lengths of the whole, in each form.
 * 5. Offsets become positions in the input as received. */
#include "probes/address/address.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "probes/address/scan.h"
#include "probes/base/mem.h"

static const struct {
    const char *name;
    bool valid;
} codes[] = {
#define X(symbol, name, valid) [symbol] = {name, valid || symbol == ADDRESS_OK},
    ADDRESS_CODE_LIST(X)
#undef X
};
static_assert(ARRAY_LENGTH(codes) == ADDRESS_CODE_COUNT, "one row per code");

const char *address_code_name(enum address_code code) { return codes[code].name; }

bool address_code_valid(enum address_code code) { return codes[code].valid; }

#define A OCTET_ATEXT
#define L (OCTET_ATEXT | OCTET_LETTER_DIGIT)
#define U (OCTET_ATEXT | OCTET_LETTER_DIGIT | OCTET_UPPER)
#define D (OCTET_ATEXT | OCTET_LETTER_DIGIT | OCTET_DIGIT)
/* RFC 5322 section 3.2.3 atext, and what a label is made of. */
const uint8_t address_octets[256] = {
    ['!'] = A, ['#'] = A, ['$'] = A, ['%'] = A, ['&'] = A, ['\''] = A, ['*'] = A, ['+'] = A,
    ['-'] = A, ['/'] = A, ['='] = A, ['?'] = A, ['^'] = A, ['_'] = A,  ['`'] = A, ['{'] = A,
    ['|'] = A, ['}'] = A, ['~'] = A, ['0'] = D, ['1'] = D, ['2'] = D,  ['3'] = D, ['4'] = D,
    ['5'] = D, ['6'] = D, ['7'] = D, ['8'] = D, ['9'] = D, ['a'] = L,  ['b'] = L, ['c'] = L,
    ['d'] = L, ['e'] = L, ['f'] = L, ['g'] = L, ['h'] = L, ['i'] = L,  ['j'] = L, ['k'] = L,
    ['l'] = L, ['m'] = L, ['n'] = L, ['o'] = L, ['p'] = L, ['q'] = L,  ['r'] = L, ['s'] = L,
    ['t'] = L, ['u'] = L, ['v'] = L, ['w'] = L, ['x'] = L, ['y'] = L,  ['z'] = L, ['A'] = U,
    ['B'] = U, ['C'] = U, ['D'] = U, ['E'] = U, ['F'] = U, ['G'] = U,  ['H'] = U, ['I'] = U,
    ['J'] = U, ['K'] = U, ['L'] = U, ['M'] = U, ['N'] = U, ['O'] = U,  ['P'] = U, ['Q'] = U,
    ['R'] = U, ['S'] = U, ['T'] = U, ['U'] = U, ['V'] = U, ['W'] = U,  ['X'] = U, ['Y'] = U,
    ['Z'] = U,
};
#undef A
#undef L
#undef U
#undef D

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static int hex_value(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c | 32 : c);
    return found == NULL ? -1 : (int)(found - digits);
}

/* --- cleaning -------------------------------------------------------------------- */

static void note_cleaned(struct address *address, enum address_code code, size_t position)
{
    if (address->cleaned) /* the first one is what the grammar stumbles over */
        return;
    address->cleaned = true;
    address->received_code = code;
    address->received_position = (uint16_t)position;
}

/* %XX to octets; false when a "%" has no two hex digits behind it. */
static bool decode_percent(struct address_scan *scan)
{
    size_t used = 0;

    scan->is_decoded = true;
    for (size_t i = 0; i < scan->length; i++) {
        char octet = scan->bytes[i];
        if (octet == '%') {
            int high = i + 2 < scan->length ? hex_value(scan->bytes[i + 1]) : -1;
            int low = high < 0 ? -1 : hex_value(scan->bytes[i + 2]);
            if (low < 0)
                return scan_fault(scan, ADDRESS_BAD_CHAR, used);
            octet = (char)(high * 16 + low);
            i += 2;
        }
        scan->decoded[used++] = octet;
    }
    scan->bytes = scan->decoded;
    scan->length = used;
    return true;
}

/* A link as browsers copy it: header fields behind "?" are not part of the address (RFC 6068). */
static bool clean_mailto(struct address_scan *scan)
{
    static const char scheme[] = "mailto:";
    const size_t skip = sizeof(scheme) - 1;

    if (scan->length < skip || strncasecmp(scan->bytes, scheme, skip) != 0)
        return true;
    note_cleaned(scan->address, ADDRESS_BAD_CHAR, scan->base + skip - 1);
    scan->bytes += skip;
    scan->length -= skip;
    scan->base += skip;
    const char *fields = memchr(scan->bytes, '?', scan->length);
    if (fields != NULL)
        scan->length = (size_t)(fields - scan->bytes);
    return memchr(scan->bytes, '%', scan->length) == NULL || decode_percent(scan);
}

/* Everything outside the address goes; scan->bytes is then the address alone. */
static bool clean(struct address_scan *scan, const char *input, size_t length)
{
    size_t begin = 0, end = length;

    while (begin < end && is_space(input[begin]))
        begin++;
    while (end > begin && is_space(input[end - 1]))
        end--;
    if (begin > 0 && begin < end)
        note_cleaned(scan->address, ADDRESS_BAD_CHAR, 0);
    if (end - begin >= 2 && input[begin] == '<' && input[end - 1] == '>') {
        note_cleaned(scan->address, ADDRESS_BAD_CHAR, begin);
        begin++;
        end--;
    }
    scan->bytes = input + begin;
    scan->length = end - begin;
    scan->base = begin;
    return clean_mailto(scan);
}

/* Where offset `offset` of the cleaned address stands in `input`. */
static size_t received_position(const struct address_scan *scan, const char *input, size_t offset)
{
    size_t position = scan->base;

    if (!scan->is_decoded)
        return position + offset;
    for (; offset > 0; offset--)
        position += input[position] == '%' ? 3 : 1;
    return position;
}

/* --- the whole ---------------------------------------------------------------------- */

/* The limits of RFC 5321 section 4.5.3.1.3 hold for what was typed, for NFC, and for A-labels. */
static bool check_lengths(struct address_scan *scan)
{
    const struct address *address = scan->address;
    size_t local = strlen(address->local) + 1;
    size_t typed = scan->final_dot != 0 ? scan->final_dot : scan->length;

    if (typed > ADDRESS_MAX)
        return scan_fault(scan, ADDRESS_TOO_LONG, ADDRESS_MAX);
    if (local + strlen(address->domain) > ADDRESS_MAX ||
        local + strlen(address->domain_ascii) > ADDRESS_MAX)
        return scan_fault(scan, ADDRESS_TOO_LONG, 0);
    return true;
}

static void scan_address(struct address_scan *scan)
{
    size_t at = 0;

    if (scan->length == 0) {
        scan_fault(scan, ADDRESS_EMPTY, 0);
        return;
    }
    if (!local_scan(scan, &at)) {
        if (memchr(scan->bytes, '@', scan->length) == NULL)
            scan_fault(scan, ADDRESS_NO_AT, scan->length);
        return;
    }
    domain_scan(scan, at + 1);
    if (codes[scan->address->code].valid)
        check_lengths(scan);
}

/* Nothing half-read leaves the parser. */
static void forget_parts(struct address *address)
{
    address->quoted_local = address->non_ascii_local = address->idn_domain = false;
    address->mixed_script = address->literal = false;
    address->local[0] = address->domain[0] = address->domain_ascii[0] = '\0';
}

/* Turns offsets into positions, and says what the input as received amounts to. */
static void finish(struct address_scan *scan, const char *input, size_t length)
{
    struct address *address = scan->address;

    address->valid = codes[address->code].valid;
    if (address->code != ADDRESS_OK)
        address->position = (uint16_t)received_position(scan, input, scan->fault);
    if (!address->valid)
        forget_parts(address);
    if (scan->final_dot != 0)
        note_cleaned(address, ADDRESS_DOT_END, received_position(scan, input, scan->final_dot));
    if (!scan->is_decoded && scan->base + scan->length < length)
        note_cleaned(address, ADDRESS_BAD_CHAR, scan->base + scan->length);
    address->cleaned = address->cleaned && address->valid;
    if (!address->cleaned) {
        address->received_code = address->code;
        address->received_position = address->position;
    }
}

bool address_parse(const char *input, size_t length, const struct address_options *options,
                   struct address *address)
{
    struct address_scan scan; /* `decoded` is not worth clearing */

    memset(address, 0, sizeof(*address));
    scan.options = options;
    scan.address = address;
    scan.fault = scan.final_dot = scan.base = 0;
    scan.is_decoded = false;
    if (length > ADDRESS_INPUT_MAX) {
        address->code = address->received_code = ADDRESS_TOO_LONG;
        address->position = address->received_position = ADDRESS_MAX;
        return false;
    }
    if (clean(&scan, input, length))
        scan_address(&scan);
    finish(&scan, input, length);
    return address->valid;
}

/* --- writing it out ------------------------------------------------------------------- */

static void join(const char *local, const char *domain, char out[ADDRESS_TEXT_SIZE])
{
    size_t local_length = strlen(local), domain_length = strlen(domain);

    memcpy(out, local, local_length + 1);
    out[local_length] = '@';
    memcpy(out + local_length + 1, domain, domain_length + 1);
}

void address_normalized(const struct address *address, char out[ADDRESS_TEXT_SIZE])
{
    join(address->local, address->domain, out);
}

void address_wire(const struct address *address, char out[ADDRESS_TEXT_SIZE])
{
    join(address->local, address->domain_ascii, out);
}
