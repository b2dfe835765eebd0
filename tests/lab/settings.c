#include "tests/lab/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_lanes(FILE *file, const struct world *world)
{
    const struct lab_caps *caps = &world->settings.caps;

    /* Providers have caps of their own; so that nobody's defaults come in between, all are written.
     */
    fprintf(file, "lane_connections = %" PRIu32, caps->connections);
    for (size_t i = 0; i < lab_provider_count(); i++)
        fprintf(file, " %s=%u", lab_provider_at(i)->lane_key, lab_provider_at(i)->connections);
    fprintf(file, "\nlane_recipients_per_session = %" PRIu32, caps->recipients);
    for (size_t i = 0; i < lab_provider_count(); i++)
        fprintf(file, " %s=%u", lab_provider_at(i)->lane_key, lab_provider_at(i)->recipients);
    fprintf(file, "\nlane_rejects_per_session = %" PRIu32, caps->rejects);
    for (size_t i = 0; i < lab_provider_count(); i++)
        fprintf(file, " %s=%" PRIu32, lab_provider_at(i)->lane_key, caps->rejects);
    fprintf(file, "\nlane_transaction_gap_ms = 0");
    for (size_t i = 0; i < lab_provider_count(); i++)
        fprintf(file, " %s=0", lab_provider_at(i)->lane_key);
    /* Nobody comes first here: a cap is what the ideal time is computed with. */
    fprintf(file, "\nlane_unknown_per_hour = 1000000\ninteractive_reserve = 0\n");
}

const uint32_t settle_after_s[SETTLE_TRIES] = {1, 2, 4};

/* What passes is asked again within seconds, and nothing ends for want of time. */
static void write_retries(FILE *file, const struct world *world)
{
    uint32_t grey_s = SETTLE_GREYLIST_S(world->settings.greylist_s);

    fprintf(file,
            "retry_greylist_s = %" PRIu32 " %" PRIu32 " %" PRIu32 "\nretry_temporary_s =", grey_s,
            grey_s * 2, grey_s * 4);
    for (size_t i = 0; i < SETTLE_TRIES; i++)
        fprintf(file, " %" PRIu32, settle_after_s[i]);
    fprintf(file, "\nlane_rest_ms = %d\ncheck_budget_ms = %d\n", SETTLE_REST_MS, 3600000);
}

static void write_all(FILE *file, const struct world *world, const struct lab_ports *ports,
                      const char *directory)
{
    fprintf(file,
            "# Written by maillab: vrfyd serve --config %s/vrfyd.conf\n"
            "listen = 127.0.0.1:0\n"
            "auth = off\n"
            "hello_name = probe.lab.test\n",
            directory);
    if (!world->settings.null_sender)
        fprintf(file, "mail_from = probe@probe.lab.test\n");
    fprintf(file,
            "resolver = " LAB_ANCHOR ":%u\n"
            "ports = smtp=%u imap=%u imaps=%u\n"
            "allow_networks = " LAB_NETWORK ", ::1/128\n"
            "allow_special_names = test\n"
            "ca_file = %s/ca.pem\n"
            "data_dir = %s/data\n",
            ports->dns, ports->smtp, ports->imap, ports->imaps, directory, directory);
    write_lanes(file, world);
    fprintf(file,
            "timeout_connect_ms = %d\ntimeout_greeting_ms = %d\ntimeout_command_ms = %d\n"
            "timeout_recipient_ms = %d\ntimeout_quit_ms = %d\ndns_timeout_ms = %d\ndns_budget_ms = "
            "%d\n",
            WAIT_CONNECT_MS, WAIT_GREETING_MS, WAIT_COMMAND_MS, WAIT_RECIPIENT_MS, WAIT_QUIT_MS,
            WAIT_DNS_MS, WAIT_DNS_BUDGET_MS);
    if (world->settings.settle)
        write_retries(file, world);
}

bool settings_write(const struct world *world, const struct lab_ports *ports, const char *directory,
                    char *error, size_t error_size)
{
    char *absolute = realpath(directory, NULL), path[4096];

    if (absolute == NULL) {
        snprintf(error, error_size, "no directory %s: %s", directory, strerror(errno));
        return false;
    }
    snprintf(path, sizeof(path), "%s/vrfyd.conf", absolute);
    FILE *file = fopen(path, "w");
    if (file != NULL)
        write_all(file, world, ports, absolute);
    bool good = file != NULL && !ferror(file);
    if (file != NULL && fclose(file) != 0)
        good = false;
    if (!good)
        snprintf(error, error_size, "cannot write %s: %s", path, strerror(errno));
    free(absolute);
    return good;
}
