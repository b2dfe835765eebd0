/* smtp_peer.h - one SMTP session of the lab: shared by its two files. */
#pragma once

#include "tests/lab/worker.h"

enum smtp_state {
    PEER_GREETING, /* not sent yet */
    PEER_STRANGER, /* greeted, no EHLO or HELO */
    PEER_READY,
    PEER_MAIL,        /* a sender was accepted */
    PEER_MAIL_REFUSED /* RCPT may still come in the same group */
};

struct smtp_peer {
    struct stream stream;
    struct worker *worker;
    uint32_t host;
    uint64_t sender; /* hash of the sender given, for greylisting */
    enum smtp_state state;
    uint16_t transactions, recipients, rejects;
    uint8_t recipients_here; /* of this transaction */
    bool pipelining;         /* offered in this session */
    bool may_pipeline;       /* the last command of the group lets another group follow */
    bool needed_answer;      /* something other than QUIT came since the last reply */
    bool secure, smtputf8;
    bool quit, said_421;
    bool screened; /* the first session of us, where it matters */
    bool broken;   /* we broke the protocol, or owe a reply: no QUIT is due */
    bool mute;     /* a reply that never comes is owed */
    bool open;     /* counted as open */
};

const struct lab_host *peer_host(const struct smtp_peer *peer);
const struct host_play *peer_play(const struct smtp_peer *peer);
/* Lines joined by '\n', each with its code; written in the host's way. */
void peer_say(struct smtp_peer *peer, const char *reply);
void peer_say_421(struct smtp_peer *peer, const char *reply);
/* Closes here, if that is how the host is. True = closed. */
bool peer_drops(struct smtp_peer *peer, enum drop_play at);
/* Fills `out` with what the host says first. */
void peer_greet(struct smtp_peer *peer);
/* After each sending: true = it is one that never ends, and goes on. */
bool peer_greets_on(struct smtp_peer *peer);
/* RCPT TO:<path>, after the sequence has been checked. */
void peer_recipient(struct smtp_peer *peer, const char *path);
