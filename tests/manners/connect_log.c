/* connect_log.c - preloaded into the service under test: writes every address that connect(2) is
 * called for to the file named by CONNECT_LOG, one a line, before the call is made. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE_SIZE = INET6_ADDRSTRLEN + 16 };

typedef int connect_fn(int fd, const struct sockaddr *address, socklen_t length);
/* <sys/socket.h> declares connect() with a union that ISO C does not know. */
connect_fn logged_connect __asm__("connect");

/* "127.64.0.1 10241\n"; 0 = not an address of the internet. */
static int describe(const struct sockaddr *address, char line[LINE_SIZE])
{
    char text[INET6_ADDRSTRLEN] = "?";
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    switch (address->sa_family) {
    case AF_INET:
        memcpy(&v4, address, sizeof v4);
        inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
        return snprintf(line, LINE_SIZE, "%s %u\n", text, ntohs(v4.sin_port));
    case AF_INET6:
        memcpy(&v6, address, sizeof v6);
        inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
        return snprintf(line, LINE_SIZE, "%s %u\n", text, ntohs(v6.sin6_port));
    default:
        return 0;
    }
}

int logged_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    const char *path = getenv("CONNECT_LOG");
    void *found = dlsym(RTLD_NEXT, "connect");
    connect_fn *real;
    char line[LINE_SIZE];
    int size = describe(address, line);
    int log =
        path != NULL && size > 0 ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;

    if (log >= 0) {
        if (write(log, line, (size_t)size) != size)
            abort(); /* a call that is not written down would prove nothing */
        close(log);
    }
    memcpy(&real, &found, sizeof real); /* no cast from object to function in ISO C */
    return real(fd, address, length);
}
