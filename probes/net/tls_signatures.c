/* tls_signatures.c - the signatures and dates of a chain (RFC 5280 section 6.1.3).
 *
 * OpenSSL builds the chain and checks all else of it. The signature over an authority's certificate
 * takes as long as that over a host's, though a few authorities sign for nearly all hosts: once
 * found good, it is not computed again. Dates are looked at each time. */
#include <openssl/x509v3.h>
#include <string.h>

#include "probes/base/clock.h"
#include "probes/net/tls_internal.h"

void tls_signatures_free(struct tls_signatures *known)
{
    for (size_t i = 0; i < TLS_SIGNATURES_MAX; i++) {
        X509_free(known->rows[i].certificate);
        X509_free(known->rows[i].issuer);
    }
}

/* X509_cmp() compares what is signed, octet by octet. */
static bool same_certificate(const X509 *one, const X509 *other)
{
    const ASN1_BIT_STRING *ours, *theirs;

    X509_get0_signature(&ours, NULL, one);
    X509_get0_signature(&theirs, NULL, other);
    return X509_cmp(one, other) == 0 && ASN1_STRING_cmp(ours, theirs) == 0;
}

static bool is_known(const struct tls_signatures *known, const X509 *certificate,
                     const X509 *issuer)
{
    for (size_t i = 0; i < TLS_SIGNATURES_MAX && known->rows[i].issuer != NULL; i++)
        if (same_certificate(known->rows[i].certificate, certificate) &&
            same_certificate(known->rows[i].issuer, issuer))
            return true;
    return false;
}

static void keep(struct tls_signatures *known, X509 *certificate, X509 *issuer)
{
    struct tls_signature *row = &known->rows[known->count++ % TLS_SIGNATURES_MAX];

    X509_free(row->certificate);
    X509_free(row->issuer);
    X509_up_ref(certificate);
    X509_up_ref(issuer);
    *row = (struct tls_signature){certificate, issuer};
}

static bool is_signed(struct tls_signatures *known, X509 *certificate, X509 *issuer,
                      bool of_authority)
{
    if (of_authority && is_known(known, certificate, issuer))
        return true;
    if ((X509_get_key_usage(issuer) & KU_KEY_CERT_SIGN) == 0 ||
        X509_verify(certificate, X509_get0_pubkey(issuer)) != 1)
        return false;
    if (of_authority)
        keep(known, certificate, issuer);
    return true;
}

/* 0 of X509_cmp_time(): a date that cannot be read. */
static unsigned complaint_about_dates(const X509 *certificate, time_t now)
{
    int began = X509_cmp_time(X509_get0_notBefore(certificate), &now);
    int ends = X509_cmp_time(X509_get0_notAfter(certificate), &now);

    return (began == 0 || ends == 0 ? (unsigned)TLS_COMPLAINT_UNTRUSTED : 0U) |
           (began > 0 ? (unsigned)TLS_COMPLAINT_NOT_YET_VALID : 0U) |
           (ends < 0 ? (unsigned)TLS_COMPLAINT_EXPIRED : 0U);
}

unsigned tls_check_signatures(struct tls_signatures *known, STACK_OF(X509) * chain)
{
    time_t now = (time_t)clock_wall_s();
    int count = sk_X509_num(chain);
    unsigned complaints = 0;

    for (int i = 0; i < count; i++) {
        X509 *certificate = sk_X509_value(chain, i);
        X509 *issuer = i + 1 < count ? sk_X509_value(chain, i + 1) : NULL;

        complaints |= complaint_about_dates(certificate, now);
        if (issuer != NULL && !is_signed(known, certificate, issuer, i > 0))
            complaints |= TLS_COMPLAINT_UNTRUSTED;
        else if (issuer == NULL && X509_self_signed(certificate, 0) != 1)
            complaints |= TLS_COMPLAINT_NO_ISSUER; /* a root signs itself */
    }
    return complaints;
}
