#include "probes/base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

/* No SHA-256 means no keys: going on would only hide it. */
static void must(bool worked, const char *what)
{
    if (worked)
        return;
    fprintf(stderr, "vrfyd: the OpenSSL library has no %s\n", what);
    abort();
}

void digest_sha256(const void *bytes, size_t length, unsigned char out[DIGEST_SIZE])
{
    must(EVP_Digest(bytes, length, out, NULL, EVP_sha256(), NULL) == 1, "SHA-256");
}

void digest_hmac(const char *key, size_t key_length, const void *bytes, size_t length,
                 unsigned char out[DIGEST_SIZE])
{
    must(HMAC(EVP_sha256(), key, (int)key_length, bytes, length, out, NULL) != NULL, "HMAC");
}

bool digest_equal(const unsigned char a[DIGEST_SIZE], const unsigned char b[DIGEST_SIZE])
{
    return CRYPTO_memcmp(a, b, DIGEST_SIZE) == 0;
}

void digest_hex(const unsigned char *bytes, size_t count, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < count; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * count] = '\0';
}
