#include "service/document.h"

#include <string.h>

#include "probes/address/message.h"
#include "probes/base/clock.h"
#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "service/document_shape.h"

enum {
    DOCUMENT_MAX = 512 * 1024,
    DOCUMENT_USUAL = 2800, /* what most of them fit in */
    DOCUMENT_SHORT = 1200,
    SLOW_GREETING_MS = 5000,
    ENHANCED_SIZE = sizeof("255.255.255")
};

/* true, false, or not checked */
static void json_flag(struct text *out, const char *key, bool checked, bool value)
{
    if (checked)
        json_bool(out, key, value);
    else
        json_null(out, key);
}

static void json_time(struct text *out, const char *key, int64_t wall_s)
{
    char text[CLOCK_TEXT_SIZE];

    if (wall_s <= 0) {
        json_null(out, key);
        return;
    }
    clock_format(wall_s, text);
    json_string(out, key, text);
}

/* --- TLS ------------------------------------------------------------------------- */

static void json_tls(struct text *out, const struct tls_facts *tls)
{
    if (tls->state == TLS_NOT_TRIED && tls->findings == 0) {
        json_null(out, "tls");
        return;
    }
    json_open(out, "tls", '{');
    json_string(out, "state", tls_state_name(tls->state));
    bool done = tls->state == TLS_OK;
    json_string(out, "version", done ? tls->version : NULL);
    json_string(out, "cipher", done ? tls->cipher : NULL);
    json_string(out, "chain", done && tls->known ? tls_chain_name(tls->chain) : NULL);
    json_flag(out, "name_match", done && tls->known, tls->name_match);
    json_time(out, "not_after", done ? tls->not_after_s : 0);
    json_string(out, "key", done && tls->known && tls->key_type[0] != '\0' ? tls->key_type : NULL);
    if (done && tls->known && tls->key_bits > 0)
        json_integer(out, "key_bits", tls->key_bits);
    else
        json_null(out, "key_bits");
    json_flag(out, "resumed", done, tls->resumed);
    json_open(out, "findings", '[');
    for (unsigned i = 0; i < TLS_FINDING_COUNT; i++)
        if ((tls->findings & (1u << i)) != 0)
            json_string(out, NULL, tls_finding_name((enum tls_finding)i));
    json_close(out, ']');
    json_close(out, '}');
}

/* --- SMTP ------------------------------------------------------------------------ */

/* "5.1.1" */
static const char *enhanced_text(const uint8_t triple[3], char out[ENHANCED_SIZE])
{
    char *at = out;

    for (size_t i = 0; i < 3; i++) {
        at = text_put_octet(at, triple[i]);
        *at++ = i < 2 ? '.' : '\0';
    }
    return out; // cppcheck-suppress uninitvar  ; written through `at`
}

static void json_reply(struct text *out, const char *key, const struct smtp_reply_facts *reply)
{
    char enhanced[ENHANCED_SIZE];

    if (reply->code == 0 && reply->class == REPLY_NONE) {
        json_null(out, key);
        return;
    }
    json_open(out, key, '{');
    json_integer(out, "code", reply->code);
    if (reply->enhanced[0] != 0) {
        json_string(out, "enhanced", enhanced_text(reply->enhanced, enhanced));
    } else {
        json_null(out, "enhanced");
    }
    json_string(out, "text", reply->text);
    json_string(out, "reply_class", reply_class_name(reply->class));
    json_string(out, "rule", reply->rule[0] != '\0' ? reply->rule : NULL);
    json_close(out, '}');
}

/* Words of `text` as array items. */
static void json_words(struct text *out, const char *key, const char *text)
{
    static const char separators[] = " ";

    json_open(out, key, '[');
    for (text += strspn(text, separators); *text != '\0'; text += strspn(text, separators)) {
        size_t length = strcspn(text, separators);

        json_string_n(out, NULL, text, length);
        text += length;
    }
    json_close(out, ']');
}

/* The keywords; their parameters (SIZE 1000, AUTH PLAIN) stand in the transcript. */
static void json_extensions(struct text *out, const char *lines)
{
    json_open(out, "extensions", '[');
    for (lines += strspn(lines, "\n"); *lines != '\0'; lines += strspn(lines, "\n")) {
        json_string_n(out, NULL, lines, strcspn(lines, " \n"));
        lines += strcspn(lines, "\n");
    }
    json_close(out, ']');
}

static void json_attempts(struct text *out, const struct smtp_evidence *smtp)
{
    json_open(out, "attempts", '[');
    for (size_t i = 0; i < smtp->attempt_count; i++) {
        const struct smtp_attempt *attempt = &smtp->attempts[i];
        char address[IP_TEXT_SIZE];

        json_open(out, NULL, '{');
        json_string(out, "host", attempt->host);
        json_string(out, "address", ip_format(&attempt->address, address));
        json_string(out, "source", attempt->source);
        json_string(out, "stage", smtp_stage_name(attempt->stage));
        json_string(out, "end",
                    attempt->end == SMTP_END_NONE ? DOCUMENT_ANSWERED
                                                  : smtp_end_name(attempt->end));
        if (attempt->code != 0)
            json_integer(out, "code", attempt->code);
        else
            json_null(out, "code");
        json_string(out, "reply_class",
                    attempt->class == REPLY_NONE ? NULL : reply_class_name(attempt->class));
        json_bool(out, "from_cache", attempt->cached);
        json_close(out, '}');
    }
    json_close(out, ']');
}

static bool known_source(const struct smtp_server *server)
{
    return server != NULL && server->ours.family != 0;
}

static void json_smtp(struct text *out, const struct smtp_evidence *smtp)
{
    char address[IP_TEXT_SIZE];

    if (smtp == NULL || smtp->attempt_count == 0) {
        json_null(out, "smtp");
        return;
    }
    const struct smtp_attempt *deciding = &smtp->attempts[verdict_deciding_attempt(smtp)];
    const struct smtp_server *server = smtp->server;
    json_open(out, "smtp", '{');
    json_string(out, "host", deciding->host);
    json_string(out, "address", ip_format(&deciding->address, address));
    json_string(out, "source", known_source(server) ? ip_format(&server->ours, address) : NULL);
    json_string(out, "banner", server != NULL ? server->banner : NULL);
    json_string(out, "software", server != NULL ? server->software : NULL);
    if (server != NULL && server->extensions != NULL)
        json_extensions(out, server->extensions);
    else
        json_null(out, "extensions");
    if (server != NULL)
        json_tls(out, &server->tls);
    else
        json_null(out, "tls");
    json_reply(out, "recipient", &smtp->recipient);
    json_reply(out, "decoy", &smtp->decoy);
    json_string(out, "decoy_outcome", document_decoys[smtp->decoy_outcome]);
    json_bool(out, "learned_opaque", smtp->opaque);
    json_string(out, "control", document_controls[smtp->control]);
    json_bool(out, "refused_before", smtp->refused_before);
    json_bool(out, "walk_cut", smtp->cut);
    json_attempts(out, smtp);
    json_close(out, '}');
}

/* --- the domain -------------------------------------------------------------------- */

static void json_mx_host(struct text *out, const struct mx_evidence *mx, const struct mx_host *host)
{
    char address[IP_TEXT_SIZE];

    json_open(out, NULL, '{');
    json_string(out, "host", host->name);
    json_integer(out, "preference", host->preference);
    json_open(out, "addresses", '[');
    for (size_t i = 0; i < host->address_count; i++)
        json_string(out, NULL, ip_format(&mx->addresses[host->first_address + i], address));
    json_close(out, ']');
    json_string(out, "state", document_mx_states[host->state]);
    json_bool(out, "alias", host->alias);
    json_bool(out, "dnssec", host->authentic);
    json_close(out, '}');
}

static void json_mx(struct text *out, const struct mx_evidence *mx)
{
    if (mx == NULL) {
        json_null(out, "mx");
        json_null(out, "implicit_mx");
        json_null(out, "null_mx");
        return;
    }
    json_open(out, "mx", '[');
    for (size_t i = 0; i < mx->host_count; i++)
        json_mx_host(out, mx, &mx->hosts[i]);
    json_close(out, ']');
    json_bool(out, "implicit_mx", mx->implicit);
    json_bool(out, "null_mx", mx->outcome == MX_NULL);
}

static void json_endpoint(struct text *out, const struct imap_endpoint *endpoint)
{
    json_open(out, NULL, '{');
    json_string(out, "host", endpoint->host);
    json_integer(out, "port", endpoint->port);
    json_string(out, "security", mail_security_name(endpoint->security));
    json_string(out, "source", endpoint_source_name(endpoint->source));
    json_string(out, "state", imap_state_name(endpoint->state));
    json_string(out, "greeting", endpoint->greeting);
    json_string(out, "software", endpoint->software);
    if (endpoint->capabilities != NULL)
        json_words(out, "capabilities", endpoint->capabilities);
    else
        json_null(out, "capabilities");
    /* Before login a server shows less than it has: not seen is not known. */
    json_open(out, "features", '{');
    for (unsigned i = 0; i < IMAP_FEATURE_COUNT; i++)
        json_flag(out, imap_feature_name((enum imap_feature)i),
                  (endpoint->features & (1u << i)) != 0, true);
    json_close(out, '}');
    json_flag(out, "plaintext_login", endpoint->state == IMAP_OK, endpoint->plaintext_login);
    json_tls(out, &endpoint->tls);
    json_null(out, "grade");
    json_close(out, '}');
}

static void json_imap(struct text *out, const struct imap_evidence *imap)
{
    if (imap == NULL) {
        json_null(out, "imap");
        return;
    }
    json_open(out, "imap", '[');
    for (size_t i = 0; i < imap->count; i++)
        json_endpoint(out, &imap->endpoints[i]);
    json_close(out, ']');
}

static void domain_members(struct text *out, const struct document *document)
{
    const struct provider *provider = document->provider;
    const char *dns = document->mx != NULL ? mx_outcome_name(document->mx->outcome)
                      : document->complete ? NULL /* decided without it */
                                           : mx_outcome_name(MX_PENDING);

    json_string(out, "dns", dns);
    json_string(out, "provider", provider != NULL ? provider->key : "other");
    json_string(out, "gateway", provider != NULL && provider->gateway ? provider->key : NULL);
    json_mx(out, document->mx);
    /* the mail records: looked up by a later release, null until then */
    json_null(out, "spf");
    json_null(out, "dmarc");
    json_null(out, "mta_sts");
    json_null(out, "tlsrpt");
    json_null(out, "dane");
    json_imap(out, document->imap);
}

/* --- the rest of a verdict ------------------------------------------------------------ */

static void json_flags(struct text *out, const struct document *document)
{
    const struct address_insight *insight = document->insight;
    const struct smtp_evidence *smtp = document->smtp;
    bool parsed = document->address->valid, mx = document->mx != NULL;
    bool decoyed = smtp != NULL &&
                   (smtp->decoy_outcome == DECOY_ACCEPTED || smtp->decoy_outcome == DECOY_REJECTED);
    const struct smtp_server *server = smtp != NULL ? smtp->server : NULL;

    json_open(out, "flags", '{');
    json_flag(out, "disposable", parsed, insight->disposable);
    json_flag(out, "disposable_mx", mx, document->disposable_mx);
    json_flag(out, "alias_relay", parsed, insight->alias_relay);
    json_flag(out, "role", parsed, insight->role);
    json_flag(out, "no_reply", parsed, insight->no_reply);
    json_flag(out, "free_provider", parsed, insight->free_provider);
    json_flag(out, "subaddress", parsed, insight->subaddress);
    json_flag(out, "gibberish", parsed, insight->gibberish);
    json_bool(out, "typo_domain", insight->typo_domain);
    json_flag(out, "catch_all", decoyed, decoyed && smtp->decoy_outcome == DECOY_ACCEPTED);
    json_flag(out, "idn_domain", parsed, document->address->idn_domain);
    json_flag(out, "non_ascii_local", parsed, document->address->non_ascii_local);
    json_flag(out, "implicit_mx", mx, mx && document->mx->implicit);
    json_flag(out, "parked", mx, document->parked_mx);
    json_flag(out, "slow_server", server != NULL,
              server != NULL && server->greeting_ms > SLOW_GREETING_MS);
    json_close(out, '}');
}

/* `offset`: where the part that the caller gave begins in what was parsed. */
static void json_address_error(struct text *out, const struct address *address, size_t offset)
{
    if (address->code == ADDRESS_OK) {
        json_null(out, "error");
        return;
    }
    json_open(out, "error", '{');
    json_string(out, "code", address_code_name(address->code));
    json_integer(out, "position",
                 address->position > offset ? (int64_t)(address->position - offset) : 0);
    json_close(out, '}');
}

static void json_address(struct text *out, const struct document *document)
{
    const struct address *address = document->address;
    const struct address_insight *insight = document->insight;

    json_open(out, "address", '{');
    json_string(out, "local", address->valid ? address->local : NULL);
    json_string(out, "domain", address->valid ? address->domain : NULL);
    json_string(out, "domain_ascii", address->valid ? address->domain_ascii : NULL);
    json_string(out, "tag", insight->tag[0] != '\0' ? insight->tag : NULL);
    json_string(out, "dedupe_key", insight->dedupe_key[0] != '\0' ? insight->dedupe_key : NULL);
    json_address_error(out, address, 0);
    json_close(out, '}');
}

static void json_timings(struct text *out, const struct document *document)
{
    const struct smtp_evidence *smtp = document->smtp;
    const struct smtp_server *server = smtp != NULL ? smtp->server : NULL;

    json_open(out, "timings_ms", '{');
    json_integer(out, "queue", smtp != NULL ? smtp->queue_ms : 0);
    json_integer(out, "dns", document->dns_ms);
    json_integer(out, "connect", server != NULL ? server->connect_ms : 0);
    json_integer(out, "greeting", server != NULL ? server->greeting_ms : 0);
    json_integer(out, "ehlo", server != NULL ? server->ehlo_ms : 0);
    json_integer(out, "tls", server != NULL ? server->tls_ms : 0);
    json_integer(out, "recipient", smtp != NULL ? smtp->recipient_ms : 0);
    json_integer(out, "decoy", smtp != NULL ? smtp->decoy_ms : 0);
    json_integer(out, "total", document->total_ms);
    json_close(out, '}');
}

static void json_from_cache(struct text *out, unsigned cached)
{
    static const struct {
        unsigned bit;
        const char *name;
    } layers[] = {{CACHED_DNS, "dns"},
                  {CACHED_SMTP, "smtp"},
                  {CACHED_CATCH_ALL, "catch_all"},
                  {CACHED_IMAP, "imap"}};

    json_open(out, "from_cache", '[');
    for (size_t i = 0; i < ARRAY_LENGTH(layers); i++)
        if ((cached & layers[i].bit) != 0)
            json_string(out, NULL, layers[i].name);
    json_close(out, ']');
}

static void json_tries(struct text *out, const struct document *document)
{
    json_open(out, "tries", '[');
    for (size_t i = 0; i < document->try_count; i++) {
        json_open(out, NULL, '{');
        json_time(out, "at", document->tries[i].at_s);
        json_string(out, "reason", reason_name(document->tries[i].reason));
        if (document->tries[i].code != 0)
            json_integer(out, "code", document->tries[i].code);
        else
            json_null(out, "code");
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void json_transcript(struct text *out, const struct document *document)
{
    json_open(out, "transcript", '[');
    if (document->smtp != NULL && document->smtp->transcript != NULL &&
        document->smtp->transcript[0] != '\0')
        json_raw(out, NULL, document->smtp->transcript);
    if (document->imap != NULL && document->imap->transcript != NULL &&
        document->imap->transcript[0] != '\0')
        json_raw(out, NULL, document->imap->transcript);
    json_close(out, ']');
}

/* Of all the ways an address can be wrong, the visitor hears of the one he can mend. */
static const char *message_of(const struct document *document)
{
    const char *code = document->verdict->reason == REASON_INVALID_SYNTAX
                           ? address_code_name(document->address->code)
                           : reason_name(document->verdict->reason);

    return message_for(code, document->language);
}

static void verdict_members(struct text *out, const struct document *document)
{
    const struct verdict *verdict = document->verdict;
    const struct address_insight *insight = document->insight;
    char normalized[ADDRESS_TEXT_SIZE];

    json_string(out, "id", document->id);
    json_string_n(out, "email", document->email, document->email_length);
    if (document->address->valid)
        address_normalized(document->address, normalized);
    json_string(out, "normalized", document->address->valid ? normalized : NULL);
    json_string(out, "status", status_name(verdict->status));
    json_string(out, "reason", reason_name(verdict->reason));
    json_open(out, "reasons", '[');
    for (size_t i = 0; i < verdict->reason_count; i++)
        json_string(out, NULL, reason_name(verdict->reasons[i]));
    if (document->allowlisted)
        json_string(out, NULL, "allowlisted");
    json_close(out, ']');
    if (document->explain != EXPLAIN_NONE)
        json_string(out, "rule", verdict->rule);
    if (verdict->status == STATUS_UNKNOWN)
        json_null(out, "confidence");
    else
        json_number(out, "confidence", verdict->confidence);
    json_string(out, "action", action_name(document->action));
    json_string(out, "policy", document->policy);
    json_string(out, "message", message_of(document));
    json_string(out, "suggestion", insight->suggestion[0] != '\0' ? insight->suggestion : NULL);
    json_bool(out, "complete", document->complete);
    json_bool(out, "retryable", document->retry_after_s >= 0);
    if (document->retry_after_s >= 0)
        json_integer(out, "retry_after_s", document->retry_after_s);
    else
        json_null(out, "retry_after_s");
    json_time(out, "checked_at", document->checked_at_s);
    json_time(out, "expires_at", document->expires_at_s);
    json_from_cache(out, document->from_cache);
    json_flags(out, document);
}

static char *finish(struct text *out, size_t *length)
{
    if (out->overflow) { /* every part is bounded, so this is ours; never send half an object */
        text_free(out);
        text_put(out, "{}");
    }
    *length = out->length;
    return text_take(out);
}

char *document_verdict(const struct document *document, size_t *length)
{
    struct text out;

    text_init(&out, DOCUMENT_MAX);
    text_reserve(&out, document->explain == EXPLAIN_NONE ? DOCUMENT_SHORT : DOCUMENT_USUAL);
    json_open(&out, NULL, '{');
    verdict_members(&out, document);
    if (document->explain != EXPLAIN_NONE) {
        json_address(&out, document);
        json_smtp(&out, document->smtp);
        json_open(&out, "domain", '{');
        domain_members(&out, document);
        json_close(&out, '}');
        if (document->try_count > 0)
            json_tries(&out, document);
        json_string(&out, "stop", document_stops[document->stop]);
        json_string(&out, "in_progress", document_progresses[document->in_progress]);
        json_timings(&out, document);
        json_string(&out, "ruleset", VERDICT_RULESET);
        json_string(&out, "lists_version", insight_lists_version());
    }
    if (document->explain == EXPLAIN_TRANSCRIPT)
        json_transcript(&out, document);
    json_close(&out, '}');
    return finish(&out, length);
}

char *document_domain(const struct document *document, size_t *length)
{
    struct text out;

    text_init(&out, DOCUMENT_MAX);
    json_open(&out, NULL, '{');
    json_string(&out, "domain", document->address->domain);
    json_string(&out, "domain_ascii", document->address->domain_ascii);
    json_address_error(&out, document->address, strcspn(document->email, "@") + 1);
    json_bool(&out, "complete", document->complete);
    domain_members(&out, document);
    json_flag(&out, "disposable", true, document->insight->disposable);
    json_flag(&out, "parked", document->mx != NULL, document->parked_mx);
    json_time(&out, "checked_at", document->checked_at_s);
    json_string(&out, "lists_version", insight_lists_version());
    json_close(&out, '}');
    return finish(&out, length);
}
