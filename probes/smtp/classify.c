/* The rules are data (data/reply_rules.txt); here a reply is made ready for them. */
#include "probes/smtp/classify.h"

#include <string.h>

#include "probes/smtp/reply_rules.h"

/* What is said on connecting is a greeting. QUIT stands for "after RCPT, or not known when". */
static enum smtp_stage stage_of(const struct reply_context *context)
{
    if (context == NULL || (unsigned)context->stage >= SMTP_STAGE_COUNT)
        return SMTP_STAGE_QUIT;
    return context->stage == SMTP_STAGE_CONNECT ? SMTP_STAGE_GREETING : context->stage;
}

/* The code in front of the text, unless it leaves more to say than one inside the text: none,
 * X.0.0, or a detail that does not fit an octet (Microsoft 5.7.606), which is then 0. */
static void choose_enhanced(uint16_t chosen[3], const uint8_t said[3], const uint16_t found[3])
{
    bool vague =
        said == NULL || said[0] == 0 || (said[2] == 0 && (said[1] == 0 || said[1] == found[1]));

    for (size_t i = 0; i < 3; i++)
        chosen[i] = vague && found[0] != 0 ? found[i] : said == NULL ? 0 : said[i];
}

struct reply_meaning reply_classify(uint16_t code, const uint8_t enhanced[3], const char *text,
                                    const struct reply_context *context)
{
    struct reply_words words;

    reply_words_make(&words, code, text == NULL ? "" : text, context);
    struct reply_query query = {.stage = stage_of(context),
                                .first_contact = context != NULL && context->first_contact,
                                .code = code,
                                .provider = context == NULL ? NULL : context->provider,
                                .words = &words};
    choose_enhanced(query.enhanced, enhanced, words.enhanced);
    /* "550 2.3.4": a code of success on a refusal says nothing. The class digits 4 and 5 may
     * be mixed up (Postfix: 450 4.1.1, 525 4.7.13), the basic code decides between them. */
    if ((query.enhanced[0] == 2) != (code / 100 == 2))
        memset(query.enhanced, 0, sizeof(query.enhanced));
    return reply_rules_match(reply_rules_current(), &query);
}
