# zones.sh - the names the tests ask about. Sourced by knot.sh; `zone NAME` writes standard input as a zone.

# imap_at DOMAIN - SRV records for the host imap.DOMAIN, both ways in
imap_at() {
    printf '_imaps._tcp.%s SRV 0 1 %s imap.%s.test.\n' "$1" "$port_imaps" "$1"
    printf '_imap._tcp.%s SRV 0 1 %s imap.%s.test.\n' "$1" "$port_imap" "$1"
}
# mail_at LISTENER DOMAIN - one domain for each listener of postfix.sh
mail_at() {
    printf '%s MX 10 %s.lab.test.\n%s.lab A %s.%s\n' "$2" "$2" "$2" "$smtp_net" "$1"
}
# mailbox_at HOST DOMAIN - one domain for each address of dovecot.sh
mailbox_at() {
    printf '%s MX 10 mx.good.test.\nimap.%s A %s.%s\n' "$2" "$2" "$imap_net" "$1"
    imap_at "$2"
}

zone test <<Z
good        MX 10 mx.good
mx.good     A $smtp_net.1
imap.good   A $imap_net.1
$(imap_at good)
guess       MX 10 mx.good
imap.guess  A $imap_net.1
_imaps._tcp.no-imap SRV 0 0 0 .
_imap._tcp.no-imap SRV 0 0 0 .
no-imap     MX 10 mx.good
imap.no-imap A $imap_net.1

; what postfix does with recipients
catch-all   MX 10 mx.good
grey        MX 10 mx.good
full        MX 10 mx.good
quota       MX 10 mx.good
tarpit      MX 10 mx.good
temporary   MX 10 mx.good
foreign     MX 10 mx.good
$(mail_at 11 smtp-expired; mail_at 12 smtp-self-signed; mail_at 13 smtp-wrong-host; mail_at 14 smtp-no-tls
    mail_at 15 smtp-must-tls; mail_at 16 postscreen; mail_at 18 blocks; mail_at 19 smtp-old-tls
    mail_at 20 smtp-incomplete; mail_at 21 two-errors; mail_at 22 verify)

; other servers
$(mail_at 2 exim; mail_at 2 exim-catch-all; mail_at 2 exim-grey; mail_at 2 exim-callout)
foreign-exim MX 10 exim.lab
$(mail_at 3 opensmtpd; mail_at 3 opensmtpd-catch-all)

; what dovecot shows
$(mailbox_at 2 expired; mailbox_at 3 self-signed; mailbox_at 4 wrong-host; mailbox_at 5 clear
    mailbox_at 6 optional; mailbox_at 7 incomplete; mailbox_at 8 full-chain; mailbox_at 9 untrusted)

; where the mail goes, and where it does not
null-mx     MX 0 .
implicit    A $smtp_net.1
no-mail     TXT "neither MX nor address"
mx-alias    MX 10 mail.mx-alias
mail.mx-alias CNAME mx.good
alias       CNAME good
loop        CNAME loop-two
loop-two    CNAME loop
alias-to-nothing CNAME not-there
dangling    MX 10 gone.good
half-dangling MX 10 gone.good
half-dangling MX 20 mx.good
dead-first  MX 5 dead.lab
dead-first  MX 10 mx.good
dead.lab    A $network.8.8
dead        MX 10 dead.lab
loopback    MX 10 me.loopback
me.loopback A 127.0.0.1
me.loopback AAAA ::1
metadata    MX 10 inside.metadata
inside.metadata A 169.254.169.254
mapped      MX 10 inside.mapped
inside.mapped AAAA ::ffff:127.0.0.1
loopback-first MX 5 me.loopback
loopback-first MX 10 mx.good
six         MX 10 mx.six
mx.six      AAAA ::1
*.wild      MX 10 mx.good
xn--bcher-kva MX 10 mx.good
many        $(for i in {1..40}; do
    echo "MX $i mail-exchanger-number-$i-with-a-long-name.many"
    echo "mail-exchanger-number-$i-with-a-long-name.many A $smtp_net.1"
    echo -n 'many '
done) TXT "forty MX do not fit into a datagram"
big         MX 10 mx.good
$(for i in {1..30}; do printf 'big TXT "%0200d"\n' "$i"; done)

; delegations; the first one's trust anchor is given to unbound, nothing above it is signed
secure      NS ns.lab
lame        NS ns.lab
ns.lab      A $dns_address
Z

zone secure.test <<Z
@           MX 10 mx.secure.test.
mx          A $smtp_net.1
imap        A $imap_net.1
_imaps._tcp SRV 0 1 $port_imaps imap.secure.test.
child       NS ns.lab.test.
open        NS ns.lab.test.
bogus       NS ns.lab.test.
bogus       DS 12345 13 2 49FD46E6C4B45C55D4AC69CBD3CD34AC1AFE51DE0123456789ABCDEF01234567
Z
for child in child open bogus; do
    zone $child.secure.test <<<"@ MX 10 mx.secure.test."
done
