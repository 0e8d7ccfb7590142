//! The configuration compiled for routing, and the last one known, on disk: with it the service starts and serves
//! while the configuration store is away.

use crate::stand_in::stand_in;
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tfx_domain::{
    problem::Problems,
    routing::{Config, Globals, Snapshot},
};
use tfx_memory::Memory;
use tfx_ports::{
    clock,
    config::{ConfigStore, config_of},
    files,
};

/// The snapshot, followed.
pub(crate) type Live = tfx_service::Configuration<Snapshot>;

/// The format of the file; another one is not read.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct SnapshotFile {
    format: u32,
    config: Config,
}

/// From records to what clicks are decided with.
pub(crate) struct Compiler {
    pub(crate) globals: Globals,
    /// Where the last one known is kept.
    pub(crate) file: PathBuf,
    /// Counts what the configuration limits.
    pub(crate) memory: Arc<Memory>,
}

impl Compiler {
    /// Follows the store; every configuration that it gives is kept on disk.
    pub(crate) fn follow(self: Arc<Self>, store: Arc<dyn ConfigStore>) -> Live {
        Live::new(store, move |revision, records| {
            let (mut config, mut problems) = config_of(revision, records);
            if !problems.is_empty() {
                let last = read(&self.file).ok();
                problems = stand_in(&mut config, records, problems, last.as_ref());
            }
            tell(revision, &problems);
            let config = without_secrets(config);
            if let Err(error) = keep(&self.file, &config) {
                let file = self.file.display();
                tracing::warn!(%file, %error, "the configuration is not kept on disk; without its store this service could not start");
            }
            (self.compile(config), problems)
        })
    }

    /// The last one known; none if there is none, or none that can be read.
    pub(crate) fn last_known(&self) -> Option<Snapshot> {
        match read(&self.file) {
            Ok(config) => Some(self.compile(config)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                let file = self.file.display();
                tracing::warn!(%file, %error, "the last known configuration cannot be read");
                None
            }
        }
    }

    fn compile(&self, config: Config) -> Snapshot {
        let revision = config.revision;
        let (snapshot, problems) = Snapshot::compile(config, self.globals.clone());
        tell(revision, &problems);
        // Before it is in use, so that no click goes uncounted.
        self.memory.configure(&snapshot, clock::now());
        snapshot
    }
}

fn tell(revision: u64, problems: &Problems) {
    if !problems.is_empty() {
        tracing::warn!(error = %problems, revision, "what is broken in the configuration is left out");
    }
}

/// Routing needs no template, and nothing of how postbacks come in and go out, in which secrets stand.
fn without_secrets(mut config: Config) -> Config {
    for network in &mut config.networks {
        let spec = &mut network.spec;
        (spec.postback_secret, spec.former_secret) = (None, None);
        (spec.signing_key, spec.former_signing_key) = (None, None);
    }
    for source in &mut config.sources {
        let spec = &mut source.spec;
        (spec.postback_url, spec.postback_on, spec.postback_body) = (None, None, None);
        spec.postback_urls.clear();
        spec.postback_signing_key = None;
    }
    config.templates.clear();
    config
}

/// Replaces the file in one step: whoever reads it sees the one before or this one.
fn keep(file: &Path, config: &Config) -> io::Result<()> {
    let text = serde_json::to_vec(&SnapshotFile { format: FORMAT, config: config.clone() })?;
    files::replace(file, &text)
}

fn read(file: &Path) -> io::Result<Config> {
    let kept: SnapshotFile = serde_json::from_slice(&fs::read(file)?)?;
    if kept.format != FORMAT {
        return Err(io::Error::other(format!(
            "it is of format {}, this program reads {FORMAT}",
            kept.format
        )));
    }
    Ok(kept.config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt as _;
    use tfx_memory::UsageFile;

    fn config() -> Config {
        let at = "2026-01-01T00:00:00Z";
        serde_json::from_value(json!({
            "revision": 7, "sources": [{ "id": "src_0000000000000000001", "version": 1, "created_at": at, "updated_at": at,
                "slug": "push", "name": "Push", "postback_url": "https://s.example/?token=s3cret", "postback_method": "post_json",
                "postback_urls": { "lead": "https://s.example/?key=s3cret" }, "postback_body": { "k": "s3cret" },
                "postback_signing_key": "whsec_s3cret" }], "templates": [], "destinations": [], "streams": [],
            "networks": [{ "id": "net_0000000000000000001", "version": 1, "created_at": at, "updated_at": at,
                "slug": "adnet", "name": "Ad network", "postback_secret": "s3cret",
                "former_secret": { "secret": "s3cret-before", "until": at } }],
            "campaigns": [{ "id": "cmp_0000000000000000001", "version": 1, "created_at": at, "updated_at": at,
                "slug": "summer", "name": "Summer" }],
        }))
        .expect("config")
    }

    #[test]
    fn what_is_kept_comes_back_without_secrets_and_for_nobody_else_to_read() {
        let dir = tempfile::tempdir().expect("dir");
        let file = dir.path().join("snapshot.json");
        let compiler = Compiler {
            globals: Globals::default(),
            file: file.clone(),
            memory: Arc::new(Memory::new(1000, UsageFile::new(dir.path().join("usage.json")), [1; 16])),
        };
        assert!(compiler.last_known().is_none(), "nothing is kept yet");
        keep(&file, &without_secrets(config())).expect("kept");
        let text = fs::read_to_string(&file).expect("text");
        assert!(!text.contains("s3cret"), "{text}");
        assert_eq!(fs::metadata(&file).expect("file").permissions().mode() & 0o777, 0o600);
        let snapshot = compiler.last_known().expect("kept");
        assert_eq!(snapshot.revision, 7);
        assert!(snapshot.campaign("summer").is_some());

        for garbage in ["", "{", r#"{"format":2,"config":{}}"#] {
            fs::write(&file, garbage).expect("write");
            assert!(compiler.last_known().is_none(), "{garbage}");
        }
    }
}
