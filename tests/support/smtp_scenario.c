#include "tests/support/smtp_scenario.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"

enum { EXPANDED_MAX = 1 << 18, LINE_SIZE = 1024 };

/* --- reading ----------------------------------------------------------------- */

static unsigned hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *at = c != '\0' ? strchr(digits, c) : NULL;

    return at != NULL ? (unsigned)(at - digits) : 0;
}

static const char *unescape(struct text *out, const char *at)
{
    switch (at[1]) {
    case 'r':
        text_char(out, '\r');
        return at + 2;
    case 'n':
        text_char(out, '\n');
        return at + 2;
    case 't':
        text_char(out, '\t');
        return at + 2;
    case 'x':
        text_char(out, (char)(hex_digit(at[2]) * 16 + hex_digit(at[3])));
        return at + 4;
    default:
        text_char(out, at[1]);
        return at + 2;
    }
}

/* "{word*9}" nine times; escapes inside are still escapes. */
static char *repeat(const char *at)
{
    const char *open, *star, *close;
    struct text out;

    text_init(&out, EXPANDED_MAX);
    while ((open = strchr(at, '{')) != NULL && (star = strchr(open, '*')) != NULL &&
           (close = strchr(star, '}')) != NULL) {
        text_add(&out, at, (size_t)(open - at));
        for (long times = strtol(star + 1, NULL, 10); times > 0; times--)
            text_add(&out, open + 1, (size_t)(star - open - 1));
        at = close + 1;
    }
    text_put(&out, at);
    return text_take(&out);
}

static void take_script_line(struct smtp_scenario *scenario, char kind, const char *words)
{
    struct smtp_scenario_line *line = &scenario->lines[scenario->line_count++];
    char *repeated = repeat(words);
    struct text out;

    text_init(&out, EXPANDED_MAX);
    for (const char *at = repeated; *at != '\0';) {
        if (*at == '\\' && at[1] != '\0')
            at = unescape(&out, at);
        else
            text_char(&out, *at++);
    }
    if (strchr("SIC", kind) != NULL)
        text_put(&out, "\r\n");
    line->kind = kind;
    line->length = out.length;
    line->bytes = text_take(&out);
    free(repeated);
}

static void take_ask(struct smtp_scenario *scenario, char *words)
{
    struct smtp_scenario_ask *ask = &scenario->asks[scenario->ask_count++];
    char *word;

    ask->from = mem_copy_text("");
    while ((word = strsep(&words, " ")) != NULL) {
        if (ask->name == NULL) {
            ask->name = mem_copy_text(word);
        } else if (ask->recipient == NULL) {
            ask->recipient = mem_copy_text(word);
        } else if (strncmp(word, "from=", 5) == 0) {
            free(ask->from);
            ask->from = mem_copy_text(word + 5);
        }
        ask->smtputf8 = ask->smtputf8 || strcmp(word, "utf8") == 0;
        ask->seen_before = ask->seen_before || strcmp(word, "again") == 0;
        ask->pause = ask->pause || strcmp(word, "pause") == 0;
        ask->last = ask->last || strcmp(word, "last") == 0;
    }
}

static bool starts(const char *line, const char *with)
{
    return strncmp(line, with, strlen(with)) == 0;
}

static bool take_patience(struct smtp_scenario *scenario, const char *words)
{
    const struct {
        const char *name;
        uint32_t *ms;
    } waits[] = {
        {"greeting ", &scenario->greeting_ms},
        {"command ", &scenario->command_ms},
        {"recipient ", &scenario->recipient_ms},
        {"quit ", &scenario->quit_ms},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(waits); i++) {
        if (!starts(words, waits[i].name))
            continue;
        *waits[i].ms = (uint32_t)strtoul(words + strlen(waits[i].name), NULL, 10);
        return true;
    }
    return false;
}

static bool take_line(struct smtp_scenario *scenario, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '\0' || line[0] == '#')
        return true;
    if (starts(line, "= ") && scenario->expected == NULL) {
        scenario->expected = mem_copy_text(line + 2);
    } else if (starts(line, "ask ") && scenario->ask_count < SMTP_SCENARIO_ASKS_MAX) {
        take_ask(scenario, line + 4);
    } else if (starts(line, "hello ")) {
        free(scenario->hello);
        scenario->hello = mem_copy_text(strcmp(line + 6, "-") == 0 ? "" : line + 6);
    } else if (strcmp(line, "in_clear") == 0) {
        scenario->in_clear = true;
    } else if (starts(line, "patience ")) {
        return take_patience(scenario, line + strlen("patience "));
    } else if (strchr("SIPCTX", line[0]) != NULL && line[1] == ' ' &&
               scenario->line_count < SMTP_SCENARIO_LINES_MAX) {
        take_script_line(scenario, line[0], line + 2);
    } else {
        return false;
    }
    return true;
}

static bool load(const char *folder, const char *name, struct smtp_scenario *scenario)
{
    char path[512], line[LINE_SIZE];
    bool good = true;
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    *scenario = (struct smtp_scenario){.name = mem_copy_text(name),
                                       .hello = mem_copy_text("probe.example")};
    file = fopen(path, "r");
    if (file == NULL)
        return false;
    while (good && fgets(line, sizeof(line), file) != NULL)
        if (!(good = take_line(scenario, line)))
            printf("%s: what is this: %s\n", path, line);
    fclose(file);
    if (scenario->expected == NULL)
        printf("%s: no line with =\n", path);
    return good && scenario->expected != NULL;
}

static int is_scenario(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return length > 4 && strcmp(entry->d_name + length - 4, ".txt") == 0;
}

size_t smtp_scenarios_load(const char *folder, struct smtp_scenario *scenarios, size_t size)
{
    struct dirent **names;
    int found = scandir(folder, &names, is_scenario, alphasort);
    size_t count = 0;
    bool good = found > 0 && (size_t)found <= size;

    for (int i = 0; i < found; i++) {
        if (good && !(good = load(folder, names[i]->d_name, &scenarios[count++])))
            printf("%s/%s: not a scenario\n", folder, names[i]->d_name);
        free(names[i]);
    }
    if (found >= 0)
        free(names);
    if (good)
        return count;
    while (count > 0)
        smtp_scenario_free(&scenarios[--count]);
    return 0;
}

void smtp_scenario_free(struct smtp_scenario *scenario)
{
    for (size_t i = 0; i < scenario->line_count; i++)
        free(scenario->lines[i].bytes);
    for (size_t i = 0; i < scenario->ask_count; i++) {
        free(scenario->asks[i].name);
        free(scenario->asks[i].recipient);
        free(scenario->asks[i].from);
    }
    free(scenario->name);
    free(scenario->hello);
    free(scenario->expected);
    *scenario = (struct smtp_scenario){.line_count = 0};
}

/* --- expectations -------------------------------------------------------------- */

static bool describe_answer(struct text *out, const char *key, const struct smtp_scenario *scenario,
                            const struct smtp_outcome *outcome)
{
    for (size_t i = 0; i < scenario->ask_count; i++) {
        if (strcmp(key, scenario->asks[i].name) != 0)
            continue;
        if (i >= outcome->answer_count)
            return true;
        text_put(out, reply_class_name(outcome->answers[i].class));
        if (outcome->answers[i].stage != SMTP_STAGE_RCPT) {
            text_char(out, '@');
            text_put(out, smtp_stage_name(outcome->answers[i].stage));
        }
        return true;
    }
    return false;
}

static bool describe_end(struct text *out, const char *key, const struct smtp_outcome *outcome)
{
    if (strcmp(key, "end") == 0)
        text_put(out, smtp_end_name(outcome->end));
    else if (strcmp(key, "stage") == 0)
        text_put(out, smtp_stage_name(outcome->stage));
    else if (strcmp(key, "reply") == 0)
        text_put(out, reply_class_name(outcome->reply));
    else if (strcmp(key, "open") == 0)
        text_put(out, outcome->task_open ? "yes" : "no");
    else if (strcmp(key, "turns") == 0)
        text_format(out, "%u", outcome->turns);
    else
        return false;
    return true;
}

static void list_findings(struct text *out, unsigned findings)
{
    for (unsigned i = 0; i < TLS_FINDING_COUNT; i++) {
        if ((findings & (1u << i)) == 0)
            continue;
        if (out->length > 0)
            text_char(out, ',');
        text_put(out, tls_finding_name((enum tls_finding)i));
    }
}

static void put_text(struct text *out, const char *words)
{
    if (words != NULL)
        text_put(out, words);
}

/* Of a server that never greeted, everything is "-". */
static bool describe_server(struct text *out, const char *key, const struct smtp_server *server)
{
    static const struct smtp_server nobody = {.host = NULL};

    if (server == NULL)
        server = &nobody;
    if (strcmp(key, "tls") == 0)
        text_put(out, tls_state_name(server->tls.state));
    else if (strcmp(key, "findings") == 0)
        list_findings(out, server->tls.findings);
    else if (strcmp(key, "software") == 0)
        put_text(out, server->software);
    else if (strcmp(key, "banner") == 0)
        put_text(out, server->banner);
    else if (strcmp(key, "extensions") == 0)
        put_text(out, server->extensions);
    else if (strcmp(key, "esmtp") == 0)
        text_put(out, server->esmtp ? "yes" : "no");
    else
        return false;
    return true;
}

static bool only_when_live(const char *key)
{
    static const char *const keys[] = {"tls",        "findings", "software", "banner",
                                       "extensions", "esmtp",    "left"};

    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

static void describe(struct text *out, const char *key, const struct smtp_scenario *scenario,
                     const struct smtp_outcome *outcome)
{
    if (strcmp(key, "left") == 0)
        text_put(out, outcome->left);
    else if (!describe_answer(out, key, scenario, outcome) && !describe_end(out, key, outcome) &&
             !describe_server(out, key, outcome->server))
        text_put(out, "no such key");
    if (out->length == 0)
        text_char(out, '-');
    for (size_t i = 0; i < out->length; i++) {
        if (out->bytes[i] == ' ')
            out->bytes[i] = '_';
        if (out->bytes[i] == '\n')
            out->bytes[i] = ',';
    }
}

const char *smtp_scenario_difference(const struct smtp_scenario *scenario,
                                     const struct smtp_outcome *outcome)
{
    static char difference[2048];
    char *copy = mem_copy_text(scenario->expected), *walk = copy, *pair;

    difference[0] = '\0';
    while (difference[0] == '\0' && (pair = strsep(&walk, " ")) != NULL) {
        char *value = strchr(pair, '=');
        struct text is;

        if (value == NULL)
            continue;
        *value++ = '\0';
        if (!outcome->live && only_when_live(pair))
            continue;
        text_init(&is, EXPANDED_MAX);
        describe(&is, pair, scenario, outcome);
        if (strcmp(is.bytes, value) != 0)
            snprintf(difference, sizeof(difference), "%s is %.900s, not %.900s", pair, is.bytes,
                     value);
        text_free(&is);
    }
    free(copy);
    return difference;
}
