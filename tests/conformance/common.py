"""common.py - what every score_*.py shares: asking the program, and adding up agreement."""
import json
import os
import subprocess
from pathlib import Path


class Program:
    """vrfyd from the build folder, or its filters alone when the whole is not built."""

    def __init__(self, build):
        whole = Path(build) / "vrfyd"
        self.whole = str(whole) if os.access(whole, os.X_OK) else None
        self.classifier = [str(Path(build) / "conformance" / "classify_driver")]
        self.syntax = [str(Path(build) / "conformance" / "syntax_driver")]
        if self.whole and self._answers([self.whole, "syntax"]):
            self.syntax = [self.whole, "syntax"]

    @staticmethod
    def _answers(command):
        done = subprocess.run(command, input=b'{"email":"a@b.com"}\n', capture_output=True)
        return done.returncode == 0 and done.stdout.startswith(b'{"email":"a@b.com"')

    def ask(self, addresses):
        """One answer of `vrfyd syntax` for each address, in order."""
        lines = "".join(json.dumps({"email": address}) + "\n" for address in addresses)
        return self.filter(self.syntax, lines)

    def classify(self, replies):
        """One answer of `vrfyd classify` for each {code, enhanced, text, stage}, in order."""
        lines = "".join(json.dumps(reply) + "\n" for reply in replies)
        return self.filter(self.classifier, lines)

    @staticmethod
    def filter(command, lines):
        done = subprocess.run(command, input=lines.encode(), capture_output=True, check=True)
        # Split on LF alone: other line separators may stand inside the strings.
        answers = [json.loads(line) for line in done.stdout.decode().split("\n")[:-1]]
        wanted = lines.count("\n")
        if len(answers) != wanted:
            raise SystemExit(f"{command}: {len(answers)} answers to {wanted} lines")
        return answers


class Score:
    """Agreement with labels: every disagreement is printed, every row left out has a reason."""

    def __init__(self, name):
        self.name, self.agreed, self.total = name, 0, 0
        self.left_out = {}
        self.failures = []

    def leave_out(self, row, reason):
        self.left_out.setdefault(reason, []).append(row)

    def count(self, agrees, row, complaint=""):
        self.total += 1
        self.agreed += bool(agrees)
        if not agrees:
            print(f"  DISAGREE {ascii(row)[:150]} {complaint}")

    def require(self, holds, what):
        if not holds:
            self.failures.append(what)

    def require_share(self, least):
        share = self.agreed / self.total if self.total else 0
        self.require(share >= least, f"agreement {share:.2%}, wanted {least:.2%}")

    def report(self):
        for reason, rows in self.left_out.items():
            print(f"  not scored, {len(rows)}: {reason}")
            for row in rows:
                print(f"    {ascii(row)[:120]}")
        share = self.agreed / self.total if self.total else 0
        state = "FAIL " + "; ".join(self.failures) if self.failures else "ok"
        print(f"{self.name}: {self.agreed} of {self.total} agree ({share:.2%}) {state}")
        return not self.failures


def read_jsonl(path):
    # Split on LF alone, as above.
    return [json.loads(line) for line in Path(path).read_bytes().decode().split("\n") if line]
