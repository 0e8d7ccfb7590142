"""Editors know files of configuration by `tfx schema`: the YAML language server of VS Code takes what docs/configuration.md shows, and
marks what is wrong at its line."""

import json
import os
import re
import subprocess
import tempfile
import unittest

import tools

PAGE = os.path.join(tools.ROOT, "docs", "configuration.md")
KINDS = ("network", "source", "destination", "campaign", "alert")


def examples():
    """The files that the page shows, by their paths: blocks of YAML that begin with one."""
    with open(PAGE, encoding="utf-8") as file:
        blocks = re.findall(r"^```yaml\n(.*?)^```", file.read(), re.MULTILINE | re.DOTALL)
    files = {}
    for block in blocks:
        path = re.match(r"# ([a-z]+/[a-z0-9-]+\.yaml)\n", block)
        if path:
            files[path[1]] = block
    return files


class Server:
    """The language server, over its standard input and output."""

    def __init__(self, folder):
        program = os.path.join(tools.modules(), "node_modules", "yaml-language-server", "bin", "yaml-language-server")
        self.process = subprocess.Popen(
            [tools.program("node"), program, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, cwd=folder, env={"PATH": os.environ["PATH"], "HOME": folder})
        self.folder = folder
        schemas = {f"file://{folder}/{kind}.json": f"/{kind}s/*.yaml" for kind in KINDS}
        self.settings = {"yaml": {"schemas": schemas, "validate": True, "schemaStore": {"enable": False}}}
        root = f"file://{folder}"
        self.send("initialize", {
            "processId": os.getpid(), "rootUri": root, "workspaceFolders": [{"uri": root, "name": "config"}],
            "capabilities": {"workspace": {"configuration": True, "workspaceFolders": True}}}, 1)
        self.until(lambda message: message.get("id") == 1 and "result" in message)
        self.send("initialized", {})
        self.send("workspace/didChangeConfiguration", {"settings": self.settings})

    def send(self, method, params, number=None):
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        if number is not None:
            message["id"] = number
        self.write(message)

    def write(self, message):
        body = json.dumps(message).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def read(self):
        length = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            raise tools.Trouble("the language server has ended")
        return json.loads(self.process.stdout.read(length))

    def until(self, wanted):
        while True:
            message = self.read()
            # What it asks back.
            if "id" in message and "method" in message:
                of = {"workspace/configuration": lambda: [
                    self.settings.get(item.get("section")) for item in message["params"]["items"]]}
                self.write({"jsonrpc": "2.0", "id": message["id"], "result": of.get(message["method"], lambda: None)()})
            elif wanted(message):
                return message

    def faults(self, path, text):
        """What it marks in a file: lines from 1, with the message."""
        uri = f"file://{self.folder}/{path}"
        self.send("textDocument/didOpen", {
            "textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text}})
        told = self.until(lambda message: message.get("method") == "textDocument/publishDiagnostics"
                          and message["params"]["uri"] == uri)
        self.send("textDocument/didClose", {"textDocument": {"uri": uri}})
        return [(fault["range"]["start"]["line"] + 1, fault["message"]) for fault in told["params"]["diagnostics"]]

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Editors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="tfx-editors-")
        folder = os.path.realpath(cls.temporary.name)
        for kind in KINDS:
            done = tools.tfx("schema", kind, cwd=folder)
            if done.returncode:
                raise tools.Trouble(done.stderr)
            with open(os.path.join(folder, f"{kind}.json"), "w", encoding="utf-8") as file:
                file.write(done.stdout)
        cls.server = Server(folder)

    @classmethod
    def tearDownClass(cls):
        cls.server.end()
        cls.temporary.cleanup()

    def test_the_examples_are_right(self):
        found = examples()
        self.assertGreaterEqual(len(found), 5)
        for path, text in found.items():
            self.assertEqual(self.server.faults(path, text), [], path)

    def test_what_is_wrong_is_marked_at_its_line(self):
        for path, text, line in (
            ("campaigns/a.yaml", "slug: a\nname: A\ncolour: red\n", 3),
            ("campaigns/b.yaml", "slug: b\nstreams:\n  - slug: x\n    weight: heavy\n", 4),
            ("campaigns/c.yaml", "slug: c\nrotation: round\n", 2),
            ("campaigns/d.yaml", "slug: d\nstreams:\n  - slug: x\n    campaign: d\n", 4),
            ("campaigns/e.yaml", "name: no slug\n", 1),
            ("destinations/a.yaml", "slug: a\nurl: ftp://a.example/\n", 2),
            ("networks/a.yaml", "slug: a\npostback_secret_from: vault:x\n", 2),
        ):
            lines = [at for at, _ in self.server.faults(path, text)]
            self.assertIn(line, lines, path)

    def test_variables_and_numbers_are_right(self):
        text = "slug: v\ncost: { per_click: 0.02 }\ntrafficback_url: ${HOST}/x\nunique_window_s: ${WINDOW}\n"
        self.assertEqual(self.server.faults("campaigns/v.yaml", text), [])
