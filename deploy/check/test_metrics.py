"""`docs/metrics.md` against what running services print, and the rules and dashboards against both: every metric there is one that
there is, with its labels; every rule is known to fire, and to be silent."""

import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import tools

sys.path.insert(0, os.path.join(tools.ROOT, "daemons", "api", "tests", "described"))

from server import Server  # noqa: E402  tfx up, with all three services

PATIENCE_S = 30
OF_PROMETHEUS = {"job", "instance"}
CHECKS = ("services", "destinations", "ingest", "producer", "disk", "reconcile", "backup-age")


def text(*path):
    with open(os.path.join(tools.ROOT, *path), encoding="utf-8") as file:
        return file.read()


def documented():
    """By its name, the type and the labels of each metric of the services; and the names of what tfx check prints."""
    page = text("docs", "metrics.md")
    rows = re.findall(r"^\| `(tfx_\w+)` \| (\w+) \| ([^|]+) \|([^|]*)\|", page, re.MULTILINE)
    of_services = {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, _, labels in rows}
    return of_services, set(re.findall(r"`(tfx_check_[a-z_]+)`", page))


def printed(exposition):
    """The same of an exposition."""
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", exposition, re.MULTILINE))
    found = {name: (kind, set()) for name, kind in kinds.items()}
    for name, labels in re.findall(r"^(tfx_\w+)(?:\{(.*)\})? \S+$", exposition, re.MULTILINE):
        family = name if name in found else re.sub(r"_(bucket|sum|count)$", "", name)
        found[family][1].update(re.findall(r'(?:^|,)(\w+)="', labels))
    return {name: (kind, frozenset(labels - {"le"})) for name, (kind, labels) in found.items()}


class Documented(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.server = Server(OUTBOUND_ALLOW_PRIVATE="true", DESTINATION_HEALTHCHECK_INTERVAL_MS="1000")
        cls.addClassCleanup(cls.server.stop)
        cls.data = os.path.join(cls.server.folder, "data")
        with open(os.path.join(cls.data, "internal.token"), encoding="ascii") as file:
            cls.internal = file.read().strip()
        cls.bases = [cls.server.url, *(re.match(r"http://[^/]+", url)[0] for url in (cls.server.tracking, cls.server.postbacks))]

    def metrics(self):
        found = {}
        for base in self.bases:
            request = urllib.request.Request(f"{base}/metrics", headers={"Authorization": f"Bearer {self.internal}"})
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                exposition = answer.read().decode()
            done = subprocess.run([tools.promtool(), "check", "metrics"], input=exposition, text=True, capture_output=True, check=False)
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""), base)
            found.update(printed(exposition))
        return found

    def test_the_list_is_complete_both_ways(self):
        probed = {"slug": "probed", "name": "probed", "url": f"{self.bases[1]}/healthz", "health_check": {}}
        status, _, answer = self.server.call("POST", "/destinations", probed)
        self.assertEqual(status, 201, answer)
        known, until = documented()[0], time.monotonic() + PATIENCE_S
        # What comes up with the first probe.
        while known.keys() - (found := self.metrics()).keys() and time.monotonic() < until:
            time.sleep(0.1)
        self.assertEqual(found, known)

    def test_so_is_that_of_the_checks(self):
        known = documented()[1]
        urls = dict(zip(("API_SERVICE_URL", "TRAFFIC_SERVICE_URL", "POSTBACK_SERVICE_URL"), self.bases))
        for check in CHECKS:
            folder = [self.data] if check == "backup-age" else []
            done = tools.tfx("check", check, *folder, "--format", "prometheus", cwd=self.server.folder, TFX_DATA_DIR=self.data,
                             INTERNAL_TOKEN=self.internal, **urls)
            linted = subprocess.run([tools.promtool(), "check", "metrics"], input=done.stdout, text=True, capture_output=True, check=False)
            self.assertEqual((linted.returncode, linted.stdout + linted.stderr), (0, ""), check)
            name = check.replace("-", "_")
            found = set(printed(done.stdout))
            self.assertIn(f"tfx_check_{name}_verdict", found, done.stderr)
            self.assertLessEqual(found - {f"tfx_check_{name}_verdict"}, known)
            self.assertIn(f"| `{check}` |", text("docs", "metrics.md"))

    def test_liveness_and_readiness_are_where_everybody_asks(self):
        for base in self.bases:
            for path in ("/healthz", "/readyz"):
                with urllib.request.urlopen(base + path, timeout=PATIENCE_S) as answer:
                    self.assertEqual(answer.status, 200, base + path)


class Known(unittest.TestCase):
    """What PromQL asks for is there."""

    def assert_known(self, expression, where):
        of_services, of_checks = documented()
        names = {name for name in re.findall(r"\btfx_\w+", expression)}
        for name in names:
            family = name if name in of_services else re.sub(r"_(bucket|sum|count)$", "", name)
            verdict = re.fullmatch(r"tfx_check_(\w+)_verdict", name)
            if name in of_checks or verdict and verdict[1].replace("_", "-") in CHECKS:
                continue
            self.assertIn(family, of_services, where)
            labels = of_services[family][1] | OF_PROMETHEUS | ({"le"} if name.endswith("_bucket") else set())
            for selector in re.findall(name + r"\{([^}]*)\}", expression):
                self.assertLessEqual(set(re.findall(r'(\w+)(?:=~|!=|!~|=)"', selector)), labels, where)
            if len(names) == 1:
                grouped = {label.strip() for labels in re.findall(r"by \(([^)]*)\)", expression) for label in labels.split(",")}
                self.assertLessEqual(grouped - {""}, labels, where)

    def promtool(self, *arguments):
        done = tools.run([tools.promtool(), *arguments], cwd=os.path.join(tools.DEPLOY, "prometheus"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout


class Rules(Known):
    def rules(self):
        groups = tools.yaml(text("deploy", "prometheus", "alerts.yml"))["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def test_prometheus_takes_them(self):
        self.promtool("check", "rules", "--lint-fatal", "alerts.yml")
        self.promtool("check", "config", "--syntax-only", "prometheus.yml")

    def test_they_ask_for_what_there_is(self):
        for rule in self.rules():
            self.assert_known(rule["expr"], rule["alert"])
            self.assertIn(rule["labels"]["severity"], ("critical", "warning"))

    def test_each_leads_into_the_playbook(self):
        heads = re.findall(r"^#+ (.+)$", text("docs", "handbook.md"), re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
        for rule in self.rules():
            page, anchor = rule["annotations"]["runbook"].split("#")
            self.assertEqual(page, "docs/handbook.md")
            self.assertIn(anchor, anchors, rule["alert"])
        for anchor in re.findall(r"handbook\.md#([\w-]+)", text("docs", "metrics.md")):
            self.assertIn(anchor, anchors)

    def test_each_fires_and_is_silent_in_its_tests(self):
        self.promtool("test", "rules", "alerts_test.yml")
        every = {rule["alert"] for rule in self.rules()}
        seen = {name for test in tools.yaml(text("deploy", "prometheus", "alerts_test.yml"))["tests"]
                for expr in test["promql_expr_test"] for sample in expr["exp_samples"] for name in re.findall(r'"(\w+)"', sample["labels"])}
        self.assertEqual(seen, every)


class Dashboards(Known):
    def panels(self):
        for path in sorted(glob.glob(os.path.join(tools.DEPLOY, "grafana", "dashboards", "*.json"))):
            with open(path, encoding="utf-8") as file:
                dashboard = json.load(file)
            self.assertEqual(f"{dashboard['uid']}.json", os.path.basename(path))
            for panel in dashboard["panels"]:
                yield f"{dashboard['title']}: {panel['title']}", panel

    def test_they_ask_for_what_there_is(self):
        rules = []
        for where, panel in self.panels():
            for target in panel["targets"]:
                self.assert_known(target["expr"], where)
                rules.append({"record": "a:b", "expr": target["expr"].replace("$__rate_interval", "5m"), "labels": {"n": str(len(rules))}})
        with tempfile.NamedTemporaryFile("w", suffix=".yml", encoding="utf-8") as file:
            json.dump({"groups": [{"name": "panels", "rules": rules}]}, file)
            file.flush()
            self.promtool("check", "rules", file.name)

    def test_their_units_are_those_of_the_metrics(self):
        for where, panel in self.panels():
            asked = " ".join(target["expr"] for target in panel["targets"])
            unit = panel["fieldConfig"]["defaults"]["unit"]
            if "_seconds" in asked:
                self.assertEqual(unit, "s", where)
            elif "_bytes" in asked:
                self.assertEqual(unit, "Bps" if "rate(" in asked else "bytes", where)
            elif all("rate(" in target["expr"] for target in panel["targets"]):
                self.assertIn(unit, ("cps", "reqps"), where)
            else:
                self.assertIn(unit, ("none", "short"), where)

    def test_grafana_finds_everything_it_needs(self):
        taken = set()
        for where, panel in self.panels():
            self.assertTrue(panel["description"], where)
            self.assertEqual(panel["datasource"], {"type": "prometheus", "uid": "${datasource}"}, where)
            at = panel["gridPos"]
            cells = {(where.split(":")[1], x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertFalse(cells & taken, f"{where} lies over another")
            self.assertLessEqual(at["x"] + at["w"], 24, where)
            taken |= cells
        for kind, key in (("dashboards", "providers"), ("datasources", "datasources")):
            for path in glob.glob(os.path.join(tools.DEPLOY, "grafana", "provisioning", kind, "*.yml")):
                said = tools.yaml(text(path))
                self.assertEqual(said["apiVersion"], 1)
                self.assertTrue(said[key])


if __name__ == "__main__":
    unittest.main()
