/* literal.c - address literals, RFC 5321 section 4.1.3: [192.0.2.1], [IPv6:2001:db8::1],
 * [tag:content]. Stricter than inet_pton where the RFC is: "::" stands for two groups at least. */
#include <string.h>
#include <strings.h>

#include "probes/address/scan.h"

static bool is_digit(char c) { return (address_octets[(uint8_t)c] & OCTET_DIGIT) != 0; }

static bool is_hex_digit(char c) { return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f'); }

/* IPv4-address-literal = Snum 3("." Snum), Snum = 1*3DIGIT, 0 to 255. */
static bool ipv4_valid(const char *bytes, size_t length, size_t *fault)
{
    size_t i = 0;

    for (int part = 0; part < 4; part++) {
        int value = 0, digits = 0;
        if (part > 0) {
            *fault = i;
            if (i == length || bytes[i] != '.')
                return false;
            i++;
        }
        *fault = i;
        while (i < length && digits < 3 && is_digit(bytes[i])) {
            value = value * 10 + (bytes[i++] - '0');
            digits++;
        }
        if (digits == 0 || value > 255)
            return false;
    }
    *fault = i;
    return i == length;
}

/* Where the IPv4 tail of an IPv6 literal begins: behind the last ":", when dots follow it. */
static size_t ipv4_tail(const char *bytes, size_t length)
{
    size_t begin = length;

    if (memchr(bytes, '.', length) == NULL)
        return length;
    while (begin > 0 && bytes[begin - 1] != ':')
        begin--;
    return begin;
}

/* Counts groups of up to four hex digits with ":" between and one "::" at the most, in
 * bytes[0..end). */
static bool ipv6_groups(const char *bytes, size_t end, bool tail, int *groups, bool *compressed,
                        size_t *fault)
{
    size_t i = 0;

    while (i < end) {
        *fault = i;
        if (bytes[i] == ':') { /* only as "::" here; single ones are eaten behind their group */
            if (*compressed || i + 1 >= end || bytes[i + 1] != ':')
                return false;
            *compressed = true;
            i += 2;
            continue;
        }
        int digits = 0;
        while (i < end && digits < 4 && is_hex_digit(bytes[i])) {
            i++;
            digits++;
        }
        if (digits == 0)
            return false;
        ++*groups;
        *fault = i;
        if (i == end)
            return !tail;
        if (bytes[i] != ':')
            return false;
        if (i + 1 < end && bytes[i + 1] == ':')
            continue;
        i++;
        if (i == end && !tail)
            return false; /* a single ":" at the end */
    }
    return true;
}

/* IPv6-full, IPv6-comp, IPv6v4-full, IPv6v4-comp. */
static bool ipv6_valid(const char *bytes, size_t length, size_t *fault)
{
    size_t tail = ipv4_tail(bytes, length);
    bool has_tail = tail < length, compressed = false;
    int groups = 0, full = has_tail ? 6 : 8;

    *fault = 0;
    if (length == 0 || !ipv6_groups(bytes, tail, has_tail, &groups, &compressed, fault))
        return false;
    if (has_tail && !ipv4_valid(bytes + tail, length - tail, fault)) {
        *fault += tail;
        return false;
    }
    *fault = 0;
    return compressed ? groups <= full - 2 : groups == full;
}

/* General-address-literal = Standardized-tag ":" 1*dcontent, Standardized-tag = Ldh-str. */
static bool general_valid(const char *bytes, size_t length, size_t *fault)
{
    size_t i = 0;

    while (i < length &&
           ((address_octets[(uint8_t)bytes[i]] & OCTET_LETTER_DIGIT) || bytes[i] == '-'))
        i++;
    *fault = i;
    if (i == 0 || i == length || bytes[i] != ':' || bytes[i - 1] == '-' || i + 1 == length)
        return false;
    for (i++; i < length; i++) {
        *fault = i;
        if (bytes[i] < 33 || bytes[i] > 126 || (bytes[i] >= '[' && bytes[i] <= ']'))
            return false;
    }
    return true;
}

bool literal_valid(const char *bytes, size_t length, size_t *fault)
{
    enum { TAG_LENGTH = 5 }; /* "IPv6:" */
    const char *close = memchr(bytes, ']', length);
    size_t inner = close == NULL ? 0 : (size_t)(close - bytes) - 1;
    bool valid;

    if (close == NULL || close != bytes + length - 1) {
        *fault = close == NULL ? length : (size_t)(close - bytes) + 1;
        return false;
    }
    if (inner >= TAG_LENGTH && strncasecmp(bytes + 1, "IPv6:", TAG_LENGTH) == 0) {
        valid = ipv6_valid(bytes + 1 + TAG_LENGTH, inner - TAG_LENGTH, fault);
        *fault += 1 + TAG_LENGTH;
        return valid;
    }
    if (ipv6_valid(bytes + 1, inner, fault)) { /* its tag is missing: no tag is meant */
        *fault = 1;
        return false;
    }
    valid = memchr(bytes + 1, ':', inner) != NULL ? general_valid(bytes + 1, inner, fault)
                                                  : ipv4_valid(bytes + 1, inner, fault);
    *fault += 1;
    return valid;
}
