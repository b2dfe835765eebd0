#!/bin/bash
# layer.sh PACKAGE... - a tree that lies over the base and adds these packages, made once; prints its folder.
# One layer for each server: this machine stays clean, and servers that conflict as packages do not meet.
. "$(dirname "$0")/common.sh"

layer=$cache/layers/$(IFS=-; echo "$*")
mkdir -p "$cache/layers"
base=$("$interop/base.sh")
exec 9>"$layer.lock"
flock 9
[ ! -d "$layer" ] || { echo "$layer"; exit 0; }

part=$layer.part
rm -rf --one-file-system "$part"
mkdir -p "$part"
cp -L /etc/resolv.conf "$part/resolv.conf"
"$interop/machine.sh" "$base" "$part" "
    apt-get update -qq && apt-get install -y -qq $* && apt-get clean && rm -rf /var/lib/apt/lists/*" \
    >"$layer.log" 2>&1 || { tail -n 20 "$layer.log" >&2; die "installing $* failed"; }
mv "$part/up" "$layer"
rm -rf --one-file-system "$part"
echo "$layer"
