#!/bin/sh
# readme.sh BUILD - puts today's settings table into README.md; with `check`, says whether it is there.
set -eu
table=$(mktemp)
trap 'rm -f "$table" "$table.new"' EXIT
"$1/vrfyd" settings > "$table"
awk -v table="$table" '
    /^\| setting \| default \|/ { while ((getline line < table) > 0) print line; skipping = 1; next }
    skipping && /^\|/ { next }
    { skipping = 0; print }' README.md > "$table.new"
if [ "${2:-}" = check ]; then
    diff -u README.md "$table.new" || { echo "README.md: run tests/support/readme.sh $1" >&2; exit 1; }
else
    cat "$table.new" > README.md
fi
