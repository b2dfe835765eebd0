/* tls_fixture.h - one server and one client that trusts it, for a group of tests. */
#pragma once

#include <openssl/ssl.h>

#include "probes/net/tls.h"

extern SSL_CTX *fixture_server; /* of mx.example.test */
extern struct tls_client *fixture_client;

/* For cmocka_run_group_tests(). */
int tls_fixture_set_up(void **state);
int tls_fixture_tear_down(void **state);
