/* digest.h - hashes, keyed hashes: the only header over OpenSSL's digests. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { DIGEST_SIZE = 32 };

void digest_sha256(const void *bytes, size_t length, unsigned char out[DIGEST_SIZE]);
/* HMAC-SHA256 (RFC 2104). */
void digest_hmac(const char *key, size_t key_length, const void *bytes, size_t length,
                 unsigned char out[DIGEST_SIZE]);
/* Takes as long whether or not, and wherever, they differ. */
bool digest_equal(const unsigned char a[DIGEST_SIZE], const unsigned char b[DIGEST_SIZE]);
/* Lower-case hex of `count` octets, terminated: `out` holds 2 * count + 1. */
void digest_hex(const unsigned char *bytes, size_t count, char *out);
