/* document_shape.h - words of a verdict document that no other list holds. Private to document.c,
 * which writes them, and document_read.c, which reads them back. */
#pragma once

/* By enum mx_host_state, decoy_outcome, control_outcome, check_stop, check_progress; NULL is null
 * in the document. */
static const char *const document_mx_states[] = {"ok", "bad_name", "no_address", "private_address",
                                                 "unknown"};
static const char *const document_decoys[] = {"not_run", "accepted", "rejected", "undecided",
                                              "throttled"};
static const char *const document_controls[] = {NULL, "clear", "refused_alike", "undecided"};
static const char *const document_stops[] = {
    NULL, "suppressed", "smtp_skipped", "egress_blocked", "deferred", "internal"};
static const char *const document_progresses[] = {NULL, "dns", "queue", "connect", "smtp"};
/* An attempt whose end is SMTP_END_NONE: a reply decided. */
#define DOCUMENT_ANSWERED "answered"
