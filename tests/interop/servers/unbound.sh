# unbound.sh - Unbound, validating, in front of Knot. Delegations carry no port, so each zone is a stub.

packages=(knot unbound)

stub() { printf 'stub-zone:\n  name: "%s"\n  stub-addr: %s\n' "$1" "$2"; }

configure() {
    local zone
    cp "$cache/run/knot/conf/trust-anchor" "$conf/"
    cat >"$conf/unbound.conf" <<U
server:
  interface: $resolver_address@$port_dns
  access-control: 127.0.0.0/8 allow
  num-threads: 1
  username: ""
  chroot: ""
  directory: "$conf"
  pidfile: ""
  use-syslog: no
  verbosity: 1
  do-daemonize: no
  do-ip6: no
  do-not-query-localhost: no    # else it never asks 127/8
  local-zone: "test." nodefault # else it answers for test. itself, by RFC 6761
  trust-anchor-file: "$conf/trust-anchor"
  module-config: "validator iterator"
  ede: yes
remote-control:
  control-enable: no
U
    {
        for zone in test secure.test child.secure.test open.secure.test bogus.secure.test; do
            stub $zone "$dns_address@$port_dns"
        done
        stub lame.test "$smtp_net.1@$port_dns" # where nothing answers
    } >>"$conf/unbound.conf"
}

command="exec unbound -dd -c $conf/unbound.conf"
ready="$resolver_address $port_dns"
