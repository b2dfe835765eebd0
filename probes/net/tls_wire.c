/* tls_wire.c - a BIO between OpenSSL and the socket.
 *
 * Out: OpenSSL's own socket BIO sends each flight and each record at once, so that the end of a
 * handshake and the first command behind it are two segments, and two system calls.
 *
 * In: it takes two system calls a record, and OpenSSL's way of reading ahead depends on its
 * version: since 3.2 not in a handshake, and what was read ahead of a change of keys is on hand
 * without SSL_has_pending() knowing. Reading ahead is therefore done here, where it can be counted.
 */
#include <assert.h>
#include <errno.h>
#include <openssl/bio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "probes/base/mem.h"
#include "probes/net/tls_internal.h"

enum { RECEIVED_MAX = 16384 };

static int on_write(BIO *bio, const char *octets, int length)
{
    const struct tls_wire *wire = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    return length > 0 && wire->put.fn(wire->put.context, octets, (size_t)length) ? length : -1;
}

static void drop_received(struct tls_wire *wire)
{
    free(wire->received);
    wire->received = NULL;
}

static int later(BIO *bio)
{
    struct tls_wire *wire = BIO_get_data(bio);

    wire->may_receive = true;
    BIO_set_retry_read(bio);
    return -1;
}

/* As recv(). One a turn: whoever has used it up is told to wait, and may again when the socket is
 * readable. What ends a read is thus always this, never a choice of OpenSSL's. */
static int receive(BIO *bio)
{
    struct tls_wire *wire = BIO_get_data(bio);
    ssize_t got;

    if (!wire->may_receive)
        return later(bio);
    wire->may_receive = false;
    wire->received = mem_resize(NULL, RECEIVED_MAX);
    got = recv(wire->fd, wire->received, RECEIVED_MAX, 0);
    wire->from = 0;
    wire->to = got > 0 ? (size_t)got : 0;
    wire->ended = got == 0;
    if (got > 0)
        return (int)got;
    bool nothing_yet = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    drop_received(wire);
    return nothing_yet ? later(bio) : (int)got;
}

static int on_read(BIO *bio, char *out, int size)
{
    struct tls_wire *wire = BIO_get_data(bio);
    int got;

    BIO_clear_retry_flags(bio);
    if (wire->received == NULL && (got = receive(bio)) <= 0)
        return got;
    assert(wire->received != NULL);
    size_t part = wire->to - wire->from;
    if (part > (size_t)size)
        part = (size_t)size;
    memcpy(out, wire->received + wire->from, part);
    wire->from += part;
    if (wire->from == wire->to)
        drop_received(wire);
    return (int)part;
}

static long on_control(BIO *bio, int command, long number, void *argument)
{
    const struct tls_wire *wire = BIO_get_data(bio);

    (void)number;
    (void)argument;
    if (command == BIO_CTRL_EOF)
        return wire->ended;
    return command == BIO_CTRL_FLUSH; /* nothing is held back here */
}

static int on_destroy(BIO *bio)
{
    struct tls_wire *wire = BIO_get_data(bio);

    if (wire != NULL)
        drop_received(wire);
    return 1;
}

BIO_METHOD *tls_wire_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");

    if (method != NULL) {
        BIO_meth_set_write(method, on_write);
        BIO_meth_set_read(method, on_read);
        BIO_meth_set_ctrl(method, on_control);
        BIO_meth_set_destroy(method, on_destroy);
    }
    return method;
}

BIO *tls_wire_bio(const BIO_METHOD *method, struct tls_wire *wire)
{
    BIO *bio = BIO_new(method);

    if (bio != NULL) {
        BIO_set_data(bio, wire);
        BIO_set_init(bio, 1);
    }
    return bio;
}
