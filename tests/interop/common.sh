# common.sh - sourced by the scripts of this folder: where things are, and whether they can run here.

set -euo pipefail
interop=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$interop/../.." && pwd)
cache=${INTEROP_CACHE:-$root/.cache/interop}
certificates=$cache/certificates

# Every server has an address of its own below 127.10; ports that need no privilege.
network=127.10
smtp_net=$network.1 imap_net=$network.2
dns_address=$network.0.53 resolver_address=$network.0.54 client_address=$network.9.9
port_smtp=2525 port_imap=1143 port_imaps=1993 port_dns=5353

die() { echo "$(basename "$0"): $*" >&2; exit 1; }

# fail REASON - for what ends in test counts: nothing could be tested
fail() { echo "FAIL  $*"; echo "0 passed, 1 failed"; exit 1; }

# skip REASON - under CI what cannot run is a failure: nobody would notice a skip there.
skip() {
    [ "${CI:-}" != true ] || fail "cannot run here: $1"
    echo "skipped: $1"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}

# Prints why throw-away machines cannot be made here; nothing when they can.
machines_impossible() {
    [ "$(uname -s)" = Linux ] || { echo "Linux is needed"; return; }
    [ "$(id -u)" = 0 ] || { echo "root is needed (try sudo)"; return; }
    command -v unshare >/dev/null || { echo "unshare is missing (package util-linux)"; return; }
    unshare --mount --net --pid --fork true 2>/dev/null ||
        { echo "this system lets root make no namespaces"; return; }
    mkdir -p "$cache/try/lower" "$cache/try/upper" "$cache/try/work" "$cache/try/root"
    # shellcheck disable=SC2016  # $1 belongs to the inner shell
    unshare --mount --propagation private sh -c 'cd "$1" &&
        mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work root' sh "$cache/try" \
        2>/dev/null || echo "no overlay file system over $cache"
    rm -rf "$cache/try"
}

# Waits until something listens at ADDRESS PORT, as long as process PID lives.
wait_for_port() {
    local i
    for ((i = 0; i < 600; i++)); do
        # shellcheck disable=SC2016  # $1 and $2 belong to the inner shell
        bash -c 'exec 3<>"/dev/tcp/$1/$2"' bash "$1" "$2" 2>/dev/null && return 0
        [ -d "/proc/$3" ] || return 1
        read -rt 0.05 <> <(:) || :
    done
    return 1
}

# about_server NAME - what servers/NAME.sh defines: `packages`, `configure` (writes files into $conf), `command`
# (run on the machine), `ready` (ADDRESS PORT).
about_server() {
    state=$cache/run/$1
    conf=$state/conf
    . "$interop/servers/$1.sh"
}

# contained UNSHARE-OPTION... COMMAND... - run it in namespaces that die with this shell, however it ends.
contained() {
    # shells start background commands with SIGINT ignored, and that is inherited
    setpriv --pdeathsig KILL env --default-signal=INT,QUIT \
        unshare --mount --pid --fork --kill-child --propagation private "$@" <&0 &
    # shellcheck disable=SC2064  # the pid as it is now
    trap "kill -9 $! 2>/dev/null; exit 130" INT TERM
    wait $!
}
