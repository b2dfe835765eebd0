"""The catalogue of servers and zones, tests/scenarios/lab/*.txt, against the lab by the real service.

A file is a scenario. Its lines:

  domain NAME BEHAVIOUR MAILBOX[:CLASS]...         NAME.test behaves so, and has these mailboxes
  ask LOCAL@NAME STATUS[|STATUS] REASON[|REASON]   the first answer; LOCAL{N} = LOCAL1 to LOCALN
  later LOCAL@NAME STATUS REASON                   what it comes to, asked by its id
  connections NAME N                               how many the first MX had of us, in all
"""
import glob
import os
import socket
import unittest

from harness import LabCase, World, settle

SCENARIOS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scenarios")
NUMBERS = range(1, 37)           # the catalogue's numbers; what is after them is not about SMTP or DNS
OF_DNS = range(27, 33)           # no dialog: the lab's resolver plays them
BAD_SERVERS = ("bad-refuses", "bad-drops", "bad-endless", "bad-not-smtp", "bad-certificates")
WAIT_S, WAITS = 5, 4


def read(path):
    with open(path, encoding="utf-8") as file:
        return [line.split() for line in file if line.strip() and not line.startswith("#")]


def load():
    paths = sorted(glob.glob(os.path.join(SCENARIOS, "lab", "*.txt")))
    return {os.path.basename(path)[:-len(".txt")]: read(path) for path in paths}


def have_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def addresses(word):
    """jane@plain is one; nobody{3}@plain is three."""
    local, _, name = word.rpartition("@")
    if not local.endswith("}"):
        return [f"{local}@{name}.test"]
    local, _, count = local[:-1].partition("{")
    return [f"{local}{number}@{name}.test" for number in range(1, int(count) + 1)]


class Catalogue(LabCase):
    FLAGS = ("--lane-unknown-per-hour", "10", "--retry-greylist-s", "3 6 12", "--retry-temporary-s", "3 6 12",
             "--check-budget-ms", "60000")
    SCENARIOS = load()

    @classmethod
    def lines(cls, scenario, verb):
        return [words[1:] for words in cls.SCENARIOS[scenario] if words[0] == verb]

    @classmethod
    def world(cls):
        world = World(greylist_s=2)
        for scenario in cls.SCENARIOS:
            for name, behaviour, *mailboxes in cls.lines(scenario, "domain"):
                world.domain(f"{name}.test", behaviour,
                             *(tuple(mailbox.split(":")) if ":" in mailbox else mailbox for mailbox in mailboxes))
        return world

    @classmethod
    def setUpClass(cls):
        """All are asked at once: the hosts are strangers to each other, and most of the time is theirs."""
        super().setUpClass()
        emails = [email for scenario in cls.SCENARIOS for word, *_ in cls.lines(scenario, "ask")
                  for email in addresses(word)]
        try:
            cls.verdicts = dict(zip(emails, cls.client.batch(emails, deadline_ms=20000)))
            settle(lambda: cls.lab.counters()["open_now"] == 0)
            cls.hosts = cls.lab.command("details")["hosts"]
        except BaseException:
            cls.clean_up()
            raise

    def check(self, scenario):
        for word, statuses, reasons in self.lines(scenario, "ask"):
            for email in addresses(word):
                self.expect(self.verdicts[email], statuses, reasons)
        for name, count in self.lines(scenario, "connections"):
            had = self.hosts.get(f"mx1.{name}.test", {}).get("connections", 0)
            self.assertEqual(had, int(count), f"connections to the host of {name}")
        for word, status, reason in self.lines(scenario, "later"):
            self.expect(self.follow(self.verdicts[addresses(word)[0]]["id"]), status, reason)

    def follow(self, identity):
        for _ in range(WAITS):
            verdict = self.client.later(identity, WAIT_S)
            if verdict["complete"]:
                break
        return verdict

    def expect(self, verdict, statuses, reasons):
        self.assertIn(verdict["status"], statuses.split("|"), verdict)
        self.assertIn(verdict["reason"], reasons.split("|"), verdict)

    # --- nothing is forgotten -------------------------------------------------------------------

    def test_each_number_is_played(self):
        played = {scenario[:2] for scenario in self.SCENARIOS if self.lines(scenario, "ask")}
        self.assertEqual([number for number in NUMBERS if f"{number:02}" not in played], [])
        self.assertEqual([scenario for scenario in BAD_SERVERS if scenario not in self.SCENARIOS], [])

    def test_each_number_has_its_dialog(self):
        dialogs = {os.path.basename(path)[:2] for path in glob.glob(os.path.join(SCENARIOS, "smtp", "*.txt"))}
        self.assertEqual([number for number in NUMBERS if number not in OF_DNS and f"{number:02}" not in dialogs], [])


def add_tests():
    for scenario in Catalogue.SCENARIOS:
        def test(self, scenario=scenario):
            self.check(scenario)
        needs_ipv6 = any(behaviour.endswith("-aaaa") for _, behaviour, *_ in Catalogue.lines(scenario, "domain"))
        if needs_ipv6 and not have_ipv6():
            test = unittest.skip("no ::1 here")(test)
        setattr(Catalogue, "test_" + scenario, test)


add_tests()

if __name__ == "__main__":
    unittest.main()
