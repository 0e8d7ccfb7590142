"""The running server answers as `docs/openapi.json` says, whatever it is asked: schemathesis with all its checks, on the
embedded store and on the engines. `EXAMPLES=100` asks longer; `SCHEMATHESIS='--include-operation-id report'` less."""

import json
import os
import shutil
import subprocess
import sys
import time
import unittest
import urllib.request
import uuid

import server

# How many calls the fuzzing of one operation makes at most.
EXAMPLES = os.environ.get("EXAMPLES", "10")
# In the order in which one names another.
MADE = ["network", "source", "template", "destination", "campaign", "stream", "token"]


class Described(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(server.DOCUMENT, encoding="utf-8") as file:
            paths = json.load(file)["paths"]
        cls.operations = {one["operationId"]: (path, one) for path, methods in paths.items() for one in methods.values()}

    def example(self, operation):
        path, one = self.operations[operation]
        content, = one["requestBody"]["content"].values()
        return path.removeprefix("/api/v1"), content["example"]

    def made(self, one):
        """Everything that the examples name, made by the examples themselves; a click, and a conversion of it."""
        for noun in MADE:
            path, body = self.example(f"create_{noun}")
            status, _, made = one.call("POST", path, body)
            self.assertEqual(status, 201, f"{noun}: {made}")
            if noun == "network":
                secret = made["postback_secret"]
        click = self.soon(one, "/clicks?campaign=summer", one.tracking.replace("SLUG", "summer"))
        reported = one.postbacks.replace("NETWORK", "adnet")
        reported = f"{reported}?secret={secret}&click_id={click}&status=sale&payout=2.50&transaction_id=1"
        return click, self.soon(one, "/conversions", reported)

    def soon(self, one, path, url):
        """Calls a URL until what comes of it is listed; its id."""
        opener = urllib.request.build_opener(NoRedirect)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                opener.open(url, timeout=20).close()
            except urllib.error.HTTPError:
                pass
            for _ in range(20):
                status, _, page = one.call("GET", path)
                self.assertEqual(status, 200, page)
                if page["items"]:
                    return page["items"][0].get("click_id" if "clicks" in path else "id")
                time.sleep(0.1)
        self.fail(f"nothing of {url} is at {path}:\n{one.said()}")

    def against(self, **settings):
        one = server.Server(**settings)
        self.addCleanup(one.stop)
        click, conversion = self.made(one)
        # In a folder that goes away: it keeps what it found beside its settings.
        for name in ("schemathesis.toml", "hooks.py"):
            shutil.copy(os.path.join(server.HERE, name), one.folder)
        told = {"DESCRIPTION": server.DOCUMENT, "TOKEN": one.token, "CLICK": click, "CONVERSION": conversion, "COLUMNS": "120"}
        # One worker: in two, Python 3.11 breaks off at times (SystemError: AST constructor recursion depth mismatch).
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run", server.DOCUMENT,
             "--url", one.url, "--checks", "all", "--max-examples", EXAMPLES, "--workers", "1", "--no-color",
             *os.environ.get("SCHEMATHESIS", "").split()],
            cwd=one.folder, env={**server.environment(), **told}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(done.returncode, 0, "\n" + done.stdout)
        self.assertIsNone(one.process.poll(), "the server is still there")
        if os.environ.get("SAY"):
            print(done.stdout)

    def test_embedded(self):
        self.against()

    def test_engines(self):
        """In a database of its own, and topics of its own."""
        name = f"described_{uuid.uuid4().hex[:12]}"
        settings = server.engines(name)
        self.addCleanup(server.dropped, settings)
        self.against(**settings)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """The offer is nobody's."""

    def redirect_request(self, *_):
        return None


if __name__ == "__main__":
    unittest.main()
