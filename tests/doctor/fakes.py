"""A resolver and mail hosts on loopback, each as good or as bad as a test wants. Standard library only."""

import contextlib
import ipaddress
import os
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
import time

A, PTR, MX, TXT, AAAA, OPT = 1, 12, 15, 16, 28, 41
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
AD, CD = 0x0020, 0x0010


def reverse(address, zone="in-addr.arpa"):
    """4.3.2.1.zone"""
    return ".".join(reversed(address.split("."))) + "." + zone


def reverse6(address, zone="ip6.arpa"):
    """One nibble a label."""
    return ".".join(reversed(ipaddress.ip_address(address).packed.hex())) + "." + zone


def wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def wire_data(kind, data):
    if kind in (A, AAAA):
        return ipaddress.ip_address(data).packed
    if kind == PTR:
        return wire_name(data)
    if kind == MX:
        return struct.pack(">H", data[0]) + wire_name(data[1])
    return bytes([len(data)]) + data.encode()


class Zone:
    """What a resolver knows: {(name, type): [data]}, and how it behaves."""

    def __init__(self, records=None):
        self.records = dict(records or {})
        self.signed, self.bogus = set(), set()  # names
        self.validates, self.silent, self.invents = True, False, None
        self.delays = {}  # name: seconds
        self.asked = []

    def add(self, name, kind, *data):
        self.records.setdefault((name, kind), []).extend(data)

    def drop(self, name, kind):
        self.records.pop((name, kind), None)

    def answer(self, name, kind, flags):
        """(rcode, authentic, [data])"""
        if self.validates and name in self.bogus and not flags & CD:
            return SERVFAIL, False, []
        found = self.records.get((name, kind), [])
        if found:
            return NOERROR, self.validates and name in self.signed, found
        if any(known == name for known, _ in self.records):
            return NOERROR, False, []
        if self.invents is not None and kind == A:
            return NOERROR, False, [self.invents]
        return NXDOMAIN, False, []


def read_question(message):
    at, labels = 12, []
    while message[at]:
        labels.append(message[at + 1 : at + 1 + message[at]].decode("latin-1").lower())
        at += 1 + message[at]
    return ".".join(labels), struct.unpack(">H", message[at + 1 : at + 3])[0], at + 5


def reply_to(message, zone):
    number, flags, _, _, _, extra = struct.unpack(">6H", message[:12])
    name, kind, end = read_question(message)
    zone.asked.append((name, kind))
    time.sleep(zone.delays.get(name, 0))
    rcode, authentic, data = zone.answer(name, kind, flags)
    head = 0x8180 | (flags & CD) | (AD if authentic else 0) | rcode
    records = b"".join(
        b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 300, len(wire_data(kind, item))) + wire_data(kind, item)
        for item in data
    )
    opt = b"\0" + struct.pack(">HHIH", OPT, 1232, 0, 0) if extra else b""
    counts = struct.pack(">6H", number, head, 1, len(data), 0, 1 if extra else 0)
    return counts + message[12:end] + records + opt


class Resolver:
    def __init__(self, zone, address="127.0.0.1"):
        self.zone = zone
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.place = "%s:%d" % self.socket.getsockname()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                message, client = self.socket.recvfrom(4096)
            except OSError:
                return
            if not message:
                return
            if not self.zone.silent:
                self.socket.sendto(reply_to(message, self.zone), client)

    def close(self):
        with contextlib.suppress(OSError):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", self.socket.getsockname())
        self.thread.join(5)
        self.socket.close()


class MailHandler(socketserver.StreamRequestHandler):
    timeout = 20

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def start_tls(self):
        self.say("220 go on")
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", buffering=0)

    def handle(self):
        host = self.server
        host.callers.append(self.client_address[0])
        with contextlib.suppress(OSError, ssl.SSLError):
            self.say(host.greeting)
            for line in self.rfile:
                words = line.decode("latin-1").strip()
                host.heard.append(words)
                verb = words.split(" ")[0].upper()
                if verb == "EHLO":
                    tls = host.tls is not None and not isinstance(self.request, ssl.SSLSocket)
                    self.say("250-mx.test " + host.hello)
                    self.say("250-STARTTLS" if tls else "250-SIZE 1000")
                    self.say("250 PIPELINING")
                elif verb == "STARTTLS":
                    self.start_tls()
                elif verb == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("500 not here")


class MailHost(socketserver.ThreadingTCPServer):
    """One address of the mail internet; all have the same port."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address, port=0, greeting="220 mx.test ESMTP", hello="hello", tls=None):
        self.greeting, self.hello, self.tls, self.heard, self.callers = greeting, hello, tls, [], []
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, port), MailHandler)
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def port(self):
        return self.server_address[1]

    def close(self):
        self.shutdown()
        self.server_close()


class ProxyHandler(socketserver.BaseRequestHandler):
    """SOCKS5 without a password (RFC 1928), IPv4 only; goes out from the proxy's own address."""

    def take(self, count):
        octets = b""
        while len(octets) < count:
            more = self.request.recv(count - len(octets))
            if not more:
                raise ConnectionError
            octets += more
        return octets

    def handle(self):
        with contextlib.suppress(OSError):
            self.take(self.take(2)[1])
            self.request.sendall(b"\5\0")
            address = socket.inet_ntoa(self.take(8)[4:8])  # version, command, 0, type, address
            port = struct.unpack(">H", self.take(2))[0]
            with socket.create_connection((address, port), 5, (self.server.server_address[0], 0)) as far:
                self.request.sendall(b"\5\0\0\1" + bytes(6))
                back = threading.Thread(target=self.relay, args=(far, self.request), daemon=True)
                back.start()
                self.relay(self.request, far)
                back.join(5)

    @staticmethod
    def relay(source, target):
        with contextlib.suppress(OSError):
            while octets := source.recv(4096):
                target.sendall(octets)
            target.shutdown(socket.SHUT_WR)


class Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, address):
        super().__init__((address, 0), ProxyHandler)
        self.place = "socks5://%s:%d" % self.server_address
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self):
        self.shutdown()
        self.server_close()


class BlackHole:
    """A listener whose queue is full: a SYN to it is never answered."""

    def __init__(self, address, port):
        self.sockets = [socket.socket()]
        self.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sockets[0].bind((address, port))
        self.sockets[0].listen(0)
        for _ in range(3):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex((address, port))
            self.sockets.append(client)

    def close(self):
        for item in self.sockets:
            item.close()


CA_CONFIG = """
[ca]
default_ca = c
[c]
dir = {folder}
database = {folder}/index
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
unique_subject = no
x509_extensions = x
[any]
commonName = supplied
[x]
subjectAltName = DNS:mx.good.test
"""


class Authority:
    """A CA that makes one certificate, valid between two dates (YYMMDDhhmmssZ)."""

    def __init__(self, folder, start, end):
        self.folder = folder
        self.ca = os.path.join(folder, "ca.pem")
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        self.openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=lab", "-days", "20")
        self.openssl("req", *key, "-keyout", "mx.key", "-out", "mx.csr", "-subj", "/CN=mx")
        self.write("ca.conf", CA_CONFIG.format(folder=folder))
        self.write("index", "")
        self.write("serial", "01")
        self.openssl("ca", "-batch", "-config", "ca.conf", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", "mx.csr",
                     "-out", "mx.pem", "-notext", "-startdate", start, "-enddate", end)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(os.path.join(folder, "mx.pem"), os.path.join(folder, "mx.key"))

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)
