/* What can be seen without asking anybody: certificates, clock, limits, files. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probes/address/insight.h"
#include "probes/base/clock.h"
#include "probes/base/mem.h"
#include "service/doctor_checks.h"
#include "service/engine.h"

enum { CHECKS_FEW = 1000, PORTS_FEW = 10000, DATE_LENGTH = 10 };

/* --- certificates and clock ---------------------------------------------------------------- */

static void judge_store(struct doctor *doctor)
{
    static const char install[] = "install ca-certificates, or set ca_file";
    const struct doctor_certificates *tally = &doctor->certificates;
    const char *file = doctor->config->ca_file[0] != '\0' ? doctor->config->ca_file : NULL;
    unsigned anchors = doctor->tls != NULL ? tls_client_anchors(doctor->tls) : 0;

    if (doctor->tls == NULL)
        doctor_note(doctor, "ca", DOCTOR_FAIL, file, install, "cannot be read: %s",
                    doctor->tls_error);
    else if (anchors == 0)
        doctor_note(doctor, "ca", DOCTOR_FAIL, file, install,
                    "no CA certificate is known: nothing can be trusted");
    else if (tally->seen > 0 && tally->trusted == 0)
        doctor_note(doctor, "ca", DOCTOR_WARN, file,
                    "bring the CA certificates up to date; if they are, somebody sits between this "
                    "host and the world",
                    "none of %u mail hosts has a certificate that %u CA certificates vouch for",
                    tally->seen, anchors);
    else
        doctor_note(doctor, "ca", DOCTOR_OK, file, NULL, "%u CA certificates", anchors);
}

static void judge_clock(struct doctor *doctor)
{
    static const char set_it[] = "let chrony or systemd-timesyncd set the clock";
    const struct doctor_certificates *tally = &doctor->certificates;
    char now[CLOCK_TEXT_SIZE];

    clock_format(clock_wall_s(), now);
    if (strncmp(now, insight_lists_version(), DATE_LENGTH) < 0)
        doctor_note(doctor, "clock", DOCTOR_FAIL, NULL, set_it,
                    "says %s, before the lists of this release were made (%.10s)", now,
                    insight_lists_version());
    else if (tally->seen > 0 && 2 * tally->too_early > tally->seen)
        doctor_note(doctor, "clock", DOCTOR_FAIL, NULL, set_it,
                    "says %s, when %u of %u certificates are not yet valid", now, tally->too_early,
                    tally->seen);
    else if (tally->seen > 0 && 2 * tally->too_late > tally->seen)
        doctor_note(doctor, "clock", DOCTOR_FAIL, NULL, set_it,
                    "says %s, when %u of %u certificates have expired", now, tally->too_late,
                    tally->seen);
    else if (tally->seen > 0)
        doctor_note(doctor, "clock", DOCTOR_OK, NULL, NULL,
                    "says %s, within the validity of %u certificates", now,
                    tally->seen - tally->too_early - tally->too_late);
    else
        doctor_note(doctor, "clock", DOCTOR_SKIPPED, NULL, NULL,
                    "says %s; no certificate was seen to compare it with", now);
}

/* --- limits ---------------------------------------------------------------------------------- */

static void judge_descriptors(struct doctor *doctor)
{
    static const char raise_it[] = "raise the limit of descriptors: ulimit -n, LimitNOFILE= in a "
                                   "unit, --ulimit nofile= for a container";
    size_t room = engine_checks_room(doctor->config);

    if (doctor->config->checks_max > room)
        doctor_note(doctor, "descriptors", DOCTOR_WARN, NULL, raise_it,
                    "room for %zu checks at once, fewer than checks_max (%u)", room,
                    doctor->config->checks_max);
    else if (room < CHECKS_FEW)
        doctor_note(doctor, "descriptors", DOCTOR_WARN, NULL, raise_it,
                    "room for only %zu checks at once", room);
    else
        doctor_note(doctor, "descriptors", DOCTOR_OK, NULL, NULL, "room for %zu checks at once",
                    room);
}

static void judge_ports(struct doctor *doctor)
{
    static const char range[] = "/proc/sys/net/ipv4/ip_local_port_range";
    char line[64] = "", *end;
    FILE *file = fopen(range, "re");
    unsigned long low = 0, high = 0;

    if (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        low = strtoul(line, &end, 10);
        high = strtoul(end, NULL, 10);
    }
    if (file != NULL)
        fclose(file);
    if (high <= low)
        doctor_note(doctor, "ports", DOCTOR_SKIPPED, NULL, NULL, "%s cannot be read", range);
    else if (high - low < PORTS_FEW)
        doctor_note(doctor, "ports", DOCTOR_WARN, NULL,
                    "widen it: sysctl net.ipv4.ip_local_port_range=\"10240 65535\"",
                    "only %lu local ports for connections to one host", high - low + 1);
    else
        doctor_note(doctor, "ports", DOCTOR_OK, NULL, NULL, "%lu local ports", high - low + 1);
}

/* --- files ------------------------------------------------------------------------------------ */

/* The directory itself, or the nearest one above it that exists. */
static char *existing_part(const char *path)
{
    char *part = mem_copy_text(path);
    struct stat status;

    while (stat(part, &status) != 0 && strcmp(part, "/") != 0 && strcmp(part, ".") != 0) {
        char *slash = strrchr(part, '/');

        if (slash == NULL)
            memcpy(part, ".", 2);
        else
            slash[slash == part ? 1 : 0] = '\0';
    }
    return part;
}

static void judge_data(struct doctor *doctor)
{
    const struct config *config = doctor->config;
    bool needed = config->auth == AUTH_REQUIRED && config->api_keys[0] == '\0';
    char *part = existing_part(config->data_dir);
    bool whole = strcmp(part, config->data_dir) == 0;
    struct stat status;

    if (stat(part, &status) != 0 || !S_ISDIR(status.st_mode) ||
        faccessat(AT_FDCWD, part, W_OK | X_OK, AT_EACCESS) != 0)
        doctor_note(doctor, "data_dir", needed ? DOCTOR_FAIL : DOCTOR_WARN, config->data_dir,
                    "make it writable for the user that runs vrfyd, or set data_dir",
                    whole ? "cannot be written to" : "does not exist and cannot be made");
    else
        doctor_note(doctor, "data_dir", DOCTOR_OK, config->data_dir, NULL,
                    whole ? "can be written to" : "will be made at the first start");
    free(part);
}

void doctor_host_start(struct doctor *doctor)
{
    judge_store(doctor);
    judge_clock(doctor);
    judge_descriptors(doctor);
    judge_ports(doctor);
    judge_data(doctor);
}
