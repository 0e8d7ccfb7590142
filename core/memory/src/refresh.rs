//! The use of caps and limits, read from the analytics store behind the clicks' back.

use super::{
    Memory,
    tally::{CapTally, StoreCount, Tally},
};
use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Duration};
use tfx_domain::{
    Timestamp,
    id::{DestinationId, StreamId},
};
use tfx_events::Producer;
use tfx_ports::{StoreError, analytics::Analytics, clock};
use tokio::time::{sleep, timeout};

/// Destinations or streams in one question.
const IN_ONE: usize = 1000;
/// Longest time of one question.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long own events may take to the store before a read counts as failed, beside their batch's time.
const DELIVERED_WITHIN: Duration = Duration::from_secs(2);
/// How long the store may take to read from the event log what is in it, before a read counts as failed.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);

/// Reads the use of caps and limits anew all the time.
pub struct Refresher {
    /// Whose tallies.
    pub memory: Arc<Memory>,
    /// What is asked.
    pub analytics: Arc<dyn Analytics>,
    /// Where own events wait that the store does not know yet.
    pub producer: Arc<Producer>,
    /// How old the use of caps may be.
    pub every: Duration,
    /// Longest time an event waits for its batch.
    pub batch_timeout: Duration,
}

/// What to read for one tally.
struct Question<Id, Of> {
    id: Id,
    tally: Arc<Of>,
}

/// By the beginning of the day or window: those of the same are asked together.
type Questions<Since, Id, Of> = BTreeMap<Since, Vec<Question<Id, Of>>>;

impl Refresher {
    /// Until `stop`.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        let mut told = None;
        loop {
            tokio::select! {
                () = sleep(self.every) => {}
                () = self.memory.unread.notified() => {}
                () = stop.as_mut() => return,
            }
            let refreshed = tokio::select! {
                refreshed = self.refresh() => refreshed,
                () = stop.as_mut() => return,
            };
            self.memory.cap_reads.count("the use of caps", refreshed, &mut told);
        }
    }

    /// Reads everything once.
    ///
    /// # Errors
    /// The first failure; what could be read is in use all the same.
    pub(crate) async fn refresh(&self) -> Result<(), StoreError> {
        let now = clock::now();
        let (caps, limits) = (self.caps(now), self.limits(now));
        if caps.is_empty() && limits.is_empty() {
            return Ok(());
        }
        // Clicks up to the marks must be in the store before it is asked, or they would count nowhere.
        self.delivered().await?;
        let whole = timeout(TAKEN_WITHIN, self.analytics.caught_up()).await.map_err(|_| {
            let what =
                format!("the analytics store did not read own clicks from the log within {TAKEN_WITHIN:?}");
            StoreError::Unavailable { what, source: None }
        })??;
        let mut read = Ok(());
        for (day, caps) in &caps {
            for caps in caps.chunks(IN_ONE) {
                let ids: Vec<_> = caps.iter().map(|c| c.id.clone()).collect();
                match answer(self.analytics.cap_use(&ids, *day)).await {
                    Ok(said) => caps.iter().zip(said).for_each(|(c, said)| c.tally.read(*day, said, whole)),
                    failed => read = read.and(failed.map(drop)),
                }
            }
        }
        for (since, limits) in &limits {
            for limits in limits.chunks(IN_ONE) {
                let ids: Vec<_> = limits.iter().map(|l| l.id.clone()).collect();
                match answer(self.analytics.stream_clicks(&ids, *since)).await {
                    Ok(said) => {
                        let said =
                            said.into_iter().map(|clicks| StoreCount { clicks, conversions: 0, whole });
                        limits.iter().zip(said).for_each(|(l, said)| l.tally.read(*since, said));
                    }
                    failed => read = read.and(failed.map(drop)),
                }
            }
        }
        self.memory.usage.changed();
        read
    }

    fn caps(&self, now: Timestamp) -> Questions<Timestamp, DestinationId, CapTally> {
        let mut questions = Questions::new();
        for (id, tally) in &self.memory.tallies.load().caps {
            for day in tally.mark(now) {
                questions.entry(day).or_default().push(Question { id: id.clone(), tally: Arc::clone(tally) });
            }
        }
        questions
    }

    fn limits(&self, now: Timestamp) -> Questions<Option<Timestamp>, StreamId, Tally> {
        let mut questions = Questions::new();
        for (id, limit) in self.memory.tallies.load().limits.iter().filter(|(_, l)| l.tally().is_stored()) {
            for since in limit.mark(now) {
                let tally = Arc::clone(limit.tally());
                questions.entry(since).or_default().push(Question { id: id.clone(), tally });
            }
        }
        questions
    }

    /// Waits until every click that was counted so far is recorded, and has left the journal.
    async fn delivered(&self) -> Result<(), StoreError> {
        let gone = |s: &tfx_events::ProducerStats| s.delivered_total + s.refused_total;
        let wait = async {
            self.memory.flights.landed().await;
            let stats = self.producer.stats();
            let target = gone(&stats) + stats.outbox_depth_events;
            while gone(&self.producer.stats()) < target && self.producer.stats().outbox_depth_events > 0 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let within = self.batch_timeout + DELIVERED_WITHIN;
        timeout(within, wait).await.map_err(|_| StoreError::Unavailable {
            what: format!("own events were not delivered within {} ms", within.as_millis()),
            source: None,
        })
    }
}

async fn answer<T>(question: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(ANSWER_WITHIN, question).await.unwrap_or_else(|_| {
        let what = format!("the analytics store did not answer within {ANSWER_WITHIN:?}");
        Err(StoreError::Unavailable { what, source: None })
    })
}
