"""What the checks of `deploy/` run: compose, mongosh, a reader of YAML, the program `tfx`. `make deploy-tools` installs what
comes from the system; what comes from npm is installed here, at the versions and hashes of `package-lock.json`."""

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
DEPLOY = os.path.join(ROOT, "deploy")
sys.path.insert(0, os.path.join(DEPLOY, "local"))

import packages  # noqa: E402  the cache of downloads is that of the engines
from packages import Trouble, say  # noqa: E402

SPACE = 1 << 30  # 160 MB, and what is on the way


def program(name):
    """Where a program of the system is."""
    path = shutil.which(name)
    if not path:
        raise Trouble(f"{name} is missing: make deploy-tools")
    return path


@functools.cache
def modules():
    """The folder of npm's packages."""
    names = ("package.json", "package-lock.json")
    pinned = hashlib.sha256()
    for name in names:
        with open(os.path.join(HERE, name), "rb") as file:
            pinned.update(file.read())
    return packages.cached(f"npm-{pinned.hexdigest()[:12]}", SPACE, lambda part: npm(part, names))


def npm(part, names):
    into = os.path.join(part, "npm")
    os.mkdir(into)
    for name in names:
        shutil.copy(os.path.join(HERE, name), into)
    say(f"downloading mongosh (100 MB, once) to {os.path.dirname(part)}")
    code = subprocess.run(
        [program("npm"), "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--no-update-notifier",
         "--loglevel=error", "--cache", os.path.join(part, "cache")],
        cwd=into, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode
    if code:
        raise Trouble("npm could not install mongosh (its message is above): check the network or npm's settings, then run this again")
    return into


def run(command, **options):
    """A command with its output, as text; in no environment but PATH and what `env` adds."""
    env = {"PATH": os.environ["PATH"], **options.pop("env", {})}
    return subprocess.run(command, env=env, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False, timeout=120, **options)


@functools.cache
def compose():
    """How compose is called here: the program of its own, or the plugin of docker."""
    if shutil.which("docker-compose"):
        return [program("docker-compose")]
    if shutil.which("docker") and run(["docker", "compose", "version"]).returncode == 0:
        return [program("docker"), "compose"]
    raise Trouble("docker-compose is missing: make deploy-tools")


def yaml(text):
    """What a text in YAML says."""
    read = "process.stdout.write(JSON.stringify(require('js-yaml').load(require('fs').readFileSync(0, 'utf8'))))"
    done = subprocess.run([program("node"), "-e", read], cwd=modules(), input=text, text=True, capture_output=True, check=False)
    if done.returncode:
        raise Trouble(f"this is no YAML: {done.stderr.strip()}")
    return json.loads(done.stdout)


def mongosh(home, uri, *arguments, **env):
    """Runs mongosh with a home of its own, as the MongoDB container does in its health check."""
    script = os.path.join(modules(), "node_modules", "mongosh", "bin", "mongosh.js")
    config = os.path.join(home, ".mongodb", "mongosh", "config")
    if not os.path.exists(config):
        os.makedirs(os.path.dirname(config))
        with open(config, "w", encoding="ascii") as file:
            file.write('{"enableTelemetry": false}')
    return run([program("node"), script, "--quiet", "--norc", uri, *arguments], env={"HOME": home, **env})


def tfx(*arguments, cwd, **env):
    """Runs the debug build of tfx in a folder, where no .env of this checkout is found."""
    path = os.path.join(ROOT, "target", "debug", "tfx")
    if not os.path.exists(path):
        raise Trouble("target/debug/tfx is missing: cargo build --workspace --bins")
    return run([path, *arguments], cwd=cwd, env={"HOME": cwd, "TFX_DATA_DIR": cwd, **env})


if __name__ == "__main__":
    modules()
