/* The commands that need an engine, with the fake one: all of HTTP, signals, settings and terminal
 * output, no probes. `fake-server check ...`, `fake-server domain ...`; anything else is serve. */
#include <string.h>

#include "api/cli.h"

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    if (strcmp(name, "check") == 0)
        return cli_close(cli_check(argc - 2, argv + 2));
    if (strcmp(name, "domain") == 0)
        return cli_close(cli_domain(argc - 2, argv + 2));
    return cli_serve(argc - 1, argv + 1);
}
