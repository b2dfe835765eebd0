/* wordings.h - texts of replies to RCPT and the class they are to have, whatever rule says so. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "probes/smtp/classify.h"

struct wording {
    uint16_t code;
    const char *text;
    enum reply_class class;
};

/* Names each that has another class; how many there are. */
size_t wordings_misread(const struct wording *wordings, size_t count);
