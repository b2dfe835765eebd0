# dovecot.sh - Dovecot, a certificate or policy for each address, 143 and 993 (on other ports) on all:
#   .1 valid, no sign-in before STARTTLS   .2 expired   .3 self-signed   .4 wrong host   .5 no TLS, passwords in clear
#   .6 STARTTLS offered, passwords also in clear   .7 incomplete chain   .8 whole chain   .9 unknown CA
# Also Postfix' policy service for quota.test: full@ is over quota.

packages=(dovecot-imapd)

# listen NAME PORT TLS NUMBER...
listen() {
    local name=$1 port=$2 tls=$3 number
    shift 3
    for number; do
        cat <<L
  inet_listener $name$number {
    address = $imap_net.$number
    port = $port
    ssl = $tls
  }
L
    done
}
# at NUMBER CERTIFICATE [SETTING]...
at() {
    local number=$1 certificate=$2
    shift 2
    cat <<A
local $imap_net.$number {
  ssl_cert = <$certificates/$certificate.pem
  ssl_key = <$certificates/$certificate.key
$(printf '  %s\n' "$@")
}
A
}

configure() {
    cat >"$conf/dovecot.conf" <<D
log_path = /dev/stderr
protocols = imap
listen = $imap_net.1
ssl = yes
ssl_cert = <$certificates/valid.pem
ssl_key = <$certificates/valid.key
disable_plaintext_auth = yes
mail_location = maildir:/tmp/mail/%u
passdb {
  driver = static
  args = nopassword=no password=nobody-signs-in
}
userdb {
  driver = static
  args = uid=mail gid=mail home=/tmp/mail/%u allow_all_users=yes
}
first_valid_uid = 1
service imap-login {
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    port = 0
  }
$(listen clear "$port_imap" no 1 2 3 4 5 6 7 8 9; listen tls "$port_imaps" yes 1 2 3 4 6 7 8 9)
  process_min_avail = 1
  service_count = 0
}
mail_plugins = quota
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=2K
  quota_grace = 0
  quota_status_success = DUNNO
  quota_status_nouser = DUNNO
  quota_status_overquota = "452 4.2.2 Mailbox is full and cannot receive more mail"
}
service quota-status {
  executable = quota-status -p postfix
  client_limit = 1
  inet_listener {
    address = $imap_net.1
    port = 12340
  }
}
$(at 2 expired; at 3 self-signed; at 4 wrong-host
    at 5 valid "ssl = no" "disable_plaintext_auth = no"; at 6 valid "disable_plaintext_auth = no"
    at 7 incomplete; at 8 full-chain; at 9 untrusted)
D
}

command="
    mailbox=/tmp/mail/full@quota.test
    mkdir -p \$mailbox/{new,cur,tmp}
    head -c 9000 /dev/zero | tr '\\0' x >\"\$mailbox/new/1.M1P1.host,S=9000,W=9000\"
    chown -R mail:mail /tmp/mail
    exec dovecot -F -c $conf/dovecot.conf"
ready="$imap_net.1 $port_imap"
