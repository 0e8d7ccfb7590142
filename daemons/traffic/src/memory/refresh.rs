//! The use of caps and limits, read from the analytics store behind the clicks' back.

use super::Memory;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tfx_domain::{
    Timestamp,
    id::{DestinationId, StreamId},
};
use tfx_events::Producer;
use tfx_ports::{StoreError, analytics::Analytics, clock, ingestion::Lag};
use tfx_service::Shutdown;
use tfx_wiring::Pipeline;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

/// Questions asked of the store at the same time.
const AT_ONCE: usize = 8;
/// Longest time of one question.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long own events may take to the store before a read counts as failed, beside their batch's time.
const DELIVERED_WITHIN: Duration = Duration::from_secs(2);
/// How long the store may take to read from the event log what is in it, before a read counts as failed.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);
/// Pause between looks at that.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Reads the use of caps and limits anew all the time.
pub(crate) struct Refresher {
    pub(crate) memory: Arc<Memory>,
    pub(crate) analytics: Arc<dyn Analytics>,
    pub(crate) producer: Arc<Producer>,
    /// How old the use of caps may be.
    pub(crate) every: Duration,
    /// Longest time an event waits for its batch.
    pub(crate) batch_timeout: Duration,
    /// The log between this service and the store, if there is one.
    pub(crate) way: Option<Way>,
}

/// The log that clicks go through before the store has them.
pub(crate) struct Way {
    pub(crate) pipeline: Pipeline,
    /// The whole name of the topic of clicks.
    pub(crate) topic: String,
}

impl Way {
    /// Waits until the store has taken every click that is in the log now.
    async fn taken(&self) -> Result<(), StoreError> {
        let Pipeline { log, group, .. } = &self.pipeline;
        let mut ends: Option<HashMap<i32, i64>> = None;
        loop {
            let lag = log.lag(group).await?;
            let clicks = || lag.iter().filter(|l| l.topic == self.topic);
            let ends = ends.get_or_insert_with(|| clicks().map(|l| (l.partition, l.end)).collect());
            let behind = |l: &Lag| ends.get(&l.partition).is_some_and(|end| l.taken.unwrap_or(0) < *end);
            if !clicks().any(behind) {
                return Ok(());
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

/// One thing to read.
enum Question {
    Cap(DestinationId, super::tally::CapMark),
    Limit(StreamId, Option<Timestamp>, u64),
}

impl Refresher {
    /// Until the shutdown.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let mut told = None;
        loop {
            tokio::select! {
                () = sleep(self.every) => {}
                () = self.memory.unread.notified() => {}
                () = shutdown.wait() => return,
            }
            let refreshed = tokio::select! {
                refreshed = self.refresh() => refreshed,
                () = shutdown.wait() => return,
            };
            self.memory.cap_reads.count("the use of caps", refreshed, &mut told);
        }
    }

    /// Reads everything once.
    ///
    /// # Errors
    /// The first failure; what could be read is in use all the same.
    pub(crate) async fn refresh(&self) -> Result<(), StoreError> {
        let questions = self.questions();
        if questions.is_empty() {
            return Ok(());
        }
        // Clicks up to the marks must be in the store before it is asked, or they would count nowhere.
        self.delivered().await?;
        if let Some(way) = &self.way {
            timeout(TAKEN_WITHIN, way.taken()).await.map_err(|_| StoreError::Unavailable {
                what: format!(
                    "the analytics store did not read own clicks from the log within {TAKEN_WITHIN:?}"
                ),
                source: None,
            })??;
        }
        let mut failed = None;
        let mut running = JoinSet::new();
        for question in questions {
            if running.len() >= AT_ONCE
                && let Some(Ok(Err(e))) = running.join_next().await
            {
                failed.get_or_insert(e);
            }
            running.spawn(ask(Arc::clone(&self.memory), Arc::clone(&self.analytics), question));
        }
        while let Some(done) = running.join_next().await {
            if let Ok(Err(e)) = done {
                failed.get_or_insert(e);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn questions(&self) -> Vec<Question> {
        let now = clock::now();
        let tallies = self.memory.tallies.load();
        let caps = tallies.caps.iter().map(|(id, t)| Question::Cap(id.clone(), t.mark(now)));
        let limits = tallies.limits.iter().flat_map(|(id, t)| {
            let marks = t.marks(now).into_iter().filter(|_| t.is_stored());
            marks.map(|(since, mark)| Question::Limit(id.clone(), since, mark))
        });
        caps.chain(limits).collect()
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

async fn ask(
    memory: Arc<Memory>,
    analytics: Arc<dyn Analytics>,
    question: Question,
) -> Result<(), StoreError> {
    let late =
        |_| StoreError::Unavailable { what: "the analytics store does not answer".to_owned(), source: None };
    match question {
        Question::Cap(id, mark) => {
            let said =
                timeout(ANSWER_WITHIN, analytics.cap_use(&id, mark.day.from)).await.map_err(late)??;
            if let Some(tally) = memory.tallies.load().caps.get(&id) {
                tally.read(mark, said);
            }
        }
        Question::Limit(id, since, mark) => {
            let said = timeout(ANSWER_WITHIN, analytics.stream_clicks(&id, since)).await.map_err(late)??;
            if let Some(tally) = memory.tallies.load().limits.get(&id) {
                tally.read(since, mark, said);
            }
        }
    }
    Ok(())
}
