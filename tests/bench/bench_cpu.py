#!/usr/bin/env python3
"""What a verdict costs the processor, without caps and without waits, beside yardsticks in the same run.

  bench_cpu.py --build DIR --out DIR [--domains 10000] [--rounds 5]

Figures are per second of the service's own processor time (all its threads, HTTP and JSON included), the
best of the rounds for both sides. Both keep as many in flight, since that costs each of them. With TLS there
are two yardsticks: OpenSSL's handshake in memory, without a socket, and a client that does nothing but the
dialogue over sockets, which says how much of the first can be had at all. Exit 1 on a wrong verdict; the
figures are for reading."""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bench_flight import processor_s  # noqa: E402
from bench_service import Failure, Lab, Service, World, fresh, run_batches, until  # noqa: E402

NOBODY, SOMEBODY = "nobody0", "jane.doe"
SESSION_RECIPIENTS, IN_FLIGHT, HANDSHAKE_S = 20, 1000, 2
FLAGS = {"loops": 1, "interactive-reserve": 0, "lane-unknown-per-hour": 1000000, "connections-max": 200,
         "lane-rejects-per-session": 100, "lane-recipients-per-session": 100, "check-budget-ms": 600000, "checks-max": 100000}


class Scene:
    """A world of like domains, its lab and a service; asks, and counts the processor's time."""

    def __init__(self, options, name, behaviour, domains):
        self.options, self.domains = options, domains
        world = World(recipients=1000, rejects=1000)
        for number in range(domains):
            world.domain(self.domain(number), behaviour, SOMEBODY)
        self.path = world.write(os.path.join(options.build, "maillab"), fresh(options, name))

    @staticmethod
    def domain(number):
        return f"cpu{number}.test"

    def __enter__(self):
        self.lab = Lab(os.path.join(self.options.build, "maillab"), self.path)
        flags = [word for name, value in FLAGS.items() for word in ("--" + name, str(value))]
        try:
            self.service = Service(os.path.join(self.options.build, "vrfyd"), self.path, 0, *flags)
        except Failure:
            self.lab.stop()
            raise
        return self

    def __exit__(self, *_):
        self.service.stop()
        self.lab.stop()
        shutil.rmtree(self.path, ignore_errors=True)

    def ask(self, locals_of, want):
        """Verdicts per second of processor; all must have the status wanted."""
        emails = [f"{local}@{self.domain(number)}" for number in range(self.domains) for local in locals_of]
        before = processor_s(self.service)
        results = []
        for start in range(0, len(emails), IN_FLIGHT):
            results += run_batches(self.service, emails[start:start + IN_FLIGHT], IN_FLIGHT, imap=False, deadline_ms=60000)
        self.at_rest()
        used = processor_s(self.service) - before
        wrong = [verdict for verdict, _ in results if verdict.get("status") != want]
        if wrong:
            raise Failure(f"{len(wrong)} of {len(emails)} are not {want}, such as {json.dumps(wrong[0])[:600]}")
        return len(emails) / used

    def at_rest(self):
        until(lambda: self.lab.counters()["open_now"] == 0, 10)

    def setting(self, pattern):
        with open(os.path.join(self.path, "vrfyd.conf"), encoding="utf-8") as file:
            return re.search(pattern, file.read(), re.MULTILINE).group(1)

    def yardstick(self, recipients, tls=False):
        """Answers per second of processor, pass by pass."""
        passes = self.run("yardstick_smtp", self.path, self.setting(r"^resolver = (\S+)"),
                          self.setting(r"^ports = smtp=(\d+)"), recipients, IN_FLIGHT, "tls" if tls else "clear")
        self.at_rest()
        for said in passes:
            if said["failures"]:
                raise Failure(f"yardstick: {said}")
        return [said["answers"] * 1e6 / said["cpu_us"] for said in passes]

    def handshakes(self):
        said = self.run("yardstick_tls", self.path, HANDSHAKE_S)[0]
        return said["full"], said["resumed"]

    def run(self, program, *arguments):
        done = subprocess.run([os.path.join(self.options.build, "bench", program), *map(str, arguments)],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"{program}: {done.stderr.strip() or done.stdout.strip()}")
        return [json.loads(line) for line in done.stdout.splitlines()]


def show(what, ours, yardstick, wanted):
    print(f"cpu, {what}: {ours:.0f} verdicts per second of processor, yardstick {yardstick:.0f}, ratio "
          f"{ours / yardstick:.2f} ({wanted} wanted)", flush=True)


def single(options):
    """One address a domain: DNS, a connection and a verdict each. Fresh services: nothing is remembered."""
    figures = {NOBODY: 0, SOMEBODY: 0, "yardstick": 0}
    for _ in range(options.rounds):
        for local, status in ((NOBODY, "undeliverable"), (SOMEBODY, "deliverable")):
            with Scene(options, "cpu", "accept-known", options.domains) as scene:
                if local == NOBODY:  # as often as what it is compared with
                    figures["yardstick"] = max(figures["yardstick"], scene.yardstick(1)[0])
                figures[local] = max(figures[local], scene.ask([local], status))
    show("one address a domain, refused", figures[NOBODY], figures["yardstick"], "at least 0.6")
    show("one address a domain, accepted, with its decoy", figures[SOMEBODY], figures["yardstick"], "-")


def sessions(options):
    ours = yardstick = 0
    for _ in range(options.rounds):
        with Scene(options, "cpu", "accept-known", options.domains // 20) as scene:
            yardstick = max(yardstick, scene.yardstick(SESSION_RECIPIENTS)[0])
            ours = max(ours, scene.ask([f"nobody{number}" for number in range(SESSION_RECIPIENTS)], "undeliverable"))
    show(f"{SESSION_RECIPIENTS} addresses a session", ours, yardstick, "at least 30000 a second")


def handshakes(options):
    rounds = []
    for _ in range(options.rounds):
        with Scene(options, "cpu", "starttls-good", options.domains // 4) as scene:
            in_memory, over_sockets = scene.handshakes(), scene.yardstick(1, tls=True)
            resumed_before = scene.lab.counters()["tls_resumed"]
            ours = [scene.ask([f"nobody{number}"], "undeliverable") for number in range(2)]
            resumed = scene.lab.counters()["tls_resumed"] - resumed_before
            if resumed < scene.domains * 9 // 10:
                raise Failure(f"{resumed} of {scene.domains} handshakes were resumed")
            rounds.append((ours, in_memory, over_sockets))
    for number, (what, wanted) in enumerate((("full handshake", 0.75), ("resumed", 0.6))):
        ours, in_memory, over_sockets = (max(figures[number] for figures in side) for side in zip(*rounds))
        show(f"STARTTLS, {what}, beside handshakes in memory", ours, in_memory, f"at least {wanted}")
        show(f"STARTTLS, {what}, beside a bare client over sockets", ours, over_sockets, "-")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--out", default="build/bench")
    parser.add_argument("--domains", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    try:
        for bench in (single, sessions, handshakes):
            bench(options)
    except (Failure, OSError) as failure:
        print(f"bench_cpu.py: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
