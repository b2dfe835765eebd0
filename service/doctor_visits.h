/* doctor_visits.h - short visits to well-known mail hosts: greeting, EHLO, STARTTLS where offered,
 * QUIT. No sender, no recipient. Private to doctor_visits.c (makes them) and doctor_egress.c
 * (judges them). */
#pragma once

#include "probes/smtp/smtp_session.h"
#include "service/doctor_checks.h"

enum { DOCTOR_VISITS_MAX = 64, DOCTOR_TRANSCRIPT_MAX = 16384 };

struct doctor_visit {
    struct doctor *doctor;
    struct smtp_session *session;
    const char *domain;
    char host[DNS_NAME_SIZE];
    struct ip_address address;
    const struct mail_route *way; /* of doctor->routes */
    struct text transcript;
    /* what came of it */
    bool greeted;
    enum smtp_end end;
    enum smtp_stage stage;
    uint32_t greeting_ms;
    struct ip_address ours; /* our end; family 0 = not known */
    struct smtp_reply_facts refusal;
    struct tls_facts tls;
};

struct doctor_domain {
    struct doctor *doctor;
    const char *name;
    size_t index;
    enum mx_outcome outcome;
};

struct doctor_visits {
    size_t domain_count, count;
    struct doctor_domain domains[DOCTOR_WORDS_MAX];
    char *words; /* what the names point into */
    struct doctor_visit visits[DOCTOR_VISITS_MAX];
};

/* Looks the domains up and visits the best host of each, in both families, by each way out. */
void doctor_visits_start(struct doctor *doctor);
void doctor_visits_free(struct doctor_visits **visits);
