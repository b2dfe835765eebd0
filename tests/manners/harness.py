"""A lab, a service that asks it, and what the asking cost: the ground of all tests in this folder."""
import http.client
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
from lab import Failure, Lab, Service  # noqa: E402
from world import World  # noqa: E402

MAILLAB = os.environ.get("MAILLAB", "build/maillab")
VRFYD = os.environ.get("VRFYD", "build/vrfyd")
PATIENCE_S = 30  # a test that waits so long has failed
GRACE_MS = 3000


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Client:
    """Plain HTTP to the service under test."""

    def __init__(self, port):
        self.port = port

    def call(self, method, target, document=None, **headers):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            body = None if document is None else json.dumps(document)
            if document is not None:
                headers["Content-Type"] = "application/json"
            link.request(method, target, body, headers)
            answer = link.getresponse()
            return Reply(answer.status, dict(answer.getheaders()), answer.read().decode())
        finally:
            link.close()

    def verify(self, email, **options):
        reply = self.call("POST", "/v1/verify", {"email": email, "imap": False, "deadline_ms": 20000, **options})
        if reply.status != 200:
            raise Failure(f"{email}: {reply.status} {reply.body}")
        return reply.json

    def batch(self, emails, **options):
        reply = self.call("POST", "/v1/verify/batch", {"emails": emails, "imap": False, **options})
        if reply.status != 200:
            raise Failure(f"batch: {reply.status} {reply.body}")
        return reply.json["results"]

    def later(self, verdict_id, wait_s=0):
        return self.call("GET", f"/v1/verify/{verdict_id}?wait={wait_s}").json

    def at_once(self, calls):
        """Runs all calls at the same moment, each in a thread; their results in order, raising the first failure."""
        results, failures = [None] * len(calls), []
        gate = threading.Barrier(max(len(calls), 1))

        def run(index):
            try:
                gate.wait(PATIENCE_S)
                results[index] = calls[index]()
            except Exception as failure:  # pylint: disable=broad-except
                failures.append(failure)
        threads = [threading.Thread(target=run, args=(index,)) for index in range(len(calls))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return results


class Cost:
    """What the lab has counted between two moments: cost["connections"], cost["dns"]."""

    def __init__(self, lab):
        self.lab = lab

    @staticmethod
    def flat(counters):
        return {**{name: value for name, value in counters.items() if isinstance(value, int)},
                "dns": counters["dns"]["queries"]}

    def __enter__(self):
        self.before = self.flat(self.lab.counters())
        return self

    def __exit__(self, *_):
        # Counting a close or a QUIT takes the lab a moment after the answer has left the service.
        settle(lambda: self.lab.counters()["open_now"] == 0)
        after = self.flat(self.lab.counters())
        self.counted = {name: after[name] - self.before[name] for name in after}

    def __getitem__(self, name):
        return self.counted[name]


class Metronome:
    """How long the machine kept this process from running: what an assertion about time must allow for."""

    BEAT_S = 0.01

    def __init__(self):
        self.pauses = []  # (begin, end), with time to spare for an ordinary beat
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        last = time.monotonic()
        while not self.over.wait(self.BEAT_S):
            now = time.monotonic()
            if now - last > 3 * self.BEAT_S:
                self.pauses.append((last, now))
            last = now

    def paused_s(self, since):
        time.sleep(3 * self.BEAT_S)  # a pause that is just over may not be noted yet
        return sum(end - max(begin, since) for begin, end in list(self.pauses) if end > since)

    def sleep(self, wanted_s):
        """So long, not counting pauses: everybody has had this time."""
        begin = time.monotonic()
        while (left_s := wanted_s - (time.monotonic() - begin) + self.paused_s(begin)) > 0:
            time.sleep(left_s)

    def stop(self):
        self.over.set()
        self.thread.join()


def settle(what, patience_s=5):
    """Waits for something to come true; what if not is the caller's business."""
    end = time.monotonic() + patience_s
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


class LabCase(unittest.TestCase):
    """One world and one service for all tests of a class. At the end nothing impolite may have been counted, and
    the service must stop in order."""

    FLAGS = ()

    @classmethod
    def world(cls):
        return World()

    @classmethod
    def prepare(cls):
        """A chance to put files into cls.directory before the service starts."""
        return ()

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="vrfyd-manners-")
        cls.lab = cls.service = None
        try:
            cls.lab = Lab(MAILLAB, cls.world().write(MAILLAB, cls.directory))
            cls.service = Service(VRFYD, cls.directory, 0, *cls.FLAGS, *cls.prepare())
        except BaseException:
            cls.clean_up()
            raise
        cls.client = Client(cls.service.port)

    @classmethod
    def clean_up(cls):
        if cls.service is not None and cls.service.alive():
            cls.service.stop()
        if cls.lab is not None:
            cls.lab.stop()
        shutil.rmtree(cls.directory, ignore_errors=True)

    @classmethod
    def tearDownClass(cls):
        try:
            settle(lambda: cls.lab.counters()["open_now"] == 0)
            status, log = cls.service.stop(), cls.service.log_text()
            counters = cls.lab.counters()
            assert status == 0, f"the service ended with status {status}: {log[-4000:]}"
            assert counters["rule_breaks"] == 0, f"rule breaks: {counters['rule_breaks_by_kind']}"
        finally:
            cls.clean_up()

    def cost(self):
        return Cost(self.lab)

    def assertVerdict(self, verdict, status, reason):
        self.assertEqual((verdict["status"], verdict["reason"]), (status, reason), json.dumps(verdict))

    def assertCost(self, cost, **wanted):
        self.assertEqual({name: cost[name] for name in wanted}, wanted)


class OnceEach(LabCase):
    """Each test stops the service that it got."""

    FLAGS = ("--grace-ms", str(GRACE_MS), "--timeout-greeting-ms", "20000")

    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    def setUp(self):
        super().setUpClass.__func__(type(self))

    def tearDown(self):
        super().tearDownClass.__func__(type(self))

    def stop_while(self, calls, after_s, number=signal.SIGTERM):
        """Results of the calls, and how long the service took to end, both without what the machine took."""
        results, metronome = [], Metronome()
        runner = threading.Thread(target=lambda: results.extend(self.client.at_once(calls)))
        runner.start()
        metronome.sleep(after_s)
        begin = time.monotonic()
        self.service.process.send_signal(number)
        self.service.process.wait(GRACE_MS / 1000 + 20)
        took_s = time.monotonic() - begin
        took_s -= metronome.paused_s(begin)
        metronome.stop()
        runner.join()
        self.assertEqual(len(results), len(calls), "a call got no answer")
        self.assertEqual(self.service.process.returncode, 0, self.service.log_text()[-4000:])
        return results, took_s
