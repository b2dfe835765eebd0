#include "probes/imap/imap_probe.h"

#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"
#include "probes/discover/provider.h"
#include "probes/imap/dialog.h"
#include "probes/net/conn.h"

/* One transcript item at its worst: every octet escaped to six, host name and keys. */
enum { TRANSCRIPT_ITEM_MAX = 6 * IMAP_TRANSCRIPT_LINE_MAX + 1024 };

enum attempt { ATTEMPT_NORMAL, ATTEMPT_LEGACY };

struct imap_probe {
    struct imap_probe_params params; /* host: ours */
    imap_probe_done_fn *done;
    void *context;
    struct conn *conn;
    struct imap_dialog dialog;
    enum attempt attempt;
    struct tls_facts tls; /* of the handshake of this attempt */
    struct imap_probe_result result;
    struct text transcript;
};

static const struct conn_handler handler;

/* --- transcript -------------------------------------------------------------- */

static void note(struct imap_probe *probe, const char *direction, const char *line, size_t length)
{
    struct text *text = &probe->transcript;

    if (!probe->params.transcript || text->bound - text->length < TRANSCRIPT_ITEM_MAX)
        return;
    if (length > IMAP_TRANSCRIPT_LINE_MAX)
        length = IMAP_TRANSCRIPT_LINE_MAX;
    json_open(text, NULL, '{');
    json_integer(text, "t", (int64_t)(loop_now_ms(probe->params.loop) - probe->params.epoch_ms));
    json_string(text, "protocol", "imap");
    json_string(text, "host", probe->params.host);
    json_integer(text, "port", probe->params.port);
    json_string(text, "dir", direction);
    json_string_n(text, "line", line, length);
    json_close(text, '}');
}

static void note_commands(struct imap_probe *probe, const char *commands, size_t length)
{
    const char *end;

    while ((end = memchr(commands, '\r', length)) != NULL) {
        note(probe, "C", commands, (size_t)(end - commands));
        length -= (size_t)(end + 2 - commands);
        commands = end + 2;
    }
}

/* --- the end ------------------------------------------------------------------ */

static void free_probe(struct imap_probe *probe)
{
    imap_dialog_free(&probe->dialog);
    free(probe->result.endpoint.host);
    free(probe->result.endpoint.greeting);
    free(probe->result.endpoint.capabilities);
    free(probe->result.transcript);
    text_free(&probe->transcript);
    free((char *)probe->params.host);
    free(probe);
}

/* The endpoint gets what this attempt learned. A legacy attempt counts only if its TLS came up:
 * otherwise the first one already said what there is to say. */
static void report(struct imap_probe *probe)
{
    struct imap_endpoint *endpoint = &probe->result.endpoint;
    unsigned before = endpoint->tls.findings;

    if (probe->attempt == ATTEMPT_LEGACY && probe->tls.state != TLS_OK) {
        endpoint->tls.findings |= probe->tls.findings;
        return;
    }
    endpoint->tls = probe->tls;
    if (probe->attempt == ATTEMPT_LEGACY) {
        endpoint->tls.findings |= before & ~(1u << TLS_FINDING_HANDSHAKE_FAILED);
        endpoint->tls.findings |= 1u << TLS_FINDING_LEGACY_ONLY;
    }
    imap_dialog_report(&probe->dialog, endpoint);
    if (endpoint->tls.state != TLS_NOT_TRIED)
        return;
    if (endpoint->state == IMAP_TLS_FAILED)
        endpoint->tls.state = TLS_FAILED;
    else if (endpoint->state == IMAP_OK)
        endpoint->tls.state = TLS_NOT_OFFERED;
}

static void finish(struct imap_probe *probe)
{
    struct imap_endpoint *endpoint = &probe->result.endpoint;

    conn_close(&probe->conn, !probe->dialog.said_goodbye);
    report(probe);
    endpoint->host = mem_copy_text(probe->params.host);
    endpoint->port = probe->params.port;
    endpoint->address = probe->params.address;
    if (endpoint->greeting == NULL && endpoint->security == SECURITY_CLEAR)
        endpoint->security = SECURITY_STARTTLS; /* nothing was said: name what was meant */
    if (endpoint->greeting != NULL)
        endpoint->software = software_from_imap_greeting(endpoint->greeting, probe->dialog.id);
    if (probe->params.transcript)
        probe->result.transcript = text_take(&probe->transcript);
    probe->done(probe->context, &probe->result);
    free_probe(probe);
}

/* --- the connection ------------------------------------------------------------ */

static void open_conn(struct imap_probe *probe)
{
    probe->tls = (struct tls_facts){.state = TLS_NOT_TRIED};
    probe->conn = conn_open(&(struct conn_params){
        .loop = probe->params.loop,
        .address = probe->params.address,
        .port = probe->params.port,
        .source = probe->params.source,
        .allowed = probe->params.allowed,
        .connect_timeout_ms = probe->params.connect_ms,
        .line_max = IMAP_LINE_MAX,
        .handler = &handler,
        .context = probe,
    });
}

static void act(struct imap_probe *probe, enum imap_action action)
{
    char commands[IMAP_COMMANDS_MAX];
    size_t length;

    switch (action) {
    case IMAP_ACTION_WAIT: /* the time belongs to the step, not to the line */
        return;
    case IMAP_ACTION_SEND:
        length = imap_dialog_compose(&probe->dialog, commands, sizeof(commands));
        note_commands(probe, commands, length);
        conn_send(probe->conn, commands, length);
        break;
    case IMAP_ACTION_START_TLS:
        conn_start_tls(probe->conn, probe->params.tls, probe->params.host,
                       probe->attempt == ATTEMPT_LEGACY);
        break;
    case IMAP_ACTION_CLOSE:
        finish(probe);
        return;
    }
    conn_set_timeout(probe->conn, imap_dialog_wait_ms(&probe->dialog, probe->params.step_ms));
}

static void end_with(struct imap_probe *probe, enum imap_ending ending)
{
    act(probe, imap_dialog_on_ending(&probe->dialog, ending));
}

/* No session at all: nothing was said. */
static void end_unconnected(struct imap_probe *probe, enum imap_state state,
                            enum imap_probe_end end)
{
    probe->dialog.state = state;
    if (probe->attempt == ATTEMPT_NORMAL) /* a second try that fails takes nothing back */
        probe->result.end = end;
    finish(probe);
}

static void on_tls_failed(struct imap_probe *probe)
{
    enum imap_action action = imap_dialog_on_tls(&probe->dialog, false);

    if (probe->attempt == ATTEMPT_LEGACY) {
        act(probe, action);
        return;
    }
    report(probe);
    conn_close(&probe->conn, true);
    imap_dialog_free(&probe->dialog);
    probe->attempt = ATTEMPT_LEGACY;
    imap_dialog_begin(&probe->dialog, probe->params.implicit_tls);
    open_conn(probe);
}

static void on_connected(struct imap_probe *probe)
{
    conn_set_timeout(probe->conn, probe->params.step_ms);
    if (probe->dialog.step == IMAP_STEP_HANDSHAKE)
        act(probe, IMAP_ACTION_START_TLS);
}

static void on_event(void *context, enum conn_event event)
{
    struct imap_probe *probe = context;

    if (event == CONN_TLS_READY || event == CONN_TLS_FAILED)
        probe->tls = *conn_tls_facts(probe->conn);
    switch (event) {
    case CONN_CONNECTED:
        on_connected(probe);
        break;
    case CONN_TLS_READY:
        act(probe, imap_dialog_on_tls(&probe->dialog, true));
        break;
    case CONN_TLS_FAILED:
        on_tls_failed(probe);
        break;
    case CONN_CLOSED:
        probe->dialog.said_goodbye = true; /* nothing to cut off: they left in order */
        end_with(probe, IMAP_ENDING_CLOSED);
        break;
    case CONN_LOST:
        end_with(probe, IMAP_ENDING_CLOSED);
        break;
    case CONN_TIMED_OUT: /* connecting too: then not a word was said */
        end_with(probe, IMAP_ENDING_TIMED_OUT);
        break;
    case CONN_LINE_TOO_LONG:
        end_with(probe, IMAP_ENDING_LINE_TOO_LONG);
        break;
    case CONN_REFUSED:
        end_unconnected(probe, IMAP_REFUSED, IMAP_PROBE_ASKED);
        break;
    case CONN_UNREACHABLE:
        end_unconnected(probe, IMAP_TIMEOUT, IMAP_PROBE_ASKED);
        break;
    case CONN_ADDRESS_FORBIDDEN:
        end_unconnected(probe, IMAP_REFUSED, IMAP_PROBE_FORBIDDEN);
        break;
    case CONN_LOCAL_ERROR:
    case CONN_PROXY_FAILED:
        end_unconnected(probe, IMAP_TIMEOUT, IMAP_PROBE_LOCAL);
        break;
    }
}

static void on_line(void *context, const char *line, size_t length)
{
    struct imap_probe *probe = context;

    note(probe, "S", line, length);
    act(probe, imap_dialog_on_line(&probe->dialog, line, length));
}

static const struct conn_handler handler = {.on_event = on_event, .on_line = on_line};

struct imap_probe *imap_probe_start(const struct imap_probe_params *params,
                                    imap_probe_done_fn *done, void *context)
{
    struct imap_probe *probe = mem_new(struct imap_probe);

    probe->params = *params;
    probe->params.host = mem_copy_text(params->host);
    probe->done = done;
    probe->context = context;
    probe->attempt = ATTEMPT_NORMAL;
    text_init(&probe->transcript, IMAP_TRANSCRIPT_MAX);
    imap_dialog_begin(&probe->dialog, params->implicit_tls);
    open_conn(probe);
    return probe;
}

void imap_probe_cancel(struct imap_probe **probe)
{
    if (*probe == NULL)
        return;
    conn_close(&(*probe)->conn, true);
    free_probe(*probe);
    *probe = NULL;
}
