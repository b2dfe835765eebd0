/* tls_put.c - a BIO that hands what OpenSSL writes to whoever sends it.
 *
 * OpenSSL's own socket BIO sends each flight and each record at once, so that the end of a
 * handshake and the first command behind it are two segments, and two system calls. */
#include <openssl/bio.h>

#include "probes/net/tls_internal.h"

static int on_write(BIO *bio, const char *octets, int length)
{
    const struct tls_put *put = BIO_get_data(bio);

    return length > 0 && put->fn(put->context, octets, (size_t)length) ? length : -1;
}

static long on_control(BIO *bio, int command, long number, void *argument)
{
    (void)bio;
    (void)number;
    (void)argument;
    return command == BIO_CTRL_FLUSH; /* nothing is held back here */
}

BIO_METHOD *tls_put_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "put");

    if (method != NULL) {
        BIO_meth_set_write(method, on_write);
        BIO_meth_set_ctrl(method, on_control);
    }
    return method;
}

BIO *tls_put_bio(const BIO_METHOD *method, struct tls_put *put)
{
    BIO *bio = BIO_new(method);

    if (bio != NULL) {
        BIO_set_data(bio, put);
        BIO_set_init(bio, 1);
    }
    return bio;
}
