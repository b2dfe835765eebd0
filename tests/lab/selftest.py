#!/usr/bin/env python3
"""The lab itself, over the wire: does each behaviour do what its row says, and is everything counted?"""
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Lab, read_truth  # noqa: E402
from world import World  # noqa: E402

MAILLAB = os.environ.get("MAILLAB", "build/maillab")
A, CNAME, SOA, MX, TXT, AAAA, SRV = 1, 5, 6, 15, 16, 28, 33


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def make_world(*arguments):
    world = tempfile.mkdtemp(prefix="maillab-")
    subprocess.run([MAILLAB, *arguments, "--out", world], check=True, stdout=subprocess.DEVNULL)
    return world


def mixed_world(mix, *arguments):
    with tempfile.NamedTemporaryFile("w", suffix=".mix") as file:
        file.write("imap:none 1\n" + mix)
        file.flush()
        return make_world("generate", "--mix", file.name, *arguments)


# --- DNS ------------------------------------------------------------------------------

def dns_query(name, kind, edns=True):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    head = struct.pack(">HHHHHH", 4711, 0x0100, 1, 0, 0, 1 if edns else 0)
    opt = b"\0" + struct.pack(">HHIH", 41, 1232, 0, 0) if edns else b""
    return head + labels + struct.pack(">HH", kind, 1) + opt


def dns_name(data, at):
    labels, end = [], None
    while data[at]:
        if data[at] >= 0xc0:
            end = end or at + 2
            at = struct.unpack(">H", data[at:at + 2])[0] & 0x3fff
            continue
        labels.append(data[at + 1:at + 1 + data[at]].decode())
        at += 1 + data[at]
    return ".".join(labels), end or at + 1


class Answer:
    def __init__(self, data):
        _, flags, _, answers, authority, _ = struct.unpack(">HHHHHH", data[:12])
        self.rcode, self.truncated, self.authentic = flags & 15, bool(flags & 0x200), bool(flags & 0x20)
        self.records, at = [], dns_name(data, 12)[1] + 4
        for _ in range(answers + authority):
            name, at = dns_name(data, at)
            kind, _, ttl, length = struct.unpack(">HHIH", data[at:at + 10])
            at += 10
            self.records.append((name, kind, ttl, self.value(data, at, kind, length)))
            at += length

    @staticmethod
    def value(data, at, kind, length):
        if kind == MX:
            return struct.unpack(">H", data[at:at + 2])[0], dns_name(data, at + 2)[0]
        if kind == CNAME:
            return dns_name(data, at)[0]
        if kind == SRV:
            return struct.unpack(">HHH", data[at:at + 6]) + (dns_name(data, at + 6)[0],)
        if kind in (A, AAAA):
            return socket.inet_ntop(socket.AF_INET if kind == A else socket.AF_INET6, data[at:at + length])
        return data[at:at + length]

    def of(self, kind):
        return [value for _, found, _, value in self.records if found == kind]


def ask_dns(lab, name, kind, tcp=False):
    where = ("127.64.0.53", lab.ports["dns_port"])
    query = dns_query(name, kind)
    if tcp:
        with socket.create_connection(where, 3) as link:
            link.sendall(struct.pack(">H", len(query)) + query)
            size = struct.unpack(">H", link.recv(2, socket.MSG_WAITALL))[0]
            return Answer(link.recv(size, socket.MSG_WAITALL))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(1)
        link.sendto(query, where)
        return Answer(link.recv(4096))


def mail_host(lab, domain):
    """Address of its best MX, as a client finds it; following aliases."""
    found = sorted(ask_dns(lab, domain, MX).of(MX))
    target = found[0][1] if found else domain
    return ask_dns(lab, target, A).of(A)[0]


# --- conversations ----------------------------------------------------------------------

class Talk:
    """A client that reads replies whole and says what it is told."""

    def __init__(self, address, port):
        self.link = socket.create_connection((address, port), 4)
        self.link.settimeout(4)
        self.data = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.close()

    def line(self):
        while b"\n" not in self.data:
            more = self.link.recv(65536)
            if not more:
                return None
            self.data += more
        line, self.data = self.data.split(b"\n", 1)
        return line

    def reply(self):
        lines = []
        while True:
            line = self.line()
            if line is None:
                return None
            lines.append(line.rstrip(b"\r").decode(errors="replace"))
            if lines[-1][3:4] != "-":
                return "\n".join(lines)

    def say(self, *commands):
        """All commands in one write; their replies."""
        self.link.sendall("".join(command + "\r\n" for command in commands).encode())
        return [self.reply() for _ in commands]

    def recipient(self, address, sender="p@probe.test"):
        return self.say(f"MAIL FROM:<{sender}>", f"RCPT TO:<{address}>")[1]

    def start_tls(self, name, roots=None):
        context = ssl.create_default_context(cafile=roots) if roots else ssl._create_unverified_context()
        self.link = context.wrap_socket(self.link, server_hostname=name)


def smtp(lab, domain):
    return Talk(mail_host(lab, domain), lab.ports["smtp_port"])


def greeted(lab, domain):
    talk = smtp(lab, domain)
    talk.reply()
    talk.say("EHLO probe.lab.test")
    return talk


class DemoWorld(unittest.TestCase):
    """Every behaviour of the demo, one conversation each."""

    @classmethod
    def setUpClass(cls):
        cls.world = make_world("demo-world")
        cls.lab = Lab(MAILLAB, cls.world)

    @classmethod
    def tearDownClass(cls):
        cls.lab.stop()
        shutil.rmtree(cls.world)

    def breaks(self):
        return self.lab.counters()["rule_breaks_by_kind"]

    def test_every_behaviour_has_addresses_and_a_truth(self):
        rows = read_truth(self.world)
        self.assertGreaterEqual(len(rows), 40)
        listed = subprocess.run([MAILLAB, "behaviours"], capture_output=True, text=True, check=True).stdout
        names = {line.split()[0] for line in listed.split("\n\n")[1].splitlines() if line[:1].strip()}
        played = {row["behaviour"] for row in rows} | {"implicit-mx-aaaa"}
        self.assertEqual(names, played)
        for row in rows:
            for key in ("first", "settled"):
                self.assertIn(row[key]["status"], ("deliverable", "undeliverable", "risky", "unknown"), row)
                self.assertTrue(row[key]["reasons"], row)

    def test_dns(self):
        lab = self.lab
        self.assertEqual(ask_dns(lab, "accept-known.test", MX).of(MX), [(10, "mx1.accept-known.test")])
        self.assertFalse(ask_dns(lab, "accept-known.test", MX).authentic)
        self.assertEqual(ask_dns(lab, "NULL-MX.test", MX).of(MX), [(0, "")])
        missing = ask_dns(lab, "nxdomain.test", MX)
        self.assertEqual((missing.rcode, missing.records[0][:3]), (3, ("test", SOA, 120)))
        for kind in (MX, A, AAAA):
            nothing = ask_dns(lab, "no-mail-host.test", kind)
            self.assertEqual((nothing.rcode, len(nothing.of(SOA))), (0, 1))
        self.assertEqual(ask_dns(lab, "servfail.test", A).rcode, 2)
        self.assertEqual(ask_dns(lab, "anything.below.servfail.test", A).rcode, 2)
        self.assertEqual(ask_dns(lab, "lame.test", MX).rcode, 5)
        with self.assertRaises(socket.timeout):
            ask_dns(lab, "dns-timeout.test", MX)
        self.assertEqual(len(ask_dns(lab, "mx-many.test", MX).of(MX)), 20)

    def test_dns_truncation(self):
        short = ask_dns(self.lab, "truncated.test", MX)
        self.assertEqual((short.truncated, short.records), (True, []))
        self.assertEqual(len(ask_dns(self.lab, "truncated.test", MX, tcp=True).of(MX)), 1)

    def test_dns_aliases(self):
        chain = ask_dns(self.lab, "cname-chain.test", MX)
        self.assertEqual((len(chain.of(CNAME)), len(chain.of(MX))), (4, 1))
        loop = ask_dns(self.lab, "cname-loop.test", MX)
        self.assertEqual((loop.rcode, len(loop.of(CNAME)), len(loop.of(MX))), (0, 2, 0))
        self.assertEqual(ask_dns(self.lab, "cname-nxdomain.test", MX).rcode, 3)
        target = ask_dns(self.lab, "mx-alias.test", MX).of(MX)[0][1]
        followed = ask_dns(self.lab, target, A)
        self.assertEqual((len(followed.of(CNAME)), len(followed.of(A))), (1, 1))

    def test_doors(self):
        with self.assertRaises(ConnectionRefusedError):
            Talk(mail_host(self.lab, "connect-refused.test"), self.lab.ports["smtp_port"])
        with self.assertRaises(TimeoutError):
            socket.create_connection((mail_host(self.lab, "connect-timeout.test"), self.lab.ports["smtp_port"]), 0.5)

    def test_recipients(self):
        table = {
            "accept-known": ("250", "550"), "catch-all": ("250", "250"), "cannot-tell": ("252", "252"),
            "greylist": ("45", "550"), "greylist-all": ("451", "451"), "temporary-failure": ("451", "451"),
            "relay-denied": ("55", "55"), "blocked-rcpt": ("554", "554"), "bare-550": ("250", "550"),
            "bare-550-all": ("550", "550"), "forwards": ("251", "550"), "opaque": ("250", "250"),
            "mx-backup-lax": ("250", "550")}
        for name, (known, unknown) in table.items():
            with self.subTest(name), greeted(self.lab, name + ".test") as talk:
                for local, code in (("Jane.Doe", known), ("nobody-here", unknown)):
                    reply = talk.recipient(f"{local}@{name}.test")
                    self.assertTrue(reply.splitlines()[-1].startswith(code), reply)
                    talk.say("RSET")
                talk.say("QUIT")

    def test_mailbox_classes(self):
        classes = {"full.for.now": "452", "full.up": "552", "left.the.firm": "550", "board.members": "550",
                   "popular": "450", "moved.away": "551"}
        for local, code in classes.items():
            with self.subTest(local), greeted(self.lab, "mixed-mailboxes.test") as talk:
                self.assertTrue(talk.recipient(f"{local}@mixed-mailboxes.test").startswith(code))
                talk.say("QUIT")

    def test_control_is_accepted_only_where_it_should(self):
        for name, code in (("bare-550", "250"), ("bare-550-all", "550"), ("accept-known", "250")):
            with self.subTest(name), greeted(self.lab, name + ".test") as talk:
                self.assertTrue(talk.recipient(f"postmaster@{name}.test").startswith(code))
                talk.say("QUIT")

    def test_greetings(self):
        table = {"blocked-greeting": "554 ", "busy-greeting": "421 ", "host-no-mail": "521 ", "slow-greeting": "220 ",
                 "greeting-pieces": "220 ", "garbage": "HTTP", "multi-line-greeting": "220-", "mx-first-busy": "421 "}
        for name, start in table.items():
            with self.subTest(name), smtp(self.lab, name + ".test") as talk:
                self.assertTrue(talk.reply().startswith(start))
                if start[:3].isdigit() and start != "421 ":
                    talk.say("QUIT")
        with smtp(self.lab, "greeting-nuls.test") as talk:
            self.assertIn("\0", talk.reply())
            talk.say("QUIT")
        with smtp(self.lab, "tarpit.test") as talk:
            talk.link.settimeout(0.3)
            with self.assertRaises(socket.timeout):
                talk.reply()
        for name in ("endless-line", "endless-lines"):
            with self.subTest(name), smtp(self.lab, name + ".test") as talk:
                got = 0
                while got < 200000:
                    got += len(talk.link.recv(65536))

    def test_drops(self):
        for name in ("drop-connect", "drop-greeting", "drop-ehlo", "drop-mail", "drop-rcpt"):
            for once in (False, True):
                label = name + ("-once" if once else "")
                with self.subTest(label):
                    self.lab.command("reset")
                    outcomes = [self.whole_session(label + ".test") for _ in range(2)]
                    self.assertEqual(outcomes, [False, once])

    def whole_session(self, domain):
        """True when the recipient was answered."""
        try:
            with smtp(self.lab, domain) as talk:
                for step in ((), ("EHLO a.test",), ("MAIL FROM:<>",), (f"RCPT TO:<jane.doe@{domain}>",), ("QUIT",)):
                    reply = talk.reply() if not step else talk.say(*step)[0]
                    if reply is None:
                        return False
                return True
        except OSError:
            return False

    def test_senders(self):
        for name, named, null in (("sender-refused", "550", "250"), ("null-sender-refused", "250", "553"),
                                  ("sender-refused-always", "550", "553")):
            with self.subTest(name), greeted(self.lab, name + ".test") as talk:
                self.assertTrue(talk.say("MAIL FROM:<a@probe.test>")[0].startswith(named))
                talk.say("RSET")
                self.assertTrue(talk.say("MAIL FROM:<>")[0].startswith(null))
                talk.say("QUIT")

    def test_tls(self):
        roots = os.path.join(self.world, "ca.pem")
        bad = {"starttls-expired": "expired", "starttls-self-signed": "self-signed", "starttls-wrong-name": "Hostname"}
        for name in ("starttls-good", "starttls-required", *bad):
            with self.subTest(name), greeted(self.lab, name + ".test") as talk:
                self.assertTrue(talk.say("STARTTLS")[0].startswith("220"))
                try:
                    talk.start_tls(f"mx1.{name}.test", roots)
                    self.assertNotIn(name, bad)
                    self.assertNotIn("STARTTLS", talk.say("EHLO a.test")[0])
                    self.assertTrue(talk.recipient(f"jane.doe@{name}.test").startswith("250"))
                    talk.say("QUIT")
                except ssl.SSLCertVerificationError as problem:
                    self.assertIn(bad.get(name, "nothing"), str(problem).replace("self signed", "self-signed"))
        for name in ("starttls-broken", "starttls-dropped"):
            with self.subTest(name), greeted(self.lab, name + ".test") as talk:
                talk.say("STARTTLS")
                with self.assertRaises(OSError):
                    talk.start_tls(f"mx1.{name}.test")
        with greeted(self.lab, "starttls-injected.test") as talk:
            talk.say("STARTTLS")
            self.assertTrue(talk.reply().startswith("250"))
        with greeted(self.lab, "starttls-refused.test") as talk:
            self.assertTrue(talk.say("STARTTLS")[0].startswith("454"))
            talk.say("QUIT")
        with greeted(self.lab, "starttls-required-broken.test") as talk:
            self.assertTrue(talk.say("MAIL FROM:<>")[0].startswith("530"))
            talk.say("QUIT")

    def test_extensions(self):
        with smtp(self.lab, "helo-only.test") as talk:
            talk.reply()
            self.assertTrue(talk.say("EHLO a.test")[0].startswith("502"))
            self.assertTrue(talk.say("HELO a.test")[0].startswith("250"))
            talk.say("QUIT")
        for name, offered in (("smtputf8", True), ("no-smtputf8", False)):
            with smtp(self.lab, name + ".test") as talk:
                talk.reply()
                self.assertEqual("SMTPUTF8" in talk.say("EHLO a.test")[0], offered)
                talk.say("QUIT")
        with greeted(self.lab, "smtputf8.test") as talk:
            self.assertTrue(talk.say("MAIL FROM:<> SMTPUTF8", "RCPT TO:<jürgen@smtputf8.test>")[1].startswith("250"))
            talk.say("QUIT")
        with greeted(self.lab, "one-recipient.test") as talk:
            talk.recipient("jane.doe@one-recipient.test")
            self.assertTrue(talk.say("RCPT TO:<a@one-recipient.test>")[0].startswith("452"))
            talk.say("QUIT")

    def test_reply_forms(self):
        with greeted(self.lab, "codes-differ.test") as talk:
            lines = talk.recipient("nobody@codes-differ.test").splitlines()
            self.assertEqual([line[:4] for line in lines], ["250-", "550 "])
            talk.say("QUIT")
        with greeted(self.lab, "long-replies.test") as talk:
            self.assertTrue(3800 < len(talk.recipient("jane.doe@long-replies.test")) < 4090)
            talk.say("QUIT")
        with greeted(self.lab, "bare-lf.test") as talk:
            talk.link.sendall(b"RSET\r\n")
            self.assertFalse(talk.line().endswith(b"\r"))
            talk.say("QUIT")
        with greeted(self.lab, "multi-line-replies.test") as talk:
            self.assertIn("\n", talk.recipient("jane.doe@multi-line-replies.test"))
            talk.say("QUIT")

    def test_421_after_n(self):
        with greeted(self.lab, "421-after-n.test") as talk:
            replies = []
            for i in range(6):
                replies.append(talk.say("MAIL FROM:<>")[0])
                if replies[-1].startswith("421"):
                    break
                talk.say(f"RCPT TO:<a{i}@421-after-n.test>", "RSET")
            self.assertEqual([reply[:3] for reply in replies], ["250"] * 5 + ["421"])
            self.assertIsNone(talk.reply())

    def test_imap(self):
        lab = self.lab
        rows = {row["imap"]: row["email"].rpartition("@")[2] for row in read_truth(self.world) if row.get("imap")}

        def target(variant, service):
            return ask_dns(lab, f"{service}._tcp.{rows[variant]}", SRV).of(SRV)[0]

        self.assertEqual(target("not-offered", "_imaps")[3], "")
        self.assertEqual(target("ok", "_imaps")[2:], (993, "imap." + rows["ok"]))
        self.assertEqual(ask_dns(lab, "_imaps._tcp." + rows["guessed"], SRV).rcode, 3)
        clear = {"login-allowed": "* OK", "logindisabled": "* OK", "starttls": "* OK"}
        for variant, start in clear.items():
            host = ask_dns(lab, "imap." + rows[variant], A).of(A)[0]
            with self.subTest(variant), Talk(host, lab.ports["imap_port"]) as talk:
                self.assertTrue(talk.line().decode().startswith(start))
                talk.link.sendall(b"a1 CAPABILITY\r\na2 LOGOUT\r\n")
                capability = talk.line().decode()
                self.assertEqual("LOGINDISABLED" in capability, variant != "login-allowed")
                self.assertEqual("STARTTLS" in capability, variant == "starttls")
        secure = {"ok": "* OK", "preauth": "* PREAUTH", "bye": "* BYE", "greeting-capability": "* OK [CAPABILITY IMAP4",
                  "garbage": "SSH-2.0", "guessed": "* OK", "huge-capability": "* OK"}
        for variant, start in secure.items():
            host = ask_dns(lab, "imap." + rows[variant], A).of(A)[0]
            with self.subTest(variant), Talk(host, lab.ports["imaps_port"]) as talk:
                talk.start_tls("imap." + rows[variant], os.path.join(self.world, "ca.pem"))
                self.assertTrue(talk.line().decode().startswith(start))
        host = ask_dns(lab, "imap." + rows["refused"], A).of(A)[0]
        with self.assertRaises(ConnectionRefusedError):
            Talk(host, lab.ports["imaps_port"])

    # --- what is counted ---

    def test_turns_of_a_plain_session(self):
        self.lab.command("reset")
        with smtp(self.lab, "accept-known.test") as talk:
            talk.reply()
            talk.say("EHLO a.test")
            talk.say("MAIL FROM:<>", "RCPT TO:<jane.doe@accept-known.test>")
            talk.say("RSET", "MAIL FROM:<>", "RCPT TO:<xkvbtrwz481@accept-known.test>", "QUIT")
        counters = self.lab.counters()
        self.assertEqual((counters["connections"], counters["turns"], counters["recipients"]), (1, 4, 2))
        self.assertEqual((counters["quits"], counters["aborted"], counters["rule_breaks"]), (1, 0, 0))
        self.assertEqual(counters["commands"], {"EHLO": 1, "MAIL": 2, "RCPT": 2, "RSET": 1, "QUIT": 1})
        self.assertEqual(counters["dns"]["queries"], 2)
        self.assertEqual(counters["behaviours"]["accept-known"]["peak"], 1)

    def test_a_quit_by_itself_is_no_turn(self):
        self.lab.command("reset")
        with greeted(self.lab, "accept-known.test") as talk:
            talk.say("QUIT")
        self.assertEqual(self.lab.counters()["turns"], 2)

    def test_rule_breaks(self):
        cases = {
            "missing_quit": ["EHLO a.test"],
            "forbidden_command": ["EHLO a.test", "VRFY jane", "QUIT"],
            "bad_sequence": ["EHLO a.test", "RCPT TO:<a@accept-known.test>", "QUIT"],
            "bad_syntax": ["EHLO a.test", "XYZZY", "QUIT"],
            "illegal_pipelining": ["EHLO a.test", "NOOP\r\nRSET", "QUIT"],
        }
        for kind, commands in cases.items():
            with self.subTest(kind):
                self.lab.command("reset")
                with smtp(self.lab, "accept-known.test") as talk:
                    talk.reply()
                    for command in commands:
                        talk.say(command)
                time.sleep(0.05)
                self.assertEqual({name: n for name, n in self.breaks().items() if n}, {kind: 1})
        self.lab.command("reset")
        with greeted(self.lab, "no-pipelining.test") as talk:
            self.assertTrue(talk.say("MAIL FROM:<>", "RCPT TO:<a@no-pipelining.test>")[0].startswith("554"))
        self.assertEqual(self.breaks()["illegal_pipelining"], 1)

    def test_caps(self):
        self.lab.command("reset")
        with greeted(self.lab, "accept-known.test") as one, greeted(self.lab, "accept-known.test") as two:
            time.sleep(0.1)
            self.assertEqual(self.breaks()["connection_cap"], 1)
            one.say("QUIT")
            two.say("QUIT")
        self.lab.command("reset")
        with greeted(self.lab, "accept-known.test") as talk:
            for i in range(5):
                talk.recipient(f"nobody{i}@accept-known.test")
                talk.say("RSET")
            talk.say("QUIT")
        self.assertEqual(self.breaks()["reject_cap"], 1)


class OtherWorlds(unittest.TestCase):
    def setUp(self):
        self.worlds, self.labs = [], []

    def tearDown(self):
        for lab in self.labs:
            lab.stop()
        for world in self.worlds:
            shutil.rmtree(world)

    def play(self, world):
        self.worlds.append(world)
        self.labs.append(Lab(MAILLAB, world))
        return self.labs[-1]

    def test_same_seed_same_world(self):
        worlds = [make_world("generate", "--seed", seed, "--domains", "60", "--addresses", "500")
                  for seed in ("5", "5", "6")]
        self.worlds += worlds
        texts = [read(world, "world.tsv") for world in worlds]
        self.assertEqual(texts[0], texts[1])
        self.assertNotEqual(texts[0], texts[2])
        self.assertEqual(len(read_truth(worlds[0])), 500)
        emails = read(worlds[0], "emails.txt").splitlines()
        self.assertEqual(emails, [row["email"] for row in read_truth(worlds[0])])
        self.assertEqual(len(set(email.lower() for email in emails)), 500)

    def test_sizes_are_kept(self):
        """Also where all domains are at providers, or none; with fewer addresses than domains; with none."""
        for domains, addresses, mix in ((1, 50, "provider-google 1\n"), (1, 50, "accept-known 1\n"), (3, 7, None),
                                        (40, 11, None), (2, 0, None)):
            size = ("--domains", str(domains), "--addresses", str(addresses), "--providers", "60")
            world = mixed_world(mix, *size) if mix else make_world("generate", *size)
            self.worlds.append(world)
            self.assertEqual(len(read_truth(world)), addresses, (domains, mix))

    def test_mix_files(self):
        world = mixed_world("# a comment\n\n  accept-known\t1  # and another\nnxdomain 0\r\n", "--domains", "5",
                            "--addresses", "20")
        self.worlds.append(world)
        self.assertEqual({row["behaviour"] for row in read_truth(world)}, {"accept-known"})
        for mix, words in (("no-such-behaviour 3", "line 2"), ("accept-known", "line 2"), ("accept-known x", "line 2"),
                           ("accept-known -1", "line 2"), ("accept-known 1 2", "line 2"), ("imap:nothing 1", "line 2"),
                           ("accept-known 0", "no behaviour with a weight")):
            with self.subTest(mix), tempfile.NamedTemporaryFile("w") as file:
                file.write("# hostile\n" + mix + "\n")
                file.flush()
                done = subprocess.run([MAILLAB, "generate", "--domains", "2", "--addresses", "2", "--mix", file.name,
                                       "--out", "/nonexistent/x"], capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn(words, done.stderr)

    def test_bad_mix_is_refused(self):
        with tempfile.NamedTemporaryFile("w") as mix:
            mix.write("no-such-behaviour 3\n")
            mix.flush()
            done = subprocess.run([MAILLAB, "generate", "--domains", "2", "--addresses", "2", "--mix", mix.name,
                                   "--out", "/nonexistent/x"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("line 1", done.stderr)

    def test_two_labs_at_once(self):
        one, two = (self.play(make_world("demo-world")) for _ in range(2))
        self.assertNotEqual(one.ports["smtp_port"], two.ports["smtp_port"])
        with greeted(one, "accept-known.test") as talk:
            talk.say("QUIT")
        self.assertEqual((one.counters()["connections"], two.counters()["connections"]), (1, 0))

    def test_greylist_window(self):
        lab = self.play(mixed_world("greylist-all 1\n", "--domains", "1", "--addresses", "9", "--greylist-s", "1"))
        row = next(row for row in read_truth(lab.world) if row["mailbox"] == "known")
        name = row["email"].rpartition("@")[2].encode("idna").decode()

        def ask():
            with greeted(lab, name) as talk:
                reply = talk.recipient(row["email"].rpartition("@")[0] + "@" + name)
                talk.say("QUIT")
                return reply[0]
        self.assertEqual((row["first"]["reasons"], row["settled"]["status"]), (["greylisted"], "deliverable"))
        self.assertEqual([ask(), ask()], ["4", "4"])
        time.sleep(1.1)
        self.assertEqual(ask(), "2")

    def test_delay_and_early_talk(self):
        lab = self.play(mixed_world("accept-known 1\n", "--domains", "1", "--addresses", "1", "--delay-ms", "100"))
        name = read_truth(lab.world)[0]["email"].rpartition("@")[2].encode("idna").decode()
        address, port = mail_host(lab, name), lab.ports["smtp_port"]
        begin = time.monotonic()
        with Talk(address, port) as talk:
            talk.reply()
            talk.say("EHLO a.test")
            talk.say("QUIT")
        self.assertGreaterEqual(time.monotonic() - begin, 0.3)
        with Talk(address, port) as talk:
            talk.say("QUIT")
        self.assertEqual(lab.counters()["rule_breaks_by_kind"]["talk_before_greeting"], 1)

    def test_faults_strike_once(self):
        lab = self.play(mixed_world("accept-known 1\n", "--domains", "1", "--addresses", "3", "--faults", "100"))
        rows = {row["fault"]: row["email"] for row in read_truth(lab.world)}
        self.assertEqual(set(rows), {"drop", "421", "stall"})
        for fault, email in rows.items():
            local, _, name = email.rpartition("@")
            wire = f"{local}@{name.encode('idna').decode()}"
            with self.subTest(fault), greeted(lab, wire.rpartition("@")[2]) as talk:
                talk.link.settimeout(0.3)
                try:
                    self.assertIn((talk.recipient(wire) or "none")[:3], ("421", "non"))
                except socket.timeout:
                    self.assertEqual(fault, "stall")
            with greeted(lab, wire.rpartition("@")[2]) as talk:
                self.assertNotEqual(talk.recipient(wire)[:1], "4")
                talk.say("QUIT")

    def test_pause(self):
        lab = self.play(mixed_world("accept-known 1\n", "--domains", "1", "--addresses", "1"))
        name = read_truth(lab.world)[0]["email"].rpartition("@")[2].encode("idna").decode()
        address = mail_host(lab, name)
        lab.command("pause", "--ms", "400")
        begin = time.monotonic()
        with Talk(address, lab.ports["smtp_port"]) as talk:
            talk.reply()
            talk.say("QUIT")
        self.assertGreaterEqual(time.monotonic() - begin, 0.35)

    def test_more_hosts_than_one_process_holds(self):
        lab = self.play(mixed_world("accept-known 1\n", "--domains", "9500", "--addresses", "9500"))
        self.assertEqual(lab.ports["workers"], 2)
        rows = read_truth(lab.world)[:200]
        for row in rows:
            with greeted(lab, row["email"].rpartition("@")[2].encode("idna").decode()) as talk:
                talk.say("QUIT")
        self.assertEqual(lab.counters()["connections"], len(rows))

    def test_counters_are_written_at_the_end(self):
        lab = self.play(mixed_world("accept-known 1\n", "--domains", "1", "--addresses", "1"))
        self.labs.remove(lab)
        self.assertEqual(lab.stop(), 0)
        self.assertEqual(json.loads(read(lab.world, "counters.json"))["rule_breaks"], 0)

    def test_ideal_time(self):
        world = mixed_world("accept-known 1\n", "--domains", "1", "--addresses", "40", "--delay-ms", "20",
                            "--rejects", "100")
        self.worlds.append(world)
        done = subprocess.run([MAILLAB, "ideal", "--world", world], capture_output=True, text=True, check=True)
        # 40 recipients and a decoy, 20 a session: three sessions of greeting and EHLO, 41 turns; MX and A before.
        self.assertEqual(json.loads(done.stdout)["time_ms"], 20 * (2 + 3 * 2 + 41))

    def ideal(self, delay_ms, greylist_s, behaviour, style, known, unknown=0, *faults):
        """`faults`: one each for further known ones."""
        made = World(delay_ms=delay_ms, greylist_s=greylist_s)
        made.settings["settle"] = 1
        made.domain("one.test", behaviour, *[f"known{number}" for number in range(known)],
                    *[(f"unknown{number}", "unknown") for number in range(unknown)],
                    *[(f"faulty{number}", "known", fault) for number, fault in enumerate(faults)], style=style)
        self.worlds.append(made.write(MAILLAB, tempfile.mkdtemp(prefix="maillab-")))
        done = subprocess.run([MAILLAB, "ideal", "--world", self.worlds[-1]], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def test_nobody_foresees(self):
        """Sixteen sessions would do if each fault struck after four refusals; as a rule it does not."""
        found = self.ideal(20, 2, "accept-known", "postfix", 16, 64, *(["421"] * 16))
        self.assertEqual(found["foreseen_connections"], 17)
        self.assertIn(found["connections"], range(20, 33))
        self.assertGreater(found["time_ms"], found["foreseen_ms"])

    def test_ideal_by_hand(self):
        """Turns of 20 ms each; before all, MX and A. A session opens with greeting and EHLO."""
        mx, opening = 2, 2
        for label, world, turns, waits_ms, connections in (
                ("nobody", ("accept-known", "postfix", 0), 0, 0, 0),
                ("a recipient and the decoy", ("accept-known", "postfix", 1), mx + opening + 2, 0, 1),
                ("who is unknown needs no decoy", ("accept-known", "postfix", 0, 1), mx + opening + 1, 0, 1),
                ("four refusals a session", ("accept-known", "postfix", 0, 9), mx + 3 * opening + 9, 0, 3),
                ("STARTTLS and EHLO again", ("starttls-good", "postfix", 1), mx + opening + 2 + 2, 0, 1),
                ("RSET, MAIL, RCPT, but no first RSET", ("no-pipelining", "postfix", 1), mx + opening + 2 + 3, 0, 1),
                # ten recipients and a decoy at five connections: somebody has three; STARTTLS, EHLO
                ("five connections", ("provider-google", "postfix", 10), mx + opening + 2 + 3, 0, 1),
                # recipient, after the window again, the decoy, after the window again; vrfyd.conf waits 3 s for 2
                ("put off, the decoy too", ("greylist-all", "plain", 1), mx + opening + 4, 2 * 3000, 1),
                ("as the server says, and five seconds", ("greylist-all", "exim", 1), mx + opening + 4, 2 * 7000, 1),
                # tried four times, and 1, 2 and 4 s between the tries
                ("trouble that stays", ("temporary-failure", "plain", 1), mx, 1000 + 2000 + 4000, 1),
                # cut where it struck, and once more; silence takes its time, a close takes none
                ("one fault", ("accept-known", "postfix", 0, 0, "421"), mx + 2 * opening + 3, 0, 2),
                ("one close", ("accept-known", "postfix", 0, 0, "drop"), mx + 2 * opening + 2, 0, 2),
                ("one silence", ("accept-known", "postfix", 0, 0, "stall"), mx + 2 * opening + 3, 3000, 2),
                # while some pause others may ask: at 0, 3.5 and 7 s; the last try comes 4 s after 10 s, and waits
                ("a host that is silent", ("tarpit", "plain", 3), mx, 10000 + 4000 + 3000, 4),
                ("a host that is busy", ("busy-greeting", "plain", 3), mx, 500 + 2000 + 4000, 4),
                ("busy to its only address", ("busy-greeting", "plain", 1), mx, 1000 + 2000 + 4000, 4),
                ("a name that leads nowhere", ("servfail", "plain", 3), mx, 1000 + 2000 + 4000, 0),
                # that there was no answer is remembered while all are tried again
                ("nobody knows the name", ("dns-timeout", "plain", 3), mx, 800 + 1600 + 7000, 0),
                ("silent to its only address", ("tarpit", "plain", 1), mx, 4 * 3000 + 1000 + 2000 + 4000, 4),
                # the fourth refusal of a session ends it: 40 are put off in ten sessions, the last waits from then on
                ("who is put off last", ("greylist", "plain", 40), mx + 10 * opening + 40 + 1, 3000, 11),
                # eight are put off and eight are refused: the last of those eight is the fifteenth, as a rule
                ("put off among others", ("greylist", "plain", 8, 8), mx + 4 * opening + 15 + 1, 3000, 5)):
            with self.subTest(label):
                found = self.ideal(20, 2, *world)
                self.assertEqual(found["time_ms"], 20 * turns + waits_ms)
                self.assertEqual(found["connections"], connections)


if __name__ == "__main__":
    unittest.main()
