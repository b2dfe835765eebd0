"""The life of the service: slow clients, limits, signals, reload, logs."""

import json
import os
import signal
import threading
import time
import unittest

from harness import JSON, PATIENCE, Service, ServiceCase, Wire, request


def post(email, **options):
    return request("POST", "/v1/verify", [JSON], json.dumps({"email": email, **options}).encode())


class SlowClients(ServiceCase):
    FLAGS = ("--request-timeout-ms", "600")

    def slow(self, octets, pause=0.05, label=""):
        """Octet after octet: never idle, never done."""
        with self.subTest(label), self.service.wire() as wire:
            began = time.monotonic()
            sent = 0
            try:
                while time.monotonic() - began < PATIENCE:
                    wire.send(octets[sent % len(octets):sent % len(octets) + 1])
                    sent += 1
                    time.sleep(pause)
            except OSError:
                pass
            took = time.monotonic() - began
            self.assertTrue(0.5 < took < 5, f"{took} s")
            try:
                while wire.more():
                    pass
            except ConnectionResetError:
                pass
            if wire.buffer:
                self.assertProblem(wire.response(), 408, "request_timeout")
        self.assertEqual(self.service.get("/healthz").status, 200)

    def test_slow_head(self):
        self.slow(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X-Note: abcdefgh\r\n" * 200, label="headers")
        self.slow(b"G" * 1000, label="method")

    def test_slow_body(self):
        self.slow(request("POST", "/v1/verify", [JSON, ("Content-Length", "60000")]) + b" " * 60000, 0.002, "body")

    def test_silent(self):
        with self.service.wire() as wire:
            self.assertProblem(wire.response(), 408, "request_timeout")
            self.assertTrue(wire.at_end())

    def test_half_a_request_gets_an_answer(self):
        with self.service.wire() as wire:
            wire.send(b"POST /v1/verify HTTP/1.1\r\nHost: localhost\r\nContent-Ty")
            self.assertProblem(wire.response(), 408, "request_timeout")

    def test_work_is_not_bounded_by_it(self):
        self.assertEqual(self.service.ask(post("wait-1200@x.org")).status, 200)

    def test_second_request_has_its_own_time(self):
        with self.service.wire() as wire:
            for _ in range(4):
                wire.send(request("GET", "/healthz"))
                self.assertEqual(wire.response().status, 200)
                time.sleep(0.3)


class Limits(ServiceCase):
    FLAGS = ("--connections-max", "20")

    def test_surplus_connections_are_told(self):
        held = [self.service.wire() for _ in range(20)]
        try:
            for wire in held:
                wire.send(request("GET", "/healthz"))
                self.assertEqual(wire.response().status, 200)
            for octets in (request("GET", "/healthz"), post("a@b.c")):
                with self.service.wire() as wire:
                    wire.send(octets)
                    response = wire.response()
                    self.assertProblem(response, 503, "overloaded")
                    self.assertEqual(response.header("Connection"), "close")
                    self.assertTrue(wire.at_end())
        finally:
            for wire in held:
                wire.close()
        self.service.wait_for(lambda: self.service.get("/healthz").status == 200, "room again")


class Descriptors(ServiceCase):
    def test_descriptors_come_back(self):
        def descriptors():
            return len(os.listdir(f"/proc/{self.service.process.pid}/fd"))

        self.service.get("/healthz")
        self.service.wait_for(lambda: self.service.get("/healthz").status == 200, "quiet")
        before = descriptors()
        for _ in range(30):
            with self.service.wire() as wire:
                wire.send(post("hang@x.org", deadline_ms=60000))
        self.service.wait_for(lambda: descriptors() <= before, "all closed")


class Stopping(unittest.TestCase):
    def start(self, *flags):
        service = Service(*flags)
        self.addCleanup(service.clean)
        self.addCleanup(service.stop, signal.SIGKILL)
        return service

    def hold(self, service, email, **options):
        wire = Wire(service.port)
        self.addCleanup(wire.close)
        before = service.counters()["submitted"]
        wire.send(post(email, **options))
        service.wait_for(lambda: service.counters()["submitted"] > before, "the check began")
        return wire

    def test_idle(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            service = self.start()
            began = time.monotonic()
            self.assertEqual(service.stop(number), 0)
            self.assertLess(time.monotonic() - began, 3)

    def test_what_is_under_way_finishes(self):
        service = self.start()
        idle, busy = Wire(service.port), self.hold(service, "wait-1500@x.org")
        self.addCleanup(idle.close)
        idle.send(request("GET", "/readyz"))
        self.assertEqual(idle.response().json["status"], "ok")
        service.process.send_signal(signal.SIGTERM)
        service.wait_for(lambda: "stopping" in service.log(), "the signal was seen")
        idle.send(request("GET", "/readyz"))
        response = idle.response()
        self.assertEqual((response.status, response.json["status"]), (503, "draining"))
        self.assertEqual(response.header("Connection"), "close")
        self.assertEqual(service.get("/healthz").status, 200, "it lives")
        with Wire(service.port) as wire:
            wire.send(post("a@b.c"))
            response = wire.response()
            self.assertEqual((response.status, response.json["code"]), (503, "overloaded"), "no new work")
            self.assertIsNotNone(response.header("Retry-After"))
            self.assertTrue(wire.at_end())
        response = busy.response()
        self.assertEqual((response.status, response.json["complete"]), (200, True))
        self.assertEqual(service.stop(signal.SIGCONT), 0)

    def test_admitted_before_the_signal(self):
        service = self.start()
        half = Wire(service.port)
        self.addCleanup(half.close)
        body = b'{"email":"wait-300@b.c"}'
        half.send(request("POST", "/v1/verify", [JSON, ("Expect", "100-continue"), ("Content-Length", str(len(body)))]))
        self.assertEqual(half.response().status, 100)
        service.process.send_signal(signal.SIGTERM)
        service.wait_for(lambda: "stopping" in service.log(), "the signal was seen")
        half.send(body)
        response = half.response()
        self.assertEqual((response.status, response.header("Connection")), (200, "close"))
        self.assertEqual(service.stop(signal.SIGCONT), 0)

    def test_cut_at_the_grace_time(self):
        service = self.start("--grace-ms", "400")
        busy = self.hold(service, "hang@x.org", deadline_ms=60000)
        began = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        response = busy.response()
        self.assertEqual((response.status, response.json["complete"]), (200, False), "what is there")
        self.assertEqual(service.stop(signal.SIGCONT), 0)
        self.assertTrue(0.15 < time.monotonic() - began < 4)

    def test_second_signal_cuts_at_once(self):
        service = self.start("--grace-ms", "60000")
        busy = self.hold(service, "hang@x.org", deadline_ms=60000)
        service.process.send_signal(signal.SIGTERM)
        service.wait_for(lambda: "stopping" in service.log(), "the first was seen")
        self.assertEqual(service.stop(signal.SIGTERM), 0)
        self.assertFalse(busy.response().json["complete"])

    def test_cut_streams(self):
        service = self.start("--grace-ms", "300")
        wire = Wire(service.port)
        wire.send(request("POST", "/v1/verify/batch", [JSON, ("Accept", "application/x-ndjson")],
                          json.dumps({"emails": ["hang@x.org"] * 100, "deadline_ms": 60000}).encode()))
        self.assertEqual(wire.head().status, 200)
        service.process.send_signal(signal.SIGTERM)
        lines = 0
        while chunk := wire.chunk():
            lines += chunk.count(b"\n")
        self.assertEqual(lines, 100)
        self.assertEqual(service.stop(signal.SIGCONT), 0)
        wire.close()

    def test_client_that_does_not_read_is_cut(self):
        service = self.start("--grace-ms", "300")
        wire = Wire(service.port)
        wire.send(request("POST", "/v1/verify/batch", [JSON], json.dumps(
            {"emails": ["x" * 1000 + "@x.org"] * 1000}).encode()))
        time.sleep(0.3)
        began = time.monotonic()
        self.assertEqual(service.stop(), 0)
        self.assertLess(time.monotonic() - began, 5)
        wire.close()

    def test_under_load(self):
        service = self.start("--grace-ms", "1000")
        over = threading.Event()

        def load():
            while not over.is_set():
                try:
                    with Wire(service.port) as wire:
                        wire.send(post("wait-20@x.org") * 3)
                        for _ in range(3):
                            wire.response()
                except (OSError, EOFError, IndexError):
                    pass

        threads = [threading.Thread(target=load) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        began = time.monotonic()
        status = service.stop()
        took = time.monotonic() - began
        over.set()
        for thread in threads:
            thread.join()
        self.assertEqual(status, 0, service.log()[-2000:])
        self.assertLess(took, 4)


class Reload(unittest.TestCase):
    def test_policies(self):
        service = Service()
        path = os.path.join(service.data, "policies.json")

        def write(action):
            with open(path, "w", encoding="utf-8") as file:
                json.dump({"policies": [{"name": "mine", "rules": [{"action": action}]}]}, file)

        try:
            write("accept")
            service.stop()
            service = Service("--policies-file", path)

            def rules():
                return service.get("/v1/policies").json["policies"][-1]["rules"]

            self.assertEqual(rules(), [{"action": "accept"}])
            write("review")
            service.process.send_signal(signal.SIGHUP)
            service.wait_for(lambda: rules() == [{"action": "review"}], "the new rules")
            write("reject")  # rejects unknown: refused, the old ones stay
            service.process.send_signal(signal.SIGHUP)
            service.wait_for(lambda: "policies_not_reloaded" in service.log(), "the refusal")
            self.assertEqual(rules(), [{"action": "review"}])
            self.assertEqual(service.post("/v1/verify", {"email": "a@b.c", "policy": "mine"}).status, 200)
        finally:
            self.assertEqual(service.stop(), 0)
            service.clean()


class Logs(unittest.TestCase):
    def run_service(self, *flags, env=None):
        service = Service(*flags, env=env)
        service.post("/v1/verify", {"email": "jane@x.org"}, ("X-Request-Id", "mine-1"))
        self.assertEqual(service.stop(), 0)
        log = service.log()
        service.clean()
        return log

    def test_json(self):
        events = [json.loads(line) for line in self.run_service("--log-format", "json").splitlines()]
        self.assertEqual([e["event"] for e in events if e["level"] == "info"],
                         ["start", "request", "stopping", "stopped"])
        asked = [e for e in events if e["event"] == "request"][0]
        self.assertEqual((asked["request_id"], asked["status"], asked["path"], asked["method"]),
                         ("mine-1", 200, "/v1/verify", "POST"))
        self.assertRegex(asked["client"], r"^a:[0-9a-f]{12}$")

    def test_plain_addresses(self):
        self.assertIn("client=127.0.0.1", self.run_service("--log-addresses", "plain"))

    def test_trusted_proxies(self):
        for flags, client in ((("--trusted-proxies", "127.0.0.0/8"), "198.51.100.4"), ((), "127.0.0.1")):
            service = Service("--log-addresses", "plain", *flags)
            service.get("/v1/policies", ("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-For", "198.51.100.4"))
            self.assertEqual(service.stop(), 0)
            self.assertIn(f"client={client} ", service.log())
            service.clean()

    def test_secrets_and_unknown_variables(self):
        log = self.run_service(env={"VRFYD_API_KEYS": "very-secret-key-0123", "VRFYD_LISTN": "x",
                                    "VRFYD_PORT": "tcp://10.0.0.1:80"})
        self.assertNotIn("very-secret", log)
        self.assertIn("VRFYD_LISTN", log)
        self.assertNotIn("VRFYD_PORT", log)
