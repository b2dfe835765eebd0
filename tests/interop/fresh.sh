#!/bin/bash
# fresh.sh [-r RELEASE] [-w] [-k] [-u USER] FOLDER [COMMAND...]
# Try a repository on a fresh machine: pristine minimal Debian (bookworm) with working apt, a clone of FOLDER in
# /src, where COMMAND (else a shell) runs; its exit status is passed on. Nothing of it stays behind.
#   -r  another release: trixie, or noble, which is Ubuntu 24.04
#   -w  the working tree (all but what is ignored) instead of a clone of HEAD
#   -k  keep what it wrote, and say where
#   -u  run as this user, who owns /src
. "$(dirname "$0")/common.sh"

usage() { sed -n '2,/^\./s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2; }

release=bookworm from=head keep=no user=root
while getopts r:wku: option; do
    case $option in
    r) release=$OPTARG ;;
    w) from=tree ;;
    k) keep=yes ;;
    u) user=$OPTARG ;;
    *) usage ;;
    esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || usage
source=$(cd "$1" && pwd)
shift
reason=$(machines_impossible)
[ -z "$reason" ] || die "$reason"

base=$("$interop/base.sh" "$release")
mkdir -p "$cache/run"
state=$(mktemp -d "$cache/run/fresh.XXXXXX")
# shellcheck disable=SC2317  # called by the trap
clean() { if [ $keep = yes ]; then echo "kept: $state" >&2; else rm -rf --one-file-system "$state"; fi; }
trap clean EXIT
mkdir -p "$state/src"
if [ $from = head ]; then
    git -c safe.directory='*' clone -q --no-hardlinks "$source" "$state/src"
else
    (cd "$source" && git ls-files -z --cached --others --exclude-standard |
        tar --null -T - --ignore-failed-read -cf -) 2>/dev/null | tar -C "$state/src" -xf -
fi
cp -L /etc/resolv.conf "$state/resolv.conf"
# Not in the foreground: there bash would hear of a signal only when the command has ended.
setpriv --pdeathsig TERM "$interop/machine.sh" -b "$state/src:/src" -u "$user" "$base" "$state" \
    "cd /src && ${*:-exec bash}" <&0 &
machine=$!
trap 'kill -TERM $machine 2>/dev/null || :; wait $machine || :; exit 130' INT TERM
wait $machine
