#!/bin/bash
# image.sh - build the image from the Dockerfile, then hold a running container to its promises (image_checks.sh).
# With a Docker engine where there is one. Else podman and runc do both, on the cached base tree of base.sh in place
# of the base image: no registry is asked, and all of it lives in the cache. RELEASE=trixie: on another Debian.
. "$(dirname "$0")/common.sh"

release=${RELEASE:-bookworm}
tag=vrfyd:image-check-$release
export BASE_IMAGE=docker.io/library/debian:$release-slim
if docker info >/dev/null 2>&1; then
    docker build -q --build-arg "BASE=$BASE_IMAGE" -t "$tag" "$root" >/dev/null || fail "the image does not build"
    exec "$interop/image_checks.sh" docker "$tag"
fi
reason=$(machines_impossible)
[ -z "$reason" ] || skip "no Docker engine, and $reason"
"$interop/deps.sh" || skip "packages are missing"

store=$cache/container
mkdir -p "$store"
exec 8>"$store/lock"
flock 8
cat >"$store/storage.conf" <<S
[storage]
driver = "overlay"
graphroot = "$store/graph"
runroot = "$store/run"
S
cat >"$store/containers.conf" <<S
[containers]
# not every root may raise limits; podman's own default tries to
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
tmp_dir = "$store/tmp"
S
echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$store/policy.json"
echo 'unqualified-search-registries = []' >"$store/registries.conf"
export CONTAINERS_STORAGE_CONF=$store/storage.conf CONTAINERS_CONF=$store/containers.conf \
    CONTAINERS_REGISTRIES_CONF=$store/registries.conf

INTEROP_BASE=$("$interop/base.sh" "$release") || fail "there is no base tree"
export INTEROP_BASE
started=$SECONDS
log=$store/build.log
contained "$interop/image_build.sh" "$root" "$tag" >"$log" 2>&1 8>&- || { tail -n 30 "$log"; fail "the image does not build"; }
echo "the image is built ($((SECONDS - started)) s)"
contained --net --mount-proc "$interop/image_checks.sh" podman "$tag" 8>&-
