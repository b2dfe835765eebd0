/* world.h - one made-up mail internet: domains, their hosts, their mailboxes.
 *
 * A world is a text file of tab-separated lines that people can read and write:
 *   set NAME VALUE
 *   domain NAME DISPLAY BEHAVIOUR STYLE IMAP     (DISPLAY: the U-label form, or -)
 *   mailbox LOCAL CLASS FAULT                    (of the domain above)
 *   raw EMAIL REASON                             (a row that never reaches DNS)
 * Hosts and their addresses follow from that, in order, so they are not written. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/base/ip.h"
#include "tests/lab/behaviours.h"
#include "tests/lab/providers.h"
#include "tests/lab/replies.h"

/* Something that goes wrong once, the first time a mailbox is asked about. */
enum fault { FAULT_NONE, FAULT_DROP, FAULT_BUSY, FAULT_STALL, FAULT_COUNT };
const char *fault_name(enum fault fault);

/* The caps that vrfyd.conf asks for and that the lab counts against. */
struct lab_caps {
    uint32_t connections, recipients, rejects; /* per lane, per session, per session */
};

struct world_settings {
    uint64_t seed;
    uint32_t delay_ms;   /* before every reply: stands for the round trip */
    uint32_t greylist_s; /* how long a first-seen triple is put off */
    bool null_sender;    /* vrfyd.conf sets no mail_from */
    bool settle;         /* vrfyd.conf lets the service ask again within seconds */
    struct lab_caps caps;
};

/* Waits written into vrfyd.conf; the ideal time is computed with them. */
enum {
    WAIT_CONNECT_MS = 2000,
    WAIT_GREETING_MS = 3000,
    WAIT_COMMAND_MS = 2500,
    WAIT_RECIPIENT_MS = 3000,
    WAIT_QUIT_MS = 1000,
    WAIT_DNS_MS = 800,
    WAIT_DNS_BUDGET_MS = 4000
};

struct lab_mailbox {
    const char *local; /* the wire form, with quotes where it needs them */
    uint8_t class;     /* enum mailbox_class */
    uint8_t fault;     /* enum fault */
};

struct lab_domain {
    const char *name;    /* A-labels, lower-case */
    const char *display; /* U-labels; the same when ASCII */
    uint16_t behaviour, imap;
    uint8_t style;
    uint8_t host_count;
    uint32_t first_host; /* its MX hosts, best first */
    uint32_t imap_host;  /* NO_HOST = none */
    uint32_t first_mailbox, mailbox_count;
};

enum { HOST_ADDRESSES_MAX = 2 };
#define NO_HOST UINT32_MAX

/* With `settle`: seconds before each further try after trouble that passes, and how long hosts rest
 * at first. */
enum { SETTLE_TRIES = 3, SETTLE_REST_MS = 500 };
extern const uint32_t settle_after_s[SETTLE_TRIES];
/* ... and before the first further try of who was greylisted, where the server names no time. */
#define SETTLE_GREYLIST_S(window_s) ((window_s) + 1)

/* One server, on addresses of its own. */
struct lab_host {
    const char *name;
    const struct host_play *play;       /* SMTP; NULL for an IMAP host */
    const struct imap_variant *variant; /* IMAP; NULL for an SMTP host */
    struct ip_address addresses[HOST_ADDRESSES_MAX];
    uint8_t address_count;
    uint8_t style;
    uint16_t behaviour;
    uint32_t lane;
};

/* What a polite client treats as one: the hosts of a provider, else one host. */
struct lab_lane {
    const char *name; /* provider key or host name */
    struct lab_caps caps;
};

struct lab_raw {
    const char *email, *reason;
};

struct string_chunk;

struct world {
    struct world_settings settings;
    struct lab_domain *domains;
    size_t domain_count, domain_room;
    struct lab_mailbox *mailboxes;
    size_t mailbox_count, mailbox_room;
    struct lab_raw *raws;
    size_t raw_count, raw_room;
    struct lab_host *hosts;
    size_t host_count, host_room;
    struct lab_lane *lanes;
    size_t lane_count, lane_room;
    uint32_t provider_hosts[LAB_PROVIDERS_MAX]; /* first host of each, NO_HOST = not used */
    uint32_t loopback6_host;                    /* the one on ::1, NO_HOST = not used */
    uint32_t next_address;                      /* IPv4, host byte order */
    uint32_t *by_name;                          /* domain indexes in the order of their names */
    struct string_chunk *strings;
};

/* Where DNS answers, and where every port of this lab is held so that labs do not meet. */
#define LAB_ANCHOR  "127.64.0.53"
#define LAB_NETWORK "127.64.0.0/10"

struct world *world_new(const struct world_settings *settings);
void world_free(struct world **world);
/* A copy that lives as long as the world. */
const char *world_text(struct world *world, const char *text);

struct lab_domain *world_add_domain(struct world *world, const char *name, const char *display,
                                    size_t behaviour, enum reply_style style, size_t imap);
/* To the domain added last. */
void world_add_mailbox(struct world *world, const char *local, enum mailbox_class class,
                       enum fault fault);
void world_add_raw(struct world *world, const char *email, const char *reason);
/* When all is added: gives out addresses, lanes and the order for look-ups. */
void world_build(struct world *world);

/* NULL with a sentence in `error`; else built. */
struct world *world_load(const char *directory, char *error, size_t error_size);
bool world_save(const struct world *world, const char *directory, char *error, size_t error_size);

/* By A-label name, any case; NULL = not in this world. */
const struct lab_domain *world_find_domain(const struct world *world, const char *name);
/* By local part as on the wire, ASCII case ignored; NULL = nobody. */
const struct lab_mailbox *world_find_mailbox(const struct world *world,
                                             const struct lab_domain *domain, const char *local);
/* Does this host take mail for the domain? */
bool world_serves(const struct world *world, const struct lab_host *host,
                  const struct lab_domain *domain);
bool world_has_ipv6(void);
