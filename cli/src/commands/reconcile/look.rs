//! What is asked to hold what was accepted against what is stored, until it balances or the time is over.

use super::why::{Cause, Obstacles};
use crate::{
    exit::Failure,
    pipeline::{self, Producer},
};
use serde::Serialize;
use std::time::Duration;
use tfx_api::{
    Client,
    reconciliation::{Reconciled, ReconciledKind, Reconciliation, ReconciliationQuery},
};
use tfx_domain::Timestamp;
use tokio::time::{Instant, sleep};

/// Pause between looks at what is on its way.
const EVERY: Duration = Duration::from_millis(500);

/// What was accepted and what is stored.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Balance {
    #[serde(flatten)]
    pub(crate) found: Reconciliation,
    /// Why something is missing or too many; nothing if nothing is.
    pub(crate) why: Vec<Cause>,
}

impl Balance {
    pub(crate) fn missing(&self) -> u64 {
        self.found.kinds.iter().map(|k| k.sum.missing).sum()
    }

    pub(crate) fn surplus(&self) -> u64 {
        self.found.kinds.iter().map(|k| k.sum.surplus).sum()
    }
}

/// What a kind is called.
pub(crate) const fn word(kind: Reconciled) -> &'static str {
    match kind {
        Reconciled::Clicks => "clicks",
        Reconciled::Conversions => "conversions",
        Reconciled::Postbacks => "postbacks",
        Reconciled::HealthChanges => "health changes",
    }
}

/// Looks again and again, until everything balances that was accepted before now, or the time is over. `ids`: so many of
/// what is missing or too many are named.
///
/// # Errors
/// api-service does not answer, or refuses.
pub(crate) async fn look(
    client: &Client,
    (since, until): (Option<Timestamp>, Option<Timestamp>),
    patience: Duration,
    ids: usize,
) -> Result<Balance, Failure> {
    let over = Instant::now() + patience;
    let backwards = |since: Timestamp, until: Timestamp| {
        Failure::usage(format!("--since {since} is not before --until {until}"))
    };
    if let Some((since, until)) = since.zip(until).filter(|(since, until)| since >= until) {
        return Err(backwards(since, until));
    }
    let mut query = ReconciliationQuery { since, until, ids: Some(ids) };
    let first = client.reconciliation(&query).await?;
    let asked = first.at;
    // The time that is looked at stays the same.
    let until = until.map_or(asked, |until| until.min(asked));
    if let Some(since) = since.filter(|since| *since >= until) {
        return Err(backwards(since, until));
    }
    (query.since, query.until) = (query.since.or(Some(first.since)), Some(until));
    let mut balance = Balance { found: first, why: Vec::new() };
    loop {
        // Nobody is waited for who has been silent for long.
        let told = balance.found.counted_until.is_none_or(|counted| counted >= asked);
        let balances = balance.missing() + balance.surplus() == 0;
        if balances && told || Instant::now() >= over {
            break;
        }
        sleep(EVERY).await;
        balance.found = client.reconciliation(&query).await?;
    }
    if balance.missing() > 0 {
        let since = balance.found.since;
        let stats = client.event_stats().await?;
        let told = [("traffic-service", &stats.traffic), ("postback-service", &stats.postback)];
        let producers = told.into_iter().filter_map(|(name, stats)| Some((name, Producer::of(stats).ok()?)));
        let lag = pipeline::lag(client).await?.map_or(0, |lag| lag.messages);
        let errors = pipeline::errors(client, since).await?.unwrap_or(0);
        balance.why = Obstacles { producers: producers.collect(), lag, errors }.explains(since);
    }
    balance.why.extend(balance.found.kinds.iter().filter_map(too_many));
    Ok(balance)
}

/// Why more is stored than was accepted.
fn too_many(kind: &ReconciledKind) -> Option<Cause> {
    let (many, word) = (kind.sum.surplus, word(kind.kind));
    let next = match kind.kind {
        Reconciled::Conversions => {
            "was the configuration store restored from an older backup? tfx audit tells; what networks report again gets the same \
             ids"
        }
        _ => {
            "rows that were written by hand or restored from elsewhere are such, and what instances accepted whose journal's \
             folder was lost"
        }
    };
    (many > 0).then(|| Cause {
        found: format!("{many} {word} are stored that nobody accepted, or counted twice"),
        next: next.to_owned(),
    })
}
