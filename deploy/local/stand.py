"""One set of engines: the folder with its ports, data, logs and process ids, and how a service is started in it."""

import contextlib
import fcntl
import json
import os
import random
import shutil
import socket
import time

import packages
import process
import services
from packages import Trouble

PATIENCE = 90  # seconds until a service must answer


class Stand:
    """One set of engines: a folder with its ports, data, logs and process ids."""

    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self.file = self.path("stand.json")
        self.kept = {"ports": {}, "up": [], "password": "%032x" % random.SystemRandom().getrandbits(128)}
        self.fresh = True
        try:
            with open(self.file, encoding="utf-8") as file:
                self.kept.update(json.load(file))
            self.fresh = False
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            raise Trouble(f"cannot read {self.file}: {error}. Choose another folder with --dir, or remove this one") from None

    def path(self, *names):
        return os.path.join(self.folder, *names)

    @contextlib.contextmanager
    def locked(self):
        """One command at a time changes a stack."""
        try:
            os.makedirs(self.folder, exist_ok=True)
            lock = open(self.path("lock"), "w", encoding="ascii")
        except OSError as error:
            raise Trouble(f"cannot write {self.folder}: {error.strerror}. Choose another folder with --dir") from None
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.__init__(self.folder)  # another command may have changed it meanwhile
            yield

    def port(self, name):
        return self.kept["ports"].get(name)

    def process(self, name):
        hint = 0
        with contextlib.suppress(OSError, ValueError), open(self.path("run", name + ".pid"), encoding="ascii") as file:
            hint = int(file.read())
        return process.find(name, self.path(name), hint)

    def log(self, name):
        return self.path("logs", name + ".log")

    def problem(self, name):
        """None when the service answers, else why not."""
        return services.ALL[name].ready(self.port(name), self.kept["password"])

    def start(self, name):
        """Starts a service on its port; the first time, on a free one."""
        site = packages.install()
        if self.port(name) is None:
            self.kept["ports"][name] = free_port()
            write(self.file, json.dumps(self.kept) + "\n")
        elif not port_free(self.port(name)):
            raise Trouble(f"port {self.port(name)}, which {name} had before, is taken by another program: "
                          "end it, or begin anew on other ports with `stack down --purge`")
        data = self.path("data", name)
        for folder in (data, self.path("run"), self.path("logs")):
            os.makedirs(folder, exist_ok=True)
        if shutil.disk_usage(data).free < 512 << 20:
            raise Trouble(f"less than 512 MB are free for {data}: make room, or put the stack elsewhere with --dir")
        with contextlib.suppress(FileNotFoundError):
            if os.path.getsize(self.log(name)) > 32 << 20:
                os.replace(self.log(name), self.log(name) + ".1")
        command = services.ALL[name].command(site, data, self.port(name))
        env = {"TZ": "UTC", "CLICKHOUSE_USER": services.USER, "CLICKHOUSE_PASSWORD": self.kept["password"]}
        started = process.spawn(name, self.path(name), command, self.log(name), env)
        write(self.path("run", name + ".pid"), f"{started.pid}\n")
        return started

    def await_ready(self, running):
        """Waits until a service answers; Trouble with the end of its log when it does not."""
        name, deadline = running.name, time.monotonic() + PATIENCE
        while problem := self.problem(name):
            dead = not running.alive()
            if dead or time.monotonic() > deadline:
                state = "ended" if dead else f"does not answer after {PATIENCE} s ({problem})"
                tail = read_tail(self.log(name), 12)
                hints = [hint for sign, hint in services.HINTS.items() if sign in tail]
                raise Trouble("\n".join([f"{name} {state}. The end of {self.log(name)}:", tail, *hints[:1]]))
            time.sleep(0.05)

    def set_up(self, names):
        """Keeps which services are up, and writes their settings for the product and its tests. A service that is stopped
        for a while stays in it: who reads the settings then must find it away, not absent."""
        self.kept["up"] = [name for name in services.ALL if name in names]
        write(self.file, json.dumps(self.kept) + "\n")
        lines = [f"{key}={value}\n" for name in self.kept["up"]
                 for key, value in services.ALL[name].settings(self.port(name), self.kept["password"]).items()]
        if lines:
            write(self.path("env"), "".join(lines))
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path("env"))


def write(path, text):
    """Whole or not at all, and for its owner alone: there is a password in it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(os.open(path + ".tmp", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".tmp", path)


def read_tail(path, lines):
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 16384))
        return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])


def port_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def free_port():
    """Below the range of outgoing connections, so that a service finds its port free when it starts again."""
    for _ in range(200):
        port = random.randrange(20000, 32000)
        if port_free(port):
            return port
    raise Trouble("no free port between 20000 and 32000 on 127.0.0.1")
