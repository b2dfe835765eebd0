/* test_provider.c - who runs a domain's mail, where its IMAP is, what software introduces itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "probes/base/mem.h"
#include "probes/discover/provider.h"

static void expect_text(const char *label, const char *have, const char *want)
{
    if ((have == NULL) != (want == NULL) || (have != NULL && strcmp(have, want) != 0))
        fail_msg("%s: %s, wanted %s", label, have == NULL ? "nothing" : have,
                 want == NULL ? "nothing" : want);
}

/* --- by MX ---------------------------------------------------------------------------------- */

static const struct mx_case {
    const char *mx, *key;
    enum provider_truth truth;
    bool gateway, parking;
} mx_cases[] = {
    {"aspmx.l.google.com", "google", PROVIDER_DISCRIMINATES, false, false},
    {"ASPMX2.GOOGLEMAIL.COM", "google", PROVIDER_DISCRIMINATES, false, false},
    {"outlook-com.olc.protection.outlook.com", "outlook", PROVIDER_DISCRIMINATES, false, false},
    {"example-com.mail.protection.outlook.com", "microsoft365", PROVIDER_TRUTHFUL, false, false},
    {"example-com.x-v1.mx.microsoft", "microsoft365", PROVIDER_TRUTHFUL, false, false},
    {"mta5.am0.yahoodns.net", "yahoo", PROVIDER_OPAQUE, false, false},
    {"mx01.mail.icloud.com", "apple", PROVIDER_DISCRIMINATES, false, false},
    {"mail.protonmail.ch", "proton", PROVIDER_TRUTHFUL, false, false},
    {"in1-smtp.messagingengine.com", "fastmail", PROVIDER_TRUTHFUL, false, false},
    {"mx2.zoho.eu", "zoho", PROVIDER_TRUTHFUL, false, false},
    {"mx00.gmx.net", "gmx", PROVIDER_TRUTHFUL, false, false},
    {"mx-ha02.web.de", "gmx", PROVIDER_TRUTHFUL, false, false},
    {"mx01.ionos.de", "ionos", PROVIDER_TRUTHFUL, false, false},
    {"emx.mail.ru", "mailru", PROVIDER_OPAQUE, false, false},
    {"mx.yandex.net", "yandex", PROVIDER_TRUTHFUL, false, false},
    {"mx3.qq.com", "qq", PROVIDER_UNKNOWN, false, false},
    {"qiye163mx01.mxmail.netease.com", "netease", PROVIDER_TRUTHFUL, false, false},
    {"mxa-00112233.gslb.pphosted.com", "proofpoint", PROVIDER_TRUTHFUL, true, false},
    {"mx1-us1.ppe-hosted.com", "proofpointessentials", PROVIDER_UNKNOWN, true, false},
    {"eu-smtp-inbound-1.mimecast.com", "mimecast", PROVIDER_UNKNOWN, true, false},
    {"d1.ess.barracudanetworks.com", "barracuda", PROVIDER_UNKNOWN, true, false},
    {"mx1.hc1234.iphmx.com", "cisco", PROVIDER_UNKNOWN, true, false},
    {"mx.antispamcloud.com", "spamexperts", PROVIDER_UNKNOWN, true, false},
    {"inbound-smtp.eu-west-1.amazonaws.com", "amazon", PROVIDER_UNKNOWN, false, false},
    {"park-mx.above.com", "parking", PROVIDER_UNKNOWN, false, true},
    {"mx1.h-email.net", "parking", PROVIDER_UNKNOWN, false, true},
};

static void mx_names_tell_the_provider(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(mx_cases); i++) {
        const struct mx_case *c = &mx_cases[i];
        const struct provider *provider = provider_by_mx(c->mx);
        expect_text(c->mx, provider == NULL ? NULL : provider->key, c->key);
        if (provider->truth != c->truth || provider->gateway != c->gateway ||
            provider->parking != c->parking || provider->name == NULL)
            fail_msg("%s: truth %d, gateway %d, parking %d", c->mx, (int)provider->truth,
                     provider->gateway, provider->parking);
    }
}

static const char *const nobodys[] = {
    "mx.example.net",
    "notgoogle.com",
    "google.com.example",
    "ec2-198-51-100-7.compute-1.amazonaws.com",
    "above.com",
    "xyahoodns.net",
    "protection.example",
    "localhost",
    "",
    ".",
    "..",
    "com",
};

static void other_names_tell_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(nobodys); i++) {
        const struct provider *provider = provider_by_mx(nobodys[i]);
        expect_text(nobodys[i], provider == NULL ? NULL : provider->key, NULL);
    }
    assert_null(provider_by_mx(NULL));
}

static void limits_are_read(void **state)
{
    (void)state;
    const struct provider *apple = provider_by_mx("mx01.mail.icloud.com");
    const struct provider *netease = provider_by_mx("mx.netease.com");

    assert_int_equal(apple->lane_connections, 0);
    assert_int_equal(apple->recipients_per_session, 5);
    assert_int_equal(netease->lane_connections, 1);
    assert_int_equal(netease->transaction_gap_ms, 2000);
    assert_int_equal(provider_by_mx("mx1.iphmx.com")->rejects_per_session, 2);
}

static const struct owner_case {
    const char *label, *mx, *domain;
    bool owned;
} owner_cases[] = {
    {"gmail", "aspmx.l.google.com", "gmail.com", true},
    {"case", "aspmx.l.google.com", "Googlemail.COM", true},
    {"a Workspace customer", "aspmx.l.google.com", "example.com", false},
    {"no suffix match", "aspmx.l.google.com", "sub.gmail.com", false},
    {"hotmail", "hotmail-com.olc.protection.outlook.com", "hotmail.co.uk", true},
    {"hotmail, but by the business MX", "x.mail.protection.outlook.com", "hotmail.co.uk", false},
    {"me.com", "mx01.mail.icloud.com", "me.com", true},
    {"another's", "mx01.mail.icloud.com", "gmail.com", false},
    {"yahoo", "mta5.am0.yahoodns.net", "yahoo.fr", true},
};

static void consumer_domains_have_owners(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(owner_cases); i++) {
        const struct owner_case *c = &owner_cases[i];
        if (provider_owns_domain(provider_by_mx(c->mx), c->domain) != c->owned)
            fail_msg("%s: wanted %d", c->label, c->owned);
    }
    assert_false(provider_owns_domain(NULL, "gmail.com"));
    assert_false(provider_owns_domain(provider_by_mx("mx.yandex.ru"), NULL));
}

/* --- IMAP ------------------------------------------------------------------------------------ */

static const struct imap_case {
    const char *domain, *mx; /* mx NULL = not known */
    bool known, offered;
    size_t count;
    const char *host;
    uint16_t port, starttls; /* of the last endpoint */
} imap_cases[] = {
    {"gmail.com", NULL, true, true, 1, "imap.gmail.com", 993, 0},
    {"example.com", "aspmx.l.google.com", true, true, 1, "imap.gmail.com", 993, 0},
    {"example.com", "x.mail.protection.outlook.com", true, true, 1, "outlook.office365.com", 993,
     0},
    {"hotmail.fr", NULL, true, true, 1, "outlook.office365.com", 993, 0},
    {"gmx.net", NULL, true, true, 2, "imap.gmx.net", 143, 1},
    {"web.de", "mx-ha02.web.de", true, true, 2, "imap.web.de", 143, 1},
    {"aol.com", "mx-aol.mail.gm0.yahoodns.net", true, true, 1, "imap.aol.com", 993, 0},
    {"yahoo.de", NULL, true, true, 2, "export.imap.mail.yahoo.com", 993, 0},
    {"tim.it", NULL, true, true, 1, "imap.tim.it", 143, 1},
    {"proton.me", NULL, true, false, 0, NULL, 0, 0},
    {"example.com", "mail.protonmail.ch", true, false, 0, NULL, 0, 0},
    {"tutanota.com", NULL, true, false, 0, NULL, 0, 0},
    {"example.com", "mxa.gslb.pphosted.com", false, false, 0, NULL, 0, 0},
    {"example.com", NULL, false, false, 0, NULL, 0, 0},
    {NULL, NULL, false, false, 0, NULL, 0, 0},
};

static void imap_is_where_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(imap_cases); i++) {
        const struct imap_case *c = &imap_cases[i];
        struct provider_imap imap = provider_imap(c->domain, provider_by_mx(c->mx));
        const struct provider_endpoint *last =
            imap.count == 0 ? NULL : &imap.endpoints[imap.count - 1];
        if (imap.known != c->known || imap.offered != c->offered || imap.count != c->count)
            fail_msg("%s by %s: known %d, offered %d, count %zu", c->domain, c->mx, imap.known,
                     imap.offered, imap.count);
        expect_text(c->domain, last == NULL ? NULL : last->host, c->host);
        if (last != NULL && (last->port != c->port || last->starttls != c->starttls))
            fail_msg("%s: port %d, starttls %d", c->domain, last->port, last->starttls);
    }
}

/* --- software -------------------------------------------------------------------------------- */

static const struct software_case {
    const char *said, *id, *software;
} smtp_cases[] = {
    {"mx.example.net ESMTP Postfix (Debian/GNU)", NULL, "postfix"},
    {"mx.example.net ESMTP Exim 4.96 Sun, 22 Nov 2026 10:00:00 +0000", NULL, "exim"},
    {"mx.example.net ESMTP Sendmail 8.17.1/8.17.1; Sun, 22 Nov 2026", NULL, "sendmail"},
    {"mx.example.net ESMTP OpenSMTPD", NULL, "opensmtpd"},
    {"mx.example.net Microsoft ESMTP MAIL Service ready at Sun", NULL, "exchange"},
    {"BN1.mail.protection.outlook.com Microsoft ESMTP MAIL Service ready", NULL, "microsoft365"},
    {"mx.google.com ESMTP a640c23a62f3a-b73654 - gsmtp", NULL, "google"},
    {"mx.example.net ESMTP CommuniGate Pro 6.2c3", NULL, "communigate"},
    {"***************************", NULL, "hidden_by_firewall"},
    {"mx.example.net ESMTP", NULL, NULL},
    {"", NULL, NULL},
    {NULL, NULL, NULL},
};

static const struct software_case imap_software[] = {
    {"* OK [CAPABILITY IMAP4rev1 SASL-IR] Dovecot (Ubuntu) ready.", NULL, "dovecot"},
    {"* OK ready", "* ID (\"name\" \"Cyrus IMAPD\" \"version\" \"3.8\")", "cyrus"},
    {"* OK this is not Dovecot", "* ID (\"name\" \"Stalwart\")", "stalwart"},
    {"* OK The Microsoft Exchange IMAP4 service is ready.", NULL, "exchange"},
    {"* OK Gimap ready for requests from 198.51.100.7", NULL, "gimap"},
    {"* OK IMAP4rev1 ready", "* ID NIL", NULL},
    {NULL, NULL, NULL},
};

static void software_introduces_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(smtp_cases); i++)
        expect_text(smtp_cases[i].said, software_from_smtp_banner(smtp_cases[i].said),
                    smtp_cases[i].software);
    for (size_t i = 0; i < ARRAY_LENGTH(imap_software); i++) {
        const struct software_case *c = &imap_software[i];
        expect_text(c->said, software_from_imap_greeting(c->said, c->id), c->software);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mx_names_tell_the_provider),
        cmocka_unit_test(other_names_tell_nothing),
        cmocka_unit_test(limits_are_read),
        cmocka_unit_test(consumer_domains_have_owners),
        cmocka_unit_test(imap_is_where_the_table_says),
        cmocka_unit_test(software_introduces_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
