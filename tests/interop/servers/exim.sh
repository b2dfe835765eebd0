# exim.sh - Exim as mail exchanger of: exim.test (alice; full, over its real quota; nobody else), exim-catch-all.test,
# exim-grey.test (who is new comes back later), exim-callout.test (asks Postfix, and quotes its refusal), verify.test
# (whom Postfix asks before it answers for it). It insists on whole turns and bears few errors.

packages=(exim4-daemon-heavy)

configure() {
    cat >"$conf/exim4.conf" <<X
primary_hostname = mx.exim.test
local_interfaces = <; $smtp_net.2.$port_smtp
daemon_smtp_ports = $port_smtp
domainlist local_domains = exim.test : exim-catch-all.test : exim-grey.test : verify.test
domainlist asked_domains = exim-callout.test
log_file_path = /var/log/exim4/%slog
log_selector = +smtp_protocol_error +smtp_syntax_error +smtp_no_mail +smtp_connection +lost_incoming_connection \
    +incoming_port
acl_smtp_rcpt = recipient
host_lookup =
rfc1413_query_timeout = 0s
never_users =
tls_advertise_hosts = *
tls_certificate = /etc/exim4/valid.pem
tls_privatekey = /etc/exim4/valid.key
smtp_enforce_sync = true
smtp_max_synprot_errors = 3
smtp_max_unknown_commands = 3
begin acl
recipient:
  deny    message = relay not permitted
          domains = ! +local_domains : ! +asked_domains
  defer   message = Greylisted, please try again in $greylist_s seconds
          domains = exim-grey.test
          ! seen  = -${greylist_s}s / key=\$sender_host_address/\$sender_address/\$local_part@\$domain
  require verify  = recipient/callout=5s,defer_ok
  deny    ! verify = recipient/quota=cachepos=1s,cacheneg=1s
          message = Mailbox is full (\$acl_verify_message)
  accept
begin routers
asked:
  driver = manualroute
  domains = +asked_domains
  route_data = $smtp_net.1::$port_smtp
  self = send
  transport = remote
users:
  driver = accept
  domains = exim.test : exim-grey.test : verify.test
  local_parts = alice : full
  transport = box
everybody:
  driver = accept
  domains = exim-catch-all.test
  transport = box
begin transports
remote:
  driver = smtp
  port = $port_smtp
  allow_localhost
  hosts_avoid_tls = *
box:
  driver = appendfile
  file = /var/mail/\$local_part
  quota = \${if eq{\$local_part}{full}{1K}{1G}}
  user = Debian-exim
  group = mail
begin retry
* * F,1h,10m
X
}

# A greylisted stranger may come back after this many seconds (run.py waits for them).
greylist_s=3
command="
    cp '$conf/exim4.conf' /etc/exim4/exim4.conf
    cp '$certificates/valid.pem' '$certificates/valid.key' /etc/exim4/
    chown root:Debian-exim /etc/exim4/valid.*; chmod 640 /etc/exim4/valid.*
    head -c 4000 /dev/zero | tr '\\\\0' x >/var/mail/full; chown Debian-exim /var/mail/full
    install -m 640 -o Debian-exim /dev/null /var/log/exim4/mainlog
    tail -n +1 -F /var/log/exim4/mainlog 2>/dev/null &
    exec exim4 -bdf -oP /run/exim.pid"
ready="$smtp_net.2 $port_smtp"
