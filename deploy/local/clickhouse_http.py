"""A ClickHouse to test against: the HTTP interface over the in-process engine of the chdb package.

A test stand, not a product. It answers what the product and its tests send, the way a ClickHouse server answers it, and
refuses the rest (sessions, compressed responses) instead of pretending. One engine, one statement at a time: what it
says about results is true, what it says about speed under concurrency is not.

Every request starts clean: database, settings and bound parameters are those of its URL and nothing is left behind.
"""

import argparse
import base64
import binascii
import email.parser
import email.policy
import glob
import hmac
import json
import os
import re
import shutil
import signal
import sys
import threading
import time
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import native_lz4
from clickhouse_sql import (VERSION, QueryError, blank, of_one_server, quoted, reads, split_insert, without_sync,
                            word)

# What the engine is told as a server is in its config.d.
CONFIG = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clickhouse.xml")
# Settings of the transport, not of the query. Those of REFUSED would need what this stand does not have.
TRANSPORT = {"query", "database", "default_format", "user", "password", "query_id", "wait_end_of_query", "buffer_size",
             "decompress", "quota_key", "role", "send_progress_in_http_headers", "enable_http_compression",
             "http_write_exception_in_output_format", "cancel_http_readonly_queries_on_client_close", "client_protocol_version"}
REFUSED = {"session_id", "compress"}
# The status a server gives for an error, by the error's name; everything else is 500.
STATUS = {name: status for status, names in {
    400: "BAD_ARGUMENTS CANNOT_COMPILE_REGEXP CANNOT_PARSE_TEXT CANNOT_PARSE_ESCAPE_SEQUENCE CANNOT_PARSE_QUOTED_STRING"
         " CANNOT_PARSE_DATE CANNOT_PARSE_DATETIME CANNOT_PARSE_NUMBER CANNOT_PARSE_INPUT_ASSERTION_FAILED"
         " CANNOT_PARSE_IPV4 CANNOT_PARSE_IPV6 CANNOT_PARSE_UUID CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING DUPLICATE_COLUMN"
         " ILLEGAL_COLUMN SYNTAX_ERROR INCORRECT_DATA TYPE_MISMATCH TOO_DEEP_AST TOO_BIG_AST VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
    403: "UNKNOWN_USER WRONG_PASSWORD AUTHENTICATION_FAILED",
    404: "UNKNOWN_TABLE UNKNOWN_FUNCTION UNKNOWN_IDENTIFIER UNKNOWN_TYPE UNKNOWN_STORAGE UNKNOWN_DATABASE UNKNOWN_SETTING"
         " UNKNOWN_AGGREGATE_FUNCTION UNKNOWN_FORMAT UNKNOWN_DATABASE_ENGINE UNKNOWN_TYPE_OF_QUERY",
    408: "TIMEOUT_EXCEEDED", 413: "QUERY_IS_TOO_LARGE", 501: "NOT_IMPLEMENTED", 503: "SOCKET_TIMEOUT CANNOT_OPEN_FILE",
}.items() for name in names.split()}
CONTENT_TYPE = {"JSON": "application/json; charset=UTF-8", "JSONEachRow": "application/x-ndjson; charset=UTF-8",
                "CSV": "text/csv; charset=UTF-8", "TabSeparated": "text/tab-separated-values; charset=UTF-8",
                "TSV": "text/tab-separated-values; charset=UTF-8", "Native": "application/octet-stream",
                "RowBinary": "application/octet-stream", "RowBinaryWithNamesAndTypes": "application/octet-stream"}


class Engine:
    """The one engine of this process, behind a lock."""

    def __init__(self, site, data):
        here = os.getcwd()
        home = os.path.join(site, "chdb")  # the native module alone: the package around it also wants pyarrow
        os.chdir(home)
        sys.path.insert(0, home)
        import _chdb
        os.chdir(here)
        self.lock, self.scratch = threading.Lock(), os.path.join(data, "insert.tmp")
        os.environ["TFX_LOCAL_BACKUPS"] = os.path.join(data, "backups", "")  # clickhouse.xml asks for it
        remove_dropped(os.path.join(data, "store"))
        self.connection = _chdb.connect(f"file:{os.path.join(data, 'store')}?config-file={CONFIG}")
        self.timezone = self.run(b"SELECT timezone()").bytes().strip().decode()
        # The engine's own comforts that a server does not have.
        self.run(b"SET implicit_select = DEFAULT, allow_introspection_functions = DEFAULT")

    def run(self, query, output_format="TSVRaw"):
        try:
            return self.connection.query(query, output_format)
        except UnicodeDecodeError as error:
            raise QueryError.of(error.object) from None
        except RuntimeError as error:
            raise QueryError.of(str(error).encode("utf-8", "surrogateescape")) from None

    def execute(self, query, data, database, settings, params, output_format):
        """One request, from a clean session to a clean session."""
        seen = blank(query)
        insert = re.match(rb"\s*INSERT\s+INTO\b", seen, re.I)
        if insert:
            query, data, seen = split_insert(query, seen, data)
        query, seen = without_sync(query, seen)
        if re.search(rb";\s*[^\s;]", seen):
            raise QueryError(62, "Syntax error (Multi-statements are not allowed)", "SYNTAX_ERROR")
        if not seen.strip().strip(b";"):
            raise QueryError(62, "Empty query", "SYNTAX_ERROR")
        for name in re.findall(rb"\{\s*(\w+)\s*:", seen):
            if name.decode() not in params:
                raise QueryError(456, b"Substitution `%s` is not set" % name, "UNKNOWN_QUERY_PARAMETER")
        # A statement SET lasts as long as its request.
        touched = set(settings) | ({n.decode() for n in re.findall(rb"(\w+)\s*=", seen)} if re.match(rb"\s*SET\b", seen, re.I) else set())
        with self.lock:
            try:
                self.run(b"USE `" + (database or "default").replace("`", "\\`").encode() + b"`")
                for name, value in settings.items():
                    self.run(b"SET %s = %s" % (word(name), quoted(value)))
                for name, value in params.items():
                    self.run(b"SET param_%s = %s" % (word(name), quoted(value)))
                if data is not None:
                    with open(self.scratch, "wb") as file:
                        file.write(data)
                    query = query.replace(b"\0INFILE\0", b" FROM INFILE " + quoted(self.scratch) + b" COMPRESSION 'none' ")
                alone = of_one_server(query)
                if alone != query:
                    # As it stands it is to be one that a server takes.
                    self.run(b"EXPLAIN AST " + query)
                return self.run(alone, output_format), bool(insert)
            finally:
                for name in touched:
                    try:
                        self.run(b"SET %s = DEFAULT" % word(name))
                    except QueryError:
                        pass  # it was not a setting: the caller has been told
                if data is not None and os.path.exists(self.scratch):
                    os.unlink(self.scratch)


def remove_dropped(path):
    """Removes the data of dropped tables, which chDB, unlike a server, leaves lying for ever."""
    for entry in glob.glob(os.path.join(glob.escape(path), "metadata_dropped", "*.sql")):
        table = entry.rsplit(".", 2)[1]
        shutil.rmtree(os.path.join(path, "store", table[:3], table), ignore_errors=True)
        os.unlink(entry)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        self.answer(readonly=True)

    def do_POST(self):
        self.answer(readonly=False)

    def answer(self, readonly):
        started, self.query_id, self.summary = time.monotonic(), str(uuid.uuid4()), {}
        query = b""
        try:
            url = urllib.parse.urlsplit(self.path)
            body = self.body()
            if url.path in ("/ping", "/") and not url.query and not body:
                return self.reply(200, b"Ok.\n", [])
            if url.path != "/":
                return self.reply(404, f"There is no handle {url.path}\n\nUse / or /ping.\n".encode(), [])
            fields = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True, errors="surrogateescape"))
            self.authenticate(fields)
            self.query_id = fields.get("query_id") or self.query_id
            if fields.get("decompress") == "1":
                try:
                    body = native_lz4.decompress(body)
                except ValueError as error:
                    raise QueryError(271, str(error), "CANNOT_DECOMPRESS") from None
            if self.headers.get_content_type() == "multipart/form-data":
                fields.update(self.form(body))
                body = b""
            query = fields.get("query", "").encode("utf-8", "surrogateescape")
            if not query:
                query, body = body, None
            elif self.command == "POST" and not re.match(rb"\s*INSERT\b", blank(query), re.I):
                query, body = query + b"\n" + body if body else query, None
            for name in REFUSED & set(fields):
                if fields[name] not in ("", "0"):
                    raise QueryError(48, f"this test stand has no {name}", "NOT_IMPLEMENTED")
            if readonly and not reads(query):
                raise QueryError(164, "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly."
                                 " You should use method POST for modifying queries", "READONLY")
            params = {n[6:]: v for n, v in fields.items() if n.startswith("param_")}
            settings = {n: v for n, v in fields.items() if n not in TRANSPORT | REFUSED and not n.startswith("param_")}
            default = fields.get("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated"
            result, wrote = self.server.engine.execute(
                query, body, fields.get("database") or self.headers.get("X-ClickHouse-Database"), settings, params, default)
            rows = result.rows_read()
            named = re.search(rb"\bFORMAT\s+(\w+)[\s;]*$", blank(query), re.I)
            output = named[1].decode() if named and not wrote else default
            summary = {"read_rows": result.storage_rows_read(), "read_bytes": result.storage_bytes_read(),
                       "written_rows": rows if wrote else 0, "written_bytes": result.bytes_read() if wrote else 0,
                       "result_rows": rows, "elapsed_ns": int(result.elapsed() * 1e9)}
            self.reply(200, result.bytes(), [
                ("Content-Type", CONTENT_TYPE.get(output, "text/plain; charset=UTF-8")), ("X-ClickHouse-Format", output),
                ("X-ClickHouse-Timezone", self.server.engine.timezone),
                ("X-ClickHouse-Summary", json.dumps({k: str(v) for k, v in summary.items()}))])
        except QueryError as error:
            self.reply(STATUS.get(error.name, 500), error.body, [
                ("Content-Type", "text/plain; charset=UTF-8"), ("X-ClickHouse-Exception-Code", str(error.code))])
            log(f"{error.body.decode('utf-8', 'backslashreplace').strip()[:600]}")
        except (ConnectionError, TimeoutError, ValueError) as error:  # cut off, or not HTTP
            self.close_connection = True
            log(str(error))
        finally:
            text = " ".join(query[:200].decode("utf-8", "backslashreplace").split())
            log(f"{self.command} {(time.monotonic() - started) * 1000:.1f} ms {text}")

    def body(self):
        """The whole body; one that is cut off is an error, never a shorter insert."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.line().split(b";")[0], 16):
                parts.append(self.exactly(size))
                self.line()
            while self.line().strip():
                pass
            return b"".join(parts)
        return self.exactly(int(self.headers.get("Content-Length") or 0))

    def exactly(self, size):
        data = self.rfile.read(size)
        if len(data) < size:
            raise ConnectionError("the body is cut off")
        return data

    def line(self):
        line = self.rfile.readline(65536)
        if not line.endswith(b"\n"):
            raise ConnectionError("the body is cut off")
        return line

    def form(self, body):
        head = b"Content-Type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n"
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        return {part.get_param("name", header="content-disposition"):
                part.get_payload(decode=True).decode("utf-8", "surrogateescape") for part in message.iter_parts()}

    def authenticate(self, fields):
        """Headers, basic authentication or the URL, and only one of them."""
        ways = []
        if "X-ClickHouse-User" in self.headers or "X-ClickHouse-Key" in self.headers:
            ways.append((self.headers.get("X-ClickHouse-User") or "default", self.headers.get("X-ClickHouse-Key") or ""))
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "basic":
            try:
                user, _, key = base64.b64decode(given, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                user, key = "", ""
            ways.append((user, key))
        if not ways and ("user" in fields or "password" in fields):
            ways.append((fields.get("user") or "default", fields.get("password", "")))
        if len(ways) > 1:
            raise QueryError(516, "Invalid authentication: it is not allowed to use X-ClickHouse HTTP headers and other"
                             " authentication methods simultaneously", "AUTHENTICATION_FAILED")
        user, key = ways[0] if ways else ("default", "")
        if not (hmac.compare_digest(user.encode(), self.server.user.encode()) & hmac.compare_digest(key.encode(), self.server.key.encode())):
            raise QueryError(516, f"{user}: Authentication failed: password is incorrect, or there is no user with such name",
                             "AUTHENTICATION_FAILED")

    def reply(self, status, body, headers):
        body = bytes(body)
        self.send_response(status)
        for name, value in [*headers, ("X-ClickHouse-Query-Id", re.sub(r"[^\x20-\x7e]", "?", self.query_id)),
                            ("X-ClickHouse-Server-Display-Name", "traffoflex-local"), ("Content-Length", str(len(body)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, *_):
        pass

    def log_message(self, form, *values):
        log(form % values)


def log(text):
    print(time.strftime("%Y-%m-%dT%H:%M:%S"), text, file=sys.stderr, flush=True)


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def __init__(self, port, engine, user, key):
        self.engine, self.user, self.key = engine, user, key
        super().__init__(("127.0.0.1", port), Handler)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--site", required=True, help="where the chdb package is installed")
    parser.add_argument("--data", required=True, help="the engine's data folder")
    parser.add_argument("--port", required=True, type=int)
    options = parser.parse_args()
    server = Server(options.port, Engine(options.site, options.data),
                    os.environ["CLICKHOUSE_USER"], os.environ["CLICKHOUSE_PASSWORD"])
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    log(f"ClickHouse {VERSION.decode()} on 127.0.0.1:{options.port}")
    server.serve_forever(poll_interval=0.1)
    if server.engine.lock.acquire(timeout=20):  # the statement under way ends first
        server.engine.connection.close()
    log("stopped")
    os._exit(0)  # whatever still waits for the engine


if __name__ == "__main__":
    main()
