#include "service/auth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probes/base/digest.h"
#include "probes/base/mem.h"
#include "probes/base/random.h"
#include "probes/base/text.h"

enum { SECRET_RANDOM = 40, SECRET_FILE_MAX = 256, PATH_TEXT_MAX = 4096 };

struct auth {
    bool off;
    size_t count;
    unsigned char keys[AUTH_KEYS_MAX][DIGEST_SIZE];
};

/* --- files that only we may read ------------------------------------------------ */

static bool say(char *error, size_t error_size, const char *what, const char *path)
{
    snprintf(error, error_size, "data_dir: cannot %s %.300s: %s", what, path, strerror(errno));
    return false;
}

/* mkdir -p: what we make is ours alone, what exists stays as it is. */
static bool make_directory(const char *directory, char *error, size_t error_size)
{
    char *path = mem_copy_text(directory);
    bool fine = true;

    for (char *c = path + 1; fine && *path != '\0'; c++) {
        char kept = *c;

        if (kept != '/' && kept != '\0')
            continue;
        *c = '\0';
        fine = mkdir(path, 0700) == 0 || errno == EEXIST ||
               say(error, error_size, "make the directory", path);
        *c = kept;
        if (kept == '\0')
            break;
    }
    free(path);
    return fine;
}

static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        length -= (size_t)written;
    }
    return true;
}

static void sync_directory(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

/* Written whole under another name, then linked: two starts at once agree on one secret, and a
 * crash leaves no half of one. */
static bool create_secret(const char *directory, const char *path, const char *prefix, char *error,
                          size_t error_size)
{
    char random[SECRET_RANDOM + 1], part[PATH_TEXT_MAX + SECRET_RANDOM + 2], line[SECRET_FILE_MAX];
    int fd, length;
    bool fine;

    random_text(random, 8);
    snprintf(part, sizeof(part), "%s.%s", path, random);
    random_text(random, SECRET_RANDOM);
    length = snprintf(line, sizeof(line), "%s%s\n", prefix, random);
    fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return say(error, error_size, "create", part);
    fine = write_all(fd, line, (size_t)length) && fsync(fd) == 0;
    if (!fine)
        say(error, error_size, "write", part);
    close(fd);
    if (fine && link(part, path) != 0 && errno != EEXIST)
        fine = say(error, error_size, "create", path);
    unlink(part);
    explicit_bzero(line, sizeof(line));
    explicit_bzero(random, sizeof(random));
    sync_directory(directory);
    return fine;
}

static char *read_secret(const char *path)
{
    char line[SECRET_FILE_MAX] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t length;
    int error;

    if (fd < 0)
        return NULL;
    length = read(fd, line, sizeof(line) - 1);
    error = errno;
    close(fd);
    if (length < 0) {
        errno = error; /* the caller says why */
        return NULL;
    }
    line[length] = '\0';
    line[strcspn(line, " \t\r\n")] = '\0';
    return mem_copy_text(line);
}

char *auth_secret_file(const char *directory, const char *name, const char *prefix, bool *created,
                       char *error, size_t error_size)
{
    char path[PATH_TEXT_MAX];
    char *secret;

    *created = false;
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", directory, name) >= sizeof(path) - 16) {
        snprintf(error, error_size, "data_dir: the path is too long");
        return NULL;
    }
    secret = read_secret(path);
    if (secret == NULL && errno == ENOENT) {
        if (!make_directory(directory, error, error_size) ||
            !create_secret(directory, path, prefix, error, error_size))
            return NULL;
        *created = true;
        secret = read_secret(path);
    }
    if (secret == NULL) {
        say(error, error_size, "read", path);
    } else if (strlen(secret) < AUTH_KEY_LENGTH_MIN) {
        snprintf(error, error_size,
                 "%.300s holds no key of at least %d characters; remove it to "
                 "have a new one made",
                 path, AUTH_KEY_LENGTH_MIN);
        free(secret);
        secret = NULL;
    }
    return secret;
}

/* --- keys ------------------------------------------------------------------------ */

static void add_key(struct auth *auth, const char *key, size_t length)
{
    digest_sha256(key, length, auth->keys[auth->count++]);
}

static bool add_configured(struct auth *auth, const char *keys, char *error, size_t error_size)
{
    static const char separators[] = ", \t\r\n";

    for (keys += strspn(keys, separators); *keys != '\0'; keys += strspn(keys, separators)) {
        size_t length = strcspn(keys, separators);

        if (length < AUTH_KEY_LENGTH_MIN || length > AUTH_KEY_LENGTH_MAX ||
            auth->count == AUTH_KEYS_MAX) {
            snprintf(error, error_size,
                     "api_keys: at most %d keys of %d to %d characters each (key %zu does not fit)",
                     AUTH_KEYS_MAX, AUTH_KEY_LENGTH_MIN, AUTH_KEY_LENGTH_MAX, auth->count + 1);
            return false;
        }
        add_key(auth, keys, length);
        keys += length;
    }
    return true;
}

static bool add_first_key(struct auth *auth, const struct config *config, char **first_key,
                          bool *created, char *error, size_t error_size)
{
    char *key = auth_secret_file(config->data_dir, "first.key", "vk_", created, error, error_size);
    struct text path;

    if (key == NULL)
        return false;
    add_key(auth, key, strlen(key));
    free(key);
    text_init(&path, PATH_TEXT_MAX);
    text_format(&path, "%s/first.key", config->data_dir);
    *first_key = text_take(&path);
    return true;
}

struct auth *auth_open(const struct config *config, char **first_key, bool *created, char *error,
                       size_t error_size)
{
    struct auth *auth = mem_new(struct auth);
    bool fine;

    *first_key = NULL;
    *created = false;
    auth->off = config->auth == AUTH_OFF;
    fine = auth->off || add_configured(auth, config->api_keys, error, error_size);
    if (fine && !auth->off && auth->count == 0)
        fine = add_first_key(auth, config, first_key, created, error, error_size);
    if (!fine)
        auth_free(&auth);
    return auth;
}

void auth_free(struct auth **auth)
{
    free(*auth);
    *auth = NULL;
}

bool auth_is_off(const struct auth *auth) { return auth->off; }

static enum auth_answer check_key(const struct auth *auth, const char *key)
{
    unsigned char digest[DIGEST_SIZE];
    size_t length = strlen(key);
    bool known = false;

    while (length > 0 && strchr(" \t", key[length - 1]) != NULL) /* RFC 9110 section 5.5 */
        length--;
    digest_sha256(key, length, digest);
    for (size_t i = 0; i < auth->count; i++) /* all of them: the time taken says nothing */
        known |= digest_equal(digest, auth->keys[i]);
    return known ? AUTH_ALLOWED : AUTH_KEY_INVALID;
}

enum auth_answer auth_check(const struct auth *auth, const char *authorization, const char *api_key)
{
    static const char scheme[] = "Bearer ";

    if (auth->off)
        return AUTH_ALLOWED;
    if (api_key != NULL)
        return check_key(auth, api_key);
    if (authorization == NULL)
        return AUTH_KEY_MISSING;
    if (!text_starts_nocase(authorization, scheme))
        return AUTH_KEY_INVALID;
    authorization += sizeof(scheme) - 1;
    return check_key(auth, authorization + strspn(authorization, " "));
}

/* --- auth=off ---------------------------------------------------------------------- */

static bool is_port(const char *text)
{
    return *text == '\0' ||
           (*text == ':' && text[1] != '\0' && strspn(text + 1, "0123456789") == strlen(text + 1));
}

bool auth_host_is_local(const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};

    for (size_t i = 0; host != NULL && i < ARRAY_LENGTH(names); i++)
        if (text_starts_nocase(host, names[i]) && is_port(host + strlen(names[i])))
            return true;
    return false;
}

/* A page of another site may make a browser send requests here. Browsers say so in
 * Sec-Fetch-Site and Origin; other programs send neither. */
bool auth_same_site(const char *origin, const char *fetch_site)
{
    if (fetch_site != NULL && !text_equal_nocase(fetch_site, "same-origin") &&
        !text_equal_nocase(fetch_site, "same-site") && !text_equal_nocase(fetch_site, "none"))
        return false;
    if (origin == NULL)
        return true;
    if (text_starts_nocase(origin, "http://"))
        return auth_host_is_local(origin + strlen("http://"));
    return text_starts_nocase(origin, "https://") &&
           auth_host_is_local(origin + strlen("https://"));
}
