/* Settings: every way in, who wins, bounds, and what follows from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes/base/mem.h"
#include "service/config.h"
#include "service/config_table.h"

enum { ARGUMENTS_MAX = 8 };

/* Words of `line` as flags; returns what config_load() returns. */
static int load(struct config *config, const char *line, char error[512])
{
    char *copy = mem_copy_text(line), *rest = copy, *arguments[ARGUMENTS_MAX];
    int count = 0, used;

    while (count < ARGUMENTS_MAX && (arguments[count] = strtok_r(rest, "|", &rest)) != NULL)
        count++;
    error[0] = '\0';
    used = config_load(config, count, arguments, error, 512);
    free(copy);
    return used;
}

static char *file_of(const char *text)
{
    char *path = mem_copy_text("/tmp/vrfyd-config-XXXXXX");
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return path;
}

static void forget_variables(void)
{
    extern char **environ;
    static const char prefix[] = "VRFYD_";

    for (size_t i = 0; environ[i] != NULL;) {
        char name[128];

        if (strncmp(environ[i], prefix, sizeof(prefix) - 1) != 0) {
            i++;
            continue;
        }
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(environ[i], "="), environ[i]);
        unsetenv(name);
    }
}

static void test_defaults(void **state)
{
    struct config config;

    (void)state;
    forget_variables();
    config_defaults(&config);
    assert_string_equal(config.listen, "127.0.0.1:8080");
    assert_int_equal(config.auth, AUTH_REQUIRED);
    assert_int_equal(config.lane_connections.fallback, 1);
    assert_int_equal(config.lane_rejects_per_session.fallback, 4);
    assert_int_equal(config.lane_unknown_per_hour.fallback, 10);
    assert_int_equal(config.timeout_recipient_ms, 45000);
    assert_int_equal(config.check_budget_ms, 90000);
    assert_int_equal(config.log_addresses, LOG_ADDRESSES_HASHED);
    assert_int_equal(config.port_smtp, 25);
    assert_int_equal(config.port_imaps, 993);
    assert_int_equal(config.allowed.count, 0);
    assert_string_equal(config.mail_from, "");
    assert_true(config.data_dir[0] != '\0');
    config_free(&config);
}

/* Every fallback must pass its own row: otherwise a default would silently be nothing. */
static void test_fallbacks_apply(void **state)
{
    char error[512];

    (void)state;
    for (size_t i = 0; i < setting_count; i++) {
        struct config config = {0};
        bool fine =
            setting_apply(&settings[i], &config, settings[i].fallback, error, sizeof(error));
        char *text = fine ? setting_text(&settings[i], &config) : NULL;

        if (!fine)
            fail_msg("%s: %s", settings[i].name, error);
        if (text != NULL && strcmp(text, settings[i].fallback) != 0)
            fail_msg("%s: \"%s\" came back as \"%s\"", settings[i].name, settings[i].fallback,
                     text);
        free(text);
        config_free(&config);
    }
}

static const struct flag_case {
    const char *label, *line;
    int used;
} flag_cases[] = {
    {"nothing", "", 0},
    {"two words", "--grace-ms|1234", 2},
    {"one word", "--grace-ms=1234", 1},
    {"underscores", "--grace_ms=1234", 1},
    {"last wins", "--grace-ms=1|--grace-ms=1234", 2},
    {"ends at the first word", "--grace-ms=1234|jane@x.org|--grace-ms=5", 1},
    {"ends at --", "--grace-ms=1234|--|--nothing", 2},
    {"switch alone", "--allow-get|--grace-ms=1234", 2},
    {"switch with a word", "--allow-get|true|--grace-ms=1234", 3},
    {"switch before a word", "--grace-ms=1234|--allow-get|jane@x.org", 2},
};

static void test_flags(void **state)
{
    (void)state;
    forget_variables();
    for (size_t i = 0; i < ARRAY_LENGTH(flag_cases); i++) {
        const struct flag_case *c = &flag_cases[i];
        struct config config;
        char error[512];
        int used = load(&config, c->line, error);

        if (used != c->used || (c->used > 0 && config.grace_ms != 1234))
            fail_msg("%s: used %d, grace_ms %u: %s", c->label, used, config.grace_ms, error);
        config_free(&config);
    }
}

static const struct bad_case {
    const char *label, *line, *says; /* the error must hold these words */
} bad_cases[] = {
    {"unknown", "--speed=9", "no setting --speed"},
    {"no value", "--grace-ms", "--grace-ms needs a value"},
    {"not a number", "--grace-ms=soon",
     "grace_ms: \"soon\" is not a whole number from 0 to 600000"},
    {"negative", "--grace-ms=-1", "grace_ms"},
    {"blank", "--grace-ms= 1", "grace_ms"},
    {"too large", "--grace-ms=600001", "grace_ms"},
    {"overflow", "--grace-ms=99999999999999999999", "grace_ms"},
    {"wraps 32 bits", "--grace-ms=4294967297", "grace_ms"},
    {"choice", "--auth=maybe", "auth: \"maybe\" is not one of required|off"},
    {"choice prefix", "--auth=of", "auth"},
    {"choice list", "--auth=required|off", "auth: \"required"},
    {"switch", "--allow-get=perhaps", "allow_get: \"perhaps\" is neither true nor false"},
    {"limit", "--lane-connections=0", "lane_connections"},
    {"limit words", "--lane-connections=many", "lane_connections"},
    {"limit override", "--lane-connections=1 google=0", "google=0"},
    {"limit two numbers", "--lane-connections=1 2", "\"2\""},
    {"limit no key", "--lane-connections=1 =2", "\"=2\""},
    {"listen without port", "--listen=127.0.0.1", "listen"},
    {"listen port", "--listen=127.0.0.1:65536", "listen"},
    {"listen name", "--listen=www.example.org:80", "listen"},
    {"listen bare v6", "--listen=::1:8080", "listen"},
    {"auth off outside", "--auth=off|--listen=0.0.0.0:80", "loopback"},
    {"auth off outside, v6", "--auth=off|--listen=[::]:80", "loopback"},
    {"networks", "--allow-networks=10.0.0.0/33", "allow_networks"},
    {"sources", "--source-addresses=192.0.2.1 nowhere", "source_addresses"},
    {"ports", "--ports=smtp=0", "ports"},
    {"extra port", "--extra-ports=65536", "extra_ports"},
    {"extra ports", "--extra-ports=1,2,3,4,5,6,7,8,9", "extra_ports"},
    {"ports word", "--ports=pop=110", "ports"},
    {"hello name", "--hello-name=a b", "hello_name"},
    {"hello name with CR LF", "--hello-name=a\r\nMAIL", "control character"},
    {"mail from", "--mail-from=jane", "mail_from"},
    {"mail from brackets", "--mail-from=<jane@x.org>", "mail_from"},
    {"log level", "--log-level=loud", "log_level"},
    {"config missing", "--config=/nowhere/at/all", "config"},
    {"secret file missing", "--api-keys-file=/nowhere/at/all", "api_keys_file"},
    {"file of what is no secret", "--listen-file=/etc/hostname", "no setting"},
};

static void test_bad(void **state)
{
    (void)state;
    forget_variables();
    for (size_t i = 0; i < ARRAY_LENGTH(bad_cases); i++) {
        const struct bad_case *c = &bad_cases[i];
        struct config config;
        char error[512], *arguments[ARGUMENTS_MAX] = {NULL}, *copy = mem_copy_text(c->line);
        char *bar = strstr(copy, "|--");
        int count = 1, used;

        arguments[0] = copy;
        if (bar != NULL) {
            *bar = '\0';
            arguments[count++] = bar + 1;
        }
        error[0] = '\0';
        used = config_load(&config, count, arguments, error, sizeof(error));
        if (used >= 0 || strstr(error, c->says) == NULL)
            fail_msg("%s: used %d, said \"%s\"", c->label, used, error);
        config_free(&config);
        free(copy);
    }
}

static void test_who_wins(void **state)
{
    char *path = file_of("# mine\n\n  grace_ms = 11  \nloops=2\r\nlog-format = json\n"), error[512];
    char flags[256];
    struct config config;

    (void)state;
    forget_variables();
    setenv("VRFYD_LOOPS", "3", 1);
    setenv("VRFYD_IMAP_GRACE_MS", "33", 1);
    setenv("VRFYD_CONFIG", path, 1);
    assert_int_equal(load(&config, "--imap-grace-ms=44", error), 1);
    assert_int_equal(config.grace_ms, 11);      /* the file */
    assert_int_equal(config.loops, 3);          /* a variable over the file */
    assert_int_equal(config.imap_grace_ms, 44); /* a flag over a variable */
    assert_int_equal(config.log_format, LOG_FORMAT_JSON);
    config_free(&config);
    setenv("VRFYD_CONFIG", "/nowhere/at/all", 1);
    snprintf(flags, sizeof(flags), "--config|%s", path);
    assert_int_equal(load(&config, flags, error), 2);
    assert_int_equal(config.grace_ms, 11);
    config_free(&config);
    forget_variables();
    unlink(path);
    free(path);
}

static const struct file_case {
    const char *label, *text, *says;
} file_cases[] = {
    {"unknown", "loops = 1\nspeed = 9\n", ":2: there is no setting \"speed\""},
    {"no equals", "\n\nloops 1\n", ":3: \"loops 1\" is not `name = value`"},
    {"twice", "loops = 1\nloops = 2\n", ":2: loops is set twice"},
    {"value", "loops = many", ":1: loops: \"many\""},
    {"together", "auth = off\nlisten = 0.0.0.0:80\n", "loopback"},
};

static void test_bad_files(void **state)
{
    (void)state;
    forget_variables();
    for (size_t i = 0; i < ARRAY_LENGTH(file_cases); i++) {
        char *path = file_of(file_cases[i].text), error[512];
        struct config config;

        setenv("VRFYD_CONFIG", path, 1);
        if (load(&config, "", error) >= 0 || strstr(error, file_cases[i].says) == NULL)
            fail_msg("%s: said \"%s\"", file_cases[i].label, error);
        config_free(&config);
        unlink(path);
        free(path);
    }
    forget_variables();
}

static void test_secret(void **state)
{
    char *path = file_of("first-key-0123456789,second-key-0123456789\n"), error[512], *shown;
    struct config config;

    (void)state;
    forget_variables();
    setenv("VRFYD_API_KEYS_FILE", path, 1);
    assert_int_equal(load(&config, "--log-format=json", error), 1);
    assert_string_equal(config.api_keys, "first-key-0123456789,second-key-0123456789");
    shown = config_describe(&config);
    assert_null(strstr(shown, "key-0123"));
    assert_non_null(strstr(shown, "log_format=json"));
    free(shown);
    config_free(&config);
    setenv("VRFYD_API_KEYS", "third-key-0123456789", 1);
    assert_int_equal(load(&config, "", error), -1);
    assert_non_null(strstr(error, "VRFYD_API_KEYS_FILE"));
    config_free(&config);
    forget_variables();
    unlink(path);
    free(path);
}

static void test_limits(void **state)
{
    struct config config;
    char error[512];
    bool found;

    (void)state;
    forget_variables();
    assert_int_equal(load(&config, "--lane-connections=3 Google=5, mx.example.net=7", error), 1);
    assert_int_equal(config_limit_for(&config.lane_connections, NULL, NULL, &found), 3);
    assert_false(found);
    assert_int_equal(
        config_limit_for(&config.lane_connections, "google", "mx1.example.net", &found), 5);
    assert_true(found);
    assert_int_equal(config_limit_for(&config.lane_connections, "google", "MX.example.net", NULL),
                     7);
    assert_int_equal(config_limit_for(&config.lane_connections, "other", NULL, NULL), 3);
    config_free(&config);
    assert_int_equal(load(&config, "--lane-connections=google=5", error), 1); /* only exceptions */
    assert_int_equal(config.lane_connections.fallback, 1);
    config_free(&config);
}

static void test_derived(void **state)
{
    struct config config;
    char error[512];

    (void)state;
    forget_variables();
    assert_int_equal(load(&config,
                          "--ports=smtp=2525 imaps=9993|--allow-networks=127.64.0.0/10|"
                          "--source-addresses=192.0.2.1, 2001:db8::1|--hello-name=mail.example.org",
                          error),
                     4);
    assert_int_equal(config.port_smtp, 2525);
    assert_int_equal(config.port_imap, 143);
    assert_int_equal(config.port_imaps, 9993);
    assert_int_equal(config.allowed.count, 1);
    assert_int_equal(config.source_count, 2);
    assert_int_equal(config.sources[1].family, 6);
    assert_string_equal(config.hello_name, "mail.example.org");
    config_free(&config);
}

static const struct listen_case {
    const char *listen, *address;
    uint16_t port;
} listen_cases[] = {
    {"127.0.0.1:8080", "127.0.0.1", 8080},
    {"[::1]:80", "::1", 80},
    {":0", "0.0.0.0", 0},
    {"localhost:65535", "127.0.0.1", 65535},
    {"[::]:1", "::", 1},
    {"", NULL, 0},
    {"8080", NULL, 0},
    {"[127.0.0.1]:1", NULL, 0},
    {"127.0.0.1:", NULL, 0},
    {"127.0.0.1:1x", NULL, 0},
    {"127.0.0.1:+1", NULL, 0},
    {"[::1:80", NULL, 0},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1", NULL, 0},
};

static void test_listen(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(listen_cases); i++) {
        const struct listen_case *c = &listen_cases[i];
        struct ip_address address;
        char text[IP_TEXT_SIZE];
        uint16_t port = 0;
        bool fine = config_listen_address(c->listen, &address, &port);

        if (fine != (c->address != NULL) ||
            (fine && (strcmp(ip_format(&address, text), c->address) != 0 || port != c->port)))
            fail_msg("\"%s\"", c->listen);
    }
}

static void test_unknown_variables(void **state)
{
    (void)state;
    forget_variables();
    setenv("VRFYD_LISTEN", "127.0.0.1:0", 1);
    setenv("VRFYD_API_KEYS_FILE", "x", 1);
    setenv("VRFYD_CONFIG", "x", 1);
    setenv("VRFYD_PORT_8080_TCP", "tcp://10.0.0.1:8080", 1); /* a platform's, not a typing error */
    setenv("VRFYD_SERVICE_HOST", "10.0.0.1", 1);
    assert_null(config_unknown_variable(0));
    setenv("VRFYD_LISTN", "x", 1);
    assert_string_equal(config_unknown_variable(0), "VRFYD_LISTN=x");
    assert_null(config_unknown_variable(1));
    forget_variables();
}

static void test_takes_value(void **state)
{
    (void)state;
    assert_true(config_flag_takes_value("--listen"));
    assert_true(config_flag_takes_value("--config"));
    assert_true(config_flag_takes_value("--api-keys-file"));
    assert_false(config_flag_takes_value("--listen=x"));
    assert_false(config_flag_takes_value("--allow-get"));
    assert_false(config_flag_takes_value("--json"));
    assert_false(config_flag_takes_value("listen"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),    cmocka_unit_test(test_fallbacks_apply),
        cmocka_unit_test(test_flags),       cmocka_unit_test(test_bad),
        cmocka_unit_test(test_who_wins),    cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_secret),      cmocka_unit_test(test_limits),
        cmocka_unit_test(test_derived),     cmocka_unit_test(test_listen),
        cmocka_unit_test(test_takes_value), cmocka_unit_test(test_unknown_variables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
