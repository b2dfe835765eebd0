/* Names of mail software in what it says of itself. The first row whose words occur names it:
 * special words before the ones that others use as well. */
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "probes/discover/provider.h"

/* `words`: found anywhere, in lower case; up to two, both must occur. */
struct fingerprint {
    const char *words, *also;
    const char *software;
};

static const struct fingerprint smtp_banners[] = {
    {"mx.google.com", NULL, "google"},
    {"gsmtp", NULL, "google"},
    {"protection.outlook.com", NULL, "microsoft365"},
    {"mx.microsoft", NULL, "microsoft365"},
    {"yahoo.com", "esmtp ready", "yahoo"},
    {"icloud.com", NULL, "icloud"},
    {"me.com esmtp", NULL, "icloud"},
    {"protonmail.ch", NULL, "proton"},
    {"zoho", "smtp", "zoho"},
    {"kundenserver.de", NULL, "ionos"},
    {"nemesis", NULL, "nemesis"},
    {"mail-in-a-box", NULL, "postfix"},
    {"postfix", NULL, "postfix"},
    {"opensmtpd", NULL, "opensmtpd"},
    {"exim", NULL, "exim"},
    {"sendmail", NULL, "sendmail"},
    {"qmail", NULL, "qmail"},
    {"haraka", NULL, "haraka"},
    {"stalwart", NULL, "stalwart"},
    {"maddy", NULL, "maddy"},
    {"esmtp mox", NULL, "mox"},
    {"halon", NULL, "halon"},
    {"kumomta", NULL, "kumomta"},
    {"zonemta", NULL, "zonemta"},
    {"wildduck", NULL, "wildduck"},
    {"apache james", NULL, "james"},
    {"james smtp", NULL, "james"},
    {"microsoft esmtp mail service", NULL, "exchange"},
    {"microsoft exchange", NULL, "exchange"},
    {"microsoft smtp", NULL, "exchange"},
    {"lotus domino", NULL, "domino"},
    {"hcl domino", NULL, "domino"},
    {"lotus", "smtp", "domino"},
    {"zimbra", NULL, "zimbra"},
    {"mdaemon", NULL, "mdaemon"},
    {"icewarp", NULL, "icewarp"},
    {"merak", NULL, "icewarp"},
    {"kerio", NULL, "kerio"},
    {"hmailserver", NULL, "hmailserver"},
    {"smartermail", NULL, "smartermail"},
    {"mailenable", NULL, "mailenable"},
    {"axigen", NULL, "axigen"},
    {"communigate", NULL, "communigate"},
    {"groupwise", NULL, "groupwise"},
    {"courier", NULL, "courier"},
    {"powermta", NULL, "powermta"},
    {"ecelerity", NULL, "momentum"},
    {"momentum", NULL, "momentum"},
    {"barracuda", NULL, "barracuda"},
    {"mimecast", NULL, "mimecast"},
    {"pphosted.com", NULL, "proofpoint"},
    {"proofpoint", NULL, "proofpoint"},
    {"iphmx.com", NULL, "cisco_esa"},
    {"ironport", NULL, "cisco_esa"},
    {"symantec", NULL, "symantec"},
    {"messagelabs", NULL, "symantec"},
    {"sonicwall", NULL, "sonicwall"},
    {"fortimail", NULL, "fortimail"},
    {"sophos", NULL, "sophos"},
    {"trend micro", NULL, "trendmicro"},
    {"trendmicro", NULL, "trendmicro"},
    {"watchguard", NULL, "watchguard"},
    {"mailsweeper", NULL, "mailsweeper"},
    {"csm internet mail scanner", NULL, "csm_mail_scanner"},
    {"mailsite", NULL, "mailsite"},
    {"argosoft", NULL, "argosoft"},
    {"appleshare", NULL, "appleshare"},
    {"netscape messaging", NULL, "netscape"},
    {"sun internet mail", NULL, "sims"},
    {"oracle communications", NULL, "oracle_messaging"},
    {"sun java", NULL, "oracle_messaging"},
    {"ntmail", NULL, "ntmail"},
    {"windowsnt smtp server", NULL, "ntmail"},
    {"pmailserver", NULL, "pmail"},
    {"slmail", NULL, "slmail"},
    {"zmailer", NULL, "zmailer"},
    {"winwebmail", NULL, "winwebmail"},
    {"coremail", NULL, "coremail"},
    {"xmail", NULL, "xmail"},
    {"mercury", NULL, "mercury"},
    {"surgemail", NULL, "surgemail"},
    {"surgesmtp", NULL, "surgemail"},
    {"esmtp perl", NULL, "qpsmtpd"},
    {"qpsmtpd", NULL, "qpsmtpd"},
    {"no uce no ube no relay probes", NULL, "twisted"},
    {" sap ", "esmtp service", "sap"},
    {"assp", NULL, "assp"},
    {"mailchannels", NULL, "mailchannels"},
    {"spamtitan", NULL, "spamtitan"},
    {"smtp-proxy", "smtpd", "sophos"},
    {"****", NULL, "hidden_by_firewall"},
};

static const struct fingerprint imap_greetings[] = {
    {"gimap", NULL, "gimap"},
    {"proton mail bridge", NULL, "proton_bridge"},
    {"iscream", NULL, "icloud"},
    {"xapplepushservice", "auth=atoken", "icloud"},
    {"stalwart", NULL, "stalwart"},
    {"dovecot", NULL, "dovecot"},
    {"cyrus", NULL, "cyrus"},
    {"courier", NULL, "courier"},
    {"zimbra", NULL, "zimbra"},
    {"zoho", NULL, "zoho"},
    {"mailo", NULL, "mailo"},
    {"microsoft exchange", NULL, "exchange"},
    {"domino", NULL, "domino"},
    {"xymhighestmodseq", NULL, "yahoo"},
    {"imap server up and ready", NULL, "yahoo"},
    {"communigate", NULL, "communigate"},
    {"mdaemon", NULL, "mdaemon"},
    {"icewarp", NULL, "icewarp"},
    {"kerio", NULL, "kerio"},
    {"hmailserver", NULL, "hmailserver"},
    {"smartermail", NULL, "smartermail"},
    {"mailenable", NULL, "mailenable"},
    {"axigen", NULL, "axigen"},
    {"groupwise", NULL, "groupwise"},
    {"james", NULL, "james"},
    {"coremail", NULL, "coremail"},
    {"wildduck", NULL, "wildduck"},
    {"mox imap", NULL, "mox"},
    {"perdition", NULL, "perdition"},
    {"uw imap", NULL, "uw_imap"},
    {"imap4rev1 2007", NULL, "uw_imap"},
    {"oracle communications", NULL, "oracle_messaging"},
    {"surgemail", NULL, "surgemail"},
    {"fastmail", NULL, "cyrus"},
    {"open-xchange", NULL, "dovecot"},
};

static const char *match(const struct fingerprint *rows, size_t count, const char *said)
{
    const char *software = NULL;
    char *lower = mem_copy_text(said); /* once, and not a search without case for each row */

    if (lower == NULL)
        return NULL;
    text_lower(lower);
    for (size_t i = 0; i < count && software == NULL; i++)
        if (strstr(lower, rows[i].words) != NULL &&
            (rows[i].also == NULL || strstr(lower, rows[i].also) != NULL))
            software = rows[i].software;
    free(lower);
    return software;
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
