#!/bin/sh
# deps.sh - install what the tests against real servers and the image check need on this machine.
# The servers themselves are never installed here: they live in cached trees of their own.
set -eu
cd "$(dirname "$0")"

packages="debootstrap debian-archive-keyring iproute2 util-linux procps socat openssl bind9-dnsutils python3 curl git"
if ! docker info >/dev/null 2>&1; then
    packages="$packages podman runc"
fi
# shellcheck disable=SC2086  # a list of words is meant
exec ../support/deps.sh $packages
