"""A service under test, and the made-up mail hosts it asks from several addresses and through proxies."""
import json
import os
import shutil
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
from lab import Failure, Lab, Service, agrees, read_truth  # noqa: E402,F401
from fakes import DNS_AT, Dns, Mail, Socks  # noqa: E402,F401

MAILLAB = os.environ.get("MAILLAB", "build/maillab")
VRFYD = os.environ.get("VRFYD", "build/vrfyd")
ONE, TWO, THREE = "127.66.0.1", "127.66.0.2", "127.66.0.3"  # where we come from
PATIENCE_S = 30


def settle(what):
    """Waits for something to come true."""
    end = time.monotonic() + PATIENCE_S
    while not what() and time.monotonic() < end:
        time.sleep(0.05)
    return what()


def sources(verdict):
    return [attempt["source"] for attempt in verdict["smtp"]["attempts"]]


class Caller:
    def __init__(self, service):
        self.service = service

    def post(self, path, document):
        request = urllib.request.Request(self.service.base + path, json.dumps(document).encode(),
                                         {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as problem:
            raise Failure(f"{problem.code} {problem.read(2000).decode(errors='replace')}") from None

    def verify(self, email, **options):
        return self.post("/v1/verify", {"email": email, "imap": False, "deadline_ms": 20000, "explain": "evidence",
                                        **options})

    def batch(self, emails):
        return self.post("/v1/verify/batch", {"emails": emails, "imap": False, "deadline_ms": 20000,
                                              "explain": "evidence"})["results"]

    def later(self, verdict_id):
        with urllib.request.urlopen(f"{self.service.base}/v1/verify/{verdict_id}?explain=evidence",
                                    timeout=PATIENCE_S) as answer:
            return json.load(answer)


class Hosts(unittest.TestCase):
    """Each test has its own names and mail hosts; the service starts with the flags the test gives."""

    def setUp(self):
        self.things, self.service, self.number = [], None, 0
        self.directory = tempfile.mkdtemp(prefix="vrfyd-routes-")
        self.dns = self.keep(Dns())
        self.port = None

    def keep(self, thing):
        self.things.append(thing)
        return thing

    def tearDown(self):
        if self.service is not None:
            status, log = self.service.stop(), self.service.log_text()
            self.assertEqual(status, 0, log[-4000:])
            self.assertNotIn("hush", log)
        for thing in reversed(self.things):
            thing.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def mail(self, *domains, hosts=1, **options):
        """Mail hosts of these domains, all with the same manners; the one, or a list."""
        made = []
        for _ in range(hosts):
            self.number += 1
            host = self.keep(Mail(f"127.66.1.{self.number}", self.port or 0, **options))
            self.port = host.port
            made.append(host)
        for domain in domains:
            self.dns.domain(domain, *[host.listener.server_address[0] for host in made])
        return made[0] if hosts == 1 else made

    def start(self, *flags, secret=None):
        conf = {
            "auth": "off", "hello_name": "probe.example.test", "resolver": f"{DNS_AT}:{self.dns.port}",
            "ports": f"smtp={self.port or 1}", "allow_networks": "127.66.0.0/16", "allow_special_names": "test",
            "data_dir": os.path.join(self.directory, "data"), "lane_transaction_gap_ms": "0",
            "timeout_connect_ms": "3000", "timeout_quit_ms": "500", "loops": "2"}
        with open(os.path.join(self.directory, "vrfyd.conf"), "w", encoding="utf-8") as file:
            file.writelines(f"{name} = {value}\n" for name, value in conf.items())
        if secret is not None:
            path = os.path.join(self.directory, "proxies")
            with open(path, "w", encoding="utf-8") as file:
                file.write(secret + "\n")
            flags += ("--proxies-file", path)
        self.service = Service(VRFYD, self.directory, 0, *flags)
        return Caller(self.service)

    def assertVerdict(self, verdict, status, reason, came_from=None):
        self.assertEqual((verdict["status"], verdict["reason"]), (status, reason), json.dumps(verdict))
        if came_from is not None:
            self.assertEqual(sources(verdict), came_from, json.dumps(verdict))
