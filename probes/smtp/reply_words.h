/* reply_words.h - a reply reduced to the words that say something.
 *
 * "Sorry, <joe@a.example> doesn't exist." -> " <edge> sorry not exist <edge> ": lower case, single
 * spaces, accents folded; our own names and addresses as markers; mail addresses, the server's
 * names, repeated codes and enhanced codes gone; auxiliary verbs and articles gone, and what
 * they deny is "not". Foreign text cannot make a marker. */
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
    MARKER_EDGE    /* where the text begins and ends */
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
void reply_words_add_marker(struct reply_words *words, enum reply_marker marker);
/* Ends the last word; needed once, after the last piece. */
void reply_words_end(struct reply_words *words);
