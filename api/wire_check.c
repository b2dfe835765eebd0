#include "api/wire_check.h"

#include <ctype.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"

/* Fields that say where a request ends and whom it is for: once, or not at all. */
enum single_field { FIELD_HOST, FIELD_LENGTH, FIELD_ENCODING, FIELD_COUNT };
static const char *const single_names[] = {"Host", "Content-Length", "Transfer-Encoding"};

struct wire {
    struct problem *problem;
    bool fine, in_place;
    const char *cursor; /* where the last piece ended: CR LF must follow */
    const char *single[FIELD_COUNT];
};

static bool is_token(const char *text, size_t length) /* RFC 9110 section 5.6.2 */
{
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)text[i]) &&
            (text[i] == '\0' || strchr("!#$%&'*+-.^_`|~", text[i]) == NULL))
            return false;
    return length > 0;
}

static bool is_field_value(const char *text, size_t length) /* RFC 9110 section 5.5 */
{
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
            return false;
    return true;
}

static bool is_target(const char *text)
{
    if (*text != '/' && strcmp(text, "*") != 0 && !text_starts_nocase(text, "http://"))
        return false;
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text >= 0x7f)
            return false;
    return true;
}

static bool refuse(struct wire *wire, const char *field, const char *why)
{
    if (wire->fine)
        problem_set(wire->problem, PROBLEM_BAD_VALUE, field, "%s", why);
    wire->fine = false;
    return false;
}

/* Before 1.0 the library cuts the head into strings where it lies, so what stood between two
 * pieces shows in their distance: CR LF is two octets, a bare LF or CR is one, what a NUL or a fold
 * hid is more. 1.0 refuses these by itself. */
static bool follows(struct wire *wire, const char *piece)
{
    return !wire->in_place || (uintptr_t)piece - (uintptr_t)wire->cursor == 2;
}

static enum MHD_Result on_field(void *context, enum MHD_ValueKind kind, const char *key,
                                size_t key_length, const char *value, size_t value_length)
{
    struct wire *wire = context;

    (void)kind;
    if (value == NULL)
        value = key + key_length, value_length = 0;
    if (!is_token(key, key_length))
        return refuse(wire, key, "a header name holds what no name may hold") ? MHD_YES : MHD_NO;
    if (!is_field_value(value, value_length) || strlen(value) != value_length)
        return refuse(wire, key, "a header value holds control characters") ? MHD_YES : MHD_NO;
    if (!follows(wire, key))
        return refuse(wire, key, "header lines must end in CR LF, unfolded") ? MHD_YES : MHD_NO;
    wire->cursor = value + value_length;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (!text_equal_nocase(key, single_names[i]))
            continue;
        if (wire->single[i] != NULL)
            return refuse(wire, single_names[i], "given twice") ? MHD_YES : MHD_NO;
        wire->single[i] = value;
    }
    return MHD_YES;
}

static void check_request_line(struct wire *wire, const struct wire_head *head)
{
    const char *expected = head->method + strlen(head->method) + 1 + strlen(head->target) + 1;

    if (strcmp(head->version, "HTTP/1.1") != 0 && strcmp(head->version, "HTTP/1.0") != 0)
        refuse(wire, "", "only HTTP/1.1 and HTTP/1.0 are spoken here");
    if (!is_token(head->method, strlen(head->method)) || !is_target(head->target) ||
        (wire->in_place && head->version != expected))
        refuse(wire, "", "the request line is malformed");
    wire->cursor = head->version + strlen(head->version);
}

static void check_end(struct wire *wire, struct MHD_Connection *mhd, const char *method)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    if (wire->in_place && info != NULL && method + info->header_size != wire->cursor + 4)
        refuse(wire, "", "header lines must end in CR LF, unfolded");
}

static void check_framing(struct wire *wire, const char *version)
{
    const char *length = wire->single[FIELD_LENGTH], *encoding = wire->single[FIELD_ENCODING];

    if (length != NULL && (*length == '\0' || strspn(length, "0123456789") != strlen(length)))
        refuse(wire, "Content-Length", "not a number");
    if (encoding == NULL)
        return;
    if (length != NULL)
        refuse(wire, "Transfer-Encoding", "given beside Content-Length");
    if (!text_equal_nocase(encoding, "chunked") || strcmp(version, "HTTP/1.1") != 0)
        refuse(wire, "Transfer-Encoding", "only chunked, in HTTP/1.1");
}

bool wire_check(struct MHD_Connection *mhd, const struct wire_head *head, struct problem *problem)
{
    struct wire wire = {
        .problem = problem, .fine = true, .in_place = strncmp(MHD_get_version(), "0.", 2) == 0};

    check_request_line(&wire, head);
    if (wire.fine)
        MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, on_field, &wire);
    if (wire.fine)
        check_end(&wire, mhd, head->method);
    if (wire.fine)
        check_framing(&wire, head->version);
    return wire.fine;
}
