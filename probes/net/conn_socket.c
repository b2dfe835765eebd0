/* conn_socket.c - the socket below a connection: its options, and what its errors mean. */
#include "probes/net/conn_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* Without IP_BIND_ADDRESS_NO_PORT a bound source would cap the whole process, not each
 * destination, at the range of ephemeral ports. */
bool conn_socket_bind(int fd, const struct ip_address *source)
{
    struct sockaddr_storage from;
    socklen_t length = ip_to_socket(source, 0, &from);
    int one = 1;

    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    return bind(fd, (struct sockaddr *)&from, length) == 0;
}

/* Small commands must not wait for acknowledgements (Nagle). TCP_FASTOPEN_CONNECT stays
 * off: it defers the connect to our first write, and mail servers speak first. */
int conn_socket_open(uint8_t family)
{
    int one = 1;
    int fd = socket(family == 6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    IPPROTO_TCP);

    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

bool conn_socket_stands(int fd)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;

    return getpeername(fd, (struct sockaddr *)&peer, &size) == 0;
}

int conn_socket_error(int fd)
{
    int error = 0;
    socklen_t size = sizeof error;

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

bool conn_socket_has_octets(int fd)
{
    char octet;

    return recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

bool conn_socket_local(int fd, struct ip_address *address)
{
    struct sockaddr_storage ours;
    socklen_t length = sizeof ours;
    uint16_t port;

    return getsockname(fd, (struct sockaddr *)&ours, &length) == 0 &&
           ip_from_socket((struct sockaddr *)&ours, address, &port);
}

enum conn_event conn_event_of_error(int error, uint8_t family)
{
    switch (error) {
    case ECONNREFUSED:
        return CONN_REFUSED;
    case ETIMEDOUT:
        return CONN_TIMED_OUT;
    case ECONNRESET:
    case EPIPE:
        return CONN_LOST;
    case EADDRNOTAVAIL: /* IPv4: no port left; IPv6: this host has no address to come from */
        return family == 6 ? CONN_UNREACHABLE : CONN_LOCAL_ERROR;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRINUSE:
        return CONN_LOCAL_ERROR;
    default: /* ENETUNREACH, EHOSTUNREACH, EAFNOSUPPORT, EACCES of a firewall, ... */
        return CONN_UNREACHABLE;
    }
}
