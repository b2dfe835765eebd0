/* domain.c - what stands behind the "@": a domain in letters, digits and hyphens (RFC 5321
 * section 4.1.2, RFC 1035 section 2.3.4), an internationalised one (RFC 5891, UTS #46), or an
 * address literal.
 *
 * ASCII names without an "xn--" label are decided in one pass. All others go through libidn2 and
 * then through the same pass, because libidn2 leaves the ASCII rules to its caller. */
#include <idn2.h>
#include <string.h>

#include "probes/address/scan.h"
#include "probes/lists/lists.h"

enum { LABEL_MAX = 63 };

/* What one pass over an ASCII name found. */
struct ascii_name {
    enum address_code code;
    size_t fault;
    size_t length;     /* without a final dot */
    size_t last_label; /* offset of the last label */
    size_t labels;
    bool final_dot;
    bool has_ace; /* an "xn--" label */
};

static bool name_fault(struct ascii_name *name, enum address_code code, size_t offset)
{
    name->code = code;
    name->fault = offset;
    return false;
}

/* A label has ended before `end`. */
static bool label_check(struct ascii_name *name, const char *bytes, size_t begin, size_t end)
{
    const char *label = bytes + begin;
    size_t length = end - begin;

    if (length == 0)
        return name_fault(name, begin == 0 ? ADDRESS_DOT_START : ADDRESS_DOT_DOUBLE, end);
    if (label[0] == '-')
        return name_fault(name, ADDRESS_HYPHEN_EDGE, begin);
    if (label[length - 1] == '-')
        return name_fault(name, ADDRESS_HYPHEN_EDGE, end - 1);
    if (length > LABEL_MAX)
        return name_fault(name, ADDRESS_LABEL_TOO_LONG, begin + LABEL_MAX);
    if (length >= 4 && label[2] == '-' && label[3] == '-') { /* RFC 5891 section 4.2.3.1 */
        if ((label[0] | 32) != 'x' || (label[1] | 32) != 'n')
            return name_fault(name, ADDRESS_BAD_IDNA, begin + 2);
        name->has_ace = true;
    }
    name->last_label = begin;
    name->labels++;
    return true;
}

/* Walks the name, writes it in lower case to `out` (ADDRESS_DOMAIN_MAX + 1 octets). */
static bool ascii_name_scan(struct ascii_name *name, const char *bytes, size_t length, char *out)
{
    size_t begin = 0;

    for (size_t i = 0; i < length; i++) {
        uint8_t octet = (uint8_t)bytes[i], class = address_octets[octet];
        if (i < ADDRESS_DOMAIN_MAX)
            out[i] = (char)(octet | (class & OCTET_UPPER ? 32 : 0));
        if ((class & OCTET_LETTER_DIGIT) || octet == '-')
            continue;
        if (octet != '.')
            return name_fault(name, ADDRESS_BAD_CHAR, i);
        if (!label_check(name, bytes, begin, i))
            return false;
        begin = i + 1;
    }
    name->final_dot = begin == length;
    name->length = name->final_dot ? length - 1 : length;
    if (!name->final_dot && !label_check(name, bytes, begin, length))
        return false;
    if (name->length > ADDRESS_DOMAIN_MAX)
        return name_fault(name, ADDRESS_DOMAIN_TOO_LONG, ADDRESS_DOMAIN_MAX);
    out[name->length] = '\0';
    return true;
}

static bool all_digits(const char *bytes)
{
    while (address_octets[(uint8_t)*bytes] & OCTET_DIGIT)
        bytes++;
    return *bytes == '\0';
}

/* Codes that leave an address valid: reserved, without or with an impossible top-level domain. */
static bool judge_name(struct address_scan *scan, const struct ascii_name *name, size_t begin,
                       size_t last_label)
{
    const struct address_options *options = scan->options;
    const char *domain = scan->address->domain_ascii;
    const char *tld = domain + name->last_label;

    if (options != NULL && name_in_list(domain, name->length, options->allow_special_names)) {
        scan->address->operators_name = true;
        return true;
    }
    if (special_use_name(domain, name->length))
        return scan_fault(scan, ADDRESS_RESERVED_DOMAIN, begin);
    if (name->labels == 1)
        return scan_fault(scan, ADDRESS_NO_TLD, begin);
    if (all_digits(tld))
        return scan_fault(scan, ADDRESS_NUMERIC_TLD, last_label);
    if (options != NULL && options->check_tld &&
        !list_tld_known(tld, name->length - name->last_label))
        return scan_fault(scan, ADDRESS_UNKNOWN_TLD, last_label);
    return true;
}

/* --- internationalised names ------------------------------------------------ */

/* Octets of a dot that UTS #46 knows at `bytes`: U+002E, U+3002, U+FF0E, U+FF61; 0 = none. */
static size_t dot_size(const char *bytes, size_t length)
{
    if (length > 0 && bytes[0] == '.')
        return 1;
    if (length >= 3 &&
        (memcmp(bytes, "\xE3\x80\x82", 3) == 0 || memcmp(bytes, "\xEF\xBC\x8E", 3) == 0 ||
         memcmp(bytes, "\xEF\xBD\xA1", 3) == 0))
        return 3;
    return 0;
}

static enum address_code idn_code(int result)
{
    switch (result) {
    case IDN2_TOO_BIG_LABEL:
    case IDN2_PUNYCODE_BIG_OUTPUT:
        return ADDRESS_LABEL_TOO_LONG;
    case IDN2_TOO_BIG_DOMAIN:
        return ADDRESS_DOMAIN_TOO_LONG;
    case IDN2_HYPHEN_STARTEND:
        return ADDRESS_HYPHEN_EDGE;
    case IDN2_ENCODING_ERROR:
        return ADDRESS_BAD_UTF8;
    default:
        return ADDRESS_BAD_IDNA;
    }
}

/* To A-labels, into `out` (ADDRESS_DOMAIN_MAX + 2 octets). UTS #46 without transitional mapping;
 * the ASCII rules are checked afterwards, since libidn2 would drop what breaks them. */
static enum address_code to_ascii(const char *bytes, size_t length, char *out)
{
    char name[ADDRESS_INPUT_MAX + 1], *result = NULL;

    memcpy(name, bytes, length);
    name[length] = '\0';
    int status = idn2_to_ascii_8z(name, &result, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (status != IDN2_OK)
        return idn_code(status);
    size_t size = strlen(result) + 1;
    bool fits = size <= ADDRESS_DOMAIN_MAX + 2;
    if (fits)
        memcpy(out, result, size);
    idn2_free(result);
    return fits ? ADDRESS_OK : ADDRESS_DOMAIN_TOO_LONG;
}

/* Which label is to blame? Each is tried alone; else the whole name is. */
static size_t blame_label(const char *bytes, size_t length)
{
    char ascii[ADDRESS_DOMAIN_MAX + 2];
    size_t begin = 0;

    for (size_t i = 0; i <= length; i++) {
        size_t dot = dot_size(bytes + i, length - i);
        if (i < length && dot == 0)
            continue;
        if (i > begin && to_ascii(bytes + begin, i - begin, ascii) != ADDRESS_OK)
            return begin;
        begin = i + dot;
        i += dot > 0 ? dot - 1 : 0;
    }
    return 0;
}

/* An ASCII octet that no domain holds. An "@" means that the one before was not the last, and may
 * not stand there. */
static bool octet_fault(struct address_scan *scan, size_t begin, size_t offset)
{
    char octet = scan->bytes[begin + offset];

    if (octet == '@')
        return scan_fault(scan, scan->bytes[0] == '"' ? ADDRESS_TEXT_AFTER_QUOTE : ADDRESS_BAD_CHAR,
                          begin - 1);
    return scan_fault(scan, octet == '(' ? ADDRESS_COMMENT : ADDRESS_BAD_CHAR, begin + offset);
}

/* One character at `i` that is no dot: its octets, 0 = fault noted. UTS #46 would drop what is
 * invisible; nobody has typed that on purpose. */
static size_t idn_step(struct address_scan *scan, size_t begin, size_t i, size_t length)
{
    const char *at = scan->bytes + begin + i;
    enum address_code code;

    if ((uint8_t)*at < 0x80) {
        if ((address_octets[(uint8_t)*at] & OCTET_LETTER_DIGIT) || *at == '-')
            return 1;
        octet_fault(scan, begin, i);
        return 0;
    }
    size_t step = unicode_check(at, length - i, false, &code);
    if (step == 0)
        scan_fault(scan, code, begin + i);
    return step;
}

/* A label of the typed name: is it there, without a hyphen at an edge? */
static bool idn_label(struct address_scan *scan, size_t begin, size_t label, size_t end)
{
    const char *bytes = scan->bytes + begin;

    if (end == label)
        return scan_fault(scan, end == 0 ? ADDRESS_DOT_START : ADDRESS_DOT_DOUBLE, begin + end);
    if (bytes[label] == '-')
        return scan_fault(scan, ADDRESS_HYPHEN_EDGE, begin + label);
    return bytes[end - 1] != '-' || scan_fault(scan, ADDRESS_HYPHEN_EDGE, begin + end - 1);
}

/* What no mapping makes legal, and dots and hyphens in wrong places, with their exact offset. A
 * final dot is left out of *length. */
static bool idn_walk(struct address_scan *scan, size_t begin, size_t *length)
{
    const char *bytes = scan->bytes + begin;
    size_t label = 0, i = 0, dot = 0;

    while (i < *length) {
        size_t step = dot = dot_size(bytes + i, *length - i);
        if (dot == 0)
            step = idn_step(scan, begin, i, *length);
        else if (!idn_label(scan, begin, label, i))
            return false;
        else
            label = i + dot;
        if (step == 0)
            return false;
        i += step;
    }
    if (dot > 0) {
        *length -= dot;
        scan->final_dot = begin + *length;
        return true;
    }
    return idn_label(scan, begin, label, i);
}

/* U-labels for display; they must lead back to the same A-labels (RFC 5891 section 5.4). */
static bool to_display(struct address_scan *scan, size_t begin)
{
    struct address *address = scan->address;
    char back[ADDRESS_DOMAIN_MAX + 2], *display = NULL;

    if (idn2_to_unicode_8z8z(address->domain_ascii, &display, 0) != IDN2_OK)
        return scan_fault(scan, ADDRESS_BAD_IDNA, begin);
    size_t length = strlen(display);
    enum address_code code = ADDRESS_DOMAIN_TOO_LONG;
    if (length <= ADDRESS_DOMAIN_MAX) {
        memcpy(address->domain, display, length + 1);
        code = to_ascii(display, length, back);
        if (code == ADDRESS_OK && strcmp(back, address->domain_ascii) != 0)
            code = ADDRESS_BAD_IDNA;
    }
    idn2_free(display);
    return code == ADDRESS_OK || scan_fault(scan, code, begin);
}

static bool display_mixes_scripts(const char *domain)
{
    while (*domain != '\0') {
        size_t length = strcspn(domain, ".");
        if (unicode_mixed_script(domain, length))
            return true;
        domain += length + (domain[length] == '.');
    }
    return false;
}

/* Where label number `count`, or else the last one, begins in what was typed. */
static size_t label_offset(const char *bytes, size_t length, size_t count)
{
    size_t last = 0;

    for (size_t i = 0; i < length && count > 0; i++) {
        size_t dot = dot_size(bytes + i, length - i);
        if (dot > 0) {
            last = i + dot;
            count--;
        }
    }
    return last;
}

/* RFC 5893 section 2, of which libidn2 leaves out parts; *label counts the labels before the bad
 * one. */
static bool display_breaks_bidi(const char *domain, size_t *label)
{
    for (*label = 0; *domain != '\0'; ++*label) {
        size_t length = strcspn(domain, ".");
        if (!unicode_bidi_valid(domain, length))
            return true;
        domain += length + (domain[length] == '.');
    }
    return false;
}

static bool idn_scan(struct address_scan *scan, size_t begin)
{
    struct address *address = scan->address;
    const char *bytes = scan->bytes + begin;
    size_t length = scan->length - begin, label;
    struct ascii_name name = {.code = ADDRESS_OK};
    char ascii[ADDRESS_DOMAIN_MAX + 2];

    if (!idn_walk(scan, begin, &length))
        return false;
    if (length > ADDRESS_DOMAIN_MAX)
        return scan_fault(scan, ADDRESS_DOMAIN_TOO_LONG, begin + ADDRESS_DOMAIN_MAX);
    enum address_code code = to_ascii(bytes, length, ascii);
    if (code != ADDRESS_OK)
        return scan_fault(scan, code, begin + blame_label(bytes, length));
    if (!ascii_name_scan(&name, ascii, strlen(ascii), address->domain_ascii) || name.final_dot)
        return scan_fault(scan, name.code == ADDRESS_OK ? ADDRESS_BAD_IDNA : name.code, begin);
    if (!to_display(scan, begin))
        return false;
    if (display_breaks_bidi(address->domain, &label))
        return scan_fault(scan, ADDRESS_BAD_IDNA, begin + label_offset(bytes, length, label));
    address->idn_domain = strcmp(address->domain, address->domain_ascii) != 0;
    address->mixed_script |= display_mixes_scripts(address->domain);
    return judge_name(scan, &name, begin, begin + label_offset(bytes, length, SIZE_MAX));
}

/* --- all kinds ---------------------------------------------------------------- */

static bool literal_scan(struct address_scan *scan, size_t begin)
{
    struct address *address = scan->address;
    size_t length = scan->length - begin, fault = 0;

    if (!literal_valid(scan->bytes + begin, length, &fault))
        return scan_fault(scan, ADDRESS_BAD_LITERAL, begin + fault);
    if (length > ADDRESS_DOMAIN_MAX)
        return scan_fault(scan, ADDRESS_DOMAIN_TOO_LONG, begin + ADDRESS_DOMAIN_MAX);
    memcpy(address->domain, scan->bytes + begin, length);
    memcpy(address->domain_ascii, scan->bytes + begin, length);
    address->literal = true;
    return scan_fault(scan, ADDRESS_DOMAIN_LITERAL, begin);
}

bool domain_scan(struct address_scan *scan, size_t begin)
{
    struct address *address = scan->address;
    const char *bytes = scan->bytes + begin;
    size_t length = scan->length - begin;
    struct ascii_name name = {.code = ADDRESS_OK};

    if (length == 0)
        return scan_fault(scan, ADDRESS_DOMAIN_MISSING, begin);
    if (bytes[0] == '[')
        return literal_scan(scan, begin);
    bool plain = ascii_name_scan(&name, bytes, length, address->domain_ascii);
    if (plain ? name.has_ace : (uint8_t)bytes[name.fault] >= 0x80)
        return idn_scan(scan, begin);
    if (!plain)
        return name.code == ADDRESS_BAD_CHAR ? octet_fault(scan, begin, name.fault)
                                             : scan_fault(scan, name.code, begin + name.fault);
    if (name.final_dot)
        scan->final_dot = begin + name.length;
    memcpy(address->domain, address->domain_ascii, name.length + 1);
    return judge_name(scan, &name, begin, begin + name.last_label);
}
