#include <jansson.h>

#include "api/cli_render.h"

#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"

enum { CLEAN_MAX = 1200, LABEL_WIDTH = 12, MX_SHOWN = 4 };

#define BOLD   "1"
#define DIM    "2"
#define RED    "31"
#define GREEN  "32"
#define YELLOW "33"
#define BLUE   "34"

struct page {
    FILE *out;
    bool colours;
};

static const struct status_look {
    const char *status, *mark, *colour;
} looks[] = {
    {"deliverable", "+", GREEN},
    {"undeliverable", "x", RED},
    {"risky", "!", YELLOW},
    {"unknown", "?", BLUE},
};

static void coloured(const struct page *page, const char *colour, const char *words)
{
    if (page->colours && colour != NULL)
        fprintf(page->out, "\033[%sm%s\033[0m", colour, words);
    else
        fputs(words, page->out);
}

/* Servers and addresses may carry escapes for terminals: never as they are. */
static const char *clean(json_t *value, char out[CLEAN_MAX])
{
    text_clean(out, CLEAN_MAX, json_is_string(value) ? json_string_value(value) : "",
               json_string_length(value));
    return out;
}

static json_t *at(json_t *object, const char *key) { return json_object_get(object, key); }

static void label(const struct page *page, const char *words)
{
    char padded[LABEL_WIDTH + 4];

    snprintf(padded, sizeof(padded), "  %-*s", LABEL_WIDTH, words);
    coloured(page, DIM, padded);
}

/* "label  text", nothing when there is no text. */
static void line(const struct page *page, const char *words, json_t *value)
{
    char text[CLEAN_MAX];

    if (!json_is_string(value) || json_string_length(value) == 0)
        return;
    label(page, words);
    fprintf(page->out, "%s\n", clean(value, text));
}

/* --- lists -------------------------------------------------------------------------- */

static void put_strings(const struct page *page, json_t *list, const char *between)
{
    char text[CLEAN_MAX];

    for (size_t i = 0; i < json_array_size(list); i++)
        fprintf(page->out, "%s%s", i == 0 ? "" : between, clean(json_array_get(list, i), text));
}

static void render_flags(const struct page *page, json_t *flags)
{
    bool any = false;

    for (void *member = json_object_iter(flags); member != NULL;
         member = json_object_iter_next(flags, member)) {
        const char *key = json_object_iter_key(member);
        json_t *value = json_object_iter_value(member);
        if (!json_is_true(value))
            continue;
        if (!any)
            label(page, "flags");
        fprintf(page->out, "%s%s", any ? ", " : "", key);
        any = true;
    }
    if (any)
        fputc('\n', page->out);
}

static void render_timings(const struct page *page, json_t *timings)
{
    bool any = false;

    if (!json_is_integer(at(timings, "total")))
        return;
    label(page, "time");
    fprintf(page->out, "%lld ms", (long long)json_integer_value(at(timings, "total")));
    for (void *member = json_object_iter(timings); member != NULL;
         member = json_object_iter_next(timings, member)) {
        const char *key = json_object_iter_key(member);
        json_t *value = json_object_iter_value(member);
        if (strcmp(key, "total") == 0 || json_integer_value(value) == 0)
            continue;
        fprintf(page->out, "%s%s %lld", any ? ", " : " (", key,
                (long long)json_integer_value(value));
        any = true;
    }
    fputs(any ? ")\n" : "\n", page->out);
}

/* --- SMTP ------------------------------------------------------------------------------ */

static void put_tls(const struct page *page, json_t *tls)
{
    char text[CLEAN_MAX];

    if (!json_is_string(at(tls, "version"))) {
        fputs(json_is_object(tls) ? "no TLS" : "", page->out);
        return;
    }
    fprintf(page->out, "%s", clean(at(tls, "version"), text));
    if (json_is_string(at(tls, "chain")))
        fprintf(page->out, ", certificate %s", clean(at(tls, "chain"), text));
    if (json_is_false(at(tls, "name_match")))
        fputs(", wrong name", page->out);
}

static void render_reply(const struct page *page, const char *words, json_t *reply)
{
    char text[CLEAN_MAX];

    if (!json_is_object(reply))
        return;
    label(page, words);
    fprintf(page->out, "%lld ", (long long)json_integer_value(at(reply, "code")));
    if (json_is_string(at(reply, "enhanced")))
        fprintf(page->out, "%s ", clean(at(reply, "enhanced"), text));
    fprintf(page->out, "%s", clean(at(reply, "text"), text));
    fprintf(page->out, "  -> %s", clean(at(reply, "reply_class"), text));
    if (json_is_string(at(reply, "rule")))
        fprintf(page->out, " (%s)", clean(at(reply, "rule"), text));
    fputc('\n', page->out);
}

static void render_smtp(const struct page *page, json_t *smtp)
{
    char text[CLEAN_MAX];

    if (!json_is_object(smtp))
        return;
    label(page, "asked");
    fprintf(page->out, "%s", clean(at(smtp, "host"), text));
    fprintf(page->out, " [%s]", clean(at(smtp, "address"), text));
    if (json_is_string(at(smtp, "software")))
        fprintf(page->out, " %s", clean(at(smtp, "software"), text));
    if (json_is_object(at(smtp, "tls")))
        fputs("  ", page->out);
    put_tls(page, at(smtp, "tls"));
    fputc('\n', page->out);
    render_reply(page, "recipient", at(smtp, "recipient"));
    render_reply(page, "decoy", at(smtp, "decoy"));
}

/* --- the domain --------------------------------------------------------------------------- */

static void render_mx(const struct page *page, json_t *domain)
{
    json_t *hosts = at(domain, "mx");
    char text[CLEAN_MAX];

    if (json_is_true(at(domain, "null_mx"))) {
        label(page, "MX");
        fputs("null MX: accepts no mail\n", page->out);
    }
    if (json_array_size(hosts) == 0)
        return;
    label(page, json_is_true(at(domain, "implicit_mx")) ? "no MX, so" : "MX");
    for (size_t index = 0; index < json_array_size(hosts); index++) {
        json_t *host = json_array_get(hosts, index);

        if (index == MX_SHOWN) {
            fprintf(page->out, ", and %zu more", json_array_size(hosts) - MX_SHOWN);
            break;
        }
        fprintf(page->out, "%s%s (%lld)", index == 0 ? "" : ", ", clean(at(host, "host"), text),
                (long long)json_integer_value(at(host, "preference")));
    }
    fputc('\n', page->out);
}

static void render_imap(const struct page *page, json_t *endpoints)
{
    char text[CLEAN_MAX];

    for (size_t index = 0; index < json_array_size(endpoints); index++) {
        json_t *item = json_array_get(endpoints, index);

        label(page, index == 0 ? "IMAP" : "");
        fprintf(page->out, "%s", clean(at(item, "host"), text));
        fprintf(page->out, ":%lld", (long long)json_integer_value(at(item, "port")));
        fprintf(page->out, " %s", clean(at(item, "security"), text));
        fprintf(page->out, ": %s", clean(at(item, "state"), text));
        if (json_is_string(at(item, "software")))
            fprintf(page->out, ", %s", clean(at(item, "software"), text));
        if (json_is_object(at(item, "tls")))
            fputs(", ", page->out);
        put_tls(page, at(item, "tls"));
        if (json_is_true(at(item, "plaintext_login")))
            fputs(", password without TLS possible", page->out);
        fputc('\n', page->out);
    }
}

static void render_posture(const struct page *page, json_t *domain)
{
    const char *provider = json_string_value(at(domain, "provider"));

    if (!json_is_object(domain))
        return;
    if (provider != NULL && strcmp(provider, "other") != 0)
        line(page, "provider", at(domain, "provider"));
    line(page, "gateway", at(domain, "gateway"));
    render_mx(page, domain);
    render_imap(page, at(domain, "imap"));
    line(page, "SPF", at(domain, "spf"));
    line(page, "DMARC", at(at(domain, "dmarc"), "policy"));
    line(page, "MTA-STS", at(at(domain, "mta_sts"), "mode"));
    line(page, "DANE", at(domain, "dane"));
}

/* --- the verdict ----------------------------------------------------------------------------- */

static const struct status_look *look_of(const char *status)
{
    for (size_t i = 0; i < ARRAY_LENGTH(looks); i++)
        if (strcmp(looks[i].status, status) == 0)
            return &looks[i];
    return &looks[ARRAY_LENGTH(looks) - 1];
}

static void render_head(const struct page *page, json_t *verdict)
{
    char text[CLEAN_MAX], words[64];
    const struct status_look *look = look_of(clean(at(verdict, "status"), text));

    snprintf(words, sizeof(words), "%s %s", look->mark, look->status);
    coloured(page, look->colour, words);
    fputs("  ", page->out);
    coloured(page, BOLD, clean(at(verdict, "email"), text));
    fputc('\n', page->out);
    label(page, "because");
    fprintf(page->out, "%s", clean(at(verdict, "reason"), text));
    if (json_is_number(at(verdict, "confidence")))
        fprintf(page->out, ", %.0f %% sure", 100 * json_number_value(at(verdict, "confidence")));
    if (json_is_string(at(verdict, "rule")))
        fprintf(page->out, " (%s)", clean(at(verdict, "rule"), text));
    if (json_array_size(at(verdict, "reasons")) > 0) {
        fputs("; also ", page->out);
        put_strings(page, at(verdict, "reasons"), ", ");
    }
    fputc('\n', page->out);
    label(page, "action");
    fprintf(page->out, "%s", clean(at(verdict, "action"), text));
    fprintf(page->out, " (policy %s)\n", clean(at(verdict, "policy"), text));
}

static void render_error(const struct page *page, json_t *error)
{
    char text[CLEAN_MAX];

    if (!json_is_object(error))
        return;
    label(page, "error");
    fprintf(page->out, "%s at octet %lld\n", clean(at(error, "code"), text),
            (long long)json_integer_value(at(error, "position")));
}

static void render_incomplete(const struct page *page, json_t *answer)
{
    if (!json_is_false(at(answer, "complete")))
        return;
    label(page, "");
    coloured(page, YELLOW, "not complete: the check was still going on\n");
}

static json_t *parse(FILE *out, const char *document)
{
    json_t *root = json_loads(document, JSON_ALLOW_NUL, NULL);

    if (root == NULL)
        fprintf(out, "%s\n", document);
    return root;
}

void render_verdict(FILE *out, const char *document, bool colours)
{
    const struct page page = {out, colours};
    json_t *verdict = parse(out, document);

    if (verdict == NULL)
        return;
    render_head(&page, verdict);
    line(&page, "message", at(verdict, "message"));
    line(&page, "suggestion", at(verdict, "suggestion"));
    render_error(&page, at(at(verdict, "address"), "error"));
    render_flags(&page, at(verdict, "flags"));
    render_smtp(&page, at(verdict, "smtp"));
    render_posture(&page, at(verdict, "domain"));
    render_timings(&page, at(verdict, "timings_ms"));
    render_incomplete(&page, verdict);
    if (json_is_integer(at(verdict, "retry_after_s"))) {
        label(&page, "try again");
        fprintf(out, "in %lld s\n", (long long)json_integer_value(at(verdict, "retry_after_s")));
    }
    json_decref(verdict);
}

void render_domain(FILE *out, const char *name, const char *document, bool colours)
{
    const struct page page = {out, colours};
    json_t *domain = parse(out, document);
    char text[CLEAN_MAX];

    if (domain == NULL)
        return;
    text_clean(text, sizeof(text), name, strlen(name));
    coloured(&page, BOLD, text);
    fputc('\n', out);
    render_error(&page, at(domain, "error"));
    if (strcmp(clean(at(domain, "dns"), text), "found") != 0)
        line(&page, "mail", at(domain, "dns"));
    render_posture(&page, domain);
    render_incomplete(&page, domain);
    json_decref(domain);
}

/* --- the doctor ---------------------------------------------------------------------------- */

void render_finding(FILE *out, const struct doctor_finding *finding, bool colours)
{
    static const char *const colour_of[DOCTOR_RESULT_COUNT] = {
        [DOCTOR_OK] = GREEN, [DOCTOR_WARN] = YELLOW, [DOCTOR_FAIL] = RED, [DOCTOR_SKIPPED] = BLUE};
    const struct page page = {out, colours};
    char padded[LABEL_WIDTH];

    snprintf(padded, sizeof(padded), "%-7s", doctor_result_name(finding->result));
    coloured(&page, colour_of[finding->result], padded);
    fprintf(out, "  %-*s", LABEL_WIDTH, finding->check);
    if (finding->subject != NULL) {
        coloured(&page, BOLD, finding->subject);
        fputc(' ', out);
    }
    fprintf(out, "%s\n", finding->found);
    if (finding->advice != NULL)
        fprintf(out, "%*s-> %s\n", LABEL_WIDTH + 9, "", finding->advice);
}
