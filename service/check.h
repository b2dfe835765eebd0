/* check.h - the inside of checks: shared by check.c (life), check_retry.c, check_answer.c (verdict
 * and document), recipient_memory.c and imap_memory.c. All of it belongs to the home loop. */
#pragma once

#include <uthash.h>

#include "probes/discover/imap_survey.h"
#include "service/document.h"
#include "service/shard.h"

enum { TRANSCRIPTS_KEPT = 1000, IMAP_TRANSCRIPTS_KEPT = 250 }; /* of 64 and 128 KiB at most */

enum check_state {
    CHECK_DNS,   /* where does the domain's mail go? */
    CHECK_SMTP,  /* the job is out at a lane */
    CHECK_IMAP,  /* everything is there but the domain's IMAP evidence */
    CHECK_RETRY, /* answered for now; asked again at retry_at_ms */
    CHECK_DONE
};

struct check {
    UT_hash_handle by_key, by_id;
    struct check *next, *prev;           /* at work, or remembered: oldest first */
    struct check *next_imap, *prev_imap; /* waiters of the domain's survey */
    struct checks *checks;
    struct engine_ticket *waiters;
    enum check_state state;
    enum check_stop stop;
    bool smtp, imap, bulk, transcript, domain_only;
    const struct policy *policy; /* of the call that began it, for whoever asks by id */
    bool settled;                /* what SMTP said will not change by itself */
    uint32_t caller;             /* whose request it was: see fair_queue.h */
    bool joinable;               /* in by_key: at work, and no word against its freshness */
    char id[ENGINE_ID_SIZE];
    char *key;   /* layers asked and the address: what an identical request would have */
    char *email; /* as received */
    size_t email_length;
    char *domain; /* A-labels */

    struct mx_lookup *lookup;
    struct mx_evidence *mx;
    const struct provider *provider;
    struct job *job;                /* out at a lane; comes back once */
    struct smtp_evidence *evidence; /* a reference */
    struct smtp_evidence *interim;  /* the recipient was accepted, the decoy is still asked */
    struct imap_memory *survey;     /* waiting for it */
    struct imap_evidence *imap_evidence;

    unsigned from_cache;
    uint64_t received_ms; /* when the request for it arrived: what was found since is fresh */
    uint64_t started_ms, ended_ms, fresh_after_ms, dns_ms;
    int64_t checked_at_s, expires_at_s;
    uint32_t stop_retry_ms;
    uint64_t retry_at_ms;
    uint8_t try_count;
    bool turn_missed;           /* deferred, though its host is alive */
    uint8_t deferrals;          /* how often that was so: nobody was asked */
    struct document_try *tries; /* owned; NULL: none */
    struct loop_timer retry;
    struct loop_timer grace; /* how long a finished SMTP answer waits for IMAP */
    struct loop_timer budget;
};

struct checks {
    struct shard *shard;
    struct check *by_key, *by_id;
    struct check *at_work, *retrying, *remembered;
    size_t retrying_count, remembered_count;
    struct recipient_memory *recipients;
    struct smtp_evidence *transcripts[TRANSCRIPTS_KEPT]; /* references; a ring */
    size_t transcript_count;                             /* ever: the next one's place */
    struct imap_memory *imap;
    struct imap_memory *imap_queue; /* surveys that wait for a place */
    unsigned imap_running;
    struct imap_evidence *imap_transcripts[IMAP_TRANSCRIPTS_KEPT]; /* as above */
    size_t imap_transcript_count;
    uint64_t id_counter;
};

/* check.c */
void check_start_dns(struct check *check); /* the first of the steps that lead to an answer */
/* Evidence from before this is too old; what was found since the request arrived never is. */
uint64_t check_fresh_after_ms(const struct engine_ticket *ticket);
void check_imap_ready(struct check *check, struct imap_evidence *evidence, bool cached);

/* check_retry.c */
/* Plans the next try when this answer may change by itself. */
bool check_plan_retry(struct check *check);
void check_on_retry(void *context); /* the timer's: the time has come */

/* check_key.c */
void check_make_id(const struct checks *checks, char id[ENGINE_ID_SIZE]);
char *check_make_key(const struct engine_ticket *ticket, const struct address *address); /* owned */

/* check_answer.c */
struct verify_answer *check_answer(struct check *check, const struct engine_ticket *ticket,
                                   bool deadline);
/* Nothing is asked: what syntax, lists and memory know, else deferred. */
struct verify_answer *check_refused(struct checks *checks, const struct engine_ticket *ticket,
                                    const struct address *address);
/* Parses again what the check is about; cheaper than keeping it for the life of a check. */
void check_parse(const struct check *check, struct address *address);
/* The verdict if nothing more comes. */
struct verdict check_verdict(const struct check *check, const struct address *address);

/* recipient_memory.c: what SMTP said of an address, for as long as it is true */
struct recipient_memory {
    UT_hash_handle hh;
    struct smtp_evidence *evidence;
    enum check_stop stop;
    bool held; /* an unknown: answered again until it may be asked again, whatever max_age says */
    uint64_t at_ms, until_ms;
    int64_t at_wall_s;
    char wire[]; /* the address as RCPT TO carries it */
};
/* NULL when nothing is known that is younger than `fresh_after_ms`. */
struct recipient_memory *recipient_find(struct checks *checks, const char *wire,
                                        uint64_t fresh_after_ms);
/* The check takes over what is remembered. */
void recipient_recall(struct check *check, const struct recipient_memory *memory);
void recipient_remember(struct checks *checks, const char *wire, struct smtp_evidence *evidence,
                        uint32_t lifetime_s, bool held);
/* Evidence with a transcript: that of an older one is let go, whoever holds the evidence. */
void transcript_remember(struct checks *checks, struct smtp_evidence *evidence);
void recipients_free(struct checks *checks);

/* imap_memory.c: one survey per domain and lifetime */
struct imap_memory {
    UT_hash_handle hh;
    struct imap_memory *next, *prev; /* in the queue of surveys */
    struct imap_survey *running;
    struct imap_evidence *evidence;
    uint64_t at_ms, until_ms;
    struct check *waiting;
    struct mx_evidence *mx; /* what the survey may guess from, until it has begun */
    const struct provider *provider;
    bool queued;
    struct checks *checks;
    char domain[];
};
/* Gives the evidence at once, or puts the check among those who wait. */
void imap_memory_ask(struct check *check);
void imap_memory_leave(struct check *check);
/* As transcript_remember(). */
void imap_transcript_remember(struct checks *checks, struct imap_evidence *evidence);
void imap_memory_free(struct checks *checks);
