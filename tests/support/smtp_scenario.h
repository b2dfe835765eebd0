/* smtp_scenario.h - SMTP conversations as text: played against the pure dialog, and by a scripted
 * server against the real session.
 *
 *   ask recipient bob@example.com [from=me@probe.example] [utf8] [again] [pause] [last]
 *                        what the owner wants to know, in this order; then it quits
 *   hello NAME           how we call ourselves (probe.example); "-" = no name
 *   in_clear             STARTTLS failed here before
 *   patience quit 150    milliseconds, where the server is to be waited out; else greeting, command
 *                        or recipient
 *   S 220 mx             the server says this line; S and I lines in a row leave in one write
 *   I 250 surplus        the same, where nobody asked for it
 *   P 220 m              octets without a line end, in a write of their own
 *   C EHLO probe.example the client says this; C lines in a row are one group
 *   T ok | fail | silence    a handshake that works, breaks, or is not answered
 *   X close | reset | silence | flood | drip    how the server ends it
 *   = key=value ...      what must come out
 *
 * Escapes: \r \n \t \\ \xNN, and {word*9} is nine times "word". In values _ is a space, - nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/base/evidence.h"

enum { SMTP_SCENARIO_LINES_MAX = 96, SMTP_SCENARIO_ASKS_MAX = 8, SMTP_SCENARIOS_MAX = 160 };

struct smtp_scenario_ask {
    char *name, *recipient, *from; /* owned */
    bool smtputf8, seen_before, pause, last;
};

struct smtp_scenario_line {
    char kind;   /* S I P C T X */
    char *bytes; /* owned; with a line end where the kind has one */
    size_t length;
};

struct smtp_scenario {
    char *name;  /* file name without folder */
    char *hello; /* owned */
    bool in_clear;
    uint32_t greeting_ms, command_ms, recipient_ms, quit_ms; /* 0: no limit that matters */
    size_t ask_count, line_count;
    struct smtp_scenario_ask asks[SMTP_SCENARIO_ASKS_MAX];
    struct smtp_scenario_line lines[SMTP_SCENARIO_LINES_MAX];
    char *expected; /* owned */
};

/* What came out of a run. */
struct smtp_outcome {
    size_t answer_count;
    struct {
        enum reply_class class;
        enum smtp_stage stage;
        uint16_t code;
    } answers[SMTP_SCENARIO_ASKS_MAX];
    enum smtp_end end;
    enum smtp_stage stage;
    enum reply_class reply; /* of the refusal */
    bool task_open;
    unsigned turns;
    bool live;                  /* the following are known only then */
    struct smtp_server *server; /* may be NULL */
    const char *left; /* how the client hung up: "orderly", "reset", "-" when it did not */
};

/* Every *.txt of the folder in order of names; 0 when one cannot be read (the reason is printed).
 */
size_t smtp_scenarios_load(const char *folder, struct smtp_scenario *scenarios, size_t size);
void smtp_scenario_free(struct smtp_scenario *scenario);

/* "" when the outcome is as expected, else the first difference; static text. Keys: the names of
 * the asks (class, "@stage" behind it unless that is rcpt, "-" = no answer), end, stage, reply,
 * open, turns; and of live runs tls, findings, software, banner, extensions, esmtp, left. */
const char *smtp_scenario_difference(const struct smtp_scenario *scenario,
                                     const struct smtp_outcome *outcome);
