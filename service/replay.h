/* replay.h - stored evidence, decided again by today's rules.
 *
 * Syntax, lists, providers and the replies' meaning are looked up anew; DNS and SMTP are
 * as they were. Of several hosts asked, the last that replied left its words and is
 * classified again; the others keep their class. */
#pragma once

#include <stdio.h>

#include "service/config.h"
#include "service/document_read.h"

struct replay_options {
    const struct config *config; /* who asked, and which special names were ordinary */
    bool json;                   /* NDJSON instead of lines for people */
    bool all;                    /* unchanged ones too */
};

struct replay_counts {
    size_t decided, changed, unreadable;
};

/* Pure, but for the lists and rules of the process. Puts today's classes into the evidence. */
struct document_decision replay_decide(struct document_stored *stored, const struct config *config);
bool replay_same(const struct document_decision *a, const struct document_decision *b);

/* Reads documents: one a line, a JSON array, a batch's answer, or one spread over lines. `name`
 * says in messages where they came from; it may be foreign. Adds to `counts`. False when `in`
 * cannot be read or `out` not be written. */
bool replay_stream(FILE *in, const char *name, FILE *out, const struct replay_options *options,
                   struct replay_counts *counts);
