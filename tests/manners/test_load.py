"""Everything at once: a generated world on two probe threads, TERM in the middle; transcripts side by side."""
import os
import subprocess
import unittest

from harness import GRACE_MS, LabCase, OnceEach, World


class Generated:
    """A world of the default mix of behaviours, IMAP included."""

    FLAGS = ("--seed", "23", "--domains", "60", "--addresses", "900", "--faults", "5")

    def write(self, maillab, directory):
        subprocess.run([maillab, "generate", *self.FLAGS, "--out", directory], check=True, stdout=subprocess.DEVNULL)
        return directory


class Load(OnceEach):
    FLAGS = ("--grace-ms", str(GRACE_MS), "--loops", "2")
    CALL = 100  # addresses of one call

    @classmethod
    def world(cls):
        return Generated()

    def emails(self):
        with open(os.path.join(self.directory, "emails.txt"), encoding="utf-8") as file:
            return [line.rstrip("\n") for line in file]

    def calls(self, **options):
        emails = self.emails()
        parts = [emails[i:i + self.CALL] for i in range(0, len(emails), self.CALL)]
        return [lambda part=part: self.client.batch(part, imap=True, deadline_ms=25000, **options) for part in parts]

    def test_term_in_the_middle(self):
        results, took_s = self.stop_while(self.calls(), 0.4)
        self.assertEqual(sum(len(result) for result in results), len(self.emails()))
        self.assertTrue(all("status" in verdict for result in results for verdict in result))
        self.assertLess(took_s, GRACE_MS / 1000 + 1)

    def test_transcripts(self):
        results = self.client.at_once(self.calls(explain="transcript"))
        self.assertEqual(sum(len(result) for result in results), len(self.emails()))


class Transcripts(LabCase):
    """Each wants a session of its own, and a host has room for several."""

    @classmethod
    def world(cls):
        world = World(delay_ms=5, connections=3)
        for number in range(4):
            world.domain(f"plain{number}.test", "accept-known", *[f"user{n}" for n in range(15)])
        for name, behaviour in (("blocks", "blocked-rcpt"), ("drops", "drop-rcpt-once")):
            world.domain(f"{name}.test", behaviour, *[f"user{n}" for n in range(10)])
        return world

    def test_many_at_once(self):
        emails = [f"user{n}@plain{number}.test" for number in range(4) for n in range(15)]
        emails += [f"user{n}@{name}.test" for name in ("blocks", "drops") for n in range(10)]
        results = self.client.batch(emails, explain="transcript", deadline_ms=20000)
        for email, result in zip(emails, results):
            wanted = ("probe_blocked", "deferred") if "blocks" in email else ("mailbox_accepted",)
            self.assertIn(result["reason"], wanted, email)
            said = [line["line"] for line in result["transcript"] if line["dir"] == "C"]
            asked = {line.partition("<")[2].partition(">")[0] for line in said if line.startswith("RCPT TO:<user")}
            self.assertEqual(asked, set() if result["reason"] == "deferred" else {email}, email)


if __name__ == "__main__":
    unittest.main()
