#!/bin/bash
# run_units.sh [WRAPPER... --] PROGRAM... - run cmocka programs, two at a time, one line each;
# what a failing one printed is shown whole. Last line: N passed, N failed.
set -u
wrapper=()
for word in "$@"; do
    if [ "$word" = -- ]; then
        while [ "$1" != -- ]; do wrapper+=("$1"); shift; done
        shift
        break
    fi
done
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

run_one() {
    local program=$1 name log status
    name=$(basename "$program")
    log=$LOGS/$name
    # shellcheck disable=SC2086  # the wrapper is a command with its arguments
    $WRAPPER "$program" >"$log" 2>&1 </dev/null
    status=$?
    echo "$status" >"$log.status"
    if [ $status = 0 ]; then
        echo "ok    $name ($(grep -cE '^\[ +OK' "$log") tests)"
    else
        echo "FAIL  $name (exit $status)"
        sed 's/^/      /' "$log"
    fi
}
export -f run_one
export LOGS=$logs WRAPPER="${wrapper[*]}"
printf '%s\n' "$@" | xargs -P2 -I{} bash -c 'run_one "$1"' _ {}

passed=0 failed=0
for program in "$@"; do
    log=$logs/$(basename "$program")
    passed=$((passed + $(grep -cE '^\[ +OK' "$log")))
    lost=$(grep -cE '^\[ +(FAILED|ERROR) +\] [a-z_0-9]+$' "$log")
    [ "$(cat "$log.status")" = 0 ] || [ "$lost" != 0 ] || lost=1
    failed=$((failed + lost))
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
