"""POST and GET /v1/verify, GET /v1/verify/{id}, domains, policies, health."""

import json
import threading
import time
from urllib.parse import quote

from harness import JSON, ServiceCase, request


class Verify(ServiceCase):
    def test_defaults(self):
        verdict = self.service.post("/v1/verify", {"email": "jane@gmail.com"})
        self.assertEqual(verdict.status, 200)
        self.assertEqual(verdict.header("Content-Type"), "application/json")
        self.assertEqual(verdict.header("Cache-Control"), "no-store")
        asked = verdict.json
        self.assertEqual(asked["email"], "jane@gmail.com")
        self.assertEqual(
            [asked[k] for k in ("asked_smtp", "asked_imap", "asked_deadline_ms",
                                "asked_max_age_s", "asked_explain", "policy", "asked_bulk")],
            [True, True, 5000, 86400, 1, "default", False])

    def test_options_arrive(self):
        asked = self.service.post("/v1/verify", {
            "email": "a@b.de", "smtp": False, "imap": False, "deadline_ms": 100, "max_age_s": 0,
            "explain": "transcript", "policy": "signup"}, ("Accept-Language", "de")).json
        self.assertEqual(
            [asked[k] for k in ("asked_smtp", "asked_imap", "asked_deadline_ms",
                                "asked_max_age_s", "asked_explain", "policy", "asked_language")],
            [False, False, 100, 0, 2, "signup", 1])

    def test_any_string_is_a_verdict(self):
        for label, email in (
                ("empty", ""), ("no at", "jane"), ("CR LF", "jane\r\nDATA\r\n@x.org"),
                ("NUL", "jane\0@x.org"), ("escape", "\x1b[2J@x.org"), ("1024", "a" * 1024),
                ("1024 octets of UTF-8", "ä" * 512), ("emoji", "🦉@x.org"), ("quote", '"\\"@x.org')):
            with self.subTest(label):
                response = self.service.post("/v1/verify", {"email": email})
                self.assertEqual(response.status, 200, response.body)
                self.assertEqual(response.json["email"], email)

    def test_get_is_for_curl(self):
        self.assertEqual(self.service.get("/v1/verify?email=jane+news@x.org").json["email"],
                         "jane+news@x.org", "a plus is a plus")
        self.assertEqual(self.service.get("/v1/verify?email=jane%2Bnews%40x.org").json["email"],
                         "jane+news@x.org")
        self.assertEqual(self.service.get("/v1/verify?email=" + quote("jänä@exämple.com")).json["email"],
                         "jänä@exämple.com")
        asked = self.service.get("/v1/verify?smtp=false&imap=0&email=a@b.c&deadline_ms=900&policy=strict"
                                 "&explain=none&max_age_s=7").json
        self.assertEqual([asked[k] for k in ("asked_smtp", "asked_imap", "asked_deadline_ms", "policy",
                                             "asked_explain", "asked_max_age_s")],
                         [False, False, 900, "strict", 0, 7])

    def test_get_nul_stays_inside_the_address(self):
        self.assertEqual(self.service.get("/v1/verify?email=a%00b@x.org").json["email"], "a\0b@x.org")

    def test_head(self):
        with self.service.wire() as wire:
            wire.send(request("HEAD", "/healthz") + request("GET", "/healthz"))
            head = wire.response(head_only=True)
            self.assertEqual((head.status, head.header("Content-Length")), (200, "16"))
            self.assertEqual(wire.response().json, {"status": "ok"})

    def test_options(self):
        for target, allow in (("/v1/verify", "GET, HEAD, POST, OPTIONS"),
                              ("/v1/verify/batch", "POST, OPTIONS"),
                              ("/v1/verify/v_1", "GET, HEAD, OPTIONS"),
                              ("/healthz", "GET, HEAD, OPTIONS"), ("*", "GET, HEAD, POST, OPTIONS")):
            with self.subTest(target):
                response = self.service.ask(request("OPTIONS", target))
                self.assertEqual((response.status, response.header("Allow")), (204, allow))

    def test_deadline_answers_incomplete(self):
        began = time.monotonic()
        verdict = self.service.post("/v1/verify", {"email": "hang@x.org", "deadline_ms": 300}).json
        self.assertFalse(verdict["complete"])
        self.assertGreaterEqual(time.monotonic() - began, 0.29)

    def test_overloaded_single_call_is_still_a_verdict(self):
        response = self.service.post("/v1/verify", {"email": "full@x.org"})
        self.assertEqual((response.status, response.json["reason"]), (200, "deferred"))

    def test_lookup(self):
        for name in ("v_known", "%76_known", "v%5Fknown", "v%5fknow%6e", "%76%5f%6b%6e%6f%77%6e"):
            self.assertEqual(self.service.get("/v1/verify/" + name).json["id"], "v_known", name)
        self.assertEqual(self.service.get("/v1/verify/v_known?explain=none&wait=50").json["asked_explain"], 0)
        asked = self.service.get("/v1/verify/v_known", ("Accept-Language", "de"), ("X-Request-Id", "order-66")).json
        self.assertEqual((asked["asked_language"], asked["asked_by"]), (1, "order-66"))
        began = time.monotonic()
        self.assertFalse(self.service.get("/v1/verify/v_slow?wait=1").json["complete"])
        self.assertGreaterEqual(time.monotonic() - began, 0.99)

    def test_domains(self):
        self.assertEqual(self.service.get("/v1/domains/example.com").json["asked_domain"], "example.com")
        self.assertEqual(self.service.get("/v1/domains/" + quote("exämple.com")).json["asked_domain"],
                         "exämple.com")

    def test_policies(self):
        policies = self.service.get("/v1/policies").json["policies"]
        self.assertEqual([p["name"] for p in policies], ["default", "signup", "strict"])

    def test_request_id(self):
        for label, sent, kept in (("kept", "order-66_a.b:c", True), ("blank", "a b", False),
                                  ("markup", "<b>", False), ("too long", "x" * 65, False),
                                  ("64", "x" * 64, True)):
            with self.subTest(label):
                response = self.service.post("/v1/verify", {"email": "a@b.c"}, ("X-Request-Id", sent))
                told = response.header("X-Request-Id")
                self.assertEqual(told == sent, kept)
                self.assertRegex(told, r"^[A-Za-z0-9._:-]{1,64}$")
                self.assertEqual(response.json["asked_by"], told)

    def test_many_at_once(self):
        answers = []

        def one(n):
            answers.append(self.service.post("/v1/verify", {"email": f"wait-{n % 7 * 20}@x.org"}).status)

        threads = [threading.Thread(target=one, args=(n,)) for n in range(60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, [200] * 60)

    def test_keep_alive_and_pipelining(self):
        with self.service.wire() as wire:
            body = json.dumps({"email": "wait-30@x.org"}).encode()
            wire.send((request("POST", "/v1/verify", [JSON], body) + request("GET", "/healthz")) * 10)
            for _ in range(10):
                self.assertEqual(wire.response().json["email"], "wait-30@x.org")
                self.assertEqual(wire.response().json, {"status": "ok"})

    def test_body_in_single_octets_and_chunks(self):
        body = json.dumps({"email": "jane@x.org"}).encode()
        with self.service.wire() as wire:
            for octet in request("POST", "/v1/verify", [JSON], body):
                wire.send(bytes([octet]))
            self.assertEqual(wire.response().json["email"], "jane@x.org")
            wire.send(request("POST", "/v1/verify", [JSON, ("Transfer-Encoding", "chunked")]))
            for octet in body:
                wire.send(b"1\r\n" + bytes([octet]) + b"\r\n")
            wire.send(b"0\r\n\r\n")
            self.assertEqual(wire.response().json["email"], "jane@x.org")

    def test_expect_continue(self):
        body = json.dumps({"email": "jane@x.org"}).encode()
        with self.service.wire() as wire:
            wire.send(request("POST", "/v1/verify", [JSON, ("Expect", "100-continue"),
                                                     ("Content-Length", str(len(body)))]))
            self.assertEqual(wire.response().status, 100)
            wire.send(body)
            self.assertEqual(wire.response().json["email"], "jane@x.org")

    def test_http_1_0(self):
        response = self.service.ask(request("GET", "/healthz", version="HTTP/1.0"))
        self.assertEqual(response.json, {"status": "ok"})

    def test_absolute_target(self):
        response = self.service.ask(request("GET", "http://localhost/v1/verify?email=a@b.c"))
        self.assertEqual(response.json["email"], "a@b.c")

    def test_client_that_leaves_cancels(self):
        before = self.service.counters()["cancelled"]
        with self.service.wire() as wire:
            wire.send(request("POST", "/v1/verify", [JSON],
                              json.dumps({"email": "hang@x.org", "deadline_ms": 60000}).encode()))
            self.service.wait_for(lambda: self.service.counters()["in_flight"] == 1, "the check began")
        self.service.wait_for(lambda: self.service.counters()["cancelled"] == before + 1, "cancelled")
        self.assertUnharmed()

    def test_ready(self):
        try:
            well = self.service.get("/readyz").json
            shown = {"status": "ok", "draining": False, "egress": "open", "resolver": "answers", "anchors": 1,
                     "resting": ["google"], "resting_hosts": 2, "timers_late_ms": 3}
            self.assertEqual({key: well[key] for key in shown}, shown)
            self.service.get("/v1/domains/egress-blocked")
            response = self.service.get("/readyz")
            self.assertEqual((response.status, response.json["status"], response.json["egress"]),
                             (200, "degraded", "blocked"))
        finally:
            self.service.get("/v1/domains/egress-open")
