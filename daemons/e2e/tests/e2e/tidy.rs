//! The house keeps its order: who may import whom, every file says what it is and is compiled, every test is run, nothing
//! strange at the top level.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Package → the packages of ours it may depend on (dev-dependencies excepted). `docs/architecture.md` tells why.
const ARROWS: &[(&str, &[&str])] = &[
    ("tfx-domain", &[]),
    ("tfx-ports", &["tfx-domain"]),
    ("tfx-settings", &["tfx-domain"]),
    ("tfx-outbound", &[]),
    ("tfx-traces", &["tfx-ports", "tfx-domain"]),
    ("tfx-visitor", &["tfx-settings", "tfx-ports", "tfx-domain"]),
    ("tfx-memory", &["tfx-events", "tfx-ports", "tfx-domain"]),
    ("tfx-events", &["tfx-ports", "tfx-domain"]),
    ("tfx-embedded", ADAPTER),
    ("tfx-mongo", ADAPTER),
    ("tfx-kafka", ADAPTER),
    ("tfx-clickhouse", ADAPTER),
    (
        "tfx-wiring",
        &[
            "tfx-settings",
            "tfx-events",
            "tfx-embedded",
            "tfx-mongo",
            "tfx-kafka",
            "tfx-clickhouse",
            "tfx-outbound",
            "tfx-traces",
            "tfx-ports",
            "tfx-domain",
        ],
    ),
    ("tfx-api", &["tfx-domain"]),
    ("tfx-ops", &["tfx-api", "tfx-ports", "tfx-domain"]),
    ("tfx-service", &["tfx-events", "tfx-traces", "tfx-ports", "tfx-settings", "tfx-domain"]),
    ("tfx-traffic", TRAFFIC),
    ("tfx-postback", DAEMON),
    (
        "tfx-api-service",
        &[
            "tfx-service",
            "tfx-outbound",
            "tfx-traces",
            "tfx-api",
            "tfx-settings",
            "tfx-wiring",
            "tfx-ports",
            "tfx-domain",
        ],
    ),
    ("tfx-e2e", &["tfx-api", "tfx-domain", "tfx-ports", "tfx-service"]),
    (
        "tfx",
        &[
            "tfx-ops",
            "tfx-api",
            "tfx-settings",
            "tfx-wiring",
            "tfx-domain",
            "tfx-service",
            "tfx-traffic",
            "tfx-postback",
            "tfx-api-service",
        ],
    ),
];

const ADAPTER: &[&str] = &["tfx-ports", "tfx-domain"];

const DAEMON: &[&str] = &[
    "tfx-service",
    "tfx-events",
    "tfx-outbound",
    "tfx-traces",
    "tfx-api",
    "tfx-settings",
    "tfx-wiring",
    "tfx-ports",
    "tfx-domain",
];

const TRAFFIC: &[&str] = &[
    "tfx-visitor",
    "tfx-memory",
    "tfx-service",
    "tfx-events",
    "tfx-outbound",
    "tfx-traces",
    "tfx-api",
    "tfx-settings",
    "tfx-wiring",
    "tfx-ports",
    "tfx-domain",
];

/// What may not be in the pure crate, directly: it would bring sockets, a runtime or files.
const IMPURE: &[&str] = &["tokio", "axum", "hyper", "reqwest", "rusqlite", "tracing"];

/// The top level, fixed by the user; beside dotfiles, licence and lint files.
const TOP: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "cli",
    "daemons",
    "core",
    "deploy",
    "completions",
    "docs",
    "README.md",
    "Makefile",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "clippy.toml",
    "deny.toml",
    "rustfmt.toml",
    "rust-toolchain.toml",
    "target",
];

/// Test targets that `cargo test` passes over; each has a command of its own in the Makefile.
const APART: &[&str] = &["engines"];

fn metadata() -> Metadata {
    MetadataCommand::new().no_deps().other_options(["--offline".to_owned()]).exec().expect("cargo metadata")
}

fn sources(root: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut folders: Vec<PathBuf> = ["cli", "core", "daemons"].iter().map(|d| root.join(d)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("read a folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                out.push(path);
            }
        }
    }
    out.sort();
    out
}

#[test]
fn arrows_are_kept() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    let listed: BTreeSet<&str> = ARROWS.iter().map(|(n, _)| *n).collect();
    assert_eq!(ours, listed, "the list of arrows names every package of the workspace");
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let (_, allowed) = ARROWS.iter().find(|(n, _)| *n == package.name.as_str()).expect("listed");
        let used = || package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development);
        for unused in allowed.iter().filter(|to| used().all(|d| d.name != **to)) {
            wrong.push(format!("{} may import {unused} and does not: take the arrow out", package.name));
        }
        for d in used() {
            if ours.contains(d.name.as_str()) && !allowed.contains(&d.name.as_str()) {
                wrong.push(format!("{} may not import {}", package.name, d.name));
            }
            if package.name.as_str() == "tfx-domain" && IMPURE.contains(&d.name.as_str()) {
                wrong.push(format!("the domain is pure: no {}", d.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn versions_of_dependencies_stand_in_the_workspace_alone() {
    let mut wrong = Vec::new();
    for package in metadata().packages {
        let manifest = fs::read_to_string(&package.manifest_path).expect("manifest");
        let mut inside = false;
        for line in manifest.lines().map(str::trim) {
            if line.starts_with('[') {
                inside = line.ends_with("dependencies]");
            } else if inside
                && !line.is_empty()
                && !line.starts_with('#')
                && !line.contains("workspace = true")
            {
                wrong.push(format!("{}: {line}", package.name));
            }
        }
    }
    assert!(wrong.is_empty(), "a version belongs to the root Cargo.toml: {wrong:#?}");
}

#[test]
fn every_file_says_what_it_is() {
    let root = metadata().workspace_root.into_std_path_buf();
    let mut silent = Vec::new();
    let mut long = Vec::new();
    for path in sources(&root) {
        let text = fs::read_to_string(&path).expect("read a source file");
        let name = path.strip_prefix(&root).unwrap_or(&path).display().to_string();
        if !text.starts_with("//!") {
            silent.push(name.clone());
        }
        let own = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or(&text).lines().count();
        if own > 400 {
            long.push(format!("{own:5} {name}"));
        }
    }
    if !long.is_empty() {
        println!("over 400 lines without their tests, perhaps two ideas:\n{}", long.join("\n"));
    }
    assert!(silent.is_empty(), "files that do not open with //!: {silent:#?}");
}

/// A file and those of its modules, wherever they are declared.
fn reach(file: PathBuf, reached: &mut BTreeSet<PathBuf>) {
    let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let folder = file.parent().expect("a folder").to_owned();
    // Of `main.rs`, `lib.rs` and `mod.rs` modules lie beside it, of others in a folder of its name. A root of another name
    // (a bench) has its modules beside it too.
    let own = file.with_extension("");
    if !reached.insert(file) {
        return;
    }
    let mut at = None;
    for line in text.lines().map(str::trim).filter(|l| !l.starts_with("//")) {
        if let Some(path) = line.strip_prefix("#[path = \"").and_then(|l| l.strip_suffix("\"]")) {
            at = Some(path.to_owned());
        }
        let declared = line.strip_suffix(';').and_then(|l| Some(l.rsplit_once("mod ")?.1));
        let Some(name) = declared.filter(|n| n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
        else {
            continue;
        };
        let places = match at.take() {
            Some(path) => vec![folder.join(path)],
            None => [&own, &folder]
                .into_iter()
                .flat_map(|f| [f.join(format!("{name}.rs")), f.join(name).join("mod.rs")])
                .collect(),
        };
        if let Some(place) = places.into_iter().find_map(|p| p.canonicalize().ok()) {
            reach(place, reached);
        }
    }
}

/// A file that is no module of any target is compiled by nobody, and its tests are lost in silence.
#[test]
fn every_file_is_compiled_and_every_test_is_run() {
    let metadata = metadata();
    let (mut compiled, mut tested) = (BTreeSet::new(), BTreeSet::new());
    for target in metadata.packages.iter().flat_map(|p| &p.targets) {
        let root = target.src_path.as_std_path().canonicalize().expect("the root of a target");
        if target.test || APART.contains(&target.name.as_str()) {
            reach(root, &mut tested);
        } else {
            reach(root, &mut compiled);
        }
    }
    let root = metadata.workspace_root.as_std_path().canonicalize().expect("the root");
    let (mut lost, mut unrun) = (Vec::new(), Vec::new());
    for path in sources(&root).into_iter().filter(|path| !tested.contains(path)) {
        let text = fs::read_to_string(&path).expect("read a source file");
        let name = path.strip_prefix(&root).unwrap_or(&path).display().to_string();
        if !compiled.contains(&path) {
            lost.push(name);
        } else if text.lines().map(str::trim).any(|l| l == "#[test]" || l.starts_with("#[tokio::test")) {
            unrun.push(name);
        }
    }
    assert!(lost.is_empty(), "no target has these as modules: {lost:#?}");
    assert!(
        unrun.is_empty(),
        "`test = false` in Cargo.toml: the tests in these are run by nobody: {unrun:#?}"
    );
}

/// A case of a conformance suite that the macro does not name, and no adapter calls, is held by none.
#[test]
fn every_case_of_a_conformance_suite_is_held() {
    let root = metadata().workspace_root.into_std_path_buf();
    let suites = root.join("core/ports/src/conformance");
    let (mut cases, mut callers) = (Vec::new(), String::new());
    for path in sources(&root) {
        let text = fs::read_to_string(&path).expect("read a source file");
        if path == suites.join("mod.rs") || path.components().any(|c| c.as_os_str() == "tests") {
            callers.push_str(&text);
        } else if path.starts_with(&suites) {
            let names = text.lines().filter_map(|l| l.strip_prefix("pub async fn ")?.split_once('('));
            cases.extend(names.map(|(name, _)| name.to_owned()));
        }
    }
    let called: BTreeSet<&str> = callers.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let lost: Vec<_> = cases.iter().filter(|name| !called.contains(name.as_str())).collect();
    assert!(cases.len() > 80, "only {} cases were found", cases.len());
    assert!(lost.is_empty(), "no adapter is held to these: {lost:#?}");
}

#[test]
fn the_top_level_is_what_the_map_says() {
    let root = metadata().workspace_root.into_std_path_buf();
    let strange: Vec<String> = fs::read_dir(&root)
        .expect("read the root")
        .map(|e| e.expect("entry").file_name().to_string_lossy().into_owned())
        .filter(|n| !n.starts_with('.') && !TOP.contains(&n.as_str()))
        .collect();
    assert!(strange.is_empty(), "not in the map: {strange:?}");
}
