/* The decision table: a row of this test for every row of the table, and the mixtures
 * of several MX where order matters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "probes/base/mem.h"
#include "service/verdict.h"

static const struct provider opaque = {.key = "yahoo", .truth = PROVIDER_OPAQUE};

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

static const struct verdict_case {
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
    bool implicit, refused_before, parked, deadline, hard;
    uint8_t enhanced[3];
    const struct provider *provider;
    enum verdict_reason also; /* one of reasons; 0 = no matter */
} cases[] = {
    {.label = "suppressed", .rule = "L1", .reason = REASON_SUPPRESSED, .stop = STOP_SUPPRESSED},
    {.label = "syntax", .rule = "R1", .reason = REASON_INVALID_SYNTAX, .code = ADDRESS_NO_AT},
    {.label = "no such TLD",
     .rule = "R1",
     .reason = REASON_INVALID_SYNTAX,
     .code = ADDRESS_UNKNOWN_TLD},
    {.label = "reserved",
     .rule = "R2",
     .reason = REASON_RESERVED_DOMAIN,
     .code = ADDRESS_RESERVED_DOMAIN},
    {.label = "literal",
     .rule = "R3",
     .reason = REASON_DOMAIN_LITERAL,
     .code = ADDRESS_DOMAIN_LITERAL},
    {.label = "provider rule", .rule = "R9", .reason = REASON_PROVIDER_SYNTAX, .hard = true},
    {.label = "no domain", .rule = "R4", .reason = REASON_DOMAIN_NOT_FOUND, .mx = MX_NO_DOMAIN},
    {.label = "null mx", .rule = "R5", .reason = REASON_NULL_MX, .mx = MX_NULL},
    {.label = "no host", .rule = "R6", .reason = REASON_NO_MAIL_HOST, .mx = MX_NO_HOST},
    {.label = "private", .rule = "R7", .reason = REASON_MX_PRIVATE_ADDRESS, .mx = MX_PRIVATE},
    {.label = "unusable", .rule = "R7", .reason = REASON_MX_UNUSABLE, .mx = MX_UNUSABLE},
    {.label = "dns timeout", .rule = "R8", .reason = REASON_DNS_TIMEOUT, .mx = MX_TIMEOUT},
    {.label = "servfail", .rule = "R8", .reason = REASON_DNS_FAILURE, .mx = MX_FAILURE},
    {.label = "bogus", .rule = "R8", .reason = REASON_DNSSEC_BOGUS, .mx = MX_BOGUS},
    {.label = "parked", .rule = "P1", .reason = REASON_PARKED, .mx = MX_FOUND, .parked = true},
    {.label = "skipped",
     .rule = "S1",
     .reason = REASON_SMTP_SKIPPED,
     .mx = MX_FOUND,
     .stop = STOP_SMTP_SKIPPED},
    {.label = "skipped, but no domain",
     .rule = "R4",
     .reason = REASON_DOMAIN_NOT_FOUND,
     .mx = MX_NO_DOMAIN,
     .stop = STOP_SMTP_SKIPPED},
    {.label = "egress",
     .rule = "E1",
     .reason = REASON_EGRESS_BLOCKED,
     .mx = MX_FOUND,
     .stop = STOP_EGRESS_BLOCKED},
    {.label = "deferred",
     .rule = "E2",
     .reason = REASON_DEFERRED,
     .mx = MX_FOUND,
     .stop = STOP_DEFERRED},
    {.label = "no SMTPUTF8 anywhere",
     .rule = "R10",
     .reason = REASON_EAI_NOT_SUPPORTED,
     .mx = MX_FOUND,
     .attempts = 2,
     .attempt = {ANSWERED(EHLO, EAI_NOT_SUPPORTED, 0), ANSWERED(EHLO, EAI_NOT_SUPPORTED, 0)}},
    {.label = "no SMTPUTF8 at one, the other silent",
     .rule = "R14",
     .reason = REASON_REJECTED_UNCLEAR,
     .mx = MX_FOUND,
     .attempts = 2,
     .attempt = {ANSWERED(EHLO, EAI_NOT_SUPPORTED, 0), ENDED(CONNECT_TIMEOUT, CONNECT)}},
    {.label = "refused",
     .rule = "R11",
     .reason = REASON_CONNECT_REFUSED,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ENDED(CONNECT_REFUSED, CONNECT)}},
    {.label = "implicit, refused once",
     .rule = "R11",
     .reason = REASON_CONNECT_REFUSED,
     .mx = MX_FOUND,
     .implicit = true,
     .attempts = 1,
     .attempt = {ENDED(CONNECT_REFUSED, CONNECT)}},
    {.label = "implicit, refused twice",
     .rule = "R11",
     .reason = REASON_NO_SMTP_SERVICE,
     .mx = MX_FOUND,
     .implicit = true,
     .refused_before = true,
     .attempts = 1,
     .attempt = {ENDED(CONNECT_REFUSED, CONNECT)}},
    {.label = "explicit, refused twice",
     .rule = "R11",
     .reason = REASON_CONNECT_REFUSED,
     .mx = MX_FOUND,
     .refused_before = true,
     .attempts = 1,
     .attempt = {ENDED(CONNECT_REFUSED, CONNECT)}},
    {.label = "connect timeout",
     .rule = "R12",
     .reason = REASON_CONNECT_TIMEOUT,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ENDED(CONNECT_TIMEOUT, CONNECT)}},
    {.label = "521 everywhere",
     .rule = "R13",
     .reason = REASON_HOST_NO_MAIL,
     .mx = MX_FOUND,
     .attempts = 2,
     .attempt = {REFUSED(GREETING, HOST_NO_MAIL, 521), REFUSED(GREETING, HOST_NO_MAIL, 521)}},
    {.label = "521 at one of two",
     .rule = "R14",
     .reason = REASON_PROBE_BLOCKED,
     .mx = MX_FOUND,
     .attempts = 2,
     .attempt = {REFUSED(GREETING, HOST_NO_MAIL, 521), ENDED(CONNECT_TIMEOUT, CONNECT)},
     .also = REASON_CONNECT_TIMEOUT},
    {.label = "blocked at greeting",
     .rule = "R14",
     .reason = REASON_PROBE_BLOCKED,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {REFUSED(GREETING, PROBE_BLOCKED, 554)}},
    {.label = "sender refused",
     .rule = "R14",
     .reason = REASON_SENDER_REJECTED,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ANSWERED(MAIL, SENDER_REJECTED, 553)}},
    {.label = "530",
     .rule = "R14",
     .reason = REASON_TLS_REQUIRED,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ANSWERED(MAIL, TLS_REQUIRED, 530)}},
    {.label = "421 at greeting",
     .rule = "R14",
     .reason = REASON_TEMPORARY_FAILURE,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {REFUSED(GREETING, TEMPORARY_FAILURE, 421)}},
    {.label = "nobody hosts it",
     .rule = "R15",
     .reason = REASON_RELAY_DENIED,
     .mx = MX_FOUND,
     .attempts = 2,
     .attempt = {ANSWERED(RCPT, RELAY_DENIED, 554), ANSWERED(RCPT, RELAY_DENIED, 550)}},
    {.label = "one says relay, the other is silent",
     .rule = "R23b",
     .reason = REASON_REJECTED_UNCLEAR,
     .mx = MX_FOUND,
     .attempts = 2,
     .attempt = {ANSWERED(RCPT, RELAY_DENIED, 554), ENDED(CONNECT_TIMEOUT, CONNECT)},
     .also = REASON_CONNECT_TIMEOUT},
    {.label = "one says relay, the other accepts",
     .rule = "R26",
     .reason = REASON_MAILBOX_ACCEPTED,
     .mx = MX_FOUND,
     .attempts = 2,
     .attempt = {ANSWERED(RCPT, RELAY_DENIED, 554), ANSWERED(RCPT, ACCEPTED, 250)},
     .decoy = DECOY_REJECTED,
     .also = REASON_RELAY_DENIED},
    {.label = "not found",
     .rule = "R16",
     .reason = REASON_MAILBOX_NOT_FOUND,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ANSWERED(RCPT, MAILBOX_NOT_FOUND, 550)},
     .enhanced = {5, 1, 1}},
    {.label = "bare 550, postmaster fine",
     .rule = "R16",
     .reason = REASON_MAILBOX_NOT_FOUND,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ANSWERED(RCPT, REJECTED_UNCLEAR, 550)},
     .control = CONTROL_CLEAR},
    {.label = "bare 550, postmaster too",
     .rule = "R23b",
     .reason = REASON_REJECTED_UNCLEAR,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ANSWERED(RCPT, REJECTED_UNCLEAR, 550)},
     .control = CONTROL_REFUSED_ALIKE},
    {.label = "disabled",
     .rule = "R17",
     .reason = REASON_MAILBOX_DISABLED,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ANSWERED(RCPT, MAILBOX_DISABLED, 550)}},
    {.label = "full",
     .rule = "R18",
     .reason = REASON_MAILBOX_FULL,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ANSWERED(RCPT, MAILBOX_FULL, 452)}},
    {.label = "abandoned",
     .rule = "R18",
     .reason = REASON_MAILBOX_ABANDONED,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ANSWERED(RCPT, MAILBOX_ABANDONED, 552)}},
    {.label = "moved",
     .rule = "R19",
     .reason = REASON_MAILBOX_MOVED,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ANSWERED(RCPT, MAILBOX_MOVED, 551)}},
    {.label = "restricted",
     .rule = "R20",
     .reason = REASON_MAILBOX_RESTRICTED,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ANSWERED(RCPT, MAILBOX_RESTRICTED, 550)}},
    {.label = "rate limited",
     .rule = "R20",
     .reason = REASON_MAILBOX_RATE_LIMITED,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ANSWERED(RCPT, MAILBOX_RATE_LIMITED, 450)}},
    {.label = "blocked at RCPT",
     .rule = "R21",
     .reason = REASON_PROBE_BLOCKED,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ANSWERED(RCPT, PROBE_BLOCKED, 550)}},
    {.label = "greylisted",
     .rule = "R22",
     .reason = REASON_GREYLISTED,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ANSWERED(RCPT, GREYLISTED, 451)}},
    {.label = "4xx",
     .rule = "R23",
     .reason = REASON_TEMPORARY_FAILURE,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ANSWERED(RCPT, TEMPORARY_FAILURE, 451)}},
    {.label = "silence",
     .rule = "R23",
     .reason = REASON_SMTP_TIMEOUT,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ENDED(TIMEOUT, RCPT)}},
    {.label = "closed",
     .rule = "R23",
     .reason = REASON_CONNECTION_LOST,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ENDED(LOST, EHLO)}},
    {.label = "not SMTP",
     .rule = "R23",
     .reason = REASON_PROTOCOL_ERROR,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ENDED(PROTOCOL, GREETING)}},
    {.label = "the address that got furthest decides",
     .rule = "R23",
     .reason = REASON_SMTP_TIMEOUT,
     .mx = MX_FOUND,
     .attempts = 2,
     .attempt = {ENDED(CONNECT_REFUSED, CONNECT), ENDED(TIMEOUT, MAIL)},
     .also = REASON_CONNECT_REFUSED},
    {.label = "unclear",
     .rule = "R23b",
     .reason = REASON_REJECTED_UNCLEAR,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ANSWERED(RCPT, REJECTED_UNCLEAR, 554)}},
    {.label = "opaque provider",
     .rule = "R24",
     .reason = REASON_PROVIDER_OPAQUE,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ANSWERED(RCPT, ACCEPTED, 250)},
     .provider = &opaque},
    {.label = "catch-all",
     .rule = "R25",
     .reason = REASON_CATCH_ALL,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ANSWERED(RCPT, ACCEPTED, 250)},
     .decoy = DECOY_ACCEPTED},
    {.label = "accepted",
     .rule = "R26",
     .reason = REASON_MAILBOX_ACCEPTED,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ANSWERED(RCPT, ACCEPTED, 250)},
     .decoy = DECOY_REJECTED},
    {.label = "decoy undecided",
     .rule = "R28",
     .reason = REASON_ACCEPTED_UNCONFIRMED,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ANSWERED(RCPT, ACCEPTED, 250)},
     .decoy = DECOY_UNDECIDED},
    {.label = "deadline in SMTP",
     .rule = "E3",
     .reason = REASON_DEADLINE_EXCEEDED,
     .mx = MX_FOUND,
     .deadline = true,
     .progress = PROGRESS_SMTP,
     .also = REASON_SMTP_TIMEOUT},
    {.label = "deadline in DNS",
     .rule = "E3",
     .reason = REASON_DEADLINE_EXCEEDED,
     .deadline = true,
     .progress = PROGRESS_DNS,
     .also = REASON_DNS_TIMEOUT},
    {.label = "deadline behind an accepted recipient",
     .rule = "R28",
     .reason = REASON_ACCEPTED_UNCONFIRMED,
     .mx = MX_FOUND,
     .deadline = true,
     .progress = PROGRESS_SMTP,
     .attempts = 1,
     .attempt = {ANSWERED(RCPT, ACCEPTED, 250)}},
    {.label = "our own fault",
     .rule = "E4",
     .reason = REASON_INTERNAL_ERROR,
     .mx = MX_FOUND,
     .attempts = 1,
     .attempt = {ENDED(LOCAL, CONNECT)}},
};

static struct verdict decide(const struct verdict_case *row)
{
    struct address address = {.code = row->code, .valid = row->code != ADDRESS_NO_AT};
    struct address_insight insight = {.provider_syntax =
                                          row->hard ? PROVIDER_SYNTAX_HARD : PROVIDER_SYNTAX_OK};
    struct mx_evidence mx = {.outcome = row->mx, .implicit = row->implicit};
    struct smtp_evidence smtp = {.attempt_count = (uint8_t)row->attempts,
                                 .decoy_outcome = row->decoy,
                                 .control = row->control,
                                 .refused_before = row->refused_before};

    memcpy(smtp.attempts, row->attempt, sizeof(smtp.attempts));
    memcpy(smtp.recipient.enhanced, row->enhanced, sizeof(row->enhanced));
    if (row->attempts > 0)
        smtp.recipient.code = row->attempt[verdict_deciding_attempt(&smtp)].code;
    return verdict_decide(&(struct verdict_input){
        .address = &address,
        .insight = &insight,
        .mx = row->mx != MX_PENDING ? &mx : NULL,
        .smtp = row->attempts > 0 ? &smtp : NULL,
        .provider = row->provider,
        .parked_mx = row->parked,
        .stop = row->stop,
        .progress = row->progress,
        .deadline = row->deadline,
    });
}

static bool has_reason(const struct verdict *verdict, enum verdict_reason reason)
{
    for (size_t i = 0; i < verdict->reason_count; i++)
        if (verdict->reasons[i] == reason)
            return true;
    return false;
}

static void each_row_decides(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        const struct verdict_case *row = &cases[i];
        struct verdict verdict = decide(row);

        if (strcmp(verdict.rule, row->rule) != 0 || verdict.reason != row->reason ||
            verdict.status != reason_status(row->reason) ||
            (row->also != 0 && !has_reason(&verdict, row->also)))
            fail_msg("%s: %s/%s, expected %s/%s", row->label, verdict.rule,
                     reason_name(verdict.reason), row->rule, reason_name(row->reason));
    }
}

/* What the market gets wrong: trouble of ours or of the moment is never held against an address. */
static void nothing_temporary_is_undeliverable(void **state)
{
    static const enum reply_class classes[] = {
        REPLY_GREYLISTED,   REPLY_TEMPORARY_FAILURE, REPLY_PROBE_BLOCKED,   REPLY_SENDER_REJECTED,
        REPLY_TLS_REQUIRED, REPLY_PROTOCOL_ERROR,    REPLY_REJECTED_UNCLEAR};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(classes); i++)
        for (enum smtp_stage stage = SMTP_STAGE_GREETING; stage <= SMTP_STAGE_RCPT; stage++) {
            struct verdict_case row = {.mx = MX_FOUND, .attempts = 1};
            row.attempt[0] =
                (struct smtp_attempt){.stage = stage, .class = classes[i], .code = 450};
            struct verdict verdict = decide(&row);
            if (verdict.status != STATUS_UNKNOWN)
                fail_msg("%s at %s is %s", reply_class_name(classes[i]), smtp_stage_name(stage),
                         status_name(verdict.status));
        }
}

static void confidence_follows_the_words(void **state)
{
    struct verdict_case row = {.mx = MX_FOUND, .attempts = 1};

    (void)state;
    row.attempt[0] = (struct smtp_attempt)ANSWERED(RCPT, MAILBOX_NOT_FOUND, 550);
    assert_true(decide(&row).confidence == 0.90);
    memcpy(row.enhanced, (uint8_t[]){5, 1, 1}, 3);
    assert_true(decide(&row).confidence == 0.99);
    memcpy(row.enhanced, (uint8_t[]){5, 4, 1}, 3);
    assert_true(decide(&row).confidence == 0.97);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_decides),
        cmocka_unit_test(nothing_temporary_is_undeliverable),
        cmocka_unit_test(confidence_follows_the_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
