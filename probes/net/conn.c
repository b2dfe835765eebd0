/* conn.c - one TCP connection that speaks lines.
 *
 * Life: CONNECTING [-> PROXY] -> OPEN [-> HELLO -> HANDSHAKE -> OPEN] -> OVER, then the owner
 * closes. Failures that show where no callback is allowed wait as `pending` in FAILING for the next
 * turn.
 *
 * Callbacks may close the connection they are about. on_io() and on_timer() therefore mark
 * it busy; conn_close() then only tears down, and leave() frees the memory. */
#include "probes/net/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probes/base/mem.h"
#include "probes/net/conn_socket.h"
#include "probes/net/socks.h"
#include "probes/net/tls_internal.h"

enum {
    SEND_PENDING_MAX = 8192,
    RECORDS_PENDING_MAX = 32768, /* those 8 KiB in TLS, a hello with its ticket, our answers */
    LINE_BUFFER_MIN = 64,
    SPREAD_SHARE = 128,  /* of a wait: by so much ends may differ, */
    SPREAD_STEPS = 128,  /* in so many steps */
    SCRATCH_SIZE = 16384 /* a whole TLS record: nothing stays behind in the session */
};

enum conn_state {
    STATE_CONNECTING,
    STATE_PROXY, /* it stands, and connects us further */
    STATE_OPEN,
    STATE_HELLO,     /* TLS begins in the next turn */
    STATE_HANDSHAKE, /* our hello is out */
    STATE_FAILING,   /* `pending` is told in the next turn */
    STATE_OVER,      /* the last event was told */
    STATE_CLOSED     /* by the owner, inside a callback */
};

enum timeout_owner { TIMEOUT_OF_CONNECT, TIMEOUT_OF_OWNER };

struct conn {
    struct loop_io io;
    struct loop_timer timer;
    int fd;
    uint8_t family;
    enum conn_state state;
    enum conn_event pending;
    enum timeout_owner timeout_owner;
    bool busy;       /* a callback or a delivery is on the stack */
    bool spoken;     /* at least one line came in */
    bool proxied;    /* our end of the connection is not what the peer sees */
    bool reset_seen; /* the end of what can be read is then a loss, not a close */
    uint16_t unread; /* octets behind the line being delivered */
    uint32_t line_max;
    char *partial; /* unfinished line; NULL when there is none */
    uint32_t partial_length, partial_capacity;
    char *output; /* not yet taken by the kernel; NULL when there is nothing */
    uint32_t output_length;
    struct socks *socks;         /* until the proxy has connected us; else NULL */
    struct tls_session *tls;     /* NULL: in clear */
    struct loop_heavy handshake; /* waits for its next step */
    const struct conn_handler *handler;
    void *context;
};

/* Reading needs a buffer only while it happens. */
static _Thread_local char scratch[SCRATCH_SIZE];

/* --- events --------------------------------------------------------------------- */

static void free_conn(struct conn *conn)
{
    free(conn->partial);
    free(conn->output);
    free(conn->socks);
    free(conn);
}

static bool is_final(enum conn_event event)
{
    return event != CONN_CONNECTED && event != CONN_TLS_READY;
}

static void stop_watching(struct conn *conn)
{
    loop_io_stop(&conn->io);
    loop_timer_stop(&conn->timer);
    loop_heavy_stop(&conn->handshake);
}

/* False: the owner closed the connection; it must not be touched once nothing is busy. */
static bool tell(struct conn *conn, enum conn_event event)
{
    if (is_final(event)) {
        conn->state = STATE_OVER;
        stop_watching(conn);
    }
    conn->handler->on_event(conn->context, event);
    return conn->state != STATE_CLOSED;
}

/* For failures met inside conn_open(), conn_send() or conn_start_tls(). */
static void fail_later(struct conn *conn, enum conn_event event)
{
    if (conn->state >= STATE_FAILING)
        return;
    conn->state = STATE_FAILING;
    conn->pending = event;
    loop_io_stop(&conn->io);
    loop_heavy_stop(&conn->handshake);
    loop_timer_start(&conn->timer, 0);
}

static void enter(struct conn *conn) { conn->busy = true; }

static void leave(struct conn *conn)
{
    conn->busy = false;
    if (conn->state == STATE_CLOSED)
        free_conn(conn);
}

/* A proxy that was not yet asked to connect us has only itself to blame. */
static enum conn_event event_of_silence(const struct conn *conn)
{
    return conn->socks != NULL && !socks_asked(conn->socks) ? CONN_PROXY_FAILED : CONN_TIMED_OUT;
}

static void on_timer(void *context)
{
    struct conn *conn = context;

    enter(conn);
    tell(conn, conn->state == STATE_FAILING ? conn->pending : event_of_silence(conn));
    leave(conn);
}

/* --- writing ---------------------------------------------------------------------- */

static void keep_output(struct conn *conn, const char *bytes, size_t length)
{
    if (length == 0)
        return;
    conn->output = mem_resize(conn->output, conn->output_length + length);
    memcpy(conn->output + conn->output_length, bytes, length);
    conn->output_length += (uint32_t)length;
}

static void drop_output(struct conn *conn)
{
    free(conn->output);
    conn->output = NULL;
    conn->output_length = 0;
}

/* What the peer said before it left is still to be read, so a failed write only ends
 * the writing; reading then finds the end. */
static void writing_failed(struct conn *conn, bool lost)
{
    conn->reset_seen = conn->reset_seen || lost;
    drop_output(conn);
}

/* Returns how many octets the kernel took. */
static size_t write_some(struct conn *conn, const char *bytes, size_t length)
{
    ssize_t sent;

    do
        sent = send(conn->fd, bytes, length, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
        writing_failed(conn, errno != EPIPE);
        return length; /* nobody will take it any more */
    }
    return sent > 0 ? (size_t)sent : 0;
}

static void flush_output(struct conn *conn)
{
    while (conn->output_length > 0) {
        size_t taken = write_some(conn, conn->output, conn->output_length);

        if (taken == 0 || conn->output == NULL)
            break;
        conn->output_length -= (uint32_t)taken;
        memmove(conn->output, conn->output + taken, conn->output_length);
    }
    if (conn->output_length == 0)
        drop_output(conn);
}

/* Poll interest follows from the state, here and nowhere else. */
static void watch(struct conn *conn) { loop_io_want(&conn->io, true, conn->output_length > 0); }

static void send_on(struct conn *conn)
{
    flush_output(conn);
    watch(conn);
}

/* A record of TLS. It waits for what follows in this turn: the end of a handshake goes out with the
 * first command. */
static bool put_record(void *context, const char *octets, size_t length)
{
    struct conn *conn = context;

    if (length > RECORDS_PENDING_MAX - conn->output_length)
        return false;
    keep_output(conn, octets, length);
    return true;
}

static void send_in_clear(struct conn *conn, const char *bytes, size_t length)
{
    size_t taken = conn->output_length == 0 ? write_some(conn, bytes, length) : 0;

    keep_output(conn, bytes + taken, length - taken);
}

static void send_in_tls(struct conn *conn, const char *bytes, size_t length, bool last)
{
    if (tls_session_write(conn->tls, bytes, length) != TLS_DONE) {
        writing_failed(conn, true);
        return;
    }
    if (last)
        tls_session_end_sending(conn->tls);
    flush_output(conn);
}

static void send_bytes(struct conn *conn, const char *bytes, size_t length, bool last)
{
    if (conn->state > STATE_HANDSHAKE || length == 0)
        return;
    if (conn->output_length > SEND_PENDING_MAX || length > SEND_PENDING_MAX - conn->output_length ||
        conn->state == STATE_HELLO || conn->state == STATE_HANDSHAKE) {
        fail_later(conn, CONN_LOCAL_ERROR); /* the peer takes nothing, the owner goes on */
        return;
    }
    if (conn->state != STATE_OPEN) {
        keep_output(conn, bytes, length); /* goes out when the connection stands */
        return;
    }
    if (conn->tls != NULL)
        send_in_tls(conn, bytes, length, last);
    else
        send_in_clear(conn, bytes, length);
    watch(conn);
}

void conn_send(struct conn *conn, const char *bytes, size_t length)
{
    send_bytes(conn, bytes, length, false);
}

void conn_send_last(struct conn *conn, const char *bytes, size_t length)
{
    send_bytes(conn, bytes, length, true);
}

/* --- reading ---------------------------------------------------------------------- */

static void keep_partial(struct conn *conn, const char *bytes, size_t length)
{
    size_t needed = conn->partial_length + length;
    size_t capacity = conn->partial_capacity;

    if (length == 0)
        return;
    if (capacity < needed) {
        for (capacity = LINE_BUFFER_MIN; capacity < needed;)
            capacity *= 2;
        conn->partial = mem_resize(conn->partial, capacity);
        conn->partial_capacity = (uint32_t)capacity;
    }
    memcpy(conn->partial + conn->partial_length, bytes, length);
    conn->partial_length = (uint32_t)needed;
}

/* `line` without LF, its length checked. False when reading must stop: closed, over, or TLS
 * has begun. */
static bool deliver_line(struct conn *conn, const char *line, size_t length)
{
    if (length > 0 && line[length - 1] == '\r')
        length--;
    conn->spoken = true;
    conn->handler->on_line(conn->context, line, length);
    return conn->state == STATE_OPEN;
}

/* The line that began in an earlier read. The buffer is taken out of the connection for
 * the call: the handler may close it, and at rest nothing is to be held. */
static bool deliver_joined(struct conn *conn, const char *rest, size_t length)
{
    char *line;
    size_t whole;
    bool go_on;

    keep_partial(conn, rest, length);
    line = conn->partial;
    whole = conn->partial_length;
    conn->partial = NULL;
    conn->partial_length = conn->partial_capacity = 0;
    go_on = deliver_line(conn, line, whole);
    free(line);
    return go_on;
}

/* A line of `length` octets so far, the last of them `last`: a CR may yet belong to its end. */
static bool too_long(const struct conn *conn, size_t length, char last)
{
    return length > (size_t)conn->line_max + (last == '\r' ? 1 : 0);
}

/* Hands out the lines in `bytes` and keeps what is unfinished. */
static void deliver(struct conn *conn, const char *bytes, size_t length)
{
    while (length > 0) {
        const char *end = memchr(bytes, '\n', length);
        size_t part = end != NULL ? (size_t)(end - bytes) : length;
        size_t whole = conn->partial_length + part;

        if (part > 0 && too_long(conn, whole, bytes[part - 1])) {
            tell(conn, CONN_LINE_TOO_LONG);
            return;
        }
        if (end == NULL) {
            conn->unread = 0;
            keep_partial(conn, bytes, part);
            return;
        }
        length -= part + 1;
        conn->unread = (uint16_t)length;
        if (conn->partial_length > 0 ? !deliver_joined(conn, bytes, part)
                                     : !deliver_line(conn, bytes, part))
            return;
        bytes = end + 1;
    }
}

static enum conn_event event_of_read_error(int error)
{
    return error == ETIMEDOUT ? CONN_TIMED_OUT : CONN_LOST;
}

static void read_clear(struct conn *conn)
{
    ssize_t got = recv(conn->fd, scratch, sizeof scratch, 0);

    if (got > 0)
        deliver(conn, scratch, (size_t)got);
    else if (got == 0)
        tell(conn, conn->reset_seen ? CONN_LOST : CONN_CLOSED);
    else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
        tell(conn, event_of_read_error(errno));
}

/* All that is on hand: it does not make the descriptor readable again. */
static void read_tls(struct conn *conn)
{
    enum tls_result result;
    size_t got;

    do {
        result = tls_session_read(conn->tls, scratch, sizeof scratch, &got);
        if (result == TLS_DONE)
            deliver(conn, scratch, got);
        else if (result != TLS_WANT_READ)
            tell(conn, result == TLS_ENDED && !conn->reset_seen ? CONN_CLOSED : CONN_LOST);
    } while (result == TLS_DONE && conn->state == STATE_OPEN);
    if (conn->state == STATE_OPEN && conn->output_length > 0)
        send_on(conn); /* what TLS says by itself: no to a new handshake */
}

/* --- TLS --------------------------------------------------------------------------- */

static void tls_failed(struct conn *conn, enum tls_finding finding)
{
    struct tls_facts *facts = tls_session_facts(conn->tls);

    facts->state = TLS_FAILED;
    facts->findings |= 1u << finding;
    flush_output(conn); /* an alert says why */
    drop_output(conn);
}

static enum tls_finding finding_of_waiting(const struct conn *conn)
{
    return conn->spoken ? TLS_FINDING_STARTTLS_INJECTION : TLS_FINDING_HANDSHAKE_FAILED;
}

static void shake_hands(struct conn *conn)
{
    /* Anything in the socket before our hello was not asked for: commands injected in front of
     * the TLS layer (CVE-2011-0411 and kin) or, where nothing was said before, a server that
     * does not speak TLS on this port. */
    if (conn->state == STATE_HELLO && conn_socket_has_octets(conn->fd)) {
        tls_failed(conn, finding_of_waiting(conn));
        tell(conn, CONN_TLS_FAILED);
        return;
    }
    conn->state = STATE_HANDSHAKE;
    switch (tls_session_handshake(conn->tls)) {
    case TLS_DONE:
        conn->state = STATE_OPEN;
        if (tell(conn, CONN_TLS_READY) && conn->state == STATE_OPEN) {
            watch(conn);
            read_tls(conn); /* a greeting may have come along */
        }
        break;
    case TLS_WANT_READ:
        send_on(conn);
        break;
    case TLS_ENDED:
    case TLS_BROKEN:
        tls_failed(conn, TLS_FINDING_HANDSHAKE_FAILED);
        tell(conn, CONN_TLS_FAILED);
        break;
    }
}

static void on_handshake_turn(void *context)
{
    struct conn *conn = context;

    enter(conn);
    shake_hands(conn);
    leave(conn);
}

static void wait_for_turn(struct conn *conn, enum loop_heavy_place place)
{
    loop_heavy_wait(&conn->handshake, conn->io.loop, place, on_handshake_turn, conn);
}

/* A step takes as long as ten probes in clear. Who has said hello holds 40 KB and goes first. */
static void shake_hands_in_turn(struct conn *conn)
{
    if (loop_heavy_take(conn->io.loop)) {
        shake_hands(conn);
        return;
    }
    loop_io_stop(&conn->io); /* it stays readable until its turn */
    wait_for_turn(conn, LOOP_HEAVY_FIRST);
}

void conn_start_tls(struct conn *conn, struct tls_client *client, const char *server_name,
                    bool legacy)
{
    if (conn->state != STATE_OPEN || conn->tls != NULL)
        return;
    conn->tls = tls_session_new(
        client, conn->fd, (struct tls_put){.fn = put_record, .context = conn}, server_name, legacy);
    if (conn->unread > 0 || conn->partial_length > 0) {
        tls_failed(conn, finding_of_waiting(conn));
        fail_later(conn, CONN_TLS_FAILED);
        return;
    }
    conn->state = STATE_HELLO;
    wait_for_turn(conn, LOOP_HEAVY_LAST);
}

const struct tls_facts *conn_tls_facts(const struct conn *conn)
{
    static const struct tls_facts none = {.state = TLS_NOT_TRIED};

    return conn->tls != NULL ? tls_session_facts(conn->tls) : &none;
}

/* --- connecting ---------------------------------------------------------------------- */

static enum conn_event why_not_connected(const struct conn *conn, int error)
{
    enum conn_event event = conn_event_of_error(error, conn->family);

    return conn->socks == NULL || event == CONN_LOCAL_ERROR ? event : CONN_PROXY_FAILED;
}

static void stand(struct conn *conn)
{
    conn->state = STATE_OPEN;
    if (conn->timeout_owner == TIMEOUT_OF_CONNECT)
        loop_timer_stop(&conn->timer);
    watch(conn);
    if (tell(conn, CONN_CONNECTED) && conn->state == STATE_OPEN)
        send_on(conn);
}

/* What is said is short, and the first in its direction: the kernel takes it whole. */
static bool ask_proxy(struct conn *conn)
{
    uint8_t request[SOCKS_REQUEST_MAX];
    size_t length = socks_request(conn->socks, request);

    conn->state = STATE_PROXY;
    loop_io_want(&conn->io, true, false);
    return send(conn->fd, request, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static void hear_proxy(struct conn *conn)
{
    ssize_t got = recv(conn->fd, scratch, socks_wanted(conn->socks), 0);
    enum socks_step step = SOCKS_OVER;

    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (got > 0)
        step = socks_reply(conn->socks, (const uint8_t *)scratch, (size_t)got);
    if (step == SOCKS_READ || (step == SOCKS_SEND && ask_proxy(conn)))
        return;
    if (conn->socks->event != CONN_CONNECTED) {
        tell(conn, conn->socks->event);
        return;
    }
    free(conn->socks);
    conn->socks = NULL;
    stand(conn);
}

static void connected(struct conn *conn)
{
    if (!conn_socket_stands(conn->fd)) {
        int error = conn_socket_error(conn->fd);

        if (error == 0)
            return; /* woken for nothing: still on its way */
        if (error != ECONNRESET && error != EPIPE) {
            tell(conn, why_not_connected(conn, error));
            return;
        }
        conn->reset_seen = true; /* it stood, and what was sent before may still be read */
    }
    if (conn->socks == NULL)
        stand(conn);
    else if (!ask_proxy(conn))
        tell(conn, CONN_PROXY_FAILED);
}

static void on_io(void *context, bool readable, bool writable)
{
    struct conn *conn = context;

    enter(conn);
    switch (conn->state) {
    case STATE_CONNECTING:
        connected(conn);
        break;
    case STATE_PROXY:
        hear_proxy(conn);
        break;
    case STATE_HELLO: /* before we have said anything */
        loop_heavy_stop(&conn->handshake);
        shake_hands(conn);
        break;
    case STATE_HANDSHAKE:
        if (writable)
            send_on(conn);
        if (readable)
            shake_hands_in_turn(conn);
        break;
    case STATE_OPEN:
        if (writable)
            send_on(conn);
        if (readable && conn->tls == NULL)
            read_clear(conn);
        else if (readable)
            read_tls(conn);
        break;
    case STATE_FAILING:
    case STATE_OVER:
    case STATE_CLOSED:
        break;
    }
    leave(conn);
}

static void use_proxy(struct conn *conn, const struct conn_params *params)
{
    conn->socks = mem_new(struct socks);
    socks_begin(conn->socks, params->proxy, &params->address, params->port);
    conn->family = params->proxy->address.family;
    conn->proxied = true;
}

static void begin_connect(struct conn *conn, const struct conn_params *params)
{
    const struct socks_proxy *proxy = params->proxy;
    struct sockaddr_storage to;
    socklen_t length = proxy != NULL ? ip_to_socket(&proxy->address, proxy->port, &to)
                                     : ip_to_socket(&params->address, params->port, &to);

    if (proxy != NULL)
        use_proxy(conn, params);
    conn->fd = conn_socket_open(conn->family);
    if (conn->fd < 0) {
        fail_later(conn, why_not_connected(conn, errno));
        return;
    }
    loop_io_init(&conn->io, params->loop, conn->fd, on_io, conn);
    if (proxy == NULL && params->source.family == conn->family &&
        !conn_socket_bind(conn->fd, &params->source)) {
        fail_later(conn, CONN_LOCAL_ERROR);
        return;
    }
    if (connect(conn->fd, (struct sockaddr *)&to, length) != 0 && errno != EINPROGRESS) {
        fail_later(conn, why_not_connected(conn, errno));
        return;
    }
    loop_io_want(&conn->io, false, true);
    if (params->connect_timeout_ms > 0)
        loop_timer_start(&conn->timer, params->connect_timeout_ms);
}

struct conn *conn_open(const struct conn_params *params)
{
    struct conn *conn = mem_new(struct conn);

    conn->fd = -1;
    conn->family = params->address.family;
    conn->line_max = params->line_max;
    conn->handler = params->handler;
    conn->context = params->context;
    loop_timer_init(&conn->timer, params->loop, on_timer, conn);
    if (ip_may_connect(&params->address, params->allowed))
        begin_connect(conn, params);
    else
        fail_later(conn, CONN_ADDRESS_FORBIDDEN);
    return conn;
}

/* Thousands may fall silent in one moment. Each end takes its time, so they are spread: no timer
 * has to wait for all of them. */
static uint32_t spread(const struct conn *conn, uint32_t timeout_ms)
{
    unsigned step = (unsigned)conn->fd % SPREAD_STEPS;

    return timeout_ms + timeout_ms / SPREAD_SHARE * step / SPREAD_STEPS;
}

void conn_set_timeout(struct conn *conn, uint32_t timeout_ms)
{
    if (conn->state >= STATE_FAILING)
        return;
    conn->timeout_owner = TIMEOUT_OF_OWNER;
    if (timeout_ms > 0)
        loop_timer_start(&conn->timer, spread(conn, timeout_ms));
    else
        loop_timer_stop(&conn->timer);
}

bool conn_local_address(const struct conn *conn, struct ip_address *address)
{
    return !conn->proxied && conn->fd >= 0 && conn_socket_local(conn->fd, address);
}

void conn_close(struct conn **conn, bool reset)
{
    static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    struct conn *gone = *conn;

    *conn = NULL;
    if (gone == NULL)
        return;
    stop_watching(gone);
    tls_session_free(&gone->tls, !reset && gone->state == STATE_OPEN);
    if (gone->fd >= 0 && !reset)
        flush_output(gone); /* the goodbye of TLS */
    if (gone->fd >= 0) {
        if (reset)
            setsockopt(gone->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(gone->fd);
    }
    gone->state = STATE_CLOSED;
    if (!gone->busy)
        free_conn(gone);
}
