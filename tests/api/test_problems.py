"""Every problem code, and every kind of bad body: a clear answer, and the service goes on."""

import json
import socket

from harness import JSON, ServiceCase, request


class BadRequests(ServiceCase):
    def tearDown(self):
        self.assertUnharmed()

    def test_fields(self):
        for label, body, code, field in (
                ("no email", {}, "email_missing", "email"),
                ("null email", {"email": None}, "email_missing", "email"),
                ("email is a number", {"email": 7}, "bad_value", "email"),
                ("email is a list", {"email": ["a@b.c"]}, "bad_value", "email"),
                ("1025 octets", {"email": "a" * 1025}, "email_too_long", "email"),
                ("unknown field", {"email": "a@b.c", "timeout": 3}, "unknown_field", "timeout"),
                ("field in capitals", {"email": "a@b.c", "SMTP": True}, "unknown_field", "SMTP"),
                ("hostile field", {"email": "a@b.c", "\r\nX: y": 1}, "unknown_field", "\\x0d\\x0aX: y"),
                ("smtp is a word", {"email": "a@b.c", "smtp": "yes"}, "bad_value", "smtp"),
                ("imap is 1", {"email": "a@b.c", "imap": 1}, "bad_value", "imap"),
                ("deadline below", {"email": "a@b.c", "deadline_ms": 99}, "bad_value", "deadline_ms"),
                ("deadline above", {"email": "a@b.c", "deadline_ms": 60001}, "bad_value", "deadline_ms"),
                ("deadline fraction", {"email": "a@b.c", "deadline_ms": 500.5}, "bad_value", "deadline_ms"),
                ("deadline null", {"email": "a@b.c", "deadline_ms": None}, "bad_value", "deadline_ms"),
                ("age below", {"email": "a@b.c", "max_age_s": -1}, "bad_value", "max_age_s"),
                ("age above", {"email": "a@b.c", "max_age_s": 2592001}, "bad_value", "max_age_s"),
                ("explain", {"email": "a@b.c", "explain": "all"}, "bad_value", "explain"),
                ("policy", {"email": "a@b.c", "policy": "lax"}, "bad_value", "policy"),
                ("NUL in explain", {"email": "a@b.c", "explain": "none\0x"}, "bad_value", "explain"),
                ("NUL in policy", {"email": "a@b.c", "policy": "strict\0x"}, "bad_value", "policy"),
                ("policy is null", {"email": "a@b.c", "policy": None}, "bad_value", "policy")):
            with self.subTest(label):
                self.assertProblem(self.service.post("/v1/verify", body), 400, code, field)

    def test_queries(self):
        for label, query, code, field in (
                ("nothing", "", "email_missing", "email"),
                ("bare ?", "?", "email_missing", "email"),
                ("twice", "?email=a@b.c&email=d@e.f", "bad_value", "email"),
                ("malformed %", "?email=a%4", "bad_value", "email"),
                ("malformed %", "?email=%zz", "bad_value", "email"),
                ("malformed % in a name", "?em%zzail=a@b.c", "bad_value", None),
                ("not UTF-8", "?email=%ff@b.c", "bad_value", "email"),
                ("too long", "?email=" + "a" * 1025, "email_too_long", "email"),
                ("unknown", "?email=a@b.c&key=secret", "unknown_field", "key"),
                ("switch", "?email=a@b.c&smtp=maybe", "bad_value", "smtp"),
                ("number", "?email=a@b.c&deadline_ms=1e3", "bad_value", "deadline_ms"),
                ("huge number", "?email=a@b.c&deadline_ms=99999999999999999999", "bad_value", "deadline_ms")):
            with self.subTest(label):
                self.assertProblem(self.service.get("/v1/verify" + query), 400, code, field)

    def test_lookup_and_domain_queries(self):
        for target, status, code, field in (
                ("/v1/verify/v_unknown", 404, "not_found", None),
                ("/v1/verify/v_known%00", 404, "not_found", None),
                ("/v1/verify/v_known%2", 404, "not_found", None),
                ("/v1/verify/v_known%zz", 404, "not_found", None),
                ("/v1/verify/v%2fknown", 404, "not_found", None),
                ("/v1/verify/" + "x" * 100, 404, "not_found", None),
                ("/v1/verify/" + "%78" * 1000, 404, "not_found", None),
                ("/v1/verify/v_known?wait=51", 400, "bad_value", "wait"),
                ("/v1/verify/v_known?wait=", 400, "bad_value", "wait"),
                ("/v1/verify/v_known?wait=-1", 400, "bad_value", "wait"),
                ("/v1/verify/v_known?explain=x", 400, "bad_value", "explain"),
                ("/v1/verify/v_known?smtp=true", 400, "unknown_field", "smtp"),
                ("/v1/domains/nothing", 400, "bad_value", "domain"),
                ("/v1/domains/a%00b", 400, "bad_value", "domain"),
                ("/v1/domains/a%2fb", 400, "bad_value", "domain"),
                ("/v1/domains/a@b", 400, "bad_value", "domain"),
                ("/v1/domains/a%0d%0ab", 400, "bad_value", "domain"),
                ("/v1/domains/%4", 400, "bad_value", "domain"),
                ("/v1/domains/" + "a" * 513, 400, "bad_value", "domain"),
                ("/v1/domains/x.org?deadline_ms=1", 400, "bad_value", "deadline_ms"),
                ("/v1/domains/x.org?imap=1", 400, "unknown_field", "imap")):
            with self.subTest(target[:40]):
                self.assertProblem(self.service.get(target), status, code, field)

    def test_not_json(self):
        for label, body in (
                ("empty", b""), ("blank", b"  "), ("a list", b'["a@b.c"]'), ("a string", b'"a@b.c"'),
                ("cut off", b'{"email": "a@b'), ("trailing", b'{"email":"a@b.c"} x'),
                ("two objects", b'{"email":"a@b.c"}{}'), ("single quotes", b"{'email':'a@b.c'}"),
                ("twice the same", b'{"email":"a@b.c","email":"d@e.f"}'),
                ("not UTF-8", b'{"email":"\xff\xfe@b.c"}'), ("overlong", b'{"email":"\xc0\xaf@b.c"}'),
                ("half a surrogate", b'{"email":"\\ud800@b.c"}'), ("NUL", b'{"email":"a@b.c"}\x00'),
                ("raw NUL", b'{"email":"a\x00@b.c"}'), ("raw newline", b'{"email":"a\n@b.c"}'),
                ("infinite", b'{"email":"a@b.c","deadline_ms":1e999}'),
                ("big integer", b'{"email":"a@b.c","deadline_ms":99999999999999999999}'),
                ("NUL in a name", b'{"email\\u0000":"a@b.c"}'),
                ("deep", b'{"email":' + b"[" * 20 + b"]" * 20 + b"}"),
                ("deep and open", b"[" * 60000), ("deep objects", b'{"a":' * 12000)):
            with self.subTest(label):
                if not body:
                    octets = request("POST", "/v1/verify", [JSON, ("Content-Length", "0")])
                    self.assertProblem(self.service.ask(octets), 400, "bad_json")
                else:
                    self.assertProblem(self.service.post("/v1/verify", body), 400, "bad_json")

    def test_words_that_help(self):
        """The sentence says what to do."""
        for body, words in ((b"", "the body is empty"), (b"[]", "must be a JSON object"), (b"7", "must be a JSON object"),
                            (b'{"email":"a@b.c","smpt":true}', "email, smtp, imap, explain, deadline_ms, max_age_s, policy")):
            with self.subTest(body):
                octets = request("POST", "/v1/verify", [JSON, ("Content-Length", str(len(body)))], body)
                self.assertIn(words, self.service.ask(octets).json["detail"])

    def test_a_field_that_comes_twice_is_named(self):
        for body, field in ((b'{"email":"a@b.c","smtp":true,"smtp":true}', "smtp"),
                            (b'{"email":"a@b.c","a\\"b":1,"a\\"b":2}', "a\\")):
            self.assertProblem(self.service.post("/v1/verify", body), 400, "bad_json", field)

    def test_bombs(self):
        self.assertProblem(self.service.post("/v1/verify", b"[" * 100000), 413, "body_too_large")
        self.assertProblem(self.service.post("/v1/verify/batch", b"[" * 100000), 400, "bad_json")
        self.assertProblem(self.service.post("/v1/verify/batch", b'{"emails":[' + b"[]," * 600000 + b"[]]}"),
                           400, "bad_json")
        self.assertProblem(self.service.post("/v1/verify/batch", b'{"emails":[' + b'"a",' * 9000 + b'"a"]}'),
                           400, "bad_json")

    def test_too_large(self):
        body = json.dumps({"email": "a" * 1000000}).encode()
        self.assertProblem(self.service.post("/v1/verify", body), 413, "body_too_large")
        self.assertProblem(self.service.post("/v1/verify/batch", b" " * (2 * 1024 * 1024 + 1)),
                           413, "body_too_large")

    def test_large_but_within(self):
        body = b'{"email":"a@b.c"' + b" " * 65000 + b"}"
        self.assertEqual(self.service.post("/v1/verify", body).status, 200)

    def test_too_large_in_chunks(self):
        with self.service.wire() as wire:
            wire.send(request("POST", "/v1/verify", [JSON, ("Transfer-Encoding", "chunked")]))
            for _ in range(20):
                wire.send(b"2000\r\n" + b"x" * 8192 + b"\r\n")
            wire.send(b"0\r\n\r\n")
            self.assertProblem(wire.response(), 413, "body_too_large")
            wire.send(request("GET", "/healthz"))
            self.assertEqual(wire.response().status, 200, "the connection is still of use")

    def test_too_large_without_100(self):
        with self.service.wire() as wire:
            wire.send(request("POST", "/v1/verify", [JSON, ("Expect", "100-continue"),
                                                     ("Content-Length", "70000")]))
            self.assertProblem(wire.response(), 413, "body_too_large")
            self.assertTrue(wire.at_end())

    def test_flood_is_not_read(self):
        with self.service.wire() as wire:
            wire.send(request("POST", "/v1/verify", [JSON, ("Content-Length", "99999999999")]))
            self.assertProblem(wire.response(), 413, "body_too_large")
            self.assertTrue(wire.at_end())

    def test_endless_chunks_are_cut(self):
        with self.service.wire() as wire:
            wire.send(request("POST", "/v1/verify", [JSON, ("Transfer-Encoding", "chunked")]))
            with self.assertRaises((BrokenPipeError, ConnectionResetError)):
                for _ in range(4000):
                    wire.send(b"4000\r\n" + b"x" * 16384 + b"\r\n")

    def test_get_with_a_body(self):
        with self.service.wire() as wire:
            wire.send(request("GET", "/healthz", (), b"GET /v1/policies HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            self.assertProblem(wire.response(), 413, "body_too_large")
            wire.send(request("GET", "/healthz"))
            self.assertEqual(wire.response().json, {"status": "ok"}, "the body was no request")

    def test_not_found(self):
        for target in ("/", "/v1", "/v1/", "/v1/verify/", "/v1/verify/a/b", "/v1/nothing", "/healthz/",
                       "/HEALTHZ", "/healthz%00", "/healthz%2f", "/v1%2fverify", "/v1/../healthz",
                       "//healthz", "/v1/domains/", "/%2e%2e/etc/passwd"):
            with self.subTest(target):
                self.assertProblem(self.service.get(target), 404, "not_found")

    def test_method_not_allowed(self):
        for method, target, allow in (
                ("DELETE", "/v1/verify", "GET, HEAD, POST, OPTIONS"),
                ("GET", "/v1/verify/batch", "POST, OPTIONS"), ("PUT", "/healthz", "GET, HEAD, OPTIONS"),
                ("POST", "/v1/policies", "GET, HEAD, OPTIONS"), ("BREW", "/readyz", "GET, HEAD, OPTIONS"),
                ("POST", "/v1/verify/v_known", "GET, HEAD, OPTIONS"), ("get", "/healthz", "GET, HEAD, OPTIONS")):
            with self.subTest(f"{method} {target}"):
                response = self.service.ask(request(method, target))
                self.assertProblem(response, 405, "method_not_allowed")
                self.assertEqual(response.header("Allow"), allow)

    def test_media_type(self):
        body = b'{"email":"a@b.c"}'
        for label, headers in (
                ("none", ()), ("form", [("Content-Type", "application/x-www-form-urlencoded")]),
                ("text", [("Content-Type", "text/plain")]),
                ("json-like", [("Content-Type", "application/jsonx")]),
                ("charset", [("Content-Type", "application/json; charset=latin1")]),
                ("two charsets", [("Content-Type", "application/json; charset=utf-8; charset=latin1")]),
                ("no separator", [("Content-Type", "application/json charset=utf-8")]),
                ("compressed", [JSON, ("Content-Encoding", "gzip")]),
                ("compressed twice", [JSON, ("Content-Encoding", "identity, gzip")])):
            with self.subTest(label):
                self.assertProblem(self.service.ask(request("POST", "/v1/verify", headers, body)),
                                   415, "unsupported_media_type")
        for kind in ("application/json; charset=utf-8", "Application/JSON;charset=UTF-8",
                     'application/json; charset="utf-8"', "application/json;", "application/json; odata=verbose",
                     "application/json ; v=1 ; charset=utf-8"):
            with self.subTest(kind):
                self.assertEqual(self.service.ask(
                    request("POST", "/v1/verify", [("Content-Type", kind)], body)).status, 200)
        for coding in ("identity", "Identity"):
            with self.subTest(coding):
                self.assertEqual(self.service.ask(
                    request("POST", "/v1/verify", [JSON, ("Content-Encoding", coding)], body)).status, 200)

    def test_overloaded_batch(self):
        try:
            self.service.get("/v1/domains/room-2")
            response = self.service.post("/v1/verify/batch", {"emails": ["a@b.c"] * 3})
            self.assertProblem(response, 503, "overloaded")
            self.assertIsNotNone(response.header("Retry-After"))
            self.assertEqual(self.service.post("/v1/verify/batch", {"emails": ["a@b.c"] * 2}).status, 200)
        finally:
            self.service.get("/v1/domains/room-100000")

    def test_truncated_body(self):
        for label, how in (("closed", socket.SHUT_RDWR), ("half closed", socket.SHUT_WR)):
            with self.subTest(label), self.service.wire() as wire:
                wire.send(request("POST", "/v1/verify", [JSON, ("Content-Length", "100")]) + b'{"email":')
                wire.socket.shutdown(how)
                self.assertTrue(wire.at_end() or wire.response().status >= 400)

    def test_refusals_without_a_body_keep_the_connection(self):
        with self.service.wire() as wire:
            for method, target, status in (("GET", "/nowhere", 404), ("PUT", "/healthz", 405), ("OPTIONS", "/healthz", 204),
                                           ("GET", "/v1/verify/batch", 405), ("GET", "/healthz", 200)):
                wire.send(request(method, target))
                response = wire.response()
                self.assertEqual((response.status, response.header("Connection")), (status, None), target)

    def test_connection_after_refusal(self):
        """A small refused body is read away, so that the client sees the answer, not a reset."""
        with self.service.wire() as wire:
            wire.send(request("POST", "/nowhere", [JSON], b"x" * 500000))
            self.assertProblem(wire.response(), 404, "not_found")
            wire.send(request("GET", "/healthz"))
            self.assertEqual(wire.response().status, 200)
