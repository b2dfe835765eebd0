#!/bin/bash
# check.sh BUILD - manners and promises, counted by the lab; last line "N passed, N failed".
set -eu
${MAKE:-make} --no-print-directory "BUILD=$1" "$1/vrfyd" "$1/maillab" "$1/connect_log.so" > /dev/null
MAILLAB=$1/maillab VRFYD=$1/vrfyd CONNECT_LOG_SO=$1/connect_log.so PYTHONDONTWRITEBYTECODE=1 \
    python3 tests/manners/run.py
