# knot.sh - Knot DNS, authoritative for the zones of zones.sh. secure.test and child.secure.test are signed when
# it starts, the latter's DS stands in the former; bogus.secure.test has a DS of no key.

packages=(knot unbound) # one layer for both name servers

zones=()
zone() {
    zones+=("$1")
    {
        printf '$ORIGIN %s.\n$TTL 300\n@ SOA ns.lab.test. hostmaster.lab.test. 1 3600 600 86400 60\n' "$1"
        printf '@ NS ns.lab.test.\n'
        cat
    } >"$conf/$1.zone"
}

configure() {
    local name
    . "$interop/servers/zones.sh"
    cat >"$conf/knot.conf" <<K
server:
    listen: $dns_address@$port_dns
    rundir: /run/knot
    user: root:root
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stdout
    any: notice
database:
    storage: $conf/database
policy:
  - id: manual
    algorithm: ecdsap256sha256
    ksk-lifetime: 0
    zsk-lifetime: 0
template:
  - id: default
    storage: $conf
    file: "%s.zone"
    zonefile-sync: -1
    zonefile-load: difference-no-serial
    journal-content: all
zone:
K
    for name in "${zones[@]}"; do
        echo "  - domain: $name"
        case $name in
        secure.test | child.secure.test) printf '    dnssec-signing: on\n    dnssec-policy: manual\n' ;;
        esac
    done >>"$conf/knot.conf"
}

command="
    set -e
    cd $conf
    mkdir -p database /run/knot
    for zone in secure.test child.secure.test; do
        keymgr -c knot.conf \$zone generate algorithm=ecdsap256sha256 ksk=yes >/dev/null
        keymgr -c knot.conf \$zone generate algorithm=ecdsap256sha256 >/dev/null
    done
    keymgr -c knot.conf child.secure.test ds | grep ' 13 2 ' >>secure.test.zone
    keymgr -c knot.conf secure.test ds | grep ' 13 2 ' | sed 's/ DS / 300 IN DS /' >trust-anchor.part
    mv trust-anchor.part trust-anchor
    exec knotd -c knot.conf"
ready="$dns_address $port_dns"
