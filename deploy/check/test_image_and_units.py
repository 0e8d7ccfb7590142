"""What of the image, the topic script and the systemd units shows without Docker, without brokers and without systemd running."""

import http.server
import json
import os
import re
import shutil
import tempfile
import textwrap
import threading
import unittest

import tools

PROGRAMS = {"tfx", "api-service", "traffic-service", "postback-service"}
TOPICS_SCRIPT = os.path.join(tools.DEPLOY, "redpanda", "init-topics.sh")


def text(*path):
    with open(os.path.join(tools.ROOT, *path), encoding="utf-8") as file:
        return file.read()


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="tfx-deploy-check-")
        self.addCleanup(shutil.rmtree, self.folder)

    def put(self, path, content, mode=0o644):
        path = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
        os.chmod(path, mode)


class Image(Case):
    def context(self):
        """What the build may take from the checkout."""
        lines = text("deploy", "Dockerfile.dockerignore").splitlines()
        lines = [line for line in lines if line and not line.startswith("#")]
        self.assertEqual(lines[0], "*")
        self.assertTrue(all(line.startswith("!") for line in lines[1:]), lines)
        return [line.removeprefix("!") for line in lines[1:]]

    def test_the_programs_are_built_from_what_the_build_is_given(self):
        for path in self.context():
            into = os.path.join(self.folder, path)
            os.makedirs(os.path.dirname(into), exist_ok=True)
            os.symlink(os.path.join(tools.ROOT, path), into)  # fails when it is not there
            self.assertTrue(os.path.exists(into), path)
        cargo = ["cargo", "metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"]
        keep = {name: os.environ[name] for name in ("HOME", "CARGO_HOME", "RUSTUP_HOME") if name in os.environ}
        done = tools.run(cargo, cwd=self.folder, env=keep)
        self.assertEqual(done.returncode, 0, done.stderr)
        binaries = {target["name"] for package in json.loads(done.stdout)["packages"] for target in package["targets"]
                    if "bin" in target["kind"]}
        self.assertLessEqual(PROGRAMS, binaries)
        dockerfile = text("deploy", "Dockerfile")
        self.assertEqual(set(re.findall(r"--bin (\S+)", dockerfile)), PROGRAMS)
        self.assertEqual(set(re.search(r"for program in ([^;]+);", dockerfile).group(1).split()), PROGRAMS)

    def test_files_compiled_into_the_programs_are_among_it(self):
        given = self.context()
        for folder, _, files in (entry for top in ("cli", "core", "daemons") for entry in os.walk(os.path.join(tools.ROOT, top))):
            for name in files:
                if name.endswith(".rs"):
                    for included in re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', text(folder, name)):
                        path = os.path.relpath(os.path.join(folder, included), tools.ROOT)
                        self.assertTrue(os.path.exists(os.path.join(tools.ROOT, path)), path)
                        self.assertTrue(any(path == top or path.startswith(f"{top}/") for top in given), f"{path}: not in the build's context")

    def test_it_is_built_by_the_compiler_of_the_checkout(self):
        version = re.search(r'^channel = "(.+)"$', text("rust-toolchain.toml"), re.MULTILINE).group(1)
        dockerfile = text("deploy", "Dockerfile")
        self.assertIn(f"FROM rust:{version}-", dockerfile)
        self.assertIn(f"RUSTUP_TOOLCHAIN={version}\n", dockerfile)

    def test_it_is_no_superuser(self):
        user = re.findall(r"^USER (\d+):(\d+)$", text("deploy", "Dockerfile"), re.MULTILINE)
        self.assertEqual(user, [("10001", "10001")])


class Health(Case):
    """The health check of the image: processes by their names, and servers that answer /readyz with a status."""

    CHECK = os.path.join(tools.DEPLOY, "healthcheck.sh")
    KINDS = ("API", "TRAFFIC", "POSTBACK")

    def serve(self, status):
        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status if self.path == "/readyz" else 404)
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_port

    def check(self, *processes, host="127.0.0.1", **statuses):
        for number, command in enumerate(processes):
            self.put(f"proc/{number}/cmdline", "".join(f"{word}\0" for word in command.split()))
        env = {f"{kind}_SERVICE_ADDR": f"{host}:{self.serve(statuses.get(kind.lower(), 200))}" for kind in self.KINDS}
        return tools.run(["bash", self.CHECK], cwd=self.folder, env={**env, "PROC": os.path.join(self.folder, "proc")})

    def test_shellcheck_has_nothing_against_it(self):
        done = tools.run([tools.program("shellcheck"), "--severity=style", self.CHECK])
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stdout)

    def test_the_service_that_runs_is_asked(self):
        done = self.check("/usr/local/bin/traffic-service", "bash", host="0.0.0.0", api=503, postback=503)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        done = self.check("traffic-service", traffic=503)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"^127\.0\.0\.1:\d+ answers /readyz with '503'$")

    def test_all_three_in_one_process_are_asked(self):
        self.assertEqual(self.check("tfx up --demo").returncode, 0)
        for kind in self.KINDS:
            self.assertEqual(self.check("tfx up", **{kind.lower(): 503}).returncode, 1, kind)

    def test_a_container_without_a_service_is_not_healthy(self):
        done = self.check("tfx migrate up", "sleep 5")
        self.assertEqual((done.returncode, done.stdout), (1, "no service runs here\n"))

    def test_the_image_has_it_and_listens_where_it_asks(self):
        dockerfile = text("deploy", "Dockerfile")
        self.assertIn("COPY --chmod=755 deploy/healthcheck.sh /usr/local/bin/healthcheck\n", dockerfile)
        self.assertIn("deploy/healthcheck.sh", Image.context(self))
        self.assertEqual(re.findall(r"([A-Z]+)_SERVICE_ADDR=0\.0\.0\.0:(\d+)", dockerfile),
                         [("API", "8080"), ("TRAFFIC", "8081"), ("POSTBACK", "8082")])


class Topics(Case):
    """The script of `redpanda-init` with a stand-in for rpk, which tells what it was asked."""

    def run_script(self, there, fails_at="nothing"):
        self.put("rpk", textwrap.dedent(f"""\
            #!/bin/bash
            echo "$*" >>asked
            [[ "$*" != {fails_at}* ]] || {{ echo 'no broker' >&2; exit 1; }}
            [[ "$*" != 'topic list' ]] || printf 'NAME PARTITIONS REPLICAS\\n{"".join(f"{name} 12 3" + chr(92) + "n" for name in there)}'
            """), 0o755)
        env = {"PATH": f"{self.folder}:{os.environ['PATH']}", "TOPICS": "t.clicks  t.sales t.logs"}
        done = tools.run(["bash", TOPICS_SCRIPT], cwd=self.folder, env=env)
        with open(os.path.join(self.folder, "asked"), encoding="utf-8") as file:
            return done, file.read().splitlines()

    def test_shellcheck_has_nothing_against_it(self):
        done = tools.run([tools.program("shellcheck"), "--severity=style", TOPICS_SCRIPT])
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stdout)

    def test_what_is_missing_is_made(self):
        done, asked = self.run_script(there=["t.sales", "t.clicks.old"])
        self.assertEqual(done.returncode, 0, done.stderr)
        settings = "--partitions 12 --replicas 3 --topic-config retention.ms=604800000 --topic-config max.message.bytes=4194304"
        self.assertEqual(asked, ["cluster config set auto_create_topics_enabled false", "topic list",
                                 f"topic create t.clicks {settings}", f"topic create t.logs {settings}"])

    def test_a_failure_is_one_of_the_script(self):
        for step in ("cluster", "'topic list'", "'topic create'"):
            self.assertNotEqual(self.run_script([], fails_at=step)[0].returncode, 0, step)


class Units(Case):
    UNITS = os.path.join(tools.DEPLOY, "systemd")

    def verify(self):
        """In a root of its own with the system's units, so that nothing of this machine counts."""
        services = sorted(PROGRAMS - {"tfx"})
        for name in services:
            self.put(f"usr/local/bin/{name}", "#!/bin/sh\n", 0o755)
        self.put("etc/traffoflex/traffoflex.env", "")
        shutil.copytree("/usr/lib/systemd/system", os.path.join(self.folder, "usr/lib/systemd/system"), symlinks=True)
        names = [*(f"traffoflex@{name}.service" for name in services), "traffoflex.target"]
        return tools.run([tools.program("systemd-analyze"), "verify", "--man=no", f"--root={self.folder}", *names])

    def install(self, **changes):
        for name in ("traffoflex@.service", "traffoflex.target"):
            content = text("deploy", "systemd", name)
            for old, new in changes.items():
                content = content.replace(old, new)
            self.put(f"etc/systemd/system/{name}", content)

    def test_systemd_knows_every_line_of_them(self):
        self.install()
        done = self.verify()
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_it_would_say_so(self):
        self.install(ProtectHome="ProtectHouse")
        self.assertIn("Unknown key 'ProtectHouse'", self.verify().stderr)

    def exposure(self, **changes):
        """What `systemd-analyze security` makes of a unit: 0 is nothing, 10 everything; and what it misses."""
        self.install(**changes)
        unit = os.path.join(self.folder, "etc/systemd/system/traffoflex@.service")
        done = tools.run([tools.program("systemd-analyze"), "security", "--offline=true", "--no-pager", unit])
        said = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
        self.assertTrue(said, done.stdout + done.stderr)
        return float(said[1]), "\n".join(line for line in done.stdout.splitlines() if line.startswith("✗"))

    def test_they_may_do_little(self):
        score, missing = self.exposure()
        self.assertLessEqual(score, 1.1, missing)
        self.assertGreater(self.exposure(**{"NoNewPrivileges=yes": "", "PrivateUsers=yes": ""})[0], 1.1)

    def test_the_target_wants_the_three_services(self):
        wanted = re.search(r"^Wants=(.+)$", text("deploy", "systemd", "traffoflex.target"), re.MULTILINE).group(1)
        self.assertEqual(set(wanted.split()), {f"traffoflex@{name}.service" for name in PROGRAMS - {"tfx"}})

    def test_the_user_can_be_made(self):
        path = os.path.join(self.UNITS, "traffoflex.sysusers.conf")
        done = tools.run([tools.program("systemd-sysusers"), "--dry-run", f"--root={self.folder}", path])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Creating user 'traffoflex'", done.stderr + done.stdout)

    def test_there_is_time_to_deliver_what_is_left(self):
        unit = text("deploy", "systemd", "traffoflex@.service")
        grace = int(re.search(r"^#SHUTDOWN_GRACE_MS=(\d+)$", text(".env.example"), re.MULTILINE).group(1))
        self.assertGreater(int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE).group(1)) * 1000, grace)


if __name__ == "__main__":
    unittest.main()
