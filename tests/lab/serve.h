/* serve.h - plays a world: listeners, worker processes, DNS and the control socket. */
#pragma once

struct serve_options {
    const char *world;      /* directory */
    const char *ready_file; /* NULL = none */
};

/* Until SIGTERM, SIGINT or a `stop` command. Exit status. */
int serve_world(const struct serve_options *options);
