#!/usr/bin/env python3
"""A whole made-up mail internet, asked until every address has settled: against its truth, against the
least time and the fewest connections that it can be asked with, and beside a naive client.

  bench_world.py --build DIR --out DIR --seed S --domains D --addresses N --delay-ms MS --faults PERCENT [--mix FILE]

Exit 1 on a wrong settled status, a broken rule or an exceeded cap; times and ratios are for reading."""
import argparse
import collections
import http.client
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
from lab import Failure, Lab, Service, agrees, read_truth  # noqa: E402

PROVIDERS_PERCENT, GREYLIST_S = 60, 2
BATCH, BATCHES, DEADLINE_MS = 250, 48, 60000
FOLLOWERS, WAIT_S = 300, 5
TIME_TARGET, CONNECTIONS_TARGET, RIGHT_TARGET = 1.25, 1.3, 0.999
NAIVE_MIN, SHOWN = 5000, 20


def generate(options):
    world = os.path.join(options.out, f"world-{options.seed}")
    shutil.rmtree(world, ignore_errors=True)
    os.makedirs(options.out, exist_ok=True)
    flags = {"seed": options.seed, "domains": options.domains, "addresses": options.addresses,
             "delay-ms": options.delay_ms, "faults": options.faults, "providers": PROVIDERS_PERCENT,
             "greylist-s": GREYLIST_S, "settle": 1, "mix": options.mix, "out": world}
    words = [word for name, value in flags.items() for word in ("--" + name, str(value))]
    subprocess.run([os.path.join(options.build, "maillab"), "generate", *words], check=True)
    return world


def by_domain(rows):
    """As bulk callers send them: the addresses of a domain together, the domains in no order."""
    domains = {}
    for row in rows:
        domains.setdefault(row["email"].rpartition("@")[2].lower(), []).append(row)
    return [row for domain in domains.values() for row in domain]


# --- asking until all has settled -----------------------------------------------------------------

class Run:
    """`first` has the answer of the batch, `settled` what each address came to, `times` when (s)."""

    def __init__(self, service, emails, batches=BATCHES):
        self.service, self.emails, self.batches = service, emails, batches
        self.first, self.settled = [None] * len(emails), [None] * len(emails)
        self.times = [0.0] * len(emails)
        self.unsettled, self.forgotten = queue.Queue(), queue.Queue()
        self.problems, self.begin = [], 0.0

    def go(self):
        starts = queue.Queue()
        for start in range(0, len(self.emails), BATCH):
            starts.put(start)
        followers = self.start(self.follow, min(FOLLOWERS, len(self.emails)))
        self.begin = time.monotonic()
        self.join(self.start(self.ask, self.batches, starts))
        while self.unsettled.unfinished_tasks and not self.problems:
            time.sleep(0.01)
        end = time.monotonic()
        for _ in followers:
            self.unsettled.put(None)
        self.join(followers)
        if not self.problems:
            self.ask_forgotten()
        if self.problems:
            raise Failure(str(self.problems[0]))
        return max(end - self.begin, *self.times, 0)

    @staticmethod
    def start(work, count, *arguments):
        threads = [threading.Thread(target=work, args=arguments, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        return threads

    @staticmethod
    def join(threads):
        for thread in threads:
            thread.join()

    def settle(self, index, verdict):
        self.settled[index] = verdict
        self.times[index] = time.monotonic() - self.begin

    def ask(self, starts):
        try:
            while not self.problems:
                self.ask_batch(starts.get_nowait())
        except queue.Empty:
            pass
        except (Failure, OSError, ValueError) as problem:
            self.problems.append(problem)

    def ask_batch(self, start):
        def keep(index, verdict):
            self.first[start + index] = verdict
            if verdict.get("complete"):
                self.settle(start + index, verdict)
            else:
                self.unsettled.put((start + index, verdict["id"]))
        while True:
            try:
                self.service.batch(self.emails[start:start + BATCH], keep, deadline_ms=DEADLINE_MS)
                return
            except Failure as refusal:
                if ": 503 " not in str(refusal):
                    raise
                time.sleep(0.2)  # full: its turn comes

    def follow(self):
        link = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=WAIT_S + 30)
        try:
            while (item := self.unsettled.get()) is not None:
                if not self.follow_once(link, *item):
                    self.unsettled.put(item)  # behind those that may have settled meanwhile
                self.unsettled.task_done()
        except (OSError, ValueError, http.client.HTTPException) as problem:
            self.problems.append(problem)
        link.close()

    @staticmethod
    def get(link, path):
        """The service closes a connection that was idle for long, perhaps just now: once more on a new one."""
        for last in (False, True):
            try:
                link.request("GET", path)
                return link.getresponse()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                link.close()
                if last:
                    raise

    def follow_once(self, link, index, identity):
        answer = self.get(link, f"/v1/verify/{identity}?wait={WAIT_S}&explain=none")
        body = json.loads(answer.read())
        if answer.status == 404:
            self.forgotten.put(index)
            return True
        if answer.status != 200:
            raise ValueError(f"GET {identity}: {answer.status} {body}")
        if body["complete"]:
            self.settle(index, body)
        return body["complete"]

    def ask_forgotten(self):
        """What has left the memory of verdicts by their ids is still in the caches."""
        indexes = list(self.forgotten.queue)
        for start in range(0, len(indexes), BATCH):
            part = indexes[start:start + BATCH]
            self.service.batch([self.emails[index] for index in part],
                               lambda number, verdict, part=part: self.settle(part[number], verdict),
                               deadline_ms=DEADLINE_MS)


# --- the naive client ---------------------------------------------------------------------------------

def run_naive(options, lab, rows):
    """Every so-manieth address, one connection each; what it would have taken for all."""
    step = max(1, min(round(100 / options.naive), len(rows) // NAIVE_MIN))  # small worlds whole
    part = rows[::step]
    lab.command("reset")
    begin = time.monotonic()
    done = subprocess.run([os.path.join(options.build, "bench", "naive"), "--config",
                           os.path.join(lab.world, "vrfyd.conf")], text=True, check=True, capture_output=True,
                          input="".join(row["email"] + "\n" for row in part))
    took_s = (time.monotonic() - begin) * step
    statuses = done.stdout.split("\n")
    right = sum(status == row["settled"]["status"] for status, row in zip(statuses, part))
    return took_s, lab.counters()["connections"] * step, 100 * right / max(1, len(part)), len(part)


def show_naive(options, lab, rows, took_s, counters):
    naive_s, connections, right, asked = run_naive(options, lab, rows)
    sample = "all" if asked == len(rows) else f"{asked} of {len(rows)}, scaled up"
    print(f"naive ({sample}): {naive_s:.1f} s, {naive_s / max(took_s, 0.001):.1f} times as long; {connections} connections, "
          f"{connections / max(1, counters['connections']):.1f} times as many; {right:.1f} % of its statuses right")


# --- what came of it --------------------------------------------------------------------------------------

def describe(verdict):
    return f"{verdict['status']}/{verdict['reason']}" if verdict and "status" in verdict else json.dumps(verdict)


def ratio(value, bound):
    """A world without delays has no lower bound of time, one without mail hosts none of connections."""
    return f"{value / bound:.2f}" if bound else "none"


def show_verdicts(rows, run):
    """True when all is as it must be."""
    wrong = [(row, first, settled) for row, first, settled in zip(rows, run.first, run.settled)
             if not agrees(settled, row["settled"])[0]]
    for row, first, settled in wrong[:SHOWN]:
        print(f"WRONG {row['behaviour']:22} {row.get('mailbox', '-'):10} fault {row.get('fault', '-'):6} {row['email']!r}: "
              f"{describe(first)}, then {describe(settled)}; truth {row['settled']['status']}/"
              f"{'|'.join(row['settled']['reasons'])}")
    total, faults = len(rows), sum("fault" in row for row in rows)
    percent = 100 - 100 * len(wrong) / max(1, total)
    wrong_without = sum("fault" not in row for row, _, _ in wrong)
    reasons = sum(agrees(settled, row["settled"])[1] for row, settled in zip(rows, run.settled))
    later = sum(first is not settled for first, settled in zip(run.first, run.settled))
    print(f"settled: {total - len(wrong)} of {total} statuses right ({percent:.3f} %, at least "
          f"{100 * RIGHT_TARGET:.1f} wanted), {total - faults - wrong_without} of {total - faults} without faults (all "
          f"wanted); {reasons} reasons right; {later} settled after their first answer")
    return wrong_without == 0 and len(wrong) <= total * (1 - RIGHT_TARGET)


def show_costs(rows, run, took_s, ideal, counters):
    last = collections.Counter()
    for row, seconds in zip(rows, run.times):
        last[row["behaviour"]] = max(seconds, last[row["behaviour"]])
    ends = ", ".join(f"{name} {seconds:.1f}" for name, seconds in last.most_common(5))
    print(f"time: {took_s:.2f} s, lower bound {ideal['time_ms'] / 1000:.2f} s ({ideal['longest_lane'] or 'DNS'}), ratio "
          f"{ratio(took_s * 1000, ideal['time_ms'])} (at most {TIME_TARGET} wanted); were refusals and faults foreseen "
          f"{ideal['foreseen_ms'] / 1000:.2f} s; last to settle: {ends}")
    print(f"connections: {counters['connections']}, ideal {ideal['connections']}, ratio "
          f"{ratio(counters['connections'], ideal['connections'])} (at most {CONNECTIONS_TARGET} wanted); foreseen "
          f"{ideal['foreseen_connections']}; "
          f"{counters['recipients']} recipients, {counters['turns']} turns, {counters['dns']['queries']} DNS questions")
    kinds = {kind: count for kind, count in counters["rule_breaks_by_kind"].items() if count}
    print(f"rule breaks: {counters['rule_breaks']} (none allowed, caps included) {json.dumps(kinds) if kinds else ''}; "
          f"most connections at once: {json.dumps(counters['provider_peaks'])}")


def show_lanes(ideal, details):
    """Where the extra connections go: the lanes that took most beyond what they need."""
    taken = collections.Counter()
    for host, counts in details["hosts"].items():
        if host in ideal["lane_of_host"]:
            taken[ideal["lane_of_host"][host]] += counts["connections"]
    needed = {name: lane["connections"] for name, lane in ideal["lanes"].items()}
    extra = collections.Counter({name: taken[name] - needed.get(name, 0) for name in taken})
    for name, more in extra.most_common(SHOWN):
        if more > 0:
            print(f"  {name:30} {taken[name]} connections, {more} more than needed: {json.dumps(ideal['lanes'].get(name))}")


def measure(options):
    world = generate(options)
    rows = by_domain(read_truth(world))
    lab = Lab(os.path.join(options.build, "maillab"), world)
    try:
        ideal = lab.command("ideal")
        service = Service(os.path.join(options.build, "vrfyd"), world)
        try:
            run = Run(service, [row["email"] for row in rows])
            took_s = run.go()
        finally:
            status = service.stop()
        counters = lab.command("details")
        good = show_verdicts(rows, run)
        show_costs(rows, run, took_s, ideal, counters)
        if options.lanes:
            show_lanes(ideal, counters)
        if options.naive > 0:
            show_naive(options, lab, rows, took_s, counters)
        return good and counters["rule_breaks"] == 0 and status == 0
    finally:
        lab.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--out", default="build/bench")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--domains", type=int, default=1000)
    parser.add_argument("--addresses", type=int, default=100000)
    parser.add_argument("--delay-ms", type=int, default=20)
    parser.add_argument("--faults", type=int, default=3)
    parser.add_argument("--mix", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "world.mix"))
    parser.add_argument("--naive", type=float, default=10, help="percent of the addresses for the naive client")
    parser.add_argument("--lanes", action="store_true", help="show the lanes that took more connections than they need")
    options = parser.parse_args()
    try:
        return 0 if measure(options) else 1
    except Failure as failure:
        print(f"bench_world.py: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
