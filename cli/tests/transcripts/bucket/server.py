"""A server of S3 for the tests of buckets: Moto, in memory, on a free port of 127.0.0.1. It ends with its standard input.

What Moto does not do itself is done in front of it, by the name of the bucket:
  held-…    parts of uploads are taken and never answered
  plain-…   passes over If-None-Match, as older servers do
"""

import datetime
import hashlib
import os
import re
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", "..", "..", ".."))
REQUIREMENTS = os.path.join(HERE, "requirements.txt")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "deploy", "local"))

from packages import Trouble, cached, say  # noqa: E402  the cache of downloads is that of the engines

SPACE = 300 << 20  # 120 MB, and what is on the way
KEY = "test-key"
SKEW = datetime.timedelta(minutes=15)


def packages():
    with open(REQUIREMENTS, "rb") as file:
        pinned = hashlib.sha256(file.read()).hexdigest()[:12]
    return cached(f"bucket-{sys.version_info.major}{sys.version_info.minor}-{pinned}", SPACE, download)


def download(part):
    unpacked = os.path.join(part, "site")
    say(f"downloading a server of S3 (25 MB, once) to {os.path.dirname(part)}")
    code = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--require-hashes", "--only-binary", ":all:", "--no-deps", "--no-compile",
         "--no-cache-dir", "--disable-pip-version-check", "--no-warn-conflicts", "--root-user-action", "ignore",
         "--target", unpacked, "-r", REQUIREMENTS],
        stdout=sys.stderr, env={**os.environ, "TMPDIR": part}, check=False).returncode
    if code:
        raise Trouble("pip could not install Moto (its message is above). It comes from PyPI: check the network, "
                      "or point pip at a mirror with PIP_INDEX_URL, then run this again")
    return unpacked


def error(start, status, code):
    start(status, [("Content-Type", "application/xml")])
    return [f"<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>refused by the test</Message></Error>".encode()]


def front(app):
    def answer(environ, start):
        bucket = environ["PATH_INFO"].strip("/").split("/")[0]
        if signed := environ.get("HTTP_AUTHORIZATION"):
            key = re.search(r"Credential=([^/]*)/", signed)
            if not key or key[1] != KEY:
                return error(start, "403 Forbidden", "InvalidAccessKeyId")
            then = datetime.datetime.strptime(environ["HTTP_X_AMZ_DATE"] + "+0000", "%Y%m%dT%H%M%SZ%z")
            if abs(datetime.datetime.now(datetime.timezone.utc) - then) > SKEW:
                return error(start, "403 Forbidden", "RequestTimeTooSkewed")
        else:  # the test itself
            environ["HTTP_AUTHORIZATION"] = f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/us-east-1/s3/aws4_request, " \
                                            "SignedHeaders=host, Signature=none"
        if bucket.startswith("plain-"):
            environ.pop("HTTP_IF_NONE_MATCH", None)
        if bucket.startswith("held-") and "partNumber=" in environ.get("QUERY_STRING", ""):
            threading.Event().wait()
        return app(environ, start)
    return answer


def main():
    sys.path.insert(0, packages())
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Handler(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *_):
            pass

    app = front(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    try:
        main()
    except Trouble as trouble:
        sys.exit(str(trouble))
