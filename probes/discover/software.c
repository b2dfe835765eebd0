/* Names of mail software in what it says of itself. The first row whose words occur names it:
 * special words before the ones that others use as well. */
#include <string.h>

#include "probes/base/mem.h"
#include "probes/discover/provider.h"

/* `words`: found anywhere, case does not count; up to two, both must occur. */
struct fingerprint {
    const char *words, *also;
    const char *software;
};

static const struct fingerprint smtp_banners[] = {
    {"mx.google.com", NULL, "google"},
    {"gsmtp", NULL, "google"},
    {"protection.outlook.com", NULL, "microsoft365"},
    {"mx.microsoft", NULL, "microsoft365"},
    {"yahoo.com", "ESMTP ready", "yahoo"},
    {"icloud.com", NULL, "icloud"},
    {"me.com ESMTP", NULL, "icloud"},
    {"protonmail.ch", NULL, "proton"},
    {"Zoho", "SMTP", "zoho"},
    {"kundenserver.de", NULL, "ionos"},
    {"Nemesis", NULL, "nemesis"},
    {"Mail-in-a-Box", NULL, "postfix"},
    {"Postfix", NULL, "postfix"},
    {"OpenSMTPD", NULL, "opensmtpd"},
    {"Exim", NULL, "exim"},
    {"Sendmail", NULL, "sendmail"},
    {"qmail", NULL, "qmail"},
    {"Haraka", NULL, "haraka"},
    {"Stalwart", NULL, "stalwart"},
    {"Maddy", NULL, "maddy"},
    {"ESMTP mox", NULL, "mox"},
    {"Halon", NULL, "halon"},
    {"KumoMTA", NULL, "kumomta"},
    {"ZoneMTA", NULL, "zonemta"},
    {"WildDuck", NULL, "wildduck"},
    {"Apache JAMES", NULL, "james"},
    {"JAMES SMTP", NULL, "james"},
    {"Microsoft ESMTP MAIL Service", NULL, "exchange"},
    {"Microsoft Exchange", NULL, "exchange"},
    {"Microsoft SMTP", NULL, "exchange"},
    {"Lotus Domino", NULL, "domino"},
    {"HCL Domino", NULL, "domino"},
    {"Lotus", "SMTP", "domino"},
    {"Zimbra", NULL, "zimbra"},
    {"MDaemon", NULL, "mdaemon"},
    {"IceWarp", NULL, "icewarp"},
    {"Merak", NULL, "icewarp"},
    {"Kerio", NULL, "kerio"},
    {"hMailServer", NULL, "hmailserver"},
    {"SmarterMail", NULL, "smartermail"},
    {"MailEnable", NULL, "mailenable"},
    {"Axigen", NULL, "axigen"},
    {"CommuniGate", NULL, "communigate"},
    {"GroupWise", NULL, "groupwise"},
    {"Courier", NULL, "courier"},
    {"PowerMTA", NULL, "powermta"},
    {"ecelerity", NULL, "momentum"},
    {"Momentum", NULL, "momentum"},
    {"Barracuda", NULL, "barracuda"},
    {"mimecast", NULL, "mimecast"},
    {"pphosted.com", NULL, "proofpoint"},
    {"Proofpoint", NULL, "proofpoint"},
    {"iphmx.com", NULL, "cisco_esa"},
    {"IronPort", NULL, "cisco_esa"},
    {"Symantec", NULL, "symantec"},
    {"messagelabs", NULL, "symantec"},
    {"SonicWall", NULL, "sonicwall"},
    {"FortiMail", NULL, "fortimail"},
    {"Sophos", NULL, "sophos"},
    {"Trend Micro", NULL, "trendmicro"},
    {"TrendMicro", NULL, "trendmicro"},
    {"WatchGuard", NULL, "watchguard"},
    {"MAILsweeper", NULL, "mailsweeper"},
    {"CSM Internet Mail Scanner", NULL, "csm_mail_scanner"},
    {"MailSite", NULL, "mailsite"},
    {"ArGoSoft", NULL, "argosoft"},
    {"AppleShare", NULL, "appleshare"},
    {"Netscape Messaging", NULL, "netscape"},
    {"Sun Internet Mail", NULL, "sims"},
    {"Oracle Communications", NULL, "oracle_messaging"},
    {"Sun Java", NULL, "oracle_messaging"},
    {"NTMail", NULL, "ntmail"},
    {"WindowsNT SMTP Server", NULL, "ntmail"},
    {"PMailServer", NULL, "pmail"},
    {"SLMail", NULL, "slmail"},
    {"ZMailer", NULL, "zmailer"},
    {"WinWebMail", NULL, "winwebmail"},
    {"Coremail", NULL, "coremail"},
    {"XMail", NULL, "xmail"},
    {"Mercury", NULL, "mercury"},
    {"SurgeMail", NULL, "surgemail"},
    {"SurgeSMTP", NULL, "surgemail"},
    {"ESMTP Perl", NULL, "qpsmtpd"},
    {"qpsmtpd", NULL, "qpsmtpd"},
    {"NO UCE NO UBE NO RELAY PROBES", NULL, "twisted"},
    {" SAP ", "ESMTP service", "sap"},
    {"ASSP", NULL, "assp"},
    {"MailChannels", NULL, "mailchannels"},
    {"SpamTitan", NULL, "spamtitan"},
    {"SMTP-PROXY", "Smtpd", "sophos"},
    {"****", NULL, "hidden_by_firewall"},
};

static const struct fingerprint imap_greetings[] = {
    {"Gimap", NULL, "gimap"},
    {"Proton Mail Bridge", NULL, "proton_bridge"},
    {"iscream", NULL, "icloud"},
    {"XAPPLEPUSHSERVICE", "AUTH=ATOKEN", "icloud"},
    {"Stalwart", NULL, "stalwart"},
    {"Dovecot", NULL, "dovecot"},
    {"Cyrus", NULL, "cyrus"},
    {"Courier", NULL, "courier"},
    {"Zimbra", NULL, "zimbra"},
    {"Zoho", NULL, "zoho"},
    {"MAILO", NULL, "mailo"},
    {"Microsoft Exchange", NULL, "exchange"},
    {"Domino", NULL, "domino"},
    {"XYMHIGHESTMODSEQ", NULL, "yahoo"},
    {"IMAP Server up and ready", NULL, "yahoo"},
    {"CommuniGate", NULL, "communigate"},
    {"MDaemon", NULL, "mdaemon"},
    {"IceWarp", NULL, "icewarp"},
    {"Kerio", NULL, "kerio"},
    {"hMailServer", NULL, "hmailserver"},
    {"SmarterMail", NULL, "smartermail"},
    {"MailEnable", NULL, "mailenable"},
    {"Axigen", NULL, "axigen"},
    {"GroupWise", NULL, "groupwise"},
    {"JAMES", NULL, "james"},
    {"Coremail", NULL, "coremail"},
    {"WildDuck", NULL, "wildduck"},
    {"mox imap", NULL, "mox"},
    {"perdition", NULL, "perdition"},
    {"UW IMAP", NULL, "uw_imap"},
    {"IMAP4rev1 2007", NULL, "uw_imap"},
    {"Oracle Communications", NULL, "oracle_messaging"},
    {"SurgeMail", NULL, "surgemail"},
    {"Fastmail", NULL, "cyrus"},
    {"Open-Xchange", NULL, "dovecot"},
};

static const char *match(const struct fingerprint *rows, size_t count, const char *said)
{
    for (size_t i = 0; said != NULL && i < count; i++) {
        if (strcasestr(said, rows[i].words) != NULL &&
            (rows[i].also == NULL || strcasestr(said, rows[i].also) != NULL))
            return rows[i].software;
    }
    return NULL;
}

const char *software_from_smtp_banner(const char *banner)
{
    return match(smtp_banners, ARRAY_LENGTH(smtp_banners), banner);
}

const char *software_from_imap_greeting(const char *greeting, const char *id_response)
{
    /* ID (RFC 2971) is an answer about itself; a greeting may be anybody's text. */
    const char *software = match(imap_greetings, ARRAY_LENGTH(imap_greetings), id_response);

    return software != NULL ? software
                            : match(imap_greetings, ARRAY_LENGTH(imap_greetings), greeting);
}
