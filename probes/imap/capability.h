/* capability.h - what a capability gives the user (the registry in groups).
 *
 * Before sign-in servers tell only part of what they can do, so a bit that is not
 * set means "not seen", never "not there". */
#pragma once

#include <stdbool.h>

#include "probes/base/text.h"
#include "probes/imap/response.h"

enum { IMAP_CAPABILITIES_TEXT_MAX = 4096 };

/* What the conversation itself has to know: bits. */
enum imap_trait {
    IMAP_TRAIT_REV1_OR_REV2 = 1u << 0, /* RFC 3501 or RFC 9051: without one it is not IMAP */
    IMAP_TRAIT_STARTTLS = 1u << 1,
    IMAP_TRAIT_LOGINDISABLED = 1u << 2,
    IMAP_TRAIT_AUTH_PASSWORD = 1u << 3, /* AUTH=PLAIN or AUTH=LOGIN: the password itself travels */
    IMAP_TRAIT_ID = 1u << 4
};

struct imap_capabilities {
    bool seen;         /* a list was given, even an empty one */
    unsigned traits;   /* IMAP_TRAIT_... */
    unsigned features; /* 1u << IMAP_FEATURE_... */
    struct text words; /* space-separated, as sent, whole words up to the bound */
};

void imap_capabilities_init(struct imap_capabilities *capabilities);
void imap_capabilities_free(struct imap_capabilities *capabilities); /* and ready for use again */
/* Forgets what was known and takes this list instead. Every word counts for the bits, however long
 * the list. */
void imap_capabilities_take(struct imap_capabilities *capabilities, struct imap_span list);
