//! What lies in the store, what comes out of it, and whose key it is.

use super::{SealedConfig, SealingError};
use crate::{DataDir, FolderLock};
use serde_json::{Value, json};
use std::{fs, path::Path, sync::Arc};
use tempfile::TempDir;
use tfx_domain::{
    Timestamp,
    entity::{Kind, Status},
};
use tfx_embedded::Embedded;
use tfx_ports::{
    audit::{AuditEntry, AuditLog as _, Caller},
    config::{ConfigStore, Record},
    page::PageRequest,
    revisions::Revisions as _,
    sealing::{Reseal, Sealing as _},
};
use tfx_settings::{SealingSettings, Secret};

const CANARY: &str = "canary-of-the-tests-0123456789";
const ONE: &str = "one-key-of-the-tests-that-is-long-enough";
const TWO: &str = "two-key-of-the-tests-that-is-long-enough";

/// A data folder with its stores.
struct World {
    dir: TempDir,
    data_dir: DataDir,
    embedded: Embedded,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let data_dir = DataDir::open(dir.path(), FolderLock::Shared).expect("the data folder");
        let embedded = Embedded::open(dir.path()).expect("stores");
        Self { dir, data_dir, embedded }
    }

    async fn sealed(&self, keys: &[&str], lost: Option<&str>) -> Result<Arc<SealedConfig>, SealingError> {
        let keys = keys.iter().map(|key| Secret::from((*key).to_owned())).collect();
        let settings = SealingSettings { keys, file: None, lost: lost.map(str::to_owned) };
        SealedConfig::around(self.embedded.config(), self.embedded.keys(), &settings, &self.data_dir, true)
            .await
    }

    async fn by_file(&self) -> Result<Arc<SealedConfig>, SealingError> {
        self.sealed(&[], None).await
    }
}

fn record(kind: Kind, id: &str, spec: &Value) -> Record {
    let at = Timestamp::UNIX_EPOCH;
    let (id, slug) = (id.to_owned(), id.replace('_', "-"));
    let spec = spec.clone();
    Record {
        kind,
        id,
        parent: String::new(),
        slug,
        status: Status::Active,
        version: 1,
        created_at: at,
        updated_at: at,
        spec,
    }
}

fn entry(record: &Record) -> AuditEntry {
    let (at, kind, id) = (record.updated_at, record.kind.noun().to_owned(), record.id.clone());
    let action = "create".to_owned();
    AuditEntry {
        at,
        caller: Caller::default(),
        action,
        kind,
        id,
        version: record.version,
        changes: json!({}),
    }
}

/// One of each kind that has secrets, a canary in each of them.
fn with_secrets() -> Vec<Record> {
    let url = format!("https://s.example/?token={CANARY}");
    vec![
        record(
            Kind::Network,
            "net_1",
            &json!({ "name": "N", "postback_secret": CANARY,
            "former_secret": { "secret": CANARY, "until": "2026-01-01T00:00:00Z" } }),
        ),
        record(
            Kind::Source,
            "src_1",
            &json!({ "postback_signing_key": CANARY, "postback_url": url,
            "postback_urls": { "sale": url }, "postback_body": { "sealed": "tfx1:is:not", "of": CANARY } }),
        ),
        record(Kind::Alert, "alr_1", &json!({ "channels": [format!("webhook:{url}")] })),
    ]
}

async fn save(store: &dyn ConfigStore, records: Vec<Record>) {
    for record in records {
        let audit = entry(&record);
        store.create(record, audit).await.expect("saved");
    }
}

/// Files of the folder in whose bytes the text stands.
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("lists").flatten() {
        let bytes = fs::read(entry.path()).unwrap_or_default();
        if bytes.windows(text.len()).any(|bytes| bytes == text.as_bytes()) {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found
}

#[tokio::test]
async fn no_byte_of_the_store_has_a_secret_and_all_come_out_as_they_went_in() {
    let world = World::new();
    let store = world.by_file().await.expect("keys are made");
    save(&*store, with_secrets()).await;
    assert_eq!(holding(world.dir.path(), CANARY), Vec::<String>::new());
    let (_, all) = store.load().await.expect("read");
    assert_eq!(all.len(), 3);
    for record in with_secrets() {
        let found = store.get(record.kind, &record.id).await.expect("read").expect("there");
        assert_eq!(found, record);
        let by_slug = store.find(record.kind, "", &record.slug).await.expect("read").expect("there");
        assert_eq!(by_slug, record);
        assert!(all.contains(&record));
    }
    let status = store.status().await.expect("told");
    assert_eq!((status.keys.len(), status.clear, status.unreadable.len()), (1, 0, 0));
    assert_eq!(status.sealed[&status.keys[0]], 7);
    // Another process with the same folder opens them too; one without secrets is given none.
    let other = world.by_file().await.expect("the same key");
    assert_eq!(other.load().await.expect("read").1, all);
    let without = SealedConfig::without_secrets(world.embedded.config(), world.embedded.keys());
    let network = without.get(Kind::Network, "net_1").await.expect("read").expect("there");
    assert_eq!(network.spec, json!({ "name": "N" }));
}

#[tokio::test]
async fn what_lay_there_in_the_clear_is_sealed_and_the_audit_log_tells() {
    let world = World::new();
    save(&*world.embedded.config(), with_secrets()).await;
    let store = world.by_file().await.expect("keys are made");
    assert_eq!(store.status().await.expect("told").clear, 7);
    let secret = |record: Option<Record>| record.expect("there").spec["postback_secret"].clone();
    assert_eq!(secret(store.get(Kind::Network, "net_1").await.expect("read")), CANARY, "it works meanwhile");
    assert_eq!(store.reseal(Reseal::Clear, &Caller::named("test")).await.expect("sealed"), 3);
    assert_eq!(store.reseal(Reseal::Clear, &Caller::named("test")).await.expect("sealed"), 0, "once");
    assert_eq!(store.status().await.expect("told").clear, 0);
    let lie = world.embedded.config();
    let before = lie.at_revision(3).await.expect("kept");
    for record in lie.load().await.expect("read").1.into_iter().chain(before) {
        assert!(!record.spec.to_string().contains(CANARY), "{record:?}");
    }
    assert_eq!(store.at_revision(3).await.expect("kept"), with_secrets());
    let network = store.get(Kind::Network, "net_1").await.expect("read").expect("there");
    assert_eq!((network.version, network.spec["postback_secret"].as_str()), (2, Some(CANARY)));
    let log = store.audit(Some("net_1"), &PageRequest::first(10)).await.expect("read").items;
    assert_eq!((log[0].action.as_str(), log[0].caller.name.as_str()), ("seal", "test"));
}

#[tokio::test]
async fn keys_follow_each_other_and_the_old_one_goes_when_nothing_needs_it() {
    let world = World::new();
    let before = world.sealed(&[ONE], None).await.expect("the first key");
    save(&*before, with_secrets()).await;
    let both = world.sealed(&[TWO, ONE], None).await.expect("the second follows it");
    assert_eq!(both.load().await.expect("read").1.len(), 3);
    assert_eq!(both.reseal(Reseal::All, &Caller::default()).await.expect("sealed"), 3);
    let status = both.status().await.expect("told");
    assert_eq!((status.sealed.len(), status.sealed[&status.keys[0]]), (1, 14), "what they were before too");
    let (revision, now) = both.load().await.expect("read");
    assert_eq!(revision, 6);
    let alone = world.sealed(&[TWO], None).await.expect("it is known to have followed");
    let network = alone.get(Kind::Network, "net_1").await.expect("read").expect("there");
    assert_eq!(network.spec["postback_secret"], CANARY);
    assert_eq!(alone.at_revision(6).await.expect("kept"), now);
    assert_eq!(alone.at_revision(3).await.expect("kept"), with_secrets(), "they open with the new key alone");
    // Who has the old one alone is told which it lacks, of which entity; nothing of it can be read.
    let behind = world.sealed(&[ONE], None).await.expect("it was the installation's");
    let network = behind.get(Kind::Network, "net_1").await.expect("read").expect("there");
    let why = network.why_it_cannot_be_read().expect("it cannot").to_owned();
    assert!(why.contains(&status.keys[0]) && why.contains("former_secret"), "{why}");
    assert_eq!(behind.status().await.expect("told").unreadable.len(), 3);
    assert_eq!(behind.reseal(Reseal::All, &Caller::default()).await.expect("nothing"), 0);
}

#[tokio::test]
async fn a_process_with_another_key_than_the_installation_does_not_start() {
    let world = World::new();
    let one = world.sealed(&[ONE], None).await.expect("the first key");
    save(&*one, with_secrets()).await;
    let id = one.status().await.expect("told").keys[0].clone();
    let told = world.sealed(&[TWO], None).await.err().expect("another").to_string();
    assert!(told.contains(&id) && told.contains("SECRETS_KEY"), "{told}");
    // Neither does one whose folder has none: no other is made.
    let told = world.by_file().await.err().expect("none").to_string();
    assert!(told.contains(&id) && told.contains("secrets.key"), "{told}");
    assert!(!world.dir.path().join("secrets.key").exists());
    // What is lost is given up: nobody comes in by it.
    let store = world.sealed(&[TWO], Some(&id)).await.expect("it is lost");
    let network = store.get(Kind::Network, "net_1").await.expect("read").expect("there");
    let secret = network.spec["postback_secret"].as_str().expect("one that nobody knows");
    assert!(secret.len() >= 32 && secret != CANARY);
    let source = store.get(Kind::Source, "src_1").await.expect("read").expect("there");
    assert_eq!(source.spec, json!({}));
}

#[tokio::test]
async fn a_key_that_comes_into_the_file_is_known_without_a_new_start() {
    let world = World::new();
    let (running, other) = (world.by_file().await.expect("made"), world.by_file().await.expect("the same"));
    save(&*running, with_secrets()).await;
    let file = world.dir.path().join("secrets.key");
    let old = fs::read_to_string(&file).expect("keys");
    fs::write(&file, format!("# the new one\n{TWO}\n\n{old}")).expect("written");
    assert_eq!(running.reseal(Reseal::All, &Caller::default()).await.expect("sealed"), 3);
    let network = other.get(Kind::Network, "net_1").await.expect("read").expect("there");
    assert_eq!(network.spec["postback_secret"], CANARY);
    for (text, says) in [("short\n", "line 1"), ("", "holds none"), ("# nothing\n", "holds none")] {
        fs::write(&file, text).expect("written");
        let told = world.by_file().await.err().expect("no key").to_string();
        assert!(told.contains(says) && told.contains("secrets.key"), "{told}");
    }
}

/// Before anything is sealed anew, and without a new start.
#[tokio::test]
async fn a_key_that_is_put_first_seals_within_seconds_what_running_processes_save() {
    let world = World::new();
    let running = world.by_file().await.expect("made");
    let mut records = with_secrets().into_iter();
    save(&*running, records.by_ref().take(1).collect()).await;
    let file = world.dir.path().join("secrets.key");
    let old = fs::read_to_string(&file).expect("keys");
    fs::write(&file, format!("{TWO}\n{old}")).expect("written");
    let keys = world.by_file().await.expect("both").status().await.expect("told").keys;
    let begun = std::time::Instant::now();
    while running.status().await.expect("told").keys != keys {
        assert!(begun.elapsed().as_secs() < 20, "the file is not looked at");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    save(&*running, records.collect()).await;
    let status = running.status().await.expect("told");
    assert_eq!((status.sealed[&keys[0]], status.sealed[&keys[1]]), (5, 2));
    assert_eq!(running.load().await.expect("read").1.len(), 3);
}

/// Another process that starts at the same time: it makes its file, and then the store knows of it, just before this one asks.
struct JustBefore(std::path::PathBuf);

#[async_trait::async_trait]
impl tfx_ports::keys::Keys for JustBefore {
    async fn key(&self, _: &str) -> Result<Option<String>, tfx_ports::StoreError> {
        fs::write(&self.0, ONE).expect("written");
        Ok(super::cipher::SealingKey::new(ONE).map(|key| key.id))
    }

    async fn agree(&self, _: &str, proposed: &str) -> Result<String, tfx_ports::StoreError> {
        Ok(proposed.to_owned())
    }
}

#[tokio::test]
async fn of_two_that_start_at_once_the_second_takes_the_key_of_the_first() {
    let world = World::new();
    let other = JustBefore(world.data_dir.sealing_key_file());
    let ring =
        super::keyring::Keyring::open(&SealingSettings::default(), &world.data_dir, Some(&other)).await;
    let first = ring.expect("its key is there").first().expect("a key").id.clone();
    assert_eq!(Some(first), super::cipher::SealingKey::new(ONE).map(|key| key.id));
}
