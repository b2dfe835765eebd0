#include <jansson.h>

#include "service/document_read.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "service/document_shape.h"

enum {
    EMAIL_MAX = 3 * ENGINE_EMAIL_MAX, /* an octet that was not UTF-8 came out as three */
    TEXT_MAX = 3 * SMTP_REPLY_TEXT_MAX,
    HOST_MAX = 1024, /* escapes included */
    ID_MAX = 64,
    CODE_MAX = 599
};

struct reading {
    struct document_stored *stored;
    char *error;
};

static bool refuse(const struct reading *reading, const char *words, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(const struct reading *reading, const char *words, ...)
{
    va_list arguments;

    va_start(arguments, words);
    vsnprintf(reading->error, DOCUMENT_ERROR_SIZE, words, arguments);
    va_end(arguments);
    return false;
}

static const json_t *at(const json_t *object, const char *key)
{
    return json_object_get(object, key);
}

static bool is_absent(const json_t *value) { return value == NULL || json_is_null(value); }

/* --- single values: absent leaves *out as it is ------------------------------------- */

/* The caller frees. */
static bool read_text(const struct reading *reading, const json_t *object, const char *key,
                      size_t most, char **out, size_t *length)
{
    const json_t *value = at(object, key);

    if (is_absent(value))
        return true;
    if (!json_is_string(value) || json_string_length(value) > most)
        return refuse(reading, "%s is not a text of at most %zu octets", key, most);
    free(*out);
    *out = mem_copy_bytes(json_string_value(value), json_string_length(value));
    if (length != NULL)
        *length = json_string_length(value);
    return true;
}

static bool read_rule(const struct reading *reading, const json_t *object, const char *key,
                      char out[DOCUMENT_RULE_SIZE])
{
    const json_t *value = at(object, key);

    if (is_absent(value))
        return true;
    if (!json_is_string(value) || json_string_length(value) >= DOCUMENT_RULE_SIZE ||
        strlen(json_string_value(value)) != json_string_length(value))
        return refuse(reading, "%s is not the name of a rule", key);
    memcpy(out, json_string_value(value), json_string_length(value) + 1);
    return true;
}

static bool read_number(const struct reading *reading, const json_t *object, const char *key,
                        uint16_t most, uint16_t *out)
{
    const json_t *value = at(object, key);
    json_int_t number = json_integer_value(value);

    if (is_absent(value))
        return true;
    if (!json_is_integer(value) || number < 0 || number > most)
        return refuse(reading, "%s is not a number from 0 to %u", key, most);
    *out = (uint16_t)number;
    return true;
}

static bool read_switch(const struct reading *reading, const json_t *object, const char *key,
                        bool *out)
{
    const json_t *value = at(object, key);

    if (is_absent(value))
        return true;
    if (!json_is_boolean(value))
        return refuse(reading, "%s is neither true nor false", key);
    *out = json_is_true(value);
    return true;
}

static bool read_address(const struct reading *reading, const json_t *object, const char *key,
                         struct ip_address *out)
{
    const json_t *value = at(object, key);

    if (is_absent(value))
        return true;
    if (!json_is_string(value) || !ip_parse(json_string_value(value), out))
        return refuse(reading, "%s is not an IP address", key);
    return true;
}

/* --- words of our lists --------------------------------------------------------------- */

static bool word_is(const json_t *value, const char *word)
{
    return word != NULL && json_is_string(value) && strcmp(json_string_value(value), word) == 0;
}

static bool unknown_word(const struct reading *reading, const char *key)
{
    return refuse(reading, "%s is not a word this release knows", key);
}

/* A function for each list: `key` in `object` as its enum. */
#define WORD_READER(list, name_of, COUNT)                                                          \
    static bool read_##list(const struct reading *reading, const json_t *object, const char *key,  \
                            enum list *out)                                                        \
    {                                                                                              \
        const json_t *value = at(object, key);                                                     \
                                                                                                   \
        if (is_absent(value))                                                                      \
            return true;                                                                           \
        for (unsigned i = 0; i < (COUNT); i++) {                                                   \
            if (word_is(value, name_of((enum list)i))) {                                           \
                *out = (enum list)i;                                                               \
                return true;                                                                       \
            }                                                                                      \
        }                                                                                          \
        return unknown_word(reading, key);                                                         \
    }

#define MX_STATE_WORD(i) document_mx_states[i]
#define DECOY_WORD(i)    document_decoys[i]
#define CONTROL_WORD(i)  document_controls[i]
#define STOP_WORD(i)     document_stops[i]
#define PROGRESS_WORD(i) document_progresses[i]

WORD_READER(verdict_status, status_name, STATUS_COUNT)
WORD_READER(verdict_reason, reason_name, REASON_COUNT)
WORD_READER(reply_class, reply_class_name, REPLY_CLASS_COUNT)
WORD_READER(smtp_stage, smtp_stage_name, SMTP_STAGE_COUNT)
WORD_READER(smtp_end, smtp_end_name, SMTP_END_COUNT)
WORD_READER(mx_outcome, mx_outcome_name, MX_OUTCOME_COUNT)
WORD_READER(mx_host_state, MX_STATE_WORD, ARRAY_LENGTH(document_mx_states))
WORD_READER(decoy_outcome, DECOY_WORD, ARRAY_LENGTH(document_decoys))
WORD_READER(control_outcome, CONTROL_WORD, ARRAY_LENGTH(document_controls))
WORD_READER(check_stop, STOP_WORD, ARRAY_LENGTH(document_stops))
WORD_READER(check_progress, PROGRESS_WORD, ARRAY_LENGTH(document_progresses))

/* --- replies ------------------------------------------------------------------------------ */

/* "5.1.1" */
static bool parse_enhanced(const char *text, uint8_t out[3])
{
    uint8_t parts[3];

    for (size_t i = 0; i < 3; i++) {
        char *end;

        if (*text < '0' || *text > '9')
            return false;
        unsigned long number = strtoul(text, &end, 10);
        if (number > UINT8_MAX || *end != (i < 2 ? '.' : '\0'))
            return false;
        parts[i] = (uint8_t)number;
        text = end + 1;
    }
    memcpy(out, parts, sizeof(parts));
    return true;
}

static bool read_enhanced(const struct reading *reading, const json_t *object, uint8_t out[3])
{
    const json_t *value = at(object, "enhanced");

    return is_absent(value) ||
           (json_is_string(value) && parse_enhanced(json_string_value(value), out)) ||
           refuse(reading, "enhanced is not like 5.1.1");
}

static bool read_reply(const struct reading *reading, const json_t *smtp, const char *key,
                       struct smtp_reply_facts *reply)
{
    const json_t *object = at(smtp, key);

    if (is_absent(object))
        return true;
    if (!json_is_object(object))
        return refuse(reading, "smtp.%s is not an object", key);
    if (!read_number(reading, object, "code", CODE_MAX, &reply->code) ||
        !read_enhanced(reading, object, reply->enhanced) ||
        !read_text(reading, object, "text", TEXT_MAX, &reply->text, NULL) ||
        !read_reply_class(reading, object, "reply_class", &reply->class) ||
        !read_rule(reading, object, "rule", reply->rule))
        return false;
    if (reply->code != 0 && reply->text == NULL)
        reply->text = mem_copy_text("");
    return true;
}

/* --- attempts --------------------------------------------------------------------------------- */

static bool read_end(const struct reading *reading, const json_t *object, enum smtp_end *out)
{
    *out = SMTP_END_NONE;
    return word_is(at(object, "end"), DOCUMENT_ANSWERED) ||
           read_smtp_end(reading, object, "end", out);
}

static bool read_attempt(const struct reading *reading, const json_t *object,
                         struct smtp_attempt *attempt)
{
    if (!json_is_object(object))
        return refuse(reading, "an item of smtp.attempts is not an object");
    return read_text(reading, object, "host", HOST_MAX, &attempt->host, NULL) &&
           read_address(reading, object, "address", &attempt->address) &&
           read_smtp_stage(reading, object, "stage", &attempt->stage) &&
           read_end(reading, object, &attempt->end) &&
           read_number(reading, object, "code", CODE_MAX, &attempt->code) &&
           read_reply_class(reading, object, "reply_class", &attempt->class);
}

/* Without a list of attempts there was one: what `smtp` itself says. */
static bool only_attempt(const struct reading *reading, const json_t *smtp,
                         struct smtp_evidence *evidence)
{
    struct smtp_attempt *attempt = &evidence->attempts[0];

    evidence->attempt_count = 1;
    attempt->stage = SMTP_STAGE_RCPT;
    attempt->code = evidence->recipient.code;
    attempt->class = evidence->recipient.class;
    return read_text(reading, smtp, "host", HOST_MAX, &attempt->host, NULL) &&
           read_address(reading, smtp, "address", &attempt->address);
}

static bool read_attempts(const struct reading *reading, const json_t *smtp,
                          struct smtp_evidence *evidence)
{
    const json_t *list = at(smtp, "attempts");

    if (is_absent(list))
        return only_attempt(reading, smtp, evidence);
    if (!json_is_array(list) || json_array_size(list) > SMTP_ATTEMPTS_MAX)
        return refuse(reading, "smtp.attempts is not a list of at most %d", SMTP_ATTEMPTS_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        evidence->attempt_count++; /* first: what was read of it is freed with the rest */
        if (!read_attempt(reading, json_array_get(list, i), &evidence->attempts[i]))
            return false;
    }
    return true;
}

/* A document without the outcome tells it by its flag. */
static bool read_decoy(const struct reading *reading, const json_t *root, const json_t *smtp,
                       struct smtp_evidence *evidence)
{
    const json_t *catch_all = at(at(root, "flags"), "catch_all");

    if (json_is_boolean(catch_all))
        evidence->decoy_outcome = json_is_true(catch_all) ? DECOY_ACCEPTED : DECOY_REJECTED;
    else if (evidence->decoy.code != 0)
        evidence->decoy_outcome = DECOY_UNDECIDED;
    return read_decoy_outcome(reading, smtp, "decoy_outcome", &evidence->decoy_outcome);
}

static bool read_smtp(const struct reading *reading, const json_t *root)
{
    const json_t *smtp = at(root, "smtp");

    if (is_absent(smtp))
        return true;
    if (!json_is_object(smtp))
        return refuse(reading, "smtp is not an object");
    struct smtp_evidence *evidence = reading->stored->smtp = smtp_evidence_new();
    return read_reply(reading, smtp, "recipient", &evidence->recipient) &&
           read_reply(reading, smtp, "decoy", &evidence->decoy) &&
           read_attempts(reading, smtp, evidence) && read_decoy(reading, root, smtp, evidence) &&
           read_control_outcome(reading, smtp, "control", &evidence->control) &&
           read_switch(reading, smtp, "refused_before", &evidence->refused_before) &&
           read_switch(reading, smtp, "walk_cut", &evidence->cut) &&
           read_switch(reading, smtp, "learned_opaque", &evidence->opaque) &&
           read_address(reading, smtp, "source", &reading->stored->source);
}

/* --- the domain ------------------------------------------------------------------------------ */

static bool read_host(const struct reading *reading, const json_t *object, struct mx_host *host)
{
    if (!json_is_object(object))
        return refuse(reading, "an item of domain.mx is not an object");
    if (!read_text(reading, object, "host", HOST_MAX, &host->name, NULL) ||
        !read_number(reading, object, "preference", UINT16_MAX, &host->preference) ||
        !read_mx_host_state(reading, object, "state", &host->state))
        return false;
    if (host->name == NULL)
        return refuse(reading, "an item of domain.mx has no host");
    text_lower(host->name);
    return true;
}

static bool read_hosts(const struct reading *reading, const json_t *list, struct mx_evidence *mx)
{
    if (is_absent(list))
        return true;
    if (!json_is_array(list) || json_array_size(list) > MX_HOSTS_MAX)
        return refuse(reading, "domain.mx is not a list of at most %d", MX_HOSTS_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        mx->host_count++;
        if (!read_host(reading, json_array_get(list, i), &mx->hosts[i]))
            return false;
        mx->have_unknown_host = mx->have_unknown_host || mx->hosts[i].state == MX_HOST_UNKNOWN;
    }
    return true;
}

/* Outcomes that decide have the name of their reason, so the reason tells a missing outcome. */
static enum mx_outcome outcome_told_by(const json_t *root, const struct mx_evidence *mx)
{
    for (unsigned i = 0; i < MX_OUTCOME_COUNT; i++)
        if (word_is(at(root, "reason"), mx_outcome_name((enum mx_outcome)i)))
            return (enum mx_outcome)i;
    if (json_is_true(at(at(root, "domain"), "null_mx")))
        return MX_NULL;
    return mx->host_count > 0 ? MX_FOUND : MX_PENDING;
}

static bool read_domain(const struct reading *reading, const json_t *root)
{
    const json_t *domain = at(root, "domain");

    if (is_absent(domain))
        return true;
    if (!json_is_object(domain))
        return refuse(reading, "domain is not an object");
    struct mx_evidence *mx = reading->stored->mx = mx_evidence_new();
    if (!read_hosts(reading, at(domain, "mx"), mx) ||
        !read_switch(reading, domain, "implicit_mx", &mx->implicit))
        return false;
    mx->outcome = at(domain, "dns") == NULL ? outcome_told_by(root, mx) : MX_PENDING;
    if (!read_mx_outcome(reading, domain, "dns", &mx->outcome))
        return false;
    if (mx->outcome == MX_PENDING)
        mx_evidence_drop(&reading->stored->mx);
    return true;
}

/* --- what was decided ------------------------------------------------------------------------ */

static bool read_decision(const struct reading *reading, const json_t *root)
{
    struct document_decision *decision = &reading->stored->decision;

    if (is_absent(at(root, "status")) || is_absent(at(root, "reason")))
        return refuse(reading, "it has no status or no reason: not a verdict");
    if (is_absent(at(root, "rule")))
        return refuse(reading, "it holds no evidence (explain=none)");
    return read_verdict_status(reading, root, "status", &decision->status) &&
           read_verdict_reason(reading, root, "reason", &decision->reason) &&
           read_rule(reading, root, "rule", decision->rule);
}

/* So do reasons to stop. */
static enum check_stop stop_told_by(const json_t *root)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(document_stops); i++)
        if (word_is(at(root, "reason"), document_stops[i]))
            return (enum check_stop)i;
    return STOP_NONE;
}

static bool read_engine(const struct reading *reading, const json_t *root)
{
    struct document_stored *stored = reading->stored;

    stored->asked_before = json_array_size(at(root, "tries")) > 0;
    stored->stop = at(root, "stop") == NULL ? stop_told_by(root) : STOP_NONE;
    return read_check_stop(reading, root, "stop", &stored->stop) &&
           read_check_progress(reading, root, "in_progress", &stored->in_progress);
}

static bool read_email(const struct reading *reading, const json_t *root)
{
    struct document_stored *stored = reading->stored;

    return read_text(reading, root, "id", ID_MAX, &stored->id, NULL) &&
           read_text(reading, root, "email", EMAIL_MAX, &stored->email, &stored->email_length) &&
           (stored->email != NULL || refuse(reading, "it has no email: not a verdict"));
}

/* NOLINTNEXTLINE(readability-non-const-parameter): `reading` writes into it */
bool document_read(const json_t *root, struct document_stored *stored,
                   char error[DOCUMENT_ERROR_SIZE])
{
    const struct reading reading = {stored, error};

    error[0] = '\0';
    *stored = (struct document_stored){.id = NULL};
    if (!json_is_object(root))
        return refuse(&reading, "not a JSON object");
    if (!read_email(&reading, root) || !read_decision(&reading, root) ||
        !read_domain(&reading, root) || !read_smtp(&reading, root) ||
        !read_engine(&reading, root)) {
        document_stored_clear(stored);
        return false;
    }
    if (stored->smtp != NULL) {
        stored->decision.reply_class = stored->smtp->recipient.class;
        memcpy(stored->decision.reply_rule, stored->smtp->recipient.rule, DOCUMENT_RULE_SIZE);
    }
    return true;
}

void document_stored_clear(struct document_stored *stored)
{
    free(stored->id);
    free(stored->email);
    mx_evidence_drop(&stored->mx);
    smtp_evidence_drop(&stored->smtp);
    *stored = (struct document_stored){.id = NULL};
}
