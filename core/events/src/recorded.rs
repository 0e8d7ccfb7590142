//! How many events were answered for, by kind and by the hour of the event: what reconciling holds against the stores. It
//! begins with the process; what is in the journal or the stores is counted elsewhere.

use arc_swap::ArcSwap;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use tfx_domain::{
    Timestamp,
    event::{Event, Topic},
    id::ClickId,
};
use tfx_ports::{clock, sink::Envelope};

/// Seconds of an hour.
const HOUR: i64 = 3_600;
/// So many hours of a kind are kept, the newest: a month.
const KEPT: usize = 31 * 24 * Topic::ALL.len();

/// What was recorded since the process started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recorded {
    /// Counted from then on.
    pub since: Timestamp,
    /// When this was told, by the clock that gives events their times.
    pub at: Timestamp,
    /// The oldest first; hours without events are left out.
    pub hours: Vec<RecordedHour>,
}

/// Events of one kind in one hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordedHour {
    /// When the hour begins.
    pub hour: Timestamp,
    /// Which kind.
    pub topic: Topic,
    /// Events that somebody was answered for, with those that were dropped under `fail_open`, but for lines of postbacks that
    /// were answered 503 and come again.
    pub accepted: u64,
    /// Those of them that the sink took.
    pub published: u64,
}

/// By hour since the epoch and kind.
type Hours = BTreeMap<(i64, u8), Arc<Counts>>;

#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicU64,
    published: AtomicU64,
}

/// Counts as it goes. A click takes no lock: only the first event of an hour does, to make room for the hour.
#[derive(Debug)]
pub(crate) struct Tally {
    since: Timestamp,
    hours: ArcSwap<Hours>,
    making: Mutex<()>,
}

impl Default for Tally {
    fn default() -> Self {
        Self::since(clock::now())
    }
}

impl Tally {
    fn since(since: Timestamp) -> Self {
        Self { since, hours: ArcSwap::default(), making: Mutex::default() }
    }

    /// Somebody is answered for this event.
    pub(crate) fn accepted(&self, event: &Event) {
        let at = match event {
            Event::Click(c) => c.at,
            Event::PostbackLog(p) => p.at,
            Event::Health(h) => h.at,
            Event::Conversion(c) => c.updated_at,
        };
        self.count(at, event.topic(), |counts| &counts.accepted);
    }

    /// The sink has taken this event. What an earlier process answered for is not counted. A conversion's id tells no time.
    pub(crate) fn published(&self, event: &Envelope) {
        if let Ok(id) = event.id.parse::<ClickId>() {
            self.count(id.timestamp(), event.topic, |counts| &counts.published);
        }
    }

    fn count(&self, at: Timestamp, topic: Topic, of: impl Fn(&Counts) -> &AtomicU64) {
        // A time of the event is kept to the millisecond.
        if at.as_millisecond() < self.since.as_millisecond() {
            return;
        }
        let key = (at.as_second().div_euclid(HOUR), topic.code());
        match self.hours.load().get(&key) {
            Some(counts) => of(counts).fetch_add(1, Relaxed),
            None => of(&self.made(key)).fetch_add(1, Relaxed),
        };
    }

    /// The counts of an hour that may not be there yet.
    fn made(&self, key: (i64, u8)) -> Arc<Counts> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hours = Hours::clone(&self.hours.load());
        let counts = Arc::clone(hours.entry(key).or_default());
        if hours.len() > KEPT {
            hours.pop_first();
        }
        self.hours.store(Arc::new(hours));
        counts
    }

    /// What was counted.
    pub(crate) fn told(&self) -> Recorded {
        let hour = |(&(hour, code), counts): (&(i64, u8), &Arc<Counts>)| {
            let (hour, topic) = (Timestamp::from_second(hour * HOUR).ok()?, Topic::from_code(code)?);
            let of = |count: &AtomicU64| count.load(Relaxed);
            let (accepted, published) = (of(&counts.accepted), of(&counts.published));
            Some(RecordedHour { hour, topic, accepted, published })
        };
        let hours = self.hours.load().iter().filter_map(hour).collect();
        Recorded { since: self.since, at: clock::now(), hours }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn envelope(id: ClickId) -> Envelope {
        let id = id.to_string().into();
        Envelope { topic: Topic::ClickEvents, key: "k".into(), id, payload: Bytes::new() }
    }

    #[test]
    fn what_an_earlier_process_answered_for_is_not_counted() {
        let since = Timestamp::from_second(7_200 + 60).expect("a time");
        let tally = Tally::since(since);
        for second in [7_259, 7_260, 7_261, 10_799, 10_800] {
            let at = Timestamp::from_second(second).expect("a time");
            tally.published(&envelope(ClickId::generate(at, 1)));
        }
        let told: Vec<_> =
            tally.told().hours.iter().map(|h| (h.hour.as_second(), h.accepted, h.published)).collect();
        assert_eq!(told, [(7_200, 0, 3), (10_800, 0, 1)]);
    }

    #[test]
    fn the_oldest_hours_give_way() {
        let tally = Tally::since(Timestamp::UNIX_EPOCH);
        for hour in 0..i64::try_from(KEPT).expect("few") + 3 {
            let at = Timestamp::from_second(hour * HOUR).expect("a time");
            tally.published(&envelope(ClickId::generate(at, 1)));
        }
        let told = tally.told();
        assert_eq!((told.hours.len(), told.hours[0].hour.as_second()), (KEPT, 3 * HOUR));
    }

    #[test]
    fn many_at_once_lose_no_count() {
        let tally = Tally::since(Timestamp::UNIX_EPOCH);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for n in 0..1_000 {
                        let at = Timestamp::from_second(n % 40 * HOUR).expect("a time");
                        tally.published(&envelope(ClickId::generate(at, 1)));
                    }
                });
            }
        });
        let told = tally.told();
        assert_eq!((told.hours.len(), told.hours.iter().map(|h| h.published).sum::<u64>()), (40, 8_000));
    }
}
