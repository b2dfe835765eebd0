/* fuzz_document_read.c - any octets as a stored verdict: read, decided again, and decided alike
 * when that is asked twice; and any octets as a file of them, whose rows are JSON. */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "service/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config config;

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void read_one(const char *bytes, size_t size)
{
    struct document_stored stored;
    char error[DOCUMENT_ERROR_SIZE] = "";
    json_t *root = json_loadb(bytes, size, JSON_ALLOW_NUL, NULL);

    if (root == NULL)
        return;
    if (document_read(root, &stored, error)) {
        struct document_decision first = replay_decide(&stored, &config);
        struct document_decision second = replay_decide(&stored, &config);

        require(replay_same(&first, &second) && first.rule[0] != '\0');
        document_stored_clear(&stored);
    } else {
        require(error[0] != '\0');
    }
    require(stored.email == NULL && stored.smtp == NULL && stored.mx == NULL);
    json_decref(root);
}

static void read_file(const char *bytes, size_t size)
{
    struct replay_options options = {.config = &config, .json = true, .all = true};
    struct replay_counts counts = {0};
    size_t rows = 0, length = 0;
    char *shown = NULL;
    FILE *in = fmemopen((void *)(uintptr_t)bytes, size, "r"),
         *out = open_memstream(&shown, &length);

    require(in != NULL && out != NULL);
    require(replay_stream(in, "fuzz", out, &options, &counts));
    fclose(in);
    fclose(out);
    for (char *line = shown; *line != '\0'; rows++) {
        char *end = strchr(line, '\n');
        json_t *root = end != NULL ? json_loadb(line, (size_t)(end - line), 0, NULL) : NULL;

        require(root != NULL);
        json_decref(root);
        line = end + 1;
    }
    require(rows == counts.decided + counts.unreadable && counts.changed <= counts.decided);
    free(shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (config.hello_name == NULL)
        config_defaults(&config);
    if (size == 0)
        return 0;
    read_one((const char *)data, size);
    read_file((const char *)data, size);
    return 0;
}
