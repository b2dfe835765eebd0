#include "tests/lab/replies.h"

#include <inttypes.h>
#include <string.h>

#include "probes/base/mem.h"

// NOLINTBEGIN(bugprone-suspicious-missing-comma): long replies are joined literals
/* $h host, $r recipient, $c client address. No word here may blame the client by accident. */
static const char *const phrases[STYLE_COUNT][SAY_TOPIC_COUNT] = {
    [STYLE_POSTFIX] =
        {[SAY_GREETING] = "220 $h ESMTP Postfix",
         [SAY_ACCEPTED] = "250 2.1.5 Ok",
         [SAY_UNKNOWN] =
             "550 5.1.1 <$r>: Recipient address rejected: User unknown in virtual mailbox table",
         [SAY_FULL_452] = "452 4.2.2 <$r>: Recipient address rejected: Mailbox is full and cannot "
                          "receive more mail",
         [SAY_FULL_552] = "552 5.2.2 <$r>: Recipient address rejected: Mailbox over quota",
         [SAY_DISABLED] =
             "550 5.2.1 <$r>: Recipient address rejected: This account has been disabled",
         [SAY_RESTRICTED] = "550 5.7.2 <$r>: Recipient address rejected: this list only accepts "
                            "mail from its members",
         [SAY_RATE_LIMITED] = "450 4.2.1 <$r>: Recipient address rejected: this user is receiving "
                              "mail at a rate that "
                              "prevents additional messages from being delivered",
         [SAY_MOVED] =
             "551 5.1.6 <$r>: Recipient address rejected: User has moved to another address",
         [SAY_GREYLISTED] = "450 4.2.0 <$r>: Recipient address rejected: Greylisted, see "
                            "http://postgrey.schweikert.ch/help/virtual.html",
         [SAY_TEMPORARY] = "451 4.4.3 <$r>: Recipient lookup failed in the directory of this site",
         [SAY_RELAY_DENIED] = "554 5.7.1 <$r>: Relay access denied"},
    [STYLE_EXIM] = {[SAY_GREETING] = "220 $h ESMTP Exim 4.96 Sun, 22 Nov 2026 10:00:00 +0000",
                    [SAY_ACCEPTED] = "250 Accepted",
                    [SAY_UNKNOWN] = "550 No Such User Here",
                    [SAY_FULL_452] = "452 Mailbox is full",
                    [SAY_FULL_552] = "552 Mailbox is full",
                    [SAY_DISABLED] = "550 Account disabled",
                    [SAY_RESTRICTED] = "550 This list only accepts mail from its members",
                    [SAY_RATE_LIMITED] = "450 This user is receiving mail too quickly",
                    [SAY_MOVED] = "551 User has moved",
                    [SAY_GREYLISTED] = "451 Greylisted, please try again in $g seconds",
                    [SAY_TEMPORARY] = "451 Temporary local problem",
                    [SAY_RELAY_DENIED] = "550 relay not permitted"},
    [STYLE_SENDMAIL] =
        {[SAY_GREETING] = "220 $h ESMTP Sendmail 8.17.1/8.17.1; Sun, 22 Nov 2026 10:00:00 GMT",
         [SAY_ACCEPTED] = "250 2.1.5 <$r>... Recipient ok",
         [SAY_UNKNOWN] = "550 5.1.1 <$r>... User unknown",
         [SAY_FULL_452] = "452 4.2.2 <$r>... Mailbox full",
         [SAY_FULL_552] = "552 5.2.2 <$r>... Over quota",
         [SAY_DISABLED] = "550 5.2.1 <$r>... Mailbox disabled for this recipient",
         [SAY_RESTRICTED] = "550 5.7.2 <$r>... only accepts mail from members of the list",
         [SAY_RATE_LIMITED] = "450 4.2.1 <$r>... is receiving mail too quickly right now",
         [SAY_MOVED] = "551 5.1.6 <$r>... User has moved",
         [SAY_GREYLISTED] = "451 4.7.1 <$r>... Greylisting in action, please come back later",
         [SAY_TEMPORARY] = "451 4.4.3 <$r>... directory lookup failed",
         [SAY_RELAY_DENIED] = "550 5.7.1 <$r>... Relaying denied"},
    [STYLE_EXCHANGE] =
        {[SAY_GREETING] =
             "220 $h Microsoft ESMTP MAIL Service ready at Sun, 22 Nov 2026 10:00:00 +0000",
         [SAY_ACCEPTED] = "250 2.1.5 Recipient OK",
         [SAY_UNKNOWN] = "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP "
                         "address lookup",
         [SAY_FULL_452] = "452 4.2.2 The recipient's mailbox is full",
         [SAY_FULL_552] = "552 5.2.2 The recipient's mailbox is full",
         [SAY_DISABLED] = "550 5.2.1 The recipient's mailbox is disabled",
         [SAY_RESTRICTED] = "550 5.7.2 This group only accepts mail from its members",
         [SAY_MOVED] = "551 5.1.6 The recipient has moved",
         [SAY_GREYLISTED] = "451 4.7.1 Greylisted for $g seconds",
         [SAY_TEMPORARY] = "451 4.4.3 Directory lookup failed",
         [SAY_RELAY_DENIED] = "550 5.7.1 Message relay not permitted for <$r>"},
    [STYLE_OPENSMTPD] = {[SAY_GREETING] = "220 $h ESMTP OpenSMTPD",
                         [SAY_ACCEPTED] = "250 2.1.5 Destination address valid: Recipient ok",
                         [SAY_UNKNOWN] = "550 Invalid recipient: <$r>",
                         [SAY_FULL_452] = "452 4.2.2 Mailbox full",
                         [SAY_FULL_552] = "552 5.2.2 Mailbox full",
                         [SAY_DISABLED] = "550 5.2.1 Mailbox disabled",
                         [SAY_GREYLISTED] = "451 4.7.1 Greylisted, please try again later",
                         [SAY_RELAY_DENIED] = "550 5.7.1 Relaying denied: <$r>"},
    [STYLE_PLAIN] =
        {[SAY_GREETING] = "220 $h ready",
         [SAY_ACCEPTED] = "250 Ok",
         [SAY_UNKNOWN] =
             "550 User unknown",
         [SAY_FULL_452] = "452 Mailbox full",
         [SAY_FULL_552] = "552 Mailbox over quota",
         [SAY_DISABLED] = "550 Mailbox disabled",
         [SAY_RESTRICTED] = "550 This mailbox only accepts mail from members of the list",
         [SAY_RATE_LIMITED] =
             "450 The user is receiving mail at a rate that prevents additional messages",
         [SAY_MOVED] = "551 User has moved",
         [SAY_ABANDONED] = "552 5.2.2 The mailbox is over quota and inactive",
         [SAY_GREYLISTED] = "451 Greylisted",
         [SAY_TEMPORARY] = "451 Local error in processing",
         [SAY_RELAY_DENIED] = "550 Relaying denied"},
    [STYLE_GOOGLE] =
        {[SAY_GREETING] = "220 mx.google.com ESMTP a640c23a62f3a-b73654 - gsmtp",
         [SAY_ACCEPTED] =
             "250 2.1.5 OK a640c23a62f3a-b73654 - gsmtp",
         [SAY_UNKNOWN] =
             "550-5.1.1 The email account that you tried to reach does not exist. Please try\n"
             "550-5.1.1 double-checking the recipient's email address for typos or\n"
             "550-5.1.1 unnecessary spaces. For more information, go to\n"
             "550 5.1.1  https://support.google.com/mail/?p=NoSuchUser a640c23a62f3a-b73654 - "
             "gsmtp",
         [SAY_FULL_452] =
             "452-4.2.2 The recipient's inbox is out of storage space. Please direct the\n"
             "452-4.2.2 recipient to\n"
             "452 4.2.2  https://support.google.com/mail/?p=OverQuotaTemp a640c23a62f3a-b73654 - "
             "gsmtp",
         [SAY_DISABLED] =
             "550-5.2.1 The email account that you tried to reach is disabled. For more\n"
             "550-5.2.1 information, go to\n"
             "550 5.2.1  https://support.google.com/mail/?p=DisabledUser a640c23a62f3a-b73654 - "
             "gsmtp",
         [SAY_RATE_LIMITED] =
             "450-4.2.1 The user you are trying to contact is receiving mail at a rate that\n"
             "450-4.2.1 prevents additional messages from being delivered. Please resend your\n"
             "450-4.2.1 message at a later time. If the user is able to receive mail at that\n"
             "450-4.2.1 time, your message will be delivered. For more information, go to\n"
             "450 4.2.1  https://support.google.com/mail/?p=ReceivingRate a640c23a62f3a-b73654 - "
             "gsmtp",
         [SAY_ABANDONED] =
             "552-5.2.2 The recipient's inbox is out of storage space and inactive. Please\n"
             "552-5.2.2 direct the recipient to\n"
             "552 5.2.2  https://support.google.com/mail/?p=OverQuotaPerm a640c23a62f3a-b73654 - "
             "gsmtp"},
    [STYLE_M365] =
        {[SAY_GREETING] =
             "220 AM0EUR02FT012.mail.protection.outlook.com Microsoft ESMTP MAIL Service ready at "
             "Sun, 22 Nov 2026 10:00:00 +0000 [08DE27A1C2B3D4E5]",
         [SAY_ACCEPTED] = "250 2.1.5 Recipient OK",
         [SAY_UNKNOWN] =
             "550 5.4.1 Recipient address rejected: Access denied. For more information see "
             "https://aka.ms/EXOSmtpErrors [AM0EUR02FT012.eop-EUR02.prod.protection.outlook.com "
             "2026-11-22T10:00:00.000Z 08DE27A1C2B3D4E5]"},
    [STYLE_YAHOO] = {[SAY_GREETING] = "220 mtaproxy511.free.mail.bf1.yahoo.com ESMTP ready",
                     [SAY_ACCEPTED] = "250 recipient <$r> ok"},
    [STYLE_YANDEX] = {[SAY_GREETING] =
                          "220 mail-nwsmtp-mxfront-production-main-52.iva.yp-c.yandex.net (Want to "
                          "use Yandex.Mail "
                          "for your domain? Visit http://pdd.yandex.ru)",
                      [SAY_ACCEPTED] = "250 2.1.5 <$r> recipient ok",
                      [SAY_UNKNOWN] = "550 5.7.1 No such user!"},
    [STYLE_GMX] = {[SAY_GREETING] = "220 gmx.net (mxgmx016) Nemesis ESMTP Service ready",
                   [SAY_ACCEPTED] = "250 Requested mail action okay, completed",
                   [SAY_UNKNOWN] = "550 Requested action not taken: mailbox unavailable"},
};

// NOLINTEND(bugprone-suspicious-missing-comma)

static const char *const style_names[STYLE_COUNT] = {"postfix",   "exim",   "sendmail", "exchange",
                                                     "opensmtpd", "plain",  "google",   "m365",
                                                     "yahoo",     "yandex", "gmx"};

const char *reply_style_name(enum reply_style style) { return style_names[style]; }

bool reply_style_parse(const char *name, enum reply_style *style)
{
    for (unsigned i = 0; i < STYLE_COUNT; i++)
        if (strcmp(style_names[i], name) == 0) {
            *style = (enum reply_style)i;
            return true;
        }
    return false;
}

void reply_expand(struct text *out, const char *pattern, const struct reply_words *words)
{
    for (;;) {
        const char *mark = strchr(pattern, '$');

        if (mark == NULL)
            break;
        text_add(out, pattern, (size_t)(mark - pattern));
        if (mark[1] == 'g')
            text_format(out, "%" PRIu32, words->greylist_s);
        else
            text_put(out, mark[1] == 'h'   ? words->host
                          : mark[1] == 'r' ? words->recipient
                                           : words->client);
        pattern = mark + 2;
    }
    text_put(out, pattern);
}

static const char *phrase_of(enum reply_style style, enum reply_topic topic)
{
    const char *phrase = phrases[style][topic];

    return phrase != NULL ? phrase : phrases[STYLE_PLAIN][topic];
}

bool reply_names_wait(enum reply_style style)
{
    return strstr(phrase_of(style, SAY_GREYLISTED), "$g") != NULL;
}

void reply_say(struct text *out, enum reply_style style, enum reply_topic topic,
               const struct reply_words *words)
{
    reply_expand(out, phrase_of(style, topic), words);
}
