#!/bin/bash
# server.sh knot|unbound|postfix|dovecot|exim|opensmtpd - run one real server in the foreground on its 127.10.x.y addresses,
# on a throw-away machine of its own; Ctrl-C ends it. Its log comes out here. unbound needs knot's keys: start
# knot first. What it is made to answer stands in servers/NAME.sh.
. "$(dirname "$0")/common.sh"

name=${1:-}
[ -e "$interop/servers/$name.sh" ] || die "usage: server.sh knot|unbound|postfix|dovecot|exim|opensmtpd"
reason=$(machines_impossible)
[ -z "$reason" ] || die "$reason"

about_server "$name"
rm -rf --one-file-system "$state"
mkdir -p "$conf"
"$interop/certificates.sh"

layer=$("$interop/layer.sh" "${packages[@]}")
base=$("$interop/base.sh")
configure
echo "nameserver $resolver_address" >"$state/resolv.conf"
exec "$interop/machine.sh" -b "$conf" -b "$certificates" "$layer:$base" "$state" "$command"
