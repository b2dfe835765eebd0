#!/usr/bin/env python3
"""Asks a service about every address of a lab's world and compares with the truth.

  ask.py demo      --world DIR            a table for people; leaves the service up unless --once
  ask.py accuracy  --world DIR            counts by behaviour; exit 1 on any disagreement
Common: --maillab PROGRAM --vrfyd PROGRAM --port N --deadline-ms N --imap 0|1 --parallel N
"""
import argparse
import collections
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Failure, Lab, Service, agrees, read_truth  # noqa: E402

OUT_OF_TIME = "deadline_exceeded"  # never of a world's truths


def allowed(row, key="first"):
    """The truths that a verdict may meet: the one asked for, and where there are two either."""
    return [truth for truth in (row[key], row.get("also") if key == "first" else None) if truth]


def compare(row, verdict):
    """Best of the allowed truths: (status agrees, reason agrees)."""
    return max((agrees(verdict, truth) for truth in allowed(row)), key=sum)


def imap_agrees(row, verdict):
    """The survey against the lab's IMAP hosts: True, False, or None when there is nothing to compare."""
    if not verdict or not verdict.get("complete") or "imap" not in row or row["behaviour"] == "parked":
        return None
    states = [endpoint["state"] for endpoint in (verdict.get("domain") or {}).get("imap") or []]
    if row["imap_state"] is None:  # guesses may have found closed doors
        return all(state in ("refused", "not_offered") for state in states)
    return row["imap_state"] in states


def describe(truth):
    return truth["status"] + "/" + "|".join(truth["reasons"])


def printable(text, width):
    """One cell of a table: no controls, cut to fit."""
    clean = "".join(c if c.isprintable() else "?" for c in text)
    return clean if len(clean) <= width else clean[:width - 1] + "~"


def counters_line(counters):
    return (f"{counters['connections']} connections, {counters['turns']} turns, {counters['recipients']} recipients, "
            f"{counters['dns']['queries']} DNS queries, {counters['rule_breaks']} rule breaks")


def ask_the_late(service, rows, verdicts, **how):
    """Hosts that are slow or take few recipients a session outlast any deadline: those whose turn did not come are
    asked for the first time by the next request, as long as each request gets further."""
    def late():
        return [index for index, verdict in enumerate(verdicts) if (verdict or {}).get("reason") == OUT_OF_TIME]
    before, indexes = len(rows) + 1, late()
    while 0 < len(indexes) < before:
        again, _ = service.ask_all([rows[index]["email"] for index in indexes], **how)
        for index, verdict in zip(indexes, again):
            verdicts[index] = verdict
        before, indexes = len(indexes), late()


def ask_world(options, lab, rows):
    service = Service(options.vrfyd, options.world, options.port)
    how = {"parallel": options.parallel, "deadline_ms": options.deadline_ms, "imap": options.imap,
           "explain": "evidence" if options.command == "demo" or options.imap else "none"}
    try:
        begin = time.monotonic()
        verdicts, times = service.ask_all([row["email"] for row in rows], **how)
        ask_the_late(service, rows, verdicts, **how)
        return service, verdicts, times, time.monotonic() - begin
    except BaseException:
        service.stop()
        raise


def demo(options):
    rows = sorted(read_truth(options.world), key=lambda row: row["email"].rpartition("@")[2])
    lab = Lab(options.maillab, options.world)
    try:
        service, verdicts, times, _ = ask_world(options, lab, rows)
        try:
            return show_demo(options, lab, service, rows, verdicts, times)
        finally:
            service.stop()
    finally:
        lab.stop()


def show_demo(options, lab, service, rows, verdicts, times):
    matches = 0
    print(f"{'address':44} {'verdict':14} {'reason':22} {'ms':>6}  truth")
    for row, verdict, seconds in zip(rows, verdicts, times):
        verdict = verdict or {}
        good = all(compare(row, verdict))
        matches += good
        took = verdict.get("timings_ms", {}).get("total", int((seconds or 0) * 1000))
        print(f"{printable(row['email'], 44):44} {verdict.get('status', '-'):14} {verdict.get('reason', '-'):22} "
              f"{took:>6}  {'matches' if good else 'NO: ' + describe(row['first'])}")
    print(counters_line(lab.counters()))
    if not options.once:
        print(f"the service is at {service.base}, for example:\n"
              f"  curl -s {service.base}/v1/verify -H 'Content-Type: application/json' "
              f"-d '{{\"email\":\"jane.doe@accept-known.test\"}}'\n"
              "Ctrl-C ends it and the lab")
    print(f"{matches} of {len(rows)} verdicts match the truth", flush=True)
    if not options.once:
        wait_for_ctrl_c(lab, service)
    return 0 if matches == len(rows) else 1


def wait_for_ctrl_c(lab, service):
    try:
        while lab.alive() and service.alive():
            time.sleep(0.5)
    except KeyboardInterrupt:
        print()


def accuracy(options):
    rows = read_truth(options.world)
    lab = Lab(options.maillab, options.world)
    try:
        service, verdicts, _, took = ask_world(options, lab, rows)
        stopped = service.stop()
        return show_accuracy(options, lab, rows, verdicts, took, stopped)
    finally:
        lab.stop()


def show_imap(rows, verdicts):
    """Prints what the surveys got wrong; True when nothing."""
    compared = [(row, verdict, imap_agrees(row, verdict)) for row, verdict in zip(rows, verdicts)]
    for row, verdict, good in compared:
        if good is False:
            states = [endpoint["state"] for endpoint in (verdict.get("domain") or {}).get("imap") or []]
            print(f"DISAGREES imap:{row['imap']:20} {printable(row['email'], 60)}: {states}, truth {row['imap_state']}")
    known = [good for _, _, good in compared if good is not None]
    print(f"imap {sum(known)} of {len(known)} (of those that were complete in time)")
    return all(known)


def show_accuracy(options, lab, rows, verdicts, took, stopped):
    counts = collections.defaultdict(lambda: [0, 0, 0])
    for row, verdict in zip(rows, verdicts):
        status, reason = compare(row, verdict)
        for count in (counts[row["behaviour"]], counts[None]):
            count[0] += 1
            count[1] += status
            count[2] += reason
        if not (status and reason):
            given = f"{verdict['status']}/{verdict['reason']}" if verdict and "status" in verdict else json.dumps(verdict)
            print(f"DISAGREES {row['behaviour']:24} {row.get('mailbox', '-'):12} {printable(row['email'], 60)}: "
                  f"{given}, truth {' or '.join(describe(truth) for truth in allowed(row))}")
    total = counts.pop(None, [0, 0, 0])
    print(f"{'behaviour':28} {'asked':>7} {'status':>7} {'reason':>7}")
    for name in sorted(counts):
        print(f"{name:28} {counts[name][0]:>7} {counts[name][1]:>7} {counts[name][2]:>7}")
    imap_good = show_imap(rows, verdicts) if options.imap else True
    counters = lab.counters()
    print(f"took {took:.1f} s; {counters_line(counters)}")
    if counters["rule_breaks"]:
        print("rule breaks: " + json.dumps(counters["rule_breaks_by_kind"]))
    if stopped != 0:
        print(f"the service ended with status {stopped}")
    print(f"status {total[1]} of {total[0]}, reason {total[2]} of {total[0]}")
    good = imap_good and total[1] == total[2] == total[0] and counters["rule_breaks"] == 0 and stopped == 0
    return 0 if good else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["demo", "accuracy"])
    parser.add_argument("--world", required=True)
    parser.add_argument("--maillab", default="build/maillab")
    parser.add_argument("--vrfyd", default="build/vrfyd")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--deadline-ms", type=int, default=60000)
    parser.add_argument("--imap", type=lambda text: text not in ("0", "false", ""), default=False)
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--once", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a script started us in the background
    try:
        return (demo if options.command == "demo" else accuracy)(options)
    except Failure as failure:
        print(f"ask.py: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1


if __name__ == "__main__":
    sys.exit(main())
