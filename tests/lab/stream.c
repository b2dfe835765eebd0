#include "tests/lab/stream.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probes/base/clock.h"
#include "probes/base/mem.h"

static void finish(struct stream *stream, bool by_peer)
{
    enum stream_mode last = stream->mode;

    loop_io_stop(&stream->io);
    loop_timer_stop(&stream->timer);
    if (stream->ssl != NULL) {
        SSL_free(stream->ssl);
        ERR_clear_error();
    }
    if (stream->start_tls != NULL)
        SSL_free(stream->start_tls);
    close(stream->fd);
    free(stream->in);
    text_free(&stream->out);
    stream->handler->on_end(stream, last, by_peer);
}

void stream_drop(struct stream *stream) { stream->mode = STREAM_DONE; }
void stream_end(struct stream *stream) { finish(stream, false); }

/* --- octets ------------------------------------------------------------------------- */

enum octets { OCTETS_SOME, OCTETS_LATER, OCTETS_END };

static enum octets tls_result(SSL *ssl, int result)
{
    int why = SSL_get_error(ssl, result);

    ERR_clear_error();
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? OCTETS_LATER : OCTETS_END;
}

static enum octets receive(struct stream *stream, char *buffer, size_t size, size_t *got)
{
    if (stream->ssl != NULL) {
        int result = SSL_read_ex(stream->ssl, buffer, size, got);

        return result == 1 ? OCTETS_SOME : tls_result(stream->ssl, result);
    }
    ssize_t result = recv(stream->fd, buffer, size, 0);
    if (result > 0) {
        *got = (size_t)result;
        return OCTETS_SOME;
    }
    return result < 0 && (errno == EAGAIN || errno == EINTR) ? OCTETS_LATER : OCTETS_END;
}

static enum octets transmit(struct stream *stream, const char *bytes, size_t length, size_t *sent)
{
    if (stream->ssl != NULL) {
        int result = SSL_write_ex(stream->ssl, bytes, length, sent);

        return result == 1 ? OCTETS_SOME : tls_result(stream->ssl, result);
    }
    ssize_t result = send(stream->fd, bytes, length, MSG_NOSIGNAL);
    if (result >= 0) {
        *sent = (size_t)result;
        return OCTETS_SOME;
    }
    return errno == EAGAIN || errno == EINTR ? OCTETS_LATER : OCTETS_END;
}

/* Did the peer talk while it should have listened? */
static bool peer_is_early(const struct stream *stream)
{
    char octet;

    return recv(stream->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0 ||
           (stream->ssl != NULL && SSL_pending(stream->ssl) > 0);
}

/* --- the turn: read lines, wait, write, read again ------------------------------------- */

static void move_on(struct stream *stream);

static void handshake(struct stream *stream)
{
    int result = SSL_accept(stream->ssl);

    if (result == 1) {
        stream->mode = STREAM_READING;
        stream->handler->on_secure(stream, true);
        move_on(stream);
        return;
    }
    if (tls_result(stream->ssl, result) == OCTETS_LATER) {
        loop_io_want(&stream->io, true, SSL_want_write(stream->ssl));
        return;
    }
    stream->handler->on_secure(stream, false);
    finish(stream, true);
}

static void start_handshake(struct stream *stream)
{
    stream->ssl = stream->start_tls;
    stream->start_tls = NULL;
    stream->mode = STREAM_HANDSHAKE;
    SSL_set_fd(stream->ssl, stream->fd);
    free(stream->in); /* RFC 3207 section 4.2: nothing from before counts */
    stream->in = NULL;
    stream->in_length = 0;
    handshake(stream);
}

static void all_sent(struct stream *stream)
{
    bool early = stream->early;

    text_free(&stream->out);
    stream->out_sent = 0;
    stream->early = false;
    if (stream->close_after) {
        stream->handler->on_sent(stream, early);
        finish(stream, false);
        return;
    }
    stream->mode = STREAM_READING;
    stream->handler->on_sent(stream, early);
    if (stream->start_tls != NULL && stream->mode == STREAM_READING)
        start_handshake(stream);
    else
        move_on(stream);
}

static void write_out(struct stream *stream)
{
    for (;;) {
        size_t left = stream->out.length - stream->out_sent, sent = 0;
        size_t now = stream->piece > 0 && left > stream->piece ? stream->piece : left;
        enum octets result = transmit(stream, stream->out.bytes + stream->out_sent, now, &sent);

        if (result == OCTETS_END) {
            finish(stream, true);
            return;
        }
        stream->out_sent += (uint32_t)sent;
        if (stream->out_sent == stream->out.length) {
            all_sent(stream);
            return;
        }
        if (result == OCTETS_LATER) {
            loop_io_want(&stream->io, false, true);
            return;
        }
        if (stream->piece > 0) {
            loop_io_want(&stream->io, false, false);
            loop_timer_start(&stream->timer, stream->piece_gap_ms);
            return;
        }
    }
}

static void on_timer(void *context)
{
    struct stream *stream = context;
    uint64_t now_ms = clock_now_ms(), until_ms = *stream->params->paused_until_ms;

    if (until_ms > now_ms) {
        loop_timer_start(&stream->timer, until_ms - now_ms);
        return;
    }
    if (stream->mode == STREAM_WAITING) {
        stream->early = stream->early || peer_is_early(stream);
        stream->mode = STREAM_WRITING;
    }
    write_out(stream);
}

/* What follows from the mode and from what there is to send. */
static void move_on(struct stream *stream)
{
    if (stream->mode == STREAM_DONE) {
        finish(stream, false);
        return;
    }
    if (stream->mode == STREAM_MUTE || stream->out.length == 0) {
        loop_io_want(&stream->io, true, false);
        return;
    }
    uint32_t delay_ms = stream->params->delay_ms + stream->extra_delay_ms;
    bool paused = *stream->params->paused_until_ms > clock_now_ms();
    stream->extra_delay_ms = 0;
    if (delay_ms > 0 || paused) {
        stream->mode = STREAM_WAITING;
        loop_io_want(&stream->io, false, false);
        loop_timer_start(&stream->timer, delay_ms);
        return;
    }
    stream->mode = STREAM_WRITING;
    write_out(stream);
}

/* Gives complete lines to the handler as long as it listens. */
static void handle_lines(struct stream *stream)
{
    uint32_t start = 0;

    while (stream->mode == STREAM_READING && !stream->close_after && stream->start_tls == NULL) {
        char *line = stream->in + start;
        char *end = memchr(line, '\n', stream->in_length - start);

        if (end == NULL)
            break;
        start = (uint32_t)(end - stream->in) + 1;
        *end = '\0';
        if (end > line && end[-1] == '\r')
            *--end = '\0';
        stream->handler->on_line(stream, line, (size_t)(end - line), start < stream->in_length);
    }
    stream->in_length -= start;
    if (stream->in_length > 0) {
        memmove(stream->in, stream->in + start, stream->in_length);
    } else {
        free(stream->in);
        stream->in = NULL;
    }
}

static void keep(struct stream *stream, const char *bytes, size_t length)
{
    stream->in = mem_resize(stream->in, stream->in_length + length);
    memcpy(stream->in + stream->in_length, bytes, length);
    stream->in_length += (uint32_t)length;
}

static void read_in(struct stream *stream)
{
    char buffer[STREAM_LINE_MAX];
    size_t got = 0;

    for (;;) {
        enum octets result = receive(stream, buffer, sizeof(buffer), &got);

        if (result == OCTETS_END) {
            finish(stream, true);
            return;
        }
        if (result == OCTETS_LATER)
            break;
        if (stream->mode == STREAM_MUTE)
            continue;
        keep(stream, buffer, got);
        if (stream->ssl == NULL || SSL_pending(stream->ssl) == 0)
            break;
    }
    if (stream->mode == STREAM_READING && stream->in_length > 0)
        handle_lines(stream);
    if (stream->in_length > 4 * STREAM_LINE_MAX)
        stream->mode = STREAM_DONE; /* nobody needs lines that long */
    move_on(stream);
}

static void on_io(void *context, bool readable, bool writable)
{
    struct stream *stream = context;

    (void)readable;
    if (stream->mode == STREAM_HANDSHAKE)
        handshake(stream);
    else if (stream->mode == STREAM_WRITING && writable)
        write_out(stream);
    else
        read_in(stream);
}

void stream_start(struct stream *stream, const struct stream_params *params,
                  const struct stream_handler *handler, int fd)
{
    stream->params = params;
    stream->handler = handler;
    stream->fd = fd;
    loop_io_init(&stream->io, params->loop, fd, on_io, stream);
    loop_timer_init(&stream->timer, params->loop, on_timer, stream);
    move_on(stream);
}

void stream_secure_now(struct stream *stream, SSL *ssl)
{
    stream->ssl = ssl;
    stream->mode = STREAM_HANDSHAKE;
    SSL_set_fd(ssl, stream->fd);
    loop_io_want(&stream->io, true, false);
}

void stream_secure_after(struct stream *stream, SSL *ssl) { stream->start_tls = ssl; }
