//! The producer's promises, over a sink in memory and a disk that fails on demand.

mod before;
mod delivery;
mod erase;
mod ledger;
mod policies;

use crate::{
    FailurePolicy, Producer, ProducerConfig,
    journal::tests::{TestDisk, folder},
};
use async_trait::async_trait;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tfx_domain::{
    event::{ClickEvent, Event},
    id::ClickId,
};
use tfx_ports::{
    clock,
    error::StoreError,
    sink::{Envelope, EventSink, Refused},
};

/// How the sink answers.
#[derive(Debug, Default)]
struct Mood {
    /// So many deliveries fail.
    failures: u32,
    /// Deliveries and pings fail.
    down: bool,
    /// Every delivery fails for good, and the ping.
    broken: bool,
    /// Deliveries never answer.
    hangs: bool,
    /// Batches take the others, and say which of these they refuse.
    refused: BTreeSet<String>,
    /// A batch with one of these is rejected as a whole.
    poison: BTreeSet<String>,
}

/// A sink in memory.
#[derive(Debug, Default)]
struct TestSink {
    mood: Mutex<Mood>,
    taken: Mutex<Vec<Envelope>>,
    batches: Mutex<Vec<usize>>,
}

impl TestSink {
    fn mood(&self) -> MutexGuard<'_, Mood> {
        self.mood.lock().expect("lock")
    }

    fn ids(&self) -> Vec<String> {
        self.taken.lock().expect("lock").iter().map(|e| e.id.to_string()).collect()
    }
}

#[async_trait]
impl EventSink for TestSink {
    async fn deliver(&self, batch: &[Envelope]) -> Result<Vec<Refused>, StoreError> {
        if self.mood().hangs {
            std::future::pending::<()>().await;
        }
        self.batches.lock().expect("lock").push(batch.len());
        let mut mood = self.mood();
        if mood.down || mood.failures > 0 {
            mood.failures = mood.failures.saturating_sub(1);
            return Err(StoreError::Unavailable { what: "the sink is away".into(), source: None });
        }
        if mood.broken || batch.iter().any(|e| mood.poison.contains(e.id.as_str())) {
            return Err(StoreError::Broken { what: "the sink cannot take this".into(), source: None });
        }
        let (refused, taken): (Vec<_>, Vec<_>) =
            batch.iter().enumerate().partition(|(_, e)| mood.refused.contains(e.id.as_str()));
        self.taken.lock().expect("lock").extend(taken.into_iter().map(|(_, e)| e.clone()));
        Ok(refused.into_iter().map(|(index, _)| Refused { index, reason: "not this one".into() }).collect())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let mood = self.mood();
        if mood.down || mood.broken {
            return Err(StoreError::Unavailable { what: "the sink is away".into(), source: None });
        }
        Ok(())
    }
}

/// A click with that number; its id says so.
fn click(n: u64) -> Event {
    let json = serde_json::json!({
        "schema": 1,
        "click_id": ClickId::generate(clock::now(), u128::from(n)),
        "at": clock::now(),
        "visitor_id": format!("{n:032x}"),
        "device_type": "desktop",
        "is_bot": false,
        "status": 302,
        "config_revision": 1,
    });
    Event::Click(Box::new(serde_json::from_value::<ClickEvent>(json).expect("a click")))
}

fn clicks(count: u64) -> Vec<Event> {
    (1..=count).map(click).collect()
}

fn ids(events: &[Event]) -> Vec<String> {
    events.iter().map(|e| e.id().to_string()).collect()
}

fn config(dir: &Path, policy: FailurePolicy) -> ProducerConfig {
    ProducerConfig {
        dir: dir.to_owned(),
        policy,
        batch_size: 10,
        batch_timeout: Duration::from_millis(5),
        write_timeout: Duration::from_secs(20),
        max_attempts: 3,
        retry_backoff: Duration::from_millis(1),
        max_bytes: 1 << 20,
        segment_bytes: 4096,
    }
}

/// A producer on a disk that works, unless told otherwise.
struct Bench {
    dir: tempfile::TempDir,
    disk: Arc<TestDisk>,
    sink: Arc<TestSink>,
    producer: Arc<Producer>,
}

impl Bench {
    fn new(policy: FailurePolicy, tune: impl FnOnce(&mut ProducerConfig)) -> Self {
        let (dir, disk, sink) = (folder(), Arc::<TestDisk>::default(), Arc::<TestSink>::default());
        let mut config = config(dir.path(), policy);
        tune(&mut config);
        let producer = Producer::open_on(config, sink.clone(), disk.clone()).expect("opens");
        Self { dir, disk, sink, producer }
    }
}

/// What a process that dies now leaves behind: its folder at one moment, in which nobody writes.
fn copied(dir: &Path) -> tempfile::TempDir {
    fn files(dir: &Path, all: &mut BTreeMap<PathBuf, Option<Vec<u8>>>) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() {
                all.insert(path.clone(), None);
                files(&path, all)?;
            } else {
                all.insert(path.clone(), Some(fs::read(&path)?));
            }
        }
        Ok(())
    }
    let copy = folder();
    for _ in 0..1_000 {
        let (mut once, mut twice) = (BTreeMap::new(), BTreeMap::new());
        if files(dir, &mut once).and_then(|()| files(dir, &mut twice)).is_err() || once != twice {
            continue;
        }
        for (path, bytes) in once {
            let to = copy.path().join(path.strip_prefix(dir).expect("in it"));
            bytes.map_or_else(|| fs::create_dir(&to), |bytes| fs::write(&to, bytes)).expect("copied");
        }
        return copy;
    }
    panic!("the folder never rests");
}

/// Waits until that is so.
async fn until(what: &str, so: impl Fn() -> bool) {
    for _ in 0..20_000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("never: {what}");
}
