#include "tests/lab/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "probes/base/clock.h"
#include "probes/base/mem.h"

enum { COMMAND_MAX = 128, REPORT_MAX = 64 * 1024 * 1024, PAUSE_MAX_MS = 600000 };

struct control {
    struct control_params params;
    struct loop_io io;
    int fd;
};

/* Paths of Unix sockets are short; a directory descriptor makes room for any. False with errno. */
static bool socket_name(const char *directory, int *directory_fd, struct sockaddr_un *name)
{
    *directory_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*directory_fd < 0)
        return false;
    *name = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(name->sun_path, sizeof(name->sun_path), "/proc/self/fd/%d/control.sock",
             *directory_fd);
    return true;
}

/* --- the lab's side -------------------------------------------------------------------- */

static void report(struct control *control, struct text *out, bool details)
{
    board_json(out, control->params.board, control->params.world, control->params.zone, details);
    text_char(out, '\n');
}

static void obey(struct control *control, const char *command, struct text *out)
{
    struct lab_board *board = control->params.board;

    if (strcmp(command, "counters") == 0 || strcmp(command, "details") == 0) {
        report(control, out, command[0] == 'd');
        return;
    }
    if (strcmp(command, "reset") == 0) {
        board_reset(board);
        for (size_t i = 0; i < control->params.zone->name_count; i++)
            memset(control->params.zone->names[i].asked, 0,
                   sizeof(control->params.zone->names[i].asked));
    } else if (strncmp(command, "pause ", 6) == 0) {
        unsigned long pause_ms = strtoul(command + 6, NULL, 10);

        board->paused_until_ms =
            clock_now_ms() + (pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS);
    } else if (strcmp(command, "stop") == 0) {
        loop_stop(control->params.loop);
    } else {
        text_put(out, "{\"error\":\"counters, details, reset, pause MS, stop\"}\n");
        return;
    }
    text_put(out, "{\"done\":true}\n");
}

/* Clients are our own programs: a short blocking exchange, bounded by time-outs, is good enough. */
static void on_control(void *context, bool readable, bool writable)
{
    struct control *control = context;
    struct timeval patience = {.tv_sec = 2};
    char command[COMMAND_MAX];
    struct text out;

    (void)readable;
    (void)writable;
    int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    ssize_t got = recv(fd, command, sizeof(command) - 1, 0);
    command[got > 0 ? got : 0] = '\0';
    command[strcspn(command, "\n")] = '\0';
    text_init(&out, REPORT_MAX);
    obey(control, command, &out);
    for (size_t sent = 0; sent < out.length;) {
        ssize_t now = send(fd, out.bytes + sent, out.length - sent, MSG_NOSIGNAL);

        if (now <= 0)
            break;
        sent += (size_t)now;
    }
    text_free(&out);
    close(fd);
}

struct control *control_start(const struct control_params *params, char *error, size_t error_size)
{
    struct control *control = mem_new(struct control);
    struct sockaddr_un name;
    int directory = -1;

    control->params = *params;
    control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool good = control->fd >= 0 && socket_name(params->directory, &directory, &name);
    if (good) {
        unlinkat(directory, "control.sock", 0);
        good = bind(control->fd, (struct sockaddr *)&name, sizeof(name)) == 0 &&
               listen(control->fd, 8) == 0;
    }
    if (directory >= 0)
        close(directory);
    if (!good) {
        snprintf(error, error_size, "no control socket in %s: %s", params->directory,
                 strerror(errno));
        if (control->fd >= 0)
            close(control->fd);
        free(control);
        return NULL;
    }
    loop_io_init(&control->io, params->loop, control->fd, on_control, control);
    loop_io_want(&control->io, true, false);
    return control;
}

void control_stop(struct control **control)
{
    struct control *gone = *control;

    *control = NULL;
    if (gone == NULL)
        return;
    loop_io_stop(&gone->io);
    close(gone->fd);
    int directory = open(gone->params.directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory >= 0) {
        unlinkat(directory, "control.sock", 0);
        close(directory);
    }
    free(gone);
}

/* --- the other side ------------------------------------------------------------------------ */

int control_ask(const char *directory, const char *command)
{
    struct sockaddr_un name;
    char buffer[16384];
    int in = -1, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || !socket_name(directory, &in, &name) ||
        connect(fd, (struct sockaddr *)&name, sizeof(name)) != 0) {
        fprintf(stderr, "maillab: no lab is playing %s: %s\n", directory, strerror(errno));
        return 1;
    }
    close(in);
    if (send(fd, command, strlen(command), MSG_NOSIGNAL) < 0)
        return 1;
    shutdown(fd, SHUT_WR);
    for (;;) {
        ssize_t got = recv(fd, buffer, sizeof(buffer), 0);

        if (got <= 0)
            break;
        fwrite(buffer, 1, (size_t)got, stdout);
    }
    close(fd);
    return 0;
}
