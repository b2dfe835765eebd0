#include "tests/support/tls_fixture.h"

#include "tests/support/test_certs.h"

SSL_CTX *fixture_server;
struct tls_client *fixture_client;

static struct test_certs *certs;

int tls_fixture_set_up(void **state)
{
    const char *error;

    (void)state;
    certs = test_certs_new();
    fixture_server = test_certs_server(certs, CERT_GOOD, "mx.example.test");
    fixture_client =
        tls_client_new(&(struct tls_client_params){.ca_file = test_certs_ca_file(certs)}, &error);
    return fixture_client != NULL ? 0 : -1;
}

int tls_fixture_tear_down(void **state)
{
    (void)state;
    tls_client_free(&fixture_client);
    SSL_CTX_free(fixture_server);
    test_certs_free(&certs);
    return 0;
}
