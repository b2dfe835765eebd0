#!/bin/bash
# check.sh BUILD - the lab over the wire, then the service against its worlds: every behaviour once (the demo)
# and random worlds of several seeds. Last line: "N passed, N failed".
set -u
build=$1
here=$(dirname "$0")
passed=0 failed=0
export PYTHONDONTWRITEBYTECODE=1 MAILLAB=$build/maillab
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Adds the two numbers of "... A of N ..." found by a pattern in the last line; anything else is one failure.
add() {
    local right total
    read -r right total < <(tail -n 1 "$1" | grep -oE "$2" | tail -n 1 | grep -oE '[0-9]+' | tr '\n' ' ')
    if [ -z "${total:-}" ]; then
        failed=$((failed + 1))
        return
    fi
    passed=$((passed + right))
    failed=$((failed + total - right))
}

# Runs a command; on failure shows what it said. Its exit status counts even where the numbers agree.
run() {
    local log=$1 status
    shift
    "$@" > "$log" 2>&1
    status=$?
    [ $status = 0 ] || { tail -n 40 "$log"; failed=$((failed + 1)); }
}

run "$work/self" python3 "$here/selftest.py"
passed=$((passed + $(grep -oE '^Ran [0-9]+' "$work/self" | grep -oE '[0-9]+' || echo 0)))

"$build/maillab" demo-world --out "$work/demo" > "$work/made" || failed=$((failed + 1))
run "$work/demo.log" python3 "$here/ask.py" demo --once --imap 1 --world "$work/demo" \
    --maillab "$build/maillab" --vrfyd "$build/vrfyd"
add "$work/demo.log" '^[0-9]+ of [0-9]+'

# Hosts that must not be believed for long, and hosts that outlast the deadline of a request.
world() {
    local name=$1 mix=$2
    shift 2
    printf '%s\n' "imap:none 1" "$mix" > "$work/mix"
    "$build/maillab" generate --mix "$work/mix" --out "$work/$name" --domains 2 "${@:2}" > "$work/made" ||
        failed=$((failed + 1))
    run "$work/$name.log" python3 "$here/ask.py" accuracy --deadline-ms "$1" --world "$work/$name" \
        --maillab "$build/maillab" --vrfyd "$build/vrfyd"
    add "$work/$name.log" 'reason [0-9]+ of [0-9]+'
}
world harvest "harvest-lies 1" 60000 --seed 4 --addresses 300
world slow "slow-greeting 1" 3000 --seed 5 --addresses 40

for seed in 1 2; do
    "$build/maillab" generate --seed $seed --domains 150 --addresses 2000 --null-sender $((seed % 2)) \
        --out "$work/$seed" > "$work/made" || failed=$((failed + 1))
    run "$work/$seed.log" python3 "$here/ask.py" accuracy --imap $((seed % 2)) --world "$work/$seed" \
        --maillab "$build/maillab" --vrfyd "$build/vrfyd"
    add "$work/$seed.log" 'reason [0-9]+ of [0-9]+'
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
