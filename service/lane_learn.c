/* What the end of a session says about its host and about port 25.
 *
 * A host that answered somebody since its last trouble, or while this session was open, is well,
 * and so is one that owes no answer to the sessions it lets in, or, the first time, one where
 * others are asking in this moment: then the trouble is this one session's, and the host neither
 * rests nor do those who wait hear of it. A connection may be lost anywhere; a host that closes
 * several in a row rests. */
#include "service/lanes.h"

#include "probes/base/mem.h"

enum {
    CLEAR_ONCE_MS = 10 * 60 * 1000, /* a connection may be lost in a handshake, too */
    CLEAR_MS = 24 * 3600 * 1000,    /* STARTTLS broke twice in a row */
    HEALTHY_MS = 60 * 1000,
    LOST_ROW_MS = 3600 * 1000, /* so long after the last one, or its rest, a row begins anew */
    CUT_ROW_MIN = 3,           /* 421 after the same number so often: that is how many they like */
    CUT_ROW_SURE = 8           /* ... where a session was longer before */
};

bool lane_refused(const struct smtp_session_end *end)
{
    return end->end == SMTP_END_REPLY && end->reply.class == REPLY_PROBE_BLOCKED;
}

bool lane_route_lost(const struct smtp_session_end *end)
{
    return end->end == SMTP_END_PROXY ||
           (end->end == SMTP_END_LOCAL && end->stage == SMTP_STAGE_CONNECT);
}

/* A host that blocked us, sent 421 or timed out rests. */
static bool earns_rest(const struct smtp_session_end *end)
{
    switch (end->end) {
    case SMTP_END_CONNECT_TIMEOUT:
    case SMTP_END_TIMEOUT:
        return true;
    case SMTP_END_REPLY:
        return end->reply.code == 421 || lane_refused(end);
    case SMTP_END_NONE:
    case SMTP_END_QUIT:
    case SMTP_END_REFUSED_ADDRESS:
    case SMTP_END_CONNECT_REFUSED:
    case SMTP_END_LOST:
    case SMTP_END_PROTOCOL:
    case SMTP_END_TLS:
    case SMTP_END_LOCAL:
    case SMTP_END_CANCELLED:
    case SMTP_END_PROXY:
    case SMTP_END_COUNT:
        break;
    }
    return false;
}

static bool serves_others(const struct lane_session *session)
{
    const struct lane_host *host = session->host;
    bool lately = session_now_ms(session) - host->answered_ms < HEALTHY_MS;
    bool since_trouble = host->answered_ms > host->troubled_ms;
    bool others_pause = host->sessions > host->opening && host->answered_ms >= host->asked_ms;

    return host->answered_ms > session->began_ms || (lately && (since_trouble || others_pause));
}

/* The first trouble since it last answered, while others are asking there: they will tell. */
static bool others_will_tell(const struct lane_host *host)
{
    return host->troubled_ms <= host->answered_ms && host->sessions > host->opening + host->slow;
}

static enum trouble trouble_of(const struct lane_session *session,
                               const struct smtp_session_end *end)
{
    bool well = end->answered > 0 || (serves_others(session) && !lane_refused(end));

    if (end->end == SMTP_END_LOST && !well)
        return session->host->lost_row < LOST_ROW_MAX ? TROUBLE_NONE : TROUBLE_HOST;
    if (end->end == SMTP_END_LOST)
        return TROUBLE_SESSION;
    if (!earns_rest(end))
        return TROUBLE_NONE;
    well = well || (others_will_tell(session->host) && !lane_refused(end));
    return well ? TROUBLE_SESSION : TROUBLE_HOST;
}

/* A fault may cut a session anywhere; a limit cuts it where it did before, and none was longer. */
static void learn_length(struct lane_host *host, const struct smtp_session_end *end)
{
    uint32_t enough = end->answered < host->longest ? CUT_ROW_SURE : CUT_ROW_MIN;

    if (end->answered > host->longest)
        host->longest = end->answered;
    if (end->end != SMTP_END_REPLY || end->reply.code != 421 || end->answered == 0) {
        if (end->answered > host->cut_at)
            host->cut_row = 0;
        return;
    }
    host->cut_row = host->cut_at == end->answered ? host->cut_row + 1 : 1;
    host->cut_at = end->answered;
    if (host->cut_row >= enough && end->answered < host->recipients_per_session)
        host->recipients_per_session = end->answered;
}

/* Does this end say that fewer sessions are wanted? A close, or silence about one recipient after
 * others were answered, says nothing of their number. */
static bool asks_for_fewer(const struct lane_session *session, const struct smtp_session_end *end)
{
    if (session->trouble != TROUBLE_SESSION || end->end == SMTP_END_LOST)
        return false;
    return end->end != SMTP_END_TIMEOUT || end->answered == 0;
}

/* Did the host choke on a question that was about one recipient? It may answer others. */
static bool about_one(const struct smtp_session_end *end)
{
    return end->stage == SMTP_STAGE_RCPT && !lane_refused(end);
}

/* Sessions that began before the last one was lost are lost with it. */
static void count_lost(const struct lane_session *session)
{
    struct lane_host *host = session->host;

    if (session->began_ms < host->lost_ms)
        return;
    if (session->began_ms >= host->lost_ms + LOST_ROW_MS &&
        session->began_ms >= host->rest_until_ms + LOST_ROW_MS)
        host->lost_row = 0;
    host->lost_row++;
    host->lost_ms = session_now_ms(session);
}

/* One address is one server, by whatever name: unless somebody there was answered lately, all its
 * names rest together. */
static void rest_server(const struct lane_host *host, uint64_t now_ms)
{
    struct lane *lane = host->lane;
    bool lately = lane->answered_ms > 0 && now_ms - lane->answered_ms < HEALTHY_MS;

    if (lane->provider == NULL && !lately && lane->rest_until_ms < host->rest_until_ms)
        lane->rest_until_ms = host->rest_until_ms;
}

/* If not about one recipient only, the next rest is longer, and other names rest as well. */
static void rest_host(struct lane_host *host, const struct smtp_session_end *end, uint64_t now_ms)
{
    uint32_t rest_ms = host->rest_ms;

    lane_host_rest(host);
    host->cut_at_recipient = about_one(end) && end->end == SMTP_END_REPLY; /* so it is alive */
    if (about_one(end))
        host->rest_ms = rest_ms;
    else
        rest_server(host, now_ms);
}

static void learn_trouble(struct lane_session *session, const struct smtp_session_end *end)
{
    struct lane_host *host = session->host;
    bool about_us =
        lane_refused(end) ||
        (end->end == SMTP_END_REPLY && end->reply.enhanced[0] == 4 && end->reply.enhanced[1] == 7);
    bool closed = end->end == SMTP_END_LOST; /* which says nothing of the number of sessions */
    /* nobody has been answered since the last one, nor since this session began */
    bool again = host->troubled_ms > host->answered_ms && session->began_ms >= host->answered_ms;

    if (closed && end->answered == 0)
        count_lost(session);
    session->trouble = trouble_of(session, end);
    if (session->trouble != TROUBLE_NONE && end->answered == 0)
        host->troubled_ms = session_now_ms(session);
    if (session->trouble == TROUBLE_HOST && !(lane_refused(end) && lane_has_ways(host)))
        rest_host(host, end, session_now_ms(session));
    if ((session->trouble == TROUBLE_HOST && !closed) || about_us ||
        (again && session->trouble == TROUBLE_SESSION))
        lane_narrow(host->lane, session->began_ms);
    else if (asks_for_fewer(session, end))
        lane_yield(host->lane);
    else if (end->answered > 0)
        lane_widen(host->lane); /* it served, however it ended */
}

/* Sessions that began before it was known count once together. */
static void learn_tls(struct lane_session *session, const struct smtp_session_end *end)
{
    struct lane_host *host = session->host;

    if (session->began_ms >= host->tls_broke_ms && host->tls_breaks < UINT8_MAX)
        host->tls_breaks++;
    host->tls_broke_ms = session_now_ms(session);
    host->clear_until_ms =
        session_now_ms(session) + (host->tls_breaks > 1 ? CLEAR_MS : CLEAR_ONCE_MS);
    if (host->broken_tls == NULL)
        host->broken_tls = mem_new(struct tls_facts);
    *host->broken_tls = end->server->tls;
}

bool lane_try_tls_again(struct lane_session *session)
{
    if (!session->in_clear || session->host->tls_breaks != 1)
        return false;
    session->host->clear_until_ms = 0;
    return true;
}

void lane_learn(struct lane_session *session, const struct smtp_session_end *end)
{
    struct lane_host *host = session->host;
    struct egress *egress = &session_lanes(session)->shard->engine->egress;

    if (end->server != NULL)
        egress_greeted(egress, session_now_ms(session));
    if (end->end == SMTP_END_CONNECT_TIMEOUT && !session_route(session)->is_proxy)
        egress_timed_out(egress, &host->address, session_now_ms(session));
    if (end->end == SMTP_END_CONNECT_REFUSED && host->refused_ms == 0)
        host->refused_ms = session_now_ms(session);
    if (end->stage > SMTP_STAGE_CONNECT)
        host->refused_ms = 0; /* somebody is there */
    if (end->end == SMTP_END_TLS && end->server != NULL)
        learn_tls(session, end);
    else if (end->server != NULL && end->server->tls.state == TLS_OK)
        host->tls_breaks = 0;
    learn_length(host, end);
    learn_trouble(session, end);
    if (end->end == SMTP_END_REPLY)
        lane_heard(session, lane_refused(end));
    if (lane_route_lost(end))
        lane_route_failed(session);
}
