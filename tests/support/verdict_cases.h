/* verdict_cases.h - inputs of the decision table, one for each of its rows and for the mixtures
 * where order matters: for the table itself, and for what is stored of an input and read back. */
#pragma once

#include "service/verdict.h"

/* One attempt in a line: how it ended, how far it came, what was said. */
#define ANSWERED(stage_, class_, code_)                                                            \
    {                                                                                              \
        .end = SMTP_END_NONE, .stage = SMTP_STAGE_##stage_, .class = REPLY_##class_,               \
        .code = (code_)                                                                            \
    }
#define REFUSED(stage_, class_, code_)                                                             \
    {                                                                                              \
        .end = SMTP_END_REPLY, .stage = SMTP_STAGE_##stage_, .class = REPLY_##class_,              \
        .code = (code_)                                                                            \
    }
#define ENDED(end_, stage_)                                                                        \
    {                                                                                              \
        .end = SMTP_END_##end_, .stage = SMTP_STAGE_##stage_                                       \
    }

struct verdict_case {
    const char *label;
    const char *rule;
    enum verdict_reason reason;
    enum address_code code;
    enum mx_outcome mx; /* MX_PENDING: none yet */
    size_t attempts;
    struct smtp_attempt attempt[SMTP_ATTEMPTS_MAX];
    enum decoy_outcome decoy;
    enum control_outcome control;
    enum check_stop stop;
    enum check_progress progress;
    bool implicit, refused_before, cut, learned_opaque, parked, deadline, hard;
    bool unknown_host; /* one more MX, whose address nobody could tell */
    uint8_t enhanced[3];
    const char *mx_host, *domain; /* where they matter: of a provider; NULL = corp.test */
    enum verdict_reason also;     /* one of reasons; 0 = no matter */
};

extern const struct verdict_case verdict_cases[];
extern const size_t verdict_case_count;

/* The row as the table reads it. The parts are the caller's, as long as the input is used. */
struct verdict_parts {
    struct address address;
    struct address_insight insight;
    struct mx_evidence mx;
    struct smtp_evidence smtp;
};
struct verdict_input verdict_case_input(const struct verdict_case *row,
                                        struct verdict_parts *parts);
