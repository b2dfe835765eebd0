"""GET /readyz of a service whose surroundings fail: what it shows, and that it stays ready."""

import json
import os
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.request

from fakes import A, MX, MailHost, Resolver, Zone

VRFYD = os.environ.get("VRFYD", "build/vrfyd")
PATIENCE = 30


class Ready(unittest.TestCase):
    def setUp(self):
        self.zone = Zone()
        self.resolver = Resolver(self.zone)
        self.addCleanup(self.resolver.close)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def serve(self, *words, port=1):
        words = [*words, "--auth", "off", "--listen", "127.0.0.1:0", "--resolver", self.resolver.place, "--data-dir",
                 self.folder, "--ports", f"smtp={port}", "--allow-networks", "127.77.0.0/16",
                 "--allow-special-names", "test", "--hello-name", "probe.us.test", "--retry-temporary-s", ""]
        with open(os.path.join(self.folder, "log"), "w", encoding="utf-8") as log:
            service = subprocess.Popen([VRFYD, "serve", *words], stdout=subprocess.PIPE, stderr=log, text=True)
        self.addCleanup(self.stop, service)
        self.base = service.stdout.readline().split()[-1]

    def stop(self, service):
        service.send_signal(signal.SIGTERM)
        self.assertEqual(service.wait(PATIENCE), 0)
        service.stdout.close()

    def get(self, path):
        with urllib.request.urlopen(self.base + path, timeout=PATIENCE) as answer:
            return json.load(answer)

    def verify(self, email):
        body = json.dumps({"email": email, "imap": False}).encode()
        request = urllib.request.Request(self.base + "/v1/verify", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)["reason"]

    def wait_for(self, key, value):
        end = time.monotonic() + PATIENCE
        while (ready := self.get("/readyz"))[key] != value:
            self.assertLess(time.monotonic(), end, ready)
            time.sleep(0.02)
        return ready

    def test_silent_resolver(self):
        self.serve("--dns-timeout-ms", "200", "--dns-budget-ms", "600")
        self.assertEqual(self.get("/readyz")["resolver"], "unknown")
        self.zone.silent = True
        for number in range(5):
            self.assertEqual(self.verify(f"jane@silent{number}.test"), "dns_timeout")
        ready = self.wait_for("resolver", "silent")
        self.assertEqual((ready["status"], ready["draining"]), ("degraded", False))
        self.zone.silent = False
        end = time.monotonic() + PATIENCE
        while (reason := self.verify("jane@gone.test")) != "domain_not_found":  # our fake may be late
            self.assertLess(time.monotonic(), end, reason)
        self.assertEqual(self.wait_for("resolver", "answers")["status"], "ok")

    def test_provider_that_refuses_us_rests(self):
        port = 0
        for number in range(5):
            host, address = f"alt{number}.aspmx.l.google.com", f"127.77.2.{number + 1}"
            mail = MailHost(address, port, greeting="554 5.7.1 Your IP is blocked for poor reputation")
            self.addCleanup(mail.close)
            port = mail.port
            self.zone.add(f"tenant{number}.test", MX, (10, host))
            self.zone.add(host, A, address)
        self.serve(port=port)
        self.assertEqual(self.get("/readyz")["resting"], [])
        for number in range(5):
            self.assertEqual(self.verify(f"jane@tenant{number}.test"), "probe_blocked")
        ready = self.wait_for("resting", ["google"])
        self.assertEqual((ready["status"], ready["resting_hosts"]), ("ok", 0))


if __name__ == "__main__":
    unittest.main()
