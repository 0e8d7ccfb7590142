"""What each engine is: how it is started, when it answers, and what the product must be told to reach it."""

import os
import socket
import struct
import sys
import urllib.error
import urllib.request

import mongo_wire
import packages

HERE = os.path.dirname(os.path.abspath(__file__))
DATABASE = USER = "traffoflex"
REPLICA_SET = "rs0"


class Mongo:
    """MongoDB as a replica set of one, so that change streams and transactions work."""

    name, version = "mongo", "MongoDB 6.0.5"

    @staticmethod
    def command(site, data, port):
        return [packages.mongod(site), "--dbpath", data, "--port", str(port), "--bind_ip", "127.0.0.1", "--replSet", REPLICA_SET,
                "--oplogSize", "256", "--wiredTigerCacheSizeGB", "0.5", "--nounixsocket", "--quiet",
                "--setParameter", "diagnosticDataCollectionEnabled=false"]

    @staticmethod
    def ready(port, _password):
        """None when it can be written to, else what it still lacks."""
        try:
            hello = mongo_wire.command(port, hello=1)
            if hello.get("isWritablePrimary"):
                return None
            if hello.get("info", "").startswith("Does not have a valid replica set config"):
                mongo_wire.command(port, replSetInitiate={
                    "_id": REPLICA_SET, "members": [{"_id": 0, "host": f"127.0.0.1:{port}"}]})
            return "it is not primary yet"
        except (OSError, mongo_wire.CommandFailed) as error:
            return str(error)

    @staticmethod
    def settings(port, _password):
        return {"MONGO_URI": f"mongodb://127.0.0.1:{port}/?replicaSet={REPLICA_SET}", "MONGO_DATABASE": DATABASE}


class Broker:
    """Tansu: one broker, topics in memory alone. They survive a pause, not the end of the process."""

    name, version = "broker", "Tansu 0.6.0"

    @staticmethod
    def command(site, _data, port):
        url = f"tcp://127.0.0.1:{port}"
        return [packages.tansu(site), "broker", "--cluster-id", DATABASE, "--listener-url", url, "--advertised-listener-url", url,
                "--storage-engine", "memory://tansu/"]

    @staticmethod
    def ready(port, _password):
        """None when it answers a request for its API versions."""
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                connection.sendall(struct.pack(">ihhih", 10, 18, 0, 1, -1))
                size, request, error = struct.unpack(">iih", mongo_wire.exactly(connection, 10))
            return None if (request, error) == (1, 0) and size > 6 else f"it answers with error {error}"
        except OSError as error:
            return str(error)

    @staticmethod
    def settings(port, _password):
        return {"EVENT_BROKERS": f"127.0.0.1:{port}"}


class ClickHouse:
    """ClickHouse's engine behind the HTTP front of this folder."""

    name, version = "clickhouse", "ClickHouse 25.8 (chDB 3.7.2)"

    @staticmethod
    def command(site, data, port):
        return [sys.executable, "-B", os.path.join(HERE, "clickhouse_http.py"), "--site", site, "--data", data, "--port", str(port)]

    @staticmethod
    def ready(port, password):
        """None when it runs statements; the product's database is made on the way."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/", data=f"CREATE DATABASE IF NOT EXISTS {DATABASE}".encode(),
            headers={"X-ClickHouse-User": USER, "X-ClickHouse-Key": password})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5):
                return None
        except urllib.error.HTTPError as error:
            return error.read().decode("utf-8", "replace").strip()
        except OSError as error:
            return str(error)

    @staticmethod
    def settings(port, password):
        return {"CLICKHOUSE_HTTP_URL": f"http://{USER}:{password}@127.0.0.1:{port}/?database={DATABASE}",
                "CLICKHOUSE_USER": USER, "CLICKHOUSE_PASSWORD": password, "CLICKHOUSE_DATABASE": DATABASE}


ALL = {service.name: service for service in (Mongo, Broker, ClickHouse)}

# What the end of a log means, in words that help.
HINTS = {
    "error while loading shared libraries: libcurl": "install libcurl: apt-get install libcurl4",
    "error while loading shared libraries: libssl": "MongoDB's package needs OpenSSL 3: Debian 12, Ubuntu 22.04 or later",
    "error while loading shared libraries: libcrypto": "MongoDB's package needs OpenSSL 3: Debian 12, Ubuntu 22.04 or later",
    "ddress already in use": "another program took the port: end it, or begin anew with `stack down --purge`",
    "No space left on device": "the disk is full: make room, or put the stack elsewhere with --dir",
    "GLIBC_": "the C library is older than the package needs: Debian 12, Ubuntu 22.04 or later",
}
