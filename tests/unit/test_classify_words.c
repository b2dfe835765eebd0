/* test_classify_words.c - what the rules make of wordings at large: other languages, the dialects
 * of providers, and refusals of us or of the moment that name users, mailboxes and hosts. Here the
 * class counts, not the rule; test_classify.c has a reply for every rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "probes/base/mem.h"
#include "probes/smtp/classify.h"
#include "tests/support/wordings.h"

static void other_languages_are_read(void **state)
{
    static const struct wording wordings[] = {
        /* German */
        {550, "Der Empfaenger ist nicht bekannt", REPLY_MAILBOX_NOT_FOUND},
        {550, "Diese Adresse existiert nicht", REPLY_MAILBOX_NOT_FOUND},
        {550, "Unbekannte Empfängeradresse", REPLY_MAILBOX_NOT_FOUND},
        {550, "Benutzer auf diesem Server unbekannt", REPLY_MAILBOX_NOT_FOUND},
        {550, "Konto gesperrt", REPLY_MAILBOX_DISABLED},
        {552, "Das Postfach des Empfängers ist voll", REPLY_MAILBOX_FULL},
        {550, "Kein Relay erlaubt", REPLY_RELAY_DENIED},
        {550, "Absenderadresse abgelehnt", REPLY_SENDER_REJECTED},
        {554, "Ihre IP-Adresse wurde gesperrt", REPLY_PROBE_BLOCKED},
        {451, "Vorübergehender Fehler", REPLY_TEMPORARY_FAILURE},
        /* French */
        {550, "L'adresse du destinataire n'existe pas", REPLY_MAILBOX_NOT_FOUND},
        {550, "Utilisateur inexistant", REPLY_MAILBOX_NOT_FOUND},
        {550, "Ce compte a été désactivé", REPLY_MAILBOX_DISABLED},
        {552, "La boîte aux lettres est pleine", REPLY_MAILBOX_FULL},
        {550, "Relais non autorisé", REPLY_RELAY_DENIED},
        {554, "Votre adresse est sur liste noire", REPLY_PROBE_BLOCKED},
        {421, "Trop de messages", REPLY_TEMPORARY_FAILURE},
        /* Spanish */
        {550, "La dirección no es válida", REPLY_MAILBOX_NOT_FOUND},
        {550, "Usuario desconocido", REPLY_MAILBOX_NOT_FOUND},
        {550, "Cuenta bloqueada", REPLY_MAILBOX_DISABLED},
        {452, "El buzón está lleno", REPLY_MAILBOX_FULL},
        {550, "Relay no permitido", REPLY_RELAY_DENIED},
        {554, "Acceso denegado", REPLY_PROBE_BLOCKED},
        {451, "Error temporal", REPLY_TEMPORARY_FAILURE},
        /* Portuguese */
        {550, "Caixa postal inexistente", REPLY_MAILBOX_NOT_FOUND},
        {550, "Usuário não existe", REPLY_MAILBOX_NOT_FOUND},
        {550, "Conta desativada", REPLY_MAILBOX_DISABLED},
        {552, "Caixa postal cheia", REPLY_MAILBOX_FULL},
        {550, "Remetente bloqueado", REPLY_SENDER_REJECTED},
        {550, "Mensagem recusada", REPLY_PROBE_BLOCKED},
        /* Italian */
        {550, "L'utente non esiste", REPLY_MAILBOX_NOT_FOUND},
        {550, "Destinatario non valido", REPLY_MAILBOX_NOT_FOUND},
        {550, "Casella sospesa", REPLY_MAILBOX_DISABLED},
        {552, "La casella è piena", REPLY_MAILBOX_FULL},
        {550, "Accesso negato", REPLY_PROBE_BLOCKED},
        /* Dutch */
        {550, "Onbekende ontvanger", REPLY_MAILBOX_NOT_FOUND},
        {550, "Dit e-mailadres bestaat niet", REPLY_MAILBOX_NOT_FOUND},
        {550, "Account is geblokkeerd", REPLY_MAILBOX_DISABLED},
        {552, "Postvak vol", REPLY_MAILBOX_FULL},
        {550, "Relay niet toegestaan", REPLY_RELAY_DENIED},
        {554, "Uw IP-adres is geblokkeerd", REPLY_PROBE_BLOCKED},
        /* Polish, Czech */
        {550, "Nie ma takiego użytkownika", REPLY_MAILBOX_NOT_FOUND},
        {550, "Nieznany odbiorca", REPLY_MAILBOX_NOT_FOUND},
        {550, "Konto zablokowane", REPLY_MAILBOX_DISABLED},
        {552, "Skrzynka odbiorcy przepełniona", REPLY_MAILBOX_FULL},
        {554, "Adres IP na czarnej liscie", REPLY_PROBE_BLOCKED},
        {550, "Uživatel neexistuje", REPLY_MAILBOX_NOT_FOUND},
        /* the North, Turkish, Hungarian, Romanian, Greek */
        {550, "Användaren finns inte", REPLY_MAILBOX_NOT_FOUND},
        {550, "Brukeren finnes ikke", REPLY_MAILBOX_NOT_FOUND},
        {550, "Tuntematon vastaanottaja", REPLY_MAILBOX_NOT_FOUND},
        {550, "Kullanıcı bulunamadı", REPLY_MAILBOX_NOT_FOUND},
        {552, "Posta kutusu dolu", REPLY_MAILBOX_FULL},
        {550, "A felhasználó nem létezik", REPLY_MAILBOX_NOT_FOUND},
        {550, "Utilizator inexistent", REPLY_MAILBOX_NOT_FOUND},
        {550, "Ο χρήστης δεν υπάρχει", REPLY_MAILBOX_NOT_FOUND},
        /* Russian, also in Latin letters; Ukrainian */
        {550, "Такого ящика не существует", REPLY_MAILBOX_NOT_FOUND},
        {550, "Net takogo polzovatelya", REPLY_MAILBOX_NOT_FOUND},
        {550, "Сообщение отклонено: пользователь не найден", REPLY_MAILBOX_NOT_FOUND},
        {550, "Ящик заблокирован", REPLY_MAILBOX_DISABLED},
        {552, "Ящик переполнен", REPLY_MAILBOX_FULL},
        {554, "Ваш IP заблокирован", REPLY_PROBE_BLOCKED},
        {451, "Временная ошибка", REPLY_TEMPORARY_FAILURE},
        {550, "Користувача не знайдено", REPLY_MAILBOX_NOT_FOUND},
        /* Chinese, also as pinyin; Japanese */
        {550, "收件人地址不存在", REPLY_MAILBOX_NOT_FOUND},
        {550, "yonghu bu cunzai", REPLY_MAILBOX_NOT_FOUND},
        {550, "账号已被禁用", REPLY_MAILBOX_DISABLED},
        {552, "邮箱空间已满", REPLY_MAILBOX_FULL},
        {554, "您的IP已被拒绝", REPLY_PROBE_BLOCKED},
        {550, "宛先不明", REPLY_MAILBOX_NOT_FOUND},
    };

    (void)state;
    assert_int_equal(wordings_misread(wordings, ARRAY_LENGTH(wordings)), 0);
}

static void dialects_of_providers_are_read(void **state)
{
    static const struct wording wordings[] = {
        /* NetEase: the first pair says whose rule, the second which */
        {554, "DT:SPM 163 mx1", REPLY_PROBE_BLOCKED},
        {421, "HL:ICC 163 mx2", REPLY_TEMPORARY_FAILURE},
        {450, "RP:DRC 163 mx3", REPLY_TEMPORARY_FAILURE},
        /* AOL, Cloudmark, Google, Microsoft */
        {554, "(RTR:BL) see our postmaster page", REPLY_PROBE_BLOCKED},
        {554, "192.0.2.5 has a poor reputation on Cloudmark", REPLY_PROBE_BLOCKED},
        {421, "4.7.0 TLS required for RCPT domain", REPLY_TLS_REQUIRED},
        {550, "5.1.10 Recipient not found by SMTP address lookup", REPLY_MAILBOX_NOT_FOUND},
        {550, "5.7.708 Access denied, traffic not accepted from this IP", REPLY_TEMPORARY_FAILURE},
        {554, "5.7.509 Sending domain does not pass DMARC verification", REPLY_PROBE_BLOCKED},
        /* GMX says RFC 5321's words first */
        {550, "Requested action not taken: mailbox unavailable\nSender address has null MX",
         REPLY_SENDER_REJECTED},
        {550, "Requested action not taken: mailbox unavailable\nTry again later",
         REPLY_TEMPORARY_FAILURE},
        {550, "Requested action not taken: mailbox unavailable\nToo many connections",
         REPLY_TEMPORARY_FAILURE},
        /* Mail.ru, Yahoo, Interia, Cisco */
        {550, "Message was not accepted -- invalid mailbox: user not found",
         REPLY_MAILBOX_NOT_FOUND},
        {550, "non-local recipient verification failed", REPLY_RELAY_DENIED},
        {554, "This user doesn't have a yahoo.com account", REPLY_MAILBOX_NOT_FOUND},
        {550, "5.2.1 Mailbox not available", REPLY_MAILBOX_NOT_FOUND},
        {452, "Too many recipients received this hour", REPLY_TEMPORARY_FAILURE},
        /* Coremail, hMailServer, MailEnable, Postfix, policy daemons */
        {553, "host denies the sender", REPLY_SENDER_REJECTED},
        {553, "host denies relay", REPLY_RELAY_DENIED},
        {550, "black ip", REPLY_PROBE_BLOCKED},
        {550, "Delivery is not allowed to this address", REPLY_RELAY_DENIED},
        {503, "Authentication is needed to send to a non-local e-mail address", REPLY_RELAY_DENIED},
        {450, "4.7.1 Error: too much mail from 192.0.2.5", REPLY_TEMPORARY_FAILURE},
        {451, "4.3.5 Policy server failed", REPLY_TEMPORARY_FAILURE},
        {550, "This mailbox was removed", REPLY_MAILBOX_DISABLED},
        {550, "Subscriber cancelled", REPLY_MAILBOX_DISABLED},
        {550, "This e-mail address is not in use", REPLY_MAILBOX_DISABLED},
        {550, "No such mail account", REPLY_MAILBOX_NOT_FOUND},
        {550, "Incorrect e-mail address", REPLY_MAILBOX_NOT_FOUND},
        {550, "Unknown recipient domain", REPLY_RELAY_DENIED},
        {550, "This is not one of our domains", REPLY_RELAY_DENIED},
        {550, "There is no user joe", REPLY_MAILBOX_NOT_FOUND},
        {550, "Mailbox has too many messages", REPLY_MAILBOX_FULL},
        {450, "Message rate exceeded", REPLY_TEMPORARY_FAILURE},
        {550, "We have no record of that user", REPLY_MAILBOX_NOT_FOUND},
        {550, "Local user joe unknown", REPLY_MAILBOX_NOT_FOUND},
        {552, "Insufficient space in the recipient's mailbox", REPLY_MAILBOX_FULL},
        {550, "We do not host this domain", REPLY_RELAY_DENIED},
        {530, "You must log in first", REPLY_TLS_REQUIRED},
        /* AOL, Charter, Facebook, Coremail, Postini, CommuniGate, Rambler */
        {521, "5.2.1 We will not accept delivery of what you bring", REPLY_PROBE_BLOCKED},
        {554, "Not available to you. AUP#In-9999", REPLY_PROBE_BLOCKED},
        {550, "5.1.0 rejected, does not exist E2110", REPLY_PROBE_BLOCKED},
        {571, "incorrect IP", REPLY_PROBE_BLOCKED},
        {550, "the account has mail receiving disabled", REPLY_MAILBOX_DISABLED},
        {540, "5.7.1 Recipient address rejected: locked", REPLY_MAILBOX_DISABLED},
        {554, "5.7.1 Recipient address rejected: blocked", REPLY_PROBE_BLOCKED},
        {450, "4.7.3 Queue quota of the organization exceeded", REPLY_TEMPORARY_FAILURE},
        {550, "5.4.4 SMTPSEND.DNS: domain does not exist", REPLY_TEMPORARY_FAILURE},
        {550, "Rule imposed access: user invalid", REPLY_PROBE_BLOCKED},
        {451, "4.5.0 Protocol violation", REPLY_PROTOCOL_ERROR},
    };

    (void)state;
    assert_int_equal(wordings_misread(wordings, ARRAY_LENGTH(wordings)), 0);
}

/* Each names a user, a mailbox or a host as missing, and none says so of the recipient. */
static void look_alikes_are_told_apart(void **state)
{
    static const struct wording wordings[] = {
        /* us */
        {550, "HELO host name not found", REPLY_PROBE_BLOCKED},
        {550, "EHLO hostname does not exist", REPLY_PROBE_BLOCKED},
        {550, "Your domain was not found", REPLY_PROBE_BLOCKED},
        {550, "You are not known to this user", REPLY_PROBE_BLOCKED},
        {550, "Address not found in our whitelist", REPLY_PROBE_BLOCKED},
        {550, "5.7.25 The address has no such host", REPLY_PROBE_BLOCKED},
        {550, "5.7.1 blocked: non-existent users", REPLY_PROBE_BLOCKED},
        {550, "5.7.1 The user has blocked messages from your domain", REPLY_PROBE_BLOCKED},
        {550, "Relay access denied - 192.0.2.5 is listed in zen.spamhaus.org", REPLY_PROBE_BLOCKED},
        {550, "This user's filter rejected it", REPLY_PROBE_BLOCKED},
        {550, "Mail server mx1.elsewhere.example does not exist", REPLY_PROBE_BLOCKED},
        {550, "5.1.1 Forged: no such host", REPLY_PROBE_BLOCKED},
        {550, "IP address not found", REPLY_PROBE_BLOCKED},
        {550, "Invalid host address", REPLY_PROBE_BLOCKED},
        {550, "5.1.1 No valid recipients from 192.0.2.9", REPLY_PROBE_BLOCKED},
        {550, "5.1.1 Your hostname is not valid", REPLY_PROBE_BLOCKED},
        {550, "5.1.3 Host [192.0.2.9] not known", REPLY_PROBE_BLOCKED},
        {550, "Host [192.0.2.9] is not known here", REPLY_PROBE_BLOCKED},
        {550, "5.2.1 Client IP suspended", REPLY_PROBE_BLOCKED},
        {550, "Originating IP no longer exists", REPLY_PROBE_BLOCKED},
        {550, "The host you connect from is not found", REPLY_PROBE_BLOCKED},
        {550, "No such host [192.0.2.9]", REPLY_PROBE_BLOCKED},
        {550, "Only from addresses with reverse lookups", REPLY_PROBE_BLOCKED},
        {550, "5.1.1 Directory attack", REPLY_PROBE_BLOCKED},
        {550, "5.1.1 Message declined by recipient", REPLY_PROBE_BLOCKED},
        {550, "5.2.1 Transaction dropped", REPLY_PROBE_BLOCKED},
        /* the sender */
        {550, "5.1.7 Invalid address", REPLY_SENDER_REJECTED},
        {550, "5.1.8 No such user", REPLY_SENDER_REJECTED},
        {550, "5.7.1 No such user. Sender verify failed", REPLY_SENDER_REJECTED},
        {550, "Verification of your address failed: no such user", REPLY_SENDER_REJECTED},
        {550, "Return path: mailbox not found", REPLY_SENDER_REJECTED},
        {550, "The account you send from was locked", REPLY_SENDER_REJECTED},
        {553, "The mailbox of the sender is disabled", REPLY_SENDER_REJECTED},
        {550, "Invalid address in MAIL FROM", REPLY_SENDER_REJECTED},
        {550, "5.7.27 domain not found", REPLY_SENDER_REJECTED},
        {550, "The sending user is unknown", REPLY_SENDER_REJECTED},
        {550, "Reply-To address invalid", REPLY_SENDER_REJECTED},
        {550, "Your address is disabled", REPLY_SENDER_REJECTED},
        {550, "5.1.1 Originator address invalid", REPLY_SENDER_REJECTED},
        {550, "Bounce address no longer in use", REPLY_SENDER_REJECTED},
        {550, "5.1.0 Bounce address rejected", REPLY_SENDER_REJECTED},
        {550, "5.2.1 Sender mailbox not known", REPLY_SENDER_REJECTED},
        {550, "5.1.2 The sender no longer exists", REPLY_SENDER_REJECTED},
        {550, "No such sender", REPLY_SENDER_REJECTED},
        {550, "Your address was not recognized", REPLY_SENDER_REJECTED},
        {550, "MAIL FROM is not resolvable", REPLY_SENDER_REJECTED},
        {550, "Real bounces have one recipient", REPLY_SENDER_REJECTED},
        /* the moment */
        {550, "Cannot verify recipient due to a temporary system problem", REPLY_TEMPORARY_FAILURE},
        {550, "Recipient unknown: directory timeout", REPLY_TEMPORARY_FAILURE},
        {550, "DNS failure: domain not found", REPLY_TEMPORARY_FAILURE},
        {550, "Name server error: unknown host", REPLY_TEMPORARY_FAILURE},
        {550, "Loop detected, recipient invalid", REPLY_TEMPORARY_FAILURE},
        {550, "Mailbox disabled for maintenance", REPLY_TEMPORARY_FAILURE},
        {550, "Unable to verify user, try again", REPLY_TEMPORARY_FAILURE},
        {550, "5.1.1 Not found, lookup timed out", REPLY_TEMPORARY_FAILURE},
        {421, "Rate limit exceeded for mailbox", REPLY_TEMPORARY_FAILURE},
        {550, "Too many unknown users", REPLY_TEMPORARY_FAILURE},
        {550, "5.2.1 Too frequent connections", REPLY_TEMPORARY_FAILURE},
        {550, "5.2.1 Exceeded allowable connection time", REPLY_TEMPORARY_FAILURE},
        {550, "Maximum number of messages exceeded", REPLY_TEMPORARY_FAILURE},
        {550, "5.1.1 Out of memory", REPLY_TEMPORARY_FAILURE},
        {550, "5.1.1 Please retry", REPLY_TEMPORARY_FAILURE},
        {550, "5.1.1 Mailbox busy", REPLY_TEMPORARY_FAILURE},
        /* signing in */
        {550, "Authentication failed: unknown user", REPLY_TLS_REQUIRED},
        {535, "User unknown or bad password", REPLY_TLS_REQUIRED},
        {550, "User not authenticated", REPLY_TLS_REQUIRED},
        {550, "Password for user incorrect", REPLY_TLS_REQUIRED},
        /* nobody in particular */
        {550, "User has not authorised you", REPLY_REJECTED_UNCLEAR},
        {550, "A certificate does not exist", REPLY_REJECTED_UNCLEAR},
        {550, "This link was not found", REPLY_REJECTED_UNCLEAR},
        {550, "Outbound mail of this user suspended", REPLY_REJECTED_UNCLEAR},
        {554, "5.3.0 unknown mailer error 1", REPLY_REJECTED_UNCLEAR},
    };

    (void)state;
    assert_int_equal(wordings_misread(wordings, ARRAY_LENGTH(wordings)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_languages_are_read),
        cmocka_unit_test(dialects_of_providers_are_read),
        cmocka_unit_test(look_alikes_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
