"""TERM in the middle of work, clients that vanish, HUP."""
import http.client
import json
import os
import signal
import unittest

from harness import GRACE_MS, LabCase, OnceEach, World, settle


class Stopping(OnceEach):
    @classmethod
    def world(cls):
        world = World(delay_ms=40)
        for number in range(20):
            world.domain(f"plain{number}.test", "accept-known", *[f"user{n}" for n in range(10)])
            world.domain(f"tarpit{number}.test", "tarpit", "jane.doe")
        return world

    def test_work_that_can_be_finished_is(self):
        calls = [lambda n=n: self.client.batch([f"user{k}@plain{n}.test" for k in range(10)]) for n in range(10)]
        calls += [lambda n=n: self.client.verify(f"user1@plain{n}.test") for n in range(10, 20)]
        results, took_s = self.stop_while(calls, 0.3)
        verdicts = [verdict for result in results for verdict in (result if isinstance(result, list) else [result])]
        self.assertEqual({verdict["reason"] for verdict in verdicts}, {"mailbox_accepted"})
        self.assertLess(took_s, GRACE_MS / 1000)

    def test_work_that_cannot_is_cut_at_the_grace_time(self):
        tarpits = [f"jane.doe@tarpit{number}.test" for number in range(20)]
        calls = [lambda: self.client.batch(tarpits[:10], deadline_ms=60000)]
        calls += [lambda email=email: self.client.verify(email, deadline_ms=60000) for email in tarpits[10:]]
        calls += [lambda n=n: self.client.batch([f"user{k}@plain{n}.test" for k in range(10)]) for n in range(5)]
        results, took_s = self.stop_while(calls, 0.8)
        for verdict in results[0] + results[1:11]:
            self.assertVerdict(verdict, "unknown", "deadline_exceeded")
            self.assertFalse(verdict["complete"])
        self.assertLess(took_s, GRACE_MS / 1000)

    def test_nothing_to_do(self):
        _, took_s = self.stop_while([], 0.1)
        self.assertLess(took_s, GRACE_MS / 1000)

    def test_int_is_as_good_as_term(self):
        self.client.verify("user1@plain0.test")
        _, took_s = self.stop_while([], 0.1, signal.SIGINT)
        self.assertLess(took_s, GRACE_MS / 1000)


class Goodbyes(OnceEach):
    @classmethod
    def world(cls):
        world = World(delay_ms=150, recipients=100)
        for number in range(10):
            world.domain(f"plain{number}.test", "accept-known", *[f"user{n}" for n in range(60)])
        return world

    def test_sessions_in_the_middle_of_a_reply_say_quit(self):
        calls = [lambda n=n: self.client.batch([f"user{k}@plain{n}.test" for k in range(60)]) for n in range(10)]
        results, took_s = self.stop_while(calls, 1.5)
        verdicts = [verdict for result in results for verdict in result]
        self.assertEqual({verdict["reason"] for verdict in verdicts}, {"mailbox_accepted", "deadline_exceeded"})
        self.assertLess(took_s, GRACE_MS / 1000)
        settle(lambda: self.lab.counters()["open_now"] == 0)
        counters = self.lab.counters()
        self.assertEqual((counters["aborted"], counters["quits"]), (0, counters["connections"]))


class Clients(LabCase):
    FLAGS = ("--timeout-greeting-ms", "3000", "--check-budget-ms", "6000")

    @classmethod
    def world(cls):
        world = World(delay_ms=30)
        for number in range(30):
            world.domain(f"plain{number}.test", "accept-known", *[f"user{n}" for n in range(10)])
        for number in range(30):
            world.domain(f"tarpit{number}.test", "tarpit", "jane.doe")
        return world

    def checks(self):
        return self.client.call("GET", "/readyz").json["checks"]

    def assertCalm(self):
        """No check is at work, and none is on its way in."""
        looks = []

        def calm():
            looks.append(self.checks())
            return looks[-10:] == [0] * 10
        self.assertTrue(settle(calm, 15), f"{looks[-1]} checks are still at work")

    def vanish(self, emails, lines):
        """Reads so many lines of a stream, then hangs up."""
        link = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=20)
        body = json.dumps({"emails": emails, "deadline_ms": 20000, "imap": False})
        link.request("POST", "/v1/verify/batch", body,
                     {"Content-Type": "application/json", "Accept": "application/x-ndjson"})
        answer = link.getresponse()
        for _ in range(lines):
            self.assertIn("index", json.loads(answer.readline()))
        answer.close()
        link.close()

    def test_a_stream_that_nobody_reads_any_more(self):
        emails = [f"user{n}@plain{number}.test" for number in range(30) for n in range(10)]
        emails += [f"jane.doe@tarpit{number}.test" for number in range(30)]
        self.vanish(emails, 5)
        self.assertEqual(self.client.call("GET", "/healthz").json, {"status": "ok"})
        self.assertCalm()
        self.assertVerdict(self.client.verify("user0@plain0.test"), "deliverable", "mailbox_accepted")

    def test_many_that_vanish(self):
        emails = [f"jane.doe@tarpit{number}.test" for number in range(30)]
        for _ in range(10):
            self.vanish(emails, 0)
        self.assertEqual(self.client.call("GET", "/healthz").json, {"status": "ok"})
        self.assertCalm()

    def test_descriptors_come_back(self):
        def count():
            return len(os.listdir(f"/proc/{self.service.process.pid}/fd"))
        self.assertCalm()
        self.client.verify("user1@plain1.test", max_age_s=0)
        settle(lambda: self.lab.counters()["open_now"] == 0)
        idle = count()
        self.client.batch([f"user{n}@plain{number}.test" for number in range(30) for n in range(10)], max_age_s=0)
        self.assertTrue(settle(lambda: count() <= idle, 10), f"{count()} descriptors, {idle} before")


class Reload(LabCase):
    @classmethod
    def world(cls):
        return (World().domain("plain.test", "accept-known", "jane.doe", "john.doe")
                .domain("odd.test", "bare-550", "jane.doe"))

    @classmethod
    def prepare(cls):
        cls.suppress = os.path.join(cls.directory, "suppress.txt")
        cls.rules = os.path.join(cls.directory, "rules.txt")
        cls.write("# nobody\n")
        cls.write_rules("# none\n")
        return "--suppress-list", cls.suppress, "--reply-rules", cls.rules

    @classmethod
    def write(cls, text):
        with open(cls.suppress, "w", encoding="utf-8") as file:
            file.write(text)

    @classmethod
    def write_rules(cls, text):
        with open(cls.rules, "w", encoding="utf-8") as file:
            file.write(text)

    def hang_up(self, event):
        before = self.service.log_text().count(event)
        self.service.process.send_signal(signal.SIGHUP)
        self.assertTrue(settle(lambda: self.service.log_text().count(event) > before), f"no {event} in the log")

    def test_reply_rules_are_read_again(self):
        self.assertVerdict(self.client.verify("nobody1@odd.test"), "undeliverable", "mailbox_not_found")
        self.write_rules("# ours\nU1 rcpt - 550 - mailbox_disabled : requested action not taken\n")
        self.hang_up("lists_reloaded")
        verdict = self.client.verify("nobody2@odd.test")
        self.assertVerdict(verdict, "undeliverable", "mailbox_disabled")
        self.assertEqual(verdict["smtp"]["recipient"]["rule"], "U1")
        self.write_rules("U1 rcpt - 550 - no_such_class\n")
        self.hang_up("lists_not_reloaded")
        self.assertIn("rules.txt: line 1", self.service.log_text())
        self.assertVerdict(self.client.verify("nobody3@odd.test"), "undeliverable", "mailbox_disabled")

    def test_lists_are_read_again(self):
        self.assertVerdict(self.client.verify("jane.doe@plain.test"), "deliverable", "mailbox_accepted")
        self.write("jane.doe@plain.test\n")
        self.assertVerdict(self.client.verify("jane.doe@plain.test"), "deliverable", "mailbox_accepted")
        self.hang_up("lists_reloaded")
        with self.cost() as cost:
            verdict = self.client.verify("jane.doe@plain.test", max_age_s=0)
        self.assertVerdict(verdict, "unknown", "suppressed")
        self.assertEqual(verdict["action"], "reject")
        self.assertCost(cost, connections=0, dns=0)
        self.assertVerdict(self.client.verify("john.doe@plain.test"), "deliverable", "mailbox_accepted")
        os.unlink(self.suppress)
        self.hang_up("lists_not_reloaded")
        self.assertVerdict(self.client.verify("jane.doe@plain.test"), "unknown", "suppressed")
        self.write("")
        self.hang_up("lists_reloaded")
        self.assertVerdict(self.client.verify("jane.doe@plain.test"), "deliverable", "mailbox_accepted")


if __name__ == "__main__":
    unittest.main()
