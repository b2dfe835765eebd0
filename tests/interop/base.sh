#!/bin/bash
# base.sh [RELEASE] - a pristine minimal tree of Debian (bookworm) or, named noble, of Ubuntu 24.04, made once by
# debootstrap; prints its folder. Everything else stands on it and never writes to it. Debian's own archive is asked,
# through the mirror and the proxy settings of this machine; DEBIAN_MIRROR overrides. For Ubuntu: UBUNTU_MIRROR, and
# UBUNTU_KEYRING where this system has no package ubuntu-keyring.
. "$(dirname "$0")/common.sh"

release=${1:-bookworm}
tree=$cache/base/$release
mkdir -p "$cache/base"
exec 9>"$cache/base/.$release.lock"
flock 9
[ ! -d "$tree" ] || { echo "$tree"; exit 0; }

mirror_of_host() {
    local source
    for source in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
        [ -e "$source" ] || continue
        grep -oE 'https?://[^ ]+/debian/?( |$)' "$source" | head -n 1 | tr -d ' ' && return
    done
}

script=/usr/share/debootstrap/scripts/$release options=()
if [ "$release" = noble ]; then
    mirror=${UBUNTU_MIRROR:-http://archive.ubuntu.com/ubuntu} components="main universe"
    keyring=${UBUNTU_KEYRING:-/usr/share/keyrings/ubuntu-archive-keyring.gpg}
    [ -e "$keyring" ] || die "$keyring is missing (package ubuntu-keyring, or name another in UBUNTU_KEYRING)"
    options=("--keyring=$keyring" "--components=main,universe")
    [ -e "$script" ] || script=${script%/*}/gutsy # the same for every release of Ubuntu
else
    mirror=${DEBIAN_MIRROR:-$(mirror_of_host || :)} components=main
    mirror=${mirror:-http://deb.debian.org/debian}
fi
mirror=${mirror%/}

part=$tree.part log=$cache/base/$release.log
rm -rf --one-file-system "$part"
debootstrap --variant=minbase ${options[@]+"${options[@]}"} "$release" "$part" "$mirror" "$script" >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; die "debootstrap failed"; }
cat >"$part/etc/apt/sources.list" <<S
deb $mirror $release $components
deb $mirror $release-updates $components
deb ${mirror/%\/debian/\/debian-security} $release-security $components
S
apt-config dump | grep -E '^Acquire::(https?|Check-|Retries|ForceIPv)' >"$part/etc/apt/apt.conf.d/80host" || :
printf 'APT::Install-Recommends "false";\nAcquire::Languages "none";\n' >"$part/etc/apt/apt.conf.d/80small"
printf '#!/bin/sh\nexit 101\n' >"$part/usr/sbin/policy-rc.d" # packages start no service
chmod 755 "$part/usr/sbin/policy-rc.d"
printf '127.0.0.1 localhost\n::1 localhost\n' >"$part/etc/hosts"
cp -L /etc/resolv.conf "$part/etc/resolv.conf"
chroot "$part" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive sh -ec '
    apt-get update -qq
    apt-get dist-upgrade -y -qq
    apt-get clean
    rm -rf /var/lib/apt/lists/* /var/log/*.log /var/log/apt' >>"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; die "upgrading the base failed"; }
mv "$part" "$tree"
echo "$tree"
