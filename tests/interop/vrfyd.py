"""The program under test: its settings for these servers, one-shot checks, and the service."""

import json
import os
import re
import subprocess
import urllib.request

CACHE = os.environ["INTEROP_CACHE"]
PATIENCE_S = 60
SETTINGS = {
    "hello_name": "probe.lab.test",
    # not an address of the servers: Dovecot takes a client with its own address for a trusted one
    "source_addresses": "127.10.9.9",
    "resolver": "127.10.0.54:5353",
    "ports": "smtp=2525 imap=1143 imaps=1993",
    "allow_networks": "127.10.0.0/16",
    "allow_special_names": "test",
    "ca_file": CACHE + "/certificates/ca.pem",
    "data_dir": CACHE + "/run/vrfyd",
    "lane_transaction_gap_ms": 0,
    "lane_unknown_per_hour": 1000,
    "log_addresses": "plain",
    "auth": "off",
    "listen": "127.0.0.1:0",
}


class Vrfyd:
    def __init__(self, program):
        self.program = program

    def settings_file(self, changes):
        path = CACHE + "/run/vrfyd.conf"
        os.makedirs(SETTINGS["data_dir"], exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{name} = {value}\n" for name, value in {**SETTINGS, **changes}.items())
        return path

    def check(self, addresses, *options, **changes):
        """Verdicts by address, from a process that knows nothing yet."""
        run = subprocess.run(
            [self.program, "check", "--json", "--config", self.settings_file(changes), *options, *addresses],
            stdout=subprocess.PIPE, timeout=PATIENCE_S, check=False, encoding="utf-8")
        if run.returncode not in (0, 1, 4):
            raise RuntimeError(f"vrfyd check ended with {run.returncode}")
        return {verdict["email"]: verdict for verdict in map(json.loads, run.stdout.splitlines())}

    def serve(self, **changes):
        return Service(self.program, self.settings_file(changes))


class Service:
    def __init__(self, program, settings):
        with open(CACHE + "/run/vrfyd.log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([program, "serve", "--config", settings], stdout=subprocess.PIPE,
                                            stderr=log, encoding="utf-8")
        line = self.process.stdout.readline()
        self.url = re.search(r"http://\S+", line).group()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def call(self, path, body=None, accept="application/json"):
        """The response's text."""
        request = urllib.request.Request(self.url + path, headers={"Accept": accept})
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            return response.read().decode()

    def stop(self):
        """The exit status after SIGTERM."""
        self.process.terminate()
        return self.process.wait(timeout=PATIENCE_S)
