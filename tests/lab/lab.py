"""Starts and stops a lab and a service that asks it. Standard library only."""
import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request


class Failure(Exception):
    """Something that a person has to look at; its text says what."""


class Program:
    """A child process that ends with us."""

    def __init__(self, arguments, log_path, **options):
        self.log_path = log_path
        self.log = open(log_path, "w", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen(arguments, stderr=self.log, text=True, **options)

    def log_text(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def alive(self):
        return self.process.poll() is None

    def stop(self, patience_s=15):
        """TERM, and after a while KILL. Returns the exit status."""
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(patience_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        return self.process.returncode


class Lab(Program):
    """`maillab serve` for one world directory."""

    def __init__(self, maillab, world):
        self.maillab, self.world = maillab, world
        super().__init__([maillab, "serve", "--world", world], os.path.join(world, "maillab.log"),
                         stdout=subprocess.PIPE)
        line = self.process.stdout.readline()
        if not line:
            self.stop()
            raise Failure("maillab did not start: " + self.log_text())
        self.ports = json.loads(line)

    def stop(self, patience_s=15):
        status = super().stop(patience_s)
        self.process.stdout.close()
        return status

    def command(self, *words):
        """counters, details, ideal, reset, pause, ...: what the program prints, as an object."""
        done = subprocess.run([self.maillab, words[0], "--world", self.world, *words[1:]],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"maillab {words[0]}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def counters(self):
        return self.command("counters")


class Service(Program):
    """`vrfyd serve` with the settings that the lab wrote."""

    def __init__(self, vrfyd, world, port=0, *flags):
        os.makedirs(os.path.join(world, "data"), exist_ok=True)
        super().__init__([vrfyd, "serve", "--config", os.path.join(world, "vrfyd.conf"),
                          "--listen", f"127.0.0.1:{port}", *flags],
                         os.path.join(world, "vrfyd.log"), stdout=subprocess.DEVNULL)
        self.port = self.wait_for_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.wait_until_ready()

    def wait_for_port(self, patience_s=20):
        end = time.monotonic() + patience_s
        while time.monotonic() < end and self.alive():
            found = re.search(r'\bport"?[=:] ?"?(\d+)', self.log_text())
            if found:
                return int(found.group(1))
            time.sleep(0.05)
        self.stop()
        raise Failure("vrfyd did not start:\n" + self.log_text())

    def wait_until_ready(self, patience_s=20):
        end = time.monotonic() + patience_s
        while time.monotonic() < end and self.alive():
            try:
                with urllib.request.urlopen(self.base + "/readyz", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(0.05)
        self.stop()
        raise Failure("vrfyd is not ready:\n" + self.log_text())

    def batch(self, emails, on_result, deadline_ms=60000, imap=False, explain="none"):
        """Asks about up to 1,000 addresses; on_result(index, verdict) as each is ready."""
        body = json.dumps({"emails": emails, "deadline_ms": deadline_ms, "imap": imap, "explain": explain})
        request = urllib.request.Request(self.base + "/v1/verify/batch", body.encode(), {
            "Content-Type": "application/json", "Accept": "application/x-ndjson"})
        try:
            with urllib.request.urlopen(request, timeout=deadline_ms / 1000 + 30) as answer:
                for line in answer:
                    if line.strip():
                        result = json.loads(line)
                        on_result(result["index"], result)
        except urllib.error.HTTPError as problem:
            raise Failure(f"batch refused: {problem.code} {problem.read(2000).decode(errors='replace')}") from None

    def ask_all(self, emails, parallel=4, size=1000, **options):
        """All addresses, several batches at once. Returns verdicts in order and when each came (s)."""
        verdicts, times, problems = [None] * len(emails), [None] * len(emails), []
        starts = list(range(0, len(emails), size))
        lock = threading.Lock()
        begin = time.monotonic()

        def work():
            while True:
                with lock:
                    if not starts or problems:
                        return
                    start = starts.pop(0)

                def keep(index, verdict, start=start):
                    verdicts[start + index] = verdict
                    times[start + index] = time.monotonic() - begin
                try:
                    self.batch(emails[start:start + size], keep, **options)
                except (Failure, OSError, ValueError) as problem:
                    problems.append(problem)
        threads = [threading.Thread(target=work) for _ in range(parallel)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if problems:
            raise Failure(str(problems[0]))
        return verdicts, times


def read_truth(world):
    with open(os.path.join(world, "truth.ndjson"), encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def agrees(verdict, truth):
    """(status, reason) of a verdict against one truth: two yes or no."""
    if verdict is None or "status" not in verdict or truth is None:
        return False, False
    return verdict["status"] == truth["status"], verdict["reason"] in truth["reasons"]
