/* test_classify.c - what replies mean: a reply for every rule, the clashes, false friends, and the
 * reading of rule files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probes/base/mem.h"
#include "probes/smtp/classify.h"
#include "probes/smtp/reply_rules.h"

#define RECIPIENT "joe.bloggs@customer.example"
#define SENDER    "check@probe.example.net"
#define ADDRESS   "198.51.100.77"
#define NAME      "scan.probe.example.net"
#define SERVER    "mx1.antispam.example.org"

enum { LATER = SMTP_STAGE_COUNT, FIRST }; /* stage not known; RCPT on a first contact */

/* Lines of a text are joined as a parsed reply has them; an enhanced code stands in front. */
struct reply_case {
    int stage;
    uint16_t code;
    const char *text;
    enum reply_class class;
    const char *rule;
};

#define GREETING SMTP_STAGE_GREETING
#define EHLO     SMTP_STAGE_EHLO
#define TLS      SMTP_STAGE_TLS
#define MAIL     SMTP_STAGE_MAIL
#define RCPT     SMTP_STAGE_RCPT

static struct reply_meaning classify(const struct reply_case *c, const char *provider)
{
    struct reply_context context = {
        .stage = c->stage == FIRST   ? SMTP_STAGE_RCPT
                 : c->stage == LATER ? SMTP_STAGE_QUIT
                                     : (enum smtp_stage)c->stage,
        .recipient = RECIPIENT,
        .mail_from = SENDER,
        .our_address = ADDRESS,
        .our_name = NAME,
        .server_host = SERVER,
        .provider = provider,
        .first_contact = c->stage == FIRST,
    };
    return reply_classify(c->code, NULL, c->text, &context);
}

static void expect(const struct reply_case *c, struct reply_meaning have)
{
    if (have.class != c->class || strcmp(have.rule, c->rule) != 0)
        fail_msg("%u %s: %s by %s, wanted %s by %s", c->code, c->text, reply_class_name(have.class),
                 have.rule, reply_class_name(c->class), c->rule);
}

/* --- a reply for every rule ------------------------------------------------------------------ */

static const struct reply_case rule_cases[] = {
    {RCPT, 250, "2.1.5 Ok", REPLY_ACCEPTED, "C1"},
    {RCPT, 251, "2.1.5 User not local; will forward", REPLY_ACCEPTED, "C2"},
    {RCPT, 252, "Cannot VRFY user, but will accept message", REPLY_ACCEPTED, "C3"},
    {RCPT, 354, "Start mail input", REPLY_PROTOCOL_ERROR, "C4"},

    {RCPT, 550, "5.4.1 Recipient address rejected: Access denied. AS(201806281)",
     REPLY_MAILBOX_NOT_FOUND, "C10"},
    {RCPT, 450, "4.2.1 The user you are trying to contact is receiving mail too quickly.",
     REPLY_MAILBOX_RATE_LIMITED, "C11"},
    {RCPT, 550, "5.2.1 The user you are trying to contact is receiving mail at a rate that",
     REPLY_MAILBOX_RATE_LIMITED, "C11"},
    {RCPT, 554, "5.2.121 RecipientLimit", REPLY_MAILBOX_RATE_LIMITED, "C12"},
    {RCPT, 550, "5.7.1 No such user!", REPLY_MAILBOX_NOT_FOUND, "C82"},
    {RCPT, 550, "user has too many messages on the server", REPLY_MAILBOX_FULL, "C14"},
    {RCPT, 450,
     "4.1.1 <" RECIPIENT ">: Recipient address rejected: unverified address: Address "
     "verification in progress",
     REPLY_TEMPORARY_FAILURE, "C15"},
    {RCPT, 550,
     "5.1.1 <" RECIPIENT ">: Recipient address rejected: undeliverable address: host "
     "imap.customer.example said: 550 User unknown",
     REPLY_MAILBOX_NOT_FOUND, "C16"},
    {RCPT, 554, "Mailbox has been blocked due to inactivity", REPLY_MAILBOX_DISABLED, "C17"},
    {RCPT, 550, "5.1.1 RCP-T4 pages.example/c?ip=192.0.2.9", REPLY_MAILBOX_DISABLED, "C167"},
    {RCPT, 540, "5.7.1 Recipient address rejected: blocked", REPLY_MAILBOX_DISABLED, "C161"},
    {RCPT, 550, "User not listed in public Name & Address Book", REPLY_MAILBOX_NOT_FOUND, "C18"},
    {RCPT, 552, "5.2.2 The email account is over quota and inactive", REPLY_MAILBOX_ABANDONED,
     "C19"},
    {RCPT, 452, "4.2.2 Mailbox full, try again later", REPLY_MAILBOX_FULL, "C20"},
    {RCPT, 552, "5.2.2 Blocks limit exceeded", REPLY_MAILBOX_FULL, "C21"},
    {RCPT, 452, "4.3.1 Insufficient system storage", REPLY_TEMPORARY_FAILURE, "C22"},
    {RCPT, 550, "Mailbox unavailable or access denied", REPLY_TEMPORARY_FAILURE, "C23"},
    {MAIL, 530, "5.7.0 Must issue a STARTTLS command first", REPLY_TLS_REQUIRED, "C24"},
    {MAIL, 530, "5.7.0 Authentication needed", REPLY_TLS_REQUIRED, "C25"},
    {RCPT, 550, "SMTP authentication required", REPLY_TLS_REQUIRED, "C26"},
    {MAIL, 553, "SMTPUTF8 is not supported here", REPLY_EAI_NOT_SUPPORTED, "C27"},
    {RCPT, 550, "Invalid credentials for relay", REPLY_RELAY_DENIED, "C44"},
    {RCPT, 553, "Possible forgery or deactivated due to abuse", REPLY_MAILBOX_DISABLED, "C28"},
    {RCPT, 550, "Dieses Postfach wurde gesperrt", REPLY_MAILBOX_DISABLED, "C152"},
    {RCPT, 550, "Please turn on SMTP Authentication. You may not relay without it",
     REPLY_TLS_REQUIRED, "C153"},
    {RCPT, 550, "5.1.1 <" RECIPIENT ">: inactive email address", REPLY_MAILBOX_NOT_FOUND, "C29"},

    {RCPT, 450, "4.2.0 Greylisted, see http://postgrey.example/help", REPLY_GREYLISTED, "C30"},
    {RCPT, 451, "4.7.1 Gray-listed, come back in 300 seconds", REPLY_GREYLISTED, "C30"},
    {GREETING, 421, "4.7.0 Temporarily deferred, no PTR record", REPLY_PROBE_BLOCKED, "C31"},
    {RCPT, 550, "5.7.23 SPF validation failed", REPLY_SENDER_REJECTED, "C32"},
    {GREETING, 421, "4.7.0 Too many connections", REPLY_TEMPORARY_FAILURE, "C33"},
    {RCPT, 550, "IP frequency limited", REPLY_TEMPORARY_FAILURE, "C33"},
    {RCPT, 550, "Message limit exceeded", REPLY_TEMPORARY_FAILURE, "C154"},
    {FIRST, 451, "4.7.1 Try again later", REPLY_GREYLISTED, "C34"},
    {FIRST, 450, "4.3.2 Service currently unavailable", REPLY_GREYLISTED, "C34"},
    {FIRST, 450, "4.7.1 Not now", REPLY_GREYLISTED, "C35"},
    {RCPT, 554, "5.4.6 Hop count exceeded - possible mail loop", REPLY_TEMPORARY_FAILURE, "C36"},
    {RCPT, 451, "4.7.1 Try again later", REPLY_TEMPORARY_FAILURE, "C37"},
    {RCPT, 550, "5.1.1 RCP-P1 see our page", REPLY_MAILBOX_NOT_FOUND, "C38"},
    {RCPT, 554, "5.7.1 POL-P2 see our page", REPLY_PROBE_BLOCKED, "C39"},
    {RCPT, 550, "5.5.0 Adresse destinataire invalide. 421 4.7.0 Error: too many errors",
     REPLY_MAILBOX_NOT_FOUND, "C150"},
    {RCPT, 421, "CON-T3 see our page", REPLY_TEMPORARY_FAILURE, "C42"},

    {RCPT, 450, "4.1.8 Sender address rejected: Domain not found", REPLY_SENDER_REJECTED, "C40"},
    {RCPT, 550, "Sender verify failed", REPLY_SENDER_REJECTED, "C40"},
    {RCPT, 553, "NULL sender is not allowed", REPLY_SENDER_REJECTED, "C40"},
    {RCPT, 550, "<" SENDER "> not found here", REPLY_SENDER_REJECTED, "C41"},
    {EHLO, 550, "5.5.4 Invalid domain name", REPLY_PROBE_BLOCKED, "C43"},
    {EHLO, 550, "5.7.1 Mail from your address is blocked here", REPLY_PROBE_BLOCKED, "C52"},
    {RCPT, 550, "The sender's mailbox does not exist", REPLY_SENDER_REJECTED, "C155"},
    {RCPT, 550, "5.1.1 user unknown, said " ADDRESS, REPLY_PROBE_BLOCKED, "C50"},
    {RCPT, 550, "HELO should be a full name", REPLY_PROBE_BLOCKED, "C156"},
    {RCPT, 554, "5.7.1 Client host rejected: Access denied", REPLY_PROBE_BLOCKED, "C51"},
    {RCPT, 550, "Blocked", REPLY_PROBE_BLOCKED, "C52"},
    {GREETING, 554, "Refused by the uribl", REPLY_PROBE_BLOCKED, "C53"},
    {RCPT, 550, "Ihre IP ist gesperrt, Benutzer unbekannt", REPLY_PROBE_BLOCKED, "C171"},
    {RCPT, 550, "You are not allowed to send to anybody", REPLY_SENDER_REJECTED, "C172"},
    {RCPT, 550, "L'expéditeur n'existe pas", REPLY_SENDER_REJECTED, "C173"},
    {RCPT, 550, "Troppi destinatari sconosciuti", REPLY_TEMPORARY_FAILURE, "C174"},
    {GREETING, 554, "Zugriff verweigert", REPLY_PROBE_BLOCKED, "C175"},
    {RCPT, 550, "Directory attack, no such user", REPLY_PROBE_BLOCKED, "C176"},
    {GREETING, 554, "Verbindung verweigert, Server", REPLY_PROBE_BLOCKED, "C157"},
    {RCPT, 550, "This looks like spam", REPLY_PROBE_BLOCKED, "C54"},
    {GREETING, 554, "Dynamic IP addresses may not send", REPLY_PROBE_BLOCKED, "C55"},
    {GREETING, 554, "Your host may not talk to us", REPLY_PROBE_BLOCKED, "C56"},
    {GREETING, 554, "IP=192.0.2.9, a problem", REPLY_PROBE_BLOCKED, "C166"},
    {RCPT, 550, "Administrative prohibition", REPLY_PROBE_BLOCKED, "C57"},
    {RCPT, 550, "5.6.0 Message content rejected", REPLY_PROBE_BLOCKED, "C58"},
    {RCPT, 550, "Access denied", REPLY_PROBE_BLOCKED, "C59"},
    {RCPT, 550, "Our filters did not like it", REPLY_PROBE_BLOCKED, "C160"},
    {RCPT, 550, "Cannot ask for this user, directory server down", REPLY_TEMPORARY_FAILURE, "C158"},

    {RCPT, 550, "5.1.1 Unrouteable address", REPLY_MAILBOX_NOT_FOUND, "C60"},
    {RCPT, 550, "Unrouteable address", REPLY_MAILBOX_NOT_FOUND, "C60"},
    {RCPT, 554, "5.7.1 <" RECIPIENT ">: Relay access denied", REPLY_RELAY_DENIED, "C61"},
    {RCPT, 553, "sorry, that domain isn't in my list of allowed rcpthosts", REPLY_RELAY_DENIED,
     "C62"},
    {RCPT, 550, "customer.example does not exist", REPLY_RELAY_DENIED, "C62"},
    {RCPT, 550, "Host or domain name not found. Name service error: DNS error",
     REPLY_TEMPORARY_FAILURE, "C63"},
    {RCPT, 550, "Cannot be taken just now, try again", REPLY_TEMPORARY_FAILURE, "C64"},
    {RCPT, 550, "5.5.1 Protocol violation", REPLY_PROTOCOL_ERROR, "C65"},
    {RCPT, 550, "No such domain at this location", REPLY_RELAY_DENIED, "C66"},
    {RCPT, 550, "This host does not accept mail", REPLY_HOST_NO_MAIL, "C67"},
    {LATER, 550, "No such domain", REPLY_REJECTED_UNCLEAR, "C68"},

    {RCPT, 550, "5.7.133 Not you", REPLY_MAILBOX_RESTRICTED, "C70"},
    {RCPT, 550, "This list takes mail from members only", REPLY_MAILBOX_RESTRICTED, "C71"},
    {RCPT, 550, "5.1.6 Mailbox is no longer kept here", REPLY_MAILBOX_MOVED, "C162"},
    {RCPT, 550, "User suspended", REPLY_MAILBOX_DISABLED, "C72"},
    {RCPT, 550, "No longer available", REPLY_MAILBOX_DISABLED, "C72"},
    {RCPT, 550, "Now disabled", REPLY_MAILBOX_DISABLED, "C75"},
    {RCPT, 550, "Disk quota exceeded", REPLY_MAILBOX_FULL, "C73"},
    {RCPT, 550, "5.1.0 Address rejected", REPLY_MAILBOX_NOT_FOUND, "C81"},
    {RCPT, 550,
     "5.1.1 <" RECIPIENT ">: Recipient address rejected: User unknown in local "
     "recipient table",
     REPLY_MAILBOX_NOT_FOUND, "C82"},
    {RCPT, 550, "User (" RECIPIENT ") unknown", REPLY_MAILBOX_NOT_FOUND, "C82"},
    {RCPT, 550, "The mailbox you wrote to could not be found", REPLY_MAILBOX_NOT_FOUND, "C83"},
    {RCPT, 550, "Not our customer", REPLY_MAILBOX_NOT_FOUND, "C84"},
    {RCPT, 550, "Adresse destinataire inconnue", REPLY_MAILBOX_NOT_FOUND, "C85"},
    {RCPT, 550, "Empf\xc3\xa4nger unbekannt", REPLY_MAILBOX_NOT_FOUND, "C85"},
    {RCPT, 550, "Empf\xe4nger unbekannt", REPLY_MAILBOX_NOT_FOUND, "C85"},
    {RCPT, 550, "用户不存在", REPLY_MAILBOX_NOT_FOUND, "C85"},
    {RCPT, 550, "НЕТ ТАКОГО пользователя", REPLY_MAILBOX_NOT_FOUND, "C85"},
    {RCPT, 450, "4.1.1 User unknown in virtual mailbox table", REPLY_MAILBOX_NOT_FOUND, "C86"},
    {RCPT, 550, "<" RECIPIENT "> doesn't exist", REPLY_MAILBOX_NOT_FOUND, "C87"},
    {RCPT, 550, "User has moved to another office", REPLY_MAILBOX_MOVED, "C90"},
    {LATER, 550, "5.1.0 Address rejected", REPLY_REJECTED_UNCLEAR, "C91"},

    {RCPT, 550, "Requested action not taken: mailbox unavailable", REPLY_MAILBOX_NOT_FOUND, "C159"},

    {RCPT, 550, "5.1.1 That sender is nothing to us", REPLY_SENDER_REJECTED, "C163"},
    {RCPT, 550, "5.1.1 That client is nothing to us", REPLY_PROBE_BLOCKED, "C164"},
    {RCPT, 550, "5.1.1 Request declined", REPLY_PROBE_BLOCKED, "C165"},
    {RCPT, 550, "5.1.1 <" RECIPIENT ">: no", REPLY_MAILBOX_NOT_FOUND, "C100"},
    {RCPT, 556, "5.1.10 no", REPLY_RELAY_DENIED, "C101"},
    {RCPT, 550, "5.1.10 no", REPLY_MAILBOX_NOT_FOUND, "C102"},
    {RCPT, 550, "5.1.2 no", REPLY_RELAY_DENIED, "C103"},
    {RCPT, 501, "5.1.3 no", REPLY_MAILBOX_NOT_FOUND, "C104"},
    {RCPT, 550, "5.1.6 no", REPLY_MAILBOX_MOVED, "C105"},
    {RCPT, 550, "5.1.8 no", REPLY_SENDER_REJECTED, "C106"},
    {RCPT, 550, "5.2.1 no", REPLY_MAILBOX_DISABLED, "C107"},
    {RCPT, 452, "4.2.2 no", REPLY_MAILBOX_FULL, "C108"},
    {RCPT, 524, "5.2.4 Mailing list expansion problem: <" RECIPIENT ">", REPLY_MAILBOX_NOT_FOUND,
     "C151"},
    {RCPT, 550, "5.7.2 no", REPLY_MAILBOX_RESTRICTED, "C109"},
    {GREETING, 521, "5.3.2 no", REPLY_HOST_NO_MAIL, "C110"},
    {RCPT, 550, "5.3.5 no", REPLY_TEMPORARY_FAILURE, "C111"},
    {RCPT, 550, "5.4.4 no route", REPLY_RELAY_DENIED, "C112"},
    {RCPT, 550, "5.4.1 no", REPLY_TEMPORARY_FAILURE, "C113"},
    {RCPT, 452, "4.5.3 no", REPLY_TEMPORARY_FAILURE, "C114"},
    {RCPT, 553, "5.6.7 no", REPLY_EAI_NOT_SUPPORTED, "C115"},
    {LATER, 554, "5.2.3 More octets than we take", REPLY_PROBE_BLOCKED, "C169"},
    {LATER, 552, "5.3.4 The message is larger than it may be", REPLY_PROBE_BLOCKED, "C168"},
    {RCPT, 550, "5.6.0 no", REPLY_PROBE_BLOCKED, "C116"},
    {RCPT, 523, "5.7.10 no", REPLY_TLS_REQUIRED, "C117"},
    {RCPT, 550, "5.7.25 no", REPLY_PROBE_BLOCKED, "C118"},
    {RCPT, 550, "5.7.27 no", REPLY_SENDER_REJECTED, "C119"},
    {RCPT, 421, "4.7.29 no", REPLY_TLS_REQUIRED, "C120"},
    {RCPT, 525, "4.7.13 no", REPLY_MAILBOX_DISABLED, "C121"},
    {RCPT, 554, "5.7.1 <" RECIPIENT ">: Recipient address rejected: Access denied",
     REPLY_REJECTED_UNCLEAR, "C122"},
    {RCPT, 550, "5.7.18 domain owner has changed", REPLY_RELAY_DENIED, "C123"},
    {RCPT, 550, "Command not implemented at this place", REPLY_PROTOCOL_ERROR, "C170"},
    {RCPT, 501, "Syntax error in parameters", REPLY_PROTOCOL_ERROR, "C124"},
    {RCPT, 550, "5.7.8 no", REPLY_TLS_REQUIRED, "C125"},
    {RCPT, 550, "5.7.606 no", REPLY_PROBE_BLOCKED, "C126"},
    {RCPT, 554, "Denied", REPLY_PROBE_BLOCKED, "C127"},

    {RCPT, 521, "We do not accept any messages", REPLY_HOST_NO_MAIL, "C130"},
    {GREETING, 521, "bye", REPLY_HOST_NO_MAIL, "C131"},
    {GREETING, 554, "We do not accept incoming mail", REPLY_HOST_NO_MAIL, "C132"},
    {EHLO, 450, "not yet", REPLY_TEMPORARY_FAILURE, "C133"},
    {EHLO, 502, "what?", REPLY_PROTOCOL_ERROR, "C134"},
    {RCPT, 503, "5.5.1 Bad sequence of commands", REPLY_PROBE_BLOCKED, "C135"},
    {GREETING, 554, "No SMTP service here", REPLY_PROBE_BLOCKED, "C136"},
    {MAIL, 550, "5.7.3 no", REPLY_PROBE_BLOCKED, "C137"},
    {MAIL, 553, "no", REPLY_SENDER_REJECTED, "C138"},
    {MAIL, 554, "no", REPLY_PROBE_BLOCKED, "C139"},
    {RCPT, 421, "bye", REPLY_TEMPORARY_FAILURE, "C140"},
    {RCPT, 451, "hm", REPLY_TEMPORARY_FAILURE, "C141"},
    {RCPT, 500, "what?", REPLY_PROTOCOL_ERROR, "C142"},
    {RCPT, 525, "no", REPLY_MAILBOX_DISABLED, "C143"},
    {RCPT, 551, "elsewhere", REPLY_MAILBOX_MOVED, "C144"},
    {RCPT, 552, "no", REPLY_MAILBOX_FULL, "C145"},
    {RCPT, 556, "no", REPLY_RELAY_DENIED, "C146"},
    {LATER, 503, "Bad sequence of commands", REPLY_PROTOCOL_ERROR, "C147"},
    {RCPT, 550, "Computer says no", REPLY_REJECTED_UNCLEAR, "C148"},
    {RCPT, 999, "no", REPLY_PROTOCOL_ERROR, "C149"},
};

/* Only with a provider. */
static const struct reply_case outlook_case = {
    RCPT, 550, "5.5.0 Requested action not taken: mailbox unavailable", REPLY_MAILBOX_NOT_FOUND,
    "C80"};

static void every_rule_has_its_reply(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rule_cases); i++)
        expect(&rule_cases[i], classify(&rule_cases[i], NULL));
    expect(&outlook_case, classify(&outlook_case, "outlook"));
}

static bool has_case(const char *rule)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rule_cases); i++) {
        if (strcmp(rule_cases[i].rule, rule) == 0)
            return true;
    }
    return strcmp(outlook_case.rule, rule) == 0;
}

static void no_rule_is_without_a_reply(void **state)
{
    const struct reply_rules *rules = reply_rules_current();

    (void)state;
    assert_true(reply_rules_count(rules) > 100);
    for (size_t i = 0; i < reply_rules_count(rules); i++) {
        if (!has_case(reply_rules_id(rules, i)))
            fail_msg("rule %s: no reply in the table needs it", reply_rules_id(rules, i));
    }
}

/* --- who is blamed comes first; codes that mean two things ----------------------------------- */

static const struct reply_case clash_cases[] = {
    /* a directory in front, an access map, us */
    {RCPT, 550, "5.4.1 [" RECIPIENT "]: Recipient address rejected: Access denied",
     REPLY_MAILBOX_NOT_FOUND, "C10"},
    {RCPT, 550, "5.7.606 Access denied, banned sending IP [192.0.2.9]", REPLY_PROBE_BLOCKED, "C53"},
    {RCPT, 550, "5.7.1 Service unavailable, Client host [" ADDRESS "] blocked using Spamhaus",
     REPLY_PROBE_BLOCKED, "C31"},
    {RCPT, 550, "5.2.1 Mailbox unavailable. Your IP address 192.0.2.9 is blacklisted",
     REPLY_PROBE_BLOCKED, "C52"},
    {RCPT, 550, "permanent failure for one or more recipients (" RECIPIENT ":blocked)",
     REPLY_PROBE_BLOCKED, "C52"},
    /* the mailbox is blocked, not we */
    {RCPT, 550, "5.5.0 Le compte du destinataire est bloqué. The recipient account is blocked.",
     REPLY_MAILBOX_DISABLED, "C17"},
    /* Google's and the registry's X.7.27, X.7.29 */
    {RCPT, 421,
     "4.7.29 Your email has been rate limited because this message wasn't sent over a "
     "TLS connection.",
     REPLY_TLS_REQUIRED, "C24"},
    {RCPT, 550, "5.7.27 This mail has been blocked because SPF does not pass",
     REPLY_SENDER_REJECTED, "C32"},
    {RCPT, 550, "5.7.30 This mail has been blocked because DKIM does not pass.",
     REPLY_PROBE_BLOCKED, "C31"},
    /* X.2.1 of a busy mailbox and of a dead one */
    {RCPT, 450, "4.2.1 The user you are trying to contact is receiving mail at a rate that",
     REPLY_MAILBOX_RATE_LIMITED, "C11"},
    {RCPT, 550, "5.2.1 The email account that you tried to reach is inactive.",
     REPLY_MAILBOX_DISABLED, "C72"},
    {RCPT, 450, "4.2.1 mailbox temporarily disabled", REPLY_TEMPORARY_FAILURE, "C37"},
    /* disabled, but not a mailbox */
    {RCPT, 554, "rejected: disabled reverse zone", REPLY_PROBE_BLOCKED, "C127"},
    {RCPT, 550, "Your account is disabled for sending", REPLY_SENDER_REJECTED, "C155"},
    /* over quota beats "try again"; abandoned beats over quota */
    {RCPT, 552, "5.1.1 Boite du destinataire pleine. Recipient overquota. OFR_417",
     REPLY_MAILBOX_FULL, "C20"},
    {RCPT, 552, "5.2.2 The recipient's inbox is out of storage space and inactive.",
     REPLY_MAILBOX_ABANDONED, "C19"},
    /* 552 of old meant too many recipients */
    {RCPT, 552, "Too many recipients", REPLY_TEMPORARY_FAILURE, "C33"},
    {RCPT, 552, "5.3.4 Message size exceeds fixed limit", REPLY_PROBE_BLOCKED, "C168"},
    /* a 4xx of Postfix about the next host, about the sender */
    {RCPT, 450,
     "4.1.1 <" RECIPIENT ">: Recipient address rejected: undeliverable address: host "
     "a.example said: 550 5.1.1 User unknown",
     REPLY_MAILBOX_NOT_FOUND, "C16"},
    {RCPT, 450, "4.1.7 <" SENDER ">: Sender address rejected: undeliverable address: no",
     REPLY_SENDER_REJECTED, "C40"},
    {RCPT, 550,
     "5.1.1 <" RECIPIENT ">: Recipient address rejected: undeliverable address: host "
     "a.example said: 550 blocked using b.example",
     REPLY_PROBE_BLOCKED, "C52"},
    /* the class digits differ: the basic code decides */
    {RCPT, 451, "5.1.1 hm", REPLY_TEMPORARY_FAILURE, "C141"},
    {RCPT, 550, "4.1.1 hm", REPLY_MAILBOX_NOT_FOUND, "C100"},
    {RCPT, 550, "2.1.5 hm", REPLY_REJECTED_UNCLEAR, "C148"},
    /* bare words say nothing */
    {RCPT, 550, "Recipient address rejected", REPLY_REJECTED_UNCLEAR, "C148"},
    {RCPT, 550, "Recipient rejected", REPLY_REJECTED_UNCLEAR, "C148"},
    {RCPT, 550, "Not today, thank you", REPLY_REJECTED_UNCLEAR, "C148"},
    {RCPT, 550, "", REPLY_REJECTED_UNCLEAR, "C148"},
    /* codes in the text, in every dress */
    {RCPT, 550, "#5.1.1 hm", REPLY_MAILBOX_NOT_FOUND, "C100"},
    {RCPT, 550, "hm (#5.1.1)", REPLY_MAILBOX_NOT_FOUND, "C100"},
    {RCPT, 550, "[5.1.1] hm", REPLY_MAILBOX_NOT_FOUND, "C100"},
    {RCPT, 550, "550.5.1.1 hm", REPLY_MAILBOX_NOT_FOUND, "C100"},
    {RCPT, 550, "550-5.1.1 hm", REPLY_MAILBOX_NOT_FOUND, "C100"},
    /* lines are one text, and the code between them is none of it */
    {RCPT, 550, "the email account that you tried to reach does\n550 not exist",
     REPLY_MAILBOX_NOT_FOUND, "C83"},
    {RCPT, 550, "user\nunknown", REPLY_MAILBOX_NOT_FOUND, "C82"},
    /* before RCPT nothing is about the mailbox */
    {MAIL, 550, "5.1.1 User unknown", REPLY_SENDER_REJECTED, "C138"},
    {GREETING, 550, "No such user", REPLY_PROBE_BLOCKED, "C136"},
    {GREETING, 521, "5.7.1 " ADDRESS " is not welcome", REPLY_PROBE_BLOCKED, "C50"},
    {GREETING, 554, "IP=" ADDRESS " - A problem occurred. (Ask your postmaster for help)",
     REPLY_PROBE_BLOCKED, "C50"},
    {GREETING, 554, "No SMTP service; IP address is block listed", REPLY_PROBE_BLOCKED, "C52"},
    {GREETING, 421, "Service not available", REPLY_TEMPORARY_FAILURE, "C133"},
    {TLS, 454, "4.7.0 TLS not available due to local problem", REPLY_TEMPORARY_FAILURE, "C133"},
    {MAIL, 421, "4.3.2 Shutting down", REPLY_TEMPORARY_FAILURE, "C133"},
    /* greylisting only where nothing else is said */
    {FIRST, 421, "4.3.2 Try again later", REPLY_TEMPORARY_FAILURE, "C37"},
    {FIRST, 452, "4.5.3 Too many recipients", REPLY_TEMPORARY_FAILURE, "C114"},
    {FIRST, 451, "4.3.0 Temporary lookup failure", REPLY_TEMPORARY_FAILURE, "C37"},
    {FIRST, 451, "4.4.3 Directory lookup failed", REPLY_TEMPORARY_FAILURE, "C141"},
    {FIRST, 450, "4.7.1 " ADDRESS ": try again later", REPLY_PROBE_BLOCKED, "C50"},
    {FIRST, 450, "4.7.1 Client host rejected: cannot find your reverse hostname",
     REPLY_PROBE_BLOCKED, "C31"},
    {FIRST, 550, "Try again later", REPLY_TEMPORARY_FAILURE, "C64"},
};

static void clashes_are_settled(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(clash_cases); i++)
        expect(&clash_cases[i], classify(&clash_cases[i], NULL));
}

/* --- names are no words ---------------------------------------------------------------------- */

static const struct name_case {
    const char *label, *recipient, *server, *text, *rule;
} name_cases[] = {
    {"a recipient of spam", "spam@blocked.example", SERVER,
     "5.1.1 <spam@blocked.example> unknown "
     "user",
     "C82"},
    {"a quoted recipient", "\"spam list\"@a.example", SERVER,
     "<\"spam list\"@a.example>: no such "
     "user",
     "C82"},
    {"in other case", "Spam.Abuse@a.example", SERVER, "sPAM.aBUSE@A.EXAMPLE: unknown user", "C82"},
    {"anybody else's address", "joe@a.example", SERVER, "postmaster@spam.example: unknown user",
     "C82"},
    {"the server's own name", "joe@a.example", "mx.spam.example.net",
     "mx.spam.example.net: unknown user", "C82"},
    {"another host of the server's", "joe@a.example", "mx.rbl.antispam.net",
     "rbl.antispam.net unknown user", "C82"},
    {"words inside words", "joe@a.example", SERVER, "mx.antispamcloud.example: unknown user",
     "C82"},
    {"our address, not a longer one", "joe@a.example", SERVER, "unknown user 198.51.100.771x",
     "C82"},
    {"our address in brackets", "joe@a.example", SERVER, "unknown user [" ADDRESS "]", "C50"},
    {"our name, at the end of a sentence", "joe@a.example", SERVER, "unknown user, " NAME ".",
     "C50"},
    {"a name below ours", "joe@a.example", SERVER, "unknown user, x" NAME, "C82"},
    {"our sender's domain", "joe@a.example", SERVER, "probe.example.net does not exist", "C41"},
    {"a sender of the same domain", "joe@probe.example.net", SERVER,
     "probe.example.net does not exist", "C62"},
    {"somebody else's domain", "joe@a.example", SERVER, "elsewhere.example does not exist", "C148"},
    {"the recipient's domain", "joe@a.example", SERVER, "a.example does not exist", "C62"},
    {"a dotted end", "joe@a.example", SERVER, "User unknown...joe@a.example", "C82"},
    {"a page's path", "joe@a.example", SERVER,
     "Rejected, see https://pages.example/help/user-unknown", "C58"},
    {"a page's question", "joe@a.example", SERVER,
     "User unknown (http://pages.example/?why=spam&blocked=1)", "C82"},
    {"a page's host", "joe@a.example", SERVER, "User unknown, http://blocked.pages.example/",
     "C82"},
    {"a page without a scheme", "joe@a.example", SERVER,
     "5.7.1 No. pages.example/no_such_user?a=b@c.example", "C126"},
    {"a page at an address", "joe@a.example", SERVER, "No: https://192.0.2.9:8443/user-unknown",
     "C127"},
    {"behind a page", "joe@a.example", SERVER, "<https://pages.example/spam>user unknown", "C82"},
    {"a page in another script", "joe@a.example", SERVER,
     "参考http://pages.example/help，用户不存在", "C85"},
    {"our address in a page", "joe@a.example", SERVER,
     "User unknown, https://pages.example/q?ip=" ADDRESS, "C50"},
    {"a code in a page", "joe@a.example", SERVER, "No: https://pages.example/5.1.1", "C148"},
    {"a host", "joe@a.example", SERVER, "5.7.1 said mx.no-such-user.example", "C126"},
    {"a host and more", "joe@a.example", SERVER, "mx.spam.example:user unknown", "C82"},
    {"a list's host", "joe@a.example", SERVER, "User unknown to zen.spamhaus.org", "C31"},
    {"a list's page", "joe@a.example", SERVER,
     "User unknown, https://www.barracudacentral.org/rbl/user-unknown", "C31"},
    {"no space behind a full stop", "joe@a.example", SERVER, "You are blocked.Ask us", "C52"},
    {"nor behind three", "joe@a.example", SERVER, "You are blocked...ask us", "C52"},
    {"markers cannot be sent", "joe@a.example", SERVER, "unknown user \x02 \x03", "C82"},
};

static void names_are_no_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(name_cases); i++) {
        const struct name_case *c = &name_cases[i];
        struct reply_context context = {.stage = SMTP_STAGE_RCPT,
                                        .recipient = c->recipient,
                                        .mail_from = SENDER,
                                        .our_address = ADDRESS,
                                        .our_name = NAME,
                                        .server_host = c->server};
        struct reply_meaning have = reply_classify(550, NULL, c->text, &context);
        if (strcmp(have.rule, c->rule) != 0)
            fail_msg("%s: %s by %s, wanted %s", c->label, reply_class_name(have.class), have.rule,
                     c->rule);
    }
}

static void hostile_texts_are_bounded(void **state)
{
    char *text = mem_zeroed(100001, 1);
    const uint8_t enhanced[3] = {5, 1, 1};

    (void)state;
    static const char fill[] = {'a', ' ', '.', '@', '\x01', '\xff', '\xc3', '<', '5', '-', '\n'};
    for (size_t i = 0; i < sizeof(fill); i++) {
        memset(text, fill[i], 100000);
        assert_string_equal(reply_classify(550, enhanced, text, NULL).rule, "C100");
    }
    assert_string_equal(reply_classify(550, NULL, NULL, NULL).rule, "C148");
    assert_string_equal(reply_classify(0, NULL, "", NULL).rule, "C149");
    free(text);
}

/* The code in front counts, unless the text has a fuller one. */
static void enhanced_codes_are_chosen(void **state)
{
    static const struct {
        uint8_t said[3];
        const char *text, *rule;
    } cases[] = {
        {{5, 1, 1}, "hm (#5.2.1)", "C100"}, {{5, 0, 0}, "hm (#5.2.1)", "C107"},
        {{0, 0, 0}, "hm (#5.2.1)", "C107"}, {{5, 7, 0}, "5.7.124 hm", "C70"},
        {{5, 7, 0}, "hm", "C126"},          {{2, 0, 0}, "hm", "C148"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct reply_context context = {.stage = SMTP_STAGE_RCPT};
        struct reply_meaning have = reply_classify(550, cases[i].said, cases[i].text, &context);
        if (strcmp(have.rule, cases[i].rule) != 0)
            fail_msg("case %zu: %s, wanted %s", i, have.rule, cases[i].rule);
    }
}

/* --- rule files ------------------------------------------------------------------------------ */

static const struct file_case {
    const char *label, *text, *error;
} bad_files[] = {
    {"nothing", "", "line 1: no rule at all"},
    {"only comments", "# a\n# b\n", "line 3: no rule at all"},
    {"too few fields", "C1 any - 550 -\n", "line 1: a rule has six fields"},
    {"no colon", "C1 any - 550 - accepted words\n", "line 1: a rule has six fields, then a colon"},
    {"bad id", "X1 any - 550 - accepted\n", "line 1: bad rule id or provider"},
    {"id twice", "C1 any - 550 - accepted\n\nC1 any - 551 - accepted\n",
     "line 3: rule id used twice"},
    {"stage", "C1 data - 550 - accepted\n", "line 1: unknown stage"},
    {"code", "C1 any - 5x0 - accepted\n", "line 1: bad reply code"},
    {"code range", "C1 any - 550-x - accepted\n", "line 1: bad reply code"},
    {"enhanced", "C1 any - 550 5.1 accepted\n", "line 1: bad enhanced code"},
    {"enhanced range", "C1 any - 550 5.1.1- accepted\n", "line 1: bad enhanced code"},
    {"class", "C1 any - 550 - deliverable\n", "line 1: unknown class"},
    {"bracket", "C1 any - 550 - accepted : a (b|c\n", "line 1: bracket without end"},
    {"bracket of a set", "C1 any - 550 - accepted : a1 & (b|(c)\n", "line 1: bracket without end"},
    {"set of nothing", "C1 any - 550 - accepted : a1 & ()\n",
     "line 1: empty phrase, a star within one, or too many joined by &"},
    {"phrase of a set", "C1 any - 550 - accepted : a1 & (|b)\n",
     "line 1: empty phrase, a star within one, or too many joined by &"},
    {"empty phrase", "C1 any - 550 - accepted : a & | b\n",
     "line 1: empty phrase, a star within one, or too many joined by &"},
    {"star within", "C1 any - 550 - accepted : black* list\n",
     "line 1: empty phrase, a star within one, or too many joined by &"},
    {"unknown list", "C1 any - 550 - accepted : no {who}\n",
     "line 1: unknown list, or rule too long"},
    {"list without end", "{who user\n", "line 1: bad list"},
    {"list without name", "{} user\n", "line 1: bad list"},
    {"list of lists unknown", "{who} {whom}\n", "line 1: unknown list, or rule too long"},
    {"four joined", "C1 any - 550 - accepted : a1 & b & c & d\n",
     "line 1: empty phrase, a star within one, or too many joined by &"},
};

static void bad_rule_files_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad_files); i++) {
        char error[160] = "";
        struct reply_rules *rules =
            reply_rules_parse(bad_files[i].text, strlen(bad_files[i].text), error, sizeof(error));
        if (rules != NULL || strcmp(error, bad_files[i].error) != 0)
            fail_msg("%s: \"%s\"", bad_files[i].label, error);
    }
}

static const char *match(const struct reply_rules *rules, uint16_t code, const char *text)
{
    struct reply_words words;
    struct reply_query query = {.stage = SMTP_STAGE_RCPT, .code = code, .words = &words};

    reply_words_make(&words, code, text, NULL);
    return reply_rules_match(rules, &query).rule;
}

static void patterns_mean_what_the_header_says(void **state)
{
    static const char file[] =
        "# one of each\n"
        "C1 rcpt - 550 - accepted : full & box : not really\n"
        "C2 rcpt - 550 - accepted : pre* | *fix | *mid* | (one|two [or])\n"
        "     | <edge> alone <edge>\n"
        "C3 rcpt - 551-553,560 - accepted\n"
        "{sea} ship | boat\n"
        "{where} at {sea}\n"
        "    | ashore\n"
        "C4 rcpt - 561 - accepted : lost ({sea}|crew) | {where} now : {sea} nor\n"
        "{sea} raft\n"
        "C5 rcpt - 562 - accepted : {sea}\n"
        "C7 rcpt - 565 - accepted : harbour.example | *mole\n"
        "C6 rcpt - 564 - accepted : (red|light blue) & (sail|flag [and mast]) & up\n"
        "     | sunk & {sea} | ({sea}|yacht) & aground : (red|light blue) & pirate*\n";
    static const struct {
        uint16_t code;
        const char *text, *rule;
    } cases[] = {
        {550, "box is full", "C1"},
        {550, "box is full, not really", "C0"},
        {550, "full", "C0"},
        {550, "fully boxed", "C0"},
        {550, "a prefix", "C2"},
        {550, "unpre", "C0"},
        {550, "suffix", "C2"},
        {550, "fixed", "C0"},
        {550, "amidst", "C2"},
        {550, "one", "C2"},
        {550, "two", "C2"},
        {550, "two or", "C2"},
        {550, "ones", "C0"},
        {550, "alone", "C2"},
        {550, "Alone.", "C2"},
        {550, "not alone", "C0"},
        {551, "", "C3"},
        {553, "", "C3"},
        {561, "lost boat", "C4"},
        {561, "lost crew", "C4"},
        {561, "at ship now", "C4"},
        {561, "ashore now", "C4"},
        {561, "ashore", "C0"},
        {561, "lost ship nor crew", "C0"},
        {562, "raft", "C5"},
        {562, "ship", "C0"},
        {564, "up with the red flag", "C6"},
        {564, "up with the light blue flag and mast", "C6"},
        {564, "up with the light flag", "C0"},
        {564, "the red flag", "C0"},
        {564, "up with the red flag, pirates", "C0"},
        {564, "up with the red mast", "C0"},
        {564, "the raft has sunk", "C6"},
        {564, "the ship has sunk", "C0"},
        {564, "a yacht aground", "C6"},
        {564, "a raft aground", "C6"},
        {565, "quay.harbour.example/berth", "C7"},
        {565, "http://harbour.example", "C7"},
        {565, "harbour example", "C0"},
        {565, "harbour.Example", "C0"},
        {565, "north-mole.example", "C7"},
        {565, "the mole", "C7"},
        {560, "", "C3"},
        {554, "", "C0"},
    };
    char error[160];
    struct reply_rules *rules = reply_rules_parse(file, strlen(file), error, sizeof(error));

    (void)state;
    assert_non_null(rules);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        const char *have = match(rules, cases[i].code, cases[i].text);
        if (strcmp(have, cases[i].rule) != 0)
            fail_msg("%u %s: %s, wanted %s", cases[i].code, cases[i].text, have, cases[i].rule);
    }
    reply_rules_free(&rules);
    assert_null(rules);
}

/* Last: the set stays in force for the rest of the program. */
static void a_new_set_takes_over(void **state)
{
    static const char file[] = "C500 any - any - rejected_unclear\n";
    char error[160];
    struct reply_meaning before = reply_classify(250, NULL, "ok", NULL);
    struct reply_rules *rules = reply_rules_parse(file, strlen(file), error, sizeof(error));

    (void)state;
    assert_non_null(rules);
    reply_rules_install(rules);
    assert_string_equal(reply_classify(250, NULL, "ok", NULL).rule, "C500");
    assert_string_equal(before.rule, "C1"); /* ids of the old set are still there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_has_its_reply),
        cmocka_unit_test(no_rule_is_without_a_reply),
        cmocka_unit_test(clashes_are_settled),
        cmocka_unit_test(names_are_no_words),
        cmocka_unit_test(hostile_texts_are_bounded),
        cmocka_unit_test(enhanced_codes_are_chosen),
        cmocka_unit_test(bad_rule_files_are_refused),
        cmocka_unit_test(patterns_mean_what_the_header_says),
        cmocka_unit_test(a_new_set_takes_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
