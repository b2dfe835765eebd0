/* lanes.h - the inside of lanes: shared by lanes.c (queues, limits) and lane_session.c
 * (what is asked in a session and what an answer leads to).
 *
 * A lane is what one limit speaks of: a provider, else one address. In it stand
 * hosts (an address under a name), each with its two queues. */
#pragma once

#include <uthash.h>

/* A table for each lane's hosts, and mostly there is one: uthash would begin with 32 buckets. */
#undef HASH_INITIAL_NUM_BUCKETS
#undef HASH_INITIAL_NUM_BUCKETS_LOG2
#define HASH_INITIAL_NUM_BUCKETS      4U
#define HASH_INITIAL_NUM_BUCKETS_LOG2 2U

#include "probes/smtp/smtp_session.h"
#include "service/fair_queue.h"
#include "service/routes.h"
#include "service/shard.h"

enum {
    DECOY_SIZE = 24,
    REST_MAX_MS = 4 * 3600 * 1000,
    LOST_ROW_MAX = 3 /* closed on us so often in a row: nobody else has to find out */
};

/* How often something happened in the hour that began with the first of it. Zeroed is ready. */
struct hourly {
    uint64_t since_ms;
    uint32_t count;
};

/* What a host waits for a connection with. */
enum host_wait { WAIT_NOTHING, WAIT_BULK, WAIT_INTERACTIVE, WAIT_COUNT };

struct lane_host {
    UT_hash_handle hh; /* in the lane: first whom nobody looked at for longest */
    struct lane *lane;
    struct lane_host *next, *prev; /* in lane->waiting, by `wait` */
    enum host_wait wait;
    char *name;
    struct ip_address address;
    struct fair_queue interactive, bulk;
    uint32_t queued, sessions, opening; /* opening: sessions that have not asked for work yet */
    uint32_t slow;                      /* sessions that wait long for an answer */
    uint32_t connections_max, recipients_per_session, rejects_per_session, gap_ms;
    uint64_t rest_until_ms;
    uint32_t rest_ms;             /* the next rest; doubles until it serves somebody */
    uint64_t refused_ms;          /* when port 25 was first refused; 0 = never */
    route_set routes;             /* ways out that it may be asked by */
    uint64_t route_key;           /* hosts with the same key see us come by the same way */
    struct hourly refused;        /* recipients, whoever was asked about */
    uint32_t refused_proven;      /* how many when it last told a decoy apart */
    uint64_t asked_ms;            /* when it was last asked about a recipient */
    uint64_t answered_ms;         /* when it last answered about a recipient */
    uint64_t served_ms;           /* ... and did not refuse us */
    uint64_t troubled_ms;         /* when a session last came to nothing */
    bool cut_at_recipient;        /* it rests because it answered the question about one with 421 */
    uint32_t lost_row;            /* sessions in a row that it closed without any answer */
    uint64_t lost_ms;             /* the last of them */
    uint32_t cut_at, cut_row;     /* sessions in a row that 421 ended after so many answers */
    uint32_t longest;             /* the most answers in a session */
    uint64_t clear_until_ms;      /* STARTTLS is broken here: speak in clear until then */
    struct tls_facts *broken_tls; /* what was seen when it broke; owned; NULL: never */
    uint8_t tls_breaks;           /* since it last stood */
    uint64_t tls_broke_ms;        /* the last time */
    struct sender_refusal *refuses_senders; /* all of ours; owned; NULL: not known to */
    char key[];                             /* address and name */
};

struct lane {
    UT_hash_handle hh;
    struct lanes *lanes;
    const struct provider *provider; /* whose hosts they are; NULL: an address of somebody else */
    struct lane_host *hosts;
    struct lane_host *waiting[WAIT_COUNT]; /* hosts take turns; [WAIT_NOTHING] stays empty */
    uint32_t sessions, connections_max, queued;
    uint32_t leaving;           /* sessions that are saying goodbye */
    uint32_t for_bulk;          /* sessions that were opened for bulk */
    uint32_t callers_row;       /* sessions opened in a row for callers, while bulk waited */
    double window;              /* connections wanted now: halved by trouble, widened by success */
    uint64_t narrowed_ms;       /* when it was last halved; 0 = never */
    uint32_t refusals, answers; /* of late: a lane that mostly refuses us rests */
    uint32_t decoys_accepted, decoys_rejected; /* of late, a domain counts once */
    uint64_t rest_until_ms;
    uint32_t rest_ms;          /* the latest rest that refusals of us led to */
    uint64_t answered_ms;      /* when a host last answered about a recipient; 0 = never */
    struct route_rests *rests; /* of ways that it refused; NULL: none; owned */
    char key[];
};

/* What a lane knows of a domain: does it accept just anyone, does it refuse everyone? */
struct domain_memory {
    UT_hash_handle hh;
    uint64_t mx_set; /* of these hosts; when the domain moves, only the count of the hour stays */
    enum decoy_outcome decoy;
    uint64_t decoy_at_ms, decoy_until_ms;
    uint16_t decoy_preference; /* of the MX that was asked: a backup may accept more */
    struct smtp_reply_facts decoy_reply;
    char decoy_local[DECOY_SIZE]; /* in use, or greylisted and to be asked again; "" = make a new
                                     one */
    enum control_outcome control;
    uint64_t control_at_ms;
    uint16_t control_preference; /* as above: a backup may know us when the MX before it does not */
    uint32_t bare_row; /* recipients refused without a word since then, or since one was accepted */
    bool decoy_running, control_running;
    /* accepted recipients that wait for the decoy, refused ones that wait for the control: without
     * a connection */
    struct job *waiting, *waiting_control;
    struct hourly unknown; /* recipients */
    char domain[];
};

/* Whose trouble it was that ended a session. */
enum trouble {
    TROUBLE_NONE,
    TROUBLE_SESSION, /* its own: the host answers others */
    TROUBLE_HOST     /* the host rests */
};

struct lane_session {
    struct lane_session *next, *prev; /* all of the shard, for shutdown */
    struct lane_host *host;
    struct smtp_session *smtp;
    struct job *job;  /* being asked about */
    struct job *only; /* a transcript belongs to one job: the session serves no other */
    bool reserved;    /* `only` is still in the queue: only->own is this session */
    struct job *held; /* that job, answered: it goes home with the session's goodbye */
    struct text *transcript;
    unsigned route;
    bool in_clear;
    bool closing;  /* say QUIT at the next boundary */
    bool leaving;  /* counted in lane->leaving */
    bool for_bulk; /* counted in lane->for_bulk */
    bool opening;  /* counted in host->opening */
    bool paused;   /* the pause before the next recipient is over */
    bool slow;     /* counted in host->slow */
    enum trouble trouble;
    uint32_t recipients, rejects;
    uint64_t began_ms, opened_ms, asked_ms;
    struct loop_timer gap, patience;
    char *question; /* decoy or postmaster address in use; owned */
};

struct lanes {
    struct shard *shard;
    struct lane *by_key;
    struct domain_memory *domains;
    struct lane_session *all_sessions;
    struct smtp_sessions smtp_sessions; /* goodbyes of dropped ones included */
    bool closing;                       /* no session begins any more */
};

/* lane_walk.c */
const struct mx_host *job_host(const struct job *job); /* where it is going */
const struct ip_address *job_address(const struct job *job);
/* A provider's hosts share one lane; anybody else's host is a lane of its own. `key` is only
 * written to where the provider has none. */
const char *job_lane_key(const struct job *job, const struct provider *provider,
                         char key[IP_TEXT_SIZE]);
/* This address is done with for this job: next address, or home. */
void lane_walk_on(struct job *job);
void lane_finish(struct job *job, enum check_stop stop, uint32_t retry_ms);
void lane_defer(struct job *job, uint32_t retry_ms); /* its turn will come */
/* Was an MX of higher preference passed over for trouble that passes? It may know better. */
bool lane_better_may_tell(const struct job *job);
/* Adds what came of one address to the job's evidence. `server` may be NULL. */
struct smtp_attempt *lane_attempt(struct job *job, const struct lane_session *session,
                                  const struct smtp_server *server);
/* After that, with the attempt complete: the one that decides so far leaves its words. */
void lane_keep_words(struct job *job, const struct smtp_reply_facts *reply,
                     struct smtp_server *server);

/* lane_domain.c */
struct domain_memory *lanes_domain(struct lanes *lanes, const struct job *job);
/* For how long this job must wait: its domain had too many unknown mailboxes, or the host refused
 * so many recipients that it might begin to accept anybody. 0 = it need not. */
uint32_t lane_must_wait_ms(const struct lane_host *host, const struct job *job);

/* lanes.c */
void hourly_count(struct hourly *hourly, uint64_t now_ms);
/* How long the hour still lasts when `limit` is reached; 0 = it is not. */
uint32_t hourly_left_ms(const struct hourly *hourly, uint32_t limit, uint64_t now_ms);
void lane_queue(struct lane_host *host, struct job *job, bool front);
/* The next job for this session to ask about; NULL = none waits. */
struct job *lane_take_job(struct lane_session *session);
struct job *lane_take_any(struct lane_host *host); /* also those that want a session of their own */
bool lane_has_work(const struct lane_host *host);
/* Does a caller wait in the lane, for whom there is no connection but this one? */
bool lane_wants_room(const struct lane_session *session);
void lane_pump(struct lane *lane);
void lane_host_rest(struct lane_host *host);
bool lane_rests(const struct lane *lane); /* with all its hosts */
/* Does this host rest? */
bool lane_host_rests(const struct lane_host *host);
/* What the lane learns from each reply about us, and from each session's end. */
void lane_replied(struct lane *lane, bool refused_us);
/* Trouble of the host's, or about us, in a session that began then. */
void lane_narrow(struct lane *lane, uint64_t began_ms);
void lane_yield(struct lane *lane); /* trouble of one session */
void lane_widen(struct lane *lane);

/* lane_route.c */
void lane_host_set_routes(struct lane_host *host, const struct provider *provider);
struct route_choice lane_route(const struct lane_host *host);
const struct mail_route *session_route(const struct lane_session *session);
/* May this host see us come by more than one way? Then the way rests that was refused, not the
 * host. */
bool lane_has_ways(const struct lane_host *host);
bool lane_route_rests(const struct lane_session *session);
/* A job that a lane refused by one way is not asked there by another. */
void lane_job_refused(const struct lane_session *session, struct job *job);
bool lane_route_fits(const struct lane_host *host, unsigned route, const struct job *job);
/* A reply came: the lane and the way learn whether it refuses us. */
void lane_heard(struct lane_session *session, bool refused_us);
/* Our own end of the way failed. */
void lane_route_failed(struct lane_session *session);

/* lane_session.c */
void lane_session_open(struct lane_host *host, struct job *only);
void lane_session_drop(struct lane_session *session);
void lane_session_unlink(struct lane_session *session);
/* Its question is answered, or will not be. */
void lane_session_moved(struct lane_session *session);
void lane_session_free(struct lane_session *session);

/* lane_answer.c */
void lane_on_answer(void *context, const struct smtp_answer *answer);
/* The decoy has spoken, or cannot (reply NULL): all accepted recipients of the domain go home. */
void lane_settle_decoy(struct lane_session *session, struct job *job, enum decoy_outcome outcome,
                       const struct smtp_reply_facts *reply);
/* Does this provider let in whoever is asked about, whatever its data says? */
bool lane_is_opaque(const struct lane *lane);
void lane_keep_transcript(struct lane_session *session, struct job *job);
void lane_go_home(struct lane_session *session, struct job *job);
void lane_finish_current(struct lane_session *session);

/* lane_control.c */
/* A refusal without a word: is it about the recipient? Home with what the control said, or the
 * control is asked. */
void lane_refused_barely(struct lane_session *session);
/* A recipient was accepted: the host still tells them apart. */
void lane_confirm_control(struct domain_memory *domain, const struct job *job);
/* What is remembered of the control for a day: from when it is asked, since no other may be. */
void lane_note_control(struct lane_session *session, struct domain_memory *domain,
                       enum control_outcome outcome);
/* As with the decoy: all whom the control was asked for go home. */
void lane_settle_control(struct lane_session *session, struct job *job,
                         enum control_outcome outcome);
void lane_control_answered(struct lane_session *session, const struct smtp_reply_facts *reply);

/* lane_sender.c */
/* Does this refuse the sender, for good and whoever is asked about? */
bool lane_refused_for_good(const struct smtp_answer *answer);
/* The host has refused each of our senders for good, the last time with this. */
void lane_learn_refusal(struct lane_session *session, const struct smtp_answer *answer);
void lane_forget_refusal(struct lane_host *host); /* it takes one of them */
/* True: that is known of the host, and the job has moved on with it. */
bool lane_answer_refused(struct lane_host *host, struct job *job);

/* lane_harvest.c */
void lane_count_refused(struct lane_session *session);
/* Has the host refused so many that it may accept everybody now? Another decoy tells. */
bool lane_may_lie(const struct lane_session *session);
/* What a decoy's outcome means at this host: DECOY_THROTTLED where it used to refuse. */
enum decoy_outcome lane_weigh_decoy(struct lane_session *session,
                                    const struct domain_memory *domain, enum decoy_outcome outcome);

/* lane_learn.c */
void lane_learn(struct lane_session *session, const struct smtp_session_end *end); /* -> trouble */
/* The host wants TLS, and we speak in clear since it broke. True: once more with TLS. */
bool lane_try_tls_again(struct lane_session *session);
bool lane_refused(const struct smtp_session_end *end); /* they will not have us */
/* Nobody was asked: the proxy failed, or there was no socket from that address. */
bool lane_route_lost(const struct smtp_session_end *end);

/* lane_end.c */
void lane_on_end(void *context, const struct smtp_session_end *end);

static inline struct lanes *session_lanes(const struct lane_session *session)
{
    return session->host->lane->lanes;
}

static inline uint64_t session_now_ms(const struct lane_session *session)
{
    return loop_now_ms(session_lanes(session)->shard->loop);
}

static inline const struct config *session_config(const struct lane_session *session)
{
    return session_lanes(session)->shard->config;
}

static inline struct domain_memory *session_domain(const struct lane_session *session,
                                                   const struct job *job)
{
    return lanes_domain(session_lanes(session), job);
}
