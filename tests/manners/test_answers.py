"""What the caller's options change in an answer, and what it costs."""
import os
import unittest

from harness import LabCase, World

HEAD = {"id", "email", "normalized", "status", "reason", "reasons", "confidence", "action", "policy", "message",
        "suggestion", "complete", "retryable", "retry_after_s", "checked_at", "expires_at", "from_cache", "flags"}
EVIDENCE = {"address", "smtp", "domain", "timings_ms", "ruleset", "lists_version"}
FLAGS = {"disposable", "disposable_mx", "alias_relay", "role", "no_reply", "free_provider", "subaddress", "gibberish",
         "typo_domain", "catch_all", "idn_domain", "non_ascii_local", "implicit_mx", "parked", "slow_server"}


class Answers(LabCase):
    @classmethod
    def world(cls):
        return (World()
                .domain("plain.test", "accept-known", "jane.doe", "john.doe", "jim.doe", "info", imap="ok")
                .domain("anybody.test", "catch-all", "jane.doe")
                .domain("full.test", "mailbox-full-552", ("jane.doe", "full_552"))
                .domain("later.test", "temporary-failure", "jane.doe")
                .domain("nowhere.test", "nxdomain", "jane.doe")
                .domain("bare.test", "bare-550", "jane.doe")
                .domain("slow.test", "slow-greeting", "jane.doe", "john.doe")
                .domain("listed.test", "accept-known", "jane.doe", "john.doe")
                .domain("away.listed-all.test", "accept-known", "jane.doe")
                .domain("friend.test", "accept-known", "john.doe"))

    @classmethod
    def prepare(cls):
        def write(name, text):
            path = os.path.join(cls.directory, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            return path
        return ("--suppress-list", write("suppress.txt", "# never ask these\nJane.Doe@listed.test\n*.listed-all.test\n"),
                "--allow-list", write("allow.txt", "friend.test\n"))

    # --- timings ---------------------------------------------------------------------------

    def test_no_time_is_told_twice(self):
        """The greeting takes over a second: it is no waiting in the queue as well."""
        batch = self.client.batch(["jane.doe@slow.test", "john.doe@slow.test"])
        for verdict in batch:
            self.assertVerdict(verdict, "deliverable", "mailbox_accepted")
            parts = dict(verdict["timings_ms"])
            total = parts.pop("total")
            self.assertLessEqual(sum(parts.values()), total + len(parts), "one each for rounding")

    # --- explain ---------------------------------------------------------------------------

    def test_explain_none(self):
        verdict = self.client.verify("jane.doe@plain.test", explain="none")
        self.assertEqual(set(verdict), HEAD)
        self.assertEqual(set(verdict["flags"]), FLAGS)

    def test_explain_evidence_is_the_default(self):
        verdict = self.client.verify("jane.doe@plain.test")
        self.assertEqual(verdict.keys() & (HEAD | EVIDENCE | {"rule"}), HEAD | EVIDENCE | {"rule"})
        self.assertNotIn("transcript", verdict)
        smtp = verdict["smtp"]
        self.assertEqual(smtp["host"], "mx1.plain.test")
        self.assertIn("PIPELINING", smtp["extensions"])
        self.assertIn("SIZE", smtp["extensions"], "keywords only")
        self.assertEqual((smtp["recipient"]["code"], smtp["recipient"]["reply_class"]), (250, "accepted"))
        self.assertEqual((smtp["decoy"]["code"], smtp["decoy"]["reply_class"]), (550, "mailbox_not_found"))
        self.assertEqual(verdict["domain"]["mx"][0]["host"], "mx1.plain.test")
        self.assertEqual(set(verdict["timings_ms"]),
                         {"queue", "dns", "connect", "greeting", "ehlo", "tls", "recipient", "decoy", "total"})

    def test_explain_transcript(self):
        with self.cost() as cost:
            verdict = self.client.verify("john.doe@plain.test", explain="transcript", imap=True)
        self.assertEqual(cost["connections"], 1)
        lines = verdict["transcript"]
        said = [line["line"] for line in lines if line["dir"] == "C"]
        heard = [line["line"] for line in lines if line["dir"] == "S"]
        self.assertTrue(any(line.startswith("EHLO ") for line in said), said)
        self.assertTrue(any("john.doe@plain.test" in line for line in said), said)
        self.assertIn("QUIT", said)
        self.assertTrue(any("CAPABILITY" in line for line in said), said)
        self.assertTrue(any(line.startswith("220 ") for line in heard), heard)
        self.assertTrue(all(isinstance(line["t"], int) for line in lines))

    # --- layers ------------------------------------------------------------------------------

    def test_without_smtp(self):
        with self.cost() as cost:
            verdict = self.client.verify("jim.doe@plain.test", smtp=False)
        self.assertVerdict(verdict, "unknown", "smtp_skipped")
        self.assertIsNone(verdict["smtp"])
        self.assertFalse(verdict["retryable"])
        self.assertCost(cost, connections=0, imap_connections=0)
        self.assertLessEqual(cost["dns"], 3)
        self.assertVerdict(self.client.verify("jane.doe@nowhere.test", smtp=False), "undeliverable",
                           "domain_not_found")
        self.assertVerdict(self.client.verify("no at sign", smtp=False), "undeliverable", "invalid_syntax")

    def test_imap_alone(self):
        with self.cost() as cost:
            verdict = self.client.verify("jim.doe@plain.test", smtp=False, imap=True, max_age_s=0)
        self.assertVerdict(verdict, "unknown", "smtp_skipped")
        self.assertEqual(verdict["domain"]["imap"][0]["state"], "ok")
        self.assertTrue(verdict["complete"])
        self.assertEqual(cost["connections"], 0)
        self.assertGreater(cost["imap_connections"], 0)

    def test_without_imap(self):
        with self.cost() as cost:
            verdict = self.client.verify("info@plain.test", imap=False, max_age_s=0)
        self.assertIsNone(verdict["domain"]["imap"])
        self.assertCost(cost, connections=1, imap_connections=0)

    def test_syntax_costs_nothing(self):
        with self.cost() as cost:
            for email in ("", "no at sign", "a@b@c.test", ".a@plain.test", "a@localhost", "a@[192.0.2.1]"):
                self.client.verify(email, imap=True)
        self.assertCost(cost, connections=0, imap_connections=0, dns=0)

    def test_domains_that_are_not_asked(self):
        with self.cost() as cost:
            for name, code, position in (("localhost", "reserved_domain", 0), ("mail.localhost", "reserved_domain", 0),
                                         ("nodot", "no_tld", 0), ("192.0.2.1", "numeric_tld", 8)):
                with self.subTest(name):
                    posture = self.client.call("GET", f"/v1/domains/{name}").json
                    self.assertEqual((posture["error"], posture["complete"], posture["mx"]),
                                     ({"code": code, "position": position}, True, None))
        self.assertCost(cost, connections=0, imap_connections=0, dns=0)
        self.assertIsNone(self.client.call("GET", "/v1/domains/nowhere.test").json["error"])

    # --- policies ------------------------------------------------------------------------------

    def test_actions(self):
        table = [  # address, reason, then what default, signup and strict do
            ("jane.doe@plain.test", "mailbox_accepted", "accept", "accept", "accept"),
            ("info@plain.test", "mailbox_accepted", "accept", "accept", "review"),
            ("nobody@plain.test", "mailbox_not_found", "reject", "reject", "reject"),
            ("nobody@bare.test", "mailbox_not_found", "reject", "confirm", "reject"),
            ("jane.doe@anybody.test", "catch_all", "review", "accept", "review"),
            ("jane.doe@full.test", "mailbox_full", "review", "accept", "review"),
            ("jane.doe@later.test", "temporary_failure", "review", "accept", "review"),
            ("jane.doe@nowhere.test", "domain_not_found", "reject", "reject", "reject"),
            ("no at sign", "invalid_syntax", "reject", "reject", "reject"),
            ("jane.doe@listed.test", "suppressed", "reject", "reject", "reject"),
        ]
        for email, reason, *actions in table:
            for policy, action in zip(("default", "signup", "strict"), actions):
                with self.subTest(email=email, policy=policy):
                    verdict = self.client.verify(email, policy=policy, explain="none")
                    self.assertEqual((verdict["reason"], verdict["policy"], verdict["action"]),
                                     (reason, policy, action))

    def test_policies_are_shown(self):
        names = [policy["name"] for policy in self.client.call("GET", "/v1/policies").json["policies"]]
        self.assertEqual(names[:3], ["default", "signup", "strict"])

    # --- the operator's lists ---------------------------------------------------------------------

    def test_suppressed_are_never_asked_about(self):
        with self.cost() as cost:
            for email in ("jane.doe@listed.test", "JANE.doe@LISTED.test", "jane.doe@away.listed-all.test"):
                self.assertVerdict(self.client.verify(email, imap=True), "unknown", "suppressed")
        self.assertCost(cost, connections=0, imap_connections=0, dns=0)
        self.assertVerdict(self.client.verify("john.doe@listed.test"), "deliverable", "mailbox_accepted")

    def test_allowed_are_asked_and_accepted(self):
        with self.cost() as cost:
            verdict = self.client.verify("nobody@friend.test")
        self.assertVerdict(verdict, "undeliverable", "mailbox_not_found")
        self.assertEqual((verdict["action"], verdict["reasons"]), ("accept", ["allowlisted"]))
        self.assertEqual(cost["connections"], 1)


if __name__ == "__main__":
    unittest.main()
