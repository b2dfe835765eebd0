#!/bin/bash
# machine_inside.sh - the first process of a machine: puts its root together, then runs its command (machine.sh).
set -eu
root=$MACHINE_STATE/root

mount -t overlay overlay \
    -o "lowerdir=$MACHINE_LOWER,upperdir=$MACHINE_STATE/up,workdir=$MACHINE_STATE/work" "$root"
mount -t proc proc "$root/proc"
if mount -t sysfs -o ro sysfs "$root/sys" 2>/dev/null && [ -d /sys/fs/cgroup ]; then
    mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
fi
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"
mkdir -m 1777 "$root/dev/shm" "$root/run/lock"
mkdir "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
[ ! -e "$MACHINE_STATE/resolv.conf" ] || cat "$MACHINE_STATE/resolv.conf" >"$root/etc/resolv.conf"
for bind in $MACHINE_BIND; do
    mkdir -p "$root${bind#*:}"
    mount --rbind "${bind%%:*}" "$root${bind#*:}"
done
socat -u "UNIX-RECV:$root/dev/log,mode=666" - 2>/dev/null &

# A real root, not a chroot: namespaces made inside (containers) go by it.
cd "$root"
mkdir .outside
pivot_root . .outside
cd /
umount -l .outside
rmdir .outside

environment=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM="${TERM:-dumb}"
    DEBIAN_FRONTEND=noninteractive)
as_user=()
if [ "$MACHINE_USER" = root ]; then
    environment+=(HOME=/root)
else
    id "$MACHINE_USER" >/dev/null 2>&1 || useradd -m -s /bin/bash "$MACHINE_USER"
    uid=$(id -u "$MACHINE_USER")
    as_user=(setpriv "--reuid=$uid" "--regid=$(id -g "$MACHINE_USER")" --init-groups)
    environment+=("HOME=/home/$MACHINE_USER")
    [ ! -d /src ] || chown -R "$MACHINE_USER:" /src
fi
# The first process ignores signals it has no handler for. Waiting (instead of exec) lets it catch them.
trap 'exit 130' INT TERM
env -i --default-signal=INT,QUIT "${environment[@]}" ${as_user[@]+"${as_user[@]}"} bash -c "$MACHINE_COMMAND" <&0 &
wait $!
