/* conn_socket.h - sockets of connections; for conn.c alone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "probes/base/ip.h"
#include "probes/net/conn.h"

/* A TCP socket of family 4 or 6 that does not block; -1 and errno. The caller closes it. */
int conn_socket_open(uint8_t family);

/* Connections of `fd` come from `source`. False: this host does not have that address. */
bool conn_socket_bind(int fd, const struct ip_address *source);

/* Does the connection stand? If not, conn_socket_error() says why; 0: it is on its way. */
bool conn_socket_stands(int fd);
int conn_socket_error(int fd); /* errno of the last that went wrong; asking forgets it */
/* Has the peer said something that was not read? */
bool conn_socket_has_octets(int fd);
/* Our end of it; false: there is none. */
bool conn_socket_local(int fd, struct ip_address *address);

/* What the owner is told when connect() over a socket of `family` ends in errno `error`. */
enum conn_event conn_event_of_error(int error, uint8_t family);
