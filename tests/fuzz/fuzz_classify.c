/* Fuzzes the meaning of replies: any text, any code, and our names taken from the input as well.
 * Whatever comes, there is a class, a rule id, and the same answer twice. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/smtp/classify.h"
#include "probes/smtp/reply_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADER = 6 };

static void require(bool promise)
{
    if (!promise)
        abort();
}

/* The text up to the first '\n' serves as every name of ours and theirs. */
static void classify(const uint8_t header[HEADER], const char *name, const char *text)
{
    struct reply_context context = {.stage = (enum smtp_stage)(header[2] % SMTP_STAGE_COUNT),
                                    .recipient = name,
                                    .mail_from = name,
                                    .our_address = "198.51.100.77",
                                    .our_name = header[3] % 2 == 0 ? name : NULL,
                                    .server_host = header[3] % 3 == 0 ? name : NULL,
                                    .provider = header[3] % 5 == 0 ? "outlook" : NULL,
                                    .first_contact = header[3] % 7 == 0};
    uint16_t code = (uint16_t)(header[0] % 8 * 100 + header[1] % 100);
    const uint8_t enhanced[3] = {(uint8_t)(header[4] % 6), (uint8_t)(header[4] / 6 % 8), header[5]};
    struct reply_meaning first = reply_classify(code, enhanced, text, &context);
    struct reply_meaning second = reply_classify(code, enhanced, text, &context);

    require(first.class < REPLY_CLASS_COUNT && first.rule != NULL && first.rule[0] == 'C');
    require(first.class == second.class && first.rule == second.rule);
    require(code / 100 == 2 || first.class != REPLY_ACCEPTED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[160];

    if (size < HEADER)
        return 0;
    char *text = mem_copy_bytes((const char *)data + HEADER, size - HEADER);
    char *name = mem_copy_text(text);
    name[strcspn(name, "\n")] = '\0';
    classify(data, name, text);
    if (data[0] == 'R') { /* a rule file */
        struct reply_rules *rules = reply_rules_parse(text, strlen(text), error, sizeof(error));
        reply_rules_free(&rules);
    }
    free(name);
    free(text);
    return 0;
}
