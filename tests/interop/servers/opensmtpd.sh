# opensmtpd.sh - OpenSMTPD as mail exchanger of opensmtpd.test (alice, bob; full and nearly, by filter) and
# opensmtpd-catch-all.test. Debian 12's offers STARTTLS, and every handshake fails: who gives up there loses the answer.

packages=(opensmtpd)

configure() {
    cat >"$conf/users" <<U
alice@opensmtpd.test vmail
bob@opensmtpd.test vmail
full@opensmtpd.test vmail
nearly@opensmtpd.test vmail
@opensmtpd-catch-all.test vmail
U
    cat >"$conf/smtpd.conf" <<X
pki exchanger cert "/etc/mail/valid.pem"
pki exchanger key "/etc/mail/valid.key"
table users file:/etc/mail/users
table full { "full@opensmtpd.test" }
table nearly { "nearly@opensmtpd.test" }
filter over phase rcpt-to match rcpt-to <full> reject "552 5.2.2 Mailbox full"
filter almost phase rcpt-to match rcpt-to <nearly> reject "452 4.2.2 Mailbox full, try later"
filter quota chain { over, almost }
listen on $smtp_net.3 port $port_smtp tls pki exchanger hostname "mx.opensmtpd.test" filter quota
action "deliver" maildir "/var/mail/v" virtual <users>
match from any for domain { "opensmtpd.test", "opensmtpd-catch-all.test" } action "deliver"
X
}

command="
    useradd -m vmail; mkdir -p /etc/mail
    cp '$conf/smtpd.conf' '$conf/users' '$certificates/valid.pem' '$certificates/valid.key' /etc/mail/
    chmod 600 /etc/mail/valid.key
    exec smtpd -d -v -f /etc/mail/smtpd.conf"
ready="$smtp_net.3 $port_smtp"
