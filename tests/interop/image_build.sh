#!/bin/bash
# image_build.sh FOLDER IMAGE - build with podman as image.sh has set it up; the base tree becomes the base image.
set -euo pipefail

base_image=docker.io/library/debian:bookworm-slim
podman rm -f -a -v # of a run that was cut off
podman image prune -f --filter until=48h
podman image exists $base_image ||
    tar -C "$INTEROP_BASE" --numeric-owner --exclude='./dev/*' -c . | podman import -q - $base_image
podman build --pull=never --format docker --isolation chroot --network host \
    --signature-policy "$(dirname "$CONTAINERS_CONF")/policy.json" -t "$2" "$1"
