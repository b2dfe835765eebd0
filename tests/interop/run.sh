#!/bin/bash
# run.sh VRFYD [PATTERN] - start the real servers, run run.py against them, stop them. All of it happens in a
# network of its own, so nothing can collide with it or stay behind; only making the trees touches the network.
. "$(dirname "$0")/common.sh"

vrfyd=$(realpath "$1")
reason=$(machines_impossible)
[ -z "$reason" ] || skip "$reason"

"$interop/deps.sh" || skip "packages are missing"
mkdir -p "$cache"
exec 8>"$cache/run.lock"
flock 8
started=$SECONDS
"$interop/certificates.sh"
for name in knot postfix dovecot exim opensmtpd; do
    (about_server $name && "$interop/layer.sh" "${packages[@]}" >/dev/null) || fail "$name cannot be installed"
done
echo "servers are installed ($((SECONDS - started)) s)"
contained --net --mount-proc "$interop/run_inside.sh" "$vrfyd" "${2:-}" 8>&-
