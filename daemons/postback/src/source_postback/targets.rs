//! The servers that sources name, as this service knows them: how many requests to each are under way, and for each source
//! that is told by it how many are its own, whether more of it wait, and its circuit.
//!
//! The limit of a server stands whoever its requests are of. Within it a source goes on while it has less under way than
//! what is left, or than [`SHARE`] times that if it is answered soon, so that something is left for the next one; and never
//! before another that waits and has less under way. One whose path is slow or dead takes its share and no more, in flight,
//! among those that wait here, and in what is claimed ([`Targets::busy`]).

mod circuit;
mod here;

use circuit::{Circuit, Line};
use here::{Here, Place};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tfx_domain::{Timestamp, id::SourceId};
use tfx_settings::SourcePostbackSettings;
use tokio::sync::Notify;

/// Targets that are known before those that are at rest are forgotten.
const MOST: usize = 4_096;
/// A source that is answered soon may have so many times under way what is left of its server: alone it has 12 of 16, and 6
/// beside a slow one, which has 8.
const SHARE: usize = 3;
/// What is answered in less is answered soon. Who was not answered yet is not.
const QUICK: Duration = Duration::from_millis(500);
/// The same of all that this service holds, turned round: a source of which more than a quarter of what is left is here has
/// enough.
const HELD_SHARE: usize = 4;
/// So many of a source are on their way to a turn, before the others are left in the queue.
const COMING: usize = 128;
/// How long whoever comes beyond the limit waits at least.
const FULL: Duration = Duration::from_millis(200);
/// A claim waits here so long for a turn, before it is put off: as long as it is fresh.
const SOON: Duration = Duration::from_secs(2);
/// So many of a source wait here; where half of that do, the others are left in the queue.
const WAITING: usize = 64;
/// Those that wait behind an open circuit come back so far apart.
const BEHIND: Duration = Duration::from_millis(2);

/// What is known of one server.
#[derive(Debug, Default)]
struct Room {
    under_way: usize,
    /// How many of each source wait here for a turn.
    waiting: BTreeMap<SourceId, usize>,
    /// How many turns there were.
    turns: u64,
}

/// What is known of one server as one source is told by it.
#[derive(Debug, Default)]
struct Told {
    under_way: usize,
    /// Which turn of the server was its last.
    turn: u64,
    /// How long a request takes of late.
    took: Option<Duration>,
    /// When the first of those under way began, or one ended since.
    moved: Option<Instant>,
    /// Of those that are put off since as many are under way as may be.
    line: Line,
    /// Tells one that waits here to look again.
    look: Arc<Notify>,
    circuit: Circuit,
    /// Why this machine could send nothing to it last; empty: it could.
    unsent: String,
}

impl Told {
    /// Who has less goes first; of those that have alike, who waits longest.
    const fn place(&self) -> (usize, u64) {
        (self.under_way, self.turn)
    }

    /// How long a request takes: those under way may take longer than any before. None: nothing was answered yet.
    fn takes(&self, now: Instant) -> Option<Duration> {
        let quiet = self.moved.map(|moved| now.saturating_duration_since(moved)).unwrap_or_default();
        self.took.map(|took| took.max(quiet))
    }

    /// Whether it may have one more under way where so many are left.
    fn has_share(&self, left: usize, now: Instant) -> bool {
        let quick = self.takes(now).is_some_and(|takes| takes < QUICK);
        !self.circuit.is_shut(now) && self.under_way < left * if quick { SHARE } else { 1 }
    }

    /// How far apart requests end.
    fn pace(&self, now: Instant) -> Duration {
        let takes = self.takes(now).unwrap_or(FULL);
        takes / u32::try_from(self.under_way.max(1)).unwrap_or(u32::MAX)
    }
}

/// How many of a source are here.
#[derive(Debug, Default)]
struct Held {
    /// From their claim to their end, in all.
    here: usize,
    waiting: usize,
    under_way: usize,
}

/// A source, and host and port of a server.
type Pair = (SourceId, String);

#[derive(Debug, Default)]
struct TargetStates {
    rooms: HashMap<String, Room>,
    told: HashMap<Pair, Told>,
    held: HashMap<SourceId, Held>,
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

impl TargetStates {
    fn told(&self, source: &SourceId, host: &str) -> Option<&Told> {
        // A pair is looked up rarely enough to be made.
        self.told.get(&(source.clone(), host.to_owned()))
    }

    /// Whether a source goes next where so many may be under way.
    fn may_go(&self, source: &SourceId, host: &str, (per_target, now): (usize, Instant)) -> bool {
        let Some(room) = self.rooms.get(host) else { return per_target > 0 };
        let left = per_target.saturating_sub(room.under_way);
        let Some(own) = self.told(source, host) else { return left > 0 };
        let before = |other: &SourceId| {
            let told = self.told(other, host).filter(|told| other != source && told.has_share(left, now));
            told.is_some_and(|told| told.place() < own.place())
        };
        own.has_share(left, now) && !room.waiting.keys().any(before)
    }

    /// Tells who waits for a server and goes next to look again.
    fn look(&self, host: &str, per_target: usize) {
        let Some(room) = self.rooms.get(host) else { return };
        let (left, now) = (per_target.saturating_sub(room.under_way), Instant::now());
        let waiting = room.waiting.keys().filter_map(|source| self.told(source, host));
        let next = waiting.filter(|told| told.has_share(left, now)).min_by_key(|told| told.place());
        if let Some(told) = next {
            told.look.notify_one();
        }
    }

    fn let_go(&mut self, source: &SourceId, how: impl FnOnce(&mut Held)) {
        if let Some(held) = self.held.get_mut(source) {
            how(held);
            if held.here + held.waiting + held.under_way == 0 {
                self.held.remove(source);
            }
        }
    }
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
            let look = place.look.notified();
            match self.enter(source, host, false) {
                Turn::Full(_) => {}
                turn => return turn,
            }
            if tokio::time::timeout_at(end, look).await.is_err() {
                return self.enter(source, host, true);
            }
        }
    }

    /// A place to wait in; none: enough of the source wait.
    fn place(self: &Arc<Self>, source: &SourceId, host: &str) -> Option<Place> {
        let pair = (source.clone(), host.to_owned());
        let mut all = self.lock();
        let TargetStates { rooms, told, held } = &mut *all;
        let held = held.entry(source.clone()).or_default();
        if held.waiting >= WAITING {
            return None;
        }
        held.waiting += 1;
        *rooms.entry(host.to_owned()).or_default().waiting.entry(source.clone()).or_default() += 1;
        let look = Arc::clone(&told.entry(pair.clone()).or_default().look);
        Some(Place { targets: Arc::clone(self), pair, look })
    }

    /// Notes that a job of a source is here, until this is dropped.
    pub(crate) fn hold(self: &Arc<Self>, source: SourceId) -> Here {
        self.lock().held.entry(source.clone()).or_default().here += 1;
        Here { targets: Arc::clone(self), source }
    }

    /// Sources of which enough are here, where so many may be in all: nothing of them need be claimed now.
    pub(crate) fn busy(&self, at_once: usize) -> Vec<String> {
        let all = self.lock();
        let left = at_once.saturating_sub(all.held.values().map(|held| held.here).sum());
        let enough = |held: &Held| {
            let coming = held.here.saturating_sub(held.under_way);
            held.waiting >= WAITING / 2 || coming >= COMING || held.here * HELD_SHARE > left
        };
        all.held.iter().filter(|(_, held)| enough(held)).map(|(source, _)| source.to_string()).collect()
    }

    /// A turn for a request of a source; `put_off`: who has none now is put off.
    fn enter(self: &Arc<Self>, source: &SourceId, host: &str, put_off: bool) -> Turn {
        let now = Instant::now();
        let mut all = self.lock();
        if all.rooms.len() >= MOST {
            all.rooms.retain(|_, room| room.under_way > 0 || !room.waiting.is_empty());
        }
        if all.told.len() >= MOST {
            let TargetStates { rooms, told, .. } = &mut *all;
            told.retain(|(source, host), told| {
                let waits = rooms.get(host).is_some_and(|room| room.waiting.contains_key(source));
                waits || told.under_way > 0 || !told.circuit.is_at_rest()
            });
        }
        let pair = (source.clone(), host.to_owned());
        if let Some(open) = all.told.entry(pair.clone()).or_default().circuit.waits(now) {
            return open;
        }
        let goes = all.may_go(source, host, (self.per_target, now));
        let TargetStates { rooms, told, held } = &mut *all;
        let (room, told) = (rooms.entry(host.to_owned()).or_default(), told.entry(pair.clone()).or_default());
        if !goes {
            if !put_off {
                return Turn::Full(Duration::ZERO);
            }
            // As fast as what is its own comes to an end.
            let each = told.pace(now);
            return Turn::Full(told.line.queued(now, now + FULL, each));
        }
        room.under_way += 1;
        room.turns += 1;
        if told.under_way == 0 {
            told.moved = Some(now);
        }
        told.under_way += 1;
        told.turn = room.turns;
        held.entry(source.clone()).or_default().under_way += 1;
        let probing = told.circuit.begins();
        Turn::Go(UnderWay { targets: Arc::clone(self), pair, began: now, probing, over: false })
    }

    /// It answered a source, as somebody saw who asked by hand: its circuit closes. Whether it was open.
    pub(crate) fn works(&self, source: &SourceId, host: &str) -> bool {
        let mut all = self.lock();
        let told = all.told.get_mut(&(source.clone(), host.to_owned()));
        let Some(circuit) = told.map(|told| &mut told.circuit).filter(|circuit| circuit.is_open()) else {
            return false;
        };
        circuit.works();
        true
    }

    /// How many circuits are open.
    pub(crate) fn open(&self) -> usize {
        self.lock().told.values().filter(|told| told.circuit.is_open()).count()
    }

    /// To how many this machine cannot send, and why to one of them.
    pub(crate) fn unsent(&self) -> Option<(usize, String)> {
        let all = self.lock();
        let mut unsent = all.told.values().map(|told| &told.unsent).filter(|why| !why.is_empty());
        let first = unsent.next()?.clone();
        Some((1 + unsent.count(), first))
    }

    /// Those that failed of late, that nothing can be sent to or that are asked now, for people.
    pub(crate) fn told(&self, clock: Timestamp) -> Vec<tfx_api::source_postbacks::Target> {
        let now = Instant::now();
        let at = |until: Instant| clock.checked_add(until.saturating_duration_since(now)).unwrap_or(clock);
        let mut items: Vec<_> = self
            .lock()
            .told
            .iter()
            .filter(|(_, told)| told.under_way > 0 || !told.circuit.is_at_rest() || !told.unsent.is_empty())
            .map(|((source, host), told)| tfx_api::source_postbacks::Target {
                source_id: Some(source.clone()),
                host: host.clone(),
                under_way: told.under_way as u64,
                failures: told.circuit.failures.into(),
                open_until: told.circuit.open_until.map(at),
                reason: told.circuit.reason.clone(),
                unsent: Some(told.unsent.clone()).filter(|why| !why.is_empty()),
            })
            .collect();
        items.sort_by(|a, b| (&a.host, &a.source_id).cmp(&(&b.host, &b.source_id)));
        items
    }
}

impl UnderWay {
    /// It answered: its circuit closes.
    pub(crate) fn answered(mut self) {
        self.sent(|circuit, _| circuit.works());
    }

    /// Nothing was sent, through a fault of this machine: it says nothing of the server.
    pub(crate) fn unsent(mut self, why: &str) {
        self.end(|told, _| why.clone_into(&mut told.unsent));
    }

    /// It answered that it is asked too often, which is no failure: its circuit closes, and it has the pause that it asks for.
    pub(crate) fn asked_to_wait(mut self, reason: &str, asked: Option<Duration>) {
        self.sent(|circuit, targets| circuit.asked_to_wait(reason, asked, targets.pause));
    }

    /// It failed; its server may ask to be left alone for a time, which is as long as a circuit is open at most.
    pub(crate) fn failed(mut self, reason: &str, asked: Option<Duration>) {
        let probing = self.probing;
        self.sent(|circuit, targets| {
            circuit.failed(reason, asked, probing, (targets.failures, targets.pause));
        });
    }

    fn sent(&mut self, how: impl FnOnce(&mut Circuit, &Targets)) {
        self.end(|told, targets| {
            told.unsent.clear();
            how(&mut told.circuit, targets);
        });
    }

    fn end(&mut self, how: impl FnOnce(&mut Told, &Targets)) {
        self.over = true;
        let targets = Arc::clone(&self.targets);
        let (source, host) = &self.pair;
        let mut all = targets.lock();
        all.let_go(source, |held| held.under_way = held.under_way.saturating_sub(1));
        if let Some(room) = all.rooms.get_mut(host) {
            room.under_way = room.under_way.saturating_sub(1);
        }
        if let Some(told) = all.told.get_mut(&self.pair) {
            told.under_way = told.under_way.saturating_sub(1);
            let took = self.began.elapsed();
            told.took = Some(told.took.map_or(took, |before| (before * 7 + took) / 8));
            told.moved = (told.under_way > 0).then(Instant::now);
            if self.probing {
                told.circuit.probing = false;
            }
            how(told, &targets);
            if told.circuit.is_open() {
                told.look.notify_waiters();
            }
        }
        all.look(host, targets.per_target);
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
