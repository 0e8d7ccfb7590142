//! The house keeps its order: who may import whom, every file says what it is, nothing strange at the top level.

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
            "tfx-ports",
            "tfx-domain",
        ],
    ),
    ("tfx-api", &["tfx-domain"]),
    ("tfx-ops", &["tfx-api", "tfx-ports", "tfx-domain"]),
    ("tfx-service", &["tfx-events", "tfx-ports", "tfx-settings", "tfx-domain"]),
    ("tfx-traffic", DAEMON),
    ("tfx-postback", DAEMON),
    ("tfx-api-service", DAEMON),
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
        for d in package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development) {
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
