#include "probes/base/evidence.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"

/* One name function per list: the table is complete because list and enum are one. */
#define NAME_ROW(symbol, name) [symbol] = name,
#define NAME_FUNCTION(prefix, LIST, COUNT)                                                         \
    const char *prefix##_name(enum prefix value)                                                   \
    {                                                                                              \
        static const char *const names[] = {LIST(NAME_ROW)};                                       \
        assert((unsigned)value < (COUNT));                                                         \
        return names[value];                                                                       \
    }

NAME_FUNCTION(tls_state, TLS_STATE_LIST, TLS_STATE_COUNT)
NAME_FUNCTION(tls_chain, TLS_CHAIN_LIST, TLS_CHAIN_COUNT)
NAME_FUNCTION(tls_finding, TLS_FINDING_LIST, TLS_FINDING_COUNT)
NAME_FUNCTION(mx_outcome, MX_OUTCOME_LIST, MX_OUTCOME_COUNT)
NAME_FUNCTION(reply_class, REPLY_CLASS_LIST, REPLY_CLASS_COUNT)
NAME_FUNCTION(smtp_stage, SMTP_STAGE_LIST, SMTP_STAGE_COUNT)
NAME_FUNCTION(smtp_end, SMTP_END_LIST, SMTP_END_COUNT)
NAME_FUNCTION(imap_state, IMAP_STATE_LIST, IMAP_STATE_COUNT)
NAME_FUNCTION(mail_security, MAIL_SECURITY_LIST, MAIL_SECURITY_COUNT)
NAME_FUNCTION(endpoint_source, ENDPOINT_SOURCE_LIST, ENDPOINT_SOURCE_COUNT)
NAME_FUNCTION(imap_feature, IMAP_FEATURE_LIST, IMAP_FEATURE_COUNT)

static bool last_reference(atomic_uint *references)
{
    unsigned before = atomic_fetch_sub_explicit(references, 1, memory_order_acq_rel);

    assert(before > 0);
    return before == 1;
}

struct mx_evidence *mx_evidence_new(void)
{
    struct mx_evidence *evidence = mem_new(struct mx_evidence);

    atomic_init(&evidence->references, 1);
    evidence->hosts = mem_array(struct mx_host, MX_HOSTS_MAX);
    evidence->addresses = mem_array(struct ip_address, MX_ADDRESSES_MAX);
    return evidence;
}

/* Evidence is kept for hours and by the thousand, and nearly every domain has a host or two. */
static size_t at_least_one(size_t count) { return count > 0 ? count : 1; }

void mx_evidence_fit(struct mx_evidence *evidence)
{
    evidence->hosts =
        mem_resize(evidence->hosts, at_least_one(evidence->host_count) * sizeof(struct mx_host));
    evidence->addresses = mem_resize(evidence->addresses, at_least_one(evidence->address_count) *
                                                              sizeof(struct ip_address));
}

struct mx_evidence *mx_evidence_keep(struct mx_evidence *evidence)
{
    atomic_fetch_add_explicit(&evidence->references, 1, memory_order_relaxed);
    return evidence;
}

void mx_evidence_drop(struct mx_evidence **evidence)
{
    struct mx_evidence *gone = *evidence;

    *evidence = NULL;
    if (gone == NULL || !last_reference(&gone->references))
        return;
    for (size_t i = 0; i < gone->host_count; i++)
        free(gone->hosts[i].name);
    free(gone->hosts);
    free(gone->addresses);
    free(gone);
}

void smtp_reply_facts_clear(struct smtp_reply_facts *facts)
{
    free(facts->text);
    *facts = (struct smtp_reply_facts){.code = 0};
}

void smtp_reply_facts_copy(struct smtp_reply_facts *to, const struct smtp_reply_facts *from)
{
    char *text = mem_copy_text(from->text);

    free(to->text);
    *to = *from;
    to->text = text;
}

struct smtp_server *smtp_server_new(void)
{
    struct smtp_server *server = mem_new(struct smtp_server);

    atomic_init(&server->references, 1);
    return server;
}

struct smtp_server *smtp_server_keep(struct smtp_server *server)
{
    atomic_fetch_add_explicit(&server->references, 1, memory_order_relaxed);
    return server;
}

void smtp_server_drop(struct smtp_server **server)
{
    struct smtp_server *gone = *server;

    *server = NULL;
    if (gone == NULL || !last_reference(&gone->references))
        return;
    free(gone->host);
    free(gone->banner);
    free(gone->extensions);
    free(gone);
}

struct imap_evidence *imap_evidence_new(void)
{
    struct imap_evidence *evidence = mem_new(struct imap_evidence);

    atomic_init(&evidence->references, 1);
    return evidence;
}

struct imap_evidence *imap_evidence_keep(struct imap_evidence *evidence)
{
    atomic_fetch_add_explicit(&evidence->references, 1, memory_order_relaxed);
    return evidence;
}

void imap_evidence_drop(struct imap_evidence **evidence)
{
    struct imap_evidence *gone = *evidence;

    *evidence = NULL;
    if (gone == NULL || !last_reference(&gone->references))
        return;
    for (size_t i = 0; i < gone->count; i++) {
        free(gone->endpoints[i].host);
        free(gone->endpoints[i].greeting);
        free(gone->endpoints[i].capabilities);
    }
    free(gone->endpoints);
    free(gone->transcript);
    free(gone);
}
