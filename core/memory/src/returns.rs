//! What destinations brought, read from the analytics store for `select: roi` behind the clicks' back.

use crate::Memory;
use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Duration};
use tfx_domain::{
    Timestamp,
    event::TestTraffic,
    money::Currency,
    report::{Attribution, Dimension, MAX_GROUPS, Rates, ReportFilter, ReportQuery, compute},
    routing::Returns,
};
use tfx_ports::{
    StoreError,
    analytics::Analytics,
    clock,
    rates::{RateStore, rates_to},
};
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
    /// What other currencies are worth.
    pub rates: Arc<dyn RateStore>,
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
            apart: BTreeMap::new(),
        };
        let late = |_| StoreError::Unavailable {
            what: format!("the analytics store did not answer within {ANSWER_WITHIN:?}"),
            source: None,
        };
        let read = self.converted(query);
        let (returns, currency) = timeout(ANSWER_WITHIN, read).await.map_err(late)??;
        if returns.left_out.is_empty() {
            *left_out_told = false;
        } else if !std::mem::replace(left_out_told, true) {
            let codes: Vec<_> = returns.left_out.keys().map(ToString::to_string).collect();
            tracing::warn!(
                "destinations are ranked by what they brought in {currency}; amounts in {} do not count, \
                 since there is no rate",
                codes.join(", ")
            );
        }
        self.memory.returns.store(Arc::new(returns.of.into_iter().collect()));
        Ok(())
    }

    /// What destinations brought, in the currency in which most have an amount. Amounts in others are converted where there
    /// is a rate: they are read a second time then, apart by the days of the rates.
    async fn converted(&self, query: ReportQuery) -> Result<(Returns, Currency), StoreError> {
        let rows = self.analytics.report(&query).await?;
        let (currency, others) = Returns::currency(&rows).unwrap_or_default();
        let rates = match others {
            true => rates_to(&*self.rates, currency, query.since).await?,
            false => Rates::none(currency),
        };
        let query = ReportQuery { apart: rates.days(), ..query };
        let rows = if query.apart.is_empty() { rows } else { self.analytics.report(&query).await? };
        Ok((Returns::of(compute(query, &rows, &rates)), currency))
    }
}
