#include "api/routes.h"

#include <string.h>

#include "api/server_internal.h"
#include "probes/base/mem.h"
#include "probes/base/text.h"

enum {
    TARGET_MAX = 8000, /* RFC 9110 section 4.1 asks for no less */
    HEADERS_MAX = 16 * 1024,
    BODY_VERIFY = 64 * 1024,
    BODY_BATCH = 2 * 1024 * 1024,
    ALLOW_SIZE = 64
};

static const struct route routes[] = {
    {"POST", "/v1/verify", ROUTE_KEY, BODY_VERIFY, verify_post},
    {"GET", "/v1/verify", ROUTE_KEY_IN_GET, 0, verify_get},
    {"POST", "/v1/verify/batch", ROUTE_KEY, BODY_BATCH, batch_post},
    {"GET", "/v1/verify/{id}", ROUTE_KEY, 0, verify_lookup},
    {"GET", "/v1/domains/{domain}", ROUTE_KEY, 0, domain_get},
    {"GET", "/v1/policies", ROUTE_KEY, 0, policies_get},
    {"GET", "/healthz", ROUTE_OPEN, 0, health_get},
    {"GET", "/readyz", ROUTE_OPEN, 0, ready_get},
};

/* The path of the target: an absolute one (RFC 9112 section 3.2.2) loses scheme and host. */
static const char *path_of(const char *target, size_t *length)
{
    if (text_starts_nocase(target, "http://")) {
        target += strlen("http://");
        target += strcspn(target, "/?");
    }
    *length = strcspn(target, "?");
    return target;
}

static bool path_fits(const char *pattern, const char *path, size_t length)
{
    size_t fixed = strcspn(pattern, "{");

    if (pattern[fixed] == '\0')
        return fixed == length && memcmp(pattern, path, length) == 0;
    return length > fixed && memcmp(pattern, path, fixed) == 0 &&
           memchr(path + fixed, '/', length - fixed) == NULL;
}

/* The pattern that stands for this path; exact ones stand before those with a parameter. */
static const char *pattern_for(const char *path, size_t length)
{
    for (size_t i = 0; i < ARRAY_LENGTH(routes); i++)
        if (path_fits(routes[i].path, path, length))
            return routes[i].path;
    return NULL;
}

static bool route_on(const struct exchange *exchange, const struct route *route)
{
    return route->access != ROUTE_KEY_IN_GET || exchange->server->config->allow_get ||
           auth_is_off(exchange->server->auth);
}

static const struct route *route_for(const struct exchange *exchange, const char *pattern,
                                     const char *method)
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;

    for (size_t i = 0; i < ARRAY_LENGTH(routes); i++)
        if (strcmp(routes[i].path, pattern) == 0 && strcmp(routes[i].method, wanted) == 0 &&
            route_on(exchange, &routes[i]))
            return &routes[i];
    return NULL;
}

static void list_methods(const struct exchange *exchange, const char *pattern, char out[ALLOW_SIZE])
{
    bool get = route_for(exchange, pattern, "GET") != NULL;
    bool post = route_for(exchange, pattern, "POST") != NULL;

    snprintf(out, ALLOW_SIZE, "%s%sOPTIONS", get ? "GET, HEAD, " : "", post ? "POST, " : "");
}

static bool answer_methods(struct exchange *exchange, const char *pattern, const char *method)
{
    char allow[ALLOW_SIZE];

    list_methods(exchange, pattern, allow);
    if (strcmp(method, "OPTIONS") == 0)
        exchange_answer_empty(exchange, MHD_HTTP_NO_CONTENT);
    else
        exchange_answer_code(exchange, PROBLEM_METHOD_NOT_ALLOWED,
                             "the Allow header lists the methods of this path");
    exchange_answer_header(exchange, "Allow", allow);
    return false;
}

static bool find_route(struct exchange *exchange, const char *method)
{
    size_t length;
    const char *path = path_of(exchange->target, &length), *pattern = pattern_for(path, length);

    if (pattern == NULL && strcmp(method, "OPTIONS") == 0 && strcmp(exchange->target, "*") == 0) {
        exchange_answer_empty(exchange, MHD_HTTP_NO_CONTENT);
        exchange_answer_header(exchange, "Allow", "GET, HEAD, POST, OPTIONS");
        return false;
    }
    if (pattern == NULL) {
        exchange_answer_code(exchange, PROBLEM_NOT_FOUND, "there is nothing at this path");
        return false;
    }
    exchange->route = route_for(exchange, pattern, method);
    if (exchange->route == NULL)
        return answer_methods(exchange, pattern, method);
    exchange->query = path[length] == '?' ? path + length + 1 : "";
    exchange->parameter = path + strcspn(pattern, "{");
    exchange->parameter_length = length - (size_t)(exchange->parameter - path);
    return true;
}

/* The authority of an absolute target must be what Host says: one of the two was checked. */
static bool authority_agrees(const char *target, const char *host)
{
    if (!text_starts_nocase(target, "http://"))
        return true;
    target += strlen("http://");
    return strcspn(target, "/?") == strlen(host) && strncmp(target, host, strlen(host)) == 0;
}

/* auth=off serves this machine only, and no page of another site. */
static bool check_origin(struct exchange *exchange)
{
    const char *host = exchange_header(exchange, "Host");

    if (!auth_is_off(exchange->server->auth))
        return true;
    if (!auth_host_is_local(host) || !authority_agrees(exchange->target, host)) {
        exchange_answer_code(exchange, PROBLEM_ORIGIN_REFUSED,
                             "with auth=off the Host must be localhost, 127.0.0.1 or [::1]");
        return false;
    }
    if (auth_same_site(exchange_header(exchange, "Origin"),
                       exchange_header(exchange, "Sec-Fetch-Site")))
        return true;
    exchange_answer_code(exchange, PROBLEM_ORIGIN_REFUSED,
                         "with auth=off pages of other sites may not call");
    return false;
}

static bool check_key(struct exchange *exchange)
{
    if (exchange->route->access == ROUTE_OPEN)
        return true;
    switch (auth_check(exchange->server->auth, exchange_header(exchange, "Authorization"),
                       exchange_header(exchange, "X-API-Key"))) {
    case AUTH_ALLOWED:
        return true;
    case AUTH_KEY_MISSING:
        exchange_answer_code(exchange, PROBLEM_KEY_REQUIRED,
                             "send a key as Authorization: Bearer or X-API-Key");
        break;
    case AUTH_KEY_INVALID:
        exchange_answer_code(exchange, PROBLEM_KEY_INVALID, "no such key");
        break;
    }
    exchange_answer_header(exchange, "WWW-Authenticate", "Bearer");
    return false;
}

static bool check_open(struct exchange *exchange)
{
    if (exchange->route->access == ROUTE_OPEN || exchange->server->state == SERVER_OPEN)
        return true;
    exchange_answer_code(exchange, PROBLEM_OVERLOADED, "the service is shutting down");
    return false;
}

static bool is_utf8_name(const char *name, size_t length)
{
    static const char *const names[] = {"utf-8", "\"utf-8\""};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (strlen(names[i]) == length && text_starts_nocase(name, names[i]))
            return true;
    return false;
}

/* Of the parameters only charset matters (RFC 8259 section 11 has none: JSON is UTF-8). */
static bool is_json_type(const char *type)
{
    static const char json[] = "application/json", charset[] = "charset=";

    if (type == NULL || !text_starts_nocase(type, json))
        return false;
    type += sizeof(json) - 1;
    type += strspn(type, " \t");
    while (*type == ';') {
        type += 1 + strspn(type + 1, " \t");
        size_t length = strcspn(type, "; \t");
        if (text_starts_nocase(type, charset) &&
            !is_utf8_name(type + sizeof(charset) - 1, length - (sizeof(charset) - 1)))
            return false;
        type += length + strspn(type + length, " \t");
    }
    return *type == '\0';
}

/* "identity" stands for no coding (RFC 9110 section 8.4.1). */
static bool is_plain(const char *coding)
{
    return coding == NULL || text_equal_nocase(coding, "identity");
}

static bool check_body(struct exchange *exchange)
{
    bool takes = exchange->route->body_max > 0;

    if (exchange->body_announced > exchange->route->body_max) {
        exchange_answer_code(exchange, PROBLEM_BODY_TOO_LARGE,
                             takes ? "the body is larger than this call takes"
                                   : "this call takes no body");
        return false;
    }
    if (takes && (!is_json_type(exchange_header(exchange, "Content-Type")) ||
                  !is_plain(exchange_header(exchange, "Content-Encoding")))) {
        exchange_answer_code(exchange, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
                             "send Content-Type: application/json, UTF-8, not compressed");
        return false;
    }
    return true;
}

/* The head is whole and well-formed here: METHOD SP TARGET SP HTTP/1.x CR LF, header lines, CR LF.
 * What does not even fit into CONNECTION_MEMORY the library refuses before we see it. */
static bool check_head(struct exchange *exchange, const char *method)
{
    size_t target = strlen(exchange->target), around = strlen("  HTTP/1.1\r\n\r\n");
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    if (target > TARGET_MAX) {
        exchange_answer_code(exchange, PROBLEM_URI_TOO_LONG, "it may have 8,000 octets");
        return false;
    }
    if (info != NULL && info->header_size > strlen(method) + target + around + HEADERS_MAX) {
        exchange_answer_code(exchange, PROBLEM_HEADERS_TOO_LARGE,
                             "all header lines together may have 16 KiB");
        return false;
    }
    return true;
}

bool route_admit(struct exchange *exchange, const char *method)
{
    return check_head(exchange, method) && check_origin(exchange) && find_route(exchange, method) &&
           check_open(exchange) && check_key(exchange) && check_body(exchange);
}
