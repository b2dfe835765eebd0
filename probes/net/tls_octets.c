/* tls_octets.c - sessions for resumption as octets.
 *
 *   SSLSession ::= SEQUENCE { ..., peer [3] EXPLICIT Certificate OPTIONAL, ... }
 *
 * The peer's certificate is most of it and takes a good part of a handshake to read again. What was
 * known of it is kept beside the session, so it stays out. */
#include <openssl/asn1.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/net/tls_internal.h"

enum { TAG_PEER = 3, ASN1_UNREADABLE = 0x80 };

struct element {
    const unsigned char *begin, *content, *end;
    int tag, class;
};

static bool read_element(const unsigned char *at, const unsigned char *end, struct element *element)
{
    long length;

    element->begin = element->content = at;
    if ((ASN1_get_object(&element->content, &length, &element->tag, &element->class, end - at) &
         ASN1_UNREADABLE) != 0)
        return false;
    element->end = element->content + length;
    return true;
}

/* The certificate, or the empty element at the end; false for what is no session. */
static bool find_peer(const struct element *session, struct element *peer)
{
    const unsigned char *at = session->content;

    for (; at < session->end; at = peer->end) {
        if (!read_element(at, session->end, peer))
            return false;
        if (peer->class == V_ASN1_CONTEXT_SPECIFIC && peer->tag == TAG_PEER)
            return true;
    }
    peer->begin = peer->end = session->end;
    return true;
}

static unsigned char *without(const struct element *session, const struct element *peer,
                              size_t *length)
{
    size_t before = (size_t)(peer->begin - session->content);
    size_t after = (size_t)(session->end - peer->end);
    int size = ASN1_object_size(1, (int)(before + after), V_ASN1_SEQUENCE);
    unsigned char *octets, *at;

    if (size <= 0)
        return NULL;
    octets = at = mem_zeroed(1, (size_t)size);
    ASN1_put_object(&at, 1, (int)(before + after), V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    memcpy(at, session->content, before);
    memcpy(at + before, peer->end, after);
    *length = (size_t)size;
    return octets;
}

unsigned char *tls_session_pack(SSL_SESSION *session, size_t *length)
{
    int size = i2d_SSL_SESSION(session, NULL);
    unsigned char *der, *end, *packed = NULL;
    struct element whole, peer;

    if (size <= 0)
        return NULL;
    der = end = mem_zeroed(1, (size_t)size);
    size = i2d_SSL_SESSION(session, &end);
    if (size > 0 && read_element(der, der + size, &whole) && find_peer(&whole, &peer))
        packed = without(&whole, &peer, length);
    free(der);
    return packed;
}

SSL_SESSION *tls_session_unpack(const unsigned char *octets, size_t length)
{
    return d2i_SSL_SESSION(NULL, &octets, (long)length);
}
