#include "service/classify_stream.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "probes/base/mem.h"
#include "probes/smtp/classify.h"

enum { LINE_MAX_OCTETS = 65536 };

struct question {
    uint16_t code;
    uint8_t enhanced[3];
    enum smtp_stage stage;
    char *text; /* owned */
};

/* --- fields ------------------------------------------------------------------- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* "550", "550 5.1.1 ...", "550-...": the code in front. */
static bool leading_code(const char *text, uint16_t *code)
{
    if (text[0] < '2' || text[0] > '5' || !is_digit(text[1]) || !is_digit(text[2]) ||
        is_digit(text[3]) || text[3] == '.')
        return false;
    *code = (uint16_t)((text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0'));
    return true;
}

static const char *read_code(const json_t *value, const char *text, uint16_t *code)
{
    if (json_is_integer(value)) {
        json_int_t number = json_integer_value(value);
        if (number < 100 || number > 999)
            return "code is not a reply code";
        *code = (uint16_t)number;
        return NULL;
    }
    if (json_is_string(value) && json_string_length(value) != 0) {
        const char *digits = json_string_value(value);
        if (json_string_length(value) != 3 || !leading_code(digits, code))
            return "code is not a reply code";
        return NULL;
    }
    if (value != NULL && !json_is_null(value) && !json_is_string(value))
        return "code is not a reply code";
    leading_code(text, code);
    return NULL;
}

/* "5.1.1"; a detail above 255 (Microsoft 5.7.606) is 0, as in a parsed reply. */
static bool parse_enhanced(const char *at, uint8_t enhanced[3])
{
    uint8_t part[3] = {0};

    if (*at != '2' && *at != '4' && *at != '5')
        return false;
    for (size_t i = 0; i < 3; i++) {
        unsigned number = 0;
        if ((i > 0 && *at++ != '.') || !is_digit(*at))
            return false;
        for (size_t digits = 0; is_digit(*at) && digits < 3; digits++)
            number = number * 10 + (unsigned)(*at++ - '0');
        part[i] = number > UINT8_MAX ? 0 : (uint8_t)number;
    }
    memcpy(enhanced, part, sizeof(part));
    return true;
}

/* The code goes in front of the text too, where a large detail is read in full. */
static const char *read_enhanced(const json_t *value, const char *text, struct question *question)
{
    const char *said = "";

    if (value != NULL && !json_is_null(value)) {
        if (!json_is_string(value))
            return "enhanced is not a status code";
        said = json_string_value(value);
        if (said[0] != '\0' && !parse_enhanced(said, question->enhanced))
            return "enhanced is not a status code";
    }
    size_t size = strlen(said) + strlen(text) + 2;
    question->text = mem_zeroed(size, 1);
    snprintf(question->text, size, "%s %s", said, text);
    return NULL;
}

static const char *read_stage(const json_t *value, enum smtp_stage *stage)
{
    static const struct {
        const char *name;
        enum smtp_stage stage;
    } others[] = {{"", SMTP_STAGE_QUIT},
                  {"conn", SMTP_STAGE_GREETING},
                  {"helo", SMTP_STAGE_EHLO},
                  {"starttls", SMTP_STAGE_TLS},
                  {"data", SMTP_STAGE_QUIT}}; /* after RCPT, or not known when */

    *stage = SMTP_STAGE_QUIT;
    if (value == NULL || json_is_null(value))
        return NULL;
    if (!json_is_string(value))
        return "stage is not a text";
    for (unsigned s = 0; s < SMTP_STAGE_COUNT; s++) {
        if (strcasecmp(json_string_value(value), smtp_stage_name((enum smtp_stage)s)) == 0) {
            *stage = (enum smtp_stage)s;
            return NULL;
        }
    }
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        if (strcasecmp(json_string_value(value), others[i].name) == 0) {
            *stage = others[i].stage;
            return NULL;
        }
    }
    return "unknown stage";
}

/* Where only an enhanced code is given, its class stands for the basic code. */
static const char *complete_code(struct question *question, const char *text)
{
    if (question->code == 0 && question->enhanced[0] == 0)
        parse_enhanced(text, question->enhanced);
    if (question->code == 0 && question->enhanced[0] == 0)
        return "no reply code";
    if (question->code == 0)
        question->code = (uint16_t)(question->enhanced[0] * 100 + 50);
    return NULL;
}

/* NULL, or what is wrong (then nothing is owned). */
static const char *read_question(const json_t *root, struct question *question)
{
    const json_t *value = json_object_get(root, "text");
    const char *text = json_is_string(value) ? json_string_value(value) : "", *error;

    *question = (struct question){.code = 0};
    if (!json_is_object(root))
        return "not a JSON object";
    if (value != NULL && !json_is_null(value) && !json_is_string(value))
        return "text is not a text";
    error = read_code(json_object_get(root, "code"), text, &question->code);
    if (error == NULL)
        error = read_stage(json_object_get(root, "stage"), &question->stage);
    if (error == NULL)
        error = read_enhanced(json_object_get(root, "enhanced"), text, question);
    if (error == NULL && (error = complete_code(question, text)) != NULL)
        free(question->text);
    return error;
}

/* --- lines ---------------------------------------------------------------------- */

/* Names of classes, ids of rules and our own errors need no escapes. */
static bool answer_line(const char *line, size_t length, FILE *out)
{
    struct question question;
    json_t *root = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
    const char *error = root == NULL ? "not JSON" : read_question(root, &question);
    int written;

    if (error != NULL) {
        written = fprintf(out, "{\"error\":\"%s\"}\n", error);
    } else {
        struct reply_context context = {.stage = question.stage};
        struct reply_meaning meaning =
            reply_classify(question.code, question.enhanced, question.text, &context);
        written = fprintf(out, "{\"class\":\"%s\",\"rule\":\"%s\"}\n",
                          reply_class_name(meaning.class), meaning.rule);
        free(question.text);
    }
    json_decref(root);
    return written > 0;
}

/* Reads up to and over the line feed. False at the end; `length` above the bound = cut. */
static bool read_line(FILE *in, char *line, size_t *length)
{
    int c;

    *length = 0;
    while ((c = getc(in)) != EOF && c != '\n') {
        if (*length < LINE_MAX_OCTETS)
            line[*length] = (char)c;
        if (*length <= LINE_MAX_OCTETS)
            (*length)++;
    }
    return c != EOF || *length != 0;
}

static int answer_lines(FILE *in, FILE *out, char *line)
{
    size_t length;

    while (read_line(in, line, &length)) {
        bool written = length > LINE_MAX_OCTETS ? fputs("{\"error\":\"line too long\"}\n", out) >= 0
                                                : answer_line(line, length, out);
        if (!written)
            return -1;
    }
    return ferror(in) || fflush(out) != 0 ? -1 : 0;
}

int classify_stream(FILE *in, FILE *out)
{
    char *line = mem_zeroed(LINE_MAX_OCTETS + 1, 1);
    int result = answer_lines(in, out, line);

    free(line);
    return result;
}
