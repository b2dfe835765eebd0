/* script_server.h - an SMTP server on loopback that plays one scenario to one client, in a thread
 * of its own, and says where the client left the script. */
#pragma once

#include <openssl/ssl.h>
#include <stdint.h>

#include "tests/support/smtp_scenario.h"

struct script_server;

/* `tls`: for T lines; borrowed; may be NULL. The scenario is borrowed. */
struct script_server *script_server_start(const struct smtp_scenario *scenario, SSL_CTX *tls);
uint16_t script_server_port(const struct script_server *server); /* on 127.0.0.1 */

/* Waits for the thread; afterwards the three below may be read. */
void script_server_join(struct script_server *server);
const char *script_server_complaint(const struct script_server *server); /* "" = none */
unsigned script_server_turns(const struct script_server *server);
/* "orderly" | "reset" when the client hung up first, "-" when the script did. */
const char *script_server_left(const struct script_server *server);
void script_server_free(struct script_server **server);
