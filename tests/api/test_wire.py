"""Request heads that hide a second request behind some proxies: 400 (or the library's own 4xx),
the connection closed, and what followed never answered."""


from harness import JSON, ServiceCase, request

HIDDEN = b"GET /v1/policies HTTP/1.1\r\nHost: localhost\r\n\r\n"
BODY = b'{"email":"a@b.c"}'


class Tricks(ServiceCase):
    FLAGS = ("--request-timeout-ms", "2000")  # for noise that never becomes a request

    def refused(self, octets, label):
        """Ours, the library's own page (which repeats its head in the body), or a bare close."""
        with self.subTest(label), self.service.wire() as wire:
            wire.send(octets)
            while wire.more():
                pass
            everything = wire.buffer
            if everything and b"<html>" in everything:
                self.assertRegex(everything, rb"^HTTP/1\.1 (4\d\d|505) ")
            elif everything:
                response = wire.response()
                self.assertEqual((response.status, response.json["code"]), (400, "bad_value"))
                self.assertEqual(response.header("Connection"), "close")
                self.assertEqual(wire.buffer, b"", "something followed")
            self.assertNotIn(b" 200 ", everything)
        self.assertUnharmed()

    def post(self, *lines, body=BODY, ending=b"\r\n"):
        head = [b"POST /v1/verify HTTP/1.1", b"Host: localhost", b"Content-Type: application/json", *lines]
        return ending.join(head) + ending * 2 + body

    def test_framing(self):
        chunked = b"11\r\n" + BODY + b"\r\n0\r\n\r\n"
        for label, lines, body in (
                ("length twice, different", (b"Content-Length: 17", b"Content-Length: 5"), BODY + HIDDEN),
                ("length twice, equal", (b"Content-Length: 17", b"Content-Length: 17"), BODY),
                ("length beside chunks", (b"Content-Length: 17", b"Transfer-Encoding: chunked"), chunked + HIDDEN),
                ("chunks beside length", (b"Transfer-Encoding: chunked", b"Content-Length: 4"), chunked + HIDDEN),
                ("chunks twice", (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), chunked),
                ("xchunked", (b"Transfer-Encoding: xchunked",), chunked),
                ("gzip, chunked", (b"Transfer-Encoding: gzip, chunked",), chunked),
                ("chunked, identity", (b"Transfer-Encoding: chunked, identity",), chunked),
                ("identity", (b"Transfer-Encoding: identity",), chunked),
                ("empty encoding", (b"Transfer-Encoding:",), chunked),
                ("quoted", (b'Transfer-Encoding: "chunked"',), chunked),
                ("vertical tab", (b"Transfer-Encoding: \x0bchunked",), chunked),
                ("length with plus", (b"Content-Length: +17",), BODY + HIDDEN),
                ("length with minus", (b"Content-Length: -1",), BODY + HIDDEN),
                ("length list", (b"Content-Length: 17, 17",), BODY + HIDDEN),
                ("length hex", (b"Content-Length: 0x11",), BODY + HIDDEN),
                ("length in words", (b"Content-Length: many",), BODY + HIDDEN),
                ("length empty", (b"Content-Length:",), BODY + HIDDEN),
                ("length with a blank inside", (b"Content-Length: 1 7",), BODY + HIDDEN)):
            self.refused(self.post(*lines, body=body), label)

    def test_length_overflow(self):
        for digits in (b"18446744073709551633", b"99999999999999999999999999"):
            self.refused(self.post(b"Content-Length: " + digits), digits.decode())

    def test_names(self):
        for label, line in (
                ("blank before the colon", b"Content-Length : 17"), ("tab before the colon", b"Content-Length\t: 17"),
                ("no name", b": 17"), ("no colon", b"Content-Length 17"), ("slash", b"a/b: c"),
                ("umlaut", b"\xe4: c"), ("control", b"a\x01: c"), ("blank first", b" X: y")):
            self.refused(self.post(line, b"Content-Length: 17"), label)

    def test_values(self):
        for label, line in (
                ("NUL in a value", b"X-Note: a\0b"), ("NUL hides a length", b"X-Note: a\0Content-Length: 3"),
                ("NUL in a name", b"X-No\0te: a"), ("escape", b"X-Note: \x1b[2J"), ("DEL", b"X-Note: \x7f"),
                ("bare CR", b"X-Note: a\rX-Other: b"), ("bare CR before a length", b"X-Note: a\rContent-Length: 3")):
            self.refused(self.post(line, b"Content-Length: 17"), label)

    def test_folds(self):
        self.refused(self.post(b"X-Note: a\r\n b", b"Content-Length: 17"), "folded with a blank")
        self.refused(self.post(b"X-Note: a\r\n\tb", b"Content-Length: 17"), "folded with a tab")
        self.refused(self.post(b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n"), "folded encoding")
        self.refused(self.post(b"Content-Length: 17", b"X-Last: a\r\n b"), "folded at the end")

    def test_bare_line_feeds(self):
        self.refused(self.post(b"Content-Length: 17", ending=b"\n"), "everywhere")
        self.refused(b"GET /healthz HTTP/1.1\nHost: localhost\r\n\r\n", "behind the request line")
        self.refused(b"GET /healthz HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n", "in the middle")
        self.refused(b"GET /healthz HTTP/1.1\r\nHost: localhost\n\r\n", "behind the last")
        self.refused(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\n", "as the empty line")

    def test_request_lines(self):
        for label, line in (
                ("1.9", b"GET /healthz HTTP/1.9"), ("2.0", b"GET /healthz HTTP/2.0"),
                ("0.9", b"GET /healthz"), ("1.1 and more", b"GET /healthz HTTP/1.1x"),
                ("small letters", b"GET /healthz http/1.1"), ("two blanks", b"GET  /healthz HTTP/1.1"),
                ("two blanks behind", b"GET /healthz  HTTP/1.1"), ("tab", b"GET\t/healthz HTTP/1.1"),
                ("NUL in the target", b"GET /healthz\0/x HTTP/1.1"), ("NUL in the method", b"G\0ET /healthz HTTP/1.1"),
                ("not a token", b"G(T /healthz HTTP/1.1"), ("no slash", b"GET healthz HTTP/1.1"),
                ("high octet", b"GET /health\xe4 HTTP/1.1"), ("other scheme", b"GET ftp://localhost/ HTTP/1.1")):
            self.refused(line + b"\r\nHost: localhost\r\n\r\n", label)

    def test_host(self):
        self.refused(b"GET /healthz HTTP/1.1\r\n\r\n", "none")
        self.refused(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", "two")
        self.refused(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nhost: evil.example\r\n\r\n", "two names")

    def test_chunks(self):
        for label, chunk in (
                ("size not hex", b"xx\r\n"), ("negative", b"-1\r\n"), ("overflow", b"ffffffffffffffffff\r\n"),
                ("too long for its size", b"3\r\nabcdef\r\n0\r\n\r\n")):
            with self.subTest(label), self.service.wire() as wire:
                wire.send(request("POST", "/v1/verify", [JSON, ("Transfer-Encoding", "chunked")], chunk))
                try:
                    self.assertGreaterEqual(wire.response().status, 400)
                except (EOFError, ConnectionResetError, IndexError):
                    pass  # closed without a word: as good
            self.assertUnharmed()

    def test_what_is_right_stays_right(self):
        for label, octets in (
                ("no blank behind the colon", self.post(b"Content-Length:17")),
                ("blanks around", self.post(b"Content-Length:   17")),
                ("tab", self.post(b"Content-Length:\t17")),
                ("empty value", self.post(b"X-Empty:", b"Content-Length: 17")),
                ("UTF-8 value", self.post("X-Note: ä".encode(), b"Content-Length: 17")),
                ("chunked in capitals", self.post(b"Transfer-Encoding: Chunked", body=b"11\r\n" + BODY + b"\r\n0\r\n\r\n")),
                ("cookie", self.post(b"Cookie: a=b; c=d", b"Content-Length: 17")),
                ("empty line first", b"\r\n" + self.post(b"Content-Length: 17")),
                ("60 headers", self.post(*[b"X-%d: y" % n for n in range(60)], b"Content-Length: 17"))):
            with self.subTest(label):
                self.assertEqual(self.service.ask(octets).status, 200)

    def test_matters_of_taste(self):
        """Legal, rare, and refused by some versions of the library."""
        self.assertIn(self.service.ask(self.post(
            b"Transfer-Encoding: chunked", body=b"11;x=y\r\n" + BODY + b"\r\n0\r\n\r\n")).status, (200, 400))
        self.assertIn(self.service.ask(self.post(b"Content-Length: 17  ")).status, (200, 400))

    def test_large_heads(self):
        """A bit too large: ours. Far too large: the library's own page."""
        def fields(size):  # "Host: localhost", and one that makes it `size` octets
            return [("X-Note", "a" * (size - len("Host: localhost\r\nX-Note: \r\n")))]

        start = "/v1/verify?email="
        for label, octets, status, code in (
                ("target, largest", request("GET", start + "a" * (8000 - len(start))), 400, "email_too_long"),
                ("target, one more", request("GET", start + "a" * (8001 - len(start))), 414, "uri_too_long"),
                ("target, twice", request("GET", start + "a" * 16000), 414, "uri_too_long"),
                ("headers, largest", request("GET", "/nowhere", fields(16384)), 404, "not_found"),
                ("headers, one more", request("GET", "/nowhere", fields(16385)), 431, "headers_too_large"),
                ("headers, half more", request("GET", "/healthz", fields(24576)), 431, "headers_too_large"),
                ("cookie", request("GET", "/nowhere", [("Cookie", "a=" + "b" * 8000)]), 404, "not_found"),
                ("both largest", request("GET", "/" + "a" * 7999, fields(16384)), 404, "not_found")):
            with self.subTest(label), self.service.wire() as wire:
                wire.send(octets + request("GET", "/healthz"))
                self.assertProblem(wire.response(), status, code)
                self.assertEqual(wire.response().status, 200, "the connection goes on")
        with self.subTest("with a body"), self.service.wire() as wire:
            wire.send(request("POST", "/v1/verify", [JSON, *fields(20000)], BODY))
            self.assertProblem(wire.response(), 431, "headers_too_large")
        with self.subTest("far too long target"), self.service.wire() as wire:
            wire.send(request("GET", start + "a" * 40000))
            self.assertEqual(wire.response().status, 414)
        with self.subTest("far too long header"), self.service.wire() as wire:
            wire.send(request("GET", "/healthz", [("X-Note", "a" * 40000)]))
            self.assertEqual(wire.response().status, 431)
        with self.subTest("many headers"), self.service.wire() as wire:
            wire.send(request("GET", "/healthz", [(f"X-{n}", "y") for n in range(3000)]))
            self.assertEqual(wire.response().status, 431)
        self.assertUnharmed()

    def test_half_closed_connections_end(self):
        """An end of input that came with the request is seen; what was pipelined before it is answered."""
        for count in (1, 3):
            for octets in (request("GET", "/healthz"), request("GET", "/nowhere")):
                for _ in range(10):
                    with self.subTest(octets[:20]), self.service.wire() as wire:
                        wire.send(octets * count)
                        wire.socket.shutdown(1)
                        for _ in range(count):
                            self.assertIn(wire.response().status, (200, 404))
                        self.assertTrue(wire.at_end())

    def test_noise(self):
        for label, octets in (("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x55" * 200 + b"\r\n\r\n"),
                              ("SMTP", b"EHLO x\r\nMAIL FROM:<a@b>\r\n\r\n"), ("zeros", b"\0" * 5000 + b"\r\n\r\n"),
                              ("line feeds", b"\n" * 20000)):
            with self.subTest(label), self.service.wire() as wire:
                try:
                    wire.send(octets)
                    wire.socket.shutdown(1)
                    while wire.more():
                        pass
                except OSError:
                    pass  # closed before all of it was sent
                self.assertNotIn(b" 200 ", wire.buffer[:20])
            self.assertUnharmed()
