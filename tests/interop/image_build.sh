#!/bin/bash
# image_build.sh FOLDER IMAGE - build with podman as image.sh has set it up; the base tree becomes the base image.
set -euo pipefail

podman rm -f -a -v # of a run that was cut off
podman image prune -f --filter until=48h
podman image exists "$BASE_IMAGE" ||
    tar -C "$INTEROP_BASE" --numeric-owner --exclude='./dev/*' -c . | podman import -q - "$BASE_IMAGE"
podman build --build-arg "BASE=$BASE_IMAGE" --pull=never --format docker --isolation chroot --network host \
    --signature-policy "$(dirname "$CONTAINERS_CONF")/policy.json" -t "$2" "$1"
