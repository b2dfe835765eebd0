/* A hostile proxy. First octet: with a login or without, IPv6 or IPv4; second: how many octets are
 * read at once; the rest is what the proxy says.
 *
 * Whatever comes: what is sent stays within its bound, no octet is read that the proxy's own reply
 * does not have, and the handshake ends after three requests and their replies. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "probes/net/socks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REQUESTS_MAX = 3, REPLIES_MAX = 2 + 2 + SOCKS_HEAD + 1 + 255 + 2 };

static void check_request(const struct socks *socks)
{
    uint8_t out[SOCKS_REQUEST_MAX];
    size_t length = socks_request(socks, out);

    assert(length >= 3 && length <= sizeof(out));
    assert(socks_wanted(socks) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char user[] = "jane", password[] = "secret";
    struct ip_address target = {.family = 4, .octets = {192, 0, 2, 25}};
    struct socks_proxy proxy = {.port = 1080};
    unsigned requests = 1;
    size_t at = 2, heard = 0;
    struct socks socks;

    if (size < 2)
        return 0;
    if ((data[0] & 1) != 0) {
        proxy.user = user;
        proxy.password = password;
    }
    target.family = (data[0] & 2) != 0 ? 6 : 4;
    socks_begin(&socks, &proxy, &target, 25);
    check_request(&socks);
    enum socks_step step = SOCKS_READ;
    while (step != SOCKS_OVER && at < size) {
        size_t wanted = socks_wanted(&socks), piece = 1u + data[1] % 16;

        assert(wanted > 0 && wanted <= 257);
        piece = piece < wanted ? piece : wanted;
        piece = piece < size - at ? piece : size - at;
        step = socks_reply(&socks, data + at, piece);
        at += piece;
        heard += piece;
        if (step == SOCKS_SEND) {
            requests++;
            check_request(&socks);
        }
    }
    assert(requests <= REQUESTS_MAX && heard <= REPLIES_MAX);
    assert(step == SOCKS_OVER || socks.event == CONN_PROXY_FAILED);
    assert(socks.event != CONN_CONNECTED || (socks_asked(&socks) && step == SOCKS_OVER));
    return 0;
}
