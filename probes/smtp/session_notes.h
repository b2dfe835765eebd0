/* session_notes.h - what one SMTP session writes down: facts about the server, replies with their
 * meaning, the transcript. No decisions, no connection. */
#pragma once

#include "probes/base/evidence.h"
#include "probes/base/text.h"
#include "probes/smtp/classify.h"
#include "probes/smtp/dialog.h"
#include "probes/smtp/reply.h"

enum { SMTP_BANNER_MAX = 512 }; /* octets kept of the first greeting line */

/* The greeting is complete: the facts begin. `host` is copied. */
struct smtp_server *smtp_note_greeting(const char *host, const struct ip_address *address,
                                       struct smtp_reply *greeting);
/* EHLO was answered, or HELO after it. In TLS what was said in clear is replaced. */
void smtp_note_hello(struct smtp_server *server, const struct smtp_dialog *dialog,
                     struct smtp_reply *reply);
/* `facts` may be NULL: nothing is known but that it did not work. */
void smtp_note_tls(struct smtp_server *server, enum tls_state state, const struct tls_facts *facts,
                   enum tls_finding otherwise);

/* Classifies. The text is borrowed from the reply. */
struct smtp_reply_facts smtp_note_reply(struct smtp_reply *reply,
                                        const struct reply_context *context);

/* One transcript item; `transcript` may be NULL. */
void smtp_note_line(struct text *transcript, uint64_t at_ms, char direction, const char *line,
                    size_t length);
/* Each line of a group that is sent. */
void smtp_note_group(struct text *transcript, uint64_t at_ms, const struct text *group);
