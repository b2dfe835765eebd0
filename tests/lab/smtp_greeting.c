/* The first words of an SMTP host, and what some say instead. */
#include "tests/lab/smtp_peer.h"

enum {
    FLOOD_CHUNK = 8192,
    FLOOD_CHUNKS_MAX = 1024,
    FLOOD_GAP_MS = 2,
    DRIP_MS = 1000,
    PIECE_OCTETS = 7,
    PIECE_GAP_MS = 15
};

static void say_greeting(struct smtp_peer *peer)
{
    struct reply_words words = {
        .host = peer_host(peer)->name, .recipient = "", .client = "127.0.0.1"};
    struct text greeting;

    text_init(&greeting, STREAM_LINE_MAX);
    if (peer_play(peer)->greeting == GREETING_LINES)
        reply_expand(&greeting, "220-$h\n220-All is logged here\n", &words);
    reply_say(&greeting, (enum reply_style)peer_host(peer)->style, SAY_GREETING, &words);
    peer_say(peer, greeting.bytes);
    text_free(&greeting);
}

static void say_refusal(struct smtp_peer *peer)
{
    struct reply_words words = {
        .host = peer_host(peer)->name, .recipient = "", .client = "127.0.0.1"};
    struct text refusal;

    text_init(&refusal, STREAM_LINE_MAX);
    reply_expand(&refusal,
                 "554 5.7.1 $h: your address $c is listed at bl.lab.test; connection refused",
                 &words);
    peer_say(peer, refusal.bytes);
    text_free(&refusal);
}

static void flood(struct smtp_peer *peer)
{
    struct text *out = &peer->stream.out;

    while (out->length < FLOOD_CHUNK)
        text_put(out, peer_play(peer)->greeting == GREETING_ENDLESS_LINES
                          ? "220-and another line of greeting\r\n"
                          : "and so the greeting goes on and on ");
    peer->stream.extra_delay_ms = FLOOD_GAP_MS;
    if (++peer->transactions > FLOOD_CHUNKS_MAX)
        stream_drop(&peer->stream); /* even an endless line ends when nobody stops it */
}

void peer_greet(struct smtp_peer *peer)
{
    static const char http[] =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<html></html>\r\n";
    static const char binary[] = "\x16\x03\x01\x00\xff\xfe\x00\x01\x80\x81\x0a\xff\x00\x0a";
    struct text *out = &peer->stream.out;

    if (peer_drops(peer, DROP_CONNECT))
        return;
    if (peer_drops(peer, DROP_GREETING)) {
        peer->stream.close_after = true;
        text_put(out, "220-mail.la");
        return;
    }
    peer->broken = true; /* unless the greeting is a good one */
    switch (peer_play(peer)->greeting) {
    case GREETING_SLOW:
        peer->stream.extra_delay_ms = SLOW_GREETING_MS;
        say_greeting(peer);
        break;
    case GREETING_PIECES:
        peer->stream.piece = PIECE_OCTETS;
        peer->stream.piece_gap_ms = PIECE_GAP_MS;
        say_greeting(peer);
        break;
    case GREETING_NULS:
        text_add(out, "220 mail\0\0.lab.test ESMTP \0ready\r\n", 34);
        break;
    case GREETING_PLAIN:
    case GREETING_LINES:
        say_greeting(peer);
        break;
    case GREETING_REFUSED:
        say_refusal(peer);
        break;
    case GREETING_NO_MAIL:
        peer_say(peer, "521 5.3.2 This host does not accept mail");
        break;
    case GREETING_BUSY:
        peer_say_421(peer, "421 4.3.2 Too busy just now");
        break;
    case GREETING_SILENT:
        peer->stream.mode = STREAM_MUTE;
        return;
    case GREETING_DRIP:
        peer->stream.piece = 1;
        peer->stream.piece_gap_ms = DRIP_MS;
        text_put(out, "220-please wait ");
        return;
    case GREETING_HTTP:
        text_put(out, http);
        peer->stream.close_after = true;
        return;
    case GREETING_BINARY:
        text_add(out, binary, sizeof(binary) - 1);
        return;
    case GREETING_ENDLESS_LINE:
        text_put(out, "220 ");
        flood(peer);
        return;
    case GREETING_ENDLESS_LINES:
        flood(peer);
        return;
    }
    peer->broken = false;
}

bool peer_greets_on(struct smtp_peer *peer)
{
    enum greeting greeting = peer_play(peer)->greeting;

    if (greeting == GREETING_DRIP)
        text_put(&peer->stream.out, "please wait ");
    else if (greeting == GREETING_ENDLESS_LINE || greeting == GREETING_ENDLESS_LINES)
        flood(peer);
    else
        return false;
    return true;
}
