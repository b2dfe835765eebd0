/* The decision table. Read it top to bottom: the first row whose condition holds
 * decides. A row's name is fixed for ever; its place is not. Conditions look only
 * at the input, so stored evidence can be decided again. */
#include "service/verdict.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"

/* --- the list of reasons ------------------------------------------------------ */

static const struct reason_info {
    const char *name;
    enum verdict_layer layer;
    enum verdict_status status;
    bool retryable;
} reasons[] = {
#define X(symbol, name, layer, status, retryable) [symbol] = {name, layer, status, retryable},
    REASON_LIST(X)
#undef X
};

static const struct reason_info *info(enum verdict_reason reason)
{
    assert((unsigned)reason < REASON_COUNT);
    return &reasons[reason];
}

const char *reason_name(enum verdict_reason reason) { return info(reason)->name; }
enum verdict_layer reason_layer(enum verdict_reason reason) { return info(reason)->layer; }
enum verdict_status reason_status(enum verdict_reason reason) { return info(reason)->status; }
bool reason_retryable(enum verdict_reason reason) { return info(reason)->retryable; }

const char *status_name(enum verdict_status status)
{
    static const char *const names[STATUS_COUNT] = {"deliverable", "undeliverable", "risky",
                                                    "unknown"};
    assert((unsigned)status < STATUS_COUNT);
    return names[status];
}

struct smtp_evidence *smtp_evidence_new(void)
{
    struct smtp_evidence *evidence = mem_new(struct smtp_evidence);

    evidence->references = 1;
    return evidence;
}

struct smtp_evidence *smtp_evidence_keep(struct smtp_evidence *evidence)
{
    evidence->references++;
    return evidence;
}

void smtp_evidence_drop(struct smtp_evidence **evidence)
{
    struct smtp_evidence *gone = *evidence;

    *evidence = NULL;
    if (gone == NULL || --gone->references > 0)
        return;
    for (size_t i = 0; i < gone->attempt_count; i++) {
        free(gone->attempts[i].host);
        free(gone->attempts[i].source);
    }
    smtp_server_drop(&gone->server);
    smtp_reply_facts_clear(&gone->recipient);
    smtp_reply_facts_clear(&gone->decoy);
    free(gone->transcript);
    free(gone);
}

/* --- reading the evidence ------------------------------------------------------ */

/* A reply at RCPT that settles the matter for this recipient: every other MX is moot. */
static bool ends_walk(const struct smtp_attempt *attempt)
{
    return attempt->stage >= SMTP_STAGE_RCPT && attempt->class != REPLY_NONE &&
           attempt->class != REPLY_RELAY_DENIED && attempt->class != REPLY_HOST_NO_MAIL;
}

uint8_t verdict_deciding_attempt(const struct smtp_evidence *evidence)
{
    uint8_t best = 0;

    for (uint8_t i = 0; i < evidence->attempt_count; i++) {
        if (ends_walk(&evidence->attempts[i]))
            return i;
        if (evidence->attempts[i].stage > evidence->attempts[best].stage)
            best = i;
    }
    return best;
}

static const struct smtp_attempt *deciding(const struct verdict_input *in)
{
    if (in->smtp == NULL || in->smtp->attempt_count == 0)
        return NULL;
    return &in->smtp->attempts[verdict_deciding_attempt(in->smtp)];
}

/* "Every MX" is every address the walk may try: nothing is proven by one that was cut short, nor
 * while the resolver could not tell the address of an MX. */
static bool walked_all(const struct verdict_input *in)
{
    bool all_known = in->mx == NULL || !in->mx->have_unknown_host;

    return in->smtp != NULL && in->smtp->attempt_count > 0 && !in->smtp->cut && all_known;
}

static bool every_attempt(const struct verdict_input *in, enum reply_class class)
{
    if (!walked_all(in))
        return false;
    for (size_t i = 0; i < in->smtp->attempt_count; i++)
        if (in->smtp->attempts[i].class != class)
            return false;
    return true;
}

static bool every_end(const struct verdict_input *in, enum smtp_end end)
{
    if (!walked_all(in))
        return false;
    for (size_t i = 0; i < in->smtp->attempt_count; i++)
        if (in->smtp->attempts[i].end != end)
            return false;
    return true;
}

/* The deciding attempt's class, REPLY_NONE when silence or a broken line decides. */
static enum reply_class deciding_class(const struct verdict_input *in)
{
    const struct smtp_attempt *attempt = deciding(in);
    return attempt != NULL ? attempt->class : REPLY_NONE;
}

static enum smtp_end deciding_end(const struct verdict_input *in)
{
    const struct smtp_attempt *attempt = deciding(in);
    return attempt != NULL ? attempt->end : SMTP_END_NONE;
}

static bool at_rcpt(const struct verdict_input *in)
{
    const struct smtp_attempt *attempt = deciding(in);
    return attempt != NULL && attempt->stage >= SMTP_STAGE_RCPT && attempt->class != REPLY_NONE;
}

static bool accepted(const struct verdict_input *in)
{
    return deciding_class(in) == REPLY_ACCEPTED;
}

/* --- what is learned from a decoy --- */

enum decoy_outcome verdict_decoy_outcome(enum reply_class class, enum smtp_stage stage)
{
    switch (class) {
    case REPLY_ACCEPTED:
        return DECOY_ACCEPTED;
    case REPLY_MAILBOX_NOT_FOUND:
    case REPLY_MAILBOX_DISABLED:
    case REPLY_MAILBOX_MOVED:
    case REPLY_MAILBOX_ABANDONED:
    case REPLY_RELAY_DENIED:
    case REPLY_REJECTED_UNCLEAR:
        return stage == SMTP_STAGE_RCPT ? DECOY_REJECTED : DECOY_UNDECIDED;
    case REPLY_NONE:
    case REPLY_MAILBOX_FULL:
    case REPLY_MAILBOX_RESTRICTED:
    case REPLY_MAILBOX_RATE_LIMITED:
    case REPLY_GREYLISTED:
    case REPLY_TEMPORARY_FAILURE:
    case REPLY_PROBE_BLOCKED:
    case REPLY_SENDER_REJECTED:
    case REPLY_TLS_REQUIRED:
    case REPLY_HOST_NO_MAIL:
    case REPLY_EAI_NOT_SUPPORTED:
    case REPLY_PROTOCOL_ERROR:
    case REPLY_CLASS_COUNT:
        break;
    }
    return DECOY_UNDECIDED;
}

/* --- rows ------------------------------------------------------------------------ */

struct outcome {
    enum verdict_reason reason;
    double confidence;
};

/* True = this row decides; *out comes filled with the row's own reason and confidence. */
typedef bool row_fn(const struct verdict_input *in, struct outcome *out);

static bool suppressed(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return in->stop == STOP_SUPPRESSED;
}

static bool invalid_syntax(const struct verdict_input *in, struct outcome *out)
{
    enum address_code code = in->address->code;

    (void)out;
    return !in->address->valid || code == ADDRESS_NO_TLD || code == ADDRESS_NUMERIC_TLD ||
           code == ADDRESS_UNKNOWN_TLD;
}

static bool reserved_domain(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return in->address->code == ADDRESS_RESERVED_DOMAIN;
}

static bool domain_literal(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return in->address->code == ADDRESS_DOMAIN_LITERAL;
}

static bool provider_syntax(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return in->provider_syntax == PROVIDER_SYNTAX_HARD;
}

static bool mx_is(const struct verdict_input *in, enum mx_outcome outcome)
{
    return in->mx != NULL && in->mx->outcome == outcome;
}

static bool domain_not_found(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return mx_is(in, MX_NO_DOMAIN);
}

static bool null_mx(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return mx_is(in, MX_NULL);
}

static bool no_mail_host(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return mx_is(in, MX_NO_HOST);
}

static bool bad_targets(const struct verdict_input *in, struct outcome *out)
{
    if (mx_is(in, MX_PRIVATE))
        out->reason = REASON_MX_PRIVATE_ADDRESS;
    return mx_is(in, MX_PRIVATE) || mx_is(in, MX_UNUSABLE);
}

static bool dns_unknown(const struct verdict_input *in, struct outcome *out)
{
    if (mx_is(in, MX_TIMEOUT))
        out->reason = REASON_DNS_TIMEOUT;
    else if (mx_is(in, MX_BOGUS))
        out->reason = REASON_DNSSEC_BOGUS;
    return mx_is(in, MX_TIMEOUT) || mx_is(in, MX_BOGUS) || mx_is(in, MX_FAILURE);
}

static bool parked(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return in->parked_mx && in->mx != NULL;
}

static bool smtp_skipped(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return in->stop == STOP_SMTP_SKIPPED && in->mx != NULL;
}

static bool egress_blocked(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return in->stop == STOP_EGRESS_BLOCKED;
}

static bool deferred(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return in->stop == STOP_DEFERRED;
}

static bool eai_not_supported(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    /* said by us of every server that lacks SMTPUTF8, or by a server (X.6.7) */
    return every_attempt(in, REPLY_EAI_NOT_SUPPORTED) ||
           (at_rcpt(in) && deciding_class(in) == REPLY_EAI_NOT_SUPPORTED);
}

static bool refused(const struct verdict_input *in, struct outcome *out)
{
    if (!every_end(in, SMTP_END_CONNECT_REFUSED))
        return false;
    if (in->mx != NULL && in->mx->implicit && in->smtp->refused_before)
        *out = (struct outcome){REASON_NO_SMTP_SERVICE, 0.90};
    return true;
}

/* Mixed refusals and timeouts: the walk never got a session, so time decides. */
static bool no_session(const struct verdict_input *in, struct outcome *out)
{
    enum smtp_end end = deciding_end(in);

    if (deciding(in) == NULL || deciding(in)->stage > SMTP_STAGE_CONNECT)
        return false;
    if (end == SMTP_END_CONNECT_REFUSED)
        out->reason = REASON_CONNECT_REFUSED;
    return end == SMTP_END_CONNECT_REFUSED || end == SMTP_END_CONNECT_TIMEOUT;
}

static bool host_no_mail(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return every_attempt(in, REPLY_HOST_NO_MAIL);
}

/* Refused before RCPT: the class of the deciding reply. */
static bool refused_early(const struct verdict_input *in, struct outcome *out)
{
    static const enum verdict_reason by_class[REPLY_CLASS_COUNT] = {
        [REPLY_PROBE_BLOCKED] = REASON_PROBE_BLOCKED,
        [REPLY_SENDER_REJECTED] = REASON_SENDER_REJECTED,
        [REPLY_TLS_REQUIRED] = REASON_TLS_REQUIRED,
        [REPLY_TEMPORARY_FAILURE] = REASON_TEMPORARY_FAILURE,
        [REPLY_GREYLISTED] = REASON_GREYLISTED,
        [REPLY_PROTOCOL_ERROR] = REASON_PROTOCOL_ERROR,
        /* what one host cannot do proves nothing while another was not heard */
        [REPLY_HOST_NO_MAIL] = REASON_PROBE_BLOCKED,
        [REPLY_EAI_NOT_SUPPORTED] = REASON_REJECTED_UNCLEAR,
    };
    enum reply_class class = deciding_class(in);

    if (class == REPLY_NONE || at_rcpt(in))
        return false;
    out->reason = by_class[class] != 0 ? by_class[class] : REASON_PROBE_BLOCKED;
    return true;
}

static bool relay_denied(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return every_attempt(in, REPLY_RELAY_DENIED);
}

static bool has_enhanced(const struct smtp_reply_facts *reply, uint8_t subject, uint8_t detail)
{
    return reply->enhanced[1] == subject && reply->enhanced[2] == detail && reply->enhanced[0] != 0;
}

/* 550 is "no mailbox, no access, or policy" (RFC 5321 section 4.2.3), and 5.5.0 narrows nothing
 * down: some hosts say "mailbox unavailable" to everybody they do not like. */
bool verdict_needs_control(const struct smtp_reply_facts *reply)
{
    bool says_nothing =
        reply->enhanced[0] == 0 || (reply->enhanced[1] <= 1 && reply->enhanced[2] == 0);

    if (reply->code != 550)
        return false;
    return reply->class == REPLY_MAILBOX_NOT_FOUND
               ? has_enhanced(reply, 5, 0)
               : reply->class == REPLY_REJECTED_UNCLEAR && says_nothing;
}

static bool not_found(const struct verdict_input *in, struct outcome *out)
{
    if (!at_rcpt(in))
        return false;
    const struct smtp_reply_facts *reply = &in->smtp->recipient;
    bool discriminates = in->smtp->decoy_outcome == DECOY_REJECTED;

    if (verdict_needs_control(reply) && in->smtp->control != CONTROL_CLEAR)
        return false;
    if (deciding_class(in) == REPLY_MAILBOX_NOT_FOUND) {
        if (has_enhanced(reply, 4, 1))
            out->confidence = 0.97;
        else if (!has_enhanced(reply, 1, 1) && !discriminates)
            out->confidence = 0.90;
        return true;
    }
    out->confidence = 0.80;
    return deciding_class(in) == REPLY_REJECTED_UNCLEAR && in->smtp->control == CONTROL_CLEAR;
}

static bool disabled(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return at_rcpt(in) && deciding_class(in) == REPLY_MAILBOX_DISABLED;
}

static bool full(const struct verdict_input *in, struct outcome *out)
{
    if (deciding_class(in) == REPLY_MAILBOX_ABANDONED)
        *out = (struct outcome){REASON_MAILBOX_ABANDONED, 0.95};
    return at_rcpt(in) && (deciding_class(in) == REPLY_MAILBOX_FULL ||
                           deciding_class(in) == REPLY_MAILBOX_ABANDONED);
}

static bool moved(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return at_rcpt(in) && deciding_class(in) == REPLY_MAILBOX_MOVED;
}

static bool restricted(const struct verdict_input *in, struct outcome *out)
{
    if (deciding_class(in) == REPLY_MAILBOX_RATE_LIMITED)
        out->reason = REASON_MAILBOX_RATE_LIMITED;
    return at_rcpt(in) && (deciding_class(in) == REPLY_MAILBOX_RESTRICTED ||
                           deciding_class(in) == REPLY_MAILBOX_RATE_LIMITED);
}

static bool blames_us(const struct verdict_input *in, struct outcome *out)
{
    enum reply_class class = deciding_class(in);

    if (class == REPLY_SENDER_REJECTED)
        out->reason = REASON_SENDER_REJECTED;
    else if (class == REPLY_TLS_REQUIRED)
        out->reason = REASON_TLS_REQUIRED;
    return at_rcpt(in) && (class == REPLY_PROBE_BLOCKED || class == REPLY_SENDER_REJECTED ||
                           class == REPLY_TLS_REQUIRED);
}

static bool greylisted(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return deciding_class(in) == REPLY_GREYLISTED;
}

static bool temporary(const struct verdict_input *in, struct outcome *out)
{
    enum smtp_end end = deciding_end(in);

    if (deciding(in) == NULL)
        return false;
    if (deciding_class(in) == REPLY_TEMPORARY_FAILURE)
        return true;
    if (deciding_class(in) == REPLY_PROTOCOL_ERROR || end == SMTP_END_PROTOCOL)
        out->reason = REASON_PROTOCOL_ERROR;
    else if (end == SMTP_END_TIMEOUT)
        out->reason = REASON_SMTP_TIMEOUT;
    else if (end == SMTP_END_LOST || end == SMTP_END_TLS)
        out->reason = REASON_CONNECTION_LOST;
    else
        return false;
    return !accepted(in);
}

static bool rejected_unclear(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return at_rcpt(in) && !accepted(in);
}

static bool throttled(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return accepted(in) && in->smtp->decoy_outcome == DECOY_THROTTLED;
}

static bool opaque(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return accepted(in) &&
           (in->smtp->opaque || (in->provider != NULL && in->provider->truth == PROVIDER_OPAQUE));
}

/* 252: "cannot verify, but will take it" (RFC 5321 section 3.5.3) says as little as a decoy let in.
 */
static bool catch_all(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return accepted(in) &&
           (in->smtp->decoy_outcome == DECOY_ACCEPTED || in->smtp->recipient.code == 252);
}

static bool discriminated(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return accepted(in) && in->smtp->decoy_outcome == DECOY_REJECTED;
}

static bool provider_discriminates(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return accepted(in) && in->smtp->decoy_outcome == DECOY_NOT_RUN && in->provider != NULL &&
           in->provider->truth == PROVIDER_DISCRIMINATES &&
           provider_owns_domain(in->provider, in->address->domain_ascii);
}

static bool unconfirmed(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return accepted(in);
}

static bool deadline(const struct verdict_input *in, struct outcome *out)
{
    (void)out;
    return in->deadline && in->progress != PROGRESS_ENDED;
}

static bool otherwise(const struct verdict_input *in, struct outcome *out)
{
    (void)in;
    (void)out;
    return true;
}

static const struct row {
    const char *rule;
    row_fn *decides;
    enum verdict_reason reason;
    double confidence;
} rows[] = {
    {"L1", suppressed, REASON_SUPPRESSED, 0},
    {"R1", invalid_syntax, REASON_INVALID_SYNTAX, 1.00},
    {"R2", reserved_domain, REASON_RESERVED_DOMAIN, 1.00},
    {"R3", domain_literal, REASON_DOMAIN_LITERAL, 0},
    {"R9", provider_syntax, REASON_PROVIDER_SYNTAX, 0.97},
    {"R4", domain_not_found, REASON_DOMAIN_NOT_FOUND, 0.99},
    {"R5", null_mx, REASON_NULL_MX, 1.00},
    {"R6", no_mail_host, REASON_NO_MAIL_HOST, 0.98},
    {"R7", bad_targets, REASON_MX_UNUSABLE, 0.95},
    {"R8", dns_unknown, REASON_DNS_FAILURE, 0},
    {"P1", parked, REASON_PARKED, 0.80},
    {"S1", smtp_skipped, REASON_SMTP_SKIPPED, 0},
    {"E1", egress_blocked, REASON_EGRESS_BLOCKED, 0},
    {"E2", deferred, REASON_DEFERRED, 0},
    {"R10", eai_not_supported, REASON_EAI_NOT_SUPPORTED, 0.95},
    {"R11", refused, REASON_CONNECT_REFUSED, 0},
    {"R12", no_session, REASON_CONNECT_TIMEOUT, 0},
    {"R13", host_no_mail, REASON_HOST_NO_MAIL, 0.95},
    {"R14", refused_early, REASON_PROBE_BLOCKED, 0},
    {"R15", relay_denied, REASON_RELAY_DENIED, 0.93},
    {"R16", not_found, REASON_MAILBOX_NOT_FOUND, 0.99},
    {"R17", disabled, REASON_MAILBOX_DISABLED, 0.97},
    {"R18", full, REASON_MAILBOX_FULL, 0.90},
    {"R19", moved, REASON_MAILBOX_MOVED, 0.95},
    {"R20", restricted, REASON_MAILBOX_RESTRICTED, 0.90},
    {"R21", blames_us, REASON_PROBE_BLOCKED, 0},
    {"R22", greylisted, REASON_GREYLISTED, 0},
    {"R23", temporary, REASON_TEMPORARY_FAILURE, 0},
    {"R23b", rejected_unclear, REASON_REJECTED_UNCLEAR, 0},
    {"R29", throttled, REASON_PROBE_BLOCKED, 0},
    {"R24", opaque, REASON_PROVIDER_OPAQUE, 0.50},
    {"R25", catch_all, REASON_CATCH_ALL, 0.50},
    {"R26", discriminated, REASON_MAILBOX_ACCEPTED, 0.97},
    {"R27", provider_discriminates, REASON_MAILBOX_ACCEPTED, 0.97},
    {"R28", unconfirmed, REASON_ACCEPTED_UNCONFIRMED, 0.70},
    {"E3", deadline, REASON_DEADLINE_EXCEEDED, 0},
    {"E4", otherwise, REASON_INTERNAL_ERROR, 0},
};

/* --- what else applied ------------------------------------------------------------- */

static void add_reason(struct verdict *verdict, enum verdict_reason reason)
{
    if (reason == verdict->reason || verdict->reason_count == VERDICT_REASONS_MAX)
        return;
    for (size_t i = 0; i < verdict->reason_count; i++)
        if (verdict->reasons[i] == reason)
            return;
    verdict->reasons[verdict->reason_count++] = reason;
}

/* Each other address tried, judged as if it stood alone. */
static void add_other_attempts(const struct verdict_input *input, struct verdict *verdict)
{
    if (input->smtp == NULL || input->smtp->attempt_count < 2)
        return;
    uint8_t decided = verdict_deciding_attempt(input->smtp);

    for (uint8_t i = 0; i < input->smtp->attempt_count; i++) {
        if (i == decided)
            continue;
        struct smtp_evidence alone = {.attempt_count = 1};
        alone.attempts[0] = input->smtp->attempts[i];
        struct verdict_input only = *input;
        only.smtp = &alone;
        only.stop = STOP_NONE;
        struct verdict other = verdict_decide(&only);
        if (other.reason != REASON_INTERNAL_ERROR)
            add_reason(verdict, other.reason);
    }
}

static void add_layer_in_progress(const struct verdict_input *input, struct verdict *verdict)
{
    static const enum verdict_reason by_progress[] = {
        [PROGRESS_DNS] = REASON_DNS_TIMEOUT,
        [PROGRESS_QUEUE] = REASON_DEFERRED,
        [PROGRESS_CONNECT] = REASON_CONNECT_TIMEOUT,
        [PROGRESS_SMTP] = REASON_SMTP_TIMEOUT,
    };

    if (input->deadline && input->progress != PROGRESS_ENDED)
        add_reason(verdict, by_progress[input->progress]);
}

struct verdict verdict_decide(const struct verdict_input *input)
{
    struct verdict verdict = {.rule = NULL};

    for (size_t i = 0; verdict.rule == NULL; i++) {
        struct outcome outcome = {rows[i].reason, rows[i].confidence};

        assert(i < ARRAY_LENGTH(rows)); /* the last row always decides */
        if (!rows[i].decides(input, &outcome))
            continue;
        verdict.rule = rows[i].rule;
        verdict.reason = outcome.reason;
        verdict.confidence = outcome.confidence;
    }
    verdict.status = reason_status(verdict.reason);
    add_other_attempts(input, &verdict);
    add_layer_in_progress(input, &verdict);
    return verdict;
}
