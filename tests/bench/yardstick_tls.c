/* yardstick_tls - what OpenSSL asks of a client for a handshake, in memory, without a socket: to
 * compare the service with in the same run.
 *
 *   yardstick_tls WORLD SECONDS
 *
 * TLS 1.3 with a certificate of the world's first host, chain and name verified; full handshakes
 * for so long, then resumed ones. Prints handshakes per second of the client's processor time. */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/lab/lab_tls.h"
#include "tests/lab/world.h"

enum { PAIR_OCTETS = 17000, TURNS_MAX = 20, LINE_OCTETS = 64 };

struct yardstick {
    struct world *world;
    struct lab_tls *lab;
    SSL_CTX *context;
    SSL_SESSION *ticket;
    uint64_t client_ns, handshakes;
    bool good;
};

static uint64_t thread_ns(void)
{
    struct timespec used;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
    struct yardstick *yardstick = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    SSL_SESSION_free(yardstick->ticket);
    yardstick->ticket = session;
    return 1;
}

static SSL *client_new(struct yardstick *yardstick, BIO *bio, bool resume)
{
    const char *name = yardstick->world->hosts[0].name;
    SSL *client = SSL_new(yardstick->context);

    SSL_set_bio(client, bio, bio);
    SSL_set_tlsext_host_name(client, name);
    SSL_set1_host(client, name);
    SSL_set_connect_state(client);
    if (resume && yardstick->ticket != NULL)
        SSL_set_session(client, yardstick->ticket);
    return client;
}

/* One handshake, and a line from the server, behind which the ticket comes. */
static void shake(struct yardstick *yardstick, bool resume)
{
    static const char greeting[] = "250 in TLS\r\n";
    char line[LINE_OCTETS];
    BIO *near, *far;
    bool done = false, server_done = false;

    BIO_new_bio_pair(&near, PAIR_OCTETS, &far, PAIR_OCTETS);
    SSL *server = lab_tls_accept(yardstick->lab, 0);
    SSL_set_bio(server, far, far);
    uint64_t from = thread_ns();
    SSL *client = client_new(yardstick, near, resume);
    yardstick->client_ns += thread_ns() - from;
    for (int i = 0; i < TURNS_MAX && !(done && server_done); i++) {
        from = thread_ns();
        done = done || SSL_do_handshake(client) == 1;
        yardstick->client_ns += thread_ns() - from;
        server_done = server_done || SSL_do_handshake(server) == 1;
    }
    SSL_write(server, greeting, sizeof(greeting) - 1);
    from = thread_ns();
    yardstick->good = yardstick->good && SSL_read(client, line, sizeof(line)) > 0 &&
                      SSL_get_verify_result(client) == X509_V_OK &&
                      (SSL_session_reused(client) == 1) == resume;
    SSL_shutdown(client);
    SSL_free(client);
    yardstick->client_ns += thread_ns() - from;
    yardstick->handshakes++;
    SSL_free(server);
    ERR_clear_error();
}

static double rate(struct yardstick *yardstick, double seconds, bool resume)
{
    shake(yardstick, false); /* a ticket to begin with */
    yardstick->client_ns = yardstick->handshakes = 0;
    while ((double)yardstick->client_ns < seconds * 1e9)
        shake(yardstick, resume);
    return (double)yardstick->handshakes * 1e9 / (double)yardstick->client_ns;
}

static bool prepare(struct yardstick *yardstick, const char *directory)
{
    char error[256], authority[4096];

    snprintf(authority, sizeof(authority), "%s/ca.pem", directory);
    yardstick->world = world_load(directory, error, sizeof(error));
    if (yardstick->world == NULL)
        return false;
    yardstick->lab = lab_tls_new(directory, yardstick->world, error, sizeof(error));
    yardstick->context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(yardstick->context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(yardstick->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(yardstick->context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(yardstick->context, keep_ticket);
    SSL_CTX_set_app_data(yardstick->context, yardstick);
    return yardstick->lab != NULL && SSL_CTX_load_verify_file(yardstick->context, authority) == 1;
}

int main(int argc, char **argv)
{
    struct yardstick yardstick = {.good = true};

    if (argc != 3) {
        fprintf(stderr, "usage: %s WORLD SECONDS\n", argv[0]);
        return 2;
    }
    if (!prepare(&yardstick, argv[1])) {
        fprintf(stderr, "%s: no such world\n", argv[0]);
        return 1;
    }
    double seconds = strtod(argv[2], NULL);
    double full = rate(&yardstick, seconds, false), resumed = rate(&yardstick, seconds, true);
    printf("{\"full\":%.0f,\"resumed\":%.0f,\"good\":%s}\n", full, resumed,
           yardstick.good ? "true" : "false");
    SSL_SESSION_free(yardstick.ticket);
    SSL_CTX_free(yardstick.context);
    lab_tls_free(&yardstick.lab);
    world_free(&yardstick.world);
    return yardstick.good ? 0 : 1;
}
