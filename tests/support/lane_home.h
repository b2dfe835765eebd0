/* lane_home.h - the home of jobs, played for tests of lanes: jobs go in, evidence comes out.
 * Defines what the lanes ask of the engine and of checks. */
#pragma once

#include "service/lanes.h"

enum { LANE_HOME_RETURNED_MAX = 32 };

extern struct engine engine;
extern struct config config;
extern struct job *returned[LANE_HOME_RETURNED_MAX]; /* in the order in which they came home */
extern size_t returned_count;

/* Hosts listen on `port` of 127.0.0.1. `tls` may be NULL: all in clear. */
void open_lanes(uint16_t port, struct tls_client *tls);
void forget_returned(void);
void close_lanes(void);
/* About jane@domain. A second host may be NULL. */
struct job *send_job(const char *domain, bool bulk, const char *host, const char *second);
struct job *job_for(const char *domain); /* not sent */
void run_until_returned(size_t count);
struct lane *only_lane(void);
