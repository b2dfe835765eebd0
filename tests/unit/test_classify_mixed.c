/* test_classify_mixed.c - who refuses us, the sender or the moment and in the same breath says that
 * there is no such user has not said it of the recipient: in English and in other languages. And
 * what servers say in words of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "probes/base/mem.h"
#include "probes/smtp/classify.h"
#include "tests/support/wordings.h"

enum { BLAME_MAX = 12, GONE_MAX = 4, TEXT_MAX = 512 };

static const struct tongue {
    const char *name;
    const char *blame[BLAME_MAX]; /* of us, the sender, the moment, or for want of signing in */
    const char *gone[GONE_MAX];   /* of the recipient */
} tongues[] = {
    {"English",
     {"Your network is on our deny list", "Sign in first", "Please wait some minutes",
      "Your server was caught guessing", "STARTTLS is mandatory", "The return path does not exist",
      "Connections from there are not permitted", "Come back in an hour"},
     {"No such user", "Mailbox does not exist", "Account disabled"}},
    {"German",
     {"Ihre IP-Adresse ist gesperrt", "Zugriff verweigert", "Zu viele Verbindungen",
      "Bitte später erneut versuchen", "Anmeldung erforderlich", "Verschlüsselung nötig",
      "Absender existiert nicht", "Ihr Server steht auf einer Sperrliste",
      "Das widerspricht unseren Richtlinien"},
     {"Benutzer unbekannt", "Postfach existiert nicht", "Benutzerkonto deaktiviert"}},
    {"French",
     {"Votre adresse IP est bloquée", "Accès refusé", "Trop d'essais depuis votre serveur",
      "Réessayer plus tard", "Authentification requise", "Chiffrement requis",
      "L'expéditeur n'existe pas", "Liste noire", "Courrier indésirable", "Erreur temporaire"},
     {"Utilisateur inconnu", "Cette boîte n'existe pas", "Compte désactivé"}},
    {"Spanish",
     {"Su IP está bloqueada", "Acceso denegado", "Demasiadas conexiones", "Intente más tarde",
      "Se requiere autenticación", "El remitente no existe", "Correo no deseado",
      "Contra nuestras políticas", "Error temporal"},
     {"Usuario desconocido", "El buzón no existe", "Cuenta deshabilitada"}},
    {"Portuguese",
     {"Seu IP foi bloqueado", "Acesso negado", "Muitas conexões", "Tente mais tarde",
      "Autenticação necessária", "O remetente não existe", "Lista negra"},
     {"Usuário desconhecido", "A caixa não existe", "Conta desativada"}},
    {"Italian",
     {"Il tuo indirizzo IP è bloccato", "Accesso negato", "Troppe connessioni",
      "Riprovare più tardi", "Autenticazione richiesta", "Il mittente non esiste", "Lista nera",
      "Contro le nostre politiche"},
     {"Utente sconosciuto", "La casella non esiste", "Account disattivato"}},
    {"Dutch",
     {"Uw IP-adres is geblokkeerd", "Toegang geweigerd", "Te veel verbindingen",
      "Probeer het later opnieuw", "Authenticatie vereist", "Afzender bestaat niet", "Zwarte lijst",
      "In strijd met ons beleid"},
     {"Onbekende gebruiker", "Postvak bestaat niet", "Account is gedeactiveerd"}},
    {"Polish",
     {"Twój adres IP jest zablokowany", "Dostęp zabroniony", "Zbyt wiele połączeń",
      "Spróbuj później", "Wymagane uwierzytelnienie", "Nadawca nie istnieje",
      "Serwer na czarnej liście", "Błąd tymczasowy"},
     {"Nieznany użytkownik", "Skrzynka nie istnieje", "Konto nieaktywne"}},
    {"Czech",
     {"Vaše IP adresa je blokována", "Přístup odepřen", "Příliš mnoho spojení", "Zkuste později",
      "Nutné ověření totožnosti", "Odesílatel neexistuje", "Dočasná chyba"},
     {"Neznámý uživatel", "Schránka neexistuje", "Účet je zablokovaný"}},
    {"Russian",
     {"Ваш IP-адрес заблокирован", "Доступ запрещён", "Слишком много соединений", "Повторите позже",
      "Требуется авторизация", "Отправитель не существует", "Сервер в черном списке",
      "Временная ошибка"},
     {"Пользователь не найден", "Ящик не существует", "Ящик заблокирован"}},
    {"Ukrainian",
     {"Вашу IP-адресу заблоковано", "Доступ заборонено", "Забагато листів", "Спробуйте пізніше",
      "Потрібна автентифікація", "Відправник не існує"},
     {"Користувача не знайдено"}},
    {"Chinese",
     {"您的IP地址已被封禁", "拒绝访问", "连接过多", "请稍后再试", "需要身份验证", "发件人不存在",
      "服务器在黑名单中", "违反策略", "临时错误", "垃圾邮件"},
     {"用户不存在", "邮箱不存在", "账号已被停用"}},
    {"Japanese",
     {"あなたのIPはブロックされています", "アクセスが拒否されました", "接続が多すぎます",
      "しばらくお待ちください", "認証が必要です", "送信者が存在しません", "ブラックリスト",
      "一時的なエラー"},
     {"ユーザーが存在しません", "メールボックスが見つかりません", "アカウントは無効です"}},
    {"Korean",
     {"귀하의 IP가 차단되었습니다", "접근이 거부되었습니다", "너무 많은 연결", "인증이 필요합니다",
      "발신자가 존재하지 않습니다", "일시적인 오류"},
     {"사용자가 존재하지 않습니다"}},
    {"Turkish",
     {"IP adresiniz engellendi", "Erişim reddedildi", "Çok fazla bağlantı",
      "Daha sonra tekrar deneyin", "Kimlik doğrulaması gerekli", "Gönderen mevcut değil",
      "Kara listede", "Geçici hata"},
     {"Kullanıcı bulunamadı", "Hesap devre dışı"}},
    {"Swedish",
     {"Din IP-adress är blockerad", "Åtkomst nekad", "För många anslutningar", "Försök senare",
      "Autentisering krävs", "Avsändaren finns inte", "Tillfälligt fel"},
     {"Användaren finns inte", "Kontot är avslutat"}},
    {"Hungarian",
     {"Túl sok kapcsolat", "Hitelesítés szükséges", "A küldő nem létezik", "Átmeneti hiba"},
     {"A felhasználó nem létezik"}},
    {"Romanian",
     {"Prea multe conexiuni", "Autentificare necesară", "Expeditorul nu există",
      "Eroare temporară"},
     {"Utilizator inexistent"}},
};

static bool speaks_of_the_recipient(enum reply_class class)
{
    return class == REPLY_MAILBOX_NOT_FOUND || class == REPLY_MAILBOX_DISABLED ||
           class == REPLY_MAILBOX_ABANDONED || class == REPLY_MAILBOX_MOVED ||
           class == REPLY_RELAY_DENIED;
}

static struct reply_meaning at_rcpt(const char *text)
{
    struct reply_context context = {.stage = SMTP_STAGE_RCPT};

    return reply_classify(550, NULL, text, &context);
}

static void expect_not_gone(const struct tongue *tongue, const char *text)
{
    struct reply_meaning have = at_rcpt(text);

    if (speaks_of_the_recipient(have.class))
        fail_msg("%s: %s: %s by %s", tongue->name, text, reply_class_name(have.class), have.rule);
}

/* The code stands for the recipient, and the words, all of them or some, do not. */
static void expect_blame(const struct tongue *tongue, const char *blame)
{
    static const char *const forms[] = {"%s. %s", "5.1.1 %s: %s", "5.2.1 %s (%s)", "5.7.1 %s, %s"};
    char text[TEXT_MAX];

    snprintf(text, sizeof(text), "5.1.1 %s", blame);
    expect_not_gone(tongue, text);
    for (size_t g = 0; g < GONE_MAX && tongue->gone[g] != NULL; g++) {
        for (size_t f = 0; f < ARRAY_LENGTH(forms); f++) {
            snprintf(text, sizeof(text), forms[f], blame, tongue->gone[g]);
            expect_not_gone(tongue, text);
            snprintf(text, sizeof(text), forms[f], tongue->gone[g], blame);
            expect_not_gone(tongue, text);
        }
    }
}

static void blame_wins_in_every_language(void **state)
{
    (void)state;
    for (size_t t = 0; t < ARRAY_LENGTH(tongues); t++) {
        for (size_t b = 0; b < BLAME_MAX && tongues[t].blame[b] != NULL; b++)
            expect_blame(&tongues[t], tongues[t].blame[b]);
        /* and yet they know how to say it */
        for (size_t g = 0; g < GONE_MAX && tongues[t].gone[g] != NULL; g++)
            assert_true(speaks_of_the_recipient(at_rcpt(tongues[t].gone[g]).class));
    }
}

static void own_words_are_read(void **state)
{
    static const struct wording wordings[] = {
        {550, "That mailbox isn't here", REPLY_MAILBOX_NOT_FOUND},
        {550, "5.1.1 Invalid recipient, message refused", REPLY_MAILBOX_NOT_FOUND},
        {550, "Unknown user. Your provider can tell you more", REPLY_MAILBOX_NOT_FOUND},
        {550, "Account disabled. Check it and try again", REPLY_MAILBOX_DISABLED},
        {550, "Nobody with that name is here", REPLY_MAILBOX_NOT_FOUND},
        {550, "5.4.1 All recipient addresses rejected : Access denied", REPLY_MAILBOX_NOT_FOUND},
        {550, "Mailbox for <jane@a.example> not available", REPLY_MAILBOX_NOT_FOUND},
        {550, "The employee has left", REPLY_MAILBOX_DISABLED},
        {550, "This mailbox is no longer in operation", REPLY_MAILBOX_DISABLED},
        {550, "They have used up the storage of that account", REPLY_MAILBOX_FULL},
        {550, "This user has no disk space left", REPLY_MAILBOX_FULL},
        {554, "We are not the mail exchanger of that domain", REPLY_RELAY_DENIED},
        {550, "We are no open relay", REPLY_RELAY_DENIED},
        {521, "We take no mail at this host", REPLY_HOST_NO_MAIL},
        {554, "This machine does not receive mail", REPLY_HOST_NO_MAIL},
        {550, "5.7.1 They take mail only from people they know", REPLY_MAILBOX_RESTRICTED},
        {550, "It is not permitted to post to this group", REPLY_MAILBOX_RESTRICTED},
        {550, "5.7.1 Unencrypted mail is refused", REPLY_TLS_REQUIRED},
        {554, "5.7.1 We insist on TLS", REPLY_TLS_REQUIRED},
        {550, "5.7.3 Authentication unsuccessful", REPLY_TLS_REQUIRED},
        {550, "5.3.0 The user database cannot be reached", REPLY_TEMPORARY_FAILURE},
        {550, "5.1.1 The mailbox is being moved, please retry", REPLY_TEMPORARY_FAILURE},
        {550, "5.1.1 Not looked up because of a server error", REPLY_TEMPORARY_FAILURE},
        {550, "5.1.1 The limit of a session for unknown users was exceeded",
         REPLY_TEMPORARY_FAILURE},
        {550, "5.7.1 Relaying is temporarily denied", REPLY_TEMPORARY_FAILURE},
        {450, "4.7.1 You sent too many messages in this minute", REPLY_TEMPORARY_FAILURE},
        {550, "5.7.1 The host you use is not liked", REPLY_PROBE_BLOCKED},
        {550, "5.1.1 You were disabled for probing", REPLY_PROBE_BLOCKED},
        {550, "5.2.1 No such user - blocked by our rules", REPLY_PROBE_BLOCKED},
        {550, "5.1.1 Access is prohibited for your country", REPLY_PROBE_BLOCKED},
        {550, "5.2.1 The mailbox is locked while it is saved", REPLY_REJECTED_UNCLEAR},
    };

    (void)state;
    assert_int_equal(wordings_misread(wordings, ARRAY_LENGTH(wordings)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blame_wins_in_every_language),
        cmocka_unit_test(own_words_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
