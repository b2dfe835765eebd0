/* shard.h - one probe thread and all it owns. Inside the service floor only.
 *
 * Every piece of state has one owner thread; nothing shared is locked; work travels
 * to its state. A shard plays two parts:
 *   home  of the checks of the domains that hash to it (check.c): waiters, deadlines,
 *         DNS and recipient memory, IMAP evidence, the verdict;
 *   lane  owner of the mail hosts that hash to it (lanes.c): sessions, limits, rest,
 *         and what is known of their domains (decoy, control).
 * A job carries a check's SMTP question from home to lane and back. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "probes/base/loop.h"
#include "probes/mx/mx.h"
#include "probes/net/dns.h"
#include "probes/net/tls.h"
#include "service/egress.h"
#include "service/engine.h"
#include "service/watch.h"

struct checks;
struct lanes;
struct lane_session;
struct routes;

enum { SHARDS_MAX = 64 };

struct shard {
    struct engine *engine;
    const struct config *config;
    unsigned index;
    pthread_t thread;
    struct loop *loop;
    struct dns *dns;
    struct mx_resolver *mx;
    struct tls_client *tls;
    struct checks *checks;
    struct lanes *lanes;
    struct loop_mail stop_mail;
    struct loop_timer farewell; /* stopping: sessions are saying goodbye */
    uint64_t farewell_until_ms;
    struct resting resting; /* written by this shard only */
};

struct engine {
    const struct config *config;
    const struct policies *policies;
    struct resolver_watch resolver;
    unsigned shard_count;
    struct shard shards[SHARDS_MAX];
    size_t checks_max;
    atomic_size_t in_flight;
    atomic_bool draining;
    struct routes *routes;
    struct egress egress; /* port 25 as seen by real sessions: written and read by every shard */
    uint64_t started_ms;
};

/* The owner of a domain's checks, and of a lane. */
struct shard *engine_home(struct engine *engine, const char *domain_ascii);
struct shard *engine_lane_owner(struct engine *engine, const char *lane_key);

/* --- a job: one recipient's SMTP question on its way ------------------------- */

enum job_phase { JOB_ASK_RECIPIENT, JOB_ASK_DECOY, JOB_ASK_CONTROL };

struct job {
    struct loop_mail mail;
    struct job *next, *prev; /* lane: in a queue, or waiting for the domain's decoy */

    /* written by home before the job leaves, only read by the lane */
    struct shard *home, *at; /* its own, and that of the lane it is going to */
    void *check;             /* home's business */
    char *recipient;         /* as RCPT TO carries it; owned */
    char *domain;            /* A-labels; owned */
    bool smtputf8, bulk, transcript;
    uint32_t caller;        /* whose turn it takes: jobs of one request share theirs */
    uint8_t tries;          /* asked before, with the same sender */
    struct mx_evidence *mx; /* a reference */
    uint64_t mx_set;        /* hash of its hosts: what is known of the domain goes with them */
    const struct provider *provider;
    uint64_t asked_ms;       /* when the request arrived: younger evidence is fresh */
    uint64_t fresh_after_ms; /* older decoy memory does not count */

    /* said by home, looked at by the lane, at any time */
    atomic_bool abandoned; /* nobody waits: finish the session, start no other host */
    /* said by the lane, looked at by home */
    _Atomic enum check_progress progress;

    /* the lane's own */
    uint32_t share;           /* its turn in the queue */
    struct lane_session *own; /* in the queue: is being opened for this job alone; NULL: none is */
    enum job_phase phase;
    bool came_back;        /* reconnected after 450 4.3.2 */
    bool null_sender;      /* second opinion with <> */
    bool sender_refused;   /* ours, for good, by the host that now gives that opinion */
    uint8_t host, address; /* where the walk stands in mx->hosts and in that host's run */
    uint8_t hosts_tried, addresses_tried;
    bool retried;         /* one more try at this address was used up */
    uint8_t sessions_cut; /* 421 in the middle of somebody's long session */
    uint8_t decoy_tries;
    uint8_t refused_route; /* 1 + the way by which a lane refused it; 0 = none */
    uint8_t routes_failed; /* on our side, before anybody was asked */
    struct smtp_evidence *evidence;
    enum check_stop stop;
    uint32_t stop_retry_ms;
    bool turn_missed; /* deferred, but its host is alive, or it is we who hold back */
    uint64_t queued_ms;
    uint64_t refused_lane; /* hash of its key */
};

/* Home -> lane: to the lane of the job's current target, on whatever shard. */
void job_send_to_lane(struct job *job);
/* Lane -> home: the walk is over, evidence and stop are final. */
void job_send_home(struct job *job);
void job_free(struct job **job);

/* --- checks (home), lanes ---------------------------------------------------- */

struct checks *checks_new(struct shard *shard);
void checks_stop(struct checks *checks); /* answer every waiter with what is there */
void checks_free(struct checks **checks);
/* A ticket arrives (loop thread). */
void checks_take(struct checks *checks, struct engine_ticket *ticket);
void checks_forget(struct checks *checks, struct engine_ticket *ticket);
void checks_job_returned(struct checks *checks, struct job *job);
/* While the decoy is still asked: what the recipient's own reply was, for a deadline in between. */
void checks_job_accepted(struct checks *checks, struct job *job,
                         const struct smtp_reply_facts *reply);

struct lanes *lanes_new(struct shard *shard);
void lanes_stop(struct lanes *lanes);        /* says goodbye on each session; asks nothing more */
bool lanes_quiet(const struct lanes *lanes); /* all goodbyes are over */
void lanes_free(struct lanes **lanes);       /* drops sessions and jobs: after checks_stop */
void lanes_take(struct lanes *lanes, struct job *job);

/* --- tickets: one waiter each -------------------------------------------------- */

enum ticket_kind { TICKET_VERIFY, TICKET_LOOKUP, TICKET_DOMAIN };
/* Whose it is, seen from the home shard. */
enum ticket_state { TICKET_NEW, TICKET_WAITING, TICKET_ANSWERED };

struct engine_ticket {
    struct loop_mail mail;   /* submit, then the answer */
    struct loop_mail cancel; /* to the shard and back */
    struct engine *engine;
    struct shard *shard; /* the home shard */
    struct loop *reply_to;
    engine_answer_fn *done;
    void *context;
    bool cancelled; /* the submitter's */

    enum ticket_kind kind;
    enum ticket_state state; /* the home shard's, from here on */
    bool smtp, imap, bulk;
    enum explain explain;
    enum message_language language;
    const struct policy *policy; /* NULL: a lookup, until it has found its check; or a domain */
    uint64_t received_ms, due_ms;
    uint32_t max_age_s;
    char *email; /* owned: the input, the id or the domain */
    size_t email_length;
    char *request_id;
    struct verify_answer *answer;
    struct check *check;
    struct engine_ticket *next, *prev; /* waiters of a check */
    struct loop_timer deadline;
};

void ticket_answer(struct engine_ticket *ticket,
                   struct verify_answer *answer); /* home shard -> submitter */
