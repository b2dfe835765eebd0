#include "probes/base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

/* No randomness and no SHA-256 mean no keys and no secrets: going on would only hide it. */
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

void random_bytes(void *out, size_t length)
{
    must(RAND_bytes(out, (int)length) == 1, "random generator");
}

void random_text(char *out, size_t length)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

    random_bytes(out, length);
    for (size_t i = 0; i < length; i++)
        out[i] = alphabet[(unsigned char)out[i] & 31];
    out[length] = '\0';
}
