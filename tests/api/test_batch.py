"""POST /v1/verify/batch: input order, lines as they come, bad items, clients that leave."""

import json
import socket
import time

from harness import JSON, ServiceCase, request

LINES = ("Accept", "application/x-ndjson")


class Batch(ServiceCase):
    def test_input_order(self):
        waits = [90, 10, 60, 0, 30]
        response = self.service.post("/v1/verify/batch",
                                     {"emails": [f"wait-{w}@x.org" for w in waits], "explain": "none"})
        results = response.json["results"]
        self.assertEqual(response.header("Content-Type"), "application/json")
        self.assertEqual([r["index"] for r in results], list(range(5)))
        self.assertEqual([r["email"] for r in results], [f"wait-{w}@x.org" for w in waits])
        self.assertTrue(all(r["asked_bulk"] for r in results))
        self.assertEqual([r["asked_deadline_ms"] for r in results], [30000] * 5)
        self.assertNotIn("ref", results[0])

    def test_refs_and_bad_items(self):
        results = self.service.post("/v1/verify/batch", {"emails": [
            {"email": "a@x.org", "ref": "row \"1\""}, {"ref": "2"}, 7, "", {"email": "b" * 1025, "ref": "é"},
            {"email": "c@x.org", "rank": 1}, {"email": "d@x.org", "ref": 6}, {"email": "e@x.org", "ref": None},
            {"email": "f@x.org", "ref": "x" * 257}, [], None]}).json["results"]
        self.assertEqual([r["index"] for r in results], list(range(11)))
        self.assertEqual((results[0]["ref"], results[0]["email"]), ('row "1"', "a@x.org"))
        for index, code, field in ((1, "email_missing", "email"), (2, "bad_value", "emails"),
                                   (4, "email_too_long", "email"), (5, "unknown_field", "rank"),
                                   (6, "bad_value", "ref"), (8, "bad_value", "ref"), (9, "bad_value", "emails"),
                                   (10, "bad_value", "emails")):
            problem = results[index]["problem"]
            self.assertEqual((problem["code"], problem["field"], problem["status"]), (code, field, 400), index)
            self.assertNotIn("status", results[index])
        self.assertEqual((results[1]["ref"], results[4]["ref"]), ("2", "é"))
        self.assertEqual((results[3]["email"], results[7]["email"]), ("", "e@x.org"))

    def test_empty(self):
        self.assertEqual(self.service.post("/v1/verify/batch", {"emails": []}).json, {"results": []})
        response = self.service.post("/v1/verify/batch", {"emails": []}, LINES)
        self.assertEqual((response.status, response.body), (200, b""))

    def test_thousand(self):
        emails = [f"u{n}@x{n % 50}.org" for n in range(1000)]
        results = self.service.post("/v1/verify/batch", {"emails": emails}).json["results"]
        self.assertEqual([r["email"] for r in results], emails)
        self.assertProblem(self.service.post("/v1/verify/batch", {"emails": emails + ["a@b.c"]}),
                           400, "bad_value", "emails")

    def test_problems(self):
        for label, body, code, field in (
                ("none", {}, "email_missing", "emails"), ("null", {"emails": None}, "email_missing", "emails"),
                ("a string", {"emails": "a@b.c"}, "bad_value", "emails"),
                ("email", {"emails": [], "email": "a@b.c"}, "unknown_field", "email"),
                ("deadline", {"emails": [], "deadline_ms": 60001}, "bad_value", "deadline_ms")):
            with self.subTest(label):
                self.assertProblem(self.service.post("/v1/verify/batch", body), 400, code, field)

    def lines(self, wire):
        while chunk := wire.chunk():
            for line in chunk.splitlines():
                yield json.loads(line)

    def open_lines(self, wire, document):
        wire.send(request("POST", "/v1/verify/batch", [JSON, LINES], json.dumps(document).encode()))
        head = wire.head()
        self.assertEqual((head.status, head.header("Content-Type")), (200, "application/x-ndjson"))

    def test_lines_as_they_come(self):
        with self.service.wire() as wire:
            began = time.monotonic()
            self.open_lines(wire, {"emails": ["wait-600@x.org", {"email": "a@x.org", "ref": "r"},
                                              "wait-300@x.org", 5]})
            self.assertEqual([line["index"] for line in self.lines(wire)], [3, 1, 2, 0])
            self.assertGreaterEqual(time.monotonic() - began, 0.6)
            wire.send(request("GET", "/healthz"))
            self.assertEqual(wire.response().status, 200, "the connection is still of use")

    def test_the_first_lines_do_not_wait_for_the_last(self):
        with self.service.wire() as wire:
            self.open_lines(wire, {"emails": ["hang@x.org", "a@x.org", 5], "deadline_ms": 60000})
            lines = self.lines(wire)
            self.assertEqual([next(lines)["index"], next(lines)["index"]], [2, 1])
            self.assertEqual(self.service.counters()["in_flight"], 1)
        self.service.wait_for(lambda: self.service.counters()["in_flight"] == 0, "cancelled")

    def test_lines_http_1_0(self):
        response = self.service.ask(request(
            "POST", "/v1/verify/batch", [JSON, LINES], b'{"emails":["a@b.c","wait-50@b.c"]}', version="HTTP/1.0"))
        self.assertEqual([json.loads(line)["index"] for line in response.body.splitlines()], [0, 1])

    def test_deadline_is_for_all(self):
        began = time.monotonic()
        results = self.service.post("/v1/verify/batch", {"emails": ["hang@x.org"] * 50, "deadline_ms": 300})
        self.assertTrue(0.29 <= time.monotonic() - began < 5)
        self.assertEqual({r["complete"] for r in results.json["results"]}, {False})

    def leave(self, how, headers):
        before = self.service.counters()["cancelled"]
        with self.service.wire() as wire:
            wire.send(request("POST", "/v1/verify/batch", headers, json.dumps(
                {"emails": ["a@x.org"] + ["hang@x.org"] * 40, "deadline_ms": 60000}).encode()))
            self.service.wait_for(lambda: self.service.counters()["in_flight"] == 40, "under way")
            how(wire.socket)
            self.service.wait_for(lambda: self.service.counters()["cancelled"] == before + 40, "cancelled")
        self.assertUnharmed()

    def test_leaving_cancels(self):
        def reset(sock):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.close()

        for label, how in (("close", lambda s: s.close()), ("half close", lambda s: s.shutdown(socket.SHUT_WR)),
                           ("reset", reset)):
            for kind, headers in (("json", [JSON]), ("lines", [JSON, LINES])):
                with self.subTest(f"{label}, {kind}"):
                    self.leave(how, headers)

    def test_slow_reader_gets_everything(self):
        emails = [f"user-{n}-{'x' * 900}@x.org" for n in range(1000)]
        with self.service.wire() as wire:
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            self.open_lines(wire, {"emails": emails})
            time.sleep(0.3)
            self.assertEqual(sorted(r["index"] for r in self.lines(wire)), list(range(1000)))

    def test_pipelined_behind_a_stream(self):
        with self.service.wire() as wire:
            body = b'{"emails":["wait-100@x.org","a@b.c"]}'
            wire.send(request("POST", "/v1/verify/batch", [JSON, LINES], body) + request("GET", "/healthz"))
            self.assertEqual(wire.response().status, 200)
            self.assertEqual(wire.response().json, {"status": "ok"})
