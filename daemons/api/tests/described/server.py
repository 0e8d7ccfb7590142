"""What the checks of the API's description stand on: a running tfx with all services, and Python packages from PyPI."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", "..", "..", ".."))
DOCUMENT = os.path.join(ROOT, "docs", "openapi.json")
REQUIREMENTS = os.path.join(HERE, "requirements.txt")
sys.path.insert(0, os.path.join(ROOT, "deploy", "local"))

import mongo_wire  # noqa: E402
from packages import Trouble, cached, say  # noqa: E402  the cache of downloads is that of the engines

SPACE = 400 << 20  # 140 MB, and what is on the way
READY_S = 60


def packages():
    """The folder of the Python packages; downloads them when it is not there yet."""
    if sys.version_info < (3, 11):
        raise Trouble("schemathesis needs Python 3.11 or later, and this is " + sys.version.split()[0])
    with open(REQUIREMENTS, "rb") as file:
        pinned = hashlib.sha256(file.read()).hexdigest()[:12]
    return cached(f"described-{sys.version_info.major}{sys.version_info.minor}-{pinned}", SPACE, download)


def download(part):
    unpacked = os.path.join(part, "site")
    say(f"downloading schemathesis and a generator of clients (50 MB, once) to {os.path.dirname(part)}")
    code = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--require-hashes", "--only-binary", ":all:", "--no-deps", "--no-compile",
         "--no-cache-dir", "--disable-pip-version-check", "--no-warn-conflicts", "--root-user-action", "ignore",
         "--target", unpacked, "-r", REQUIREMENTS],
        stdout=sys.stderr, env={**os.environ, "TMPDIR": part}, check=False).returncode
    if code:
        raise Trouble("pip could not install schemathesis (its message is above). It comes from PyPI: check the network, "
                      "or point pip at a mirror with PIP_INDEX_URL, then run this again")
    return unpacked


def environment():
    """For Python programs: our packages, and nothing of the user's."""
    site = packages()
    path = os.path.join(site, "bin") + os.pathsep + os.environ["PATH"]
    return {**os.environ, "PYTHONPATH": site, "PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1", "PATH": path}


class Server:
    """`tfx up` on free ports, in a folder of its own; on the engines where their settings are given."""

    def __init__(self, **settings):
        self.folder = tempfile.mkdtemp(prefix="tfx-described-")
        program = os.path.join(ROOT, "target", "debug", "tfx")
        if not os.path.exists(program):
            raise Trouble("target/debug/tfx is missing: cargo build --workspace --bins")
        env = {
            "PATH": os.environ["PATH"], "HOME": self.folder, "TFX_DATA_DIR": os.path.join(self.folder, "data"),
            "API_SERVICE_ADDR": "127.0.0.1:0", "TRAFFIC_SERVICE_ADDR": "127.0.0.1:0", "POSTBACK_SERVICE_ADDR": "127.0.0.1:0",
            # A token may ask as often as it likes: what is asked here is much.
            "API_RATE_LIMIT_PER_MINUTE": "0", "API_WRITE_RATE_LIMIT_PER_MINUTE": "0",
            # Each request is from another address, so that none is locked out for its failures.
            "TRUSTED_PROXY_CIDRS": "127.0.0.0/8",
            "AUTH_ADMIN_EMAIL": "admin@example.com", "AUTH_ENV": "test", "AUTH_DEV_RETURN_OTP": "true",
            "AUTH_JWT_SECRET": "0123456789abcdef0123456789abcdef0123456789abcdef", **settings,
        }
        self.log = os.path.join(self.folder, "log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([program, "up", "--output", "json"], cwd=self.folder, env=env, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=subprocess.STDOUT)
        found = self.found()
        self.url = found["api"].removesuffix("/api/v1")
        self.tracking, self.postbacks = found["tracking_links"], found["postbacks"]
        with open(os.path.join(self.folder, "data", "admin.token"), encoding="ascii") as file:
            self.token = file.read().strip()

    def found(self):
        """What it says when it is ready: where everything is."""
        until = time.monotonic() + READY_S
        while time.monotonic() < until and self.process.poll() is None:
            said = re.search(r"^\{$.*?^\}$", self.said(), re.MULTILINE | re.DOTALL)
            if said:
                return json.loads(said[0])
            time.sleep(0.05)
        said = self.said()
        self.stop()
        raise Trouble(f"tfx up did not come up within {READY_S} s; it said:\n{said}")

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def call(self, method, path, body=None, headers=None):
        """Status, headers and body of an answer; the body as JSON where it is some."""
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        usual = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        usual.update(headers or {})
        request = urllib.request.Request(f"{self.url}/api/v1{path}", body, {k: v for k, v in usual.items() if v}, method=method)
        try:
            answer = urllib.request.urlopen(request, timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read()
            is_json = "json" in answer.headers.get("Content-Type", "")
            return answer.status, answer.headers, json.loads(text) if is_json and text else text

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def engines(name):
    """Settings of the engines that `deploy/local/stack` keeps, for a database and topics of this name, made here."""
    path = os.environ.get("TFX_ENGINES", os.path.join(ROOT, "target", "engines", "env"))
    try:
        with open(path, encoding="utf-8") as file:
            settings = dict(line.strip().split("=", 1) for line in file if "=" in line)
    except FileNotFoundError:
        raise Trouble("the engines do not run: make engines") from None
    settings = {key: value.strip("'\"") for key, value in settings.items()}
    settings["CLICKHOUSE_HTTP_URL"] = settings["CLICKHOUSE_HTTP_URL"].split("/?")[0]
    settings |= {"MONGO_DATABASE": name, "CLICKHOUSE_DATABASE": name, "CLICKHOUSE_CONSUMER_GROUP": name,
                 "EVENT_TOPIC_REPLICATION": "1"}
    topics = ("CLICK_EVENTS", "CONVERSION_EVENTS", "POSTBACK_LOG_EVENTS", "TRAFFICBACK_EVENTS", "DESTINATION_HEALTH_EVENTS")
    settings |= {f"{topic}_TOPIC": f"{name}.{topic.lower()}" for topic in topics}
    with tempfile.TemporaryDirectory(prefix="tfx-described-") as folder:
        done = subprocess.run(
            [os.path.join(ROOT, "target", "debug", "tfx"), "migrate", "up"], cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": folder, "TFX_DATA_DIR": folder, **settings},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise Trouble(f"tfx migrate up failed:\n{done.stdout}")
    return settings


def dropped(settings):
    """Takes the databases of a run away again; topics are kept in memory, and end with the broker."""
    name = settings["MONGO_DATABASE"]
    mongo = urllib.parse.urlsplit(settings["MONGO_URI"])
    mongo_wire.command(mongo.port, 30, database=name, dropDatabase=1)
    clickhouse = urllib.parse.urlsplit(settings["CLICKHOUSE_HTTP_URL"])
    request = urllib.request.Request(f"http://{clickhouse.hostname}:{clickhouse.port}/", f"DROP DATABASE IF EXISTS {name}".encode(), {
        "X-ClickHouse-User": settings["CLICKHOUSE_USER"], "X-ClickHouse-Key": settings["CLICKHOUSE_PASSWORD"]})
    urllib.request.urlopen(request, timeout=60).close()


if __name__ == "__main__":
    packages()
