#!/usr/bin/env python3
"""Thousands of SMTP sessions open at once on one loop, each at a host of its own that never answers RCPT:
what each costs in memory and time, and whether timers still come when they are due.

  bench_flight.py --build DIR --out DIR [--counts 1000,5000,15000] [--modes clear,tls]

Exit 1 when sessions were not all open at once, or did not all end; the figures are for reading."""
import argparse
import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bench_service import (Failure, Lab, Service, World, descriptors, fresh, resident, run_batches,  # noqa: E402
                           until)

MODES = {"clear": ("tarpit-rcpt", 10), "tls": ("tarpit-rcpt-tls", 56)}  # behaviour, KiB wanted
SECONDS = {"clear": (15, 400), "tls": (20, 120)}  # RCPT is waited for: so long, and a second more for so many
LATE_TARGET_MS, WARM_UP = 20, 50


def processor_s(service):
    """Of all its threads, past ones too: the clock that clock_getcpuclockid(3) knows."""
    clock = ctypes.c_int()
    if ctypes.CDLL(None).clock_getcpuclockid(service.process.pid, ctypes.byref(clock)) != 0:
        raise Failure("the service has no processor clock")
    return time.clock_gettime(clock.value)


def timers_late_ms(service):
    with urllib.request.urlopen(service.base + "/readyz", timeout=60) as answer:
        return json.load(answer)["timers_late_ms"]


def make_world(options, mode, count):
    world = World()
    emails = [f"jane.doe@flight{number}.test" for number in range(count + WARM_UP)]
    for email in emails:
        world.domain(email.partition("@")[2], MODES[mode][0], "jane.doe")
    return world.write(os.path.join(options.build, "maillab"), fresh(options, "flight")), emails


def flags(wait_s):
    values = {"loops": 1, "connections-max": 100, "timeout-recipient-ms": wait_s * 1000, "timeout-greeting-ms": 60000,
              "timeout-command-ms": 60000, "timeout-connect-ms": 60000, "dns-timeout-ms": 5000,
              "dns-budget-ms": 60000, "check-budget-ms": 600000}
    return [word for name, value in values.items() for word in ("--" + name, str(value))]


def stand_back(lab):
    """The lab is the rest of the world: its work must not take the processor from the service's timers."""
    with open(f"/proc/{lab.process.pid}/task/{lab.process.pid}/children", encoding="ascii") as file:
        for pid in [lab.process.pid, *map(int, file.read().split())]:
            os.setpriority(os.PRIO_PROCESS, pid, 10)


def fly(options, mode, count):
    world, emails = make_world(options, mode, count)
    wait_s = SECONDS[mode][0] + count // SECONDS[mode][1]
    lab = Lab(os.path.join(options.build, "maillab"), world)
    try:
        stand_back(lab)
        service = Service(os.path.join(options.build, "vrfyd"), world, 0, *flags(wait_s))
        try:
            return measure(mode, count, wait_s, lab, service, emails)
        finally:
            service.stop()
    finally:
        lab.stop()


def ask(service, emails):
    """Batches whose answers nobody reads; closing the connections takes the waiters away."""
    links = []
    for start in range(0, len(emails), 1000):
        body = json.dumps({"emails": emails[start:start + 1000], "deadline_ms": 60000, "imap": False,
                           "explain": "none"}).encode()
        links.append(socket.create_connection(("127.0.0.1", service.port), timeout=60))
        links[-1].sendall(b"POST /v1/verify/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                          b"Accept: application/x-ndjson\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    return links


def measure(mode, count, wait_s, lab, service, emails):
    """True when all were open at once and all came to an end."""
    run_batches(service, emails[count:], deadline_ms=1000, imap=False)
    until(lambda: lab.counters()["recipients"] >= WARM_UP, 30)
    idle_bytes, idle_s = resident(service), processor_s(service)
    links = ask(service, emails[:count])
    opened = until(lambda: lab.counters()["recipients"] >= count + WARM_UP, wait_s + 30, 0.2)
    open_s, open_bytes = processor_s(service), resident(service)
    at_once = lab.counters()["open_now"]
    for link in links:
        link.close()
    ended = until(lambda: descriptors(service) < WARM_UP, wait_s + 60, 0.2)
    end_s, late_ms = processor_s(service), timers_late_ms(service)
    print(f"flight, {mode}, {count}: {at_once} sessions open at once, {(open_bytes - idle_bytes) / count / 1024:.1f} KiB "
          f"each (under {MODES[mode][1]} wanted); {(open_s - idle_s) * 1e6 / count:.0f} us to open one, "
          f"{(end_s - open_s) * 1e6 / count:.0f} us to end one; timers at most {late_ms} ms late in 99 of 100 cases "
          f"(under {LATE_TARGET_MS} wanted)", flush=True)
    return opened and ended and at_once >= count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--out", default="build/bench")
    parser.add_argument("--counts", default="1000,5000,15000")
    parser.add_argument("--modes", default="clear,tls")
    options = parser.parse_args()
    good = True
    try:
        for mode in options.modes.split(","):
            for count in options.counts.split(","):
                good = fly(options, mode, int(count)) and good
    except (Failure, OSError, subprocess.CalledProcessError) as failure:
        print(f"bench_flight.py: {failure}", file=sys.stderr)
        good = False
    shutil.rmtree(os.path.join(options.out, "flight"), ignore_errors=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
