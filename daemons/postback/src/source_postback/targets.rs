//! The servers that sources name, as this service knows them: how many requests to each are under way, whoever they are of,
//! and for each source whether its circuit to the server is open. A server that does not answer one source is left alone by
//! that one for a while, since it may be its path alone that fails; then a single request tries whether it answers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tfx_domain::{Timestamp, id::SourceId};
use tfx_settings::SourcePostbackSettings;
use tokio::sync::Notify;

/// Targets that are known before those that are at rest are forgotten.
const MOST: usize = 4_096;
/// The pause of a circuit is doubled at most so often.
const DOUBLED: u32 = 4;
/// How long whoever comes beyond the limit waits at least.
const FULL: Duration = Duration::from_millis(200);
/// A claim waits here so long for a turn, before it is put off: as long as it is fresh.
const SOON: Duration = Duration::from_secs(2);
/// So many of a source wait here; where half of that do, the others are left in the queue.
const WAITING: usize = 64;
/// Those that wait come back one after the other: as fast as the target answers, and behind an open circuit so far apart;
/// over so long at most.
const BEHIND: Duration = Duration::from_millis(2);
const SPREAD: Duration = Duration::from_secs(120);

/// Those that wait come back one after the other.
#[derive(Debug, Default)]
struct Line {
    /// When the next of them comes back.
    next: Option<Instant>,
}

impl Line {
    /// The pause of one more that waits, and not before a time.
    fn queued(&mut self, now: Instant, not_before: Instant, each: Duration) -> Duration {
        let at = self.next.map_or(not_before, |next| next.max(not_before)).min(not_before + SPREAD);
        self.next = Some(at + each);
        at.saturating_duration_since(now)
    }
}

/// What is known of one server.
#[derive(Debug, Default)]
struct Room {
    under_way: usize,
    /// How long a request takes.
    took: Duration,
    line: Line,
    /// Told when a request is over.
    free: Arc<Notify>,
}

/// What is known of one server as one source is told by it.
#[derive(Debug, Default)]
struct Circuit {
    under_way: usize,
    /// In a row.
    failures: u32,
    /// Nothing is sent before this.
    open_until: Option<Instant>,
    /// How often that was put off since it answered.
    opened: u32,
    /// A request tries whether it answers.
    probing: bool,
    reason: String,
    line: Line,
}

impl Circuit {
    const fn is_at_rest(&self) -> bool {
        self.under_way == 0 && self.failures == 0 && self.open_until.is_none()
    }

    fn works(&mut self) {
        *self = Self { under_way: self.under_way, ..Self::default() };
    }
}

/// A source, and host and port of a server.
type Pair = (SourceId, String);

#[derive(Debug, Default)]
struct TargetStates {
    rooms: HashMap<String, Room>,
    /// How many of each source wait here for a turn.
    waiting: HashMap<SourceId, usize>,
    circuits: HashMap<Pair, Circuit>,
}

/// All targets, by host and port.
#[derive(Debug)]
pub(crate) struct Targets {
    all: Mutex<TargetStates>,
    per_target: usize,
    failures: u32,
    pause: Duration,
}

/// Whether a request may be sent.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Now, until it is ended.
    Go(UnderWay),
    /// As many are under way as may be; not before this from now.
    Full(Duration),
    /// It does not work, and why; not before this from now.
    Open(Duration, String),
}

/// A request that is under way. Dropped without an end it says nothing of the target.
#[derive(Debug)]
pub(crate) struct UnderWay {
    targets: Arc<Targets>,
    pair: Pair,
    began: Instant,
    probing: bool,
    over: bool,
}

impl Targets {
    pub(crate) fn new(settings: &SourcePostbackSettings) -> Self {
        Self {
            all: Mutex::default(),
            per_target: settings.per_target,
            failures: settings.circuit_failures,
            pause: settings.circuit_pause,
        }
    }

    fn lock(&self) -> MutexGuard<'_, TargetStates> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn for a request of a source, waited for a little where as many are under way as may be.
    pub(crate) async fn turn(self: &Arc<Self>, source: &SourceId, host: &str) -> Turn {
        let place = match self.enter(source, host, false) {
            Turn::Full(_) => self.place(source, host),
            turn => return turn,
        };
        let Some(place) = place else { return self.enter(source, host, true) };
        let end = tokio::time::Instant::now() + SOON;
        loop {
            let freed = place.free.notified();
            match self.enter(source, host, false) {
                Turn::Full(_) => {}
                Turn::Go(under_way) => return Turn::Go(under_way),
                open @ Turn::Open(..) => {
                    // What it was told of goes on to the next.
                    place.free.notify_one();
                    return open;
                }
            }
            if tokio::time::timeout_at(end, freed).await.is_err() {
                return self.enter(source, host, true);
            }
        }
    }

    /// A place to wait in; none: enough of the source wait.
    fn place(self: &Arc<Self>, source: &SourceId, host: &str) -> Option<Place> {
        let mut all = self.lock();
        let free = Arc::clone(&all.rooms.get(host)?.free);
        let waiting = all.waiting.entry(source.clone()).or_default();
        if *waiting >= WAITING {
            return None;
        }
        *waiting += 1;
        Some(Place { targets: Arc::clone(self), source: source.clone(), free })
    }

    /// Sources of which enough wait here: nothing of them need be claimed now.
    pub(crate) fn busy(&self) -> Vec<String> {
        let all = self.lock();
        let busy = all.waiting.iter().filter(|(_, waiting)| **waiting >= WAITING / 2);
        busy.map(|(source, _)| source.to_string()).collect()
    }

    /// A turn for a request of a source; `put_off`: who has none now is put off.
    fn enter(self: &Arc<Self>, source: &SourceId, host: &str, put_off: bool) -> Turn {
        let now = Instant::now();
        let mut all = self.lock();
        let TargetStates { rooms, circuits, .. } = &mut *all;
        if rooms.len() >= MOST {
            rooms.retain(|_, room| room.under_way > 0);
        }
        if circuits.len() >= MOST {
            circuits.retain(|_, circuit| !circuit.is_at_rest());
        }
        let pair = (source.clone(), host.to_owned());
        let circuit = circuits.entry(pair.clone()).or_default();
        if let Some(until) = circuit.open_until {
            let not_before = if until > now { Some(until) } else { circuit.probing.then(|| now + FULL * 5) };
            if let Some(not_before) = not_before {
                return Turn::Open(circuit.line.queued(now, not_before, BEHIND), circuit.reason.clone());
            }
        }
        let room = rooms.entry(host.to_owned()).or_default();
        if room.under_way >= self.per_target {
            if !put_off {
                return Turn::Full(Duration::ZERO);
            }
            let each = room.took / u32::try_from(self.per_target).unwrap_or(u32::MAX);
            return Turn::Full(room.line.queued(now, now + FULL, each));
        }
        let probing = circuit.open_until.is_some();
        circuit.probing = probing;
        circuit.under_way += 1;
        room.under_way += 1;
        Turn::Go(UnderWay { targets: Arc::clone(self), pair, began: now, probing, over: false })
    }

    /// How long a circuit is open at most.
    fn longest(&self) -> Duration {
        self.pause * (1 << DOUBLED)
    }

    /// How many circuits are open.
    pub(crate) fn open(&self) -> usize {
        self.lock().circuits.values().filter(|s| s.open_until.is_some()).count()
    }

    /// Those that failed of late or are asked now, for people.
    pub(crate) fn told(&self, clock: Timestamp) -> Vec<tfx_api::source_postbacks::Target> {
        let now = Instant::now();
        let at = |until: Instant| clock.checked_add(until.saturating_duration_since(now)).unwrap_or(clock);
        let mut items: Vec<_> = self
            .lock()
            .circuits
            .iter()
            .filter(|(_, state)| !state.is_at_rest())
            .map(|((source, host), state)| tfx_api::source_postbacks::Target {
                source_id: Some(source.clone()),
                host: host.clone(),
                under_way: state.under_way as u64,
                failures: state.failures.into(),
                open_until: state.open_until.map(at),
                reason: state.reason.clone(),
            })
            .collect();
        items.sort_by(|a, b| (&a.host, &a.source_id).cmp(&(&b.host, &b.source_id)));
        items
    }
}

/// One that waits here for a turn.
struct Place {
    targets: Arc<Targets>,
    source: SourceId,
    free: Arc<Notify>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.targets.lock();
        if let Some(waiting) = all.waiting.get_mut(&self.source) {
            *waiting -= 1;
            if *waiting == 0 {
                all.waiting.remove(&self.source);
            }
        }
    }
}

impl UnderWay {
    /// It answered: its circuit closes.
    pub(crate) fn answered(mut self) {
        self.end(|circuit, _| circuit.works());
    }

    /// It answered that it is asked too often, which is no failure: its circuit closes, and it has the pause that it asks for.
    pub(crate) fn asked_to_wait(mut self, reason: &str, asked: Option<Duration>) {
        self.end(|circuit, targets| {
            circuit.works();
            if let Some(asked) = asked.map(|asked| asked.min(targets.longest())).filter(|a| !a.is_zero()) {
                circuit.open_until = Some(Instant::now() + asked);
                reason.clone_into(&mut circuit.reason);
            }
        });
    }

    /// It failed; its server may ask to be left alone for a time, which is as long as a circuit is open at most.
    pub(crate) fn failed(mut self, reason: &str, asked: Option<Duration>) {
        let probing = self.probing;
        self.end(|state, targets| {
            state.failures = state.failures.saturating_add(1);
            reason.clone_into(&mut state.reason);
            // What was sent before it was opened says nothing more.
            let already = state.open_until.is_some() && !probing;
            let asked = asked.unwrap_or_default().min(targets.longest());
            let spent = state.failures >= targets.failures;
            if (spent || !asked.is_zero()) && !already {
                let own =
                    if spent { targets.pause * (1 << state.opened.min(DOUBLED)) } else { Duration::ZERO };
                state.open_until = Some(Instant::now() + own.max(asked));
                state.opened += u32::from(spent);
                state.line = Line::default();
            }
        });
    }

    fn end(&mut self, how: impl FnOnce(&mut Circuit, &Targets)) {
        self.over = true;
        let targets = Arc::clone(&self.targets);
        let mut all = targets.lock();
        let TargetStates { rooms, circuits, .. } = &mut *all;
        if let Some(room) = rooms.get_mut(&self.pair.1) {
            room.under_way = room.under_way.saturating_sub(1);
            room.took = (room.took * 7 + self.began.elapsed()) / 8;
            room.free.notify_one();
        }
        if let Some(circuit) = circuits.get_mut(&self.pair) {
            circuit.under_way = circuit.under_way.saturating_sub(1);
            if self.probing {
                circuit.probing = false;
            }
            how(circuit, &targets);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.over {
            self.end(|_, _| {});
        }
    }
}

#[cfg(test)]
mod tests;
