#include <jansson.h>

#include "service/replay.h"

#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "probes/smtp/classify.h"
#include "service/operator.h"

enum {
    INPUT_MAX = 64 * 1024 * 1024, /* a line, or a document or list spread over lines */
    ROW_MAX = 128 * 1024,         /* a name and an e-mail, escaped */
    NAME_SHOWN = 200,
    EMAIL_SHOWN = 400,
    PLACE_SIZE = NAME_SHOWN + 64
};

/* --- deciding ------------------------------------------------------------------------- */

/* What in the words was us, as far as the document and the settings tell. */
static struct reply_meaning classify(const struct smtp_reply_facts *reply,
                                     const struct smtp_attempt *attempt, const char *recipient,
                                     const struct document_stored *stored,
                                     const struct config *config)
{
    char ours[IP_TEXT_SIZE] = "";
    const struct provider *provider = attempt->host != NULL ? provider_by_mx(attempt->host) : NULL;
    bool named = strchr(config->hello_name, '.') != NULL;

    if (stored->source.family != 0)
        ip_format(&stored->source, ours);
    return reply_classify(reply->code, reply->enhanced, reply->text,
                          &(struct reply_context){
                              .stage = attempt->stage,
                              .recipient = recipient,
                              .mail_from = config->mail_from,
                              .our_address = ours[0] != '\0' ? ours : NULL,
                              .our_name = named ? config->hello_name : NULL,
                              .server_host = attempt->host,
                              .provider = provider != NULL ? provider->key : NULL,
                              .first_contact = !stored->asked_before,
                          });
}

static void set_meaning(struct smtp_reply_facts *reply, const struct reply_meaning *meaning)
{
    reply->class = meaning->class;
    snprintf(reply->rule, sizeof(reply->rule), "%s", meaning->rule != NULL ? meaning->rule : "");
}

/* The attempt whose words were kept: the one that decided, in older documents the last that got a
 * reply. */
static struct smtp_attempt *attempt_with_words(struct smtp_evidence *smtp)
{
    struct smtp_attempt *deciding = &smtp->attempts[verdict_deciding_attempt(smtp)];

    if (deciding->class != REPLY_NONE && deciding->class == smtp->recipient.class &&
        deciding->code == smtp->recipient.code)
        return deciding;
    for (size_t i = smtp->attempt_count; i > 0; i--)
        if (smtp->attempts[i - 1].class != REPLY_NONE)
            return &smtp->attempts[i - 1];
    return NULL;
}

/* An undecided decoy may have been refused before RCPT, a throttled one was accepted after others
 * were refused: only other words make it another outcome. */
static void decide_decoy(struct smtp_evidence *smtp, enum reply_class before)
{
    enum reply_class now = smtp->decoy.class;

    bool by_words =
        smtp->decoy_outcome != DECOY_UNDECIDED && smtp->decoy_outcome != DECOY_THROTTLED;

    if (by_words || now != before)
        smtp->decoy_outcome = verdict_decoy_outcome(now, SMTP_STAGE_RCPT);
}

static void classify_again(struct document_stored *stored, const char *recipient,
                           const struct config *config)
{
    struct smtp_evidence *smtp = stored->smtp;
    struct smtp_attempt *attempt = attempt_with_words(smtp);

    if (attempt == NULL)
        return;
    if (smtp->recipient.code != 0 && attempt->code == smtp->recipient.code) {
        struct reply_meaning meaning =
            classify(&smtp->recipient, attempt, recipient, stored, config);
        set_meaning(&smtp->recipient, &meaning);
        attempt->class = meaning.class;
    }
    if (smtp->decoy.code != 0) {
        struct smtp_attempt at_rcpt = *attempt;
        enum reply_class before = smtp->decoy.class;

        at_rcpt.stage = SMTP_STAGE_RCPT;
        struct reply_meaning meaning = classify(&smtp->decoy, &at_rcpt, recipient, stored, config);
        set_meaning(&smtp->decoy, &meaning);
        decide_decoy(smtp, before);
    }
}

struct document_decision replay_decide(struct document_stored *stored, const struct config *config)
{
    struct address_options options = operator_address_options(config);
    const char *mx =
        stored->mx != NULL && stored->mx->host_count > 0 ? stored->mx->hosts[0].name : NULL;
    struct document_decision decision = {.reply_class = REPLY_NONE};
    struct address address;
    char recipient[ADDRESS_TEXT_SIZE] = "";

    address_parse(stored->email, stored->email_length, &options, &address);
    if (address.valid)
        address_wire(&address, recipient);
    if (stored->smtp != NULL)
        classify_again(stored, recipient, config);
    struct verdict verdict = verdict_decide(&(struct verdict_input){
        .address = &address,
        .provider_syntax = address_provider_syntax(&address),
        .mx = stored->mx,
        .smtp = stored->smtp,
        .provider = mx != NULL ? provider_by_mx(mx) : NULL,
        .parked_mx = mx != NULL && insight_mx_parking(mx),
        .stop = stored->stop,
        .progress = stored->in_progress,
        .deadline = stored->in_progress != PROGRESS_ENDED,
    });
    decision.status = verdict.status;
    decision.reason = verdict.reason;
    snprintf(decision.rule, sizeof(decision.rule), "%s", verdict.rule);
    if (stored->smtp != NULL) {
        decision.reply_class = stored->smtp->recipient.class;
        memcpy(decision.reply_rule, stored->smtp->recipient.rule, sizeof(decision.reply_rule));
    }
    return decision;
}

/* Which rule recognised a reply is of interest, but no change. */
bool replay_same(const struct document_decision *a, const struct document_decision *b)
{
    return a->status == b->status && a->reason == b->reason && strcmp(a->rule, b->rule) == 0 &&
           a->reply_class == b->reply_class;
}

/* --- rows ------------------------------------------------------------------------------------ */

struct replay {
    FILE *out;
    const struct replay_options *options;
    struct replay_counts *counts;
    const char *name;
    size_t line, item; /* item 0: the line is one document */
};

static void print_line(const struct replay *replay, const char *label,
                       const struct document_decision *decision)
{
    fprintf(replay->out, "  %-4s %-13s %-21s %-5s", label, status_name(decision->status),
            reason_name(decision->reason), decision->rule);
    if (decision->reply_class != REPLY_NONE)
        fprintf(replay->out, " reply %s%s%s", reply_class_name(decision->reply_class),
                decision->reply_rule[0] != '\0' ? " " : "", decision->reply_rule);
    fputc('\n', replay->out);
}

static void print_row(const struct replay *replay, const struct document_stored *stored,
                      const struct document_decision *was, const struct document_decision *now)
{
    char email[EMAIL_SHOWN], id[NAME_SHOWN];

    text_clean(email, sizeof(email), stored->email, stored->email_length);
    text_clean(id, sizeof(id), stored->id != NULL ? stored->id : "",
               stored->id != NULL ? strlen(stored->id) : 0);
    fprintf(replay->out, "%s%s%s\n", email, *id != '\0' ? "  " : "", id);
    if (replay_same(was, now)) {
        print_line(replay, "same", now);
        return;
    }
    print_line(replay, "was", was);
    print_line(replay, "now", now);
}

static void json_decision(struct text *out, const char *key,
                          const struct document_decision *decision)
{
    bool replied = decision->reply_class != REPLY_NONE;

    json_open(out, key, '{');
    json_string(out, "status", status_name(decision->status));
    json_string(out, "reason", reason_name(decision->reason));
    json_string(out, "rule", decision->rule);
    json_string(out, "reply_class", replied ? reply_class_name(decision->reply_class) : NULL);
    json_string(out, "reply_rule", decision->reply_rule[0] != '\0' ? decision->reply_rule : NULL);
    json_close(out, '}');
}

static void put_json(const struct replay *replay, struct text *row)
{
    fprintf(replay->out, "%s\n", row->bytes);
    text_free(row);
}

static void begin_json(const struct replay *replay, struct text *row)
{
    text_init(row, ROW_MAX);
    json_open(row, NULL, '{');
    json_string(row, "file", replay->name);
    json_integer(row, "line", (int64_t)replay->line);
    if (replay->item > 0)
        json_integer(row, "item", (int64_t)replay->item);
}

static void json_row(const struct replay *replay, const struct document_stored *stored,
                     const struct document_decision *was, const struct document_decision *now)
{
    struct text row;

    begin_json(replay, &row);
    json_string(&row, "id", stored->id);
    json_string_n(&row, "email", stored->email, stored->email_length);
    json_bool(&row, "changed", !replay_same(was, now));
    json_decision(&row, "was", was);
    json_decision(&row, "now", now);
    json_close(&row, '}');
    put_json(replay, &row);
}

static void unreadable(const struct replay *replay, const char *why)
{
    char name[NAME_SHOWN];
    struct text row;

    replay->counts->unreadable++;
    if (replay->options->json) {
        begin_json(replay, &row);
        json_string(&row, "error", why);
        json_close(&row, '}');
        put_json(replay, &row);
        return;
    }
    text_clean(name, sizeof(name), replay->name, strlen(replay->name));
    fprintf(replay->out, "%s line %zu", name, replay->line);
    if (replay->item > 0)
        fprintf(replay->out, " item %zu", replay->item);
    fprintf(replay->out, ": %s\n", why);
}

/* --- documents ------------------------------------------------------------------------------- */

static void take_document(const struct replay *replay, const json_t *root)
{
    struct document_stored stored;
    char error[DOCUMENT_ERROR_SIZE];

    if (!document_read(root, &stored, error)) {
        unreadable(replay, error);
        return;
    }
    struct document_decision was = stored.decision;
    struct document_decision now = replay_decide(&stored, replay->options->config);
    bool changed = !replay_same(&was, &now);

    replay->counts->decided++;
    replay->counts->changed += changed;
    if (changed || replay->options->all)
        (replay->options->json ? json_row : print_row)(replay, &stored, &was, &now);
    document_stored_clear(&stored);
}

static void take_list(struct replay *replay, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);

        replay->item = i + 1;
        if (json_object_get(item, "problem") == NULL) /* a batch item that never was an address */
            take_document(replay, item);
    }
    replay->item = 0;
}

static void take_value(struct replay *replay, const json_t *root)
{
    const json_t *results = json_object_get(root, "results");

    if (json_is_array(root) || json_is_array(results))
        take_list(replay, json_is_array(root) ? root : results);
    else if (json_object_get(root, "problem") == NULL)
        take_document(replay, root);
}

static json_t *parse(const char *bytes, size_t length)
{
    return json_loadb(bytes, length, JSON_ALLOW_NUL, NULL);
}

static bool is_blank(const char *bytes, size_t length)
{
    while (length > 0 && strchr(" \t\r", bytes[length - 1]) != NULL)
        length--;
    return length == 0;
}

static void take_line(struct replay *replay, const char *bytes, size_t length)
{
    replay->line++;
    if (is_blank(bytes, length))
        return;
    json_t *root = parse(bytes, length);
    if (root == NULL)
        unreadable(replay, "not JSON");
    else
        take_value(replay, root);
    json_decref(root);
}

/* --- input ----------------------------------------------------------------------------------- */

struct input {
    FILE *file;
    char *bytes; /* getline's */
    size_t capacity, length;
};

/* A line without its end; `length` above INPUT_MAX = only a part of it. */
static bool next_line(struct input *input, bool *too_long)
{
    int c;

    input->length = 0;
    *too_long = false;
    while ((c = getc_unlocked(input->file)) != EOF && c != '\n') {
        if (input->length == INPUT_MAX) {
            *too_long = true;
            continue;
        }
        if (input->length == input->capacity) {
            input->capacity = input->capacity == 0 ? BUFSIZ : 2 * input->capacity;
            input->bytes = mem_resize(input->bytes, input->capacity);
        }
        input->bytes[input->length++] = (char)c;
    }
    return c != EOF || input->length > 0;
}

/* The first line and all behind it. False: it is more than we take at once. */
static bool read_all(struct input *input)
{
    struct text all;
    struct input rest = {.file = input->file};
    bool too_long = false;

    text_init(&all, INPUT_MAX);
    text_add(&all, input->bytes, input->length);
    while (!all.overflow && !too_long && next_line(&rest, &too_long)) {
        text_char(&all, '\n');
        text_add(&all, rest.bytes, rest.length);
    }
    free(rest.bytes);
    free(input->bytes);
    input->length = all.length;
    too_long = too_long || all.overflow;
    input->bytes = text_take(&all);
    input->capacity = input->length;
    return !too_long;
}

static void take_lines(struct replay *replay, const char *bytes, size_t length)
{
    const char *end = bytes + length;

    while (bytes < end) {
        const char *line_end = memchr(bytes, '\n', (size_t)(end - bytes));

        if (line_end == NULL)
            line_end = end;
        take_line(replay, bytes, (size_t)(line_end - bytes));
        bytes = line_end + 1;
    }
}

/* The first line is no JSON by itself: the beginning of something longer, or just a bad line. */
static void take_spread(struct replay *replay, struct input *input)
{
    bool whole = read_all(input);
    json_t *root = whole ? parse(input->bytes, input->length) : NULL;

    if (root != NULL) {
        replay->line++;
        take_value(replay, root);
    } else {
        take_lines(replay, input->bytes, input->length);
    }
    if (!whole)
        unreadable(replay, "longer than 64 MiB: give it one document a line");
    json_decref(root);
}

static bool is_json(const struct input *input)
{
    json_t *root = parse(input->bytes, input->length);
    bool parsed = root != NULL;

    json_decref(root);
    return parsed;
}

bool replay_stream(FILE *in, const char *name, FILE *out, const struct replay_options *options,
                   struct replay_counts *counts)
{
    struct replay replay = {.out = out, .options = options, .counts = counts, .name = name};
    struct input input = {.file = in};
    bool too_long, first = true;

    while (next_line(&input, &too_long)) {
        if (too_long) {
            replay.line++;
            unreadable(&replay, "longer than 64 MiB");
        } else if (is_blank(input.bytes, input.length)) {
            replay.line++;
        } else if (first && !is_json(&input)) {
            take_spread(&replay, &input);
        } else {
            take_line(&replay, input.bytes, input.length);
            first = false;
        }
    }
    free(input.bytes);
    return !ferror(in) && !ferror(out);
}
