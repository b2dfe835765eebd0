"""Whole worlds of maillab, asked from two addresses and through a proxy: every verdict stays what it should be."""
import shutil
import subprocess
import tempfile
import unittest

from harness import MAILLAB, ONE, TWO, VRFYD, Caller, Lab, Service, Socks, agrees, read_truth, sources
from world import World

DOMAINS, ADDRESSES = 80, 1500


class Worlds(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="vrfyd-routes-")
        self.things = []

    def tearDown(self):
        for thing in reversed(self.things):
            thing.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def keep(self, thing):
        self.things.append(thing)
        return thing

    def ask_world(self, *flags):
        subprocess.run([MAILLAB, "generate", "--seed", "3", "--domains", str(DOMAINS), "--addresses", str(ADDRESSES),
                        "--out", self.directory], check=True, stdout=subprocess.DEVNULL)
        lab = self.keep(Lab(MAILLAB, self.directory))
        service = self.keep(Service(VRFYD, self.directory, 0, *flags))
        rows = read_truth(self.directory)
        verdicts, _ = service.ask_all([row["email"] for row in rows])
        for row, verdict in zip(rows, verdicts):
            truths = [row["first"]] + ([row["also"]] if row.get("also") else [])
            self.assertTrue(any(all(agrees(verdict, truth)) for truth in truths), f"{row}: {verdict}")
        self.assertEqual(lab.counters()["rule_breaks"], 0, lab.counters())
        self.assertEqual(service.stop(), 0)

    def test_from_two_addresses(self):
        self.ask_world("--source-addresses", f"{ONE} {TWO}")

    def test_through_a_proxy(self):
        proxy = self.keep(Socks("127.66.3.50", TWO))
        self.ask_world("--proxies", f"socks5://127.66.3.50:{proxy.port}", "--routes", "*=proxy1")
        self.assertGreater(len(proxy.targets), DOMAINS // 2)

    def test_a_host_that_refuses_everybody(self):
        World().domain("blocked.test", "blocked-rcpt", "jane").write(MAILLAB, self.directory)
        self.keep(Lab(MAILLAB, self.directory))
        service = self.keep(Service(VRFYD, self.directory, 0, "--source-addresses", f"{ONE} {TWO}"))
        caller = Caller(service)
        verdicts = [caller.verify(f"{local}@blocked.test") for local in ("jane", "joe", "jim")]
        self.assertEqual([verdict["reason"] for verdict in verdicts], ["probe_blocked", "probe_blocked", "deferred"])
        self.assertEqual(sorted(sources(verdicts[0]) + sources(verdicts[1])), [ONE, TWO])


if __name__ == "__main__":
    unittest.main()
