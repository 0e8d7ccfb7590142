"""`deploy/docker-compose.yml` as compose itself reads it: without an .env, with .env.example as one, with other ports."""

import os
import re
import shutil
import tempfile
import unittest

import tools

SERVICES = {"api-service": "8080", "traffic-service": "8081", "postback-service": "8082"}
# What the services and the one that goes before them are given.
OF_IMAGE = ["migrate", *SERVICES]
BROKERS = ["redpanda-0", "redpanda-1", "redpanda-2"]
# What tfx alone reads, on the host. The key of a bucket of backups is given to no service.
OF_TFX = {"TFX_TOKEN", "TFX_TOKEN_FILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION",
          "AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP"}
# What the file sets itself, whatever .env says.
FIXED = {"TFX_DATA_DIR", "MONGO_URI", "EVENT_BROKERS", "CLICKHOUSE_HTTP_URL"} | {
    f"{service}_SERVICE_{kind}" for service in ("API", "TRAFFIC", "POSTBACK") for kind in ("ADDR", "URL")}


def example():
    """The settings of .env.example with their defaults, which core/settings holds equal to what the product reads."""
    with open(os.path.join(tools.ROOT, ".env.example"), encoding="utf-8") as file:
        return dict(re.findall(r"^#([A-Z][A-Z0-9_]*)=(.*)$", file.read(), re.MULTILINE))


class Compose(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """A checkout without an .env of somebody."""
        cls.folder = tempfile.mkdtemp(prefix="tfx-deploy-check-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        shutil.copytree(tools.DEPLOY, os.path.join(cls.folder, "deploy"), symlinks=True,
                        ignore=shutil.ignore_patterns("local", "check"))
        cls.plain = cls.read()

    @classmethod
    def compose(cls, *arguments, **env):
        """Called as docs/deploy.md says."""
        return tools.run([*tools.compose(), "-f", "deploy/docker-compose.yml", *arguments], cwd=cls.folder, env=env)

    @classmethod
    def read(cls, dotenv=None, **env):
        """The file as compose reads it; nothing to complain of."""
        path = os.path.join(cls.folder, ".env")
        if dotenv is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(dotenv)
        try:
            for arguments in (["config", "-q"], ["config"]):
                done = cls.compose(*arguments, **env)
                if done.returncode or done.stderr:
                    raise AssertionError(f"compose {' '.join(arguments)}: {done.returncode}: {done.stderr}")
        finally:
            if dotenv is not None:
                os.unlink(path)
        return tools.yaml(done.stdout)["services"]

    def environment(self, services, name):
        return {name: value for name, value in services[name]["environment"].items() if value is not None}

    def published(self, services):
        """(service, address, port outside, port inside); both forms that compose writes."""
        found = set()
        for name, service in services.items():
            for port in service.get("ports", []):
                if isinstance(port, str):
                    *address, outside, inside = port.removesuffix("/tcp").split(":")
                    found.add((name, ":".join(address), outside, inside))
                else:
                    found.add((name, port.get("host_ip", ""), str(port["published"]), str(port["target"])))
        return found

    def mounts(self, service):
        """(source, target) of what is mounted from the checkout."""
        for mount in self.plain[service]["volumes"]:
            source, target = mount.split(":")[:2] if isinstance(mount, str) else (mount["source"], mount["target"])
            if source.startswith(self.folder):
                yield os.path.relpath(source, self.folder), target

    def test_a_file_that_is_wrong_is_refused(self):
        with open(os.path.join(tools.DEPLOY, "docker-compose.yml"), encoding="utf-8") as file:
            text = file.read().replace("depends_on: *engines", "depend_on: *engines", 1)
        with open(os.path.join(self.folder, "deploy", "wrong.yml"), "w", encoding="utf-8") as file:
            file.write(text)
        done = tools.run([*tools.compose(), "-f", "deploy/wrong.yml", "config", "-q"], cwd=self.folder)
        self.assertIn("depend_on", done.stderr)
        self.assertNotEqual(done.returncode, 0)

    def test_all_that_is_promised_is_there(self):
        there = {*BROKERS, "redpanda-init", "mongo", "clickhouse", "redpanda-console", *OF_IMAGE}
        self.assertEqual(set(self.plain), there)
        for name, service in self.plain.items():
            self.assertRegex(service["image"], r":(v?\d+\.\d+\.\d+[.\d]*|local)$", f"{name}: a pinned version")

    def test_each_waits_for_what_it_needs(self):
        brokers = {name: "service_healthy" for name in BROKERS}
        topics = {"redpanda-init": "service_completed_successfully"}
        all_of = {**brokers, **topics, "mongo": "service_healthy", "clickhouse": "service_healthy"}
        migrated = {**all_of, "migrate": "service_completed_successfully"}
        wanted = {"redpanda-init": brokers, "clickhouse": topics, "redpanda-console": topics, "migrate": all_of,
                  **{name: migrated for name in SERVICES}}
        for name, service in self.plain.items():
            seen = {other: how["condition"] for other, how in service.get("depends_on", {}).items()}
            self.assertEqual(seen, wanted.get(name, {}), name)

    def test_what_is_waited_for_has_a_health_check(self):
        for name, says in {**{name: "rpk cluster health" for name in BROKERS}, "mongo": "/replica_set.js",
                           "clickhouse": "SELECT 1"}.items():
            check = self.plain[name]["healthcheck"]
            self.assertIn(says, " ".join(check["test"]), name)
            self.assertGreaterEqual(check["retries"], 3, name)
        # Those of the services are in the image, which reads their addresses.
        for name, port in SERVICES.items():
            setting = name.replace("-", "_").upper() + "_ADDR"
            self.assertEqual(self.environment(self.plain, name)[setting], f"0.0.0.0:{port}", name)
            self.assertEqual(self.plain[name]["command"], [name])

    def test_the_engines_are_migrated_before_anything_uses_them(self):
        migrate = self.plain["migrate"]
        self.assertEqual((migrate["command"], migrate["restart"]), (["tfx", "migrate", "up"], "no"))
        # It ends, so nobody asks it whether it is ready.
        self.assertEqual(migrate["healthcheck"], {"test": ["NONE"]})
        self.assertEqual(migrate["image"], self.plain["api-service"]["image"])

    def test_only_the_public_services_answer_other_machines(self):
        local = {("api-service", "8080", "8080"), ("redpanda-console", "8085", "8080"), ("mongo", "27017", "27017"),
                 ("clickhouse", "8123", "8123"), *((f"redpanda-{n}", f"{n + 1}9092", f"{n + 1}9092") for n in range(3))}
        self.assertEqual(self.published(self.plain), {
            ("traffic-service", "", "8081", "8081"), ("postback-service", "", "8082", "8082"),
            *((name, "127.0.0.1", outside, inside) for name, outside, inside in local)})

    def test_ports_can_be_changed(self):
        changed = {"TRAFFIC": "traffic-service", "POSTBACK": "postback-service", "API": "api-service",
                   "CONSOLE": "redpanda-console", "CLICKHOUSE": "clickhouse"}
        ports = {f"{name}_PUBLISHED_PORT": str(18000 + n) for n, name in enumerate(changed)}
        services = self.read(**ports, MONGO_PUBLISHED_PORT="127.0.0.1:0")
        seen = {name: (address, outside) for name, address, outside, _ in self.published(services)}
        for setting, name in changed.items():
            self.assertEqual(seen[name][1], ports[f"{setting}_PUBLISHED_PORT"], name)
        self.assertEqual(seen["mongo"], ("127.0.0.1", "0"))
        # Inside, nothing changes.
        self.assertEqual(services["api-service"]["environment"], self.plain["api-service"]["environment"])

    def test_the_example_changes_nothing_as_it_is(self):
        with open(os.path.join(tools.ROOT, ".env.example"), encoding="utf-8") as file:
            self.assertEqual(self.read(file.read()), self.plain)

    def test_every_setting_reaches_the_services_and_they_know_each(self):
        known = set(example())
        services = self.read("".join(f"{name}=set-{name.lower()}\n" for name in known))
        for service in OF_IMAGE:
            seen = self.environment(services, service)
            self.assertEqual(set(seen), known - OF_TFX, service)
            for name in known - OF_TFX - FIXED:
                self.assertEqual(seen[name], f"set-{name.lower()}", service)
            for name in FIXED - {"CLICKHOUSE_HTTP_URL"}:
                self.assertEqual(seen[name], self.plain[service]["environment"][name], service)
        self.assertEqual(services["mongo"]["environment"]["MONGO_DATABASE"], "set-mongo_database")
        for name, setting in {"CLICKHOUSE_USER": "user", "CLICKHOUSE_PASSWORD": "password", "CLICKHOUSE_DB": "database"}.items():
            self.assertEqual(services["clickhouse"]["environment"][name], f"set-clickhouse_{setting}")
        topics = {f"set-{name.lower()}" for name in known if name.endswith("_EVENTS_TOPIC")}
        self.assertEqual(set(services["redpanda-init"]["environment"]["TOPICS"].split()), topics)

    def test_the_services_take_the_settings(self):
        for service in OF_IMAGE:
            seen = self.environment(self.plain, service)
            seen["TFX_DATA_DIR"] = self.folder
            done = tools.tfx("config", "check", cwd=self.folder, **seen)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(seen["EVENT_BROKERS"].split(","), [f"{name}:9092" for name in BROKERS])

    def test_the_brokers_make_no_topics_by_themselves_and_five_are_made_for_them(self):
        for number, name in enumerate(BROKERS):
            command = self.plain[name]["command"]
            words = command.split() if isinstance(command, str) else command
            self.assertIn("redpanda.auto_create_topics_enabled=false", words)
            self.assertNotIn("dev-container", words)
            self.assertEqual(words[words.index("--node-id") + 1], str(number))
            outside = f"{number + 1}9092"
            self.assertIn(f"internal://{name}:9092,external://127.0.0.1:{outside}", words)
        topics = {value for name, value in example().items() if name.endswith("_EVENTS_TOPIC")}
        made = self.plain["redpanda-init"]["environment"]["TOPICS"].split()
        self.assertEqual((len(made), set(made)), (5, topics))

    def test_new_volumes_are_made_by_the_scripts_in_their_order(self):
        for service, folder in (("mongo", "deploy/mongo/init"), ("clickhouse", "deploy/clickhouse/init")):
            self.assertIn((folder, "/docker-entrypoint-initdb.d"), list(self.mounts(service)))
        # The images run them by name. core/clickhouse runs the same four, one after the other, on the engine.
        scripts = sorted(os.listdir(os.path.join(tools.DEPLOY, "clickhouse", "init")))
        self.assertEqual(scripts, ["001_database.sql", "002_early_tables.sql", "003_mvp_event_tables.sql", "004_kafka_ingestion.sql", "007_use_of_caps.sql"])
        for service in OF_IMAGE:
            self.assertIn(("deploy/geo", "/geo"), list(self.mounts(service)))
        for service, targets in (("mongo", ["/replica_set.js"]), ("redpanda-init", ["/init-topics.sh"])):
            mounts = list(self.mounts(service))
            self.assertLessEqual(set(targets), {target for _, target in mounts}, service)
            for source, _ in mounts:
                self.assertTrue(os.path.exists(os.path.join(tools.ROOT, source)), source)


if __name__ == "__main__":
    unittest.main()
