"""Loopback stand-ins: a DNS server, mail servers that look at whence they are asked, SOCKS5 proxies.
Standard library only; each runs in threads of its own and ends with stop()."""
import select
import socket
import socketserver
import struct
import threading

DNS_AT = "127.66.2.53"
A, MX = 1, 15


class Server:
    """A thread for each connection."""

    def __init__(self, address, port=0):
        owner = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                try:
                    owner.serve(self.request, self.client_address[0])
                except OSError:
                    pass  # the client left in the middle

        class Listener(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 64

        self.listener = Listener((address, port), Handler)
        self.port = self.listener.server_address[1]
        self.thread = threading.Thread(target=self.listener.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def serve(self, link, peer):
        raise NotImplementedError

    def stop(self):
        self.listener.shutdown()
        self.thread.join()
        self.listener.server_close()


class Dns:
    """Answers MX and A by two tables; everything else is NOERROR and empty."""

    def __init__(self):
        self.mx, self.a = {}, {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((DNS_AT, 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def domain(self, name, *addresses):
        """MX mx1.name, mx2.name, ... at these addresses, in order of preference."""
        self.mx[name] = [f"mx{number}.{name}" for number in range(1, len(addresses) + 1)]
        self.a.update(zip(self.mx[name], addresses))

    def run(self):
        while True:
            query, client = self.socket.recvfrom(4096)
            if query == b"stop":
                return
            self.socket.sendto(self.answer(query), client)

    def answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        name, (kind,) = ".".join(labels), struct.unpack("!H", query[at + 1:at + 3])
        records = []
        if kind == MX:
            for order, host in enumerate(self.mx.get(name, ())):
                wire = b"".join(bytes([len(label)]) + label.encode() for label in host.split(".")) + b"\0"
                records.append(struct.pack("!H", 10 + order) + wire)
        elif kind == A and name in self.a:
            records.append(socket.inet_aton(self.a[name]))
        known = name in self.a or name in self.mx or any(host.endswith("." + name) for host in self.a)
        head = query[:2] + struct.pack("!HHHHH", 0x8180 | (0 if known else 3), 1, len(records), 0, 0)
        return head + query[12:at + 5] + b"".join(
            b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(record)) + record for record in records)

    def stop(self):
        self.socket.sendto(b"stop", (DNS_AT, self.port))
        self.thread.join()
        self.socket.close()


class Mail(Server):
    """Knows every local part that begins with "known". Writes down who asked about whom: seen, [(source, recipient)];
    and every source that connected: visits."""

    def __init__(self, address, port, blocked=(), at="rcpt", greylists=False):
        self.blocked, self.at, self.greylists = set(blocked), at, greylists
        self.seen, self.visits, self.names, self.grey = [], [], [], set()
        super().__init__(address, port)

    def refuses(self, source, at):
        return at == self.at and source in self.blocked

    def recipient(self, source, sender, path):
        address = path[path.index("<") + 1:path.index(">")]
        self.seen.append((source, address))
        if self.refuses(source, "rcpt"):
            return f"554 5.7.1 Service unavailable; Client host [{source}] blocked using bl.example.test"
        if not address.startswith("known"):
            return "550 5.1.1 User unknown"
        triple = (source, sender, address)
        if self.greylists and triple not in self.grey:
            self.grey.add(triple)
            return "450 4.2.0 Greylisted, try again later"
        return "250 2.1.5 Ok"

    def serve(self, link, peer):
        stream, sender = link.makefile("rwb"), None

        def say(reply):
            stream.write(reply.encode() + b"\r\n")
            stream.flush()
        self.visits.append(peer)
        if self.refuses(peer, "greeting"):
            say(f"554 5.7.1 Client host [{peer}] blocked using bl.example.test")
        else:
            say("220 mx.example.test ESMTP")
        for line in stream:
            verb, _, rest = line.decode().strip().partition(" ")
            if verb in ("EHLO", "HELO"):
                self.names.append(rest)
                say("250 mx.example.test")
            elif verb == "MAIL":
                sender = rest
                say("250 2.1.0 Ok")
            elif verb == "RCPT":
                say(self.recipient(peer, sender, rest))
            elif verb == "QUIT":
                say("221 2.0.0 Bye")
                return
            else:
                say("250 2.0.0 Ok")


class Socks(Server):
    """A SOCKS5 proxy that connects from `source`. `login`: (user, password) that it wants. `reply`: a code given instead
    of connecting. `glued`: its last reply and the server's first words leave in one piece. Writes down its targets."""

    def __init__(self, address, source, login=None, reply=0, glued=False):
        self.source, self.login, self.reply, self.glued = source, login, reply, glued
        self.targets, self.logins = [], []
        super().__init__(address)

    @staticmethod
    def read(link, count):
        got = b""
        while len(got) < count:
            piece = link.recv(count - len(got))
            if not piece:
                raise OSError("closed")
            got += piece
        return got

    def admit(self, link):
        methods = self.read(link, self.read(link, 2)[1])
        if self.login is None:
            link.sendall(b"\x05\x00")
            return True
        if 2 not in methods:
            link.sendall(b"\x05\xff")
            return False
        link.sendall(b"\x05\x02")
        user = self.read(link, self.read(link, 2)[1]).decode()
        password = self.read(link, self.read(link, 1)[0]).decode()
        self.logins.append((user, password))
        link.sendall(b"\x01\x00" if (user, password) == self.login else b"\x01\x01")
        return (user, password) == self.login

    def serve(self, link, peer):
        if not self.admit(link):
            return
        kind = self.read(link, 4)[3]
        target = socket.inet_ntop(*((socket.AF_INET, self.read(link, 4)) if kind == 1
                                    else (socket.AF_INET6, self.read(link, 16))))
        (port,) = struct.unpack("!H", self.read(link, 2))
        self.targets.append(target)
        code = self.reply
        try:
            further = None if code else socket.create_connection((target, port), 5, (self.source, 0))
        except ConnectionRefusedError:
            code = 5
        except OSError:
            code = 4
        answer = b"\x05" + bytes([code]) + b"\x00\x01" + socket.inet_aton(self.source) + b"\x04\x38"
        if code:
            link.sendall(answer)
            return
        with further:
            if self.glued:
                answer += further.recv(65536)
            link.sendall(answer)
            self.relay(link, further)

    @staticmethod
    def relay(one, other):
        pairs = {one: other, other: one}
        while True:
            for ready in select.select(list(pairs), [], [], 60)[0]:
                octets = ready.recv(65536)
                if not octets:
                    return
                pairs[ready].sendall(octets)
