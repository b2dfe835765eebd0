/* loop.h - descriptors, timers and mail between threads: the only header over libev.
 *
 * Contract
 *  - A loop belongs to the thread that runs it. Everything here is called on that
 *    thread, except loop_post() and loop_stop(), which any thread may call.
 *  - Watchers are embedded in the caller's structs. To end one: stop it, then free
 *    the struct at once; no callback of a stopped watcher comes later.
 *  - Callbacks may stop or free any watcher, their own included. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct loop;

struct loop *loop_new(void);
void loop_free(struct loop **loop);    /* after loop_run has returned; NULL is fine */
void loop_run(struct loop *loop);      /* until loop_stop() */
void loop_run_once(struct loop *loop); /* handle what is ready, do not wait: for tests */
void loop_stop(struct loop *loop);

/* Monotonic time as of this turn of the loop (clock_now_ms read once a turn). */
uint64_t loop_now_ms(const struct loop *loop);

/* --- timers ------------------------------------------------------------- */

typedef void loop_timer_fn(void *context);

struct loop_timer {
    ev_timer watcher;
    loop_timer_fn *fn;
    void *context;
    struct loop *loop;
};

/* In a turn that comes late, what has arrived on descriptors is told before timers are. */
void loop_timer_init(struct loop_timer *timer, struct loop *loop, loop_timer_fn *fn, void *context);
void loop_timer_start(struct loop_timer *timer, uint64_t after_ms); /* restarts a running one */
void loop_timer_stop(struct loop_timer *timer); /* a stopped or zeroed one is fine */
bool loop_timer_running(const struct loop_timer *timer);

/* Of a hundred timers ninety-nine were called at most so many milliseconds late, of late. Any
 * thread. */
uint32_t loop_late_ms(const struct loop *loop);

/* --- descriptors -------------------------------------------------------- */

typedef void loop_io_fn(void *context, bool readable, bool writable);

struct loop_io {
    ev_io watcher;
    loop_io_fn *fn;
    void *context;
    struct loop *loop;
};

void loop_io_init(struct loop_io *io, struct loop *loop, int fd, loop_io_fn *fn, void *context);
void loop_io_want(struct loop_io *io, bool readable, bool writable); /* both false = stop */
void loop_io_stop(struct loop_io *io); /* before close(2); a stopped or zeroed one is fine */

/* --- heavy work: a few pieces a turn, so that timers stay punctual ---------- */

typedef void loop_heavy_fn(void *context);

/* Embedded in whoever waits for his turn. Zeroed is not waiting. */
struct loop_heavy {
    struct loop_heavy *prev, *next; /* prev is NULL for who does not wait */
    loop_heavy_fn *fn;
    void *context;
    struct loop *loop;
};

enum loop_heavy_place {
    LOOP_HEAVY_LAST, /* first come, first served */
    LOOP_HEAVY_FIRST /* for who has begun and holds memory until he has done */
};

/* True: go on at once, this turn has room and nobody waits. */
bool loop_heavy_take(struct loop *loop);
/* Calls `fn` in a turn that has room for it; the loop does not sleep until then. A descriptor
 * should not be watched meanwhile: it would be looked at in every turn. */
void loop_heavy_wait(struct loop_heavy *heavy, struct loop *loop, enum loop_heavy_place place,
                     loop_heavy_fn *fn, void *context);
void loop_heavy_stop(struct loop_heavy *heavy); /* one that does not wait is fine */

/* --- mail: work that travels to its owner -------------------------------- */

struct loop_mail;
typedef void loop_mail_fn(struct loop_mail *mail);

/* Embedded in the thing that travels, so a hand-over cannot fail. */
struct loop_mail {
    struct loop_mail *next;
    loop_mail_fn *deliver;
};

/* `deliver` runs on the loop's thread, in posting order per sender. Any thread.
 * The mail belongs to the loop until `deliver` is called. */
void loop_post(struct loop *loop, struct loop_mail *mail, loop_mail_fn *deliver);
/* The same from a callback of `here`: a wake-up costs more than most of what it is for, so the loop
 * gets one at the end of this turn, for all that was posted in it. Until then nobody may wait for
 * the other. */
void loop_post_from(struct loop *here, struct loop *loop, struct loop_mail *mail,
                    loop_mail_fn *deliver);
/* The same from the loop's own thread, without waking anything: after this callback, this turn. */
void loop_defer(struct loop *loop, struct loop_mail *mail, loop_mail_fn *deliver);

/* --- signals (the main loop only) ---------------------------------------- */

struct loop_signal {
    ev_signal watcher;
    void (*fn)(void *context, int number);
    void *context;
    struct loop *loop;
};

void loop_signal_start(struct loop_signal *signal, struct loop *loop, int number,
                       void (*fn)(void *context, int number), void *context);
void loop_signal_stop(struct loop_signal *signal);
