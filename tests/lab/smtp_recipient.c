/* RCPT: what a host says of a recipient follows from its play and the mailbox's class. */
#include <idn2.h>
#include <string.h>

#include "probes/base/clock.h"
#include "tests/lab/smtp_peer.h"

enum { LOCAL_MAX = 512 };

static const enum reply_topic class_topics[MAILBOX_CLASS_COUNT] = {
    [MAILBOX_KNOWN] = SAY_ACCEPTED,
    [MAILBOX_UNKNOWN] = SAY_UNKNOWN,
    [MAILBOX_FULL_452] = SAY_FULL_452,
    [MAILBOX_FULL_552] = SAY_FULL_552,
    [MAILBOX_DISABLED] = SAY_DISABLED,
    [MAILBOX_RESTRICTED] = SAY_RESTRICTED,
    [MAILBOX_RATE_LIMITED] = SAY_RATE_LIMITED,
    [MAILBOX_MOVED] = SAY_MOVED,
    [MAILBOX_ABANDONED] = SAY_ABANDONED};

static const char bare_550[] = "550 Requested action not taken";
static const char screened_450[] = "450 4.3.2 Service currently unavailable";
static const char verifying_450[] =
    "450 4.1.1 <$r>: Recipient address rejected: unverified address: "
    "Address verification in progress";
static const char blocked_554[] =
    "554 5.7.1 Service unavailable; Client host [$c] blocked using bl.lab.test; "
    "https://bl.lab.test/query/$c";

/* Longer or shorter, with other codes in front, ...: only where the reply is about a recipient. */
static void decorate(struct text *out, enum reply_play play, const char *reply)
{
    if (play == REPLY_CODES_DIFFER)
        text_put(out, reply[0] == '2' ? "550-looking at the recipient\n"
                                      : "250-looking at the recipient\n");
    text_put(out, reply);
    if (play != REPLY_LONG)
        return;
    text_char(out, ' ');
    while (out->length < 3900)
        text_put(out, "and so it goes on, ");
    text_put(out, "to the end");
}

static void count_refused(struct smtp_peer *peer)
{
    peer->worker->counters->recipients_refused++;
    peer->worker->board->host_counters[peer->host].refused++;
}

static void answer_text(struct smtp_peer *peer, const char *reply)
{
    struct lab_counters *counters = peer->worker->counters;
    struct text out;

    if (reply[0] == '2')
        counters->recipients_accepted++;
    else if (reply[0] == '4')
        counters->recipients_deferred++;
    else
        count_refused(peer);
    if (reply[0] != '2' && /* servers count what they put off too */
        ++peer->rejects > peer->worker->world->lanes[peer_host(peer)->lane].caps.rejects)
        worker_break(peer->worker, peer->host, BREAK_REJECTS);
    text_init(&out, (size_t)STREAM_LINE_MAX * 2);
    decorate(&out, peer_play(peer)->reply, reply);
    peer_say(peer, out.bytes);
    text_free(&out);
}

static void answer_expanded(struct smtp_peer *peer, const char *pattern, const char *recipient)
{
    struct reply_words words = {
        .host = peer_host(peer)->name, .recipient = recipient, .client = "127.0.0.1"};
    struct text out;

    text_init(&out, STREAM_LINE_MAX);
    reply_expand(&out, pattern, &words);
    answer_text(peer, out.bytes);
    text_free(&out);
}

static void answer(struct smtp_peer *peer, enum reply_topic topic, const char *recipient)
{
    struct reply_words words = {.host = peer_host(peer)->name,
                                .recipient = recipient,
                                .client = "127.0.0.1",
                                .greylist_s = peer->worker->world->settings.greylist_s};
    struct text out;

    text_init(&out, STREAM_LINE_MAX);
    reply_say(&out, (enum reply_style)peer_host(peer)->style, topic, &words);
    answer_text(peer, out.bytes);
    text_free(&out);
}

/* First contact of this sender and recipient, or too soon after it? */
static bool still_grey(struct smtp_peer *peer, const char *recipient)
{
    uint64_t key = peer->sender * 31 + text_hash_nocase(recipient, strlen(recipient));
    uint64_t age_ms =
        memory_age_ms(&peer->worker->memory, peer->worker->board->epoch, key, clock_now_ms());

    return age_ms < (uint64_t)peer->worker->world->settings.greylist_s * 1000;
}

/* No reply, for ever. */
static void stall(struct smtp_peer *peer) { peer->broken = peer->mute = true; }

/* True = the fault of this mailbox has struck; it does so once. */
static bool fault_strikes(struct smtp_peer *peer, const struct lab_mailbox *mailbox)
{
    uint64_t key =
        0x6661756c74u + (uint64_t)(mailbox - peer->worker->world->mailboxes) * 0x9e3779b97f4a7c15u;

    if (mailbox->fault == FAULT_NONE ||
        memory_age_ms(&peer->worker->memory, peer->worker->board->epoch, key, clock_now_ms()) > 0)
        return false;
    if (mailbox->fault == FAULT_DROP)
        stream_drop(&peer->stream);
    else if (mailbox->fault == FAULT_BUSY)
        peer_say_421(peer, "421 4.3.2 Service shutting down");
    else
        stall(peer);
    return true;
}

static void answer_bare(struct smtp_peer *peer)
{
    const char *refusal = peer_play(peer)->refusal;

    answer_text(peer, refusal != NULL ? refusal : bare_550);
}

static void answer_by_class(struct smtp_peer *peer, enum mailbox_class class, const char *recipient)
{
    enum recipient_play play = peer_play(peer)->recipient;

    if (play == RECIPIENT_FORWARDS && class == MAILBOX_KNOWN)
        answer_text(peer, "251 2.1.5 User not local; will forward");
    else if (play == RECIPIENT_BARE && class == MAILBOX_UNKNOWN)
        answer_bare(peer);
    else if (play == RECIPIENT_HARVEST && class == MAILBOX_UNKNOWN &&
             peer->worker->board->host_counters[peer->host].refused >= HARVEST_MAX)
        answer(peer, SAY_ACCEPTED, recipient);
    else
        answer(peer, class_topics[class], recipient);
}

static void answer_by_play(struct smtp_peer *peer, enum mailbox_class class, const char *recipient)
{
    switch (peer_play(peer)->recipient) {
    case RECIPIENT_TRUTHFUL:
    case RECIPIENT_FORWARDS:
    case RECIPIENT_BARE:
    case RECIPIENT_HARVEST:
        answer_by_class(peer, class, recipient);
        return;
    case RECIPIENT_ANYBODY:
        answer(peer, SAY_ACCEPTED, recipient);
        return;
    case RECIPIENT_CANNOT_TELL:
        answer_text(peer, "252 2.5.2 Cannot verify the user, but will take the message and try");
        return;
    case RECIPIENT_GREY_KNOWN:
        if (class == MAILBOX_KNOWN && still_grey(peer, recipient))
            answer(peer, SAY_GREYLISTED, recipient);
        else
            answer_by_class(peer, class, recipient);
        return;
    case RECIPIENT_GREY_ALL:
        if (still_grey(peer, recipient))
            answer(peer, SAY_GREYLISTED, recipient);
        else
            answer_by_class(peer, class, recipient);
        return;
    case RECIPIENT_VERIFYING:
        if (still_grey(peer, recipient))
            answer_expanded(peer, verifying_450, recipient);
        else
            answer_by_class(peer, class, recipient);
        return;
    case RECIPIENT_TEMPORARY:
        answer(peer, SAY_TEMPORARY, recipient);
        return;
    case RECIPIENT_BLOCKED:
        answer_expanded(peer, blocked_554, recipient);
        return;
    case RECIPIENT_RELAY_DENIED:
        answer(peer, SAY_RELAY_DENIED, recipient);
        return;
    case RECIPIENT_BARE_ALL:
        answer_bare(peer);
        return;
    case RECIPIENT_SCREENED:
        if (peer->screened)
            answer_text(peer, screened_450);
        else
            answer_by_class(peer, class, recipient);
        return;
    case RECIPIENT_SILENT:
        stall(peer);
        return;
    }
}

/* The last '@' outside quotes. */
static char *find_at(char *address)
{
    char *at = NULL;
    bool quoted = false;

    for (char *c = address; *c != '\0'; c++) {
        if (*c == '\\' && quoted && c[1] != '\0')
            c++;
        else if (*c == '"')
            quoted = !quoted;
        else if (*c == '@' && !quoted)
            at = c;
    }
    return at;
}

/* With SMTPUTF8 a domain may come in U-labels. */
static const struct lab_domain *find_domain(const struct world *world, const char *name)
{
    const struct lab_domain *domain = world_find_domain(world, name);
    char *ascii = NULL;

    if (domain == NULL && idn2_to_ascii_8z(name, &ascii, IDN2_NONTRANSITIONAL) == IDN2_OK)
        domain = world_find_domain(world, ascii);
    idn2_free(ascii);
    return domain;
}

void peer_recipient(struct smtp_peer *peer, const char *path)
{
    const struct world *world = peer->worker->world;
    char address[LOCAL_MAX];

    size_t length = strlen(path);
    if (length >= sizeof(address)) {
        answer_text(peer, "501 5.1.3 Path too long");
        return;
    }
    memcpy(address, path, length + 1);
    char *at = find_at(address);
    const struct lab_domain *domain = at != NULL ? find_domain(world, at + 1) : NULL;
    if (domain == NULL || !world_serves(world, peer_host(peer), domain)) {
        answer(peer, SAY_RELAY_DENIED, path);
        return;
    }
    *at = '\0';
    const struct lab_mailbox *mailbox = world_find_mailbox(world, domain, address);
    if (mailbox != NULL && fault_strikes(peer, mailbox))
        return;
    enum mailbox_class class =
        mailbox != NULL ? (enum mailbox_class)mailbox->class : MAILBOX_UNKNOWN;
    if (text_equal_nocase(address, "postmaster"))
        class = MAILBOX_KNOWN; /* RFC 5321 section 4.5.1 */
    answer_by_play(peer, class, path);
}
