#include "probes/smtp/session_notes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/discover/provider.h"

struct smtp_server *smtp_note_greeting(const char *host, const struct ip_address *address,
                                       struct smtp_reply *greeting)
{
    struct smtp_server *server = smtp_server_new();
    const char *text = smtp_reply_text(greeting, SMTP_REPLY_KEPT_MAX);
    size_t first = strcspn(text, "\n");

    server->host = mem_copy_text(host);
    server->address = *address;
    server->banner = mem_copy_bytes(text, first < SMTP_BANNER_MAX ? first : SMTP_BANNER_MAX);
    server->software = software_from_smtp_banner(text); /* a teaser may stand in the first line */
    return server;
}

static char *keep_keywords(struct smtp_reply *reply)
{
    const char *keywords = smtp_ehlo_keywords(smtp_reply_text(reply, SMTP_REPLY_KEPT_MAX));
    size_t length = 0;

    for (int lines = 0; lines < SMTP_EXTENSIONS_MAX && keywords[length] != '\0'; lines++) {
        if (lines > 0)
            length++;
        length += strcspn(keywords + length, "\n");
    }
    return mem_copy_bytes(keywords, length);
}

void smtp_note_hello(struct smtp_server *server, const struct smtp_dialog *dialog,
                     struct smtp_reply *reply)
{
    bool encrypted = dialog->tls == SMTP_TLS_ACTIVE;

    if (reply->code / 100 != 2)
        return;
    server->esmtp = dialog->esmtp;
    server->pipelining = dialog->offered.pipelining;
    server->smtputf8 = dialog->offered.smtputf8;
    if (!encrypted) { /* in TLS it is offered no more */
        server->starttls = dialog->offered.starttls;
        server->tls.state = server->starttls ? TLS_NOT_TRIED : TLS_NOT_OFFERED;
    }
    free(server->extensions);
    server->extensions = dialog->esmtp ? keep_keywords(reply) : NULL;
}

void smtp_note_tls(struct smtp_server *server, enum tls_state state, const struct tls_facts *facts,
                   enum tls_finding otherwise)
{
    if (facts != NULL)
        server->tls = *facts;
    server->tls.state = state;
    if (state == TLS_FAILED && server->tls.findings == 0)
        server->tls.findings = 1u << otherwise;
}

struct smtp_reply_facts smtp_note_reply(struct smtp_reply *reply,
                                        const struct reply_context *context)
{
    struct smtp_reply_facts facts = {.code = reply->code};

    facts.text = smtp_reply_text(reply, SMTP_REPLY_TEXT_MAX);
    memcpy(facts.enhanced, reply->enhanced, sizeof(facts.enhanced));
    struct reply_meaning meaning =
        reply_classify(reply->code, reply->enhanced, facts.text, context);
    facts.class = meaning.class;
    if (meaning.rule != NULL)
        snprintf(facts.rule, sizeof(facts.rule), "%s", meaning.rule);
    return facts;
}

void smtp_note_line(struct text *transcript, uint64_t at_ms, char direction, const char *line,
                    size_t length)
{
    const char from[] = {direction, '\0'};

    if (transcript == NULL || transcript->overflow)
        return;
    size_t before = transcript->length;
    json_open(transcript, NULL, '{');
    json_integer(transcript, "t", (int64_t)at_ms);
    json_string(transcript, "dir", from);
    json_string_n(transcript, "line", line, length);
    json_close(transcript, '}');
    if (transcript->overflow && transcript->bytes != NULL) { /* whole items only: it is JSON */
        transcript->length = before;
        transcript->bytes[before] = '\0';
    }
}

void smtp_note_group(struct text *transcript, uint64_t at_ms, const struct text *group)
{
    const char *line = group->bytes;

    while (*line != '\0') {
        size_t length = strcspn(line, "\r\n");

        smtp_note_line(transcript, at_ms, 'C', line, length);
        line += length + strspn(line + length, "\r\n");
    }
}
