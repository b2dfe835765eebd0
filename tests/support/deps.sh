#!/bin/sh
# deps.sh PACKAGE... - install what is missing with apt; say what is missing where that is not possible.
set -eu

missing=
for package in "$@"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "These packages are missing, and this system has no apt (names are Debian's):$missing" >&2
    exit 1
fi

# sudo may ask for a password where somebody can type it, and nowhere else
may_sudo() {
    command -v sudo >/dev/null || return 1
    sudo -n true 2>/dev/null || { [ -t 0 ] && [ -t 2 ] && echo "to be installed:$missing" >&2 && sudo -v; }
}
as_root=
if [ "$(id -u)" != 0 ]; then
    if ! may_sudo; then
        echo "These packages are missing, and only root can install them:" >&2
        echo "    apt-get update && apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
    as_root=sudo
fi
echo "installing:$missing"
# shellcheck disable=SC2086  # a list of words is meant
{
    $as_root apt-get -o DPkg::Lock::Timeout=300 update -qq
    $as_root env DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes apt-get -o DPkg::Lock::Timeout=300 install -y -qq \
        --no-install-recommends $missing >/dev/null
}
