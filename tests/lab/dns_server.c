#include "tests/lab/dns_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "probes/base/clock.h"
#include "probes/base/mem.h"
#include "tests/lab/dns_answer.h"

enum { QUESTIONS_PER_TURN = 64, TCP_CONNECTIONS_MAX = 256, TCP_IDLE_MS = 10000 };

/* An answer that waits for its delay: all wait equally long, so a list in order is enough. */
struct waiting {
    struct waiting *next;
    uint64_t due_ms;
    struct sockaddr_storage to;
    socklen_t to_length;
    size_t length;
    uint8_t bytes[];
};

struct tcp_question {
    struct dns_server *server;
    struct tcp_question *next, *prev;
    struct loop_io io;
    struct loop_timer idle;
    int fd;
    size_t length;
    uint8_t bytes[DNS_ANSWER_MAX + 2];
};

struct dns_server {
    struct dns_server_params params;
    struct loop_io udp, tcp;
    struct loop_timer due;
    struct waiting *first, **last;
    struct tcp_question *questions;
    size_t question_count;
};

static void send_answer(const struct dns_server *server, const struct sockaddr_storage *to,
                        socklen_t to_length, const uint8_t *bytes, size_t length)
{
    /* A full socket buffer loses the datagram, as networks do. */
    (void)!sendto(server->params.udp_fd, bytes, length, MSG_DONTWAIT, (const struct sockaddr *)to,
                  to_length);
}

static void on_due(void *context)
{
    struct dns_server *server = context;
    uint64_t now_ms = clock_now_ms();

    while (server->first != NULL && server->first->due_ms <= now_ms) {
        struct waiting *answer = server->first;

        server->first = answer->next;
        if (server->first == NULL)
            server->last = &server->first;
        send_answer(server, &answer->to, answer->to_length, answer->bytes, answer->length);
        free(answer);
    }
    if (server->first != NULL)
        loop_timer_start(&server->due, server->first->due_ms - now_ms);
}

static void send_later(struct dns_server *server, const struct sockaddr_storage *to,
                       socklen_t to_length, const uint8_t *bytes, size_t length)
{
    struct waiting *answer = mem_zeroed(1, sizeof(*answer) + length);

    answer->due_ms = clock_now_ms() + server->params.delay_ms;
    answer->to = *to;
    answer->to_length = to_length;
    answer->length = length;
    memcpy(answer->bytes, bytes, length);
    *server->last = answer;
    server->last = &answer->next;
    if (server->first == answer)
        loop_timer_start(&server->due, server->params.delay_ms);
}

static bool paused(const struct dns_server *server)
{
    return server->params.board->paused_until_ms > clock_now_ms();
}

static void on_udp(void *context, bool readable, bool writable)
{
    struct dns_server *server = context;
    uint8_t query[DNS_ANSWER_MAX], answer[DNS_ANSWER_MAX];

    (void)readable;
    (void)writable;
    for (unsigned i = 0; i < QUESTIONS_PER_TURN; i++) {
        struct sockaddr_storage from;
        socklen_t from_length = sizeof(from);
        ssize_t got = recvfrom(server->params.udp_fd, query, sizeof(query), MSG_DONTWAIT,
                               (struct sockaddr *)&from, &from_length);

        if (got < 0)
            return;
        size_t length = dns_answer(server->params.zone, server->params.counters, query, (size_t)got,
                                   false, answer);
        if (length == 0 || paused(server))
            continue;
        if (server->params.delay_ms > 0)
            send_later(server, &from, from_length, answer, length);
        else
            send_answer(server, &from, from_length, answer, length);
    }
}

/* --- TCP: one question at a time, no delay --------------------------------------------- */

static void close_question(struct tcp_question *question)
{
    DL_DELETE(question->server->questions, question);
    question->server->question_count--;
    loop_io_stop(&question->io);
    loop_timer_stop(&question->idle);
    close(question->fd);
    free(question);
}

static void on_idle(void *context) { close_question(context); }

/* False when the connection is over. */
static bool answer_all(struct tcp_question *question)
{
    struct dns_server *server = question->server;
    uint8_t answer[DNS_ANSWER_MAX + 2];

    for (;;) {
        size_t size =
            question->length < 2 ? 0 : (size_t)(question->bytes[0] << 8 | question->bytes[1]);

        if (question->length < 2 || question->length < 2 + size)
            return size <= DNS_ANSWER_MAX;
        size_t length = dns_answer(server->params.zone, server->params.counters,
                                   question->bytes + 2, size, true, answer + 2);
        memmove(question->bytes, question->bytes + 2 + size, question->length - 2 - size);
        question->length -= 2 + size;
        answer[0] = (uint8_t)(length >> 8);
        answer[1] = (uint8_t)length;
        if (length > 0 &&
            send(question->fd, answer, length + 2, MSG_NOSIGNAL) != (ssize_t)length + 2)
            return false;
    }
}

static void on_question(void *context, bool readable, bool writable)
{
    struct tcp_question *question = context;
    ssize_t got = recv(question->fd, question->bytes + question->length,
                       sizeof(question->bytes) - question->length, 0);

    (void)readable;
    (void)writable;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0)
        question->length += (size_t)got;
    if (got <= 0 || !answer_all(question))
        close_question(question);
}

static void on_tcp(void *context, bool readable, bool writable)
{
    struct dns_server *server = context;
    int fd = accept4(server->params.tcp_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)readable;
    (void)writable;
    if (fd < 0)
        return;
    if (server->question_count >= TCP_CONNECTIONS_MAX) {
        close(fd);
        return;
    }
    struct tcp_question *question = mem_new(struct tcp_question);
    question->server = server;
    question->fd = fd;
    DL_APPEND(server->questions, question);
    server->question_count++;
    loop_io_init(&question->io, server->params.loop, fd, on_question, question);
    loop_io_want(&question->io, true, false);
    loop_timer_init(&question->idle, server->params.loop, on_idle, question);
    loop_timer_start(&question->idle, TCP_IDLE_MS);
}

struct dns_server *dns_server_start(const struct dns_server_params *params)
{
    struct dns_server *server = mem_new(struct dns_server);

    server->params = *params;
    server->last = &server->first;
    loop_timer_init(&server->due, params->loop, on_due, server);
    loop_io_init(&server->udp, params->loop, params->udp_fd, on_udp, server);
    loop_io_want(&server->udp, true, false);
    loop_io_init(&server->tcp, params->loop, params->tcp_fd, on_tcp, server);
    loop_io_want(&server->tcp, true, false);
    return server;
}

void dns_server_stop(struct dns_server **server)
{
    struct dns_server *gone = *server;
    struct tcp_question *question, *following;

    *server = NULL;
    if (gone == NULL)
        return;
    DL_FOREACH_SAFE(gone->questions, question, following)
    close_question(question);
    while (gone->first != NULL) {
        struct waiting *next = gone->first->next;

        free(gone->first);
        gone->first = next;
    }
    loop_timer_stop(&gone->due);
    loop_io_stop(&gone->udp);
    loop_io_stop(&gone->tcp);
    close(gone->params.udp_fd);
    close(gone->params.tcp_fd);
    free(gone);
}
