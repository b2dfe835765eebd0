#!/usr/bin/env python3
"""The network is pulled in the middle of a run: for a while no mail server and no resolver says a word.
Nothing may be called undeliverable that is not, lanes back off, and all settles afterwards by itself.

  outage.py --build DIR --out DIR [--pause-ms 30000] [--addresses N] [--short]

Prints "ok" or "FAIL" for each promise; last line "N passed, N failed"."""
import argparse
import os
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bench_world import Failure, Lab, Run, Service, agrees, by_domain, read_truth  # noqa: E402

MIX = """accept-known 30\ncatch-all 6\ngreylist 4\nmixed-mailboxes 6\nstarttls-good 8\nno-pipelining 2
mx-backup-lax 3\nmx-first-refused 2\nblocked-greeting 1\nnxdomain 1\nnull-mx 1\nrelay-denied 1
provider-google 8\nprovider-m365 8\nopaque 4\nprovider-icloud 2\nimap:none 1\n"""
WAITS_MS = {"timeout-greeting-ms": 2000, "timeout-command-ms": 2000, "timeout-recipient-ms": 2000,
            "dns-timeout-ms": 300, "dns-budget-ms": 1000}  # --short: an outage of 5 s is to be noticed
RETRIES = {"retry-temporary-s": "1 2 4 8 16 32 32", "retry-greylist-s": "3 6 9 16 32 32 32"}
CONNECTIONS_EACH = 12  # at most, for each connection of a lane while nobody answers; rests double


def words(flags):
    return [word for name, value in flags.items() for word in ("--" + name, str(value))]


def generate(options):
    world = os.path.join(options.out, "outage")
    shutil.rmtree(world, ignore_errors=True)
    os.makedirs(options.out, exist_ok=True)
    with open(world + ".mix", "w", encoding="utf-8") as file:
        file.write(MIX)
    flags = {"seed": options.seed, "domains": options.domains, "addresses": options.addresses, "delay-ms": 20,
             "greylist-s": 2, "providers": 50, "settle": 1, "mix": world + ".mix", "out": world}
    subprocess.run([os.path.join(options.build, "maillab"), "generate", *words(flags)], check=True)
    return world


class Outage(threading.Thread):
    """Waits until a third has been answered, then nobody says a word for `pause_ms`."""

    def __init__(self, lab, run, pause_ms):
        super().__init__(daemon=True)
        self.lab, self.run_of, self.pause_ms = lab, run, pause_ms
        self.answered_before = self.connections = 0
        self.over_at = None

    def answered(self):
        return sum(verdict is not None for verdict in self.run_of.first)

    def run(self):
        while self.answered() < len(self.run_of.emails) / 3:
            time.sleep(0.01)
        self.answered_before = self.answered()
        self.lab.command("pause", "--ms", str(self.pause_ms))
        before = self.lab.counters()["connections"]
        time.sleep(self.pause_ms / 1000)
        self.connections = self.lab.counters()["connections"] - before
        self.over_at = time.monotonic() - self.run_of.begin


def falsely_undeliverable(rows, verdicts):
    return [row["email"] for row, verdict in zip(rows, verdicts)
            if verdict and verdict.get("status") == "undeliverable" and row["settled"]["status"] != "undeliverable"]


def measure(options):
    world = generate(options)
    rows = by_domain(read_truth(world))
    lab = Lab(os.path.join(options.build, "maillab"), world)
    try:
        service = Service(os.path.join(options.build, "vrfyd"), world, 0,
                          *words(dict(RETRIES, **(WAITS_MS if options.short else {}))))
        try:
            run = Run(service, [row["email"] for row in rows])
            outage = Outage(lab, run, options.pause_ms)
            outage.start()
            took_s = run.go()
            outage.join(options.pause_ms / 1000 + 5)
        finally:
            status = service.stop()
        return promises(options, rows, run, outage, took_s, lab.counters(), status)
    finally:
        lab.stop()


def promises(options, rows, run, outage, took_s, counters, status):
    """[(kept, sentence)]"""
    right = sum(agrees(settled, row["settled"])[0] for row, settled in zip(rows, run.settled))
    first = falsely_undeliverable(rows, run.first)
    settled = falsely_undeliverable(rows, run.settled)
    put_off = sum(verdict is not None and verdict["status"] == "unknown" and row["first"]["status"] != "unknown"
                  for row, verdict in zip(rows, run.first))
    broken = {kind: count for kind, count in counters["rule_breaks_by_kind"].items() if count} or ""
    lanes = options.domains + 20  # a host each, and what the providers may have
    after_s = took_s - (outage.over_at or 0)
    patience_s = 30 + options.pause_ms / 1000
    print(f"outage: {options.pause_ms / 1000:.0f} s of silence after {outage.answered_before} of {len(rows)} answers; "
          f"{put_off} first answers were put off by it, {outage.connections} connections opened meanwhile; "
          f"all settled {after_s:.1f} s after its end")
    return [
        (put_off > 0 and outage.over_at is not None, "the silence was noticed"),
        (not first, f"no first answer calls a mailbox undeliverable that is not {first[:5]}"),
        (not settled, f"nor does any settled one {settled[:5]}"),
        (right == len(rows), f"{right} of {len(rows)} settle to the truth by themselves"),
        (outage.connections <= lanes * CONNECTIONS_EACH, f"lanes back off: {outage.connections} connections in the silence"),
        (after_s <= patience_s, f"lanes recover: all is settled {after_s:.1f} s after it, at most {patience_s:.0f}"),
        (counters["rule_breaks"] == 0, f"{counters['rule_breaks']} rules broken {broken}"),
        (status == 0, "the service ends well"),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--out", default="build/bench")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--domains", type=int, default=150)
    parser.add_argument("--addresses", type=int, default=8000)
    parser.add_argument("--pause-ms", type=int, default=30000)
    parser.add_argument("--short", action="store_true", help="5 s, a small world, short waits")
    options = parser.parse_args()
    if options.short:
        options.pause_ms, options.domains, options.addresses = 5000, 60, 1500
    try:
        kept = measure(options)
    except Failure as failure:
        kept = [(False, str(failure))]
    for good, sentence in kept:
        print(("ok    " if good else "FAIL  ") + sentence)
    failed = sum(not good for good, _ in kept)
    print(f"{len(kept) - failed} passed, {failed} failed")
    return 0 if failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
