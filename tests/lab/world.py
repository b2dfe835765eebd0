"""Worlds written by hand: for tests that need this domain and that mailbox."""
import os
import subprocess


class World:
    """Collects domains, then write() makes a directory that `maillab serve` plays."""

    def __init__(self, delay_ms=0, connections=1, recipients=20, rejects=4, greylist_s=600, null_sender=False):
        self.settings = {"seed": 1, "delay_ms": delay_ms, "greylist_s": greylist_s,
                         "null_sender": int(null_sender), "lane_connections": connections,
                         "lane_recipients": recipients, "lane_rejects": rejects}
        self.lines = []

    def domain(self, name, behaviour, *mailboxes, imap="none", style="postfix"):
        """A mailbox is "local" (known), ("local", class) or ("local", class, fault); unknown ones need not be listed."""
        self.lines.append(["domain", name, "-", behaviour, style, imap])
        for mailbox in mailboxes:
            row = mailbox if isinstance(mailbox, tuple) else (mailbox,)
            self.lines.append(["mailbox", *row, *("known", "-")[len(row) - 1:]])
        return self

    def write(self, maillab, directory):
        # The certificate authority comes with any generated world.
        subprocess.run([maillab, "generate", "--seed", "1", "--domains", "1", "--addresses", "1", "--out", directory],
                       check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(directory, "world.tsv"), "w", encoding="utf-8") as file:
            for line in [["set", name, str(value)] for name, value in self.settings.items()] + self.lines:
                file.write("\t".join(line) + "\n")
        return directory
