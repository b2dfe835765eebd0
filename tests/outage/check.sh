#!/bin/bash
# check.sh BUILD - five seconds without a network in the middle of a run; last line "N passed, N failed".
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PYTHONDONTWRITEBYTECODE=1 python3 "$(dirname "$0")/../bench/outage.py" --short --build "$1" --out "$work"
