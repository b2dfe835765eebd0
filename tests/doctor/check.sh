#!/bin/bash
# check.sh BUILD - vrfyd doctor against hosts and resolvers of its own; last line "N passed, N failed".
set -eu
${MAKE:-make} --no-print-directory "BUILD=$1" "$1/vrfyd" >/dev/null
VRFYD=$1/vrfyd PYTHONDONTWRITEBYTECODE=1 python3 tests/doctor/run.py
