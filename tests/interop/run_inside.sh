#!/bin/bash
# run_inside.sh VRFYD [PATTERN] - the part of run.sh inside the network of its own.
. "$(dirname "$0")/common.sh"

ip link set lo up
for name in knot unbound dovecot exim opensmtpd postfix; do
    started=${EPOCHREALTIME/./}
    mkdir -p "$cache/run"
    log=$cache/run/$name.log
    "$interop/server.sh" "$name" >"$log" 2>&1 </dev/null &
    pid=$!
    about_server "$name"
    # shellcheck disable=SC2086  # `ready` is an address and a port
    wait_for_port $ready $pid || { tail -n 20 "$log"; fail "$name did not start"; }
    echo "$name answers on ${ready/ /:} after $(((${EPOCHREALTIME/./} - started) / 1000)) ms"
done
export INTEROP_CACHE=$cache PYTHONDONTWRITEBYTECODE=1
python3 "$interop/run.py" "$@"
