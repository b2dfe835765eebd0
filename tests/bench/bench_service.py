#!/usr/bin/env python3
"""Wall-clock shows of the service against the lab. They print; only wrong verdicts, late answers and
leaks make them fail.

  bench_service.py batch   1,000 addresses over 50 domains, 20 ms a reply, against the ideal time
  bench_service.py tarpit  5,000 hosts that never answer: memory, deadlines, descriptors
Common: --build DIR --out DIR
"""
import argparse
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
from ask import compare  # noqa: E402
from lab import Failure, Lab, Service, read_truth  # noqa: E402
from world import World  # noqa: E402

LATE_MS = 100  # the contract: a deadline is kept to within this
TARPIT_TARGET = 6 * 1024  # octets of resident memory per host
RATIO_TARGET = 3


# --- worlds -------------------------------------------------------------------------------

def fresh(options, name):
    world = os.path.join(options.out, name)
    shutil.rmtree(world, ignore_errors=True)
    os.makedirs(options.out, exist_ok=True)
    return world


def generate(options, name, mix, *flags):
    world = fresh(options, name)
    with open(world + ".mix", "w", encoding="utf-8") as file:
        file.write(mix)
    subprocess.run([os.path.join(options.build, "maillab"), "generate", "--out", world, "--mix", world + ".mix",
                    *flags], check=True, stdout=subprocess.DEVNULL)
    return world


# --- one batch, with the moment each line came ------------------------------------------------

class Batch(threading.Thread):
    """POST /v1/verify/batch as NDJSON; keeps the octets and when they came, and looks at them later."""

    def __init__(self, service, emails, **options):
        super().__init__()
        self.service, self.count = service, len(emails)
        self.body = json.dumps({"emails": emails, "explain": "none", **options}).encode()
        self.pieces, self.problem, self.sent_at = [], None, 0.0

    def run(self):
        head = ("POST /v1/verify/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"Accept: application/x-ndjson\r\nConnection: close\r\nContent-Length: {len(self.body)}\r\n\r\n")
        try:
            with socket.create_connection(("127.0.0.1", self.service.port), timeout=120) as link:
                link.sendall(head.encode() + self.body)
                self.sent_at = time.monotonic()
                while piece := link.recv(1 << 20):
                    self.pieces.append((time.monotonic(), piece))
        except OSError as problem:
            self.problem = problem

    def results(self):
        """[(verdict, milliseconds after the request)]; raises Failure on anything but 200 and all lines."""
        data = b"".join(piece for _, piece in self.pieces)
        head, _, body = data.partition(b"\r\n\r\n")
        if self.problem or not head.startswith(b"HTTP/1.1 200"):
            raise Failure(f"batch: {self.problem or data[:300]!r}")
        payload, moments, at = self.unchunk(body, len(head) + 4)
        found, start = [], 0
        for number, line in enumerate(payload.split(b"\n")):
            end = start + len(line)
            while at < len(moments) - 1 and moments[at][0] < end:
                at += 1
            if line:
                found.append((json.loads(line), (moments[at][1] - self.sent_at) * 1000))
            start = end + 1
        if len(found) != self.count:
            raise Failure(f"batch: {len(found)} lines for {self.count} addresses")
        return found

    def unchunk(self, body, offset):
        """The payload, and [(payload octets so far, moment)] as pieces came."""
        arrivals, total = [], 0
        for moment, piece in self.pieces:
            total += len(piece)
            arrivals.append((total - offset, moment))
        payload, moments, at, arrival = bytearray(), [], 0, 0
        while True:
            end = body.index(b"\r\n", at)
            size = int(body[at:end], 16)
            if size == 0:
                return bytes(payload), moments, 0
            payload += body[end + 2:end + 2 + size]
            at = end + 2 + size + 2
            while arrivals[arrival][0] < at - 2:
                arrival += 1
            moments.append((len(payload), arrivals[arrival][1]))


def run_batches(service, emails, size=1000, while_running=lambda: None, **options):
    batches = [Batch(service, emails[i:i + size], **options) for i in range(0, len(emails), size)]
    for batch in batches:
        batch.start()
    while any(batch.is_alive() for batch in batches):
        while_running()
        time.sleep(0.05)
    return [result for batch in batches for result in batch.results()]


# --- what the system says of a process -----------------------------------------------------------

def resident(service):
    with open(f"/proc/{service.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def descriptors(service):
    return len(os.listdir(f"/proc/{service.process.pid}/fd"))


def socket_memory():
    """All TCP buffers of this machine."""
    with open("/proc/net/sockstat", encoding="ascii") as file:
        words = next(line for line in file if line.startswith("TCP:")).split()
    return int(words[words.index("mem") + 1]) * resource.getpagesize()


def until(what, patience_s, pause_s=0.1):
    end = time.monotonic() + patience_s
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(pause_s)
    return True


# --- (a) a list over many domains ------------------------------------------------------------------

def bench_batch(options):
    world = generate(options, "batch", "accept-known 1\nimap:none 1\n", "--seed", "20", "--domains", "50",
                     "--addresses", "1000", "--delay-ms", "20", "--faults", "0", "--providers", "0")
    rows = read_truth(world)
    lab = Lab(os.path.join(options.build, "maillab"), world)
    try:
        ideal = lab.command("ideal")
        service = Service(os.path.join(options.build, "vrfyd"), world)
        try:
            begin = time.monotonic()
            results = run_batches(service, [row["email"] for row in rows], deadline_ms=60000, imap=False)
            took_ms = (time.monotonic() - begin) * 1000
        finally:
            status = service.stop()
        return show_batch(rows, results, took_ms, ideal, lab.counters(), status)
    finally:
        lab.stop()


def show_batch(rows, results, took_ms, ideal, counters, status):
    right = sum(all(compare(rows[verdict["index"]], verdict)) for verdict, _ in results)
    ratio = took_ms / ideal["time_ms"]
    print(f"batch: {right} of {len(rows)} right, {took_ms:.0f} ms, ideal {ideal['time_ms']} ms, "
          f"ratio {ratio:.2f} (at most {RATIO_TARGET} wanted); {counters['connections']} connections, "
          f"ideal {ideal['connections']}; {counters['turns']} turns; rule breaks {counters['rule_breaks']}")
    return right == len(rows) and counters["rule_breaks"] == 0 and status == 0


# --- (b) tarpits --------------------------------------------------------------------------------------

TARPITS, WARM_UP = 5000, 50
TARPIT_DEADLINE_MS, TARPIT_GREETING_MS = 8000, 14000


class Watch:
    """Samples while a run goes on: the most of all, and the moment when everything is in flight."""

    def __init__(self, lab, service):
        self.lab, self.service = lab, service
        self.memory = self.in_flight = self.sockets = self.open = self.descriptors = 0

    def look(self):
        self.memory = max(self.memory, resident(self.service))
        self.descriptors = max(self.descriptors, descriptors(self.service))

    def all_in_flight(self):
        self.open, self.in_flight, self.sockets = self.lab.counters()["open_now"], resident(self.service), socket_memory()


def bench_tarpit(options):
    good = True
    for name, imap in (("with imap", True), ("imap false", False)):
        good = tarpit_run(options, name, imap) and good
    return good


def tarpit_run(options, name, imap):
    world, maillab = World(), os.path.join(options.build, "maillab")
    emails = [f"jane.doe@tarpit{number}.test" for number in range(TARPITS + WARM_UP)]
    for email in emails:
        world.domain(email.partition("@")[2], "tarpit", "jane.doe")
    lab = Lab(maillab, world.write(maillab, fresh(options, "tarpit")))
    try:
        service = Service(os.path.join(options.build, "vrfyd"), lab.world, 0,
                          "--timeout-greeting-ms", str(TARPIT_GREETING_MS))
        try:
            return tarpit_measure(name, imap, lab, service, emails)
        finally:
            service.stop()
    finally:
        lab.stop()


def idle_again(service, before):
    return until(lambda: descriptors(service) <= before, TARPIT_GREETING_MS / 1000 + 15)


def tarpit_measure(name, imap, lab, service, emails):
    at_start = descriptors(service)
    run_batches(service, emails[TARPITS:], deadline_ms=1000, imap=imap)
    idle_again(service, at_start)
    watch, idle, sockets = Watch(lab, service), resident(service), socket_memory()
    counter = threading.Timer(TARPIT_DEADLINE_MS / 1000 * 0.8, watch.all_in_flight)
    counter.start()
    results = run_batches(service, emails[:TARPITS], while_running=watch.look,
                          deadline_ms=TARPIT_DEADLINE_MS, imap=imap)
    counter.join()
    back = idle_again(service, at_start)
    each = (watch.in_flight - idle) / TARPITS
    late = [ms - TARPIT_DEADLINE_MS for _, ms in results]
    in_time = sum(ms <= LATE_MS for ms in late)
    right = sum(verdict["status"] == "unknown" and verdict["reason"] == "deadline_exceeded" and
                not verdict["complete"] for verdict, _ in results)
    print(f"tarpit, {name}: {watch.open} connections open at once, {each / 1024:.2f} KiB of resident memory each "
          f"(under {TARPIT_TARGET // 1024} wanted; {idle >> 20} MiB idle, {watch.in_flight >> 20} in flight, "
          f"{watch.memory >> 20} at most, with the answers), "
          f"kernel socket memory {max(watch.sockets - sockets, 0) / TARPITS / 1024:.2f} KiB each")
    print(f"tarpit, {name}: {right} of {len(results)} right, {in_time} of {len(results)} deadlines kept "
          f"(latest {max(late):+.0f} ms), descriptors {at_start} idle, {watch.descriptors} at most, "
          f"{descriptors(service)} afterwards; {resident(service) >> 20} MiB afterwards")
    return right == len(results) == in_time and back


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("show", choices=["batch", "tarpit"])
    parser.add_argument("--build", default="build")
    parser.add_argument("--out", default="build/bench-worlds")
    options = parser.parse_args()
    try:
        return 0 if {"batch": bench_batch, "tarpit": bench_tarpit}[options.show](options) else 1
    except Failure as failure:
        print(f"bench_service.py: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
