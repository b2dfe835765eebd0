/* vrfyd health: does the service answer? For HEALTHCHECK, so it needs no other program. One plain
 * blocking request; the address is an IP or localhost, so that no name has to be resolved. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "api/cli.h"
#include "probes/base/text.h"

enum { WAIT_S = 5, ANSWER_MAX = 512, HOST_MAX = 64, PATH_MAX_OCTETS = 256 };

struct target {
    struct ip_address address;
    uint16_t port;
    char host[HOST_MAX]; /* as the Host header carries it */
    char path[PATH_MAX_OCTETS];
};

/* "http://127.0.0.1:8080/readyz"; the port may be missing (80), the path too (/healthz). */
static bool parse_url(const char *url, struct target *target)
{
    static const char scheme[] = "http://";
    const char *rest = url + sizeof(scheme) - 1;
    size_t length;

    if (!text_starts_nocase(url, scheme))
        return false;
    length = strcspn(rest, "/?#");
    if (length == 0 || length >= sizeof(target->host) - 4 ||
        strlen(rest + length) >= sizeof(target->path))
        return false;
    memcpy(target->host, rest, length);
    target->host[length] = '\0';
    if (target->host[length - 1] == ']' || strchr(target->host, ':') == NULL)
        memcpy(target->host + length, ":80", 4);
    snprintf(target->path, sizeof(target->path), "%s",
             rest[length] == '\0' || strcmp(rest + length, "/") == 0 ? "/healthz" : rest + length);
    return strpbrk(target->path, " \r\n") == NULL &&
           config_listen_address(target->host, &target->address, &target->port);
}

/* Where our own settings say that the service listens; every address means loopback too. */
static bool own_target(const struct config *config, struct target *target)
{
    static const struct ip_address any4 = {.family = 4}, any6 = {.family = 6};
    char address[IP_TEXT_SIZE];

    if (!config_listen_address(config->listen, &target->address, &target->port))
        return false;
    if (ip_equal(&target->address, &any4))
        ip_parse("127.0.0.1", &target->address);
    else if (ip_equal(&target->address, &any6))
        ip_parse("::1", &target->address);
    ip_format(&target->address, address);
    snprintf(target->host, sizeof(target->host), target->address.family == 6 ? "[%s]:%u" : "%s:%u",
             address, target->port);
    snprintf(target->path, sizeof(target->path), "/healthz");
    return true;
}

static int connect_to(const struct target *target)
{
    const struct timeval wait = {.tv_sec = WAIT_S};
    struct sockaddr_storage address;
    socklen_t length = ip_to_socket(&target->address, target->port, &address);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)); /* connect(2) too */
    if (connect(fd, (struct sockaddr *)&address, length) == 0)
        return fd;
    close(fd);
    return -1;
}

/* The HTTP status, 0 when there was none. */
static unsigned ask(const struct target *target)
{
    char buffer[ANSWER_MAX + 1] = "";
    size_t got = 0;
    ssize_t length;
    int fd = connect_to(target);

    if (fd < 0)
        return 0;
    length =
        snprintf(buffer, sizeof(buffer), "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
                 target->path, target->host);
    if (send(fd, buffer, (size_t)length, MSG_NOSIGNAL) == length) {
        while (got < ANSWER_MAX && (length = recv(fd, buffer + got, ANSWER_MAX - got, 0)) > 0)
            got += (size_t)length;
        buffer[got] = '\0';
    }
    close(fd);
    if (got < 12 || !text_starts_nocase(buffer, "HTTP/1.1 "))
        return 0;
    return (unsigned)strtoul(buffer + 9, NULL, 10);
}

int cli_health(int argc, char **argv)
{
    static const struct cli_command command = {
        "health", "[SETTINGS] [URL]",
        "Asks a running service whether it is well: exit status 0 or 1.\n"
        "Without a URL it asks at the address in the setting `listen`.",
        NULL};
    struct target target = {0};
    struct cli_words words;
    struct config config;
    unsigned code;
    bool fine;
    int status;

    if (!cli_parse(&command, argc, argv, &config, &words, &status))
        return status;
    fine = words.count == 0   ? own_target(&config, &target)
           : words.count == 1 ? parse_url(words.items[0], &target)
                              : false;
    free(words.items);
    config_free(&config);
    if (!fine)
        return cli_error(CLI_USAGE, "give one URL like http://127.0.0.1:8080/healthz, with an "
                                    "address or localhost, or none");
    code = ask(&target);
    if (code == 200)
        return CLI_OK;
    if (code == 0)
        return cli_error(CLI_FAILED, "no answer from %s", target.host);
    return cli_error(CLI_FAILED, "%s answers %u", target.host, code);
}
