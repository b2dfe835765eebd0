"""Several source addresses: who sees which, and what follows from a refusal."""
from harness import ONE, THREE, TWO, Hosts, settle, sources

BOTH = ("--source-addresses", f"{ONE} {TWO}")
HOSTS = 10


class Sources(Hosts):
    def one_seen(self, host):
        self.assertEqual(len(set(host.visits)), 1, host.visits)
        return host.visits[0]

    def test_one_host_sees_one_source(self):
        hosts = [self.mail(f"d{number}.test") for number in range(HOSTS)]
        caller = self.start(*BOTH)
        for turn in range(3):
            for number in range(HOSTS):
                verdict = caller.verify(f"known{turn}@d{number}.test")
                self.assertVerdict(verdict, "deliverable", "mailbox_accepted", [hosts[number].visits[0]])
        seen = [self.one_seen(host) for host in hosts]
        self.assertEqual(set(seen), {ONE, TWO})

    def test_no_setting_leaves_it_to_the_system(self):
        host = self.mail("a.test")
        verdict = self.start().verify("known@a.test", explain="transcript")
        self.assertVerdict(verdict, "deliverable", "mailbox_accepted", [host.visits[0]])
        first = verdict["transcript"][0]
        self.assertEqual((first["dir"], first["line"]), ("-", f"connect 127.66.1.1 port {self.port}"))

    def test_the_transcript_begins_with_the_way(self):
        self.mail("a.test")
        verdict = self.start("--source-addresses", ONE).verify("known@a.test", explain="transcript")
        self.assertEqual(verdict["transcript"][0]["line"], f"connect 127.66.1.1 port {self.port} from {ONE}")
        self.assertEqual(sources(verdict), [ONE])

    def test_a_refused_source_rests_and_the_other_takes_over(self):
        for at in ("rcpt", "greeting"):
            with self.subTest(at):
                self.number += 1
                hosts = [self.mail(f"{at}{number}.test", blocked=[ONE], at=at) for number in range(HOSTS)]
                caller = self.start(*BOTH, "--lane-rest-ms", "600000")
                refused = 0
                for number, host in enumerate(hosts):
                    first, second, third = (caller.verify(f"known{turn}@{at}{number}.test") for turn in range(3))
                    if sources(first) == [ONE]:
                        refused += 1
                        self.assertVerdict(first, "unknown", "probe_blocked", [ONE])
                        # it was not asked about again from elsewhere
                        self.assertNotIn((TWO, f"known0@{at}{number}.test"), host.seen)
                    else:
                        self.assertVerdict(first, "deliverable", "mailbox_accepted", [TWO])
                    self.assertVerdict(second, "deliverable", "mailbox_accepted", [TWO])
                    self.assertVerdict(third, "deliverable", "mailbox_accepted", [TWO])
                    self.assertLessEqual(host.visits.count(ONE), 1)
                self.assertTrue(0 < refused < HOSTS, refused)
                self.assertEqual(self.service.stop(), 0)

    def test_those_who_wait_are_spared(self):
        for at in ("rcpt", "greeting"):
            with self.subTest(at):
                self.number += 1
                hosts = [self.mail(f"{at}{number}.test", blocked=[ONE], at=at) for number in range(4)]
                caller = self.start(*BOTH)
                for number, host in enumerate(hosts):
                    verdicts = caller.batch([f"known{i}@{at}{number}.test" for i in range(6)])
                    blocked = [verdict for verdict in verdicts if verdict["reason"] == "probe_blocked"]
                    self.assertEqual(len(blocked), 1 if ONE in host.visits else 0, host.visits)
                    self.assertEqual(sum(verdict["reason"] == "mailbox_accepted" for verdict in verdicts),
                                     6 - len(blocked))
                self.assertEqual(self.service.stop(), 0)

    def test_when_all_rest_jobs_are_deferred(self):
        host = self.mail("a.test", blocked=[ONE, TWO])
        caller = self.start(*BOTH, "--lane-rest-ms", "600000")
        first, second, third = (caller.verify(f"known{turn}@a.test") for turn in range(3))
        self.assertVerdict(first, "unknown", "probe_blocked")
        self.assertVerdict(second, "unknown", "probe_blocked")
        self.assertEqual(set(sources(first) + sources(second)), {ONE, TWO})
        self.assertVerdict(third, "unknown", "deferred")
        self.assertTrue(0 < third["retry_after_s"] <= 600, third["retry_after_s"])
        self.assertEqual(sorted(host.visits), [ONE, TWO])

    def test_with_one_source_the_host_rests(self):
        host = self.mail("a.test", blocked=[ONE])
        caller = self.start("--source-addresses", ONE)
        self.assertVerdict(caller.verify("known1@a.test"), "unknown", "probe_blocked", [ONE])
        self.assertVerdict(caller.verify("known2@a.test"), "unknown", "deferred")
        self.assertEqual(host.visits, [ONE])

    def test_a_walk_over_the_mx_goes_on_from_the_same_source(self):
        firsts = []
        for number in range(6):
            first, second = self.mail(f"d{number}.test", hosts=2, blocked=[ONE], at="greeting")
            second.blocked = set()
            firsts.append((number, first, second))
        caller = self.start(*BOTH)
        walked = 0
        for number, first, second in firsts:
            verdict = caller.verify(f"known@d{number}.test")
            if ONE in first.visits:
                walked += 1
                self.assertEqual(sources(verdict), [ONE, ONE])
                self.assertEqual(set(second.visits), {ONE})
            self.assertVerdict(verdict, "deliverable", "mailbox_accepted")
        self.assertGreater(walked, 0)

    def test_greylisting_is_met_again_from_the_same_source(self):
        hosts = [self.mail(f"d{number}.test", greylists=True) for number in range(6)]
        caller = self.start(*BOTH, "--retry-greylist-s", "1 1")
        first = [caller.verify(f"known@d{number}.test") for number in range(6)]
        for verdict in first:
            self.assertVerdict(verdict, "unknown", "greylisted")
        for number, verdict in enumerate(first):
            self.assertTrue(settle(lambda key=verdict["id"]: caller.later(key)["status"] == "deliverable"))
            self.assertEqual(len(set(hosts[number].visits)), 1)

    def test_many_refusals_rest_a_source_altogether(self):
        for number in range(24):
            self.mail(f"d{number}.test", blocked=[ONE])
        caller = self.start(*BOTH)
        for number in range(24):
            caller.verify(f"known@d{number}.test")
            if "route_rests" in self.service.log_text():
                break
        self.assertRegex(self.service.log_text(), rf"warn route_rests route={ONE}")
        fresh = [self.mail(f"fresh{number}.test") for number in range(HOSTS)]
        for number, host in enumerate(fresh):
            verdict = caller.verify(f"known@fresh{number}.test")
            self.assertVerdict(verdict, "deliverable", "mailbox_accepted", [TWO])
            self.assertEqual(set(host.visits), {TWO})

    def test_routes_by_host_and_for_everybody(self):
        pinned, others = self.mail("pinned.test"), [self.mail(f"d{number}.test") for number in range(5)]
        caller = self.start("--source-addresses", ONE, "--routes", f"pinned.test={THREE} *={TWO}")
        self.assertVerdict(caller.verify("known@pinned.test"), "deliverable", "mailbox_accepted", [THREE])
        for number in range(5):
            caller.verify(f"known@d{number}.test")
        self.assertEqual(set(pinned.visits), {THREE})
        self.assertEqual({visit for host in others for visit in host.visits}, {TWO})

    def test_a_source_that_is_not_ours_is_passed_over(self):
        hosts = [self.mail(f"d{number}.test") for number in range(HOSTS)]
        caller = self.start("--source-addresses", f"192.0.2.77 {TWO}")
        for number in range(HOSTS):
            self.assertVerdict(caller.verify(f"known@d{number}.test"), "deliverable", "mailbox_accepted", [TWO])
        self.assertEqual({visit for host in hosts for visit in host.visits}, {TWO})
        self.assertIn("route_fails", self.service.log_text())
