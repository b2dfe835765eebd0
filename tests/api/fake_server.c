/* `vrfyd serve` with the fake engine: all of HTTP, signals and settings, no probes. */
#include "api/cli.h"

int main(int argc, char **argv) { return cli_serve(argc - 1, argv + 1); }
