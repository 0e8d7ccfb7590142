//! What has been used of one destination's caps and taken by one stream: what the analytics store said last, and this
//! instance's own clicks since.

use jiff::tz::TimeZone;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tfx_domain::{Timestamp, routing::CapUse};

/// A local day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) from: Timestamp,
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

/// The use of a destination's caps.
#[derive(Debug)]
pub(super) struct CapTally {
    zone: TimeZone,
    state: Mutex<CapState>,
}

#[derive(Debug, Clone, Copy)]
struct CapState {
    day: Day,
    /// As read last; the daily counts are of `day`.
    read: CapUse,
    own_daily: u64,
    own_total: u64,
}

/// Where a tally stood when a read began.
#[derive(Debug, Clone, Copy)]
pub(super) struct CapMark {
    pub(super) day: Day,
    own_daily: u64,
    own_total: u64,
}

impl CapTally {
    pub(super) fn new(zone: TimeZone, now: Timestamp) -> Self {
        let day = Day::of(&zone, now);
        let state = CapState { day, read: CapUse::default(), own_daily: 0, own_total: 0 };
        Self { zone, state: Mutex::new(state) }
    }

    pub(super) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// A day that is over starts the daily counts anew.
    fn at(&self, now: Timestamp) -> MutexGuard<'_, CapState> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= state.day.to {
            state.day = Day::of(&self.zone, now);
            state.read.clicks_daily = 0;
            state.read.conversions_daily = 0;
            state.own_daily = 0;
        }
        state
    }

    /// What has been used. Changes nothing, so that a question about another day does no harm.
    pub(super) fn used(&self, now: Timestamp) -> CapUse {
        let state = *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut used = state.read;
        used.clicks_total += state.own_total;
        if state.day.contains(now) {
            used.clicks_daily += state.own_daily;
        } else {
            used.clicks_daily = 0;
            used.conversions_daily = 0;
        }
        used
    }

    /// One more click of our own.
    pub(super) fn clicked(&self, now: Timestamp) {
        let mut state = self.at(now);
        state.own_daily += 1;
        state.own_total += 1;
    }

    /// One click less: it could not be recorded.
    pub(super) fn taken_back(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.own_daily = state.own_daily.saturating_sub(1);
        state.own_total = state.own_total.saturating_sub(1);
    }

    pub(super) fn mark(&self, now: Timestamp) -> CapMark {
        let state = self.at(now);
        CapMark { day: state.day, own_daily: state.own_daily, own_total: state.own_total }
    }

    /// What the store said; it holds our own clicks up to the mark.
    pub(super) fn read(&self, mark: CapMark, said: CapUse) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.own_total = state.own_total.saturating_sub(mark.own_total);
        let daily = (state.read.clicks_daily, state.read.conversions_daily);
        state.read = said;
        if state.day == mark.day {
            state.own_daily = state.own_daily.saturating_sub(mark.own_daily);
        } else {
            (state.read.clicks_daily, state.read.conversions_daily) = daily;
        }
    }
}

/// How long a window that nobody asks about is kept, seconds.
const UNASKED_S: i64 = 600;

/// Clicks a stream took, since the times that its limits ask about.
#[derive(Debug)]
pub(super) struct StreamTally {
    windows: Mutex<Vec<Window>>,
    stored: bool,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    since: Option<Timestamp>,
    read: u64,
    own: u64,
    asked: Timestamp,
}

impl StreamTally {
    /// `stored` says whether the store knows of its clicks; else own ones since the start are all there is.
    pub(super) fn new(stored: bool) -> Self {
        Self { windows: Mutex::default(), stored }
    }

    pub(super) fn is_stored(&self) -> bool {
        self.stored
    }

    fn windows(&self) -> MutexGuard<'_, Vec<Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Clicks since then; true if that was asked for the first time, so that it is not known yet.
    pub(super) fn clicks(&self, since: Option<Timestamp>, now: Timestamp) -> (u64, bool) {
        let mut windows = self.windows();
        if let Some(w) = windows.iter_mut().find(|w| w.since == since) {
            w.asked = w.asked.max(now);
            return (w.read + w.own, false);
        }
        windows.push(Window { since, read: 0, own: 0, asked: now });
        (0, true)
    }

    pub(super) fn clicked(&self) {
        self.windows().iter_mut().for_each(|w| w.own += 1);
    }

    pub(super) fn taken_back(&self) {
        self.windows().iter_mut().for_each(|w| w.own = w.own.saturating_sub(1));
    }

    /// The windows to read, each with its own clicks so far; those nobody asks about any more are dropped.
    pub(super) fn marks(&self, now: Timestamp) -> Vec<(Option<Timestamp>, u64)> {
        let mut windows = self.windows();
        windows.retain(|w| now.duration_since(w.asked).as_secs() < UNASKED_S);
        windows.iter().map(|w| (w.since, w.own)).collect()
    }

    /// What the store said.
    pub(super) fn read(&self, since: Option<Timestamp>, mark: u64, said: u64) {
        if let Some(w) = self.windows().iter_mut().find(|w| w.since == since) {
            w.read = said;
            w.own = w.own.saturating_sub(mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("time")
    }

    fn clicks(tally: &CapTally, now: Timestamp) -> (u64, u64) {
        let used = tally.used(now);
        (used.clicks_daily, used.clicks_total)
    }

    #[test]
    fn own_clicks_count_at_once_and_not_again_when_the_store_knows_them() {
        let now = at("2026-03-01T10:00:00Z");
        let tally = CapTally::new(TimeZone::UTC, now);
        tally.clicked(now);
        tally.clicked(now);
        assert_eq!(clicks(&tally, now), (2, 2));
        let mark = tally.mark(now);
        tally.clicked(now);
        tally.read(mark, CapUse { clicks_daily: 12, clicks_total: 102, ..CapUse::default() });
        assert_eq!(clicks(&tally, now), (13, 103));
        tally.taken_back();
        assert_eq!(clicks(&tally, now), (12, 102));
    }

    #[test]
    fn a_new_day_begins_at_midnight_of_the_zone() {
        let zone = TimeZone::get("America/New_York").expect("zone");
        let evening = at("2026-03-02T04:59:59Z");
        let tally = CapTally::new(zone, evening);
        let said = CapUse { clicks_daily: 5, clicks_total: 50, conversions_daily: 1, conversions_total: 9 };
        tally.read(tally.mark(evening), said);
        tally.clicked(evening);
        assert_eq!(clicks(&tally, evening), (6, 51));
        let midnight = at("2026-03-02T05:00:00Z");
        assert_eq!(clicks(&tally, midnight), (0, 51));
        assert_eq!(tally.used(midnight).conversions_daily, 0);
        assert_eq!(clicks(&tally, evening), (6, 51), "asking about tomorrow changed nothing");
        // A read that began before midnight tells nothing about the new day.
        let mark = tally.mark(evening);
        tally.clicked(midnight);
        tally.read(mark, CapUse { clicks_daily: 6, clicks_total: 51, ..said });
        assert_eq!(clicks(&tally, midnight), (1, 52));
    }

    #[test]
    fn a_stream_counts_each_window_by_itself() {
        let now = at("2026-03-01T10:30:00Z");
        let hour = Some(at("2026-03-01T10:00:00Z"));
        let tally = StreamTally::new(true);
        assert_eq!(tally.clicks(hour, now), (0, true));
        assert_eq!(tally.clicks(None, now), (0, true));
        tally.clicked();
        for (since, mark) in tally.marks(now) {
            tally.clicked();
            tally.read(since, mark, if since.is_none() { 100 } else { 10 });
        }
        assert_eq!(tally.clicks(hour, now), (12, false));
        assert_eq!(tally.clicks(None, now), (102, false));
        let later = at("2026-03-01T11:30:00Z");
        assert_eq!(tally.marks(later).len(), 0, "windows that nobody asks about go");
    }
}
