"""The command line from outside: `check` and `domain` with the fake engine, the rest as it is."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import tempfile
import time
import unittest

from harness import FAKE_SERVER, PATIENCE, VRFYD, Service

COMMANDS = ("serve", "check", "domain", "classify", "syntax", "health")


def run(program, *words, stdin="", env=None):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("VRFYD")}
    environment.update(env or {})
    if isinstance(stdin, str):
        stdin = stdin.encode()
    result = subprocess.run([program, *words], input=stdin, capture_output=True, timeout=PATIENCE, env=environment)
    return result.returncode, result.stdout.decode("utf-8", "replace"), result.stderr.decode("utf-8", "replace")


def on_terminal(program, *words, env=None):
    """What a terminal would show."""
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
    environment.update({"TERM": "xterm"}, **(env or {}))
    ours, theirs = pty.openpty()
    with subprocess.Popen([program, *words], stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL,
                          env=environment) as process:
        os.close(theirs)
        shown = b""
        while select.select([ours], [], [], PATIENCE)[0]:
            try:
                octets = os.read(ours, 65536)
            except OSError:
                break
            if not octets:
                break
            shown += octets
        process.wait(PATIENCE)
    os.close(ours)
    return shown.decode("utf-8", "replace")


def catches(pid, number):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"SigCgt:\s*(\w+)", status.read()).group(1), 16) >> (number - 1) & 1


def wait_until(what):
    for _ in range(PATIENCE * 50):
        if what():
            return
        time.sleep(0.02)


class Check(unittest.TestCase):
    def test_exit_status(self):
        for words, status in (
                (("a@x.org", "b@x.org"), 0), (("a@x.org", "bad@x.org"), 1),
                (("a@x.org", "hang@x.org", "--deadline-ms", "100"), 4),
                (("hang@x.org", "--deadline-ms=100", "bad@x.org"), 1), (("--policy", "lax", "a@x.org"), 2),
                (("--deadline-ms", "99", "a@x.org"), 2), (("--deadline-ms",), 2), (("--explain=all", "a@x.org"), 2),
                (("--json=yes", "a@x.org"), 2), (("--speed", "9", "a@x.org"), 2), (("a" * 1025,), 2),
                (("--loops", "many", "a@x.org"), 2), (("--policies-file=/nowhere", "a@x.org"), 3)):
            with self.subTest(words[:2]):
                code, out, err = run(FAKE_SERVER, "check", *words)
                self.assertEqual(code, status, out + err)
                if status in (2, 3):
                    self.assertTrue(err.startswith("vrfyd: "), err)
                    self.assertEqual(out, "")

    def test_json_in_input_order(self):
        emails = [f"wait-{n % 5 * 15}@x{n}.org" for n in range(40)]
        for words, stdin in ((emails, ""), (["-"], "\n".join(emails)), ([], "\r\n".join(emails) + "\r\n\r\n")):
            code, out, err = run(FAKE_SERVER, "check", "--json", *words, stdin=stdin)
            self.assertEqual((code, err), (0, ""))
            self.assertEqual([json.loads(line)["email"] for line in out.splitlines()], emails)

    def test_options_arrive(self):
        _, out, _ = run(FAKE_SERVER, "check", "--json", "a@x.org", "--no-smtp", "--policy=strict", "--no-imap",
                        "--explain", "none", "--max-age-s", "5", "--deadline-ms", "700")
        asked = json.loads(out)
        self.assertEqual([asked[k] for k in ("asked_smtp", "asked_imap", "policy", "asked_explain",
                                             "asked_max_age_s", "asked_deadline_ms")],
                         [False, False, "strict", 0, 5, 700])

    def test_words_behind_two_dashes(self):
        _, out, _ = run(FAKE_SERVER, "check", "--json", "--", "--json", "-x@y.org")
        self.assertEqual([json.loads(line)["email"] for line in out.splitlines()], ["--json", "-x@y.org"])

    def test_many_lines(self):
        emails = "".join(f"u{n}@x{n % 97}.org\n" for n in range(20000))
        code, out, _ = run(FAKE_SERVER, "check", "--json", stdin=emails)
        self.assertEqual((code, out.count("\n")), (0, 20000))

    def test_odd_lines(self):
        long = "x" * 5000
        code, out, err = run(FAKE_SERVER, "check", "--json",
                             stdin=f"a@x.org\n{long}\n\n{'y' * 200000}\n" + "z" * 1024 + "\nlast@x.org")
        self.assertEqual([json.loads(line)["email"][:5] for line in out.splitlines()], ["a@x.o", "zzzzz", "last@"])
        self.assertEqual(code, 2)
        self.assertIn("line 2", err)
        self.assertIn("line 4", err)

    def test_bytes(self):
        code, out, _ = run(FAKE_SERVER, "check", "--json", stdin=b"\xff\xfe@x.org\na\0b@x.org\n")
        self.assertEqual([json.loads(line)["email"] for line in out.splitlines()], ["\ufffd\ufffd@x.org", "a\0b@x.org"])
        self.assertEqual(code, 0)

    def test_empty(self):
        self.assertEqual(run(FAKE_SERVER, "check", "--json"), (0, "", ""))

    def test_block(self):
        _, out, _ = run(FAKE_SERVER, "check", "jane@x.org", "bad@x.org")
        self.assertRegex(out, r"^\+ deliverable  jane@x\.org\n  because     mailbox_accepted\n  action      accept")
        self.assertIn("\n\nx undeliverable  bad@x.org\n", out)
        self.assertNotIn("\033", out)

    def test_terminal(self):
        self.assertIn("\033[32m+ deliverable\033[0m", on_terminal(FAKE_SERVER, "check", "jane@x.org"))
        self.assertNotIn("\033", on_terminal(FAKE_SERVER, "check", "jane@x.org", env={"NO_COLOR": "1"}))
        self.assertNotIn("\033", on_terminal(FAKE_SERVER, "check", "jane@x.org", env={"TERM": "dumb"}))

    def test_foreign_text_is_harmless(self):
        for hostile in ("\033]0;owned\007@x.org", "a\r\nb@x.org", "\u202egro.x@enaj", "\u009b31m@x.org"):
            shown = on_terminal(FAKE_SERVER, "check", "--", hostile, env={"NO_COLOR": "1"})
            self.assertNotRegex(shown, "[\033\007\u202e\u009b]")
            self.assertEqual(len([line for line in shown.splitlines() if line.startswith("+ ")]), 1)

    def test_closed_output(self):
        """A reader that had enough (`| head -1`) ends the asking at once, and hears no complaint."""
        for words in (["--json"], []):
            with subprocess.Popen([FAKE_SERVER, "check", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE) as process:
                process.stdout.close()
                process.stdin.write(b"a@x.org\n")
                process.stdin.flush()  # and never an end of the list
                self.assertNotEqual(process.wait(PATIENCE), 0)
                self.assertEqual(process.stderr.read(), b"")
                try:
                    process.stdin.close()
                except BrokenPipeError:
                    pass

    def test_interrupted(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            for stdin, printed in ((b"a@x.org\nhang@x.org\n", 1), (b"a@x.org\n", 1), (b"", 0)):
                with self.subTest(f"{number} {stdin}"), subprocess.Popen(
                        [FAKE_SERVER, "check", "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler)
                ) as process:
                    process.stdin.write(stdin)
                    process.stdin.flush()
                    for _ in range(printed):
                        self.assertIn(b"a@x.org", process.stdout.readline())
                    wait_until(lambda p=process, n=number: catches(p.pid, n))
                    process.send_signal(number)
                    self.assertEqual(process.wait(PATIENCE), -number)
                    self.assertEqual((process.stdout.read(), process.stderr.read()), (b"", b""))

    def test_unreadable_input(self):
        directory = os.open("/", os.O_RDONLY)
        try:
            result = subprocess.run([FAKE_SERVER, "check"], stdin=directory, capture_output=True, timeout=PATIENCE)
        finally:
            os.close(directory)
        self.assertEqual((result.returncode, result.stdout), (3, b""))
        self.assertIn(b"cannot read stdin", result.stderr)


class Domain(unittest.TestCase):
    def test_domain(self):
        code, out, _ = run(FAKE_SERVER, "domain", "--json", "x.org", "y.org")
        self.assertEqual((code, [json.loads(line)["asked_domain"] for line in out.splitlines()]),
                         (0, ["x.org", "y.org"]))
        code, out, err = run(FAKE_SERVER, "domain", "x.org", "nothing")
        self.assertEqual((code, out), (2, "x.org\n"))
        self.assertIn("nothing", err)
        for words in ((), ("jane@x.org",), ("",), ("x" * 600,)):
            self.assertEqual(run(FAKE_SERVER, "domain", *words)[0], 2)


@unittest.skipUnless(os.path.exists(VRFYD), "the program is not built")
class Program(unittest.TestCase):
    def test_help(self):
        code, out, _ = run(VRFYD, "help")
        self.assertEqual(code, 0)
        self.assertEqual(run(VRFYD)[:2], (2, out))
        for words in (("--help",), ("help", "help"), ("help", "--help")):
            self.assertEqual(run(VRFYD, *words)[:2], (0, out))
        self.assertEqual(run(VRFYD, "help", "frobnicate")[0], 2)
        for name in COMMANDS:
            self.assertIn(f"  {name}", out)
            for words in ((name, "--help"), (name, "-h"), (name, "x", "--help"), ("help", name), ("--help", name)):
                code, text, err = run(VRFYD, *words)
                self.assertEqual((code, err), (0, ""))
                self.assertIn(f"Usage: vrfyd {name}", text)
                self.assertIn("VRFYD_LISTEN", text)

    def test_typing_errors(self):
        for typed, meant in (("chek", "check"), ("serv", "serve"), ("sever", "serve"), ("domian", "domain"),
                             ("helth", "health"), ("sintax", "syntax"), ("clasify", "classify"), ("versoin", "version")):
            code, _, err = run(VRFYD, typed)
            self.assertEqual(code, 2)
            self.assertIn(f'did you mean "{meant}"', err)
        for typed in ("", "x", "frobnicate", "x" * 5000, "\033[2J"):
            code, _, err = run(VRFYD, typed)
            self.assertEqual(code, 2)
            self.assertNotIn("did you mean", err)
            self.assertNotIn("\033", err)

    def test_version(self):
        self.assertRegex(run(VRFYD, "version")[1], r"^vrfyd \d+\.\d+\.\d+ \(ruleset \S+, lists \S+\)\n$")

    def test_settings_table(self):
        code, out, _ = run(VRFYD, "settings")
        rows = out.splitlines()
        self.assertEqual((code, rows[0]), (0, "| setting | default | meaning |"))
        for row in rows[2:]:
            self.assertEqual(len(re.findall(r"(?<!\\)\|", row)), 4, row)

    def test_syntax_only_verdicts(self):
        code, out, err = run(VRFYD, "check", "--json", "--no-smtp", "jane@@x.org", "jane@localhost", "nobody")
        self.assertEqual((code, err), (1, ""))
        self.assertEqual([json.loads(line)["reason"] for line in out.splitlines()],
                         ["invalid_syntax", "reserved_domain", "invalid_syntax"])

    def test_streams(self):
        code, out, _ = run(VRFYD, "classify", stdin='{"code":550,"enhanced":"5.1.1","text":"User unknown"}\n')
        self.assertEqual((code, json.loads(out)["class"]), (0, "mailbox_not_found"))
        code, out, _ = run(VRFYD, "syntax", stdin='{"email":"jane@gmail.com"}\n{"email":"jane"}\n')
        self.assertEqual((code, [json.loads(line)["valid"] for line in out.splitlines()]), (0, [True, False]))
        self.assertEqual(run(VRFYD, "syntax", "jane@x.org")[0], 2)

    def test_streams_use_your_own_rules_and_lists(self):
        """Where else would one try them before the service reads them?"""
        with tempfile.TemporaryDirectory() as directory:
            rules, lists = os.path.join(directory, "rules"), os.path.join(directory, "lists")
            os.mkdir(lists)
            for path, text in ((rules, "U1 rcpt - 450 - mailbox_full : mailbox busy & filter.example\n"),
                               (os.path.join(lists, "disposable.txt"), "throwaway-of-mine.com\n")):
                with open(path, "w", encoding="ascii") as file:
                    file.write(text)
            reply = '{"code":450,"text":"4.2.1 Mailbox busy, says filter.example"}\n'
            _, out, _ = run(VRFYD, "classify", "--reply-rules", rules, stdin=reply)
            self.assertEqual(json.loads(out), {"class": "mailbox_full", "rule": "U1"})
            _, out, _ = run(VRFYD, "syntax", "--lists-dir", lists, stdin='{"email":"jane@throwaway-of-mine.com"}\n')
            self.assertTrue(json.loads(out)["flags"]["disposable"])
        for words in (("classify", "--reply-rules=/nowhere"), ("syntax", "--lists-dir=/nowhere")):
            self.assertEqual(run(VRFYD, *words)[0], 3, words)

    def test_cannot_run(self):
        """The message names the setting and what stands in it."""
        for name in ("resolver", "ca_file", "lists_dir", "reply_rules", "allow_list", "suppress_list", "policies_file"):
            with self.subTest(name):
                code, _, err = run(VRFYD, "check", f"--{name.replace('_', '-')}=/nowhere", "a@x.org")
                self.assertEqual(code, 3)
                self.assertRegex(err, f"^vrfyd: {name}: .*/nowhere")
                self.assertNotIn("line -1", err)

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full here")
    def test_full_disk(self):
        for words in (["help"], ["version"], ["settings"], ["check", "--help"], ["syntax"], ["classify"], ["replay"],
                      ["check", "--no-smtp", "nobody"], ["check", "--json", "nobody"]):
            with self.subTest(words), open("/dev/full", "wb") as full:
                result = subprocess.run([VRFYD, *words], input=b"x\n", stdout=full, stderr=subprocess.PIPE,
                                        timeout=PATIENCE)
                self.assertEqual(result.returncode, 3)
                self.assertEqual(result.stderr, b"vrfyd: cannot write: No space left on device\n")

    def test_health(self):
        service = Service()
        try:
            here = f"127.0.0.1:{service.port}"
            for words in ((f"http://{here}",), (f"http://{here}/",), (f"http://{here}/readyz",),
                          (f"http://localhost:{service.port}/healthz",), ("--listen", here),
                          ("--listen", f":{service.port}")):
                self.assertEqual(run(VRFYD, "health", *words), (0, "", ""), words)
            self.assertEqual(run(VRFYD, "health", env={"VRFYD_LISTEN": here})[0], 0)
            code, _, err = run(VRFYD, "health", f"http://{here}/nothing")
            self.assertEqual((code, "404" in err), (1, True))
        finally:
            service.stop()
            service.clean()
        self.assertEqual(run(VRFYD, "health", f"http://{here}")[0], 1, "it is gone")
        for words in (("https://localhost",), ("http://www.example.org/",), ("http://",), ("x", "y"),
                      ("http://127.0.0.1:0x/",), ("http://localhost/\r\nX: y",)):
            self.assertEqual(run(VRFYD, "health", *words)[0], 2, words)
