#include "tests/lab/unforeseen.h"

#include <stdbool.h>
#include <stdlib.h>

#include "probes/base/mem.h"
#include "tests/lab/random.h"

enum { ORDERS_MAX = 64, ORDERS_MIN = 4, STEPS_WANTED = 200000 };

enum fate { FATE_ANSWERED, FATE_DROP, FATE_BUSY, FATE_STALL };

struct question {
    uint8_t fate; /* of the first time it is asked */
    bool refused; /* when it is answered */
};

struct connection {
    uint64_t free_ms;
    uint32_t recipients, refusals; /* of its session */
    bool open;
};

struct play {
    const struct questions *questions;
    struct connection *connections;
    uint32_t count;
    uint64_t sessions;
};

static void shuffle(struct question *items, size_t count, struct dice *dice)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = dice_below(dice, (uint32_t)i);
        struct question kept = items[i - 1];

        items[i - 1] = items[other];
        items[other] = kept;
    }
}

/* Whoever is refused in the end is as likely to meet a fault as anybody. */
static struct question *deal(const struct questions *questions, size_t count, struct dice *dice)
{
    struct question *items = mem_array(struct question, count);
    size_t drops = questions->drops, busies = drops + questions->busies,
           stalls = busies + questions->stalls;

    for (size_t i = 0; i < count; i++)
        items[i].refused = i < questions->refused;
    shuffle(items, count, dice);
    for (size_t i = 0; i < stalls; i++)
        items[i].fate = i < drops ? FATE_DROP : i < busies ? FATE_BUSY : FATE_STALL;
    return items;
}

static void ask(struct play *play, struct connection *at, enum fate fate)
{
    const struct questions *questions = play->questions;

    if (!at->open) {
        *at = (struct connection){.free_ms = at->free_ms + questions->open_ms, .open = true};
        play->sessions++;
    }
    if (fate != FATE_DROP) /* closed at once */
        at->free_ms += at->recipients == 0 ? questions->first_ms : questions->turn_ms;
    if (fate == FATE_STALL)
        at->free_ms += questions->stall_ms;
    at->recipients++;
    at->open = fate == FATE_ANSWERED;
}

/* Who is free first, or who can ask first: a session that is still open needs no greeting. */
enum choice { CHOOSE_FREE, CHOOSE_READY };

static uint64_t due_ms(const struct play *play, const struct connection *at, enum choice choice)
{
    return at->free_ms + (choice == CHOOSE_READY && !at->open ? play->questions->open_ms : 0);
}

static struct connection *choose(const struct play *play, enum choice choice)
{
    struct connection *first = play->connections;

    for (uint32_t i = 1; i < play->count; i++)
        if (due_ms(play, &play->connections[i], choice) < due_ms(play, first, choice))
            first = &play->connections[i];
    return first;
}

/* All of them in this order; returns when the last is answered. */
static uint64_t run(struct play *play, const struct question *items, size_t count,
                    enum choice choice)
{
    const struct questions *questions = play->questions;
    uint64_t last_ms = 0;

    play->sessions = 0;
    for (uint32_t i = 0; i < play->count; i++)
        play->connections[i] = (struct connection){.open = false};
    for (size_t i = 0; i < count; i++) {
        struct connection *at = choose(play, choice);

        if (items[i].fate != FATE_ANSWERED)
            ask(play, at, (enum fate)items[i].fate);
        ask(play, at, FATE_ANSWERED);
        at->refusals += items[i].refused;
        if (at->recipients == questions->recipients_max || at->refusals == questions->refusals_max)
            at->open = false;
        if (at->free_ms > last_ms)
            last_ms = at->free_ms;
    }
    return last_ms;
}

static size_t orders_for(size_t count)
{
    size_t orders = STEPS_WANTED / (count + 1);

    return orders > ORDERS_MAX ? ORDERS_MAX : orders < ORDERS_MIN ? ORDERS_MIN : orders;
}

struct unforeseen unforeseen_of(const struct questions *questions, uint32_t connections)
{
    size_t count = questions->accepted + questions->refused, orders = orders_for(count);
    struct dice dice = {count};
    struct question *items = deal(questions, count, &dice);
    struct play play = {.questions = questions,
                        .connections = mem_array(struct connection, connections),
                        .count = connections};
    uint64_t sum_ms = 0, sessions = 0;

    for (size_t i = 0; i < orders; i++) {
        shuffle(items, count, &dice);
        uint64_t free_ms = run(&play, items, count, CHOOSE_FREE);
        sessions += play.sessions;
        uint64_t ready_ms = run(&play, items, count, CHOOSE_READY);
        sum_ms += free_ms < ready_ms ? free_ms : ready_ms;
    }
    free(play.connections);
    free(items);
    return (struct unforeseen){.sessions = sessions / orders, .time_ms = sum_ms / orders};
}
