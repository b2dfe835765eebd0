/* reply_words.h - a reply reduced to the words that say something.
 *
 * "Sorry, <joe@a.example> doesn't exist." -> " <edge> sorry not exist <edge> ": lower case, single
 * spaces, accents folded; our own names and addresses as markers; mail addresses, the server's
 * names, repeated codes and enhanced codes gone; auxiliary verbs and articles gone, and what
 * they deny is "not"; words of other hosts' names and of pages' addresses kept apart from those of
 * the sentence by a marker in front. Foreign text cannot make a marker. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "probes/smtp/classify.h"

enum { REPLY_WORDS_MAX = 2048 };

/* Stand-ins, each a word of its own; the rule file writes them <us>, <sender>, ... */
enum reply_marker {
    MARKER_NONE,
    MARKER_US,     /* our address, EHLO name or PTR */
    MARKER_SENDER, /* MAIL FROM, or its domain */
    MARKER_IP,     /* an IPv4 address that is not known to be ours */
    MARKER_DOMAIN, /* the domain of RCPT TO */
    MARKER_HOST,   /* stands behind the words of any other host name */
    MARKER_EDGE,   /* where the text begins and ends */
    MARKER_NAME    /* begins each word of a host name and of a page's address */
};

struct reply_words {
    uint16_t enhanced[3]; /* the first one that stands in the text; 0.0.0 = none */
    size_t length, word;  /* `word`: where the last word begins */
    char bytes[REPLY_WORDS_MAX];
};

void reply_words_make(struct reply_words *words, uint16_t code, const char *text,
                      const struct reply_context *context);

/* Appends words of ours (a rule's phrase) in the same form, without a space behind them. */
void reply_words_add(struct reply_words *words, const char *text, size_t length);
/* A host name ("a.example"), of which each word gets the marker in front. "see.Below" and
 * "RST.AuthRequired" are none: who writes names ends them in small letters; nor is "now..not". */
bool reply_words_is_name(const char *text, size_t length);
void reply_words_add_name(struct reply_words *words, const char *text, size_t length);
void reply_words_add_marker(struct reply_words *words, enum reply_marker marker);
/* Ends the last word; needed once, after the last piece. */
void reply_words_end(struct reply_words *words);
