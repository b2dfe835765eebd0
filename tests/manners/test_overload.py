"""Full: a single call is answered with what is known, a batch and a look at a domain are told to come back."""
import threading
import unittest

from harness import LabCase, World, settle

ROOM = 4


class Overload(LabCase):
    FLAGS = ("--checks-max", str(ROOM), "--timeout-recipient-ms", "5000")

    @classmethod
    def world(cls):
        world = World().domain("plain.test", "accept-known", "jane.doe", "john.doe").domain("none.test", "nxdomain")
        for number in range(ROOM):
            world.domain(f"tarpit{number}.test", "tarpit-rcpt", "jane.doe")
        return world

    def checks(self):
        return self.client.call("GET", "/readyz").json["checks"]

    def setUp(self):
        self.known = self.client.verify("jane.doe@plain.test")
        self.client.verify("jane.doe@none.test")
        self.holders = [threading.Thread(target=self.client.verify, args=(f"jane.doe@tarpit{number}.test",),
                                         kwargs={"deadline_ms": 6000}) for number in range(ROOM)]
        for holder in self.holders:
            holder.start()
        self.assertTrue(settle(lambda: self.lab.counters()["open_now"] == ROOM), "the service is not full")

    def tearDown(self):
        for holder in self.holders:
            holder.join()

    def test_full(self):
        before = self.lab.counters()["connections"]
        put_off = self.client.verify("john.doe@plain.test")
        known = self.client.verify("jane.doe@plain.test")
        nowhere = self.client.verify("john.doe@none.test")
        wrong = self.client.verify("no at sign")
        batch = self.client.call("POST", "/v1/verify/batch", {"emails": ["john.doe@plain.test"]})
        domain = self.client.call("GET", "/v1/domains/plain.test")
        self.assertEqual(self.checks(), ROOM)
        self.assertEqual(self.lab.counters()["connections"], before)
        self.assertVerdict(put_off, "unknown", "deferred")
        self.assertTrue(put_off["id"].startswith("v_"))
        self.assertTrue(0 < put_off["retry_after_s"] <= 60)
        self.assertVerdict(known, "deliverable", "mailbox_accepted")
        self.assertEqual((known["checked_at"], known["expires_at"]),
                         (self.known["checked_at"], self.known["expires_at"]))
        self.assertIn("smtp", known["from_cache"])
        self.assertVerdict(nowhere, "undeliverable", "domain_not_found")
        self.assertVerdict(wrong, "undeliverable", "invalid_syntax")
        for refused in (batch, domain):
            self.assertEqual((refused.status, refused.json["code"]), (503, "overloaded"))
            self.assertGreater(int(refused.headers["Retry-After"]), 0)


if __name__ == "__main__":
    unittest.main()
