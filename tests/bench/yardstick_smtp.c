/* yardstick_smtp - what a probe costs that keeps nothing: the work that cannot be left out, on one
 * epoll loop, to compare the service with in the same run.
 *
 *   yardstick_smtp WORLD RESOLVER SMTP_PORT RECIPIENTS CONCURRENCY clear|tls
 *
 * Each domain of the world once: its MX asked (c-ares), a connection to its host, EHLO, then MAIL,
 * so many RCPTs and QUIT in one piece, and a line of JSON for each answer, as long as the
 * service's. No timers, no decoy, no other family, no second host; the host's address is known
 * before. `tls`: STARTTLS as well, chain and name verified; then all once more without DNS, each
 * session resumed. Prints, for each pass, the recipients answered, the failures, sessions that were
 * not resumed in the second pass among them, and the processor time in microseconds. */
#include <ares.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "probes/base/ip.h"
#include "probes/base/mem.h"
#include "tests/bench/yardstick_answer.h"
#include "tests/bench/yardstick_starttls.h"
#include "tests/lab/world.h"

enum {
    INPUT_OCTETS = 2048,
    EVENTS = 512,
    TURN_MS = 100,
    DNS_TRIES = 3,
    DNS_TIMEOUT_MS = 1000,
    DNS_BUFFER = 4 << 20,
    PIECE_OCTETS = 8192,
    CLASS_IN = 1,
    TYPE_MX = 15,
    EMAIL_OCTETS = 320
};

enum step {
    STEP_GREETING,
    STEP_EHLO_IN_CLEAR,
    STEP_STARTTLS,
    STEP_HANDSHAKE,
    STEP_EHLO,
    STEP_MAIL,
    STEP_RECIPIENTS,
    STEP_QUIT
};

struct dialog {
    struct yardstick *yardstick;
    const struct lab_domain *domain;
    struct starttls_session tls;
    int fd;
    enum step step;
    uint32_t answered;
    size_t length;
    char input[INPUT_OCTETS];
};

struct yardstick {
    struct world *world;
    ares_channel channel;
    int epoll;
    uint16_t port, number; /* of the next DNS question */
    uint32_t recipients;
    size_t next_domain, open;
    struct starttls *starttls; /* NULL: all in clear */
    bool names_known;          /* no DNS in this pass */
    uint64_t answers, failures, octets_written;
};

static const char hello[] = "EHLO probe.lab.test\r\n";

static void begin(struct dialog *dialog);

static void over(struct dialog *dialog, bool good)
{
    struct yardstick *yardstick = dialog->yardstick;

    if (dialog->tls.ssl != NULL)
        starttls_end(&dialog->tls);
    if (dialog->fd >= 0)
        close(dialog->fd);
    yardstick->failures += !good;
    yardstick->open--;
    begin(dialog);
}

/* --- the conversation ------------------------------------------------------------------------ */

static bool send_piece(struct dialog *dialog, const char *piece, size_t length)
{
    if (dialog->tls.ssl != NULL)
        return SSL_write(dialog->tls.ssl, piece, (int)length) == (int)length;
    return send(dialog->fd, piece, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static bool send_transaction(struct dialog *dialog)
{
    char piece[PIECE_OCTETS];
    size_t length = (size_t)snprintf(piece, sizeof(piece), "MAIL FROM:<probe@probe.lab.test>\r\n");

    for (uint32_t i = 0; i < dialog->yardstick->recipients && length < sizeof(piece) - 400; i++)
        length += (size_t)snprintf(piece + length, sizeof(piece) - length,
                                   "RCPT TO:<nobody%u@%s>\r\n", i, dialog->domain->name);
    length += (size_t)snprintf(piece + length, sizeof(piece) - length, "QUIT\r\n");
    return send_piece(dialog, piece, length);
}

static void write_answer(struct dialog *dialog, int code, const char *line)
{
    struct yardstick *yardstick = dialog->yardstick;
    char email[EMAIL_OCTETS];

    snprintf(email, sizeof(email), "nobody%u@%s", dialog->answered, dialog->domain->name);
    yardstick->octets_written += yardstick_answer(dialog->answered, email, code, line);
    yardstick->answers++;
}

/* False: broken. */
static bool shake_hands(struct dialog *dialog, enum starttls_step step)
{
    if (step == STARTTLS_DONE) {
        dialog->step = STEP_EHLO;
        return send_piece(dialog, hello, sizeof(hello) - 1);
    }
    return step == STARTTLS_MORE;
}

static bool begin_tls(struct dialog *dialog)
{
    const struct world *world = dialog->yardstick->world;

    dialog->step = STEP_HANDSHAKE;
    return shake_hands(dialog, starttls_begin(&dialog->tls, dialog->fd,
                                              world->hosts[dialog->domain->first_host].name));
}

/* False: over. */
static bool on_reply(struct dialog *dialog, const char *line)
{
    int code = (int)strtol(line, NULL, 10);

    switch (dialog->step) {
    case STEP_GREETING:
        dialog->step = dialog->tls.starttls != NULL ? STEP_EHLO_IN_CLEAR : STEP_EHLO;
        return send_piece(dialog, hello, sizeof(hello) - 1);
    case STEP_EHLO_IN_CLEAR:
        dialog->step = STEP_STARTTLS;
        return send_piece(dialog, "STARTTLS\r\n", 10);
    case STEP_STARTTLS:
        return begin_tls(dialog);
    case STEP_HANDSHAKE:
        return false;
    case STEP_EHLO:
        dialog->step = STEP_MAIL;
        return send_transaction(dialog);
    case STEP_MAIL:
        dialog->step = STEP_RECIPIENTS;
        return true;
    case STEP_RECIPIENTS:
        write_answer(dialog, code, line);
        if (++dialog->answered == dialog->yardstick->recipients)
            dialog->step = STEP_QUIT;
        return true;
    case STEP_QUIT:
        return false;
    }
    return false;
}

/* 0: closed; below: nothing for now, or broken, which is found out in time. */
static ssize_t receive(struct dialog *dialog)
{
    char *to = dialog->input + dialog->length;
    size_t room = sizeof(dialog->input) - dialog->length - 1;

    if (dialog->tls.ssl == NULL)
        return recv(dialog->fd, to, room, 0);
    errno = EAGAIN;
    return SSL_read(dialog->tls.ssl, to, (int)room);
}

static void on_readable(struct dialog *dialog)
{
    char *line = dialog->input, *end;

    if (dialog->step == STEP_HANDSHAKE) {
        if (!shake_hands(dialog, starttls_go_on(&dialog->tls)))
            over(dialog, false);
        return;
    }
    ssize_t got = receive(dialog);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        over(dialog, false);
        return;
    }
    dialog->length += (size_t)got;
    dialog->input[dialog->length] = '\0';
    while ((end = strchr(line, '\n')) != NULL) {
        *end = '\0';
        if (end - line >= 4 && line[3] != '-' && !on_reply(dialog, line)) {
            over(dialog, dialog->answered == dialog->yardstick->recipients);
            return;
        }
        line = end + 1;
    }
    dialog->length -= (size_t)(line - dialog->input);
    memmove(dialog->input, line, dialog->length);
}

static void connect_to(struct dialog *dialog)
{
    struct yardstick *yardstick = dialog->yardstick;
    const struct lab_host *host = &yardstick->world->hosts[dialog->domain->first_host];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = dialog};
    struct sockaddr_storage to;
    socklen_t length = ip_to_socket(&host->addresses[0], yardstick->port, &to);

    dialog->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (dialog->fd < 0 ||
        (connect(dialog->fd, (struct sockaddr *)&to, length) != 0 && errno != EINPROGRESS) ||
        epoll_ctl(yardstick->epoll, EPOLL_CTL_ADD, dialog->fd, &event) != 0)
        over(dialog, false);
}

/* --- DNS -------------------------------------------------------------------------------------- */

static void on_socket(void *context, ares_socket_t fd, int readable, int writable)
{
    struct yardstick *yardstick = context;
    struct epoll_event event = {.events = (readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U)};

    event.data.u64 = ((uint64_t)fd << 1) | 1; /* dialogs are at even addresses */
    if (!readable && !writable)
        epoll_ctl(yardstick->epoll, EPOLL_CTL_DEL, fd, NULL);
    else if (epoll_ctl(yardstick->epoll, EPOLL_CTL_MOD, fd, &event) != 0)
        epoll_ctl(yardstick->epoll, EPOLL_CTL_ADD, fd, &event);
}

static void on_exchange(void *context, int status, int timeouts, unsigned char *answer, int length)
{
    struct ares_mx_reply *found = NULL;

    (void)timeouts;
    if (status != ARES_SUCCESS || ares_parse_mx_reply(answer, length, &found) != ARES_SUCCESS) {
        over(context, false);
        return;
    }
    ares_free_data(found);
    connect_to(context);
}

static void begin(struct dialog *dialog)
{
    struct yardstick *yardstick = dialog->yardstick;
    unsigned char *question;
    int length;

    if (yardstick->next_domain == yardstick->world->domain_count)
        return;
    *dialog =
        (struct dialog){.yardstick = yardstick,
                        .tls = {.starttls = yardstick->starttls, .number = yardstick->next_domain},
                        .domain = &yardstick->world->domains[yardstick->next_domain++],
                        .fd = -1};
    yardstick->open++;
    if (yardstick->names_known) {
        connect_to(dialog);
        return;
    }
    if (ares_create_query(dialog->domain->name, CLASS_IN, TYPE_MX, ++yardstick->number, 1,
                          &question, &length, 0) != ARES_SUCCESS) {
        yardstick->failures++;
        return;
    }
    ares_send(yardstick->channel, question, length, on_exchange, dialog);
    ares_free_string(question);
}

static bool open_channel(struct yardstick *yardstick, const char *resolver)
{
    struct ares_options options = {.flags = ARES_FLAG_STAYOPEN,
                                   .timeout = DNS_TIMEOUT_MS,
                                   .tries = DNS_TRIES,
                                   .socket_receive_buffer_size = DNS_BUFFER,
                                   .sock_state_cb = on_socket,
                                   .sock_state_cb_data = yardstick};

    return ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS &&
           ares_init_options(&yardstick->channel, &options,
                             ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                                 ARES_OPT_SOCK_RCVBUF | ARES_OPT_SOCK_STATE_CB) == ARES_SUCCESS &&
           ares_set_servers_ports_csv(yardstick->channel, resolver) == ARES_SUCCESS;
}

/* --- the loop -------------------------------------------------------------------------------- */

static uint64_t processor_us(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
}

static void turn(struct yardstick *yardstick)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(yardstick->epoll, events, EVENTS, TURN_MS);

    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 & 1) {
            ares_socket_t fd = (ares_socket_t)(events[i].data.u64 >> 1);
            ares_process_fd(yardstick->channel, fd,
                            events[i].events & EPOLLOUT ? fd : ARES_SOCKET_BAD);
        } else {
            on_readable(events[i].data.ptr);
        }
    }
    if (count == 0)
        ares_process_fd(yardstick->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void pass(struct yardstick *yardstick, struct dialog *dialogs, size_t concurrency)
{
    uint64_t before = processor_us();

    yardstick->next_domain = 0;
    yardstick->answers = yardstick->failures = 0;
    for (size_t i = 0; i < concurrency; i++) {
        dialogs[i].yardstick = yardstick;
        begin(&dialogs[i]);
    }
    while (yardstick->open > 0)
        turn(yardstick);
    if (yardstick->names_known)
        yardstick->failures += yardstick->world->domain_count - yardstick->starttls->resumed;
    printf("{\"answers\":%llu,\"failures\":%llu,\"cpu_us\":%llu}\n",
           (unsigned long long)yardstick->answers, (unsigned long long)yardstick->failures,
           (unsigned long long)(processor_us() - before));
}

int main(int argc, char **argv)
{
    struct yardstick yardstick = {.epoll = epoll_create1(EPOLL_CLOEXEC)};
    struct starttls starttls = {.context = NULL};
    char error[256];

    if (argc != 7) {
        fprintf(stderr, "usage: %s WORLD RESOLVER SMTP_PORT RECIPIENTS CONCURRENCY clear|tls\n",
                argv[0]);
        return 2;
    }
    yardstick.world = world_load(argv[1], error, sizeof(error));
    yardstick.port = (uint16_t)strtoul(argv[3], NULL, 10);
    yardstick.recipients = (uint32_t)strtoul(argv[4], NULL, 10);
    if (strcmp(argv[6], "tls") == 0)
        yardstick.starttls = &starttls;
    if (yardstick.world == NULL || !open_channel(&yardstick, argv[2]) ||
        !starttls_open(&starttls, argv[1], yardstick.world->domain_count)) {
        fprintf(stderr, "%s: no world or no resolver\n", argv[0]);
        return 1;
    }
    size_t concurrency = (size_t)strtoul(argv[5], NULL, 10);
    struct dialog *dialogs = mem_array(struct dialog, concurrency);
    pass(&yardstick, dialogs, concurrency);
    yardstick.names_known = true;
    if (yardstick.starttls != NULL)
        pass(&yardstick, dialogs, concurrency);
    starttls_close(&starttls);
    ares_destroy(yardstick.channel);
    ares_library_cleanup();
    free(dialogs);
    world_free(&yardstick.world);
    close(yardstick.epoll);
    return 0;
}
