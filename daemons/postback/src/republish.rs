//! Conversions that were recorded and whose state the event sink does not have: the process died in between, or the
//! machine whose journal holds the event does not come back. Their present state is published (again) by whoever finds
//! them; the event's id makes it count once.
//!
//! While events wait in our own journal nothing is done: most of what is unpublished is on its way then, and what is
//! not would only wait too.

use crate::{published::State, take::Postbacks};
use std::{
    collections::{HashMap, HashSet},
    fmt::Display,
    sync::Arc,
    time::{Duration, Instant},
};
use tfx_domain::{
    Timestamp,
    event::{ConversionEvent, Event},
    postback::Conversion,
};
use tfx_ports::{
    clock,
    page::{Page, PageRequest},
    sink::EventSink,
};
use tfx_service::{LogThrottle, Shutdown};

const PERIOD: Duration = Duration::from_secs(5);
/// The pause while there is more.
const AT_ONCE: Duration = Duration::from_millis(250);
/// A state younger than this is most likely on its way from the process that recorded it.
const GRACE: Duration = Duration::from_secs(15);
const BATCH: usize = 1000;
/// The most rows that cannot be read that are logged.
const MOST_TOLD: usize = 1000;
/// A state that the sink does not take is published again after this pause, then after twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Sweeps until the shutdown.
pub(crate) async fn work(postbacks: Arc<Postbacks>, sink: Arc<dyn EventSink>, shutdown: Shutdown) {
    // What is older than this process is not on its way from here, once the journal it found is delivered.
    let (started, running) = (clock::now(), Instant::now());
    let mut sweeper = Sweeper { postbacks, sink, next: None, tried: HashMap::new(), told: HashSet::new() };
    let sweeping = async {
        let mut complaint = LogThrottle::default();
        loop {
            let grace = GRACE.max(sweeper.postbacks.batch_timeout * 4);
            let before = if running.elapsed() < grace { started } else { earlier(clock::now(), grace) };
            let swept = match sweeper.delivers(grace / 3) {
                true => sweeper.sweep(before).await,
                false => Ok(false),
            };
            let more = match swept {
                Ok(more) => {
                    complaint.over();
                    more
                }
                Err(error) => {
                    if complaint.due() {
                        tracing::warn!(error, "recorded conversions are not published; trying on");
                    }
                    false
                }
            };
            sweeper.tell_left_out();
            tokio::time::sleep(if more { AT_ONCE } else { PERIOD }).await;
        }
    };
    tokio::select! {
        () = sweeping => {}
        () = shutdown.wait() => {}
    }
}

struct Sweeper {
    postbacks: Arc<Postbacks>,
    sink: Arc<dyn EventSink>,
    /// Where the next page begins: those that the sink refuses for good, however many, do not hide what is behind them.
    next: Option<String>,
    /// What was published here and may not be marked yet: when it is due again, and the pause after that.
    tried: HashMap<State, (Instant, Duration)>,
    /// The rows that cannot be read and were logged.
    told: HashSet<String>,
}

impl Sweeper {
    /// Says which rows of the store cannot be read, once each.
    fn tell_left_out(&mut self) {
        for why in self.postbacks.conversions.left_out().into_iter().chain(self.postbacks.queue.left_out()) {
            if self.told.len() < MOST_TOLD && self.told.insert(why.clone()) {
                tracing::warn!(why, "a stored row cannot be read; it is left out, the others go on");
            }
        }
    }

    /// True while our own events reach the sink, none waiting longer than `at_most`.
    fn delivers(&self, at_most: Duration) -> bool {
        let stats = self.postbacks.producer.stats();
        !stats.degraded && u128::from(stats.oldest_undelivered_age_ms) <= at_most.as_millis()
    }

    /// Publishes what of the next page is unpublished and was last changed before `before`; true if there is more, or why
    /// not.
    async fn sweep(&mut self, before: Timestamp) -> Result<bool, String> {
        let failed = |what: &str, e: &dyn Display| format!("cannot {what}: {e}");
        let page = PageRequest { cursor: self.next.take(), limit: BATCH };
        let found = self.postbacks.conversions.unpublished(&page).await;
        let Page { items: found, next, .. } =
            found.map_err(|e| failed("look for unpublished conversions", &e))?;
        let (now, clock) = (Instant::now(), clock::now());
        let due = |c: &Conversion| {
            // One from the future was recorded before the clock was set back.
            (c.updated_at < before || c.updated_at > clock)
                && self.tried.get(&(c.id.clone(), c.version)).is_none_or(|(next, _)| *next <= now)
        };
        let due: Vec<Conversion> = found.into_iter().filter(due).collect();
        self.tried.retain(|_, (next, pause)| *next + *pause > now);
        if due.is_empty() {
            self.next = next;
            return Ok(self.next.is_some());
        }
        self.sink.ping().await.map_err(|e| failed("reach the event sink", &e))?;
        let events: Vec<Event> =
            due.iter().map(|c| Event::Conversion(Box::new(ConversionEvent::from(c)))).collect();
        let published = self.postbacks.publish(&events).await;
        published.map_err(|e| failed(&format!("publish {} of them", events.len()), &e))?;
        for c in &due {
            let tried = self.tried.entry((c.id.clone(), c.version)).or_insert((now, FIRST_PAUSE / 2));
            let pause = (tried.1 * 2).min(LONGEST_PAUSE);
            *tried = (now + pause, pause);
        }
        self.postbacks.counters.republished(due.len());
        tracing::info!(conversions = due.len(), "published conversions that were recorded but not published");
        self.next = next;
        Ok(self.next.is_some())
    }
}

/// `at` less a pause, bounded by the beginning of time.
fn earlier(at: Timestamp, pause: Duration) -> Timestamp {
    let ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(at.as_millisecond().saturating_sub(ms)).unwrap_or(Timestamp::MIN)
}
