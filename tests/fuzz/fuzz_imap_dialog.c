/* A hostile server: first octet = what it answers to handshakes and how it ends, the rest its
 * lines. The dialog ends within its bounds and says nothing but its own commands, one group at a
 * time. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probes/imap/dialog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_commands(struct imap_dialog *dialog)
{
    char out[IMAP_COMMANDS_MAX + 1];
    enum imap_step step = dialog->step;
    size_t length = imap_dialog_compose(dialog, out, IMAP_COMMANDS_MAX);

    assert(length > 0 && length < IMAP_COMMANDS_MAX);
    out[length] = '\0';
    assert(strcmp(out + length - 2, "\r\n") == 0);
    assert(strstr(out, "LOGIN") == NULL && strstr(out, "AUTHENTICATE") == NULL);
    if (step == IMAP_STEP_STARTTLS) /* nothing behind it */
        assert(strstr(out, "STARTTLS\r\n") == out + length - 10 && dialog->tags <= 2);
}

static void check_end(struct imap_dialog *dialog)
{
    struct imap_endpoint endpoint = {.port = 143};
    enum imap_state state = dialog->state;

    assert(dialog->step == IMAP_STEP_DONE);
    assert(dialog->tags <= 5 && dialog->answered <= dialog->tags);
    assert(dialog->responses <= IMAP_RESPONSES_MAX + 1);
    assert(state != IMAP_OK || (dialog->capabilities.traits & IMAP_TRAIT_REV1_OR_REV2) != 0);
    imap_dialog_report(dialog, &endpoint);
    assert(endpoint.greeting == NULL || strlen(endpoint.greeting) <= IMAP_GREETING_MAX);
    free(endpoint.greeting);
    free(endpoint.capabilities);
    imap_dialog_free(dialog);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data + 1, *end = (const char *)data + size;
    struct imap_dialog dialog;
    enum imap_action action;

    if (size == 0)
        return 0;
    action = imap_dialog_begin(&dialog, (data[0] & 1) != 0);
    while (action != IMAP_ACTION_CLOSE) {
        const char *line = at;

        if (action == IMAP_ACTION_START_TLS) {
            action = imap_dialog_on_tls(&dialog, (data[0] & 2) != 0);
            continue;
        }
        if (action == IMAP_ACTION_SEND)
            check_commands(&dialog);
        if (at == end) {
            action = imap_dialog_on_ending(&dialog, (enum imap_ending)(data[0] / 4 % 3));
            continue;
        }
        at = memchr(at, '\n', (size_t)(end - at));
        at = at == NULL ? end : at + 1;
        action = imap_dialog_on_line(&dialog, line, (size_t)(at - line) - (at[-1] == '\n'));
    }
    check_end(&dialog);
    return 0;
}
