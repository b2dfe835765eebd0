/* vrfyd check: verdicts for addresses given as words or on stdin, in input order. The engine runs
 * in this process; a window bounds what is under way. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/cli.h"
#include "api/cli_render.h"
#include "api/json_in.h"
#include "probes/base/clock.h"
#include "probes/base/mem.h"
#include "service/engine.h"

enum {
    WINDOW = 512,              /* addresses under way, or done and waiting for an earlier one */
    DEADLINE_CHECK_MS = 30000, /* somebody watches, but wants an answer more than a fast one */
    DEADLINE_CHECK_MAX_MS = 600000,
    INPUT_SIZE = 65536,
    PROGRESS_MS = 500,
    PROGRESS_AFTER_MS = 2000,
    ALONE_MAX = 4 /* so few addresses need one probe thread only */
};

struct slot {
    struct check_run *run;
    struct verify_answer *answer; /* NULL = still under way */
};

struct check_run {
    struct config config;
    struct policies policies;
    struct loop *loop;
    struct engine *engine;

    /* options */
    bool json, smtp, imap;
    const char *policy_name, *explain_name;
    uint32_t deadline_ms, max_age_s;
    const struct policy *policy;
    enum explain explain;

    /* where addresses come from */
    struct cli_words words;
    size_t next_word;
    bool from_stdin, at_end, unreadable;
    struct loop_io input;
    char *buffer;
    size_t buffered;
    bool skipping; /* inside a line that is too long */
    size_t line_number, skipped;

    /* what is under way: numbers printed..submitted, at number % WINDOW */
    struct slot slots[WINDOW];
    size_t submitted, printed;
    size_t by_status[STATUS_COUNT];

    bool over; /* interrupted, or nobody reads: what still comes is neither printed nor followed */
    struct cli_interrupt interrupt;

    bool colours, progress, progress_shown;
    uint64_t begun_ms;
    struct loop_timer tick;
};

/* --- output ------------------------------------------------------------------------- */

static void clear_progress(struct check_run *run)
{
    if (run->progress_shown)
        fputs("\r\033[K", stderr);
    run->progress_shown = false;
}

static void show_progress(void *context)
{
    struct check_run *run = context;
    uint64_t past_ms = clock_now_ms() - run->begun_ms;

    fprintf(stderr, "\r\033[K%zu done, %zu under way, %.0f/s", run->printed,
            run->submitted - run->printed,
            past_ms > 0 ? 1000.0 * (double)run->printed / (double)past_ms : 0);
    fflush(stderr);
    run->progress_shown = true;
    loop_timer_start(&run->tick, PROGRESS_MS);
}

static void print_answer(struct check_run *run, struct verify_answer *answer)
{
    clear_progress(run);
    if (run->json) {
        printf("%s\n", answer->document);
    } else {
        if (run->printed > 0)
            putchar('\n');
        render_verdict(stdout, answer->document, run->colours);
    }
    run->by_status[answer->status]++;
}

/* In input order: what is done and first in line. */
static void print_ready(struct check_run *run)
{
    while (run->printed < run->submitted) {
        struct slot *slot = &run->slots[run->printed % WINDOW];

        if (slot->answer == NULL)
            break;
        print_answer(run, slot->answer);
        engine_answer_free(&slot->answer);
        run->printed++;
    }
    if (!cli_flush()) {
        run->over = true;
        loop_stop(run->loop);
    }
}

/* --- asking -------------------------------------------------------------------------- */

static void go_on(struct check_run *run);

static void on_verdict(void *context, struct verify_answer *answer)
{
    struct slot *slot = context;
    struct check_run *run = slot->run;

    slot->answer = answer;
    if (!run->over)
        print_ready(run);
    if (!run->over)
        go_on(run);
}

static void ask(struct check_run *run, const char *email, size_t length)
{
    struct slot *slot = &run->slots[run->submitted++ % WINDOW];
    const struct verify_request request = {
        .email = email,
        .email_length = length,
        .smtp = run->smtp,
        .imap = run->imap,
        .explain = run->explain,
        .received_ms = clock_now_ms(),
        .deadline_ms = run->deadline_ms,
        .max_age_s = run->max_age_s,
        .policy = run->policy,
        .bulk = run->from_stdin,
    };

    slot->run = run;
    engine_submit(run->engine, run->loop, &request, on_verdict, slot);
}

static bool has_room(const struct check_run *run) { return run->submitted - run->printed < WINDOW; }

/* --- where addresses come from --------------------------------------------------------- */

static void skip_line(struct check_run *run)
{
    clear_progress(run);
    cli_error(0, "line %zu is longer than %d octets and was skipped", run->line_number,
              ENGINE_EMAIL_MAX);
    run->skipped++;
}

static void take_line(struct check_run *run, const char *text, size_t length)
{
    run->line_number++;
    if (length > 0 && text[length - 1] == '\r')
        length--;
    if (length > ENGINE_EMAIL_MAX)
        skip_line(run);
    else if (length > 0)
        ask(run, text, length);
}

/* Whole lines out of the buffer, while there is room. */
static void take_lines(struct check_run *run)
{
    size_t done = 0;

    while (has_room(run)) {
        char *start = run->buffer + done;
        char *end = memchr(start, '\n', run->buffered - done);

        if (end == NULL)
            break;
        if (run->skipping)
            run->skipping = false;
        else
            take_line(run, start, (size_t)(end - start));
        done = (size_t)(end + 1 - run->buffer);
    }
    memmove(run->buffer, run->buffer + done, run->buffered - done);
    run->buffered -= done;
    if (run->buffered == INPUT_SIZE && has_room(run)) { /* no line ends in all of it */
        if (!run->skipping) {
            run->line_number++;
            skip_line(run);
        }
        run->skipping = true;
        run->buffered = 0;
    }
    if (run->at_end && run->buffered > 0 && has_room(run) &&
        memchr(run->buffer, '\n', run->buffered) == NULL) {
        if (!run->skipping)
            take_line(run, run->buffer, run->buffered);
        run->buffered = 0;
    }
}

static void on_input(void *context, bool readable, bool writable)
{
    struct check_run *run = context;
    ssize_t length = read(STDIN_FILENO, run->buffer + run->buffered, INPUT_SIZE - run->buffered);

    (void)readable;
    (void)writable;
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length < 0)
        run->unreadable = !cli_error(false, "cannot read stdin: %s", strerror(errno));
    if (length <= 0)
        run->at_end = true;
    else
        run->buffered += (size_t)length;
    go_on(run);
}

static void go_on(struct check_run *run)
{
    if (run->from_stdin)
        take_lines(run);
    for (; run->next_word < run->words.count && has_room(run); run->next_word++)
        ask(run, run->words.items[run->next_word], strlen(run->words.items[run->next_word]));
    if (run->from_stdin)
        loop_io_want(&run->input, !run->at_end && run->buffered < INPUT_SIZE, false);
    if (run->printed == run->submitted && run->next_word == run->words.count &&
        (!run->from_stdin || (run->at_end && run->buffered == 0)))
        loop_stop(run->loop);
}

/* --- the run ------------------------------------------------------------------------------ */

static bool read_words(struct check_run *run)
{
    static const char *const explains[] = {"none", "evidence", "transcript"};
    size_t i = 0;

    run->policy = policy_find(&run->policies, run->policy_name);
    if (run->policy == NULL)
        return cli_error(false, "--policy: there is no policy \"%.80s\"", run->policy_name);
    while (i < ARRAY_LENGTH(explains) && strcmp(explains[i], run->explain_name) != 0)
        i++;
    if (i == ARRAY_LENGTH(explains))
        return cli_error(false, "--explain: \"%.80s\" is not none, evidence or transcript",
                         run->explain_name);
    run->explain = (enum explain)i;
    for (i = 0; i < run->words.count; i++)
        if (strlen(run->words.items[i]) > ENGINE_EMAIL_MAX)
            return cli_error(false, "address %zu is longer than %d octets", i + 1,
                             ENGINE_EMAIL_MAX);
    run->from_stdin = run->words.count == 0;
    if (run->words.count == 1 && strcmp(run->words.items[0], "-") == 0) {
        run->from_stdin = true;
        run->words.count = 0;
    }
    if (run->from_stdin && isatty(STDIN_FILENO))
        fputs("vrfyd: reading addresses from the terminal, one per line; Ctrl-D ends\n", stderr);
    return true;
}

static void open_input(struct check_run *run)
{
    run->colours = cli_has_colours(stdout);
    run->progress = run->from_stdin && isatty(STDERR_FILENO) && !isatty(STDIN_FILENO);
    run->begun_ms = clock_now_ms();
    loop_timer_init(&run->tick, run->loop, show_progress, run);
    if (run->progress)
        loop_timer_start(&run->tick, PROGRESS_AFTER_MS);
    if (!run->from_stdin)
        return;
    run->buffer = mem_zeroed(INPUT_SIZE, 1);
    loop_io_init(&run->input, run->loop, STDIN_FILENO, on_input, run);
    loop_io_want(&run->input, true, false);
}

static int exit_status(const struct check_run *run)
{
    if (run->unreadable)
        return CLI_CANNOT_RUN;
    if (run->by_status[STATUS_UNDELIVERABLE] > 0)
        return CLI_UNDELIVERABLE;
    if (run->by_status[STATUS_RISKY] + run->by_status[STATUS_UNKNOWN] > 0)
        return CLI_UNDECIDED;
    return run->skipped > 0 ? CLI_USAGE : CLI_OK;
}

static int check_all(struct check_run *run)
{
    char error[768];

    cli_raise_descriptors();
    if (!run->from_stdin && run->words.count <= ALONE_MAX && run->config.loops == 0)
        run->config.loops = 1;
    run->loop = loop_new();
    run->engine = engine_start(&run->config, &run->policies, error, sizeof(error));
    if (run->engine == NULL) {
        loop_free(&run->loop);
        return cli_error(CLI_CANNOT_RUN, "%s", error);
    }
    cli_interrupt_start(&run->interrupt, run->loop);
    open_input(run);
    go_on(run);
    loop_run(run->loop);
    run->over = true;
    clear_progress(run);
    loop_timer_stop(&run->tick);
    loop_io_stop(&run->input);
    engine_stop(&run->engine);
    loop_run_once(run->loop); /* answers to what was cut */
    for (size_t i = 0; i < WINDOW; i++)
        engine_answer_free(&run->slots[i].answer);
    cli_interrupt_stop(&run->interrupt);
    loop_free(&run->loop);
    free(run->buffer);
    cli_interrupt_end(&run->interrupt);
    return exit_status(run);
}

int cli_check(int argc, char **argv)
{
    struct check_run *run = mem_new(struct check_run);
    const struct cli_option options[] = {
        {"--json", CLI_SWITCH, &run->json, 0, 0, "one JSON object per line instead of a block"},
        {"--policy", CLI_TEXT, &run->policy_name, 0, 0,
         "whose action is shown: default (if not given), signup, strict, or your own"},
        {"--no-smtp", CLI_SWITCH, &run->smtp, 0, 0, "do not ask mail servers"},
        {"--no-imap", CLI_SWITCH, &run->imap, 0, 0, "do not look for IMAP"},
        {"--explain", CLI_TEXT, &run->explain_name, 0, 0, "none, evidence (default) or transcript"},
        {"--deadline-ms", CLI_NUMBER, &run->deadline_ms, DEADLINE_MIN_MS, DEADLINE_CHECK_MAX_MS,
         "longest wait for each verdict; default 30000"},
        {"--max-age-s", CLI_NUMBER, &run->max_age_s, 0, MAX_AGE_MAX_S,
         "oldest evidence that is still good enough; default 86400"},
        {NULL, CLI_SWITCH, NULL, 0, 0, NULL},
    };
    const struct cli_command command = {
        "check", "[OPTIONS] [SETTINGS] [ADDRESS...]",
        "Verifies addresses, given here or one per line on stdin.\n"
        "Exit status: 0 all deliverable, 1 some undeliverable, 4 no worse than risky or unknown,\n"
        "2 usage, 3 could not run.",
        options};
    char error[512];
    int status;

    run->smtp = run->imap = true;
    run->policy_name = "default";
    run->explain_name = "evidence";
    run->deadline_ms = DEADLINE_CHECK_MS;
    run->max_age_s = MAX_AGE_DEFAULT_S;
    if (cli_parse(&command, argc, argv, &run->config, &run->words, &status)) {
        cli_quiet_log(&run->config);
        if (!policies_load(&run->policies, run->config.policies_file, error, sizeof(error)))
            status = cli_error(CLI_CANNOT_RUN, "%s", error);
        else
            status = read_words(run) ? check_all(run) : CLI_USAGE;
        policies_free(&run->policies);
        free(run->words.items);
        config_free(&run->config);
    }
    free(run);
    return status;
}
