"""What the servers of this folder are asked, and what vrfyd has to say: data only.

A row: address, status, reason, {path into the verdict: what has to stand there}. In a path, IMAP endpoints go by
their port ("imap.993" is domain.imap's endpoint there). What has to stand there is a value, a set (one of), a
pattern (found in the text), or has(...)/lacks(...) of a list.
"""

import re

SMTP, IMAP, IMAPS = 2525, 1143, 1993


class has:
    def __init__(self, *words):
        self.words = words

    def fits(self, found):
        return isinstance(found, list) and all(word in found for word in self.words)

    def __repr__(self):
        return "has " + ", ".join(self.words)


class lacks(has):
    def fits(self, found):
        return isinstance(found, list) and not any(word in found for word in self.words)

    def __repr__(self):
        return "lacks " + ", ".join(self.words)


def tls(chain, name_match=True, **more):
    return {"smtp.tls.state": "ok", "smtp.tls.version": "TLSv1.3", "smtp.tls.chain": chain,
            "smtp.tls.name_match": name_match, **{"smtp.tls." + key: value for key, value in more.items()}}


def reply(code, enhanced, reply_class, text=""):
    return {"smtp.recipient.code": code, "smtp.recipient.enhanced": enhanced,
            "smtp.recipient.reply_class": reply_class, "smtp.recipient.text": re.compile(text)}


def decoy(code, reply_class):
    return {"smtp.decoy.code": code, "smtp.decoy.reply_class": reply_class}


ACCEPTED = {**reply(250, "2.1.5", "accepted", "^Ok$"), **decoy(550, "mailbox_not_found"), "rule": "R26",
            "flags.catch_all": False}
ANY_ACCEPTED = {**reply(250, "2.1.5", "accepted"), **decoy(250, "accepted"), "flags.catch_all": True}
NOT_ASKED = {"smtp": None}

POSTFIX = [
    ("alice@good.test", "deliverable", "mailbox_accepted", {
        **ACCEPTED, **tls("trusted", not_after="2045-01-01T00:00:00Z", key="EC", key_bits=256, findings=[]),
        "smtp.host": "mx.good.test", "smtp.address": "127.10.1.1", "smtp.software": "postfix",
        "smtp.banner": "mx.good.test ESMTP Postfix", "complete": True, "action": "accept",
        # heard after STARTTLS: the offer itself is gone
        "smtp.extensions": has("PIPELINING", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"),
        "domain.mx.0.host": "mx.good.test", "domain.mx.0.addresses": ["127.10.1.1"], "domain.mx.0.dnssec": False}),
    ("nobody@good.test", "undeliverable", "mailbox_not_found", {
        **reply(550, "5.1.1", "mailbox_not_found", "User unknown in virtual mailbox table"),
        "action": "reject", "rule": "R16", "smtp.decoy": None}),
    ("postmaster@good.test", "deliverable", "mailbox_accepted", {**ACCEPTED, "flags.role": True}),
    ("bücher@good.test", "deliverable", "mailbox_accepted", {**ACCEPTED, "flags.non_ascii_local": True}),
    ("ALICE@GOOD.TEST", "deliverable", "mailbox_accepted", {"normalized": "ALICE@good.test"}),
    ("anyone@catch-all.test", "risky", "catch_all", ANY_ACCEPTED),
    ("full@full.test", "risky", "mailbox_full", reply(552, "5.2.2", "mailbox_full", "over quota")),
    ("nearly@full.test", "risky", "mailbox_full", reply(452, "4.2.2", "mailbox_full", "Mailbox full")),
    ("full@quota.test", "risky", "mailbox_full", reply(452, "4.2.2", "mailbox_full", "cannot receive more mail")),
    ("slow@tarpit.test", "risky", "catch_all", {**ANY_ACCEPTED, "timings_ms.recipient": range(3900, 8000)}),
    ("any@temporary.test", "unknown", "temporary_failure", {
        **reply(451, "4.3.0", "temporary_failure"), "retryable": True}),
    ("any@foreign.test", "undeliverable", "relay_denied", reply(554, "5.7.1", "relay_denied", "Relay access denied")),
    ("alice@smtp-expired.test", "deliverable", "mailbox_accepted", {
        **ACCEPTED, **tls("expired", not_after="2020-01-01T00:00:00Z")}),
    ("alice@smtp-self-signed.test", "deliverable", "mailbox_accepted", {**ACCEPTED, **tls("self_signed")}),
    ("alice@smtp-wrong-host.test", "deliverable", "mailbox_accepted", {
        **ACCEPTED, **tls("trusted", False, findings=["name_mismatch"])}),
    ("alice@smtp-incomplete.test", "deliverable", "mailbox_accepted", {**ACCEPTED, **tls("incomplete")}),
    ("alice@smtp-no-tls.test", "deliverable", "mailbox_accepted", {
        **ACCEPTED, "smtp.tls.state": "not_offered", "smtp.tls.chain": None}),
    ("alice@smtp-must-tls.test", "deliverable", "mailbox_accepted", {**ACCEPTED, **tls("trusted")}),
    # a handshake that fails does not cost the answer: a new connection, in clear or as of old
    ("alice@smtp-old-tls.test", "deliverable", "mailbox_accepted", {
        **ACCEPTED, "smtp.tls.findings.0": {"handshake_failed", "legacy_only"}}),
    ("alice@blocks.test", "unknown", "probe_blocked", {
        "smtp.attempts.0.stage": "greeting", "smtp.attempts.0.code": 554,
        "smtp.attempts.0.reply_class": "probe_blocked", "smtp.decoy": None, "action": "review"}),
]

EXIM = [
    ("alice@exim.test", "deliverable", "mailbox_accepted", {
        **reply(250, None, "accepted", "^Accepted$"), **decoy(550, "mailbox_not_found"), **tls("trusted"),
        "smtp.software": "exim", "rule": "R26"}),
    ("nobody@exim.test", "undeliverable", "mailbox_not_found",
     reply(550, None, "mailbox_not_found", "Unrouteable address")),
    ("full@exim.test", "risky", "mailbox_full", reply(550, None, "mailbox_full", "Mailbox is full")),
    ("anyone@exim-catch-all.test", "risky", "catch_all", {"flags.catch_all": True}),
    ("any@foreign-exim.test", "undeliverable", "relay_denied", reply(550, None, "relay_denied", "relay not permitted")),
    # the reply quotes another server's: its second line begins with another code
    ("alice@exim-callout.test", "deliverable", "mailbox_accepted", {}),
    ("nobody@exim-callout.test", "undeliverable", "mailbox_not_found",
     reply(550, "5.1.1", "mailbox_not_found", "Callout verification failed")),
]

OPENSMTPD = [
    # STARTTLS is offered and never works: again, in clear
    ("alice@opensmtpd.test", "deliverable", "mailbox_accepted", {
        **reply(250, "2.1.5", "accepted", "Recipient ok"), "smtp.software": "opensmtpd",
        "smtp.tls.findings": has("handshake_failed")}),
    ("nobody@opensmtpd.test", "undeliverable", "mailbox_not_found", {"smtp.recipient.code": {524, 550}}),
    ("full@opensmtpd.test", "risky", "mailbox_full", reply(552, "5.2.2", "mailbox_full")),
    ("nearly@opensmtpd.test", "risky", "mailbox_full", reply(452, "4.2.2", "mailbox_full")),
    ("anyone@opensmtpd-catch-all.test", "risky", "catch_all", {"flags.catch_all": True}),
]

# Two refused recipients in one session, and the server hangs up.
TWO_ERRORS = [
    ("alice@two-errors.test", "deliverable", "mailbox_accepted", ACCEPTED),
    ("nobody@two-errors.test", "undeliverable", "mailbox_not_found", {}),
    ("stranger@two-errors.test", "undeliverable", "mailbox_not_found", {}),
]

# Asked once as strangers, and again by a new process when the server has come to know us.
GREY_FIRST = [
    ("alice@grey.test", "unknown", "greylisted", {
        **reply(450, "4.2.0", "greylisted", "Greylisted, see http://postgrey"), "retryable": True,
        "action": "review", "smtp.decoy": None}),
    ("nobody@grey.test", "undeliverable", "mailbox_not_found", {}),
    ("alice@exim-grey.test", "unknown", "greylisted", {
        **reply(451, None, "greylisted", "Greylisted"), "retryable": True, "smtp.decoy": None}),
    ("alice@verify.test", "unknown", "temporary_failure", {
        **reply(450, "4.1.1", "temporary_failure", "verification in progress"), "retryable": True}),
    ("nobody@verify.test", "unknown", "temporary_failure", {"retryable": True}),
    # two-part greeting; the 450 4.3.2 to a stranger who passed its tests is answered by coming again at once
    ("alice@postscreen.test", "deliverable", "mailbox_accepted", {
        **ACCEPTED, "smtp.address": "127.10.1.16"}),
]
GREY_LATER = [
    ("alice@grey.test", "deliverable", "mailbox_accepted", ACCEPTED),
    ("nobody@grey.test", "undeliverable", "mailbox_not_found", {}),
    # a decoy is new each time: greylisted, or not yet verified
    ("alice@exim-grey.test", "risky", "accepted_unconfirmed", {"retryable": True}),
    ("alice@verify.test", "risky", "accepted_unconfirmed", {"retryable": True}),
    ("nobody@verify.test", "undeliverable", "mailbox_not_found",
     reply(550, "5.1.1", "mailbox_not_found", "undeliverable address")),
    ("alice@postscreen.test", "deliverable", "mailbox_accepted", ACCEPTED),
]


def imap(port, chain, name_match=True, **more):
    at = f"imap.{port}."
    return {at + "state": "ok", at + "source": "srv", at + "security": "tls" if port == IMAPS else "starttls",
            at + "software": "dovecot", at + "plaintext_login": False,
            at + "capabilities": has("IMAP4rev1", "IDLE", "AUTH=PLAIN"),
            at + "tls.version": "TLSv1.3", at + "tls.chain": chain, at + "tls.name_match": name_match,
            **{at + key: value for key, value in more.items()}}


def imap_both(chain, name_match=True):
    return {**imap(IMAPS, chain, name_match), **imap(IMAP, chain, name_match)}


DOVECOT = [(email, "deliverable", "mailbox_accepted", facts) for email, facts in [
    ("alice@good.test", {
        **imap(IMAPS, "trusted", host="imap.good.test", greeting=re.compile(r"^\* OK \[CAPABILITY .*AUTH=PLAIN")),
        **imap(IMAP, "trusted", host="imap.good.test", greeting=re.compile(r"STARTTLS LOGINDISABLED\] Dovecot")),
        # heard before STARTTLS, forgotten after it
        f"imap.{IMAP}.features.push": True}),
    ("alice@guess.test", imap(IMAPS, "trusted", source="guess", host="imap.guess.test")),
    ("alice@expired.test", imap_both("expired")),
    ("alice@self-signed.test", imap_both("self_signed")),
    ("alice@wrong-host.test", imap_both("trusted", False)),
    ("alice@incomplete.test", imap_both("incomplete")),
    ("alice@full-chain.test", imap_both("trusted")),
    ("alice@untrusted.test", imap_both("untrusted")),
    ("alice@clear.test", {
        f"imap.{IMAP}.state": "ok", f"imap.{IMAP}.security": "clear", f"imap.{IMAP}.plaintext_login": True,
        f"imap.{IMAP}.capabilities": has("AUTH=PLAIN"), f"imap.{IMAPS}.state": "refused"}),
    ("alice@optional.test", {**imap(IMAPS, "trusted"), **imap(IMAP, "trusted", plaintext_login=True)}),
    ("alice@no-imap.test", {f"imap.{IMAPS}.state": "not_offered", f"imap.{IMAP}.state": "not_offered"}),
    ("alice@secure.test", imap(IMAPS, "trusted", host="imap.secure.test")),
]]

MX_GOOD = {**ACCEPTED, "smtp.host": "mx.good.test"}

DNS = [
    ("any@null-mx.test", "undeliverable", "null_mx", {**NOT_ASKED, "domain.null_mx": True}),
    ("alice@implicit.test", "deliverable", "mailbox_accepted", {
        **ACCEPTED, "flags.implicit_mx": True, "domain.implicit_mx": True, "smtp.host": "implicit.test"}),
    ("any@no-mail.test", "undeliverable", "no_mail_host", NOT_ASKED),
    ("any@not-there.test", "undeliverable", "domain_not_found", NOT_ASKED),
    ("alice@mx-alias.test", "deliverable", "mailbox_accepted", {**ACCEPTED, "domain.mx.0.alias": True}),
    ("alice@alias.test", "deliverable", "mailbox_accepted", MX_GOOD),
    ("any@alias-to-nothing.test", "undeliverable", "domain_not_found", NOT_ASKED),
    ("any@loop.test", "unknown", "dns_failure", {**NOT_ASKED, "retryable": True}),
    ("any@dangling.test", "undeliverable", "mx_unusable", NOT_ASKED),
    ("alice@half-dangling.test", "deliverable", "mailbox_accepted", MX_GOOD),
    ("alice@dead-first.test", "deliverable", "mailbox_accepted", {
        **MX_GOOD, "smtp.attempts.0.end": "connect_refused", "smtp.attempts.1.end": "answered"}),
    ("any@dead.test", "unknown", "connect_refused", {"smtp.attempts.0.address": "127.10.8.8", "retryable": True}),
    ("any@loopback.test", "undeliverable", "mx_private_address", NOT_ASKED),
    ("any@metadata.test", "undeliverable", "mx_private_address", NOT_ASKED),
    ("any@mapped.test", "undeliverable", "mx_private_address", NOT_ASKED),
    ("alice@loopback-first.test", "deliverable", "mailbox_accepted", MX_GOOD),
    ("alice@six.test", "undeliverable", "mx_private_address", NOT_ASKED),
    ("alice@any.wild.test", "deliverable", "mailbox_accepted", MX_GOOD),
    ("alice@bücher.test", "deliverable", "mailbox_accepted", {
        **MX_GOOD, "address.domain": "bücher.test", "address.domain_ascii": "xn--bcher-kva.test"}),
    # forty MX, 6 kB of TXT beside one: answers that come truncated, then whole over TCP
    ("alice@many.test", "deliverable", "mailbox_accepted", {
        **ACCEPTED, "smtp.host": "mail-exchanger-number-1-with-a-long-name.many.test", "domain.mx.0.preference": 1}),
    ("alice@big.test", "deliverable", "mailbox_accepted", MX_GOOD),
    ("alice@secure.test", "deliverable", "mailbox_accepted", {
        **ACCEPTED, **tls("trusted"), "domain.mx.0.dnssec": True}),
    ("alice@child.secure.test", "deliverable", "mailbox_accepted", {**ACCEPTED, "domain.mx.0.dnssec": True}),
    ("alice@open.secure.test", "deliverable", "mailbox_accepted", ACCEPTED),
    ("any@bogus.secure.test", "unknown", "dnssec_bogus", {**NOT_ASKED, "retryable": True}),
    ("any@lame.test", "unknown", {"dns_failure", "dns_timeout"}, {**NOT_ASKED, "retryable": True}),
]

SIX = [("alice@six.test", "deliverable", "mailbox_accepted", {**ACCEPTED, "smtp.address": "::1"})]
SENDER = [("alice@good.test", "deliverable", "mailbox_accepted", ACCEPTED)]
SILENCE = [("alice@good.test", "unknown", "dns_timeout", {**NOT_ASKED, "retryable": True})]
SECOND_RESOLVER = [("alice@good.test", "deliverable", "mailbox_accepted", ACCEPTED)]
# more strangers than a server bears in one session (Postfix slows down at 10, hangs up at 20)
STRANGERS = [(f"stranger{number}@good.test", "undeliverable", "mailbox_not_found", {}) for number in range(40)]
