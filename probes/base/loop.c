#include "probes/base/loop.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <utlist.h>

#include "probes/base/clock.h"
#include "probes/base/mem.h"

enum {
    WAKES_MAX = 8,
    MAIL_TURN_MS = 3,          /* so long a turn delivers mail */
    MAIL_BURST = 8,            /* between two looks at the clock */
    HEAVY_PER_TURN = 8,        /* at about 0.3 ms each */
    LATE_STEPS = 64,           /* of a millisecond; the last holds all beyond */
    LATE_REMEMBERED = 1 << 17, /* calls; then all counts are halved */
    PRIORITY_IO = 1,           /* before timers: what has arrived is not too late */
};

struct loop {
    struct ev_loop *ev;
    ev_async wake;
    ev_async deferred; /* never started: only fed, so that its callback runs this turn */
    ev_check turn;
    ev_prepare turn_end;
    struct loop *wakes[WAKES_MAX]; /* loops that got mail from this turn and may not know yet */
    unsigned wake_count;
    ev_idle heavy_turn;       /* while somebody waits */
    struct loop_heavy *heavy; /* who waits, in order */
    unsigned heavy_left;      /* of this turn */
    uint64_t now_ms;
    _Atomic(struct loop_mail *) inbox;  /* newest first; reversed on delivery */
    struct loop_mail *mail, *mail_last; /* taken from the inbox, oldest first */
    struct loop_mail *later, **later_tail;
    atomic_bool stopping;
    /* calls of timers by how late they came; written by the loop's thread alone */
    _Atomic uint32_t late[LATE_STEPS];
    uint32_t late_count;
};

static void deliver_first(struct loop_mail **mail)
{
    struct loop_mail *first = *mail;

    *mail = first->next; /* deliver may free or repost it */
    first->next = NULL;
    first->deliver(first);
}

/* What has been posted since, behind what is still to be delivered. */
static void take_inbox(struct loop *loop)
{
    struct loop_mail *newest = atomic_exchange(&loop->inbox, NULL), *oldest = NULL;

    if (newest == NULL)
        return;
    struct loop_mail *last = newest;
    while (newest != NULL) {
        struct loop_mail *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    *(loop->mail != NULL ? &loop->mail_last->next : &loop->mail) = oldest;
    loop->mail_last = last;
}

/* A flood of mail waits for timers and descriptors: it goes on in the next turn. */
static void on_wake(struct ev_loop *ev, ev_async *wake, int events)
{
    struct loop *loop = wake->data;
    uint64_t until_ms = clock_now_ms() + MAIL_TURN_MS;

    (void)events;
    take_inbox(loop);
    while (loop->mail != NULL) {
        for (unsigned i = 0; i < MAIL_BURST && loop->mail != NULL; i++)
            deliver_first(&loop->mail);
        if (clock_now_ms() >= until_ms && !atomic_load(&loop->stopping))
            break;
    }
    if (loop->mail != NULL)
        ev_async_send(ev, wake);
    else if (atomic_load(&loop->stopping))
        ev_break(ev, EVBREAK_ALL);
}

static void on_deferred(struct ev_loop *ev, ev_async *deferred, int events)
{
    struct loop *loop = deferred->data;
    struct loop_mail *mail = loop->later;

    (void)ev;
    (void)events;
    loop->later = NULL;
    loop->later_tail = &loop->later;
    while (mail != NULL)
        deliver_first(&mail);
}

static void on_turn(struct ev_loop *ev, ev_check *turn, int events)
{
    struct loop *loop = turn->data;

    (void)ev;
    (void)events;
    loop->now_ms = clock_now_ms();
    loop->heavy_left = HEAVY_PER_TURN;
}

static void on_heavy_turn(struct ev_loop *ev, ev_idle *turn, int events)
{
    struct loop *loop = turn->data;

    (void)ev;
    (void)events;
    while (loop->heavy != NULL && loop->heavy_left > 0) {
        struct loop_heavy *first = loop->heavy;

        loop->heavy_left--;
        loop_heavy_stop(first);
        first->fn(first->context);
    }
}

static void wake(struct loop *loop) { ev_async_send(loop->ev, &loop->wake); }

static void send_wakes(struct loop *loop)
{
    for (unsigned i = 0; i < loop->wake_count; i++)
        wake(loop->wakes[i]);
    loop->wake_count = 0;
}

static void on_turn_end(struct ev_loop *ev, ev_prepare *turn_end, int events)
{
    (void)ev;
    (void)events;
    send_wakes(turn_end->data);
}

struct loop *loop_new(void)
{
    struct loop *loop = mem_new(struct loop);

    loop->ev = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    assert(loop->ev != NULL);
    loop->later_tail = &loop->later;
    loop->now_ms = clock_now_ms();
    ev_async_init(&loop->wake, on_wake);
    loop->wake.data = loop;
    ev_async_start(loop->ev, &loop->wake);
    ev_async_init(&loop->deferred, on_deferred);
    loop->deferred.data = loop;
    ev_check_init(&loop->turn, on_turn);
    ev_set_priority(&loop->turn, EV_MAXPRI); /* before every other callback of the turn */
    loop->turn.data = loop;
    ev_check_start(loop->ev, &loop->turn);
    ev_idle_init(&loop->heavy_turn, on_heavy_turn);
    ev_set_priority(&loop->heavy_turn, EV_MAXPRI); /* in every turn, however busy */
    loop->heavy_turn.data = loop;
    ev_prepare_init(&loop->turn_end, on_turn_end);
    loop->turn_end.data = loop;
    ev_prepare_start(loop->ev, &loop->turn_end);
    return loop;
}

void loop_free(struct loop **loop)
{
    if (*loop == NULL)
        return;
    ev_async_stop((*loop)->ev, &(*loop)->wake);
    ev_check_stop((*loop)->ev, &(*loop)->turn);
    ev_idle_stop((*loop)->ev, &(*loop)->heavy_turn);
    ev_prepare_stop((*loop)->ev, &(*loop)->turn_end);
    ev_loop_destroy((*loop)->ev);
    free(*loop);
    *loop = NULL;
}

static void run(struct loop *loop, int flags)
{
    ev_run(loop->ev, flags);
    send_wakes(loop); /* of the last turn */
}

void loop_run(struct loop *loop)
{
    if (!atomic_load(&loop->stopping))
        run(loop, 0);
}

void loop_run_once(struct loop *loop) { run(loop, EVRUN_NOWAIT); }

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->stopping, true);
    wake(loop);
}

uint64_t loop_now_ms(const struct loop *loop) { return loop->now_ms; }

/* --- timers ------------------------------------------------------------------------- */

static void set_count(_Atomic uint32_t *count, uint32_t value)
{
    atomic_store_explicit(count, value, memory_order_relaxed);
}

static uint32_t get_count(const _Atomic uint32_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

static void note_lateness(struct loop *loop, uint64_t due_ms)
{
    uint64_t now_ms = clock_now_ms(), late_ms = now_ms > due_ms ? now_ms - due_ms : 0;
    _Atomic uint32_t *count = &loop->late[late_ms < LATE_STEPS ? late_ms : LATE_STEPS - 1];

    set_count(count, get_count(count) + 1);
    if (++loop->late_count < LATE_REMEMBERED)
        return;
    loop->late_count /= 2;
    for (size_t i = 0; i < LATE_STEPS; i++)
        set_count(&loop->late[i], get_count(&loop->late[i]) / 2);
}

uint32_t loop_late_ms(const struct loop *loop)
{
    uint64_t total = 0, seen = 0;
    uint32_t late_ms = 0;

    for (size_t i = 0; i < LATE_STEPS; i++)
        total += get_count(&loop->late[i]);
    if (total == 0)
        return 0;
    while (late_ms + 1 < LATE_STEPS && (seen += get_count(&loop->late[late_ms])) * 100 < total * 99)
        late_ms++;
    return late_ms;
}

static void on_timer(struct ev_loop *ev, ev_timer *watcher, int events)
{
    struct loop_timer *timer = CONTAINER_OF(watcher, struct loop_timer, watcher);

    (void)events;
    ev_timer_stop(ev, watcher); /* one shot, though ev_timer_again needs a repeat */
    note_lateness(timer->loop, (uintptr_t)watcher->data);
    timer->fn(timer->context);
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop, loop_timer_fn *fn, void *context)
{
    ev_init(&timer->watcher, on_timer);
    timer->fn = fn;
    timer->context = context;
    timer->loop = loop;
}

void loop_timer_start(struct loop_timer *timer, uint64_t after_ms)
{
    /* libev counts from the start of the turn; a long turn must not shorten the wait. */
    uint64_t now_ms = clock_now_ms(), late_ms = now_ms - timer->loop->now_ms;

    timer->watcher.data = (void *)(uintptr_t)(now_ms + after_ms); /* when it is due */
    if (late_ms > 1 && late_ms < 60000)
        after_ms += late_ms;
    timer->watcher.repeat = after_ms > 0 ? (double)after_ms / 1000.0 : 1e-6;
    ev_timer_again(timer->loop->ev, &timer->watcher);
}

void loop_timer_stop(struct loop_timer *timer)
{
    if (timer->loop != NULL)
        ev_timer_stop(timer->loop->ev, &timer->watcher);
}

bool loop_timer_running(const struct loop_timer *timer)
{
    return timer->loop != NULL && ev_is_active(&timer->watcher);
}

static void on_io(struct ev_loop *ev, ev_io *watcher, int events)
{
    struct loop_io *io = CONTAINER_OF(watcher, struct loop_io, watcher);

    (void)ev;
    io->fn(io->context, (events & EV_READ) != 0, (events & EV_WRITE) != 0);
}

void loop_io_init(struct loop_io *io, struct loop *loop, int fd, loop_io_fn *fn, void *context)
{
    ev_io_init(&io->watcher, on_io, fd, 0);
    ev_set_priority(&io->watcher, PRIORITY_IO);
    io->fn = fn;
    io->context = context;
    io->loop = loop;
}

void loop_io_want(struct loop_io *io, bool readable, bool writable)
{
    int events = (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0);

    if (ev_is_active(&io->watcher) && (io->watcher.events & (EV_READ | EV_WRITE)) == events)
        return;
    ev_io_stop(io->loop->ev, &io->watcher);
    if (events == 0)
        return;
    /* not ev_io_set(): the kernel is told only of what has changed when the turn is over */
    ev_io_modify(&io->watcher, events);
    ev_io_start(io->loop->ev, &io->watcher);
}

void loop_io_stop(struct loop_io *io)
{
    if (io->loop != NULL)
        ev_io_stop(io->loop->ev, &io->watcher);
}

bool loop_heavy_take(struct loop *loop)
{
    if (loop->heavy != NULL || loop->heavy_left == 0)
        return false;
    loop->heavy_left--;
    return true;
}

void loop_heavy_wait(struct loop_heavy *heavy, struct loop *loop, enum loop_heavy_place place,
                     loop_heavy_fn *fn, void *context)
{
    heavy->fn = fn;
    heavy->context = context;
    heavy->loop = loop;
    if (place == LOOP_HEAVY_FIRST)
        DL_PREPEND(loop->heavy, heavy);
    else
        DL_APPEND(loop->heavy, heavy);
    ev_idle_start(loop->ev, &loop->heavy_turn);
}

void loop_heavy_stop(struct loop_heavy *heavy)
{
    if (heavy->prev == NULL)
        return;
    DL_DELETE(heavy->loop->heavy, heavy);
    heavy->prev = NULL;
    if (heavy->loop->heavy == NULL)
        ev_idle_stop(heavy->loop->ev, &heavy->loop->heavy_turn);
}

/* True: the first in there. Only that one has to wake, the inbox carries the rest. */
static bool put_into_inbox(struct loop *loop, struct loop_mail *mail, loop_mail_fn *deliver)
{
    struct loop_mail *newest = atomic_load_explicit(&loop->inbox, memory_order_relaxed);

    mail->deliver = deliver;
    do
        mail->next = newest;
    while (!atomic_compare_exchange_weak(&loop->inbox, &newest, mail));
    return newest == NULL;
}

void loop_post(struct loop *loop, struct loop_mail *mail, loop_mail_fn *deliver)
{
    if (put_into_inbox(loop, mail, deliver))
        wake(loop);
}

/* False: not one more. */
static bool wake_at_turn_end(struct loop *here, struct loop *loop)
{
    for (unsigned i = 0; i < here->wake_count; i++)
        if (here->wakes[i] == loop)
            return true;
    if (here->wake_count == WAKES_MAX)
        return false;
    here->wakes[here->wake_count++] = loop;
    return true;
}

void loop_post_from(struct loop *here, struct loop *loop, struct loop_mail *mail,
                    loop_mail_fn *deliver)
{
    if (put_into_inbox(loop, mail, deliver) && (here == loop || !wake_at_turn_end(here, loop)))
        wake(loop);
}

void loop_defer(struct loop *loop, struct loop_mail *mail, loop_mail_fn *deliver)
{
    mail->deliver = deliver;
    mail->next = NULL;
    *loop->later_tail = mail;
    loop->later_tail = &mail->next;
    ev_feed_event(loop->ev, &loop->deferred, EV_CUSTOM);
}

static void on_signal(struct ev_loop *ev, ev_signal *watcher, int events)
{
    struct loop_signal *signal = CONTAINER_OF(watcher, struct loop_signal, watcher);

    (void)ev;
    (void)events;
    signal->fn(signal->context, watcher->signum);
}

void loop_signal_start(struct loop_signal *signal, struct loop *loop, int number,
                       void (*fn)(void *context, int number), void *context)
{
    signal->fn = fn;
    signal->context = context;
    signal->loop = loop;
    ev_signal_init(&signal->watcher, on_signal, number);
    ev_signal_start(loop->ev, &signal->watcher);
}

void loop_signal_stop(struct loop_signal *signal)
{
    if (signal->loop != NULL)
        ev_signal_stop(signal->loop->ev, &signal->watcher);
}
