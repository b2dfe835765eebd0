/* auth.h - who may call: keys, or (auth=off) only programs and pages on this machine.
 *
 * Keys are kept as SHA-256 digests and compared in constant time. With no api_keys set
 * the first start writes one to DATA/first.key (mode 0600); it is never logged. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "service/config.h"

enum { AUTH_KEYS_MAX = 64, AUTH_KEY_LENGTH_MIN = 16, AUTH_KEY_LENGTH_MAX = 200 };

struct auth;

/* NULL with a sentence in `error`. *first_key (the caller frees) is the path of the key file when
 * one is used, else NULL; *created says whether this start wrote it. */
struct auth *auth_open(const struct config *config, char **first_key, bool *created, char *error,
                       size_t error_size);
void auth_free(struct auth **auth);

enum auth_answer { AUTH_ALLOWED, AUTH_KEY_MISSING, AUTH_KEY_INVALID };
/* The values of the Authorization and X-API-Key header fields; NULL = not there. */
enum auth_answer auth_check(const struct auth *auth, const char *authorization,
                            const char *api_key);
bool auth_is_off(const struct auth *auth);

/* auth=off: is it a caller on this machine, and not a page of another site? NULL = not there. */
bool auth_host_is_local(const char *host);
bool auth_same_site(const char *origin, const char *fetch_site);

/* A file of random text in the data directory, made at the first call: keys, the log's secret.
 * Returns the text (the caller frees), NULL with a sentence in `error`. */
char *auth_secret_file(const char *directory, const char *name, const char *prefix, bool *created,
                       char *error, size_t error_size);
