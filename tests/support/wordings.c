/* wordings.c - see wordings.h. */
#include "tests/support/wordings.h"

#include <stdio.h>

size_t wordings_misread(const struct wording *wordings, size_t count)
{
    struct reply_context context = {.stage = SMTP_STAGE_RCPT,
                                    .recipient = "joe@customer.example",
                                    .mail_from = "check@probe.example.net",
                                    .our_address = "198.51.100.77",
                                    .our_name = "scan.probe.example.net",
                                    .server_host = "mx1.mailhost.example.org"};
    size_t wrong = 0;

    for (size_t i = 0; i < count; i++) {
        const struct wording *w = &wordings[i];
        struct reply_meaning have = reply_classify(w->code, NULL, w->text, &context);
        if (have.class == w->class)
            continue;
        wrong++;
        fprintf(stderr, "%u %s: %s by %s, wanted %s\n", w->code, w->text,
                reply_class_name(have.class), have.rule, reply_class_name(w->class));
    }
    return wrong;
}
