# postfix.sh - Postfix as mail exchanger of many domains, one behaviour each, on several listeners:
#   .1 good certificate   .11 expired   .12 self-signed   .13 wrong host   .14 no STARTTLS   .15 STARTTLS demanded
#   .16 postscreen, which greets in two steps   .18 refuses us in its greeting   .19 TLS 1.0 only   .20 incomplete chain
#   .21 hangs up after two errors   .22 asks Exim before it answers for a recipient

packages=(postfix postgrey)

# listener NUMBER NAME [OPTION=VALUE]...
listener() {
    local number=$1 name=$2
    shift 2
    printf '%s.%s:%s inet n - n - - smtpd -o myhostname=%s.lab.test' "$smtp_net" "$number" "$port_smtp" "$name"
    [ $# = 0 ] || printf ' -o %s' "$@"
    echo
}
with_certificate() {
    listener "$1" "$2" "smtpd_tls_cert_file=$certificates/$3.pem" "smtpd_tls_key_file=$certificates/$3.key"
}

configure() {
    local listeners="smtp-expired smtp-self-signed smtp-wrong-host smtp-no-tls smtp-must-tls postscreen
        smtp-old-tls smtp-incomplete two-errors exim-callout"
    local domains="expired self-signed wrong-host clear optional incomplete full-chain untrusted guess no-imap
        implicit mx-alias alias dead-first half-dangling loopback-first six many big xn--bcher-kva any.wild
        secure child.secure open.secure"
    local domain

    {
        for domain in good grey $listeners $domains; do
            echo "alice@$domain.test x"
        done
        echo "postmaster@good.test x"
        echo "bücher@good.test x"
        for domain in catch-all full quota tarpit temporary; do
            echo "@$domain.test x"
        done
    } >"$conf/mailboxes"
    sed -n 's/.*@\([^ ]*\).*/\1 x/p' "$conf/mailboxes" | sort -u >"$conf/domains"

    cat >"$conf/recipients" <<R
full@full.test      552 5.2.2 Mailbox over quota
nearly@full.test    452 4.2.2 Mailbox full
quota.test          ask_dovecot
grey.test           ask_postgrey
tarpit.test         wait
temporary.test      451 4.3.0 Temporary lookup failure, try again later
R

    cat >"$conf/main.cf" <<M
compatibility_level = 3.6
myhostname = mx.good.test
queue_directory = /var/spool/postfix
data_directory = /var/lib/postfix
maillog_file = /dev/stdout
inet_protocols = all
# the client under test is a stranger, although it comes from this machine
mynetworks = 192.0.2.255/32
mydestination =
alias_maps =
local_recipient_maps =
virtual_mailbox_domains = texthash:$conf/domains
virtual_mailbox_maps = texthash:$conf/mailboxes
virtual_transport = discard:
relay_domains = verify.test
transport_maps = inline:{verify.test=smtp:[$smtp_net.2]:$port_smtp}
# says 450 at once and asks meanwhile (default: waits for up to nine seconds)
address_verify_poll_count = 1
smtpd_helo_required = yes
disable_vrfy_command = yes
smtputf8_enable = yes
smtpd_restriction_classes = ask_dovecot, ask_postgrey, wait
ask_dovecot = check_policy_service inet:$imap_net.1:12340
ask_postgrey = check_policy_service inet:$smtp_net.1:10023
wait = sleep 4
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = reject_unauth_destination, reject_unlisted_recipient,
    check_recipient_access texthash:$conf/recipients, permit
smtpd_tls_security_level = may
smtpd_tls_cert_file = $certificates/valid.pem
smtpd_tls_key_file = $certificates/valid.key
# after some hundred recipients without mail every RCPT would wait a second (default 1s)
in_flow_delay = 0
postscreen_greet_action = enforce
postscreen_greet_wait = 2s
postscreen_pipelining_enable = yes
postscreen_pipelining_action = enforce
postscreen_non_smtp_command_enable = yes
postscreen_bare_newline_enable = yes
postscreen_cache_map = btree:/var/lib/postfix/postscreen_cache
postscreen_access_list =
postscreen_tls_security_level = may
M

    {
        echo "$smtp_net.1:$port_smtp inet n - n - - smtpd"
        [ ! -e /proc/net/if_inet6 ] || echo "[::1]:$port_smtp inet n - n - - smtpd"
        with_certificate 11 smtp-expired expired
        with_certificate 12 smtp-self-signed self-signed
        with_certificate 13 smtp-wrong-host wrong-host
        listener 14 smtp-no-tls smtpd_tls_security_level=none
        listener 15 smtp-must-tls smtpd_tls_security_level=encrypt
        echo "$smtp_net.16:$port_smtp inet n - n - 1 postscreen -o myhostname=postscreen.lab.test"
        listener 18 blocks smtpd_client_restrictions=reject smtpd_delay_reject=no
        listener 19 smtp-old-tls smtpd_tls_protocols=TLSv1 tls_medium_cipherlist=DEFAULT:@SECLEVEL=0 \
            smtpd_tls_ciphers=medium
        with_certificate 20 smtp-incomplete incomplete
        listener 21 two-errors smtpd_hard_error_limit=2
        listener 22 verify unverified_recipient_reject_code=550 \
            smtpd_recipient_restrictions=reject_unauth_destination,reject_unverified_recipient
        cat <<'M'
smtpd     pass  - - n - - smtpd
dnsblog   unix  - - n - 0 dnsblog
tlsproxy  unix  - - n - 0 tlsproxy
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
error     unix  - - n - - error
discard   unix  - - n - - discard
anvil     unix  - - n - 1 anvil
postlog   unix-dgram n - n - 1 postlogd
M
    } >"$conf/master.cf"
}

# A greylisted stranger may come back after this many seconds (run.py waits for them).
greylist_s=3
command="
    install -d -o postgrey -g postgrey /var/lib/postgrey
    postgrey --inet=$smtp_net.1:10023 --delay=$greylist_s --auto-whitelist-clients=0 \\
        --user=postgrey --group=postgrey --pidfile=/run/postgrey.pid &
    exec postfix -c $conf start-fg"
ready="$smtp_net.1 $port_smtp"
