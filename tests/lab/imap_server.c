/* The IMAP servers of the lab: greeting, CAPABILITY, ID, STARTTLS, LOGOUT, and nothing behind a
 * login. */
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "tests/lab/worker.h"

enum { HUGE_CAPABILITY = 8000 };

struct imap_peer {
    struct stream stream;
    struct worker *worker;
    uint32_t host;
    bool secure, greeted;
};

static struct imap_peer *peer_of(struct stream *stream)
{
    return CONTAINER_OF(stream, struct imap_peer, stream);
}

static const struct imap_variant *peer_variant(const struct imap_peer *peer)
{
    return peer->worker->world->hosts[peer->host].variant;
}

static void put_capabilities(struct imap_peer *peer)
{
    const struct imap_variant *variant = peer_variant(peer);
    struct text *out = &peer->stream.out;

    text_put(out, "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+");
    if (!peer->secure && variant->starttls)
        text_put(out, " STARTTLS");
    if (!peer->secure && variant->login_disabled)
        text_put(out, " LOGINDISABLED");
    else
        text_put(out, " AUTH=PLAIN");
    if (!variant->huge_capability)
        return;
    for (unsigned i = 0; out->length < HUGE_CAPABILITY; i++)
        text_format(out, " X-LAB-%u", i);
}

static void greet(struct imap_peer *peer)
{
    const struct imap_variant *variant = peer_variant(peer);
    struct text *out = &peer->stream.out;

    switch (variant->greeting) {
    case IMAP_GREET_OK:
        text_put(out, "* OK ");
        if (variant->greeting_capability) {
            text_put(out, "[CAPABILITY ");
            put_capabilities(peer);
            text_put(out, "] ");
        }
        text_put(out, "Lab IMAP ready.\r\n");
        break;
    case IMAP_GREET_PREAUTH:
        text_put(out, "* PREAUTH Lab IMAP, welcome back\r\n");
        break;
    case IMAP_GREET_BYE:
        text_put(out, "* BYE Too many connections from your address\r\n");
        peer->stream.close_after = true;
        break;
    case IMAP_GREET_GARBAGE:
        text_put(out, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
        break;
    case IMAP_GREET_SILENT:
        peer->stream.mode = STREAM_MUTE;
        break;
    }
    peer->greeted = true;
}

static void on_starttls(struct imap_peer *peer, const char *tag)
{
    const struct imap_variant *variant = peer_variant(peer);
    struct text *out = &peer->stream.out;

    if (!variant->starttls || peer->secure) {
        text_format(out, "%.64s BAD Not now\r\n", tag);
        return;
    }
    text_format(out, "%.64s OK Begin TLS negotiation now.\r\n", tag);
    if (variant->tls == TLS_PLAY_INJECTED)
        text_put(out, "* CAPABILITY IMAP4rev1 X-INJECTED\r\n");
    stream_secure_after(&peer->stream, lab_tls_accept(peer->worker->tls, peer->host));
}

static void obey(struct imap_peer *peer, enum verb verb, const char *tag)
{
    struct text *out = &peer->stream.out;

    if (verb == VERB_IMAP_CAPABILITY) {
        text_put(out, "* CAPABILITY ");
        put_capabilities(peer);
        text_format(out, "\r\n%.64s OK Capability completed.\r\n", tag);
    } else if (verb == VERB_IMAP_ID) {
        text_format(out,
                    "* ID (\"name\" \"Lab IMAP\" \"version\" \"1\")\r\n%.64s OK ID completed.\r\n",
                    tag);
    } else if (verb == VERB_IMAP_NOOP) {
        text_format(out, "%.64s OK NOOP completed.\r\n", tag);
    } else if (verb == VERB_IMAP_LOGOUT) {
        text_format(out, "* BYE Logging out\r\n%.64s OK Logout completed.\r\n", tag);
        peer->stream.close_after = true;
    } else if (verb == VERB_IMAP_STARTTLS) {
        on_starttls(peer, tag);
    } else {
        text_format(out, "%.64s NO Not here\r\n", tag);
    }
}

static const struct {
    const char *word;
    enum verb verb;
} commands[] = {{"CAPABILITY", VERB_IMAP_CAPABILITY},
                {"ID", VERB_IMAP_ID},
                {"NOOP", VERB_IMAP_NOOP},
                {"LOGOUT", VERB_IMAP_LOGOUT},
                {"STARTTLS", VERB_IMAP_STARTTLS},
                {"LOGIN", VERB_IMAP_LOGIN},
                {"AUTHENTICATE", VERB_IMAP_AUTHENTICATE}};

static void on_line(struct stream *stream, char *line, size_t length, bool more)
{
    struct imap_peer *peer = peer_of(stream);
    char *rest = line, *tag = strsep(&rest, " ");
    enum verb verb = VERB_OTHER;

    (void)length;
    size_t word = rest != NULL ? strcspn(rest, " ") : 0;
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        if (word == strlen(commands[i].word) && text_starts_nocase(rest, commands[i].word))
            verb = commands[i].verb;
    peer->worker->counters->verbs[verb]++;
    if (verb == VERB_IMAP_LOGIN || verb == VERB_IMAP_AUTHENTICATE)
        worker_break(peer->worker, peer->host, BREAK_FORBIDDEN);
    if (verb == VERB_OTHER)
        worker_break(peer->worker, peer->host, BREAK_SYNTAX);
    if (more && verb == VERB_IMAP_STARTTLS) /* nothing may stand behind it */
        worker_break(peer->worker, peer->host, BREAK_PIPELINING);
    obey(peer, verb, tag);
}

static void on_sent(struct stream *stream, bool early)
{
    (void)stream;
    (void)early; /* IMAP commands carry tags: several may be under way (RFC 9051 section 5.5) */
}

static void on_secure(struct stream *stream, bool good)
{
    struct imap_peer *peer = peer_of(stream);
    struct lab_counters *counters = peer->worker->counters;

    if (!good) {
        counters->tls_failed++;
        return;
    }
    counters->tls_handshakes++;
    counters->tls_resumed += (uint64_t)SSL_session_reused(stream->ssl);
    peer->secure = true;
    if (!peer->greeted)
        greet(peer);
}

static void on_end(struct stream *stream, enum stream_mode last, bool by_peer)
{
    struct imap_peer *peer = peer_of(stream);

    (void)last;
    (void)by_peer;
    peer->worker->board->host_counters[peer->host].open--;
    free(peer);
}

static const struct stream_handler handler = {
    .on_line = on_line, .on_sent = on_sent, .on_secure = on_secure, .on_end = on_end};

void imap_peer_start(struct worker *worker, size_t host, int fd, bool implicit_tls)
{
    struct imap_peer *peer = mem_new(struct imap_peer);
    struct host_counters *counters = &worker->board->host_counters[host];

    peer->worker = worker;
    peer->host = (uint32_t)host;
    text_init(&peer->stream.out, STREAM_OUT_MAX);
    worker->counters->imap_connections++;
    counters->connections++;
    counters->open++;
    counters->peak = counters->open > counters->peak ? counters->open : counters->peak;
    if (!implicit_tls)
        greet(peer);
    stream_start(&peer->stream, &worker->stream, &handler, fd);
    if (implicit_tls)
        stream_secure_now(&peer->stream, lab_tls_accept(worker->tls, host));
}
