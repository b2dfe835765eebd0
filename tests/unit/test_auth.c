/* Keys and who is local; files of secrets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probes/base/mem.h"
#include "service/auth.h"

#define KEY_A "key-a-0123456789"
#define KEY_B "key-b-0123456789abcdef"

static char directory[] = "/tmp/vrfyd-auth-XXXXXX";

static int open_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) == NULL ? 1 : 0;
}

static int close_directory(void **state)
{
    (void)state;
    rmdir(directory);
    return 0;
}

static struct auth *open_with(const char *keys, char error[512])
{
    struct config config = {.auth = AUTH_REQUIRED};
    struct auth *auth;
    char *first_key;
    bool created;

    config.api_keys = mem_copy_text(keys);
    config.data_dir = mem_copy_text(directory);
    error[0] = '\0';
    auth = auth_open(&config, &first_key, &created, error, 512);
    assert_null(first_key);
    free(config.api_keys);
    free(config.data_dir);
    return auth;
}

static const struct key_case {
    const char *label, *authorization, *api_key;
    enum auth_answer answer;
} key_cases[] = {
    {"nothing", NULL, NULL, AUTH_KEY_MISSING},
    {"bearer", "Bearer " KEY_A, NULL, AUTH_ALLOWED},
    {"bearer, second", "bEARER   " KEY_B, NULL, AUTH_ALLOWED},
    {"header", NULL, KEY_B, AUTH_ALLOWED},
    {"header wins", "Bearer wrong", KEY_A, AUTH_ALLOWED},
    {"header wins, wrong", "Bearer " KEY_A, "wrong", AUTH_KEY_INVALID},
    {"empty header", NULL, "", AUTH_KEY_INVALID},
    {"empty bearer", "Bearer ", NULL, AUTH_KEY_INVALID},
    {"no blank", "Bearer" KEY_A, NULL, AUTH_KEY_INVALID},
    {"other scheme", "Basic " KEY_A, NULL, AUTH_KEY_INVALID},
    {"empty", "", NULL, AUTH_KEY_INVALID},
    {"short", NULL, "key-a-012345678", AUTH_KEY_INVALID},
    {"long", NULL, KEY_A "0", AUTH_KEY_INVALID},
    {"other case", NULL, "KEY-A-0123456789", AUTH_KEY_INVALID},
    {"both", NULL, KEY_A "," KEY_B, AUTH_KEY_INVALID},
};

static void test_keys(void **state)
{
    char error[512];
    struct auth *auth = open_with(KEY_A ", " KEY_B "\n", error);

    (void)state;
    assert_non_null(auth);
    for (size_t i = 0; i < ARRAY_LENGTH(key_cases); i++) {
        const struct key_case *c = &key_cases[i];

        if (auth_check(auth, c->authorization, c->api_key) != c->answer)
            fail_msg("%s", c->label);
    }
    auth_free(&auth);
    assert_null(auth);
}

static void test_bad_settings(void **state)
{
    char error[512], *many = mem_zeroed((AUTH_KEYS_MAX + 1) * 24 + 1, 1);

    (void)state;
    assert_null(open_with("too-short", error));
    assert_non_null(strstr(error, "api_keys"));
    assert_null(strstr(error, "too-short")); /* never show what may be a key */
    for (size_t i = 0; i <= AUTH_KEYS_MAX; i++)
        snprintf(many + strlen(many), 24, "key-%03zu-0123456789abcd,", i);
    assert_null(open_with(many, error));
    free(many);
}

static void remove_in_directory(const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    unlink(path);
}

static void test_first_key(void **state)
{
    struct config config = {.auth = AUTH_REQUIRED, .api_keys = mem_copy_text("")};
    char error[512], *path, *again, *key;
    bool created;
    struct auth *auth;
    struct stat facts;

    (void)state;
    config.data_dir = mem_copy_text(directory);
    auth = auth_open(&config, &path, &created, error, sizeof(error));
    assert_non_null(auth);
    assert_true(created);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    auth_free(&auth);
    auth = auth_open(&config, &again, &created, error, sizeof(error));
    assert_non_null(auth);
    assert_false(created);
    key = auth_secret_file(directory, "first.key", "", &created, error, sizeof(error));
    assert_int_equal(strlen(key), 43);
    assert_int_equal(auth_check(auth, NULL, key), AUTH_ALLOWED);
    key[10] = (char)(key[10] == 'a' ? 'b' : 'a');
    assert_int_equal(auth_check(auth, NULL, key), AUTH_KEY_INVALID);
    auth_free(&auth);
    free(key);
    free(again);
    free(path);
    remove_in_directory("first.key");
    free(config.data_dir);
    free(config.api_keys);
}

static void test_secret_files(void **state)
{
    char error[512], path[256], deep[256], *secret;
    bool created;
    FILE *file;

    (void)state;
    snprintf(path, sizeof(path), "%s/empty", directory);
    file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_null(auth_secret_file(directory, "empty", "", &created, error, sizeof(error)));
    assert_non_null(strstr(error, "holds no key"));
    unlink(path);
    assert_int_equal(symlink("/etc/hostname", path), 0); /* a link is not followed */
    assert_null(auth_secret_file(directory, "empty", "", &created, error, sizeof(error)));
    unlink(path);
    snprintf(deep, sizeof(deep), "%s/a/b", directory);
    secret = auth_secret_file(deep, "x", "p_", &created, error, sizeof(error));
    assert_non_null(secret);
    assert_true(created);
    assert_int_equal(strncmp(secret, "p_", 2), 0);
    free(secret);
    remove_in_directory("a/b/x");
    rmdir(deep);
    snprintf(deep, sizeof(deep), "%s/a", directory);
    assert_int_equal(rmdir(deep), 0); /* no half-written file stayed behind */
    assert_null(auth_secret_file("/proc/none", "x", "", &created, error, sizeof(error)));
    assert_non_null(strstr(error, "/proc/none"));
}

static const struct host_case {
    const char *host;
    bool local;
} host_cases[] = {
    {"localhost", true},
    {"LocalHost:80", true},
    {"127.0.0.1:8080", true},
    {"[::1]", true},
    {"[::1]:1", true},
    {NULL, false},
    {"", false},
    {"localhost.", false},
    {"localhosts", false},
    {"127.0.0.10", false},
    {"[::1]x", false},
    {"localhost:", false},
    {"localhost:1:2", false},
    {"a.localhost", false},
    {"[::1", false},
    {"127.1", false},
};

static void test_hosts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(host_cases); i++)
        if (auth_host_is_local(host_cases[i].host) != host_cases[i].local)
            fail_msg("%s", host_cases[i].host == NULL ? "(none)" : host_cases[i].host);
}

static const struct site_case {
    const char *origin, *site;
    bool same;
} site_cases[] = {
    {NULL, NULL, true},
    {"http://localhost:3000", "same-site", true},
    {"https://127.0.0.1", "same-origin", true},
    {NULL, "none", true},
    {NULL, "cross-site", false},
    {"http://localhost", "cross-site", false},
    {"https://evil.example", NULL, false},
    {"https://evil.example", "same-origin", false},
    {"null", NULL, false},
    {"http://localhost.evil.example", NULL, false},
    {"ftp://localhost", NULL, false},
    {"localhost", NULL, false},
    {"", NULL, false},
    {NULL, "", false},
};

static void test_sites(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(site_cases); i++)
        if (auth_same_site(site_cases[i].origin, site_cases[i].site) != site_cases[i].same)
            fail_msg("row %zu", i);
}

static void test_off(void **state)
{
    struct config config = {.auth = AUTH_OFF};
    char error[512], *first_key;
    bool created;
    struct auth *auth = auth_open(&config, &first_key, &created, error, sizeof(error));

    (void)state;
    assert_non_null(auth);
    assert_true(auth_is_off(auth));
    assert_null(first_key);
    assert_int_equal(auth_check(auth, NULL, NULL), AUTH_ALLOWED);
    auth_free(&auth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),      cmocka_unit_test(test_bad_settings),
        cmocka_unit_test(test_first_key), cmocka_unit_test(test_secret_files),
        cmocka_unit_test(test_hosts),     cmocka_unit_test(test_sites),
        cmocka_unit_test(test_off),
    };

    return cmocka_run_group_tests(tests, open_directory, close_directory);
}
