"""`deploy/kubernetes` as kustomize builds it: known to Kubernetes, line by line, and in agreement with the services, their
settings, the image and the compose file."""

import functools
import os
import re
import shutil
import tempfile
import unittest

import tools
from test_compose import SERVICES, example

FOLDER = os.path.join(tools.DEPLOY, "kubernetes")
# The oldest that knows every field, and the newest of the package.
VERSIONS = ("1.29", "1.37")
COMPONENT, PART = "app.kubernetes.io/component", "app.kubernetes.io/part-of"
WITH_PODS = {"Deployment", "StatefulSet", "Job", "CronJob"}
OF_SECRET = {"INTERNAL_TOKEN", "SECRETS_KEY", "MONGO_URI", "CLICKHOUSE_USER", "CLICKHOUSE_PASSWORD", "EVENT_KAFKA_OPTIONS", "AUTH_JWT_SECRET",
             "AUTH_RESEND_API_KEY", "ALERT_TELEGRAM_TOKEN"}


def text(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


@functools.cache
def built(name):
    done = tools.kustomize(os.path.join(FOLDER, name))
    if done.returncode or done.stderr:
        raise AssertionError(f"{name}: {done.returncode}: {done.stderr}")
    return done.stdout


def template(document):
    """The pods that a document makes."""
    spec = document["spec"]
    return (spec["jobTemplate"]["spec"] if document["kind"] == "CronJob" else spec)["template"]


def matches(selector, labels):
    """Whether a selector takes pods with these labels."""
    wanted = selector.get("matchLabels", {})
    said = all(labels.get(name) == value for name, value in wanted.items())
    return said and all(labels.get(e["key"]) in e["values"] and e["operator"] == "In" for e in selector.get("matchExpressions", []))


def bytes_of(quantity):
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", quantity).groups()
    return int(number) << {"Mi": 20, "Gi": 30}[unit]


class Case(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="tfx-deploy-check-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.documents = tools.documents(built("overlays/production"))
        cls.pods = {d["metadata"]["name"]: template(d) for d in cls.documents if d["kind"] in WITH_PODS}

    def all(self, kind):
        return {d["metadata"]["name"]: d for d in self.documents if d["kind"] == kind}

    @property
    def settings(self):
        (found,) = self.all("ConfigMap").values()
        return found["data"]

    def containers(self):
        for name, pod in self.pods.items():
            for container in [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]:
                yield f"{name}: {container['name']}", container


class Schema(Case):
    def faults(self, content):
        path = os.path.join(self.folder, "manifests.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
        return tools.schema_faults(path, VERSIONS)

    def test_kubernetes_knows_every_line(self):
        for name in ("base", "overlays/production"):
            self.assertEqual(self.faults(built(name)), "", name)

    def test_it_would_say_so(self):
        good = built("overlays/production")
        for wrong, instead in (("terminationGracePeriodSeconds:", "terminationGraceSeconds:"), ("maxUnavailable: 1", "maxUnavailable: [1]"),
                               ("kind: PodDisruptionBudget", "kind: PodDisruptionBudgets")):
            self.assertIn(wrong, good)
            self.assertNotEqual(self.faults(good.replace(wrong, instead)), "", instead)

    def test_all_that_is_promised_is_there(self):
        self.assertEqual(set(self.all("StatefulSet")), {"traffic-service", "postback-service"})
        self.assertEqual(set(self.all("Deployment")), {"api-service"})
        self.assertEqual((set(self.all("Job")), set(self.all("CronJob"))), ({"migrate"}, {"backup", "check"}))
        self.assertEqual(self.all("Secret"), {}, "secrets are made by their owner")
        self.assertEqual({d["metadata"].get("namespace", "traffoflex") for d in self.documents}, {"traffoflex"})

    def test_cronjobs_have_what_all_pods_have(self):
        patch, of_cronjobs = (template(tools.yaml(text(FOLDER, "base", name))) for name in ("pod.yaml", "pod-of-cronjob.yaml"))
        self.assertEqual(patch, of_cronjobs)


class Settings(Case):
    def test_each_is_one_and_each_secret_is_told_of(self):
        self.assertLessEqual(set(self.settings), set(example()))
        told = text(tools.ROOT, "docs", "deploy.md")
        for where, container in self.containers():
            refs = {e["name"]: e["valueFrom"]["secretKeyRef"] for e in container.get("env", [])}
            self.assertLessEqual(set(refs) - {"TFX_TOKEN"}, OF_SECRET, where)
            for name, ref in refs.items():
                self.assertEqual((ref["name"], ref["key"]), ("traffoflex", name), where)
                self.assertTrue(f"| `{name}` |" in told, f"{name} is not told of in docs/deploy.md")
                self.assertIn(name, example())
            if container["name"] == "tfx":
                self.assertLessEqual(OF_SECRET, set(refs), where)
                (settings,) = self.all("ConfigMap")
                self.assertEqual(container["envFrom"], [{"configMapRef": {"name": settings}}], where)

    def test_the_programs_take_them(self):
        secrets = {"MONGO_URI": "mongodb://mongo.mongo:27017/?replicaSet=rs0", "INTERNAL_TOKEN": "of-this-very-test-0123456789",
                   "CLICKHOUSE_USER": "traffoflex", "CLICKHOUSE_PASSWORD": "of-this-test"}
        done = tools.tfx("config", "check", cwd=self.folder, **{**self.settings, **secrets, "TFX_DATA_DIR": self.folder})
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

    def test_the_services_listen_and_are_asked_where_compose_says(self):
        for name, port in SERVICES.items():
            kind = name.removesuffix("-service").upper()
            self.assertEqual(self.settings[f"{kind}_SERVICE_ADDR"], f"0.0.0.0:{port}")
            self.assertEqual(self.settings[f"{kind}_SERVICE_URL"], f"http://{name}:{port}")
            (container,) = self.pods[name]["spec"]["containers"]
            self.assertEqual(container["command"], [name])
            self.assertEqual(container["ports"], [{"name": "http", "containerPort": int(port)}])
            for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
                self.assertEqual(container[probe]["httpGet"], {"path": path, "port": "http"}, name)
            # A check of /readyz takes up to 4 s.
            self.assertGreater(container["readinessProbe"]["timeoutSeconds"], 4)
        for service in self.all("Service").values():
            name = service["spec"]["selector"][COMPONENT]
            self.assertEqual(service["spec"]["ports"], [{"name": "http", "port": int(SERVICES[name]), "targetPort": "http"}])


class Pods(Case):
    def test_none_may_do_more_than_it_must(self):
        user, group = map(int, re.search(r"^USER (\d+):(\d+)$", text(tools.DEPLOY, "Dockerfile"), re.MULTILINE).groups())
        for name, pod in self.pods.items():
            spec = pod["spec"]
            self.assertEqual(spec["securityContext"], {
                "runAsNonRoot": True, "runAsUser": user, "runAsGroup": group, "fsGroup": group,
                "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"}}, name)
            self.assertEqual((spec["automountServiceAccountToken"], spec["serviceAccountName"]), (False, "traffoflex"), name)
            self.assertEqual(pod["metadata"]["labels"][PART], "traffoflex", name)
        for where, container in self.containers():
            self.assertEqual(container["securityContext"], {
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}, where)
            self.assertEqual(set(container["resources"]["requests"]), {"cpu", "memory"}, where)
            self.assertEqual(set(container["resources"]["limits"]), {"memory"}, where)
            self.assertEqual(container["image"], "registry.example.com/traffoflex:0.1.0", where)

    def test_they_can_write_where_they_must(self):
        for name, pod in self.pods.items():
            volumes = {v["name"]: v for v in pod["spec"]["volumes"]}
            for claim in self.all("StatefulSet").get(name, {"spec": {}})["spec"].get("volumeClaimTemplates", []):
                volumes[claim["metadata"]["name"]] = claim
            (container,) = pod["spec"]["containers"]
            mounts = {m["mountPath"]: m["name"] for m in container["volumeMounts"]}
            self.assertLessEqual({"/data", "/tmp"}, set(mounts), name)
            self.assertLessEqual(set(mounts.values()), set(volumes), name)
        self.assertTrue(self.settings["TFX_DATA_DIR"].startswith("/data/"), "the root of a volume is its group's too")

    def test_each_pod_of_a_journal_has_a_volume_that_holds_it_and_none_is_thrown_away(self):
        for name, each in self.all("StatefulSet").items():
            (claim,) = each["spec"]["volumeClaimTemplates"]
            size = bytes_of(claim["spec"]["resources"]["requests"]["storage"])
            self.assertGreater(size, 1.2 * int(self.settings["EVENT_JOURNAL_MAX_BYTES"]), name)
            self.assertEqual(each["spec"]["persistentVolumeClaimRetentionPolicy"], {"whenDeleted": "Retain", "whenScaled": "Retain"})
            headless = self.all("Service")[each["spec"]["serviceName"]]
            self.assertEqual(headless["spec"]["clusterIP"], "None")
            self.assertTrue(matches({"matchLabels": headless["spec"]["selector"]}, self.pods[name]["metadata"]["labels"]))

    def test_there_is_time_to_deliver_what_is_left(self):
        for name in SERVICES:
            spec = self.pods[name]["spec"]
            pause = int(spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
            needed = pause + int(self.settings["SHUTDOWN_GRACE_MS"]) / 1000
            self.assertGreater(spec["terminationGracePeriodSeconds"], needed, name)

    def test_an_upgrade_of_the_nodes_leaves_some_of_each(self):
        budgets = self.all("PodDisruptionBudget")
        self.assertEqual(set(budgets), set(SERVICES))
        for name, budget in budgets.items():
            taken = [other for other, pod in self.pods.items() if matches(budget["spec"]["selector"], pod["metadata"]["labels"])]
            self.assertEqual(taken, [name])
            replicas = {**self.all("StatefulSet"), **self.all("Deployment")}[name]["spec"]["replicas"]
            self.assertGreater(replicas, budget["spec"]["maxUnavailable"], name)
            spread = {s["topologyKey"]: s for s in self.pods[name]["spec"]["topologySpreadConstraints"]}
            self.assertEqual(set(spread), {"kubernetes.io/hostname", "topology.kubernetes.io/zone"})
            for constraint in spread.values():
                self.assertTrue(matches(constraint["labelSelector"], self.pods[name]["metadata"]["labels"]), name)
        for name in self.all("StatefulSet"):
            self.assertEqual(self.pods[name]["spec"]["topologySpreadConstraints"][0]["whenUnsatisfiable"], "DoNotSchedule")


class Commands(Case):
    def script(self, name):
        (container,) = self.pods[name]["spec"]["containers"]
        return container.get("args", [" ".join(container["command"])])[0]

    def test_tfx_knows_them(self):
        asked = [line.split() for name in ("migrate", "backup") for line in self.script(name).splitlines()]
        checks = re.search(r"for check in ([^;]+);", self.script("check")).group(1).split()
        for words in [*asked, *(["tfx", "check", check] for check in checks)]:
            self.assertEqual(words[0], "tfx")
            done = tools.tfx(*words[1:], "--help", cwd=self.folder)
            self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}")

    def test_a_critical_check_fails_the_job_and_the_others_are_made(self):
        path = os.path.join(self.folder, "tfx")
        for codes, fails in (("0 0 0 0", 0), ("0 1 1 0", 0), ("2 0 0 0", 1), ("0 0 3 0", 1)):
            with open(path, "w", encoding="utf-8") as file:
                file.write(f'#!/bin/sh\necho "$*" >>asked\nset -- {codes}\nshift $(($(wc -l <asked) - 1))\nexit $1\n')
            os.chmod(path, 0o755)
            done = tools.run(["sh", "-c", self.script("check")], cwd=self.folder, env={"PATH": f"{self.folder}:{os.environ['PATH']}"})
            self.assertEqual(done.returncode, fails, codes)
            asked = os.path.join(self.folder, "asked")
            self.assertEqual(len(text(asked).splitlines()), 4)
            os.unlink(asked)

    def test_the_token_is_there_and_for_nobody_else(self):
        (container,) = self.pods["api-service"]["spec"]["initContainers"]
        for name in ("data", "secret"):
            os.mkdir(os.path.join(self.folder, name))
        with open(os.path.join(self.folder, "secret", "admin.token"), "w", encoding="ascii") as file:
            file.write("a-token-of-this-very-test\n")
        command = [word.replace("/data", f"{self.folder}/data").replace("/secret", f"{self.folder}/secret") for word in container["command"]]
        for _ in ("the first start", "a container that is started anew"):
            done = tools.run(command)
            self.assertEqual(done.returncode, 0, done.stderr)
        token = os.path.join(self.folder, "data", "tfx", "admin.token")
        self.assertEqual((text(token), os.stat(token).st_mode & 0o777), ("a-token-of-this-very-test\n", 0o600))
        self.assertEqual(os.stat(os.path.dirname(token)).st_mode & 0o777, 0o700)


class Network(Case):
    def test_only_what_is_meant_for_the_public_is_public(self):
        specs = [ingress["spec"] for ingress in self.all("Ingress").values()]
        public = {(rule["host"], path["path"], path["backend"]["service"]["name"])
                  for spec in specs for rule in spec["rules"] for path in rule["http"]["paths"]}
        self.assertEqual(public, {("go.example.com", "/c", "traffic-service"), ("go.example.com", "/_go", "traffic-service"),
                                  ("postback.example.com", "/postback", "postback-service")})
        self.assertEqual({host for spec in specs for tls in spec["tls"] for host in tls["hosts"]}, {host for host, _, _ in public})
        self.assertEqual(self.settings["PUBLIC_HOSTS"], "go.example.com")
        self.assertTrue(self.settings["TRUSTED_PROXY_CIDRS"], "every visitor would have the controller's address")

    def test_each_policy_is_of_pods_that_there_are_and_one_is_of_all(self):
        policies = self.all("NetworkPolicy")
        for name, policy in policies.items():
            taken = [pod for pod in self.pods.values() if matches(policy["spec"]["podSelector"], pod["metadata"]["labels"])]
            self.assertTrue(taken, name)
            for kind in ("Ingress", "Egress"):
                if kind.lower() in policy["spec"]:
                    self.assertIn(kind, policy["spec"]["policyTypes"], name)
        everything = policies["nothing"]["spec"]
        self.assertEqual(everything["policyTypes"], ["Ingress", "Egress"])
        self.assertTrue(all(matches(everything["podSelector"], pod["metadata"]["labels"]) for pod in self.pods.values()))
        self.assertFalse({"ingress", "egress"} & set(everything))


if __name__ == "__main__":
    unittest.main()
