"""Keys, and what auth=off lets in."""

import os
import stat
import subprocess
import tempfile
import unittest

from harness import FAKE_SERVER, PATIENCE, Service, ServiceCase, request

KEY_A, KEY_B = "key-a-0123456789abcdef", "key-b-0123456789abcdef"


class Keys(ServiceCase):
    AUTH, ENV = "required", {"VRFYD_API_KEYS": f"{KEY_A}, {KEY_B}"}

    def test_good_keys(self):
        for label, header in (("bearer", ("Authorization", f"Bearer {KEY_A}")), ("second", ("X-API-Key", KEY_B)),
                              ("scheme in small letters", ("authorization", f"bearer {KEY_B}")),
                              ("two blanks", ("Authorization", f"Bearer  {KEY_B}")),
                              ("blanks behind", ("X-API-Key", f"{KEY_A} \t")),
                              ("blank behind", ("Authorization", f"Bearer {KEY_B} "))):
            with self.subTest(label):
                self.assertEqual(self.service.get("/v1/policies", header).status, 200)
                self.assertEqual(self.service.post("/v1/verify", {"email": "a@b.c"}, header).status, 200)

    def test_bad_keys(self):
        for label, headers, code in (
                ("none", (), "key_required"), ("wrong", [("X-API-Key", "x" * 22)], "key_invalid"),
                ("empty", [("X-API-Key", "")], "key_invalid"), ("prefix", [("X-API-Key", KEY_A[:-1])], "key_invalid"),
                ("longer", [("X-API-Key", KEY_A + "x")], "key_invalid"),
                ("both in one", [("X-API-Key", f"{KEY_A}, {KEY_B}")], "key_invalid"),
                ("basic", [("Authorization", "Basic " + KEY_A)], "key_invalid"),
                ("bare", [("Authorization", KEY_A)], "key_invalid")):
            for target in ("/v1/policies", "/v1/verify/v_known", "/v1/domains/x.org"):
                with self.subTest(f"{label} {target}"):
                    response = self.service.get(target, *headers)
                    self.assertProblem(response, 401, code)
                    self.assertEqual(response.header("WWW-Authenticate"), "Bearer")
        self.assertProblem(self.service.post("/v1/verify", {"email": "a@b.c"}), 401, "key_required")
        self.assertProblem(self.service.post("/v1/verify/batch", {"emails": []}), 401, "key_required")

    def test_keys_never_in_urls(self):
        self.assertProblem(self.service.get("/v1/policies?api_key=" + KEY_A), 401, "key_required")

    def test_health_needs_none(self):
        for target in ("/healthz", "/readyz"):
            self.assertEqual(self.service.get(target, host="vrfyd.example").status, 200)

    def test_get_verify_is_off(self):
        response = self.service.get("/v1/verify?email=a@b.c", ("X-API-Key", KEY_A))
        self.assertProblem(response, 405, "method_not_allowed")
        self.assertEqual(response.header("Allow"), "POST, OPTIONS")

    def test_any_host_and_origin(self):
        self.assertEqual(self.service.get("/v1/policies", ("X-API-Key", KEY_A), ("Origin", "https://other.example"),
                                          host="vrfyd.example").status, 200)

    def test_nothing_of_it_is_logged(self):
        self.service.get("/v1/verify?email=secret.person@b.c", ("X-API-Key", KEY_A))
        self.service.get("/secret.person@b.c")
        log = self.service.log()
        self.assertIn("request", log)
        for word in (KEY_A, KEY_B, "secret.person"):
            self.assertNotIn(word, log)


class AllowGet(ServiceCase):
    AUTH, ENV, FLAGS = "required", {"VRFYD_API_KEYS": KEY_A}, ("--allow-get",)

    def test_get(self):
        self.assertProblem(self.service.get("/v1/verify?email=a@b.c"), 401, "key_required")
        self.assertEqual(self.service.get("/v1/verify?email=a@b.c", ("X-API-Key", KEY_A)).json["email"], "a@b.c")


class FirstKey(ServiceCase):
    AUTH = "required"

    def test_first_key(self):
        path = os.path.join(self.service.data, "state", "first.key")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        with open(path, encoding="ascii") as file:
            key = file.read().strip()
        self.assertRegex(key, r"^vk_[a-z2-7]{40}$")
        self.assertEqual(self.service.get("/v1/policies", ("X-API-Key", key)).status, 200)
        self.assertProblem(self.service.get("/v1/policies", ("X-API-Key", key[:-1] + "!")), 401, "key_invalid")
        self.assertNotIn(key, self.service.log())
        self.assertIn(path, self.service.log())


class Local(ServiceCase):
    """auth=off: callers on this machine, and no page of another site."""

    def test_hosts(self):
        for host, fine in (("localhost", True), ("localhost:8080", True), ("LOCALHOST:1", True), ("127.0.0.1", True),
                           ("127.0.0.1:8080", True), ("[::1]", True), ("[::1]:8080", True), ("", False),
                           ("evil.example", False), ("localhost.evil.example", False), ("127.0.0.1.evil.example", False),
                           ("localhost:", False), ("localhost:80a", False), ("localhost@evil.example", False),
                           ("::1", False), ("127.0.0.2", False), ("0.0.0.0", False)):
            for target in ("/v1/policies", "/healthz"):
                with self.subTest(f"{host} {target}"):
                    response = self.service.get(target, host=host)
                    if fine:
                        self.assertEqual(response.status, 200)
                    else:
                        self.assertProblem(response, 403, "origin_refused")

    def test_absolute_target_of_another_host(self):
        for target in ("http://evil.example/v1/policies", "http://localhost.evil.example/v1/policies",
                       "http://localhos/v1/policies", "http:///v1/policies"):
            self.assertProblem(self.service.ask(request("GET", target)), 403, "origin_refused")
        self.assertEqual(self.service.ask(request("GET", "http://localhost/v1/policies")).status, 200)

    def test_origins(self):
        for name, value, fine in (
                ("Origin", "http://localhost:8080", True), ("Origin", "http://127.0.0.1:3000", True),
                ("Origin", "https://localhost", True), ("Origin", "http://[::1]:8080", True),
                ("Origin", "https://evil.example", False), ("Origin", "null", False), ("Origin", "", False),
                ("Origin", "http://localhost.evil.example", False), ("Origin", "file://", False),
                ("Sec-Fetch-Site", "same-origin", True), ("Sec-Fetch-Site", "none", True),
                ("Sec-Fetch-Site", "same-site", True), ("Sec-Fetch-Site", "cross-site", False),
                ("Sec-Fetch-Site", "", False), ("Sec-Fetch-Site", "new-word", False)):
            with self.subTest(f"{name}: {value}"):
                response = self.service.post("/v1/verify", {"email": "a@b.c"}, (name, value))
                if fine:
                    self.assertEqual(response.status, 200)
                else:
                    self.assertProblem(response, 403, "origin_refused")


class Starts(unittest.TestCase):
    def refuse(self, words, *flags, env=None):
        with tempfile.TemporaryDirectory() as data:
            environment = {k: v for k, v in os.environ.items() if not k.startswith("VRFYD")}
            environment.update(env or {})
            result = subprocess.run([FAKE_SERVER, "--data-dir", data, *flags], capture_output=True,
                                    timeout=PATIENCE, env=environment, text=True)
            self.assertIn(result.returncode, (2, 3), result.stderr)
            self.assertIn(words, result.stderr)

    def test_refused(self):
        self.refuse("loopback", "--auth", "off", "--listen", "0.0.0.0:0")
        self.refuse("loopback", "--auth=off", "--listen=[::]:0")
        self.refuse("loopback", "--auth=off", "--listen=:0")
        self.refuse("api_keys", "--listen=127.0.0.1:0", "--api-keys=short")
        self.refuse("listen", "--listen", "nowhere")
        self.refuse("cannot listen", "--auth=off", "--listen=127.0.0.1:1", "--data-dir=/proc/none") \
            if os.geteuid() != 0 else None
        self.refuse("cannot", "--listen=127.0.0.1:0", "--data-dir=/proc/none")
        self.refuse("policies_file", "--auth=off", "--listen=127.0.0.1:0", "--policies-file=/nowhere")
        self.refuse("no arguments", "--auth=off", "jane@x.org")
        self.refuse("grace_ms", env={"VRFYD_GRACE_MS": "soon"})

    def test_port_taken(self):
        service = Service()
        try:
            self.refuse("cannot listen", "--auth=off", f"--listen=127.0.0.1:{service.port}")
        finally:
            service.stop()
            service.clean()

    def test_secret_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".key") as file:
            file.write(KEY_A + "\n")
            file.flush()
            service = Service(auth="required", env={"VRFYD_API_KEYS_FILE": file.name})
            try:
                self.assertEqual(service.get("/v1/policies", ("X-API-Key", KEY_A)).status, 200)
            finally:
                service.stop()
                service.clean()
