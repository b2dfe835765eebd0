#!/bin/bash
# check.sh BUILD - source addresses and proxies, with real sockets on loopback; last line "N passed, N failed".
set -eu
${MAKE:-make} --no-print-directory "BUILD=$1" "$1/vrfyd" "$1/maillab" > /dev/null
MAILLAB=$1/maillab VRFYD=$1/vrfyd PYTHONDONTWRITEBYTECODE=1 python3 tests/routes/run.py
