/* A hostile server and hostile arguments. First octet: TLS or not, what becomes of the handshake,
 * SMTPUTF8, how many tasks, how it all ends; then recipient, sender and EHLO name, each up to a
 * NUL; the rest is what the server says, line by line.
 *
 * Whatever comes: only commands of the table leave, each on one line; groups only where PIPELINING
 * was offered; and the dialog ends after as many turns as its tasks allow. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/smtp/dialog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TASKS_MAX = 4, TURNS_MAX = 6 + 3 * TASKS_MAX, WORD_SIZE = 700 };

struct game {
    struct smtp_dialog dialog;
    struct smtp_reply reply;
    char recipient[WORD_SIZE], sender[WORD_SIZE], hello[WORD_SIZE];
    uint8_t choice;
    unsigned tasks, sends;
};

static const char *const commands[] = {"EHLO ",       "HELO ",     "STARTTLS\r", "RSET\r",
                                       "MAIL FROM:<", "RCPT TO:<", "QUIT\r"};

static void check_line(const char *line, size_t length)
{
    bool known = false;

    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        known = known || strncmp(line, commands[i], strlen(commands[i])) == 0;
    assert(known);
    assert(length >= 6 && line[length - 1] == '\n' && line[length - 2] == '\r');
    assert(memchr(line, '\r', length - 2) == NULL);
}

static void check_group(struct game *game)
{
    struct text group;
    unsigned lines = 0;

    text_init(&group, SMTP_GROUP_MAX);
    smtp_dialog_compose(&game->dialog, &group);
    assert(!group.overflow && group.length > 0);
    for (const char *line = group.bytes; *line != '\0'; lines++) {
        const char *end = strchr(line, '\n');

        assert(end != NULL);
        check_line(line, (size_t)(end - line) + 1);
        line = end + 1;
    }
    assert(lines == 1 || (game->dialog.offered.pipelining && lines <= 4));
    text_free(&group);
    game->sends++;
}

static enum smtp_action ask(struct game *game)
{
    struct smtp_envelope envelope = {
        .mail_from = game->sender,
        .recipient = game->recipient,
        .smtputf8 = (game->choice & 4) != 0,
    };

    if (game->tasks == game->choice / 8 % (TASKS_MAX + 1))
        return smtp_dialog_quit(&game->dialog);
    game->tasks++;
    return smtp_dialog_ask(&game->dialog, &envelope, (game->choice & 64) != 0);
}

/* What wants to be done before the next line is read. */
static enum smtp_action act(struct game *game, enum smtp_action action)
{
    while (action == SMTP_DO_ASK)
        action = ask(game);
    if (action == SMTP_DO_SEND)
        check_group(game);
    if (action == SMTP_DO_START_TLS && (game->choice & 2) == 0)
        return act(game, smtp_dialog_on_tls(&game->dialog));
    if (action == SMTP_DO_START_TLS)
        return smtp_dialog_on_break(&game->dialog, SMTP_END_TLS);
    return action == SMTP_DO_SEND ? SMTP_DO_WAIT : action;
}

static enum smtp_action hear(struct game *game, const char *line, size_t length)
{
    enum smtp_action action = SMTP_DO_WAIT;

    switch (smtp_reply_add_line(&game->reply, line, length)) {
    case SMTP_PARSE_MORE:
        break;
    case SMTP_PARSE_BAD:
        action = smtp_dialog_on_break(&game->dialog, SMTP_END_PROTOCOL);
        break;
    case SMTP_PARSE_DONE:
        action = smtp_dialog_on_reply(&game->dialog, &game->reply);
        smtp_reply_clear(&game->reply);
        break;
    }
    return action;
}

static void take_word(char *word, const char **at, const char *end)
{
    size_t length = strnlen(*at, (size_t)(end - *at));
    size_t kept = length < WORD_SIZE ? length : WORD_SIZE - 1;

    memcpy(word, *at, kept);
    word[kept] = '\0';
    *at += length + (*at + length < end);
}

static void check_end(const struct game *game)
{
    const struct smtp_dialog *dialog = &game->dialog;

    assert(dialog->step == SMTP_STEP_OVER && dialog->end != SMTP_END_NONE);
    assert(dialog->answered <= game->tasks);
    assert(dialog->turns <= TURNS_MAX && game->sends <= TURNS_MAX);
    assert(game->sends == 0 || dialog->stage > SMTP_STAGE_GREETING || dialog->end != SMTP_END_QUIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data + 1, *end = (const char *)data + size;
    struct game game = {.tasks = 0};

    if (size == 0)
        return 0;
    game.choice = data[0];
    take_word(game.recipient, &at, end);
    take_word(game.sender, &at, end);
    take_word(game.hello, &at, end);
    smtp_dialog_init(&game.dialog, game.hello, (game.choice & 1) != 0);
    smtp_reply_init(&game.reply);
    enum smtp_action action = smtp_dialog_on_connect(&game.dialog);
    while (action != SMTP_DO_CLOSE && at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((line_end != NULL ? line_end : end) - at);

        action = act(&game, hear(&game, at, length));
        at += length + (line_end != NULL);
    }
    if (action != SMTP_DO_CLOSE)
        smtp_dialog_on_break(&game.dialog, game.choice & 128 ? SMTP_END_TIMEOUT : SMTP_END_LOST);
    check_end(&game);
    smtp_reply_clear(&game.reply);
    return 0;
}
