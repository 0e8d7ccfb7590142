//! What has been used of one destination's caps and taken by one stream: what was known when it was read last, and this
//! instance's own clicks since.
//!
//! Counts are kept for each time that is asked about, not for "today": a clock that jumps over midnight and back finds
//! the day as it was. Clicks never become fewer: a store that lags behind, or forgot, opens no cap again.

use super::kept::{CounterState, KeptWindow};
use jiff::tz::TimeZone;
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tfx_domain::{
    Timestamp,
    routing::{CapUse, filter::ClickLimit},
};

/// Times that are kept in mind, for a destination or a stream; those that were not asked about for longest go.
const MAX_WINDOWS: usize = 16;
/// A time that nobody asked about for so long is not read any more.
const UNASKED: Duration = Duration::from_secs(600);

/// Clicks and conversions of one destination or stream since certain times.
#[derive(Debug)]
pub(super) struct Tally {
    state: Mutex<State>,
    /// What is kept of it is not what was taken last. Goes with the state: nobody looks at it without, but to see whether
    /// it is worth while.
    changed: AtomicBool,
    /// Whether the store knows of its clicks; else own ones are all there is.
    stored: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    windows: Vec<Window>,
    /// Goes up when a read begins.
    round: u64,
    /// Clicks of before the start that no read has told yet.
    found: Vec<Timestamp>,
}

/// What happened since a time; or ever.
#[derive(Debug)]
struct Window {
    since: Option<Timestamp>,
    /// As known from reads, and from before the start.
    known: u64,
    /// Own clicks until the read under way began.
    marked: u64,
    /// Own clicks after that.
    fresh: u64,
    /// Own clicks among `marked` and `fresh` that came while the store was asked last, so that `known` may hold them
    /// already.
    doubled: u64,
    conversions: u64,
    asked: Instant,
}

/// What the store said of a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoreCount {
    pub(super) clicks: u64,
    pub(super) conversions: u64,
    /// Whether every conversion known when the read began is in it. Conversions may become fewer, so the last value
    /// stays in use until one is whole.
    pub(super) whole: bool,
}

/// An own click, to be taken back if need be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    at: Timestamp,
    round: u64,
}

impl Window {
    fn clicks(&self) -> u64 {
        self.known + self.marked + self.fresh
    }

    /// Clicks that are counted once for sure.
    fn sure(&self) -> u64 {
        self.clicks().saturating_sub(self.doubled)
    }
}

impl State {
    fn find(&mut self, since: Option<Timestamp>) -> Option<&mut Window> {
        self.windows.iter_mut().find(|w| w.since == since)
    }

    /// The window, made if it is not there; true if it was made.
    fn window(&mut self, since: Option<Timestamp>) -> (&mut Window, bool) {
        let found = self.windows.iter().position(|w| w.since == since);
        let place = found.unwrap_or_else(|| self.begin(since));
        (&mut self.windows[place], found.is_none())
    }

    fn kept(&self) -> CounterState {
        let kept = |w: &Window| KeptWindow { since: w.since, clicks: w.sure(), conversions: w.conversions };
        CounterState { windows: self.windows.iter().map(kept).collect(), found: self.found.clone() }
    }

    /// Begins a window; gives its place.
    fn begin(&mut self, since: Option<Timestamp>) -> usize {
        if self.windows.len() >= MAX_WINDOWS {
            let limited = self.windows.iter().enumerate().filter(|(_, w)| w.since.is_some());
            if let Some((oldest, _)) = limited.min_by_key(|(_, w)| w.asked) {
                self.windows.swap_remove(oldest);
            }
        }
        let known = self.found.iter().filter(|at| holds(since, **at)).count() as u64;
        let asked = Instant::now();
        self.windows.push(Window { since, known, marked: 0, fresh: 0, doubled: 0, conversions: 0, asked });
        self.windows.len() - 1
    }
}

fn holds(since: Option<Timestamp>, at: Timestamp) -> bool {
    since.is_none_or(|since| since <= at)
}

impl Tally {
    /// Goes on with what was kept.
    pub(super) fn new(stored: bool, kept: CounterState) -> Self {
        let asked = Instant::now();
        let windows = kept.windows.into_iter().take(MAX_WINDOWS).map(|w| Window {
            since: w.since,
            known: w.clicks,
            marked: 0,
            fresh: 0,
            doubled: 0,
            conversions: w.conversions,
            asked,
        });
        let state = State { windows: windows.collect(), round: 0, found: kept.found };
        Self { state: Mutex::new(state), changed: AtomicBool::new(true), stored: AtomicBool::new(stored) }
    }

    pub(super) fn is_stored(&self) -> bool {
        self.stored.load(Relaxed)
    }

    /// From now on it does, or does not.
    pub(super) fn store(&self, stored: bool) {
        self.stored.store(stored, Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, to be changed.
    fn changing(&self) -> MutexGuard<'_, State> {
        let state = self.state();
        self.changed.store(true, Relaxed);
        state
    }

    /// Clicks since then; true if that was asked for the first time, so that it is not known yet.
    pub(super) fn clicks(&self, since: Option<Timestamp>) -> (u64, bool) {
        let mut state = self.state();
        let (window, new) = state.window(since);
        window.asked = Instant::now();
        if new {
            self.changed.store(true, Relaxed);
        }
        (window.clicks(), new)
    }

    /// Clicks and conversions since then, if anything is known of that. Changes nothing.
    fn known(&self, since: Option<Timestamp>) -> (u64, u64) {
        let mut state = self.state();
        state.find(since).map_or((0, 0), |w| (w.clicks(), w.conversions))
    }

    /// One more click of our own.
    pub(super) fn clicked(&self, at: Timestamp) -> Ticket {
        let mut state = self.changing();
        state.windows.iter_mut().filter(|w| holds(w.since, at)).for_each(|w| w.fresh += 1);
        Ticket { at, round: state.round }
    }

    /// One click less: it could not be recorded.
    pub(super) fn taken_back(&self, ticket: Ticket) {
        let mut state = self.changing();
        let fresh = ticket.round == state.round;
        for window in state.windows.iter_mut().filter(|w| holds(w.since, ticket.at)) {
            let count = if fresh { &mut window.fresh } else { &mut window.marked };
            *count = count.saturating_sub(1);
        }
    }

    /// A read begins. Gives what it has to ask about.
    pub(super) fn mark(&self) -> Vec<Option<Timestamp>> {
        let mut state = self.state();
        state.round += 1;
        for window in &mut state.windows {
            window.marked += std::mem::take(&mut window.fresh);
        }
        state.windows.iter().filter(|w| w.asked.elapsed() < UNASKED).map(|w| w.since).collect()
    }

    /// What the store said; it holds our own clicks up to the mark.
    pub(super) fn read(&self, since: Option<Timestamp>, said: StoreCount) {
        let mut state = self.changing();
        if let Some(window) = state.find(since) {
            // What came since the mark counts once more until the next answer, in which it is for sure: a cap closes
            // early by that, and not for good.
            let sure = window.sure().saturating_sub(window.fresh);
            window.marked = 0;
            window.known = said.clicks.max(sure);
            window.doubled = window.fresh.min(window.known - sure);
            window.conversions =
                if said.whole { said.conversions } else { said.conversions.max(window.conversions) };
            state.found.clear();
        }
    }

    /// What is to be known after a restart.
    pub(super) fn kept(&self) -> CounterState {
        self.state().kept()
    }

    /// The same, if it changed since this was asked.
    pub(super) fn take_changed(&self) -> Option<CounterState> {
        if !self.changed.load(Relaxed) {
            return None;
        }
        let state = self.state();
        self.changed.store(false, Relaxed);
        Some(state.kept())
    }
}

/// A local day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Day {
    from: Timestamp,
    to: Timestamp,
}

impl Day {
    /// The day of `now`.
    fn of(zone: &TimeZone, now: Timestamp) -> Self {
        let today = zone.to_datetime(now).date();
        let midnight = |date: jiff::civil::Date| zone.to_timestamp(date.at(0, 0, 0, 0)).ok();
        let from = midnight(today).unwrap_or(now);
        let to = today.tomorrow().ok().and_then(midnight).unwrap_or(Timestamp::MAX);
        Self { from, to }
    }

    fn contains(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.to
    }
}

/// The use of a destination's caps: ever, and by local day.
#[derive(Debug)]
pub(super) struct CapTally {
    zone: TimeZone,
    tally: Arc<Tally>,
    /// The day that was asked about last: finding one takes its time.
    day: Mutex<Day>,
}

impl CapTally {
    /// Counts days in that zone.
    pub(super) fn new(zone: TimeZone, tally: Arc<Tally>, now: Timestamp) -> Self {
        let day = Mutex::new(Day::of(&zone, now));
        let caps = Self { zone, tally, day };
        caps.today(now);
        caps
    }

    pub(super) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    pub(super) fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    fn day(&self, now: Timestamp) -> Day {
        let mut day = self.day.lock().unwrap_or_else(PoisonError::into_inner);
        if !day.contains(now) {
            *day = Day::of(&self.zone, now);
        }
        *day
    }

    /// Sees to it that the day of `now` is counted and read; true if it was not before.
    fn today(&self, now: Timestamp) -> bool {
        self.tally.clicks(None);
        self.tally.clicks(Some(self.day(now).from)).1
    }

    /// What has been used. Changes nothing, so that a question about another day does no harm.
    pub(super) fn used(&self, now: Timestamp) -> CapUse {
        let (clicks_daily, conversions_daily) = self.tally.known(Some(self.day(now).from));
        let (clicks_total, conversions_total) = self.tally.known(None);
        CapUse { clicks_daily, clicks_total, conversions_daily, conversions_total }
    }

    /// One more click of our own; true if it is the first of its day, of which nothing was read yet.
    pub(super) fn clicked(&self, now: Timestamp) -> (Ticket, bool) {
        let new = self.today(now);
        (self.tally.clicked(now), new)
    }

    /// A read begins. Gives the beginnings of the days it has to ask about.
    pub(super) fn mark(&self, now: Timestamp) -> Vec<Timestamp> {
        self.today(now);
        self.tally.mark().into_iter().flatten().collect()
    }

    /// What the store said of a day and in all.
    pub(super) fn read(&self, day: Timestamp, said: CapUse, whole: bool) {
        let (clicks, conversions) = (said.clicks_daily, said.conversions_daily);
        self.tally.read(Some(day), StoreCount { clicks, conversions, whole });
        let (clicks, conversions) = (said.clicks_total, said.conversions_total);
        self.tally.read(None, StoreCount { clicks, conversions, whole });
    }
}

/// The clicks that one stream took, for its limits.
#[derive(Debug)]
pub(super) struct LimitTally {
    limits: Vec<ClickLimit>,
    tally: Arc<Tally>,
}

impl LimitTally {
    /// Counts for these limits: from now on, and read before the first click.
    pub(super) fn new(limits: Vec<ClickLimit>, tally: Arc<Tally>, now: Timestamp) -> Self {
        let limited = Self { limits, tally };
        limited.begin(now);
        limited
    }

    pub(super) fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// Sees to it that what the limits ask about at that time is counted and read.
    fn begin(&self, now: Timestamp) {
        for limit in &self.limits {
            self.tally.clicks(limit.since(now));
        }
    }

    /// A read begins. Gives what it has to ask about.
    pub(super) fn mark(&self, now: Timestamp) -> Vec<Option<Timestamp>> {
        self.begin(now);
        self.tally.mark()
    }
}

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;
