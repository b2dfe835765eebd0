"""Whoever waits is answered in time, and the check goes on."""
import time
import unittest

from harness import LabCase, World, settle

LATE_MS = 400  # the contract says 100; the rest is for a machine that is busy with other tests


class Deadlines(LabCase):
    FLAGS = ("--timeout-greeting-ms", "1500", "--timeout-recipient-ms", "1500")

    @classmethod
    def world(cls):
        world = World(delay_ms=400)
        for number in range(3):
            world.domain(f"tarpit{number}.test", "tarpit", "jane.doe")
        for number in range(2):
            world.domain(f"mute{number}.test", "dns-timeout", "jane.doe")
            world.domain(f"unreachable{number}.test", "connect-timeout", "jane.doe")
        return (world
                .domain("silent.test", "tarpit-rcpt", "jane.doe")
                .domain("second.test", "mx-first-silent", "jane.doe")
                .domain("elsewhere.test", "mx-first-no-mail", "jane.doe")
                .domain("slow.test", "accept-known", "jane.doe", "john.doe", "jim.doe")
                .domain("queue.test", "accept-known", *[f"user{number}" for number in range(30)])
                .domain("imap.test", "accept-known", "jane.doe", imap="silent"))

    def hurried(self, email, deadline_ms, **options):
        begin = time.monotonic()
        verdict = self.client.verify(email, deadline_ms=deadline_ms, **options)
        late_ms = (time.monotonic() - begin) * 1000 - deadline_ms
        self.assertLess(late_ms, LATE_MS, f"{email}: {late_ms:.0f} ms after its deadline")
        return verdict

    def assertGoesOn(self, verdict, layer):
        self.assertVerdict(verdict, "unknown", "deadline_exceeded")
        self.assertIn(layer, verdict["reasons"])
        self.assertFalse(verdict["complete"])
        self.assertTrue(verdict["retryable"])

    def test_a_tarpit(self):
        verdict = self.hurried("jane.doe@tarpit0.test", 300)
        self.assertVerdict(verdict, "unknown", "deadline_exceeded")
        self.assertFalse(verdict["complete"])
        self.assertEqual(verdict["action"], "review")
        self.assertTrue(settle(lambda: self.client.later(verdict["id"], 1)["reason"] != "deadline_exceeded", 10))
        self.assertVerdict(self.client.later(verdict["id"]), "unknown", "smtp_timeout")

    def test_waiting_by_id(self):
        verdict = self.hurried("jane.doe@slow.test", 300)
        self.assertVerdict(verdict, "unknown", "deadline_exceeded")
        begin = time.monotonic()
        settled = self.client.later(verdict["id"], 20)
        self.assertVerdict(settled, "deliverable", "mailbox_accepted")
        self.assertTrue(settled["complete"])
        self.assertEqual(settled["id"], verdict["id"])
        self.assertLess(time.monotonic() - begin, 10)

    def test_the_layer_that_was_at_work(self):
        self.assertGoesOn(self.hurried("jane.doe@mute0.test", 250), "dns_timeout")
        self.assertGoesOn(self.hurried("jane.doe@unreachable0.test", 1500), "connect_timeout")
        self.assertGoesOn(self.hurried("jane.doe@silent.test", 2400), "smtp_timeout")

    def test_the_recipient_has_been_accepted(self):
        """Its own reply is there, the decoy's is not."""
        # two rounds of DNS, greeting, EHLO, recipient: 400 ms each
        verdict = self.hurried("john.doe@slow.test", 2250, max_age_s=0)
        self.assertVerdict(verdict, "risky", "accepted_unconfirmed")
        self.assertFalse(verdict["complete"])
        self.assertVerdict(self.client.later(verdict["id"], 20), "deliverable", "mailbox_accepted")

    def test_a_walk_that_was_cut_proves_nothing(self):
        """Without waiters no other host is begun; what the first one said must not stand for the domain."""
        for email, deadline_ms in (("jane.doe@second.test", 300), ("jane.doe@elsewhere.test", 900)):
            with self.subTest(email):
                first = self.hurried(email, deadline_ms)
                self.assertVerdict(first, "unknown", "deadline_exceeded")
                self.assertTrue(settle(lambda: self.client.later(first["id"])["reason"] != "deadline_exceeded", 10))
                self.assertVerdict(self.client.verify(email, max_age_s=86400), "deliverable", "mailbox_accepted")

    def test_in_a_queue(self):
        def ask(number):
            return lambda: self.hurried(f"user{number}@queue.test", 3000)
        verdicts = self.client.at_once([ask(number) for number in range(30)])
        waiting = [verdict for verdict in verdicts if verdict["reason"] == "deadline_exceeded"]
        self.assertTrue(waiting and all("deferred" in verdict["reasons"] or "smtp_timeout" in verdict["reasons"]
                                        for verdict in waiting))

    def test_a_batch_has_one_deadline(self):
        begin = time.monotonic()
        results = self.client.batch([f"jane.doe@{name}.test" for name in ("tarpit1", "tarpit2", "mute1", "unreachable1")],
                                    deadline_ms=500)
        self.assertLess((time.monotonic() - begin) * 1000, 500 + LATE_MS)
        self.assertEqual([result["complete"] for result in results], [False] * 4)
        self.assertEqual([result["index"] for result in results], [0, 1, 2, 3])

    def test_imap_may_be_missing(self):
        """The SMTP verdict waits for IMAP facts for a while, not for ever."""
        begin = time.monotonic()
        verdict = self.client.verify("jane.doe@imap.test", imap=True)
        self.assertVerdict(verdict, "deliverable", "mailbox_accepted")
        self.assertFalse(verdict["complete"])
        self.assertLess(time.monotonic() - begin, 2.4 + 1.5 + 2)


if __name__ == "__main__":
    unittest.main()
