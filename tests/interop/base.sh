#!/bin/bash
# base.sh [RELEASE] - a pristine minimal Debian tree (bookworm), made once by debootstrap; prints its folder.
# Everything else stands on it and never writes to it. Debian's own archive is asked, through the mirror and
# the proxy settings of this machine; DEBIAN_MIRROR overrides.
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
mirror=${DEBIAN_MIRROR:-$(mirror_of_host || :)}
mirror=${mirror:-http://deb.debian.org/debian}
mirror=${mirror%/}

part=$tree.part log=$cache/base/$release.log
rm -rf --one-file-system "$part"
debootstrap --variant=minbase "$release" "$part" "$mirror" >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; die "debootstrap failed"; }
cat >"$part/etc/apt/sources.list" <<S
deb $mirror $release main
deb $mirror $release-updates main
deb ${mirror%/debian}/debian-security $release-security main
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
