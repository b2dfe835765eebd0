/* stream.h - the server's end of one connection: lines in, replies out after a delay, in clear or
 * TLS.
 *
 * Contract
 *  - The struct is embedded in the session that uses it; on_end is called exactly once, last, and
 * frees it.
 *  - Handlers add replies to `out`; when the lines that were there are handled, they are sent
 * together.
 *  - stream_drop() inside a handler takes effect when the handler returns. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

#include "probes/base/loop.h"
#include "probes/base/text.h"

struct stream;

enum stream_mode {
    STREAM_READING,
    STREAM_WAITING, /* a reply waits for its delay */
    STREAM_WRITING,
    STREAM_HANDSHAKE,
    STREAM_MUTE, /* reads and never answers */
    STREAM_DONE
};

struct stream_handler {
    /* One line, NUL-terminated, without its end. `more` = further octets were sent behind it. */
    void (*on_line)(struct stream *stream, char *line, size_t length, bool more);
    /* All of `out` is gone. `early` = octets were waiting before the reply was sent. May add more
     * to `out`. */
    void (*on_sent)(struct stream *stream, bool early);
    void (*on_secure)(struct stream *stream, bool good);
    void (*on_end)(struct stream *stream, enum stream_mode last, bool by_peer);
};

struct stream_params {
    struct loop *loop;
    const uint64_t *paused_until_ms; /* shared */
    uint32_t delay_ms;
};

struct stream {
    struct loop_io io;
    struct loop_timer timer;
    const struct stream_params *params; /* borrowed for life */
    const struct stream_handler *handler;
    SSL *ssl;
    char *in;
    struct text out;
    uint32_t in_length, out_sent;
    uint32_t extra_delay_ms;      /* before the next sending only */
    uint16_t piece, piece_gap_ms; /* send so many octets at a time; 0 = all */
    int fd;
    enum stream_mode mode;
    bool close_after, early;
    SSL *start_tls; /* to be used when `out` is gone */
};

enum { STREAM_LINE_MAX = 4096, STREAM_OUT_MAX = 64 * 1024 };

/* `out` may hold a greeting already. Takes the descriptor. */
void stream_start(struct stream *stream, const struct stream_params *params,
                  const struct stream_handler *handler, int fd);
/* TLS from the first octet; `ssl` is the stream's from now on. */
void stream_secure_now(struct stream *stream, SSL *ssl);
/* TLS when `out` has been sent; what came in behind the command is thrown away. */
void stream_secure_after(struct stream *stream, SSL *ssl);
void stream_drop(struct stream *stream);
/* From outside its handlers: close at once. */
void stream_end(struct stream *stream);
