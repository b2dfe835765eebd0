/* test_classify_families.c - sentences of the same build, which differ in whom they name: the
 * recipient, us, or the moment; test_classify.c has a reply for every rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "probes/base/mem.h"
#include "probes/smtp/classify.h"
#include "tests/support/wordings.h"

/* Unknown, off, full, of another domain. */
static void the_recipient_is_named(void **state)
{
    static const struct wording wordings[] = {
        {550, "Bad local part", REPLY_MAILBOX_NOT_FOUND},
        {550, "Unknown destination address", REPLY_MAILBOX_NOT_FOUND},
        {550, "No such destination address", REPLY_MAILBOX_NOT_FOUND},
        {553, "Invalid rcptto", REPLY_MAILBOX_NOT_FOUND},
        {550, "Invalid delivery address", REPLY_MAILBOX_NOT_FOUND},
        {550, "5.7.1 Address is marked as invalid", REPLY_MAILBOX_NOT_FOUND},
        {550, "Mailbox not on this server", REPLY_MAILBOX_NOT_FOUND},
        {550, "The e-mail address is wrong or no longer valid", REPLY_MAILBOX_NOT_FOUND},
        {550, "Message refused: no valid recipients", REPLY_MAILBOX_NOT_FOUND},
        {550, "This user has never logged in", REPLY_MAILBOX_DISABLED},
        {550, "User has not entered for half a year", REPLY_MAILBOX_DISABLED},
        {550, "There was no account activity", REPLY_MAILBOX_DISABLED},
        {550, "Account locked by the abuse desk", REPLY_MAILBOX_DISABLED},
        {552, "User is full", REPLY_MAILBOX_FULL},
        {550, "The account has no space", REPLY_MAILBOX_FULL},
        {550, "Mailbox of <joe@customer.example> is full", REPLY_MAILBOX_FULL},
        {550, "Inbox of this one is now full", REPLY_MAILBOX_FULL},
        {552, "It would exceed the mailbox size", REPLY_MAILBOX_FULL},
        {550, "We do not handle mail for elsewhere.example", REPLY_RELAY_DENIED},
        {550, "Mail for this domain is not accepted", REPLY_RELAY_DENIED},
        {550, "No route to the recipient's domain", REPLY_RELAY_DENIED},
        {554, "Relay attempt, relay operation rejected", REPLY_RELAY_DENIED},
        {550, "Not a gateway, no relay permitted", REPLY_RELAY_DENIED},
        {550, "5.1.1 Relay of mail not allowed", REPLY_RELAY_DENIED},
        {550, "5.1.2 This domain is not used for mail", REPLY_RELAY_DENIED},
        {550, "Recipient name not recognised", REPLY_MAILBOX_NOT_FOUND},
        {550, "Improper address", REPLY_MAILBOX_NOT_FOUND},
        {550, "5.1.1 There is no forwarding entry", REPLY_MAILBOX_NOT_FOUND},
        {550, "5.1.1 Mail refused, Empfaenger unbekannt", REPLY_MAILBOX_NOT_FOUND},
        {550, "Mail is not accepted for this mailbox", REPLY_MAILBOX_DISABLED},
        {452, "4.2.2 Account is out of quota", REPLY_MAILBOX_FULL},
        {552, "The number of messages in the mailbox is too high", REPLY_MAILBOX_FULL},
        {550, "She is a former employee", REPLY_MAILBOX_DISABLED},
        {550, "We no longer serve this place", REPLY_RELAY_DENIED},
        {550, "Eine Weiterleitung ist nicht gestattet", REPLY_RELAY_DENIED},
        {550, "It was incorrectly addressed", REPLY_MAILBOX_NOT_FOUND},
        {550, "The local part is unknown", REPLY_MAILBOX_NOT_FOUND},
        {550, "Userid not found", REPLY_MAILBOX_NOT_FOUND},
        {550, "The recepient is unknown", REPLY_MAILBOX_NOT_FOUND},
        {550, "Unkown user", REPLY_MAILBOX_NOT_FOUND},
        {550, "Recipient does not match any mailbox", REPLY_MAILBOX_NOT_FOUND},
        {550, "Not in the recipient database", REPLY_MAILBOX_NOT_FOUND},
        {550, "Unknown person", REPLY_MAILBOX_NOT_FOUND},
        {550, "Look at the spelling of the recipient", REPLY_MAILBOX_NOT_FOUND},
        {550, "The mailbox was switched off", REPLY_MAILBOX_DISABLED},
        {550, "An abandoned account", REPLY_MAILBOX_DISABLED},
        {550, "The mailbox does not accept mail", REPLY_MAILBOX_DISABLED},
        {550, "Subscription cancelled", REPLY_MAILBOX_DISABLED},
        {550, "Nobody reads it: this box is no longer being monitored", REPLY_MAILBOX_DISABLED},
        {552, "The inbox is too big", REPLY_MAILBOX_FULL},
        {552, "It contains too many mails", REPLY_MAILBOX_FULL},
        {550, "Only local domains", REPLY_RELAY_DENIED},
        {550, "External recipients are not allowed", REPLY_RELAY_DENIED},
        {550, "This is not my domain", REPLY_RELAY_DENIED},
        {550, "We cannot route to elsewhere.example", REPLY_RELAY_DENIED},
        {550, "https://pages.example/c?ip=192.0.2.9 unknown user", REPLY_MAILBOX_NOT_FOUND},
        {550, "Not in the route list", REPLY_MAILBOX_NOT_FOUND},
        {550, "No MX for the recipient domain", REPLY_RELAY_DENIED},
        {550, "The mbox you are trying to reach was never created", REPLY_MAILBOX_NOT_FOUND},
        {550, "5.7.1 Such an address is not deliverable", REPLY_MAILBOX_NOT_FOUND},
        {550, "That alias is not one of ours, not one of our names", REPLY_MAILBOX_NOT_FOUND},
        {554, "Kein solches Konto", REPLY_MAILBOX_NOT_FOUND},
        {550, "5.1.1 Unknown: correct the spelling and try again", REPLY_MAILBOX_NOT_FOUND},
        {550, "This inbox has been shut down", REPLY_MAILBOX_DISABLED},
        {550, "Addressee decommissioned last year", REPLY_MAILBOX_DISABLED},
        {550, "The subscriber cannot receive any more, not receive mail", REPLY_MAILBOX_DISABLED},
        {550, "The address was blocked due to inactivity", REPLY_MAILBOX_DISABLED},
        {550, "Konto des Kunden wurde geloescht", REPLY_MAILBOX_DISABLED},
        {552, "The inbox is at capacity", REPLY_MAILBOX_FULL},
        {550, "5.1.1 The alias has run out of storage", REPLY_MAILBOX_FULL},
        {552, "The customer has gone beyond the size limit", REPLY_MAILBOX_FULL},
        {550, "It has no room left, this account", REPLY_MAILBOX_FULL},
        {550, "Espacio agotado", REPLY_MAILBOX_FULL},
        {550, "Relaying elsewhere is not supported", REPLY_RELAY_DENIED},
        {550, "This user is not local", REPLY_RELAY_DENIED},
        {550, "We are not set up to receive for that domain", REPLY_RELAY_DENIED},
        {550, "Destination domain without a valid MX", REPLY_RELAY_DENIED},
        {550, "The MX records point to nothing", REPLY_RELAY_DENIED},
        {550, "Unknown recipient: look into your address book", REPLY_MAILBOX_NOT_FOUND},
        {550, "There is no alias here by that name", REPLY_MAILBOX_NOT_FOUND},
        {550, "That person is not one of ours", REPLY_MAILBOX_NOT_FOUND},
        {550, "5.7.1 We failed to find the addressee", REPLY_MAILBOX_NOT_FOUND},
        {550, "The recipient that you entered is wrong", REPLY_MAILBOX_NOT_FOUND},
        {550, "An undefined local account", REPLY_MAILBOX_NOT_FOUND},
        {550, "The inbox is no longer in service", REPLY_MAILBOX_DISABLED},
        {550, "Obsolete address", REPLY_MAILBOX_DISABLED},
        {550, "Subscriber blocked for long inactivity", REPLY_MAILBOX_DISABLED},
        {550, "Addressee out of storage", REPLY_MAILBOX_FULL},
        {550, "5.1.1 There is no room in the inbox", REPLY_MAILBOX_FULL},
        {552, "The alias is too full", REPLY_MAILBOX_FULL},
        {550, "Messages to that domain are not delivered", REPLY_RELAY_DENIED},
    };

    (void)state;
    assert_int_equal(wordings_misread(wordings, ARRAY_LENGTH(wordings)), 0);
}

/* The sender, the client, its address and name, the message; or nobody for certain. */
static void we_are_named(void **state)
{
    static const struct wording wordings[] = {
        {550, "5.1.1 Violation of what we allow", REPLY_PROBE_BLOCKED},
        {421, "DYN:T1 see the pages", REPLY_PROBE_BLOCKED},
        {550, "5.1.1 Incorrect IP", REPLY_PROBE_BLOCKED},
        {550, "Nous ne relayons pas: expediteur inexistant", REPLY_SENDER_REJECTED},
        {550, "Remitente bloqueado", REPLY_SENDER_REJECTED},
        {450, "The domain in From: the domain must exist", REPLY_SENDER_REJECTED},
        {550, "5.1.1 The mailbox of the sender is over quota", REPLY_SENDER_REJECTED},
        {550, "We take no password protected attachments", REPLY_PROBE_BLOCKED},
        {550, "It has to comply with what we ask", REPLY_PROBE_BLOCKED},
        {550, "Votre adresse a ete bloquee", REPLY_PROBE_BLOCKED},
        {550, "5.2.1 The session was bounced by the recipient", REPLY_REJECTED_UNCLEAR},
        {556, "Error with the IP", REPLY_REJECTED_UNCLEAR},
        {555, "Helohost is wrong", REPLY_PROBE_BLOCKED},
        {554, "Openrelay test", REPLY_PROBE_BLOCKED},
        {550, "5.7.1 RST.AuthRequired", REPLY_MAILBOX_RESTRICTED},
        {550, "You are not a user we know", REPLY_REJECTED_UNCLEAR},
        {550, "Unknown address 192.0.2.9", REPLY_REJECTED_UNCLEAR},
        {550, "Unknown user until STARTTLS", REPLY_REJECTED_UNCLEAR},
        {550, "The alias file was not found", REPLY_REJECTED_UNCLEAR},
        {550, "The mailbox does not accept mail from strangers", REPLY_PROBE_BLOCKED},
        {550, "The mailbox is off limits to you", REPLY_REJECTED_UNCLEAR},
        {550, "No route to your server", REPLY_PROBE_BLOCKED},
        {550, "Your host is on a blackhole list", REPLY_PROBE_BLOCKED},
        {554, "See uceprotect.example", REPLY_PROBE_BLOCKED},
        {550, "5.1.1 A machine of no trust", REPLY_REJECTED_UNCLEAR},
        {550, "Postmaster verification: user unknown", REPLY_SENDER_REJECTED},
        {550, "Verification failed for <joe@elsewhere.example>: no such user",
         REPLY_SENDER_REJECTED},
        {550, "The server does not accept mail for that recipient", REPLY_REJECTED_UNCLEAR},
        {554, "It does not conform", REPLY_PROBE_BLOCKED},
        {550, "Phish and ransomware", REPLY_PROBE_BLOCKED},
        {550, "A hijacked machine", REPLY_PROBE_BLOCKED},
        {550, "5.1.1 You claim to be us", REPLY_PROBE_BLOCKED},
        {550, "Your mail is not wanted", REPLY_PROBE_BLOCKED},
        {550, "Address verification refused", REPLY_PROBE_BLOCKED},
        {550, "5.1.1 Content is too long", REPLY_PROBE_BLOCKED},
        {550, "Only subscribers may post; the owner adds a new address for you",
         REPLY_MAILBOX_RESTRICTED},
        {552, "The message size is over our limit", REPLY_PROBE_BLOCKED},
        {550, "5.1.1 Bounces are not accepted", REPLY_PROBE_BLOCKED},
        {550, "5.1.1 You talk too soon", REPLY_PROBE_BLOCKED},
        {550, "5.1.1 An open relay was found, open relay found", REPLY_PROBE_BLOCKED},
        {550, "5.1.1 Write to us to be unblocked", REPLY_PROBE_BLOCKED},
        {550, "Your account has gone beyond its storage", REPLY_SENDER_REJECTED},
        {550, "Your address was purged", REPLY_SENDER_REJECTED},
        {550, "5.1.1 Your address was never created", REPLY_SENDER_REJECTED},
        {552, "Your address has no storage left", REPLY_SENDER_REJECTED},
        {550, "5.1.1 There is no envelope sender by that name", REPLY_SENDER_REJECTED},
        {550, "There is no relay account by that name", REPLY_REJECTED_UNCLEAR},
        {554, "mx.inbox.example ESMTP closed", REPLY_REJECTED_UNCLEAR},
        {554, "mx.inbox.example ESMTP not accepting messages", REPLY_PROBE_BLOCKED},
        {550, "The return address that you entered is wrong", REPLY_SENDER_REJECTED},
        {550, "The mail from domain was retired", REPLY_SENDER_REJECTED},
        {550, "5.1.1 Client exceeds what it may send", REPLY_PROBE_BLOCKED},
        {550, "The address was set up not to be relayed by the client", REPLY_PROBE_BLOCKED},
        {550, "Remetente inexistente", REPLY_SENDER_REJECTED},
        {550, "5.1.1 Your message went to quarantine, quarantined", REPLY_REJECTED_UNCLEAR},
        {550, "5.2.1 No permission. The user was not told", REPLY_REJECTED_UNCLEAR},
        {550, "5.1.0 Address rejected: access denied", REPLY_PROBE_BLOCKED},
        {550, "Mailbox unavailable for such mail", REPLY_REJECTED_UNCLEAR},
        {550, "5.2.1 Try another address, this one does not take such mail",
         REPLY_REJECTED_UNCLEAR},
        {550, "The return address is blocked due to inactivity", REPLY_SENDER_REJECTED},
    };

    (void)state;
    assert_int_equal(wordings_misread(wordings, ARRAY_LENGTH(wordings)), 0);
}

/* Not now, or not without signing in. */
static void the_moment_is_named(void **state)
{
    static const struct wording wordings[] = {
        {550, "Login required", REPLY_TLS_REQUIRED},
        {550, "Not authenticated", REPLY_TLS_REQUIRED},
        {454, "Your certificate was revoked", REPLY_TLS_REQUIRED},
        {550, "Only authenticated clients, please", REPLY_TLS_REQUIRED},
        {550, "5.1.1 The mailbox is locked by another process", REPLY_TEMPORARY_FAILURE},
        {550, "Relay denied, log in first", REPLY_TLS_REQUIRED},
        {503, "The server requires authentication", REPLY_TLS_REQUIRED},
        {550, "Turn on authentication", REPLY_TLS_REQUIRED},
        {554, "A secured connection is required", REPLY_TLS_REQUIRED},
        {550, "POP before SMTP, and no user", REPLY_TLS_REQUIRED},
        {550, "The cipher is too weak", REPLY_TLS_REQUIRED},
        {550, "Overloaded", REPLY_TEMPORARY_FAILURE},
        {554, "The user lookup failed", REPLY_TEMPORARY_FAILURE},
        {550, "Temporarily unable to check the recipient", REPLY_TEMPORARY_FAILURE},
        {550, "Could not resolve the recipient at this moment", REPLY_TEMPORARY_FAILURE},
        {550, "The recipient cannot be verified at this moment", REPLY_TEMPORARY_FAILURE},
        {550, "The directory says: query failed", REPLY_TEMPORARY_FAILURE},
        {550, "The system is out of resources", REPLY_TEMPORARY_FAILURE},
        {550, "Too many mails in this session", REPLY_TEMPORARY_FAILURE},
        {550, "Muitas conexoes", REPLY_TEMPORARY_FAILURE},
        {550, "Adresse: bitte spaeter", REPLY_TEMPORARY_FAILURE},
        {550, "Mail is taken over TLS", REPLY_TLS_REQUIRED},
        {550, "SSL is needed", REPLY_TLS_REQUIRED},
        {550, "5.7.1 This one takes mail over encrypted connections only", REPLY_TLS_REQUIRED},
        {421, "TLS 1.1 is not supported any more", REPLY_TLS_REQUIRED},
        {452, "You have reached your hourly quota of mails", REPLY_TEMPORARY_FAILURE},
        {550, "The connection must be encrypted", REPLY_TLS_REQUIRED},
        {550, "Only encrypted sessions", REPLY_TLS_REQUIRED},
        {550, "You are not logged in", REPLY_TLS_REQUIRED},
        {550, "Authentication required for relaying", REPLY_TLS_REQUIRED},
        {550, "Unknown command", REPLY_PROTOCOL_ERROR},
        {550, "Parsing failed", REPLY_PROTOCOL_ERROR},
        {550, "The lowest numbered MX is ourselves", REPLY_TEMPORARY_FAILURE},
        {501, "Special characters in it", REPLY_PROTOCOL_ERROR},
        {501, "HELO first, please", REPLY_PROTOCOL_ERROR},
    };

    (void)state;
    assert_int_equal(wordings_misread(wordings, ARRAY_LENGTH(wordings)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_recipient_is_named),
        cmocka_unit_test(we_are_named),
        cmocka_unit_test(the_moment_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
