"""What one question costs the mail servers and the resolver."""
import time
import unittest

from harness import LabCase, World


class Turns(LabCase):
    FLAGS = ("--loops", "2")

    @classmethod
    def world(cls):
        world = World()
        for number in range(6):
            world.domain(f"plain{number}.test", "accept-known", "jane.doe", "john.doe", "jim.doe")
        world.domain("anybody.test", "catch-all", "jane.doe")
        world.domain("slow.test", "no-pipelining", "jane.doe")
        world.domain("secret.test", "starttls-good", "jane.doe")
        world.domain("yahoo-user.test", "opaque", "jane.doe")
        world.domain("own.test", "implicit-mx", "jane.doe")
        return world

    def test_one_address_with_its_decoy(self):
        with self.cost() as cost:
            verdict = self.client.verify("jane.doe@plain0.test")
        self.assertVerdict(verdict, "deliverable", "mailbox_accepted")
        self.assertCost(cost, connections=1, turns=4, recipients=2, quits=1, aborted=0)
        self.assertLessEqual(cost["dns"], 3)

    def test_the_answer_about_the_domain_is_kept(self):
        self.client.verify("jane.doe@plain1.test")
        with self.cost() as cost:
            verdict = self.client.verify("john.doe@plain1.test")
        self.assertVerdict(verdict, "deliverable", "mailbox_accepted")
        self.assertCost(cost, connections=1, turns=3, recipients=1, quits=1, dns=0)
        self.assertIn("catch_all", verdict["from_cache"])
        self.assertIn("dns", verdict["from_cache"])

    def test_who_is_refused_needs_no_decoy(self):
        with self.cost() as cost:
            verdict = self.client.verify("nobody@plain2.test")
        self.assertVerdict(verdict, "undeliverable", "mailbox_not_found")
        self.assertCost(cost, connections=1, turns=3, recipients=1, quits=1)

    def test_catch_all(self):
        with self.cost() as cost:
            self.assertVerdict(self.client.verify("one@anybody.test"), "risky", "catch_all")
        self.assertCost(cost, connections=1, turns=4, recipients=2)
        with self.cost() as cost:
            self.assertVerdict(self.client.verify("two@anybody.test"), "risky", "catch_all")
        self.assertCost(cost, connections=1, turns=3, recipients=1)

    def test_a_decoy_per_request_that_wants_fresh_evidence(self):
        self.client.verify("jane.doe@plain4.test")
        with self.cost() as cost:
            verdict = self.client.verify("john.doe@plain4.test", max_age_s=0)
        self.assertNotIn("catch_all", verdict["from_cache"])
        self.assertCost(cost, connections=1, turns=4, recipients=2)

    def test_without_pipelining_commands_go_one_by_one(self):
        with self.cost() as cost:
            self.assertVerdict(self.client.verify("jane.doe@slow.test"), "deliverable", "mailbox_accepted")
        # greeting, EHLO, MAIL, RCPT, RSET, MAIL, RCPT
        self.assertCost(cost, connections=1, turns=7, rule_breaks=0)

    def test_starttls_costs_three_more(self):
        with self.cost() as cost:
            verdict = self.client.verify("jane.doe@secret.test")
        self.assertEqual(verdict["smtp"]["tls"]["chain"], "trusted")
        # greeting, EHLO, STARTTLS, handshake, EHLO, recipient, decoy
        self.assertCost(cost, connections=1, turns=7, tls_handshakes=1)

    def test_an_opaque_provider_gets_no_decoy(self):
        with self.cost() as cost:
            self.assertVerdict(self.client.verify("jane.doe@yahoo-user.test"), "risky", "provider_opaque")
        self.assertCost(cost, connections=1, recipients=1)

    def test_an_implicit_mx_costs_three_questions_too(self):
        with self.cost() as cost:
            self.assertVerdict(self.client.verify("jane.doe@own.test"), "deliverable", "mailbox_accepted")
        self.assertLessEqual(cost["dns"], 3)


class Sessions(LabCase):
    """Where answers take their time, questions meet in one session."""

    @classmethod
    def world(cls):
        return (World(delay_ms=40)
                .domain("many.test", "accept-known", *[f"user{number}" for number in range(40)])
                .domain("few.test", "accept-known", *[f"user{number}" for number in range(3)])
                .domain("unknown.test", "accept-known"))

    def test_one_decoy_for_a_whole_request(self):
        with self.cost() as cost:
            results = self.client.batch([f"user{number}@many.test" for number in range(40)], max_age_s=0)
        self.assertEqual({result["reason"] for result in results}, {"mailbox_accepted"})
        # 41 recipients in sessions of 20
        self.assertCost(cost, recipients=41, connections=3, quits=3, aborted=0)

    def test_one_decoy_for_calls_at_once(self):
        with self.cost() as cost:
            self.client.at_once([lambda number=number: self.client.verify(f"user{number}@few.test", max_age_s=0)
                                 for number in range(3)])
        self.assertCost(cost, recipients=4, connections=1)

    def test_a_session_ends_after_so_many_refusals(self):
        with self.cost() as cost:
            self.client.batch([f"nobody{number}@unknown.test" for number in range(12)])
        # four in a session
        self.assertCost(cost, recipients=12, connections=3, quits=3, aborted=0)


class Refusals(LabCase):
    """Some servers accept just anyone once they have refused too many."""

    FLAGS = ("--lane-unknown-per-hour", "1000", "--lane-refused-per-hour", "20")

    @classmethod
    def world(cls):
        return World().domain("harvest.test", "harvest-lies", "jane.doe")

    def test_a_host_is_left_alone_before_it_lies(self):
        self.assertVerdict(self.client.verify("jane.doe@harvest.test"), "deliverable", "mailbox_accepted")
        with self.cost() as cost:
            results = self.client.batch([f"nobody{number}@harvest.test" for number in range(40)])
        reasons = [result["reason"] for result in results]
        self.assertEqual(set(reasons), {"mailbox_not_found", "deferred"})
        # the decoy before them was the first refusal
        self.assertEqual(reasons.count("mailbox_not_found"), 19)
        self.assertCost(cost, recipients=19)


class Closes(LabCase):
    """A host that lets us in and only closes is left alone after three times, whoever comes."""

    @classmethod
    def world(cls):
        return (World().domain("closes.test", "drop-connect").domain("leaves.test", "drop-rcpt")
                .domain("list.test", "drop-connect"))

    def test_one_by_one(self):
        for domain in ("closes.test", "leaves.test"):
            with self.cost() as cost:
                verdicts = [self.client.verify(f"user{number}@{domain}") for number in range(10)]
            self.assertEqual({verdict["status"] for verdict in verdicts}, {"unknown"})
            self.assertEqual({verdict["retryable"] for verdict in verdicts}, {True})
            self.assertEqual([verdict["reason"] for verdict in verdicts],
                             ["connection_lost"] * 2 + ["deferred"] * 8)
            self.assertCost(cost, connections=3)

    def test_a_long_list(self):
        with self.cost() as cost:
            verdicts = self.client.batch([f"user{number}@list.test" for number in range(1000)])
        self.assertEqual({verdict["status"] for verdict in verdicts}, {"unknown"})
        self.assertEqual({verdict["retryable"] for verdict in verdicts}, {True})
        self.assertLessEqual(cost["connections"], 3)


class Control(LabCase):
    """Postmaster is asked once, whoever was refused without a word at that moment."""

    FLAGS = ("--lane-connections", "3")

    @classmethod
    def world(cls):
        return World(delay_ms=40, connections=3).domain("bare.test", "bare-550")

    def test_one_control_for_calls_at_once(self):
        with self.cost() as cost:
            results = self.client.at_once([lambda number=number: self.client.verify(f"nobody{number}@bare.test")
                                           for number in range(3)])
        self.assertEqual({result["reason"] for result in results}, {"mailbox_not_found"})
        self.assertCost(cost, recipients=4)


class Joining(LabCase):
    """Equal questions at one time are one question, unless one of them wants younger evidence than the other takes."""

    @classmethod
    def world(cls):
        return World(delay_ms=40).domain("known.test", "catch-all", "jane.doe").domain("many.test", "accept-known", "jim")

    def test_who_comes_later_joins(self):
        self.client.verify("nobody@many.test")  # DNS is known from here on

        def late(number):
            time.sleep(number * 0.02)
            return self.client.verify("jim@many.test", max_age_s=60)
        with self.cost() as cost:
            self.client.at_once([lambda number=number: late(number) for number in range(5)])
        self.assertCost(cost, connections=1, recipients=2)

    def test_calls_for_one_address_with_different_wishes(self):
        self.client.verify("jane.doe@known.test")
        for number in range(4):
            email = f"user{number}@known.test"
            calls = [lambda: self.client.verify(email), lambda: self.client.verify(email, max_age_s=0)]
            _, fresh = self.client.at_once(calls)
            self.assertEqual(set(fresh["from_cache"]) - {"dns"}, set())


if __name__ == "__main__":
    unittest.main()
