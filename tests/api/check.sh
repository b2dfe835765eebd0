#!/bin/bash
# check.sh BUILD - HTTP and command line from outside; last line "N passed, N failed".
set -eu
${MAKE:-make} --no-print-directory "BUILD=$1" "$1/fake-server" "$1/vrfyd" >/dev/null
FAKE_SERVER=$1/fake-server VRFYD=$1/vrfyd PYTHONDONTWRITEBYTECODE=1 python3 tests/api/run.py
