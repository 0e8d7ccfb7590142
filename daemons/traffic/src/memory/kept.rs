//! The use of caps and limits on disk, so that what is spent stays spent over a restart while the analytics store is
//! away (`docs/decisions/0014-the-use-of-caps-survives.md`).
//!
//! Two files beside the snapshot, each replaced in one step: `usage.json`, synced every now and then and at the end, and
//! `usage.latest.json`, which is written before events leave the journal and survives `kill -9`, not the loss of power.
//! The one written last counts. What it does not have yet is still in the journal, and found there.

use super::Memory;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tfx_domain::{
    Timestamp,
    event::{ClickEvent, Outcome, Topic},
    id::{DestinationId, StreamId},
    routing::RequestKind,
};
use tfx_ports::{
    StoreError, clock,
    sink::{Envelope, EventSink, Refused},
};
use tfx_service::{LogThrottle, Shutdown};
use tokio::{task::spawn_blocking, time::sleep};

/// The format of the files; another one is not read.
const FORMAT: u32 = 1;
/// Destinations and streams that the configuration does not count any more are kept up to so many.
const MAX_UNCLAIMED: usize = 10_000;
/// Writing that takes longer than this is not done for every batch, but in one part of this many of the time.
const SLOW: Duration = Duration::from_millis(5);
const PART: u32 = 20;

/// What is known of a destination or a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) windows: Vec<KeptWindow>,
    /// Clicks that were found in the journal.
    #[serde(skip)]
    pub(super) found: Vec<Timestamp>,
}

/// What happened since a time; or ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptWindow {
    pub(super) since: Option<Timestamp>,
    pub(super) clicks: u64,
    #[serde(default)]
    pub(super) conversions: u64,
}

impl Kept {
    /// A click that was not kept yet.
    pub(super) fn find(&mut self, at: Timestamp) {
        for window in self.windows.iter_mut().filter(|w| w.since.is_none_or(|since| since <= at)) {
            window.clicks += 1;
        }
        self.found.push(at);
    }
}

/// By the id of a destination or stream.
pub(super) type KeptOf = BTreeMap<String, Kept>;

#[derive(Serialize, Deserialize)]
struct Usage {
    format: u32,
    /// Which was written last.
    number: u64,
    /// Clicks of before are in it.
    at: Timestamp,
    used: KeptOf,
}

/// What is kept between runs.
#[derive(Debug)]
pub(crate) struct UsageFile {
    synced: PathBuf,
    latest: PathBuf,
    number: Mutex<u64>,
    /// Something changed since it was written; synced.
    changed: [AtomicBool; 2],
    /// When writing for a batch ended, and how long it took.
    paused: Mutex<Option<(Instant, Duration)>>,
    complaint: Mutex<LogThrottle>,
}

impl UsageFile {
    /// Does not read yet.
    pub(crate) fn new(file: PathBuf) -> Self {
        Self {
            latest: file.with_extension("latest.json"),
            synced: file,
            number: Mutex::default(),
            changed: Default::default(),
            paused: Mutex::default(),
            complaint: Mutex::default(),
        }
    }

    /// The use is not what it was.
    pub(super) fn changed(&self) {
        self.changed.iter().for_each(|c| c.store(true, SeqCst));
    }

    /// What was kept, with the clicks that are still in the journal.
    pub(super) fn read(&self, journal: &Path) -> KeptOf {
        let read = |file: &PathBuf| match read(file) {
            Ok(usage) => usage,
            Err(error) => {
                let file = file.display();
                tracing::warn!(%file, %error, "the kept use of caps cannot be read");
                None
            }
        };
        let last = [&self.synced, &self.latest].into_iter().filter_map(read).max_by_key(|u| u.number);
        let (mut used, since) = match last {
            Some(usage) => {
                *self.number.lock().unwrap_or_else(PoisonError::into_inner) = usage.number;
                (usage.used, usage.at)
            }
            None => (KeptOf::default(), Timestamp::UNIX_EPOCH),
        };
        let mut find = |envelope: &Envelope| {
            let Some(click) = visit(envelope).filter(|c| c.at >= since) else { return };
            let destination = click.dims.destination_id.as_ref().map(DestinationId::as_str);
            let stream = click.dims.stream_id.as_ref().map(StreamId::as_str);
            for id in destination.into_iter().chain(stream) {
                used.entry(id.to_owned()).or_default().find(click.at);
            }
        };
        if let Err(error) = tfx_events::waiting(journal, since, &mut find) {
            tracing::warn!(%error, "clicks that wait in the journal are not counted in caps until they are stored");
        }
        used
    }

    /// Writes what is known, if that changed.
    fn write(&self, memory: &Memory, synced: bool) {
        if !self.changed[usize::from(synced)].swap(false, SeqCst) {
            return;
        }
        let mut number = self.number.lock().unwrap_or_else(PoisonError::into_inner);
        *number += 1;
        // Clicks until now are counted already.
        let at = clock::now();
        let usage = Usage { format: FORMAT, number: *number, at, used: memory.kept() };
        let file = if synced { &self.synced } else { &self.latest };
        let written =
            serde_json::to_vec(&usage).map_err(io::Error::from).and_then(|t| replace(file, &t, synced));
        let mut complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        match written {
            Ok(()) => complaint.over(),
            Err(error) => {
                self.changed[usize::from(synced)].store(true, SeqCst);
                if complaint.due() {
                    let file = file.display();
                    tracing::warn!(%file, %error, "the use of caps is not kept on disk; a restart while the analytics store is away would open caps again");
                }
            }
        }
    }

    /// Before a batch leaves the journal. Where there is very much to write, not before each.
    fn write_for_batch(&self, memory: &Memory) {
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        if paused.is_some_and(|(ended, took)| took > SLOW && ended.elapsed() < took * PART) {
            return;
        }
        let began = Instant::now();
        self.write(memory, false);
        *paused = Some((Instant::now(), began.elapsed()));
    }
}

/// A person's visit that a stream took.
fn visit(envelope: &Envelope) -> Option<ClickEvent> {
    let click: ClickEvent = (envelope.topic == Topic::ClickEvents)
        .then(|| serde_json::from_slice(&envelope.payload).ok())
        .flatten()?;
    let counts =
        click.request == RequestKind::Visit && !click.dims.is_bot && click.outcome == Outcome::Routed;
    counts.then_some(click)
}

/// Keeps the use of caps every now and then, until the shutdown.
pub(crate) async fn keep(memory: Arc<Memory>, every: Duration, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = sleep(every) => {}
            () = shutdown.wait() => return,
        }
        sync(&memory).await;
    }
}

/// Keeps the use of caps as it is now.
pub(crate) async fn sync(memory: &Arc<Memory>) {
    let memory = Arc::clone(memory);
    // Fails only if writing panicked.
    if let Err(error) = spawn_blocking(move || memory.usage.write(&memory, true)).await {
        tracing::error!(%error, "keeping the use of caps panicked");
    }
}

/// A sink that gets no click whose use of caps is not kept.
pub(crate) struct KeptFirst {
    pub(crate) memory: Arc<Memory>,
    pub(crate) sink: Arc<dyn EventSink>,
}

#[async_trait]
impl EventSink for KeptFirst {
    async fn deliver(&self, batch: &[Envelope]) -> Result<Vec<Refused>, StoreError> {
        let memory = Arc::clone(&self.memory);
        if memory.usage.changed[0].load(SeqCst)
            && let Err(error) = spawn_blocking(move || memory.usage.write_for_batch(&memory)).await
        {
            tracing::error!(%error, "keeping the use of caps panicked");
        }
        self.sink.deliver(batch).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.sink.ping().await
    }
}

/// Adds what nobody counts any more, up to a bound.
pub(super) fn add_unclaimed(used: &mut KeptOf, unclaimed: &KeptOf) {
    for (id, kept) in unclaimed.iter().take(MAX_UNCLAIMED) {
        used.entry(id.clone()).or_insert_with(|| kept.clone());
    }
}

/// Replaces the file in one step: whoever reads it sees the one before or this one.
fn replace(file: &Path, text: &[u8], synced: bool) -> io::Result<()> {
    let temporary = file.with_extension("new");
    let mut options = OpenOptions::new();
    let mut out = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    out.write_all(text)?;
    if synced {
        out.sync_all()?;
    }
    fs::rename(&temporary, file)?;
    match file.parent() {
        Some(folder) if synced => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// None if there is no such file.
fn read(file: &Path) -> io::Result<Option<Usage>> {
    let text = match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let usage: Usage = serde_json::from_slice(&text)?;
    if usage.format != FORMAT {
        return Err(io::Error::other(format!(
            "it is of format {}, this program reads {FORMAT}",
            usage.format
        )));
    }
    Ok(Some(usage))
}
