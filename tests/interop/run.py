"""run.py VRFYD [PATTERN] - ask the real servers through vrfyd; hold its verdicts and evidence against cases.py,
and its manners against what the servers wrote into their logs. Started by run_inside.sh."""

import json
import os
import re
import socket
import sys
import time
import traceback

import cases
from vrfyd import CACHE, Vrfyd

CLIENT = "127.10.9.9"
GREYLIST_S = 3  # postfix.sh, exim.sh
SERVERS = ("postfix", "dovecot", "exim", "opensmtpd")


class Score:
    def __init__(self, pattern):
        self.pattern = re.compile(pattern)
        self.passed = self.failed = 0

    def wants(self, name):
        return bool(self.pattern.search(name))

    def add(self, name, faults):
        if faults:
            self.failed += 1
            print(f"FAIL  {name}")
            for fault in faults:
                print(f"        {fault}")
        else:
            self.passed += 1
            print(f"ok    {name}")
        sys.stdout.flush()


# --- evidence ------------------------------------------------------------------------------------------------------

def look(found, path):
    """What stands at `path`; None where there is nothing."""
    if path.startswith("imap."):
        path = "domain." + path
    for step in path.split("."):
        if isinstance(found, list) and found and isinstance(found[0], dict) and "port" in found[0]:
            found = next((item for item in found if str(item["port"]) == step), None)
        elif isinstance(found, list):
            found = found[int(step)] if int(step) < len(found) else None
        elif isinstance(found, dict):
            found = found.get(step)
        else:
            return None
    return found


def fits(found, expected):
    if isinstance(expected, cases.has):
        return expected.fits(found)
    if isinstance(expected, re.Pattern):
        return isinstance(found, str) and bool(expected.search(found))
    if isinstance(expected, (set, range)):
        return found in expected
    return found == expected


def faults_of(verdict, status, reason, facts):
    if verdict is None:
        return ["no verdict"]
    expected = {"status": status, "reason": reason, **facts}
    return [f"{path}: expected {want!r}, found {look(verdict, path)!r}"
            for path, want in expected.items() if not fits(look(verdict, path), want)]


def hold(score, group, rows, verdicts):
    for email, status, reason, facts in rows:
        score.add(f"{group}: {email}", faults_of(verdicts.get(email), status, reason, facts))


def hold_as_one(score, name, rows, verdicts):
    score.add(f"{name} ({len(rows)} addresses)",
              [f"{email}: {fault}" for email, status, reason, facts in rows
               for fault in faults_of(verdicts.get(email), status, reason, facts)])


def ask(score, vrfyd, group, rows, **changes):
    if score.wants(group):
        hold(score, group, rows, vrfyd.check([row[0] for row in rows], **changes))


# --- what the servers say of us ------------------------------------------------------------------------------------

def log_of(server):
    with open(f"{CACHE}/run/{server}.log", encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()


def postfix_sessions():
    """One dictionary for each SMTP session of ours that ended: {"rcpt": (1, 2), ...} - accepted, said."""
    sessions = []
    for line in log_of("postfix"):
        summary = re.search(r"disconnect from unknown\[" + re.escape(CLIENT) + r"\] (.*)", line)
        if summary:
            counts = re.findall(r"(\S+)=(\d+)(?:/(\d+))?", summary.group(1))
            sessions.append({"host": line.split()[3], **{name: (int(good), int(said or good))
                                                         for name, good, said in counts}})
    return sessions


def refusals(session):
    accepted, said = session.get("rcpt", (0, 0))
    return said - accepted


def settle():
    """Until the logs have come to rest."""
    sizes = None
    while sizes != (now := [os.path.getsize(f"{CACHE}/run/{name}.log") for name in SERVERS]):
        sizes = now
        time.sleep(0.3)


def postfix_faults():
    complaint = re.compile("pipelining|lost connection|timeout after|SSL_accept|too many|non-SMTP|PREGREET|"
                           "BARE NEWLINE|HANGUP|COMMAND |improper|warning:|fatal:|error:|panic:", re.I)
    ours = re.compile(re.escape(CLIENT) + "|warning: TLS|fatal:|panic:")
    # the listener that speaks TLS 1.0 only is one handshake that fails
    known = re.compile("^.{16}smtp-old-tls |reject: ")
    found = [line for line in log_of("postfix")
             if complaint.search(line) and ours.search(line) and not known.search(line)]
    # who bears two errors only says so once, and finds fewer in a session from then on
    once = [line for line in found if re.match(".{16}two-errors .*too many errors after RCPT", line)][:1]
    return [line for line in found if line not in once]


def exim_faults():
    complaint = re.compile("synchronization|protocol error|syntax|unrecognized|too many|lost|unexpected|dropped",
                           re.I)
    ours = [line for line in log_of("exim") if f"[{CLIENT}]" in line]
    opened, closed = (sum(words in line for line in ours) for words in ("(TCP/IP connection count", "closed by QUIT"))
    return [line for line in ours if complaint.search(line)] + (
        [] if opened == closed else [f"{opened} sessions, {closed} closed by QUIT"])


def opensmtpd_faults():
    """Its own broken TLS is known; each line names a session, the first one of it the client."""
    lines = log_of("opensmtpd")
    ours = {line.split()[0] for line in lines if f"address={CLIENT}" in line}
    complaint = re.compile("failed-command|reason=(?!quit)|invalid|unexpected", re.I)
    known = re.compile("RCPT TO|tls|io-error", re.I)
    return [line for line in lines
            if line.split()[:1] and line.split()[0] in ours and complaint.search(line) and not known.search(line)]


def dovecot_faults():
    return [line for line in log_of("dovecot")
            if (f"rip={CLIENT}" in line and "Aborted login by logging out (no auth attempts" not in line) or
            re.search("Error:|Fatal:|Panic:|Warning:", line)]


def manners(score):
    settle()
    sessions = postfix_sessions()
    whole = [session for session in sessions if session["host"] not in ("smtp-old-tls", "two-errors")]
    tests = {
        "Postfix has no complaint": postfix_faults(),
        "Exim has no complaint": exim_faults(),
        "OpenSMTPD has no complaint": opensmtpd_faults(),
        "Dovecot has no complaint": dovecot_faults(),
        "Knot and Unbound have no complaint": [line for line in log_of("knot") + log_of("unbound")
                                               if re.search("error|warning|fatal", line, re.I)],
        "every SMTP session ended with QUIT": [str(session) for session in whole if session.get("quit") != (1, 1)],
        "no DATA, AUTH, VRFY or unknown command": [
            str(session) for session in sessions if {"data", "bdat", "auth", "vrfy", "expn", "unknown"} & set(session)],
        "no session met Postfix' error limits": [str(session) for session in sessions if refusals(session) >= 10],
        "the logs were read": ([] if len(sessions) > 20 else [f"only {len(sessions)} sessions seen"]) + [
            f"{name} has not heard of us" for name in SERVERS if not any(CLIENT in line for line in log_of(name))],
    }
    for name, faults in tests.items():
        score.add("manners: " + name, faults[:5])


# --- groups of cases -----------------------------------------------------------------------------------------------

class Forbidden:
    """Listeners where nobody may come: what a forged MX points at."""

    def __init__(self):
        self.listeners = []
        for port in (cases.SMTP, cases.IMAP, cases.IMAPS):
            self.listeners.append(socket.create_server(("127.0.0.1", port)))
            self.listeners[-1].setblocking(False)

    def visits(self):
        found = []
        for listener in self.listeners:
            try:
                found.append(f"connection from {listener.accept()[1]} to {listener.getsockname()}")
            except BlockingIOError:
                pass
        return found


def refused_addresses(score, forbidden):
    faults = forbidden.visits() + [line for line in log_of("postfix") if "connect from localhost[::1]" in line]
    score.add("dns: no connection to 127.0.0.1 or ::1", faults)


def resolvers(score, vrfyd):
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.10.0.55", 5353))
    ask(score, vrfyd, "silent resolver", cases.SILENCE, resolver="127.10.0.55:5353", dns_timeout_ms=200,
        dns_budget_ms=1500)
    ask(score, vrfyd, "second resolver", cases.SECOND_RESOLVER, resolver="127.10.0.55:5353, 127.10.0.54:5353",
        dns_timeout_ms=300)
    silent.close()


def over_http(score, vrfyd):
    with vrfyd.serve() as service:
        health = json.loads(service.call("/healthz"))
        score.add("service: healthz", [] if health.get("status") == "ok" else [str(health)])

        email, status, reason, facts = cases.POSTFIX[0]
        first = json.loads(service.call("/v1/verify", {"email": email, "deadline_ms": 20000}))
        score.add("service: verify", faults_of(first, status, reason, facts))

        settle()
        before = len(postfix_sessions())
        again = json.loads(service.call("/v1/verify", {"email": email}))
        settle()
        faults = faults_of(again, status, reason, {"from_cache": cases.has("dns", "smtp")})
        if len(postfix_sessions()) != before:
            faults.append("Postfix was asked again")
        score.add("service: the second answer costs no connection", faults)

        rows = [row for row in cases.DNS if not isinstance(row[2], set)]
        lines = service.call("/v1/verify/batch", {"emails": [row[0] for row in rows]}, "application/x-ndjson")
        verdicts = [json.loads(line) for line in lines.splitlines()]
        hold_as_one(score, "service: batch", rows, {verdict.get("email"): verdict for verdict in verdicts})

        domain = json.loads(service.call("/v1/domains/secure.test"))
        expected = {"mx.0.host": "mx.secure.test", "mx.0.dnssec": True, "null_mx": False}
        score.add("service: domain", [f"{path}: found {look(domain, path)!r}" for path, want in expected.items()
                                      if look(domain, path) != want])
        status = service.stop()
        score.add("service: SIGTERM ends it with 0", [] if status == 0 else [f"exit status {status}"])


def transcript(score, vrfyd):
    email = cases.POSTFIX[0][0]
    lines = vrfyd.check([email], "--explain", "transcript")[email].get("transcript") or []
    text = json.dumps(lines)
    wanted = ("EHLO probe.lab.test", "STARTTLS", "MAIL FROM:<>", f"RCPT TO:<{email}>", "QUIT", "LOGOUT")
    faults = [f"no {words} in it" for words in wanted if words not in text]
    score.add("transcript", faults + ([text[:2000]] if faults else []))


def every_group(score, vrfyd):
    forbidden = Forbidden()
    ask(score, vrfyd, "greylisting, first", cases.GREY_FIRST)
    stranger_until = time.monotonic() + GREYLIST_S + 1
    ask(score, vrfyd, "postfix", cases.POSTFIX)
    ask(score, vrfyd, "postfix, two errors", cases.TWO_ERRORS)
    ask(score, vrfyd, "exim", cases.EXIM)
    ask(score, vrfyd, "opensmtpd", cases.OPENSMTPD)
    ask(score, vrfyd, "dovecot", cases.DOVECOT)
    ask(score, vrfyd, "dns", cases.DNS)
    if score.wants("strangers"):
        hold_as_one(score, "strangers", cases.STRANGERS, vrfyd.check([row[0] for row in cases.STRANGERS]))
    ask(score, vrfyd, "sender", cases.SENDER, mail_from="probe@lab.test")
    if score.wants("transcript"):
        transcript(score, vrfyd)
    resolvers(score, vrfyd)
    if score.wants("service"):
        over_http(score, vrfyd)
    if score.wants("greylisting"):
        time.sleep(max(0, stranger_until - time.monotonic()))
    ask(score, vrfyd, "greylisting, later", cases.GREY_LATER)
    if score.wants("dns"):
        refused_addresses(score, forbidden)
    if os.path.exists("/proc/net/if_inet6"):
        ask(score, vrfyd, "IPv6", cases.SIX, allow_networks="127.10.0.0/16, ::1/128",
            source_addresses="::1, 127.10.9.9")
    if score.wants("manners") and score.wants("postfix"):
        manners(score)


def main():
    score = Score(sys.argv[2] if len(sys.argv) > 2 else "")
    try:
        every_group(score, Vrfyd(sys.argv[1]))
    except Exception:  # the last line has to come, whatever happens
        score.add("the run itself", traceback.format_exc().splitlines())
    print(f"{score.passed} passed, {score.failed} failed")
    return 1 if score.failed else 0


if __name__ == "__main__":
    sys.exit(main())
