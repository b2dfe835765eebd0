"""Where the service connects to, and where never."""
import ipaddress
import os
import subprocess
import tempfile
import unittest

from harness import MAILLAB, VRFYD, Client, Lab, LabCase, Service, World

CONNECT_LOG_SO = os.path.abspath(os.environ.get("CONNECT_LOG_SO", "build/connect_log.so"))


class Allowed(LabCase):
    """The lab's first two hosts may be connected to; the third listens and must never hear of us."""

    FLAGS = ("--allow-networks", "127.64.1.0/31")

    @classmethod
    def world(cls):
        return (World()
                .domain("first.test", "accept-known", "jane.doe")
                .domain("second.test", "accept-known", "jane.doe")
                .domain("third.test", "accept-known", "jane.doe", imap="ok"))

    def test_only_allowed_addresses(self):
        hosts = {}
        for name in ("first", "second", "third"):
            verdict = self.client.verify(f"jane.doe@{name}.test", imap=True)
            addresses = [address for mx in verdict["domain"]["mx"] for address in mx["addresses"]]
            hosts[name] = (verdict["reason"], addresses)
        counted = self.lab.command("details")["hosts"]
        allowed = ipaddress.ip_network("127.64.1.0/31")
        for name, (reason, addresses) in hosts.items():
            inside = bool(addresses) and all(ipaddress.ip_address(address) in allowed for address in addresses)
            self.assertEqual(reason, "mailbox_accepted" if inside else "mx_private_address", f"{name}: {addresses}")
            self.assertEqual(f"mx1.{name}.test" in counted, inside, name)
        self.assertEqual([hosts[name][0] for name in ("first", "third")], ["mailbox_accepted", "mx_private_address"])
        self.assertEqual(self.lab.counters()["imap_connections"], 0)


class EveryConnect(unittest.TestCase):
    """The whole of the lab's demo, IMAP included, with every connect(2) written down."""

    def test_no_connect_outside_the_allowed_range(self):
        with tempfile.TemporaryDirectory(prefix="vrfyd-manners-") as directory:
            self.run_demo(directory, os.path.join(directory, "connects"))

    def run_demo(self, directory, log):
        world = os.path.join(directory, "world")
        subprocess.run([MAILLAB, "demo-world", "--out", world], check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(world, "emails.txt"), encoding="utf-8") as file:
            emails = [line.rstrip("\n") for line in file]
        lab = Lab(MAILLAB, world)
        try:
            service = self.watched(world, log)
            try:
                results = Client(service.port).batch(emails, imap=True, deadline_ms=25000)
            finally:
                self.assertEqual(service.stop(), 0, service.log_text())
            self.assertEqual(len(results), len(emails))
            self.assertGreater(sum(result["reason"] == "mx_private_address" for result in results), 0)
            self.compare(log, lab.ports)
            counters = lab.counters()
            self.assertEqual(counters["rule_breaks"], 0, counters["rule_breaks_by_kind"])
        finally:
            lab.stop()

    @staticmethod
    def watched(world, log):
        before = dict(os.environ)
        os.environ.update(LD_PRELOAD=CONNECT_LOG_SO, CONNECT_LOG=log,
                          ASAN_OPTIONS="verify_asan_link_order=0")
        try:
            return Service(VRFYD, world)
        finally:
            os.environ.clear()
            os.environ.update(before)

    def compare(self, log, ports):
        with open(log, encoding="ascii") as file:
            calls = [line.split() for line in file]
        self.assertGreater(len(calls), 100, "connect(2) is not being written down")
        lab, six = ipaddress.ip_network("127.64.0.0/10"), ipaddress.ip_address("::1")
        mail = {ports["smtp_port"], ports["imap_port"], ports["imaps_port"]}
        for text, port in calls:
            address, port = ipaddress.ip_address(text), int(port)
            self.assertTrue(address in lab or address == six, f"connect to {address}, port {port}")
            self.assertTrue(port in mail or (text, port) == (ports["dns"], ports["dns_port"]),
                            f"connect to {address}, port {port}")


if __name__ == "__main__":
    unittest.main()
