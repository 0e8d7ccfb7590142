//! What comes in from others stays where it belongs: `deny.toml` read and held without a network, as `cargo deny` would;
//! and the fences that it has no words for: who chooses the allocator, that each decision can be found.

mod advisories;

use cargo_metadata::{DependencyKind, MetadataCommand};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the root").to_owned()
}

/// The lists of `deny.toml`.
struct Fences(toml::Table);

impl Fences {
    fn read() -> Self {
        let text = fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
        Self(text.parse().expect("TOML"))
    }

    fn list(&self, table: &str, key: &str) -> &[toml::Value] {
        let list = self.0.get(table).and_then(|t| t.get(key)).and_then(toml::Value::as_array);
        list.unwrap_or_else(|| panic!("deny.toml has no {table}.{key}"))
    }

    fn words(&self, table: &str, key: &str) -> Vec<&str> {
        self.list(table, key).iter().map(|v| v.as_str().expect("a text")).collect()
    }

    /// Client → who may name it; the first is its adapter.
    fn wrappers(&self) -> BTreeMap<&str, Vec<&str>> {
        let list = self.list("bans", "deny").iter().map(|entry| {
            let wrappers = entry["wrappers"].as_array().expect("a list");
            let wrappers = wrappers.iter().map(|w| w.as_str().expect("a text")).collect();
            (entry["crate"].as_str().expect("a crate"), wrappers)
        });
        list.collect()
    }
}

/// What `cargo tree` says of the workspace: what is compiled for this machine, with features that are on.
fn tree(options: &[&str]) -> BTreeSet<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let done = std::process::Command::new(cargo)
        .args(["tree", "--workspace", "--locked", "--prefix", "none"])
        .args(options)
        .current_dir(root())
        .output()
        .expect("cargo tree");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let lines = String::from_utf8(done.stdout).expect("text");
    lines.lines().filter(|l| !l.is_empty()).map(|l| l.trim_end_matches(" (*)").to_owned()).collect()
}

fn licence_fits(licence: &str, allowed: &[&str]) -> bool {
    let parsed = spdx::Expression::parse_mode(licence, spdx::ParseMode::LAX);
    parsed.is_ok_and(|e| {
        e.evaluate(|req| {
            req.license.id().is_some_and(|id| allowed.contains(&id.name)) && req.addition.is_none()
        })
    })
}

#[test]
fn licences_are_among_those_that_we_can_live_with() {
    let fences = Fences::read();
    let allowed = fences.words("licenses", "allow");
    for (licence, fits) in [
        ("MIT OR GPL-3.0-only", true),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0-only", false),
        ("MIT AND GPL-3.0-only", false),
        ("made up", false),
    ] {
        assert_eq!(licence_fits(licence, &allowed), fits, "{licence}");
    }
    let wrong: Vec<String> = tree(&["--format", "{l}: {p}"])
        .into_iter()
        .filter(|line| !line.split_once(": ").is_some_and(|(licence, _)| licence_fits(licence, &allowed)))
        .collect();
    assert!(wrong.is_empty(), "not among licenses.allow of deny.toml: {wrong:#?}");
}

#[test]
fn what_is_not_ours_comes_from_the_registry() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    let registry = r#"source = "registry+https://github.com/rust-lang/crates.io-index""#;
    let wrong: Vec<&str> = lock.lines().filter(|l| l.starts_with("source = ") && *l != registry).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_engines_client_is_known_in_its_adapter() {
    let fences = Fences::read();
    let wrappers = fences.wrappers();
    let metadata = MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo metadata");
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for package in &metadata.packages {
        for dependency in &package.dependencies {
            let Some(may) = wrappers.get(dependency.name.as_str()) else { continue };
            let name = package.name.as_str();
            used.insert((dependency.name.clone(), name.to_owned()));
            let fits = if dependency.kind == DependencyKind::Development {
                may.contains(&name)
            } else {
                may.first() == Some(&name)
            };
            if !fits {
                wrong.push(format!("{name} may not name {}", dependency.name));
            }
        }
    }
    for (client, may) in wrappers {
        for name in may {
            if !used.contains(&(client.to_owned(), name.to_owned())) {
                wrong.push(format!("{name} names {client} no longer: take it out of deny.toml"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn nothing_is_compiled_twice_that_is_not_listed() {
    let fences = Fences::read();
    let skip: Vec<(&str, &str)> = fences
        .list("bans", "skip")
        .iter()
        .map(|e| e["crate"].as_str().and_then(|c| c.split_once('@')).expect("NAME@VERSION"))
        .collect();
    let is = |version: &str, listed: &str| version == listed || version.starts_with(&format!("{listed}."));
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in tree(&["--format", "{p}"]) {
        let mut words = line.split(' ');
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            let version = version.trim_start_matches('v').to_owned();
            versions.entry(name.to_owned()).or_default().insert(version);
        }
    }
    let twice: Vec<_> = versions
        .iter()
        .filter(|(name, all)| {
            all.iter().filter(|v| !skip.iter().any(|(n, listed)| n == name && is(v, listed))).count() > 1
        })
        .collect();
    assert!(twice.is_empty(), "in the tree more than once, and not in bans.skip of deny.toml: {twice:#?}");
    let lock: toml::Table =
        fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock").parse().expect("TOML");
    let locked = lock["package"].as_array().expect("packages");
    let gone: Vec<_> = skip
        .iter()
        .filter(|(name, listed)| {
            let text = |p: &toml::Value, key: &str| p[key].as_str().unwrap_or_default().to_owned();
            !locked.iter().any(|p| text(p, "name") == *name && is(&text(p, "version"), listed))
        })
        .collect();
    assert!(gone.is_empty(), "there no longer: take them out of bans.skip of deny.toml: {gone:#?}");
}

/// A library that chooses the allocator chooses for whoever uses it, tests included.
#[test]
fn only_programs_choose_their_allocator() {
    let mut folders: Vec<PathBuf> = ["cli", "core", "daemons"].iter().map(|d| root().join(d)).collect();
    let program =
        |path: &Path| path.ends_with("src/main.rs") || path.components().any(|c| c.as_os_str() == "benches");
    let mut wrong = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("read a folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && !program(&path) {
                let text = fs::read_to_string(&path).expect("read a source file");
                if text.lines().any(|l| l.trim_start() == "#[global_allocator]") {
                    wrong.push(path);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "an allocator belongs to a main.rs or a bench: {wrong:#?}");
}

#[test]
fn every_decision_is_listed_and_has_a_number_of_its_own() {
    let docs = root().join("docs");
    let architecture = fs::read_to_string(docs.join("architecture.md")).expect("architecture.md");
    let listed = architecture.lines().filter_map(|l| l.strip_prefix("- ")?.split_once(") "));
    let listed: BTreeSet<String> = listed
        .filter(|(link, _)| link.contains("](decisions/"))
        .map(|(link, _)| format!("{link})"))
        .collect();
    let mut numbers: BTreeMap<String, String> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut expected = BTreeSet::new();
    for entry in fs::read_dir(docs.join("decisions")).expect("docs/decisions") {
        let name = entry.expect("entry").file_name().to_string_lossy().into_owned();
        let number = name.get(..4).unwrap_or(&name).to_owned();
        expected.insert(format!("[{number}](decisions/{name})"));
        if let Some(other) = numbers.insert(number.clone(), name.clone()) {
            wrong.push(format!("{number} is the number of {other} and of {name}"));
        }
    }
    wrong.extend(expected.difference(&listed).map(|l| format!("architecture.md does not list {l}")));
    wrong.extend(
        listed.difference(&expected).map(|l| format!("architecture.md lists {l}, which is not there")),
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A feature that only a test asks for would have every library above it compiled twice on the way through `make test`.
#[test]
fn programs_and_tests_are_made_of_the_same_libraries() {
    let features = ["--format", "{p} [{f}]", "--edges"];
    let tree = |edges| tree(&[features.as_slice(), &[edges]].concat());
    let (programs, tests) = (tree("normal,build"), tree("normal,build,dev"));
    let other: Vec<&String> = programs.difference(&tests).collect();
    assert!(
        other.is_empty(),
        "these have more features in tests; name those in daemons/e2e/Cargo.toml: {other:#?}"
    );
}
