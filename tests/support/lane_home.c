#include "tests/support/lane_home.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/mem.h"
#include "service/config_table.h"

struct engine engine;
struct config config;
struct job *returned[LANE_HOME_RETURNED_MAX];
size_t returned_count;

struct shard *engine_lane_owner(struct engine *of, const char *lane_key)
{
    (void)lane_key;
    return &of->shards[0];
}

void checks_job_returned(struct checks *checks, struct job *job)
{
    (void)checks;
    assert_true(returned_count < LANE_HOME_RETURNED_MAX);
    returned[returned_count++] = job;
}

void checks_job_accepted(struct checks *checks, struct job *job,
                         const struct smtp_reply_facts *reply)
{
    (void)checks;
    (void)job;
    (void)reply;
}

static void set(const char *name, const char *value)
{
    char error[256];

    if (!setting_apply(setting_find(name, strlen(name)), &config, value, error, sizeof(error)))
        fail_msg("%s", error);
}

void open_lanes(uint16_t port, struct tls_client *tls)
{
    struct shard *shard = &engine.shards[0];
    char ports[32], error[256];

    snprintf(ports, sizeof(ports), "smtp=%u", port);
    config_defaults(&config);
    set("ports", ports);
    set("allow_networks", "127.0.0.0/8");
    set("hello_name", "probe.example");
    set("lane_connections", "1 microsoft365=1");
    assert_true(config_derive(&config, error, sizeof(error)));
    memset(&engine, 0, sizeof(engine));
    engine.config = shard->config = &config;
    engine.routes = routes_new(&config, error, sizeof(error));
    shard->engine = &engine;
    shard->loop = loop_new();
    shard->tls = tls;
    shard->lanes = lanes_new(shard);
}

void forget_returned(void)
{
    while (returned_count > 0)
        job_free(&returned[--returned_count]);
}

void close_lanes(void)
{
    forget_returned();
    lanes_free(&engine.shards[0].lanes);
    loop_free(&engine.shards[0].loop);
    routes_free(&engine.routes);
    config_free(&config);
}

static void add_host(struct mx_evidence *mx, const char *name)
{
    struct mx_host *host = &mx->hosts[mx->host_count++];

    host->name = mem_copy_text(name);
    host->state = MX_HOST_OK;
    host->first_address = mx->address_count;
    host->address_count = 1;
    ip_parse("127.0.0.1", &mx->addresses[mx->address_count++]);
}

struct job *send_job(const char *domain, bool bulk, const char *host, const char *second)
{
    struct job *job = mem_new(struct job);
    char recipient[256];

    snprintf(recipient, sizeof(recipient), "jane@%s", domain);
    job->home = &engine.shards[0];
    job->recipient = mem_copy_text(recipient);
    job->domain = mem_copy_text(domain);
    job->bulk = bulk;
    job->evidence = smtp_evidence_new();
    job->mx = mx_evidence_new();
    add_host(job->mx, host);
    if (second != NULL)
        add_host(job->mx, second);
    job_send_to_lane(job);
    return job;
}

struct job *job_for(const char *domain)
{
    struct job *job = mem_new(struct job);

    job->home = &engine.shards[0];
    job->domain = mem_copy_text(domain);
    job->evidence = smtp_evidence_new();
    job->mx = mx_evidence_new();
    add_host(job->mx, "mx.test");
    return job;
}

void run_until_returned(size_t count)
{
    while (returned_count < count)
        loop_run_once(engine.shards[0].loop);
}

struct lane *only_lane(void) { return engine.shards[0].lanes->by_key; }
