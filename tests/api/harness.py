"""A service under test and raw HTTP to talk to it: nothing between the test and the octets."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

FAKE_SERVER = os.environ.get("FAKE_SERVER", "build/fake-server")
VRFYD = os.environ.get("VRFYD", "build/vrfyd")
PATIENCE = 20  # seconds; a test that waits so long has failed


class Response:
    def __init__(self, status, headers, body, raw_head):
        self.status, self.headers, self.body, self.raw_head = status, headers, body, raw_head

    def header(self, name):
        values = [v for k, v in self.headers if k.lower() == name.lower()]
        return values[0] if values else None

    @property
    def json(self):
        return json.loads(self.body)


class Wire:
    """One connection; reads whole responses, however they are framed."""

    def __init__(self, port, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout=PATIENCE)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets)

    def more(self):
        octets = self.socket.recv(65536)
        self.buffer += octets
        return bool(octets)

    def at_end(self):
        """True when the server closed and nothing is left."""
        try:
            while not self.buffer and self.more():
                pass
        except ConnectionResetError:
            pass
        return not self.buffer

    def line(self):
        while b"\n" not in self.buffer:
            if not self.more():
                raise EOFError(self.buffer)
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line + b"\n"

    def take(self, count):
        while len(self.buffer) < count:
            if not self.more():
                raise EOFError(self.buffer)
        octets, self.buffer = self.buffer[:count], self.buffer[count:]
        return octets

    def chunk(self):
        """One chunk of a chunked body; b"" is the last."""
        size = int(self.line(), 16)
        octets = self.take(size)
        self.take(2)
        return octets

    def head(self):
        raw = self.line()
        status = int(raw.split()[1])
        headers = []
        while True:
            line = self.line()
            raw += line
            if line == b"\r\n":
                break
            name, value = line.decode("latin-1").rstrip("\r\n").split(":", 1)
            headers.append((name, value.strip()))
        return Response(status, headers, b"", raw)

    def response(self, head_only=False):
        response = self.head()
        if response.status == 100:
            return response
        if head_only or response.status == 204:
            return response
        if (response.header("Transfer-Encoding") or "") == "chunked":
            while chunk := self.chunk():
                response.body += chunk
        elif response.header("Content-Length") is not None:
            response.body = self.take(int(response.header("Content-Length")))
        else:
            while self.more():
                pass
            response.body, self.buffer = self.buffer, b""
        return response


def request(method, target, headers=(), body=b"", host="localhost", version="HTTP/1.1"):
    """The octets of a request; a body gets its length, unless the headers frame it."""
    lines = [f"{method} {target} {version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    names = [name.lower() for name, _ in headers]
    lines += [f"{name}: {value}" for name, value in headers]
    if body and "content-length" not in names and "transfer-encoding" not in names:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


JSON = ("Content-Type", "application/json")


class Service:
    def __init__(self, *flags, auth="off", env=None, program=FAKE_SERVER, words=()):
        self.data = tempfile.mkdtemp(prefix="vrfyd-test-")
        self.log_path = os.path.join(self.data, "log")
        self.log_file = open(self.log_path, "w+b")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("VRFYD")}
        environment.update(env or {})
        self.process = subprocess.Popen(
            [program, *words, "--listen", "127.0.0.1:0", "--auth", auth, "--data-dir",
             os.path.join(self.data, "state"), *flags],
            stdout=subprocess.PIPE, stderr=self.log_file, env=environment)
        line = self.process.stdout.readline().decode()
        found = re.search(r"http://127\.0\.0\.1:(\d+)$", line.strip())
        if not found:
            self.process.wait(PATIENCE)
            raise RuntimeError(f"no listening line: {line!r} {self.log()}")
        self.port = int(found.group(1))

    def log(self):
        with open(self.log_path, "rb") as log:
            return log.read().decode("utf-8", "replace")

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process.stdout.close()
        self.log_file.close()
        return status

    def clean(self):
        shutil.rmtree(self.data, ignore_errors=True)

    def wire(self):
        return Wire(self.port)

    def ask(self, octets, head_only=False):
        with self.wire() as wire:
            wire.send(octets)
            return wire.response(head_only)

    def get(self, target, *headers, **more):
        return self.ask(request("GET", target, headers, **more))

    def post(self, target, document, *headers):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        names = [name.lower() for name, _ in headers]
        extra = () if "content-type" in names else (JSON,)
        return self.ask(request("POST", target, (*extra, *headers), body))

    def counters(self):
        return self.get("/v1/domains/counters").json

    def wait_for(self, what, label):
        """Polls a fact about the service; says which one never came true."""
        for _ in range(PATIENCE * 50):
            if what():
                return
            time.sleep(0.02)
        raise AssertionError(f"never came true: {label}")


class ServiceCase(unittest.TestCase):
    """One service for all tests of the class; at the end it must stop with status 0."""

    FLAGS, AUTH, ENV = (), "off", None

    @classmethod
    def setUpClass(cls):
        cls.service = Service(*cls.FLAGS, auth=cls.AUTH, env=cls.ENV)

    @classmethod
    def tearDownClass(cls):
        status = cls.service.stop()
        log = cls.service.log()
        cls.service.clean()
        assert status == 0, f"exit status {status}: {log[-4000:]}"

    def assertProblem(self, response, status, code, field=None):
        document = response.json
        label = f"{document}"
        self.assertEqual(response.status, status, label)
        self.assertEqual(response.header("Content-Type"), "application/problem+json", label)
        self.assertEqual(document["code"], code, label)
        self.assertEqual(document["status"], status, label)
        self.assertEqual(document["type"], f"urn:vrfyd:problem:{code}")
        self.assertTrue(document["title"])
        if field is not None:
            self.assertEqual(document.get("field"), field, label)

    def assertUnharmed(self):
        self.assertEqual(self.service.get("/healthz").json, {"status": "ok"})
