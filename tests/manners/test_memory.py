"""What was asked once is not asked again, unless the caller wants it so."""
import unittest

from harness import LabCase, World


class Memory(LabCase):
    @classmethod
    def world(cls):
        world = World(delay_ms=20)
        for name in ("crowd", "again", "fresh", "mixed", "decided", "cached"):
            world.domain(f"{name}.test", "accept-known", "jane.doe", "john.doe", imap="ok" if name == "cached" else "none")
        return (world
                .domain("grey.test", "greylist", "jane.doe", "john.doe")
                .domain("later.test", "temporary-failure", "jane.doe")
                .domain("blocks.test", "blocked-greeting", "jane.doe", "john.doe")
                .domain("busy.test", "busy-greeting", "jane.doe", "john.doe")
                .domain("senders.test", "mx-first-refuses-senders", "jane.doe", "john.doe")
                .domain("closed.test", "connect-refused", "jane.doe")
                .domain("nowhere.test", "nxdomain", "jane.doe"))

    def test_equal_requests_in_flight_are_one(self):
        with self.cost() as cost:
            verdicts = self.client.at_once([lambda: self.client.verify("jane.doe@crowd.test")] * 50)
        self.assertEqual({(verdict["status"], verdict["reason"], verdict["complete"]) for verdict in verdicts},
                         {("deliverable", "mailbox_accepted", True)})
        self.assertCost(cost, connections=1, recipients=2, turns=4)
        self.assertLessEqual(cost["dns"], 3)

    def test_equal_requests_keep_what_is_their_own(self):
        def ask(policy, explain, deadline_ms):
            return lambda: self.client.verify("jane.doe@mixed.test", policy=policy, explain=explain,
                                              deadline_ms=deadline_ms)
        with self.cost() as cost:
            one, other, hurried = self.client.at_once([ask("default", "evidence", 20000), ask("signup", "none", 20000),
                                                       ask("strict", "none", 100)])
        self.assertCost(cost, connections=1, recipients=2)
        self.assertEqual([verdict["policy"] for verdict in (one, other, hurried)], ["default", "signup", "strict"])
        self.assertIn("smtp", one)
        self.assertNotIn("smtp", other)
        self.assertTrue(one["complete"] and other["complete"])
        self.assertFalse(hurried["complete"])

    def test_who_comes_back_gets_the_policy_he_asked_with(self):
        for policy, action in (("signup", "accept"), ("strict", "review"), ("default", "review")):
            asked = self.client.verify("john.doe@grey.test", policy=policy)
            self.assertEqual((asked["action"], asked["complete"]), (action, False))
            later = self.client.later(asked["id"])
            self.assertEqual((later["id"], later["policy"], later["action"]), (asked["id"], policy, action))

    def test_the_second_ask_is_answered_from_memory(self):
        first = self.client.verify("jane.doe@again.test")
        self.assertEqual(first["from_cache"], [])
        with self.cost() as cost:
            second = self.client.verify("jane.doe@again.test")
        self.assertVerdict(second, "deliverable", "mailbox_accepted")
        self.assertCost(cost, connections=0, dns=0)
        self.assertIn("smtp", second["from_cache"])
        self.assertIn("dns", second["from_cache"])
        self.assertEqual(second["checked_at"], first["checked_at"])
        self.assertEqual(second["expires_at"], first["expires_at"])
        self.assertEqual(second["smtp"]["recipient"], first["smtp"]["recipient"])

    def test_max_age_0_asks_anew(self):
        self.client.verify("jane.doe@fresh.test")
        with self.cost() as cost:
            verdict = self.client.verify("jane.doe@fresh.test", max_age_s=0)
        self.assertVerdict(verdict, "deliverable", "mailbox_accepted")
        self.assertCost(cost, connections=1, recipients=2)
        self.assertNotIn("smtp", verdict["from_cache"])

    def test_a_refusal_is_remembered_too(self):
        self.assertVerdict(self.client.verify("nobody@decided.test"), "undeliverable", "mailbox_not_found")
        with self.cost() as cost:
            self.assertVerdict(self.client.verify("nobody@decided.test"), "undeliverable", "mailbox_not_found")
        self.assertCost(cost, connections=0, dns=0)

    def test_a_host_that_refuses_both_senders_is_not_told_them_again(self):
        for mailbox, cached, connections in (("jane.doe", False, 2), ("john.doe", True, 1)):
            with self.cost() as cost:
                verdict = self.client.verify(f"{mailbox}@senders.test")
            self.assertVerdict(verdict, "deliverable", "mailbox_accepted")
            self.assertCost(cost, connections=connections)
            self.assertEqual([(attempt["stage"], attempt["reply_class"], attempt["from_cache"])
                              for attempt in verdict["smtp"]["attempts"]],
                             [("mail", "sender_rejected", cached), ("rcpt", "accepted", False)])

    def test_imap_facts_are_asked_once_a_domain(self):
        with self.cost() as cost:
            first = self.client.verify("jane.doe@cached.test", imap=True)
        self.assertEqual(first["domain"]["imap"][0]["state"], "ok")
        self.assertGreater(cost["imap_connections"], 0)
        with self.cost() as cost:
            second = self.client.verify("john.doe@cached.test", imap=True)
        self.assertCost(cost, imap_connections=0, dns=0)
        self.assertIn("imap", second["from_cache"])
        self.assertEqual(second["domain"]["imap"], first["domain"]["imap"])

    def test_no_such_domain_is_asked_once(self):
        self.assertVerdict(self.client.verify("jane.doe@nowhere.test"), "undeliverable", "domain_not_found")
        with self.cost() as cost:
            verdict = self.client.verify("john.doe@nowhere.test")
        self.assertVerdict(verdict, "undeliverable", "domain_not_found")
        self.assertCost(cost, dns=0, connections=0)

    def held(self, email, reason):
        """An unknown is answered again without a connection, however fresh the caller wants it."""
        first = self.client.verify(email)
        self.assertVerdict(first, "unknown", reason)
        self.assertGreater(first["retry_after_s"], 0)
        with self.cost() as cost:
            second = self.client.verify(email, max_age_s=0)
            third = self.client.verify(email, max_age_s=0, explain="transcript")
        self.assertVerdict(second, "unknown", reason)
        self.assertVerdict(third, "unknown", reason)
        self.assertEqual(third["transcript"], [])
        self.assertCost(cost, connections=0)
        self.assertGreater(second["retry_after_s"], 0)
        self.assertLessEqual(second["retry_after_s"], first["retry_after_s"])

    def test_held_greylisted(self):
        self.held("jane.doe@grey.test", "greylisted")

    def test_held_temporary_failure(self):
        self.held("jane.doe@later.test", "temporary_failure")

    def test_held_connect_refused(self):
        self.held("jane.doe@closed.test", "connect_refused")

    def rests(self, domain, reason):
        """A host that refused us is left alone by everybody's questions."""
        self.assertVerdict(self.client.verify(f"jane.doe@{domain}"), "unknown", reason)
        with self.cost() as cost:
            verdict = self.client.verify(f"john.doe@{domain}")
        self.assertVerdict(verdict, "unknown", "deferred")
        self.assertCost(cost, connections=0)
        self.assertTrue(verdict["retryable"])
        self.assertTrue(0 < verdict["retry_after_s"] <= 900, verdict["retry_after_s"])

    def test_rests_after_a_block(self):
        self.rests("blocks.test", "probe_blocked")

    def test_rests_after_421(self):
        self.rests("busy.test", "temporary_failure")


if __name__ == "__main__":
    unittest.main()
