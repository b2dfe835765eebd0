"""`vrfyd doctor` against resolvers and mail hosts that are well, dead, shut, or liars."""

import datetime
import json
import os
import subprocess
import tempfile
import unittest

from fakes import A, AAAA, MX, PTR, TXT, Authority, BlackHole, MailHost, Proxy, Resolver, Zone, reverse, reverse6

VRFYD = os.environ.get("VRFYD", "build/vrfyd")
PATIENCE = 40
OURS = "127.77.0.9"
HOSTS = {"good.test": "127.77.1.1", "fine.test": "127.77.1.2"}


def healthy_zone():
    zone = Zone()
    for domain, address in HOSTS.items():
        zone.add(domain, MX, (10, "mx." + domain))
        zone.add("mx." + domain, A, address)
    zone.add("signed.test", A, "192.0.2.1")
    zone.add("bogus.test", A, "192.0.2.2")
    zone.signed, zone.bogus = {"signed.test"}, {"bogus.test"}
    zone.add("probe.us.test", A, OURS)
    zone.add(reverse(OURS), PTR, "probe.us.test")
    zone.add("us.test", MX, (10, "mx.us.test"))
    zone.add("us.test", TXT, "v=spf1 ip4:" + OURS + " -all")
    zone.add("mx.us.test", A, "127.77.0.25")
    zone.add(reverse("127.0.0.2", "list.test"), A, "127.0.0.2")
    zone.add("list.test", TXT, "apex")
    return zone


class Doctor(unittest.TestCase):
    def setUp(self):
        self.zone = healthy_zone()
        self.resolver = self.open(Resolver(self.zone))
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.port = None
        self.settings = {
            "resolver": self.resolver.place,
            "allow-networks": "127.77.0.0/16",
            "allow-special-names": "test",
            "hello-name": "probe.us.test",
            "mail-from": "probe@us.test",
            "source-addresses": OURS,
            "doctor-hosts": "good.test fine.test",
            "doctor-signed-name": "signed.test",
            "doctor-bogus-name": "bogus.test",
            "doctor-blocklists": "list.test",
            "data-dir": self.folder.name,
            "dns-timeout-ms": "15000",  # whoever is well may be slow: no test waits for these
            "timeout-connect-ms": "15000",
            "timeout-greeting-ms": "15000",
        }

    def open(self, thing):
        self.addCleanup(thing.close)
        return thing

    def mail_host(self, address, **how):
        host = self.open(MailHost(address, self.port or 0, **how))
        self.port = host.port
        return host

    def mail_hosts(self, **how):
        return [self.mail_host(address, **how) for address in HOSTS.values()]

    def command(self, *words):
        flags = [word for key, value in self.settings.items() for word in ("--" + key, value)]
        ports = ["--ports", f"smtp={self.port or 1}"]
        return [VRFYD, "doctor", *words, *flags, *ports]

    def examine(self):
        """[(check, result, subject, found, advice)] and the exit status."""
        done = subprocess.run(self.command("--json"), capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual(done.stderr, "")
        return [json.loads(line) for line in done.stdout.splitlines()], done.returncode

    def find(self, findings, check, subject=None):
        return [item for item in findings if item["check"] == check and subject in (None, item["subject"])]

    def expect(self, findings, check, result, words="", subject=None):
        """At least one finding of the check, the first as told; whatever is not ok says what to do."""
        found = self.find(findings, check, subject)
        self.assertTrue(found, f"{check}: no finding in {findings}")
        self.assertEqual((found[0]["result"], words in found[0]["found"]), (result, True), found[0])
        if result in ("warn", "fail"):
            self.assertTrue(found[0]["advice"], found[0])
        return found[0]

    # --- well ------------------------------------------------------------------------------------

    def test_all_is_well(self):
        hosts = self.mail_hosts()
        findings, status = self.examine()
        wanted = {"resolver": "answers in", "dnssec": "validates", "egress": "2 of 2 mail hosts", "address": "own",
                  "hello_name": "resolves to " + OURS, "ptr": "is hello_name", "mail_from": "SPF",
                  "blocklist": "does not list " + OURS, "data_dir": "can be written"}
        for check, words in wanted.items():
            self.expect(findings, check, "ok", words)
        self.expect(findings, "ipv6", "skipped")
        self.assertEqual([item for item in findings if item["result"] == "fail"], [])
        self.assertEqual(status, 0)
        for host in hosts:  # manners: nobody is asked about, QUIT is said
            self.assertEqual(host.heard, ["EHLO probe.us.test", "QUIT"])

    def test_table(self):
        self.mail_hosts()
        self.zone.drop(reverse(OURS), PTR)
        done = subprocess.run(self.command(), capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertIn("ok       resolver", done.stdout)
        self.assertRegex(done.stdout, rf"fail +ptr +{OURS} has no PTR record: .*\n +-> ask whoever")
        self.assertRegex(done.stdout, r"\n\d+ ok, \d+ warn, 1 fail, \d+ skipped\n$")
        self.assertNotIn("\033", done.stdout)
        self.assertEqual(done.returncode, 1)

    def test_usage(self):
        done = subprocess.run([VRFYD, "doctor", "now"], capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""))

    # --- the resolver -----------------------------------------------------------------------------

    def test_resolver_is_dead(self):
        self.settings["dns-timeout-ms"] = "150"
        self.mail_hosts()
        self.zone.silent = True
        findings, status = self.examine()
        self.expect(findings, "resolver", "fail", "does not answer")
        for check in ("dnssec", "egress", "hello_name", "ptr", "mail_from", "blocklist"):
            self.expect(findings, check, "skipped")
        self.expect(findings, "data_dir", "ok")
        self.assertEqual(status, 1)

    def test_one_of_two_resolvers_is_dead(self):
        dead = Zone()
        dead.silent = True
        self.settings["dns-timeout-ms"] = "1000"
        self.mail_hosts()
        other = self.open(Resolver(dead))
        self.settings["resolver"] = f"{other.place},{self.resolver.place}"
        findings, status = self.examine()
        self.expect(findings, "resolver", "fail", subject=other.place)
        self.expect(findings, "resolver", "ok", subject=self.resolver.place)
        self.expect(findings, "egress", "ok")
        self.assertEqual(status, 1)

    def test_resolver_is_slow(self):
        self.mail_hosts()
        self.zone.delays["signed.test"] = 1.1
        findings, status = self.examine()
        self.expect(findings, "resolver", "warn", "answers slowly")
        self.assertIn(("signed.test", AAAA), self.zone.asked, "slow once is not slow")
        self.assertEqual(status, 0)

    def test_resolver_setting_is_no_address(self):
        self.settings["resolver"] = "dns.example"
        findings, status = self.examine()
        self.expect(findings, "resolver", "fail", "no resolver to ask")
        self.assertEqual(status, 1)

    def test_resolver_makes_names_up(self):
        self.mail_hosts()
        self.zone.invents = "192.0.2.80"
        findings, _ = self.examine()
        self.assertEqual([item["result"] for item in self.find(findings, "resolver")], ["ok", "fail"])
        self.assertIn("makes up addresses", self.find(findings, "resolver")[1]["found"])

    def test_resolver_does_not_validate(self):
        self.mail_hosts()
        self.zone.validates = False
        findings, status = self.examine()
        self.expect(findings, "dnssec", "warn", "does not validate")
        self.assertEqual(status, 0)

    def test_resolver_claims_to_validate(self):
        self.mail_hosts()
        self.zone.bogus = set()
        findings, _ = self.examine()
        self.expect(findings, "dnssec", "warn", "yet answers for bogus.test")

    def test_resolver_hides_what_is_authentic(self):
        self.mail_hosts()
        self.zone.signed = set()
        findings, _ = self.examine()
        self.expect(findings, "dnssec", "warn", "AD")

    # --- port 25 -----------------------------------------------------------------------------------

    def test_egress_is_dropped(self):
        with MailHost("127.77.1.9") as spare:  # a free port, for both
            self.port = spare.port
            spare.shutdown()
        for address in HOSTS.values():
            self.open(BlackHole(address, self.port))
        self.settings["timeout-connect-ms"] = "400"
        findings, status = self.examine()
        found = self.expect(findings, "egress", "fail", "time out", OURS)
        self.assertIn("port 25 is closed", found["advice"])
        self.assertEqual(status, 1)

    def test_egress_is_rejected(self):
        findings, status = self.examine()
        self.expect(findings, "egress", "fail", "rejected on the way", OURS)
        self.expect(findings, "ptr", "ok", subject=OURS)  # the source is known from the settings
        self.assertEqual(status, 1)

    def test_one_host_is_silent(self):
        self.mail_host(HOSTS["good.test"])
        findings, status = self.examine()
        self.expect(findings, "egress", "warn", "fine.test did not greet us")
        self.assertEqual(status, 0)

    def test_greeted_and_refused(self):
        self.mail_host(HOSTS["good.test"])
        self.mail_host(HOSTS["fine.test"], greeting="554 5.7.1 \033[31mno\a " + OURS + " is listed")
        findings, status = self.examine()
        self.expect(findings, "egress", "ok", "2 of 2")
        found = self.expect(findings, "welcome", "warn", "mx.fine.test refuses us: 554", "fine.test")
        self.assertIn("\\x1b[31mno\\x07", found["found"])
        self.assertEqual(status, 0)

    def test_special_addresses_are_not_visited(self):
        hosts = self.mail_hosts()
        self.settings["allow-networks"] = "127.78.0.0/16"
        findings, _ = self.examine()
        self.expect(findings, "egress", "skipped", "mx_private_address", "good.test")
        self.assertEqual([host.heard for host in hosts], [[], []])

    def test_source_is_not_ours(self):
        self.mail_hosts()
        self.settings["source-addresses"] = "192.0.2.77"
        findings, status = self.examine()
        self.expect(findings, "egress", "fail", "cannot be connected from", "192.0.2.77")
        self.assertEqual(status, 1)

    def test_two_sources(self):
        self.mail_hosts()
        other = "127.77.0.10"
        self.zone.add("other.us.test", A, other)
        self.zone.add(reverse(other), PTR, "other.us.test")
        self.settings["source-addresses"] = f"{OURS} {other}"
        findings, _ = self.examine()
        self.expect(findings, "egress", "ok", subject=OURS)
        self.expect(findings, "egress", "ok", subject=other)
        self.expect(findings, "ptr", "ok", subject=OURS)
        self.expect(findings, "ptr", "warn", "is called other.us.test, but hello_name is", other)

    def test_behind_a_translator(self):
        """The system's source, 127.0.0.1, is special here: what servers say of us counts."""
        self.settings["source-addresses"] = ""
        self.mail_hosts(hello=f"at your service, [{OURS}]")
        findings, status = self.examine()
        self.expect(findings, "address", "ok", "on this host it is 127.0.0.1", OURS)
        self.expect(findings, "ptr", "ok", subject=OURS)
        self.assertEqual(status, 0)

    def test_behind_a_translator_and_nobody_says(self):
        self.settings["source-addresses"] = ""
        self.mail_hosts()
        findings, _ = self.examine()
        self.expect(findings, "address", "skipped", "nobody told us")
        self.expect(findings, "ptr", "skipped")
        self.expect(findings, "blocklist", "skipped")

    def test_proxy(self):
        proxy = self.open(Proxy("127.77.0.30"))
        hosts = self.mail_hosts(hello=f"hello [{OURS}]")
        self.settings.update({"source-addresses": "", "proxies": "berlin=" + proxy.place, "routes": "*=berlin"})
        findings, status = self.examine()
        self.expect(findings, "egress", "ok", "2 of 2", "berlin")
        self.expect(findings, "address", "ok", "sees us", OURS)
        self.expect(findings, "ptr", "ok", subject=OURS)
        self.assertEqual([host.callers for host in hosts], [["127.77.0.30"]] * 2)
        self.assertEqual(status, 0)

    def test_proxy_is_down(self):
        proxy = Proxy("127.77.0.30")
        proxy.close()
        self.mail_hosts()
        self.settings.update({"proxies": "berlin=" + proxy.place, "routes": "good.test=berlin"})
        findings, status = self.examine()
        self.expect(findings, "egress", "fail", "the proxy is down", "berlin")
        self.expect(findings, "egress", "ok", subject=OURS)
        self.assertEqual(status, 1)

    # --- names ----------------------------------------------------------------------------------------

    def test_no_ptr(self):
        self.mail_hosts()
        self.zone.drop(reverse(OURS), PTR)
        findings, status = self.examine()
        self.expect(findings, "ptr", "fail", "has no PTR record")
        self.assertEqual(status, 1)

    def test_ptr_names_somebody_else(self):
        self.mail_hosts()
        self.zone.drop(reverse(OURS), PTR)
        self.zone.add(reverse(OURS), PTR, "other.us.test")
        self.zone.add("other.us.test", A, OURS)
        findings, status = self.examine()
        found = self.expect(findings, "ptr", "warn", "is called other.us.test, but hello_name is probe.us.test")
        self.assertIn("PTR record say hello_name", found["advice"])
        self.assertEqual(status, 0)

    def test_ptr_does_not_resolve_back(self):
        self.mail_hosts()
        self.zone.drop(reverse(OURS), PTR)
        self.zone.add(reverse(OURS), PTR, "gone.us.test")
        for elsewhere in (None, "127.77.0.10"):
            with self.subTest(elsewhere):
                if elsewhere is not None:
                    self.zone.add("gone.us.test", A, elsewhere)
                findings, status = self.examine()
                self.expect(findings, "ptr", "fail", "gone.us.test, which does not resolve back")
                self.assertEqual(status, 1)

    def test_ptr_is_made_of_the_address(self):
        self.mail_hosts()
        name = "host-127-77-0-9.us.test"
        self.zone.drop(reverse(OURS), PTR)
        self.zone.add(reverse(OURS), PTR, name)
        self.zone.add(name, A, OURS)
        self.settings["hello-name"] = name
        findings, _ = self.examine()
        self.expect(findings, "ptr", "warn", "a name made from the address")

    def test_hello_name_has_no_dot(self):
        self.mail_hosts()
        self.settings["hello-name"] = "probe"
        findings, status = self.examine()
        self.expect(findings, "hello_name", "fail", "has no dot")
        self.assertEqual(status, 1)

    def test_hello_name_does_not_resolve(self):
        self.mail_hosts()
        self.zone.drop("probe.us.test", A)
        findings, status = self.examine()
        self.expect(findings, "hello_name", "fail", "does not resolve")
        self.assertEqual(status, 1)

    def test_mail_from(self):
        self.mail_hosts()
        rows = [
            ("", "warn", "is not set"),
            ("probe@us.test", "ok", "SPF"),
            ("probe@fine.test", "warn", "without an SPF record"),
            ("probe@signed.test", "fail", "mx_private_address"),
            ("probe@probe.us.test", "warn", "without an MX record"),
            ("probe@gone.test", "fail", "domain_not_found"),
            ("probe@bogus.test", "warn", "dnssec_bogus"),
            ("probe@", "fail", "domain_missing"),
        ]
        for sender, result, words in rows:
            with self.subTest(sender):
                self.settings["mail-from"] = sender
                findings, _ = self.examine()
                self.expect(findings, "mail_from", result, words)

    # --- blocklists ---------------------------------------------------------------------------------------

    def test_listed(self):
        self.mail_hosts()
        self.zone.add(reverse(OURS, "list.test"), A, "127.0.0.4")
        self.zone.add(reverse(OURS, "list.test"), TXT, "see \033[2J here")
        findings, status = self.examine()
        found = self.expect(findings, "blocklist", "fail", f"lists {OURS} (127.0.0.4): see \\x1b[2J here", "list.test")
        self.assertIn("removal", found["advice"])
        self.assertEqual(status, 1)

    def test_lists_that_lie(self):
        """Ours is 'listed' in each; none is believed."""
        self.mail_hosts()
        rows = {
            "world.test": ({"127.0.0.2": "127.0.0.2", "127.0.0.1": "127.0.0.2"}, "must never be listed"),
            "dead.test": ({}, "does not list its own test entry"),
            "sold.test": ({"127.0.0.2": "192.0.2.8", "127.0.0.1": "192.0.2.8"}, "no usable answer"),
            "shut.test": ({"127.0.0.2": "127.255.255.254", "127.0.0.1": "127.255.255.254"}, "does not answer our"),
        }
        for zone, (entries, _) in rows.items():
            for address, code in entries.items():
                self.zone.add(reverse(address, zone), A, code)
            self.zone.add(reverse(OURS, zone), A, "127.0.0.2")
        self.settings["doctor-blocklists"] = " ".join(rows)
        findings, status = self.examine()
        for zone, (_, words) in rows.items():
            self.expect(findings, "blocklist", "skipped", words, zone)
            self.assertNotIn((reverse(OURS, zone), A), self.zone.asked, "asked about us before it was tested")
        self.assertEqual(status, 0)

    def test_list_refuses_the_real_question_only(self):
        self.mail_hosts()
        self.zone.add(reverse(OURS, "list.test"), A, "127.255.255.252")
        findings, status = self.examine()
        self.expect(findings, "blocklist", "skipped", "gave no answer")
        self.assertEqual(status, 0)

    # --- certificates, clock, files -------------------------------------------------------------------------

    def certified(self, start_days, end_days):
        now = datetime.datetime.now(datetime.timezone.utc)
        dates = [(now + datetime.timedelta(days=d)).strftime("%y%m%d%H%M%SZ") for d in (start_days, end_days)]
        authority = Authority(self.folder.name, *dates)
        self.settings["ca-file"] = authority.ca
        self.settings["doctor-hosts"] = "good.test"
        self.mail_host(HOSTS["good.test"], tls=authority.context)
        return self.examine()

    def test_clock_fits(self):
        findings, status = self.certified(-5, 5)
        self.expect(findings, "ca", "ok", "1 CA certificates")
        self.expect(findings, "clock", "ok", "within the validity of 1 certificates")
        self.assertEqual(status, 0)

    def test_clock_is_ahead(self):
        findings, status = self.certified(-9, -5)
        self.expect(findings, "clock", "fail", "1 of 1 certificates have expired")
        self.assertEqual(status, 1)

    def test_clock_is_behind(self):
        findings, status = self.certified(5, 9)
        self.expect(findings, "clock", "fail", "not yet valid")
        self.assertEqual(status, 1)

    def test_nobody_is_trusted(self):
        authority = Authority(self.folder.name, "200101000000Z", "400101000000Z")
        self.settings["doctor-hosts"] = "good.test"
        self.mail_host(HOSTS["good.test"], tls=authority.context)
        findings, _ = self.examine()
        self.expect(findings, "ca", "warn", "none of 1 mail hosts")

    def test_ca_file_is_missing(self):
        self.mail_hosts()
        self.settings["ca-file"] = os.path.join(self.folder.name, "none.pem")
        findings, status = self.examine()
        self.expect(findings, "ca", "fail")
        self.assertEqual(status, 1)

    def test_descriptors(self):
        self.mail_hosts()
        words = " ".join(f"'{word}'" for word in self.command("--json"))
        done = subprocess.run(["bash", "-c", "ulimit -n 600; " + words], capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        findings = [json.loads(line) for line in done.stdout.splitlines()]
        self.expect(findings, "descriptors", "warn", "only")

    def test_data_dir(self):
        self.mail_hosts()
        plain = os.path.join(self.folder.name, "file")
        with open(plain, "w", encoding="utf-8"):
            pass
        rows = [
            (self.folder.name, "required", "ok", "can be written to"),
            (os.path.join(self.folder.name, "a", "b"), "required", "ok", "will be made"),
            (os.path.join(plain, "a"), "required", "fail", "cannot be made"),
            (plain, "off", "warn", "cannot be written to"),
        ]
        for path, auth, result, words in rows:
            with self.subTest(path):
                self.settings.update({"data-dir": path, "auth": auth})
                findings, _ = self.examine()
                self.expect(findings, "data_dir", result, words)

    # --- IPv6 ---------------------------------------------------------------------------------------------------

    def open_ipv6(self):
        self.mail_hosts()
        self.mail_host("::1")
        self.settings["allow-networks"] = "127.77.0.0/16 ::1/128"
        self.settings["source-addresses"] = f"{OURS} ::1"
        self.zone.add("mx.good.test", AAAA, "::1")
        self.zone.add("probe.us.test", AAAA, "::1")
        self.zone.add(reverse6("::1"), PTR, "probe.us.test")

    def test_ipv6_is_open(self):
        self.open_ipv6()
        findings, status = self.examine()
        self.expect(findings, "ipv6", "ok", "1 of 1", "::1")
        self.expect(findings, "address", "ok", subject="::1")
        self.expect(findings, "ptr", "ok", "is hello_name", "::1")
        self.assertEqual(len(self.find(findings, "blocklist")), 1)  # this list knows no IPv6
        self.assertEqual(status, 0)

    def test_ipv6_is_listed(self):
        self.open_ipv6()
        for address in ("::ffff:127.0.0.2", "::1"):
            self.zone.add(reverse6(address, "list.test"), A, "127.0.0.3")
        findings, status = self.examine()
        self.assertEqual([item["found"] for item in self.find(findings, "blocklist")],
                         [f"does not list {OURS}", "lists ::1 (127.0.0.3)"])
        self.assertEqual(status, 1)

    def test_ipv6_is_closed(self):
        self.mail_hosts()
        self.settings["allow-networks"] = "127.77.0.0/16 ::1/128"
        self.zone.add("mx.good.test", AAAA, "::1")
        findings, status = self.examine()
        self.expect(findings, "egress", "ok")
        self.expect(findings, "ipv6", "warn", "cannot be reached")
        self.assertEqual(status, 0)


if __name__ == "__main__":
    unittest.main()
