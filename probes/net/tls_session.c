/* tls_session.c - TLS on one connection: handshake, octets, facts.
 *
 * The handshake goes through with any certificate; what is wrong with it is noted.
 * OpenSSL's error queue is per thread and sticky, so it is emptied before each call. */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/clock.h"
#include "probes/base/ip.h"
#include "probes/base/mem.h"
#include "probes/net/tls_internal.h"

enum session_state { SESSION_NEW, SESSION_HANDSHAKE, SESSION_OPEN, SESSION_BROKEN };

struct tls_session {
    SSL *ssl; /* NULL: new, it takes 10 KB; or broken */
    struct tls_wire wire;
    struct tls_client *client;
    char *server_name; /* NULL: none */
    bool legacy;
    enum session_state state;
    unsigned complaints;
    struct tls_facts facts;
    struct tls_facts *remembered; /* of the session offered for resumption; NULL: none offered */
    SSL_SESSION *ticket;          /* the newest, not yet kept; NULL: none */
};

static int verify_leniently(X509_STORE_CTX *store, void *unused)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_session *session = SSL_get_app_data(ssl);

    (void)unused;
    session->complaints = tls_verify(store, tls_client_signatures(session->client));
    return 1;
}

/* Called for each ticket; with TLS 1.3 they arrive with the first octets read, mostly two at once.
 * The last of them is kept. */
static int take_ticket(SSL *ssl, SSL_SESSION *ticket)
{
    struct tls_session *session = SSL_get_app_data(ssl);

    SSL_SESSION_free(session->ticket);
    session->ticket = ticket;
    return 1; /* its reference is ours */
}

static void keep_ticket(struct tls_session *session)
{
    if (session->ticket == NULL)
        return;
    if (session->facts.known && session->state == SESSION_OPEN)
        tls_client_remember(session->client, session->server_name, session->legacy, session->ticket,
                            &session->facts);
    SSL_SESSION_free(session->ticket);
    session->ticket = NULL;
}

void tls_session_hooks(SSL_CTX *context, bool keep_tickets)
{
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(context, verify_leniently, NULL);
    SSL_CTX_set_session_cache_mode(context, keep_tickets
                                                ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
                                                : SSL_SESS_CACHE_OFF);
    if (keep_tickets)
        SSL_CTX_sess_set_new_cb(context, take_ticket);
}

static void offer_resumption(struct tls_session *session)
{
    struct tls_facts facts;
    SSL_SESSION *ticket =
        tls_client_recall(session->client, session->server_name, session->legacy, &facts);

    if (ticket == NULL)
        return;
    if (SSL_set_session(session->ssl, ticket) == 1) {
        session->remembered = mem_new(struct tls_facts);
        *session->remembered = facts;
    }
    SSL_SESSION_free(ticket);
}

/* RFC 6066 section 3: SNI carries host names, never addresses. */
static void set_server_name(struct tls_session *session)
{
    struct ip_address address;

    if (session->server_name != NULL && !ip_parse(session->server_name, &address))
        SSL_set_tlsext_host_name(session->ssl, session->server_name);
}

struct tls_session *tls_session_new(struct tls_client *client, int fd, struct tls_put put,
                                    const char *server_name, bool legacy)
{
    struct tls_session *session = mem_new(struct tls_session);

    session->wire = (struct tls_wire){.fd = fd, .put = put};
    session->client = client;
    session->legacy = legacy;
    session->server_name = mem_copy_text(server_name);
    session->facts.state = TLS_FAILED; /* until the handshake is through */
    return session;
}

static void begin(struct tls_session *session)
{
    BIO *bio = tls_wire_bio(tls_client_wire_method(session->client), &session->wire);

    ERR_clear_error();
    session->ssl = SSL_new(tls_client_context(session->client, session->legacy));
    if (session->ssl == NULL || bio == NULL) {
        BIO_free(bio);
        session->state = SESSION_BROKEN;
        return;
    }
    SSL_set_bio(session->ssl, bio, bio);
    session->state = SESSION_HANDSHAKE;
    SSL_set_app_data(session->ssl, session);
    SSL_set_connect_state(session->ssl);
    set_server_name(session);
    offer_resumption(session);
}

void tls_session_end_sending(struct tls_session *session)
{
    if (session->state != SESSION_OPEN || SSL_get_shutdown(session->ssl) & SSL_SENT_SHUTDOWN)
        return; /* a second call would wait for the peer's */
    ERR_clear_error();
    SSL_shutdown(session->ssl);
}

void tls_session_free(struct tls_session **session, bool notify)
{
    struct tls_session *gone = *session;

    *session = NULL;
    if (gone == NULL)
        return;
    if (gone->ssl != NULL) {
        /* Without either, OpenSSL holds the ticket for spoilt. */
        if (!notify)
            SSL_set_quiet_shutdown(gone->ssl, 1);
        tls_session_end_sending(gone);
    }
    SSL_SESSION_free(gone->ticket);
    SSL_free(gone->ssl);
    ERR_clear_error();
    free(gone->remembered);
    free(gone->server_name);
    free(gone);
}

static void copy_name(char *out, size_t size, const char *name)
{
    size_t length = name != NULL ? strnlen(name, size - 1) : 0;

    if (length > 0)
        memcpy(out, name, length);
    out[length] = '\0';
}

static void read_facts_of_peer(struct tls_session *session)
{
    X509 *leaf = SSL_get1_peer_certificate(session->ssl);

    if (leaf == NULL)
        return;
    session->facts.known = true;
    session->facts.chain =
        tls_chain_verdict(session->complaints, SSL_get_peer_cert_chain(session->ssl));
    tls_read_certificate(&session->facts, leaf, session->server_name, clock_wall_s());
    if (session->complaints & TLS_COMPLAINT_WEAK_KEY)
        session->facts.findings |= 1u << TLS_FINDING_WEAK_KEY;
    X509_free(leaf);
}

static void note_success(struct tls_session *session)
{
    struct tls_facts *facts = &session->facts;
    const SSL_CIPHER *cipher = SSL_get_current_cipher(session->ssl);

    session->state = SESSION_OPEN;
    if (SSL_session_reused(session->ssl) && session->remembered != NULL) {
        *facts = *session->remembered;
        facts->resumed = true;
    } else {
        read_facts_of_peer(session);
    }
    facts->state = TLS_OK;
    if (session->legacy)
        facts->findings |= 1u << TLS_FINDING_LEGACY_ONLY;
    copy_name(facts->version, sizeof facts->version, SSL_get_version(session->ssl));
    copy_name(facts->cipher, sizeof facts->cipher,
              cipher != NULL ? SSL_CIPHER_standard_name(cipher) : NULL);
    free(session->remembered);
    session->remembered = NULL;
}

static enum tls_result outcome(struct tls_session *session, int returned)
{
    switch (SSL_get_error(session->ssl, returned)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WANT_READ;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_ENDED;
    default:
        return TLS_BROKEN;
    }
}

enum tls_result tls_session_handshake(struct tls_session *session)
{
    enum tls_result result = TLS_BROKEN;
    int returned;

    if (session->state == SESSION_NEW)
        begin(session);
    if (session->state != SESSION_BROKEN) {
        ERR_clear_error();
        returned = SSL_do_handshake(session->ssl);
        result = returned == 1 ? TLS_DONE : outcome(session, returned);
    }
    if (result == TLS_DONE) {
        note_success(session);
        keep_ticket(session); /* TLS 1.2 hands it over inside the handshake */
    } else if (result == TLS_BROKEN || result == TLS_ENDED) {
        session->state = SESSION_BROKEN;
        session->facts.findings |= 1u << TLS_FINDING_HANDSHAKE_FAILED;
        if (session->remembered != NULL)
            tls_client_forget(session->client, session->server_name, session->legacy);
        result = TLS_BROKEN;
    }
    return result;
}

enum tls_result tls_session_read(struct tls_session *session, char *out, size_t size, size_t *got)
{
    enum tls_result result;
    int returned;

    *got = 0;
    ERR_clear_error();
    returned = SSL_read_ex(session->ssl, out, size, got);
    result = returned == 1 ? TLS_DONE : outcome(session, returned);
    if (result == TLS_BROKEN)
        session->state = SESSION_BROKEN;
    keep_ticket(session);
    return result;
}

enum tls_result tls_session_write(struct tls_session *session, const char *bytes, size_t length)
{
    size_t sent;

    ERR_clear_error();
    if (SSL_write_ex(session->ssl, bytes, length, &sent) == 1)
        return TLS_DONE;
    session->state = SESSION_BROKEN;
    return TLS_BROKEN;
}

struct tls_facts *tls_session_facts(struct tls_session *session) { return &session->facts; }
