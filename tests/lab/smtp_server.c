/* The SMTP servers of the lab: dialogue, TLS, and what their clients did wrong. */
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/clock.h"
#include "probes/base/mem.h"
#include "tests/lab/smtp_peer.h"

const struct lab_host *peer_host(const struct smtp_peer *peer)
{
    return &peer->worker->world->hosts[peer->host];
}
const struct host_play *peer_play(const struct smtp_peer *peer) { return peer_host(peer)->play; }

static struct smtp_peer *peer_of(struct stream *stream)
{
    return CONTAINER_OF(stream, struct smtp_peer, stream);
}

/* No longer open: it said QUIT, we said 421, or it is gone. */
static void count_closed(struct smtp_peer *peer)
{
    if (peer->open)
        worker_closed(peer->worker, peer->host);
    peer->open = false;
}

/* --- saying things ------------------------------------------------------------------- */

static void put_line(struct smtp_peer *peer, const char *line, size_t length)
{
    struct text *out = &peer->stream.out;

    text_add(out, line, length);
    if (peer_play(peer)->reply == REPLY_NULS)
        text_add(out, "\0\0", 2);
    text_put(out, peer_play(peer)->reply == REPLY_BARE_LF ? "\n" : "\r\n");
}

/* A line before the last one, with the same codes. */
static void put_extra_line(struct smtp_peer *peer, const char *reply)
{
    size_t enhanced = strspn(reply + 4, "0123456789.");
    struct text line;

    text_init(&line, STREAM_LINE_MAX);
    text_add(&line, reply, 3);
    text_char(&line, '-');
    if (enhanced >= 5 && reply[4 + enhanced] == ' ')
        text_add(&line, reply + 4, enhanced + 1);
    text_put(&line, "More in the next line");
    put_line(peer, line.bytes, line.length);
    text_free(&line);
}

void peer_say(struct smtp_peer *peer, const char *reply)
{
    if (peer_play(peer)->reply == REPLY_LINES && strchr(reply, '\n') == NULL)
        put_extra_line(peer, reply);
    for (;;) {
        size_t length = strcspn(reply, "\n");

        put_line(peer, reply, length);
        if (reply[length] == '\0')
            return;
        reply += length + 1;
    }
}

void peer_say_421(struct smtp_peer *peer, const char *reply)
{
    peer_say(peer, reply);
    peer->said_421 = true;
    peer->stream.close_after = true;
    count_closed(peer);
}

bool peer_drops(struct smtp_peer *peer, enum drop_play at)
{
    const struct host_play *play = peer_play(peer);
    uint64_t key = 0x64726f70u + peer->host * 0x9e3779b97f4a7c15u;

    if (play->drop != at)
        return false;
    if (play->drop_once &&
        memory_age_ms(&peer->worker->memory, peer->worker->board->epoch, key, clock_now_ms()) > 0)
        return false;
    stream_drop(&peer->stream);
    return true;
}

/* --- commands -------------------------------------------------------------------------- */

/* True when the session was refused in its greeting: 503 to everything (RFC 5321 section 3.1). */
static bool refused_at_greeting(struct smtp_peer *peer)
{
    enum greeting greeting = peer_play(peer)->greeting;

    if (greeting != GREETING_REFUSED && greeting != GREETING_NO_MAIL)
        return false;
    peer_say(peer, "503 5.5.1 No service here");
    return true;
}

static void reset_transaction(struct smtp_peer *peer)
{
    peer->recipients_here = 0;
    if (peer->state != PEER_STRANGER)
        peer->state = PEER_READY;
}

static bool offers_starttls(const struct smtp_peer *peer)
{
    return peer_play(peer)->tls != TLS_PLAY_NONE && !peer->secure;
}

static void say_extensions(struct smtp_peer *peer)
{
    const struct host_play *play = peer_play(peer);
    struct text out;

    text_init(&out, STREAM_LINE_MAX);
    text_format(&out, "250-%s\n250-SIZE 52428800\n250-8BITMIME\n", peer_host(peer)->name);
    if (!play->no_pipelining)
        text_put(&out, "250-PIPELINING\n");
    if (offers_starttls(peer))
        text_put(&out, "250-STARTTLS\n");
    if (play->smtputf8)
        text_put(&out, "250-SMTPUTF8\n");
    text_put(&out, "250 ENHANCEDSTATUSCODES");
    peer_say(peer, out.bytes);
    text_free(&out);
    peer->pipelining = !play->no_pipelining;
}

static void on_hello(struct smtp_peer *peer, const char *argument, bool extended)
{
    if (peer_drops(peer, DROP_HELLO) || refused_at_greeting(peer))
        return;
    if (*argument == '\0') {
        worker_break(peer->worker, peer->host, BREAK_SYNTAX);
        peer_say(peer, "501 5.5.4 Who are you?");
        return;
    }
    if (peer_play(peer)->hello == HELLO_BLOCKED) {
        peer_say(peer,
                 "550 5.7.1 Mail from your address is blocked here, see https://bl.lab.test/why");
        return;
    }
    if (extended && peer_play(peer)->hello == HELLO_HELO_ONLY) {
        peer_say(peer, "502 5.5.2 Command not recognized");
        return;
    }
    peer->state = PEER_READY;
    peer->recipients_here = 0;
    if (extended)
        say_extensions(peer);
    else
        peer_say(peer, "250 Hello");
}

static void on_starttls(struct smtp_peer *peer)
{
    enum tls_play play = peer_play(peer)->tls;

    if (!offers_starttls(peer)) {
        worker_break(peer->worker, peer->host, BREAK_SEQUENCE);
        peer_say(peer, "503 5.5.1 TLS is not offered");
        return;
    }
    if (play == TLS_PLAY_REFUSED) {
        peer_say(peer, "454 4.7.0 TLS not available due to local problem");
        return;
    }
    text_put(&peer->stream.out, "220 2.0.0 Ready to start TLS\r\n");
    if (play == TLS_PLAY_INJECTED)
        text_put(&peer->stream.out, "250 2.0.0 Injected\r\n");
    if (play == TLS_PLAY_DROP)
        peer->stream.close_after = true;
    peer->broken = true; /* until the handshake is over */
    peer->state = PEER_STRANGER;
    peer->pipelining = false;
    stream_secure_after(&peer->stream, lab_tls_accept(peer->worker->tls, peer->host));
}

static bool begins(const char *text, const char *prefix)
{
    return text_starts_nocase(text, prefix);
}

/* Cuts "FROM:<a@b> PARAMETERS" into path and parameters; NULL = not of that form. */
static char *take_path(char *argument, const char *word, char **parameters)
{
    size_t length = strlen(word);
    bool quoted = false;

    if (!begins(argument, word) || argument[length] != '<')
        return NULL;
    char *path = argument + length + 1;
    for (char *c = path; *c != '\0'; c++) {
        if (*c == '\\' && quoted && c[1] != '\0')
            c++;
        else if (*c == '"')
            quoted = !quoted;
        else if (*c == '>' && !quoted) {
            *c = '\0';
            *parameters = c + 1;
            return path;
        }
    }
    return NULL;
}

static const char *refuse_sender(enum sender_play play, bool null)
{
    if (play == SENDER_NOBODY && !null)
        return "550 5.1.8 Sender address rejected: domain of the sender is not welcome";
    if (play == SENDER_NULL_ONLY && !null)
        return "550 5.1.8 Sender address rejected: Domain not found";
    if ((play == SENDER_NAMED_ONLY || play == SENDER_NOBODY) && null)
        return "553 5.1.7 Requested action not taken: NULL sender is not allowed";
    return NULL;
}

/* Replies that end the command before the sender is even looked at. True = said. */
static bool refuse_mail(struct smtp_peer *peer)
{
    const struct host_play *play = peer_play(peer);

    if (play->recipients_per_connection > 0 &&
        peer->transactions >= play->recipients_per_connection)
        peer_say_421(peer, "421 4.7.0 Too many transactions in this session");
    else if (play->busy_at_mail)
        peer_say_421(peer, "421 4.3.2 System is not accepting mail just now");
    else if (play->tls_required && !peer->secure)
        peer_say(peer, "530 5.7.0 Must issue a STARTTLS command first");
    else
        return false;
    peer->state = PEER_MAIL_REFUSED;
    return true;
}

static void on_mail(struct smtp_peer *peer, char *argument)
{
    char *parameters = NULL, *path = take_path(argument, "FROM:", &parameters);

    if (peer_drops(peer, DROP_MAIL) || refused_at_greeting(peer))
        return;
    if (peer->state != PEER_READY) {
        worker_break(peer->worker, peer->host, BREAK_SEQUENCE);
        peer_say(peer, peer->state == PEER_STRANGER ? "503 5.5.1 EHLO first"
                                                    : "503 5.5.1 Nested MAIL command");
        return;
    }
    if (path == NULL || (begins(parameters, " SMTPUTF8") && !peer_play(peer)->smtputf8)) {
        worker_break(peer->worker, peer->host, BREAK_SYNTAX);
        peer_say(peer, "501 5.5.4 Syntax: MAIL FROM:<address>");
        return;
    }
    if (refuse_mail(peer))
        return;
    peer->transactions++;
    peer->recipients_here = 0;
    const char *refusal = refuse_sender(peer_play(peer)->sender, *path == '\0');
    peer->state = refusal != NULL ? PEER_MAIL_REFUSED : PEER_MAIL;
    peer->sender = text_hash_nocase(path, strlen(path));
    peer->smtputf8 = begins(parameters, " SMTPUTF8");
    peer_say(peer, refusal != NULL ? refusal : "250 2.1.0 Ok");
}

static void on_rcpt(struct smtp_peer *peer, char *argument)
{
    char *parameters = NULL, *path = take_path(argument, "TO:", &parameters);
    const struct lab_caps *caps = &peer->worker->world->lanes[peer_host(peer)->lane].caps;

    if (peer_drops(peer, DROP_RECIPIENT) || refused_at_greeting(peer))
        return;
    if (peer->state != PEER_MAIL) {
        if (peer->state != PEER_MAIL_REFUSED) /* behind a refused MAIL it came in the same group */
            worker_break(peer->worker, peer->host, BREAK_SEQUENCE);
        peer_say(peer, "503 5.5.1 Need MAIL command");
        return;
    }
    if (path == NULL || *path == '\0') {
        worker_break(peer->worker, peer->host, BREAK_SYNTAX);
        peer_say(peer, "501 5.5.4 Syntax: RCPT TO:<address>");
        return;
    }
    peer->worker->counters->recipients++;
    peer->worker->board->host_counters[peer->host].recipients++;
    if (++peer->recipients > caps->recipients)
        worker_break(peer->worker, peer->host, BREAK_RECIPIENTS);
    if (++peer->recipients_here > 1 && peer_play(peer)->one_recipient)
        peer_say(peer, "452 4.5.3 Too many recipients");
    else
        peer_recipient(peer, path);
}

static void on_quit(struct smtp_peer *peer)
{
    peer->quit = true;
    peer->worker->counters->quits++;
    count_closed(peer);
    if (peer->stream.out.length == 0 && peer_drops(peer, DROP_QUIT))
        return;
    if (peer_play(peer)->drop !=
        DROP_QUIT) /* replies to what stood before it in the group still go out */
        peer_say(peer, "221 2.0.0 Bye");
    peer->stream.close_after = true;
}

/* --- verbs and rules --------------------------------------------------------------------- */

static const struct {
    const char *word;
    enum verb verb;
    bool last;      /* only as the last command of a group (RFC 2920 section 3.1) */
    bool forbidden; /* a prober never says it */
} verbs[] = {
    {"HELO", VERB_HELO, true, false},  {"EHLO", VERB_EHLO, true, false},
    {"MAIL", VERB_MAIL, false, false}, {"RCPT", VERB_RCPT, false, false},
    {"RSET", VERB_RSET, false, false}, {"NOOP", VERB_NOOP, true, false},
    {"QUIT", VERB_QUIT, true, false},  {"STARTTLS", VERB_STARTTLS, true, false},
    {"DATA", VERB_DATA, true, true},   {"BDAT", VERB_BDAT, true, true},
    {"VRFY", VERB_VRFY, true, true},   {"EXPN", VERB_EXPN, true, true},
    {"HELP", VERB_HELP, true, true},   {"AUTH", VERB_AUTH, true, true},
};

static size_t find_verb(const char *line, size_t length)
{
    for (size_t i = 0; i < ARRAY_LENGTH(verbs); i++)
        if (length == strlen(verbs[i].word) && text_starts_nocase(line, verbs[i].word))
            return i;
    return ARRAY_LENGTH(verbs);
}

static void obey(struct smtp_peer *peer, enum verb verb, char *argument)
{
    switch (verb) {
    case VERB_HELO:
        on_hello(peer, argument, false);
        return;
    case VERB_EHLO:
        on_hello(peer, argument, true);
        return;
    case VERB_MAIL:
        on_mail(peer, argument);
        return;
    case VERB_RCPT:
        on_rcpt(peer, argument);
        return;
    case VERB_RSET:
        reset_transaction(peer);
        peer_say(peer, "250 2.0.0 Ok");
        return;
    case VERB_NOOP:
        peer_say(peer, "250 2.0.0 Ok");
        return;
    case VERB_QUIT:
        on_quit(peer);
        return;
    case VERB_STARTTLS:
        on_starttls(peer);
        return;
    case VERB_VRFY:
        peer_say(peer, "252 2.5.2 Cannot VRFY user");
        return;
    case VERB_DATA:
    case VERB_BDAT:
        peer_say(peer, "554 5.5.1 No valid recipients");
        return;
    case VERB_EXPN:
    case VERB_HELP:
    case VERB_AUTH:
    case VERB_IMAP_CAPABILITY:
    case VERB_IMAP_ID:
    case VERB_IMAP_STARTTLS:
    case VERB_IMAP_LOGOUT:
    case VERB_IMAP_NOOP:
    case VERB_IMAP_LOGIN:
    case VERB_IMAP_AUTHENTICATE:
    case VERB_OTHER:
    case VERB_COUNT:
        peer_say(peer, "502 5.5.1 Not here");
        return;
    }
}

/* Talking too much at once. Hosts without PIPELINING punish it. */
static void breaks_pipelining(struct smtp_peer *peer)
{
    worker_break(peer->worker, peer->host, BREAK_PIPELINING);
    if (!peer_play(peer)->no_pipelining)
        return;
    peer_say(peer, "554 5.5.0 SMTP synchronization error");
    peer->stream.close_after = true;
    peer->said_421 = true; /* the session is over, no QUIT is due */
}

static void on_line(struct stream *stream, char *line, size_t length, bool more)
{
    struct smtp_peer *peer = peer_of(stream);
    size_t word = strcspn(line, " ");
    size_t found = find_verb(line, word);
    bool known = found < ARRAY_LENGTH(verbs);
    bool last = known && verbs[found].last;

    if (peer->mute)
        return; /* what stood behind the stalled command in its group */
    if (peer->state == PEER_GREETING || peer->broken) {
        worker_break(peer->worker, peer->host, BREAK_EARLY_TALK);
        return;
    }
    if (memchr(line, '\0', length) != NULL || !known) {
        worker_break(peer->worker, peer->host, BREAK_SYNTAX);
        peer->worker->counters->verbs[VERB_OTHER]++;
        peer_say(peer, "500 5.5.2 Command not recognized");
        return;
    }
    if (more && (last || !peer->pipelining)) {
        breaks_pipelining(peer);
        if (peer->stream.close_after)
            return;
    }
    peer->worker->counters->verbs[verbs[found].verb]++;
    peer->may_pipeline = peer->pipelining && !last;
    peer->needed_answer = peer->needed_answer || verbs[found].verb != VERB_QUIT;
    if (verbs[found].forbidden)
        worker_break(peer->worker, peer->host, BREAK_FORBIDDEN);
    obey(peer, verbs[found].verb, line[word] == ' ' ? line + word + 1 : line + word);
}

static void count_turn(struct smtp_peer *peer)
{
    peer->worker->counters->turns++;
    peer->worker->board->host_counters[peer->host].turns++;
}

static void on_sent(struct stream *stream, bool early)
{
    struct smtp_peer *peer = peer_of(stream);

    if (early && peer->state == PEER_GREETING)
        worker_break(peer->worker, peer->host, BREAK_EARLY_TALK);
    else if (early && !peer->may_pipeline && !stream->close_after)
        worker_break(peer->worker, peer->host, BREAK_PIPELINING);
    if (peer_greets_on(peer))
        return;
    stream->piece = 0;
    if (peer->needed_answer)
        count_turn(peer);
    peer->needed_answer = false;
    if (peer->state == PEER_GREETING)
        peer->state = PEER_STRANGER;
}

static void on_secure(struct stream *stream, bool good)
{
    struct smtp_peer *peer = peer_of(stream);
    struct lab_counters *counters = peer->worker->counters;

    if (!good) {
        counters->tls_failed++;
        return;
    }
    counters->tls_handshakes++;
    counters->tls_resumed += (uint64_t)SSL_session_reused(stream->ssl);
    peer->secure = true;
    peer->broken = false;
    count_turn(peer);
}

static void on_end(struct stream *stream, enum stream_mode last, bool by_peer)
{
    struct smtp_peer *peer = peer_of(stream);

    if (by_peer && !peer->quit && !peer->said_421) {
        peer->worker->counters->aborted++;
        peer->worker->board->host_counters[peer->host].aborted++;
        if (last == STREAM_READING && !peer->broken && peer->state != PEER_GREETING)
            worker_break(peer->worker, peer->host, BREAK_NO_QUIT);
    }
    count_closed(peer);
    free(peer);
}

static const struct stream_handler handler = {
    .on_line = on_line, .on_sent = on_sent, .on_secure = on_secure, .on_end = on_end};

static bool is_first_session(struct smtp_peer *peer)
{
    uint64_t key = 0x66697273u + peer->host * 0x9e3779b97f4a7c15u;

    return memory_age_ms(&peer->worker->memory, peer->worker->board->epoch, key, clock_now_ms()) ==
           0;
}

void smtp_peer_start(struct worker *worker, size_t host, int fd)
{
    struct smtp_peer *peer = mem_new(struct smtp_peer);

    peer->worker = worker;
    peer->host = (uint32_t)host;
    peer->open = true;
    peer->needed_answer = true; /* the greeting counts as a turn */
    peer->screened = is_first_session(peer);
    text_init(&peer->stream.out, STREAM_OUT_MAX);
    worker_opened(worker, host);
    peer_greet(peer);
    stream_start(&peer->stream, &worker->stream, &handler, fd);
}
