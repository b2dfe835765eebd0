"""SOCKS5 proxies as ways out: their handshakes, their faults, and what the faults may not be taken for."""
from harness import ONE, TWO, Hosts, Socks, sources

EXIT = "127.66.0.9"  # whence the proxies connect


class Proxies(Hosts):
    def proxy(self, address="127.66.3.1", **options):
        return self.keep(Socks(address, EXIT, **options))

    def test_everybody_through_a_proxy(self):
        host, proxy = self.mail("a.test"), self.proxy()
        caller = self.start("--proxies", f"socks5://127.66.3.1:{proxy.port}", "--routes", "*=proxy1")
        verdict = caller.verify("known@a.test", explain="transcript")
        self.assertVerdict(verdict, "deliverable", "mailbox_accepted", ["proxy1"])
        self.assertEqual(verdict["transcript"][0]["line"], f"connect 127.66.1.1 port {self.port} through proxy1")
        self.assertVerdict(caller.verify("nobody@a.test"), "undeliverable", "mailbox_not_found", ["proxy1"])
        self.assertEqual(set(host.visits), {EXIT})
        self.assertEqual(set(proxy.targets), {"127.66.1.1"})
        self.assertEqual(set(host.names), {"probe.example.test"})

    def test_greeting_glued_to_the_reply(self):
        self.mail("a.test")
        proxy = self.proxy(glued=True)
        caller = self.start("--proxies", f"socks5://127.66.3.1:{proxy.port}", "--routes", "*=proxy1")
        for number in range(5):
            self.assertVerdict(caller.verify(f"known{number}@a.test"), "deliverable", "mailbox_accepted", ["proxy1"])

    def test_login_from_a_file(self):
        self.mail("a.test")
        proxy = self.proxy(login=("jane", "hush,hush"))
        caller = self.start("--routes", "*=exit", "--log-level", "debug",
                            secret=f"exit=socks5://jane:hush%2chush@127.66.3.1:{proxy.port}")
        self.assertVerdict(caller.verify("known@a.test"), "deliverable", "mailbox_accepted", ["exit"])
        self.assertEqual(set(proxy.logins), {("jane", "hush,hush")})

    def test_a_wrong_login_is_our_fault(self):
        host = self.mail("a.test")
        proxy = self.proxy(login=("jane", "other"))
        caller = self.start("--routes", "*=proxy1", secret=f"socks5://jane:hush@127.66.3.1:{proxy.port}")
        self.assertVerdict(caller.verify("known@a.test"), "unknown", "internal_error", ["proxy1"])
        self.assertEqual(host.visits, [])
        self.assertIn("route_fails", self.service.log_text())

    def test_a_dead_proxy_is_our_fault(self):
        host = self.mail("a.test")
        caller = self.start("--proxies", "socks5://127.66.3.1:1", "--routes", "*=proxy1")
        verdict = caller.verify("known@a.test")
        self.assertVerdict(verdict, "unknown", "internal_error", ["proxy1"])
        self.assertEqual(verdict["smtp"]["attempts"][0]["end"], "proxy_failed")
        self.assertEqual(host.visits, [])
        self.assertIn("route_fails", self.service.log_text())

    def test_replies(self):
        table = {1: "internal_error", 2: "internal_error", 3: "connect_timeout", 4: "connect_timeout",
                 5: "connect_refused", 6: "connect_timeout", 7: "internal_error", 8: "connect_timeout",
                 9: "internal_error"}
        self.mail("a.test")
        for code, reason in table.items():
            with self.subTest(code):
                proxy = self.proxy(f"127.66.3.{10 + code}", reply=code)
                caller = self.start("--proxies", f"socks5://127.66.3.{10 + code}:{proxy.port}", "--routes", "*=proxy1")
                self.assertVerdict(caller.verify("known@a.test"), "unknown", reason, ["proxy1"])
                self.assertEqual(self.service.stop(), 0)

    def test_a_closed_mail_host_is_refused(self):
        self.mail("a.test")
        self.dns.domain("closed.test", "127.66.1.200")
        proxy = self.proxy()
        caller = self.start("--proxies", f"socks5://127.66.3.1:{proxy.port}", "--routes", "*=proxy1")
        self.assertVerdict(caller.verify("known@closed.test"), "unknown", "connect_refused", ["proxy1"])

    def test_another_proxy_takes_over(self):
        hosts = [self.mail(f"d{number}.test") for number in range(10)]
        proxy = self.proxy()
        caller = self.start("--proxies", f"dead=socks5://127.66.3.1:1 alive=socks5://127.66.3.1:{proxy.port}",
                            "--routes", "*=dead *=alive")
        for number in range(10):
            self.assertVerdict(caller.verify(f"known@d{number}.test"), "deliverable", "mailbox_accepted", ["alive"])
        self.assertEqual({visit for host in hosts for visit in host.visits}, {EXIT})
        self.assertIn("route_fails route=dead", self.service.log_text())

    def test_a_refused_proxy_rests(self):
        host, proxy = self.mail("a.test", blocked=[EXIT]), self.proxy()
        caller = self.start("--source-addresses", ONE, "--proxies", f"socks5://127.66.3.1:{proxy.port}",
                            "--routes", f"*=proxy1 *={TWO}")
        verdicts = [caller.verify(f"known{number}@a.test") for number in range(3)]
        self.assertLessEqual(sum(verdict["reason"] == "probe_blocked" for verdict in verdicts), 1)
        self.assertVerdict(verdicts[2], "deliverable", "mailbox_accepted", [TWO])
        self.assertLessEqual(host.visits.count(EXIT), 1)

    def test_only_some_through_a_proxy(self):
        far, near, proxy = self.mail("far.test"), self.mail("near.test"), self.proxy()
        caller = self.start("--source-addresses", ONE, "--proxies", f"socks5://127.66.3.1:{proxy.port}",
                            "--routes", "far.test=proxy1")
        self.assertEqual(sources(caller.verify("known@far.test")), ["proxy1"])
        self.assertEqual(sources(caller.verify("known@near.test")), [ONE])
        self.assertEqual((set(far.visits), set(near.visits)), ({EXIT}, {ONE}))

    def test_a_forbidden_address_is_not_told_to_the_proxy(self):
        self.mail("a.test")
        self.dns.domain("inside.test", "10.1.2.3")
        proxy = self.proxy()
        caller = self.start("--proxies", f"socks5://127.66.3.1:{proxy.port}", "--routes", "*=proxy1")
        self.assertEqual(caller.verify("known@inside.test")["reason"], "mx_private_address")
        self.assertEqual(proxy.targets, [])
