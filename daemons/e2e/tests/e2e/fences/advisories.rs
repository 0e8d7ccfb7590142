//! No locked version has a known fault: `Cargo.lock` against a committed copy of what the RustSec database says, as
//! `cargo deny check advisories` does against the database itself, with a network.

use super::{Fences, root};
use cargo_metadata::semver::{Version, VersionReq};
use std::{collections::BTreeMap, fs};

const COPY: &str = include_str!("advisories.toml");

/// A fault of a library that the world knows of.
struct Advisory {
    id: String,
    package: String,
    what: String,
    patched: Vec<VersionReq>,
    unaffected: Vec<VersionReq>,
}

impl Advisory {
    fn read_all(copy: &str) -> Vec<Self> {
        let table: toml::Table = copy.parse().expect("advisories.toml");
        let ranges = |entry: &toml::Value, key: &str| {
            let list = entry.get(key).and_then(toml::Value::as_array).into_iter().flatten();
            list.map(|range| text(range).parse().unwrap_or_else(|e| panic!("{range}: {e}"))).collect()
        };
        let entries = table["advisory"].as_array().expect("advisories").iter();
        let read = |entry: &toml::Value| Self {
            id: text(&entry["id"]).to_owned(),
            package: text(&entry["package"]).to_owned(),
            what: text(&entry["what"]).to_owned(),
            patched: ranges(entry, "patched"),
            unaffected: ranges(entry, "unaffected"),
        };
        entries.map(read).collect()
    }

    /// A version before a release (`1.0.0-rc.1`) is matched only by ranges that name one of the same release: rather
    /// affected than not.
    fn affects(&self, version: &Version) -> bool {
        !self.patched.iter().chain(&self.unaffected).any(|range| range.matches(version))
    }

    fn way_out(&self, version: &Version) -> String {
        let package = format!("{}@{version}", self.package);
        let ranges = if self.patched.is_empty() { &self.unaffected } else { &self.patched };
        if ranges.is_empty() {
            return format!(
                "do without {package}, no version mends it (`cargo tree -i {package}`: who asks for it)"
            );
        }
        let ranges: Vec<String> = ranges.iter().map(|range| format!("`{range}`")).collect();
        format!("`cargo update -p {package} --precise VERSION` with one of {}", ranges.join(" or "))
    }
}

fn text(value: &toml::Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// What is wrong with the versions of a `Cargo.lock`: affected ones that `advisories.ignore` of `deny.toml` does not name,
/// and what it names without need or reason.
fn advised_against(lock: &str, advisories: &[Advisory], ignore: &[toml::Value]) -> Vec<String> {
    let lock: toml::Table = lock.parse().expect("Cargo.lock");
    let mut wrong = Vec::new();
    // Id → whether a locked version needs it.
    let mut ignored: BTreeMap<&str, bool> = BTreeMap::new();
    for entry in ignore {
        let said = |key: &str| entry.get(key).and_then(toml::Value::as_str).filter(|t| !t.trim().is_empty());
        if let (Some(id), Some(_)) = (said("id"), said("reason")) {
            ignored.insert(id, false);
        } else {
            wrong.push(format!("{entry} in deny.toml: write {{ id = \"RUSTSEC-…\", reason = \"…\" }}"));
        }
    }
    for package in lock["package"].as_array().expect("packages") {
        if package.get("source").is_none() {
            continue;
        }
        let version = Version::parse(text(&package["version"])).expect("a version");
        for advisory in advisories.iter().filter(|a| a.package == text(&package["name"])) {
            if !advisory.affects(&version) {
                continue;
            }
            if let Some(needed) = ignored.get_mut(advisory.id.as_str()) {
                *needed = true;
                continue;
            }
            wrong.push(format!(
                "{}: {} {version} is affected: {} What to do: {}. Where that cannot be, name it with a reason in \
                 advisories.ignore of deny.toml.",
                advisory.id,
                advisory.package,
                advisory.what,
                advisory.way_out(&version)
            ));
        }
    }
    for (id, _) in ignored.into_iter().filter(|(_, needed)| !needed) {
        wrong.push(format!(
            "{id}: no locked version is affected: take it out of advisories.ignore of deny.toml"
        ));
    }
    wrong
}

#[test]
fn no_locked_version_has_a_known_fault() {
    let fences = Fences::read();
    let advisories = Advisory::read_all(COPY);
    let order: Vec<_> = advisories.iter().map(|a| (&a.package, &a.id)).collect();
    assert!(order.is_sorted_by(|a, b| a < b), "advisories.toml goes by package and id, each once");
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    let wrong = advised_against(&lock, &advisories, fences.list("advisories", "ignore"));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_affected_version_is_found_unless_it_is_ignored_for_a_reason() {
    let advisories = Advisory::read_all(
        r#"
        [[advisory]]
        id = "RUSTSEC-2000-0001"
        package = "leaky"
        patched = [">= 1.2.3, < 2.0.0", "^2.1.1"]
        unaffected = ["< 1.0.0"]
        what = "It leaks."
        [[advisory]]
        id = "RUSTSEC-2000-0002"
        package = "left"
        informational = "unmaintained"
        what = "Nobody looks after it."
        "#,
    );
    let lock = |name: &str, version: &str| {
        let source = "registry+https://github.com/rust-lang/crates.io-index";
        format!("[[package]]\nname = '{name}'\nversion = '{version}'\nsource = '{source}'\n")
    };
    let found = |lock: &str, ignore: &str| {
        let ignore: toml::Table = format!("ignore = [{ignore}]").parse().expect("TOML");
        advised_against(lock, &advisories, ignore["ignore"].as_array().expect("a list"))
    };
    for (name, version, affected) in [
        ("leaky", "0.9.9", false),
        ("leaky", "1.0.0", true),
        ("leaky", "1.2.2", true),
        ("leaky", "1.2.3", false),
        ("leaky", "1.9.0+built.7", false),
        ("leaky", "2.0.0", true),
        ("leaky", "2.1.1", false),
        ("leaky", "2.1.1-rc.1", true),
        ("left", "7.0.0", true),
        ("sound", "1.0.0", false),
    ] {
        assert_eq!(!found(&lock(name, version), "").is_empty(), affected, "{name} {version}");
    }
    let both = lock("leaky", "1.2.2") + &lock("leaky", "1.2.3");
    let [told] = found(&both, "").try_into().expect("one of the two");
    for said in
        ["RUSTSEC-2000-0001", "leaky 1.2.2", "It leaks.", "-p leaky@1.2.2 --precise", ">=1.2.3, <2.0.0"]
    {
        assert!(told.contains(said), "{said} is not in: {told}");
    }
    assert!(found(&lock("left", "7.0.0"), "")[0].contains("cargo tree -i left@7.0.0"));
    let ours = "[[package]]\nname = 'leaky'\nversion = '1.0.0'\n";
    assert!(found(ours, "").is_empty(), "a package of the workspace is not the registry's");

    let reason = "{ id = 'RUSTSEC-2000-0001', reason = 'we never call it' }";
    assert!(found(&both, reason).is_empty());
    assert_eq!(
        found(&(both.clone() + &lock("left", "7.0.0")), reason).len(),
        1,
        "one is ignored, not the other"
    );
    for (lock, ignore) in [
        (lock("leaky", "1.2.3"), reason),
        (both.clone(), "{ id = 'RUSTSEC-2000-0001' }"),
        (both.clone(), "{ id = 'RUSTSEC-2000-0001', reason = ' ' }"),
        (both, "'RUSTSEC-2000-0001'"),
    ] {
        assert!(!found(&lock, ignore).is_empty(), "{ignore}");
    }
}
