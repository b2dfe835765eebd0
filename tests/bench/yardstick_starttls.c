#include "tests/bench/yardstick_starttls.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

#include "probes/base/mem.h"

static int take_ticket(SSL *ssl, SSL_SESSION *ticket)
{
    struct starttls_session *session = SSL_get_app_data(ssl);

    SSL_SESSION_free(session->ticket);
    session->ticket = ticket;
    return 1;
}

bool starttls_open(struct starttls *starttls, const char *directory, size_t domains)
{
    char authority[4096];

    snprintf(authority, sizeof(authority), "%s/ca.pem", directory);
    starttls->count = domains;
    starttls->tickets = mem_array(SSL_SESSION *, domains);
    starttls->context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(starttls->context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(starttls->context, 1);
    SSL_CTX_set_verify(starttls->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(starttls->context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(starttls->context, take_ticket);
    return SSL_CTX_load_verify_file(starttls->context, authority) == 1;
}

void starttls_close(struct starttls *starttls)
{
    for (size_t i = 0; i < starttls->count; i++)
        SSL_SESSION_free(starttls->tickets[i]);
    free(starttls->tickets);
    SSL_CTX_free(starttls->context);
}

enum starttls_step starttls_go_on(struct starttls_session *session)
{
    int done = SSL_do_handshake(session->ssl);

    if (done == 1)
        return STARTTLS_DONE;
    return SSL_get_error(session->ssl, done) == SSL_ERROR_WANT_READ ? STARTTLS_MORE
                                                                    : STARTTLS_BROKEN;
}

enum starttls_step starttls_begin(struct starttls_session *session, int fd, const char *name)
{
    SSL_SESSION *ticket = session->starttls->tickets[session->number];

    session->ssl = SSL_new(session->starttls->context);
    SSL_set_fd(session->ssl, fd);
    SSL_set_app_data(session->ssl, session);
    SSL_set_connect_state(session->ssl);
    SSL_set_tlsext_host_name(session->ssl, name);
    SSL_set1_host(session->ssl, name);
    if (ticket != NULL)
        SSL_set_session(session->ssl, ticket);
    return starttls_go_on(session);
}

void starttls_end(struct starttls_session *session)
{
    SSL_SESSION **kept = &session->starttls->tickets[session->number];

    session->starttls->resumed += SSL_session_reused(session->ssl) == 1;
    SSL_shutdown(session->ssl);
    SSL_free(session->ssl);
    ERR_clear_error();
    if (session->ticket != NULL) {
        SSL_SESSION_free(*kept);
        *kept = session->ticket;
    }
}
