//! What destinations brought, read from the analytics store for `select: roi` behind the clicks' back.

use crate::Memory;
use std::{pin::pin, sync::Arc, time::Duration};
use tfx_domain::{
    Timestamp,
    event::TestTraffic,
    report::{Attribution, Dimension, MAX_GROUPS, ReportFilter, ReportQuery},
    routing::Returns,
};
use tfx_ports::{StoreError, analytics::Analytics, clock};
use tokio::time::{Instant, sleep, timeout};

/// Longest time of one read.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// A report takes time that grows with the clicks in the window: after one that took a second comes a pause of so many.
const PAUSE_BY_TIME: u32 = 20;

/// Reads what destinations brought anew all the time, while there are any to rank.
pub struct ReturnsReader {
    /// Whose destinations.
    pub memory: Arc<Memory>,
    /// What is asked.
    pub analytics: Arc<dyn Analytics>,
    /// How old returns may be, where the store is fast enough.
    pub every: Duration,
    /// How far back they go.
    pub window: Duration,
}

impl ReturnsReader {
    /// Until `stop`.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        let (mut told, mut left_out_told) = (None, false);
        let mut pause = self.every;
        loop {
            tokio::select! {
                () = sleep(pause) => {}
                () = self.memory.unranked.notified() => {}
                () = stop.as_mut() => return,
            }
            if self.memory.tallies.load().ranked.is_empty() {
                continue;
            }
            let began = Instant::now();
            let read = tokio::select! {
                read = self.read(clock::now(), &mut left_out_told) => read,
                () = stop.as_mut() => return,
            };
            self.memory.roi_reads.count("what destinations brought", read, &mut told);
            pause = self.every.max(began.elapsed() * PAUSE_BY_TIME);
        }
    }

    /// Reads everything once. What is in use stays if that fails.
    async fn read(&self, now: Timestamp, left_out_told: &mut bool) -> Result<(), StoreError> {
        let ranked = ReportFilter {
            dimension: Dimension::Destination,
            values: self.memory.tallies.load().ranked.iter().map(|d| d.as_str().to_owned()).collect(),
            negate: false,
        };
        let query = ReportQuery {
            since: now.checked_sub(self.window).unwrap_or(Timestamp::MIN),
            until: now,
            timezone: "UTC".to_owned(),
            dimensions: vec![Dimension::Destination],
            filters: vec![ranked],
            attribution: Attribution::Click,
            // Tests are nobody's money.
            test: TestTraffic::Exclude,
            max_groups: MAX_GROUPS,
        };
        let late = |_| StoreError::Unavailable {
            what: format!("the analytics store did not answer within {ANSWER_WITHIN:?}"),
            source: None,
        };
        let rows = timeout(ANSWER_WITHIN, self.analytics.report(&query)).await.map_err(late)??;
        let returns = Returns::of(&rows);
        if returns.left_out.is_empty() {
            *left_out_told = false;
        } else if !std::mem::replace(left_out_told, true) {
            let codes: Vec<_> = returns.left_out.keys().map(ToString::to_string).collect();
            let currency = returns.currency.map(|c| c.to_string()).unwrap_or_default();
            tracing::warn!(
                "destinations are ranked by what they brought in {currency}; amounts in {} do not count, \
                 since there is no rate",
                codes.join(", ")
            );
        }
        self.memory.returns.store(Arc::new(returns.of.into_iter().collect()));
        Ok(())
    }
}
