//! The use of caps and limits on disk, so that what is spent stays spent over a restart while the analytics store is
//! away (`docs/decisions/0014-the-use-of-caps-survives.md`).
//!
//! Two files beside the snapshot, each replaced in one step: `usage.json`, synced every now and then and at the end, and
//! `usage.latest.json`, which is written before events leave the journal and survives `kill -9`, not the loss of power.
//! The one written last counts. It says up to which place of the journal clicks are in it, and which of those under way
//! are. The others are found in the journal: a click counts once, whatever it was doing when the process died.

use crate::{Memory, UsageCopy, tally::Tally};
use async_trait::async_trait;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};
use tfx_domain::{
    Timestamp,
    event::{ClickEvent, Outcome, Topic},
    id::{ClickId, DestinationId, StreamId},
    routing::RequestKind,
};
use tfx_events::Producer;
use tfx_ports::{
    LogThrottle, StoreError, clock,
    sink::{Envelope, EventSink, Refused},
};
use tokio::{task::spawn_blocking, time::sleep};

/// The format of the files; another one is not read.
const FORMAT: u32 = 1;
/// Destinations and streams that the configuration does not count any more are kept up to so many.
const MAX_UNCLAIMED: usize = 10_000;

/// What is known of a destination or a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CounterState {
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

impl CounterState {
    /// A click that was not kept yet.
    pub(super) fn find(&mut self, at: Timestamp) {
        self.holding(at).for_each(|window| window.clicks += 1);
        self.found.push(at);
    }

    /// A click that is kept, and was never recorded.
    fn lose(&mut self, at: Timestamp) {
        self.holding(at).for_each(|window| window.clicks = window.clicks.saturating_sub(1));
    }

    fn holding(&mut self, at: Timestamp) -> impl Iterator<Item = &mut KeptWindow> {
        self.windows.iter_mut().filter(move |w| w.since.is_none_or(|since| since <= at))
    }
}

/// By the id of a destination or stream.
pub(super) type CounterStates = BTreeMap<String, CounterState>;

/// A click that is counted, and may be in the journal or not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Counted {
    /// It stands at this place of the journal, or behind it.
    from: u64,
    /// What counts it.
    pub(super) by: Vec<SmolStr>,
}

pub(super) type UnderWay = BTreeMap<ClickId, Counted>;

/// What clicks are doing to the use of caps.
#[derive(Debug, Default)]
pub(super) struct Counting {
    pub(super) under_way: UnderWay,
    /// What they changed since it was copied, by the id of a destination or stream.
    pub(super) changed: FxHashMap<SmolStr, Arc<Tally>>,
}

impl Counting {
    /// A click is counted by these.
    pub(super) fn begin(&mut self, click: ClickId, from: u64, by: Vec<(SmolStr, Arc<Tally>)>) {
        self.under_way.insert(click, Counted { from, by: by.iter().map(|(id, _)| id.clone()).collect() });
        self.changed.extend(by);
    }
}

#[derive(Serialize, Deserialize)]
struct Usage {
    format: u32,
    /// Which was written last.
    number: u64,
    /// When it was written.
    at: Timestamp,
    /// Clicks that stand before this place of the journal are in it. Files of before there were places have clicks of
    /// before `at`.
    #[serde(default)]
    place: Option<u64>,
    /// These are in it too, wherever they stand.
    #[serde(default)]
    under_way: UnderWay,
    used: CounterStates,
}

/// What is true of the moment that a copy of the use of caps is of.
pub(super) struct Still {
    /// Where the next click goes in the journal; none when it is gone.
    pub(super) place: Option<u64>,
    pub(super) under_way: UnderWay,
}

/// The number of the file that was written last, and what was in it.
#[derive(Debug, Default)]
struct Written {
    number: u64,
    copy: UsageCopy,
}

/// What is kept between runs.
#[derive(Debug)]
pub struct UsageFile {
    synced: PathBuf,
    latest: PathBuf,
    written: Mutex<Written>,
    /// Something changed since it was written; synced.
    changed: [AtomicBool; 2],
    /// Held while a click is counted, or lands: what is kept is of one moment between. Nobody holds it for long: who
    /// writes has copied the most before.
    counting: Mutex<Counting>,
    /// The journal that clicks go into, and where its end was before it was opened.
    journal: OnceLock<Weak<Producer>>,
    end: AtomicU64,
    complaint: Mutex<LogThrottle>,
}

impl UsageFile {
    /// Does not read yet.
    pub fn new(file: PathBuf) -> Self {
        Self {
            latest: file.with_extension("latest.json"),
            synced: file,
            written: Mutex::default(),
            changed: Default::default(),
            counting: Mutex::default(),
            journal: OnceLock::new(),
            end: AtomicU64::default(),
            complaint: Mutex::default(),
        }
    }

    /// The use is not what it was.
    pub(super) fn changed(&self) {
        self.changed.iter().for_each(|c| c.store(true, SeqCst));
    }

    /// Clicks go into this journal from now on.
    pub(super) fn follow(&self, journal: Weak<Producer>) {
        // Only the first is asked.
        let _ = self.journal.set(journal);
    }

    /// Holds still what is kept: whoever counts a click, takes one back or says that it landed does it under this.
    pub(super) fn counting(&self) -> MutexGuard<'_, Counting> {
        self.counting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the next click goes in the journal; none when it is gone.
    pub(super) fn place(&self) -> Option<u64> {
        match self.journal.get() {
            None => Some(self.end.load(SeqCst)),
            Some(journal) => journal.upgrade().map(|journal| journal.place()),
        }
    }

    /// What was kept, with the clicks that are still in the journal.
    pub(super) fn read(&self, journal: &Path) -> CounterStates {
        let read = |file: &PathBuf| match read(file) {
            Ok(usage) => usage,
            Err(error) => {
                let file = file.display();
                tracing::warn!(%file, %error, "the kept use of caps cannot be read");
                None
            }
        };
        let last = [&self.synced, &self.latest].into_iter().filter_map(read).max_by_key(|u| u.number);
        let mut usage = last.unwrap_or_else(Usage::none);
        self.written().number = usage.number;
        match usage.find(journal) {
            Ok(end) => self.end.store(end, SeqCst),
            Err(error) => {
                tracing::warn!(%error, "clicks that wait in the journal are not counted in caps until they are stored");
            }
        }
        // What was found leaves the journal soon.
        self.changed();
        usage.used
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is known, if that changed.
    fn write(&self, memory: &Memory, synced: bool) {
        if !self.changed[usize::from(synced)].swap(false, SeqCst) {
            return;
        }
        let mut written = self.written();
        written.number += 1;
        let Still { place, under_way } = memory.copy_usage(&mut written.copy);
        let usage = Usage {
            format: FORMAT,
            number: written.number,
            at: clock::now(),
            place,
            under_way,
            used: std::mem::take(&mut written.copy.used),
        };
        let file = if synced { &self.synced } else { &self.latest };
        let outcome =
            serde_json::to_vec(&usage).map_err(io::Error::from).and_then(|t| replace(file, &t, synced));
        written.copy.used = usage.used;
        let mut complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
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
}

impl Usage {
    /// Where no file is.
    fn none() -> Self {
        Self {
            format: FORMAT,
            number: 0,
            at: Timestamp::UNIX_EPOCH,
            place: None,
            under_way: UnderWay::new(),
            used: CounterStates::new(),
        }
    }

    /// Counts the clicks of the journal that are not in it, and takes out those under way that never came there. Gives
    /// the journal's end.
    fn find(&mut self, journal: &Path) -> io::Result<u64> {
        let mut waiting = Vec::new();
        let mut look = |after| {
            waiting.clear();
            tfx_events::waiting(journal, after, &mut |place, envelope| {
                waiting.extend(visit(envelope).map(|click| (place, click)));
            })
        };
        let kept_to = self.place;
        let first = self.under_way.values().map(|c| c.from).chain(kept_to).min();
        let mut journal = look(if kept_to.is_some() { first.unwrap_or(0) } else { 0 })?;
        // A journal that ends before is another one, or lost its end: what it has of after the file is not in the file.
        let shorter = kept_to.is_none_or(|place| place > journal.end);
        if shorter && kept_to.is_some() {
            journal = look(0)?;
        }
        for (place, click) in waiting {
            let kept =
                if shorter { click.at < self.at } else { kept_to.is_some_and(|kept_to| place < kept_to) };
            if self.under_way.remove(&click.id).is_some() || kept {
                continue;
            }
            for id in click.by {
                self.used.entry(id.into()).or_default().find(click.at);
            }
        }
        // Those that are left never came into the journal, unless they may have been delivered.
        let lost = std::mem::take(&mut self.under_way);
        for (click, counted) in lost.into_iter().filter(|(_, c)| journal.from <= c.from) {
            for id in counted.by {
                if let Some(kept) = self.used.get_mut(id.as_str()) {
                    kept.lose(click.timestamp());
                }
            }
        }
        Ok(journal.end)
    }
}

/// What of a person's visit counts; a journal that nobody takes may hold millions of them.
struct WaitingVisit {
    id: ClickId,
    at: Timestamp,
    by: Box<[SmolStr]>,
}

/// A person's visit.
fn visit(envelope: &Envelope) -> Option<WaitingVisit> {
    let click: ClickEvent = (envelope.topic == Topic::ClickEvents
        || envelope.topic == Topic::TrafficbackEvents)
        .then(|| serde_json::from_slice(&envelope.payload).ok())
        .flatten()?;
    (click.request == RequestKind::Visit && !click.dims.is_bot).then(|| WaitingVisit {
        id: click.click_id,
        at: click.at,
        by: counted_by(&click).map(SmolStr::from).collect(),
    })
}

/// The destination and the stream that took a click, and the streams that handed it over, whoever took it.
fn counted_by(click: &ClickEvent) -> impl Iterator<Item = &str> {
    let routed = click.outcome == Outcome::Routed;
    let destination = click.dims.destination_id.as_ref().map(DestinationId::as_str);
    let stream = click.dims.stream_id.as_ref().map(StreamId::as_str);
    let handed = click.passed.iter().filter(|p| p.handed_over()).map(|p| p.stream_id.as_str());
    destination.into_iter().chain(stream).filter(move |_| routed).chain(handed)
}

/// Keeps the use of caps every now and then, until `stop`.
pub async fn keep(memory: Arc<Memory>, every: Duration, stop: impl Future<Output = ()> + Send) {
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = sleep(every) => {}
            () = stop.as_mut() => return,
        }
        sync(&memory).await;
    }
}

/// Keeps the use of caps as it is now.
pub async fn sync(memory: &Arc<Memory>) {
    let memory = Arc::clone(memory);
    // Fails only if writing panicked.
    if let Err(error) = spawn_blocking(move || memory.usage.write(&memory, true)).await {
        tracing::error!(%error, "keeping the use of caps panicked");
    }
}

/// A sink that gets no click whose use of caps is not kept.
pub struct KeptFirst {
    /// What keeps it.
    pub memory: Arc<Memory>,
    /// What gets it then.
    pub sink: Arc<dyn EventSink>,
}

#[async_trait]
impl EventSink for KeptFirst {
    async fn deliver(&self, batch: &[Envelope]) -> Result<Vec<Refused>, StoreError> {
        let memory = Arc::clone(&self.memory);
        if memory.usage.changed[0].load(SeqCst)
            && let Err(error) = spawn_blocking(move || memory.usage.write(&memory, false)).await
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
pub(super) fn add_unclaimed(used: &mut CounterStates, unclaimed: &CounterStates) {
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

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;
