#!/bin/bash
# run_all.sh BUILD - every test that needs neither root nor network: unit tests, then each
# suite that an area registers as tests/*/check.sh BUILD (last line "N passed, N failed").
# Last line: the sum.
set -u
build=$1
total_passed=0 total_failed=0 status=0

suite() {
    local name=$1 log last
    shift
    echo "== $name"
    log=$(mktemp)
    "$@" 2>&1 | tee "$log"
    [ "${PIPESTATUS[0]}" = 0 ] || status=1
    last=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
    rm -f "$log"
    [ -n "$last" ] || { last="0 passed, 1 failed"; status=1; }
    total_passed=$((total_passed + ${last%% *}))
    last=${last#*, }
    total_failed=$((total_failed + ${last%% *}))
}

suite unit tests/support/run_units.sh "$build"/unit/test_*[!.o]
for check in tests/*/check.sh; do
    [ -x "$check" ] && suite "$(basename "$(dirname "$check")")" "$check" "$build"
done
echo "$total_passed passed, $total_failed failed"
[ $status = 0 ] && [ $total_failed = 0 ]
